"""2.1 ingest: files that may come twice, and a machine that may stop. Its folder is looked at around every write."""

import csv
import shutil
import tempfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mlelab.check.port import Stopped

from . import _real, lab

VALUES = ["0517", "7", "JFK", "", "NA", "-3", "1e3", "5.0", "null", "true", "two words", " x", "7 ", "'"]


class MachineStopped(OSError):
    """Raised in the middle of a write."""


@lab.exercise("2.1", section="idempotent-ingest", hints=(
    "Three questions: does every line end up somewhere, does a second run change anything, and what does a reader find "
    "if the machine stops while `write` is at work?",
    "Keep all values as text. Hand `write` a path that no reader looks for, such as `target / f\"{file.stem}.tmp\"`, "
    "and call its `.replace(target / f\"{file.stem}.parquet\")` when it is complete."))
class ingest:
    rule = "Each line is in NAME.parquet or in NAME.bad, however often the ingest runs and wherever it stops."

    def inputs(d):
        """A first delivery; a second one, with a corrected file and perhaps another; which write of it stops."""
        columns = d.order(["time", "origin", "dep_delay", "note"])[:d.int(2, 4)]

        def file():
            lines = d.list(0, 5, lambda: [d.pick(VALUES) for _ in range(d.pick([len(columns)] * 3 + [1, 5]))])
            lines = [",".join(line) or "x" for line in lines]
            lines += lines[:1] if d.flag(0.3) else []  # a line that comes twice
            return "\n".join([",".join(columns), *lines]) + ("" if d.flag(0.2) else "\n")

        names = d.order(["2013-01", "2013-02", "jan", "x1"])[:d.int(1, 3)]
        first = {name: file() for name in names[:max(1, len(names) - d.int(0, 1))]}
        second = {name: first[name] if name in first and d.flag() else file() for name in names}
        return dict(first=first, second=second, stops_at=d.int(1, len(names)), there=d.flag())

    def run(ingest, first, second, stops_at, there):
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder, "source"), Path(folder, "target")
            source.mkdir()
            (source / "readme.txt").write_text("not,a,delivery\n")
            if there:
                target.mkdir()
            return [_ingested(ingest, source, target, first), _ingested(ingest, source, target, second, stops_at),
                    _ingested(ingest, source, target, second)]

    def holds(seen, first, second, **_):
        for run, files, when in zip(seen, (first, second, second), ("", " after a crash", " again")):
            yield ("What `write` raises is passed on: the caller must know that the machine stopped.",
                   run["raised"] == (when == " after a crash"), "M42")
            yield "Each table is written by the `write` that is passed in.", run["writes"] > 0 or not files, "M42"
            yield ("What is unfinished lies in `target` as well: from another disk a file is copied, not renamed.",
                   run["inside"], "M42")
            yield ("A file NAME.parquet is whole at any time, also while another one is written.", run["whole"], "M42")
            yield "What was there before the crash is still there.", run["kept"], "M42"
            yield "The files in `source` stay as they are.", run["source"] == files, "M97"
            if run["raised"]:
                continue
            wanted = {name: _lines(text) for name, text in files.items()}
            pair = dict(expected=sorted(wanted), got=sorted(run["tables"]))
            extra = set(run["tables"]) - set(wanted)
            yield (f"There is one NAME.parquet for each NAME.csv{when}.", set(wanted) == set(run["tables"]),
                   "M21" if extra else "M09", pair)
            for name, (columns, good, bad) in wanted.items():
                table = run["tables"][name]
                pair = dict(expected=good[:3], got=table["rows"][:3])
                yield (f"{name}.parquet has the columns of {name}.csv.", table["columns"] == columns, "M99",
                       dict(expected=columns, got=table["columns"]))
                yield (f"{name}.parquet holds the rows of {name}.csv once{when}.", len(table["rows"]) == len(good),
                       "M21" if len(table["rows"]) > len(good) and when else "M09", pair)
                yield (f"{name}.parquet holds the values of {name}.csv as they are: text, zeros at the front "
                       "included.", table["rows"] == good, "M41", pair)
                yield ("A line that does not fit the header is set aside in NAME.bad, as it is and in order; of a file "
                       "without such a line nothing stays there.", run["bad"].get(name, []) == bad,
                       "M21" if when else "M09", dict(expected=bad, got=run["bad"].get(name, "no such file")))
            counts = {name: {"rows": len(good), "bad": len(bad)} for name, (_, good, bad) in wanted.items()}
            yield ("The manifest counts each line, with the rows or with the bad ones, by NAME.",
                   run["manifest"] == counts, "M09", dict(expected=counts, got=run["manifest"]))

    draws = 6

    def shows(first, second, stops_at, **_):
        files = "; ".join(f"{name}.csv: {text!r}" for name, text in second.items())
        return f"ingest(source, target, write) with {files}", None

    def real():
        flights = _real.table("flights")
        january = flights[flights["month"] == 1].head(10_000).to_csv(index=False)
        return dict(first={}, second={"2013-01": january}, stops_at=1, there=True)

    def figure(seen, **_):
        run = seen[-1]
        counts, size = run["manifest"]["2013-01"], run["size"]
        return (f"January 2013: {counts['rows']:,} rows ingested, {counts['bad']} lines set aside, and the Parquet "
                f"file has {size:.0%} of the size of the CSV file.")


def _ingested(ingest, source: Path, target: Path, files: dict[str, str], stops_at: int | None = None) -> dict:
    """One run on these files, and what was seen of the folder meanwhile and afterwards."""
    for name, text in files.items():
        (source / f"{name}.csv").write_text(text)
    before = {path.stem for path in target.glob("*.parquet")} & set(files)
    seen = {"writes": 0, "whole": True, "kept": True, "inside": True, "raised": False, "manifest": None}

    def look():
        there = [path for path in target.rglob("*.parquet") if "." not in path.stem]  # NAME has no dot
        seen["whole"] &= all(map(_is_whole, there))
        seen["kept"] &= before <= {path.stem for path in there}

    def write(table, path):
        look()
        seen["writes"] += 1
        seen["inside"] &= Path(path).resolve().is_relative_to(target.resolve())
        pq.write_table(table, path)
        if seen["writes"] == stops_at:
            Path(path).write_bytes(Path(path).read_bytes()[:100])
            raise MachineStopped("the machine stopped in the middle of write")
        look()

    try:
        seen["manifest"] = ingest(source, target, write)
    except Stopped as stopped:
        if stopped.kind is not MachineStopped:
            raise
        seen["raised"] = True
    look()
    sizes = [sum(path.stat().st_size for path in folder.glob(kind))
             for folder, kind in ((target, "*.parquet"), (source, "*.csv"))]
    return seen | {"tables": {path.stem: _rows(path) for path in target.rglob("*.parquet")},
                   "bad": {path.stem: path.read_text().strip("\n").split("\n") if path.read_text().strip("\n") else []
                           for path in target.glob("*.bad")},
                   "source": {path.stem: path.read_text() for path in source.glob("*.csv")},
                   "size": sizes[0] / max(sizes[1], 1)}


def _is_whole(path: Path) -> bool:
    """Whether a file has the foot that is written last."""
    try:
        return pq.read_metadata(path) is not None
    except pa.ArrowInvalid:
        return False


def _rows(path: Path) -> dict | None:
    """Columns and rows of a Parquet file, None for half a file; what is not text is shown as what it is."""
    if not _is_whole(path):
        return None
    table = pq.read_table(path)
    return {"columns": table.column_names, "rows": [list(row.values()) for row in table.to_pylist()]}


def _lines(text: str) -> tuple[list[str], list[list[str]], list[str]]:
    """Columns, rows and bad lines of a file."""
    header, *lines = text.splitlines()
    columns = header.split(",")
    rows = [line.split(",") for line in lines]
    fits = [len(row) == len(columns) for row in rows]
    return columns, [row for row, fit in zip(rows, fits) if fit], [line for line, fit in zip(lines, fits) if not fit]


# Answers: wrong ones with their misconceptions, and right ones written differently.


def told(source, target, write, *, change=lambda rows, old: rows, keep=lambda bad, old: bad, store=None, split=_lines,
         counts=lambda counts, file: counts, first=None, last=None):
    """A right answer whose pieces the mistakes replace; `store(write, table, path)` writes a table."""
    if first:
        first(target)
    target.mkdir(exist_ok=True)
    manifest = {}
    for file in sorted(source.glob("*.csv")):
        path, bad_path = target / f"{file.stem}.parquet", target / f"{file.stem}.bad"
        columns, good, bad = split(file.read_text())
        table = change(pd.DataFrame(good, columns=columns, dtype=str), path)
        (store or written_beside)(write, pa.Table.from_pandas(table, preserve_index=False), path)
        old = bad_path.read_text().splitlines() if bad_path.exists() else []
        bad_path.write_text("\n".join(keep(bad, old)))
        manifest[file.stem] = counts({"rows": len(good), "bad": len(bad)}, file)
    if last:
        last(source, target)
    return manifest


def written_beside(write, table, path, beside=None):
    beside = beside or path.with_suffix(".tmp")
    write(table, beside)
    beside.replace(path)


def only_short_lines(text):
    columns, _, bad = _lines(text)
    rows = [line.split(",")[:len(columns)] for line in text.splitlines()[1:]]
    return columns, [row for row in rows if len(row) == len(columns)], [
        line for line in bad if line.count(",") < len(columns)]


def whole_numbers(values):
    return values.astype(int) if len(values) and values.str.fullmatch(r"-?(0|[1-9]\d*)").all() else values


def moved(write, table, path):
    with tempfile.TemporaryDirectory() as folder:
        write(table, Path(folder, "part"))
        shutil.move(Path(folder, "part"), path)


def removed_before(write, table, path):
    path.unlink(missing_ok=True)
    written_beside(write, table, path)


ingest.variants(
    told,
    appends_to_what_is_there=("M21", "Run again, it replaces what it made: nothing is appended.", dict(
        change=lambda rows, old: pd.concat([pq.read_table(old).to_pandas(), rows]) if old.exists() else rows)),
    the_new_file_beside_the_old_one=("M21", "Run again, it replaces what it made: no second file appears.", dict(
        store=lambda write, table, path: written_beside(write, table, path.with_stem("again") if path.exists()
                                                        else path))),
    what_is_there_is_not_read_again=("M21", "Run again, it reads what was delivered: a file may have been corrected.",
                                     dict(store=lambda write, table, path: path.exists() or written_beside(
                                         write, table, path))),
    bad_lines_are_appended=("M21", "When a file was corrected, NAME.bad is replaced as well.",
                            dict(keep=lambda bad, old: old + bad)),
    an_old_bad_file_stays=("M21", "When a file was corrected, no line of the old NAME.bad stays.",
                           dict(keep=lambda bad, old: bad or old)),
    skips_bad_lines=("M09", "A line that does not fit is counted and set aside, not skipped.", dict(
        keep=lambda bad, old: [], counts=lambda counts, file: counts | {"bad": 0})),
    counts_bad_lines_and_throws_them_away=("M09", "A line that does not fit is set aside in NAME.bad.",
                                           dict(keep=lambda bad, old: [])),
    only_short_lines_are_bad=("M09", "A line with more values than the header does not fit either.",
                              dict(split=only_short_lines)),
    bad_lines_as_a_set=("M09", "NAME.bad holds the lines in order, a repeated one as often as it came.",
                        dict(keep=lambda bad, old: sorted(set(bad)))),
    repeated_rows_are_dropped=("M09", "A row that comes twice is two rows.",
                               dict(change=lambda rows, old: rows.drop_duplicates())),
    the_end_of_the_file_is_a_bad_line=("M09", "The end of the file is no line.", dict(
        counts=lambda counts, file: counts | {"bad": counts["bad"] + file.read_text().endswith("\n")})),
    lets_the_reader_guess_types=("M41", "All values stay text: 0517 is not 517.", dict(
        change=lambda rows, old: rows.apply(pd.to_numeric, errors="coerce").fillna(rows))),
    whole_numbers_are_numbers=("M41", "All values stay text, also in a column that holds nothing but whole numbers.",
                               dict(change=lambda rows, old: rows.apply(whole_numbers))),
    words_for_missing=("M41", "All values stay text: NA is a text, and so is an empty one.", dict(
        change=lambda rows, old: rows.replace(["", "NA", "null"], None))),
    with_a_row_number=("M99", "The table has the columns of the header, and no other.",
                       dict(change=lambda rows, old: rows.assign(row=range(len(rows))))),
    writes_to_the_final_name=("M42", "A file with its final name is whole, also when the machine stops while writing.",
                              dict(store=lambda write, table, path: write(table, path))),
    empties_the_target_first=("M42", "What was there before stays until the new file is whole.",
                              dict(first=lambda target: shutil.rmtree(target, ignore_errors=True))),
    deletes_the_old_file_first=("M42", "What was there before stays until the new file is whole.",
                                dict(store=removed_before)),
    half_a_file_that_looks_whole=("M42", "A file NAME.parquet is whole at any time, whatever NAME is: a reader takes "
                                  "each of them.", dict(store=lambda write, table, path: written_beside(
                                      write, table, path, path.with_stem(f"{path.stem}_tmp")))),
    blanks_are_cut=("M41", "A value stays as it is, with its blanks.", dict(change=lambda rows, old: rows.apply(
        lambda column: column.str.strip()))),
    moved_from_another_disk=("M42", "What is unfinished lies in `target` as well: from another disk a file is copied, "
                             "not renamed.", dict(store=moved)),
    writes_by_itself=("M42", "Each table is written by the `write` that is passed in.",
                      dict(store=lambda write, table, path: written_beside(pq.write_table, table, path))),
    takes_the_deliveries_away=("M97", "The files in `source` stay as they are.",
                               dict(last=lambda source, target: [file.unlink() for file in source.glob("*.csv")])),
)


@ingest.mistake("M42", "What `write` raises is passed on.")
def swallows_the_error(source, target, write):
    try:
        return told(source, target, write)
    except OSError:
        return {}


@ingest.right
def with_the_csv_module_and_a_scratch_folder(source, target, write):
    target.mkdir(parents=True, exist_ok=True)
    scratch = target / "unfinished"
    scratch.mkdir(exist_ok=True)
    manifest = {}
    for file in source.glob("*.csv"):
        with file.open(newline="") as lines:
            header, *rows = csv.reader(lines)
        good = [row for row in rows if len(row) == len(header)]
        bad = [",".join(row) for row in rows if len(row) != len(header)]
        columns = {name: pa.array([row[place] for row in good], pa.string()) for place, name in enumerate(header)}
        write(pa.table(columns), scratch / "part")
        (target / f"{file.stem}.bad").write_text("\n".join(bad) + "\n")
        (scratch / "part").rename(target / f"{file.stem}.parquet")
        manifest[file.stem] = {"bad": len(bad), "rows": len(good)}
    return manifest


@ingest.right
def with_frames(source, target, write):
    return told(source, target, write)
