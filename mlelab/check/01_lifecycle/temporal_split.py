"""1.3 temporal_split: train on the past, judge on the future."""

import pandas as pd

from mlelab import case

from . import _real, lab


@lab.exercise("1.3", section="split-by-time", hints=(
    "Rows are in no useful order. Ask of each row alone: is its time before `t1`, before `t2`, or later?",
    "Three masks on `df[time_col]`: `< t1`, `>= t1` and `< t2`, `>= t2`. Each row satisfies exactly one."))
class temporal_split:
    rule = "Train is earlier than t1, validation runs from t1 to before t2, and test starts at t2."

    def inputs(d):
        zone = d.pick([None, "UTC"])
        t1 = pd.Timestamp("2013-03-01", tz=zone) + pd.Timedelta(hours=d.int(0, 5000))
        t2 = t1 + pd.Timedelta(hours=d.pick([1440, 1, 30, 700]))
        if zone and d.flag():  # the same moments on another clock
            t1, t2 = t1.tz_convert("America/New_York"), t2.tz_convert("America/New_York")

        def time():
            limit = d.pick([t1, t2]).tz_convert(zone) if zone else d.pick([t1, t2])
            return limit + pd.Timedelta(seconds=d.pick([0, -1, 1, -0.25, 0.25, 3600 * d.int(-1500, 1500)]))

        n = d.int(0, 7)
        times = {"decision_time": time, "arrival_time": time}
        df = d.frame(n, d.index(n, repeats=True), row=lambda: d.int(1, 99),
                     **{name: times[name] for name in d.order(list(times))})
        return dict(df=df.astype(dict.fromkeys(times, "datetime64[ns]" if zone is None else f"datetime64[ns, {zone}]")),
                    time_col=d.pick(list(times)), t1=t1, t2=t2)

    def see(got, df, time_col, t1, t2):
        """The three parts, each with its rows in the order of df: any order will do."""
        if not isinstance(got, (tuple, list)) or len(got) != 3:
            raise ValueError("it is not three frames: train, validation, test")
        place = {label: number for number, label in enumerate(df.index)}
        if not all(label in place for part in got for label in part.index):
            raise ValueError("a row has a label that the index of df does not have")
        twice = [] if df.index.is_unique else list(df)  # rows with one label, by what they hold
        return {name: part.assign(place=[place[label] for label in part.index]).sort_values(
            ["place", *twice], kind="stable").drop(columns="place")
            for name, part in zip(("train", "validation", "test"), got)}

    def real():
        return dict(df=_real.features()[["decision_time", "hour"]], time_col="decision_time", t1=case.VALIDATION_START,
                    t2=case.TEST_START)

    def figure(parts, **_):
        return (f"Train {len(parts['train']):,} flights, validation {len(parts['validation']):,}, test "
                f"{len(parts['test']):,}, and no flight of the future in train.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


def cut(df, time, t1, t2):
    return df[time < t1], df[(time >= t1) & (time < t2)], df[time >= t2]


@temporal_split.mistake("M04", "A row's own time says in which part it is: no part is drawn at random.")
def random_parts(df, time_col, t1, t2):
    shuffled = df.sample(frac=1, random_state=0)
    first, second = int(0.6 * len(df)), int(0.8 * len(df))
    return shuffled[:first], shuffled[first:second], shuffled[second:]


@temporal_split.mistake("M34", "Rows come in any order: ask each row for its time, not for its place.")
def slices_of_the_file(df, time_col, t1, t2):
    first, second = int((df[time_col] < t1).sum()), int((df[time_col] < t2).sum())
    return df.iloc[:first], df.iloc[first:second], df.iloc[second:]


@temporal_split.mistake("M31", "A row exactly at t1 or t2 is in one part only, the later one.")
def limits_on_both_sides(df, time_col, t1, t2):
    time = df[time_col]
    return df[time <= t1], df[(time >= t1) & (time <= t2)], df[time >= t2]


@temporal_split.mistake("M31", "A row exactly at t1 or t2 is not lost: it is in the later part.")
def limits_on_neither_side(df, time_col, t1, t2):
    time = df[time_col]
    return df[time < t1], df[(time > t1) & (time < t2)], df[time > t2]


@temporal_split.mistake("M31", "A row exactly at t1 or t2 is in the later part.")
def limits_on_the_earlier_side(df, time_col, t1, t2):
    time = df[time_col]
    return df[time <= t1], df[(time > t1) & (time <= t2)], df[time > t2]


@temporal_split.mistake("M10", "The limits are moments, not days: t1 and t2 may be in the middle of a day.")
def whole_days(df, time_col, t1, t2):
    return cut(df, df[time_col].dt.normalize(), t1.normalize(), t2.normalize())


@temporal_split.mistake("M32", "The column of the decision is the argument `time_col`, whatever it is called.")
def by_the_time_of_the_label(df, time_col, t1, t2):
    return cut(df, df["arrival_time" if "arrival_time" in df else time_col], t1, t2)


@temporal_split.mistake("M27", "The column of the decision is the argument `time_col`, whatever it is called.")
def by_a_fixed_column(df, time_col, t1, t2):
    return cut(df, df["decision_time"], t1, t2)


@temporal_split.mistake("M09", "Every row is in a part: there is no gap between the parts.")
def gap_of_a_month_before_each_limit(df, time_col, t1, t2):
    time, gap = df[time_col], pd.Timedelta(days=30)
    return df[time < t1 - gap], df[(time >= t1) & (time < t2 - gap)], df[time >= t2]


@temporal_split.mistake("M09", "Rows keep their index, so that they can be found again.")
def index_counted_anew(df, time_col, t1, t2):
    return tuple(part.reset_index(drop=True) for part in cut(df, df[time_col], t1, t2))


@temporal_split.mistake("M09", "Two rows with one label in the index are two rows: taken by label, each comes twice.")
def taken_by_label(df, time_col, t1, t2):
    return tuple(df.loc[part.index] for part in cut(df, df[time_col], t1, t2))


@temporal_split.mistake("M10", "The limits are moments, to the last part of a second.")
def whole_seconds(df, time_col, t1, t2):
    return cut(df, df[time_col].dt.round("s"), t1, t2)


@temporal_split.mistake("M09", "Rows keep all their columns.")
def without_the_time(df, time_col, t1, t2):
    return tuple(part.drop(columns=time_col) for part in cut(df, df[time_col], t1, t2))


@temporal_split.mistake("M40", "The parts come in this order: train, validation, test.")
def test_before_validation(df, time_col, t1, t2):
    train, validation, test = cut(df, df[time_col], t1, t2)
    return train, test, validation


@temporal_split.right
def with_sorting_and_searching(df, time_col, t1, t2):
    ordered = df.sort_values(time_col)
    first, second = ordered[time_col].searchsorted(pd.Series([t1, t2], dtype=ordered[time_col].dtype), side="left")
    return ordered.iloc[:first], ordered.iloc[first:second], ordered.iloc[second:]


@temporal_split.right
def with_the_number_of_limits_passed(df, time_col, t1, t2):
    passed = [(time >= t1) + (time >= t2) for time in df[time_col]]
    return tuple(df.iloc[[place for place, count in enumerate(passed) if count == part]] for part in range(3))
