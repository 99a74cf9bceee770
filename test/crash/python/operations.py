"""What the writers write: the same for those who write it and the judge who expects it, from nothing but a number."""

import random
from typing import NamedTuple

import pyarrow as pa

# Ids of operation n are n * STRIDE and on; no operation has more rows.
STRIDE = 4000
KEYS = 40


class Route(NamedTuple):
    """One way in, with a table of its own and one writer."""

    keyed: bool = False
    rows: int = 10
    # Every batch has a token, and is sent again until it is acknowledged.
    tokens: bool = False
    deletes: bool = False
    # Whether the rows come by the buffer and so move the watermark.
    buffered: bool = True


ROUTES = {
    "put_append": Route(),
    "put_tokens": Route(tokens=True),
    "put_keyed": Route(keyed=True, deletes=True),
    "put_keyed_tokens": Route(keyed=True, deletes=True, tokens=True),
    "ingest_small": Route(),
    "ingest_large": Route(rows=STRIDE),
    "ingest_keyed": Route(keyed=True, rows=STRIDE),
    "inserted": Route(),
    "inserted_prepared": Route(),
    "inserted_direct": Route(buffered=False),
}

DDL = {
    "put_keyed": "id BIGINT PRIMARY KEY, v BIGINT",
    "put_keyed_tokens": "id BIGINT PRIMARY KEY, v BIGINT",
    "ingest_keyed": "id BIGINT PRIMARY KEY, v BIGINT",
    "inserted": "id BIGINT, text VARCHAR",
    "inserted_prepared": "id BIGINT, text VARCHAR",
    "inserted_direct": "id BIGINT, text VARCHAR",
}


def append_batch(n, rows):
    ids = list(range(n * STRIDE, n * STRIDE + rows))
    return pa.record_batch({"id": pa.array(ids, pa.int64()), "text": [f"text of row {i} in full" for i in ids]})


def keyed_change(route, n):
    """The op and the keys of operation n; a key may occur more than once: the last counts."""
    op = "delete" if route.deletes and n % 5 == 4 else "upsert"
    return op, random.Random(n).choices(range(KEYS), k=route.rows)


def keyed_batch(route, n):
    op, keys = keyed_change(route, n)
    columns = {"id": pa.array(keys, pa.int64())}
    if op == "upsert":
        columns["v"] = pa.array(range(n * STRIDE, n * STRIDE + len(keys)), pa.int64())
    return op, pa.record_batch(columns)


def keyed_effect(route, n):
    """Key to value, None for a deleted one."""
    op, keys = keyed_change(route, n)
    return {key: None if op == "delete" else n * STRIDE + i for i, key in enumerate(keys)}
