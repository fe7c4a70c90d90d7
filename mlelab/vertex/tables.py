"""Tables in storage: CSV, JSON lines and Parquet objects as pandas frames.

BigQuery is not here. A table `bq://project.dataset.table` is read from the object
`gs://PROJECT-bigquery/DATASET/TABLE.parquet` (or `.csv`), where a learner puts it.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .errors import CloudError, invalid, precondition

if TYPE_CHECKING:
    import pandas as pd

    from .server import Cloud


def expand(cloud: Cloud, uris: Iterable[str]) -> list[str]:
    """The objects that URIs with `*` stand for. NOT_FOUND where one stands for none."""
    import fnmatch

    found = []
    for uri in uris:
        if "*" not in uri:
            found.append(uri)
            continue
        bucket, _, pattern = uri.removeprefix("gs://").partition("/")
        names = [n for n in cloud.storage.names(f"gs://{bucket}") if fnmatch.fnmatchcase(n, pattern)]
        if not names:
            raise CloudError("NOT_FOUND", f"{uri} matches no object.")
        found += [f"gs://{bucket}/{name}" for name in names]
    return found


def read_table(cloud: Cloud, uri: str) -> pd.DataFrame:
    """One object as a frame; its format is told by its name."""
    import pandas as pd

    data = io.BytesIO(cloud.storage.read(uri))
    try:
        if uri.endswith(".parquet"):
            return pd.read_parquet(data)
        return pd.read_json(data, lines=True) if uri.endswith((".jsonl", ".json")) else pd.read_csv(data)
    except (ValueError, OSError) as error:
        raise precondition(f"{uri} cannot be read as a table: {error}") from None


def read_tables(cloud: Cloud, uris: Iterable[str]) -> pd.DataFrame:
    """Several objects as one frame."""
    import pandas as pd

    return pd.concat([read_table(cloud, uri) for uri in expand(cloud, uris)], ignore_index=True)


def bigquery_table(cloud: Cloud, uri: str) -> pd.DataFrame:
    """The stand-in for the BigQuery table `bq://project.dataset.table`."""
    match = re.fullmatch(r"bq://([\w:-]+)\.(\w+)\.(\w+)", uri)
    if not match:
        raise invalid(f"{uri!r} is not a BigQuery URI (bq://project.dataset.table).")
    project, dataset, table = match.groups()
    stem = f"gs://{project}-bigquery/{dataset}/{table}"
    for suffix in (".parquet", ".csv"):
        try:
            return read_table(cloud, stem + suffix)
        except CloudError as error:
            if error.code != "NOT_FOUND":
                raise
    raise CloudError(
        "NOT_FOUND",
        f"{uri}: this local stand-in has no BigQuery and reads {stem}.parquet instead, which does not exist.",
    )


def plain(value: Any) -> Any:
    """A cell of a frame as JSON knows it."""
    value = value.item() if hasattr(value, "item") else value
    return None if value != value else value


def json_lines(rows: Iterable[Any]) -> bytes:
    """Rows as JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()
