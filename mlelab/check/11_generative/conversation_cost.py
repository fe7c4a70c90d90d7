"""11.1 conversation_cost: what a chat costs whose turns send all of it again."""

from . import lab


@lab.exercise("11.1", section="tokens-and-cost", hints=(
    "What stands in the prompt of the second turn? Which part of it did the first turn send already?",
    "Keep `history`, the tokens so far, and `before`, the prompt of the turn before. prompt = history + question; "
    "cached "
    "= before if it has cache_from tokens or more, else 0; then history = prompt + answer, which must fit."))
class conversation_cost:
    rule = ("A turn's prompt is all that was said before and the new question; the whole prompt of the turn before "
            "costs "
            "`cached` if it has cache_from tokens, the rest `input`, the answer `output`; all per million.")
    raises = ValueError

    def inputs(d):
        turns = [(d.pick([d.int(1, 60), 0, 8 * d.int(1, 20)]), d.pick([d.int(1, 60), 0])) for _ in range(d.int(0, 5))]
        system = d.pick([d.int(0, 40), 0, 500])
        prompts, total = [], system
        for question, answer in turns:
            prompts.append(total + question)
            total += question + answer
        window = d.pick([10_000, total, total, total - 1, total + 1, max(prompts, default=0)])
        price = {"input": d.pick([2.0, 0.5, 0.125]), "cached": d.pick([0.25, 0.5, 0]), "output": d.pick([8.0, 1.0,
                                                                                                         0.5]),
                 "cache_from": d.pick([0, 100, *prompts, *(one + 1 for one in prompts), *(one - 1 for one in prompts)]),
                 "context": window}
        return dict(turns=turns, system_tokens=system, price=price)

    def real():
        price = {"input": 1.0, "cached": 0.25, "output": 4.0, "cache_from": 1024, "context": 100_000}
        return dict(turns=[(100, 150)] * 40, system_tokens=800, price=price)

    def run(conversation_cost, turns, system_tokens, price):
        return 1e6 * conversation_cost(turns, system_tokens, price)

    def figure(got, turns, system_tokens, price):
        alone = len(turns) * ((system_tokens + turns[0][0]) * price["input"] + turns[0][1] * price["output"])
        return (f"Forty turns of one conversation cost {got / alone:.1f} times what forty conversations of one turn "
                f"cost, "
                "cache included.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


def paid(turns, system_tokens, price, *, prompt=lambda system, said, question: system + said + question,
         cached=lambda before, after, price: before if before >= price["cache_from"] else 0,
         fits=lambda prompt, answer, price: prompt + answer <= price["context"], per=1e6, twice=False, output="output",
         answers=True):
    total, said, before, after = 0.0, 0, 0, 0
    for question, answer in turns:
        tokens = prompt(system_tokens, said, question)
        if not fits(tokens, answer, price):
            raise ValueError("too long")
        old = cached(before, after, price)
        total += old * price["cached"] + (tokens - (0 if twice else old)) * price["input"] + answer * price[output]
        said += question + answer * answers
        before, after = tokens, tokens + answer
    return total / per


conversation_cost.variants(
    paid,
    only_the_new_question=("M45", "A model keeps nothing between turns: each turn sends the whole conversation again.",
                           dict(prompt=lambda system, said, question: question, cached=lambda *_: 0)),
    system_message_not_sent=("M77", "The system message is sent in each turn.",
                             dict(prompt=lambda system, said, question: said + question)),
    answers_are_not_sent_again=("M77", "Earlier answers are part of the next prompt.", dict(answers=False)),
    nothing_is_cached=("M77", "What the turn before sent costs `cached`.", dict(cached=lambda *_: 0)),
    answers_are_cached=("M99", "The prompt of the turn before is cached, not the answer to it.",
                        dict(cached=lambda before, after, price: after if after >= price["cache_from"] else 0)),
    answers_count_for_cache_from=("M99", "cache_from is asked of the part that is cached, the prompt of the turn "
                                         "before.",
                                  dict(cached=lambda before, after, price: before if after >= price["cache_from"]
                                       else 0)),
    short_prompts_are_cached=("M99", "A prompt with fewer than cache_from tokens is not cached.",
                              dict(cached=lambda before, after, price: before)),
    more_than_cache_from=("M31", "Exactly cache_from tokens are enough.",
                          dict(cached=lambda before, after, price: before if before > price["cache_from"] else 0)),
    beyond_cache_from=("M32", "From cache_from tokens on all of it is cached, not what lies above.",
                       dict(cached=lambda before, after, price: max(before - price["cache_from"], 0))),
    cached_twice=("M77", "What costs `cached` does not cost `input` as well.", dict(twice=True)),
    answers_at_the_price_of_prompts=("M32", "Answers cost `output`.", dict(output="input")),
    per_thousand=("M10", "Prices are for a million tokens.", dict(per=1e3)),
    the_prompt_must_fit=("M59", "The answer takes room in the window, too.",
                         dict(fits=lambda prompt, answer, price: prompt <= price["context"])),
    a_full_window_is_too_full=("M31", "Exactly `context` tokens fit.",
                               dict(fits=lambda prompt, answer, price: prompt + answer < price["context"])),
    no_window=("M99", "A turn with more than `context` tokens is a ValueError.", dict(fits=lambda *_: True)))


@conversation_cost.mistake("M44", "A turn that does not fit is a ValueError: nobody may cut it off in silence.")
def cut_off(turns, system_tokens, price):
    return paid(turns, system_tokens, price, fits=lambda *_: True,
                prompt=lambda system, said, question: min(system + said + question, price["context"]))


@conversation_cost.right
def with_sums(turns, system_tokens, price):
    prompts = [system_tokens + sum(q + a for q, a in turns[:i]) + turns[i][0] for i in range(len(turns))]
    if any(prompt + answer > price["context"] for prompt, (_, answer) in zip(prompts, turns)):
        raise ValueError("the conversation is longer than the window")
    cached = sum(prompt for prompt in prompts[:-1] if prompt >= price["cache_from"])
    return ((sum(prompts) - cached) * price["input"] + cached * price["cached"]
            + sum(answer for _, answer in turns) * price["output"]) / 1_000_000


@conversation_cost.right
def with_a_list_of_messages(turns, system_tokens, price):
    messages, dollars, last = [system_tokens], 0, None
    for question, answer in turns:
        messages.append(question)
        tokens = sum(messages)
        old = last if last is not None and not last < price["cache_from"] else 0
        dollars += old * price["cached"] / 1e6 + (tokens - old) * price["input"] / 1e6 + answer * price["output"] / 1e6
        messages.append(answer)
        if sum(messages) > price["context"]:
            raise ValueError(sum(messages))
        last = tokens
    return dollars
