/** Words and functions of DuckDB 1.5.5 (`duckdb_keywords()`, `duckdb_functions()`), for tools that build SQL. */

export const KEYWORDS: readonly string[] =
  "ALL ANALYSE ANALYZE AND ANY ARRAY AS ASC ASYMMETRIC BOTH CASE CAST CHECK COLLATE COLUMN CONSTRAINT CREATE DEFAULT DEFERRABLE DESC DESCRIBE DISTINCT DO ELSE END EXCEPT FALSE FETCH FOR FOREIGN FROM GROUP HAVING IN INITIALLY INTERSECT INTO LAMBDA LATERAL LEADING LIMIT NOT NULL OFFSET ON ONLY OR ORDER PIVOT PIVOT_LONGER PIVOT_WIDER PLACING PRIMARY QUALIFY REFERENCES RETURNING SELECT SHOW SOME SUMMARIZE SYMMETRIC TABLE THEN TO TRAILING TRUE UNION UNIQUE UNPIVOT USING VARIADIC WHEN WHERE WINDOW WITH".split(
    " ",
  );

export const NUMERIC_FUNCTIONS: readonly string[] =
  "abs acos asin atan atan2 bit_count cbrt ceil ceiling cos cot degrees even exp factorial floor gamma gcd greatest isfinite isinf isnan lcm least lgamma ln log log10 log2 mod nextafter pi pow power radians random round setseed sign sin sqrt tan trunc".split(
    " ",
  );

export const STRING_FUNCTIONS: readonly string[] =
  "ascii chr concat concat_ws contains ends_with format instr lcase left length levenshtein lower lpad ltrim md5 position regexp_extract regexp_matches regexp_replace repeat replace reverse right rpad rtrim split_part starts_with strip_accents strlen strpos substr substring translate trim ucase unicode upper".split(
    " ",
  );

export const SYSTEM_FUNCTIONS: readonly string[] =
  "current_database current_schema current_setting nullif pg_typeof txid_current typeof user uuid version".split(" ");

export const DATETIME_FUNCTIONS: readonly string[] =
  "age century current_date date_add date_diff date_part date_sub date_trunc datediff datepart datetrunc day dayname dayofmonth dayofweek dayofyear decade epoch epoch_ms hour isodow last_day make_date make_time make_timestamp minute month monthname now quarter second strftime strptime time_bucket to_timestamp today week year".split(
    " ",
  );

/** FlightSql.proto's SqlSupportsConvert. */
const BIGINT = 0;
const BINARY = 1;
const BIT = 2;
const CHAR = 3;
const DATE = 4;
const DECIMAL = 5;
const FLOAT = 6;
const INTEGER = 7;
const NUMERIC = 12;
const REAL = 13;
const SMALLINT = 14;
const TIME = 15;
const TIMESTAMP = 16;
const TINYINT = 17;
const VARBINARY = 18;
const VARCHAR = 19;

const NUMBERS = [BIGINT, DECIMAL, FLOAT, INTEGER, NUMERIC, REAL, SMALLINT, TINYINT];
const TEXTS = [CHAR, VARCHAR];
const DATES = [DATE, TIME, TIMESTAMP];
const BYTES = [BINARY, VARBINARY];

/** From a type to those that CAST turns it into. */
export const CONVERSIONS: ReadonlyMap<number, readonly number[]> = new Map<number, readonly number[]>([
  ...NUMBERS.map((from) => [from, [...NUMBERS, ...TEXTS]] as const),
  ...TEXTS.map((from) => [from, [...NUMBERS, ...TEXTS, ...DATES, ...BYTES, BIT]] as const),
  ...BYTES.map((from) => [from, [...BYTES, ...TEXTS]] as const),
  [BIT, [BIT, ...TEXTS]],
  [DATE, [DATE, TIMESTAMP, ...TEXTS]],
  [TIME, [TIME, ...TEXTS]],
  [TIMESTAMP, [...DATES, ...TEXTS]],
]);
