"""The schemas that FlightSql.proto fixes for metadata commands; clients compare them bit for bit."""

import pyarrow as pa
import pyarrow.flight as flight


def metadata_schemas(client):
    """Every metadata command: FlightInfo and DoGet agree with FlightSql.proto, nullability included."""

    def text(name, nullable=False):
        return pa.field(name, pa.string(), nullable)

    def int32(name, nullable=False):
        return pa.field(name, pa.int32(), nullable)

    def boolean(name, nullable=False):
        return pa.field(name, pa.bool_(), nullable)

    tables = [text("catalog_name", True), text("db_schema_name", True), text("table_name"), text("table_type")]
    references = [
        *[text("pk_catalog_name", True), text("pk_db_schema_name", True), text("pk_table_name"), text("pk_column_name")],
        *[text("fk_catalog_name", True), text("fk_db_schema_name", True), text("fk_table_name"), text("fk_column_name")],
        *[int32("key_sequence"), text("fk_key_name", True), text("pk_key_name", True)],
        *[pa.field("update_rule", pa.uint8(), False), pa.field("delete_rule", pa.uint8(), False)],
    ]
    union = pa.dense_union(
        [
            pa.field("string_value", pa.string(), False),
            pa.field("bool_value", pa.bool_(), False),
            pa.field("bigint_value", pa.int64(), False),
            pa.field("int32_bitmask", pa.int32(), False),
            pa.field("string_list", pa.list_(pa.field("item", pa.string())), False),
            pa.field("int32_to_int32_list_map", pa.map_(pa.int32(), pa.list_(pa.field("item", pa.int32()))), False),
        ]
    )
    expected = {
        "CommandGetCatalogs": [text("catalog_name")],
        "CommandGetDbSchemas": [text("catalog_name", True), text("db_schema_name")],
        "CommandGetTables": tables,
        ("CommandGetTables", b"\x28\x01"): [*tables, pa.field("table_schema", pa.binary(), False)],
        "CommandGetTableTypes": [text("table_type")],
        "CommandGetPrimaryKeys": [
            *[text("catalog_name", True), text("db_schema_name", True), text("table_name"), text("column_name")],
            *[int32("key_sequence"), text("key_name", True)],
        ],
        "CommandGetExportedKeys": references,
        "CommandGetImportedKeys": references,
        "CommandGetCrossReference": references,
        "CommandGetSqlInfo": [pa.field("info_name", pa.uint32(), False), pa.field("value", union, False)],
        "CommandGetXdbcTypeInfo": [
            *[text("type_name"), int32("data_type"), int32("column_size", True)],
            *[text("literal_prefix", True), text("literal_suffix", True)],
            pa.field("create_params", pa.list_(pa.field("item", pa.string(), False)), True),
            *[int32("nullable"), boolean("case_sensitive"), int32("searchable"), boolean("unsigned_attribute", True)],
            *[boolean("fixed_prec_scale"), boolean("auto_increment", True), text("local_type_name", True)],
            *[int32("minimum_scale", True), int32("maximum_scale", True), int32("sql_data_type")],
            *[int32("datetime_subcode", True), int32("num_prec_radix", True), int32("interval_precision", True)],
        ],
    }
    rows = {}
    for key, fields in expected.items():
        name, body = key if isinstance(key, tuple) else (key, b"")
        url = f"type.googleapis.com/arrow.flight.protocol.sql.{name}".encode()
        command = b"\x0a" + bytes([len(url)]) + url + (b"\x12" + bytes([len(body)]) + body if body else b"")
        descriptor = flight.FlightDescriptor.for_command(command)
        schema = pa.schema(fields)
        info = client.get_flight_info(descriptor)
        assert info.schema.equals(schema, check_metadata=True), (name, info.schema)
        assert client.get_schema(descriptor).schema.equals(schema, check_metadata=True), name
        table = client.do_get(info.endpoints[0].ticket).read_all()
        assert table.schema.equals(schema, check_metadata=True), (name, table.schema)
        table.validate(full=True)
        rows[name] = table.to_pylist()
    assert len(rows["CommandGetSqlInfo"]) == 91
    assert "DECIMAL" in [row["type_name"] for row in rows["CommandGetXdbcTypeInfo"]]
    (decimal,) = [row for row in rows["CommandGetXdbcTypeInfo"] if row["type_name"] == "DECIMAL"]
    assert decimal["create_params"] == ["precision", "scale"], decimal
