"""Writers of several servers on one lake, and the judge of what they have left. A job is a JSON line:

{"do": "write", "nodes": {"0": uri, …}, "count"}   starts a writer of each kind for each node, `count` operations each
{"do": "moved", "node", "uri"}          the node was started again
{"do": "progress"}                      operations that every writer through buffers has had acknowledged
{"do": "wait"}                          until every writer is done; problems
{"do": "sql", "node", "sql"}            rows
{"do": "put", "node", "table", "rows", "narrow": columns that are INTEGER}   one batch
{"do": "judge", "extensions", "setup", "attach"}   what DuckDB finds in the lake against what was acknowledged
{"do": "read", …, "sql"}                rows, by DuckDB
"""

import json
import threading
import time

import pyarrow as pa
import pyarrow.flight as flight

from foreign_duckdb import open_lake
from jobs import methods_of, serve

EVENTS = 20
KEYS = 15
KEY_SPACE = 60
NODES = 4
# A writer that has got no acknowledgement for so long tells why and gives up.
GIVES_UP_SECONDS = 300


def query(client, sql):
    return client.do_get(flight.Ticket(sql.encode())).read_all()


class Writer(threading.Thread):
    """One node's writer of one kind: repeats an operation, by its token, until it is acknowledged."""

    def __init__(self, agent, node, count):
        super().__init__(daemon=True, name=f"{type(self).__name__} of node {node}")
        self.agent, self.node, self.count = agent, node, count
        self.done = 0
        self.problem = None

    def run(self):
        while self.done < self.count and self.problem is None:
            started = time.monotonic()
            while True:
                try:
                    with flight.connect(self.agent.uris[self.node]) as client:
                        while self.done < self.count:
                            self.write(client, self.done)
                            self.done += 1
                            started = time.monotonic()
                    return
                except Exception as error:  # noqa: BLE001 - a killed server shows itself in many ways
                    if not self.may_repeat(error) or time.monotonic() - started > GIVES_UP_SECONDS:
                        self.problem = f"{self.name}, operation {self.done}: {type(error).__name__}: {error}"
                        return
                    time.sleep(0.1)

    def may_repeat(self, error):
        return not isinstance(error, pa.ArrowInvalid)

    def put(self, client, table, n, part, op, batch):
        writer, reader = client.do_put(flight.FlightDescriptor.for_path(table), batch.schema)
        token = f"{type(self).__name__}/{self.node}/{n}/{part}"
        try:
            writer.write_with_metadata(batch, json.dumps({"op": op, "token": token}).encode())
            writer.done_writing()
            answer = reader.read()
        finally:
            writer.close()
        if answer is None:
            raise flight.FlightUnavailableError("the stream ended without an acknowledgement")


class Events(Writer):
    """Appends; their table is made by whoever comes first, is given a column and has one renamed on the way."""

    text = "v"

    def write(self, client, n):
        first = (self.node * 1_000_000) + n * EVENTS
        ids = list(range(first, first + EVENTS))
        columns = {"id": ids, self.text: [f"node {self.node}, row {i}" for i in ids]}
        has_extra = self.agent.has_extra
        if has_extra:
            columns["extra"] = [i % 7 for i in ids]
        try:
            self.put(client, "events", n, 0, "insert", pa.record_batch(columns))
        except pa.ArrowInvalid as error:
            if "column v" in str(error) and self.text == "v":
                self.text = "words"
            raise
        self.agent.events.update((i, i % 7 if has_extra else None) for i in ids)

    def may_repeat(self, error):
        return super().may_repeat(error) or "column v" in str(error)


class State(Writer):
    """Upserts and deletes of keys that no other node writes: the result is exact."""

    def write(self, client, n):
        keys = [self.node + NODES * ((n * 5 + i) % KEY_SPACE) for i in range(KEYS)]
        self.put(client, "state", n, 0, "upsert", pa.record_batch({"id": keys, "v": [f"{n}/{key}" for key in keys]}))
        self.agent.state.update((key, f"{n}/{key}") for key in keys)
        self.put(client, "state", n, 1, "delete", pa.record_batch({"id": keys[:4]}))
        for key in keys[:4]:
            self.agent.state.pop(key, None)


class Shared(Writer):
    """Upserts and deletes of the same keys by all nodes: one row for a key at most, by the last word of one of them."""

    def write(self, client, n):
        keys = [(n * 7 + self.node * 3 + i) % KEY_SPACE for i in range(KEYS)]
        values = [f"{self.node}:{n}" for _ in keys]
        self.put(client, "shared", n, 0, "upsert", pa.record_batch({"id": keys, "v": values}))
        self.agent.last[self.node].update(zip(keys, values))
        self.put(client, "shared", n, 1, "delete", pa.record_batch({"id": keys[:2]}))
        self.agent.last[self.node].update((key, None) for key in keys[:2])


class Counter(Writer):
    """Transactions straight into the lake, made again when they are told that nothing was committed."""

    def write(self, client, n):
        if n % 5 != 0:
            return
        try:
            query(client, "UPDATE counter SET n = n + 1")
        except Exception as error:
            if "ABORTED" not in str(error) and "nothing was committed" not in str(error):
                self.agent.doubts += 1
            raise
        self.agent.counted[self.node] += 1


class Agent:
    def __init__(self):
        self.uris = {}
        self.writers = []
        self.has_extra = False
        self.events = {}
        self.state = {}
        self.last = {node: {} for node in range(NODES)}
        self.counted = {node: 0 for node in range(NODES)}
        self.doubts = 0

    def write(self, job):
        self.uris = {int(node): uri for node, uri in job["nodes"].items()}
        # All at once: only one of them can make a table.
        threads = [threading.Thread(target=self.make, args=(node,)) for node in self.uris]
        self.failures = []
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.failures:
            raise AssertionError(self.failures)
        with flight.connect(self.uris[0]) as client:
            query(client, "INSERT INTO counter VALUES (0)")
        self.writers = [
            kind(self, node, job["count"]) for node in self.uris for kind in (Events, State, Shared, Counter)
        ]
        for writer in self.writers:
            writer.start()

    def make(self, node):
        with flight.connect(self.uris[node]) as client:
            for table in ("state (id BIGINT PRIMARY KEY, v VARCHAR)", "shared (id BIGINT PRIMARY KEY, v VARCHAR)", "counter (n BIGINT)"):
                try:
                    query(client, f"CREATE TABLE IF NOT EXISTS {table}")
                except Exception as error:  # noqa: BLE001
                    self.failures.append(f"node {node}: {error}")

    def moved(self, job):
        self.uris[job["node"]] = job["uri"]

    def progress(self, job):
        # What goes straight into the lake stands still while the store is away.
        return min(writer.done for writer in self.writers if not isinstance(writer, Counter))

    def extra(self, job):
        self.has_extra = True

    def wait(self, job):
        for writer in self.writers:
            writer.join()
        return [writer.problem for writer in self.writers if writer.problem]

    def sql(self, job):
        with flight.connect(self.uris[job["node"]]) as client:
            return query(client, job["sql"]).to_pylist()

    def put(self, job):
        batch = pa.RecordBatch.from_pylist(job["rows"])
        for name in job["narrow"]:
            at = batch.schema.get_field_index(name)
            batch = batch.set_column(at, name, batch.column(at).cast(pa.int32()))
        with flight.connect(self.uris[job["node"]]) as client:
            writer, reader = client.do_put(flight.FlightDescriptor.for_path(*job["table"]), batch.schema)
            writer.write_batch(batch)
            writer.done_writing()
            answer = reader.read()
            writer.close()  # raises what ended the stream
            return json.loads(answer.to_pybytes())

    def read(self, job):
        with open_lake(job) as connection:
            return connection.execute(job["sql"]).fetchall()

    def judge(self, job):
        problems = []
        with open_lake(job) as connection:
            rows = connection.execute("SELECT id, words, extra FROM events").fetchall()
            found = {row[0]: row[2] for row in rows}
            if len(rows) != len(self.events) or found != self.events:
                missing = sorted(set(self.events) - set(found))
                extra = sorted(set(found) - set(self.events))
                different = [i for i in found if i in self.events and found[i] != self.events[i]]
                problems.append(
                    f"events: {len(rows)} rows for {len(self.events)}; missing {missing[:5]}, not written {extra[:5]}, different {different[:5]}"
                )
            problems += [f"event {i}: {text}" for i, text, _ in rows if text != f"node {i // 1_000_000}, row {i}"][:5]

            found = sorted(connection.execute("SELECT id, v FROM state").fetchall())
            if found != sorted(self.state.items()):
                different = sorted(set(found) ^ set(self.state.items()))
                problems.append(f"state: {len(found)} rows for {len(self.state)}; different: {different[:6]}")

            found = connection.execute("SELECT id, v FROM shared").fetchall()
            if len(found) != len({key for key, _ in found}):
                problems.append("shared: several rows of one key")
            found = dict(found)
            for key in range(KEY_SPACE):
                allowed = {self.last[node][key] for node in self.last if key in self.last[node]}
                if found.get(key) not in (allowed or {None}):
                    problems.append(f"shared {key}: {found.get(key)} is not the last word of any node: {allowed}")

            (counter,) = connection.execute("SELECT n FROM counter").fetchone()
            counted = sum(self.counted.values())
            if not counted <= counter <= counted + self.doubts:
                problems.append(f"counter: {counter} for {counted} acknowledged and {self.doubts} in doubt")
            authors = connection.execute("SELECT DISTINCT author FROM lake.snapshots() WHERE author LIKE 'eider/%'").fetchall()
            return {"problems": problems, "rows": len(self.events) + len(self.state), "authors": len(authors)}


if __name__ == "__main__":
    serve(methods_of(Agent()), default=str)
