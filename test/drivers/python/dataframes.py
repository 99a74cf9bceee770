"""pandas, polars and DuckDB read from and write to Eider over ADBC, as their documentation says."""

import datetime

import adbc_driver_flightsql.dbapi as flight_sql
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa

from cases import raises


def connect(server, **options):
    return flight_sql.connect(server["uri"], **options)


def frame():
    return pd.DataFrame(
        {
            "id": pd.array([1, 2, None], dtype="Int64"),
            "name": ["a", None, "ä" * 20],
            "price": [1.5, None, -2.25],
            "flag": [True, False, True],
            "happened": pd.to_datetime(["2026-01-01T12:00:00.123456", None, "1970-01-01T00:00:00.0"]),
        }
    )


def case_pandas_round_trip(server):
    with connect(server) as connection:
        written = frame()
        assert written.to_sql("frames", connection, if_exists="replace", index=False) == 3
        found = pd.read_sql("SELECT * FROM frames ORDER BY price NULLS LAST", connection, dtype_backend="pyarrow")
        assert found["id"].tolist()[:2] == [pd.NA, 1] or found["id"].isna().tolist() == [True, False, False]
        assert found["name"].tolist()[:2] == ["ä" * 20, "a"] and found["name"].isna().tolist() == [False, False, True]
        assert found["price"].tolist()[:2] == [-2.25, 1.5]
        assert found["happened"].tolist()[:2] == [pd.Timestamp("1970-01-01"), pd.Timestamp("2026-01-01T12:00:00.123456")]
        whole = pd.read_sql("frames", connection)
        assert list(whole.columns) == list(written.columns) and len(whole) == 3
        # pandas' own limits over ADBC: these say NotImplementedError.
        raises(NotImplementedError, lambda: pd.read_sql_query("SELECT ?", connection, params=(1,)))
        raises(NotImplementedError, lambda: pd.read_sql_query("SELECT 1", connection, chunksize=10))
        raises(NotImplementedError, lambda: written.to_sql("labelled", connection, index_label="n"))


def case_pandas_modes(server):
    with connect(server) as connection:
        one = frame().head(1)
        one.to_sql("modes", connection, if_exists="replace", index=False)
        raises(ValueError, lambda: one.to_sql("modes", connection, if_exists="fail", index=False), "modes")
        one.to_sql("modes", connection, if_exists="append", index=False)
        one.to_sql("modes", connection, if_exists="append", index=False)
        assert pd.read_sql("SELECT count(*) AS n FROM modes", connection)["n"].tolist() == [3]
        one.to_sql("in_schema", connection, schema="main", if_exists="replace", index=False)
        assert pd.read_sql("SELECT * FROM in_schema", connection)["id"].tolist() == [1]
    with connect(server, autocommit=True) as other:
        # pandas commits what it has written.
        assert len(pd.read_sql("SELECT * FROM in_schema", other)) == 1


def case_pandas_in_chunks(server):
    with connect(server, autocommit=True) as connection:
        pd.DataFrame({"i": range(250_000)}).to_sql("chunked", connection, if_exists="replace", index=False)
        found = pd.read_sql("SELECT * FROM chunked ORDER BY i", connection)
        assert len(found) == 250_000 and found["i"].is_monotonic_increasing


def case_polars_round_trip(server):
    written = pl.DataFrame(
        {
            "id": [1, 2, None],
            "word": ["x", None, "y" * 30],
            "day": [datetime.date(2026, 1, 1), None, datetime.date(1, 1, 1)],
            "at": [datetime.datetime(2026, 1, 1, 1, 2, 3, 456), None, None],
            "values": [[1, 2], None, []],
        }
    )
    with connect(server, autocommit=True) as connection:
        assert written.write_database("polars_frame", connection, engine="adbc", if_table_exists="replace") == 3
        found = pl.read_database("SELECT * FROM polars_frame ORDER BY id NULLS LAST", connection)
        assert found.equals(written) and found.schema == written.schema, found
        assert written.write_database("polars_frame", connection, engine="adbc", if_table_exists="append") == 3
        raises(Exception, lambda: written.write_database("polars_frame", connection, engine="adbc", if_table_exists="fail"), "polars_frame")
        batches = pl.read_database(
            "SELECT i FROM range(500000) t(i)", connection, iter_batches=True, batch_size=10_000
        )
        assert sum(len(batch) for batch in batches) == 500_000


def case_polars_by_uri(server):
    uri = server["uri"].replace("grpc://", "flightsql://") + "?transport=tcp"
    found = pl.read_database_uri("SELECT 42 AS answer", uri, engine="adbc")
    assert found["answer"].to_list() == [42]


def case_polars_writes_a_lazy_result(server):
    with connect(server, autocommit=True) as connection:
        lazy = pl.LazyFrame({"k": ["a", "b", "a"], "v": [1, 2, 3]}).group_by("k").agg(pl.col("v").sum())
        lazy.collect().write_database("lazy", connection, engine="adbc", if_table_exists="replace")
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM lazy ORDER BY k")
            assert cursor.fetch_polars().rows() == [("a", 4), ("b", 2)]
            cursor.execute("SELECT * FROM lazy ORDER BY k")
            assert cursor.fetch_df()["v"].tolist() == [4, 2]


def case_duckdb_queries_results_and_gives_them_back(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT i, i % 3 AS k FROM range(100000) t(i)")
        reader = cursor.fetch_record_batch()
        with duckdb.connect() as local:
            relation = local.sql("SELECT k, count(*) AS n, sum(i)::BIGINT AS s FROM reader GROUP BY k ORDER BY k")
            rows = relation.fetchall()
            assert [row[:2] for row in rows] == [(0, 33334), (1, 33333), (2, 33333)]
            made = local.sql("SELECT range AS id, {'a': range} AS s FROM range(5000)").to_arrow_reader(1000)
            assert cursor.adbc_ingest("from_duckdb", made, mode="replace") == 5000
        cursor.execute("SELECT sum(s.a) FROM from_duckdb")
        assert cursor.fetchone() == (12_497_500,)


def case_pyarrow_datasets_and_tables(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        table = pa.table({"id": range(1000), "group": pa.array(["a", "b"] * 500).dictionary_encode()})
        assert cursor.adbc_ingest("arrow_table", table.to_reader(max_chunksize=100), mode="replace") == 1000
        cursor.execute("SELECT * FROM arrow_table")
        assert cursor.fetch_arrow().__arrow_c_stream__
        cursor.execute("SELECT * FROM arrow_table ORDER BY id")
        found = cursor.fetch_arrow_table().group_by("group").aggregate([("id", "sum")])
        assert dict(zip(*found.to_pydict().values())) == {"a": 249_500, "b": 250_000}
