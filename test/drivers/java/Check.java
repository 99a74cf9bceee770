import java.sql.SQLException;
import java.util.Objects;
import org.apache.arrow.driver.jdbc.shaded.org.apache.arrow.flight.FlightRuntimeException;

/** Assertions that say what was found. */
final class Check {
  private Check() {}

  interface Body {
    void run() throws Exception;
  }

  static void equal(Object actual, Object expected) {
    if (!Objects.equals(actual, expected)) throw new AssertionError("expected " + expected + " but found " + actual);
  }

  static void that(boolean condition, String what) {
    if (!condition) throw new AssertionError(what);
  }

  static void contains(String text, String part) {
    if (text == null || !text.contains(part)) throw new AssertionError("no \"" + part + "\" in: " + text);
  }

  /** The SQLException that `body` must throw. */
  static SQLException fails(Body body) throws Exception {
    try {
      body.run();
    } catch (SQLException expected) {
      return expected;
    }
    throw new AssertionError("nothing was thrown");
  }

  /** The gRPC status that the server answered with; the driver keeps it in the cause alone. */
  static String statusOf(Throwable error) {
    for (Throwable cause = error; cause != null; cause = cause.getCause()) {
      if (cause instanceof FlightRuntimeException answer) return answer.status().code().name();
    }
    throw new AssertionError("no answer of the server in: " + error, error);
  }

  /** The message of the innermost cause: the server's status and text, as the driver got them. */
  static String rootOf(Throwable error) {
    Throwable root = error;
    while (root.getCause() != null) root = root.getCause();
    return String.valueOf(root.getMessage());
  }
}
