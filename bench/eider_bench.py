"""Eider's side: the same work through ADBC and pyarrow.flight against a running server."""

import multiprocessing
import threading
import time

import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow as pa
import pyarrow.flight as flight
from common import BATCH_ROWS, CLIENT_ROWS, CLIENTS, best, latencies, options, progress, rate, report, rows

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
        writer, acknowledgements = client.do_put(flight.FlightDescriptor.for_path(table), batch.schema)
        writer.write_batch(batch)
        acknowledgements.read()
        writer.close()
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


WAYS = {"ingest": ingest_calls, "put": put_calls, "stream": stream_calls, "pipelined": pipelined_calls}


def client_process(way: str, given: dict, table: str, ready, go, results) -> None:
    """A quarter of the clients, as threads; they start together with those of the other processes."""
    taken: list = []
    ready.release()
    go.wait()
    deadline = time.perf_counter() + given["seconds"]
    arguments = (given, table, deadline, taken)
    threads = [threading.Thread(target=WAYS[way], args=arguments) for _ in range(CLIENTS // PROCESSES)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put((time.perf_counter() - start, taken))


def measure_way(way: str, given: dict) -> dict:
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
    values = [value for _, part in parts for value in part]
    figures = latencies(values, max(seconds for seconds, _ in parts))
    with connect(given) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        stored, expected = cursor.fetchone()[0], (len(values) + 1) * CLIENT_ROWS
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
        taken = []
        for _ in range(2_000):
            start = time.perf_counter()
            cursor.execute("SELECT 1")
            cursor.fetchall()
            taken.append((time.perf_counter() - start) * 1000)
    figures = latencies(taken, 1)
    measurements["select.one"] = {"value": figures["p50Ms"], "p99Ms": figures["p99Ms"]}


def main() -> None:
    given = options()
    measurements: dict = {}
    if "bulk" in given["only"]:
        progress("eider: bulk ingest")
        measure_bulk(given, measurements)
    if "clients" in given["only"]:
        for way in WAYS:
            progress(f"eider: {CLIENTS} clients, {way}")
            measurements[f"clients.{way}"] = measure_way(way, given)
        measurements["clients.files"] = measure_files(given)
    if "select" in given["only"]:
        progress("eider: SELECT")
        measure_select(given, measurements)
    report(measurements)


if __name__ == "__main__":
    main()
