"""Wrong (and differently written right) answers of lab 8."""

import hashlib
import json
import uuid
from graphlib import TopologicalSorter

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, roc_auc_score

from tests.wrong_answers import right, wrong

# 8.1 run_dag


def run(steps, order, *, contain=lambda outcomes, needed: any(outcomes[n][0] != "done" for n in needed), keep=True):
    outcomes = {}
    for name in order:
        needed, work = steps[name]
        if contain(outcomes, needed):
            outcomes[name] = ("skipped", None)
            continue
        try:
            outcomes[name] = ("done", work({n: outcomes[n][1] for n in needed}))
        except Exception as error:
            outcomes[name] = ("failed", str(error) if keep else None)
    return outcomes


def ordered(steps):
    return TopologicalSorter({name: needed for name, (needed, _) in steps.items()}).static_order()


@wrong("8.1", "M34")
def in_the_order_written(steps):
    list(ordered(steps))
    return run(steps, steps)


@wrong("8.1", "M34")
def in_the_order_of_the_alphabet(steps):
    list(ordered(steps))
    return run(steps, sorted(steps))


@wrong("8.1", "M70")
def stops_at_the_first_failure(steps):
    outcomes, broken = dict.fromkeys(steps, ("skipped", None)), False
    for name in ordered(steps):
        needed, work = steps[name]
        if broken:
            continue
        try:
            outcomes[name] = ("done", work({n: outcomes[n][1] for n in needed}))
        except Exception as error:
            outcomes[name], broken = ("failed", str(error)), True
    return outcomes


@wrong("8.1", "M70")
def lets_the_failure_out(steps):
    outcomes = {}
    for name in ordered(steps):
        needed, work = steps[name]
        outcomes[name] = ("done", work({n: outcomes[n][1] for n in needed}))
    return outcomes


@wrong("8.1", "M70")
def direct_children_only(steps):
    """A skipped step does not stop what needs it."""
    return run(
        {
            name: (needed, lambda inputs, work=work: work({n: str(v) for n, v in inputs.items()}))
            for name, (needed, work) in steps.items()
        },
        ordered(steps),
        contain=lambda outcomes, needed: any(outcomes[n][0] == "failed" for n in needed),
    )


@wrong("8.1", "M65")
def forgets_what_went_wrong(steps):
    return run(steps, ordered(steps), keep=False)


@wrong("8.1", "M21")
def makes_what_it_needs_again(steps):
    list(ordered(steps))

    def make(name):
        needed, work = steps[name]
        inputs = {n: make(n) for n in needed}
        if any(outcome[0] != "done" for outcome in inputs.values()):
            return "skipped", None
        try:
            return "done", work({n: outcome[1] for n, outcome in inputs.items()})
        except Exception as error:
            return "failed", str(error)

    return {name: make(name) for name in steps}


@wrong("8.1", "M47")
def leaves_out_a_ring(steps):
    order = []
    while ready := [n for n, (needed, _) in steps.items() if n not in order and set(needed) <= set(order)]:
        order += ready
    return run(steps, order)


@right("8.1")
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


# 8.2 cache_key


def digest(*parts):
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def contents(inputs):
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in inputs.items()}


@wrong("8.2", "M72")
def by_time_stamp(step, code, inputs, params):
    return digest(step, code, {name: path.stat().st_mtime for name, path in inputs.items()}, params)


@wrong("8.2", "M72")
def by_path(step, code, inputs, params):
    return digest(
        step,
        code,
        {name: str(path) for name, path in inputs.items()}
        | contents(inputs)
        | {"where": [str(path) for _, path in sorted(inputs.items())]},
        params,
    )


@wrong("8.2", "M72")
def in_the_order_given(step, code, inputs, params):
    return hashlib.sha256(repr((step, code, contents(inputs), params)).encode()).hexdigest()


@wrong("8.2", "M71")
def without_the_code(step, code, inputs, params):
    return digest(step, contents(inputs), params)


@wrong("8.2", "M71")
def without_the_parameters(step, code, inputs, params):
    return digest(step, code, contents(inputs))


@wrong("8.2", "M71")
def without_the_content(step, code, inputs, params):
    return digest(step, code, {name: path.stat().st_size for name, path in inputs.items()}, params)


@wrong("8.2", "M71")
def without_the_names_of_the_inputs(step, code, inputs, params):
    return digest(step, code, sorted(contents(inputs).values()), params)


@wrong("8.2", "M71")
def values_in_a_row(step, code, inputs, params):
    found = contents(inputs)
    text = step + code + "".join(name + found[name] for name in sorted(found))
    return hashlib.sha256(
        (text + "".join(sorted(params)) + "".join(str(params[name]) for name in sorted(params))).encode()
    ).hexdigest()


@right("8.2")
def field_by_field(step, code, inputs, params):
    whole = hashlib.md5()
    fields = [
        step,
        code,
        *(part for name in sorted(inputs) for part in (name, inputs[name].read_bytes())),
        *(repr(item) for item in sorted(params.items(), key=lambda item: item[0])),
    ]
    for field in fields:
        raw = field if isinstance(field, bytes) else field.encode()
        whole.update(len(raw).to_bytes(8, "big") + raw)
    return whole.hexdigest()


# 8.3 retry


def tried(call, transient, attempts, wait, sleep, *, key=None, pause=lambda wait, n: wait * 2**n):
    key = key or str(uuid.uuid4())
    for n in range(attempts):
        try:
            return call(key)
        except transient:
            if n == attempts - 1:
                raise
            sleep(pause(wait, n))
    return None


@wrong("8.3", "M22")
def catches_everything(call, transient, attempts, wait, sleep):
    return tried(call, Exception, attempts, wait, sleep)


@wrong("8.3", "M73")
def without_an_end(call, transient, attempts, wait, sleep):
    return tried(call, transient, 10**6, wait, sleep)


@wrong("8.3", "M73")
def always_the_same_wait(call, transient, attempts, wait, sleep):
    return tried(call, transient, attempts, wait, sleep, pause=lambda wait, n: wait)


@wrong("8.3", "M73")
def at_once(call, transient, attempts, wait, sleep):
    return tried(call, transient, attempts, wait, lambda _: None)


@wrong("8.3", "M21")
def a_new_key_each_time(call, transient, attempts, wait, sleep):
    return tried(lambda _: call(str(uuid.uuid4())), transient, attempts, wait, sleep)


@wrong("8.3", "M71")
def one_key_for_all_requests(call, transient, attempts, wait, sleep):
    return tried(call, transient, attempts, wait, sleep, key="key")


@wrong("8.3", "M64")
def gives_none_when_it_fails(call, transient, attempts, wait, sleep):
    try:
        return tried(call, transient, attempts, wait, sleep)
    except transient:
        return None


@wrong("8.3", "M31")
def waits_after_the_last(call, transient, attempts, wait, sleep):
    key = str(uuid.uuid4())
    for n in range(attempts):
        try:
            return call(key)
        except transient as error:
            sleep(wait * 2**n)
            last = error
    raise last


@wrong("8.3", "M33")
def one_attempt(call, transient, attempts, wait, sleep):
    return call(str(uuid.uuid4()))


@right("8.3")
def recursively(call, transient, attempts, wait, sleep, key=None):
    key = key or uuid.uuid1().hex
    try:
        return call(key)
    except transient:
        if attempts == 1:
            raise
    sleep(wait)
    return recursively(call, transient, attempts - 1, 2 * wait, sleep, key)


# 8.4 trace_best


def past_of(entry, log, sources, depth=99):
    """The runs and sources behind an entry; None for a past that is not known."""
    maker = {made: other for other in log for made in other["makes"]}
    runs, raw = [], set()
    for used in entry["uses"]:
        if used in sources:
            raw.add(used)
        elif used not in maker:
            return None
        else:
            runs.append(maker[used])
            found = past_of(maker[used], log, sources, depth - 1) if depth else ([], set())
            if found is None:
                return None
            runs += found[0]
            raw |= found[1]
    return runs, raw


def traced(log, sources, *, by="validation", known=True, depth=99):
    scored = [entry for entry in log if entry["metrics"] and (not known or past_of(entry, log, sources))]
    best = max(scored, key=lambda entry: entry["metrics"][by])
    runs, raw = past_of(best, log, sources, depth) or ([], set())
    return {
        "run": best["run"],
        "past": sorted({entry["run"] for entry in runs}),
        "sources": sorted(raw),
        "code": sorted({entry["code"] for entry in [best, *runs]}),
    }


@wrong("8.4", "M05")
def the_best_on_test(log, sources):
    return traced(log, sources, by="test")


@wrong("8.4", "M65")
def whatever_it_came_from(log, sources):
    return traced(log, sources, known=False)


@wrong("8.4", "M33")
def parents_only(log, sources):
    found = traced(log, sources)
    entry = next(entry for entry in log if entry["run"] == found["run"])
    parents = [other["run"] for other in log if set(other["makes"]) & set(entry["uses"])]
    return found | {"past": parents}


@wrong("8.4", "M33")
def own_code_only(log, sources):
    found = traced(log, sources)
    return found | {"code": [entry["code"] for entry in log if entry["run"] == found["run"]]}


@wrong("8.4", "M20")
def tidies_the_log(log, sources):
    found = traced(log, sources)
    log[:] = [entry for entry in log if entry["run"] != "unknown"]
    return found


@wrong("8.4", "M20")
def marks_the_best_in_the_log(log, sources):
    found = traced(log, sources)
    next(entry for entry in log if entry["run"] == found["run"])["best"] = True
    return found


@right("8.4")
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


# 8.5 gate


def judged(candidate, champion, limits, *, same_test=True, slices=True, tie=False, service=True, first=False):
    reasons = ["test set"] if same_test and candidate["test"] != champion["test"] else []
    gain = candidate["auc"] - champion["auc"]
    if gain < 0 if tie else gain < limits["min_gain"]:
        reasons.append("gain")
    if slices:
        reasons += [
            f"slice:{name}"
            for name, auc in candidate["slices"].items()
            if auc < champion["slices"][name] - limits["max_slice_loss"] - 1e-12
        ]
    if service and candidate["calibration_error"] > limits["max_calibration_error"]:
        reasons.append("calibration")
    if service and candidate["p99"] > limits["max_p99"]:
        reasons.append("latency")
    reasons = reasons[:1] if first else reasons
    return not reasons, reasons


@wrong("8.5", "M74")
def any_test_set(candidate, champion, limits):
    return judged(candidate, champion, limits, same_test=False)


@wrong("8.5", "M75")
def on_average(candidate, champion, limits):
    return judged(candidate, champion, limits, slices=False)


@wrong("8.5", "M75")
def the_mean_of_the_slices(candidate, champion, limits):
    promote, reasons = judged(candidate, champion, limits, slices=False)
    if np.mean(list(candidate["slices"].values())) < np.mean(list(champion["slices"].values())):
        reasons.append("slice:mean")
    return not reasons, reasons


@wrong("8.5", "M76")
def no_worse_is_enough(candidate, champion, limits):
    return judged(candidate, champion, limits, tie=True)


@wrong("8.5", "M26")
def without_latency_and_calibration(candidate, champion, limits):
    return judged(candidate, champion, limits, service=False)


@wrong("8.5", "M26")
def without_calibration(candidate, champion, limits):
    promote, reasons = judged(candidate, champion, limits)
    reasons = [reason for reason in reasons if reason != "calibration"]
    return not reasons, reasons


@wrong("8.5", "M33")
def stops_at_the_first_reason(candidate, champion, limits):
    return judged(candidate, champion, limits, first=True)


@right("8.5")
def as_a_table_of_questions(candidate, champion, limits):
    asked = {
        "test set": candidate["test"] == champion["test"],
        "gain": candidate["auc"] >= champion["auc"] + limits["min_gain"],
        "calibration": candidate["calibration_error"] <= limits["max_calibration_error"],
        "latency": candidate["p99"] <= limits["max_p99"],
    }
    for name, before in champion["slices"].items():
        asked[f"slice:{name}"] = before - candidate["slices"][name] <= limits["max_slice_loss"] + 1e-9
    reasons = [name for name, answer in asked.items() if not answer]
    return reasons == [], reasons


# 8.6 simulate_policy


def simulated(months, fit, cost, policy, window, fit_cost, start, *, upto=lambda m, month: m < month, price=True):
    rows, model, since = {}, None, 0
    for month in (m for m in months if m >= start):
        made = model is None or policy(month, since)
        if made:
            used = [m for m in months if upto(m, month)]
            used = used[-window:] if window else used
            model, since = fit(used), 0
        rows[month] = {"trained_on": tuple(used), "cost": cost(model, month) + fit_cost * made * price}
        since += 1
    return pd.DataFrame.from_dict(rows, orient="index")


@wrong("8.6", "M01")
def with_the_month_itself(months, fit, cost, policy, window, fit_cost, start):
    return simulated(months, fit, cost, policy, window, fit_cost, start, upto=lambda m, month: m <= month)


@wrong("8.6", "M01")
def with_the_whole_year(months, fit, cost, policy, window, fit_cost, start):
    return simulated(months, fit, cost, policy, None, fit_cost, start, upto=lambda m, month: True)


@wrong("8.6", "M22")
def each_month_to_be_safe(months, fit, cost, policy, window, fit_cost, start):
    return simulated(months, fit, cost, lambda month, since: True, window, fit_cost, start)


@wrong("8.6", "M77")
def training_is_free(months, fit, cost, policy, window, fit_cost, start):
    return simulated(months, fit, cost, policy, window, fit_cost, start, price=False)


@wrong("8.6", "M32")
def always_all_months(months, fit, cost, policy, window, fit_cost, start):
    return simulated(months, fit, cost, policy, None, fit_cost, start)


@wrong("8.6", "M32")
def the_first_months_of_all(months, fit, cost, policy, window, fit_cost, start):
    return simulated(
        months,
        lambda used: fit(used),
        cost,
        policy,
        None,
        fit_cost,
        start,
        upto=lambda m, month: m < month and (window is None or m <= window),
    )


@wrong("8.6", "M31")
def from_the_month_after(months, fit, cost, policy, window, fit_cost, start):
    return simulated(months, fit, cost, policy, window, fit_cost, start + 1)


@wrong("8.6", "M09")
def without_the_months_as_index(months, fit, cost, policy, window, fit_cost, start):
    return simulated(months, fit, cost, policy, window, fit_cost, start).reset_index(drop=True)


@wrong("8.6", "M32")
def only_where_a_training_was(months, fit, cost, policy, window, fit_cost, start):
    table = simulated(months, fit, cost, policy, window, fit_cost, start)
    old = table["trained_on"] == table["trained_on"].shift()
    return table.assign(trained_on=table["trained_on"].where(~old, None))


@right("8.6")
def with_lists(months, fit, cost, policy, window, fit_cost, start):
    trained, costs, at, age = [], [], [m for m in months if m >= start], None
    for month in at:
        price = 0
        if age is None or policy(month, age):
            before = [m for m in months if m < month]
            if window is not None:
                before = before[max(len(before) - window, 0) :]
            model, price, age = fit(before), fit_cost, 0
        trained.append(tuple(before))
        costs.append(cost(model, month) + price)
        age += 1
    return pd.DataFrame({"trained_on": trained, "cost": costs}, index=at)


# 8.7 model_tests


def suite(predict, train, rows):
    p = predict(rows)
    crowded = predict(rows.assign(origin_delay_3h=rows["origin_delay_3h"] + 30))
    shuffled = predict(rows.assign(flight=rows["flight"].to_numpy()[::-1]))
    sound = all(
        np.shape(q) == (n,) and np.isfinite(q).all() and (q >= 0).all() and (q <= 1).all()
        for q, n in ((p, len(rows)), (predict(rows[:1]), 1), (predict(rows[:1].assign(seats=np.nan)), 1))
    )
    finite = np.nan_to_num(p)
    return {
        "invariance": bool(np.allclose(p, shuffled, equal_nan=True)),
        "direction": bool(np.nanmean(crowded) >= np.nanmean(p) - 1e-12),
        "minimum": bool(roc_auc_score(rows["late"], finite) >= 0.6),
        "schema": bool(sound),
    }


@wrong("8.7", "M06")
def accuracy_instead_of_auc(predict, train, held_out):
    p = np.nan_to_num(predict(held_out))
    return suite(predict, train, held_out) | {"minimum": bool(accuracy_score(held_out["late"], p >= 0.5) >= 0.6)}


@wrong("8.7", "M02")
def on_the_training_rows(predict, train, held_out):
    return suite(predict, train, train)


@wrong("8.7", "M78")
def compares_with_itself(predict, train, held_out):
    return suite(predict, train, held_out) | {
        "invariance": bool(np.allclose(predict(held_out), predict(held_out), equal_nan=True))
    }


@wrong("8.7", "M78")
def every_single_row(predict, train, held_out):
    p, crowded = predict(held_out), predict(held_out.assign(origin_delay_3h=held_out["origin_delay_3h"] + 30))
    return suite(predict, train, held_out) | {"direction": bool((crowded >= p).all())}


@wrong("8.7", "M78")
def direction_that_cannot_fail(predict, train, held_out):
    p, crowded = predict(held_out), predict(held_out.assign(origin_delay_3h=held_out["origin_delay_3h"] + 30))
    return suite(predict, train, held_out) | {"direction": bool(abs(crowded - p).mean() >= 0)}


@wrong("8.7", "M31")
def direction_must_rise(predict, train, held_out):
    p, crowded = predict(held_out), predict(held_out.assign(origin_delay_3h=held_out["origin_delay_3h"] + 30))
    return suite(predict, train, held_out) | {"direction": bool(np.nanmean(crowded) > np.nanmean(p))}


@wrong("8.7", "M78")
def a_shape_is_enough(predict, train, held_out):
    return suite(predict, train, held_out) | {"schema": predict(held_out).shape == (len(held_out),)}


@wrong("8.7", "M78")
def always_green(predict, train, held_out):
    return dict.fromkeys(["invariance", "direction", "minimum", "schema"], True)


@right("8.7")
def one_by_one(predict, train, held_out):
    found = {}
    base = np.asarray(predict(held_out), float)
    found["schema"] = base.ndim == 1 and bool(((base >= 0) & (base <= 1)).all())
    found["schema"] = found["schema"] and 0 <= float(predict(held_out.head(1).assign(seats=float("nan")))[0]) <= 1
    base = np.where(np.isnan(base), 0.5, base)
    renumbered = np.asarray(predict(held_out.assign(flight=held_out["flight"] + 1)), float)
    found["invariance"] = bool(np.abs(np.where(np.isnan(renumbered), 0.5, renumbered) - base).max() < 1e-9)
    steps = [np.nanmean(predict(held_out.assign(origin_delay_3h=held_out["origin_delay_3h"] + d))) for d in (0, 30)]
    found["direction"] = bool(steps[1] >= steps[0] - 1e-9)
    late = held_out["late"] == 1
    above = np.mean([(base[late][:, None] > base[~late]).mean(), (base[late][:, None] >= base[~late]).mean()])
    found["minimum"] = bool(above >= 0.6)
    return found
