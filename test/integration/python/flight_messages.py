"""Messages of Flight SQL as bytes, for pyarrow.flight, which has none of them."""

import pyarrow.flight as flight


def field(number, data):
    """A length-delimited field of protobuf."""
    length, value = b"", len(data)
    while True:
        length += bytes([value & 0x7F | (0x80 if value > 0x7F else 0)])
        value >>= 7
        if not value:
            return bytes([number << 3 | 2]) + length + data


def packed(name, message):
    return field(1, f"type.googleapis.com/arrow.flight.protocol.sql.{name}".encode()) + field(2, message)


def first_field(message):
    """The bytes of a message's field 1, which must come first."""
    length, at, shift = 0, 1, 0
    while True:
        length |= (message[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if message[at - 1] < 0x80:
            return message[at : at + length]


class Prepared:
    """A prepared statement by its handle."""

    def __init__(self, client, sql):
        request = packed("ActionCreatePreparedStatementRequest", field(1, sql.encode()))
        (result,) = client.do_action(flight.Action("CreatePreparedStatement", request))
        answer = result.body.to_pybytes()
        self.client = client
        # Behind the Any's type there is the result, whose first field is the handle.
        name = first_field(answer)
        self.handle = first_field(first_field(answer[len(field(1, name)) :]))
        self.query = flight.FlightDescriptor.for_command(
            packed("CommandPreparedStatementQuery", field(1, self.handle))
        )

    def bind(self, batch):
        writer, _reader = self.client.do_put(self.query, batch.schema)
        writer.write_batch(batch)
        writer.done_writing()
        writer.close()

    def schema(self):
        return self.client.get_schema(self.query).schema

    def rows(self):
        info = self.client.get_flight_info(self.query)
        return self.client.do_get(info.endpoints[0].ticket).read_all()

    def close(self):
        request = packed("ActionClosePreparedStatementRequest", field(1, self.handle))
        list(self.client.do_action(flight.Action("ClosePreparedStatement", request)))
