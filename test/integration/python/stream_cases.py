"""Results stream, statements stop when they are no longer wanted, and what stops leaves nothing behind."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import adbc_driver_manager
import pyarrow as pa
import pyarrow.flight as flight

from adbc_cases import connect, scalar
from cases import cancel_while_running, metric, raises, wait_until, wait_until_idle
from flight_messages import field, packed
from flight_session import session

MIB = 1024 * 1024
#: Sends its first rows at once and never ends.
ENDLESS = "SELECT i, 'row number ' || i AS text FROM range(1000000000000) t(i)"
#: Computes for hours before it sends anything.
SILENT = "SELECT sum(sin(i)) AS s FROM range(1000000000000) t(i)"
RESIDENT = "process_resident_memory_bytes"


def info_of(client, sql):
    return client.get_flight_info(flight.FlightDescriptor.for_command(sql.encode()))


def rows_of(client, sql, options=None):
    return client.do_get(flight.Ticket(sql.encode()), options).read_all().to_pylist()


def unharmed(client):
    """The session goes on: whatever stopped its statement stops no other."""
    assert rows_of(client, "SELECT sum(i)::BIGINT AS s FROM range(3000000) t(i)") == [{"s": 4499998500000}]


def case_memory_is_flat_for_any_number_of_rows(server):
    def read(count):
        """Reads that many rows; returns the server's memory at its highest."""
        found, highest, done = 0, 0.0, threading.Event()

        def watch():
            nonlocal highest
            while True:
                highest = max(highest, metric(server, RESIDENT))
                if done.wait(0.2):
                    return

        watcher = threading.Thread(target=watch)
        watcher.start()
        with session(server) as client:
            for chunk in client.do_get(flight.Ticket(f"SELECT i FROM range({count}) t(i)".encode())):
                found += chunk.data.num_rows
        done.set()
        watcher.join()
        assert found == count
        return max(highest, metric(server, RESIDENT))

    few = read(2_000_000)
    many = read(50_000_000)  # 400 MB
    assert many - few < 150e6, f"{few / 1e6:.0f} MB for few rows, {many / 1e6:.0f} MB for many"


def case_no_message_is_above_2_mib(server):
    """gRPC itself refuses a larger one. Rust's clients take 4 MiB, ADBC 16."""
    limit = [("grpc.max_receive_message_length", 2 * MIB + 64 * 1024)]
    with session(server, generic_options=limit) as client:
        for sql in (
            "SELECT i, i AS j, 'x' || i AS k FROM range(600000) t(i)",
            "SELECT repeat('long ', 3000) || i AS v FROM range(3000) t(i)",
            "SELECT [i, i + 1, NULL] AS l, {'a': repeat('y', 500), 'b': i} AS s, map {'k': i} AS m FROM range(40000) t(i)",
            "SELECT repeat('z', 1500000) AS v FROM range(5) t(i)",
        ):
            assert client.do_get(flight.Ticket(sql.encode())).read_all().num_rows in (600000, 3000, 40000, 5)


def interleaved(first, second):
    """Reads a batch of the one and a batch of the other in turns; returns the rows and the sum of each."""
    found = {0: [0, 0], 1: [0, 0]}
    readers = {0: first.fetch_record_batch(), 1: second.fetch_record_batch()}
    while readers:
        for name in list(readers):
            try:
                column = readers[name].read_next_batch().column(0)
                found[name][0] += len(column)
                found[name][1] += column.sum().as_py() or 0
            except StopIteration:
                del readers[name]
    return list(found.values())


def case_two_large_results_at_once(server):
    rows = 5_000_000
    for autocommit in (True, False):
        with connect(server, autocommit=autocommit) as connection:
            with connection.cursor() as first, connection.cursor() as second:
                if not autocommit:
                    first.execute("CREATE OR REPLACE TABLE interleaving AS SELECT 1 AS i")
                first.execute(f"SELECT i FROM range({rows}) t(i)")
                second.execute(f"SELECT i FROM range({rows}, {2 * rows}) t(i)")
                expected = [[rows, rows * (rows - 1) // 2], [rows, rows * (3 * rows - 1) // 2]]
                assert interleaved(first, second) == expected, autocommit
                if not autocommit:
                    connection.rollback()
                    raises(adbc_driver_manager.Error, lambda: scalar(first, "SELECT * FROM interleaving"))
    wait_until_idle(server)


def case_a_script_streams_its_last_result(server):
    with session(server) as client:
        reader = client.do_get(flight.Ticket(f"SET VARIABLE a = 1; {ENDLESS}".encode()))
        assert reader.read_chunk().data.num_rows > 0
        # A setting reaches the other connections of the session without waiting for their results.
        rows_of(client, "SET threads = 2")
        reader.cancel()
        wait_until_idle(server)
        unharmed(client)


def case_one_statement_runs_several_times_at_once(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.adbc_prepare("SELECT i FROM range(3000000) t(i)")
        cursor.execute("SELECT i FROM range(3000000) t(i)")
        first = cursor.fetch_record_batch()
        assert first.read_next_batch().num_rows > 0
        with connection.cursor() as other:
            other.execute("SELECT i FROM range(3000000) t(i)")
            assert sum(batch.num_rows for batch in other.fetch_record_batch()) == 3_000_000


def cancels(server, client, sql, cancel):
    """Starts the statement, cancels it in another thread of the client, and reads to the error."""
    info = info_of(client, sql)
    failed = []

    def read():
        try:
            for _ in client.do_get(info.endpoints[0].ticket):
                pass
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    wait_until(lambda: metric(server, "eider_queries_running") == 1, "the statement runs")
    answer = cancel(info)
    thread.join()
    wait_until_idle(server)
    assert isinstance(failed[0], flight.FlightCancelledError), failed
    unharmed(client)
    return answer


def case_cancel_flight_info_and_cancel_query(server):
    def cancel_flight_info(info):
        (result,) = client.do_action(flight.Action("CancelFlightInfo", field(1, info.serialize())))
        return result.body.to_pybytes()

    def cancel_query(info):
        request = packed("ActionCancelQueryRequest", field(1, info.serialize()))
        (result,) = client.do_action(flight.Action("CancelQuery", request))
        return result.body.to_pybytes()

    with session(server) as client:
        for sql in (SILENT, ENDLESS):
            assert cancels(server, client, sql, cancel_flight_info) == b"\x08\x01"  # CANCELLED
            assert cancels(server, client, sql, cancel_query).endswith(b"\x08\x01")
        # What is over cannot be cancelled, and least of all may it cancel what runs now.
        over = info_of(client, "SELECT 1")
        client.do_get(over.endpoints[0].ticket).read_all()
        reader = client.do_get(info_of(client, ENDLESS).endpoints[0].ticket)
        assert reader.read_chunk().data.num_rows > 0
        raises(KeyError, lambda: cancel_flight_info(over))
        assert reader.read_chunk().data.num_rows > 0
        reader.cancel()
    wait_until_idle(server)


def case_deadline(server):
    with session(server) as client:
        for sql in (SILENT, ENDLESS):
            options = flight.FlightCallOptions(timeout=1)
            raises(flight.FlightTimedOutError, lambda sql=sql, options=options: rows_of(client, sql, options))
            wait_until_idle(server)
            unharmed(client)


def case_a_write_that_is_cancelled_writes_nothing(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE TABLE unwritten (s DOUBLE)")
        error = cancel_while_running(server, cursor, lambda: cursor.execute(f"INSERT INTO unwritten {SILENT}"))
        assert isinstance(error, adbc_driver_manager.Error)
        with connection.cursor() as other:
            assert scalar(other, "SELECT count(*) FROM unwritten") == 0


CLIENT = """
import sys
import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow as pa

uri, what, autocommit = sys.argv[1], sys.argv[2], sys.argv[3] == "True"
with flight_sql.connect(uri, autocommit=autocommit) as connection, connection.cursor() as cursor:
    if what.startswith("ingest"):
        _, mode, table = what.split()
        schema = pa.schema([("id", pa.int64()), ("text", pa.string())])

        def batches():
            while True:
                yield pa.record_batch({"id": list(range(50000)), "text": ["x" * 50] * 50000}, schema=schema)
                print("sent", flush=True)

        cursor.adbc_ingest(table, pa.RecordBatchReader.from_batches(schema, batches()), mode=mode)
    else:
        print("running", flush=True)
        cursor.execute(what)
        for batch in cursor.fetch_record_batch():
            print("sent", flush=True)
"""


@contextlib.contextmanager
def dying(server, what, lines, autocommit=True):
    """A client of its own process, killed once it has said that much and the caller has seen what it wants."""
    arguments = [sys.executable, "-c", CLIENT, server["uri"], what, str(autocommit)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        for _ in range(lines):
            assert process.stdout.readline(), "the client ended by itself"
        try:
            yield process
        finally:
            os.kill(process.pid, signal.SIGKILL)


def case_a_polled_statement_is_cancelled(server):
    """By ADBC's incremental execution, whose statement runs on between its calls."""
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**{"adbc.statement.exec.incremental": "true"})
        error = cancel_while_running(
            server, cursor, lambda: cursor.adbc_execute_partitions(f"CREATE OR REPLACE TABLE polled AS {SILENT}")
        )
        assert isinstance(error, adbc_driver_manager.Error)


def case_statements_of_a_killed_client_stop(server):
    for sql, lines in ((SILENT, 1), (ENDLESS, 3)):
        for autocommit in (True, False):
            with dying(server, sql, lines, autocommit):
                wait_until(lambda: metric(server, "eider_queries_running") == 1, "the statement runs")
            wait_until_idle(server)


def case_an_ingest_of_a_killed_client_leaves_nothing(server):
    """Far beyond what waits in memory: the rows are in a segment of their own when the client dies."""
    def files():
        return sorted(str(path) for path in (Path(server["data"]) / "buffer").rglob("seg-*"))

    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("standing", pa.table({"id": [7], "text": ["old"]}), mode="replace")
        scalar(cursor, "SELECT count(*) FROM standing")
        cursor.execute("PRAGMA duckling_queue.flush")
        before = files()
        for autocommit in (True, False):
            for mode, table in (("create", "never"), ("append", "standing"), ("replace", "standing")):
                with dying(server, f"ingest {mode} {table}", 10, autocommit):
                    wait_until(lambda: files() != before, "the rows are on disk")
                wait_until(lambda: files() == before, f"nothing is left of {mode}")
        cursor.execute("SELECT * FROM standing")
        assert cursor.fetchall() == [(7, "old")]
        raises(adbc_driver_manager.Error, lambda: cursor.execute("SELECT * FROM never"), "never")


def case_transactions_begin_with_their_first_statement_and_then_stay(server):
    with connect(server, autocommit=True) as other, other.cursor() as write, connect(server) as idle:
        write.execute("CREATE OR REPLACE TABLE moments (id BIGINT)")
        write.execute("INSERT INTO moments VALUES (1)")
        count = "SELECT count(*) FROM moments"
        with idle.cursor() as reading, idle.cursor() as again:
            assert scalar(reading, count) == 1  # the transaction was open, and saw nothing yet
            write.execute("INSERT INTO moments VALUES (2)")
            assert scalar(reading, count) == 1 and scalar(again, count) == 1
            reading.execute("INSERT INTO moments VALUES (10)")
            assert scalar(again, count) == 2
            idle.rollback()
            assert scalar(again, count) == 2
        with connect(server) as left, left.cursor() as writing:
            writing.execute("INSERT INTO moments VALUES (3)")
        # A connection that is closed rolls back what it has open.
        assert scalar(write, count) == 2


def case_transactions_by_sql_stay_with_the_session(server):
    with session(server) as client:
        rows_of(client, "CREATE OR REPLACE TABLE by_sql (id BIGINT)")
        rows_of(client, "BEGIN")
        rows_of(client, "INSERT INTO by_sql VALUES (1)")
        with session(server) as other:
            assert rows_of(other, "SELECT count(*)::INT AS n FROM by_sql") == [{"n": 0}]
        assert rows_of(client, "SELECT count(*)::INT AS n FROM by_sql") == [{"n": 1}]
        rows_of(client, "ROLLBACK")
        assert rows_of(client, "SELECT count(*)::INT AS n FROM by_sql") == [{"n": 0}]


def case_unknown_transactions_and_handles_are_not_found(server):
    with session(server) as client:
        rows_of(client, "SELECT 1")
        end = packed("ActionEndTransactionRequest", field(1, b"nobody") + b"\x10\x01")
        raises(KeyError, lambda: list(client.do_action(flight.Action("EndTransaction", end))), "nobody")
        handle = packed("CommandPreparedStatementQuery", field(1, b"nobody"))
        raises(KeyError, lambda: client.get_flight_info(flight.FlightDescriptor.for_command(handle)))
        # Clients close late; that is no mistake.
        close = packed("ActionClosePreparedStatementRequest", field(1, b"nobody"))
        assert list(client.do_action(flight.Action("ClosePreparedStatement", close))) == []
        for action in ("BeginSavepoint", "EndSavepoint", "CreatePreparedSubstraitPlan"):
            raises(NotImplementedError, lambda name=action: list(client.do_action(flight.Action(name, b""))), action)
        plan = packed("CommandStatementSubstraitPlan", b"")
        descriptor = flight.FlightDescriptor.for_command(plan)
        raises(NotImplementedError, lambda: client.get_flight_info(descriptor), "CommandStatementSubstraitPlan")
