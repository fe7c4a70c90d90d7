"""BigQuery's tables, views and models in storage, and its SQL over them: sqlglot translates, DuckDB computes.

The table `bq://PROJECT.DATASET.TABLE` is the object `gs://PROJECT-bigquery/DATASET/TABLE.parquet` (or `.csv`), which a
learner may also put there. A view is the query that makes it, in `VIEW.sql`; a model is in `MODEL.model` (`bqml`).
"""

from __future__ import annotations

import base64
import io
import json
import re
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..wire.errors import CloudError, invalid
from . import bqml, bqml_answers
from .blobs import Blobs
from .bqml_sql import CALL, constant, floats, is_call, plain_calls, visible
from .tables import read_table

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from sqlglot import exp

SECONDS = 120  # that a query may take
DEPTH = 16  # views of views
SUFFIXES = (".parquet", ".csv", ".sql")


def stem_of(uri: str) -> str:
    """Where the table or view `bq://project.dataset.table` lies in storage, without the suffix."""
    match = re.fullmatch(r"bq://([\w:-]+)\.(\w+)\.([\w-]+)", uri)
    if not match:
        raise invalid(f"{uri!r} is not a BigQuery URI (bq://project.dataset.table).")
    return "gs://{}-bigquery/{}/{}".format(*match.groups())


def bigquery_table(storage: Blobs, uri: str, depth: int = 0) -> pd.DataFrame:
    """A table, or what a view gives now. NOT_FOUND where there is neither."""
    stem = stem_of(uri)
    for suffix in SUFFIXES:
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


def write_table(storage: Blobs, uri: str, rows: pd.DataFrame | pa.Table) -> None:
    """Create or replace a table."""
    import pyarrow as pa
    from pyarrow import parquet

    stem = stem_of(uri)
    storage.ensure_bucket(stem[5:].split("/")[0])
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pandas(rows, preserve_index=False)
    parquet.write_table(table, file := io.BytesIO())
    storage.write(f"{stem}.parquet", file.getvalue())


def arrow_table(storage: Blobs, uri: str) -> pa.Table:
    """A table or view in Arrow's form: pandas would make floats of integers where some are NULL."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(io.BytesIO(storage.read(f"{stem_of(uri)}.parquet")))
    except CloudError as error:
        if error.code != "NOT_FOUND":
            raise
        table = pa.Table.from_pandas(bigquery_table(storage, uri), preserve_index=False)
    return table.replace_schema_metadata()


def read_model(storage: Blobs, uri: str) -> dict[str, Any]:
    """The model `bq://project.dataset.model`. NOT_FOUND where there is none."""
    try:
        return json.loads(storage.read(f"{stem_of(uri)}.model"))
    except CloudError as error:
        if error.code != "NOT_FOUND":
            raise
        raise CloudError("NOT_FOUND", f"Not found: Model {uri[5:].replace('.', ':', 1)}") from None


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
            statements = [one for one in sqlglot.parse(plain_calls(text), read="bigquery") if one is not None]
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
            elif isinstance(statement, exp.Create) and kind == "SCHEMA":
                self._create_dataset(statement)
            elif isinstance(statement, exp.Create) and kind == "MODEL" and statement.expression:
                self._train(statement)
            elif isinstance(statement, exp.Drop) and kind in ("TABLE", "VIEW", "MODEL"):
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
        if self._stands(statement, uri, SUFFIXES):
            return
        if kind == "TABLE":
            rows = self._select(statement.expression)
            self._forget(stem)
            write_table(self._storage, uri, rows)
            return
        self._select(statement.expression)  # a view that cannot be computed is refused
        self._forget(stem)
        self._storage.ensure_bucket(stem[5:].split("/")[0])
        self._storage.write(f"{stem}.sql", statement.expression.sql(dialect="bigquery").encode())

    def _create_dataset(self, statement: exp.Create) -> None:
        """CREATE SCHEMA makes a dataset: a folder with nothing in it."""
        *project, dataset = statement.this.db.split(".")
        folder = f"gs://{(project or [self._project])[0]}-bigquery/{dataset}/"
        stem_of(f"bq://{(project or [self._project])[0]}.{dataset}.t")  # the names are good
        if self._exists(folder):
            if not statement.args.get("exists"):
                raise CloudError("ALREADY_EXISTS", f"Already Exists: Dataset {self._project}:{dataset}")
            return
        self._storage.ensure_bucket(folder[5:].split("/")[0])
        self._storage.write(folder, b"")

    def _train(self, statement: exp.Create) -> None:
        """CREATE MODEL: the rows of its query, OPTIONS and TRANSFORM go to `bqml`."""
        from sqlglot import exp

        uri = self._uri(statement.this)
        if self._stands(statement, uri, (".model",)):
            return
        properties = statement.args["properties"].expressions if statement.args.get("properties") else []
        clauses = [one for one in properties if isinstance(one, exp.TransformModelProperty)]
        options = {one.name.upper(): constant(one.args["value"]) for one in properties if type(one) is exp.Property}
        frame = self._select(statement.expression).to_pandas()
        data = bqml.create(options, clauses[0].expressions if clauses else [], frame, _frame)
        stem = stem_of(uri)
        self._storage.ensure_bucket(stem[5:].split("/")[0])
        self._storage.write(f"{stem}.model", data)

    def _stands(self, statement: exp.Create, uri: str, suffixes: Sequence[str]) -> bool:
        """True where IF NOT EXISTS leaves what is there. ALREADY_EXISTS where nothing allows to replace it."""
        if not any(self._exists(stem_of(uri) + suffix) for suffix in suffixes) or statement.args.get("replace"):
            return False
        if not statement.args.get("exists"):
            kind = "Model" if ".model" in suffixes else "Table"
            raise CloudError("ALREADY_EXISTS", f"Already Exists: {kind} {uri[5:].replace('.', ':', 1)}")
        return True

    def _drop(self, statement: exp.Drop) -> None:
        from sqlglot import exp

        suffixes, what = ((".model",), "Model") if statement.args["kind"] == "MODEL" else (SUFFIXES, "Table")
        for table in statement.find_all(exp.Table):
            uri = self._uri(table)
            if not self._forget(stem_of(uri), suffixes) and not statement.args.get("exists"):
                raise CloudError("NOT_FOUND", f"Not found: {what} {uri[5:].replace('.', ':', 1)}")

    def _exists(self, uri: str) -> bool:
        try:
            return bool(self._storage.names(uri))
        except CloudError:
            return False

    def _forget(self, stem: str, suffixes: Sequence[str] = SUFFIXES) -> bool:
        there = [stem + suffix for suffix in suffixes if self._exists(stem + suffix)]
        for uri in there:
            self._storage.delete(uri)
        return bool(there)

    def _select(self, statement: exp.Query) -> pa.Table:
        """Compute a query over the tables and models that it names."""
        statement = _named(self._with_values(statement.copy()))
        return _compute(statement, self._load(statement))

    def _load(self, statement: exp.Query) -> dict[str, Any]:
        """What each table and function on a model of the query gives; names of ours replace theirs in the query."""
        from sqlglot import exp

        tables: dict[str, Any] = {}

        def put(table: exp.Table, name: str, alias: str) -> None:
            table.replace(exp.alias_(exp.to_table(name), alias, table=True, quoted=True) if alias
                          else exp.to_table(name))  # fmt: skip

        while call := next((t for t in statement.find_all(exp.Table) if is_call(t)), None):
            name = f"call_{len(tables)}"
            tables[name] = self._call(call)
            put(call, name, call.alias)
        local = {cte.alias for cte in statement.find_all(exp.CTE)}
        names: dict[str, str] = {}
        for table in list(statement.find_all(exp.Table)):
            if not isinstance(table.this, exp.Identifier):
                what = table.this.sql(dialect="bigquery").split("(")[0]
                raise CloudError("UNIMPLEMENTED", f"BigQuery's {what} is not implemented by this local stand-in.")
            if table.name in local | set(tables) and not table.db:
                continue
            uri = self._uri(table)
            if uri not in names:
                names[uri] = f"table_{len(names)}"
                tables[names[uri]] = bigquery_table(self._storage, uri, self._depth)
            put(table, names[uri], table.alias or uri.rsplit(".", 1)[1])
        return tables

    def _call(self, table: exp.Table) -> pa.Table:
        """What a function on a model gives."""
        from sqlglot import exp

        function = table.this.name.removeprefix(CALL)
        if function not in ("PREDICT", "EVALUATE", "FEATURE_INFO", "WEIGHTS", "TRANSFORM"):
            raise CloudError("UNIMPLEMENTED", f"BigQuery's ML.{function} is not implemented by this local stand-in.")
        name, *rest = table.this.expressions
        model = read_model(self._storage, self._uri(exp.to_table(name.name, dialect="bigquery")))
        if function in ("FEATURE_INFO", "WEIGHTS"):
            return bqml_answers.feature_info(model) if function == "FEATURE_INFO" else bqml_answers.weights(model)
        frame = None
        if rest and isinstance(rest[0], exp.Query):
            query = rest.pop(0)
            query = query.unnest() if isinstance(query, exp.Subquery) else query
            for cte in reversed(visible(table)):  # those of the whole query
                query = query.with_(cte.alias, as_=cte.this, append=True)
            frame = self._select(query).to_pandas()
        settings = {one.name: constant(one.expression) for one in rest[0].expressions} if rest else {}
        if frame is None and function != "EVALUATE":
            raise invalid(f"ML.{function} needs a table or a query.")
        seen = None if frame is None else bqml.transformed(model, frame, _frame)
        if function == "EVALUATE":
            return bqml_answers.evaluate(model, seen, settings)
        if function == "PREDICT":
            return bqml_answers.predict(model, frame, seen, settings)
        return seen

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


def _named(statement: exp.Query) -> exp.Query:
    """Columns without a name get BigQuery's: the field's, or f0_, f1_ …"""
    from sqlglot import exp

    nameless = 0
    for one in list(statement.expressions) if isinstance(statement, exp.Select) else []:
        if not (one.alias or one.is_star or isinstance(one, exp.Column)):
            name = one.expression.name if isinstance(one, exp.Dot) else f"f{nameless}_"
            nameless += not isinstance(one, exp.Dot)
            one.replace(exp.alias_(one.copy(), name))
    return floats(statement)


def _frame(statement: exp.Query, tables: Mapping[str, Any]) -> pd.DataFrame:
    return _compute(statement, tables).to_pandas()


def _compute(statement: exp.Query, tables: Mapping[str, Any]) -> pa.Table:
    """Run a query over tables in memory; DuckDB itself reaches neither files nor the network."""
    import duckdb
    import sqlglot

    connection = duckdb.connect(config={"enable_external_access": "false", "threads": "1"})
    timer = threading.Timer(SECONDS, connection.interrupt)
    try:
        connection.execute("SET python_enable_replacements = false")
        for name, table in tables.items():
            connection.register(name, table)
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
