"""What both sides of the benchmark share: the rows, the measuring, the report."""

import json
import sys
import time

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.flight as flight

CLIENTS = 16
CLIENT_ROWS = 100
BATCH_ROWS = 65_536
COLUMNS = "id BIGINT, ts TIMESTAMP, name VARCHAR, value DOUBLE, flag BOOLEAN"


def rows(count: int, first: int = 0) -> pa.Table:
    """`count` rows of bigint, timestamp, 16-character string, double, boolean."""
    ids = pa.array(range(first, first + count), pa.int64())
    return pa.table(
        {
            "id": ids,
            "ts": pc.cast(pc.add(ids, 1_700_000_000_000_000), pa.timestamp("us")),
            "name": pc.utf8_lpad(pc.cast(ids, pa.string()), 16, "x"),
            "value": pc.multiply(pc.cast(ids, pa.float64()), 0.25),
            "flag": pc.equal(pc.bit_wise_and(ids, 1), 0),
        }
    )


def keyed_rows(count: int, space: int, seed: int) -> pa.Table:
    """`count` rows of distinct keys, spread evenly over 0 .. space."""
    step = space // count
    offset = seed % step
    table = rows(count)
    ids = pc.add(pc.multiply(table["id"], step), offset)
    return table.set_column(0, "id", ids)


def best(repeat: int, work) -> dict:
    """The fastest of `repeat` runs, with all of them; `work(run)` returns units per second."""
    values = [work(run) for run in range(repeat)]
    return {"value": max(values), "all": values}


def rate(count: int, work) -> float:
    start = time.perf_counter()
    work()
    return count / (time.perf_counter() - start)


def put_batch(client: flight.FlightClient, table: str, batch: pa.RecordBatch) -> None:
    """A DoPut of its own; returns once the batch is acknowledged."""
    writer, acknowledgements = client.do_put(flight.FlightDescriptor.for_path(table), batch.schema)
    writer.write_batch(batch)
    acknowledgements.read()
    writer.close()


def percentile(sorted_values: list, fraction: float) -> float:
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * fraction))]


def latencies(values_ms: list, seconds: float) -> dict:
    """Calls per second, with their latencies."""
    ordered = sorted(values_ms)
    return {
        "value": len(ordered) / seconds,
        "p50Ms": percentile(ordered, 0.5),
        "p99Ms": percentile(ordered, 0.99),
        "count": len(ordered),
    }


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def report(measurements: dict, **more) -> None:
    print(json.dumps({"measurements": measurements, **more}))


def options() -> dict:
    return json.loads(sys.argv[1])
