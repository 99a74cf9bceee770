"""Conditions as SQL with parameters."""

from collections.abc import Mapping, Sequence
from typing import Any

Where = str | Mapping[str, Any] | Sequence[Any] | None

OPERATORS = {
    "=": "=",
    "==": "=",
    "!=": "<>",
    "<>": "<>",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
    "in": "IN",
    "not in": "NOT IN",
    "like": "LIKE",
}


def condition(where: Where, parameters: Sequence[Any] | None) -> tuple[str | None, list[Any]]:
    """The text after WHERE, None for all rows, and the values of its `?`."""
    if where is None:
        return None, _none(parameters)
    if isinstance(where, str):
        return f"({where})", listed(parameters)
    _none(parameters)
    if isinstance(where, Mapping):
        where = [(name, "in" if isinstance(value, (list, tuple, set)) else "=", value) for name, value in where.items()]
    if not where:
        return None, []
    alternatives = [where] if isinstance(where[0], tuple) else where
    values: list[Any] = []
    text = " OR ".join(
        "(" + " AND ".join(_term(*term, values=values) for term in alternative) + ")" for alternative in alternatives
    )
    return text, values


def listed(parameters: Sequence[Any] | None) -> list[Any]:
    """The values of `?`, in their order. Of a dict a list would be its keys, of a text its letters."""
    if isinstance(parameters, (Mapping, str, bytes)):
        raise TypeError(f"parameters are a list of values, in the order of the ?, not a {type(parameters).__name__}")
    return list(parameters or [])


def _none(parameters: Sequence[Any] | None) -> list[Any]:
    if parameters:
        raise TypeError("parameters are the values of the ? in a where of SQL text")
    return []


def _term(name: str, operator: str, value: Any, *, values: list[Any]) -> str:
    sql = OPERATORS.get(operator.lower())
    if sql is None:
        raise ValueError(f"{operator!r} is no operator of a filter: {', '.join(OPERATORS)}")
    column = quoted(name)
    if value is None and sql in ("=", "<>"):
        return f"{column} IS {'NOT ' if sql == '<>' else ''}NULL"
    if sql in ("IN", "NOT IN"):
        return _membership(column, sql, value, values)
    values.append(value)
    return f"{column} {sql} ?"


def _membership(column: str, sql: str, value: Any, values: list[Any]) -> str:
    """None in the list is NULL, as with `=`; in SQL `IN` never finds it, and `NOT IN` then finds no row at all."""
    if isinstance(value, (str, bytes)):
        raise TypeError(f"{sql.lower()} takes a list of values, not {value!r}")
    listed = list(value)
    if not listed:
        return "FALSE" if sql == "IN" else "TRUE"
    items = [item for item in listed if item is not None]
    terms = []
    if items:
        values.extend(items)
        terms.append(f"{column} {sql} ({', '.join('?' * len(items))})")
    if len(items) < len(listed):
        terms.append(f"{column} IS NULL" if sql == "IN" else f"{column} IS NOT NULL")
    text = (" OR " if sql == "IN" else " AND ").join(terms)
    return f"({text})" if len(terms) > 1 else text


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
