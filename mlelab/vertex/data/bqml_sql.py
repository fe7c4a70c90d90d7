"""BigQuery ML's functions on models, in SQL: how sqlglot reads them, and what they can see of the query around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..wire.errors import CloudError

if TYPE_CHECKING:
    from sqlglot import exp

CALL = "call_of_"  # begins the name that a function on a model has after `plain_calls`


def plain_calls(text: str) -> str:
    """`ML.F(MODEL m, TABLE t)` as `ML.call_of_F('m', (SELECT * FROM t))`, which every version of sqlglot can read."""
    import sqlglot

    tokens = sqlglot.tokenize(text, read="bigquery")
    words = [token.text.upper() for token in tokens]
    parts, done = [], 0

    def path(begin: int) -> int:
        """The token behind a name."""
        return next((k for k in range(begin, len(tokens)) if words[k] in (",", ")")), len(tokens))

    for i in range(len(tokens) - 5):
        if (words[i], words[i + 1], words[i + 3], words[i + 4]) != ("ML", ".", "(", "MODEL"):
            continue
        end = path(i + 5)
        name = text[tokens[i + 5].start : tokens[end - 1].end + 1].replace("`", "")
        parts += [text[done : tokens[i + 2].start], f"{CALL}{words[i + 2]}('{name}'"]
        done = tokens[end - 1].end + 1
        if words[end : end + 2] == [",", "TABLE"]:
            last = path(end + 2) - 1
            table = text[tokens[end + 2].start : tokens[last].end + 1]
            parts.append(f", (SELECT * FROM {table})")
            done = tokens[last].end + 1
    return "".join([*parts, text[done:]])


def is_call(table: exp.Table) -> bool:
    """True for what `plain_calls` has made of a function on a model."""
    from sqlglot import exp

    return isinstance(table.this, exp.Anonymous) and table.this.name.startswith(CALL)


def visible(table: exp.Table) -> list[exp.CTE]:
    """Common table expressions that a subquery at this place can name: those before the one that it stands in."""
    from sqlglot import exp

    around, found, node = set(), [], table.parent
    while node is not None:
        around.add(id(node))
        with_ = node.args.get("with_") or node.args.get("with")
        for cte in with_.expressions if with_ else []:
            if id(cte) in around:
                break
            found.append(cte)
        node = node.parent
    return [cte for cte in found if isinstance(cte, exp.CTE)]


def constant(value: exp.Expression) -> Any:
    """A literal of SQL as Python has it."""
    from sqlglot import exp

    if isinstance(value, exp.Array):
        return [constant(one) for one in value.expressions]
    if isinstance(value, (exp.Literal, exp.Boolean, exp.Neg)):
        return value.to_py()
    raise CloudError("UNIMPLEMENTED", f"BigQuery ML's {value.sql(dialect='bigquery')} is not implemented here.")


def floats(statement: exp.Query) -> exp.Query:
    """A number with a point is a FLOAT64 in BigQuery, and a decimal in DuckDB unless it has an exponent."""
    from sqlglot import exp

    for number in list(statement.find_all(exp.Literal)):
        if not number.is_string and "." in number.this and "e" not in number.this.lower():
            number.replace(exp.Literal.number(f"{number.this}e0"))
    return statement
