"""Writers of every route, one thread and one table each, until the server dies or the work is done.

A writer remembers what was acknowledged, by which seq, and what was under way when the connection broke, over all lives
of the server.
"""

import collections
import json
import threading
import time

import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow.flight as flight

from operations import DDL, ROUTES, append_batch, keyed_batch

# Batches with tokens that are sent before the first one's acknowledgement is awaited.
AHEAD = 4
# Acknowledged batches that are sent again after a restart, as a client does that lost its own notes.
REPEATED = 3
# A thread that is not done this long after the server's end hangs.
HANGS_SECONDS = 120


class Writer:
    """One route's history in one table over all lives; the table is called like the route, or by `generation` after it."""

    def __init__(self, route_name, generation=0):
        self.route_name = route_name
        self.generation = generation
        self.name = f"{route_name}_{generation}" if generation > 0 else route_name
        self.route = ROUTES[route_name]
        self.next = 0
        self.acknowledged = []
        # By life: operations of which it is not known whether they were stored.
        self.doubtful = []
        # Sent with a token and not acknowledged yet.
        self.unacknowledged = collections.deque()
        self.seqs = {}
        self.problems = []

    def successor(self):
        """Goes on in the next table. Only while nothing is under way."""
        return Writer(self.route_name, self.generation + 1)

    def run(self, uri, count):
        """Resolves to the error that ended it and when; None when the work was done."""
        before = len(self.acknowledged)
        try:
            connection = CONNECTIONS[self.route_name](uri, self)
            if self.route.tokens:
                self.write_with_tokens(connection, count)
            else:
                self.write(connection, count)
            error, error_at = None, None
        except Exception as caught:  # noqa: BLE001 - a killed server shows itself in many ways
            error, error_at = f"{type(caught).__name__}: {caught}"[:500], time.time()
        return {"acknowledged": len(self.acknowledged) - before, "error": error, "error_at_ms": error_at and error_at * 1000}

    def write(self, connection, count):
        for _ in range(count):
            n = self.next
            self.next += 1
            self.doubtful.append(n)
            self.note_seq(n, connection.write(n))
            self.doubtful.pop()
            self.acknowledged.append(n)

    def write_with_tokens(self, connection, count):
        # Old ones first: stored again, they would undo what came after them.
        for n in self.acknowledged[-REPEATED:]:
            self.note_seq(n, connection.write(n))
        for n in list(self.unacknowledged):
            connection.send(n)
            self.acknowledge_first(connection)
        for _ in range(count):
            while len(self.unacknowledged) < connection.ahead:
                self.unacknowledged.append(self.next)
                self.next += 1
                connection.send(self.unacknowledged[-1])
            self.acknowledge_first(connection)
        while self.unacknowledged:
            self.acknowledge_first(connection)

    def acknowledge_first(self, connection):
        self.note_seq(self.unacknowledged[0], connection.receive())
        self.acknowledged.append(self.unacknowledged.popleft())

    def note_seq(self, n, seq):
        if seq is None:
            return
        known = self.seqs.setdefault(n, seq)
        if known != seq:
            self.problems.append(f"{self.name}: batch {n} was acknowledged with seq {known}, then with seq {seq}")


class PathConnection:
    """DoPut to a path: a stream for each op, a batch an operation."""

    def __init__(self, uri, writer):
        self.client = flight.connect(uri)
        self.name = writer.name
        self.route = writer.route
        # Batches on two streams may overtake each other.
        self.ahead = 1 if self.route.keyed else AHEAD
        self.streams = {}
        self.sent = collections.deque()

    def write(self, n):
        self.send(n)
        return self.receive()

    def send(self, n):
        op, batch = keyed_batch(self.route, n) if self.route.keyed else ("insert", append_batch(n, self.route.rows))
        if op not in self.streams:
            descriptor = flight.FlightDescriptor.for_path(self.name)
            self.streams[op] = self.client.do_put(descriptor, batch.schema)
        metadata = {"op": op, "token": f"{self.name}/{n}"} if self.route.tokens else {"op": op}
        writer, reader = self.streams[op]
        writer.write_with_metadata(batch, json.dumps(metadata).encode())
        self.sent.append(reader)

    def receive(self):
        result = self.sent.popleft().read()
        if result is None:
            raise RuntimeError("the stream ended")
        return json.loads(result.to_pybytes())["seq"]


class SqlConnection:
    def __init__(self, uri, writer):
        self.cursor = flight_sql.connect(uri, autocommit=True).cursor()
        self.name = writer.name
        self.route = writer.route


class IngestConnection(SqlConnection):
    def write(self, n):
        batch = keyed_batch(self.route, n)[1] if self.route.keyed else append_batch(n, self.route.rows)
        self.cursor.adbc_ingest(self.name, batch, mode="create_append")


class InsertConnection(SqlConnection):
    schema = "duckling_queue"

    def write(self, n):
        rows = append_batch(n, self.route.rows).to_pylist()
        values = ", ".join(f"({row['id']}, '{row['text']}')" for row in rows)
        self.cursor.execute(f"INSERT INTO {self.schema}.{self.name} VALUES {values}")


class DirectInsertConnection(InsertConnection):
    schema = "main"


class PreparedInsertConnection(SqlConnection):
    def write(self, n):
        rows = [(row["id"], row["text"]) for row in append_batch(n, self.route.rows).to_pylist()]
        self.cursor.executemany(f"INSERT INTO duckling_queue.{self.name} VALUES (?, ?)", rows)


CONNECTIONS = {
    "put_append": PathConnection,
    "put_tokens": PathConnection,
    "put_keyed": PathConnection,
    "put_keyed_tokens": PathConnection,
    "ingest_small": IngestConnection,
    "ingest_large": IngestConnection,
    "ingest_keyed": IngestConnection,
    "inserted": InsertConnection,
    "inserted_prepared": PreparedInsertConnection,
    "inserted_direct": DirectInsertConnection,
}


def write(writers, uri, count):
    """One life: makes the tables that are missing, then every writer does `count` operations at once."""
    results = {}
    try:
        with flight_sql.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:
            for writer in writers:
                if writer.route_name in DDL:
                    cursor.execute(f"CREATE TABLE IF NOT EXISTS {writer.name} ({DDL[writer.route_name]})")
    except Exception as caught:  # noqa: BLE001
        return {"setup": {"acknowledged": 0, "error": str(caught)[:500], "error_at_ms": time.time() * 1000}}

    def run(writer):
        results[writer.name] = writer.run(uri, count)

    threads = [threading.Thread(target=run, args=(writer,), daemon=True, name=writer.name) for writer in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANGS_SECONDS)
        if thread.is_alive():
            raise RuntimeError(f"the writer {thread.name} hangs")
    return results
