"""8.1 run_dag: the outcome of each step of a graph. The steps record that they ran, and with what."""

from concurrent.futures import ThreadPoolExecutor
from graphlib import TopologicalSorter

from mlelab import case

from . import lab

ERRORS = (RuntimeError, KeyError, ValueError, OSError, ZeroDivisionError, TypeError)


@lab.exercise("8.1", section="a-graph-of-steps", hints=(
    "A step can run when all that it needs has an outcome. If one of those did not succeed, it is skipped.",
    '`graphlib.TopologicalSorter` gives the order and raises CycleError, which is a ValueError. For each name: if '
    'any needed outcome is not "done", the outcome is ("skipped", None); else call it in a try.'))
class run_dag:
    rule = ("Every step runs once, after what it needs and with the results of just that; what needs a failed or "
            "skipped step is skipped; a ring raises a ValueError.")
    raises = ValueError

    def inputs(d):
        names = d.order(["raw", "clean", "model", "card", "map", "area"])[:d.int(0, 6)]
        needs = {name: d.order(d.some(names[:place])[:3]) for place, name in enumerate(names)}
        ring = d.flag(0.2) and len(names) > 0
        if ring:
            early = d.int(0, len(names) - 1)
            late = d.int(early, min(early + 2, len(names) - 1))
            for one, other in zip(names[early:late], names[early + 1:late + 1]):
                needs[other] = list({**dict.fromkeys(needs[other]), one: None})
            needs[names[early]] = [*needs[names[early]], names[late]]
        fails = {} if ring else {name: d.pick(ERRORS) for name in d.some(names)[:2]} if d.flag(0.7) else {}
        gives = {name: d.pick(["text", None, 0, "", "an error", "a pair"]) for name in names}
        return dict(needs={name: needs[name] for name in d.order(names)}, fails=fails, gives=gives)

    def run(run_dag, needs, fails, gives):
        ran = []

        def step(name):
            def work(inputs):
                ran.append([name, {needed: _said(result) for needed, result in inputs.items()}])
                if name in fails:
                    raise fails[name](f"{name} broke")
                text = f"{name} of {sorted(inputs.items())}"
                special = {"text": text, "an error": KeyError(name), "a pair": ("failed", name)}
                return special.get(gives[name], gives[name])

            return work

        outcomes = run_dag({name: (list(needed), step(name)) for name, needed in needs.items()})
        return {"outcomes": outcomes, "ran": sorted(ran, key=lambda call: call[0])}

    def see(got, **_):
        """Of an error only that it says what went wrong."""
        outcomes = {name: [kind, f"{name} broke" in f"{rest[0]!r}" if rest else "nothing"] if kind == "failed" else
                    [kind, *map(_said, rest)] for name, (kind, *rest) in got["outcomes"].items()}
        return {"outcomes": outcomes, "ran": got["ran"]}

    def shows(needs, fails, gives):
        steps = ", ".join(f"{name!r}: {needed}" for name, needed in needs.items())
        failing = "".join(f"; {name} fails with {error.__name__}" for name, error in fails.items())
        odd = "".join(f"; {name} returns {value!r}" for name, value in gives.items() if value != "text")
        return f"run_dag({{{steps}}}){failing}{odd}", None

    def real():
        return dict(needs={name: list(needed) for name, needed in case.MADE_FROM.items()}, fails={"features": OSError},
                    gives=dict.fromkeys(case.MADE_FROM, "text"))

    def figure(got, needs, **_):
        skipped = [kind for kind, _ in got["outcomes"].values()].count("skipped")
        return (f"The case's graph has {len(needs)} artefacts; if `features` fails, {skipped} of them are skipped and "
                "the others are made.")


def _said(result):
    return repr(result) if isinstance(result, Exception) else result


# Answers: wrong ones with their misconceptions, and right ones written differently.


@run_dag.mistake("M08", "A step may return anything, an error too: one that did not raise it has not failed.")
def a_returned_error_is_a_failure(steps):
    return {name: ("failed", out[1]) if isinstance(out[1], Exception) else out
            for name, out in outcomes_of(steps, keep=lambda error: error).items()}


def ordered(steps):
    return TopologicalSorter({name: needed for name, (needed, _) in steps.items()}).static_order()


def outcomes_of(steps, order=None, *, stops=lambda found: any(kind != "done" for kind, *_ in found), catch=Exception,
                keep=str, failed=lambda text: ("failed", text), given=lambda outcomes, needed: needed):
    outcomes = {}
    for name in ordered(steps) if order is None else order:
        needed, work = steps[name]
        if stops([outcomes[n] for n in needed]):
            outcomes[name] = ("skipped", None)
            continue
        try:
            outcomes[name] = ("done", work({n: outcomes[n][1] for n in given(outcomes, needed)}))
        except catch as error:
            outcomes[name] = failed(keep(error))
    return outcomes


run_dag.variants(
    outcomes_of,
    lets_the_failure_out=("M70", "A failure of a step is its outcome, and does not end the run.", dict(catch=())),
    runtime_errors_only=("M70", "A step may fail with any exception.", dict(catch=RuntimeError)),
    direct_children_only=("M70", "What needs a skipped step is skipped as well, however far below.",
        dict(stops=lambda found: any(kind == "failed" for kind, *_ in found))),
    skipped_if_all_failed=("M70", "One failed step among those needed is enough to be skipped.",
        dict(stops=lambda found: bool(found) and all(kind != "done" for kind, *_ in found))),
    nothing_means_failed=("M08", "A step may return None, 0 or an empty text: it is done all the same.",
        dict(stops=lambda found: any(kind != "done" or not rest[0] for kind, *rest in found))),
    forgets_what_went_wrong=("M65", "A failed step keeps what went wrong.", dict(keep=lambda _: None)),
    without_the_error=("M65", "The outcome of a failed step is a pair, with the error.",
        dict(failed=lambda _: ("failed",))),
    gives_everything=("M32", "A step is given the results of what it needs, and no others.",
        dict(given=lambda done, _: [name for name in done if done[name][0] == "done"])))


@run_dag.mistake("M34", "A step runs after what it needs, in whatever order the graph is written.")
def in_the_order_written(steps):
    list(ordered(steps))
    return outcomes_of(steps, steps)


@run_dag.mistake("M34", "A step runs after what it needs, in whatever order the names stand in the alphabet.")
def in_the_order_of_the_alphabet(steps):
    list(ordered(steps))
    return outcomes_of(steps, sorted(steps))


@run_dag.mistake("M70", "If a step fails, what does not need it still runs.")
def stops_at_the_first_failure(steps):
    broken = []
    return outcomes_of(steps, stops=lambda _: broken, keep=lambda error: broken.append(error) or str(error))


@run_dag.mistake("M21", "Each step runs once, however many need it.")
def makes_what_it_needs_again(steps):
    outcomes = outcomes_of(steps)
    for needed, _ in steps.values():
        for name in needed:
            if outcomes[name][0] == "done":
                steps[name][1]({before: outcomes[before][1] for before in steps[name][0]})
    return outcomes


@run_dag.mistake("M47", "A ring of steps can never start: a ValueError.")
def leaves_out_a_ring(steps):
    order = []
    while ready := [n for n, (needed, _) in steps.items() if n not in order and set(needed) <= set(order)]:
        order += ready
    return outcomes_of(steps, order)


@run_dag.mistake("M47", "A ring raises a ValueError also where other steps could start.")
def a_ring_only_if_nothing_can_start(steps):
    if steps and all(needed for needed, _ in steps.values()):
        raise ValueError("ring")
    return leaves_out_a_ring(steps)


@run_dag.mistake("M47", "A ring raises a ValueError, and no KeyError.")
def a_ring_is_a_key_error(steps):
    outcomes = leaves_out_a_ring(steps)
    return {name: outcomes[name] for name in steps}


@run_dag.right
def ready_by_ready(steps):
    outcomes = {}
    while len(outcomes) < len(steps):
        ready = [name for name, (needed, _) in steps.items() if name not in outcomes and set(needed) <= set(outcomes)]
        if not ready:
            raise ValueError("a ring")
        for name in ready:
            needed, work = steps[name]
            try:
                inputs = {n: outcomes[n][1] for n in needed if outcomes[n][0] == "done"}
                outcomes[name] = ("skipped", None) if len(inputs) < len(needed) else ("done", work(inputs))
            except Exception as error:
                outcomes[name] = ("failed", error)
    return outcomes


@run_dag.right
def in_threads(steps):
    graph, outcomes = TopologicalSorter({name: needed for name, (needed, _) in steps.items()}), {}
    graph.prepare()

    def one(name):
        needed, work = steps[name]
        if {outcomes[n][0] for n in needed} - {"done"}:
            return "skipped", None
        try:
            return "done", work({n: outcomes[n][1] for n in needed})
        except Exception as error:
            return "failed", repr(error)

    with ThreadPoolExecutor(2) as pool:
        while ready := graph.get_ready():
            outcomes |= zip(ready, pool.map(one, ready))
            graph.done(*ready)
    return outcomes
