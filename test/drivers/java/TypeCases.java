import java.math.BigDecimal;
import java.sql.Array;
import java.sql.Connection;
import java.sql.Date;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.util.Arrays;
import java.util.HexFormat;

/** Results: DuckDB's types with their extremes and NULLs, as the driver shows them, and the metadata of a result. */
final class TypeCases {
  private TypeCases() {}

  /** `getObject` of the expression, after the column's JDBC type has been checked; lists and bytes as text. */
  private static void shows(Connection connection, String expression, int jdbcType, Object expected) throws Exception {
    try (Statement statement = connection.createStatement();
        ResultSet result = statement.executeQuery("SELECT " + expression + " AS v")) {
      Check.equal(result.getMetaData().getColumnType(1), jdbcType);
      Check.that(result.next(), "a row");
      Object found = result.getObject(1);
      if (found instanceof byte[] bytes) found = HexFormat.of().formatHex(bytes);
      else if (found instanceof Array array) found = Arrays.toString((Object[]) array.getArray());
      else if (expected instanceof String) found = String.valueOf(found);
      Check.equal(found, expected);
      Check.equal(result.wasNull(), expected == null);
      Check.that(!result.next(), "one row");
    } catch (Exception | AssertionError error) {
      throw new AssertionError(expression + ": " + error, error);
    }
  }

  static void caseNumbers(Eider eider) throws Exception {
    try (Connection c = eider.connect()) {
      shows(c, "true", Types.BOOLEAN, true);
      shows(c, "(-128)::TINYINT", Types.TINYINT, (byte) -128);
      shows(c, "127::TINYINT", Types.TINYINT, (byte) 127);
      shows(c, "(-32768)::SMALLINT", Types.SMALLINT, (short) -32768);
      shows(c, "(-2147483648)::INTEGER", Types.INTEGER, Integer.MIN_VALUE);
      shows(c, "2147483647::INTEGER", Types.INTEGER, Integer.MAX_VALUE);
      shows(c, "(-9223372036854775808)::BIGINT", Types.BIGINT, Long.MIN_VALUE);
      shows(c, "9223372036854775807::BIGINT", Types.BIGINT, Long.MAX_VALUE);
      String digits = "99999999999999999999999999999999999999";
      shows(c, digits + "::HUGEINT", Types.DECIMAL, new BigDecimal(digits));
      shows(c, "(-" + digits + ")::HUGEINT", Types.DECIMAL, new BigDecimal("-" + digits));
      shows(c, digits + "::UHUGEINT", Types.DECIMAL, new BigDecimal(digits));
      shows(c, "(-99.99)::DECIMAL(4,2)", Types.DECIMAL, new BigDecimal("-99.99"));
      shows(c, "(-0.1)::DECIMAL(9,1)", Types.DECIMAL, new BigDecimal("-0.1"));
      shows(c, "(-123456789012.123456)::DECIMAL(18,6)", Types.DECIMAL, new BigDecimal("-123456789012.123456"));
      shows(c, "'-0." + digits + "'::DECIMAL(38,38)", Types.DECIMAL, new BigDecimal("-0." + digits));
      shows(c, "'3.4028235e38'::FLOAT", Types.FLOAT, (double) Float.MAX_VALUE);
      shows(c, "'-inf'::FLOAT", Types.FLOAT, Double.NEGATIVE_INFINITY);
      shows(c, "'1.7976931348623157e308'::DOUBLE", Types.DOUBLE, Double.MAX_VALUE);
      shows(c, "'5e-324'::DOUBLE", Types.DOUBLE, Double.MIN_VALUE);
      shows(c, "'nan'::DOUBLE", Types.DOUBLE, Double.NaN);
    }
  }

  /** Java has no unsigned integers and the driver reads them as signed: Eider widens them for it, and leaves them on demand. */
  static void caseUnsignedNumbers(Eider eider) throws Exception {
    for (String parameter : new String[] {"", "unsigned=widen"}) {
      try (Connection c = eider.connect(parameter)) {
        shows(c, "255::UTINYINT", Types.SMALLINT, (short) 255);
        shows(c, "65535::USMALLINT", Types.INTEGER, 65535);
        shows(c, "4294967295::UINTEGER", Types.BIGINT, 4294967295L);
        shows(c, "18446744073709551615::UBIGINT", Types.DECIMAL, new BigDecimal("18446744073709551615"));
        shows(c, "[255::UTINYINT]", Types.ARRAY, "[255]");
        shows(c, "{'u': 4294967295::UINTEGER}", Types.JAVA_OBJECT, "{\"u\":4294967295}");
      }
    }
    try (Connection c = eider.connect("unsigned=keep")) {
      shows(c, "4294967295::UINTEGER", Types.INTEGER, -1);
    }
  }

  static void caseTextsAndBytes(Eider eider) throws Exception {
    try (Connection c = eider.connect()) {
      shows(c, "''", Types.VARCHAR, "");
      shows(c, "'h\u00e9llo \ud83e\udd86' || chr(0)", Types.VARCHAR, "h\u00e9llo \ud83e\udd86\0");
      shows(c, "length(repeat('x', 3000000))", Types.BIGINT, 3000000L);
      shows(c, "repeat('x', 3000000)", Types.VARCHAR, "x".repeat(3000000));
      shows(c, "'\\x00\\xFF'::BLOB", Types.VARBINARY, "00ff");
      shows(c, "''::BLOB", Types.VARBINARY, "");
      shows(c, "'550e8400-e29b-41d4-a716-446655440000'::UUID", Types.VARCHAR, "550e8400-e29b-41d4-a716-446655440000");
      shows(c, "'{\"a\": 1}'::JSON", Types.VARCHAR, "{\"a\": 1}");
      shows(c, "'b'::ENUM('a', 'b')", Types.VARCHAR, "b");
      shows(c, "'10101'::BIT", Types.VARCHAR, "10101");
    }
  }

  static void caseDatesAndTimes(Eider eider) throws Exception {
    try (Connection c = eider.connect()) {
      shows(c, "DATE '0001-01-01'", Types.DATE, Date.valueOf("0001-01-01"));
      shows(c, "DATE '1969-12-31'", Types.DATE, Date.valueOf("1969-12-31"));
      shows(c, "DATE '9999-12-31'", Types.DATE, Date.valueOf("9999-12-31"));
      shows(c, "TIME '00:00:00'", Types.TIME, "00:00:00");
      shows(c, "TIME '23:59:59.999999'", Types.TIME, "23:59:59.999");
      shows(c, "'12:34:56.123456789'::TIME_NS", Types.TIME, "12:34:56.123");
      shows(c, "TIMETZ '12:34:56+02'", Types.VARCHAR, "12:34:56+02");
      shows(c, "TIMESTAMP_S '2026-01-02 03:04:05'", Types.TIMESTAMP, Timestamp.valueOf("2026-01-02 03:04:05"));
      shows(c, "TIMESTAMP_MS '2026-01-02 03:04:05.678'", Types.TIMESTAMP, Timestamp.valueOf("2026-01-02 03:04:05.678"));
      shows(c, "TIMESTAMP '0001-01-01 00:00:00.000001'", Types.TIMESTAMP, Timestamp.valueOf("0001-01-01 00:00:00.000001"));
      shows(c, "TIMESTAMP '9999-12-31 23:59:59.999999'", Types.TIMESTAMP, Timestamp.valueOf("9999-12-31 23:59:59.999999"));
      shows(
          c,
          "TIMESTAMP_NS '2026-01-02 03:04:05.678901234'",
          Types.TIMESTAMP,
          Timestamp.valueOf("2026-01-02 03:04:05.678901234"));
      shows(c, "INTERVAL '1 year 2 months 3 days 4 hours'", Types.JAVA_OBJECT, "P14M3D PT4H");
      shows(c, "INTERVAL '-1.000001 seconds'", Types.JAVA_OBJECT, "P0D PT-1.000001S");
      // getObject is not implemented in the driver before 19.
      try (Statement statement = c.createStatement();
          ResultSet result = statement.executeQuery("SELECT TIMESTAMPTZ '2026-01-02 03:04:05.678901+02' AS v")) {
        Check.equal(result.getMetaData().getColumnType(1), Types.TIMESTAMP_WITH_TIMEZONE);
        Check.that(result.next(), "a row");
        Check.equal(result.getString(1), "2026-01-02 01:04:05.678901");
        Check.equal(result.getTimestamp(1), Timestamp.valueOf("2026-01-02 01:04:05.678901"));
      }
    }
  }

  static void caseNestedValues(Eider eider) throws Exception {
    try (Connection c = eider.connect()) {
      shows(c, "[1, 2, NULL]", Types.ARRAY, "[1, 2, null]");
      shows(c, "[]::INTEGER[]", Types.ARRAY, "[]");
      shows(c, "['a', NULL]", Types.ARRAY, "[a, null]");
      shows(c, "[[1], [2, 3]]", Types.ARRAY, "[[1], [2,3]]");
      shows(c, "[1, 2, 3]::INTEGER[3]", Types.ARRAY, "[1, 2, 3]");
      shows(c, "{'a': 1, 'b': 'x'}", Types.JAVA_OBJECT, "{\"a\":1,\"b\":\"x\"}");
      shows(c, "MAP {'k': 1, 'l': 2}", Types.JAVA_OBJECT, "{\"k\":1,\"l\":2}");
      shows(c, "{'a': [1, 2], 'b': {'c': 'd'}}", Types.JAVA_OBJECT, "{\"a\":[1,2],\"b\":{\"c\":\"d\"}}");
      shows(c, "union_value(k := 1)", Types.JAVA_OBJECT, "1");
    }
  }

  static void caseNullOfEveryType(Eider eider) throws Exception {
    String[] types = {
      "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT",
      "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL(4,2)", "DECIMAL(38,0)", "VARCHAR", "BLOB", "BIT", "UUID", "JSON",
      "ENUM('a')", "DATE", "TIME", "TIMETZ", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMPTZ",
      "INTERVAL", "INTEGER[]", "INTEGER[2]", "STRUCT(a INTEGER)", "MAP(VARCHAR, INTEGER)"
    };
    try (Connection c = eider.connect();
        Statement statement = c.createStatement()) {
      for (String type : types) {
        // After a value in the first row: the driver must not show that again.
        String sql = "SELECT v::" + type + " FROM (VALUES (NULL), (NULL)) t(v)";
        try (ResultSet result = statement.executeQuery(sql)) {
          for (int row = 0; row < 2; row++) {
            Check.that(result.next(), "a row");
            Check.equal(result.getString(1), null);
            if (!type.equals("TIMESTAMPTZ")) Check.equal(result.getObject(1), null);
            Check.that(result.wasNull(), type + " is not null");
          }
        }
      }
    }
  }

  static void caseResultMetadata(Eider eider) throws Exception {
    try (Connection c = eider.connect();
        Statement statement = c.createStatement();
        ResultSet result =
            statement.executeQuery(
                "SELECT 1 AS \"Odd \"\"name\"\"\", 2.5::DECIMAL(10,3) AS n, 'x' AS t, 'x'::ENUM('x') AS e, 1::HUGEINT AS h, "
                    + "1::UBIGINT AS u, [1.5::DECIMAL(5,2)] AS l, '{}'::JSON AS j, uuid() AS uu, now()::TIMESTAMP AS at, 3 AS n")) {
      ResultSetMetaData found = result.getMetaData();
      Check.equal(found.getColumnCount(), 11);
      Check.equal(found.getColumnName(1), "Odd \"name\"");
      Check.equal(found.getColumnLabel(1), "Odd \"name\"");
      Check.equal(found.getPrecision(2), 10);
      Check.equal(found.getScale(2), 3);
      Check.equal(found.getColumnTypeName(2), "DECIMAL");
      Check.equal(found.getPrecision(5), 38);
      Check.equal(found.getScale(5), 0);
      Check.equal(found.getPrecision(6), 20);
      Check.equal(found.getColumnName(11), "n");
      Check.that(found.isCaseSensitive(3), "text is case sensitive");
      Check.that(!found.isCaseSensitive(1), "a number is not");
      for (int i = 1; i <= 11; i++) {
        // Tools edit rows only where this is false.
        Check.that(!found.isReadOnly(i), "read only");
        Check.equal(found.isSearchable(i), found.getColumnType(i) != Types.ARRAY);
        Check.that(!found.isAutoIncrement(i), "not counted up");
      }
      Check.equal(result.findColumn("t"), 3);
    }
  }

  static void caseEmptyResult(Eider eider) throws Exception {
    try (Connection c = eider.connect();
        Statement statement = c.createStatement();
        ResultSet result = statement.executeQuery("SELECT 1 AS a, 'x' AS b WHERE false")) {
      Check.that(!result.next(), "no rows");
    }
  }

  static void caseTypesThatNoClientReads(Eider eider) throws Exception {
    try (Connection c = eider.connect()) {
      Check.contains(
          Check.rootOf(Check.fails(() -> Eider.rows(c, "SELECT 1::BIGNUM AS big"))),
          "column \"big\" is of type BIGNUM");
      Check.contains(
          Check.rootOf(Check.fails(() -> Eider.rows(c, "SELECT 170141183460469231731687303715884105727 AS huge"))),
          "beyond Arrow's decimal128(38, 0)");
      Check.equal(Eider.rows(c, "SELECT 1").size(), 1);
    }
  }
}
