"""pyarrow.flight without any Flight SQL: paths, tokens, operations, raw SQL."""

import json
import urllib.request

import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow as pa
import pyarrow.flight as flight

from cases import wait_until
from flight_messages import field
from flight_session import session
from metadata_schemas import metadata_schemas


def client(server):
    return flight.connect(server["uri"])


def query(connection, sql):
    return connection.do_get(flight.Ticket(sql.encode())).read_all()


def put(connection, path, batches, metadata=None):
    """Writes batch after batch and returns the acknowledgement of each."""
    writer, reader = connection.do_put(flight.FlightDescriptor.for_path(*path), batches[0].schema)
    answers = []
    for i, batch in enumerate(batches):
        if metadata and metadata[i]:
            writer.write_with_metadata(batch, json.dumps(metadata[i]).encode())
        else:
            writer.write_batch(batch)
        answer = reader.read()
        if answer is None:
            writer.close()  # raises what ended the stream
        answers.append(json.loads(answer.to_pybytes()))
    writer.done_writing()
    writer.close()
    return answers


def flush(connection, table):
    query(connection, f"CALL duckling_queue_flush('{table}')")


def batch(**columns):
    return pa.record_batch(columns)


def case_put_acknowledges_each_batch(server):
    connection = client(server)
    answers = put(connection, ["path_rows"], [batch(id=[1, 2]), batch(id=[3]), batch(id=pa.array([], pa.int64()))])
    assert [answer["rows"] for answer in answers] == [2, 1, 0], answers
    assert answers[0]["seq"] < answers[1]["seq"], answers
    flush(connection, "path_rows")
    assert query(connection, "SELECT sum(id) AS s FROM path_rows")["s"].to_pylist() == [6]


def case_put_into_another_schema(server):
    connection = client(server)
    put(connection, ["staging", "rows in here"], [batch(id=[1])])
    flush(connection, 'staging."rows in here"')
    assert query(connection, 'SELECT * FROM staging."rows in here"').num_rows == 1


def case_tokens_store_once(server):
    connection = client(server)
    first = put(connection, ["tokens"], [batch(id=[1, 2])], [{"token": "a"}])
    again = put(connection, ["tokens"], [batch(id=[1, 2])], [{"token": "a"}])
    assert first == again, (first, again)
    flush(connection, "tokens")
    after = put(connection, ["tokens"], [batch(id=[1, 2])], [{"token": "a"}])
    assert after == first, (first, after)
    flush(connection, "tokens")
    assert query(connection, "SELECT count(*) AS n FROM tokens")["n"].to_pylist() == [2]


def case_operations_on_a_keyed_table(server):
    connection = client(server)
    query(connection, "CREATE TABLE ops (id BIGINT PRIMARY KEY, v VARCHAR)")
    put(connection, ["ops"], [batch(id=[1, 2, 3], v=["a", "b", "c"])])
    put(connection, ["ops"], [batch(id=[2], v=["B"])], [{"op": "upsert"}])
    put(connection, ["ops"], [batch(id=[1])], [{"op": "delete"}])
    put(connection, ["ops"], [batch(id=[4], v=["d"])], [{"op": "insert"}])
    flush(connection, "ops")
    assert query(connection, "SELECT * FROM ops ORDER BY id").to_pylist() == [
        {"id": 2, "v": "B"},
        {"id": 3, "v": "c"},
        {"id": 4, "v": "d"},
    ]
    put(connection, ["ops"], [batch(id=[4])], [{"op": "delete"}])
    put(connection, ["ops"], [batch(id=[4], v=["again"])])
    flush(connection, "ops")
    assert query(connection, "SELECT v FROM ops WHERE id = 4")["v"].to_pylist() == ["again"]


def case_bad_batches_are_refused_by_column(server):
    connection = client(server)
    query(connection, "CREATE TABLE strict (id BIGINT NOT NULL, v VARCHAR)")
    for columns, word in (
        ({"id": [1], "other": [1]}, "other"),
        ({"id": ["text"], "v": ["x"]}, "id"),
        ({"v": ["no id"]}, "id"),
        ({"id": pa.array([None], pa.int64()), "v": ["x"]}, "id"),
    ):
        try:
            put(connection, ["strict"], [batch(**columns)])
        except pa.ArrowInvalid as error:
            assert word in str(error), error
        else:
            raise AssertionError(f"{columns} was taken")
    try:
        put(connection, ["strict"], [batch(id=[1])], [{"op": "nonsense"}])
    except pa.ArrowInvalid as error:
        assert "op" in str(error)
    else:
        raise AssertionError("a nonsense op was taken")
    put(connection, ["strict"], [batch(id=pa.array([7], pa.int32()))])
    flush(connection, "strict")
    assert query(connection, "SELECT * FROM strict").to_pylist() == [{"id": 7, "v": None}]


def case_names_that_no_table_can_have_are_refused_by_what_is_wrong(server):
    connection = client(server)
    many = pa.record_batch({"a": [{f"m{i}": i for i in range(20_000)}]})
    for table, rows, words in [
        ("named", pa.record_batch({"a": [1], "": [2]}), "column 2 of table main.named has no name"),
        ("named", batch(**{"a\0b": [1]}), "U+0000"),
        ("na\0med", batch(a=[1]), "U+0000"),
        ("named", many, "more than 20000 fields"),
    ]:
        try:
            put(connection, [table], [rows])
        except pa.ArrowInvalid as error:
            assert words in str(error) and "Parser Error" not in str(error) and "malformed" not in str(error), error
        else:
            raise AssertionError(f"{words}: was taken")


def case_columns_match_by_name(server):
    connection = client(server)
    query(connection, "CREATE TABLE by_name (a BIGINT, b VARCHAR DEFAULT 'unused', c DOUBLE)")
    put(connection, ["by_name"], [batch(C=[1.5], a=[1])])
    put(connection, ["by_name"], [batch(b=["x"], c=[2.5], a=[2])])
    flush(connection, "by_name")
    assert query(connection, "SELECT * FROM by_name ORDER BY a").to_pylist() == [
        {"a": 1, "b": None, "c": 1.5},
        {"a": 2, "b": "x", "c": 2.5},
    ]


def case_slices_and_dictionaries(server):
    connection = client(server)
    whole = pa.record_batch(
        {"id": list(range(5000)), "s": pa.array([f"value {i % 7}" for i in range(5000)]).dictionary_encode()}
    )
    put(connection, ["slices"], [whole.slice(10, 100), whole.slice(4990), whole.slice(0, 0)])
    flush(connection, "slices")
    found = query(connection, "SELECT * FROM slices ORDER BY id").to_pylist()
    assert found == [{"id": i, "s": f"value {i % 7}"} for i in [*range(10, 110), *range(4990, 5000)]]


def case_get_flight_info_of_a_statement(server):
    connection = client(server)
    info = connection.get_flight_info(flight.FlightDescriptor.for_command(b"SELECT 1 AS one"))
    table = connection.do_get(info.endpoints[0].ticket).read_all()
    assert table.to_pylist() == [{"one": 1}]


def case_age_flushes_without_being_asked(server):
    connection = client(server)
    put(connection, ["by_age"], [batch(id=[1])])
    wait_until(
        lambda: query(connection, "SET eider_read_consistency = 'eventual'; SELECT count(*) AS n FROM by_age")["n"].to_pylist() == [1],
        "the sweeper flushes by age",
    )


def case_metrics_and_health(server):
    connection = client(server)
    put(connection, ["measured"], [batch(id=[1, 2, 3])])
    flush(connection, "measured")
    text = urllib.request.urlopen(f"{server['http']}/metrics").read().decode()
    assert 'eider_ingest_rows_total{table="main.measured",route="put"} 3' in text, text
    for name in ("eider_flushes_total", "eider_flush_phase_duration_seconds_bucket", "eider_buffer_rows",
                 "eider_duckdb_memory_bytes", "eider_queries_total", "eider_ingest_ack_duration_seconds_bucket"):
        assert f"\n{name}" in text, name
    health = json.load(urllib.request.urlopen(f"{server['http']}/health"))
    assert health == {"status": "ok", "db_connected": True}


def refused(error, call, word):
    try:
        call()
    except error as caught:
        assert word in str(caught), caught
    else:
        raise AssertionError(f"no {error.__name__} was raised")


def case_state_of_eider_takes_no_rows(server):
    rows = batch(target=["x"])
    refused(pa.ArrowInvalid, lambda: put(client(server), ["_eider", "primary_keys"], [rows]), "_eider")


def case_tokens_that_cannot_be_kept_are_refused(server):
    for token in ("a\0b", "\ud800"):
        refused(pa.ArrowInvalid, lambda token=token: put(client(server), ["odd_tokens"], [batch(id=[1])], [{"token": token}]), "token")


def case_a_table_changes_under_an_open_stream(server):
    """The key follows a new name; rows of a table that is gone wait, and keep nobody from making it anew."""
    connection = client(server)
    row = batch(id=[1], v=[1])

    def send(writer, reader):
        writer.write_batch(row)
        return json.loads(reader.read().to_pybytes())["rows"]

    query(connection, "CREATE TABLE changing (id BIGINT PRIMARY KEY, v BIGINT)")
    writer, reader = connection.do_put(flight.FlightDescriptor.for_path("changing"), row.schema)
    assert send(writer, reader) == 1
    query(connection, "ALTER TABLE changing RENAME id TO other")
    assert send(writer, reader) == 1
    flush(connection, "changing")
    assert query(connection, "SELECT * FROM changing").to_pylist() == [{"other": 1, "v": 1}]
    query(connection, "ALTER TABLE changing RENAME other TO id")
    assert send(writer, reader) == 1
    flush(connection, "changing")
    assert query(connection, "SELECT * FROM changing").to_pylist() == [{"id": 1, "v": 1}]
    query(connection, "DROP TABLE changing")
    assert send(writer, reader) == 1
    query(connection, "CREATE TABLE changing (id BIGINT, v BIGINT)")
    flush(connection, "changing")
    assert query(connection, "SELECT * FROM changing").num_rows == 1
    writer.close()


def case_rows_follow_what_is_renamed_while_they_wait(server):
    """A transaction changes the table, rows come in for what it was, and only then it commits."""
    connection = client(server)
    with flight_sql.connect(server["uri"]) as changing, changing.cursor() as cursor:
        query(connection, "CREATE TABLE renamed_column (id BIGINT, v VARCHAR)")
        cursor.execute("ALTER TABLE renamed_column RENAME v TO w")
        put(connection, ["renamed_column"], [batch(id=[1], v=["a"])])
        changing.commit()
        flush(connection, "renamed_column")
        assert query(connection, "SELECT * FROM renamed_column").to_pylist() == [{"id": 1, "w": "a"}]

        query(connection, "CREATE TABLE renamed_key (id BIGINT PRIMARY KEY, v VARCHAR)")
        put(connection, ["renamed_key"], [batch(id=[1], v=["a"])])
        cursor.execute("ALTER TABLE renamed_key RENAME id TO key")
        put(connection, ["renamed_key"], [batch(id=[1, 2], v=["b", "c"])])
        changing.commit()
        query(connection, "CALL eider_set_primary_key('renamed_key', ['key'])")
        flush(connection, "renamed_key")
        assert query(connection, "SELECT * FROM renamed_key ORDER BY key").to_pylist() == [{"key": 1, "v": "b"}, {"key": 2, "v": "c"}]

        query(connection, "CREATE TABLE other_column (id BIGINT, v VARCHAR)")
        cursor.execute("ALTER TABLE other_column DROP COLUMN v")
        cursor.execute("ALTER TABLE other_column ADD COLUMN v INTEGER")
        put(connection, ["other_column"], [batch(id=[1], v=["no number"])])
        changing.commit()
        put(connection, ["other_column"], [batch(id=[2], v=pa.array([7], pa.int32()))])
        flush(connection, "other_column")
        assert query(connection, "SELECT * FROM other_column ORDER BY id").to_pylist() == [{"id": 1, "v": None}, {"id": 2, "v": 7}]

        query(connection, "CREATE TABLE renamed_table (id BIGINT)")
        cursor.execute("ALTER TABLE renamed_table RENAME TO new_name")
        put(connection, ["renamed_table"], [batch(id=[1])])
        changing.commit()
        query(connection, "CREATE TABLE renamed_table (text VARCHAR)")
        put(connection, ["renamed_table"], [batch(text=["x"])])
        flush(connection, "renamed_table")
        assert query(connection, "SELECT * FROM new_name").to_pylist() == [{"id": 1}]
        assert query(connection, "SELECT * FROM renamed_table").to_pylist() == [{"text": "x"}]


def case_a_new_table_has_seen_no_token(server):
    connection = client(server)
    token = [{"token": "first"}]
    for _ in range(2):
        query(connection, "CREATE OR REPLACE TABLE token_table (id BIGINT)")
        put(connection, ["token_table"], [batch(id=[1])], token)
        flush(connection, "token_table")
        put(connection, ["token_table"], [batch(id=[1])], token)
        flush(connection, "token_table")
        assert query(connection, "SELECT * FROM token_table").num_rows == 1


def case_every_metadata_command_has_its_schema(server):
    connection = client(server)
    query(connection, "CREATE TABLE has_a_key (b BIGINT, a VARCHAR, PRIMARY KEY (a, b))")
    metadata_schemas(connection)


def case_catalog_and_schema_set_at_once(server):
    def option(name, value):
        return field(1, field(1, name.encode()) + field(2, field(1, value.encode())))

    with session(server) as connection:
        query(connection, "CREATE SCHEMA IF NOT EXISTS set_at_once")
        both = [option("schema", "set_at_once"), option("catalog", "lake")]
        for options in (both, both[::-1]):
            query(connection, "USE lake.main")
            list(connection.do_action(flight.Action("SetSessionOptions", b"".join(options))))
            assert query(connection, "SELECT current_schema() AS s")["s"].to_pylist() == ["set_at_once"]
