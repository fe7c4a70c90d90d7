"""0.1 check_environment: versions are rows of numbers."""

import re
from importlib.metadata import version

from . import lab


@lab.exercise("0.1", section="check-your-environment", hints=(
    "Compare numbers, not text: as text, \"10\" comes before \"9\".",
    "`tuple(int(part) for part in \"3.10.1\".split(\".\"))` is a version you can compare with `<`. Go through all of "
    "`needed`; `installed.get(name)` is None for a package that is not there."))
class check_environment:
    rule = ("Every package that is needed has a verdict: missing if it is not installed, ok from the lowest version "
            "on, too old below it.")

    def inputs(d):
        names = d.order(["numpy", "pandas", "scipy", "jax", "polars", "duckdb"])
        needed = {name: [d.pick([2, 0, 1, 9, 10, 11, 101]) for _ in range(3)] for name in names[:d.int(0, 5)]}

        def there(parts):
            """The same version, or one that differs from some place on."""
            place = d.int(0, 3)
            return parts[:place] + [max(0, n + d.pick([0, 1, -1, 9, -9, 90, 1000])) for n in parts[place:]]

        installed = {name: there(parts) for name, parts in needed.items() if d.flag(0.8)}
        installed |= {name: [1, 0, 0] for name in names[5:] if d.flag()}
        texts = [{name: ".".join(map(str, versions[name])) for name in d.order(list(versions))}
                 for versions in (needed, installed)]
        return dict(needed=texts[0], installed=texts[1])

    def real():
        names = ["numpy", "pandas", "scikit-learn", "matplotlib"]
        there = {name: ".".join(re.findall(r"\d+", version(name))[:3]) for name in names}
        return dict(needed=dict.fromkeys(names, "1.0.0"), installed=there)

    def figure(verdicts, **_):
        return "On this machine: " + ", ".join(f"{name} {verdict}" for name, verdict in verdicts.items()) + "."


# Answers: wrong ones with their misconceptions, and right ones written differently.


def numbers(version):
    return [int(part) for part in version.split(".")]


def told(needed, installed, key=numbers):
    return {name: "missing" if name not in installed else "ok" if key(installed[name]) >= key(lowest) else "too old"
            for name, lowest in needed.items()}


@check_environment.mistake("M34", "A version is a row of numbers: 3.10 comes after 3.9.")
def versions_compared_as_text(needed, installed):
    return told(needed, installed, key=str)


@check_environment.mistake("M34", "A version is a row of numbers, not one number: 1.26.4 is older than 2.0.0.")
def dots_left_out(needed, installed):
    return told(needed, installed, key=lambda version: int(version.replace(".", "")))


def of_fixed_width(needed, installed, *, base):
    def key(version):
        first, second, third = numbers(version)
        return (first * base + second) * base + third

    return told(needed, installed, key=key)


check_environment.variants(of_fixed_width, **{
    f"{name}_in_one_number": ("M34", "A version is a row of numbers, and a number may be of any size.", dict(base=base))
    for name, base in dict(one_digit=10, two_digits=100, three_digits=1000).items()})


@check_environment.mistake("M34", "A version is a row of numbers, not one number: 3.10 is no 3.1.")
def as_a_decimal_number(needed, installed):
    return told(needed, installed, key=lambda version: (float(version.rsplit(".", 1)[0]), numbers(version)[2]))


@check_environment.mistake("M33", "All three numbers count, the last one as well.")
def last_number_ignored(needed, installed):
    return told(needed, installed, key=lambda version: numbers(version)[:2])


@check_environment.mistake("M33", "All three numbers count, not only the first one.")
def first_number_only(needed, installed):
    return told(needed, installed, key=lambda version: numbers(version)[:1])


@check_environment.mistake("M40", "The first number that differs decides: 3.0.0 is newer than 2.9.9.")
def each_number_by_itself(needed, installed):
    return {name: verdict if verdict == "missing" else "ok" if all(
        a >= b for a, b in zip(numbers(installed[name]), numbers(needed[name]))) else "too old"
        for name, verdict in told(needed, installed).items()}


@check_environment.mistake("M08", "A package that is not installed is missing, and not ok.")
def missing_counts_as_ok(needed, installed):
    return told(needed, needed | {name: version for name, version in installed.items() if name in needed})


@check_environment.mistake("M08", "A package that is not installed is missing, and not too old.")
def missing_counts_as_too_old(needed, installed):
    return {name: verdict.replace("missing", "too old") for name, verdict in told(needed, installed).items()}


@check_environment.mistake("M33", "Every package has a verdict, not the first problem only.")
def stops_at_the_first_problem(needed, installed):
    for name, verdict in told(needed, installed).items():
        if verdict != "ok":
            return {name: verdict}
    return {}


@check_environment.mistake("M33", "Every package has a verdict, also one that is ok.")
def problems_only(needed, installed):
    return {name: verdict for name, verdict in told(needed, installed).items() if verdict != "ok"}


@check_environment.mistake("M99", "The report is about the packages that are needed, and no others.")
def all_that_is_installed(needed, installed):
    return dict.fromkeys(installed, "ok") | told(needed, installed)


@check_environment.mistake("M31", "The lowest version that will do is ok.")
def the_version_asked_for_is_not_enough(needed, installed):
    return {name: "too old" if installed.get(name) == needed[name] else verdict
            for name, verdict in told(needed, installed).items()}


@check_environment.mistake("M40", "A newer version than the lowest is ok, an older one is not.")
def newer_is_too_old(needed, installed):
    return told(needed, installed, key=lambda version: [-part for part in numbers(version)])


@check_environment.mistake("M97")
def fills_what_is_installed(needed, installed):
    report = told(needed, installed)
    for name in needed:
        installed.setdefault(name, "0.0.0")
    return report


@check_environment.right
def with_packaging(needed, installed):
    from packaging.version import Version

    def verdict(name):
        if installed.get(name) is None:
            return "missing"
        return "too old" if Version(installed[name]) < Version(needed[name]) else "ok"

    return {name: verdict(name) for name in needed}


@check_environment.right
def with_one_large_number(needed, installed):
    report = dict.fromkeys(needed, "missing")
    for name in report.keys() & installed.keys():
        have, want = (sum(int(part) * 10 ** (9 * place) for place, part in enumerate(reversed(version.split("."))))
                      for version in (installed[name], needed[name]))
        report[name] = ("ok", "too old")[have < want]
    return report
