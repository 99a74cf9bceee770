"""One node's writers: a stream of batches for each table, one batch in flight each, for some seconds."""

import json
import sys
import threading
import time
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.flight as flight

given = json.loads(sys.argv[1])
SIZE = int(given["batch"])
ack_ms: list[float] = []
rows = 0
lock = threading.Lock()


def write(table: int) -> None:
    global rows
    first = given["node"] * 1_000_000_000 + table * 100_000_000
    mine, latencies = 0, []
    until = time.perf_counter() + given["seconds"]
    with flight.connect(given["uri"]) as client:
        writer = None
        while time.perf_counter() < until:
            batch = pa.record_batch(
                {
                    "id": pa.array(range(first + mine, first + mine + SIZE), pa.int64()),
                    "node": pa.array([given["node"]] * SIZE, pa.int32()),
                    "sent": pa.array([datetime.now(UTC)] * SIZE, pa.timestamp("us", "UTC")),
                    "v": pa.array([f"row {i} of node {given['node']}" for i in range(SIZE)]),
                }
            )
            if writer is None:
                writer, reader = client.do_put(flight.FlightDescriptor.for_path(f"t{table}"), batch.schema)
            start = time.perf_counter()
            writer.write_batch(batch)
            if reader.read() is None:
                raise RuntimeError("the stream ended")
            latencies.append((time.perf_counter() - start) * 1000)
            mine += SIZE
        writer.done_writing()
        writer.close()
    with lock:
        rows += mine
        ack_ms.extend(latencies)


threads = [threading.Thread(target=write, args=(table,)) for table in range(int(given["tables"]))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps({"rows": rows, "ackMs": ack_ms}))
