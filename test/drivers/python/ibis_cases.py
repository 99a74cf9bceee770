"""ibis on the stock ADBC driver: by the SQL that it makes for DuckDB, and by the backend of ibis-gizmosql."""

import adbc_driver_flightsql.dbapi as flight_sql
import ibis
import ibis_gizmosql
import pandas as pd

from cases import raises


def connect(server):
    return flight_sql.connect(server["uri"], autocommit=True)


def case_expressions_as_sql(server):
    with connect(server) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE TABLE orders AS SELECT i AS id, i % 3 AS kind FROM range(10) t(i)")
        orders = ibis.table({"id": "int64", "kind": "int64"}, name="orders")
        counts = orders.group_by("kind").agg(n=orders.count(), most=orders.id.max()).order_by("kind")
        cursor.execute(str(ibis.to_sql(counts, dialect="duckdb")))
        assert cursor.fetchall() == [(0, 4, 9), (1, 3, 7), (2, 3, 8)]


def case_backend(server):
    with connect(server) as connection:
        backend = ibis_gizmosql.Backend.from_connection(connection)
        assert (backend.current_catalog, backend.current_database) == ("lake", "main")
        frame = pd.DataFrame({"id": [1, 2, 3], "kind": ["a", "b", "a"]})
        made = backend.create_table("made_by_ibis", frame, overwrite=True)
        assert "made_by_ibis" in backend.list_tables()
        assert made.schema() == ibis.schema({"id": "int64", "kind": "string"})
        found = made.group_by("kind").agg(n=made.count(), s=made.id.sum()).order_by("kind").to_pyarrow()
        assert [(row["kind"], row["n"], int(row["s"])) for row in found.to_pylist()] == [("a", 2, 4), ("b", 1, 2)]
        backend.insert("made_by_ibis", pd.DataFrame({"id": [9], "kind": ["z"]}))
        assert made.count().execute() == 4 and made.to_polars().shape == (4, 2)
        local = ibis.memtable({"id": [1, 9], "word": ["x", "y"]})
        assert made.join(local, "id").order_by("id").to_pandas()["word"].tolist() == ["x", "y"]
        assert sum(batch.num_rows for batch in made.to_pyarrow_batches()) == 4
        view = backend.create_view("seen_by_ibis", made.filter(made.id > 1), overwrite=True)
        assert view.count().execute() == 3
        backend.drop_view("seen_by_ibis")
        backend.drop_table("made_by_ibis")
        assert "made_by_ibis" not in backend.list_tables()


def case_the_backends_own_connect_refuses_other_servers(server):
    """It asks whether the server's version begins with `duckdb `. Eider's does not."""
    host, port = server["uri"].removeprefix("grpc://").split(":")
    backend = ibis_gizmosql.Backend()
    raises(Exception, lambda: backend.do_connect(host=host, port=int(port), user="u", password="p"), "Unsupported")
