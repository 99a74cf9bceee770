"""Results that end badly, are read slowly or not at all, and types that clients do not agree on."""

import adbc_driver_manager
import pyarrow as pa
import pyarrow.flight as flight

from adbc_cases import connect, scalar
from cases import cancel_while_running, fail_while_running, metric, raises, wait_until, wait_until_idle
from flight_session import Tokens

ENDLESS = "SELECT i, 'row number ' || i AS text FROM range(1000000000000) t(i)"


def rows_of(client, sql, options=None):
    return client.do_get(flight.Ticket(sql.encode()), options).read_all().to_pylist()


def read_to_the_end(cursor):
    return sum(batch.num_rows for batch in cursor.fetch_record_batch())


def case_an_error_after_rows_were_sent_reaches_the_client(server):
    sql = "SELECT CASE WHEN i = 3000000 THEN error('boom') ELSE i::VARCHAR END AS v FROM range(100000000) t(i)"
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        reader = cursor.fetch_record_batch()
        assert reader.read_next_batch().num_rows > 0
        raises(Exception, lambda: [None for _ in reader], "boom")
        assert scalar(cursor, "SELECT 42") == 42
    wait_until_idle(server)


def case_a_value_that_arrow_cannot_hold_is_an_error_in_the_middle(server):
    sql = """SELECT CASE WHEN i = 3000000 THEN 170141183460469231731687303715884105727 ELSE i END::HUGEINT AS v
               FROM range(1000000000000) t(i)"""
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        reader = cursor.fetch_record_batch()
        assert reader.read_next_batch().num_rows > 0
        raises(Exception, lambda: [None for _ in reader], "decimal128")
        assert scalar(cursor, "SELECT 42") == 42
    wait_until_idle(server)


def case_an_insert_whose_source_breaks_off_stores_nothing(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE half (v VARCHAR)")
        source = "SELECT CASE WHEN i = 3000000 THEN error('boom') ELSE 'x' END AS v FROM range(10000000) t(i)"
        raises(adbc_driver_manager.Error, lambda: cursor.execute(f"INSERT INTO duckling_queue.half {source}"), "boom")
        cursor.execute("CALL duckling_queue_flush('half')")
        assert scalar(cursor, "SELECT count(*) FROM half") == 0


def case_an_error_in_a_transaction_leaves_the_session_usable(server):
    with connect(server) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT CASE WHEN i = 3000000 THEN error('boom') ELSE 'x' END FROM range(10000000) t(i)")
        raises(Exception, lambda: read_to_the_end(cursor), "boom")
        connection.rollback()
        assert scalar(cursor, "SELECT 42") == 42


def case_a_reader_that_stops_holds_nobody_up(server):
    client = flight.connect(server["uri"])
    resident = metric(server, "process_resident_memory_bytes")
    reader = client.do_get(flight.Ticket(ENDLESS.encode()))
    assert reader.read_chunk().data.num_rows > 0
    # The same session: its other statements, and big ones, go on beside the result that nobody reads.
    assert rows_of(client, "SELECT 42 AS v") == [{"v": 42}]
    rows = client.do_get(flight.Ticket(b"SELECT i, i * 2 AS j FROM range(5000000) t(i)"))
    assert sum(chunk.data.num_rows for chunk in rows) == 5_000_000
    assert metric(server, "eider_queries_running") == 1
    grown = metric(server, "process_resident_memory_bytes") - resident
    assert grown < 500e6, f"{grown / 1e6:.0f} MB more"
    # What was not read is still there.
    assert reader.read_chunk().data.num_rows > 0
    reader.cancel()
    wait_until_idle(server)
    assert rows_of(client, "SELECT 42 AS v") == [{"v": 42}]
    client.close()


def case_a_result_that_is_not_read_to_its_end_is_stopped(server):
    with connect(server, autocommit=True) as connection:
        with connection.cursor() as cursor:
            cursor.execute(ENDLESS)
            reader = cursor.fetch_record_batch()
            assert reader.read_next_batch().num_rows > 0
            assert metric(server, "eider_queries_running") == 1
            reader.close()
        wait_until_idle(server)
        with connection.cursor() as cursor:
            assert scalar(cursor, "SELECT 42") == 42
            assert read_to_the_end_of(cursor, "SELECT i FROM range(300000) t(i)") == 300_000


def read_to_the_end_of(cursor, sql):
    cursor.execute(sql)
    return read_to_the_end(cursor)


def case_a_client_that_is_gone_stops_its_statement(server):
    client = flight.connect(server["uri"])
    reader = client.do_get(flight.Ticket(ENDLESS.encode()))
    assert reader.read_chunk().data.num_rows > 0
    assert metric(server, "eider_queries_running") == 1
    del reader
    client.close()
    wait_until_idle(server)


def case_a_session_outlives_the_connection_that_was_lost(server):
    first = flight.connect(server["uri"], middleware=[tokens := Tokens()])
    rows_of(first, "SET VARIABLE kept = 7")
    reader = first.do_get(flight.Ticket(ENDLESS.encode()))
    assert reader.read_chunk().data.num_rows > 0
    del reader
    first.close()
    wait_until_idle(server)
    second = flight.connect(server["uri"], middleware=[tokens])
    assert rows_of(second, "SELECT getvariable('kept') AS v") == [{"v": 7}]
    second.close()


def case_cancel_stops_a_statement_that_has_sent_nothing(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        def run():
            cursor.execute("SELECT sum(sin(i)) FROM range(1000000000000) t(i)")
            cursor.fetchall()

        cancel_while_running(server, cursor, run)
        with connection.cursor() as other:
            assert scalar(other, "SELECT 42") == 42


def case_unsigned_integers_as_the_client_wants_them(server):
    sql = b"SELECT 255::UTINYINT AS a, 65535::USMALLINT AS b, 4294967295::UINTEGER AS c, 18446744073709551615::UBIGINT AS d, [1::UTINYINT] AS e"
    values = {"a": 2**8 - 1, "b": 2**16 - 1, "c": 2**32 - 1, "d": 2**64 - 1, "e": [1]}
    for asked, types in (
        (None, [pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(), pa.list_(pa.uint8())]),
        (b"widen", [pa.int16(), pa.int32(), pa.int64(), pa.decimal128(20, 0), pa.list_(pa.int16())]),
    ):
        client = flight.connect(server["uri"])
        options = flight.FlightCallOptions(headers=[] if asked is None else [(b"unsigned", asked)])
        info = client.get_flight_info(flight.FlightDescriptor.for_command(sql), options)
        table = client.do_get(info.endpoints[0].ticket, options).read_all()
        assert info.schema.types == types and table.schema.types == types, (asked, info.schema, table.schema)
        assert table.to_pylist() == [values], table
        client.close()


def case_columns_that_no_client_reads_hide_nothing(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE odd (id BIGINT, v VARIANT, g GEOMETRY, s STRUCT(a VARIANT))")
        schema = connection.adbc_get_table_schema("odd")
        assert schema.names == ["id", "v", "g", "s"] and schema.types == [pa.int64(), *[pa.string()] * 3], schema
        found = {
            table["table_name"]: [column["column_name"] for column in table["table_columns"]]
            for catalog in connection.adbc_get_objects(depth="all").read_all().to_pylist()
            for schema in catalog["catalog_db_schemas"]
            for table in schema["db_schema_tables"]
        }
        assert found["odd"] == ["id", "v", "g", "s"], found
        raises(adbc_driver_manager.Error, lambda: cursor.execute("SELECT * FROM odd"), '"v"', "VARIANT")
        cursor.execute("SELECT id, v::VARCHAR FROM odd")
        assert cursor.fetchall() == []
    client = flight.connect(server["uri"])
    assert any(info.descriptor.path == [b"main", b"odd"] for info in client.list_flights())
    client.close()


def case_a_statement_that_kills_the_engine_leaves_the_server(server):
    """DuckDB 1.5.5 invalidates its whole instance over these."""
    client = flight.connect(server["uri"])
    rows_of(client, "CREATE TABLE survives (id BIGINT)")
    with connect(server, autocommit=True) as killer, connect(server) as transaction, connect(server, autocommit=True) as reader:
        with killer.cursor() as kill, transaction.cursor() as inside, reader.cursor() as read:
            kill.adbc_ingest("survives", pa.table({"id": [1, 2]}), mode="append")
            inside.execute("INSERT INTO survives VALUES (100)")
            read.execute(ENDLESS)
            open_result = read.fetch_record_batch()
            assert open_result.read_next_batch().num_rows > 0
            error = raises(
                adbc_driver_manager.Error,
                lambda: scalar(kill, "SELECT typeof($1), $1::VARCHAR", ("x",)),
            )
            assert "Stack Trace" not in str(error) and "node_modules" not in str(error), error
            # Whoever was in the middle of something is told; everybody goes on.
            raises(Exception, lambda: [None for _ in open_result])
            raises(adbc_driver_manager.Error, lambda: inside.execute("SELECT 1"))
            transaction.rollback()
            for cursor in (kill, inside, read):
                assert scalar(cursor, "SELECT count(*) FROM survives") in (0, 2), "an uncommitted row is there"
            kill.adbc_ingest("survives", pa.table({"id": [3]}), mode="append")
            assert scalar(kill, "SELECT sum(id) FROM survives") == 6
            inside.execute("INSERT INTO survives VALUES (10)")
            transaction.commit()
            assert scalar(read, "SELECT sum(id) FROM survives") == 16
    wait_until_idle(server)
    client.close()


def case_whoever_the_engine_dies_under_is_not_told_of_a_cancellation(server):
    with connect(server, autocommit=True) as killer, connect(server, autocommit=True) as busy:
        with killer.cursor() as kill, busy.cursor() as cursor:
            error = fail_while_running(
                server,
                lambda: cursor.execute("CREATE TEMP TABLE never AS SELECT sum(range) AS s FROM range(1000000000000)"),
                lambda: raises(adbc_driver_manager.Error, lambda: scalar(kill, "SELECT typeof($1), $1::VARCHAR", ("x",))),
            )
            assert "restarted after a fatal error of another statement" in str(error), error
            assert scalar(cursor, "SELECT 42") == 42
