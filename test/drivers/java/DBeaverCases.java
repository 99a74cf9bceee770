import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.Statement;
import java.sql.Types;
import java.util.ArrayList;
import java.util.List;

/**
 * The calls of DBeaver's generic JDBC model (plugins org.jkiss.dbeaver.ext.generic and model.jdbc of its public source), in
 * its order. Calls whose failure it takes for "not supported" are left out.
 */
final class DBeaverCases {
  private DBeaverCases() {}

  /** A column of each row; DBeaver reads by name. */
  private static List<String> column(ResultSet result, String name) throws Exception {
    try (result) {
      List<String> found = new ArrayList<>();
      while (result.next()) found.add(result.getString(name));
      return found;
    }
  }

  private static Connection open(Eider eider) throws Exception {
    Connection c = eider.connect();
    Check.that(c.isValid(10), "isValid");
    c.setAutoCommit(true);
    Check.that(c.getAutoCommit(), "getAutoCommit");
    // The driver's connections begin as read-only ones, whatever the server says.
    c.setReadOnly(false);
    Check.that(!c.isReadOnly() && !c.getMetaData().isReadOnly(), "isReadOnly");
    Check.that(c.getWarnings() == null, "getWarnings");
    c.clearWarnings();
    c.getTransactionIsolation();
    return c;
  }

  static void caseConnecting(Eider eider) throws Exception {
    try (Connection c = open(eider)) {
      DatabaseMetaData m = c.getMetaData();
      Check.that(!m.getDatabaseProductName().isEmpty() && !m.getDatabaseProductVersion().isEmpty(), "product");
      Check.that(!m.getDriverName().isEmpty() && !m.getDriverVersion().isEmpty(), "driver");
      Check.equal(m.getIdentifierQuoteString(), "\"");
      Check.equal(m.getSearchStringEscape(), "\\");
      Check.equal(m.getCatalogSeparator(), ".");
      Check.that(m.isCatalogAtStart(), "isCatalogAtStart");
      Check.that(m.supportsSchemasInDataManipulation() && m.supportsCatalogsInDataManipulation(), "qualified names");
      Check.that(m.supportsSchemasInTableDefinitions() && m.supportsCatalogsInTableDefinitions(), "qualified names");
      Check.that(!m.getSchemaTerm().isEmpty() && !m.getCatalogTerm().isEmpty(), "terms");
      // Whether names keep their case no server is asked: the driver says "upper case", and DBeaver quotes those that are not.
      m.storesUpperCaseIdentifiers();
      m.storesLowerCaseIdentifiers();
      m.storesMixedCaseIdentifiers();
      m.supportsMixedCaseQuotedIdentifiers();
      m.storesMixedCaseQuotedIdentifiers();
      m.supportsResultSetType(ResultSet.TYPE_SCROLL_INSENSITIVE);
      m.supportsTransactionIsolationLevel(Connection.TRANSACTION_READ_COMMITTED);
      m.supportsMultipleResultSets();
      m.getProcedureTerm();
      Check.that(m.getTimeDateFunctions().length() > 0 && m.getSystemFunctions() != null, "functions");
      // The driver asks no server for it: DBeaver then takes the types of JDBC.
      column(m.getTypeInfo(), "TYPE_NAME");
    }
  }

  static void caseTheTree(Eider eider) throws Exception {
    try (Connection c = open(eider)) {
      Eider.update(c, "CREATE SCHEMA IF NOT EXISTS db_zoo");
      Eider.update(c, "CREATE TABLE IF NOT EXISTS db_zoo.bi_rds (id BIGINT PRIMARY KEY, name VARCHAR NOT NULL, mass DECIMAL(9,3))");
      Eider.update(c, "CREATE OR REPLACE VIEW db_zoo.heavy AS SELECT * FROM db_zoo.bi_rds WHERE mass > 1");
      DatabaseMetaData m = c.getMetaData();
      Check.that(column(m.getTableTypes(), "TABLE_TYPE").containsAll(List.of("TABLE", "VIEW")), "table types");
      Check.equal(column(m.getCatalogs(), "TABLE_CAT"), List.of("lake"));
      Check.that(column(m.getSchemas("lake", null), "TABLE_SCHEM").contains("db_zoo"), "schemas");
      Check.that(column(m.getSchemas(), "TABLE_CATALOG").contains("lake"), "schemas' catalog");
      Check.equal(column(m.getTables("lake", "db\\_zoo", "%", null), "TABLE_NAME"), List.of("bi_rds", "heavy"));
      try (ResultSet tables = m.getTables("lake", "db\\_zoo", "bi\\_rds", null)) {
        Check.that(tables.next(), "the table");
        Check.equal(tables.getString("TABLE_TYPE"), "TABLE");
        tables.getString("REMARKS");
      }
      // Of all tables at once, and of one.
      for (String table : new String[] {"%", "bi\\_rds"}) {
        List<String> columns = new ArrayList<>();
        try (ResultSet found = m.getColumns("lake", "db\\_zoo", table, "%")) {
          while (found.next()) {
            if (!found.getString("TABLE_NAME").equals("bi_rds")) continue;
            columns.add(
                String.join(
                    "|",
                    found.getString("COLUMN_NAME"),
                    found.getString("TYPE_NAME"),
                    "" + found.getInt("ORDINAL_POSITION"),
                    "" + (found.getInt("NULLABLE") != DatabaseMetaData.columnNoNulls)));
            found.getInt("DATA_TYPE");
            found.getInt("COLUMN_SIZE");
            found.getInt("DECIMAL_DIGITS");
            found.getInt("NUM_PREC_RADIX");
            found.getLong("CHAR_OCTET_LENGTH");
            found.getString("COLUMN_DEF");
            found.getString("REMARKS");
            found.getString("IS_AUTOINCREMENT");
            found.getString("IS_GENERATEDCOLUMN");
          }
        }
        Check.equal(columns, List.of("id|BIGINT|1|false", "name|VARCHAR|2|false", "mass|DECIMAL|3|true"));
      }
      try (ResultSet keys = m.getPrimaryKeys("lake", "db_zoo", "bi_rds")) {
        Check.that(keys.next(), "the key");
        Check.equal(keys.getString("COLUMN_NAME"), "id");
        Check.equal(keys.getInt("KEY_SEQ"), 1);
        keys.getString("PK_NAME");
      }
      Check.equal(column(m.getIndexInfo("lake", "db_zoo", "bi_rds", false, true), "INDEX_NAME"), List.of());
      Check.equal(column(m.getImportedKeys("lake", "db_zoo", "bi_rds"), "FKCOLUMN_NAME"), List.of());
      Check.equal(column(m.getExportedKeys("lake", "db_zoo", "bi_rds"), "FKCOLUMN_NAME"), List.of());
      column(m.getProcedures("lake", "db_zoo", "%"), "PROCEDURE_NAME");
      column(m.getFunctions("lake", "db_zoo", "%"), "FUNCTION_NAME");
    }
  }

  private static Statement reading(Connection c) throws Exception {
    Statement statement = c.createStatement(ResultSet.TYPE_FORWARD_ONLY, ResultSet.CONCUR_READ_ONLY);
    statement.setFetchSize(200);
    statement.setMaxRows(200);
    return statement;
  }

  static void caseATablesData(Eider eider) throws Exception {
    try (Connection c = open(eider)) {
      Eider.update(c, "CREATE TABLE db_data AS SELECT i AS id, 'b' || i AS name, (i / 4)::DECIMAL(9,2) AS mass FROM range(500) t(i)");
      try (Statement statement = reading(c)) {
        Check.that(statement.execute("SELECT x.* FROM lake.main.db_data x ORDER BY id"), "a result");
        try (ResultSet result = statement.getResultSet()) {
          Check.that(statement.getWarnings() == null, "warnings");
          ResultSetMetaData columns = result.getMetaData();
          for (int i = 1; i <= columns.getColumnCount(); i++) {
            columns.getColumnLabel(i);
            columns.getCatalogName(i);
            columns.getSchemaName(i);
            columns.getTableName(i);
            columns.getColumnTypeName(i);
            columns.getColumnDisplaySize(i);
            columns.getPrecision(i);
            columns.getScale(i);
            columns.isNullable(i);
            columns.isAutoIncrement(i);
            columns.isReadOnly(i);
          }
          Check.equal(columns.getColumnType(3), Types.DECIMAL);
          int rows = 0;
          while (result.next()) {
            Check.equal(result.getObject(1), (long) rows++);
            result.getObject(2);
            result.getBigDecimal(3);
            result.wasNull();
          }
          // setMaxRows: 200 are shown, and the rest by the next page.
          Check.equal(rows, 200);
        }
        Check.that(!statement.getMoreResults() && statement.getUpdateCount() == -1, "no further result");
      }
      Check.equal(Eider.rows(c, "SELECT count(*) FROM (SELECT x.* FROM lake.main.db_data x) dbvrcnt"), List.of(List.of(500L)));
      Check.equal(Eider.rows(c, "SELECT x.* FROM lake.main.db_data x ORDER BY id LIMIT 1 OFFSET 200").size(), 1);
    }
  }

  /** The editor of rows binds values by their types. Its mode is "Auto": the driver's commit and rollback do nothing. */
  static void caseEditedRowsAreSaved(Eider eider) throws Exception {
    try (Connection c = open(eider)) {
      Eider.update(c, "CREATE TABLE db_edit (id BIGINT PRIMARY KEY, name VARCHAR, day DATE, mass DECIMAL(9,2))");
      try (PreparedStatement insert = c.prepareStatement("INSERT INTO lake.main.db_edit (id, name, day, mass) VALUES (?, ?, ?, ?)")) {
        insert.setLong(1, 1);
        insert.setString(2, "eider");
        insert.setDate(3, java.sql.Date.valueOf("2026-01-02"));
        insert.setBigDecimal(4, new java.math.BigDecimal("2.10"));
        Check.equal(insert.executeUpdate(), 1);
        insert.setLong(1, 2);
        insert.setNull(2, Types.VARCHAR);
        insert.setNull(3, Types.DATE);
        insert.setNull(4, Types.DECIMAL);
        Check.equal(insert.executeUpdate(), 1);
      }
      try (PreparedStatement update = c.prepareStatement("UPDATE lake.main.db_edit SET name = ? WHERE id = ?")) {
        update.setString(1, "teal");
        update.setLong(2, 2);
        Check.equal(update.executeUpdate(), 1);
      }
      Check.equal(
          Eider.rows(c, "SELECT name, day::VARCHAR, mass::VARCHAR FROM db_edit WHERE id = 1"),
          List.of(List.of("eider", "2026-01-02", "2.10")));
      try (PreparedStatement delete = c.prepareStatement("DELETE FROM lake.main.db_edit WHERE id = ?")) {
        delete.setLong(1, 1);
        Check.equal(delete.executeUpdate(), 1);
      }
      Check.equal(
          Eider.rows(c, "SELECT id, name, day, mass FROM db_edit ORDER BY id"),
          List.of(Eider.row(2L, "teal", null, null)));
    }
  }

  /** Each statement of a script by itself; what has rows is told by `execute`. */
  static void caseAScript(Eider eider) throws Exception {
    try (Connection c = open(eider)) {
      String[] script = {
        "CREATE TABLE db_script (i INTEGER)",
        "INSERT INTO db_script VALUES (1), (2)",
        "-- a comment alone above it\nSELECT * FROM db_script",
        "UPDATE db_script SET i = i + 1",
        "EXPLAIN SELECT * FROM db_script",
        "WITH t AS (SELECT 1 AS one) SELECT * FROM t",
        "DESCRIBE db_script",
        "DROP TABLE db_script",
      };
      boolean[] hasRows = {false, false, true, false, true, true, true, false};
      for (int i = 0; i < script.length; i++) {
        try (Statement statement = reading(c)) {
          boolean isResult = statement.execute(script[i]);
          Check.that(isResult == hasRows[i], script[i]);
          if (isResult) {
            int rows = Eider.rows(statement.getResultSet()).size();
            Check.that(rows > 0, script[i]);
          } else {
            Check.that(statement.getUpdateCount() >= 0, script[i]);
          }
        }
      }
    }
  }
}
