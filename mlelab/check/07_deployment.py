"""Checks of lab 7: bundle, contract, micro-batches, tail, traffic split, canary, registry, autoscaling, image, mode."""

import contextlib
import copy
import functools
import hashlib
import json
import math
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from mlelab import case, data
from mlelab.check.lab import Lab, Trial
from mlelab.check.spy import Spy

lab = Lab("07_deployment")


@lab.exercise("7.1", section="the-bundle", hints=(
    "Three questions before you use a byte: is the manifest the registered one, is the schema yours, is each file the "
    "one that the manifest names?",
    "sha256 of the raw bytes of bundle.json against `digest`; `schema` against the manifest's; then for every name in "
    "`files` the sha256 of folder / name. Return a function that first fills missing values with `fill`, subtracts "
    "`mean`, divides by `scale`, and then applies weights, intercept and the logistic function."))
def load_bundle(trial: Trial, answer) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "moved" / "bundle"
        numbers, digest = _bundle(trial, folder)
        rows = numbers["rows"]
        call = "load_bundle(folder, schema=3, digest=…)"
        predict = trial.call(answer, folder, 3, digest)
        trial.require(callable(predict), "`load_bundle` returns a function that takes rows and gives chances.",
                      call=call, got=type(predict).__name__)
        got = np.asarray(trial.call(predict, rows.copy()), dtype=float)
        bare = numbers["raw"]
        mistake = "M61" if got.shape == bare.shape and np.allclose(got, bare, equal_nan=True) else None
        trial.require(got.shape == numbers["p"].shape and np.allclose(got, numbers["p"]),
                      "The loaded model gives the scores of the model that was saved, preprocessing included.",
                      call="load_bundle(…)(rows)", example=pd.DataFrame(rows).head(2), expected=numbers["p"].round(3),
                      got=got.round(3), mistake=mistake)
        for name in ("model.json", "transform.json"):
            _require_refusal(trial, answer, folder, 3, digest, f"one byte of {name} was changed", change=name)
        _require_refusal(trial, answer, folder, 2, digest, "this code expects schema 2 and the bundle has 3")
        whole = (folder / "model.json").read_bytes()
        (folder / "model.json").unlink()
        _require_refusal(trial, answer, folder, 3, digest, "model.json was not copied along")
        (folder / "model.json").write_bytes(whole)
        _forge(folder)
        _require_refusal(trial, answer, folder, 3, digest, "model.json was replaced and bundle.json adapted to it")
        folder = Path(scratch) / "pickled"
        _, digest = _bundle(trial, folder, pickled=True)
        Pickled.ran = False
        with contextlib.suppress(Exception):  # refusing is right as well: did the stranger's code run?
            answer(folder, 3, digest)(rows.copy())
        trial.require(not Pickled.ran, "Nothing in the folder is executed, whatever lies in it.",
                      call="load_bundle(folder with a file model.pkl)", expected="no code of the folder runs",
                      got="the pickle's own code ran", mistake="M63")

    kept, pickled, gap = _real_bundle()
    return (f"The real pipeline takes {kept / 1024:.1f} KiB as ONNX and {pickled / 1024:.1f} KiB as a pickle. Their "
            f"chances differ by less than {gap:.0e}.")


class Pickled:
    """What a stranger could put into a pickle."""

    ran = False

    def __reduce__(self):
        return _stranger, ()


def _stranger():
    Pickled.ran = True
    return {"weights": [0.0], "intercept": 0.0}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _bundle(trial: Trial, folder: Path, pickled: bool = False) -> tuple[dict, str]:
    """A small bundle as the lab's worked example writes it, and what it must give."""
    rng, n = trial.rng, 3
    parts = {"mean": rng.uniform(20, 60, n).round(1), "scale": rng.uniform(5, 20, n).round(1),
             "fill": rng.uniform(20, 60, n).round(1)}
    weights, intercept = rng.choice([-1, 1], n) * rng.uniform(0.5, 1.5, n).round(2), -0.5
    rows = rng.uniform(10, 80, (4, n)).round(1)
    rows[1, 0] = np.nan
    folder.mkdir(parents=True)
    files = {"transform.json": json.dumps({name: value.tolist() for name, value in parts.items()}).encode(),
             "model.json": json.dumps({"weights": weights.tolist(), "intercept": intercept}).encode()}
    if pickled:
        files["model.pkl"] = pickle.dumps(Pickled())
    for name, content in files.items():
        (folder / name).write_bytes(content)
    manifest = {"schema": 3, "saved_in": "/nowhere/bundle", "files": {name: _sha256(c) for name, c in files.items()}}
    (folder / "bundle.json").write_text(json.dumps(manifest))

    def chance(x):
        return 1 / (1 + np.exp(-(x @ weights + intercept)))

    filled = np.where(np.isnan(rows), parts["fill"], rows)
    return ({"rows": rows, "p": chance((filled - parts["mean"]) / parts["scale"]), "raw": chance(rows)},
            _sha256((folder / "bundle.json").read_bytes()))


def _forge(folder: Path) -> None:
    """Another model under a manifest that fits to it: only the registered digest can tell."""
    forged = json.dumps({"weights": [9.0, 9.0, 9.0], "intercept": 0.0}).encode()
    manifest = json.loads((folder / "bundle.json").read_text())
    manifest["files"]["model.json"] = _sha256(forged)
    (folder / "model.json").write_bytes(forged)
    (folder / "bundle.json").write_text(json.dumps(manifest))


def _require_refusal(trial: Trial, answer, folder: Path, schema: int, digest: str, why: str, change: str = "") -> None:
    before = (folder / change).read_bytes() if change else b""
    if change:  # one byte, and still JSON
        (folder / change).write_bytes(before[:-1] + b" }")
    _require_value_error(trial, answer, (folder, schema, digest), f"load_bundle(…), where {why}",
                         "A bundle that is not what was registered is refused.", "M62")
    if change:
        (folder / change).write_bytes(before)


def _require_value_error(trial: Trial, answer, arguments: tuple, call: str, says: str, mistake: str) -> None:
    """The call must end with a ValueError, and with nothing else."""
    try:
        got = answer(*arguments)
    except ValueError:
        return
    except NotImplementedError:
        trial.call(answer, *arguments)
    except Exception as error:
        trial.wrong(f"{says} Raise a ValueError; this was {type(error).__name__}: {error}.", call=call, mistake=mistake)
    trial.wrong(f"{says} Raise a ValueError.", call=call, expected="ValueError",
                got=got if isinstance(got, (str, dict)) else type(got).__name__, mistake=mistake)


@lab.exercise("7.2", section="the-contract", hints=(
    "Go through the outcomes one by one: not a list of objects, nothing in it, a column missing or not a number, "
    "something fails inside, all is well. Each has a status.",
    "422 if `instances` is no list of dicts, or a number column is None, absent or nan; 200 with an empty list for an "
    "empty batch; `try: score(...)`, and 500 with a fixed sentence in `except`. Every body holds `request_id`, a "
    "refusal `error`, and an answer `model_version`. Categories are handed on as they are."))
def handle(trial: Trial, answer) -> str:
    columns = {"hour": "number", "carrier": "category"}
    rows = [{"hour": int(h), "carrier": c} for h, c in zip(trial.rng.integers(5, 23, 3), ("UA", "DL", "B6"))]
    chances = trial.rng.uniform(0.55, 0.95, 3).round(3).tolist()
    known, asked = dict(zip(("UA", "DL", "B6"), chances)), []

    def score(instances):
        asked.append(instances)
        return [known.get(row["carrier"], 0.6) for row in instances]

    def ask(instances, scorer=score):
        payload = {"request_id": "r-17", "instances": instances}
        got = trial.call(answer, payload, scorer, columns, "4")
        shaped = isinstance(got, tuple) and len(got) == 2 and isinstance(got[1], dict)
        trial.require(shaped, "The answer is a pair of a status and a dict.", call=_ask(instances), got=got)
        return got

    status, body = ask(rows)
    expected = {"request_id": "r-17", "model_version": "4", "predictions": chances}
    told = body.get("predictions")
    mistake = "M65" if told == chances else "M32" if told == [int(p >= 0.5) for p in chances] else None
    trial.require(status == 200 and body == expected, "A sound request gets 200, the chances, and the names of request "
                  "and version.", call=_ask(rows), expected=(200, expected), got=(status, body), mistake=mistake)
    for broken in ({"hour": None}, {"hour": float("nan")}, {}):
        bad = [rows[0], {"carrier": "UA"} | broken]
        asked.clear()
        status, body = ask(bad)
        filled = asked and any(row.get("hour") == 0 for row in asked[-1])
        trial.require(status != 200 or "predictions" not in body, "A flight without its hour is not predicted.",
                      call=_ask(bad), expected="422", got=(status, body), mistake="M08" if filled else None)
        trial.require(status == 422, "A request that breaks the contract is the caller's mistake: 422.", call=_ask(bad),
                      expected=422, got=status, mistake="M64")
        trial.require(set(body) == {"request_id", "error"} and body["request_id"] == "r-17", "A refusal says which "
                      "request it is about, and why.", call=_ask(bad), expected=["request_id", "error"],
                      got=sorted(body), mistake="M65")
    for bad in ("UA 17", ["UA"]):
        status, body = ask(bad)
        trial.require(status == 422, "`instances` that is no list of objects is the caller's mistake: 422.",
                      call=_ask(bad), expected=422, got=status, mistake="M64")
    status, body = ask([])
    trial.require(status == 200 and body.get("predictions") == [], "No flights: 200, and no predictions.",
                  call=_ask([]), expected=(200, []), got=(status, body.get("predictions")), mistake="M47")
    unseen = [{"hour": 7, "carrier": "a new carrier"}]
    status, body = ask(unseen)
    trial.require(status == 200, "A carrier that nobody has seen is news, not a mistake of the caller: it is scored.",
                  call=_ask(unseen), expected=200, got=(status, body), mistake="M26")

    def fails(_):
        raise RuntimeError("connection to db-7, password 1234")

    status, body = ask(rows, fails)
    trial.require(status == 500, "When scoring fails, the status is 500.", call=_ask(rows) + " while score() fails",
                  expected=500, got=status, mistake="M64")
    leaked = any(word in json.dumps(body, default=str) for word in ("password", "Traceback", "RuntimeError"))
    trial.require(not leaked, "A 500 says nothing of what is inside.", call=_ask(rows) + " while score() fails",
                  expected="a fixed sentence", got=body, mistake="M64")
    required = [column["required"] for column in _real_contract().values()]
    return (f"The real service keeps this contract for {len(required)} columns: {sum(required)} must be there, "
            f"{len(required) - sum(required)} may be missing, as they were in training.")


def _ask(instances) -> str:
    return f"handle({{'request_id': 'r-17', 'instances': {instances}}}, …)"


@lab.exercise("7.3", section="batches-of-the-moment", hints=(
    "A batch opens with its first request. Two things close it: it is full, or its first request has waited long "
    "enough.",
    "Walk through the arrivals with the indices of the open batch. If an arrival is later than the first one's time + "
    "max_wait, close the batch at that time and open a new one. If the batch is full, close it at this arrival. After "
    "the loop close what is left at its first one's time + max_wait."))
def micro_batches(trial: Trial, answer) -> str:
    for _ in range(4):
        some = trial.rng.choice([1.0, 2.0, 30.0], 4)
        # A crowd, a pause, some, a pause, a trickle, a pause, and one that is alone.
        arrivals = 3 + np.cumsum([*np.ones(7), 30.0, *some, 30.0, 4.0, 4.0, 4.0, 40.0])
        size, wait = int(trial.rng.integers(3, 5)), float(trial.rng.integers(5, 8))
        _require_batches(trial, answer, arrivals, size, wait)
    minutes = _decisions()
    batches = answer(minutes, 32, 5.0)
    return (f"On 1 July 2013 the desk decides on {len(minutes)} flights. In batches of at most 32 that wait 5 minutes "
            f"at most, these are {len(batches)} calls.")


def _batches(arrivals, size, wait):
    batches, batch = [], []
    for i, at in enumerate(arrivals):
        if batch and at > arrivals[batch[0]] + wait:
            batches.append((arrivals[batch[0]] + wait, batch))
            batch = []
        batch.append(i)
        if len(batch) == size:
            batches.append((at, batch))
            batch = []
    return batches + ([(arrivals[batch[0]] + wait, batch)] if batch else [])


def _require_batches(trial: Trial, answer, arrivals, size, wait) -> None:
    call = f"micro_batches({[float(a) for a in arrivals]}, max_size={size}, max_wait={wait:g})"
    got = trial.call(answer, arrivals, size, wait)
    try:
        got = [(float(at), [int(i) for i in batch]) for at, batch in got]
    except (TypeError, ValueError):
        trial.wrong("The answer is a list of pairs: when the batch leaves, and the indices in it.", call=call, got=got)
    expected = [(float(at), batch) for at, batch in _batches(arrivals, size, wait)]
    found = {"call": call, "expected": expected[:3], "got": got[:3]}
    sent = [i for _, batch in got for i in batch]
    trial.require(len(sent) == len(set(sent)) and set(sent) >= set(range(len(arrivals))),
                  "Every request leaves in exactly one batch, the last ones too.",
                  **(found | {"expected": expected[-2:], "got": got[-2:]}), mistake="M09")
    trial.require(sent == sorted(sent), "Requests leave in the order in which they came.", **found, mistake="M34")
    trial.require(all(len(batch) <= size for _, batch in got), f"No batch holds more than {size}.", **found,
                  mistake="M26")
    late = [i for at, batch in got for i in batch if at > arrivals[i] + wait + 1e-9]
    trial.require(not late, f"Nobody waits longer than {wait:g}.", **found, mistake="M26")
    early = [i for at, batch in got for i in batch if at < arrivals[i] - 1e-9]
    trial.require(not early, "Nobody leaves before having come.", **found, mistake="M01")
    idle = got == [(float(arrivals[i]), [i]) for i in range(len(arrivals))] and got != expected
    trial.require(got == expected, "A batch leaves when it is full, or when its first request has waited `max_wait`; "
                  "until then others may join.", **found, mistake="M32" if idle else "M31")


@lab.exercise("7.4", section="the-tail", hints=(
    "Three decisions: from when does the clock run, what about requests without an answer, and in which order do you "
    "pool and take percentiles?",
    "latency = done - intended, and `timeout` where done is nan. Concatenate all replicas, sort, and take the element "
    "number ceil(q * n), counted from 1."))
def tail_latency(trial: Trial, answer) -> str:
    rng, timeout = trial.rng, 5_000.0
    replicas = []
    for n, slow in ((200, 0.0), (40, 0.5)):
        intended = np.cumsum(rng.exponential(10, n)).round(2)
        waited = np.where(rng.random(n) < slow, rng.uniform(200, 900, n), 0).round(2)  # in a queue before its start
        frame = pd.DataFrame({"intended": intended, "started": intended + waited,
                              "done": intended + waited + rng.gamma(2, 5, n).round(2)})
        replicas.append(frame)
    lost = rng.choice(40, 5, replace=False)
    replicas[1].loc[lost, "done"] = np.nan
    got = trial.call(answer, [frame.copy() for frame in replicas], timeout)
    call = "tail_latency([200 requests of one replica, 40 of another, 5 of them without an answer], timeout=5000)"
    expected = _tail(replicas, timeout)
    trial.require(isinstance(got, dict) and set(got) >= set(expected), "The answer is a dict with p50, p95 and p99.",
                  call=call, expected=list(expected), got=got)
    dropped = [frame.dropna() for frame in replicas]
    wrong = {
        "M66": {q: np.mean([_tail([frame], timeout)[q] for frame in replicas]) for q in expected},
        "M67": _tail([frame.assign(intended=frame["started"]) for frame in replicas], timeout),
        "M09": _tail(dropped, timeout),
        "M32": {q: max(_tail([frame], timeout)[q] for frame in replicas) for q in expected},
        "M17": dict.fromkeys(expected, np.mean(_latencies(replicas, timeout))),
        "M08": _tail([frame.fillna({"done": frame["intended"]}) for frame in replicas], timeout),
    }
    close = [code for code, table in wrong.items() if all(np.isclose(got[q], table[q], rtol=1e-6) for q in expected)]
    for q, value in expected.items():
        if np.isclose(got[q], value, rtol=1e-6):
            continue
        trial.wrong(f"{q} is the smallest latency that {q[1:]} % of all requests keep, counted from the intended time; "
                    "a request without an answer took the timeout.", call=call, expected=f"{q} = {value:.1f}",
                    got=f"{q} = {got[q]:.1f}", mistake=close[0] if close else None)
    two = [pd.DataFrame({"intended": 0.0, "started": 0.0, "done": np.full(n, ms)})
           for n, ms in ((5_000, 20.0), (40, 900.0))]
    alone, both = [answer([frame], timeout)["p99"] for frame in two], answer(two, timeout)["p99"]
    return (f"Two replicas with a p99 of {alone[0]:.0f} and {alone[1]:.0f} ms: averaged {np.mean(alone):.0f} ms, "
            f"together {both:.0f} ms, because the slow one answered 40 of 5,040 requests.")


def _latencies(replicas, timeout):
    return np.concatenate([(frame["done"] - frame["intended"]).fillna(timeout).to_numpy() for frame in replicas])


def _tail(replicas, timeout) -> dict[str, float]:
    values = np.sort(_latencies(replicas, timeout))
    return {f"p{q}": float(values[math.ceil(q / 100 * len(values)) - 1]) for q in (50, 95, 99)}


class Unsteady(str, Spy):
    """An id whose built-in hash is another one in each process, as that of every text is unless you forbid it."""

    turn = 0

    def __hash__(self):
        Unsteady.turn += 1
        return Unsteady.turn * 7919

    __eq__ = str.__eq__


@lab.exercise("7.5", section="who-gets-the-canary", hints=(
    "A digest of salt and id is the same everywhere and looks random. Turn it into a number from 0 to 99.",
    "`int(hashlib.sha256(f\"{salt}:{unit_id}\".encode()).hexdigest(), 16) % 100`, then walk through the versions in "
    "sorted order and add up their weights. Raise a ValueError first if the weights do not sum to 100."))
def route(trial: Trial, answer) -> str:
    salt, start = f"rollout-{trial.rng.integers(1_000)}", int(trial.rng.integers(10_000)) * 100
    ids = [f"desk-{start + 100 * i}" for i in range(3_000)]  # structured: all end in 00
    weights = {"v1": 90, "v2": 10}
    call = f"route('{ids[0]}', {weights}, '{salt}')"
    for bad in ({"v1": 90, "v2": 20}, {"v1": 50}):
        _require_value_error(trial, answer, (ids[0], bad, salt), f"route(…, {bad}, …)",
                             "Weights that do not sum to 100 are somebody's mistake.", "M18")
    first = [trial.call(answer, unit, weights, salt) for unit in ids[:200]]
    trial.require(set(first) <= set(weights), "The answer is one of the versions.", call=call, got=first[0])
    again = [trial.call(answer, Unsteady(unit), weights, salt) for unit in ids[:200]]
    trial.require(first == again, "The same id goes to the same version, in every process and at every time.",
                  call=call, mistake="M18")
    chosen = np.array(first + [answer(unit, weights, salt) for unit in ids[200:]])
    share = (chosen == "v2").mean()
    trial.require(0.07 < share < 0.13, "Of 3,000 ids that all end in 00, about 10 % go to the canary.", call=call,
                  expected="7 to 13 %", got=f"{share:.1%}", mistake="M18")
    raised = np.array([answer(unit, {"v1": 70, "v2": 30}, salt) for unit in ids])
    trial.require(not ((chosen == "v2") & (raised == "v1")).any(), "Raising the canary's share moves ids into the "
                  "canary only: nobody who has it loses it.", call=call.replace("90", "70").replace("10}", "30}"),
                  mistake="M18")
    other = np.array([answer(unit, weights, salt + "x") for unit in ids])
    both = ((other == "v2") & (chosen == "v2")).mean()
    trial.require(both < 0.03, "Another salt chooses other ids: the same desks are not the canary of every rollout.",
                  call=f"route('{ids[0]}', {weights}, '{salt}x')", expected="about 1 % in both canaries",
                  got=f"{both:.1%}", mistake="M12")
    none = {answer(unit, {"v1": 100, "v2": 0}, salt) for unit in ids[:500]}
    trial.require(none == {"v1"}, "A weight of 0 gets nobody.", call="route(…, {'v1': 100, 'v2': 0}, …)", got=none,
                  mistake="M31")
    flown = _flights_by_aircraft()
    canary = flown[[answer(tail, weights, "2013") == "v2" for tail in flown.index]]
    return (f"Split 90 to 10 by tail number, {len(canary) / len(flown):.1%} of {len(flown):,} aircraft are the canary, "
            f"with {canary.sum() / flown.sum():.1%} of the flights.")


@lab.exercise("7.6", section="promote-hold-roll-back", hints=(
    "Three questions in this order: is a guardrail broken, is the planned number reached, does the interval of the "
    "difference exclude 0?",
    "rollback if errors / requests or p99 exceeds its guardrail; hold below `planned` requests; then diff = difference "
    "of the shares of good answers, se = sqrt(p1 q1 / n1 + p2 q2 / n2): promote if diff - 1.96 se > 0, rollback if "
    "diff + 1.96 se < 0, else hold."))
def decide(trial: Trial, answer) -> str:
    guardrails = {"error_rate": 0.01, "p99": 200.0}
    base = {"requests": 90_000, "errors": 90, "good": 63_000, "p99": 120.0}

    def arm(share, requests=10_000, errors=10, p99=125.0):
        return {"requests": requests, "errors": errors, "good": round(share * requests), "p99": p99}

    wobble = float(trial.rng.uniform(0, 0.002))
    worlds = [
        ("promote", arm(0.73, errors=95), "better, with more errors in number and fewer than the guardrail in rate",
         "M36"),
        ("promote", arm(0.73 + wobble), "clearly better", "M36"),
        ("rollback", arm(0.67 - wobble), "clearly worse", "M36"),
        ("hold", arm(0.703 + wobble / 2), "a little better, within noise", "M16"),
        ("hold", arm(0.697 - wobble / 2), "a little worse, within noise", "M16"),
        ("promote", arm(0.7107), "better: the two intervals overlap, that of the difference excludes 0", "M52"),
        ("hold", arm(0.80, requests=2_000, errors=2), "far better after a fifth of the planned requests", "M19"),
        ("rollback", arm(0.75, p99=260.0 + 100 * wobble), "better, and too slow", "M26"),
        ("rollback", arm(0.75, errors=300), "better, and 3 % errors", "M26"),
        ("rollback", arm(0.75, requests=1_000, errors=50), "5 % errors, early", "M26"),
    ]
    for expected, canary, what, mistake in worlds:
        got = trial.call(answer, dict(base), dict(canary), dict(guardrails), 10_000)
        trial.require(got in ("promote", "hold", "rollback"), "The answer is promote, hold or rollback.", got=got)
        trial.require(got == expected, f"This canary is {what}: {expected}.",
                      call=f"decide(control={base}, canary={canary}, {guardrails}, planned=10000)", expected=expected,
                      got=got, mistake=mistake)
    enough = next(n for n in range(500, 50_000, 500)
                  if answer(base, arm(0.72, requests=n, errors=0), guardrails, n) == "promote")
    return f"A rise of the good share from 70 to 72 % is promoted from about {enough:,} canary requests on."


@lab.exercise("7.7", section="versions-and-aliases", hints=(
    "Copy the registry first. Then one branch for each kind of event: what must hold, and what changes.",
    "register: all of digest, data and code, and a new version number. alias: the version exists and is not retired; "
    "append it to the alias's list. rollback: drop the last of the list, if one is left that is not retired. retire: "
    "not the last of any alias, and no traffic. Everything else raises a ValueError."))
def apply_event(trial: Trial, answer) -> str:
    one, two, three = (int(v) for v in np.sort(trial.rng.choice(np.arange(1, 30), 3, replace=False)))
    empty = {"versions": {}, "aliases": {}, "traffic": {}}
    made = {version: {"digest": f"d{version}", "data": f"data-{version}", "code": f"c{version}", "retired": False}
            for version in (one, two, three)}
    registered = {"versions": made, "aliases": {}, "traffic": {}}

    def ok(registry, event, expected, says, mistake):
        got = trial.call(answer, registry, event)
        trial.require(got == expected, says, call=f"apply_event({registry}, {event})", expected=expected, got=got,
                      mistake=mistake)

    def refused(registry, event, says, mistake):
        _require_value_error(trial, answer, (copy.deepcopy(registry), event), f"apply_event({registry}, {event})", says,
                             mistake)

    record = {"digest": "d", "data": "data-1", "code": "c"}
    ok(empty, {"do": "register", "version": one} | record,
       {"versions": {one: record | {"retired": False}}, "aliases": {}, "traffic": {}},
       "Registering adds the version with its digest, data and code.", "M65")
    refused(registered, {"do": "register", "version": two} | record, "A version that exists is never written again.",
            "M20")
    for missing in ("data", "code", "digest"):
        event = {"do": "register", "version": 99} | {k: v for k, v in record.items() if k != missing}
        refused(registered, event, f"Without its {missing} nobody can say later what a version was.", "M65")
    served = registered | {"aliases": {"champion": [one, three]}}
    ok(registered | {"aliases": {"champion": [one]}}, {"do": "alias", "alias": "champion", "version": three}, served,
       "An alias moves to the new version and remembers the old one.", "M68")
    refused(served, {"do": "alias", "alias": "champion", "version": 98}, "An alias never points to nothing.", "M62")
    gone = copy.deepcopy(served)
    gone["versions"][two]["retired"] = True
    refused(gone, {"do": "alias", "alias": "champion", "version": two}, "An alias never points to a retired version.",
            "M62")
    ok(served, {"do": "rollback", "alias": "champion"}, registered | {"aliases": {"champion": [one]}},
       f"Before version {three} it was {one} that served: rollback goes there.", "M68")
    refused(registered | {"aliases": {"champion": [one]}}, {"do": "rollback", "alias": "champion"},
            "With nothing before it there is no rollback.", "M68")
    lost = copy.deepcopy(served)
    lost["versions"][one]["retired"] = True
    refused(lost, {"do": "rollback", "alias": "champion"}, "An alias never points to a retired version, and a rollback "
            "does not either.", "M62")
    ok(served, {"do": "retire", "version": two}, gone,
       "A version that nothing uses can be retired; it stays on record.", "M65")
    refused(served, {"do": "retire", "version": three}, "A version that an alias points to is not retired.", "M68")
    refused(registered | {"traffic": {two: 10, three: 90}}, {"do": "retire", "version": two},
            "A version that carries traffic is not retired.", "M68")
    registry = empty
    for event in [*({"do": "register", "version": v} | record for v in (1, 2, 3)),
                  *({"do": "alias", "alias": "champion", "version": v} for v in (1, 3)),
                  {"do": "rollback", "alias": "champion"}]:
        registry = answer(registry, event)
    return (f"Versions 1, 2 and 3 registered, the champion moved from 1 to 3 and rolled back: it is "
            f"{registry['aliases']['champion'][-1]} again, and {len(registry['versions'])} versions are on record.")


@lab.exercise("7.8", section="how-many", hints=(
    "First what each moment needs by itself, then what the last moments need together.",
    "needed = ceil(load * service_s / target), between low and high. With a cool-down of c steps, the number now is "
    "the largest of needed over this step and the c before it."))
def replicas(trial: Trial, answer) -> str:
    service, target, low, high = 0.02, float(trial.rng.choice([0.5, 0.6, 0.7])), 2, 12
    calm, peak, idle = trial.rng.integers(40, 90, 8), trial.rng.integers(280, 330, 1), trial.rng.integers(0, 30, 6)
    loads = np.concatenate([calm[:4], peak, calm[4:], [2_000], idle]) + 0.5  # no quotient that is a whole number
    cooldown = 3
    got = trial.call(answer, loads, service, target, low, high, cooldown)
    call = (f"replicas({loads.tolist()}, service_s={service}, target={target}, low={low}, high={high}, "
            f"cooldown={cooldown})")
    trial.require(np.shape(got) == loads.shape, "The answer has a number for each step.", call=call, got=got)
    got = [int(n) for n in got]
    needed = np.clip(np.ceil(loads * service / target), low, high).astype(int)
    expected = [int(needed[max(0, t - cooldown):t + 1].max()) for t in range(len(loads))]
    found = {"call": call, "expected": expected, "got": got}
    mean = int(np.clip(np.ceil(loads.mean() * service / target), low, high))
    trial.require(len(set(got)) > 1 or mean not in got, "The number follows the load, not its mean.", **found,
                  mistake="M17")
    trial.require(all(low <= n <= high for n in got), f"There are always {low} to {high}.", **found, mistake="M26")
    full = np.clip(np.ceil(loads * service), low, high).astype(int)
    full = [int(full[max(0, t - cooldown):t + 1].max()) for t in range(len(loads))]
    trial.require(got != full, f"At {target:.0%} of its capacity a replica is as busy as it may be.", **found,
                  mistake="M69")
    rounded = np.clip(np.floor(loads * service / target), low, high).astype(int)
    rounded = [int(rounded[max(0, t - cooldown):t + 1].max()) for t in range(len(loads))]
    trial.require(got != rounded, "Half a replica too few is too few: round up.", **found, mistake="M31")
    trial.require(got != needed.tolist(), f"After a peak the replicas stay for {cooldown} steps: another may "
                  "come.", **found, mistake="M69")
    slow_up = all(n <= m for n, m in zip(got, expected)) and got != expected
    trial.require(got == expected, "Up at once, down only when the last steps needed less as well.", **found,
                  mistake="M69" if slow_up else "M31")
    times = [f"{1 / (1 - busy):.0f}" for busy in (0.5, 0.8, 0.95)]
    return (f"At 50, 80 and 95 % of its capacity a queue takes {', '.join(times)} service times on average, if "
            "arrivals and work are random.")


@lab.exercise("7.9", section="how-many", hints=(
    "Go through the file once and ask of each rule: which line would break it, and which line must be there?",
    "base: the tag behind FROM's image is missing or `latest`. secret: a line of ENV or ARG that sets a name with "
    "PASSWORD, TOKEN or KEY. user: no USER, or the last one is root or 0. health: no HEALTHCHECK. Skip comments and "
    "blank lines."))
def lint_dockerfile(trial: Trial, answer) -> str:
    name = f"app{trial.rng.integers(100)}"
    good = ["# The service. ENV TOKEN=none", f"FROM registry.example:5000/{name}:3.12", "COPY . /app", "USER 10001",
            "HEALTHCHECK CMD curl -f http://127.0.0.1/healthz", "ENTRYPOINT [\"/app/start\"]"]
    untagged, latest = good[1].replace(":3.12", ""), good[1].replace(":3.12", ":latest")
    rootless, blind = ([line for line in good if word not in line] for word in ("USER", "HEALTH"))
    every = ["FROM thing", "ENV SECRET_KEY=1"]
    files = [
        (good, set(), "M78", "A file that keeps all rules has no finding; a comment is no instruction."),
        ([latest, *good[2:]], {"base"}, "M20", "`latest` is another image tomorrow."),
        ([untagged, *good[2:]], {"base"}, "M20", "No tag means `latest`, also behind a port's colon."),
        ([*good[:2], "ENV DB_PASSWORD=x", *good[2:]], {"secret"}, "M30", "Whoever has the image has its secrets."),
        ([*good[:2], "ARG API_TOKEN=abc", *good[2:]], {"secret"}, "M30", "An argument stays in the image's history."),
        (rootless, {"user"}, "M26", "Without USER everything runs as root."),
        ([*good, "USER root"], {"user"}, "M26", "The last USER counts."),
        (blind, {"health"}, "M38", "Without a check nobody notices that it hangs."),
        (every, {"base", "secret", "user", "health"}, "M33", "All findings, not the first."),
    ]
    for lines, expected, mistake, says in files:
        text = "\n".join(lines)
        got = trial.call(answer, text)
        call = f"lint_dockerfile({text!r})"
        trial.require(isinstance(got, (set, list, tuple)), "The answer is a set of rules.", call=call, got=got)
        trial.require(set(got) == expected, says, call=call, expected=sorted(expected), got=sorted(got),
                      mistake=mistake)
    from mlelab import serving

    ours = (Path(serving.__file__).parent / "deploy" / "Dockerfile").read_text()
    return f"The service's own Dockerfile has {len(ours.splitlines())} lines and {len(set(answer(ours)))} findings."


@lab.exercise("7.10", section="batches-of-the-moment", hints=(
    "Two questions, in this order: how long may the answer take, and is everything known beforehand?",
    "deadline_s below 60 cannot wait for a job. If such a request's inputs are known the day before, it can be "
    "answered from a table that a batch job made: \"batch\". If not: \"online\". Above a day: \"batch\". Between: "
    "\"stream\" if inputs come as events, else \"batch\"."))
def choose_mode(trial: Trial, answer) -> str:
    def ask(deadline_s, known_before, events, expected, says, mistake):
        request = {"deadline_s": float(deadline_s), "inputs_known_before": known_before, "inputs_are_events": events}
        got = trial.call(answer, request)
        trial.require(got == expected, says, call=f"choose_mode({request})", expected=expected, got=got,
                      mistake=mistake)

    quick = round(float(trial.rng.uniform(0.05, 5)), 2)
    ask(quick, False, False, "online", "A person waits, and the inputs come with the request.", "M25")
    ask(quick, False, True, "online", "A person waits. That inputs come as events does not change it.", "M25")
    ask(quick, True, False, "batch", "A person waits, but all that is asked is known the day before: score at night, "
        "look up in the morning.", "M24")
    ask(86_400 * 2, False, False, "batch", "Two days are time for a job, however the inputs come.", "M24")
    ask(86_400 * 2, False, True, "batch", "Two days are time for a job, however the inputs come.", "M24")
    ask(900, False, True, "stream", "Events that need an answer within minutes, and nobody waits: score them as they "
        "come.", "M25")
    ask(900, False, False, "batch", "A file each quarter of an hour is a small batch.", "M24")
    ask(60, False, True, "stream", "Sixty seconds is the first deadline at which nobody stands and waits.", "M31")
    ask(86_400, False, True, "stream", "A day is the last deadline that is not more than a day.", "M31")
    cases = {"the desk's alert": (2.0, False, False), "tomorrow's crew list": (86_400.0 * 2, True, False),
             "gate changes": (120.0, False, True)}
    said = [f"{name}: {answer(dict(zip(('deadline_s', 'inputs_known_before', 'inputs_are_events'), what)))}"
            for name, what in cases.items()]
    return "; ".join(said) + "."


@functools.cache
def _real_bundle() -> tuple[int, int, float]:
    """Bytes as ONNX and as a pickle of the case's model, and the power of ten above their largest difference."""
    from mlelab.serving import bundle

    flights = data.load("features").dropna(subset="arr_delay").sample(20_000, random_state=0)
    late = flights["arr_delay"] >= case.LATE_MINUTES
    model = case.linear_model().fit(flights, late)
    columns = bundle.contract(flights, case.SCHEDULE + case.WEATHER + case.CONGESTION, case.CATEGORIES)
    with tempfile.TemporaryDirectory() as folder:
        bundle.save(model, folder, version="1", columns=columns)
        size, loaded = (Path(folder) / bundle.MODEL).stat().st_size, bundle.load(folder)
    gap = abs(model.predict_proba(flights)[:, 1] - loaded.score(flights)).max()
    return size, len(pickle.dumps(model)), 10.0 ** math.ceil(math.log10(gap))


@functools.cache
def _real_contract() -> dict[str, dict]:
    """The contract of a model trained on the case's training months."""
    from mlelab.serving import bundle

    train = case.split(data.load("features").dropna(subset="arr_delay"))[0]
    return bundle.contract(train, case.SCHEDULE + case.WEATHER + case.CONGESTION, case.CATEGORIES)


@functools.cache
def _decisions() -> np.ndarray:
    """Minutes at which the desk decides on the flights of one day, ascending."""
    times = data.load("features")["decision_time"].sort_values()
    day = times[(times >= "2013-07-01 00:00-04:00") & (times < "2013-07-02 00:00-04:00")]
    return ((day - day.iloc[0]) / pd.Timedelta(minutes=1)).to_numpy()


@functools.cache
def _flights_by_aircraft() -> pd.Series:
    return data.load("flights")["tailnum"].value_counts()
