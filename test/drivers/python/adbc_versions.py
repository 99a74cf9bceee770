"""What every version of the ADBC Flight SQL driver does with Eider: the same cases for all of them."""

import adbc_driver_flightsql
import adbc_driver_flightsql.dbapi as flight_sql
import adbc_driver_manager
import pyarrow as pa

from cases import metric, raises, wait_until, wait_until_idle

VERSION = tuple(int(part) for part in adbc_driver_flightsql.__version__.split("."))
STATUS = adbc_driver_manager.AdbcStatusCode
INCREMENTAL = "adbc.statement.exec.incremental"
HAS_INGEST = VERSION >= (1, 10)


def connect(server, **options):
    return flight_sql.connect(server["uri"], **options)


def autocommit(server):
    return connect(server, autocommit=True)


def rows(cursor, sql, parameters=None):
    cursor.execute(sql, parameters)
    return cursor.fetchall()


def refused(status, call, *words):
    error = raises(adbc_driver_manager.Error, call, *words)
    assert error.status_code == status, (error.status_code, str(error))
    return error


def case_execute_and_fetch(server):
    with autocommit(server) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT i AS id, CASE WHEN i % 2 = 0 THEN 'even' END AS word FROM range(10) t(i)")
        assert [(column[0], column[1]) for column in cursor.description] == [("id", pa.int64()), ("word", pa.string())]
        assert cursor.fetchone() == (0, "even")
        assert cursor.fetchmany(2) == [(1, None), (2, "even")]
        assert len(cursor.fetchall()) == 7 and cursor.fetchone() is None
        assert rows(cursor, "SELECT 1 WHERE false") == []
        cursor.execute("SELECT i FROM range(300000) t(i)")
        assert sum(cursor.fetch_arrow_table()["i"].to_pylist()) == 44_999_850_000


def case_ddl_and_dml_tell_the_rows_they_changed(server):
    with autocommit(server) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE TABLE counted (id BIGINT, name VARCHAR)")
        for sql, count in (
            ("INSERT INTO counted VALUES (1, 'a'), (2, 'b'), (3, NULL)", 3),
            ("UPDATE counted SET name = 'z' WHERE id > 1", 2),
            ("DELETE FROM counted WHERE id = 3", 1),
            ("INSERT INTO duckling_queue.counted VALUES (4, 'd'), (5, 'e')", 2),
        ):
            cursor.execute(sql)
            assert cursor.rowcount == count, (sql, cursor.rowcount)
        assert rows(cursor, "SELECT * FROM counted ORDER BY id") == [(1, "a"), (2, "z"), (4, "d"), (5, "e")]
        cursor.execute("DROP TABLE counted")
        refused(STATUS.NOT_FOUND, lambda: cursor.execute("SELECT * FROM counted"), "counted")


def case_executemany_with_nulls_and_several_rows(server):
    with autocommit(server) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE TABLE many (id BIGINT, name VARCHAR, price DOUBLE)")
        cursor.executemany("INSERT INTO many VALUES (?, ?, ?)", [(1, "a", 1.5), (2, None, None), (None, "c", 0.0)])
        assert cursor.rowcount in (3, -1), cursor.rowcount
        batch = pa.record_batch({"1": pa.array([4, 5], pa.int64()), "2": ["d", None], "3": [None, 5.5]})
        cursor.executemany("INSERT INTO many VALUES (?, ?, ?)", batch)
        cursor.executemany("DELETE FROM many WHERE id = ?", [(1,), (4,), (99,)])
        assert rows(cursor, "SELECT * FROM many ORDER BY id") == [(2, None, None), (5, None, 5.5), (None, "c", 0.0)]


def case_parameters(server):
    with autocommit(server) as connection, connection.cursor() as cursor:
        assert rows(cursor, "SELECT ? + 1, ?, ? IS NULL", (41, "x", None)) == [(42, "x", True)]
        assert rows(cursor, "SELECT i FROM range(10) t(i) WHERE i > ? ORDER BY i", (7,)) == [(8,), (9,)]
        assert rows(cursor, "SELECT $1 || $2", ("a", "b")) == [("ab",)]
        # Types that change with the parameters': the driver compares what it was told with what it gets.
        assert rows(cursor, "SELECT coalesce(NULL::INTEGER, ?), [1, ?]", (2**40, 2**41)) == [(2**40, [1, 2**41])]
        # As many executions as there are rows, one result; the types are those that were bound.
        sets = pa.record_batch({"1": pa.array([*range(40)], pa.int64()), "2": ["x", None] * 20})
        cursor.execute("SELECT ? + 1 AS a, ? AS b", sets)
        found = cursor.fetch_arrow_table()
        assert found.schema.types == [pa.int64(), pa.string()]
        assert found.to_pydict() == {"a": [*range(1, 41)], "b": ["x", None] * 20}


def case_commit_and_rollback_go_on_with_the_same_statements(server):
    """The driver keeps a prepared statement as long as the text repeats, over the end of its transaction."""
    insert, count = "INSERT INTO ended VALUES (1)", "SELECT count(*) FROM ended"
    with connect(server) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE TABLE ended (id BIGINT)")
        connection.commit()
        cursor.execute(insert)
        connection.rollback()
        cursor.execute(insert)
        connection.commit()
        cursor.execute(insert)
        with autocommit(server) as other, other.cursor() as outside:
            assert rows(outside, count) == [(1,)]
            assert rows(cursor, count) == [(2,)]
            connection.rollback()
            assert rows(cursor, count) == [(1,)]
            connection.rollback()
            assert rows(cursor, count) == [(1,)]
        connection.commit()


def case_autocommit_is_turned_off_and_on(server):
    with autocommit(server) as connection, connection.cursor() as cursor:
        driver = connection.adbc_connection
        cursor.execute("CREATE OR REPLACE TABLE turned (id BIGINT)")
        driver.set_autocommit(False)
        cursor.execute("INSERT INTO turned VALUES (1)")
        driver.rollback()
        cursor.execute("INSERT INTO turned VALUES (2)")
        driver.set_autocommit(True)  # commits what is open
        cursor.execute("INSERT INTO turned VALUES (3)")
        with autocommit(server) as other, other.cursor() as outside:
            assert rows(outside, "SELECT list(id ORDER BY id) FROM turned") == [([2, 3],)]


def case_a_failed_statement_aborts_its_transaction_once(server):
    with connect(server) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE TABLE failed (id BIGINT)")
        connection.commit()
        cursor.execute("INSERT INTO failed VALUES (1)")
        refused(STATUS.INVALID_ARGUMENT, lambda: rows(cursor, "SELECT 'x'::INTEGER"), "Conversion Error")
        raises(adbc_driver_manager.Error, lambda: rows(cursor, "SELECT 1"), "aborted")
        connection.rollback()
        cursor.execute("INSERT INTO failed VALUES (2)")
        connection.commit()
        assert rows(cursor, "SELECT * FROM failed") == [(2,)]
    # The driver cannot use a connection after a COMMIT that failed: it has lost its transaction.
    connection = connect(server)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO failed VALUES (3)")
        raises(adbc_driver_manager.Error, lambda: rows(cursor, "SELECT 'x'::INTEGER"))
        raises(adbc_driver_manager.Error, connection.commit, "rolled back")
    with autocommit(server) as other, other.cursor() as cursor:
        assert rows(cursor, "SELECT * FROM failed") == [(2,)]


def case_objects_at_every_depth(server):
    with autocommit(server) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA IF NOT EXISTS deep")
        cursor.execute("CREATE OR REPLACE TABLE deep.objects (id BIGINT NOT NULL, name VARCHAR, PRIMARY KEY (id))")
        cursor.execute("CREATE OR REPLACE VIEW deep.seen AS SELECT id FROM deep.objects")

        def objects(depth, **filters):
            return connection.adbc_get_objects(depth=depth, **filters).read_all().to_pylist()

        (catalog,) = objects("catalogs")
        assert catalog["catalog_name"] == "lake"
        (catalog,) = objects("db_schemas")
        assert {"main", "deep"} <= {schema["db_schema_name"] for schema in catalog["catalog_db_schemas"]}
        (catalog,) = objects("tables", db_schema_filter="deep")
        (schema,) = catalog["catalog_db_schemas"]
        types = {table["table_name"]: table["table_type"] for table in schema["db_schema_tables"]}
        assert types == {"objects": "TABLE", "seen": "VIEW"}, types
        (catalog,) = objects("all", catalog_filter="lake", db_schema_filter="deep", table_name_filter="obj%")
        (table,) = catalog["catalog_db_schemas"][0]["db_schema_tables"]
        assert [column["column_name"] for column in table["table_columns"]] == ["id", "name"]
        (catalog,) = objects("all", table_name_filter="SELECT 1 -- is no name")
        assert not any(schema["db_schema_tables"] for schema in catalog["catalog_db_schemas"])
        if VERSION < (1, 13):
            return  # the driver keeps the filter by type to itself
        (catalog,) = objects("tables", db_schema_filter="deep", table_types_filter=["VIEW"])
        assert [table["table_name"] for table in catalog["catalog_db_schemas"][0]["db_schema_tables"]] == ["seen"]


def case_table_schema_info_and_types(server):
    with autocommit(server) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE TABLE described (id BIGINT NOT NULL, price DECIMAL(10, 2), happened TIMESTAMPTZ)")
        expected = pa.schema(
            [
                pa.field("id", pa.int64(), False),
                pa.field("price", pa.decimal128(10, 2)),
                pa.field("happened", pa.timestamp("us", "UTC")),
            ]
        )
        for filters in ({}, {"db_schema_filter": "main"}, {"catalog_filter": "lake", "db_schema_filter": "main"}):
            found = connection.adbc_get_table_schema("described", **filters)
            assert found.equals(expected), found
        refused(STATUS.NOT_FOUND, lambda: connection.adbc_get_table_schema("nowhere"))
        info = connection.adbc_get_info()
        assert info["vendor_name"] == "eider" and info["vendor_version"] and info["driver_name"], info
        assert set(connection.adbc_get_table_types()) == {"TABLE", "VIEW", "LOCAL TEMPORARY"}


def case_current_catalog_and_schema(server):
    with autocommit(server) as connection, connection.cursor() as cursor:
        assert (connection.adbc_current_catalog, connection.adbc_current_db_schema) == ("lake", "main")
        cursor.execute("CREATE SCHEMA IF NOT EXISTS moved")
        cursor.execute("CREATE OR REPLACE TABLE moved.here AS SELECT 7 AS v")
        connection.adbc_current_db_schema = "moved"
        assert connection.adbc_current_db_schema == "moved"
        assert rows(cursor, "SELECT v FROM here") == [(7,)]
        connection.adbc_current_catalog = "lake"

        def move(name):
            connection.adbc_current_db_schema = name

        refused(STATUS.NOT_FOUND, lambda: move("nowhere"))
        assert connection.adbc_current_db_schema == "main"


def case_schema_of_a_statement_that_is_not_run(server):
    with autocommit(server) as connection, connection.cursor() as cursor:
        assert cursor.adbc_execute_schema("SELECT 1::BIGINT AS a, 'x' AS b") == pa.schema([("a", pa.int64()), ("b", pa.string())])
        cursor.adbc_execute_schema("SELECT sum(sin(i)) AS s FROM range(1000000000000) t(i)")
        assert metric(server, "eider_queries_running") == 0


def case_partitions_are_read_by_another_connection(server):
    with autocommit(server) as one, autocommit(server) as two, one.cursor() as cursor, two.cursor() as reader:
        partitions, schema = cursor.adbc_execute_partitions("SELECT 7::BIGINT AS p")
        assert schema == pa.schema([("p", pa.int64())])
        reader.adbc_read_partition(partitions[0])
        assert reader.fetchall() == [(7,)]
        refused(STATUS.NOT_FOUND, lambda: reader.adbc_read_partition(partitions[0]))


def case_incremental_execution(server):
    with autocommit(server) as connection, connection.cursor() as cursor, connection.cursor() as reader:
        cursor.adbc_statement.set_options(**{INCREMENTAL: "true"})
        found = []
        while partitions := cursor.adbc_execute_partitions("SELECT i FROM range(10) t(i)")[0]:
            for partition in partitions:
                reader.adbc_read_partition(partition)
                found += reader.fetchall()
        assert found == [(i,) for i in range(10)], found


def case_cancel_leaves_the_connection_unharmed(server):
    with autocommit(server) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT i FROM range(1000000000000) t(i)")
        reader = cursor.fetch_record_batch()
        assert reader.read_next_batch().num_rows > 0
        cursor.adbc_cancel()
        raises(Exception, lambda: [None for _ in reader])
        wait_until_idle(server)
        with connection.cursor() as next_cursor:
            assert rows(next_cursor, "SELECT count(*) FROM range(1000000) t(i)") == [(1_000_000,)]


def case_returning(server):
    """DuckLake has no RETURNING and says so; temporary tables have it."""
    with autocommit(server) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE TABLE kept (id BIGINT)")
        refused(STATUS.INVALID_ARGUMENT, lambda: cursor.execute("INSERT INTO kept VALUES (1) RETURNING id"), "RETURNING")
        assert rows(cursor, "SELECT count(*) FROM kept") == [(0,)]
        cursor.execute("CREATE TEMP TABLE returned (id BIGINT, v VARCHAR DEFAULT 'none')")
        assert rows(cursor, "INSERT INTO returned (id) VALUES (1), (2) RETURNING id, v") == [(1, "none"), (2, "none")]
        assert rows(cursor, "DELETE FROM returned WHERE id = 1 RETURNING id") == [(1,)]
        assert rows(cursor, "SELECT id FROM returned") == [(2,)]


def case_several_statements_in_one_text(server):
    with autocommit(server) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE TABLE several (id BIGINT); INSERT INTO several VALUES (1), (2);")
        assert rows(cursor, "INSERT INTO several VALUES (3); SELECT sum(id) FROM several; -- done") == [(6,)]
        assert rows(cursor, "FROM (VALUES (1, 'a'), (2, 'b')) t(v, k) PIVOT (sum(v) FOR k IN ('a', 'b'))") == [(1, 2)]


def case_text_without_a_statement(server):
    with autocommit(server) as connection, connection.cursor() as cursor:
        raises(adbc_driver_manager.Error, lambda: cursor.execute(""))  # the driver's own word
        for text in ("  ", "-- nothing", "/* nothing */", ";"):
            refused(STATUS.INVALID_ARGUMENT, lambda text=text: cursor.execute(text))
        # Connection pools send these without knowing whether there is a transaction.
        for text in ("ROLLBACK", "COMMIT"):
            cursor.execute(text)
        assert rows(cursor, "SELECT 1") == [(1,)]


def case_errors_have_a_status_and_duckdbs_words(server):
    with autocommit(server) as connection, connection.cursor() as cursor:
        error = refused(STATUS.INVALID_ARGUMENT, lambda: cursor.execute("SELEC 1"), "Parser Error", "LINE 1")
        assert "sql_invalid" in str(error.details), error.details
        cursor.execute("CREATE OR REPLACE TABLE erring (id BIGINT NOT NULL)")
        refused(STATUS.NOT_FOUND, lambda: cursor.execute("SELECT * FROM nowhere"), "nowhere")
        refused(STATUS.NOT_FOUND, lambda: cursor.execute("SELECT nothing FROM erring"), "nothing")
        refused(STATUS.ALREADY_EXISTS, lambda: cursor.execute("CREATE TABLE erring (id BIGINT)"), "erring")
        refused(STATUS.INVALID_ARGUMENT, lambda: cursor.execute("INSERT INTO erring VALUES (NULL)"), "NOT NULL")


def case_two_connections_of_a_process_are_two_sessions(server):
    with connect(server) as one, connect(server) as two, one.cursor() as first, two.cursor() as second:
        first.execute("CREATE OR REPLACE TABLE apart (id BIGINT)")
        one.commit()
        first.execute("CREATE TEMP TABLE mine (id BIGINT)")
        first.execute("INSERT INTO apart VALUES (1)")
        refused(STATUS.NOT_FOUND, lambda: second.execute("SELECT * FROM mine"))
        two.rollback()
        assert rows(second, "SELECT count(*) FROM apart") == [(0,)]
        two.rollback()
        assert rows(first, "SELECT count(*) FROM apart") == [(1,)]
        one.rollback()


TABLE = pa.table({"id": pa.array([1, 2, 3], pa.int64()), "name": ["a", None, "c"]})


def case_ingest(server):
    with autocommit(server) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS ingested")
        if not HAS_INGEST:
            # These versions cannot ingest by Flight SQL, and say so themselves.
            raises(adbc_driver_manager.NotSupportedError, lambda: cursor.adbc_ingest("ingested", TABLE, mode="create"))
            return
        refused(STATUS.NOT_FOUND, lambda: cursor.adbc_ingest("ingested", TABLE, mode="append"), "ingested")
        assert cursor.adbc_ingest("ingested", TABLE, mode="create") == 3
        refused(STATUS.ALREADY_EXISTS, lambda: cursor.adbc_ingest("ingested", TABLE, mode="create"))
        assert cursor.adbc_ingest("ingested", TABLE.slice(0, 1), mode="append") == 1
        assert cursor.adbc_ingest("ingested", TABLE, mode="create_append") == 3
        assert rows(cursor, "SELECT count(*), count(name) FROM ingested") == [(7, 5)]
        other = pa.table({"id": ["x"], "colour": [1]})
        refused(STATUS.ALREADY_EXISTS, lambda: cursor.adbc_ingest("ingested", other, mode="append"), "another schema")
        refused(STATUS.ALREADY_EXISTS, lambda: cursor.adbc_ingest("ingested", other, mode="create_append"))
        assert cursor.adbc_ingest("ingested", other, mode="replace") == 1
        assert rows(cursor, "SELECT * FROM ingested") == [("x", 1)]


def case_columns_that_are_not_ingested_get_their_default(server):
    with autocommit(server) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE TABLE defaulted (id BIGINT, note VARCHAR NOT NULL DEFAULT 'it''s', made TIMESTAMP DEFAULT now())")
        cursor.execute("INSERT INTO duckling_queue.defaulted (id) VALUES (1)")
        if HAS_INGEST:
            cursor.adbc_ingest("defaulted", pa.table({"ID": [2]}), mode="append")
            with connect(server) as transaction, transaction.cursor() as inside:
                inside.adbc_ingest("defaulted", pa.table({"id": [3]}), mode="append")
                inside.execute("INSERT INTO duckling_queue.defaulted (id) VALUES (4)")
                transaction.commit()
            many = pa.table({"id": pa.array([5] * 400_000, pa.int64()), "made": pa.nulls(400_000, pa.timestamp("us"))})
            cursor.adbc_ingest("defaulted", many.to_reader(max_chunksize=50_000), mode="append")
        found = rows(cursor, "SELECT id, note, count(*), count(made) FROM defaulted GROUP BY ALL ORDER BY id")
        expected = [(1, 1, 1), (2, 1, 1), (3, 1, 1), (4, 1, 1), (5, 400_000, 0)]
        assert found == [(id, "it's", n, made) for id, n, made in expected[: None if HAS_INGEST else 1]], found
        cursor.execute("ALTER TABLE defaulted ALTER note SET DEFAULT 'other'")
        cursor.execute("INSERT INTO duckling_queue.defaulted (id) VALUES (6)")
        assert rows(cursor, "SELECT note FROM defaulted WHERE id = 6") == [("other",)]


def case_temporary_ingest(server):
    """One name, in the lake and as a temporary table: neither is taken for the other."""
    with autocommit(server) as connection, connection.cursor() as cursor:
        if not HAS_INGEST:
            return
        cursor.execute("DROP TABLE IF EXISTS doubled")
        for _ in range(2):
            cursor.adbc_ingest("doubled", TABLE, mode="replace", temporary=True)
        refused(STATUS.ALREADY_EXISTS, lambda: cursor.adbc_ingest("doubled", TABLE, mode="create", temporary=True))
        refused(STATUS.NOT_FOUND, lambda: cursor.adbc_ingest("doubled", TABLE, mode="append"), "main.doubled")
        cursor.adbc_ingest("doubled", TABLE.slice(0, 1), mode="create")
        cursor.adbc_ingest("doubled", TABLE.slice(0, 2), mode="append", temporary=True)
        assert rows(cursor, "SELECT count(*) FROM doubled") == [(5,)]
        assert rows(cursor, "SELECT count(*) FROM lake.main.doubled") == [(1,)]
        elsewhere = lambda: cursor.adbc_ingest("doubled", TABLE, mode="create", temporary=True, db_schema_name="deep")
        refused(STATUS.INVALID_ARGUMENT, elsewhere)
        with autocommit(server) as other, other.cursor() as outside:
            assert rows(outside, "SELECT count(*) FROM doubled") == [(1,)]


def case_ingest_is_part_of_the_transaction(server):
    with connect(server) as connection, connection.cursor() as cursor:
        if not HAS_INGEST:
            return
        cursor.execute("DROP TABLE IF EXISTS within")
        cursor.adbc_ingest("within", TABLE, mode="create")
        connection.commit()
        for mode, seen in (("append", 6), ("replace", 3), ("create_append", 6)):
            cursor.adbc_ingest("within", TABLE, mode=mode)
            assert rows(cursor, "SELECT count(*) FROM within") == [(seen,)], mode
            connection.rollback()
            assert rows(cursor, "SELECT count(*) FROM within") == [(3,)], mode
        cursor.adbc_ingest("of_the_transaction", TABLE, mode="create")
        connection.rollback()
        refused(STATUS.NOT_FOUND, lambda: cursor.execute("SELECT * FROM of_the_transaction"))
