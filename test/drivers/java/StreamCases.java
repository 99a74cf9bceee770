import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.Statement;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;

/** Results as streams: large ones, two at a time, and ones that are stopped. */
final class StreamCases {
  private StreamCases() {}

  /** Runs for hours, and says so as it goes: nobody waits for its end. */
  private static final String ENDLESS =
      "SELECT count(*) FROM range(10000000) a(i), range(10000000) b(j) WHERE hash(a.i + b.j) = 1";

  static void caseTwoMillionRows(Eider eider) throws Exception {
    try (Connection c = eider.connect();
        Statement statement = c.createStatement();
        ResultSet result =
            statement.executeQuery("SELECT i, 'row ' || i AS t, i / 2.0 AS h FROM range(2000000) t(i)")) {
      long rows = 0;
      long sum = 0;
      while (result.next()) {
        sum += result.getLong(1);
        if (rows % 100000 == 0) Check.equal(result.getString(2), "row " + result.getLong(1));
        rows++;
      }
      Check.equal(rows, 2000000L);
      Check.equal(sum, 1999999000000L);
    }
  }

  static void caseTwoResultsAtTheSameTime(Eider eider) throws Exception {
    try (Connection c = eider.connect();
        Statement one = c.createStatement();
        Statement two = c.createStatement();
        ResultSet first = one.executeQuery("SELECT i FROM range(1000000) t(i)");
        ResultSet second = two.executeQuery("SELECT i FROM range(500000) t(i)")) {
      long firstRows = 0;
      long secondRows = 0;
      while (first.next()) {
        firstRows++;
        if (second.next()) secondRows++;
      }
      while (second.next()) secondRows++;
      Check.equal(List.of(firstRows, secondRows), List.of(1000000L, 500000L));
    }
  }

  static void caseCancelFromAnotherThread(Eider eider) throws Exception {
    try (Connection c = eider.connect();
        Statement statement = c.createStatement()) {
      AtomicReference<Throwable> thrown = new AtomicReference<>();
      CountDownLatch started = new CountDownLatch(1);
      Thread runner =
          new Thread(
              () -> {
                started.countDown();
                try (ResultSet result = statement.executeQuery(ENDLESS)) {
                  result.next();
                } catch (Throwable error) {
                  thrown.set(error);
                }
              });
      runner.start();
      started.await();
      eider.awaitMetric("eider_queries_running", 1);
      statement.cancel();
      runner.join();
      Check.that(thrown.get() != null, "the query was not cancelled");
      eider.awaitMetric("eider_queries_running", 0);
      Check.equal(Eider.rows(c, "SELECT 1").size(), 1);
    }
  }

  /** The driver stops waiting, and ends the query when its statement is closed. */
  static void caseQueryTimeout(Eider eider) throws Exception {
    // One thread of the driver's reads all results of a connection unless it is given more.
    try (Connection c = eider.connect("threadPoolSize=4")) {
      try (Statement statement = c.createStatement()) {
        statement.setQueryTimeout(1);
        Check.contains(Check.rootOf(Check.fails(() -> statement.executeQuery(ENDLESS))), "timed out");
        Check.equal(Eider.rows(c, "SELECT 1").size(), 1);
      }
      eider.awaitMetric("eider_queries_running", 0);
      Check.equal(Eider.rows(c, "SELECT 1").size(), 1);
    }
  }

  /** A result that nobody reads on must not hold the connection. */
  static void caseResultsThatAreLeft(Eider eider) throws Exception {
    try (Connection c = eider.connect()) {
      for (int i = 0; i < 30; i++) {
        try (Statement statement = c.createStatement();
            ResultSet result = statement.executeQuery("SELECT i FROM range(5000000) t(i)")) {
          Check.that(result.next(), "a row");
        }
      }
      eider.awaitMetric("eider_queries_running", 0);
      Check.equal(Eider.rows(c, "SELECT 1").size(), 1);
    }
  }
}
