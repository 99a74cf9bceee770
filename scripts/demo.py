"""The demo's clients (step `clients`, against a running server) and its judge (step `judge`, DuckDB alone on the lake)."""

import json
import sys
import time
import urllib.request
from pathlib import Path

import adbc_driver_flightsql.dbapi as flight_sql
import duckdb
import pyarrow as pa
import pyarrow.flight as flight
import pyarrow.parquet as parquet

PUT_ROWS = 10_000
"""Rows per batch of do_put; each is acknowledged by itself."""

FLIGHTS = """SELECT count(*), sum(delay), sum(distance), min(date), max(date), count(DISTINCT origin) FROM {}"""
BY_ORIGIN = """SELECT origin, count(*), sum(delay), max(distance) FROM {} GROUP BY origin ORDER BY origin"""
DELAYS = """SELECT count(*), sum(delay), sum(distance), sum(time::DECIMAL(18, 6)) FROM {}"""
QUAKES = """SELECT id, mag, place, time, status, longitude, latitude, depth FROM {} ORDER BY id"""

checks = 0


def say(text: str = "") -> None:
    print(text, flush=True)


def check(what: str, got: object, expected: object) -> None:
    global checks
    if got != expected:
        raise SystemExit(f"demo failed: {what}: got {shorten(got)}, expected {shorten(expected)}")
    checks += 1
    say(f"  ok    {what}: {shorten(got)}")


def shorten(value: object) -> str:
    if isinstance(value, list) and len(value) > 1:
        return f"{len(value)} rows, {shorten(value[0])} …"
    text = str(value)
    return text if len(text) < 160 else f"{text[:160]} …"


def timed(what: str, rows: int, start: float) -> None:
    seconds = time.perf_counter() - start
    say(f"  {what}: {rows:,} rows in {seconds:.2f} s, {rows / seconds:,.0f} rows/s")


def fetch(cursor, sql: str) -> list:
    cursor.execute(sql)
    return [tuple(row) for row in cursor.fetchall()]


def quakes(files: Path) -> pa.Table:
    """Earthquakes of a week, keyed by their id."""
    rows = []
    for feature in json.loads((files / "earthquakes.json").read_text())["features"]:
        properties, (longitude, latitude, depth) = feature["properties"], feature["geometry"]["coordinates"]
        rows.append(
            {
                "id": feature["id"],
                "mag": None if properties["mag"] is None else float(properties["mag"]),
                "place": properties["place"],
                "time": properties["time"] * 1000,
                "status": properties["status"],
                "longitude": float(longitude),
                "latitude": float(latitude),
                "depth": None if depth is None else float(depth),
            }
        )
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("mag", pa.float64()),
            ("place", pa.string()),
            ("time", pa.timestamp("us")),
            ("status", pa.string()),
            ("longitude", pa.float64()),
            ("latitude", pa.float64()),
            ("depth", pa.float64()),
        ]
    )
    return pa.Table.from_pylist(rows, schema)


def corrected(table: pa.Table) -> pa.Table:
    """The second report: every third quake was reviewed and its magnitude changed."""
    rows = table.to_pylist()
    for row in rows[::3]:
        row["status"] = "reviewed"
        row["mag"] = round((row["mag"] or 0.0) + 0.5, 2)
    return pa.Table.from_pylist(rows[::3], table.schema)


def final_quakes(table: pa.Table, gone: list) -> list:
    by_id = {row["id"]: row for row in table.to_pylist()}
    by_id.update({row["id"]: row for row in corrected(table).to_pylist()})
    return [tuple(by_id[key].values()) for key in sorted(by_id, key=str.encode) if key not in gone]


def put(client, table: str, batches, metadata=None) -> list:
    """do_put to a path, one batch after the other, each acknowledged before the next is sent."""
    batches = list(batches)
    writer, acknowledgements = client.do_put(flight.FlightDescriptor.for_path(table), batches[0].schema)
    results = []
    with writer:
        for index, batch in enumerate(batches):
            if metadata is None:
                writer.write_batch(batch)
            else:
                writer.write_with_metadata(batch, json.dumps(metadata(index)).encode())
            results.append(json.loads(acknowledgements.read().to_pybytes()))
        writer.done_writing()
    return results


def send_flights(cursor, files: Path) -> None:
    source = parquet.ParquetFile(files / "flights-3m.parquet")
    reader = pa.RecordBatchReader.from_batches(source.schema_arrow, source.iter_batches(batch_size=65_536))
    start = time.perf_counter()
    count = cursor.adbc_ingest("flights", reader, mode="create")
    timed("adbc_ingest flights", count, start)
    check("rows that adbc_ingest reports", count, source.metadata.num_rows)


def send_delays(client, files: Path) -> None:
    table = pa.ipc.open_file(files / "flights-200k.arrow").read_all()
    start = time.perf_counter()
    results = put(client, "delays", table.to_batches(max_chunksize=PUT_ROWS))
    timed("do_put delays", table.num_rows, start)
    check("rows acknowledged batch by batch", sum(result["rows"] for result in results), table.num_rows)


def send_quakes(cursor, client, table: pa.Table, gone: list) -> None:
    cursor.execute(
        """CREATE TABLE earthquakes (id VARCHAR PRIMARY KEY, mag DOUBLE, place VARCHAR, time TIMESTAMP, status VARCHAR,
        longitude DOUBLE, latitude DOUBLE, depth DOUBLE)"""
    )
    check("earthquakes sent", cursor.adbc_ingest("earthquakes", table, mode="append"), table.num_rows)
    second = corrected(table).to_batches(max_chunksize=100)
    first_time = put(client, "earthquakes", second, lambda index: {"op": "upsert", "token": f"second-{index}"})
    check("earthquakes sent again, changed", sum(result["rows"] for result in first_time), sum(map(len, second)))
    # A client that saw no answer sends the same tokens again: acknowledged, and not stored a second time.
    repeated = put(client, "earthquakes", second, lambda index: {"op": "upsert", "token": f"second-{index}"})
    check("acknowledgements of repeated tokens", repeated, first_time)
    keys = pa.RecordBatch.from_pydict({"id": gone})
    check("earthquakes withdrawn", put(client, "earthquakes", [keys], lambda _: {"op": "delete"})[0]["rows"], len(gone))


def compare(run, prefix: str, files: Path, expected_quakes: list) -> None:
    """`run(sql)` gives the lake's rows; DuckDB reads the source files by itself."""
    direct = duckdb.connect()
    parquet_file = f"'{files / 'flights-3m.parquet'}'"
    delays = pa.ipc.open_file(files / "flights-200k.arrow").read_all()
    direct.register("delays", delays)
    for what, sql, source in [
        ("flights", FLIGHTS, parquet_file),
        ("flights by origin", BY_ORIGIN, parquet_file),
        ("delays", DELAYS, "delays"),
    ]:
        table = prefix + what.split()[0]
        check(what, run(sql.format(table)), direct.execute(sql.format(source)).fetchall())
    check("earthquakes, last write per key", run(QUAKES.format(f"{prefix}earthquakes")), expected_quakes)


def show_lake(cursor) -> None:
    say("\nFiles")
    for table in ("flights", "delays", "earthquakes"):
        files = fetch(cursor, f"SELECT data_file_size_bytes FROM ducklake_list_files('lake', '{table}')")
        say(f"  {table}: {len(files)} Parquet files, {sum(size for (size,) in files):,} bytes")
    say("\nSnapshots")
    for row in fetch(cursor, "SELECT snapshot_id, author, changes::VARCHAR FROM lake.snapshots() ORDER BY 1"):
        say("  " + "  ".join(shorten(value) for value in row))


def show_metrics(http_url: str) -> None:
    say("\nMetrics")
    wanted = ("eider_ingest_rows_total", "eider_ingest_batches_total", "eider_flushes_total", "eider_compaction_rows_total")
    wanted += ("eider_flush_phase_duration_seconds_sum", "eider_buffer_rows", "eider_duckdb_memory_bytes")
    with urllib.request.urlopen(f"{http_url}/metrics") as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith(wanted):
                say(f"  {line}")


def clients(options: dict) -> None:
    files = Path(options["files"])
    table = quakes(files)
    gone = table["id"].to_pylist()[-7:]
    uri = options["flightUri"]
    with flight_sql.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:
        client = flight.connect(uri)
        say("\nWriting")
        send_flights(cursor, files)
        send_delays(client, files)
        send_quakes(cursor, client, table, gone)
        start = time.perf_counter()
        cursor.execute("CALL duckling_queue_flush()")
        say(f"  flushed in {time.perf_counter() - start:.2f} s")
        say("\nThe lake through the server, against DuckDB reading the same files")
        compare(lambda sql: fetch(cursor, sql), "", files, final_quakes(table, gone))
        show_lake(cursor)
        show_metrics(options["httpUrl"])
        client.close()


def judge(options: dict) -> None:
    files = Path(options["files"])
    table = quakes(files)
    say("\nThe lake without the server: DuckDB's own ATTACH 'ducklake:…'")
    connection = duckdb.connect()
    connection.execute(f"LOAD '{options['extension']}'")
    catalog = Path(options["dataDir"]) / "catalog.ducklake"
    connection.execute(f"ATTACH 'ducklake:{catalog}' AS lake (READ_ONLY)")
    gone = table["id"].to_pylist()[-7:]
    compare(lambda sql: connection.execute(sql).fetchall(), "lake.main.", files, final_quakes(table, gone))


given = json.loads(sys.argv[1])
{"clients": clients, "judge": judge}[given["step"]](given)
say(f"\n{given['step']}: {checks} checks passed")
