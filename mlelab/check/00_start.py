"""Checks of lab 0: is everything installed, and a share that respects missing values."""

from importlib.metadata import version

import numpy as np

from mlelab import case
from mlelab.check.lab import Lab, Trial

lab = Lab("00_start")


@lab.exercise("0.1", section="check-your-environment", hints=(
    "Compare numbers, not text: as text, \"10\" comes before \"9\".",
    "`tuple(int(part) for part in \"3.10.1\".split(\".\"))` is a version you can compare with `<`. Go through all of "
    "`needed`; `installed.get(name)` is None for a package that is not there."))
def check_environment(trial: Trial, answer) -> str:
    needed, installed, expected = _packages(trial.rng)
    call = f"check_environment(needed={needed}, installed={installed})"
    got = trial.call(answer, needed, installed)
    trial.require(isinstance(got, dict), "The answer is a dict from package to verdict.", call=call,
                  got=type(got).__name__)
    absent = [name for name in needed if name not in installed]
    trial.require(all(got.get(name) != "ok" for name in absent), "A package that is not installed is not ok.",
                  mistake="M08", call=call, expected=dict.fromkeys(absent, "missing"), got=got)
    trial.require(set(got) == set(needed), "The report has a verdict for every package, not for the first problem "
                  "only.", mistake="M33", call=call, expected=expected, got=got)
    differ = [name for name in needed if got[name] != expected[name]]
    as_text = [name for name in differ if name in installed
               and (got[name] == "ok") == (installed[name] >= needed[name])]
    exact = [name for name in differ if installed.get(name) == needed[name]]
    trial.require(not differ, "A version is a row of numbers: 3.10 comes after 3.9, and the lowest one is enough.",
                  mistake="M34" if as_text else "M31" if exact else None, call=call,
                  expected={name: expected[name] for name in differ}, got={name: got[name] for name in differ})

    names = ["numpy", "pandas", "scikit-learn", "matplotlib"]
    there = {name: version(name) for name in names}
    verdicts = answer(dict.fromkeys(names, "1.0.0"), there)
    return "On this machine: " + ", ".join(f"{name} {verdict}" for name, verdict in verdicts.items()) + "."


def _packages(rng: np.random.Generator) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Needed and installed versions with the right verdicts: text order and number order disagree on the first two."""
    low, major = rng.integers(2, 10), rng.integers(1, 5)
    rows = [(f"{major}.{low}.0", f"{major}.{low + 10}.1", "ok"),
            (f"{major}.{low + 10}.0", f"{major}.{low}.3", "too old"),
            (f"{major}.{low}.1", f"{major}.{low}.1", "ok"), (f"{major}.{low}.2", None, "missing"),
            (f"{major}.{low}.2", f"{major + 1}.0.0", "ok"), (f"{major}.{low}.2", f"{major}.{low}.1", "too old")]
    names = [f"package_{number}" for number in rng.choice(900, len(rows), replace=False) + 100]
    rows = dict(zip(names, (rows[i] for i in rng.permutation(len(rows)))))
    return ({name: needed for name, (needed, _, _) in rows.items()},
            {name: there for name, (_, there, _) in rows.items() if there},
            {name: verdict for name, (_, _, verdict) in rows.items()})


@lab.exercise("0.2", section="your-first-exercise", hints=(
    "How many flights can be judged at all? Divide by those, not by all.",
    "`arrived = delays[~np.isnan(delays)]`, then a mean of `arrived >= threshold`. With nothing to judge, the answer "
    "is `nan`."))
def late_share(trial: Trial, answer) -> str:
    threshold = float(trial.rng.choice([15, 30, 45]))
    delays = np.array([threshold, threshold, threshold - 1, threshold + 9, -4, 2, threshold - 8, np.nan, np.nan])
    delays = trial.rng.permutation(delays)
    call = f"late_share({delays.tolist()}, threshold={threshold:g})"
    got = trial.call(answer, delays, threshold)
    trial.require(np.ndim(got) == 0 and not isinstance(got, (str, type(None))), "The answer is one number.", call=call,
                  got=got)
    arrived = delays[~np.isnan(delays)]
    shares = {"M08": (delays >= threshold).mean(), "M31": (arrived > threshold).mean(),
              "M36": (arrived >= threshold).sum() // len(arrived), "M35": (arrived < threshold).mean()}
    mistake = next((code for code, share in shares.items() if np.isclose(got, share)), None)
    right = (arrived >= threshold).mean()
    trial.require(np.isclose(got, right), "The share of late flights is counted among flights "
                  f"that arrived: {len(arrived)} of these {len(delays)}. Late is {threshold:g} minutes or more.",
                  mistake=mistake, call=call, expected=round(right, 4), got=round(float(got), 4))
    nothing = trial.call(answer, np.array([np.nan]), threshold)
    trial.require(np.isnan(nothing), "Where no flight arrived there is no share: the answer is nan, not 0.",
                  mistake="M08", call="late_share([nan], threshold)", expected="nan", got=nothing)

    share = answer(trial.table("flights")["arr_delay"].to_numpy(dtype=float), float(case.LATE_MINUTES))
    return f"In 2013, {share:.2%} of the flights that arrived were {case.LATE_MINUTES} minutes late or more."
