"""The client against a real server; each case_* is one test."""

import datetime
import decimal
import urllib.request
from urllib.parse import urlsplit

import eider
import pandas as pd
import polars as pl
import pyarrow as pa
from cases import raises
from cutting_proxy import CuttingProxy


def connect(server, **options):
    return eider.connect(server["uri"], **options)


def case_what_the_readme_shows(server):
    with connect(server) as client:
        client.execute("CREATE SCHEMA IF NOT EXISTS analytics")
        events = client.table("analytics.events")
        frame = pd.DataFrame({"id": [1, 2, 17, 18], "name": ["a", "b", "c", "d"]})
        assert events.merge(frame, on="id") == eider.Written(rows=4, batches=1)
        events.append(pd.DataFrame({"id": [2], "name": ["B"]}))
        events.delete([17, 18])
        assert events.primary_key == ["id"]
        got = events.scan(["name", "id"], order_by="id").to_pandas()
        assert got.to_dict("list") == {"name": ["a", "B"], "id": [1, 2]}, got
        assert events.scan(["id", "name"], where=[("id", ">", 1)]).to_pylist() == [{"id": 2, "name": "B"}]


def case_every_kind_of_data(server):
    with connect(server) as client:
        table = client.table("kinds")
        arrow = pa.table({"id": [1], "name": ["arrow"]})
        kinds = [
            arrow,
            arrow.to_batches()[0],
            arrow.to_reader(),
            pd.DataFrame({"id": [2], "name": ["pandas"]}, index=["x"]),
            pl.DataFrame({"id": [3], "name": ["polars"]}),
            pl.LazyFrame({"id": [4], "name": ["lazy"]}),
            {"id": [5], "name": ["dict"]},
            [{"id": 6, "name": "rows"}, {"id": 7, "name": None}],
            (batch for batch in pa.table({"id": [8, 9], "name": ["a", "b"]}).to_batches(max_chunksize=1)),
        ]
        assert [table.append(data).rows for data in kinds] == [1, 1, 1, 1, 1, 1, 1, 2, 2]
        assert table.scan(order_by="id").to_arrow()["id"].to_pylist() == [1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9]
        raises(TypeError, lambda: table.append(5))
        raises(TypeError, lambda: table.append([]))


def case_nothing_of_the_data_is_left_out(server):
    with connect(server) as client:
        rows = client.table("rows_of_many_shapes")
        rows.append([{"id": 1}, {"name": "b", "id": 2}, {}])
        assert rows.scan(order_by="id").to_pylist() == [
            {"id": 1, "name": None},
            {"id": 2, "name": "b"},
            {"id": None, "name": None},
        ]
        frame = pd.DataFrame({"day": [1, 1, 2], "kind": ["a", "a", "b"], "n": [1, 2, 3]})
        sums = client.table("sums")
        sums.merge(frame.groupby(["day", "kind"]).sum(), on=["day", "kind"])
        sums.append(frame[1:2].set_index("day", drop=False))
        assert sums.scan(order_by="day").to_pylist() == [
            {"day": 1, "kind": "a", "n": 2},
            {"day": 2, "kind": "b", "n": 3},
        ]


def case_parameters_are_a_list(server):
    with connect(server) as client:
        for parameters in ({"a": 1}, "ab", b"ab"):
            raises(TypeError, lambda given=parameters: client.sql("SELECT $a", given), "list of values")
            raises(TypeError, lambda given=parameters: client.execute("SELECT $a", given), "list of values")
            raises(TypeError, lambda given=parameters: client.table("t").scan(where="a = ?", parameters=given), "list")
        assert client.sql("SELECT ? AS a, ? AS b", (1, None)).to_pylist() == [{"a": 1, "b": None}]


def case_every_shape_of_rows(server):
    with connect(server) as client:
        rows = client.sql("SELECT i AS id, 'n' || i AS name FROM range(100000) t(i)")
        assert rows.to_arrow().num_rows == 100_000
        assert rows.to_pandas()["id"].sum() == 4999950000
        assert rows.to_polars()["name"][7] == "n7"
        assert sum(batch.num_rows for batch in rows.batches()) == 100_000
        assert pl.DataFrame(rows).shape == (100_000, 2)
        batches = client.sql("SELECT i FROM range(100000000000) t(i)").batches()
        assert next(batches).num_rows > 0
        batches.close()
        assert client.sql("SELECT ? + 1 AS n", [41]).to_pylist() == [{"n": 42}]


def case_filters_are_pushed_down(server):
    with connect(server) as client:
        table = client.table("filtered")
        day = datetime.date(2024, 5, 1)
        table.append(
            pa.table(
                {
                    "id": [1, 2, 3, 4],
                    "kind": ["a", "b", None, "it's"],
                    "day": [day, day + datetime.timedelta(1), None, day],
                    "price": pa.array([decimal.Decimal("1.10"), None, decimal.Decimal("3"), None], pa.decimal128(9, 2)),
                }
            )
        )

        def ids(where, **options):
            return [row["id"] for row in table.scan(["id"], where, order_by="id", **options).to_pylist()]

        assert ids(None) == [1, 2, 3, 4]
        assert ids("id % 2 = ? OR kind = ?", parameters=[0, "a"]) == [1, 2, 4]
        assert ids({"kind": "it's"}) == [4]
        assert ids({"id": [1, 3, 9], "kind": None}) == [3]
        assert ids([("day", ">=", day), ("kind", "not in", ["a"])]) == [2, 4]
        assert ids([[("id", "=", 1)], [("id", ">", 2), ("kind", "!=", None)]]) == [1, 4]
        assert ids([("id", "in", [])]) == []
        assert ids([("kind", "in", ["a", None])]) == [1, 3]
        assert ids([("kind", "not in", ["a", None])]) == [2, 4]
        assert ids([("kind", "not in", [None]), ("id", ">", 1)]) == [2, 4]
        raises(TypeError, lambda: table.scan(where=[("kind", "in", "ab")]), "list of values")
        raises(TypeError, lambda: table.scan("id"), "list of names")
        assert ids([("kind", "like", "%'%")]) == [4]
        assert ids([("price", "<", decimal.Decimal("2"))]) == [1]
        assert ids(None, limit=2) == [1, 2]
        scan = table.scan(["id"], [("id", ">", 1)])
        assert scan.sql == 'SELECT "id" FROM "filtered" WHERE ("id" > ?)' and scan.parameters == [1]
        raises(ValueError, lambda: table.scan(where=[("id", "~", 1)]), "~")
        raises(eider.EiderError, lambda: table.scan(["nothing"]).to_arrow(), "nothing")


def case_merge_makes_sure_of_the_key(server):
    with connect(server) as client:
        prices = client.table("prices")
        rows = {"day": [1, 1, 2], "shop": ["x", "y", "x"], "price": [1.0, 2.0, 3.0]}
        prices.merge(rows, on=["day", "shop"])
        prices.merge({"day": [1], "shop": ["y"], "price": [9.0]}, on=["day", "shop"])
        prices.delete({"day": [2], "shop": ["x"], "price": [0.0]})
        assert prices.scan(order_by=["day", "shop"]).to_arrow()["price"].to_pylist() == [1.0, 9.0]
        error = raises(eider.EiderError, lambda: prices.merge(rows, on="day"), "day, shop")
        assert error.code == "primary_key_missing" and not error.retryable
        raises(eider.EiderError, lambda: prices.delete([1]), "day, shop")
        plain = client.table("plain")
        plain.append({"id": [1, 2]})
        raises(eider.EiderError, lambda: plain.merge({"id": [1]}, on="id"), "set_primary_key")
        raises(eider.EiderError, lambda: plain.delete([1]), "set_primary_key")
        plain.flush()
        plain.set_primary_key("id")
        plain.merge({"id": [2, 3]}, on="id")
        assert plain.scan(order_by="id").to_arrow()["id"].to_pylist() == [1, 2, 3]
        raises(eider.EiderError, lambda: client.table("no_such").merge({"id": [1]}, on="key"), "key")


def case_numbers_fit_the_columns(server):
    with connect(server) as client:
        client.execute("CREATE TABLE narrow (id INTEGER PRIMARY KEY, small SMALLINT, f FLOAT)")
        table = client.table("narrow")
        table.append(pd.DataFrame({"id": [1, 2], "small": [7.0, None], "f": [0.5, 1.5]}))
        table.delete([2])
        assert table.scan().to_pylist() == [{"id": 1, "small": 7, "f": 0.5}]
        raises(pa.ArrowInvalid, lambda: table.append({"id": [2**40]}))
        error = raises(eider.EiderError, lambda: table.append({"id": [3], "small": ["x"]}), "small")
        assert error.code == "schema_mismatch" and not error.retryable


def case_a_token_stores_once(server):
    with connect(server) as client:
        table = client.table("once")
        data = pa.table({"id": range(200_000)})
        assert table.append(data, token="load").batches > 1
        table.append(data, token="load")
        with connect(server) as other:
            other.table("once").append(data, token="load")
        assert table.scan().to_arrow().num_rows == 200_000


def case_what_the_source_raises_goes_through(server):
    def batches():
        yield pa.record_batch({"id": [1]})
        raise RuntimeError("the source is broken")

    with connect(server) as client:
        raises(RuntimeError, lambda: client.table("half").append(batches()), "the source")


def case_names(server):
    with connect(server) as client:
        client.execute('CREATE SCHEMA IF NOT EXISTS "odd.schema"')
        table = client.table('"odd.schema"."it\'s ""it"""')
        table.merge({"the key": ["a'b"]}, on="the key")
        table.delete(["a'b"])
        assert table.path == ("odd.schema", 'it\'s "it"') and table.scan().to_pylist() == []
        for name in ("", "a.", ".a", 'a"b'):
            raises(eider.EiderError, lambda name=name: client.table(name), "name a table")


def case_a_connection_that_breaks_never_doubles_a_batch(server):
    url = urlsplit(server["uri"])
    for seed in range(2):
        proxy = CuttingProxy(url.hostname, url.port, cuts=6, seed=seed)
        before = duplicates(server)
        try:
            with eider.connect(f"grpc://127.0.0.1:{proxy.port}", retries=30) as client:
                table = client.table(f"cut_{seed}")
                if seed == 1:
                    table.merge({"id": [-1], "text": [""]}, on="id")
                batches = (
                    pa.record_batch({"id": range(at, at + 500), "text": ["x" * 40] * 500}) for at in range(0, 100_000, 500)
                )
                assert table.append(batches) == eider.Written(rows=100_000, batches=200)
                counted = "SELECT count(*) AS n, count(DISTINCT id) AS d FROM " + table.name + " WHERE id >= 0"
                assert proxy.cuts == 6, f"only {proxy.cuts} of 6 connections were cut"
                table.flush()
                assert client.sql(counted).to_pylist() == [{"n": 100_000, "d": 100_000}]
        finally:
            proxy.close()
        assert duplicates(server) > before, "no batch was sent a second time after it had been stored"


def duplicates(server):
    text = urllib.request.urlopen(f"{server['http']}/metrics").read().decode()
    lines = (line for line in text.splitlines() if line.startswith("eider_ingest_batches_total{"))
    return sum(float(line.split()[-1]) for line in lines if 'result="duplicate"' in line)


def case_errors_say_what_to_do(server):
    raises(eider.EiderError, lambda: eider.connect("http://127.0.0.1:1"), "grpc://HOST:PORT")
    raises(eider.EiderError, lambda: eider.connect("grpc://a:b@127.0.0.1:1"), "beside")
    error = raises(eider.EiderError, lambda: eider.connect("grpc://127.0.0.1:1"))
    assert error.retryable and error.code is None
    with connect(server) as client:
        error = raises(eider.EiderError, lambda: client.execute("SELEC 1"), "SELEC")
        assert error.code == "sql_invalid" and str(error).startswith("Parser Error"), error
