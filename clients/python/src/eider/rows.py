"""What a query gives, in whatever shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from .errors import LIBRARY_ERRORS, error_of
from .retry import repeated, told
from .session import Session

if TYPE_CHECKING:
    import pandas
    import polars


class Rows:
    """A query that runs, each time anew, when its rows are asked for."""

    def __init__(self, session: Session, retries: int, sql: str, parameters: Sequence[Any], repeatable: bool):
        self._session = session
        self._retries = retries
        self._repeatable = repeatable
        self.sql = sql
        self.parameters = list(parameters)

    def to_arrow(self) -> pa.Table:
        schema, batches = self._open()
        return pa.Table.from_batches(batches, schema)

    def to_pandas(self, **options: Any) -> pandas.DataFrame:
        """`options` are those of `pyarrow.Table.to_pandas`."""
        return self.to_arrow().to_pandas(**options)

    def to_polars(self) -> polars.DataFrame:
        import polars

        return polars.from_arrow(self.to_arrow())

    def to_pylist(self) -> list[dict[str, Any]]:
        return self.to_arrow().to_pylist()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """While the server computes. Leaving early cancels the query."""
        return self._open()[1]

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        schema, batches = self._open()
        return pa.RecordBatchReader.from_batches(schema, batches).__arrow_c_stream__(requested_schema)

    def _open(self) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        call: Callable[[], tuple[Any, pa.RecordBatchReader]] = self._begin
        limit = self._retries if self._repeatable else None
        cursor, reader = told(self._session, call) if limit is None else repeated(self._session, limit, call)
        return reader.schema, self._read(cursor, reader)

    def _begin(self) -> tuple[Any, pa.RecordBatchReader]:
        cursor = self._session.adbc.cursor()
        try:
            cursor.execute(self.sql, self.parameters or None)
            return cursor, cursor.fetch_record_batch()
        except BaseException:
            cursor.close()
            raise

    def _read(self, cursor: Any, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        try:
            with reader:
                yield from reader
        except LIBRARY_ERRORS as error:
            raise error_of(error, None) from error
        finally:
            cursor.close()
