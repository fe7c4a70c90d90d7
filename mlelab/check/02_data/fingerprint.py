"""2.8 fingerprint: a version of a table. Any text will do that is the same for the same content and no other."""

import hashlib
import time

import numpy as np
import pandas as pd

from . import _real, lab


@lab.exercise("2.8", section="data-versions", hints=(
    "Bring the table into one fixed form first: columns by name, rows by content, types written down. Then hash that "
    "form, all of it.",
    "`pd.util.hash_pandas_object(df[sorted(df.columns)], index=False)` gives each row a number that is the same "
    "everywhere. Sort these numbers, and hash their bytes and the list of names and types with `hashlib.sha256`."))
class fingerprint:
    rule = "The same content has the same text, and other content another one."

    def inputs(d):
        """A table, the same one in another order, and one with other content. Sometimes a long one."""
        n = d.int(1, 5) if d.flag(0.8) else 90
        draw, large = d.rng(), 2**53 * d.flag(0.3)
        values = {"carrier": lambda: ["AA", "UA", "EV", None][draw.integers(4)],
                  "code": lambda: int(draw.integers(9)) + large,
                  "delay": lambda: [0.25, -3.0, np.nan, 12.5][draw.integers(4)],
                  "dest": lambda: "AEU"[draw.integers(3)], "eu": lambda: int(draw.integers(3))}
        names = d.order(list(values))[:d.int(2, 5)]
        df = pd.DataFrame({name: [values[name]() for _ in range(n)] for name in names}, d.index(n))
        df = df.astype({name: float if name == "delay" else int if name in ("code", "eu") else object
                        for name in names})
        what = d.pick([*CHANGES, *OFTEN])
        other = CHANGES[what](df, names, draw)
        d.need(other is not None)
        df, other = other if isinstance(other, tuple) else (df, other)
        n, names = len(df), list(df)
        same = df.iloc[draw.permutation(n) if d.flag() else range(n)]
        same = same[d.order(names)] if d.flag() else same
        if d.flag():
            same = same.reset_index(drop=True)
        return dict(df=df, same=same, other=other, what=what)

    def run(fingerprint, df, same, other, what):
        return [fingerprint(df), fingerprint(same), fingerprint(other)]

    def holds(got, df, same, other, what):
        first, again, changed = got
        yield "The answer is a text, not an empty one.", all(isinstance(one, str) and one for one in got), "M99"
        yield ("The fingerprint does not depend on the order of rows and of columns, nor on the index.", first == again,
               "M34", dict(expected="the same text twice", got=(first[:40], again[:40])))
        yield (f"The fingerprint changes with the content: {what}.", first != changed, CODES.get(what, "M33"),
               dict(expected="another fingerprint", got="the same"))

    def shows(df, same, other, what):
        return "fingerprint(df), fingerprint(same), fingerprint(other)" + (
            f" with same =\n{same}\nand other =\n{other}" if len(df) < 9 else f" with {what} in other"), df

    def real():
        airlines = _real.table("airlines")
        return dict(df=airlines, same=airlines[::-1], other=airlines[1:], what="a row less")

    def figure(got, **_):
        return f"The version of airlines is {got[0][:12]}…, here and on every other machine with these libraries."


def _one_value(kind, change):
    """A change of one value, in a column of this kind that has one."""
    def changed(df, names, draw):
        places = [(row, df.columns.get_loc(name)) for name in names if df[name].dtype.kind == kind
                  for row in range(len(df)) if df[name].notna().iloc[row]]
        if not places:
            return None
        other = df.copy()
        row, column = places[draw.integers(len(places))]
        other.iloc[row, column] = change(df.iloc[row, column])
        return other

    return changed


def _missing(df, names, draw):
    name = next((name for name in names if df[name].isna().any()), None)
    return None if name is None else df.fillna({name: 0.0 if name == "delay" else "AA"})


def _texts(df, names):
    return sorted(name for name in names if df[name].dtype.kind == "O")


def _looks_missing(df, names, draw):
    """A pair: a text is missing in one, and a text that looks like it in the other."""
    if not (texts := _texts(df, names)):
        return None
    one, other = df.copy(), df.copy()
    place = draw.integers(len(df)), df.columns.get_loc(texts[0])
    one.iloc[place] = None
    other.iloc[place] = ["nan", "None", "", "<NA>"][draw.integers(4)]
    return one, other


def _cut_elsewhere(df, names, draw):
    """A pair: the last text of a row and the first of the next column, with a sign between them that texts hold too."""
    texts = _texts(df, names)
    if len(texts) < 2:
        return None
    sign, rows = ["", ",", "|", " ", "\t", "-"][draw.integers(6)], [df[texts].copy(), df[texts].copy()]
    for row, pair in zip(rows, ((f"A{sign}U", "E"), ("A", f"U{sign}E"))):
        for name, text in zip(texts, pair):
            row.iloc[0, row.columns.get_loc(name)] = text
    return tuple(rows)


def _another_row_twice(df, names, draw):
    """A pair: what adds up or cancels without regard to the row is the same."""
    if len(df) < 2 or repr(df.iloc[0].tolist()) == repr(df.iloc[1].tolist()):
        return None
    return tuple(pd.concat([df, df.iloc[[place, place]]]) for place in (0, 1))


def _swapped(df, names, draw):
    """Two values of one column change places."""
    for name in names:
        for row in range(1, len(df)):
            other = df.copy()
            place = df.columns.get_loc(name)
            other.iloc[[0, row], place] = df.iloc[[row, 0], place].to_numpy()
            if sorted(map(repr, other.to_numpy(object).tolist())) != sorted(map(repr, df.to_numpy(object).tolist())):
                return other
    return None


def _names_exchanged(df, names, draw):
    pair = next(((one, two) for one in names for two in names if one < two and df[one].dtype == df[two].dtype
                 and df[one].tolist() != df[two].tolist() and not df[[one, two]].isna().any(axis=None)), None)
    rows = df if pair is None else df.rename(columns=dict([pair, pair[::-1]]))
    return None if pair is None or sorted(map(repr, rows[names].to_numpy(object).tolist())) == sorted(
        map(repr, df.to_numpy(object).tolist())) else rows


def _typed(kind, to):
    def changed(df, names, draw):
        name = next((name for name in names if df[name].dtype.kind == kind and df[name].notna().all()), None)
        return None if name is None else df.assign(**{name: df[name].map(str) if to is str else df[name].astype(to)})

    return changed


CHANGES = {
    "one number": _one_value("i", lambda value: value + 1),
    "one number, by a little": _one_value("f", lambda value: value + 2.0 ** -44),
    "one text": _one_value("O", lambda value: value + "A"),
    "a blank at the end of a text": _one_value("O", lambda value: value + " "),
    "a text in small letters": _one_value("O", str.lower),
    "a missing text that became a text such as nan": _looks_missing,
    "two texts of a row that are cut elsewhere": _cut_elsewhere,
    "one row twice, or another one twice": _another_row_twice,
    "a missing value that became 0 or a text": _missing,
    "two values of a column that changed places": _swapped,
    "two columns that exchanged their names": _names_exchanged,
    "a column that is called otherwise": lambda df, names, draw: df.rename(columns={names[-1]: names[-1] + "_"}),
    "a column less": lambda df, names, draw: df[names[1:]],
    "a row less": lambda df, names, draw: df.iloc[1:] if len(df) > 1 else None,
    "a row that is there once more": lambda df, names, draw: pd.concat([df, df[:1]]),
    "a row that is there twice more": lambda df, names, draw: pd.concat([df, df[:1], df[:1]]),
    "whole numbers that became decimal ones": _typed("i", float),
    "numbers that became texts": _typed("i", str),
    "a column eu that became e, with the type uint64": lambda df, names, draw: df.rename(columns={"eu": "e"}).astype(
        {"e": "uint64"}) if "eu" in names else None,
}
OFTEN = ["two texts of a row that are cut elsewhere"] * 6 + ["a missing text that became a text such as nan"] * 4
CODES = {"two values of a column that changed places": "M51", "two columns that exchanged their names": "M32",
         "a column that is called otherwise": "M32", "a row that is there once more": "M09",
         "a row that is there twice more": "M09", "one row twice, or another one twice": "M09",
         "a missing text that became a text such as nan": "M08",
         "two texts of a row that are cut elsewhere": "M51", "a row less": "M09",
         "whole numbers that became decimal ones": "M41",
         "numbers that became texts": "M41", "a missing value that became 0 or a text": "M08"}


# Answers: wrong ones with their misconceptions, and right ones written differently.


def rows_of(df):
    return pd.util.hash_pandas_object(df[sorted(df.columns)], index=False).to_numpy()


def told(df, *, rows=None, columns=None):
    """A right answer whose pieces the mistakes replace."""
    rows = np.sort(rows_of(df)) if rows is None else rows
    columns = [f"{name}:{df[name].dtype}" for name in sorted(df)] if columns is None else columns
    return hashlib.sha256(repr(columns).encode() + np.ascontiguousarray(rows).tobytes()).hexdigest()


@fingerprint.mistake("M98")
def pythons_own_hash(df):
    ordered = df[sorted(df.columns)]
    rows = sorted(map(repr, ordered.to_numpy(object).tolist()))
    return str(hash((*ordered.dtypes.astype(str), *ordered.columns, *rows)))


@fingerprint.mistake("M34", "The same content has the same text whenever you ask.")
def the_time_of_writing(df):
    return f"version of {time.time_ns()}"


@fingerprint.mistake("M33", "Every value counts, not only what is printed of a table.")
def hash_of_what_is_printed(df):
    ordered = df[sorted(df.columns)].sort_values(sorted(df.columns), ignore_index=True)
    return hashlib.sha256(f"{ordered!r} {ordered.dtypes} {len(df)}".encode()).hexdigest()


@fingerprint.mistake("M34", "The order of the rows is no content.")
def depends_on_the_order_of_rows(df):
    return told(df, rows=rows_of(df))


@fingerprint.mistake("M34", "The order of the columns is no content.")
def depends_on_the_order_of_columns(df):
    return told(df, rows=np.sort(pd.util.hash_pandas_object(df, index=False).to_numpy()))


@fingerprint.mistake("M34", "The index is no content.")
def depends_on_the_index(df):
    return told(df, rows=np.sort(pd.util.hash_pandas_object(df[sorted(df)]).to_numpy()))


@fingerprint.mistake("M41", "The types of the columns are content: a number is not the text of it.")
def everything_as_text(df):
    text = df[sorted(df.columns)].map(str)
    return told(text, rows=np.sort(rows_of(text)))


@fingerprint.mistake("M41", "The types of the columns are content: 1 is not 1.0.")
def types_do_not_count(df):
    rows = df[sorted(df.columns)].map(lambda value: float(value) if isinstance(value, (int, np.integer)) else value)
    return told(rows.astype(object), columns=sorted(df))


@fingerprint.mistake("M09", "A repeated row counts as often as it occurs.")
def repeated_rows_cancel(df):
    return told(df, rows=np.bitwise_xor.reduce(rows_of(df)).reshape(1))


@fingerprint.mistake("M09", "A repeated row counts as often as it occurs.")
def repeated_rows_count_once(df):
    return told(df, rows=np.unique(rows_of(df)))


@fingerprint.mistake("M32", "The names of the columns are content.")
def names_do_not_count(df):
    return told(df, columns=df.dtypes[sorted(df)].astype(str).tolist())


@fingerprint.mistake("M51", "The values of a row belong together: columns are not sorted one by one.")
def each_column_by_itself(df):
    return told(df, rows=np.concatenate([np.sort(rows_of(df[[name]])) for name in sorted(df)]))


@fingerprint.mistake("M33", "Every column counts, texts as well.")
def numbers_only(df):
    numbers = df.select_dtypes("number")
    return told(df, rows=np.sort(rows_of(numbers)) if numbers.shape[1] else np.zeros(len(df)))


@fingerprint.mistake("M33", "Every digit counts.")
def rounded(df):
    return told(df, rows=np.sort(rows_of(df.round(3))))


@fingerprint.mistake("M08", "A missing value is not 0, and not some text.")
def missing_is_something(df):
    filled = df.fillna({name: 0.0 if df[name].dtype.kind == "f" else "AA" for name in df})
    return told(df, rows=np.sort(rows_of(filled)))


@fingerprint.mistake("M33", "Every value counts, not the shape and the sums.")
def shape_and_sums(df):
    return f"{df.shape} {sorted(df.columns)} {df.sum(numeric_only=True).sort_index().tolist()}"


@fingerprint.mistake("M09", "A repeated row counts as often as it occurs: two of one row are not two of another.")
def pairs_of_rows_cancel(df):
    return told(df, rows=np.append(np.bitwise_xor.reduce(rows_of(df)), np.uint64(len(df))))


def cells_joined(df, *, sign="\x1f", missing=None):
    """Rows as text; a cell is written without quotes."""
    def cell(value):
        return missing if missing is not None and pd.isna(value) else (
            f"{value}" if isinstance(value, str) or not pd.isna(value) else "\x00")

    rows = sorted(sign.join(map(cell, row)) for row in df[sorted(df)].to_numpy(object).tolist())
    return told(df, rows=np.frombuffer("\n".join(rows).encode(), np.uint8))


fingerprint.variants(cells_joined, **{
    f"joined_by_{name}": ("M51", "The values of a row are kept apart, whatever signs a text holds.", dict(sign=sign))
    for name, sign in dict(nothing="", comma=",", bar="|", blank=" ", tab="\t", dash="-").items()}, **{
    f"missing_is_{name}": ("M08", "A missing value is no text, whatever the text is.", dict(missing=text))
    for name, text in dict(nan="nan", none="None", empty="", na="<NA>").items()})


@fingerprint.mistake("M41", "A blank at the end of a text, and a capital letter, are content.")
def texts_are_levelled(df):
    level = {name: df[name].str.strip().str.lower() for name in df if df[name].dtype.kind == "O"}
    return told(df, rows=np.sort(rows_of(df.assign(**level))))


@fingerprint.mistake("M99", "The answer is a text.")
def a_number(df):
    return int(told(df), 16)


@fingerprint.right
def with_sorted_texts(df):
    columns = sorted(df.columns)
    rows = sorted("\x1f".join(map(repr, row)) for row in df[columns].to_numpy(dtype=object).tolist())
    head = [f"{name} {df[name].dtype.kind}" for name in columns]
    return hashlib.md5("\n".join([*head, *rows]).encode()).hexdigest()


@fingerprint.right
def sum_of_rows(df):
    names = sorted(df.columns)
    rows = (repr(row).encode() for row in df[names].astype(object).itertuples(index=False, name=None))
    total = sum(int.from_bytes(hashlib.sha256(row).digest()) for row in rows)
    return f"{[(name, df[name].dtype.name) for name in names]}: {total % 2**256:x}"
