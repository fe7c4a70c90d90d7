"""The same flights in twelve files and in ten thousand: `python -m mlelab.pipelines.small_files`, half a minute.

A name node of Hadoop holds every file and every block in memory, and a program that reads has work for each. The rows
are the same; what differs is the number of files.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from mlelab import data, engines

QUERY = "SELECT count(*), sum(arr_delay) FROM '{}/*.parquet'"


def cut(flights: pa.Table, folder: Path, files: int) -> None:
    """Write the rows into so many Parquet files, as even as can be."""
    folder.mkdir()
    for number in range(files):
        first, end = (len(flights) * place // files for place in (number, number + 1))
        pq.write_table(flights.slice(first, end - first), folder / f"{number:05}.parquet", compression="zstd")


def measure(folder: Path) -> dict:
    """Bytes, the answer of a query, and the best of three times in seconds."""
    seconds = []
    with duckdb.connect() as database:
        for _ in range(3):
            begun = time.perf_counter()
            answer = database.execute(QUERY.format(folder)).fetchone()
            seconds.append(time.perf_counter() - begun)
    paths = list(folder.iterdir())
    return {"files": len(paths), "mb": round(sum(path.stat().st_size for path in paths) / 1e6, 1),
            "seconds": round(min(seconds), 3), "answer": list(map(int, answer))}


def compare(counts: tuple[int, ...] = (12, 10_000)) -> list[dict]:
    """A row for each number of files; raises RuntimeError if the answers differ."""
    flights = pq.read_table(data.path("flights")).replace_schema_metadata()
    found = []
    for files in counts:
        with tempfile.TemporaryDirectory() as folder:
            cut(flights, Path(folder) / "flights", files)
            found.append(measure(Path(folder) / "flights"))
    if len({tuple(row["answer"]) for row in found}) > 1:
        raise RuntimeError(f"The answers differ: {found}.")
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m mlelab.pipelines.small_files", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", type=Path, metavar="FILE", help="write what was found, as JSON")
    parser.add_argument("--machine", default="", help="how the record names this machine")
    chosen = parser.parse_args(arguments)
    found = compare()
    for row in found:
        print(f"{row['files']:>6} files  {row['mb']:>6} MB  {row['seconds']:.3f} s")
    if chosen.record:
        engines.record(chosen.record, chosen.machine, sizes=found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
