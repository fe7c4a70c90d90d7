"""3.1 fit_scaler: numbers scaled by what the training rows say."""

import numpy as np
import pandas as pd

from . import _real, lab


@lab.exercise("3.1", section="state-from-training", hints=(
    "Compute two numbers for each column before you define `apply`, from training rows only. `apply` may use them and "
    "nothing else.",
    "`df.loc[is_train, columns].mean()` and `.std()`; where a column has one value only, divide by 1. Then "
    "`(rows[columns] - mean) / spread` is aligned by column name."))
class fit_scaler:
    rule = "A value is scaled by the mean and the sample standard deviation (ddof=1) of the training rows."

    def inputs(d):
        n, columns = d.int(4, 9), d.order(["temp", "visib", "gates"])[:d.int(1, 3)]
        level, unit, far = d.pick([7.0, 0.1, 7]), d.pick([1, 1000, 1e10]), d.pick([0, 0, 1e8])
        df = d.frame(n, d.index(n, repeats=True), carrier=lambda: d.pick("AB"), temp=lambda: d.num(-20, 90) + far,
                     visib=lambda: d.int(0, 10) / unit, gates=lambda: level)
        is_train = d.order([True] * (n - 2) + d.list(2, 2, d.flag))
        held = np.flatnonzero(~np.array(is_train))
        df.iloc[held, 3] += 2  # constant in training only
        df.iloc[held, 1] += d.pick([0, 500])
        for column in ("temp", "visib"):
            if d.flag():
                df.iloc[is_train.index(True), df.columns.get_loc(column)] = np.nan
            d.need(df.loc[is_train, column].nunique() != 1 and df.loc[is_train, column].notna().sum() > 1)
        rows = df.iloc[d.order(range(n))[:d.int(1, n)]].copy()
        if d.flag():
            rows["gates"] = rows["gates"].astype(float)
            rows.iloc[0, d.int(1, 3)] = np.nan
        rows = rows[d.order(columns)] if d.flag(0.2) else rows
        return dict(df=df, is_train=pd.Series(is_train, index=df.index), columns=columns, rows=rows)

    def run(fit_scaler, df, is_train, columns, rows):
        apply = fit_scaler(df, is_train, columns)
        apply(rows.iloc[::-1].head(2))  # what an earlier call saw changes nothing
        return apply(rows)

    def real():
        df, is_train = _real.flights()
        df = df[["temp"]]
        return dict(df=df, is_train=is_train, columns=["temp"], rows=df[~is_train])

    def figure(scaled, **_):
        return (f"The temperatures of September to December lie {scaled['temp'].mean():+.2f} standard deviations from "
                "those of January to August: hold-out rows need not have mean 0.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


@fit_scaler.mistake("M02")
def scaler_fitted_on_all_rows(df, is_train, columns):
    mean, spread = df[columns].mean(), df[columns].std().replace(0, 1)
    return lambda rows: (rows[columns] - mean) / spread


@fit_scaler.mistake("M46", "A row gets the same answer alone as among others: mean and spread are those of training.")
def scaler_of_each_batch(df, is_train, columns):
    return lambda rows: (rows[columns] - rows[columns].mean()) / rows[columns].std().fillna(0).replace(0, 1)


@fit_scaler.mistake("M47", "A column that is constant in the training rows has no spread: subtract its mean and leave "
                    "it there.")
def divides_by_no_spread(df, is_train, columns):
    mean, spread = df.loc[is_train, columns].mean(), df.loc[is_train, columns].std()
    return lambda rows: (rows[columns] - mean) / spread


@fit_scaler.mistake("M47", "A column that is constant in the training rows has no spread, although rounding may say "
                    "1e-17: compare its largest and smallest value.")
def trusts_a_spread_of_rounding(df, is_train, columns):
    mean, spread = df.loc[is_train, columns].mean(), df.loc[is_train, columns].std().replace(0, 1)
    return lambda rows: (rows[columns] - mean) / spread


@fit_scaler.mistake("M08", "A missing value stays missing: filling it is another step.")
def missing_becomes_the_mean(df, is_train, columns):
    mean, spread = _state(df, is_train, columns)
    return lambda rows: ((rows[columns] - mean) / spread).fillna(0)


@fit_scaler.mistake("M09", "Every row stays, also one with a missing value.")
def rows_with_gaps_are_dropped(df, is_train, columns):
    mean, spread = _state(df, is_train, columns)
    return lambda rows: (rows[columns].dropna() - mean) / spread


@fit_scaler.mistake("M36", "The spread is that of a sample, with n - 1 (ddof=1).")
def divides_by_n(df, is_train, columns):
    mean, spread = _state(df, is_train, columns, ddof=0)
    return lambda rows: (rows[columns] - mean) / spread


@fit_scaler.mistake("M36", "A column's mean and spread come from all its known training values.")
def complete_rows_only(df, is_train, columns):
    mean, spread = _state(df.dropna(subset=columns), is_train, columns)
    return lambda rows: (rows[columns] - mean.fillna(0)) / spread


@fit_scaler.mistake("M47", "A column that is constant in training becomes value - mean: later values may differ.")
def constant_is_always_zero(df, is_train, columns):
    mean, spread = _state(df, is_train, columns)
    varies = df.loc[is_train, columns].nunique() > 1
    return lambda rows: (rows[columns] - mean) / spread * varies


@fit_scaler.mistake("M47", "A column whose values lie close together is not constant.")
def a_small_spread_is_none(df, is_train, columns):
    mean, spread = _state(df, is_train, columns)
    return lambda rows: (rows[columns] - mean) / spread.where(spread > 0.01, 1)


@fit_scaler.mistake("M47", "However small the values are, a column of different ones is not constant.")
def a_billionth_is_no_spread(df, is_train, columns):
    mean, spread = _state(df, is_train, columns)
    return lambda rows: (rows[columns] - mean) / spread.where(spread > 1e-8, 1)


@fit_scaler.mistake("M36", "The mean of squares minus the square of the mean is no spread where values are far from 0.")
def squares_minus_square(df, is_train, columns):
    train = df.loc[is_train, columns]
    mean, known = train.mean(), train.notna().sum()
    spread = np.sqrt(((train**2).mean() - mean**2).clip(lower=0) * known / (known - 1))
    return lambda rows: (rows[columns] - mean) / spread.where(train.nunique() > 1, 1)


@fit_scaler.mistake("M09", "Rows with one label in the index are several rows: taken by label, they count twice.")
def training_rows_by_label(df, is_train, columns):
    labels = df.index[is_train.to_numpy()]
    twice = df.loc[labels]
    mean, spread = _state(twice, pd.Series(True, twice.index), columns)
    return lambda rows: (rows[columns] - mean) / spread


@fit_scaler.mistake("M34", "Columns are found by their name: `rows` may have them in another order.")
def columns_by_place(df, is_train, columns):
    mean, spread = _state(df, is_train, columns)
    return lambda rows: pd.DataFrame((rows[[name for name in rows if name in columns]].to_numpy(float)
                                      - mean.to_numpy()) / spread.to_numpy(), rows.index, columns)


@fit_scaler.mistake("M32", "The spread is the standard deviation, not the largest value minus the smallest.")
def from_smallest_to_largest(df, is_train, columns):
    train = df.loc[is_train, columns]
    mean, spread = _state(df, is_train, columns)
    return lambda rows: (rows[columns] - mean) / spread.where(spread == 1, train.max() - train.min())


@fit_scaler.mistake("M44", "A value far from the mean stays where it is: nothing is cut off.")
def cut_off_at_three(df, is_train, columns):
    mean, spread = _state(df, is_train, columns)
    return lambda rows: ((rows[columns] - mean) / spread).clip(-3, 3)


@fit_scaler.mistake("M99", "The new frame holds `columns` alone, in their order.")
def other_columns_stay(df, is_train, columns):
    mean, spread = _state(df, is_train, columns)
    return lambda rows: rows.assign(**{name: (rows[name] - mean[name]) / spread[name] for name in columns})


@fit_scaler.mistake("M34", "The new frame holds `columns` in the order in which they are given.")
def columns_in_the_order_of_the_table(df, is_train, columns):
    mean, spread = _state(df, is_train, columns)
    return lambda rows: ((rows[columns] - mean) / spread)[[name for name in rows if name in columns]]


@fit_scaler.mistake("M97", "Your function changed its input: the scaled columns belong into a new frame.")
def scales_in_place(df, is_train, columns):
    mean, spread = _state(df, is_train, columns)

    def apply(rows):
        rows[columns] = (rows[columns] - mean) / spread
        return rows[columns]

    return apply


@fit_scaler.right
def scaler_column_by_column(df, is_train, columns):
    state = {}
    for column in columns:
        known = df[column][is_train].dropna()
        state[column] = known.mean(), known.std() if known.nunique() > 1 else 1.0
    return lambda rows: pd.DataFrame({c: (rows[c] - mean) / spread for c, (mean, spread) in state.items()})


@fit_scaler.right
def scaler_in_numpy(df, is_train, columns):
    train = df.loc[is_train, columns].to_numpy(float)
    low, high = np.nanmin(train, axis=0), np.nanmax(train, axis=0)
    spread = np.where(low == high, 1, np.nanstd(train, axis=0, ddof=1))
    mean = np.nanmean(train, axis=0)
    return lambda rows: pd.DataFrame((rows[columns].to_numpy(float) - mean) / spread, rows.index, columns)


def _state(df, is_train, columns, ddof=1):
    train = df.loc[is_train, columns]
    return train.mean(), train.std(ddof=ddof).where(train.nunique() > 1, 1)
