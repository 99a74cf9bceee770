"""Eider's side: the same work through ADBC and pyarrow.flight against a running server."""

import multiprocessing
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow as pa
import pyarrow.flight as flight
from common import (
    BATCH_ROWS,
    CLIENT_ROWS,
    CLIENTS,
    COLUMNS,
    best,
    keyed_rows,
    latencies,
    options,
    progress,
    put_batch,
    rate,
    report,
    rows,
)

PROCESSES = 4
"""The clients share these: one interpreter's lock would otherwise be what is measured."""
WINDOW = 64
"""Batches in flight of a pipelined stream."""


def connect(given: dict):
    return flight_sql.connect(given["flightUri"], autocommit=True)


def in_batches(table: pa.Table) -> pa.RecordBatchReader:
    """ADBC refuses to send a message above 16 MiB, which a table of one chunk would be."""
    return table.to_reader(max_chunksize=BATCH_ROWS)


def measure_bulk(given: dict, measurements: dict) -> None:
    table = rows(given["rows"])
    durable, in_lake = [], []
    with connect(given) as connection, connection.cursor() as cursor:
        for run in range(given["repeat"]):
            start = time.perf_counter()
            cursor.adbc_ingest(f"bulk_{run}", in_batches(table), mode="create")
            durable.append(given["rows"] / (time.perf_counter() - start))
            cursor.execute(f"CALL duckling_queue_flush('main.bulk_{run}')")
            in_lake.append(given["rows"] / (time.perf_counter() - start))
    measurements["bulk.durable"] = {"value": max(durable), "all": durable}
    measurements["bulk.lake"] = {"value": max(in_lake), "all": in_lake}


def ingest_calls(given: dict, table: str, deadline: float, taken: list) -> None:
    batch = rows(CLIENT_ROWS)
    with connect(given) as connection, connection.cursor() as cursor:
        while time.perf_counter() < deadline:
            start = time.perf_counter()
            cursor.adbc_ingest(table, batch, mode="append")
            taken.append((time.perf_counter() - start) * 1000)


def put_calls(given: dict, table: str, deadline: float, taken: list) -> None:
    client = flight.connect(given["flightUri"])
    batch = rows(CLIENT_ROWS).to_batches()[0]
    while time.perf_counter() < deadline:
        start = time.perf_counter()
        put_batch(client, table, batch)
        taken.append((time.perf_counter() - start) * 1000)
    client.close()


def stream_calls(given: dict, table: str, deadline: float, taken: list) -> None:
    client = flight.connect(given["flightUri"])
    batch = rows(CLIENT_ROWS).to_batches()[0]
    writer, acknowledgements = client.do_put(flight.FlightDescriptor.for_path(table), batch.schema)
    while time.perf_counter() < deadline:
        start = time.perf_counter()
        writer.write_batch(batch)
        acknowledgements.read()
        taken.append((time.perf_counter() - start) * 1000)
    writer.close()
    client.close()


def pipelined_calls(given: dict, table: str, deadline: float, taken: list) -> None:
    client = flight.connect(given["flightUri"])
    batch = rows(CLIENT_ROWS).to_batches()[0]
    writer, acknowledgements = client.do_put(flight.FlightDescriptor.for_path(table), batch.schema)
    free = threading.Semaphore(WINDOW)
    started: list = []

    def read() -> None:
        done = 0
        while acknowledgements.read() is not None:
            taken.append((time.perf_counter() - started[done]) * 1000)
            done += 1
            free.release()

    reader = threading.Thread(target=read)
    reader.start()
    while time.perf_counter() < deadline:
        free.acquire()
        started.append(time.perf_counter())
        writer.write_batch(batch)
    writer.done_writing()
    reader.join()
    writer.close()
    client.close()


def insert_calls(given: dict, table: str, deadline: float, taken: list) -> None:
    with connect(given) as connection, connection.cursor() as cursor:
        number = 0
        while time.perf_counter() < deadline:
            number += 1
            start = time.perf_counter()
            cursor.execute(f"INSERT INTO duckling_queue.{table} (id, name) VALUES ({number}, 'eider')")
            taken.append((time.perf_counter() - start) * 1000)


@dataclass(frozen=True)
class Way:
    """How small writes come in, by how many clients at once, and how many rows each brings."""

    call: Callable
    clients: int
    rows: int


WAYS = {
    "ingest": Way(ingest_calls, CLIENTS, CLIENT_ROWS),
    "put": Way(put_calls, CLIENTS, CLIENT_ROWS),
    "stream": Way(stream_calls, CLIENTS, CLIENT_ROWS),
    "pipelined": Way(pipelined_calls, CLIENTS, CLIENT_ROWS),
    "insert": Way(insert_calls, 8, 1),
}


def client_process(way: str, given: dict, table: str, ready, go, results) -> None:
    """A quarter of the clients, as threads; they start together with those of the other processes, and warm up."""
    taken: list = []
    ready.release()
    go.wait()

    def run(seconds: float, into: list) -> float:
        start = time.perf_counter()
        arguments = (given, table, start + seconds, into)
        threads = [threading.Thread(target=WAYS[way].call, args=arguments) for _ in range(WAYS[way].clients // PROCESSES)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - start

    warmed: list = []
    run(given["warmUpSeconds"], warmed)
    results.put((run(given["seconds"], taken), taken, len(warmed)))


def measure_way(way: str, given: dict) -> dict:
    """With `storesNothing` nobody looks whether the rows are there."""
    table = f"clients_{way}"
    with connect(given) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest(table, rows(CLIENT_ROWS), mode="create")
    context = multiprocessing.get_context("spawn")
    ready, go, results = context.Semaphore(0), context.Event(), context.Queue()
    processes = [
        context.Process(target=client_process, args=(way, given, table, ready, go, results)) for _ in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    for _ in processes:
        ready.acquire()
    go.set()
    parts = [results.get() for _ in processes]
    for process in processes:
        process.join()
    values = [value for _, part, _ in parts for value in part]
    figures = latencies(values, max(seconds for seconds, _, _ in parts))
    if given.get("storesNothing"):
        return figures
    calls = len(values) + sum(warmed for _, _, warmed in parts)
    with connect(given) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        stored, expected = cursor.fetchone()[0], CLIENT_ROWS + calls * WAYS[way].rows
        if stored < expected:
            # The statement waits for its own session's rows alone; these came from others.
            cursor.execute(f"CALL duckling_queue_flush('main.{table}')")
            cursor.execute(f"SELECT count(*) FROM {table}")
            stored = cursor.fetchone()[0]
        if stored != expected:
            raise SystemExit(f"{way}: {stored} rows in the lake, {expected} acknowledged")
    return figures


def measure_files(given: dict, batches: int = 2_000) -> dict:
    """Parquet files of a table after many small batches, flushed once."""
    client = flight.connect(given["flightUri"])
    batch = rows(CLIENT_ROWS).to_batches()[0]
    writer, acknowledgements = client.do_put(flight.FlightDescriptor.for_path("many_batches"), batch.schema)
    for _ in range(batches):
        writer.write_batch(batch)
        acknowledgements.read()
    writer.close()
    client.close()
    with connect(given) as connection, connection.cursor() as cursor:
        cursor.execute("CALL duckling_queue_flush('main.many_batches')")
        cursor.execute("SELECT count(*) FROM ducklake_list_files('lake', 'many_batches')")
        return {"value": cursor.fetchone()[0], "batches": batches}


def measure_flush(given: dict, measurements: dict) -> None:
    """From the acknowledgement of a large ingest, when its flush begins, to the lake's commit."""
    count = given["flushRows"]
    with connect(given) as connection, connection.cursor() as cursor:

        def flush(table: str, source) -> float:
            cursor.adbc_ingest(table, in_batches(source), mode="append")
            return rate(count, lambda: cursor.execute(f"CALL duckling_queue_flush('main.{table}')"))

        def plain(run: int) -> float:
            cursor.execute(f"CREATE TABLE flush_plain_{run} ({COLUMNS})")
            return flush(f"flush_plain_{run}", rows(count))

        measurements["flush.plain"] = best(given["repeat"], plain)
        cursor.execute(f"CREATE TABLE flush_keyed ({COLUMNS.replace('BIGINT', 'BIGINT PRIMARY KEY', 1)})")
        for part in range(10):
            flush("flush_keyed", rows(count, part * count))
        measurements["flush.keyed"] = {"value": flush("flush_keyed", keyed_rows(count, 10 * count, 7))}


def measure_read_latency(given: dict, measurements: dict) -> None:
    """SELECT of one group while others write as fast as they can, and while nobody does."""

    def latency(cursor) -> dict:
        taken = []
        deadline = time.perf_counter() + given["seconds"]
        while time.perf_counter() < deadline:
            start = time.perf_counter()
            cursor.execute("SELECT count(*), sum(value) FROM select_all WHERE flag")
            cursor.fetchall()
            taken.append((time.perf_counter() - start) * 1000)
        return latencies(taken, given["seconds"])

    with connect(given) as connection, connection.cursor() as cursor:
        measurements["reads.idle"] = read_figure(latency(cursor))
        busy = dict(given, seconds=given["seconds"] + 2 * given["warmUpSeconds"])
        writer = multiprocessing.get_context("spawn").Process(target=bulk_writer, args=(busy,))
        writer.start()
        time.sleep(given["warmUpSeconds"])
        measurements["reads.busy"] = read_figure(latency(cursor))
        writer.join()


def read_figure(figures: dict) -> dict:
    return {"value": figures["p99Ms"], "p50Ms": figures["p50Ms"]}


def bulk_writer(given: dict) -> None:
    table = rows(BATCH_ROWS)
    deadline = time.perf_counter() + given["seconds"]
    with connect(given) as connection, connection.cursor() as cursor:
        while time.perf_counter() < deadline:
            cursor.adbc_ingest("read_latency", table, mode="create_append")


def measure_select(given: dict, measurements: dict) -> None:
    with connect(given) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM information_schema.tables WHERE table_name = 'select_all'")
        if cursor.fetchone()[0] == 0:
            cursor.adbc_ingest("select_all", in_batches(rows(given["rows"])), mode="create")
            cursor.execute("CALL duckling_queue_flush('main.select_all')")

        def select_all(_: int) -> float:
            def work() -> None:
                cursor.execute("SELECT * FROM select_all")
                if cursor.fetch_arrow_table().num_rows != given["rows"]:
                    raise SystemExit("SELECT * lost rows")

            return rate(given["rows"], work)

        measurements["select.all"] = best(given["repeat"], select_all)
    measurements["select.one"] = measure_select_one(given)


def measure_select_one(given: dict) -> dict:
    taken = []
    with connect(given) as connection, connection.cursor() as cursor:
        for _ in range(2_000):
            start = time.perf_counter()
            cursor.execute("SELECT 1")
            cursor.fetchall()
            taken.append((time.perf_counter() - start) * 1000)
    figures = latencies(taken, 1)
    return {"value": figures["p50Ms"], "p99Ms": figures["p99Ms"]}


def measure_idle_server(given: dict) -> dict:
    """The same clients at a server that answers at once and does nothing: what is left for Eider's own work."""
    measurements = {}
    if "clients" in given["only"]:
        for way in WAYS:
            progress(f"idle server: {WAYS[way].clients} clients, {way}")
            measurements[f"idle.{way}"] = measure_way(way, given)
    if "select" in given["only"]:
        progress("idle server: SELECT 1")
        measurements["idle.selectOne"] = measure_select_one(given)
    return measurements


def main() -> None:
    given = options()
    measurements: dict = {}
    if given.get("storesNothing"):
        report(measure_idle_server(given))
        return
    if "bulk" in given["only"]:
        progress("eider: bulk ingest")
        measure_bulk(given, measurements)
    if "clients" in given["only"]:
        for way in WAYS:
            progress(f"eider: {WAYS[way].clients} clients, {way}")
            measurements[f"clients.{way}"] = measure_way(way, given)
        measurements["clients.files"] = measure_files(given)
    if "select" in given["only"]:
        progress("eider: SELECT")
        measure_select(given, measurements)
        progress("eider: reads during ingest")
        measure_read_latency(given, measurements)
    if "flush" in given["only"]:
        progress("eider: flush")
        measure_flush(given, measurements)
    report(measurements)


if __name__ == "__main__":
    main()
