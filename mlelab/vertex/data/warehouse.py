"""BigQuery's tables and views in storage, and its SQL over them: sqlglot translates, DuckDB computes.

The table `bq://PROJECT.DATASET.TABLE` is the object `gs://PROJECT-bigquery/DATASET/TABLE.parquet` (or `.csv`), which a
learner may also put there. A view is the query that makes it, in `VIEW.sql`.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..wire.errors import CloudError, invalid
from .blobs import Blobs
from .tables import read_table

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from sqlglot import exp

SECONDS = 120  # that a query may take
DEPTH = 16  # views of views


def stem_of(uri: str) -> str:
    """Where the table or view `bq://project.dataset.table` lies in storage, without the suffix."""
    match = re.fullmatch(r"bq://([\w:-]+)\.(\w+)\.([\w-]+)", uri)
    if not match:
        raise invalid(f"{uri!r} is not a BigQuery URI (bq://project.dataset.table).")
    return "gs://{}-bigquery/{}/{}".format(*match.groups())


def bigquery_table(storage: Blobs, uri: str, depth: int = 0) -> pd.DataFrame:
    """A table, or what a view gives now. NOT_FOUND where there is neither."""
    stem = stem_of(uri)
    for suffix in (".parquet", ".csv", ".sql"):
        try:
            if suffix != ".sql":
                return read_table(storage, stem + suffix)
            text = storage.read(stem + suffix).decode()
        except CloudError as error:
            if error.code != "NOT_FOUND":
                raise
            continue
        if depth >= DEPTH:
            raise invalid(f"{uri} is a view of views of views, or of itself.")
        return Query(storage, uri[5:].split(".")[0], depth=depth + 1).run(text).to_pandas()
    raise CloudError("NOT_FOUND", f"Not found: Table {uri[5:].replace('.', ':', 1)}, which would be {stem}.parquet.")


def write_table(storage: Blobs, uri: str, frame: pd.DataFrame) -> None:
    """Create or replace a table."""
    stem = stem_of(uri)
    storage.ensure_bucket(stem[5:].split("/")[0])
    storage.write(f"{stem}.parquet", frame.to_parquet(index=False))


def arrow_table(storage: Blobs, uri: str) -> pa.Table:
    """A table or view in Arrow's form."""
    import pyarrow as pa

    return pa.Table.from_pandas(bigquery_table(storage, uri), preserve_index=False).replace_schema_metadata()


class Query:
    """SQL of one project. `dataset`: of tables that name none. `parameters`: the API's queryParameters."""

    def __init__(
        self, storage: Blobs, project: str, dataset: str = "", parameters: Sequence[Mapping] = (), depth: int = 0
    ) -> None:
        self._storage, self._project, self._dataset, self._depth = storage, project, dataset, depth
        self._values = [(p.get("name"), _literal(p["parameterType"], p["parameterValue"])) for p in parameters]

    def run(self, text: str) -> pa.Table:
        """Run a script. Returns what its last statement gives, a table without columns where that is nothing.

        INVALID_ARGUMENT for what is no SQL, UNIMPLEMENTED by name for what is not here.
        """
        import pyarrow as pa
        import sqlglot
        from sqlglot import exp

        try:
            statements = [one for one in sqlglot.parse(text, read="bigquery") if one is not None]
        except sqlglot.errors.SqlglotError as error:
            raise invalid(f"Syntax error: {str(error).splitlines()[0]}") from None
        if not statements:
            raise invalid("Syntax error: the query is empty.")
        result = pa.table({})
        for statement in statements:
            kind = statement.args.get("kind", "") if isinstance(statement, (exp.Create, exp.Drop)) else ""
            if isinstance(statement, exp.Query):
                result = self._select(statement)
            elif isinstance(statement, exp.Create) and kind in ("TABLE", "VIEW") and statement.expression:
                self._create(statement, kind)
            elif isinstance(statement, exp.Drop) and kind in ("TABLE", "VIEW"):
                self._drop(statement)
            else:
                what = " ".join(statement.sql(dialect="bigquery").split()[:3])
                raise CloudError("UNIMPLEMENTED", f"BigQuery's {what} is not implemented by this local stand-in.")
        return result

    def _uri(self, table: exp.Table) -> str:
        parts = ".".join(part.name for part in table.parts).split(".")  # `a.b.c` may be quoted as a whole
        missing = [self._project, self._dataset][: 3 - len(parts)]
        if len(parts) > 3 or not all(missing):
            raise invalid(f'Table "{".".join(parts)}" must be qualified with a dataset (e.g. dataset.table).')
        return f"bq://{'.'.join([*missing, *parts])}"

    def _create(self, statement: exp.Create, kind: str) -> None:
        from sqlglot import exp

        uri = self._uri(statement.this.this if isinstance(statement.this, exp.Schema) else statement.this)
        stem = stem_of(uri)
        taken = any(self._exists(stem + suffix) for suffix in (".parquet", ".csv", ".sql"))
        if taken and statement.args.get("exists"):
            return
        if taken and not statement.args.get("replace"):
            raise CloudError("ALREADY_EXISTS", f"Already Exists: Table {uri[5:].replace('.', ':', 1)}")
        if kind == "TABLE":
            frame = self._select(statement.expression).to_pandas()
            self._forget(stem)
            write_table(self._storage, uri, frame)
            return
        self._select(statement.expression)  # a view that cannot be computed is refused
        self._forget(stem)
        self._storage.ensure_bucket(stem[5:].split("/")[0])
        self._storage.write(f"{stem}.sql", statement.expression.sql(dialect="bigquery").encode())

    def _drop(self, statement: exp.Drop) -> None:
        from sqlglot import exp

        for table in statement.find_all(exp.Table):
            uri = self._uri(table)
            if not self._forget(stem_of(uri)) and not statement.args.get("exists"):
                raise CloudError("NOT_FOUND", f"Not found: Table {uri[5:].replace('.', ':', 1)}")

    def _exists(self, uri: str) -> bool:
        try:
            return bool(self._storage.names(uri))
        except CloudError:
            return False

    def _forget(self, stem: str) -> bool:
        there = [stem + suffix for suffix in (".parquet", ".csv", ".sql") if self._exists(stem + suffix)]
        for uri in there:
            self._storage.delete(uri)
        return bool(there)

    def _select(self, statement: exp.Query) -> pa.Table:
        """Compute a query over the tables that it names; DuckDB itself reaches neither files nor the network."""
        import duckdb
        import sqlglot

        statement = self._with_values(statement.copy())
        connection = duckdb.connect(config={"enable_external_access": "false", "threads": "1"})
        timer = threading.Timer(SECONDS, connection.interrupt)
        try:
            connection.execute("SET python_enable_replacements = false")
            self._load(statement, connection.register)
            connection.execute("SET lock_configuration = true")
            timer.start()
            found = connection.execute(statement.sql(dialect="duckdb")).to_arrow_table()
        except sqlglot.errors.SqlglotError as error:
            raise CloudError("UNIMPLEMENTED", f"This query is not implemented here: {error}") from None
        except duckdb.Error as error:
            raise invalid(str(error).splitlines()[0]) from None
        finally:
            timer.cancel()
            connection.close()
        return _narrow(found)

    def _load(self, statement: exp.Query, register: Callable[[str, Any], Any]) -> None:
        """Give each table that the query names to DuckDB, under a name of ours."""
        from sqlglot import exp

        local = {cte.alias for cte in statement.find_all(exp.CTE)}
        names: dict[str, str] = {}
        for table in list(statement.find_all(exp.Table)):
            if not isinstance(table.this, exp.Identifier):
                what = table.this.sql(dialect="bigquery").split("(")[0]
                raise CloudError("UNIMPLEMENTED", f"BigQuery's {what} is not implemented by this local stand-in.")
            if table.name in local and not table.db:
                continue
            uri = self._uri(table)
            if uri not in names:
                names[uri] = f"table_{len(names)}"
                register(names[uri], bigquery_table(self._storage, uri, self._depth))
            alias = table.alias or uri.rsplit(".", 1)[1]
            table.replace(exp.alias_(exp.to_table(names[uri]), alias, table=True, quoted=True))

    def _with_values(self, statement: exp.Query) -> exp.Query:
        """The query with its parameters, by name or in order, replaced by their values."""
        from sqlglot import exp

        named = {name.lower(): value for name, value in self._values if name}
        ordered = iter([value for name, value in self._values if not name])
        for node in list(statement.find_all(exp.Parameter, exp.Placeholder, bfs=False)):
            value = named.get(node.name.lower()) if isinstance(node, exp.Parameter) else next(ordered, None)
            if value is None:
                raise invalid(f"Query parameter {node.name or '?'} not found")
            node.replace(value.copy())
        return statement


def _literal(kind: Mapping[str, Any], value: Mapping[str, Any]) -> exp.Expression:
    """A query parameter of the API as a literal."""
    from sqlglot import exp

    name = kind["type"]
    if name == "ARRAY":
        return exp.Array(expressions=[_literal(kind["arrayType"], one) for one in value.get("arrayValues", [])])
    if name == "STRUCT":
        raise CloudError("UNIMPLEMENTED", "BigQuery's STRUCT parameters are not implemented by this local stand-in.")
    if value.get("value") is None:
        return exp.Null()
    text = exp.Literal.string(str(value["value"]))
    return text if name == "STRING" else exp.cast(text, name, dialect="bigquery")


def _narrow(table: pa.Table) -> pa.Table:
    """DuckDB's sums of integers are 128 bits wide; BigQuery's are INT64."""
    import pyarrow as pa

    for index, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type) and field.type.precision == 38 and field.type.scale == 0:
            table = table.set_column(index, field.name, table.column(index).cast(pa.int64()))
    return table


def json_rows(table: pa.Table) -> list[dict[str, Any]]:
    """Rows as the API's JSON has them: `{"f": [{"v": "1"}, …]}`."""

    def cell(value: Any) -> Any:
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, list):
            return [{"v": cell(one)} for one in value]
        if isinstance(value, dict):
            return {"f": [{"v": cell(one)} for one in value.values()]}
        if isinstance(value, bool):
            return json.dumps(value)
        if isinstance(value, bytes):
            return base64.b64encode(value).decode()
        if getattr(value, "tzinfo", None):  # microseconds, which clients ask for
            return str(round(value.timestamp() * 10**6))
        return value.isoformat() if hasattr(value, "isoformat") else str(value)

    return [{"f": [{"v": cell(value)} for value in row.values()]} for row in table.to_pylist()]
