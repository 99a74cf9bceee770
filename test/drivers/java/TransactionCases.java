import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;

/** The driver has no transactions of its own: BEGIN, COMMIT and ROLLBACK as SQL stay with the connection. */
final class TransactionCases {
  private TransactionCases() {}

  private static long count(Connection connection, String table) throws Exception {
    return (Long) Eider.rows(connection, "SELECT count(*) FROM " + table).get(0).get(0);
  }

  static void caseRollbackAndCommit(Eider eider) throws Exception {
    try (Connection c = eider.connect();
        Connection other = eider.connect()) {
      Eider.update(c, "CREATE TABLE tr_sql (i INTEGER)");
      Eider.update(c, "BEGIN");
      Eider.update(c, "INSERT INTO tr_sql VALUES (1), (2)");
      Check.equal(count(c, "tr_sql"), 2L);
      Check.equal(count(other, "tr_sql"), 0L);
      Eider.update(c, "ROLLBACK");
      Check.equal(count(c, "tr_sql"), 0L);
      Eider.update(c, "BEGIN TRANSACTION");
      Eider.update(c, "INSERT INTO tr_sql VALUES (3)");
      Eider.update(c, "INSERT INTO duckling_queue.tr_sql VALUES (4)");
      Eider.update(c, "COMMIT");
      Check.equal(count(other, "tr_sql"), 2L);
    }
  }

  /** Connection pools send them blindly. */
  static void caseEndsWithoutABegin(Eider eider) throws Exception {
    try (Connection c = eider.connect()) {
      Eider.update(c, "ROLLBACK");
      Eider.update(c, "COMMIT");
      c.setAutoCommit(true);
      Check.equal(Eider.rows(c, "SELECT 1").size(), 1);
    }
  }

  static void caseAnErrorAbortsTheTransaction(Eider eider) throws Exception {
    try (Connection c = eider.connect()) {
      Eider.update(c, "CREATE TABLE tr_aborted (i INTEGER)");
      Eider.update(c, "BEGIN");
      Eider.update(c, "INSERT INTO tr_aborted VALUES (1)");
      Check.fails(() -> Eider.update(c, "INSERT INTO tr_aborted SELECT 'x'::INTEGER FROM range(1)"));
      SQLException error = Check.fails(() -> Eider.update(c, "COMMIT"));
      // FAILED_PRECONDITION on the wire, which Arrow's Java library has no name for.
      Check.equal(Check.statusOf(error), "INVALID_ARGUMENT");
      Check.contains(error.getMessage(), "rolled back");
      Check.equal(count(c, "tr_aborted"), 0L);
      Eider.update(c, "INSERT INTO tr_aborted VALUES (2)");
      Check.equal(count(c, "tr_aborted"), 1L);
    }
  }

  static void caseClosingRollsBack(Eider eider) throws Exception {
    try (Connection c = eider.connect()) {
      Eider.update(c, "CREATE TABLE tr_closed (i INTEGER)");
    }
    for (String parameter : List.of("", "catalog=lake", "user=ada")) {
      Connection c = eider.connect(parameter, "password=x");
      Eider.update(c, "BEGIN");
      Eider.update(c, "INSERT INTO tr_closed VALUES (1)");
      Eider.close(c);
    }
    try (Connection c = eider.connect()) {
      Check.equal(count(c, "tr_closed"), 0L);
    }
  }

  /** A result that is being read is finished first, then the next statement of the transaction runs. */
  static void caseResultsInATransaction(Eider eider) throws Exception {
    try (Connection c = eider.connect();
        var one = c.createStatement()) {
      Eider.update(c, "BEGIN");
      try (var first = one.executeQuery("SELECT i FROM range(300000) t(i)")) {
        Check.that(first.next(), "a row");
        Eider.update(c, "CREATE TABLE tr_results AS SELECT 1 AS i");
        Check.equal(count(c, "tr_results"), 1L);
        long rows = 1;
        while (first.next()) rows++;
        Check.equal(rows, 300000L);
      }
      Eider.update(c, "ROLLBACK");
      Check.fails(() -> count(c, "tr_results"));
    }
  }
}
