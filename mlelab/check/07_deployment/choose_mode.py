"""7.10 choose_mode: batch, stream or online."""

from . import lab


@lab.exercise("7.10", section="batches-of-the-moment", hints=(
    "Two questions, in this order: how long may the answer take, and is everything known beforehand?",
    "deadline_s below 60 cannot wait for a job. If such a request's inputs are known the day before, it can be "
    "answered from a table that a batch job made: \"batch\". If not: \"online\". Above a day: \"batch\". Between: "
    "\"stream\" if inputs come as events, else \"batch\"."))
class choose_mode:
    rule = ("Below 60 s: online, unless the inputs are known before. Up to a day: stream for events. Everything else: "
            "batch.")

    def inputs(d):
        deadline = d.pick([60, 59, 61, 86_400, 86_399, 86_401, 0.2, 59.9, 60.5, 2.0, 900.0, 3_600, 43_200, 86_400.5,
                           172_800.0, 90_000, 604_800, 30])
        return dict(request={"deadline_s": deadline, "inputs_known_before": d.flag(), "inputs_are_events": d.flag()})

    def run(choose_mode, request):
        return [choose_mode(one) for one in request] if isinstance(request, list) else choose_mode(request)

    def real():
        keys = "deadline_s", "inputs_known_before", "inputs_are_events"
        cases = (2.0, False, False), (86_400.0 * 2, True, False), (120.0, False, True)
        return dict(request=[dict(zip(keys, values)) for values in cases])

    def figure(got, **_):
        return "; ".join(map(": ".join, zip(["the desk's alert", "tomorrow's crew list", "gate changes"], got))) + "."


# Answers: wrong ones with their misconceptions, and right ones written differently.


def mode(request, quick=60, slow=86_400, table=True):
    if request["deadline_s"] < quick:
        return "batch" if table and request["inputs_known_before"] else "online"
    if request["deadline_s"] > slow:
        return "batch"
    return "stream" if request["inputs_are_events"] else "batch"


choose_mode.variants(mode,
    always_online=("M24", "What is known the day before is scored at night and looked up in the morning: batch.",
        dict(table=False)),
    streams_for_days=("M24", "More than a day is time for a job, however the inputs come.", dict(slow=10**9)),
    a_minute_is_too_quick=("M31", "Sixty seconds is the first deadline at which nobody stands and waits.",
        dict(quick=61)),
    half_a_minute=("M31", "A second less than a minute is below 60 s.", dict(quick=31)),
    a_day_is_too_slow=("M31", "A day is the last deadline that is not more than a day.", dict(slow=86_399)),
    half_a_day=("M10", "A day has 86,400 seconds.", dict(slow=43_200)))


@choose_mode.mistake("M25", "Somebody waits, and the inputs come with the request: online.")
def always_batch(request):
    return "batch"


@choose_mode.mistake("M25", "Somebody waits: that inputs come as events does not change it.")
def events_are_streams(request):
    return "stream" if request["inputs_are_events"] and request["deadline_s"] <= 86_400 else mode(request)


@choose_mode.mistake("M25", "Events that need an answer within a day are scored as they come, also if known before.")
def known_is_batch(request):
    return "batch" if request["inputs_known_before"] else mode(request)


@choose_mode.mistake("M24", "A file each quarter of an hour is a small batch; a stream is for events.")
def a_stream_for_everything_slow(request):
    return mode(request) if request["deadline_s"] < 60 else "stream"


@choose_mode.mistake("M41", "The modes are written in small letters.")
def with_a_capital(request):
    return mode(request).capitalize()


@choose_mode.right
def as_a_table(request):
    waits, short = request["deadline_s"] < 60, request["deadline_s"] <= 86_400
    ways = {"online": waits and not request["inputs_known_before"],
            "stream": not waits and short and request["inputs_are_events"]}
    return next((name for name, holds in ways.items() if holds), "batch")


@choose_mode.right
def with_match(request):
    match request:
        case {"deadline_s": seconds, "inputs_known_before": known} if seconds < 60:
            return ("online", "batch")[known]
        case {"deadline_s": seconds, "inputs_are_events": True} if not seconds > 24 * 60 * 60:
            return "stream"
    return "batch"
