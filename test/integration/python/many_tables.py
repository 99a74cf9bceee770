"""Fills many tables at once, each up to a number of bytes, and holds the lake against what was sent after the flush."""

import concurrent.futures
import json
import sys

import pyarrow as pa
import pyarrow.flight as flight


def batch(table, number, rows):
    first = number * rows
    ids = range(first, first + rows)
    return pa.record_batch(
        {
            "id": pa.array(ids, pa.int64()),
            "at": pa.array([1_700_000_000_000_000 + i for i in ids], pa.timestamp("us")),
            "kind": pa.array([i % 7 for i in ids], pa.int32()),
            "value": pa.array([i / 3 for i in ids], pa.float64()),
            "text": [f"row {i} of table {table}, and some more" for i in ids],
            "flag": pa.array([i % 2 == 0 for i in ids], pa.bool_()),
            "small": pa.array([i % 100 for i in ids], pa.int16()),
            "other": pa.array([-i for i in ids], pa.int64()),
        }
    )


def fill(uri, tables, batches, rows):
    client = flight.connect(uri)
    streams = {}
    for number in range(batches):
        for table in tables:
            record = batch(table, number, rows)
            if table not in streams:
                streams[table] = client.do_put(flight.FlightDescriptor.for_path(f"many_{table}"), record.schema)
            streams[table][0].write_batch(record)
        for table in tables:
            assert streams[table][1].read() is not None
    for writer, _ in streams.values():
        writer.done_writing()
        writer.close()


def main():
    job = json.load(sys.stdin)
    uri, count, writers = job["uri"], job["tables"], 4
    if job["step"] == "fill":
        with concurrent.futures.ThreadPoolExecutor(writers) as pool:
            parts = [range(count)[w::writers] for w in range(writers)]
            list(pool.map(lambda part: fill(uri, part, job["batches"], job["rows"]), parts))
        print(json.dumps({}))
        return
    client = flight.connect(uri)
    client.do_get(flight.Ticket(b"CALL duckling_queue_flush()")).read_all()
    sums = {}
    for table in range(count):
        sql = f"SELECT count(*)::BIGINT AS n, sum(id)::DOUBLE AS s, count(DISTINCT text)::BIGINT AS d FROM many_{table}"
        sums[table] = list(client.do_get(flight.Ticket(sql.encode())).read_all().to_pylist()[0].values())
    print(json.dumps(sums))


if __name__ == "__main__":
    main()
