import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.Date;
import java.sql.ParameterMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.Time;
import java.sql.Timestamp;
import java.sql.Types;
import java.util.List;

/** PreparedStatement: every kind of value that the driver can send, NULLs, and batches. */
final class ParameterCases {
  private ParameterCases() {}

  private static Object only(PreparedStatement statement) throws Exception {
    try (ResultSet result = statement.executeQuery()) {
      List<List<Object>> rows = Eider.rows(result);
      Check.equal(rows.size(), 1);
      return rows.get(0).get(0);
    }
  }

  interface Binder {
    void bind(PreparedStatement statement) throws Exception;
  }

  private static void roundTrip(Connection connection, String type, Binder binder, Object expected) throws Exception {
    try (PreparedStatement statement = connection.prepareStatement("SELECT ?::" + type + " AS v")) {
      binder.bind(statement);
      try {
        Check.equal(only(statement), expected);
      } catch (AssertionError | Exception error) {
        throw new AssertionError(type + ": " + error, error);
      }
    }
  }

  /** A parameter that is cast has its type's Arrow type, and the driver sends it so. */
  static void caseTypedParameters(Eider eider) throws Exception {
    try (Connection c = eider.connect()) {
      roundTrip(c, "BOOLEAN", s -> s.setBoolean(1, true), true);
      roundTrip(c, "TINYINT", s -> s.setByte(1, (byte) -128), (byte) -128);
      roundTrip(c, "SMALLINT", s -> s.setShort(1, Short.MIN_VALUE), Short.MIN_VALUE);
      roundTrip(c, "INTEGER", s -> s.setInt(1, Integer.MIN_VALUE), Integer.MIN_VALUE);
      roundTrip(c, "BIGINT", s -> s.setLong(1, Long.MIN_VALUE), Long.MIN_VALUE);
      roundTrip(c, "FLOAT", s -> s.setFloat(1, 1.5f), 1.5d);
      roundTrip(c, "DOUBLE", s -> s.setDouble(1, Double.MIN_VALUE), Double.MIN_VALUE);
      roundTrip(c, "VARCHAR", s -> s.setString(1, "h\u00e9llo \ud83e\udd86"), "h\u00e9llo \ud83e\udd86");
      roundTrip(c, "VARCHAR", s -> s.setString(1, ""), "");
      roundTrip(
          c,
          "DECIMAL(38,10)",
          s -> s.setBigDecimal(1, new BigDecimal("-1234567890123456789012345678.0123456789")),
          new BigDecimal("-1234567890123456789012345678.0123456789"));
      roundTrip(c, "DECIMAL(4,2)", s -> s.setBigDecimal(1, new BigDecimal("99.99")), new BigDecimal("99.99"));
      roundTrip(c, "DATE", s -> s.setDate(1, Date.valueOf("2026-02-28")), Date.valueOf("2026-02-28"));
      try (PreparedStatement statement = c.prepareStatement("SELECT hex(?::BLOB)")) {
        statement.setBytes(1, new byte[] {0, -1, 127});
        Check.equal(only(statement), "00FF7F");
      }
    }
  }

  /** The driver sends milliseconds whatever the unit is: Eider asks it for milliseconds. */
  static void caseTimesAndTimestamps(Eider eider) throws Exception {
    Timestamp sent = Timestamp.valueOf("2026-01-02 03:04:05.678");
    try (Connection c = eider.connect()) {
      for (String type : List.of("TIMESTAMP", "TIMESTAMP_MS", "TIMESTAMP_NS")) {
        roundTrip(c, type, s -> s.setTimestamp(1, sent), sent);
        roundTrip(c, type, s -> s.setTimestamp(1, Timestamp.valueOf("1900-01-01 00:00:00.001")),
            Timestamp.valueOf("1900-01-01 00:00:00.001"));
      }
      try (PreparedStatement statement =
          c.prepareStatement("SELECT ?::TIMESTAMPTZ = TIMESTAMPTZ '2026-01-02 03:04:05.678+00'")) {
        statement.setTimestamp(1, sent);
        Check.equal(only(statement), true);
      }
      try (PreparedStatement statement = c.prepareStatement("SELECT ?::TIME = TIME '03:04:05'")) {
        statement.setTime(1, Time.valueOf("03:04:05"));
        Check.equal(only(statement), true);
      }
    }
  }

  /** Types whose Arrow type the driver cannot write are sent as text, or as what they are shown as. */
  static void caseTypesThatJavaHasNot(Eider eider) throws Exception {
    try (Connection c = eider.connect()) {
      roundTrip(c, "UTINYINT", s -> s.setShort(1, (short) 255), (short) 255);
      roundTrip(c, "USMALLINT", s -> s.setInt(1, 65535), 65535);
      roundTrip(c, "UINTEGER", s -> s.setLong(1, 4294967295L), 4294967295L);
      roundTrip(
          c,
          "UBIGINT",
          s -> s.setBigDecimal(1, new BigDecimal("18446744073709551615")),
          new BigDecimal("18446744073709551615"));
      roundTrip(c, "HUGEINT", s -> s.setBigDecimal(1, new BigDecimal("-99999")), new BigDecimal("-99999"));
      String uuid = "550e8400-e29b-41d4-a716-446655440000";
      roundTrip(c, "UUID", s -> s.setString(1, uuid), uuid);
      roundTrip(c, "JSON", s -> s.setString(1, "{\"a\":1}"), "{\"a\":1}");
      roundTrip(c, "ENUM('a', 'b')", s -> s.setString(1, "b"), "b");
      roundTrip(c, "BIT", s -> s.setString(1, "101"), "101");
    }
  }

  /** Without a type of their own they are text to Java: it can put nothing into Arrow's null type. */
  static void caseUntypedParameters(Eider eider) throws Exception {
    try (Connection c = eider.connect()) {
      try (PreparedStatement statement = c.prepareStatement("SELECT ?")) {
        statement.setString(1, "text");
        Check.equal(only(statement), "text");
      }
      try (PreparedStatement statement = c.prepareStatement("SELECT ?, ? || 'b'")) {
        statement.setString(1, "7");
        statement.setString(2, "a");
        try (ResultSet result = statement.executeQuery()) {
          Check.equal(Eider.rows(result), List.of(Eider.row("7", "ab")));
        }
      }
      // The driver refuses a number for text, so it must be told the type.
      try (PreparedStatement statement = c.prepareStatement("SELECT 41 + ?")) {
        statement.setInt(1, 1);
        Check.contains(Check.rootOf(Check.fails(statement::executeQuery)), "expected Arrow type Utf8");
      }
      try (PreparedStatement statement = c.prepareStatement("SELECT 41 + ?::INTEGER")) {
        statement.setInt(1, 1);
        Check.equal(only(statement), 42);
      }
    }
  }

  static void caseNullsOfEveryType(Eider eider) throws Exception {
    try (Connection c = eider.connect()) {
      for (String type :
          List.of(
              "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
              "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL(10,2)", "VARCHAR", "BLOB", "DATE", "TIME", "TIMESTAMP",
              "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMPTZ", "UUID", "JSON")) {
        try (PreparedStatement statement = c.prepareStatement("SELECT ?::" + type + " IS NULL")) {
          statement.setNull(1, Types.NULL);
          Check.equal(only(statement), true);
          statement.setObject(1, null);
          Check.equal(only(statement), true);
        }
      }
      try (PreparedStatement statement = c.prepareStatement("SELECT ?, ? IS NULL")) {
        statement.setNull(1, Types.VARCHAR);
        statement.setNull(2, Types.INTEGER);
        try (ResultSet result = statement.executeQuery()) {
          Check.equal(Eider.rows(result), List.of(Eider.row(null, true)));
        }
      }
    }
  }

  static void caseTimestampsOfEveryUnit(Eider eider) throws Exception {
    Timestamp moment = Timestamp.valueOf("2026-01-31 10:11:12");
    try (Connection c = eider.connect()) {
      for (String type : List.of("TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP", "TIMESTAMP_NS")) {
        Eider.update(c, "CREATE OR REPLACE TABLE pa_moments (seen " + type + ")");
        for (String target : List.of("pa_moments", "duckling_queue.pa_moments")) {
          try (PreparedStatement insert = c.prepareStatement("INSERT INTO " + target + " VALUES (?)")) {
            insert.setTimestamp(1, moment);
            Check.equal(insert.executeUpdate(), 1);
          }
        }
        try (PreparedStatement find = c.prepareStatement("SELECT count(*) FROM pa_moments WHERE seen = ?")) {
          find.setTimestamp(1, moment);
          Check.equal(only(find), 2L);
        }
      }
    }
  }

  static void caseColumnsOfATable(Eider eider) throws Exception {
    try (Connection c = eider.connect()) {
      Eider.update(
          c,
          "CREATE TABLE pa_columns (id BIGINT PRIMARY KEY, b BOOLEAN, i INTEGER, d DOUBLE, n DECIMAL(18,3), t VARCHAR, "
              + "x BLOB, day DATE, happened TIMESTAMP)");
      String values = " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
      int id = 0;
      for (String target : List.of("pa_columns", "duckling_queue.pa_columns")) {
        id++;
        try (PreparedStatement insert = c.prepareStatement("INSERT INTO " + target + values)) {
          insert.setLong(1, id);
          insert.setBoolean(2, true);
          insert.setInt(3, -5);
          insert.setDouble(4, 0.25);
          insert.setBigDecimal(5, new BigDecimal("12.500"));
          insert.setString(6, "text");
          insert.setBytes(7, new byte[] {1, 2});
          insert.setDate(8, Date.valueOf("2026-01-31"));
          insert.setTimestamp(9, Timestamp.valueOf("2026-01-31 10:11:12.5"));
          Check.equal(insert.executeUpdate(), 1);
        }
      }
      try (PreparedStatement find =
          c.prepareStatement(
              "SELECT b, i, d, n, t, hex(x), day, happened FROM pa_columns WHERE id = ? AND t = ? AND day >= ?")) {
        for (int wanted = 1; wanted <= 2; wanted++) {
          find.setLong(1, wanted);
          find.setString(2, "text");
          find.setDate(3, Date.valueOf("2026-01-01"));
          try (ResultSet result = find.executeQuery()) {
            Check.equal(
                Eider.rows(result),
                List.of(
                    Eider.row(
                        true,
                        -5,
                        0.25,
                        new BigDecimal("12.500"),
                        "text",
                        "0102",
                        Date.valueOf("2026-01-31"),
                        Timestamp.valueOf("2026-01-31 10:11:12.5"))));
          }
        }
      }
    }
  }

  /** A batch is one message of many rows: the driver reports one number for all of them. */
  static void caseBatches(Eider eider) throws Exception {
    try (Connection c = eider.connect()) {
      Eider.update(c, "CREATE TABLE pa_batches (id BIGINT PRIMARY KEY, t VARCHAR)");
      for (String target : List.of("pa_batches", "duckling_queue.pa_batches")) {
        try (PreparedStatement insert = c.prepareStatement("INSERT INTO " + target + " VALUES (?, ?)")) {
          long first = target.startsWith("d") ? 5000 : 0;
          for (int i = 0; i < 5000; i++) {
            insert.setLong(1, first + i);
            if (i % 2 == 0) insert.setString(2, "row " + i);
            else insert.setNull(2, Types.VARCHAR);
            insert.addBatch();
          }
          int[] counts = insert.executeBatch();
          Check.equal(counts.length, 1);
          Check.equal(counts[0], 5000);
        }
      }
      Check.equal(
          Eider.rows(c, "SELECT count(*), count(t), max(id) FROM pa_batches"),
          List.of(Eider.row(10000L, 5000L, 9999L)));
      try (PreparedStatement update = c.prepareStatement("UPDATE pa_batches SET t = ? WHERE id = ?")) {
        for (int i = 0; i < 3; i++) {
          update.setString(1, "new " + i);
          update.setLong(2, i);
          update.addBatch();
        }
        Check.equal(update.executeBatch()[0], 3);
      }
      Check.equal(
          Eider.rows(c, "SELECT t FROM pa_batches WHERE id < 3 ORDER BY id"),
          List.of(Eider.row("new 0"), Eider.row("new 1"), Eider.row("new 2")));
    }
  }

  static void caseRunAgainWithOtherValues(Eider eider) throws Exception {
    try (Connection c = eider.connect();
        PreparedStatement statement = c.prepareStatement("SELECT i * ?::BIGINT FROM range(3) t(i) ORDER BY i")) {
      for (long factor = 1; factor < 4; factor++) {
        statement.setLong(1, factor);
        try (ResultSet result = statement.executeQuery()) {
          Check.equal(Eider.rows(result), List.of(Eider.row(0L), Eider.row(factor), Eider.row(2 * factor)));
        }
      }
    }
  }

  static void caseParameterMetadata(Eider eider) throws Exception {
    try (Connection c = eider.connect();
        PreparedStatement statement =
            c.prepareStatement("SELECT ?::INTEGER, ?::DECIMAL(10,2), ?::VARCHAR, ?, ?::TIMESTAMPTZ, ?::UUID")) {
      ParameterMetaData found = statement.getParameterMetaData();
      Check.equal(found.getParameterCount(), 6);
      Check.equal(found.getParameterType(1), Types.INTEGER);
      Check.equal(found.getParameterType(2), Types.DECIMAL);
      Check.equal(found.getParameterType(3), Types.VARCHAR);
      Check.equal(found.getParameterType(4), Types.VARCHAR);
      Check.equal(found.getParameterType(6), Types.VARCHAR);
    }
    try (Connection c = eider.connect();
        PreparedStatement statement = c.prepareStatement("SELECT ?::INTEGER AS a, 'x' AS b")) {
      Check.equal(statement.getMetaData().getColumnCount(), 2);
      Check.equal(statement.getMetaData().getColumnName(1), "a");
    }
  }
}
