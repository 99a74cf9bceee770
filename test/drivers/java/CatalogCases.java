import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/** DatabaseMetaData: what DBeaver and other tools build their trees from. */
final class CatalogCases {
  private CatalogCases() {}

  /** Rows by column name. */
  private static List<Map<String, Object>> read(ResultSet result) throws Exception {
    try (result) {
      ResultSetMetaData columns = result.getMetaData();
      List<Map<String, Object>> rows = new ArrayList<>();
      while (result.next()) {
        Map<String, Object> row = new LinkedHashMap<>();
        for (int i = 1; i <= columns.getColumnCount(); i++) row.put(columns.getColumnName(i), result.getObject(i));
        rows.add(row);
      }
      return rows;
    }
  }

  private static List<String> texts(List<Map<String, Object>> rows, String... columns) {
    List<String> found = new ArrayList<>();
    for (Map<String, Object> row : rows) {
      List<String> cells = new ArrayList<>();
      for (String column : columns) {
        Check.that(row.containsKey(column), "no column " + column + " in " + row.keySet());
        cells.add(String.valueOf(row.get(column)));
      }
      found.add(String.join("|", cells));
    }
    return found;
  }

  /** Getters without arguments: the driver reads them from CommandGetSqlInfo and throws where a code is missing. */
  static void caseEveryGetterAnswers(Eider eider) throws Exception {
    try (Connection c = eider.connect("user=ada", "password=secret")) {
      DatabaseMetaData metadata = c.getMetaData();
      TreeSet<String> failed = new TreeSet<>();
      int called = 0;
      for (Method method : DatabaseMetaData.class.getMethods()) {
        if (method.getParameterCount() > 0 || !DatabaseMetaData.class.equals(method.getDeclaringClass())) continue;
        called++;
        try {
          Object found = method.invoke(metadata);
          if (found instanceof ResultSet result) read(result);
        } catch (InvocationTargetException error) {
          failed.add(method.getName() + ": " + Check.rootOf(error));
        }
      }
      Check.that(called >= 130, "only " + called + " getters");
      Check.equal(failed, new TreeSet<String>());
    }
  }

  static void caseWhatTheGettersSay(Eider eider) throws Exception {
    try (Connection c = eider.connect()) {
      DatabaseMetaData m = c.getMetaData();
      Check.equal(m.getDatabaseProductName(), "eider");
      Check.contains(m.getDatabaseProductVersion(), "duckdb v");
      Check.equal(m.getIdentifierQuoteString(), "\"");
      Check.equal(m.getSearchStringEscape(), "\\");
      Check.that(m.nullsAreSortedAtEnd(), "nulls at the end");
      Check.that(m.supportsTransactions(), "transactions");
      Check.that(!m.supportsSavepoints(), "savepoints");
      Check.that(m.supportsBatchUpdates(), "batches");
      Check.that(m.supportsOuterJoins(), "outer joins");
      // The driver hands on Flight SQL's number for it, which is not JDBC's.
      Check.equal(m.getDefaultTransactionIsolation(), 3);
      Check.contains(m.getSQLKeywords(), "QUALIFY");
      Check.contains(m.getStringFunctions(), "upper");
      Check.contains(m.getNumericFunctions(), "abs");
      Check.contains(m.getTimeDateFunctions(), "date_trunc");
      Check.that(m.getMaxColumnsInTable() == 0, "no bound");
      Check.that(!m.isReadOnly(), "not read only");
    }
  }

  private static void makeTables(Connection c) throws Exception {
    Eider.update(c, "CREATE SCHEMA IF NOT EXISTS ca_other");
    Eider.update(c, "CREATE SCHEMA IF NOT EXISTS \"ca_Odd 'Schema\"\"\"");
    Eider.update(
        c,
        "CREATE TABLE IF NOT EXISTS ca_keyed (id BIGINT, part INTEGER, name VARCHAR NOT NULL, amount DECIMAL(12,3), "
            + "happened TIMESTAMPTZ, tags VARCHAR[], u UUID, f FLOAT, PRIMARY KEY (part, id))");
    Eider.update(c, "CREATE TABLE IF NOT EXISTS ca_other.ca_keyed (code VARCHAR PRIMARY KEY)");
    Eider.update(c, "CREATE TABLE IF NOT EXISTS \"ca_Odd 'Schema\"\"\".\"ca_T\u00e4ble %_x\" (\"a \"\"b\"\"\" INTEGER PRIMARY KEY)");
    Eider.update(c, "CREATE VIEW IF NOT EXISTS ca_view AS SELECT id, name FROM ca_keyed");
  }

  static void caseCatalogsAndSchemas(Eider eider) throws Exception {
    try (Connection c = eider.connect()) {
      makeTables(c);
      DatabaseMetaData m = c.getMetaData();
      Check.equal(texts(read(m.getCatalogs()), "TABLE_CAT"), List.of("lake"));
      List<String> schemas = texts(read(m.getSchemas()), "TABLE_CATALOG", "TABLE_SCHEM");
      Check.that(schemas.contains("lake|main"), schemas.toString());
      Check.that(schemas.contains("lake|ca_Odd 'Schema\""), schemas.toString());
      Check.that(!schemas.contains("lake|_eider"), schemas.toString());
      Check.equal(texts(read(m.getSchemas("lake", "ca\\_oth%")), "TABLE_SCHEM"), List.of("ca_other"));
      Check.equal(texts(read(m.getSchemas("nowhere", null)), "TABLE_SCHEM"), List.of());
      Check.equal(
          texts(read(m.getTableTypes()), "TABLE_TYPE"), List.of("TABLE", "VIEW", "LOCAL TEMPORARY"));
    }
  }

  static void caseTables(Eider eider) throws Exception {
    try (Connection c = eider.connect()) {
      makeTables(c);
      Eider.update(c, "CREATE TEMP TABLE ca_temp (i INTEGER)");
      DatabaseMetaData m = c.getMetaData();
      Check.equal(
          texts(read(m.getTables("lake", "main", "ca\\_%", null)), "TABLE_CAT", "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE"),
          List.of("lake|main|ca_keyed|TABLE", "lake|main|ca_view|VIEW"));
      Check.equal(
          texts(read(m.getTables(null, null, "ca\\_keyed", new String[] {"TABLE"})), "TABLE_SCHEM", "TABLE_NAME"),
          List.of("ca_other|ca_keyed", "main|ca_keyed"));
      Check.equal(
          texts(read(m.getTables(null, null, "ca\\_keyed", new String[] {"BASE TABLE"})), "TABLE_SCHEM"),
          List.of("ca_other", "main"));
      Check.equal(texts(read(m.getTables(null, null, "ca\\_%", new String[] {"VIEW"})), "TABLE_NAME"), List.of("ca_view"));
      Check.equal(
          texts(read(m.getTables(null, "ca\\_Odd%", "ca\\_T\u00e4ble \\%\\_x", null)), "TABLE_NAME"),
          List.of("ca_T\u00e4ble %_x"));
      Check.equal(
          texts(read(m.getTables(null, null, "ca\\_temp", null)), "TABLE_CAT", "TABLE_TYPE"),
          List.of("temp|LOCAL TEMPORARY"));
      Check.equal(texts(read(m.getTables(null, null, "SELECT * FROM \"x\" WHERE a = 'b\\", null)), "TABLE_NAME"), List.of());
      Check.equal(texts(read(m.getTables(null, "_eider", null, null)), "TABLE_NAME"), List.of());
    }
  }

  static void caseColumns(Eider eider) throws Exception {
    try (Connection c = eider.connect()) {
      makeTables(c);
      DatabaseMetaData m = c.getMetaData();
      Check.equal(
          texts(
              read(m.getColumns("lake", "main", "ca\\_keyed", null)),
              "TABLE_CAT",
              "COLUMN_NAME",
              "TYPE_NAME",
              "COLUMN_SIZE",
              "DECIMAL_DIGITS",
              "IS_NULLABLE",
              "ORDINAL_POSITION"),
          List.of(
              "lake|id|BIGINT|19|0|NO|1",
              "lake|part|INTEGER|10|0|NO|2",
              "lake|name|VARCHAR|65536|null|NO|3",
              "lake|amount|DECIMAL|12|3|YES|4",
              "lake|happened|TIMESTAMP WITH TIME ZONE|32|6|YES|5",
              "lake|tags|VARCHAR[]|null|null|YES|6",
              "lake|u|UUID|36|null|YES|7",
              "lake|f|FLOAT|24|null|YES|8"));
      Check.equal(
          texts(read(m.getColumns(null, "ca\\_Odd%", "ca\\_T%", "a%")), "TABLE_NAME", "COLUMN_NAME"),
          List.of("ca_T\u00e4ble %_x|a \"b\""));
      Check.equal(texts(read(m.getColumns(null, "main", "ca\\_view", "n%")), "COLUMN_NAME"), List.of("name"));
    }
  }

  static void caseKeys(Eider eider) throws Exception {
    try (Connection c = eider.connect()) {
      makeTables(c);
      DatabaseMetaData m = c.getMetaData();
      String[] columns = {"TABLE_CAT", "TABLE_SCHEM", "TABLE_NAME", "COLUMN_NAME", "KEY_SEQ"};
      Check.equal(
          texts(read(m.getPrimaryKeys("lake", "main", "ca_keyed")), columns),
          List.of("lake|main|ca_keyed|part|1", "lake|main|ca_keyed|id|2"));
      Check.equal(
          texts(read(m.getPrimaryKeys(null, null, "ca_keyed")), columns),
          List.of("lake|main|ca_keyed|part|1", "lake|main|ca_keyed|id|2"));
      Check.equal(
          texts(read(m.getPrimaryKeys(null, "ca_other", "ca_keyed")), columns), List.of("lake|ca_other|ca_keyed|code|1"));
      Check.equal(
          texts(read(m.getPrimaryKeys(null, "ca_Odd 'Schema\"", "ca_T\u00e4ble %_x")), "COLUMN_NAME"),
          List.of("a \"b\""));
      Check.equal(read(m.getPrimaryKeys(null, "main", "ca_view")).size(), 0);
      Check.equal(read(m.getPrimaryKeys(null, "main", "nothing")).size(), 0);
      Check.equal(read(m.getImportedKeys(null, "main", "ca_keyed")).size(), 0);
      Check.equal(read(m.getExportedKeys(null, "main", "ca_keyed")).size(), 0);
      Check.equal(read(m.getCrossReference(null, "main", "ca_keyed", null, "main", "ca_other")).size(), 0);
      read(m.getTypeInfo());
      read(m.getIndexInfo(null, "main", "ca_keyed", false, false));
      read(m.getProcedures(null, null, null));
      read(m.getFunctions(null, null, null));
      read(m.getBestRowIdentifier(null, "main", "ca_keyed", DatabaseMetaData.bestRowSession, true));
    }
  }

  static void caseCatalogAndSchemaOfTheUrl(Eider eider) throws Exception {
    try (Connection c = eider.connect()) {
      makeTables(c);
    }
    Connection catalog = eider.connect("catalog=lake");
    Check.equal(Eider.rows(catalog, "SELECT current_database(), current_schema()"), List.of(Eider.row("lake", "main")));
    Eider.close(catalog);
    try (Connection c = eider.connect("schema=ca_other")) {
      Check.equal(Eider.rows(c, "SELECT current_schema()"), List.of(Eider.row("ca_other")));
      Check.equal(
          texts(read(c.getMetaData().getPrimaryKeys(null, null, "ca_keyed")), "COLUMN_NAME"), List.of("code"));
    }
    Connection both = eider.connect("catalog=lake", "schema=ca_other", "user=ada", "password=x");
    Check.equal(Eider.rows(both, "SELECT current_database(), current_schema()"), List.of(Eider.row("lake", "ca_other")));
    Eider.close(both);
    Check.contains(Check.rootOf(Check.fails(() -> eider.connect("catalog=nowhere"))), "nowhere");
  }
}
