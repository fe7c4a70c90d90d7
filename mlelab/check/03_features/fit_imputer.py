"""3.6 fit_imputer: gaps filled with the median of the training rows, and marked."""

import numpy as np
import pandas as pd

from . import _real, lab


@lab.exercise("3.6", section="missing-for-a-reason", hints=(
    "Two things come out: the filled columns and the marks. Make the marks before you fill.",
    "`df.loc[is_train, columns].median()` once; in `apply`, `rows[columns].isna().astype(int).add_suffix("
    "\"_missing\")` beside `rows[columns].fillna(median)`."))
class fit_imputer:
    rule = ("A gap is filled with the median of the training rows and marked with 1, whatever these rows are; nothing "
            "else changes.")

    def inputs(d):
        n, columns = d.int(3, 9), d.order(["seats", "age", "visib"])[:d.int(1, 3)]

        def number():
            return np.nan if d.flag(0.3) else d.pick([0.0, d.num(-5, 300, digits=d.pick([0, 1]))])

        df = d.frame(n, d.index(n, repeats=True), carrier=lambda: d.pick(["AA", None]), seats=number, age=number,
                     visib=number)
        df[["seats", "age", "visib"]] = df[["seats", "age", "visib"]].astype(float)
        is_train = pd.Series(d.order([True] + [d.flag(0.6) for _ in range(n - 1)]), index=df.index)
        d.need(df.loc[is_train, columns].notna().any().all())
        whole = [name for name in columns if (df[name] % 1 == 0).all()]
        df = df.astype(dict.fromkeys(whole, int)) if d.flag() else df
        rows = df.iloc[d.order(range(n))[:d.int(1, n)]]
        rows = rows[d.order(columns)] if d.flag(0.2) else rows
        return dict(df=df, is_train=is_train, columns=columns, rows=rows)

    def run(fit_imputer, df, is_train, columns, rows):
        apply = fit_imputer(df, is_train, columns)
        apply(rows.iloc[::-1].head(2))  # what an earlier call saw changes nothing
        return apply(rows)

    def real():
        flights, is_train = _real.flights()
        return dict(df=flights[["seats", "carrier"]], is_train=is_train, columns=["seats"],
                    rows=flights[["carrier", "seats"]])

    def figure(filled, rows, **_):
        marked = filled["seats_missing"].groupby(rows["carrier"]).mean()
        return (f"{marked['MQ']:.1%} of the flights of MQ and {marked['AA']:.1%} of AA have no `seats`, and they are "
                "all still there.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


def told(code, says, values=lambda df, is_train, columns: df.loc[is_train, columns].median()):
    """A wrong answer: fills with `values`, then changes the result as the decorated function does."""

    def mark(function):
        def answer(df, is_train, columns):
            found = values(df, is_train, columns)
            return lambda rows: function(filled(rows, columns, found), rows, columns)

        answer.__name__ = function.__name__
        return fit_imputer.mistake(code, says)(answer)

    return mark


@fit_imputer.mistake("M09", "No row is lost: a gap is filled.")
def drops_rows_with_gaps(df, is_train, columns):
    median = df.loc[is_train, columns].median()
    return lambda rows: filled(rows.dropna(subset=columns), columns, median)


@told("M02", "The median is that of the training rows.", lambda df, is_train, columns: df[columns].median())
def median_of_all_rows(both, rows, columns):
    return both


@told("M02", "The median is that of the training rows, not of the others.",
      lambda df, is_train, columns: df.loc[~is_train, columns].median())
def median_of_the_hold_out(both, rows, columns):
    return both


@fit_imputer.mistake("M46", "A gap gets the same value in any rows: the median is that of training.")
def median_of_each_batch(df, is_train, columns):
    return lambda rows: filled(rows, columns, rows[columns].median())


@fit_imputer.mistake("M46", "The columns are the same for any rows, whether or not these have gaps.")
def marks_only_where_gaps_are(df, is_train, columns):
    median = df.loc[is_train, columns].median()

    def apply(rows):
        both = filled(rows, columns, median)
        return both.drop(columns=[f"{column}_missing" for column in columns if rows[column].notna().all()])

    return apply


@fit_imputer.mistake("M46", "A gap is marked where it is, also in a column that had none in training.")
def marks_of_training_gaps(df, is_train, columns):
    median, had = df.loc[is_train, columns].median(), df.loc[is_train, columns].isna().any()
    return lambda rows: filled(rows, columns, median, rows[columns].isna() & had)


@told("M08", "Each column has a mark beside it that says where a value was missing.")
def no_marks(both, rows, columns):
    return both[columns]


@told("M08", "Make the marks before you fill: afterwards nothing is missing.")
def marks_made_too_late(both, rows, columns):
    return filled(both, columns, 0)


@told("M08", "A mark is 1 where the value was missing, and 0 where it was known.")
def marks_the_known_ones(both, rows, columns):
    return both.assign(**{f"{column}_missing": 1 - both[f"{column}_missing"] for column in columns})


@told("M08", "Each column has a mark of its own.")
def one_mark_for_all(both, rows, columns):
    gaps = rows[columns].isna().any(axis=1).astype(int)
    return both.assign(**{f"{column}_missing": gaps for column in columns})


@fit_imputer.mistake("M08", "A number that is 0 is known: it stays, and its mark is 0.")
def zero_is_a_gap(df, is_train, columns):
    median = df.loc[is_train, columns].median()

    def apply(rows):
        gaps = rows[columns].isna() | (rows[columns] == 0)
        return filled(rows[columns].mask(gaps), columns, median, gaps)

    return apply


@told("M08", "A missing number is not 0: fill in the median of the training rows.", lambda df, is_train, columns: 0.0)
def zero_for_missing(both, rows, columns):
    return both


@told("M32", "The median is asked for, not the mean.", lambda df, is_train, columns: df.loc[is_train, columns].mean())
def mean_for_median(both, rows, columns):
    return both


@told("M32", "The median of an even number of values lies between the two in the middle.",
      lambda df, is_train, columns: df.loc[is_train, columns].quantile(0.5, interpolation="lower"))
def lower_of_the_two(both, rows, columns):
    return both


@told("M32", "The median is filled in as it is, not rounded.",
      lambda df, is_train, columns: df.loc[is_train, columns].median().round())
def rounded_median(both, rows, columns):
    return both


@told("M32", "Each gap is filled with the median of its own column.",
      lambda df, is_train, columns: float(np.nanmedian(df.loc[is_train, columns])))
def one_median_for_all(both, rows, columns):
    return both


@told("M36", "Each column's median is taken over its own known values, not over complete rows only.",
      lambda df, is_train, columns: df.loc[is_train, columns].dropna().median().fillna(0))
def complete_rows_only(both, rows, columns):
    return both


@told("M34", "First all of `columns`, in the given order, then their marks in the same order.")
def columns_of_the_table(both, rows, columns):
    return both[sorted(both.columns, key=lambda name: (name.endswith("_missing"), name))]


@told("M99", "The answer holds `columns` and their marks alone.")
def other_columns_as_well(both, rows, columns):
    return pd.concat([rows.drop(columns=columns), both], axis=1)


@told("M09", "The answer has the index of `rows`.")
def index_is_lost(both, rows, columns):
    return both.reset_index(drop=True)


@fit_imputer.mistake("M09", "Rows with one label in the index are several rows: joined by label, they multiply.")
def joined_by_label(df, is_train, columns):
    median = df.loc[is_train, columns].median()
    return lambda rows: rows[columns].fillna(median).join(filled(rows, columns, median).drop(columns=columns))


@fit_imputer.mistake("M09", "Rows with one label in the index are several rows: taken by label, they count twice.")
def training_rows_by_label(df, is_train, columns):
    median = df.loc[df.index[is_train.to_numpy()], columns].median()
    return lambda rows: filled(rows, columns, median)


@fit_imputer.mistake("M34", "Columns are found by their name: `rows` may have them in another order.")
def columns_by_place(df, is_train, columns):
    median = df.loc[is_train, columns].median()

    def apply(rows):
        named = rows[[name for name in rows if name in columns]].set_axis(columns, axis=1)
        return filled(named, columns, median)

    return apply


@fit_imputer.mistake("M97", "Your function changed its input: the filled columns belong into a new frame.")
def fills_in_place(df, is_train, columns):
    median = df.loc[is_train, columns].median()

    def apply(rows):
        gaps = rows[columns].isna().astype(int).add_suffix("_missing")
        rows[columns] = rows[columns].fillna(median)
        return pd.concat([rows[columns], gaps], axis=1)

    return apply


@fit_imputer.right
def imputer_with_numpy(df, is_train, columns):
    median = {column: np.nanmedian(df[column][is_train]) for column in columns}

    def apply(rows):
        values = {column: np.where(rows[column].isna(), median[column], rows[column]) for column in columns}
        marks = {f"{column}_missing": rows[column].isna().to_numpy() for column in columns}
        return pd.DataFrame(values | marks, index=rows.index)

    return apply


@fit_imputer.right
def imputer_of_scikit_learn(df, is_train, columns):
    from sklearn.impute import MissingIndicator, SimpleImputer

    train = df.loc[is_train, columns].to_numpy()
    fill, mark = SimpleImputer(strategy="median").fit(train), MissingIndicator(features="all").fit(train)

    def apply(rows):
        values = rows[columns].to_numpy()
        names = [*columns, *(f"{column}_missing" for column in columns)]
        return pd.DataFrame(np.hstack([fill.transform(values), mark.transform(values)]), rows.index, names)

    return apply


def filled(rows, columns, values, gaps=None):
    gaps = rows[columns].isna() if gaps is None else gaps
    return pd.concat([rows[columns].fillna(values), gaps.astype(int).add_suffix("_missing")], axis=1)
