"""Fills many tables at once, each up to a number of bytes, and holds the lake against what was sent after the flush."""

import concurrent.futures
import json
import sys

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.flight as flight


def batch(table, number, rows):
    first = number * rows
    ids = pa.array(range(first, first + rows), pa.int64())
    return pa.record_batch(
        {
            "id": ids,
            "at": pc.add(ids, 1_700_000_000_000_000).cast(pa.timestamp("us")),
            "kind": remainder(ids, 7).cast(pa.int32()),
            "value": pc.divide(ids.cast(pa.float64()), 3.0),
            "text": pc.binary_join_element_wise("row", ids.cast(pa.string()), f"of table {table}, and some more", " "),
            "flag": pc.equal(remainder(ids, 2), 0),
            "small": remainder(ids, 100).cast(pa.int16()),
            "other": pc.negate(ids),
        }
    )


def remainder(ids, divisor):
    return pc.subtract(ids, pc.multiply(pc.divide(ids, divisor), divisor))


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
