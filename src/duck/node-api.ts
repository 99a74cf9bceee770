import { createRequire } from "node:module";
import type * as nodeApi from "@duckdb/node-api";

// With `import`, Node reads each of the package's hundred CommonJS files for its exports before it runs them: 0.2 s of
// CPU in every thread, a tenth of a start.
const required = createRequire(import.meta.url)("@duckdb/node-api") as typeof nodeApi;

export const { DuckDBConnection, DuckDBDataChunk, DuckDBLogicalType, DuckDBTimestampValue, DuckDBTypeId } = required;
export type DuckDBConnection = nodeApi.DuckDBConnection;
export type DuckDBTypeId = nodeApi.DuckDBTypeId;
export type {
  DuckDBArrayType,
  DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBDecimalType,
  DuckDBDecimalValue,
  DuckDBListType,
  DuckDBListValue,
  DuckDBMapType,
  DuckDBMapValue,
  DuckDBStructType,
  DuckDBStructValue,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampTZValue,
  DuckDBType,
  DuckDBUnionType,
  DuckDBUnionValue,
  DuckDBValue,
} from "@duckdb/node-api";
