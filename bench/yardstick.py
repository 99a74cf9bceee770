"""The yardsticks: DuckDB's Python package doing the same work in its own process, one thread a statement."""

import os
import platform
import threading
import time
from importlib.metadata import version

import duckdb
from common import (
    CLIENT_ROWS,
    CLIENTS,
    COLUMNS,
    best,
    keyed_rows,
    latencies,
    options,
    progress,
    rate,
    report,
    rows,
)


def open_file(given: dict, name: str):
    connection = duckdb.connect(os.path.join(given["scratch"], f"{name}.db"))
    connection.execute("SET threads = 1")
    return connection, ""


def open_ducklake(given: dict, name: str):
    connection = duckdb.connect()
    connection.execute("SET threads = 1")
    connection.execute(f"LOAD '{given['extension']}'")
    folder = os.path.join(given["scratch"], f"{name}-lake")
    os.makedirs(folder)
    connection.execute(f"ATTACH 'ducklake:{folder}/catalog.ducklake' AS lake (DATA_PATH '{folder}/data')")
    return connection, "lake."


PLACES = {"file": open_file, "ducklake": open_ducklake}


def measure_bulk(given: dict, place: str, connection, prefix: str) -> dict:
    table = rows(given["rows"])

    def work(run: int) -> float:
        name = f"{prefix}bulk_{run}"
        connection.execute(f"CREATE TABLE {name} ({COLUMNS})")
        connection.register("source", table)
        return rate(given["rows"], lambda: connection.execute(f"INSERT INTO {name} SELECT * FROM source"))

    return best(given["repeat"], work)


def measure_clients(given: dict, connection, prefix: str) -> dict:
    connection.execute(f"CREATE TABLE {prefix}clients ({COLUMNS})")
    batch = rows(CLIENT_ROWS)
    taken: list = []
    deadline = time.perf_counter() + given["seconds"]

    def client(index: int) -> None:
        cursor = connection.cursor()
        cursor.register(f"batch_{index}", batch)
        while time.perf_counter() < deadline:
            start = time.perf_counter()
            try:
                cursor.execute(f"INSERT INTO {prefix}clients SELECT * FROM batch_{index}")
            except duckdb.Error:
                # DuckLake refuses commits that conflict; a refused batch does not count.
                continue
            taken.append((time.perf_counter() - start) * 1000)

    threads = [threading.Thread(target=client, args=(index,)) for index in range(CLIENTS)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return latencies(taken, time.perf_counter() - start)


def measure_flush(given: dict, connection) -> dict:
    """What a flush must do, by hand: rows of a DuckDB file into the lake; and by key into a table ten times as large."""
    count = given["flushRows"]
    path = os.path.join(given["scratch"], "flush-source.db")
    connection.execute(f"ATTACH '{path}' AS source")
    figures = {}
    connection.register("arrow_rows", rows(count))
    connection.execute("CREATE TABLE source.plain AS SELECT * FROM arrow_rows")
    connection.register("arrow_keyed", keyed_rows(count, 10 * count, 7))
    connection.execute("CREATE TABLE source.keyed AS SELECT * FROM arrow_keyed")
    connection.execute("CHECKPOINT source")
    connection.execute(f"SET threads = {os.cpu_count()}")

    def plain(run: int) -> float:
        connection.execute(f"CREATE TABLE lake.flush_plain_{run} ({COLUMNS})")
        return rate(count, lambda: connection.execute(f"INSERT INTO lake.flush_plain_{run} SELECT * FROM source.plain"))

    figures["flush.plain"] = best(given["repeat"], plain)
    connection.execute(f"CREATE TABLE lake.flush_keyed ({COLUMNS})")
    for part in range(10):
        connection.register("arrow_base", rows(count, part * count))
        connection.execute("INSERT INTO lake.flush_keyed SELECT * FROM arrow_base")

    def keyed() -> None:
        connection.execute("BEGIN")
        connection.execute("DELETE FROM lake.flush_keyed WHERE id IN (SELECT id FROM source.keyed)")
        connection.execute("INSERT INTO lake.flush_keyed SELECT * FROM source.keyed")
        connection.execute("COMMIT")

    figures["flush.keyed"] = {"value": rate(count, keyed)}
    return {f"ducklake.{name}": figure for name, figure in figures.items()}


def measure_select(given: dict, connection, prefix: str) -> dict:
    def work(_: int) -> float:
        return rate(given["rows"], lambda: connection.execute(f"SELECT * FROM {prefix}bulk_0").to_arrow_table())

    return best(given["repeat"], work)


def measure_select_one(connection) -> dict:
    taken = []
    for _ in range(2_000):
        start = time.perf_counter()
        connection.execute("SELECT 1").fetchall()
        taken.append((time.perf_counter() - start) * 1000)
    figures = latencies(taken, 1)
    return {"value": figures["p50Ms"], "p99Ms": figures["p99Ms"]}


def main() -> None:
    given = options()
    measurements = {}
    for place, open_place in PLACES.items():
        progress(f"yardstick: {place}")
        connection, prefix = open_place(given, place)
        measurements[f"{place}.bulk"] = measure_bulk(given, place, connection, prefix)
        if "select" in given["only"]:
            measurements[f"{place}.select"] = measure_select(given, connection, prefix)
            measurements[f"{place}.selectOne"] = measure_select_one(connection)
        if "clients" in given["only"]:
            measurements[f"{place}.clients"] = measure_clients(given, connection, prefix)
        if "flush" in given["only"] and place == "ducklake":
            progress("yardstick: flush")
            measurements.update(measure_flush(given, connection))
        connection.close()
    versions = {name: version(name) for name in ("duckdb", "pyarrow", "adbc-driver-flightsql")}
    report(measurements, versions={"python": platform.python_version(), **versions})


main()
