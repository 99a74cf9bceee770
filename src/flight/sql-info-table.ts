import type { ServerInfo } from "./services.ts";
import {
  CONVERSIONS,
  DATETIME_FUNCTIONS,
  KEYWORDS,
  NUMERIC_FUNCTIONS,
  STRING_FUNCTIONS,
  SYSTEM_FUNCTIONS,
} from "./sql-names.ts";

/**
 * Every code of FlightSql.proto's SqlInfo, with the member of the union that JDBC reads it from: it casts without asking,
 * and throws for a code that is missing. No code of our own: JDBC's enum map cannot take one.
 */

type Value<T> = T | ((info: ServerInfo) => T);

export type SqlInfoValue =
  | { readonly member: "text"; readonly value: Value<string> }
  | { readonly member: "bool"; readonly value: Value<boolean> }
  | { readonly member: "bigint"; readonly value: Value<bigint> }
  | { readonly member: "int"; readonly value: Value<number> }
  | { readonly member: "list"; readonly value: readonly string[] }
  | { readonly member: "map"; readonly value: ReadonlyMap<number, readonly number[]> };

const text = (value: Value<string>): SqlInfoValue => ({ member: "text", value });
const bool = (value: Value<boolean>): SqlInfoValue => ({ member: "bool", value });
const bigint = (value: Value<bigint>): SqlInfoValue => ({ member: "bigint", value });
const int = (value: Value<number>): SqlInfoValue => ({ member: "int", value });
const list = (value: readonly string[]): SqlInfoValue => ({ member: "list", value });
const map = (value: ReadonlyMap<number, readonly number[]>): SqlInfoValue => ({ member: "map", value });

/** A limit of 0 means none, or not known. Timeouts are in milliseconds. Bit masks have bit n for the enum's value n. */
export const SQL_INFO: Readonly<Record<number, SqlInfoValue>> = {
  0: text((info) => info.name), // FLIGHT_SQL_SERVER_NAME
  1: text((info) => info.version), // FLIGHT_SQL_SERVER_VERSION
  2: text((info) => info.arrowVersion), // FLIGHT_SQL_SERVER_ARROW_VERSION
  3: bool((info) => info.readOnly), // FLIGHT_SQL_SERVER_READ_ONLY
  4: bool(true), // FLIGHT_SQL_SERVER_SQL
  5: bool(false), // FLIGHT_SQL_SERVER_SUBSTRAIT
  6: text(""), // FLIGHT_SQL_SERVER_SUBSTRAIT_MIN_VERSION
  7: text(""), // FLIGHT_SQL_SERVER_SUBSTRAIT_MAX_VERSION
  8: int(1), // FLIGHT_SQL_SERVER_TRANSACTION
  9: bool(true), // FLIGHT_SQL_SERVER_CANCEL
  10: bool(true), // FLIGHT_SQL_SERVER_BULK_INGESTION
  11: bool(true), // FLIGHT_SQL_SERVER_INGEST_TRANSACTIONS_SUPPORTED
  100: int((info) => info.statementTimeoutMs), // FLIGHT_SQL_SERVER_STATEMENT_TIMEOUT
  101: int(0), // FLIGHT_SQL_SERVER_TRANSACTION_TIMEOUT
  500: bool(true), // SQL_DDL_CATALOG
  501: bool(true), // SQL_DDL_SCHEMA
  502: bool(true), // SQL_DDL_TABLE
  503: bigint(1n), // SQL_IDENTIFIER_CASE
  504: text('"'), // SQL_IDENTIFIER_QUOTE_CHAR
  505: bigint(1n), // SQL_QUOTED_IDENTIFIER_CASE
  506: bool(true), // SQL_ALL_TABLES_ARE_SELECTABLE
  507: bigint(3n), // SQL_NULL_ORDERING
  508: list(KEYWORDS), // SQL_KEYWORDS
  509: list(NUMERIC_FUNCTIONS), // SQL_NUMERIC_FUNCTIONS
  510: list(STRING_FUNCTIONS), // SQL_STRING_FUNCTIONS
  511: list(SYSTEM_FUNCTIONS), // SQL_SYSTEM_FUNCTIONS
  512: list(DATETIME_FUNCTIONS), // SQL_DATETIME_FUNCTIONS
  513: text("\\"), // SQL_SEARCH_STRING_ESCAPE
  514: text(""), // SQL_EXTRA_NAME_CHARACTERS
  515: bool(true), // SQL_SUPPORTS_COLUMN_ALIASING
  516: bool(true), // SQL_NULL_PLUS_NULL_IS_NULL
  517: map(CONVERSIONS), // SQL_SUPPORTS_CONVERT
  518: bool(true), // SQL_SUPPORTS_TABLE_CORRELATION_NAMES
  519: bool(false), // SQL_SUPPORTS_DIFFERENT_TABLE_CORRELATION_NAMES
  520: bool(true), // SQL_SUPPORTS_EXPRESSIONS_IN_ORDER_BY
  521: bool(true), // SQL_SUPPORTS_ORDER_BY_UNRELATED
  522: int(3), // SQL_SUPPORTED_GROUP_BY
  523: bool(true), // SQL_SUPPORTS_LIKE_ESCAPE_CLAUSE
  524: bool(true), // SQL_SUPPORTS_NON_NULLABLE_COLUMNS
  525: int(7), // SQL_SUPPORTED_GRAMMAR
  526: int(7), // SQL_ANSI92_SUPPORTED_LEVEL
  527: bool(true), // SQL_SUPPORTS_INTEGRITY_ENHANCEMENT_FACILITY
  528: int(6), // SQL_OUTER_JOINS_SUPPORT_LEVEL
  529: text("schema"), // SQL_SCHEMA_TERM
  530: text("procedure"), // SQL_PROCEDURE_TERM
  531: text("catalog"), // SQL_CATALOG_TERM
  532: bool(true), // SQL_CATALOG_AT_START
  533: int(7), // SQL_SCHEMAS_SUPPORTED_ACTIONS
  534: int(7), // SQL_CATALOGS_SUPPORTED_ACTIONS
  535: int(0), // SQL_SUPPORTED_POSITIONED_COMMANDS
  536: bool(false), // SQL_SELECT_FOR_UPDATE_SUPPORTED
  537: bool(false), // SQL_STORED_PROCEDURES_SUPPORTED
  538: int(15), // SQL_SUPPORTED_SUBQUERIES
  539: bool(true), // SQL_CORRELATED_SUBQUERIES_SUPPORTED
  540: int(3), // SQL_SUPPORTED_UNIONS
  541: bigint(0n), // SQL_MAX_BINARY_LITERAL_LENGTH
  542: bigint(0n), // SQL_MAX_CHAR_LITERAL_LENGTH
  543: bigint(0n), // SQL_MAX_COLUMN_NAME_LENGTH
  544: bigint(0n), // SQL_MAX_COLUMNS_IN_GROUP_BY
  545: bigint(0n), // SQL_MAX_COLUMNS_IN_INDEX
  546: bigint(0n), // SQL_MAX_COLUMNS_IN_ORDER_BY
  547: bigint(0n), // SQL_MAX_COLUMNS_IN_SELECT
  548: bigint(0n), // SQL_MAX_COLUMNS_IN_TABLE
  549: bigint(0n), // SQL_MAX_CONNECTIONS
  550: bigint(0n), // SQL_MAX_CURSOR_NAME_LENGTH
  551: bigint(0n), // SQL_MAX_INDEX_LENGTH
  552: bigint(0n), // SQL_DB_SCHEMA_NAME_LENGTH
  553: bigint(0n), // SQL_MAX_PROCEDURE_NAME_LENGTH
  554: bigint(0n), // SQL_MAX_CATALOG_NAME_LENGTH
  555: bigint(0n), // SQL_MAX_ROW_SIZE
  556: bool(false), // SQL_MAX_ROW_SIZE_INCLUDES_BLOBS
  557: bigint(0n), // SQL_MAX_STATEMENT_LENGTH
  558: bigint(0n), // SQL_MAX_STATEMENTS
  559: bigint(0n), // SQL_MAX_TABLE_NAME_LENGTH
  560: bigint(0n), // SQL_MAX_TABLES_IN_SELECT
  561: bigint(0n), // SQL_MAX_USERNAME_LENGTH
  562: bigint(3n), // SQL_DEFAULT_TRANSACTION_ISOLATION
  563: bool(true), // SQL_TRANSACTIONS_SUPPORTED
  564: int(8), // SQL_SUPPORTED_TRANSACTIONS_ISOLATION_LEVELS
  565: bool(false), // SQL_DATA_DEFINITION_CAUSES_TRANSACTION_COMMIT
  566: bool(false), // SQL_DATA_DEFINITIONS_IN_TRANSACTIONS_IGNORED
  567: int(2), // SQL_SUPPORTED_RESULT_SET_TYPES
  568: int(0), // SQL_SUPPORTED_CONCURRENCIES_FOR_RESULT_SET_UNSPECIFIED
  569: int(2), // SQL_SUPPORTED_CONCURRENCIES_FOR_RESULT_SET_FORWARD_ONLY
  570: int(0), // SQL_SUPPORTED_CONCURRENCIES_FOR_RESULT_SET_SCROLL_SENSITIVE
  571: int(0), // SQL_SUPPORTED_CONCURRENCIES_FOR_RESULT_SET_SCROLL_INSENSITIVE
  572: bool(true), // SQL_BATCH_UPDATES_SUPPORTED
  573: bool(false), // SQL_SAVEPOINTS_SUPPORTED
  574: bool(true), // SQL_NAMED_PARAMETERS_SUPPORTED
  575: bool(false), // SQL_LOCATORS_UPDATE_COPY
  576: bool(false), // SQL_STORED_FUNCTIONS_USING_CALL_SYNTAX_SUPPORTED
};
