"""The work of bench/scale.mjs: one step on a running server, told in JSON; prints what it measured as JSON."""

import json
import random
import sys
import threading
import time

import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow as pa
import pyarrow.flight as flight
from common import CLIENT_ROWS, COLUMNS, latencies, put_batch, rows

given = json.loads(sys.argv[1])
WRITERS = 8
PROBES = 50


def run_sql(*texts: str) -> list[float]:
    """Seconds of each statement, its rows fetched."""
    taken = []
    with flight_sql.connect(given["uri"], autocommit=True) as connection, connection.cursor() as cursor:
        for text in texts:
            start = time.perf_counter()
            cursor.execute(text)
            cursor.fetchall()
            taken.append(time.perf_counter() - start)
    return taken


def put_all(batches: list[tuple[str, pa.RecordBatch]], writers: int = WRITERS) -> dict:
    """One DoPut a batch; each writer takes the next batch once its last is acknowledged."""
    waiting = iter(batches)
    lock = threading.Lock()
    taken: list[float] = []

    def work() -> None:
        with flight.connect(given["uri"]) as client:
            while True:
                with lock:
                    item = next(waiting, None)
                if item is None:
                    return
                table, batch = item
                start = time.perf_counter()
                put_batch(client, table, batch)
                taken.append((time.perf_counter() - start) * 1000)

    start = time.perf_counter()
    threads = [threading.Thread(target=work) for _ in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(taken) != len(batches):
        raise SystemExit("a writer failed")
    return latencies(taken, time.perf_counter() - start)


def small_batches(tables: list[str], count: int) -> list[tuple[str, pa.RecordBatch]]:
    batch = rows(CLIENT_ROWS).to_batches()[0]
    return [(tables[i % len(tables)], batch) for i in range(count)]


def create_tables() -> dict:
    return {"seconds": sum(run_sql(*[f"CREATE TABLE t{i} ({COLUMNS})" for i in range(given["tables"])]))}


def put_over_tables() -> dict:
    return put_all(small_batches([f"t{i}" for i in range(given["tables"])], given["batches"]))


def put_and_seal() -> dict:
    """A batch a segment: the server takes no more rows than that into one."""
    return put_all(small_batches(["t0"], given["segments"]), writers=1)


def flush() -> dict:
    return {"seconds": run_sql("CALL duckling_queue_flush()")[0]}


def count_rows() -> dict:
    with flight_sql.connect(given["uri"], autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {given['table']}")
        return {"rows": cursor.fetchone()[0]}


def grow() -> dict:
    """Rows by a direct INSERT, which no queue sees: the quickest way to a large table."""
    table, first, end = given["table"], given["first"], given["end"]
    key = "BIGINT PRIMARY KEY" if given["keyed"] else "BIGINT"
    statements = [
        f"CREATE TABLE IF NOT EXISTS {table} ({COLUMNS.replace('BIGINT', key, 1)})",
        f"INSERT INTO {table} SELECT i, make_timestamp(1700000000000000 + i), lpad(i::VARCHAR, 16, 'x'), i * 0.25, i % 2 = 0"
        f" FROM range({first}, {end}) r(i)",
    ]
    return {"seconds": sum(run_sql(*statements))}


def write_to_grown() -> dict:
    """Acknowledgements, and the flush, of `count` rows: new ones, or for a keyed table upserts all over it."""
    table, size, count = given["table"], given["size"], given["count"]
    first = size if not given["keyed"] else 0
    batch = rows(count, first)
    if given["keyed"]:
        ids = random.Random(7).sample(range(size), count)
        batch = batch.set_column(0, "id", pa.array(ids, pa.int64()))
    parts = [(table, part) for part in batch.to_batches(max_chunksize=count // PROBES)]
    acknowledged = put_all(parts, writers=1)
    flushed = run_sql(f"CALL duckling_queue_flush('{table}')")[0]
    reads = run_sql(*[f"SELECT * FROM {table} WHERE id = {random.Random(i).randrange(size)}" for i in range(20)])
    return {"ackP50Ms": acknowledged["p50Ms"], "flushSeconds": flushed, "lookupP50Ms": sorted(reads)[10] * 1000}


print(json.dumps(globals()[given["step"]]()))
