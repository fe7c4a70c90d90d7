"""Open the course's tables: `load("flights")`. A local copy where there is one, else a verified download.

Every file is compared with the sha256 of MANIFEST.json before it is read. The tables describe themselves:
`describe("flights")` says for each column what creates its value, and when.
"""

import functools
import hashlib
import json
import os
from importlib.metadata import metadata, version
from pathlib import Path

import pandas as pd

__all__ = ["DataError", "cache", "describe", "load", "path", "tables", "where"]

_CLONE = Path(__file__).resolve().parents[2] / "datasets"
_PACKAGED = Path(__file__).resolve().parent / "MANIFEST.json"  # in an installed package
_TIMEOUT = 30  # seconds without an answer


class DataError(RuntimeError):
    """Why a table cannot be opened, in one sentence that says what to do. A notebook shows no traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def load(name: str, columns: list[str] | None = None) -> pd.DataFrame:
    """A table, such as "flights"; only the named columns, in that order, if `columns` is given.

    Text is `str` under pandas 3 and `object` under pandas 2, times carry their zone (UTC), whole numbers with
    missing ones are float64. Raises DataError.
    """
    file = path(name)
    if columns is not None:
        import pyarrow.parquet as pq

        known = pq.read_schema(file).names
        columns = [columns] if isinstance(columns, str) else list(columns)
        unknown = [column for column in columns if column not in known]
        if unknown:
            raise DataError(f"{name} has no column {_listed(unknown)}: choose from {', '.join(known)}.")
    return pd.read_parquet(file, columns=columns, engine="pyarrow")


def describe(name: str) -> pd.DataFrame:
    """What is known about each column of a table, one row per column, from the table's own file.

    Columns: column, unit, meaning, event (what creates the value), event_hours (hours from scheduled
    departure to that event, negative before it), delay_hours (hours from the event until the value can be
    read). Raises DataError.
    """
    import pyarrow.parquet as pq

    keys = ["unit", "meaning", "event", "event_hours", "delay_hours"]
    rows = [{"column": field.name} | {key: field.metadata[key.encode()].decode() for key in keys}
            for field in pq.read_schema(path(name))]
    return pd.DataFrame(rows).astype({"event_hours": float, "delay_hours": float})


def tables() -> pd.DataFrame:
    """The tables there are, one row each: table, rows, columns, bytes, licence, source. Raises DataError."""
    return pd.DataFrame(_manifest().values())[["table", "rows", "columns", "bytes", "licence", "source"]]


def path(name: str) -> Path:
    """The verified Parquet file of a table, downloaded first if there is no local copy. Raises DataError."""
    manifest = _manifest()
    if name not in manifest:
        raise DataError(f"There is no table {name!r}: choose from {', '.join(manifest)}.")
    entry = manifest[name]
    local = _CLONE / entry["file"]
    if not (_in_clone() and local.exists()):
        return _download(entry)
    if _sha256(local, local.stat().st_mtime_ns) != entry["sha256"]:
        raise DataError(f"{local} is damaged, its checksum is not the one in MANIFEST.json: restore it with "
                        f"`git checkout -- datasets/{entry['file']}`.")
    return local


def where() -> str:
    """Where the tables come from here, in a few words."""
    return "from the clone" if _in_clone() else "downloaded on first use"


def cache() -> Path:
    """The folder for downloaded tables: MLELAB_DATA_DIR, or the system's place for caches."""
    if not os.environ.get("MLELAB_DATA_DIR"):
        import pooch

        return Path(pooch.os_cache("mlelab"))
    return Path(os.environ["MLELAB_DATA_DIR"]).expanduser()


def _in_clone() -> bool:
    return (_CLONE / "MANIFEST.json").is_file()


def _manifest() -> dict[str, dict]:
    """The entries of MANIFEST.json by table."""
    file = _CLONE / "MANIFEST.json" if _in_clone() else _PACKAGED
    try:
        return {entry["table"]: entry for entry in json.loads(file.read_text(encoding="utf-8"))}
    except (OSError, ValueError, TypeError, KeyError) as error:
        wrong = "missing" if isinstance(error, FileNotFoundError) else "damaged"
        raise DataError(f"The list of tables {file} is {wrong}: install mlelab again, or in a clone restore "
                        "it with `git checkout -- datasets/MANIFEST.json`.") from error


@functools.cache
def _sha256(file: Path, modified_ns: int) -> str:
    """The checksum of a file, computed once per process unless the file changes."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _download(entry: dict) -> Path:
    """A table's file in the cache folder: pooch writes beside it, verifies, and only then moves it there."""
    import pooch  # here, so that checks can be imported where there is no network client
    import requests

    pooch.get_logger().setLevel("WARNING")  # we say ourselves, on stdout, what is downloaded
    folder = cache()
    url = f"{_base_url()}/{entry['file']}"
    kept = folder / entry["file"]
    http = pooch.HTTPDownloader(timeout=_TIMEOUT)
    try:
        if not (kept.exists() and _sha256(kept, kept.stat().st_mtime_ns) == entry["sha256"]):
            print(f"Downloading {entry['table']} ({entry['bytes'] / 1e3:,.0f} kB) from {url}", flush=True)
            pooch.retrieve(url, entry["sha256"], entry["file"], folder, downloader=http)
    except requests.HTTPError as error:
        raise DataError(f"{url} answered {error.response.status_code}: install the newest mlelab, or set "
                        "MLELAB_DATA_URL to an address that has the tables.") from error
    except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as error:
        raise DataError(f"The download of {url} broke off: run the cell again.") from error
    except requests.RequestException as error:
        raise DataError(f"{url} cannot be reached: connect to the network and run the cell again, or work in "
                        "a clone, which has the tables.") from error
    except OSError as error:
        raise DataError(f"{kept} cannot be written ({error.strerror or error}): make room, or set "
                        "MLELAB_DATA_DIR to a folder that you may write to.") from error
    except ValueError as error:  # pooch: the checksum differs
        raise DataError(f"What {url} sent is not the table, its checksum differs: run the cell again, and if "
                        "it stays so, install the newest mlelab.") from error
    return kept


def _base_url() -> str:
    """The address of the folder with the tables of this version, without a slash at the end."""
    urls = dict(line.split(", ", 1) for line in metadata("mlelab").get_all("Project-URL"))
    default = f"{urls['Repository']}/raw/v{version('mlelab')}/datasets"
    return (os.environ.get("MLELAB_DATA_URL") or default).rstrip("/")


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names)
