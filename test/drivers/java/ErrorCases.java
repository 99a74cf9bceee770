import java.sql.Connection;
import java.sql.SQLException;

/** Errors: the status of each kind of mistake, and DuckDB's message as a whole. */
final class ErrorCases {
  private ErrorCases() {}

  private static void refused(Connection c, String sql, String status, String part) throws Exception {
    SQLException error = Check.fails(() -> Eider.rows(c, sql));
    Check.contains(error.getMessage(), part);
    if (!Check.statusOf(error).equals(status)) throw new AssertionError(sql + " is " + Check.statusOf(error), error);
  }

  static void caseStatusAndMessage(Eider eider) throws Exception {
    try (Connection c = eider.connect()) {
      refused(c, "SELEC 1", "INVALID_ARGUMENT", "syntax error at or near \"SELEC\"");
      refused(c, "SELECT nothing", "NOT_FOUND", "LINE 1: SELECT nothing");
      refused(c, "SELECT * FROM er_nothing", "NOT_FOUND", "er_nothing does not exist");
      refused(c, "SELECT 'x'::INTEGER", "INVALID_ARGUMENT", "Could not convert string 'x' to INT32");
      refused(c, "SELECT nothing(1)", "NOT_FOUND", "nothing does not exist");
      refused(c, "", "INVALID_ARGUMENT", "no statement");
      refused(c, "-- nothing", "INVALID_ARGUMENT", "no statement");
      Eider.update(c, "CREATE TABLE er_table (i INTEGER NOT NULL)");
      refused(c, "CREATE TABLE er_table (i INTEGER)", "ALREADY_EXISTS", "er_table");
      refused(c, "CREATE TABLE er_other (i NOTHING)", "NOT_FOUND", "LINE 1: CREATE TABLE er_other (i NOTHING)");
      refused(c, "INSERT INTO er_table VALUES (NULL)", "INVALID_ARGUMENT", "NOT NULL constraint");
      refused(c, "INSERT INTO duckling_queue.er_table VALUES (NULL)", "INVALID_ARGUMENT", "i");
      refused(c, "INSERT INTO duckling_queue.er_table VALUES ('x')", "INVALID_ARGUMENT", "'x'");
      refused(c, "SELECT error('mine')", "INVALID_ARGUMENT", "mine");
      Check.equal(Eider.rows(c, "SELECT 1").size(), 1);
    }
  }

  static void caseLongMessages(Eider eider) throws Exception {
    try (Connection c = eider.connect()) {
      String name = "n".repeat(30000);
      refused(c, "SELECT " + name + " FROM range(1)", "NOT_FOUND", name);
    }
  }

  /** Only the reading of the rows finds the mistake. */
  static void caseErrorInTheMiddleOfAResult(Eider eider) throws Exception {
    try (Connection c = eider.connect();
        var statement = c.createStatement()) {
      SQLException error =
          Check.fails(
              () -> {
                try (var result =
                    statement.executeQuery(
                        "SELECT CASE WHEN i = 900000 THEN 'x'::INTEGER ELSE i END FROM range(1000000) t(i)")) {
                  while (result.next()) result.getInt(1);
                }
              });
      Check.contains(Check.rootOf(error), "Could not convert string 'x' to INT32");
      Check.equal(Eider.rows(c, "SELECT 1").size(), 1);
    }
  }
}
