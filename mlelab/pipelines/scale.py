"""Many more flights than there are, and what it costs to add them up: for load, never for quality.

    python -m mlelab.pipelines.scale make --times 10 FOLDER     3.4 million flights as Parquet, 20 seconds
    python -m mlelab.pipelines.scale measure FOLDER --out FILE  seconds and peak memory at 1, 10 and 100 times

Whole days are drawn again and again and put one after the other, a file for each year of days. Every pattern within a
day survives, every day occurs many times: a model judged on such rows has seen them. 100 times, 33.7 million flights,
takes about 100 MB of disk, 10 GB of memory for pandas to be safe, and 10 minutes.
"""

import argparse
import datetime
import json
import platform
import resource
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mlelab import data

COLUMNS = ["carrier", "month", "arr_delay"]
SLOW = {"Beam, row by row": 10}  # how many times at most
RUNS = 3  # of each, and the fastest counts; only one from 100 times on


def make(folder: Path, times: int, seed: int = 0) -> int:
    """Write `times` years of resampled days into `folder`, a Parquet file each; returns the number of flights."""
    rng = np.random.default_rng(seed)
    flights = pq.read_table(data.path("flights")).replace_schema_metadata()
    dates = pd.to_datetime(flights.select(["year", "month", "day"]).to_pandas())
    days = list(pd.Series(np.arange(len(dates))).groupby(dates).indices.values())
    folder.mkdir(parents=True, exist_ok=True)
    rows = 0
    for copy in range(times):
        drawn = [days[day] for day in rng.integers(len(days), size=len(days))]
        part = flights.take(pa.array(np.concatenate(drawn)))
        at = pd.Timestamp("2013-01-01") + pd.to_timedelta(np.repeat(np.arange(len(drawn)), list(map(len, drawn))), "D")
        part = part.drop_columns("time_hour")  # the drawn day has another date
        for name, values in {"year": at.year + copy, "month": at.month, "day": at.day}.items():
            part = part.set_column(part.schema.get_field_index(name), name, pa.array(values, pa.int64()))
        pq.write_table(part, folder / f"part-{copy:03d}.parquet", compression="zstd")
        rows += len(part)
        print(f"\r{copy + 1} of {times} files, {rows:,} flights", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return rows


def with_pandas(folder: Path) -> dict:
    """Late share by carrier and month, {"UA 1": 0.12, ...}; the other three do the same."""
    flights = pd.read_parquet(folder, columns=COLUMNS).dropna(subset="arr_delay")
    late = (flights["arr_delay"] >= 30).groupby([flights["carrier"], flights["month"]]).mean()
    return {f"{carrier} {month}": share for (carrier, month), share in late.items()}


def with_duckdb(folder: Path) -> dict:
    import duckdb

    rows = duckdb.sql(f"""SELECT carrier || ' ' || month, avg((arr_delay >= 30)::INT) FROM '{folder}/*.parquet'
                          WHERE arr_delay IS NOT NULL GROUP BY ALL""").fetchall()
    return dict(rows)


def with_beam(folder: Path) -> dict:
    """Batches of rows: each batch is added up by pyarrow, Beam merges the sums."""
    from mlelab.pipelines.flights import beam

    def add_up(batch):
        known = batch.filter(pc.is_valid(batch["arr_delay"]))
        known = known.append_column("late", pc.cast(pc.greater_equal(known["arr_delay"], 30), pa.int64()))
        sums = known.group_by(["carrier", "month"]).aggregate([("late", "sum"), ("late", "count")])
        for row in sums.to_pylist():
            yield f"{row['carrier']} {row['month']}", (row["late_sum"], row["late_count"])

    return _beam_shares(folder, lambda pipeline: (
        pipeline | beam.io.ReadFromParquetBatched(f"{folder}/*.parquet", columns=COLUMNS) | beam.FlatMap(add_up)))


def with_beam_rows(folder: Path) -> dict:
    from mlelab.pipelines.flights import beam

    return _beam_shares(folder, lambda pipeline: (
        pipeline | beam.io.ReadFromParquet(f"{folder}/*.parquet", columns=COLUMNS)
        | beam.Filter(lambda row: row["arr_delay"] is not None)
        | beam.Map(lambda row: (f"{row['carrier']} {row['month']}", (int(row["arr_delay"] >= 30), 1)))))


def _beam_shares(folder: Path, pairs) -> dict:
    from mlelab.pipelines.flights import beam

    out = folder.parent / f"{folder.name}-shares"
    with beam.Pipeline("FnApiRunner", beam.options.pipeline_options.PipelineOptions([])) as pipeline:
        sums = pairs(pipeline) | beam.CombinePerKey(lambda parts: tuple(map(sum, zip(*parts))) or (0, 0))
        shares = sums | beam.MapTuple(lambda key, sums: json.dumps([key, sums[0] / sums[1]]))
        shares | beam.io.WriteToText(str(out), num_shards=1, shard_name_template="")
    return dict(map(json.loads, out.read_text().splitlines()))


TOOLS = {"pandas": with_pandas, "DuckDB": with_duckdb, "Beam, batches": with_beam, "Beam, row by row": with_beam_rows}


def measure_one(tool: str, folder: Path) -> dict:
    """Seconds and peak memory of one tool in a process of its own, imports not counted in the seconds."""
    code = f"""import json, resource, time
import {"duckdb" if tool == "DuckDB" else "mlelab.pipelines.flights" if "Beam" in tool else "pandas"}
from pathlib import Path
from mlelab.pipelines import scale
begun = time.perf_counter()
shares = scale.TOOLS[{tool!r}](Path({str(folder)!r}))
seconds = time.perf_counter() - begun
print(json.dumps([seconds, scale.peak(), sum(shares.values()), len(shares)]))"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    seconds, peak_mib, total, groups = json.loads(done.stdout.splitlines()[-1])
    return {"seconds": seconds, "peak_mib": peak_mib, "total": total, "groups": groups}


def peak() -> float:
    """The peak memory of this process in MiB."""
    if sys.platform == "linux":  # getrusage counts the process that started this one, too
        return next(int(line.split()[1]) / 2**10 for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def measure(folder: Path, times: list[int], machine: str) -> pd.DataFrame:
    """One row for each tool and size; raises ValueError if two tools do not find the same shares."""
    measured = []
    for size in times:
        rows = make(folder / f"x{size}", size)
        answers = set()
        for tool in TOOLS:
            if size > SLOW.get(tool, size):
                continue
            runs = [measure_one(tool, folder / f"x{size}") for _ in range(1 if size >= 100 else RUNS)]
            best = min(runs, key=lambda run: run["seconds"])
            answers |= {(run["groups"], round(run["total"], 6)) for run in runs}
            measured.append({"date": datetime.date.today(), "machine": machine, "tool": tool, "times": size,
                             "rows": rows, "seconds": round(best["seconds"], 2), "peak_mib": round(best["peak_mib"])})
            print(f"{size:4} times  {tool:17} {best['seconds']:8.1f} s {best['peak_mib']:8.0f} MiB", file=sys.stderr)
        if len(answers) > 1:
            raise ValueError(f"The tools do not agree at {size} times: {answers}.")
    return pd.DataFrame(measured)


def measured() -> pd.DataFrame:
    """What the course's authors measured; `date` and `machine` say when and on what."""
    return pd.read_csv(files("mlelab.pipelines") / "scale.csv")


def main(arguments: list[str] | None = None) -> None:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m mlelab.pipelines.scale", description=__doc__, formatter_class=form)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("make", help="write resampled flights as Parquet")
    command.add_argument("folder", type=Path)
    command.add_argument("--times", type=int, default=10, help="how many times the year (default 10)")
    command = commands.add_parser("measure", help="add them up with each tool; opt-in, it needs minutes and memory")
    command.add_argument("folder", type=Path, help="for the flights, up to 120 MB")
    command.add_argument("--times", type=int, nargs="+", default=[1, 10, 100])
    command.add_argument("--machine", default=platform.machine(), help="how the result names this machine")
    command.add_argument("--out", type=Path, required=True, help="a CSV file")
    chosen = parser.parse_args(arguments)
    if chosen.command == "make":
        make(chosen.folder, chosen.times)
    else:
        measure(chosen.folder, chosen.times, chosen.machine).to_csv(chosen.out, index=False)


if __name__ == "__main__":
    main()
