"""Whatever holds Arrow data as record batches of a size that one message takes."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import pyarrow as pa

BATCH_ROWS = 65_536
BATCH_BYTES = 16 * 1024 * 1024


def batches_of(data: Any) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Schema and batches, none larger than BATCH_ROWS and about BATCH_BYTES. The same data is cut the same way."""
    reader = _reader_of(data)
    return reader.schema, (piece for batch in reader for piece in _pieces(batch))


def _reader_of(data: Any) -> pa.RecordBatchReader:
    if isinstance(data, pa.RecordBatchReader):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.RecordBatchReader.from_batches(data.schema, [data])
    if isinstance(data, Mapping):
        return pa.table(dict(data)).to_reader()
    if type(data).__module__.split(".")[0] == "pandas":
        # By pandas' own stream an index without a name would become a column.
        frame = _with_named_index(data)
        return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None).to_reader()
    if hasattr(data, "collect") and not hasattr(data, "__arrow_c_stream__"):
        data = data.collect()
    if hasattr(data, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(data)
    if hasattr(data, "__arrow_c_array__"):
        batch = pa.record_batch(data)
        return pa.RecordBatchReader.from_batches(batch.schema, [batch])
    return _reader_of_items(data)


def _reader_of_items(data: Any) -> pa.RecordBatchReader:
    """Rows as dicts, or record batches."""
    if not hasattr(data, "__iter__") or isinstance(data, (str, bytes)):
        raise TypeError(f"{type(data).__name__} is no table: give a data frame, Arrow data, or a list of dicts")
    items = iter(data)
    first = next(items, None)
    if isinstance(first, pa.RecordBatch):
        return pa.RecordBatchReader.from_batches(first.schema, chain([first], items))
    if isinstance(first, Mapping):
        return _table_of_rows([dict(row) for row in chain([first], items)]).to_reader()
    raise TypeError("an iterable to write is one of record batches, or of dicts, and not empty")


def _with_named_index(frame: Any) -> Any:
    """An index with a name (of `set_index`, `groupby`) holds data; one without counts rows."""
    levels = [name for name in frame.index.names if name is not None and name not in frame.columns]
    return frame.reset_index(level=levels) if levels else frame


def _table_of_rows(rows: list[dict[str, Any]]) -> pa.Table:
    """With the columns of all rows: pyarrow alone takes the first row's, and drops the others' without a word."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: pa.array([row.get(name) for row in rows]) for name in names})


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    rows = BATCH_ROWS
    if batch.nbytes > BATCH_BYTES:
        rows = min(rows, max(1, batch.num_rows * BATCH_BYTES // batch.nbytes))
    if batch.num_rows <= rows:
        yield batch
        return
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)


def fitted(schema: pa.Schema, table: pa.Schema) -> pa.Schema:
    """`schema` with its numbers as the table's columns have them: data frames know 64-bit numbers only."""
    names = {field.name.casefold(): field for field in table}
    fields = []
    for field in schema:
        column = names.get(field.name.casefold())
        fits = column is not None and column.type != field.type and _is_number(column.type) and _is_number(field.type)
        fields.append(field.with_type(column.type) if fits else field)
    return pa.schema(fields)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)
