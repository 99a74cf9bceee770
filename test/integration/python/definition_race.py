"""Transactions of several statements that define tables, while other sessions load each new version of the schema."""

import contextlib
import json
import sys
import threading

import pyarrow.flight as flight

from flight_session import session

READERS = 6
TABLES = 30
TRANSACTIONS = 40


def rows_of(client, sql):
    return client.do_get(flight.Ticket(sql.encode())).read_all().to_pylist()


def read(client, i, has_ended):
    while not has_ended.is_set():
        rows_of(client, f"SELECT a FROM read_{i} LIMIT 0")


server = {"uri": json.load(sys.stdin)}
with contextlib.ExitStack() as stack:
    admin, *clients = [stack.enter_context(session(server)) for _ in range(READERS + 1)]
    for i in range(TABLES):
        rows_of(admin, f"CREATE TABLE read_{i} (a INT, b VARCHAR)")
    has_ended = threading.Event()
    threads = [threading.Thread(target=read, args=(client, i, has_ended)) for i, client in enumerate(clients)]
    for thread in threads:
        thread.start()
    try:
        for k in range(TRANSACTIONS):
            rows_of(admin, "BEGIN")
            rows_of(admin, f"CREATE TABLE made_{k} (a INT)")
            rows_of(admin, f"SELECT a FROM made_{k}")
            rows_of(admin, f"COMMENT ON TABLE made_{k} IS 'made'")
            rows_of(admin, f"SELECT a FROM made_{k}")
            rows_of(admin, "COMMIT")
    finally:
        has_ended.set()
        for thread in threads:
            thread.join()
    made = "FROM duckdb_tables() WHERE database_name = 'lake' AND table_name LIKE 'made\\_%' ESCAPE '\\'"
    print(json.dumps(rows_of(admin, f"SELECT comment, count(*)::INT AS n {made} GROUP BY ALL")))
