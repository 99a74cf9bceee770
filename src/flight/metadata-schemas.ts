import { Binary, Bool, Field, Int32, List, Schema, Uint8, Utf8 } from "apache-arrow";

/**
 * The schemas of the metadata commands, as FlightSql.proto fixes them in each command's comment. Clients compare them
 * field by field, nullability included, and refuse the whole answer when one differs.
 */

const text = (name: string) => new Field(name, new Utf8(), false);
const optionalText = (name: string) => new Field(name, new Utf8(), true);
const int32 = (name: string, nullable = false) => new Field(name, new Int32(), nullable);
const bool = (name: string, nullable = false) => new Field(name, new Bool(), nullable);
const rule = (name: string) => new Field(name, new Uint8(), false);

const TABLES = [
  optionalText("catalog_name"),
  optionalText("db_schema_name"),
  text("table_name"),
  text("table_type"),
] as const;

const REFERENCES = new Schema([
  optionalText("pk_catalog_name"),
  optionalText("pk_db_schema_name"),
  text("pk_table_name"),
  text("pk_column_name"),
  optionalText("fk_catalog_name"),
  optionalText("fk_db_schema_name"),
  text("fk_table_name"),
  text("fk_column_name"),
  int32("key_sequence"),
  optionalText("fk_key_name"),
  optionalText("pk_key_name"),
  rule("update_rule"),
  rule("delete_rule"),
]);

const TABLES_WITH_SCHEMA = new Schema([...TABLES, new Field("table_schema", new Binary(), false)]);

/** Answered by the backend. CommandGetTables with `include_schema` has one column more: `metadataSchema`. */
export const METADATA_SCHEMAS = {
  CommandGetCatalogs: new Schema([text("catalog_name")]),
  CommandGetDbSchemas: new Schema([optionalText("catalog_name"), text("db_schema_name")]),
  CommandGetTables: new Schema([...TABLES]),
  CommandGetTableTypes: new Schema([text("table_type")]),
  CommandGetPrimaryKeys: new Schema([
    optionalText("catalog_name"),
    optionalText("db_schema_name"),
    text("table_name"),
    text("column_name"),
    int32("key_sequence"),
    optionalText("key_name"),
  ]),
  CommandGetExportedKeys: REFERENCES,
  CommandGetImportedKeys: REFERENCES,
  CommandGetCrossReference: REFERENCES,
} as const;

export type MetadataCommand = keyof typeof METADATA_SCHEMAS;

export function metadataSchema(command: MetadataCommand, request: Readonly<Record<string, unknown>>): Schema {
  if (command === "CommandGetTables" && request["include_schema"] === true) return TABLES_WITH_SCHEMA;
  return METADATA_SCHEMAS[command];
}

export const XDBC_TYPE_INFO_SCHEMA = new Schema([
  text("type_name"),
  int32("data_type"),
  int32("column_size", true),
  optionalText("literal_prefix"),
  optionalText("literal_suffix"),
  new Field("create_params", new List(text("item")), true),
  int32("nullable"),
  bool("case_sensitive"),
  int32("searchable"),
  bool("unsigned_attribute", true),
  bool("fixed_prec_scale"),
  bool("auto_increment", true),
  optionalText("local_type_name"),
  int32("minimum_scale", true),
  int32("maximum_scale", true),
  int32("sql_data_type"),
  int32("datetime_subcode", true),
  int32("num_prec_radix", true),
  int32("interval_precision", true),
]);
