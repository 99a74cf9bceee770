import { type DataType, type Field, RecordBatchReader, type Schema } from "apache-arrow";
import { expect, test } from "vitest";
import { encapsulate } from "../../../src/arrow/schema.ts";
import { packAny } from "../../../src/wire/any.ts";
import { decodeFlightData } from "../../../src/wire/flight-data.ts";
import { DESCRIPTOR_CMD, Flight, Sql } from "../../../src/wire/messages.ts";
import type { Codec } from "../../../src/wire/proto.ts";
import { ScenarioServer } from "../../support/scenario-server.ts";

/** FlightSql.proto, the comments of the commands: `!` is not null. ADBC and JDBC refuse an answer that differs at all. */
const TABLES = "catalog_name Utf8, db_schema_name Utf8, table_name Utf8!, table_type Utf8!";
const REFERENCES =
  "pk_catalog_name Utf8, pk_db_schema_name Utf8, pk_table_name Utf8!, pk_column_name Utf8!, " +
  "fk_catalog_name Utf8, fk_db_schema_name Utf8, fk_table_name Utf8!, fk_column_name Utf8!, " +
  "key_sequence Int32!, fk_key_name Utf8, pk_key_name Utf8, update_rule Uint8!, delete_rule Uint8!";
const SCHEMAS: ReadonlyArray<readonly [command: keyof typeof Sql, request: object, schema: string]> = [
  ["CommandGetCatalogs", {}, "catalog_name Utf8!"],
  ["CommandGetDbSchemas", {}, "catalog_name Utf8, db_schema_name Utf8!"],
  ["CommandGetTables", {}, TABLES],
  ["CommandGetTables", { include_schema: true }, `${TABLES}, table_schema Binary!`],
  ["CommandGetTableTypes", {}, "table_type Utf8!"],
  [
    "CommandGetPrimaryKeys",
    { table: "t" },
    "catalog_name Utf8, db_schema_name Utf8, table_name Utf8!, column_name Utf8!, key_sequence Int32!, key_name Utf8",
  ],
  ["CommandGetExportedKeys", { table: "t" }, REFERENCES],
  ["CommandGetImportedKeys", { table: "t" }, REFERENCES],
  ["CommandGetCrossReference", { pk_table: "t", fk_table: "u" }, REFERENCES],
  [
    "CommandGetXdbcTypeInfo",
    {},
    "type_name Utf8!, data_type Int32!, column_size Int32, literal_prefix Utf8, literal_suffix Utf8, " +
      "create_params List<item Utf8!>, nullable Int32!, case_sensitive Bool!, searchable Int32!, " +
      "unsigned_attribute Bool, fixed_prec_scale Bool!, auto_increment Bool, local_type_name Utf8, " +
      "minimum_scale Int32, maximum_scale Int32, sql_data_type Int32!, datetime_subcode Int32, " +
      "num_prec_radix Int32, interval_precision Int32",
  ],
  [
    "CommandGetSqlInfo",
    {},
    "info_name Uint32!, value DenseUnion<string_value Utf8!, bool_value Bool!, bigint_value Int64!, " +
      "int32_bitmask Int32!, string_list List<item Utf8>!, " +
      "int32_to_int32_list_map Map_<entries Struct<key Int32!, value List<item Int32>>!>!>!",
  ],
];

/** By Arrow's own reader: the lake has no unions. */
const readSchema = (encapsulated: Uint8Array): Schema => RecordBatchReader.from(encapsulated).open().schema;

const textOf = (fields: readonly Field[]): string =>
  fields.map(({ name, type, nullable }) => `${name} ${typeText(type)}${nullable ? "" : "!"}`).join(", ");

const MODES = ["Sparse", "Dense"];

function typeText(type: DataType): string {
  const { name } = type.constructor;
  // What Arrow's reader makes has the family's class.
  const family: Readonly<Record<string, string>> = {
    Int_: String(type),
    Union_: "mode" in type ? `${MODES[Number(type.mode)]}Union` : "",
  };
  const plain = family[name] ?? name;
  return type.children?.length ? `${plain}<${textOf(type.children)}>` : plain;
}

test.each(SCHEMAS)("%s %o: the schema of the answer, announced and sent", async (command, request, expected) => {
  await using server = await ScenarioServer.open();
  const client = server.client();
  const cmd = packAny(Sql[command] as Codec<object>, request);
  const { messages } = await client.call("GetFlightInfo", [
    Flight.FlightDescriptor.encode({ type: DESCRIPTOR_CMD, cmd }),
  ]);
  const info = Flight.FlightInfo.decode(messages[0] ?? Buffer.alloc(0));
  const announced = readSchema(info.schema ?? new Uint8Array(0));
  expect(textOf(announced.fields)).toBe(expected);
  const ticket = info.endpoint?.[0]?.ticket;
  const rows = await client.call("DoGet", [Flight.Ticket.encode(ticket ?? {})]);
  const sent = readSchema(encapsulate(decodeFlightData(rows.messages[0] ?? Buffer.alloc(0)).header));
  expect(textOf(sent.fields)).toBe(expected);
});
