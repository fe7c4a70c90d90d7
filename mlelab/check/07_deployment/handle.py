"""7.2 handle: status and body for one request. `score` tells from its chances what it was given."""

import json
import math
import traceback
import zlib

from . import _real, lab

ERRORS = (RuntimeError, KeyError, ValueError, TypeError, ZeroDivisionError, MemoryError, OSError)
INSIDE = "database db-7 refused s3cret"


@lab.exercise("7.2", section="the-contract", hints=(
    "Go through the outcomes one by one: not a list of objects, nothing in it, a column missing or not a number, "
    "something fails inside, all is well. Each has a status.",
    "422 if `instances` is no list of dicts, or a number column is None, absent or nan; 200 with an empty list for an "
    "empty batch; `try: score(...)`, and 500 with a fixed sentence in `except`. Every body holds `request_id`, a "
    "refusal `error`, and an answer `model_version`. Categories are handed on as they are."))
class handle:
    rule = ("200 with the chances, the request and the version; 422 where the caller broke the contract; 500 where "
            "scoring failed. A refusal names its request and has an error, and tells nothing of the inside.")

    def inputs(d):
        numbers, categories = d.some(["hour", "temp", "seats"]), d.some(["carrier", "dest"])
        d.need(numbers or categories)
        names = d.order(numbers + categories)
        columns = {name: "number" if name in numbers else "category" for name in names}
        rows = [{name: d.pick([7, 0, -1, 31.5, 0.0]) if name in numbers else d.pick(["UA", "DL", "a new one", ""])
                 for name in names} for _ in range(d.int(1, 3))]
        fault = d.pick(["none", "none", "number", "category", "rows", "row", "empty"])
        at, instances = d.pick(rows), rows
        if fault in ("number", "category") and (numbers if fault == "number" else categories):
            name = d.pick(numbers if fault == "number" else categories)
            value = d.pick([None, math.nan, "absent", *(["", "7", True, [7], False, []] if fault == "number" else [7])])
            at[name] = value
            if value == "absent":
                del at[name]
        elif fault == "rows":
            instances = d.pick(["UA 17", None, 7, {"0": rows[0]}, rows[0], {}, "", 0, False])
        elif fault == "row":
            instances = d.order([*rows, d.pick(["UA", None, 17, [7, "UA"], [], "", 0])])
        elif fault == "empty":
            instances = []
        return dict(payload={"request_id": d.pick(["r-17", "0", "r-18"]), "instances": instances}, columns=columns,
                    version=d.pick(["4", "12", "2013-09"]), fails=d.pick([None, None, *ERRORS]))

    def run(handle, payload, columns, version, fails):
        def score(instances):
            if fails and instances:
                raise fails(INSIDE)
            return [_chance(row, columns) for row in instances]

        return handle(payload, score, columns, version)

    def see(got, **_):
        status, body = got
        error = body.get("error")
        if status == 500 and isinstance(error, str):
            inside = [*INSIDE.split(), "Traceback", *(kind.__name__ for kind in ERRORS)]
            error = "tells of the inside" if any(word in error for word in inside) else "a text" if error else error
        elif error:
            error = "a text"
        return [status, {**body, "error": error} if "error" in body else dict(body)]

    def shows(payload, columns, version, fails):
        failing = f" that fails with {fails.__name__}" if fails else ""
        return f"handle({payload}, score{failing}, columns={columns}, version={version!r})", None

    def real():
        contract = _real.contract()
        columns = {name: "number" if column["required"] else "category" for name, column in contract.items()}
        row = {name: 1.0 if kind == "number" else None for name, kind in columns.items()}
        return dict(payload={"request_id": "r-17", "instances": [row]}, columns=columns, version="4", fails=None)

    def figure(got, columns, **_):
        required = list(columns.values()).count("number")
        return (f"The real service keeps this contract for {len(columns)} columns: {required} must be there, "
                f"{len(columns) - required} may be missing, as they were in training.")


def _chance(row: dict, columns: dict) -> float:
    """Another one for each row, and for what was done to it; None and absent are one."""
    values = [float(row[name]) if kind == "number" and row.get(name) is not None else row.get(name)
              for name, kind in sorted(columns.items())]
    return 0.05 + zlib.crc32(repr(values).encode()) % 900_000 / 1_000_000


# Answers: wrong ones with their misconceptions, and right ones written differently.


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)


def are_objects(rows):
    return isinstance(rows, list) and all(isinstance(row, dict) for row in rows)


def respond(payload, score, columns, version, *, objects=are_objects, good=is_number, invalid=422, catch=Exception,
            shape=list, fault=lambda error: "failed", kinds=("number",), rows=None, failed=500):
    told = {"request_id": payload["request_id"]}
    rows = payload["instances"] if rows is None else rows
    if not objects(rows) or not all(good(row.get(name)) for row in rows for name, k in columns.items() if k in kinds):
        return invalid, told | {"error": "see the contract"}
    try:
        return 200, told | {"model_version": version, "predictions": shape(score(rows))}
    except catch as error:
        return failed, told | {"error": fault(error)}


@handle.mistake("M08", "A number that is missing is not zero: 422.")
def missing_is_zero(payload, score, columns, version):
    rows = payload["instances"]
    if are_objects(rows):
        rows = [{name: 0 if kind == "number" and (row.get(name) is None or row[name] != row[name]) else row.get(name)
                 for name, kind in columns.items()} for row in rows]
    return respond(payload, score, columns, version, rows=rows)


handle.variants(respond,
    a_class_instead_of_a_chance=("M32", "The answer is the chance; where to cut is the caller's decision.",
        dict(shape=lambda chances: [int(p >= 0.5) for p in chances])),
    texts_pass_for_numbers=("M41", "A text is no number, also one that looks like a number.",
        dict(good=lambda value: value is not None and value == value)),
    true_is_one=("M41", "True is no number: JSON has a kind of its own for it.",
        dict(good=lambda value: is_number(value) or isinstance(value, bool))),
    zero_is_missing=("M08", "0 is a number like any other.", dict(good=lambda value: is_number(value) and value != 0)),
    nan_is_a_number=("M41", "nan is no number that could be scored: 422.",
        dict(good=lambda value: isinstance(value, (int, float)) and not isinstance(value, bool))),
    floats_only=("M41", "A number without a fraction is a number, too.",
        dict(good=lambda value: is_number(value) and isinstance(value, float))),
    status_200_with_an_error_text=("M64", "Whoever broke the contract is told so with 422, not with 200.",
        dict(invalid=200)),
    everything_is_our_fault=("M64", "A request that breaks the contract is the caller's mistake: 422.",
        dict(invalid=500)),
    bad_request=("M64", "A request that breaks the contract has status 422.", dict(invalid=400)),
    shows_the_traceback=("M64", "A 500 says nothing of what is inside.", dict(fault=lambda _: traceback.format_exc())),
    shows_the_exception=("M64", "A 500 says nothing of what is inside, the exception's text and type included.",
        dict(fault=lambda error: type(error).__name__)),
    runtime_errors_only=("M64", "When scoring fails, the status is 500, whatever the exception.",
        dict(catch=RuntimeError)))


@handle.mistake("M26", "A category may be missing: it is handed on as it is.")
def categories_must_be_there(payload, score, columns, version):
    def good(value):
        return isinstance(value, str) and value != "" or is_number(value)
    return respond(payload, score, columns, version, good=good, kinds=("number", "category"))


@handle.mistake("M64", "A failure inside is ours: 500, also if it is a ValueError.")
def value_errors_are_the_callers(payload, score, columns, version):
    status, body = respond(payload, score, columns, version, fault=lambda error: type(error).__name__)
    return 422 if body.get("error") == "ValueError" else status, body | ({"error": "failed"} if status == 500 else {})


@handle.mistake("M65", "A refusal says which request it is about, and why.")
def refuses_without_a_name(payload, score, columns, version):
    status, body = respond(payload, score, columns, version)
    return status, body if status == 200 else {"error": body["error"]}


@handle.mistake("M65", "A failure says which request it is about, has an error, and no predictions.")
def a_failure_without_an_error(payload, score, columns, version):
    status, body = respond(payload, score, columns, version)
    return status, {"predictions": []} if status == 500 else body


@handle.mistake("M65", "An answer names the version of the model.")
def without_the_version(payload, score, columns, version):
    status, body = respond(payload, score, columns, version)
    body.pop("model_version", None)
    return status, body


@handle.mistake("M65", "An answer names its request.")
def without_the_request(payload, score, columns, version):
    status, body = respond(payload, score, columns, version)
    del body["request_id"]
    return status, body


@handle.mistake("M47", "No flights: 200, and no predictions.")
def nothing_asked_is_an_error(payload, score, columns, version):
    if payload["instances"] == []:
        return 422, {"request_id": payload["request_id"], "error": "nothing to predict"}
    return respond(payload, score, columns, version)


@handle.mistake("M47", "An empty batch gets a whole answer: request, version, and an empty list.")
def nothing_asked_gets_half_an_answer(payload, score, columns, version):
    if payload["instances"] == []:
        return 200, {"request_id": payload["request_id"], "predictions": []}
    return respond(payload, score, columns, version)


@handle.mistake("M26", "A carrier that nobody has seen is news, not a mistake of the caller: it is scored.")
def a_list_of_known_carriers(payload, score, columns, version):
    known = ("UA", "DL", "", None)
    return respond(payload, score, columns, version, kinds=("number", "category"),
                   good=lambda value: is_number(value) or value in known or value != value)


@handle.mistake("M33", "Every row keeps the contract, not only the first.")
def looks_at_the_first_row(payload, score, columns, version):
    numbers = [name for name, kind in columns.items() if kind == "number"]
    return respond(payload, score, columns, version, good=lambda _: True, objects=lambda rows: are_objects(
        rows) and all(is_number(row.get(name)) for row in rows[:1] for name in numbers))


@handle.mistake("M64", "`instances` is a list of objects; anything else is the caller's mistake: 422.")
def any_list(payload, score, columns, version):
    if not are_objects(payload["instances"]):
        return 500, {"request_id": payload["request_id"], "error": "failed"}
    return respond(payload, score, columns, version)


@handle.mistake("M64", "Only an empty list is an empty batch; an empty object or text breaks the contract: 422.")
def nothing_is_an_empty_batch(payload, score, columns, version):
    asked = payload["instances"]
    return respond(payload, score, columns, version, rows=[] if asked in ({}, "") else asked)


@handle.mistake("M64", "0, False and null are no list: 422.")
def whatever_is_false_is_an_empty_batch(payload, score, columns, version):
    return respond(payload, score, columns, version, rows=payload["instances"] or [])


@handle.mistake("M64", "One object without a list around it breaks the contract: 422.")
def one_object_is_a_batch_of_one(payload, score, columns, version):
    asked = payload["instances"]
    return respond(payload, score, columns, version, rows=[asked] if isinstance(asked, dict) else asked)


@handle.mistake("M64", "A row that is empty, but no object, breaks the contract: 422.")
def empty_rows_are_passed_over(payload, score, columns, version):
    asked = payload["instances"]
    kept = [row for row in asked if row or isinstance(row, dict)] if isinstance(asked, list) else asked
    return respond(payload, score, columns, version, rows=kept)


@handle.mistake("M26", "A category is handed on as it is, also if it is a number.")
def categories_are_texts(payload, score, columns, version):
    asked, names = payload["instances"], [name for name, kind in columns.items() if kind == "category"]
    if are_objects(asked) and any(type(row.get(name)) is int for row in asked for name in names):
        return 422, {"request_id": payload["request_id"], "error": "a category must be a text"}
    return respond(payload, score, columns, version)


@handle.right
def branch_by_branch(payload, score, columns, version):
    body, rows = {"request_id": payload["request_id"]}, payload["instances"]
    if not isinstance(rows, list):
        return 422, {**body, "error": "`instances` must be a list"}
    for row in rows:
        if not isinstance(row, dict):
            return 422, {**body, "error": "a flight must be an object"}
        for name in [name for name, kind in columns.items() if kind == "number"]:
            value = row.get(name)
            if type(value) not in (int, float) or value != value:
                return 422, {**body, "error": f"{name} is missing"}
    if not rows:
        return 200, {**body, "model_version": version, "predictions": []}
    try:
        return 200, {**body, "model_version": version, "predictions": score(rows)}
    except Exception:
        return 500, {**body, "error": "The service failed."}


@handle.right
def as_json_would_have_it(payload, score, columns, version):
    def kind(value):
        return json.dumps(value)[:1] if value == value else "N"

    told = {"request_id": payload["request_id"]}
    if kind(payload["instances"]) != "[" or any(kind(row) != "{" for row in payload["instances"]):
        return 422, told | {"error": {"instances": "a list of objects"}}
    wrong = [(i, name) for i, row in enumerate(payload["instances"]) for name in columns
             if columns[name] == "number" and kind(row.get(name)) not in "-0123456789"]
    if wrong:
        return 422, told | {"error": f"no number: {wrong}"}
    try:
        chances = [score([row])[0] for row in payload["instances"]]
    except BaseException:
        return 500, {"error": "Sorry.", **told}
    return 200, {"predictions": chances, "model_version": version, **told}
