"""pyarrow.flight against the protocol layer: argument 1 is the server's URI."""

import json
import sys

import pyarrow as pa
import pyarrow.flight as flight
from metadata_schemas import metadata_schemas

uri = sys.argv[1]
client = flight.FlightClient(uri)
Descriptor = flight.FlightDescriptor
SCHEMA = pa.schema([("x", pa.int64()), ("y", pa.string())])
BATCH = pa.record_batch([[1, 2], ["a", None]], schema=SCHEMA)


def refused(kind, run):
    try:
        run()
    except kind as error:
        return error
    raise AssertionError(f"not refused with {kind}")


def query(sql, by=client, options=None):
    info = by.get_flight_info(Descriptor.for_command(sql.encode()), options)
    if not info.endpoints:
        return info.total_records
    (endpoint,) = info.endpoints
    table = by.do_get(endpoint.ticket, options).read_all()
    assert table.schema.equals(info.schema), (table.schema, info.schema)
    return table.to_pylist()


def text_commands():
    assert query("CREATE TABLE s (a BIGINT)") == 0
    assert query("INSERT INTO s VALUES (1), (2)") == 2
    assert query("SELECT sum(a)::BIGINT AS n FROM s") == [{"n": 3}]
    assert client.do_get(flight.Ticket(b"\nSELECT 3::BIGINT AS z")).read_all().to_pylist() == [{"z": 3}]
    assert client.get_schema(Descriptor.for_command(b"SELECT 1::BIGINT AS a")).schema == pa.schema([("a", pa.int64())])
    assert len(client.get_schema(Descriptor.for_command(b"CREATE TABLE never (a INT)")).schema) == 0
    refused(KeyError, lambda: query("SELECT * FROM never"))
    refused(pa.ArrowInvalid, lambda: client.get_flight_info(Descriptor.for_command(b"\xff\xfe")))
    writer, reader = client.do_put(Descriptor.for_command(b"INSERT INTO s VALUES (?)"), pa.schema([("1", pa.int64())]))
    writer.write_batch(pa.record_batch([[5, 6, 7]], names=["1"]))
    writer.done_writing()
    assert reader.read() is not None
    writer.close()
    assert query("SELECT count(*)::BIGINT AS n FROM s") == [{"n": 5}]


def paths():
    (info,) = [info for info in client.list_flights(b"main.s")]
    assert info.descriptor.path == [b"main", b"s"]
    assert client.do_get(info.endpoints[0].ticket).read_all().num_rows == 5
    info = client.get_flight_info(Descriptor.for_path("main", "s"))
    assert client.do_get(info.endpoints[0].ticket).read_all().schema == info.schema
    refused(pa.ArrowInvalid, lambda: client.get_flight_info(Descriptor.for_path("a", "b", "c", "d")))


def puts():
    writer, reader = client.do_put(Descriptor.for_path("p"), SCHEMA)
    for seq in (1, 2):
        writer.write_batch(BATCH)
        assert json.loads(reader.read().to_pybytes()) == {"rows": 2, "seq": seq}
    for _ in range(100):
        writer.write_with_metadata(BATCH, b'{"op":"insert"}')
    writer.done_writing()
    assert [json.loads(reader.read().to_pybytes())["seq"] for _ in range(100)] == list(range(3, 103))
    assert reader.read() is None
    writer.close()

    writer, reader = client.do_put(Descriptor.for_path("p"), SCHEMA)
    writer.write_batch(BATCH)
    writer.write_with_metadata(BATCH, b'{"fail":true}')
    assert json.loads(reader.read().to_pybytes())["rows"] == 2
    # pyarrow ends the results there, and tells the error when the writer is closed.
    assert reader.read() is None
    assert "asked to fail" in str(refused(pa.ArrowInvalid, writer.close))
    assert query("SELECT count(*)::BIGINT AS n FROM p") == [{"n": 206}]

    dictionary = pa.record_batch([pa.array(["a", "b", "a"]).dictionary_encode()], names=["y"])
    writer, reader = client.do_put(Descriptor.for_path("d"), dictionary.schema)
    writer.write_batch(dictionary)
    writer.done_writing()
    # The dictionary's own message has no result.
    assert json.loads(reader.read().to_pybytes()) == {"rows": 3, "seq": 1}
    assert reader.read() is None
    writer.close()


def large_batch():
    rows = 1_000_000
    batch = pa.record_batch([pa.array(range(rows), pa.int64())], names=["1"])
    writer, _reader = client.do_put(Descriptor.for_command(b"SELECT 1"), batch.schema)
    # 8 MB in one message: above grpc's default limit of 4 MiB.
    writer.write_batch(batch)
    error = refused(Exception, writer.close)
    assert "max_parameter_bytes" in str(error), error


def sessions():
    query("CREATE TEMP TABLE mine (a INT)")
    query("SELECT * FROM mine")
    refused(KeyError, lambda: query("SELECT * FROM mine", flight.FlightClient(uri)))

    basic = flight.FlightClient(uri)
    options = flight.FlightCallOptions(headers=[basic.authenticate_basic_token("joe", "secret")])
    query("CREATE TEMP TABLE of_joe (a INT)", basic, options)
    assert query("SELECT * FROM of_joe", flight.FlightClient(uri), options) == []
    gone = flight.FlightCallOptions(headers=[(b"authorization", b"Bearer eider-session-gone")])
    refused(flight.FlightUnauthenticatedError, lambda: query("SELECT 1", basic, gone))

    class Legacy(flight.ClientAuthHandler):
        token = b""

        def authenticate(self, outgoing, incoming):
            outgoing.write(flight.BasicAuth("joe", "secret").serialize())
            self.token = incoming.read()

        def get_token(self):
            return self.token

    legacy = flight.FlightClient(uri)
    legacy.authenticate(Legacy())
    query("CREATE TEMP TABLE of_legacy (a INT)", legacy)
    assert query("SELECT * FROM of_legacy", legacy) == []


def endings():
    reader = client.do_get(flight.Ticket(b"SELECT 100000 AS endless_stream"))
    reader.read_chunk()
    reader.cancel()

    def drain():
        while True:
            reader.read_chunk()

    refused(flight.FlightCancelledError, drain)
    slow = flight.Ticket(b"SELECT count(*) FROM range(1000000000000)")
    refused(flight.FlightTimedOutError, lambda: client.do_get(slow, flight.FlightCallOptions(timeout=0.5)).read_all())
    assert query("SELECT 1::BIGINT AS a") == [{"a": 1}]


def refusals():
    for action in ("Nonsense", "BeginSavepoint", "CreatePreparedSubstraitPlan"):
        error = refused(NotImplementedError, lambda name=action: list(client.do_action(flight.Action(name, b""))))
        assert action in str(error), error
    assert "CancelFlightInfo" in [action.type for action in client.list_actions()]


text_commands()
paths()
puts()
large_batch()
sessions()
endings()
refusals()
metadata_schemas(client)
print(json.dumps("done"))
