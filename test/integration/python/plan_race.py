"""Statements that are prepared, all at once, as soon as the lake has new tables, and executed after others of their sessions."""

import contextlib
import json
import sys
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.flight as flight

from flight_messages import Prepared, field, packed
from flight_session import session

SESSIONS = 5
ROUNDS = 10


def rows_of(client, sql):
    return client.do_get(flight.Ticket(sql.encode())).read_all().to_pylist()


def execute(client, prepared):
    command = packed("CommandPreparedStatementUpdate", field(1, prepared.handle))
    writer, reader = client.do_put(flight.FlightDescriptor.for_command(command), pa.schema([]))
    writer.done_writing()
    reader.read()
    writer.close()


def race(clients, admin, sql):
    with ThreadPoolExecutor(SESSIONS) as pool:
        for k in range(ROUNDS):
            rows_of(admin, f"CREATE OR REPLACE TABLE newest_{k % 3} (a INT)")
            prepared = list(pool.map(lambda i: Prepared(clients[i], sql(i)), range(SESSIONS)))
            list(pool.map(lambda i: rows_of(clients[i], f"SELECT a FROM raced_{i} LIMIT 0"), range(SESSIONS)))
            for client, statement in zip(clients, prepared, strict=True):
                execute(client, statement)
                statement.close()


server = {"uri": json.load(sys.stdin)}
with contextlib.ExitStack() as stack:
    admin, *clients = [stack.enter_context(session(server)) for _ in range(SESSIONS + 1)]
    for i in range(SESSIONS):
        rows_of(admin, f"CREATE TABLE raced_{i} (a INT, b VARCHAR)")
    race(clients, admin, lambda _i: "CREATE TABLE IF NOT EXISTS raced_0 (a INT, b VARCHAR)")
    race(clients, admin, lambda i: f"INSERT INTO raced_{i} VALUES ({i}, 'text')")
    print(json.dumps([rows_of(admin, f"SELECT a, b, count(*)::INT AS n FROM raced_{i} GROUP BY ALL") for i in range(SESSIONS)]))
