"""BigQuery's REST interface: datasets, loads of Parquet, query jobs, and reading tables back."""

from __future__ import annotations

import io
import json
import re
import secrets
import urllib.parse
from pathlib import Path
from typing import Any

from ..wire.errors import CloudError, invalid, not_found, precondition
from .blobs import Blobs
from .bqml_answers import resource
from .uploads import MAX_UPLOAD, multipart
from .warehouse import SUFFIXES, Query, arrow_table, bigquery_table, json_rows, read_model, write_table

MAX_JOBS = 1000
BATCH = 10_000  # rows in one message of a read
TYPES = {  # by the beginning of Arrow's name
    "int": "INTEGER", "uint": "INTEGER", "float": "FLOAT", "double": "FLOAT", "bool": "BOOLEAN", "binary": "BYTES",
    "date": "DATE", "timestamp": "DATETIME", "time": "TIME", "decimal": "NUMERIC"
}  # fmt: skip


class BigQuery:
    """The REST interface of one server."""

    def __init__(self, storage: Blobs) -> None:
        self._storage = storage
        self._jobs: dict[str, dict[str, Any]] = {}
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
        path = r"(?:/resumable)?(/upload)?/bigquery/v2/projects/([\w:.-]+)/(datasets|jobs|queries)(?:/([\w:-]+))?"
        match = re.fullmatch(path + r"(?:/(tables|models)(?:/([\w-]+))?(/data)?)?", url.path)
        if not match:
            raise self._unimplemented(http, url)
        upload, project, kind, key, inside, table, rows = match.groups()
        if upload:
            self._upload(http, project, query, body)
            return
        verb = http.command
        if kind == "jobs" and verb == "GET" and key:
            if key not in self._jobs:
                raise not_found(f"Not found: Job {project}:{key}")
            answer = self._jobs[key]
        elif kind == "jobs" and (verb, key) == ("POST", None):
            answer = self._query_job(project, json.loads(body))
        elif kind == "queries" and (verb, key) == ("POST", None):
            wanted = json.loads(body)
            job = {"jobReference": {"jobId": secrets.token_hex(12)}, "configuration": {"query": wanted}}
            key = self._query_job(project, job)["jobReference"]["jobId"]
            answer = self._results(project, key, wanted)
        elif kind == "queries" and verb == "GET" and key:
            answer = self._results(project, key, query)
        elif kind == "datasets" and (verb, key) == ("POST", None):
            answer = self._create(project, json.loads(body))
        elif kind == "datasets" and key and inside == "tables" and table and rows and verb == "GET":
            answer = _page(arrow_table(self._storage, f"bq://{project}.{key}.{table}"), query)
        elif kind == "datasets" and key and inside == "models" and not rows and (verb == "GET" or table):
            answer = self._models(verb, project, key, table or "")
        elif kind == "datasets" and key and verb in ("GET", "DELETE") and bool(table) == bool(inside):
            answer = self._entry(verb, project, key, table or "", query)
        else:
            raise self._unimplemented(http, url)
        http.send(200, json.dumps(answer).encode())

    @staticmethod
    def _unimplemented(http: Any, url: urllib.parse.SplitResult) -> CloudError:
        name = f"{http.command} {url.path[:200]}"
        return CloudError("UNIMPLEMENTED", f"BigQuery {name} is not implemented by this local stand-in.")

    def _query_job(self, project: str, job: dict[str, Any]) -> dict[str, Any]:
        """Run a query. A job is done when it is answered; its result is a table, as on the cloud."""
        config = job["configuration"].get("query")
        if config is None:
            raise CloudError("UNIMPLEMENTED", f"BigQuery jobs of {sorted(job['configuration'])} are not implemented.")
        if config.get("useLegacySql", True):
            raise CloudError("UNIMPLEMENTED", "BigQuery's legacy SQL is not implemented by this local stand-in.")
        key = job["jobReference"].get("jobId") or secrets.token_hex(12)
        dataset = config.get("defaultDataset", {}).get("datasetId", "")
        try:
            found = Query(self._storage, project, dataset, config.get("queryParameters", [])).run(config["query"])
        except CloudError as error:
            if error.code != "ALREADY_EXISTS":  # a 409 here would mean that the job is there already
                raise
            failure = {"reason": "duplicate", "message": error.message}
            status = {"state": "DONE", "errorResult": failure, "errors": [failure]}
            return self._keep(self._job(project, key, {"query": config}) | {"status": status})
        target = config.setdefault(
            "destinationTable", {"projectId": project, "datasetId": "_anonymous", "tableId": f"anon{key}"}
        )
        uri = "bq://{projectId}.{datasetId}.{tableId}".format(**target)
        write_table(self._storage, uri, found)
        answer = self._job(project, key, {"query": config}) | {
            "statistics": {"query": {"statementType": "SELECT" if found.num_columns else "SCRIPT"}}
        }
        return self._keep(answer)

    def _keep(self, job: dict[str, Any]) -> dict[str, Any]:
        while len(self._jobs) >= MAX_JOBS:
            self._jobs.pop(next(iter(self._jobs)))
        self._jobs[job["jobReference"]["jobId"]] = job
        return job

    def _results(self, project: str, key: str, query: dict[str, Any]) -> dict[str, Any]:
        if key not in self._jobs:
            raise not_found(f"Not found: Job {project}:{key}")
        job = self._jobs[key]
        if failure := job["status"].get("errorResult"):
            raise CloudError("ALREADY_EXISTS", failure["message"])
        target = job["configuration"]["query"]["destinationTable"]
        table = arrow_table(self._storage, "bq://{projectId}.{datasetId}.{tableId}".format(**target))
        return _page(table, query) | {
            "kind": "bigquery#getQueryResultsResponse",
            "jobReference": job["jobReference"],
            "schema": {"fields": [_field(field) for field in table.schema]},
            "jobComplete": True,
        }

    def _create(self, project: str, wanted: dict[str, Any]) -> dict[str, Any]:
        bucket, dataset = f"{project}-bigquery", wanted["datasetReference"]["datasetId"]
        self._storage.ensure_bucket(bucket)
        if self._storage.names(f"gs://{bucket}/{dataset}"):
            raise CloudError("ALREADY_EXISTS", f"Already Exists: Dataset {project}:{dataset}")
        self._storage.write(f"gs://{bucket}/{dataset}/", b"")
        return wanted | {"kind": "bigquery#dataset", "id": f"{project}:{dataset}"}

    def _models(self, verb: str, project: str, dataset: str, name: str) -> dict[str, Any]:
        """List the models of a dataset, or get or delete one."""
        names = self._names(project, dataset)
        found = [Path(one).stem for one in names if one.endswith(".model") and name in ("", Path(one).stem)]
        if verb not in ("GET", "DELETE"):
            raise CloudError("UNIMPLEMENTED", f"BigQuery models' {verb} is not implemented by this local stand-in.")
        if name and not found:
            raise not_found(f"Not found: Model {project}:{dataset}.{name}")
        if verb == "DELETE":
            self._storage.delete(f"gs://{project}-bigquery/{dataset}/{name}.model")
            return {}
        uri = f"bq://{project}.{dataset}"
        models = [resource(read_model(self._storage, f"{uri}.{one}"), project, dataset, one) for one in found]
        return models[0] if name else {"models": models}

    def _names(self, project: str, dataset: str) -> list[str]:
        """The objects of a dataset. NOT_FOUND where it does not exist."""
        try:
            names = self._storage.names(f"gs://{project}-bigquery/{dataset}/")
        except CloudError:  # no bucket: the project has no dataset
            names = []
        if not names:
            raise CloudError("NOT_FOUND", f"Not found: Dataset {project}:{dataset}")
        return names

    def _entry(self, verb: str, project: str, dataset: str, table: str, query: dict[str, str]) -> dict[str, Any]:
        names = self._names(project, dataset)
        files = [f"{dataset}/{table}{suffix}" for suffix in SUFFIXES]
        if table and not set(files) & set(names):
            raise CloudError("NOT_FOUND", f"Not found: Table {project}:{dataset}.{table}")
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
        return self._keep(self._job(project, job["jobReference"]["jobId"], job["configuration"]))

    @staticmethod
    def _job(project: str, key: str, configuration: dict[str, Any]) -> dict[str, Any]:
        """A job is done when it is answered."""
        return {
            "kind": "bigquery#job",
            "id": f"{project}:US.{key}",
            "jobReference": {"projectId": project, "jobId": key, "location": "US"},
            "configuration": configuration,
            "status": {"state": "DONE"},
        }


def _page(table: Any, query: dict[str, Any]) -> dict[str, Any]:
    """Some of a table's rows: from startIndex or pageToken on, maxResults at most."""
    start = int(query.get("pageToken") or query.get("startIndex") or 0)
    size = min(int(query.get("maxResults") or BATCH), BATCH)
    part = table.slice(start, size)
    more = {"pageToken": str(start + size)} if start + size < len(table) else {}
    return {"totalRows": str(len(table)), "rows": json_rows(part)} | more


def _field(field: Any) -> dict[str, Any]:
    """A column of a table as the schema of BigQuery has it."""
    repeated = hasattr(field.type, "value_type")
    inner = field.type.value_type if repeated else field.type
    mode, kind = "REPEATED" if repeated else "NULLABLE", str(inner)
    if kind.startswith("struct"):
        fields = [_field(inner.field(index)) for index in range(inner.num_fields)]
        return {"name": field.name, "type": "RECORD", "mode": mode, "fields": fields}
    found = next((name for start, name in TYPES.items() if kind.startswith(start)), "STRING")
    found = "TIMESTAMP" if found == "DATETIME" and "tz=" in kind else found  # a time with a zone is a moment
    return {"name": field.name, "type": found, "mode": mode}
