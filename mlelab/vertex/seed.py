"""Stand-ins for public sample data: a learner's own files under the names that Google's notebooks read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from . import environment

if TYPE_CHECKING:
    import pandas as pd


def seed(target: str, source: Path | str | pd.DataFrame) -> None:
    """Put files under a bucket's name, or a frame under a BigQuery table's, on the local stand-in only.

    target: `gs://cloud-samples-data/ai-platform/iris` for a file or a folder, whose files go beneath it;
        `bq://bigquery-public-data.ml_datasets.penguins` for a frame. What is there is replaced.
    Raises RuntimeError before connect(): nothing is ever written to the real cloud.
    """
    if environment.MARK not in os.environ:
        raise RuntimeError("seed() fills the local stand-in: call mlelab.vertex.connect() first.")
    from google.cloud import storage

    kind, _, rest = target.partition("://")
    if kind == "bq" and rest.count(".") == 2:
        project, dataset, table = rest.split(".")
        bucket, files = f"{project}-bigquery", {f"{dataset}/{table}.parquet": source.to_parquet(index=False)}
    elif kind == "gs" and rest:
        bucket, _, name = rest.rstrip("/").partition("/")
        folder = Path(source)
        if not folder.exists():
            raise FileNotFoundError(f"{folder} does not exist.")
        paths = {name: folder} if folder.is_file() else {
            "/".join(filter(None, [name, path.relative_to(folder).as_posix()])): path
            for path in sorted(folder.rglob("*")) if path.is_file()
        }  # fmt: skip
        files = {name: path.read_bytes() for name, path in paths.items()}
    else:
        raise ValueError(f"{target!r} is neither gs://bucket/path nor bq://project.dataset.table.")
    client = storage.Client()
    if not client.bucket(bucket).exists():
        client.create_bucket(bucket)
    for name, data in files.items():
        client.bucket(bucket).blob(name).upload_from_string(data)
