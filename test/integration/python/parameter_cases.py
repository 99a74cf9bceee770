"""Every Arrow type as a parameter, into columns of other types, and as a bulk ingest: the value, or a clear refusal."""

import datetime
import decimal

import adbc_driver_manager
import numpy
import pyarrow as pa
import pyarrow.flight as flight

from adbc_cases import connect, scalar
from cases import raises
from flight_messages import Prepared
from flight_session import session

MOMENT = datetime.datetime(2024, 1, 2, 3, 4, 5)
UNITS = ("s", "ms", "us", "ns")
TEN = decimal.Decimal(10)
UUID = "30313233-3435-3637-3839-616263646566"
uuids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0123456789abcdef", None], pa.binary(16)))

#: What comes back is of the second type.
KEPT = [
    *[(pa.array([1, None, 100], number), number) for number in (pa.int8(), pa.int16(), pa.int32(), pa.int64())],
    *[(pa.array([1, None, 200], number), number) for number in (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())],
    (pa.array([2**64 - 1], pa.uint64()), pa.uint64()),
    (pa.array([numpy.float16(1.5), None], pa.float16()), pa.float32()),
    *[(pa.array([1.5, None], number), number) for number in (pa.float32(), pa.float64())],
    (pa.array([True, None, False]), pa.bool_()),
    (pa.array([TEN, None], pa.decimal32(9, 2)), pa.decimal128(9, 2)),
    (pa.array([TEN, None], pa.decimal64(18, 2)), pa.decimal128(18, 2)),
    (pa.array([TEN, None], pa.decimal128(38, 2)), pa.decimal128(38, 2)),
    (pa.array([TEN, None], pa.decimal256(38, 2)), pa.decimal128(38, 2)),
    (pa.array([TEN * 10, None], pa.decimal128(5, -2)), pa.decimal128(7, 0)),
    (pa.array([decimal.Decimal("0.00123")], pa.decimal128(5, 5)), pa.decimal128(5, 5)),
    *[(pa.array([MOMENT, None], pa.timestamp(unit)), pa.timestamp(unit)) for unit in UNITS],
    *[
        (pa.array([MOMENT, None], pa.timestamp(unit, zone)), pa.timestamp("us", "UTC"))
        for unit in UNITS
        for zone in ("UTC", "Europe/Berlin", "+02:00")
    ],
    *[
        (pa.array([5_000_000, None], pa.duration(unit)), pa.month_day_nano_interval())
        for unit in ("ms", "us", "ns")
    ],
    (pa.array([pa.MonthDayNano([1, 2, 3_000_000]), None]), pa.month_day_nano_interval()),
    *[
        (pa.array([datetime.time(1, 2, 3), None], time), pa.time64("us"))
        for time in (pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns"))
    ],
    *[(pa.array([datetime.date(2024, 1, 2), None], date), pa.date32()) for date in (pa.date32(), pa.date64())],
    *[(pa.array(["ä😀" * 9, None, ""], text), pa.string()) for text in (pa.utf8(), pa.large_utf8(), pa.string_view())],
    *[
        (pa.array([b"\0abc", None], data), pa.binary())
        for data in (pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(4))
    ],
    (pa.array(["x", None, "x"]).dictionary_encode(), pa.string()),
    (pa.array([5, None, 5]).dictionary_encode(), pa.int64()),
    *[
        (pa.array([[1, 2], None], numbers), pa.list_(pa.int32()))
        for numbers in (pa.list_(pa.int32()), pa.large_list(pa.int32()), pa.list_(pa.int32(), 2))
    ],
    (pa.array([[MOMENT], None], pa.list_(pa.timestamp("s"))), pa.list_(pa.timestamp("s"))),
    (pa.array([["a"], None], pa.list_(pa.dictionary(pa.int32(), pa.utf8()))), pa.list_(pa.string())),
    (pa.array([{"a": 1, "b": "x"}, None]), pa.struct({"a": pa.int64(), "b": pa.string()})),
    (pa.array([[("k", 1)], None], pa.map_(pa.utf8(), pa.int32())), pa.map_(pa.utf8(), pa.int32())),
    (pa.array([[{"a": [1, 2]}], None]), pa.list_(pa.struct({"a": pa.list_(pa.int64())}))),
    (uuids, pa.string()),
    (pa.nulls(2), pa.int32()),
]

one = pa.array([0], pa.int8())
REFUSED = [
    (pa.array([TEN], pa.decimal256(60, 2)), "at most 38 digits"),
    (pa.array([5], pa.duration("ns")), "nanoseconds that microseconds cannot hold"),
    (pa.array([2**62]).cast(pa.timestamp("s")), "outside of the timestamps"),
    (pa.array([[1]], pa.list_view(pa.int32())), "send it as list"),
    (pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), pa.array(["a"])), "decode it before sending"),
    (pa.array([{}], pa.struct([])), "at least one member"),
    (pa.UnionArray.from_dense(one, pa.array([0], pa.int32()), [pa.array([1])]), "no such type"),
]


def select_bound(connection, sql, values):
    with connection.cursor() as cursor:
        cursor.adbc_statement.set_sql_query(sql)
        cursor.adbc_statement.prepare()
        cursor.adbc_statement.bind(pa.record_batch([values], names=["p"]))
        stream, _ = cursor.adbc_statement.execute_query()
        return pa.RecordBatchReader.from_stream(stream).read_all().column(0)


def ingest(connection, values):
    with connection.cursor() as cursor:
        cursor.adbc_ingest("parameter_refused", pa.record_batch([values], names=["p"]))


def same(values, found, of):
    assert found.type == of, f"{values.type} came back as {found.type}"
    assert len(found) == len(values) and found.null_count == values.null_count, values.type
    if pa.types.is_duration(values.type):
        expected = [
            pa.MonthDayNano([0, 0, value.value * NANOSECONDS[values.type.unit]]) if value.is_valid else None
            for value in values
        ]
    else:
        expected = [UUID, None] if values.type == uuids.type else plain(values, of).to_pylist()
    assert found.to_pylist() == expected, f"{values.type}: {found.to_pylist()} in place of {expected}"


NANOSECONDS = {"ms": 1_000_000, "us": 1000, "ns": 1}


def plain(values, of):
    """What pyarrow itself makes of the values as the other type; it casts no dictionaries within lists."""
    return pa.array(values.to_pylist(), of) if pa.types.is_list(values.type) else values.cast(of)


def case_every_type_as_a_parameter(server):
    with connect(server, autocommit=True) as connection:
        for values, of in KEPT:
            same(values, select_bound(connection, "SELECT ? AS p", values), of)


def case_every_type_as_a_column_of_an_ingest(server):
    columns = [pa.concat_arrays([values, pa.nulls(3 - len(values), values.type)]) for values, _ in KEPT]
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("parameter_ingest", pa.table(columns, names=[f"c{i}" for i in range(len(columns))]))
        cursor.execute("FROM parameter_ingest")
        found = cursor.fetch_arrow_table().combine_chunks()
        for (values, of), column in zip(KEPT, found.columns):
            same(values, column.slice(0, len(values)), of)


def case_types_without_a_place_are_refused_by_column(server):
    with connect(server, autocommit=True) as connection:
        for values, *words in REFUSED:
            for send in (lambda: select_bound(connection, "SELECT ? AS p", values), lambda: ingest(connection, values)):
                error = raises(adbc_driver_manager.Error, send, 'column "p"', *words)
                assert error.status_code == adbc_driver_manager.AdbcStatusCode.INVALID_ARGUMENT, error


#: By column: parameters that DuckDB casts to it.
TARGETS = {
    **{
        column: [*[pa.array([MOMENT], pa.timestamp(unit)) for unit in UNITS], pa.array([MOMENT], pa.timestamp("us", "UTC"))]
        for column in ("TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMPTZ")
    },
    "DATE": [pa.array([MOMENT.date()]).cast(date) for date in (pa.date32(), pa.date64(), pa.timestamp("ms"))],
    "TIME": [pa.array([datetime.time(1, 2, 3)], pa.time32("s")), pa.array(["01:02:03"])],
    "INTERVAL": [pa.array([5], pa.duration("s")), pa.array(["5 seconds"])],
    "DECIMAL(10,2)": [pa.array([decimal.Decimal("1.25")], pa.decimal32(5, 2)), pa.array([1.25]), pa.array(["1.25"])],
    "UTINYINT": [pa.array([1], number) for number in (pa.int8(), pa.int64(), pa.uint64())],
    "UBIGINT": [pa.array([1]), pa.array([decimal.Decimal(1)], pa.decimal128(20, 0))],
    "FLOAT": [pa.array([numpy.float16(1.5)], pa.float16()), pa.array([1.5])],
    "UUID": [pa.array([UUID]), uuids[:1], pa.array([b"0123456789abcdef"], pa.binary(16))],
    "INTEGER[]": [pa.array([[1]]), pa.array([[1]], pa.large_list(pa.int64()))],
    "STRUCT(a INTEGER, b VARCHAR)": [pa.array([{"a": 1, "b": "x"}])],
}


def case_parameters_into_columns_of_other_types(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        for column, choices in TARGETS.items():
            # The queue's INSERT casts by itself; beside it a temporary table, which is quicker than one in the lake.
            queued = column in ("TIMESTAMP_S", "TIMESTAMP_MS")
            cursor.execute(f"CREATE OR REPLACE TEMP TABLE parameter_target (v {column})")
            if queued:
                cursor.execute(f"CREATE OR REPLACE TABLE parameter_queue (v {column})")
            for values in choices:
                batch = pa.record_batch([values], names=["p"])
                cursor.executemany("INSERT INTO parameter_target VALUES (?)", batch)
                nothing = pa.record_batch([pa.nulls(1).cast(values.type)], names=["p"])
                cursor.executemany("INSERT INTO parameter_target VALUES (?)", nothing)
                found = select_bound(connection, "SELECT count(*) FROM parameter_target WHERE v = ?", values)
                assert found.to_pylist() == [1], f"{values.type} as {column}: {found}"
                cursor.executemany("UPDATE parameter_target SET v = ?", batch)
                assert scalar(cursor, "SELECT count(DISTINCT v) FROM parameter_target") == 1, f"{values.type} as {column}"
                cursor.execute("DELETE FROM parameter_target")
                if queued:
                    cursor.executemany("INSERT INTO duckling_queue.parameter_queue VALUES (?)", batch)
            if queued:
                cursor.execute("SELECT count(v), min(v) = max(v) FROM parameter_queue")
                assert cursor.fetchone() == (len(choices), True)


def case_a_bound_statement_tells_its_schema(server):
    with session(server) as client:
        for sql, values in [
            ("SELECT coalesce(i, ?) FROM range(3) t(i)", pa.array(["text"])),
            ("SELECT coalesce(i::INTEGER, ?) AS wide FROM range(3) t(i)", pa.array([2**40])),
            ("SELECT ?", pa.array([1.5])),
            ("SELECT ? AS moment", pa.array([None], pa.timestamp("s"))),
            ("SELECT ? AS nested, i FROM range(2) t(i)", pa.array([[{"a b": 1}]])),
            ("SELECT * FROM range(?)", pa.array([3])),
            ("WITH a AS (SELECT ? AS x) SELECT x, x || 'y' AS y FROM a", pa.array(["b"])),
        ]:
            statement = Prepared(client, sql)
            statement.bind(pa.record_batch([values], names=["p"]))
            assert statement.schema() == statement.rows().schema, sql
            statement.close()


def case_a_schema_that_only_a_run_would_tell(server):
    with session(server) as client:
        for sql, words in [
            ("SELECT ?", "depends on the types of the statement's parameters"),
            ("SELECT 1; SELECT 2", "not known before the statement has run"),
        ]:
            raises(pa.ArrowInvalid, Prepared(client, sql).schema, words)
        assert Prepared(client, "CREATE TABLE never_made (id INTEGER)").schema() == pa.schema([])
        raises(KeyError, lambda: client.do_get(flight.Ticket(b"FROM never_made")).read_all())
