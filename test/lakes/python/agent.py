"""Writes to a server over Flight, keeps what its tables must hold, and judges them; one job a line.

{"do": "begin"}                       an empty lake: forgets everything
{"do": "write", "uri"}                a batch for a table without key, one of upserts, one of deletes; all acknowledged
{"do": "ingest", "uri"}               the same for a bulk ingest by ADBC into the table without key
{"do": "flush", "uri"}                null, or why not
{"do": "direct", "uri"}               a transaction straight into the lake
{"do": "sql", "uri", "sql"}           rows
{"do": "check", "uri"}                problems that the server's own answers show
{"do": "foreign", "extensions", "attach"}   DuckDB makes the lake, with all that Eider would not
{"do": "judge", "extensions", "setup", "attach"}   problems that DuckDB itself finds in the lake, and what else it sees
"""

import json

from adbc_driver_flightsql import dbapi
import pyarrow as pa
import pyarrow.flight as flight

from foreign_duckdb import open_lake
from jobs import methods_of, serve

ROWS = 40
KEYS = 30
# Of each batch's keys, those that the next batch writes again.
OVERLAP = 10


def query(client, sql):
    return client.do_get(flight.Ticket(sql.encode())).read_all()


def put(client, table, batch, metadata=None):
    writer, reader = client.do_put(flight.FlightDescriptor.for_path(table), batch.schema)
    if metadata:
        writer.write_with_metadata(batch, json.dumps(metadata).encode())
    else:
        writer.write_batch(batch)
    writer.done_writing()
    answer = reader.read()
    writer.close()  # raises what ended the stream
    if answer is None:
        raise AssertionError("the stream ended without an acknowledgement")
    return json.loads(answer.to_pybytes())


class Agent:
    def __init__(self):
        self.begin({})

    def begin(self, job):
        self.round = 0
        self.has_tables = False
        self.plain = []
        self.by_key = {}

    def write(self, job):
        self.round += 1
        n = self.round
        with flight.connect(job["uri"]) as client:
            if not self.has_tables:
                query(client, "CREATE TABLE by_key (id BIGINT PRIMARY KEY, v VARCHAR, seen TIMESTAMP)")
                self.has_tables = True
            ids = [n * 1000 + i for i in range(ROWS)]
            put(client, "plain", pa.record_batch({"id": ids, "v": [f"row {i} é" for i in ids]}))
            self.plain += ids
            keys = [n * (KEYS - OVERLAP) + i for i in range(KEYS)]
            upserts = pa.record_batch({"id": keys, "v": [f"{n}/{key}" for key in keys]})
            put(client, "by_key", upserts, {"op": "upsert"})
            self.by_key.update({key: f"{n}/{key}" for key in keys})
            put(client, "by_key", pa.record_batch({"id": keys[:3]}), {"op": "delete"})
            for key in keys[:3]:
                del self.by_key[key]
        return None

    def ingest(self, job):
        self.round += 1
        ids = [self.round * 1000 + i for i in range(ROWS)]
        with dbapi.connect(job["uri"], autocommit=True) as connection, connection.cursor() as cursor:
            batch = pa.record_batch({"id": ids, "v": [f"row {i} é" for i in ids]})
            cursor.adbc_ingest("plain", batch, mode="append")
        self.plain += ids
        return None

    def flush(self, job):
        try:
            with flight.connect(job["uri"]) as client:
                query(client, "CALL duckling_queue_flush()")
        except Exception as error:  # noqa: BLE001 - a killed server, or a catalog that is gone
            return f"{type(error).__name__}: {error}"
        return None

    def direct(self, job):
        """Rows of one transaction of the client's own, and none of another that is rolled back."""
        with flight.connect(job["uri"]) as client:
            query(client, "INSERT INTO plain VALUES (1, 'direct'), (2, 'direct')")
            self.plain += [1, 2]
            query(client, "UPDATE plain SET v = 'changed' WHERE id = 1")
            query(client, "DELETE FROM plain WHERE id = 2")
            self.plain.remove(2)
        return None

    def sql(self, job):
        with flight.connect(job["uri"]) as client:
            return query(client, job["sql"]).to_pylist()

    def check(self, job):
        with flight.connect(job["uri"]) as client:
            return self.compare(lambda sql: [tuple(row.values()) for row in query(client, sql).to_pylist()], "")

    def compare(self, rows, prefix):
        problems = []
        found = sorted(row[0] for row in rows(f"SELECT id FROM {prefix}plain"))
        if found != sorted(self.plain):
            missing, extra = sorted(set(self.plain) - set(found)), sorted(set(found) - set(self.plain))
            problems.append(f"plain: {len(found)} rows for {len(self.plain)}; missing {missing[:5]}, not written {extra[:5]}")
        found = sorted(rows(f"SELECT id, v FROM {prefix}by_key"))
        if found != sorted(self.by_key.items()):
            different = sorted(set(found) ^ set(self.by_key.items()))
            problems.append(f"by_key: {len(found)} rows for {len(self.by_key)}; different: {different[:6]}")
        return problems

    def foreign(self, job):
        with open_lake(job) as connection:
            for sql in [
                # Few rows stay in the catalog, more become files.
                "CREATE TABLE plain (id BIGINT, v VARCHAR)",
                "ALTER TABLE plain SET PARTITIONED BY (bucket(3, id))",
                "INSERT INTO plain SELECT i, 'row ' || i FROM range(500, 600) r(i)",
                "CREATE TABLE by_key (id BIGINT, v VARCHAR, old_column INTEGER)",
                "ALTER TABLE by_key SET SORTED BY (id ASC)",
                "INSERT INTO by_key SELECT i, 'old', 1 FROM range(0, 100) r(i)",
                "ALTER TABLE by_key ADD COLUMN seen TIMESTAMP",
                "INSERT INTO by_key VALUES (100, 'inlined', 2, now()::TIMESTAMP), (101, 'inlined', 2, NULL)",
                "UPDATE by_key SET v = 'new' WHERE id < 10",
                "DELETE FROM by_key WHERE id BETWEEN 50 AND 59 OR id = 101",
                "ALTER TABLE by_key DROP COLUMN old_column",
                "INSERT INTO plain VALUES (7, 'inlined')",
            ]:
                connection.execute(sql)
        self.plain = [*range(500, 600), 7]
        self.by_key = {i: "new" if i < 10 else "old" for i in range(100) if not 50 <= i < 60}
        self.by_key[100] = "inlined"
        self.has_tables = True

    def judge(self, job):
        with open_lake(job) as connection:
            problems = self.compare(lambda sql: connection.execute(sql).fetchall(), "lake.main.")
            snapshots = [row[0] for row in connection.execute("SELECT snapshot_id FROM lake.snapshots()").fetchall()]
            for snapshot in snapshots:
                tables = connection.execute(
                    f"SELECT table_name FROM __ducklake_metadata_lake.ducklake_table WHERE table_name IN ('plain', 'by_key')"
                    f" AND begin_snapshot <= {snapshot} AND (end_snapshot IS NULL OR end_snapshot > {snapshot})"
                ).fetchall()
                for (table,) in tables:
                    connection.execute(f"SELECT count(v), max(id) FROM lake.main.{table} AT (VERSION => {snapshot})").fetchall()
            return {"problems": problems, "snapshots": len(snapshots), "rows": len(self.plain) + len(self.by_key)}


if __name__ == "__main__":
    serve(methods_of(Agent()), default=str)
