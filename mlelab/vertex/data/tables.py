"""Tables in storage: CSV, JSON lines, Avro and Parquet objects as pandas frames."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..wire.errors import CloudError, precondition
from .blobs import Blobs

if TYPE_CHECKING:
    import pandas as pd


def expand(storage: Blobs, uris: Iterable[str]) -> list[str]:
    """The objects that URIs with `*` stand for. NOT_FOUND where one stands for none."""
    import fnmatch

    found = []
    for uri in uris:
        if "*" not in uri:
            found.append(uri)
            continue
        bucket, _, pattern = uri.removeprefix("gs://").partition("/")
        names = [n for n in storage.names(f"gs://{bucket}") if fnmatch.fnmatchcase(n, pattern)]
        if not names:
            raise CloudError("NOT_FOUND", f"{uri} matches no object.")
        found += [f"gs://{bucket}/{name}" for name in names]
    return found


def read_table(storage: Blobs, uri: str) -> pd.DataFrame:
    """One object as a frame; its format is told by its name."""
    import pandas as pd

    data = io.BytesIO(storage.read(uri))
    try:
        if uri.endswith(".parquet"):
            return pd.read_parquet(data)
        if uri.endswith(".avro"):
            return _read_avro(data)
        return pd.read_json(data, lines=True) if uri.endswith((".jsonl", ".json")) else pd.read_csv(data)
    except (ValueError, OSError) as error:
        raise precondition(f"{uri} cannot be read as a table: {error}") from None


def _read_avro(data: io.BytesIO) -> pd.DataFrame:
    import pandas as pd

    try:
        import fastavro
    except ImportError:
        raise CloudError("UNIMPLEMENTED", "Avro files are not implemented where fastavro is not installed.") from None
    return pd.DataFrame(list(fastavro.reader(data)))


def read_tables(storage: Blobs, uris: Iterable[str]) -> pd.DataFrame:
    """Several objects as one frame."""
    import pandas as pd

    return pd.concat([read_table(storage, uri) for uri in expand(storage, uris)], ignore_index=True)


def plain(value: Any) -> Any:
    """A cell of a frame as JSON knows it."""
    value = value.tolist() if hasattr(value, "tolist") else value
    try:
        return None if value != value else value
    except TypeError:  # pandas.NA
        return None


def json_lines(rows: Iterable[Any]) -> bytes:
    """Rows as JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()
