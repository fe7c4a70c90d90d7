"""Checks of lab 8: DAG runner, cache key, retry, lineage, promotion gate, retraining policy, model tests."""

import copy
import functools
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from mlelab import case, data
from mlelab.check.lab import Lab, Trial

lab = Lab("08_mlops")


@lab.exercise(
    "8.1",
    section="a-graph-of-steps",
    hints=(
        "A step can run when all that it needs has an outcome. If one of those did not succeed, it is skipped.",
        '`graphlib.TopologicalSorter` gives the order and raises CycleError, which is a ValueError. For each name: if '
        'any needed outcome is not "done", the outcome is ("skipped", None); else call it in a try.',
    ),
)
def run_dag(trial: Trial, answer) -> str:
    def graph(broken=()):
        ran = []

        def step(name):
            def work(inputs):
                ran.append(name)
                if name in broken:
                    raise RuntimeError(f"{name} broke")
                return name + "(" + ",".join(inputs[needed] for needed in sorted(inputs)) + ")"

            return work

        needs = {
            "raw": [],
            "weather": [],
            "features": ["raw", "weather"],
            "model": ["features"],
            "report": ["model", "features"],
            "card": ["report"],
            "map": ["weather"],
        }
        names = trial.rng.permutation(list(needs))
        return {name: (needs[name], step(name)) for name in names}, ran

    def ask(steps):
        call = f"run_dag({{{', '.join(f'{name!r}: {needed}' for name, (needed, _) in steps.items())}}})"
        try:
            return answer(dict(steps)), call
        except NotImplementedError:
            trial.call(answer, steps)
        except Exception as error:
            mistake = "M34" if isinstance(error, KeyError) else "M70"
            trial.wrong(
                f"A graph without a cycle is run to its end; this stopped with {type(error).__name__}: {error}.",
                call=call,
                mistake=mistake,
            )

    steps, ran = graph()
    got, call = ask(steps)
    raw, weather = "raw()", "weather()"
    built = f"features({raw},{weather})"
    trained = f"model({built})"
    reported = f"report({built},{trained})"
    expected = {
        "raw": raw,
        "weather": weather,
        "features": built,
        "model": trained,
        "report": reported,
        "card": f"card({reported})",
        "map": f"map({weather})",
    }
    told = {name: got.get(name) for name in expected} if isinstance(got, dict) else got
    trial.require(
        told == {name: ("done", value) for name, value in expected.items()},
        "Every step runs after what it needs, with their results, and its own is kept.",
        call=call,
        expected=("done", expected["model"]),
        got=told.get("model") if isinstance(told, dict) else told,
        mistake="M34",
    )
    trial.require(
        sorted(ran) == sorted(expected),
        "Every step runs once.",
        call=call,
        expected=sorted(expected),
        got=sorted(ran),
        mistake="M21",
    )
    children = {
        "raw": {"features", "model", "report", "card"},
        "weather": {"features", "model", "report", "card", "map"},
        "features": {"model", "report", "card"},
    }
    for broken, below in children.items():
        steps, ran = graph(broken=[broken])
        got, call = ask(steps)
        verdicts = {name: outcome[0] for name, outcome in got.items()}
        should = {name: "skipped" if name in below else "failed" if name == broken else "done" for name in steps}
        trial.require(
            verdicts == should and not below & set(ran),
            f"If {broken} fails, all that needs it is skipped, however far below, and the rest runs.",
            call=call + f" where {broken} fails",
            expected=should,
            got=verdicts | {"ran": list(ran)},
            mistake="M70",
        )
        trial.require(
            "broke" in str(got[broken][1]),
            "A failed step keeps what went wrong.",
            call=call,
            expected=("failed", f"{broken} broke"),
            got=got[broken],
            mistake="M65",
        )
    try:
        got = answer({"a": (["c"], str), "b": (["a"], str), "c": (["b"], str)})
    except (ValueError, RecursionError) as error:
        got = error
    trial.require(
        isinstance(got, ValueError),
        "A ring of steps can never start: raise a ValueError.",
        call="run_dag({'a': ['c'], 'b': ['a'], 'c': ['b']})",
        expected="ValueError",
        got=got,
        mistake="M47",
    )
    return (
        f"The case's graph has {len(case.MADE_FROM)} artefacts; if `features` fails, {_below('features')} of them are "
        "skipped and the others are made."
    )


def _below(name: str) -> int:
    reached, more = set(), {name}
    while more:
        more = {made for made, needed in case.MADE_FROM.items() if set(needed) & more} - reached
        reached |= more
    return len(reached)


@lab.exercise(
    "8.2",
    section="run-only-what-changed",
    hints=(
        "List all that could change the result, and all that could not. The first list is the key, in a form in which "
        "two different lists never look alike.",
        "sha256 of `json.dumps([step, code, {name: sha256 of the file's bytes}, params], sort_keys=True)`.",
    ),
)
def cache_key(trial: Trial, answer) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        one, two = folder / "one", folder / "two"
        one.write_bytes(b"flights " + bytes(trial.rng.integers(48, 58, 8, dtype=np.uint8)))
        two.write_bytes(b"weather 1")
        code, inputs, params = "def f(a, b): return a", {"flights": one, "weather": two}, {"c": 1.0, "seed": 0}

        def key(step="features", code=code, inputs=inputs, params=params):
            return trial.call(answer, step, code, inputs, params)

        base = key()
        trial.require(isinstance(base, str) and base, "A key is a text.", got=base)
        same = {
            "the parameters come in another order": {"params": dict(reversed(params.items()))},
            "the inputs come in another order": {"inputs": dict(reversed(inputs.items()))},
        }
        for what, change in same.items():
            trial.require(
                key(**change) == base,
                f"Where {what}, the result is the same, and so is the key.",
                call=f"cache_key(…), {what}",
                mistake="M72",
            )
        os.utime(one, (1_000_000, 1_000_000))
        trial.require(
            key() == base,
            "A file that was only touched has the same content, and gives the same key.",
            call="cache_key(…) after `touch flights`",
            mistake="M72",
        )
        moved = folder / "moved"
        moved.write_bytes(one.read_bytes())
        trial.require(
            key(inputs=inputs | {"flights": moved}) == base,
            "The same content at another path gives the same key.",
            call="cache_key(…), flights copied to another folder",
            mistake="M72",
        )
        other = folder / "other"
        other.write_bytes(one.read_bytes()[:-1] + b"x")
        os.utime(other, (1_000_000, 1_000_000))
        differ = {
            "a byte of an input": {"inputs": inputs | {"flights": other}},
            "the code": {"code": code.replace("return a", "return b")},
            "a parameter": {"params": params | {"c": 0.1}},
            "the name of a parameter": {"params": {"d": 1.0, "seed": 0}},
            "the step": {"step": "model"},
            "which input is which": {"inputs": {"flights": two, "weather": one}},
        }
        for what, change in differ.items():
            trial.require(
                key(**change) != base,
                f"Another result may come out when {what} changes: another key.",
                call=f"cache_key(…), where {what} changes",
                mistake="M71",
            )
        shifted = [key(params={"c": "1", "seed": "23"}), key(params={"c": "12", "seed": "3"})]
        trial.require(
            shifted[0] != shifted[1],
            "Two different lists of parameters never give the same text to the digest.",
            call="cache_key(…, {'c': '1', 'seed': '23'}) and cache_key(…, {'c': '12', 'seed': '3'})",
            mistake="M71",
        )
    return "A key of content runs a step again for one changed byte, and not for a thousand touched files."


class Busy(Exception):
    """Somebody else's trouble that may pass."""


class Invalid(Exception):
    """Our own mistake: it will be the same next time."""


@lab.exercise(
    "8.3",
    section="try-again",
    hints=(
        "Which errors may pass by themselves? How long do you wait? What tells the other side that it is the same "
        "request?",
        "key = uuid4 once, before the loop. In the loop call(key) and return; on a transient error re-raise it after "
        "the last attempt, otherwise sleep(wait * 2**attempt). Let every other error through.",
    ),
)
def retry(trial: Trial, answer) -> str:
    def service(fails, error=Busy):
        seen = []

        def call(key):
            seen.append(key)
            if len(seen) > 60:
                raise SystemExit("no end")  # not an Exception: nothing catches it by habit
            if len(seen) <= fails:
                raise error("try later" if error is Busy else "no such column")
            return "done"

        return call, seen

    def ask(fails, attempts=5, error=Busy):
        call, seen = service(fails, error)
        waits = []
        try:
            return answer(call, (Busy,), attempts, 0.5, waits.append), seen, waits
        except NotImplementedError:
            trial.call(answer, call, (Busy,), attempts, 0.5, waits.append)
        except (Busy, Invalid, SystemExit) as raised:
            return raised, seen, waits
        except Exception as raised:
            trial.wrong(
                f"The error of the last attempt comes out as it is; this was {type(raised).__name__}: {raised}.",
                call="retry(call that always fails, …)",
                mistake="M64",
            )

    fails = int(trial.rng.integers(2, 4))
    text = f"retry(call that is busy {fails} times, transient=(Busy,), attempts=5, wait=0.5, sleep)"
    got, seen, waits = ask(fails)
    trial.require(
        got == "done" and len(seen) == fails + 1,
        "A call that succeeds after a while gives its result.",
        call=text,
        expected="done",
        got=got,
        mistake="M33",
    )
    trial.require(
        len(set(seen)) == 1 and seen[0],
        "All attempts carry the same key, so that the other side does the work once.",
        call=text,
        got=f"{len(set(seen))} keys in {len(seen)} attempts",
        mistake="M21",
    )
    expected = [0.5 * 2**i for i in range(fails)]
    trial.require(
        np.allclose(waits, expected) if len(waits) == fails else False,
        "Each wait is twice the one before, and after a success there is none.",
        call=text,
        expected=expected,
        got=waits,
        mistake="M73",
    )
    again = ask(0)[1]
    trial.require(again[0] != seen[0], "Another request has another key.", call="two calls of retry", mistake="M71")
    got, seen, waits = ask(1_000, attempts=4)
    trial.require(
        len(seen) == 4,
        "After `attempts` attempts it is over.",
        call="retry(call that is always busy, attempts=4, …)",
        expected="4 attempts",
        got=f"{len(seen)} attempts",
        mistake="M73",
    )
    trial.require(
        isinstance(got, Busy),
        "When no attempt succeeds, the caller gets the error.",
        call="retry(call that is always busy, attempts=4, …)",
        expected="Busy is raised",
        got=got,
        mistake="M64",
    )
    trial.require(
        len(waits) == 3,
        "After the last attempt nobody waits.",
        call="retry(call that is always busy, attempts=4)",
        expected="3 waits",
        got=f"{len(waits)} waits",
        mistake="M31",
    )
    got, seen, _ = ask(1_000, error=Invalid)
    trial.require(
        len(seen) == 1 and isinstance(got, Invalid),
        "An error that will be the same next time is not tried again.",
        call="retry(call with a wrong column, …)",
        expected="Invalid is raised after 1 attempt",
        got=f"{len(seen)} attempts, {type(got).__name__}",
        mistake="M22",
    )
    total = sum(0.5 * 2**i for i in range(7))
    return f"Eight attempts from half a second on give the other side {total:.1f} seconds to recover."


@lab.exercise(
    "8.4",
    section="where-did-this-come-from",
    hints=(
        "First walk back from a run to all that it came from. Then choose, among those whose whole past is known.",
        "maker = {digest: run that made it}. Walk: for each used digest either it is a source, or go on at its maker, "
        "or the past is unknown. The best is the one with the highest validation among runs with metrics and a known "
        "past.",
    ),
)
def trace_best(trial: Trial, answer) -> str:
    log, sources, best = _log(trial.rng)
    given = copy.deepcopy(log)
    call = "trace_best(log of 8 runs, sources={'s1', 's2'})"
    try:
        got = answer(given, set(sources))
    except NotImplementedError:
        trial.call(answer, log, sources)
    except Exception as error:
        trial.wrong(f"Your function stopped with {type(error).__name__}: {error}.", call=call)
    trial.require(
        given == log,
        "A log is never rewritten.",
        call=call,
        expected="the log as it was",
        got="a changed log",
        mistake="M20",
    )
    trial.require(
        isinstance(got, dict) and {"run", "past", "sources", "code"} <= set(got),
        "The answer is a dict with run, past, sources and code.",
        call=call,
        got=got,
    )
    runs = {entry["run"]: entry for entry in log}
    by_test = max((entry for entry in log if entry["metrics"]), key=lambda entry: entry["metrics"]["test"])["run"]
    mistakes = {by_test: "M05", "unknown": "M65"}
    example = pd.DataFrame(
        [{"run": e["run"], **e["metrics"], "uses": " ".join(e["uses"])} for e in log if e["metrics"]]
    )
    trial.require(
        got["run"] == best["run"],
        "The best run is the one with the highest validation among those whose whole past is known.",
        call=call,
        example=example.head(3),
        expected=best["run"],
        got=got["run"],
        mistake=mistakes.get(got["run"]),
    )
    for field in ("past", "sources", "code"):
        found = list(got[field])
        direct = {
            "past": [run for run in best["past"] if set(runs[run]["makes"]) & set(runs[best["run"]]["uses"])],
            "sources": [s for s in runs[best["run"]]["uses"] if s in sources],
            "code": [runs[best["run"]]["code"]],
        }[field]
        trial.require(
            sorted(found) == sorted(best[field]),
            f"`{field}` holds everything that the run came from, the past of the past included.",
            call=call,
            expected=sorted(best[field]),
            got=sorted(found),
            mistake="M33" if sorted(found) == sorted(direct) else None,
        )
    return "Behind one AUC stand a run, the four runs before it, two tables and three versions of the code."


def _log(rng: np.random.Generator) -> tuple[list[dict], set[str], dict]:
    """Eight runs: the highest test is another one, and the highest validation of all has an unknown past."""
    base = round(float(rng.uniform(0.68, 0.70)), 3)

    def entry(run, uses, makes, code, validation=None, test=None):
        metrics = {} if validation is None else {"validation": round(validation, 4), "test": round(test, 4)}
        return {"run": run, "uses": uses, "makes": makes, "code": code, "params": {}, "metrics": metrics}

    log = [
        entry("clean", ["s1"], ["d1"], "c1"),
        entry("weather", ["s2"], ["d2"], "c1"),
        entry("join", ["d1", "d2"], ["d3"], "c2"),
        entry("split", ["d3"], ["d4"], "c2"),
        entry("linear", ["d4"], ["m1"], "c3", base, base + 0.03),
        entry("trees", ["d4"], ["m2"], "c3", base + 0.02, base),
        entry("forest", ["d4"], ["m3"], "c3", base + 0.01, base + 0.01),
        entry("unknown", ["d4", "laptop"], ["m4"], "c3", base + 0.05, base + 0.02),
    ]
    return (
        log,
        {"s1", "s2"},
        {
            "run": "trees",
            "past": ["clean", "weather", "join", "split"],
            "sources": ["s1", "s2"],
            "code": ["c1", "c2", "c3"],
        },
    )


@lab.exercise(
    "8.5",
    section="the-gate",
    hints=(
        'Five questions, each with its own name in the list of reasons. Ask all of them, even after the first "no".',
        'reasons: "test set" if the digests differ; "gain" if the AUC does not rise by at least min_gain; "slice:NAME" '
        'for each slice that loses more than max_slice_loss; "calibration"; "latency".',
    ),
)
def gate(trial: Trial, answer) -> str:
    limits = {"min_gain": 0.005, "max_slice_loss": 0.01, "max_calibration_error": 0.03, "max_p99": 50.0}
    champion = {
        "test": "t1",
        "auc": 0.71,
        "slices": {"EWR": 0.72, "JFK": 0.69, "LGA": 0.72},
        "calibration_error": 0.02,
        "p99": 30.0,
    }
    rise = round(float(trial.rng.uniform(0.01, 0.02)), 4)
    good = champion | {"auc": 0.71 + rise, "slices": {"EWR": 0.73, "JFK": 0.70, "LGA": 0.74}}

    def ask(candidate, expected, says, mistake):
        call = f"gate(candidate={candidate}, champion, limits={limits})"
        got = trial.call(answer, candidate, champion, limits)
        shaped = isinstance(got, tuple) and len(got) == 2 and isinstance(got[1], list)
        trial.require(
            shaped, "The answer is a pair: whether to promote, and the list of reasons why not.", call=call, got=got
        )
        trial.require(
            (bool(got[0]), sorted(got[1])) == (not expected, sorted(expected)),
            says,
            call=call,
            expected=(not expected, sorted(expected)),
            got=got,
            mistake=mistake,
        )

    ask(good, [], "A candidate that is better everywhere goes on.", None)
    ask(good | {"test": "t2"}, ["test set"], "Two models are compared on the same test rows, or not at all.", "M74")
    ask(
        good | {"slices": {"EWR": 0.76, "JFK": 0.66, "LGA": 0.76}},
        ["slice:JFK"],
        "A gain on average that costs one airport more than it may does not go on.",
        "M75",
    )
    ask(champion, ["gain"], "A candidate that is only as good stays out.", "M76")
    ask(good | {"auc": 0.712}, ["gain"], "A gain below the margin is no gain.", "M76")
    ask(good | {"p99": 80.0}, ["latency"], "A candidate that answers too slowly stays out.", "M26")
    ask(good | {"calibration_error": 0.05}, ["calibration"], "A candidate whose chances are off stays out.", "M26")
    ask(
        good | {"auc": 0.70, "p99": 80.0, "slices": {"EWR": 0.70, "JFK": 0.66, "LGA": 0.74}},
        ["gain", "latency", "slice:EWR", "slice:JFK"],
        "All reasons are told, not the first one only.",
        "M33",
    )
    return "One airport with a loss stops a candidate that gains everywhere else, and the list says which one."


@lab.exercise(
    "8.6",
    section="when-to-train-again",
    hints=(
        "For the model of a month only earlier months are there. When is it made anew, and what does that cost?",
        "At the first month always fit, then whenever policy(month, since) says so, since = months since the last fit. "
        "Train on the last `window` months before this one, or on all. The row's cost is cost(model, month), plus "
        "fit_cost if a model was made.",
    ),
)
def simulate_policy(trial: Trial, answer) -> str:
    months = list(range(1, 13))
    start, fit_cost = int(trial.rng.integers(3, 6)), round(float(trial.rng.uniform(2, 5)), 1)
    for window, every in ((None, 2), (3, 1), (2, 4)):

        def cost(model, month):
            return 10.0 + month - max(model)

        def policy(month, since, every=every):
            return since >= every

        call = f"simulate_policy(months 1 to 12, start={start}, window={window}, policy: after {every} months)"
        got = trial.call(answer, months, tuple, cost, policy, window, fit_cost, start)
        trial.require(
            isinstance(got, pd.DataFrame) and {"trained_on", "cost"} <= set(got.columns),
            "The answer is a frame with `trained_on` and `cost`, a row for each month.",
            call=call,
            got=type(got).__name__,
        )
        expected = _policy(months, policy, window, fit_cost, start, cost)
        trial.require(
            list(got.index) == list(expected.index),
            "There is a row for each month from `start` on, and the index is the month.",
            call=call,
            expected=list(expected.index),
            got=list(got.index),
            mistake="M31" if set(got.index) <= set(months) else "M09",
        )
        empty = [row for row in got["trained_on"] if not isinstance(row, _MONTHS) or len(row) == 0]
        trial.require(
            not empty,
            "`trained_on` is a tuple in every row: the months of the model that scores, also where it is an old one.",
            call=call,
            got=str(list(got["trained_on"])),
            mistake="M32",
        )
        seen = {int(month): tuple(row) for month, row in got["trained_on"].items()}
        own = [month for month, row in seen.items() if month in row]
        trial.require(
            not own,
            "The model that scores a month has not seen it.",
            call=call,
            expected=f"trained before {own[:1]}",
            got=seen.get(own[0] if own else None),
            mistake="M01",
        )
        should = dict(expected["trained_on"])
        fits = {"got": len(set(seen.values())), "expected": len(set(should.values()))}
        trial.require(
            fits["got"] <= fits["expected"],
            "A model is made anew when the policy says so, and not otherwise.",
            call=call,
            expected=f"{fits['expected']} models",
            got=f"{fits['got']} models",
            mistake="M22",
        )
        trial.require(
            seen == should,
            "Training months are the last `window` before the month of the fit, or all.",
            call=call,
            expected=str(should),
            got=str(seen),
            mistake="M32",
        )
        spent = pd.to_numeric(got["cost"], errors="coerce").to_numpy()
        without = [cost(model, month) for month, model in should.items()]
        trial.require(
            np.allclose(spent, expected["cost"]),
            "Each row holds the cost of its month, and of the fit where there was one.",
            call=call,
            expected=expected["cost"].round(1).tolist(),
            got=np.round(spent, 1).tolist(),
            mistake="M77" if np.allclose(spent, without) else None,
        )
    return _real_policies(answer)


_MONTHS = (tuple, list, range, np.ndarray)


def _policy(months, policy, window, fit_cost, start, cost) -> pd.DataFrame:
    rows, model, since = {}, None, 0
    for month in [m for m in months if m >= start]:
        fitted = model is None or policy(month, since)
        if fitted:
            past = [m for m in months if m < month]
            model, since = tuple(past[-window:] if window else past), 0
        rows[month] = {"trained_on": model, "cost": cost(model, month) + (fit_cost if fitted else 0)}
        since += 1
    return pd.DataFrame.from_dict(rows, orient="index")


_SAID = {}


def _real_policies(answer) -> str:
    """Cost of the case for the months April to December, a model of April against one made anew each month."""
    if "policies" not in _SAID:
        by_month, losses = _month_tables(), {}

        def fit(months):
            rows = pd.concat([by_month[month] for month in months])
            return case.linear_model(["hour", "origin_delay_3h", "temp"], ["carrier"]).fit(rows, rows["late"])

        def cost(model, month):
            rows = by_month[month]
            alert, late = model.predict_proba(rows)[:, 1] >= 1 / 6, rows["late"] == 1
            return float((case.COST_MISSED * (~alert & late) + case.COST_NEEDLESS * (alert & ~late)).mean())

        for name, often in (("never", 99), ("each month", 1)):
            table = answer(list(by_month), fit, cost, lambda month, since, often=often: since >= often, 1, 0.0, 4)
            losses[name] = table["cost"].mean()
        _SAID["policies"] = (
            f"A small model of March costs {losses['never']:.2f} a flight until December; one made anew each month "
            f"from the month before costs {losses['each month']:.2f}."
        )
    return _SAID["policies"]


@functools.cache
def _month_tables() -> dict[int, pd.DataFrame]:
    flights = data.load("features").dropna(subset="arr_delay").sample(24_000, random_state=0)
    flights["late"] = (flights["arr_delay"] >= case.LATE_MINUTES).astype(int)
    return {int(month): rows for month, rows in flights.groupby("month")}


@lab.exercise(
    "8.7",
    section="tests-for-a-model",
    hints=(
        "Four questions that accuracy does not ask. For each: which model would fail it, and would a good one pass?",
        "invariance: predict with `flight` shuffled gives the same p. direction: the mean of p with origin_delay_3h + "
        "30 is not below the mean of p. minimum: roc_auc_score on held_out of at least 0.6. schema: for one row and "
        "for all, shape (n,), all finite, within 0 and 1; and a row whose seats are nan. A spoilt model may give nan: "
        "np.nan_to_num before roc_auc_score, which raises otherwise.",
    ),
)
def model_tests(trial: Trial, answer) -> str:
    train, held_out = _rows(trial.rng)

    def good(rows):
        score = 0.03 * rows["origin_delay_3h"].to_numpy() + 0.2 * (rows["hour"].to_numpy() - 14) - 2.5
        score = score - 0.02 * np.nan_to_num(rows["seats"].to_numpy() - 150)
        bend = 1.2 * (rows["origin_delay_3h"].to_numpy() > 55)  # a model may bend locally
        return 1 / (1 + np.exp(-(score - bend * (rows["hour"].to_numpy() < 8))))

    known = {
        tuple(row): late for *row, late in train[["hour", "origin_delay_3h", "flight", "late"]].itertuples(index=False)
    }

    def remembers(rows):
        keys = rows[["hour", "origin_delay_3h", "flight"]].itertuples(index=False)
        return np.array([0.9 if known.get(tuple(key)) else 0.1 for key in keys])

    worlds = {
        "good": (good, set()),
        "reads the flight number": (
            lambda rows: np.clip(good(rows) + 0.1 * (rows["flight"].to_numpy() % 2), 0, 1),
            {"invariance"},
        ),
        "calms down when it gets crowded": (
            lambda rows: good(rows.assign(origin_delay_3h=60 - rows["origin_delay_3h"])),
            {"direction", "minimum"},
        ),
        "says 0.1 to everybody": (lambda rows: np.full(len(rows), 0.1), {"minimum"}),
        "gives nan for unknown seats": (lambda rows: np.where(rows["seats"].isna(), np.nan, good(rows)), {"schema"}),
        "gives percent": (lambda rows: 100 * good(rows), {"schema"}),
        "remembers its training rows": (remembers, {"minimum"}),
    }
    for name, (predict, should_fail) in worlds.items():
        call = (
            f"model_tests(predict of a model that {name}, train, held_out)"
            if name != "good"
            else ("model_tests(predict of a good model, train, held_out)")
        )
        got = trial.call(answer, predict, train, held_out)
        trial.require(
            isinstance(got, dict) and set(got) == {"invariance", "direction", "minimum", "schema"},
            "The answer has four entries: invariance, direction, minimum and schema.",
            call=call,
            got=got,
        )
        failed = {test for test, passed in got.items() if not passed}
        if name == "remembers its training rows":
            trial.require(
                "minimum" in failed,
                "The minimum is measured on rows that the model has not learned from.",
                call=call,
                expected="minimum fails",
                got=got,
                mistake="M02",
            )
        elif name == "says 0.1 to everybody":
            trial.require(
                "minimum" in failed,
                "A model that says the same to everybody is not good enough, whatever its accuracy.",
                call=call,
                expected="minimum fails",
                got=got,
                mistake="M06",
            )
            trial.require(
                "direction" not in failed,
                "More delay does not lower this model's mean chance, and more was not asked: equal passes.",
                call=call,
                expected="direction passes",
                got=got,
                mistake="M31",
            )
        elif name == "good":
            trial.require(
                not failed,
                "A good model passes, also one that bends a little in a corner.",
                call=call,
                expected="all pass",
                got=got,
                mistake="M78",
            )
        else:
            must = should_fail - {"minimum"}
            trial.require(
                must <= failed,
                f"A model that {name} fails {' and '.join(sorted(must))}.",
                call=call,
                expected=f"{', '.join(sorted(must))} fails",
                got=got,
                mistake="M78",
            )
    return _real_model_tests(answer)


def _rows(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    def draw(n):
        rows = pd.DataFrame(
            {
                "hour": rng.integers(5, 23, n),
                "origin_delay_3h": rng.uniform(0, 60, n).round(1),
                "seats": rng.choice([50.0, 150.0, np.nan], n),
                "flight": rng.integers(1, 6_000, n),
            }
        )
        score = 0.03 * rows["origin_delay_3h"] + 0.2 * (rows["hour"] - 14) - 2.5
        return rows.assign(late=(rng.random(n) < 1 / (1 + np.exp(-score))).astype(int))

    return draw(300), draw(300)


def _real_model_tests(answer) -> str:
    if "tests" not in _SAID:
        flights = data.load("features").dropna(subset="arr_delay").sample(20_000, random_state=0)
        flights["late"] = (flights["arr_delay"] >= case.LATE_MINUTES).astype(int)
        train, held_out, _ = case.split(flights)
        model = case.linear_model().fit(train, train["late"])
        passed = answer(lambda rows: model.predict_proba(rows)[:, 1], train, held_out)
        auc = roc_auc_score(held_out["late"], model.predict_proba(held_out)[:, 1])
        _SAID["tests"] = (
            f"The case's model, with an AUC of {auc:.2f}, passes {sum(passed.values())} of {len(passed)} tests."
        )
    return _SAID["tests"]
