import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.Statement;
import java.util.List;

/** Statement: which of the driver's methods takes which kind of SQL, and what it answers. */
final class StatementCases {
  private StatementCases() {}

  static void caseConnectsWithAndWithoutUser(Eider eider) throws Exception {
    try (Connection connection = eider.connect()) {
      Check.that(connection.isValid(5), "isValid");
      Check.equal(Eider.rows(connection, "SELECT 42 AS answer"), List.of(Eider.row(42)));
    }
    try (Connection connection = eider.connect("user=ada", "password=secret")) {
      Check.equal(Eider.rows(connection, "SELECT 43"), List.of(Eider.row(43)));
    }
    try (Connection connection = eider.connect("token=opaque")) {
      Check.equal(Eider.rows(connection, "SELECT 44"), List.of(Eider.row(44)));
    }
  }

  static void caseDefinitionsAndChanges(Eider eider) throws Exception {
    try (Connection connection = eider.connect();
        Statement statement = connection.createStatement()) {
      Check.equal(statement.executeUpdate("CREATE TABLE st_changes (id BIGINT PRIMARY KEY, name VARCHAR)"), 0);
      Check.equal(statement.executeUpdate("INSERT INTO st_changes VALUES (1, 'a'), (2, 'b'), (3, NULL)"), 3);
      Check.equal(statement.executeUpdate("UPDATE st_changes SET name = 'x' WHERE id > 1"), 2);
      Check.equal(statement.executeLargeUpdate("DELETE FROM st_changes WHERE id = 1"), 1L);
      Check.equal(statement.executeUpdate("ALTER TABLE st_changes ADD COLUMN extra INTEGER"), 0);
      Check.equal(
          Eider.rows(connection, "SELECT * FROM st_changes ORDER BY id"),
          List.of(Eider.row(2L, "x", null), Eider.row(3L, "x", null)));
      Check.equal(statement.executeUpdate("CREATE VIEW st_view AS SELECT id FROM st_changes"), 0);
      Check.equal(statement.executeUpdate("DROP VIEW st_view"), 0);
      Check.equal(statement.executeUpdate("DROP TABLE st_changes"), 0);
    }
  }

  static void caseQueuedInsertIsSeenByItsOwnConnection(Eider eider) throws Exception {
    try (Connection connection = eider.connect()) {
      Eider.update(connection, "CREATE TABLE st_queued (id BIGINT PRIMARY KEY, name VARCHAR)");
      Check.equal(Eider.update(connection, "INSERT INTO duckling_queue.st_queued VALUES (1, 'a'), (2, 'b')"), 2);
      Check.equal(Eider.update(connection, "INSERT INTO duckling_queue.st_queued SELECT 2, 'c'"), 1);
      Check.equal(
          Eider.rows(connection, "SELECT * FROM st_queued ORDER BY id"),
          List.of(Eider.row(1L, "a"), Eider.row(2L, "c")));
      Check.equal(Eider.update(connection, "PRAGMA duckling_queue.flush"), 0);
    }
  }

  /** `execute` says by its answer whether there are rows. */
  static void caseExecuteTellsRowsFromCounts(Eider eider) throws Exception {
    try (Connection connection = eider.connect();
        Statement statement = connection.createStatement()) {
      Check.equal(statement.execute("CREATE TABLE st_execute (i INTEGER)"), false);
      Check.equal(statement.getUpdateCount(), 0);
      Check.equal(statement.execute("INSERT INTO st_execute VALUES (1), (2)"), false);
      Check.equal(statement.getUpdateCount(), 2);
      Check.equal(statement.execute("SELECT sum(i)::BIGINT FROM st_execute"), true);
      try (ResultSet result = statement.getResultSet()) {
        Check.equal(Eider.rows(result), List.of(Eider.row(3L)));
      }
      Check.equal(statement.execute("SET threads = 2"), false);
      Check.equal(statement.execute("SET VARIABLE st_variable = 7"), false);
      Check.equal(Eider.rows(connection, "SELECT getvariable('st_variable')"), List.of(Eider.row(7)));
      Check.equal(statement.execute("USE lake.main"), false);
      Check.equal(statement.execute("CALL duckling_queue_flush()"), false);
      Check.equal(statement.execute("CALL eider_set_primary_key('st_execute', ['i'])"), false);
    }
  }

  static void caseRowsOfWhatIsNoSelect(Eider eider) throws Exception {
    try (Connection connection = eider.connect();
        Statement statement = connection.createStatement()) {
      Eider.update(connection, "CREATE TABLE st_rows (i INTEGER NOT NULL, t VARCHAR)");
      for (String sql :
          List.of(
              "EXPLAIN SELECT 1",
              "EXPLAIN ANALYZE SELECT 1",
              "SHOW TABLES",
              "DESCRIBE st_rows",
              "SUMMARIZE st_rows",
              "FROM range(3)",
              "VALUES (1), (2)",
              "WITH t AS (SELECT 1 AS i) SELECT * FROM t",
              "PRAGMA table_info('st_rows')",
              "CALL duckdb_settings()",
              "SELECT * FROM eider_buffers() UNION ALL SELECT * FROM eider_buffers()",
              "SELECT * FROM lake.snapshots()")) {
        Check.equal(statement.execute(sql), true);
        try (ResultSet result = statement.getResultSet()) {
          int width = result.getMetaData().getColumnCount();
          Check.that(width > 0, sql + " has no columns");
          while (result.next()) for (int i = 1; i <= width; i++) result.getString(i);
        }
      }
    }
  }

  static void caseReturning(Eider eider) throws Exception {
    try (Connection connection = eider.connect()) {
      Eider.update(connection, "CREATE TEMP TABLE st_returning (id INTEGER, t VARCHAR)");
      Check.equal(
          Eider.rows(connection, "INSERT INTO st_returning VALUES (1, 'a') RETURNING id, t"),
          List.of(Eider.row(1, "a")));
      Check.equal(
          Eider.rows(connection, "SELECT count(*) FROM st_returning"), List.of(Eider.row(1L)));
    }
  }

  static void caseSeveralStatementsInOneText(Eider eider) throws Exception {
    try (Connection connection = eider.connect();
        Statement statement = connection.createStatement()) {
      statement.execute("CREATE TABLE st_script (i INTEGER); INSERT INTO st_script VALUES (1), (2);");
      Check.equal(Eider.rows(connection, "SELECT i FROM st_script ORDER BY i"), List.of(Eider.row(1), Eider.row(2)));
    }
  }

  static void caseMaxRowsAndFetchSize(Eider eider) throws Exception {
    try (Connection connection = eider.connect();
        Statement statement = connection.createStatement()) {
      statement.setFetchSize(10);
      try (ResultSet result = statement.executeQuery("SELECT i FROM range(1000) t(i)")) {
        Check.equal(Eider.rows(result).size(), 1000);
      }
    }
  }

  /** What only one connection should see stays there. */
  static void caseTemporaryTablesAndSettingsBelongToTheConnection(Eider eider) throws Exception {
    try (Connection one = eider.connect();
        Connection other = eider.connect()) {
      Eider.update(one, "CREATE TEMP TABLE st_temp AS SELECT 1 AS i");
      Check.equal(Eider.rows(one, "SELECT i FROM st_temp"), List.of(Eider.row(1)));
      Check.contains(Check.rootOf(Check.fails(() -> Eider.rows(other, "SELECT i FROM st_temp"))), "does not exist");
    }
  }

  static void caseClosedStatementsAndConnections(Eider eider) throws Exception {
    for (int i = 0; i < 5; i++) {
      Connection connection = eider.connect();
      Statement statement = connection.createStatement();
      ResultSet result = statement.executeQuery("SELECT i FROM range(100000) t(i)");
      result.next();
      if (i % 2 == 0) result.close();
      if (i < 4) statement.close();
      connection.close();
      Check.that(connection.isClosed(), "closed");
    }
  }
}
