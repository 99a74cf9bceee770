"""Flight SQL's CommandGetPrimaryKeys, which neither ADBC's Python nor pyarrow has a call for."""

import pyarrow.flight as flight

_TYPE = b"type.googleapis.com/arrow.flight.protocol.sql.CommandGetPrimaryKeys"


def primary_key(client: flight.FlightClient, schema: str, table: str) -> list[str]:
    """The key's columns in order; none for a table without one."""
    # catalog = 1, db_schema = 2, table = 3; google.protobuf.Any has type_url = 1 and value = 2.
    command = _text_field(2, schema.encode()) + _text_field(3, table.encode())
    rows = client.do_get(flight.Ticket(_text_field(1, _TYPE) + _text_field(2, command))).read_all().to_pylist()
    return [row["column_name"] for row in sorted(rows, key=lambda row: row["key_sequence"])]


def _text_field(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])
