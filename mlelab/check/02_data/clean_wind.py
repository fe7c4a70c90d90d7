"""2.4 clean_wind: impossible values become missing, with a flag and a report."""

import numpy as np
import pandas as pd

from mlelab import case

from . import _real, lab

START = pd.Timestamp("2013-08-25", tz="UTC")


@lab.exercise("2.4", section="repair-with-evidence", hints=(
    "Decide first, with the limit alone, which values are impossible. Only then compute anything, from what is left, "
    "and only from the training months.",
    "`bad = weather[\"wind_speed\"] > limit`; `weather.assign(wind_speed=weather[\"wind_speed\"].mask(bad), "
    "wind_was_impossible=bad)`; mean and std of the rows with `time_hour < train_end`."))
class clean_wind:
    rule = ("A wind above the limit becomes missing and is flagged, everything else stays; mean and sd are those of "
            "the possible winds before train_end.")

    def inputs(d):
        limit = d.pick([100.0, 90, 40.5, 12])
        train_end = START + pd.Timedelta(hours=d.int(20, 300))
        n = d.int(2, 8)
        weather = d.frame(
            n, d.index(n, repeats=True), wind_speed=lambda: d.pick(
                [5, 11.5, limit, limit + 0.25, limit - 0.25, limit + 0.03125, 0, -3, 1048, np.nan]),
            temp=lambda: d.pick([50, 1048, np.nan, 71.5]),
            time_hour=lambda: train_end + pd.Timedelta(hours=d.pick([-1, 0, -24, 1, d.int(-500, 500)])))
        weather = weather[d.order(list(weather))].astype({"wind_speed": float, "temp": float})
        used = weather.loc[weather["time_hour"] < train_end, "wind_speed"]
        d.need((used <= limit).sum() >= 2)
        return dict(weather=weather, limit=limit, train_end=train_end)

    def see(got, weather, limit, train_end):
        """The new column may stand anywhere."""
        clean, report = got
        if not isinstance(clean, pd.DataFrame):
            raise ValueError(f"the first of the pair is a {type(clean).__name__}")
        flag = clean["wind_was_impossible"]
        if not pd.api.types.is_bool_dtype(flag):
            raise ValueError(f"wind_was_impossible is of type {flag.dtype}, not bool")
        return {"report": {name: report[name] for name in ("impossible", "mean", "sd")}, "clean": clean[sorted(clean)]}

    def real():
        columns = ["origin", "time_hour", "wind_speed", "wind_gust", "temp"]
        return dict(weather=_real.table("weather")[columns], limit=100.0, train_end=case.VALIDATION_START)

    def figure(seen, weather, limit, train_end):
        report, before = seen["report"], weather["wind_speed"][weather["time_hour"] < train_end]
        return (f"{report['impossible']} impossible wind. From January to August the standard deviation is "
                f"{before.std():.2f} mile/h with it and {report['sd']:.2f} without.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


def above(weather, limit):
    return weather["wind_speed"] > limit


def told(weather, limit, train_end, *, bad=above, value=np.nan, train=lambda hour, end: hour < end, judged=None,
         flag=None, count=None, ddof=1, keep=None, limit_is=None):
    """A right answer whose pieces the mistakes replace."""
    limit = limit if limit_is is None else limit_is
    wind, is_bad = weather["wind_speed"], bad(weather, limit)
    is_train = train(weather["time_hour"], train_end)
    rest = (wind if judged else wind.mask(is_bad))[is_train]
    value = value(wind, limit) if callable(value) else value
    clean = weather.assign(wind_speed=wind.mask(is_bad, value), wind_was_impossible=is_bad)
    clean = clean.assign(wind_was_impossible=flag(clean)) if flag else clean
    report = {"impossible": int((count(clean, is_train) if count else is_bad).sum()), "mean": rest.mean(),
              "sd": rest.std(ddof=ddof)}
    return keep(clean, is_bad) if keep else clean, report


clean_wind.variants(
    told,
    clipped_to_the_limit=("M44", "An impossible value becomes a missing one, not the limit: nobody knows what the wind "
                          "was.", dict(value=lambda wind, limit: limit)),
    replaced_by_zero=("M08", "An impossible value becomes a missing one, not 0.", dict(value=0)),
    replaced_by_a_mean_with_the_error_in_it=("M43", "An impossible value becomes a missing one, not a mean that it is "
                                             "part of.", dict(value=lambda wind, limit: wind.mean())),
    missing_without_a_flag=("M44", "What was changed is flagged in the column wind_was_impossible.",
                            dict(keep=lambda clean, bad: clean.drop(columns="wind_was_impossible"))),
    flags_what_was_missing=("M44", "Only what was impossible is flagged, not what was missing before.",
                            dict(flag=lambda clean: clean["wind_speed"].isna())),
    counts_what_was_missing=("M36", "Impossible are the values above the limit; a missing value is not counted.",
                             dict(count=lambda clean, train: clean["wind_speed"].isna())),
    counts_in_training_only=("M36", "All impossible winds are counted, also those after train_end.",
                             dict(count=lambda clean, train: clean["wind_was_impossible"] & train)),
    the_hour_is_deleted=("M09", "Each hour stays: its temperature is still good.",
                         dict(keep=lambda clean, bad: clean[~bad])),
    the_whole_hour_is_missing=("M09", "Only the wind becomes missing: the temperature of that hour is still good.",
                               dict(keep=lambda clean, bad: clean.assign(temp=clean["temp"].mask(bad)))),
    fills_the_gaps=("M08", "A wind that was missing stays missing.", dict(keep=lambda clean, bad: clean.assign(
        wind_speed=clean["wind_speed"].ffill()))),
    statistics_before_the_repair=("M43", "Mean and sd are those of the other winds, without the impossible ones.",
                                  dict(judged=True)),
    statistics_of_all_months=("M02", "Mean and sd are learned from the rows before train_end.",
                              dict(train=lambda hour, end: hour.notna())),
    train_end_included=("M31", "Before train_end: the row exactly at train_end is not in training.",
                        dict(train=lambda hour, end: hour <= end)),
    the_limit_itself_is_impossible=("M31", "A wind exactly at the limit is possible.",
                                    dict(bad=lambda weather, limit: weather["wind_speed"] >= limit)),
    impossible_is_what_is_rare=("M43", "Impossible is what is above the limit, however rare other values are.",
                                dict(bad=lambda weather, limit: weather["wind_speed"] > 3 * abs(
                                    weather["wind_speed"].median()) + 9)),
    negative_is_impossible_as_well=("M99", "Impossible is a wind above the limit: nothing is said about a lower end.",
                                    dict(bad=lambda weather, limit: above(weather, limit) | (
                                        weather["wind_speed"] < 0))),
    a_hundred_whatever_was_asked=("M27", "The limit is an argument, not always 100.", dict(limit_is=100.0)),
    divides_by_n=("M36", "The standard deviation is that of a sample, with n - 1.", dict(ddof=0)),
)


@clean_wind.mistake("M97")
def in_place(weather, limit, train_end):
    weather["wind_was_impossible"] = above(weather, limit)
    weather.loc[weather["wind_was_impossible"], "wind_speed"] = np.nan
    return weather, told(weather, limit, train_end)[1]


@clean_wind.right
def on_a_copy(weather, limit, train_end):
    clean = weather.copy()
    clean["wind_was_impossible"] = clean["wind_speed"].fillna(limit) > limit
    clean.loc[clean["wind_was_impossible"], "wind_speed"] = None
    train = clean.loc[clean["time_hour"] < train_end, "wind_speed"]
    return clean, {"sd": train.std(), "mean": train.mean(), "impossible": clean["wind_was_impossible"].sum()}


@clean_wind.right
def value_by_value(weather, limit, train_end):
    winds, flags, used = [], [], []
    for wind, hour in zip(weather["wind_speed"].tolist(), weather["time_hour"]):
        flags.append(wind > limit)
        winds.append(np.nan if flags[-1] else wind)
        if hour < train_end and winds[-1] == winds[-1]:
            used.append(wind)
    mean = sum(used) / len(used)
    sd = (sum((wind - mean) ** 2 for wind in used) / (len(used) - 1)) ** 0.5
    clean = weather.drop(columns="wind_speed").assign(wind_speed=winds, wind_was_impossible=flags)
    return [clean, {"impossible": sum(flags), "mean": mean, "sd": sd}]
