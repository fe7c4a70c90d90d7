# %% [markdown]
# # Lab 0: start here
#
# Here you check your machine, solve two small exercises, give one wrong answer on purpose, and meet the data of the
# whole course. Nothing here is graded in your course total; the two points only show you how grading works.
#
# Run a cell with **Shift + Enter**. If a cell asks for your code, replace the line `raise NotImplementedError(…)`.

# %% [markdown]
# The cell above made the lab ready. These are the libraries of this lab. `check` came from the cell above.

# %%
from importlib.metadata import PackageNotFoundError, version

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from mlelab import case, data, figure

# %% [markdown]
# ## Check your environment
#
# A course is easily abandoned at its first notebook, when that does not run. So your first function looks at your
# own machine. Versions are text, and text is sorted letter by letter. **Predict before you run:** which of the two
# comparisons is right?

# %%
print("as text:   ", "3.10.1" < "3.9.0")
print("as numbers:", (3, 10, 1) < (3, 9, 0))

# %% [markdown]
# ### Exercise 0.1: report what is missing or too old (1 point)
#
# Write `check_environment`. It gets two dictionaries from package name to version, and reports on **every** package
# that is needed. A version equal to the one needed is enough.

# %% exercise="0.1"
def check_environment(
    needed: dict[str, str], installed: dict[str, str]
) -> dict[str, str]:
    """A verdict for each package that is needed.

    needed: lowest version that will do, like {"numpy": "2.0.1"}; three whole numbers
      with dots.
    installed: version found, like {"numpy": "2.4.6"}; a package that is not installed
      is not in it, and others may be; three whole numbers as well.
    Returns {package: verdict} with the verdicts "ok", "too old" and "missing".
    """
    ### BEGIN SOLUTION
    def as_numbers(version: str) -> tuple[int, ...]:
        return tuple(int(part) for part in version.split("."))

    report = {}
    for name, lowest in needed.items():
        if name not in installed:
            report[name] = "missing"
        elif as_numbers(installed[name]) < as_numbers(lowest):
            report[name] = "too old"
        else:
            report[name] = "ok"
    return report
    ### END SOLUTION

# %% [markdown]
# The next cell is a check. It makes up fresh inputs, calls your function, and says what it found. Stuck? Put
# `check.hint("0.1")` in a cell of your own and run it, twice if you need to.

# %% check="0.1" points=1
check.check_environment(check_environment)

# %% [markdown]
# Now your function reads the real machine.

# %%
def installed_versions(names: list[str]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = ".".join(version(name).split(".")[:3])
        except PackageNotFoundError:
            continue
    return found


needed = {"numpy": "2.0.0", "pandas": "2.2.0", "scikit-learn": "1.6.0", "matplotlib": "3.9.0"}
check_environment(needed, installed_versions(list(needed)))

# %% [markdown]
# ## Your first exercise on real data
#
# `flights` holds every flight that was scheduled to leave New York's three airports in 2013. `arr_delay` is how many
# minutes late a flight arrived. **Predict:** what does a missing `arr_delay` mean?

# %%
flights = data.load("flights")
shown = ["month", "day", "carrier", "origin", "dest", "dep_delay", "arr_delay"]
print(f"{len(flights):,} flights, {flights['arr_delay'].isna().sum():,} without an arrival")
flights.loc[flights["arr_delay"].isna(), shown].head(3)

# %% [markdown]
# A flight that never arrived was not on time. It was cancelled or diverted, and "minutes late" has no meaning for it.
#
# ### Exercise 0.2: the share of late flights (1 point)
#
# Write `late_share`: among the flights that *can* be judged, which share was late by `threshold` minutes or more?

# %% exercise="0.2"
def late_share(delays: np.ndarray, threshold: float) -> float:
    """Share of flights with a delay of `threshold` or more among those with a delay.

    delays: shape (n,), minutes, negative when early, nan where the flight never
      arrived; n may be 0.
    threshold: minutes.
    Returns a share between 0 and 1, or nan if no flight has a delay.
    """
    ### BEGIN SOLUTION
    arrived = delays[~np.isnan(delays)]
    return float((arrived >= threshold).mean()) if arrived.size else float("nan")
    ### END SOLUTION

# %% check="0.2" points=1
check.late_share(late_share)

# %% [markdown]
# ### Give a wrong answer on purpose
#
# This is an answer that many people write first. Run the check on it and read what it says: the property that does not
# hold, a small input that shows it, the name of the misconception, and where to read. `try` is here only so that the
# notebook goes on.

# %%
def first_attempt(delays, threshold):
    return (delays >= threshold).mean()


try:
    check.late_share(first_attempt, seed=0)
except AssertionError:
    print("As intended: the check rejects it.")

# %% [markdown]
# `seed=0` repeats the same input. Without it, each call draws new numbers: an answer that only fits one example does
# not last.

# %% [markdown]
# ## How much it matters
#
# Your function on each month, and the first attempt next to it. **Predict:** in which months do the two differ most?

# %%
by_month = flights.groupby("month")["arr_delay"]
right = by_month.apply(lambda delays: late_share(delays.to_numpy(dtype=float), 30))
first = by_month.apply(lambda delays: first_attempt(delays.to_numpy(dtype=float), 30))

fig, ax = plt.subplots()
ax.plot(right.index, 100 * right, marker="o", label="of flights that arrived")
ax.plot(first.index, 100 * first, marker="s", linestyle="--", label="of all flights")
ax.set(xlabel="month of 2013", ylabel="late by 30 minutes or more (%)", ylim=(0, None))
ax.legend()
worst = (right - first).idxmax()
figure.show(fig, alt="Line plot of the late share by month, with and without the flights that never arrived. It is "
            f"highest in month {right.idxmax()} and lowest in month {right.idxmin()}; "
            f"the lines differ most in month {worst}.")

# %% [markdown]
# The same as numbers, wide gaps first:

# %%
table = pd.DataFrame({"of those that arrived (%)": 100 * right, "of all (%)": 100 * first}).round(2)
table["gap"] = (table.iloc[:, 0] - table.iloc[:, 1]).round(2)
table["never arrived (%)"] = (100 * flights["arr_delay"].isna().groupby(flights["month"]).mean()).round(2)
table.sort_values("gap", ascending=False).head(4)

# %% [markdown]
# The gap is the late share times the share of flights that never arrived. So it is wide in the months in which both
# are high: June, July, December and February. Which of these four has the widest gap, one year cannot tell. If you
# draw the days of each month again at random, each of the four comes first in some of the draws.
#
# The single day with the widest gap is 8 February: a snowstorm came in the afternoon, and half of its flights never
# arrived. A mistake in handling missing values is largest when the system is under stress.

# %%
# claim: The gap is the late share times the share of flights that never arrived
# unless: table = table.assign(gap=1)
assert np.allclose(table["gap"], table.iloc[:, 0] * table["never arrived (%)"] / 100, atol=0.02)
assert np.allclose(table["gap"], table.iloc[:, 0] - table.iloc[:, 1])  # as printed

# claim: June, July, December and February
assert set(table["gap"].nlargest(4).index) == {2, 6, 7, 12}

# claim: one year cannot tell
# claim: each of the four comes first in some of the draws
day, known = pd.to_datetime(flights[["year", "month", "day"]]), flights["arr_delay"].notna()
sums = pd.DataFrame({"late": flights["arr_delay"] >= 30, "known": known, "all": 1})
drawn = {month: case.by_days(part, day[part.index]) for month, part in sums.groupby(flights["month"])}
gaps = pd.DataFrame({month: part["late"] / part["known"] - part["late"] / part["all"] for month, part in drawn.items()})
winners = gaps.idxmax(axis=1).value_counts(normalize=True).reindex(range(1, 13), fill_value=0)
assert winners[[2, 6, 7, 12]].min() > 0.1

# claim: The single day with the widest gap is 8 February
# fact: a snowstorm came in the afternoon | the winter storm of 8 and 9 February 2013
by_day = sums.groupby(day).sum()
never = 1 - by_day["known"] / by_day["all"]
day_gap = by_day["late"] / by_day["known"] - by_day["late"] / by_day["all"]
assert day_gap.idxmax() == pd.Timestamp("2013-02-08")

# claim: half of its flights never arrived
assert 0.45 < never["2013-02-08"] < 0.55

# claim: is largest when the system is under stress
stress = never >= never.quantile(0.9)
assert day_gap[stress].mean() > 10 * day_gap[~stress].mean()

# %% [markdown]
# ## Where you stand

# %%
check.progress()

# %% [markdown]
# Next: lab 1, where a business question becomes a label, a split, a baseline and a cost.
