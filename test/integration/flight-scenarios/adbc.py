"""The ADBC Flight SQL driver against the protocol layer: argument 1 is the server's URI."""

import json
import sys

import adbc_driver_flightsql
import adbc_driver_flightsql.dbapi as dbapi
import adbc_driver_manager
import pyarrow as pa

uri = sys.argv[1]


def refused(status, run):
    try:
        run()
    except adbc_driver_manager.Error as error:
        assert error.status_code == status, (error.status_code, str(error))
        return error
    raise AssertionError(f"not refused with {status}")


STATUS = adbc_driver_manager.AdbcStatusCode
TABLE = pa.table({"x": pa.array([1, 2, 3], pa.int64()), "y": pa.array(["a", None, "c"])})


def statements(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 42::BIGINT AS a, 'x' AS b")
        assert cursor.fetch_arrow_table().to_pylist() == [{"a": 42, "b": "x"}]
        cursor.execute("CREATE TABLE t (a BIGINT, b VARCHAR)")
        cursor.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
        assert cursor.rowcount == 2, cursor.rowcount
        cursor.executemany("INSERT INTO t VALUES (?, ?)", [(3, "c"), (4, None)])
        assert cursor.rowcount == 2, cursor.rowcount
        cursor.execute("SELECT * FROM t WHERE a > ? ORDER BY a", (2,))
        assert cursor.fetchall() == [(3, "c"), (4, None)]
        cursor.execute("SELECT 41 + ? AS x", (1,))
        assert [str(value) for (value,) in cursor.fetchall()] == ["42"]
        cursor.execute("SELECT 1 WHERE false")
        assert cursor.fetchall() == []
        assert cursor.adbc_execute_schema("SELECT 1::BIGINT AS a") == pa.schema([("a", pa.int64())])
        error = refused(STATUS.INVALID_ARGUMENT, lambda: cursor.execute("SELEC 1"))
        assert (b"x-eider-error-code", b"sql_invalid") in [tuple(detail) for detail in error.details], error.details
        refused(STATUS.NOT_FOUND, lambda: cursor.execute("SELECT * FROM missing"))
    with connection.cursor() as one, connection.cursor() as two:
        one.execute("SELECT * FROM range(100000)")
        two.execute("SELECT 5")
        assert two.fetchall() == [(5,)]
        assert one.fetch_arrow_table().num_rows == 100000


def ingest(connection):
    def count(cursor):
        cursor.execute("SELECT count(*) FROM ing")
        return cursor.fetchone()[0]

    with connection.cursor() as cursor:
        refused(STATUS.NOT_FOUND, lambda: cursor.adbc_ingest("ing", TABLE, mode="append"))
        assert cursor.adbc_ingest("ing", TABLE, mode="create") == 3
        refused(STATUS.ALREADY_EXISTS, lambda: cursor.adbc_ingest("ing", TABLE, mode="create"))
        assert cursor.adbc_ingest("ing", TABLE, mode="append") == 3
        assert count(cursor) == 6
        assert cursor.adbc_ingest("ing", TABLE, mode="replace") == 3
        assert cursor.adbc_ingest("ing", TABLE, mode="create_append") == 3
        assert count(cursor) == 6


def transactions():
    with dbapi.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE tx (a INT)")
        connection.commit()
        cursor.execute("INSERT INTO tx VALUES (1)")
        connection.rollback()
        # The same text again: the driver goes on with the handle of the transaction that is over.
        cursor.execute("INSERT INTO tx VALUES (1)")
        connection.commit()
        cursor.execute("SELECT count(*) FROM tx")
        assert cursor.fetchall() == [(1,)]
        cursor.adbc_ingest("tx", pa.table({"a": pa.array([7], pa.int32())}), mode="append")
        connection.rollback()
        cursor.execute("SELECT count(*) FROM tx")
        assert cursor.fetchall() == [(1,)]


def metadata(connection):
    info = connection.adbc_get_info()
    assert info["vendor_name"] == "eider", info
    catalogs = connection.adbc_get_objects(depth="all").read_all().to_pylist()
    tables = {
        table["table_name"]: [column["column_name"] for column in table["table_columns"]]
        for catalog in catalogs
        for schema in catalog["catalog_db_schemas"]
        for table in schema["db_schema_tables"]
    }
    assert tables["t"] == ["a", "b"], tables
    assert connection.adbc_get_table_schema("t") == pa.schema([("a", pa.int64()), ("b", pa.string())])
    assert connection.adbc_get_table_types() == ["TABLE"]
    assert connection.adbc_current_catalog == "memory"
    assert connection.adbc_current_db_schema == "main"
    connection.adbc_current_catalog = "memory"

    def use_unknown():
        connection.adbc_current_catalog = "nowhere"

    refused(STATUS.NOT_FOUND, use_unknown)


def sessions():
    with dbapi.connect(uri, autocommit=True) as one, dbapi.connect(uri, autocommit=True) as two:
        with one.cursor() as cursor, two.cursor() as other:
            cursor.execute("CREATE TEMP TABLE mine (a INT)")
            cursor.execute("SELECT * FROM mine")
            refused(STATUS.NOT_FOUND, lambda: other.execute("SELECT * FROM mine"))
            partitions, _schema = cursor.adbc_execute_partitions("SELECT 7::BIGINT AS p")
            other.adbc_read_partition(partitions[0])
            assert other.fetchall() == [(7,)]
            refused(STATUS.NOT_FOUND, lambda: other.adbc_read_partition(partitions[0]))


def login():
    options = {
        adbc_driver_manager.DatabaseOptions.USERNAME.value: "joe",
        adbc_driver_manager.DatabaseOptions.PASSWORD.value: "secret",
    }
    with dbapi.connect(uri, db_kwargs=options, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE mine (a INT)")
        cursor.execute("SELECT count(*) FROM mine")
        assert cursor.fetchall() == [(0,)]


def cookies():
    options = {adbc_driver_flightsql.DatabaseOptions.WITH_COOKIE_MIDDLEWARE.value: "true"}
    with dbapi.connect(uri, db_kwargs=options, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE mine (a INT)")
        cursor.execute("SELECT count(*) FROM mine")
        assert cursor.fetchall() == [(0,)]


def incremental(connection):
    with connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**{"adbc.statement.exec.incremental": "true"})
        rows = 0
        partitions, _schema = cursor.adbc_execute_partitions("SELECT * FROM range(10)")
        while partitions:
            for partition in partitions:
                with connection.cursor() as reader:
                    reader.adbc_read_partition(partition)
                    rows += len(reader.fetchall())
            partitions, _schema = cursor.adbc_execute_partitions("SELECT * FROM range(10)")
        assert rows == 10, rows


def cancel(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 100000 AS endless_stream")
        cursor.fetchone()
        cursor.adbc_cancel()
        refused(STATUS.CANCELLED, cursor.fetch_arrow_table)


with dbapi.connect(uri, autocommit=True) as connection:
    statements(connection)
    ingest(connection)
    metadata(connection)
    incremental(connection)
    cancel(connection)
transactions()
sessions()
login()
cookies()
print(json.dumps("done"))
