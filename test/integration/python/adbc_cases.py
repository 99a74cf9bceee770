"""The Python DB-API of the stock ADBC Flight SQL driver."""

import datetime
import decimal

import adbc_driver_flightsql.dbapi as flight_sql
import adbc_driver_manager
import pyarrow as pa

from cases import raises


def connect(server, **options):
    return flight_sql.connect(server["uri"], **options)


def scalar(cursor, sql, *parameters):
    cursor.execute(sql, *parameters)
    return cursor.fetchone()[0]


def case_select_and_fetch(server):
    with connect(server) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 42 AS answer, 'x' AS text, NULL AS nothing")
        assert [column[0] for column in cursor.description] == ["answer", "text", "nothing"]
        assert cursor.fetchall() == [(42, "x", None)]
        cursor.execute("SELECT i FROM range(100000) t(i)")
        table = cursor.fetch_arrow_table()
        assert table.num_rows == 100_000 and sum(table["i"].to_pylist()) == 4_999_950_000


def case_parameters(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT ? + 1 AS a, ? AS b", (41, "x"))
        assert cursor.fetchall() == [(42, "x")]
        cursor.execute("SELECT ? IS NULL", (None,))
        assert cursor.fetchone() == (True,)


def case_ddl_dml_with_autocommit(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE auto (id BIGINT, name VARCHAR)")
        cursor.execute("INSERT INTO auto VALUES (1, 'a'), (2, NULL)")
        assert cursor.rowcount == 2, cursor.rowcount
        cursor.executemany("INSERT INTO auto VALUES (?, ?)", [(3, "c"), (4, None), (5, "e")])
        cursor.execute("UPDATE auto SET name = 'z' WHERE id = 2")
        cursor.execute("DELETE FROM auto WHERE id = 1")
        cursor.execute("SELECT * FROM auto ORDER BY id")
        assert cursor.fetchall() == [(2, "z"), (3, "c"), (4, None), (5, "e")]
        cursor.execute("DROP TABLE auto")
        raises(adbc_driver_manager.Error, lambda: cursor.execute("SELECT * FROM auto"), "auto")


def case_transactions(server):
    with connect(server) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE tx (id BIGINT)")
        connection.commit()
        cursor.execute("INSERT INTO tx VALUES (1)")
        connection.rollback()
        assert scalar(cursor, "SELECT count(*) FROM tx") == 0
        cursor.execute("INSERT INTO tx VALUES (2)")
        connection.commit()
        with connect(server) as other, other.cursor() as reader:
            assert scalar(reader, "SELECT sum(id) FROM tx") == 2


def case_rows_deleted_by_two_at_once_are_not_there_twice(server):
    by_id = "MERGE INTO fewer USING (SELECT range AS i FROM range(30, 40)) s ON fewer.id = s.i WHEN MATCHED THEN DELETE"
    with connect(server) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE fewer AS SELECT range AS id FROM range(100)")
        cursor.execute("DELETE FROM fewer WHERE id < 10")
        connection.commit()
        with connect(server, autocommit=True) as other, other.cursor() as others:
            # The file has had deletions before: DuckLake alone sees no conflict, and shows all of its rows twice.
            for left, mine in [(80, "DELETE FROM fewer WHERE id < 40"), (70, by_id), (60, "TRUNCATE fewer")]:
                cursor.execute(mine)
                others.execute(f"DELETE FROM fewer WHERE id >= {left}")
                raises(adbc_driver_manager.Error, connection.commit, "another transaction has deleted from it")
                connection.close()
                connection = connect(server)
                cursor = connection.cursor()
                assert scalar(others, "SELECT count(id + 1) FROM fewer") == left - 10, left
        cursor.execute("DROP TABLE fewer")
        connection.commit()
        cursor.close()
        connection.close()


def case_rows_deleted_by_execute_or_explain_are_not_there_twice_either(server):
    for run in ["EXECUTE Fewer", "EXPLAIN ANALYZE EXECUTE fewer", "EXPLAIN (ANALYZE) DELETE FROM \"PREPARED\" WHERE id < 40"]:
        with connect(server, autocommit=True) as other, other.cursor() as others:
            others.execute("CREATE OR REPLACE TABLE prepared AS SELECT range AS id FROM range(100)")
            others.execute("DELETE FROM prepared WHERE id < 10")
            with connect(server) as connection, connection.cursor() as cursor:
                cursor.execute("PREPARE fewer AS DELETE FROM prepared WHERE id < 40")
                cursor.execute(run)
                cursor.fetchall()
                others.execute("DELETE FROM prepared WHERE id >= 80")
                raises(adbc_driver_manager.Error, connection.commit, "another transaction has deleted from it")
            assert scalar(others, "SELECT count(id + 1) FROM prepared") == 70, run
            others.execute("PREPARE fewer AS DELETE FROM prepared WHERE id < 40")
            others.execute(run)
            others.fetchall()
            assert scalar(others, "SELECT count(id + 1) FROM prepared") == 40, run


def case_whoever_has_deleted_nothing_from_a_table_is_told_of_no_conflict(server):
    with connect(server, autocommit=True) as other, other.cursor() as others:
        for schema in ["one", "two", "main"]:
            others.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            others.execute(f"CREATE TABLE {schema}.same AS SELECT range AS id FROM range(100)")
            others.execute(f"DELETE FROM {schema}.same WHERE id < 10")
        for schema, deletion in [("two", "DELETE FROM one.same WHERE id < 40"), ("main", "DELETE FROM same WHERE id < 0")]:
            with connect(server) as connection, connection.cursor() as cursor:
                cursor.execute(deletion)
                others.execute(f"DELETE FROM {schema}.same WHERE id >= 90")
                connection.commit()
        with connect(server) as connection, connection.cursor() as cursor:
            cursor.execute("SET schema = 'one'")
            cursor.execute("DELETE FROM same WHERE id = 50")
            others.execute("DELETE FROM one.same WHERE id = 60")
            raises(adbc_driver_manager.Error, connection.commit, "another transaction has deleted from it")
        assert scalar(others, "SELECT count(id + 1) FROM one.same") == 59
        for schema in ["one", "two", "main"]:
            others.execute(f"DROP TABLE {schema}.same")


def case_rollback_covers_ingest(server):
    with connect(server) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("tx_ingest", pa.table({"id": [1, 2, 3]}), mode="create")
        connection.commit()
        cursor.adbc_ingest("tx_ingest", pa.table({"id": [4]}), mode="append")
        assert scalar(cursor, "SELECT count(*) FROM tx_ingest") == 4
        connection.rollback()
        assert scalar(cursor, "SELECT count(*) FROM tx_ingest") == 3


def case_ingest_into_a_table_of_the_same_transaction(server):
    with connect(server) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE tx_made (id BIGINT, note VARCHAR DEFAULT 'none')")
        cursor.adbc_ingest("tx_made", pa.table({"id": [1, 2]}), mode="append")
        cursor.execute("INSERT INTO duckling_queue.tx_made VALUES (3, 'x')")
        assert scalar(cursor, "SELECT count(*) FROM tx_made") == 3
        connection.rollback()
        raises(adbc_driver_manager.Error, lambda: cursor.execute("SELECT * FROM tx_made"))


def case_ingest_modes(server):
    table = pa.table({"id": pa.array([1, 2, 3], pa.int64()), "name": ["a", None, "c"]})
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        raises(adbc_driver_manager.Error, lambda: cursor.adbc_ingest("modes", table, mode="append"), "modes")
        assert cursor.adbc_ingest("modes", table, mode="create") == 3
        raises(adbc_driver_manager.Error, lambda: cursor.adbc_ingest("modes", table, mode="create"), "already exists")
        assert cursor.adbc_ingest("modes", table, mode="append") == 3
        assert cursor.adbc_ingest("modes", table, mode="create_append") == 3
        assert scalar(cursor, "SELECT count(*) FROM modes") == 9
        assert cursor.adbc_ingest("modes", table.slice(0, 1), mode="replace") == 1
        cursor.execute("SELECT * FROM modes")
        assert cursor.fetchall() == [(1, "a")]
        other = pa.table({"id": ["text"], "extra": [1]})
        raises(adbc_driver_manager.Error, lambda: cursor.adbc_ingest("modes", other, mode="append"))
        twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "A"])
        error = raises(adbc_driver_manager.Error, lambda: cursor.adbc_ingest("modes_twice", twice, mode="create"), '"A"')
        assert error.status_code == adbc_driver_manager.AdbcStatusCode.INVALID_ARGUMENT
        assert cursor.adbc_ingest("modes_new", table, mode="create_append") == 3
        assert scalar(cursor, "SELECT count(*) FROM modes_new") == 3


def case_ingest_sees_own_writes_at_once(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("own_writes", pa.table({"id": [0]}), mode="create")
        cursor.execute("CREATE VIEW own_writes_view AS SELECT * FROM own_writes")
        for n in range(1, 6):
            cursor.adbc_ingest("own_writes", pa.table({"id": [n]}), mode="append")
            assert scalar(cursor, "SELECT count(*) FROM own_writes_view") == n + 1


def case_failed_ingest_leaves_nothing(server):
    def broken():
        yield pa.record_batch({"id": [1, 2]})
        raise RuntimeError("the client broke down")

    schema = pa.schema([("id", pa.int64())])
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        reader = pa.RecordBatchReader.from_batches(schema, broken())
        raises(Exception, lambda: cursor.adbc_ingest("never", reader, mode="create"))
        raises(adbc_driver_manager.Error, lambda: cursor.execute("SELECT * FROM never"))
        cursor.adbc_ingest("kept", pa.table({"id": [7]}), mode="create")
        reader = pa.RecordBatchReader.from_batches(schema, broken())
        raises(Exception, lambda: cursor.adbc_ingest("kept", reader, mode="replace"))
        assert scalar(cursor, "SELECT sum(id) FROM kept") == 7


def case_big_ingest_round_trip(server):
    count = 300_000
    table = pa.table(
        {
            "id": pa.array(range(count), pa.int64()),
            "text": [f"row number {i} of many" if i % 3 else None for i in range(count)],
            "small": [f"{i % 1000}" for i in range(count)],
            "value": pa.array([i / 7 for i in range(count)], pa.float64()),
            "flag": [i % 2 == 0 for i in range(count)],
        }
    )
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        assert cursor.adbc_ingest("big", table, mode="create") == count
        cursor.execute("SELECT * FROM big ORDER BY id")
        assert cursor.fetch_arrow_table().cast(table.schema).equals(table)


def case_types_round_trip(server):
    day = datetime.date(2026, 2, 28)
    table = pa.table(
        {
            "i8": pa.array([1, None, -128], pa.int8()),
            "u64": pa.array([2**64 - 1, None, 0], pa.uint64()),
            "f16": pa.array([1.5, None, -2.0], pa.float16()),
            "dec": pa.array([decimal.Decimal("123.45"), None, decimal.Decimal("-0.01")], pa.decimal128(10, 2)),
            "wide": pa.array([decimal.Decimal(10**30), None, decimal.Decimal(-5)], pa.decimal128(38, 0)),
            "large": pa.array(["ä" * 100, None, ""], pa.large_string()),
            "view": pa.array(["short", None, "a string view beyond twelve bytes"], pa.string_view()),
            "blob": pa.array([b"\x00\x01", None, b""], pa.binary()),
            "fixed": pa.array([b"abcd", None, b"\x00\x00\x00\x00"], pa.binary(4)),
            "date": pa.array([day, None, datetime.date(1, 1, 1)], pa.date32()),
            "time": pa.array([datetime.time(1, 2, 3), None, datetime.time(23, 59, 59, 999999)], pa.time64("us")),
            "ts_s": pa.array([0, None, 10**9], pa.timestamp("s")),
            "ts_ms": pa.array([0, None, 10**12], pa.timestamp("ms")),
            "ts_us": pa.array([0, None, 10**15], pa.timestamp("us")),
            "ts_ns": pa.array([0, None, 10**18 + 1], pa.timestamp("ns")),
            "ts_tz": pa.array([0, None, 10**15], pa.timestamp("us", "Europe/Berlin")),
            "list": pa.array([[1, None, 3], None, []], pa.list_(pa.int32())),
            "fsl": pa.array([[1.0, 2.0], None, [3.0, None]], pa.list_(pa.float64(), 2)),
            "struct": pa.array([{"a": 1, "b": ["x", None]}, None, {"a": None, "b": None}],
                               pa.struct([("a", pa.int32()), ("b", pa.list_(pa.string()))])),
            "map": pa.array([[("k", 1), ("l", None)], None, []], pa.map_(pa.string(), pa.int64())),
            "dict": pa.array(["x", None, "y"]).dictionary_encode(),
        }
    )
    plain = {"f16": pa.float32(), "large": pa.string(), "view": pa.string(), "fixed": pa.binary(), "dict": pa.string(),
             "ts_tz": pa.timestamp("us", "UTC"), "fsl": pa.list_(pa.float64())}
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("types", table, mode="create")
        cursor.execute("SELECT * FROM types")
        found = cursor.fetch_arrow_table()
        for name in table.column_names:
            want = table[name]
            if name == "fixed" or name == "fsl":
                assert found[name].to_pylist() == want.to_pylist(), name
                continue
            if name in plain:
                want = want.cast(plain[name])
            assert found[name].to_pylist() == want.to_pylist(), (name, found[name], want)


def case_unstorable_types_are_refused_by_name(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        for sql in (
            "CREATE TABLE bad (big HUGEINT)",
            "CREATE TABLE bad (t TIME_NS)",
            "CREATE TABLE bad AS SELECT 1::HUGEINT AS big",
            "CREATE TABLE bad (a INTEGER, nested STRUCT(big UHUGEINT)[])",
        ):
            raises(adbc_driver_manager.Error, lambda sql=sql: cursor.execute(sql))
        nanos = pa.table({"clock": pa.array([1], pa.time64("ns"))})
        raises(adbc_driver_manager.Error, lambda: cursor.adbc_ingest("bad", nanos, mode="create"), "clock")
        raises(adbc_driver_manager.Error, lambda: cursor.execute("SELECT * FROM bad"))


def case_two_cursors_do_not_cut_each_other(server):
    with connect(server, autocommit=True) as connection:
        with connection.cursor() as first, connection.cursor() as second:
            first.execute("SELECT i FROM range(2000000) t(i)")
            reader = first.fetch_record_batch()
            count = reader.read_next_batch().num_rows
            assert scalar(second, "SELECT 42") == 42
            for batch in reader:
                count += batch.num_rows
            assert count == 2_000_000, count


def case_two_cursors_in_a_transaction(server):
    with connect(server) as connection:
        with connection.cursor() as first, connection.cursor() as second:
            first.execute("SELECT i FROM range(500000) t(i)")
            reader = first.fetch_record_batch()
            count = reader.read_next_batch().num_rows
            assert scalar(second, "SELECT 42") == 42
            count += sum(batch.num_rows for batch in reader)
            assert count == 500_000, count


def case_queue_insert(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE queued (id BIGINT PRIMARY KEY, name VARCHAR, happened TIMESTAMP)")
        cursor.execute("INSERT INTO duckling_queue.queued VALUES (1, 'a', '2026-01-01'), (2, 'b', NULL)")
        assert cursor.rowcount == 2, cursor.rowcount
        cursor.executemany("INSERT INTO duckling_queue.queued (id, name) VALUES (?, ?)", [(2, "new"), (3, None)])
        cursor.execute("INSERT INTO duckling_queue.queued BY NAME SELECT 'four' AS name, 4 AS id")
        cursor.execute("CALL duckling_queue_flush('main.queued')")
        cursor.execute("PRAGMA duckling_queue.flush")
        cursor.execute("SELECT id, name FROM queued ORDER BY id")
        assert cursor.fetchall() == [(1, "a"), (2, "new"), (3, None), (4, "four")]
        raises(adbc_driver_manager.Error, lambda: cursor.execute("INSERT INTO duckling_queue.queued (id) VALUES (1, 2)"))
        raises(adbc_driver_manager.Error, lambda: cursor.execute("INSERT INTO duckling_queue.queued (name) VALUES ('x')"), "id")


def case_primary_key(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE keyed (a INTEGER, b VARCHAR, v DOUBLE DEFAULT 1.5, PRIMARY KEY (a, b))")
        table = pa.table({"a": pa.array([1, 1, 1], pa.int32()), "b": ["x", "x", "y"], "v": [1.0, 2.0, 3.0]})
        cursor.adbc_ingest("keyed", table, mode="append")
        cursor.adbc_ingest("keyed", pa.table({"a": pa.array([1], pa.int32()), "b": ["y"], "v": [9.0]}), mode="append")
        cursor.execute("SELECT * FROM keyed ORDER BY ALL")
        assert cursor.fetchall() == [(1, "x", 2.0), (1, "y", 9.0)]
        nulls = pa.table({"a": pa.array([None], pa.int32()), "b": ["x"], "v": [1.0]})
        raises(adbc_driver_manager.Error, lambda: cursor.adbc_ingest("keyed", nulls, mode="append"), "a")
        cursor.execute("CREATE TABLE later (id BIGINT, v BIGINT)")
        cursor.execute("INSERT INTO later VALUES (1, 1), (2, 2)")
        cursor.execute("CALL eider_set_primary_key('later', ['id'])")
        cursor.adbc_ingest("later", pa.table({"id": [2, 3], "v": [20, 30]}), mode="append")
        cursor.execute("SELECT * FROM later ORDER BY id")
        assert cursor.fetchall() == [(1, 1), (2, 20), (3, 30)]


def case_system_functions(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("shown", pa.table({"id": [1]}), mode="create")
        cursor.execute("SELECT * FROM eider_buffers() WHERE table_name = 'shown'")
        assert cursor.fetchall()[0][:2] == ("main", "shown")
        cursor.execute("CALL duckling_queue_flush('shown')")
        assert scalar(cursor, "SELECT count(*) FROM eider_flushes() WHERE table_name = 'shown' AND error IS NULL") >= 1


def case_flushing_what_is_no_table_is_an_error(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        raises(adbc_driver_manager.Error, lambda: cursor.execute("CALL duckling_queue_flush('no_such_table')"), "no_such_table")
        raises(adbc_driver_manager.Error, lambda: cursor.execute("CALL duckling_queue_flush('a.b.c.d')"), "schema.table")


def case_read_consistency(server):
    with connect(server, autocommit=True) as writer, connect(server, autocommit=True) as reader:
        with writer.cursor() as write, reader.cursor() as read:
            write.adbc_ingest("consistent", pa.table({"id": [1]}), mode="create")
            write.adbc_ingest("consistent", pa.table({"id": [2]}), mode="append")
            read.execute("SET eider_read_consistency = 'strong'")
            assert scalar(read, "SELECT count(*) FROM consistent") == 2
            raises(adbc_driver_manager.Error, lambda: read.execute("SET eider_read_consistency = 'perhaps'"), "session")


def case_errors_keep_duckdbs_text(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        raises(adbc_driver_manager.ProgrammingError, lambda: cursor.execute("SELEC 1"), "Parser Error", "SELEC")
        raises(adbc_driver_manager.Error, lambda: scalar(cursor, "SELECT 'x'::INTEGER"), "Conversion Error")
        raises(adbc_driver_manager.Error, lambda: cursor.execute(""))
        raises(adbc_driver_manager.Error, lambda: cursor.execute("-- nothing"))
        raises(adbc_driver_manager.Error, lambda: cursor.execute("CREATE TABLE t (id BIGINT PRIMARY KEY, at DATE)"), "CREATE TABLE t (")


def case_scripts(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE script (id BIGINT); INSERT INTO script VALUES (1), (2); SELECT sum(id) FROM script")
        assert cursor.fetchall() == [(3,)]


def case_metadata(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE seen (id BIGINT NOT NULL, price DECIMAL(10, 2))")
        info = connection.adbc_get_info()
        assert "eider" in info["vendor_name"].lower(), info
        assert connection.adbc_get_table_schema("seen") == pa.schema(
            [pa.field("id", pa.int64(), nullable=False), pa.field("price", pa.decimal128(10, 2))]
        ) or [field.name for field in connection.adbc_get_table_schema("seen")] == ["id", "price"]
        objects = connection.adbc_get_objects(depth="tables").read_all().to_pylist()
        catalogs = [catalog["catalog_name"] for catalog in objects]
        assert catalogs == ["lake"], catalogs
        assert "TABLE" in connection.adbc_get_table_types()


def case_a_comment_does_not_end_the_key(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE commented (id BIGINT PRIMARY KEY, v BIGINT)")
        cursor.adbc_ingest("commented", pa.table({"id": [1], "v": [1]}), mode="append")
        cursor.execute("COMMENT ON TABLE commented IS 'what it is for'")
        cursor.adbc_ingest("commented", pa.table({"id": [1], "v": [2]}), mode="append")
        cursor.execute("SELECT * FROM commented")
        assert cursor.fetchall() == [(1, 2)]
    with connect(server) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("commented", pa.table({"id": [1], "v": [0]}), mode="append")
        connection.rollback()
        scalar(cursor, "SELECT count(*) FROM commented")
        cursor.adbc_ingest("commented", pa.table({"id": [1], "v": [3]}), mode="append")
        connection.commit()
        cursor.execute("SELECT * FROM commented")
        assert cursor.fetchall() == [(1, 3)]


def case_a_key_beside_a_column_called_rowid(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE numbered (id BIGINT, rowid BIGINT)")
        refused = lambda: cursor.execute("CALL eider_set_primary_key('numbered', ['id'])")
        raises(adbc_driver_manager.ProgrammingError, refused, "rowid", "RENAME")
        cursor.execute("ALTER TABLE numbered RENAME rowid TO number")
        cursor.execute("CALL eider_set_primary_key('numbered', ['id'])")
        cursor.adbc_ingest("numbered", pa.table({"id": [1, 1], "number": [5, 3]}), mode="append")
        cursor.execute("SELECT * FROM numbered")
        assert cursor.fetchall() == [(1, 3)]


def case_a_schema_is_dropped_with_rows_waiting(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA short_lived")
        with connection.cursor() as writer:
            writer.adbc_ingest("t", pa.table({"id": [1]}), mode="create", db_schema_name="short_lived")
        cursor.execute("DROP SCHEMA short_lived CASCADE")
        waiting = "SELECT count(*) FROM eider_buffers() WHERE schema_name = 'short_lived' AND open_rows + sealed_rows > 0"
        assert scalar(cursor, waiting) == 0
        cursor.execute("PRAGMA duckling_queue.flush")


def case_queue_insert_makes_its_table_in_the_transaction(server):
    with connect(server) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.execute("INSERT INTO duckling_queue.tx_queue VALUES (1)")
        assert scalar(cursor, "SELECT count(*) FROM tx_queue") == 1
        connection.rollback()
        raises(adbc_driver_manager.Error, lambda: cursor.execute("SELECT * FROM tx_queue"))
        connection.rollback()
        cursor.execute("CREATE TABLE tx_source AS SELECT 7 AS id")
        cursor.execute("INSERT INTO duckling_queue.tx_queue SELECT id FROM tx_source")
        connection.commit()
        assert scalar(cursor, "SELECT sum(c0) FROM tx_queue t(c0)") == 7


def case_definitions_and_keyed_rows_in_one_transaction(server):
    """The first direct write by key needs a table of Eider's own, which cannot be made beside the open transaction."""
    with connect(server, autocommit=True) as other, other.cursor() as cursor:
        cursor.execute("CREATE TABLE tx_keyed (id BIGINT PRIMARY KEY, v BIGINT)")
        cursor.execute("INSERT INTO duckling_queue.tx_keyed VALUES (1, 1)")
    with connect(server) as connection, connection.cursor() as cursor:
        row = pa.table({"id": [1], "v": [2]})
        cursor.execute("CREATE TABLE tx_defined (id BIGINT)")
        raises(adbc_driver_manager.Error, lambda: cursor.adbc_ingest("tx_keyed", row, mode="append"), "roll back")
        connection.rollback()
        cursor.execute("CREATE TABLE tx_defined (id BIGINT)")
        assert cursor.adbc_ingest("tx_keyed", row, mode="append") == 1
        set_key = lambda: cursor.execute("CALL eider_set_primary_key('tx_keyed', ['v'])")
        raises(adbc_driver_manager.ProgrammingError, set_key, "commit")
        connection.commit()
        cursor.execute("SELECT * FROM tx_keyed")
        assert cursor.fetchall() == [(1, 2)]


def case_mistakes_are_not_internal_errors(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        for sql in (
            "SELECT * FROM 'no-such-file.parquet'",
            "COPY (SELECT 1) TO '/no-such-folder/x.csv'",
            "ATTACH '/no-such-folder/x.db'",
            "LOAD no_such_extension",
            "CREATE VIEW mistaken AS SELECT 1 AS a; INSERT INTO duckling_queue.mistaken VALUES (1)",
            "CALL eider_set_primary_key('_eider.primary_keys', ['target'])",
        ):
            raises(adbc_driver_manager.ProgrammingError, lambda sql=sql: cursor.execute(sql))


def case_commit_of_an_aborted_transaction_is_an_error(server):
    with connect(server, autocommit=True) as other, other.cursor() as cursor:
        cursor.execute("CREATE TABLE aborted (id BIGINT)")
        for statement in ("SELECT 'x'::INTEGER", "INSERT INTO aborted VALUES ('x')"):
            with connect(server) as connection, connection.cursor() as inside:
                inside.execute("INSERT INTO aborted VALUES (1)")
                raises(adbc_driver_manager.Error, lambda: scalar(inside, statement), "Conversion Error")
                raises(adbc_driver_manager.Error, connection.commit, "rolled back")
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO aborted VALUES (1)")
        raises(adbc_driver_manager.Error, lambda: scalar(cursor, "SELECT 'x'::INTEGER"))
        raises(adbc_driver_manager.Error, lambda: cursor.execute("COMMIT"), "rolled back")
        assert scalar(cursor, "SELECT count(*) FROM aborted") == 0


def case_a_query_of_literals_gives_the_same_rows_each_time(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        for _ in range(3):
            cursor.execute("SELECT 1 AS a, 'text' AS b, NULL AS c, 1.50 AS d")
            assert cursor.fetchall() == [(1, "text", None, decimal.Decimal("1.50"))]
    with connect(server, autocommit=True) as connection, connection.cursor() as ping, connection.cursor() as other:
        for _ in range(2):
            assert scalar(ping, "SELECT 1") == 1
        other.execute("BEGIN")
        raises(adbc_driver_manager.Error, lambda: scalar(other, "SELECT 'x'::INTEGER"))
        raises(adbc_driver_manager.Error, lambda: scalar(ping, "SELECT 1"), "aborted")
        other.execute("ROLLBACK")
        assert scalar(ping, "SELECT 1") == 1


def case_reads_by_macro_and_prepared_statement_see_own_writes(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE counted (id BIGINT)")
        cursor.execute("CREATE MACRO counted_rows() AS TABLE SELECT count(*) FROM counted")
        cursor.execute("PREPARE counting AS SELECT count(*) FROM counted")
        for n, read in enumerate(("FROM counted_rows()", "EXECUTE counting"), start=1):
            cursor.adbc_ingest("counted", pa.table({"id": [n]}), mode="append")
            assert scalar(cursor, read) == n, read


def case_a_widened_column_is_read_and_flushed(server):
    """DuckLake keeps statistics in the types that columns had; what refreshes them must not be a flush, which needs them."""
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        rows = pa.table({"id": pa.array(range(5000), pa.int32()), "ratio": pa.array([0.5] * 5000, pa.float32())})
        for by in ("autocommit", "transaction"):
            table = f"widened_by_{by}"
            cursor.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, ratio FLOAT)")
            cursor.adbc_ingest(table, rows, mode="append")
            assert scalar(cursor, f"SELECT count(*) FROM {table} WHERE id < 10 AND ratio > 0") == 10
            if by == "transaction":
                cursor.execute("BEGIN")
            cursor.execute(f"ALTER TABLE {table} ALTER id TYPE BIGINT")
            cursor.execute(f"ALTER TABLE {table} ALTER ratio TYPE DOUBLE")
            if by == "transaction":
                cursor.execute("COMMIT")
            assert scalar(cursor, f"SELECT ratio FROM {table} WHERE id = 7 AND ratio > 0") == 0.5
            cursor.adbc_ingest(table, pa.table({"id": [7, 2**40], "ratio": [2.0, 3.0]}), mode="append")
            cursor.execute(f"CALL duckling_queue_flush('{table}')")
            cursor.execute(f"SELECT id, ratio FROM {table} WHERE ratio > 1 ORDER BY id")
            assert cursor.fetchall() == [(7, 2.0), (2**40, 3.0)], by


def case_keys_whose_files_ducklake_cannot_find(server):
    """DuckLake misses files by some floating-point numbers in a join, and fails by a text with U+0000."""
    keys = {
        "FLOAT": pa.array([3.4028235e38, 1e-45, 2.2053207495596034e-28, 0.0, float("nan")], pa.float32()),
        "DOUBLE": pa.array([0.6329401819952841, 0.8038320593890931, 0.21089332524653098, 0.0, float("nan")]),
        "VARCHAR": pa.array(["a\0b", "", "\0", "z", "a\0c"]),
    }
    with connect(server, autocommit=True) as connection, connect(server) as direct, connection.cursor() as cursor:
        for kind, values in keys.items():
            table = f"hard_{kind.lower()}_keys"
            cursor.execute(f"CREATE TABLE {table} (part INTEGER, id {kind}, v INTEGER, PRIMARY KEY (part, id))")

            def rows(v, some):
                return pa.table({"part": pa.array([1] * len(some), pa.int32()), "id": some, "v": pa.array([v] * len(some), pa.int32())})

            for v in range(3):
                for some in (values.slice(0, 2), values.slice(2)):
                    cursor.adbc_ingest(table, rows(v, some), mode="append")
                    cursor.execute(f"CALL duckling_queue_flush('{table}')")
            cursor.execute(f"SELECT count(*), min(v) FROM {table}")
            assert cursor.fetchall() == [(len(values), 2)], kind
            with direct.cursor() as writer:
                writer.adbc_ingest(table, rows(3, values), mode="append")
            direct.commit()
            cursor.execute(f"SELECT count(*), min(v) FROM {table}")
            assert cursor.fetchall() == [(len(values), 3)], kind


def case_queue_insert_means_what_insert_means(server):
    """Rows that are written out or bound go to the buffer without a query: they must be those that INSERT would store."""
    columns = "id BIGINT, small SMALLINT, price DECIMAL(9,3), ratio DOUBLE, name VARCHAR, day DATE, seen TIMESTAMP, ok BOOLEAN, zone TIMESTAMPTZ"
    rows = (
        "VALUES (1, -2, 3.25, 0.1, 'it''s', '2024-02-29', '2026-11-27 01:02:03.5', TRUE, '2026-11-27 01:02:03+02')",
        "VALUES (2, 3, 4, 5, 'insert_queued', NULL, '2026-11-27T01:02:03', false, NULL), (3, NULL, -0.001, -7, NULL, NULL, NULL, NULL, NULL)",
        "VALUES (4, 5, 1.23456, 1e3, 6, '2024-2-9', '2026-11-27', 'yes', now()::DATE)",
        "VALUES ('5', '6', '7', '8', E'a\\tb', DATE '2026-01-01', TIMESTAMP '2026-01-01', 0, '2026-01-01')",
    )
    bound = [(6, 1, 2.5, 0.25, "x", None, datetime.datetime(2026, 1, 2, 3, 4, 5, 6), True, None), (7, *[None] * 8)]
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        for table in ("insert_queued", "insert_direct"):
            cursor.execute(f"CREATE TABLE {table} ({columns})")
        for queue, table in (("duckling_queue.", "insert_queued"), ("", "insert_direct")):
            for values in rows:
                cursor.execute(f"INSERT INTO {queue}{table} {values}")
            cursor.execute(f"INSERT INTO {queue}{table} (name, id) VALUES ('named', 8)")
            cursor.executemany(f"INSERT INTO {queue}{table} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", bound)
            for _ in range(2):
                cursor.execute(f"INSERT INTO {queue}{table} (id, name, seen) VALUES ($1, $2, $3)", (9, "again", datetime.datetime(2026, 1, 2)))
        cursor.execute("SELECT * FROM insert_queued ORDER BY ALL")
        queued = cursor.fetchall()
        cursor.execute("SELECT * FROM insert_direct ORDER BY ALL")
        direct = cursor.fetchall()
        assert len(direct) == 10, direct
        assert queued == direct, (queued, direct)
        for mistake, word in (
            ("VALUES (1, 2)", "9 columns"),
            ("(id, nope) VALUES (1, 2)", "nope"),
            ("(id) VALUES (9223372036854775808)", "range"),
            ("(day) VALUES ('2023-02-29')", "2023-02-29"),
        ):
            raises(adbc_driver_manager.Error, lambda: cursor.execute(f"INSERT INTO duckling_queue.insert_queued {mistake}"), word)


def case_queue_insert_gives_columns_their_defaults(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE defaults (id BIGINT, v VARCHAR NOT NULL DEFAULT 'given', n INTEGER DEFAULT 7)")
        cursor.execute("INSERT INTO duckling_queue.defaults (id) VALUES (1)")
        cursor.execute("INSERT INTO duckling_queue.defaults BY NAME SELECT 2 AS id, NULL AS n")
        cursor.execute("WITH s AS (SELECT 3 AS id) INSERT INTO duckling_queue.defaults (id, v) SELECT id, 'own' FROM s")
        with connect(server) as transaction, transaction.cursor() as inside:
            inside.execute("INSERT INTO duckling_queue.defaults (id) VALUES (4)")
            transaction.commit()
        cursor.execute("SELECT * FROM defaults ORDER BY id")
        assert cursor.fetchall() == [(1, "given", 7), (2, "given", None), (3, "own", 7), (4, "given", 7)]


def case_what_a_lake_cannot_keep_is_refused_beside_a_key(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        for definition, word in (
            ("id BIGINT PRIMARY KEY, v INTEGER UNIQUE", "UNIQUE"),
            ("id BIGINT PRIMARY KEY, CHECK (id > 0)", "CHECK"),
            ("id BIGINT PRIMARY KEY, v INTEGER GENERATED ALWAYS AS (42)", "generated"),
            ("id BIGINT, clock TIMETZ", "offset"),
        ):
            raises(adbc_driver_manager.ProgrammingError, lambda sql=f"CREATE TABLE unkept ({definition})": cursor.execute(sql), word)
        for end in ("(id BIGINT)", "AS SELECT 1 AS id"):
            raises(adbc_driver_manager.ProgrammingError, lambda sql=f"CREATE TABLE {'x' * 201} {end}": cursor.execute(sql), "200 bytes")


def case_a_statement_that_comes_again_is_not_what_it_was(server):
    """The driver goes on with a prepared statement as long as the text is the same."""
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor, connection.cursor() as other:

        def again(sql):
            cursor.execute(sql)
            return cursor.fetch_arrow_table().to_pylist()

        other.execute("CREATE TABLE again (i INTEGER)")
        other.execute("INSERT INTO again VALUES (1)")
        assert again("FROM again") == [{"i": 1}]
        other.execute("ALTER TABLE again ADD COLUMN j VARCHAR")
        assert again("FROM again") == [{"i": 1, "j": None}]
        other.execute("DROP TABLE again")
        raises(adbc_driver_manager.Error, lambda: again("FROM again"), "again does not exist")
        other.execute("CREATE TABLE again (x DATE)")
        assert again("FROM again") == []
        other.execute("CREATE SCHEMA again_too")
        other.execute("CREATE TABLE again_too.again AS SELECT 'elsewhere' AS y")
        other.execute("USE lake.again_too")
        assert again("FROM again") == [{"y": "elsewhere"}]
        other.execute("USE lake.main")

        for before, sql, after in [
            ("SET VARIABLE again = 1", "SELECT getvariable('again') AS v", "SET VARIABLE again = 'text'"),
            ("CREATE MACRO again_of() AS 1", "SELECT again_of() AS v", "CREATE OR REPLACE MACRO again_of() AS 'text'"),
            ("CREATE VIEW again_view AS SELECT 1 AS v", "FROM again_view", "CREATE OR REPLACE VIEW again_view AS SELECT 'text' AS v"),
        ]:
            other.execute(before)
            assert again(sql) == [{"v": 1}], sql
            other.execute(after)
            assert again(sql) == [{"v": "text"}], sql
        zone = "SELECT (TIMESTAMPTZ '2024-01-01 00:00:00+00')::VARCHAR AS v"
        other.execute("SET TimeZone = 'UTC'")
        assert again(zone) == [{"v": "2024-01-01 00:00:00+00"}]
        other.execute("SET TimeZone = 'Asia/Tokyo'")
        assert again(zone) == [{"v": "2024-01-01 09:00:00+09"}]

        other.execute("CREATE TEMP TABLE again_temporary (v VARCHAR)")
        for value in ("one", "two"):
            other.execute(f"SET VARIABLE again = '{value}'")
            cursor.execute("INSERT INTO again_temporary VALUES (getvariable('again'))")
        assert again("FROM again_temporary") == [{"v": "one"}, {"v": "two"}]


def case_parameters_of_a_script_are_the_last_statements(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE script_rows (i INTEGER); INSERT INTO script_rows VALUES (?)", (7,))
        cursor.execute("SET VARIABLE script = 1; SELECT i, ? AS p FROM script_rows", ("x",))
        assert cursor.fetchall() == [(7, "x")]


def case_commands_have_no_rows(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        for sql in ("CHECKPOINT", "PRAGMA enable_progress_bar", "SET threads = 2", "RESET threads", "ANALYZE"):
            cursor.execute(sql)
            assert not cursor.description and cursor.rowcount == 0, f"{sql}: {cursor.description}"
        cursor.execute('SELECT true AS "Success"')
        assert cursor.fetchall() == [(True,)]


def case_statements_of_megabytes(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        text = "it''s long; -- " * 700_000
        assert scalar(cursor, f"SELECT length('{text}') AS n") == 14 * 700_000
        columns = [f"c{i}" for i in range(2000)]
        cursor.execute(f"SELECT {', '.join(f'{i} AS {name}' for i, name in enumerate(columns))}")
        assert cursor.fetch_arrow_table().column_names == columns
        cursor.execute(f"CREATE TABLE wide ({', '.join(f'{name} INTEGER' for name in columns)})")
        cursor.adbc_ingest("wide", pa.table({name: pa.array([1, 2], pa.int32()) for name in columns}), mode="append")
        assert scalar(cursor, "SELECT sum(c1999) FROM wide") == 3
        assert len(connection.adbc_get_table_schema("wide")) == 2000
        cursor.execute("DROP TABLE wide")


def case_names_of_every_kind(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        for name in ['a "q" b', "naïve", "表", "a.b", "select", "UPPER", "x" * 200, "a;b", "a\nb", "'a'", "-- a", "😀"]:
            quoted = '"' + name.replace('"', '""') + '"'
            cursor.adbc_ingest(name, pa.table({name: [1]}), mode="create")
            cursor.execute(f"INSERT INTO {quoted} VALUES (2)")
            cursor.execute(f"INSERT INTO duckling_queue.{quoted} ({quoted}) VALUES (3)")
            assert scalar(cursor, f"SELECT sum({quoted}) FROM {quoted}") == 6, name
            assert connection.adbc_get_table_schema(name).names == [name]
            cursor.execute(f"DROP TABLE {quoted}")
