"""9.6 log_line: what a prediction's line in the log holds, and what it must not hold."""

import json

from . import lab


@lab.exercise("9.6", section="a-prediction-can-be-traced", hints=(
    "In a year somebody asks about one prediction. What must the line hold so that you can compute it again? And what "
    "must it not hold, whoever reads it?",
    "A dict with request_id, model_version, features (only the columns that the model uses) and p, as it is, through "
    "json.dumps."))
class log_line:
    rule = ("The line is JSON with request_id, model_version, features (of the model's columns only, as they were "
            "served) and p to the last digit; nothing else of the request but `at` may stand in it.")
    rtol = atol = 0.0
    figure = "From such lines the lab computes predictions again, to the last digit that the service gave."

    def inputs(d):
        values = {"hour": d.int(0, 23), "temp": round(d.num(-10, 100) + d.pick([0, 0.1 + 0.2, 1e-17]), 17),
                  "carrier": d.pick(["UA", "9E", "Å", 'O"Hare', "A\\B", "", "nan", "\U0001f6eb"]),
                  "seats": d.pick([None, 150, 0]), "holiday": d.flag(),
                  d.pick(["wind", 'wind "gust"', "Böe"]): 0.5}
        columns = d.order(d.some(list(values), 1))
        other = {"name": d.pick(["Ada L.", "Bo"]), "email": "ada@example.org", "phone": "555-0100", "seat": "12F",
                 "passport": d.pick(["X12", "Y9"]), "birthday": "1990-02-03"}
        features = values | {name: other[name] for name in d.some(list(other))}
        features = {name: features[name] for name in d.order(list(features))}
        request = {"request_id": d.pick(["r-1", "r-983", "00f3", 'r "9"', "r\\n1", "r\n2"]),
                   "at": d.pick(["2013-09-01T10:00:00Z", "2013-01-02"]), "features": features}
        if d.flag(0.3):
            request["contact"] = d.pick(["bo@example.org", "+1 555 0111"])
        p = d.pick([0.1 + 0.2, 1 / 3, 0.0, 1.0, 2e-9, d.num(0, 1, 3)])
        return dict(request=request, version=d.pick(["7", "2013-09", "v12", 'the "new"']), p=p, columns=columns)

    def see(got, request, **_):
        """One line of text that is JSON; keys that may be there are fine, others are shown as leaked."""
        if not isinstance(got, str) or "\n" in got.removesuffix("\n"):
            raise ValueError("a line of the log is one line of text")
        entry = json.loads(got, parse_constant=float)
        allowed = {"request_id", "model_version", "p", "features"}
        leaked = {name: value for name, value in entry.items()
                  if name not in allowed and not (name == "at" and value == request["at"])}
        return {name: entry.get(name) for name in sorted(allowed)} | {"also there": leaked}


# Answers: wrong ones with their misconceptions, and right ones written differently.


@log_line.mistake("M30", "The log holds what the model used, and nothing about the passenger.")
def the_whole_request(request, version, p, columns):
    return json.dumps(entry(request, version, p, columns) | {"request": request})


@log_line.mistake("M30", "Only the model's columns are logged: a list of names to leave out misses the next one.")
def without_three_names(request, version, p, columns):
    kept = {k: v for k, v in request["features"].items() if k not in ("name", "email", "seat")}
    return json.dumps(entry(request, version, p, columns) | {"features": kept})


@log_line.mistake("M65", "The line names the model version: without it nobody finds the model again.")
def without_the_version(request, version, p, columns):
    return json.dumps({k: v for k, v in entry(request, version, p, columns).items() if k != "model_version"})


@log_line.mistake("M65", "The line names the request by its id: without it nobody finds the prediction again.")
def time_as_a_name(request, version, p, columns):
    return json.dumps(entry(request, version, p, columns) | {"request_id": request["at"]})


@log_line.mistake("M41", "The chance is logged to the last digit: a replay must reproduce it.")
def rounded(request, version, p, columns):
    return json.dumps(entry(request, version, round(p, 3), columns))


@log_line.mistake("M41", "Features are logged as they were served: a number stays a number.")
def all_as_text(request, version, p, columns):
    kept = entry(request, version, p, columns)
    return json.dumps(kept | {"features": {name: str(value) for name, value in kept["features"].items()}})


@log_line.mistake("M65", "All columns of the model are there.")
def without_the_features(request, version, p, columns):
    return json.dumps({k: v for k, v in entry(request, version, p, columns).items() if k != "features"})


@log_line.mistake("M27", "The columns are an argument.")
def the_columns_of_the_example(request, version, p, columns):
    return json.dumps(entry(request, version, p, ["hour", "temp", "carrier"]))


@log_line.mistake("M08", "A column without a value is logged as null: it was served so.")
def without_missing_values(request, version, p, columns):
    kept = entry(request, version, p, columns)
    return json.dumps(kept | {"features": {k: v for k, v in kept["features"].items() if v is not None}})


@log_line.mistake("M41", "A line of the log is JSON, so that a program can read it: Python's own text is none.")
def text_of_a_dict(request, version, p, columns):
    return str(entry(request, version, p, columns))


@log_line.mistake("M99", "A line of the log is one line.")
def over_several_lines(request, version, p, columns):
    return json.dumps(entry(request, version, p, columns), indent=2)


@log_line.mistake("M41", "Texts may hold quotes, backslashes and line ends: let json.dumps write them.")
def quotes_put_round_texts(request, version, p, columns):
    def text(value):
        return f'"{value}"' if isinstance(value, str) else json.dumps(value)

    features = ", ".join(f"{text(name)}: {text(request['features'][name])}" for name in columns)
    return (f'{{"request_id": {text(request["request_id"])}, "model_version": {text(version)}, '
            f'"features": {{{features}}}, "p": {p!r}}}')


@log_line.mistake("M41", "Quotes inside of a text are part of it.")
def quotes_of_python(request, version, p, columns):
    line = json.dumps(entry(request, version, p, columns))
    return line.replace('\\"', "'")


@log_line.mistake("M41", "Letters beyond ASCII are logged as they were served.")
def ascii_only(request, version, p, columns):
    return json.dumps(entry(request, version, p, columns), ensure_ascii=False).encode("ascii", "replace").decode()


@log_line.mistake("M08", "0, False and an empty text are values, and not missing.")
def falsy_is_null(request, version, p, columns):
    line = entry(request, version, p, columns)
    return json.dumps(line | {"features": {name: value or None for name, value in line["features"].items()}})


@log_line.mistake("M41", "Features are logged to the last digit, too: a replay must reproduce the chance.")
def features_rounded(request, version, p, columns):
    line = entry(request, version, p, columns)
    return json.dumps(line | {"features": {name: round(value, 3) if isinstance(value, float) else value
                                           for name, value in line["features"].items()}})


@log_line.right
def field_by_field(request, version, p, columns):
    line = {"at": request["at"], "request_id": request["request_id"], "model_version": version, "p": p, "features": {}}
    for name in columns:
        line["features"][name] = request["features"][name]
    return json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n"


@log_line.right
def in_pieces(request, version, p, columns):
    features = ", ".join(f"{json.dumps(c)}: {json.dumps(request['features'][c])}" for c in sorted(columns))
    return (f'{{"p": {p!r}, "model_version": {json.dumps(version)}, "features": {{{features}}}, '
            f'"request_id": {json.dumps(request["request_id"])}}}')


def entry(request, version, p, columns):
    return {"request_id": request["request_id"], "model_version": version, "p": p,
            "features": {name: request["features"][name] for name in columns}}
