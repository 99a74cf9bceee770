"""One table: writes through its buffer, scans of the lake."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.flight as flight

from .arrow_data import batches_of, fitted
from .errors import EiderError
from .primary_key import primary_key
from .put import Put
from .retry import repeated, told
from .rows import Rows
from .session import Session
from .where import Where, condition, quoted

_PART = re.compile(r'\s*(?:"((?:[^"]|"")+)"|([^".]+?))\s*(?:(\.)|$)')


@dataclass(frozen=True)
class Written:
    """What a write did: durable rows, and the batches that they came in."""

    rows: int
    batches: int


class Table:
    """Use `Client.table`. The table need not exist: the first rows create it, where the server may."""

    def __init__(self, session: Session, retries: int, name: str | Sequence[str]):
        self._session = session
        self._retries = retries
        self.path = path_of(name)

    @property
    def name(self) -> str:
        """As SQL writes it."""
        return ".".join(quoted(part) for part in self.path)

    def append(self, data: Any, *, token: str | None = None) -> Written:
        """
        Adds rows; on a table with a primary key they replace those of the same key. Returns once they are durable.
        Rows of the same `token` are stored once, by however many runs of the program; without one that holds for this
        call alone. Raises an EiderError; the batches before the one that failed are stored.
        """
        return self._put(data, None, token)

    def merge(self, data: Any, *, on: str | Sequence[str], token: str | None = None) -> Written:
        """
        Replaces the rows of the same key, adds the others. `on` is the primary key: a missing table is created with it,
        a table with another or none is refused. Otherwise as `append`.
        """
        columns = [on] if isinstance(on, str) else list(on)
        schema, batches = batches_of(data)
        key = self.primary_key if self.schema is not None else self._create(schema, columns)
        if [name.casefold() for name in key] != [name.casefold() for name in columns]:
            has = f"the primary key ({', '.join(key)})" if key else "no primary key"
            raise EiderError(
                f"{self.name} has {has}, so rows cannot be merged on ({', '.join(columns)}); "
                "set_primary_key sets one, after checking the rows",
                "primary_key_missing",
            )
        return self._put_batches(schema, batches, "upsert", token)

    def delete(self, keys: Any, *, token: str | None = None) -> Written:
        """
        Deletes the rows of these keys: a list of values where the key has one column, otherwise data with the key's
        columns (others are not sent). `Written.rows` counts keys, whether they were there or not.
        """
        key = self.primary_key
        if not key:
            raise EiderError(
                f"{self.name} has no primary key: set one by set_primary_key, or delete by SQL", "primary_key_missing"
            )
        if isinstance(keys, pa.Table):
            return self._put(keys.select(key), "delete", token)
        if _is_list_of_values(keys):
            if len(key) > 1:
                raise EiderError(f"the key of {self.name} has the columns {', '.join(key)}: give data with them")
            keys = {key[0]: keys}
        schema, batches = batches_of(keys)
        names = [name for name in schema.names if name.casefold() in {column.casefold() for column in key}]
        only_key = pa.schema([schema.field(name) for name in names])
        return self._put_batches(only_key, (batch.select(names) for batch in batches), "delete", token)

    def scan(
        self,
        columns: Sequence[str] | None = None,
        where: Where = None,
        *,
        parameters: Sequence[Any] | None = None,
        order_by: str | Sequence[str] | None = None,
        limit: int | None = None,
    ) -> Rows:
        """Rows of the lake, with those that this client has written. Columns and filters are the server's work."""
        text, values = condition(where, parameters)
        if isinstance(columns, str):
            raise TypeError(f"columns are a list of names, not {columns!r}")
        names = "*" if columns is None else ", ".join(quoted(name) for name in columns)
        sql = f"SELECT {names} FROM {self.name}"
        if text is not None:
            sql += f" WHERE {text}"
        if order_by is not None:
            sql += f" ORDER BY {', '.join(quoted(name) for name in ([order_by] if isinstance(order_by, str) else order_by))}"
        if limit is not None:
            sql += f" LIMIT {int(limit)}"
        return Rows(self._session, self._retries, sql, values, repeatable=True)

    def flush(self) -> None:
        """Returns once the rows that wait for this table, anybody's, are committed to the lake."""
        name = self.name.replace("'", "''")
        repeated(self._session, self._retries, lambda: self._execute(f"CALL duckling_queue_flush('{name}')"))

    @property
    def schema(self) -> pa.Schema | None:
        """The table's columns; None where there is no table."""

        def read() -> pa.Schema | None:
            try:
                return self._session.flight.get_schema(flight.FlightDescriptor.for_path(*self.path)).schema
            except KeyError:
                return None

        return repeated(self._session, self._retries, read)

    @property
    def primary_key(self) -> list[str]:
        """The key's columns; none where it has no key."""

        def read() -> list[str]:
            return primary_key(self._session.flight, self._schema_name(), self.path[-1])

        return repeated(self._session, self._retries, read)

    def set_primary_key(self, *columns: str) -> None:
        """Raises an EiderError where rows of the table have equal keys."""
        told(self._session, lambda: self._execute(self._key_sql(columns)))

    def _schema_name(self) -> str:
        if len(self.path) > 1:
            return self.path[-2]
        with self._session.cursor() as cursor:
            cursor.execute("SELECT current_schema()")
            return cursor.fetchone()[0]

    def _create(self, schema: pa.Schema, columns: list[str]) -> list[str]:
        """Table and key; resolves to the key that it then has, which is another's where that was quicker."""
        missing = [column for column in columns if column not in schema.names]
        if missing:
            raise EiderError(f"the data have no column {', '.join(missing)} to merge on", "schema_mismatch")

        def make() -> None:
            with self._session.cursor() as cursor:
                options = {} if len(self.path) == 1 else {"db_schema_name": self.path[-2]}
                cursor.adbc_ingest(self.path[-1], pa.RecordBatch.from_pylist([], schema), mode="create", **options)
                cursor.execute(self._key_sql(columns))

        try:
            told(self._session, make)
        except EiderError as error:
            if error.code != "already_exists":
                raise
        return self.primary_key

    def _key_sql(self, columns: Sequence[str]) -> str:
        names = ", ".join("'" + column.replace("'", "''") + "'" for column in columns)
        return "CALL eider_set_primary_key('" + self.name.replace("'", "''") + f"', [{names}])"

    def _execute(self, sql: str) -> None:
        with self._session.cursor() as cursor:
            cursor.execute(sql)

    def _put(self, data: Any, op: str | None, token: str | None) -> Written:
        schema, batches = batches_of(data)
        return self._put_batches(schema, batches, op, token)

    def _put_batches(self, schema: pa.Schema, batches: Any, op: str | None, token: str | None) -> Written:
        table = self.schema
        fits = schema if table is None else fitted(schema, table)
        if not fits.equals(schema):
            batches = (batch.cast(fits) for batch in batches)
        put = Put(self._session, self.path, fits, op, token or str(uuid4()))
        put.run(iter(batches), self._retries)
        return Written(put.rows, put.batches)


def _is_list_of_values(keys: Any) -> bool:
    if isinstance(keys, (pa.Array, pa.ChunkedArray, set, range)):
        return True
    return isinstance(keys, (list, tuple)) and not any(isinstance(key, (dict, pa.RecordBatch)) for key in keys[:1])


def path_of(name: str | Sequence[str]) -> tuple[str, ...]:
    """`events`, `analytics.events` (parts with dots or quotes in double quotes, as in SQL), or the parts."""
    if not isinstance(name, str):
        return tuple(name)
    parts, at = [], 0
    while True:
        match = _PART.match(name, at)
        if match is None or (match.end() == len(name)) == bool(match[3]):
            raise EiderError(f"{name!r} does not name a table: write table or schema.table")
        parts.append(match[1].replace('""', '"') if match[1] else match[2])
        at = match.end()
        if at == len(name):
            return tuple(parts)
