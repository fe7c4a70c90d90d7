"""11.7 run_agent: the loop of an agent. A script stands for the model, so that everything it sees can be compared."""

import copy
import json

import jsonschema

from . import lab

FLIGHT = {"type": "object", "properties": {"flight": {"type": "string", "minLength": 3},
                                           "month": {"type": "integer", "minimum": 1, "maximum": 12}},
          "required": ["flight"], "additionalProperties": False}
SEAT = {"type": "object", "properties": {"seat": {"enum": ["aisle", "window"]}}, "required": ["seat"]}
NOTHING = {"type": "object", "properties": {}, "additionalProperties": False}
ARGUMENTS = {"status": ({"flight": "UA 15"}, {"flight": "DL 42", "month": 12}, {"month": 12, "flight": "DL 42"}),
             "rebook": ({"flight": "UA 15"}, {"flight": "AA 1"}), "seat": ({"seat": "aisle"}, {"seat": "window"}),
             "help": ({},)}
INVALID = {"status": ({}, {"flight": 15}, {"flight": "UA"}, {"flight": "UA 15", "month": 13},
                      {"flight": "UA 15", "day": 1}, {"flight": "UA 15", "month": "5"}),
           "rebook": ({"seat": "aisle"}, {"flight": None}), "seat": ({"seat": "Aisle"}, {}), "help": ({"me": "please"},
                                                                                                      )}


@lab.exercise("11.7", section="agents", hints=(
    "Write the loop with an answer only: when does it end, and with which status? Then a function for one call, which "
    "leaves at the first thing that applies.",
    "`jsonschema.Draft202012Validator(schema).is_valid(arguments)`. Keep (tool, arguments, result) of each call that "
    "was "
    "ok, and look there before you ask and run. Add the cost before you look into the reply. `except Exception` around "
    "`run(**arguments)` alone."))
class run_agent:
    rule = ("The model is asked until it answers, max_steps times at most, with all messages so far; a call is "
            "refused, "
            "repeated, confirmed and run in the order of the docstring; a reply above the budget is used for nothing.")

    def inputs(d):
        names = d.some(["status", "rebook", "seat", "help"], 1)
        schemas = {"status": FLIGHT, "rebook": FLIGHT, "seat": SEAT, "help": NOTHING}
        tools = {name: {"schema": schemas[name], "effect": d.flag(0.75 if name == "rebook" else 0.2),
                        "gives": [d.pick(["on time", None, 0, "", {"gate": "B4"}, "error: unknown tool", "fails"])
                                  for _ in range(3)]} for name in names}

        def reply():
            cost = d.pick([1, 0, 0.5, 2.25])
            if d.flag(0.08):
                return {"cost": cost, "answer": d.pick(["It is late.", "", "error: failed"])}
            name = d.pick([*names, *names, *names, "refund"])
            arguments = (INVALID if d.flag(0.2) else ARGUMENTS).get(name, ({},))
            return {"cost": cost, "tool": name, "arguments": dict(d.pick(arguments))}

        script = d.list(1, 7, reply)
        script.append({"cost": d.pick([1, 0.5]), "answer": d.pick(["Yes.", "Gate B4."])})
        costs, steps = [one["cost"] for one in script], d.pick([9, len(script), d.int(0, len(script))])
        budget = d.pick([100, sum(costs), sum(costs[:d.int(0, len(costs))]), sum(costs) - 0.25])
        return dict(script=script, tools=tools, question=d.pick(["Is UA 15 late?", "Help"]), max_steps=steps,
                    budget=budget, confirms=[d.flag(0.5) for _ in range(3)])

    def run(run_agent, script, tools, question, max_steps, budget, confirms):
        seen, asked, ran = [], [], []

        def model(messages):
            seen.append(copy.deepcopy(list(messages)))
            if len(seen) > 20:
                raise SystemExit("the model was asked more than 20 times")
            return copy.deepcopy(script[min(len(seen), len(script)) - 1])

        def confirm(tool, arguments):
            asked.append((tool, copy.deepcopy(arguments)))
            return confirms[(len(asked) - 1) % len(confirms)]

        def runner(name, gives):
            def run(**arguments):
                ran.append((name, arguments))
                result = gives[(sum(one == name for one, _ in ran) - 1) % len(gives)]
                if result == "fails":
                    raise [KeyError, ValueError, TimeoutError][len(ran) % 3]("the tool is not well")
                return copy.deepcopy(result)
            return run

        given = {name: {"schema": copy.deepcopy(one["schema"]), "effect": one["effect"],
                        "run": runner(name, one["gives"])} for name, one in tools.items()}
        result = run_agent.shared(model, given, question, max_steps, budget, confirm)
        return {"result": result, "what the model saw": seen, "tools that ran": ran, "confirmations asked for": asked}

    def see(got, **_):
        result = got["result"]
        return got | {"result": result | {"trace": [tuple(one) for one in result["trace"]]}}

    def shows(script, tools, question, max_steps, budget, confirms):
        lines = [f"tools: {', '.join(name + (' (effect)' if one['effect'] else '') for name, one in tools.items())}; "
                 f"confirm says {confirms}", f"run_agent(model, tools, {question!r}, {max_steps}, {budget}, confirm), "
                 "where the model replies, one after the other"]
        return "\n".join([*lines, *(f"  {json.dumps(reply)}" for reply in script)]), None

    def real():
        call = {"cost": 1, "tool": "rebook", "arguments": {"flight": "UA 15"}}
        return dict(script=[call, call, call], tools={"rebook": {"schema": FLIGHT, "effect": True,
                                                                 "gives": ["booked"]}},
                    question="Rebook me.", max_steps=8, budget=100, confirms=[True])

    def figure(got, **_):
        return (f"A model that asks for the same booking {len(got['result']['trace'])} times gets it "
                f"{len(got['tools that ran'])} time, and is then stopped.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


def agent(model, tools, question, max_steps, budget, confirm, *, order=("unknown", "invalid", "repeated", "confirm"),
          over=lambda spent, budget: spent > budget, used=False, remembers=lambda outcome, effect,
          result: outcome == "ok",
          key=lambda tool, arguments: (tool, arguments), says=lambda outcome: f"error: {outcome}",
          asks=lambda tool: tool["effect"],
          valid=lambda schema, given: jsonschema.Draft202012Validator(schema).is_valid(given), told=True, steps=0,
          failed="failed", reply_first=True, count=True, answered=lambda reply: "answer" in reply, again=None):
    messages, spent, trace, done = [{"role": "user", "content": question}], 0, [], []

    def call(tool, arguments):
        for step in order:
            if step == "unknown" and tool not in tools:
                return "unknown tool", None
            if step == "invalid" and tool in tools and not valid(tools[tool]["schema"], arguments):
                return "invalid arguments", None
            if step == "repeated" and (old := [result for one, result in done if one == key(tool, arguments)]):
                return "repeated", old[0] if again is None else again
            if step == "confirm" and tool in tools and asks(tools[tool]) and not confirm(tool, arguments):
                return "not confirmed", None
        try:
            outcome, result = "ok", tools[tool]["run"](**arguments)
        except Exception:
            if failed is None:
                raise
            outcome, result = failed, None
        if remembers(outcome, tools[tool]["effect"], result):
            done.append((key(tool, arguments), result))
        return outcome, result

    for _ in range(max_steps + steps):
        reply = model(messages)
        spent += reply["cost"]
        late = over(spent, budget)
        if late and (not used or not answered(reply)):
            return {"status": "budget", "answer": None, "spent": spent if count else spent - reply["cost"],
                    "trace": trace}
        if answered(reply):
            return {"status": "answered", "answer": reply["answer"], "spent": spent, "trace": trace}
        outcome, result = call(reply["tool"], reply["arguments"])
        trace.append((reply["tool"], outcome))
        content = result if outcome in ("ok", "repeated") else says(outcome)
        new = [{"role": "assistant", "content": reply}, {"role": "tool", "content": content}]
        if told or outcome in ("ok", "repeated"):
            messages = messages + new[0 if reply_first else 1:]
    return {"status": "steps", "answer": None, "spent": spent, "trace": trace}


run_agent.variants(
    agent,
    the_budget_is_too_much=("M31", "Exactly the budget may be spent.", dict(over=lambda spent,
                                                                            budget: spent >= budget)),
    no_budget=("M26", "A reply whose cost brings the sum above the budget is used for nothing: the budget is a limit.",
               dict(over=lambda spent, budget: False)),
    an_answer_is_free=("M77", "An answer costs, too: above the budget it is not used.", dict(used=True)),
    the_last_reply_is_not_counted=("M77", "What was asked for is spent, also where it is not used.", dict(count=False)),
    one_step_more=("M31", "The model is asked max_steps times at most.", dict(steps=1)),
    no_confirmation=("M26", "A tool with an effect runs only when confirm says so.", dict(asks=lambda tool: False)),
    confirms_everything=("M24", "Only a tool with an effect needs a confirmation.", dict(asks=lambda tool: True)),
    asks_again=("M21", "A repeated call is not asked about: nothing will run.",
                dict(order=("unknown", "invalid", "confirm", "repeated"))),
    asks_about_nonsense=("M99", "Arguments are looked at before anybody is asked.",
                         dict(order=("unknown", "confirm", "invalid", "repeated"))),
    runs_it_again=("M21", "A call that was ok before is not run again: its result is given again.",
                   dict(remembers=lambda outcome, effect, result: False)),
    bookings_run_again=("M21", "A repeated booking is the worst kind of repetition: its result is given again.",
                        dict(remembers=lambda outcome, effect, result: outcome == "ok" and not effect)),
    a_failure_is_remembered=("M22", "Only a call that was ok is repeated from memory: one that failed is tried again.",
                             dict(remembers=lambda outcome, effect, result: True)),
    falsy_results_run_again=("M08", "A result that is 0, empty or None is a result: whether a call was ok decides.",
                             dict(remembers=lambda outcome, effect, result: outcome == "ok" and result)),
    one_result_for_each_tool=("M71", "Calls are equal if tool and arguments are.", dict(key=lambda tool,
                                                                                        arguments: tool)),
    arguments_alone=("M71", "Calls are equal if tool and arguments are: another tool is another call.",
                     dict(key=lambda tool, arguments: arguments)),
    arguments_in_order=("M72", "Arguments are equal whatever their order.",
                        dict(key=lambda tool, arguments: (tool, str(arguments)))),
    arguments_unchecked=("M48", "Arguments are checked by the schema before the tool runs.",
                         dict(order=("unknown", "repeated", "confirm"))),
    only_what_is_required=("M33", "The schema says more than which arguments must be there: kinds and limits, too.",
                           dict(valid=lambda schema, given: set(schema.get("required", [])) <= set(given))),
    names_only=("M33", "The schema says more than the names of the arguments: kinds and limits, too.",
                dict(valid=lambda schema, given: set(schema.get("required",
                                                                [])) <= set(given) <= set(schema["properties"]))),
    failures_come_out=("M38", "A tool that fails is told to the model, and the loop goes on.", dict(failed=None)),
    the_model_is_not_told=("M38", "What went wrong is told to the model, so that it can do better.", dict(told=False)),
    without_its_own_words=("M99", "The model's own reply stands before the result, or it does not know what it asked "
                                  "for.",
                           dict(reply_first=False)),
    the_bare_outcome=("M99", "The result of a refused call is the outcome with \"error: \" before it.",
                      dict(says=lambda outcome: outcome)),
    an_empty_answer_is_none=("M08", "An empty answer is an answer.", dict(answered=lambda reply: reply.get("answer"))))


@run_agent.mistake("M33", "The loop goes on until the model answers, not for one tool.")
def one_call_only(model, tools, question, max_steps, budget, confirm):
    return agent(model, tools, question, min(max_steps, 2), budget, confirm)


@run_agent.mistake("M44", "A tool that fails tells the model \"error: failed\", no empty result.")
def failure_as_none(model, tools, question, max_steps, budget, confirm):
    return agent(model, tools, question, max_steps, budget, confirm, failed="ok")


@run_agent.right
def with_a_while_loop(model, tools, question, max_steps, budget, confirm):
    memory, log, spent, steps = {}, [], 0, 0
    said = [{"role": "user", "content": question}]
    while steps < max_steps:
        steps += 1
        reply = model(list(said))
        spent = spent + reply["cost"]
        if spent > budget:
            return dict(status="budget", answer=None, spent=spent, trace=log)
        if "tool" not in reply:
            return dict(status="answered", answer=reply["answer"], spent=spent, trace=log)
        name, given = reply["tool"], reply["arguments"]
        key, result = name + json.dumps(given, sort_keys=True), None
        if name not in tools:
            outcome = "unknown tool"
        elif list(jsonschema.Draft7Validator(tools[name]["schema"]).iter_errors(given)):
            outcome = "invalid arguments"
        elif key in memory:
            outcome, result = "repeated", memory[key]
        elif tools[name]["effect"] and not confirm(name, given):
            outcome = "not confirmed"
        else:
            try:
                result, outcome = tools[name]["run"](**given), "ok"
                memory[key] = result
            except Exception:
                outcome = "failed"
        log.append((name, outcome))
        said.append({"role": "assistant", "content": reply})
        said.append({"role": "tool", "content": result if outcome in ("ok", "repeated") else "error: " + outcome})
    return dict(status="steps", answer=None, spent=spent, trace=log)


@run_agent.right
def with_exceptions(model, tools, question, max_steps, budget, confirm):
    messages, trace, past = [dict(role="user", content=question)], [], []

    class Refused(Exception):
        pass

    def carried_out(name, arguments):
        if name not in tools:
            raise Refused("unknown tool")
        try:
            jsonschema.validate(arguments, tools[name]["schema"])
        except jsonschema.ValidationError:
            raise Refused("invalid arguments") from None
        for one in past:
            if one[:2] == (name, arguments):
                return "repeated", one[2]
        if tools[name]["effect"] and not confirm(name, arguments):
            raise Refused("not confirmed")
        try:
            past.append((name, arguments, tools[name]["run"](**arguments)))
        except Exception:
            raise Refused("failed") from None
        return "ok", past[-1][2]

    result = {"status": "steps", "answer": None, "spent": 0, "trace": trace}
    for _ in range(max_steps):
        reply = model(messages)
        result["spent"] += reply["cost"]
        if result["spent"] > budget:
            return {**result, "status": "budget"}
        if "answer" in reply:
            return {**result, "status": "answered", "answer": reply["answer"]}
        try:
            outcome, content = carried_out(reply["tool"], reply["arguments"])
        except Refused as refused:
            outcome, content = str(refused), f"error: {refused}"
        trace.append((reply["tool"], outcome))
        messages.extend([dict(role="assistant", content=reply), dict(role="tool", content=content)])
    return result
