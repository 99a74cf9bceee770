"""Writers of every route, one thread and one table each, until the server dies or the work is done.

Each remembers what was acknowledged and what was under way when the connection broke; printed as one JSON line. Input:
{"uri", "start": number of the first operation, "count": operations per writer, "routes": names, "stop_file": optional}.
"""

import json
import os
import random
import sys
import threading

import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow as pa
import pyarrow.flight as flight

ROWS = 10
LARGE_ROWS = 4000
KEYS = 40


def append_batch(n, rows=ROWS):
    ids = list(range(n * LARGE_ROWS, n * LARGE_ROWS + rows))
    return pa.record_batch({"id": pa.array(ids, pa.int64()), "text": [f"text of row {i} in full" for i in ids]})


def keyed_change(n):
    """Operation n on a keyed table: the same for writer and judge. A key may occur twice in one batch: the last counts."""
    random_source = random.Random(n)
    keys = [random_source.randrange(KEYS) for _ in range(ROWS)]
    return ("delete" if n % 5 == 4 else "upsert", keys)


def keyed_batch(n):
    op, keys = keyed_change(n)
    if op == "delete":
        return op, pa.record_batch({"id": pa.array(keys, pa.int64())})
    return op, pa.record_batch({"id": pa.array(keys, pa.int64()), "v": pa.array([n * 100 + i for i in range(len(keys))], pa.int64())})


class PathWriter:
    """DoPut to a path: one stream, a batch an operation."""

    def __init__(self, uri, table, keyed):
        self.client = flight.connect(uri)
        self.table = table
        self.keyed = keyed
        self.streams = {}

    def write(self, n):
        op, batch = keyed_batch(n) if self.keyed else ("insert", append_batch(n))
        if op not in self.streams:
            descriptor = flight.FlightDescriptor.for_path(self.table)
            self.streams[op] = self.client.do_put(descriptor, batch.schema)
        writer, reader = self.streams[op]
        writer.write_with_metadata(batch, json.dumps({"op": op}).encode())
        if reader.read() is None:
            raise RuntimeError("the stream ended")


class SqlWriter:
    def __init__(self, uri, table):
        self.connection = flight_sql.connect(uri, autocommit=True)
        self.cursor = self.connection.cursor()
        self.table = table


class IngestWriter(SqlWriter):
    rows = ROWS

    def write(self, n):
        self.cursor.adbc_ingest(self.table, append_batch(n, self.rows), mode="create_append")


class LargeIngestWriter(IngestWriter):
    rows = LARGE_ROWS


class InsertWriter(SqlWriter):
    def write(self, n):
        rows = append_batch(n).to_pylist()
        values = ", ".join(f"({row['id']}, '{row['text']}')" for row in rows)
        self.cursor.execute(f"INSERT INTO duckling_queue.{self.table} VALUES {values}")


class PreparedInsertWriter(SqlWriter):
    def write(self, n):
        rows = [(row["id"], row["text"]) for row in append_batch(n).to_pylist()]
        self.cursor.executemany(f"INSERT INTO duckling_queue.{self.table} VALUES (?, ?)", rows)


ROUTES = {
    "put_append": lambda uri, table: PathWriter(uri, table, keyed=False),
    "put_keyed": lambda uri, table: PathWriter(uri, table, keyed=True),
    "ingest_small": IngestWriter,
    "ingest_large": LargeIngestWriter,
    "inserted": InsertWriter,
    "inserted_prepared": PreparedInsertWriter,
}

DDL = {
    "put_keyed": "CREATE TABLE IF NOT EXISTS put_keyed (id BIGINT PRIMARY KEY, v BIGINT)",
    "inserted": "CREATE TABLE IF NOT EXISTS inserted (id BIGINT, text VARCHAR)",
    "inserted_prepared": "CREATE TABLE IF NOT EXISTS inserted_prepared (id BIGINT, text VARCHAR)",
}


def run(route, uri, start, count, stop_file, results):
    acknowledged, under_way, error = [], [], None
    try:
        writer = ROUTES[route](uri, route)
        for n in range(start, start + count):
            if stop_file and os.path.exists(stop_file):
                break
            under_way = [n]
            writer.write(n)
            acknowledged.append(n)
            under_way = []
    except Exception as caught:  # noqa: BLE001 - a killed server shows itself in many ways
        error = str(caught)[:500]
    results[route] = {"acknowledged": acknowledged, "under_way": under_way, "error": error}


def main():
    job = json.load(sys.stdin)
    results = {}
    try:
        with flight_sql.connect(job["uri"], autocommit=True) as connection, connection.cursor() as cursor:
            for route in job["routes"]:
                if route in DDL:
                    cursor.execute(DDL[route])
    except Exception as caught:  # noqa: BLE001
        print(json.dumps({route: {"acknowledged": [], "under_way": [], "error": f"setup: {caught}"[:500]} for route in job["routes"]}))
        return
    threads = [
        threading.Thread(target=run, args=(route, job["uri"], job["start"], job["count"], job.get("stop_file"), results))
        for route in job["routes"]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(results))


if __name__ == "__main__":
    main()
