import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The server under test, and what the cases do over and over. */
record Eider(String url, String metricsUrl) {
  private static final int MOST_QUESTIONS = 1200;

  /** A connection of its own; `parameters` are the URL's, as `name=value`. */
  Connection connect(String... parameters) throws SQLException {
    StringBuilder text = new StringBuilder(url).append("?useEncryption=false");
    for (String parameter : parameters) text.append('&').append(parameter);
    return DriverManager.getConnection(text.toString());
  }

  /** With `catalog=` the driver before 19 may close its channel too early and throw, having closed all. */
  static void close(Connection connection) throws SQLException {
    try {
      connection.close();
    } catch (SQLException error) {
      Check.contains(Check.rootOf(error), "Channel shutdown invoked");
    }
  }

  static int update(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      return statement.executeUpdate(sql);
    }
  }

  /** All cells of the result, row by row, as the driver's objects. */
  static List<List<Object>> rows(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet result = statement.executeQuery(sql)) {
      return rows(result);
    }
  }

  static List<List<Object>> rows(ResultSet result) throws SQLException {
    int width = result.getMetaData().getColumnCount();
    List<List<Object>> rows = new ArrayList<>();
    while (result.next()) {
      List<Object> row = new ArrayList<>();
      for (int column = 1; column <= width; column++) row.add(result.getObject(column));
      rows.add(row);
    }
    return rows;
  }

  /** Waits until the server's gauge has this value. */
  void awaitMetric(String name, long value) throws Exception {
    HttpClient client = HttpClient.newHttpClient();
    HttpRequest request = HttpRequest.newBuilder(URI.create(metricsUrl)).build();
    String wanted = "\n" + name + " " + value + "\n";
    for (int asked = 0; asked < MOST_QUESTIONS; asked++) {
      if (client.send(request, BodyHandlers.ofString()).body().contains(wanted)) return;
      Thread.sleep(50);
    }
    throw new AssertionError(name + " does not become " + value);
  }

  /** Cells of one row, for comparing: `List.of` takes no null. */
  static List<Object> row(Object... cells) {
    return new ArrayList<>(Arrays.asList(cells));
  }
}
