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
        return f"({where})", list(parameters or [])
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
        items = list(value)
        if not items:
            return "FALSE" if sql == "IN" else "TRUE"
        values.extend(items)
        return f"{column} {sql} ({', '.join('?' * len(items))})"
    values.append(value)
    return f"{column} {sql} ?"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
