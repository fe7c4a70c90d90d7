"""8.4 trace_best: the best run that can be explained, and everything that it came from."""

from collections.abc import Set

import numpy as np
import pandas as pd

from . import lab


@lab.exercise("8.4", section="where-did-this-come-from", hints=(
    "First walk back from a run to all that it came from. Then choose, among those whose whole past is known.",
    "maker = {digest: run that made it}. Walk: for each used digest either it is a source, or go on at its maker, "
    "or the past is unknown. The best is the one with the highest validation among runs with metrics and a known "
    "past."))
class trace_best:
    rule = ("The best run is the one with the highest validation among those whose whole past is known; behind it "
            "stand all runs, sources and versions of the code that it came from, each once.")

    def inputs(d):
        raw = ["s1", "s2", "s3"]
        sources = set(d.some(raw, 1)) if d.flag(0.3) else set(raw)
        log, digests, scores = [], raw, d.order([700 + 3 * i for i in range(8)])
        below = d.pick([0, 0, 1, 0.703])  # an error with a minus is below 0; one that is 0 is a number, too
        names = d.order(["clean", "join", "split", "linear", "trees", "forest", "mlp"])[:d.int(1, 7)]
        for place, name in enumerate(names):
            uses = d.order(d.some(digests[-5:])[:3])
            if d.flag(0.3):
                uses.insert(d.int(0, len(uses)), d.pick(["laptop", digests[-1]]))
            makes = [f"d{place}", *([f"e{place}"] if d.flag(0.2) else [])]
            digests = [*digests, *makes]
            validation = scores[place] / 1000 - below
            metrics = {"validation": validation, "test": round(validation + d.pick([0.0, 0.03, -0.03, 0.012]), 3)}
            log.append({"run": name, "uses": uses, "makes": makes, "code": f"c{d.int(1, 4)}", "params": {},
                        "metrics": metrics if place == 0 or d.flag(0.7) else {}})
        d.need(any(run["metrics"] and _known(run, log, sources) for run in log))
        return dict(log=log, sources=sources)

    def see(got, **_):
        """Each list in one order; what stands in it twice stands there twice."""
        return {name: sorted(value) if isinstance(value, (list, tuple, Set, np.ndarray)) else value
                for name, value in got.items()}

    def shows(log, sources):
        table = pd.DataFrame([{"run": e["run"], "uses": " ".join(e["uses"]), "makes": " ".join(e["makes"]),
                               "code": e["code"], **e["metrics"]} for e in log])
        return f"trace_best(log of {len(log)} runs, sources={sorted(sources)})", table

    figure = "Behind one AUC stand a run, the four runs before it, two tables and three versions of the code."


def _known(run: dict, log: list[dict], sources) -> bool:
    maker = {made: other for other in log for made in other["makes"]}
    return all(used in sources or used in maker and _known(maker[used], log, sources) for used in run["uses"])


# Answers: wrong ones with their misconceptions, and right ones written differently.


def behind(run, log, sources, depth=99):
    """Runs, sources and unknown digests behind a run, so many steps back."""
    maker = {made: other for other in log for made in other["makes"]}
    runs, raw, unknown = {}, [], []
    todo = [(used, depth) for used in run["uses"]]
    while todo:
        used, left = todo.pop()
        if used in sources:
            raw.append(used)
        elif used not in maker:
            unknown.append(used)
        else:
            runs[maker[used]["run"]] = maker[used]
            todo += [(deeper, left - 1) for deeper in maker[used]["uses"] if left > 0]
    return list(runs.values()), raw, unknown


def traced(log, sources, *, by=lambda metrics: metrics["validation"], steps=99, known=True, choose=max, depth=99,
           once=lambda values: sorted(set(values))):
    fit = [run for run in log if run["metrics"] and not (known and behind(run, log, sources, steps)[2])]
    best = choose(fit, key=lambda run: by(run["metrics"]))
    runs, raw, _ = behind(best, log, sources, depth)
    return {"run": best["run"], "past": once([run["run"] for run in runs]), "sources": once(raw),
            "code": once([best["code"], *(run["code"] for run in runs)])}


trace_best.variants(traced,
    the_best_on_test=("M05", "The test rows judge what was chosen; choose by validation.",
        dict(by=lambda metrics: metrics["test"])),
    the_lowest=("M40", "The higher the better.", dict(choose=min)),
    the_latest=("M32", "The best of all runs, not the latest.",
        dict(by=lambda _: 0, choose=lambda runs, key: list(runs)[-1])),
    two_digits_are_enough=("M41", "Two runs whose validation is alike to two digits are not alike.",
        dict(by=lambda metrics: round(metrics["validation"], 2))),
    whatever_it_came_from=("M65", "A run that used something of unknown origin cannot be explained.",
        dict(known=False)),
    only_what_it_used_itself=("M33", "A past is known if it is known all the way back, not only in the last step.",
        dict(steps=0)),
    two_steps_back=("M33", "A past is known if it is known all the way back, however many steps.", dict(steps=1)),
    with_repetition=("M09", "Each stands there once, however often it was used.", dict(once=list)))


@trace_best.mistake("M47", "A run that used nothing has no unknown past.")
def nothing_is_unknown(log, sources):
    return traced([run for run in log if run["uses"]], sources)


@trace_best.mistake("M33", "The past of the past belongs to it.")
def parents_only(log, sources):
    return traced(log, sources) | {"past": traced(log, sources, depth=0)["past"]}


@trace_best.mistake("M33", "The sources behind it are those of its whole past.")
def own_sources_only(log, sources):
    found = traced(log, sources)
    return found | {"sources": next(sorted(sources & set(run["uses"])) for run in log if run["run"] == found["run"])}


@trace_best.mistake("M32", "The sources behind it, not all there are.")
def all_sources(log, sources):
    return traced(log, sources) | {"sources": sorted(sources)}


@trace_best.mistake("M33", "`code` holds the versions of its whole past.")
def own_code_only(log, sources):
    found = traced(log, sources)
    return found | {"code": [run["code"] for run in log if run["run"] == found["run"]]}


@trace_best.mistake("M33", "`code` holds its own version, too.")
def without_its_own_code(log, sources):
    found = traced(log, sources)
    return found | {"code": sorted({run["code"] for run in log if run["run"] in found["past"]})}


@trace_best.mistake("M32", "`past` holds the runs behind it, not the run itself.")
def itself_in_its_past(log, sources):
    found = traced(log, sources)
    return found | {"past": [*found["past"], found["run"]]}


@trace_best.mistake("M32", "What came before in time is not what it came from.")
def everything_before(log, sources):
    found = traced(log, sources)
    names = [run["run"] for run in log]
    return found | {"past": names[:names.index(found["run"])]}


@trace_best.mistake("M20", "A log is never rewritten.")
def tidies_the_log(log, sources):
    found = traced(log, sources)
    log[:] = [run for run in log if run["run"] == found["run"]]
    return found


@trace_best.mistake("M20", "A log is never rewritten: nothing is added to it.")
def marks_the_best_in_the_log(log, sources):
    found = traced(log, sources)
    next(run for run in log if run["run"] == found["run"])["best"] = True
    return found


@trace_best.mistake("M47", "The highest may be below 0: begin with the first run, not with 0.")
def better_than_zero(log, sources):
    return traced([run if run["metrics"].get("validation", 0) > 0 else run | {"metrics": {}} for run in log], sources)


@trace_best.right
def with_a_work_list(log, sources):
    maker = {made: entry for entry in log for made in entry["makes"]}
    best = None
    for entry in log:
        past, raw, code, work, sound = set(), set(), {entry["code"]}, list(entry["uses"]), True
        while work:
            used = work.pop()
            if used in sources:
                raw.add(used)
            elif used in maker:
                past.add(maker[used]["run"])
                code.add(maker[used]["code"])
                work += maker[used]["uses"]
            else:
                sound = False
        score = entry["metrics"].get("validation", -1)
        if sound and entry["metrics"] and (best is None or score > best[0]):
            best = score, {"run": entry["run"], "past": past, "sources": raw, "code": code}
    return best[1]


@trace_best.right
def forward_in_time(log, sources):
    history = {source: (frozenset(), frozenset([source]), frozenset()) for source in sources}
    found = []
    for run in log:
        if not set(run["uses"]) <= set(history):
            continue
        before = [history[used] for used in run["uses"]]
        past, raw, code = (frozenset().union(*(part[i] for part in before)) for i in range(3))
        history |= dict.fromkeys(run["makes"], (past | {run["run"]}, raw, code | {run["code"]}))
        if run["metrics"]:
            found.append((run["metrics"]["validation"], run["run"], past, raw, code | {run["code"]}))
    return dict(zip(("run", "past", "sources", "code"), max(found)[1:]))
