"""Wrong (and differently written right) answers of lab 0."""

import math

from tests.wrong_answers import right, wrong


def numbers(version):
    return [int(part) for part in version.split(".")]


@wrong("0.1", "M34")
def versions_compared_as_text(needed, installed):
    return {name: "missing" if name not in installed else "ok" if installed[name] >= lowest else "too old"
            for name, lowest in needed.items()}


@wrong("0.1", "M08")
def missing_counts_as_ok(needed, installed):
    return {name: "ok" if numbers(installed.get(name, lowest)) >= numbers(lowest) else "too old"
            for name, lowest in needed.items()}


@wrong("0.1", "M33")
def stops_at_the_first_problem(needed, installed):
    for name, lowest in needed.items():
        if name not in installed:
            return {name: "missing"}
        if numbers(installed[name]) < numbers(lowest):
            return {name: "too old"}
    return {}


@wrong("0.1", "M31")
def the_version_asked_for_is_not_enough(needed, installed):
    return {name: "missing" if name not in installed else "ok" if numbers(installed[name]) > numbers(lowest)
            else "too old" for name, lowest in needed.items()}


@right("0.1")
def with_packaging(needed, installed):
    from packaging.version import Version

    def verdict(name):
        if installed.get(name) is None:
            return "missing"
        return "too old" if Version(installed[name]) < Version(needed[name]) else "ok"

    return {name: verdict(name) for name in needed}


@wrong("0.2", "M08")
def missing_counts_as_on_time(delays, threshold):
    return (delays >= threshold).mean()


@wrong("0.2", "M31")
def exactly_at_the_threshold_is_on_time(delays, threshold):
    arrived = delays[delays == delays]
    return (arrived > threshold).mean() if len(arrived) else float("nan")


@wrong("0.2", "M36")
def integer_division(delays, threshold):
    arrived = delays[delays == delays]
    return (arrived >= threshold).sum() // len(arrived) if len(arrived) else float("nan")


@wrong("0.2", "M35")
def share_on_time(delays, threshold):
    arrived = delays[delays == delays]
    return (arrived < threshold).mean() if len(arrived) else float("nan")


@right("0.2")
def in_plain_python(delays, threshold):
    arrived = [delay for delay in delays.tolist() if not math.isnan(delay)]
    return sum(delay >= threshold for delay in arrived) / len(arrived) if arrived else math.nan
