"""As much of BigQuery as the Vertex AI library calls by itself: datasets, loads of Parquet, and reading tables back.

A table `project.dataset.table` is the object `gs://PROJECT-bigquery/DATASET/TABLE.parquet`, which a learner may also
put there. There is no SQL.
"""

from __future__ import annotations

import io
import json
import re
import secrets
import urllib.parse
from typing import TYPE_CHECKING, Any

from ..wire.errors import CloudError, invalid, not_found, precondition
from .blobs import Blobs
from .tables import bigquery_stem, bigquery_table
from .uploads import MAX_UPLOAD, multipart

if TYPE_CHECKING:
    import pandas as pd

BATCH = 10_000  # rows in one message of a read
TYPES = {  # by the beginning of Arrow's name
    "int": "INTEGER", "uint": "INTEGER", "float": "FLOAT", "double": "FLOAT", "bool": "BOOLEAN", "binary": "BYTES",
    "date": "DATE", "timestamp": "DATETIME", "time": "TIME", "decimal": "NUMERIC"
}  # fmt: skip


def write_table(storage: Blobs, uri: str, frame: pd.DataFrame) -> None:
    """Create or replace the table `bq://project.dataset.table`."""
    stem = bigquery_stem(uri)
    storage.ensure_bucket(stem[5:].split("/")[0])
    storage.write(f"{stem}.parquet", frame.to_parquet(index=False))


class BigQuery:
    """The REST interface of one server."""

    def __init__(self, storage: Blobs) -> None:
        self._storage = storage
        self._uploads: dict[str, tuple[dict[str, Any], bytearray]] = {}

    def handle(self, http: Any, url: urllib.parse.SplitResult) -> None:
        """Answer one request; `http` is the front end's handler."""
        query = dict(urllib.parse.parse_qsl(url.query))
        body = http.body(MAX_UPLOAD)
        try:
            self._route(http, url, query, body)
        except (ValueError, KeyError, TypeError) as error:
            raise invalid(f"The request is not one of BigQuery's: {error!r}") from None

    def _route(self, http: Any, url: urllib.parse.SplitResult, query: dict[str, str], body: bytes) -> None:
        match = re.fullmatch(
            r"(?:/resumable)?(/upload)?/bigquery/v2/projects/([\w:.-]+)/(datasets|jobs)(?:/([\w:-]+))?(?:/tables(/[\w-]+)?)?",
            url.path,
        )
        name = f"{http.command} {url.path[:200]}"
        if not match:
            raise CloudError("UNIMPLEMENTED", f"BigQuery {name} is not implemented by this local stand-in.")
        upload, project, kind, key, table = match.groups()
        if upload:
            self._upload(http, project, query, body)
            return
        if kind == "jobs" and http.command == "GET" and key:
            answer = self._job(project, key, {})
        elif kind == "datasets" and (http.command, key) == ("POST", None):
            answer = self._create(project, json.loads(body))
        elif kind == "datasets" and key and http.command in ("GET", "DELETE"):
            answer = self._entry(http.command, project, key, (table or "")[1:], query)
        else:
            raise CloudError("UNIMPLEMENTED", f"BigQuery {name} is not implemented by this local stand-in.")
        http.send(200, json.dumps(answer).encode())

    def _create(self, project: str, wanted: dict[str, Any]) -> dict[str, Any]:
        bucket, dataset = f"{project}-bigquery", wanted["datasetReference"]["datasetId"]
        self._storage.ensure_bucket(bucket)
        if self._storage.names(f"gs://{bucket}/{dataset}"):
            raise CloudError("ALREADY_EXISTS", f"Already Exists: Dataset {project}:{dataset}")
        self._storage.write(f"gs://{bucket}/{dataset}/", b"")
        return wanted | {"kind": "bigquery#dataset", "id": f"{project}:{dataset}"}

    def _entry(self, verb: str, project: str, dataset: str, table: str, query: dict[str, str]) -> dict[str, Any]:
        folder = f"gs://{project}-bigquery/{dataset}"
        try:
            names = self._storage.names(folder)
        except CloudError:  # no bucket: the project has no dataset
            names = []
        files = [f"{dataset}/{table}{suffix}" for suffix in (".parquet", ".csv")]
        if not names or table and not set(files) & set(names):
            what = f"Table {project}:{dataset}.{table}" if names else f"Dataset {project}:{dataset}"
            raise CloudError("NOT_FOUND", f"Not found: {what}")
        if verb == "DELETE":
            files = [name for name in names if not table or name in files]
            if not table and len(files) > 1 and query.get("deleteContents") != "true":
                raise precondition(f"Dataset {project}:{dataset} is still in use")
            for file in files:
                self._storage.delete(f"gs://{project}-bigquery/{file}")
            return {}
        if not table:
            return {"kind": "bigquery#dataset", "datasetReference": {"projectId": project, "datasetId": dataset}}
        schema = arrow_table(self._storage, f"bq://{project}.{dataset}.{table}").schema
        return {
            "kind": "bigquery#table",
            "tableReference": {"projectId": project, "datasetId": dataset, "tableId": table},
            "schema": {"fields": [_field(field) for field in schema]},
        }

    def _upload(self, http: Any, project: str, query: dict[str, str], body: bytes) -> None:
        """A load job with its data: in one request, or in the parts of a resumable upload."""
        if query.get("uploadType") == "multipart":
            head, data, _ = multipart(http.headers.get("Content-Type", ""), body)
            answer = self._load(project, json.loads(head), data)
        elif "upload_id" not in query:
            key = secrets.token_urlsafe(24)
            self._uploads[key] = json.loads(body), bytearray()
            here = f"https://{http.headers['Host']}/upload/bigquery/v2/projects/{project}/jobs"
            http.send(200, b"", headers={"Location": f"{here}?uploadType=resumable&upload_id={key}"})
            return
        else:
            if query["upload_id"] not in self._uploads:
                raise not_found("The upload")
            job, data = self._uploads[query["upload_id"]]
            data += body
            if http.headers.get("Content-Range", "/0").endswith("/*"):
                http.send(308, headers={"Range": f"bytes=0-{len(data) - 1}"})
                return
            del self._uploads[query["upload_id"]]
            answer = self._load(project, job, bytes(data))
        http.send(200, json.dumps(answer).encode())

    def _load(self, project: str, job: dict[str, Any], data: bytes) -> dict[str, Any]:
        import pandas as pd

        load = job["configuration"]["load"]
        if load.get("sourceFormat") != "PARQUET":
            raise CloudError("UNIMPLEMENTED", "BigQuery loads of anything but Parquet are not implemented.")
        frame = pd.read_parquet(io.BytesIO(data))
        uri = "bq://{projectId}.{datasetId}.{tableId}".format(**load["destinationTable"])
        if load.get("writeDisposition", "WRITE_APPEND") == "WRITE_APPEND":
            try:
                frame = pd.concat([bigquery_table(self._storage, uri), frame], ignore_index=True)
            except CloudError as error:
                if error.code != "NOT_FOUND":
                    raise
        write_table(self._storage, uri, frame)
        return self._job(project, job["jobReference"]["jobId"], job["configuration"])

    @staticmethod
    def _job(project: str, key: str, configuration: dict[str, Any]) -> dict[str, Any]:
        """A job is done when it is answered."""
        return {
            "kind": "bigquery#job",
            "jobReference": {"projectId": project, "jobId": key},
            "configuration": configuration or {"load": {}},
            "status": {"state": "DONE"},
        }


def arrow_table(storage: Blobs, uri: str) -> Any:
    import pyarrow as pa

    return pa.Table.from_pandas(bigquery_table(storage, uri), preserve_index=False).replace_schema_metadata()


def _field(field: Any) -> dict[str, str]:
    """A column of a table as the schema of BigQuery has it."""
    repeated = hasattr(field.type, "value_type")
    kind = str(field.type.value_type if repeated else field.type)
    found = next((name for start, name in TYPES.items() if kind.startswith(start)), "STRING")
    found = "TIMESTAMP" if found == "DATETIME" and "tz=" in kind else found  # a time with a zone is a moment
    return {"name": field.name, "type": found, "mode": "REPEATED" if repeated else "NULLABLE"}
