import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import java.util.StringJoiner;

/**
 * Runs every `case…` method of the classes below against the server whose JDBC URL and metrics URL are the arguments; a
 * third one chooses cases by a part of their names. The last line printed is JSON: each case's name and null, or what went
 * wrong.
 */
final class Cases {
  private static final List<Class<?>> CLASSES =
      List.of(
          StatementCases.class,
          ParameterCases.class,
          TypeCases.class,
          CatalogCases.class,
          DBeaverCases.class,
          TransactionCases.class,
          StreamCases.class,
          ErrorCases.class);

  private Cases() {}

  public static void main(String[] args) throws Exception {
    Eider eider = new Eider(args[0], args[1]);
    String only = args.length > 2 ? args[2] : "";
    StringJoiner results = new StringJoiner(",", "{", "}");
    for (Class<?> cases : CLASSES) {
      for (Method method : cases.getDeclaredMethods()) {
        String name = cases.getSimpleName() + "." + method.getName();
        if (!method.getName().startsWith("case") || !name.contains(only)) continue;
        results.add(quote(name) + ":" + failureOf(method, eider));
      }
    }
    System.out.println(results);
    // The driver's threads would keep the program running for a while.
    System.exit(0);
  }

  private static String failureOf(Method method, Eider eider) throws IllegalAccessException {
    try {
      method.invoke(null, eider);
      return "null";
    } catch (InvocationTargetException failure) {
      StringWriter text = new StringWriter();
      failure.getCause().printStackTrace(new PrintWriter(text));
      return quote(text.toString());
    }
  }

  private static String quote(String text) {
    StringBuilder out = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      if (c == '"' || c == '\\') out.append('\\').append(c);
      else if (c < ' ' || c > '~') out.append(String.format("\\u%04x", (int) c));
      else out.append(c);
    }
    return out.append('"').toString();
  }
}
