// Package drivers runs Go's stock ADBC and database/sql drivers against a running Eider: see ../go.test.ts.
package drivers

import (
	"context"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/apache/arrow-adbc/go/adbc"
	"github.com/apache/arrow-adbc/go/adbc/driver/flightsql"
	"github.com/apache/arrow-adbc/go/adbc/validation"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"
)

// setting is what the test that started the server says of it.
func setting(name string) string {
	value, found := os.LookupEnv(name)
	if !found {
		panic(name + " is not set: test/drivers/go.test.ts sets it")
	}
	return value
}

// open gives a connection with these options beside the address; it and its database are closed with the test.
func open(t *testing.T, options map[string]string) adbc.Connection {
	t.Helper()
	all := map[string]string{adbc.OptionKeyURI: setting("EIDER_URI")}
	maps.Copy(all, options)
	database, err := flightsql.NewDriver(memory.DefaultAllocator).NewDatabase(all)
	require.NoError(t, err)
	t.Cleanup(func() { validation.CheckedClose(t, database) })
	connection, err := database.Open(context.Background())
	require.NoError(t, err)
	t.Cleanup(func() { validation.CheckedClose(t, connection) })
	return connection
}

func newStatement(t *testing.T, connection adbc.Connection) adbc.Statement {
	t.Helper()
	statement, err := connection.NewStatement()
	require.NoError(t, err)
	t.Cleanup(func() { validation.CheckedClose(t, statement) })
	return statement
}

func statementOf(t *testing.T, connection adbc.Connection, sql string) adbc.Statement {
	t.Helper()
	statement := newStatement(t, connection)
	require.NoError(t, statement.SetSqlQuery(sql))
	return statement
}

func query(t *testing.T, connection adbc.Connection, sql string) array.RecordReader {
	t.Helper()
	reader, _, err := statementOf(t, connection, sql).ExecuteQuery(context.Background())
	require.NoError(t, err)
	t.Cleanup(reader.Release)
	return reader
}

func update(t *testing.T, connection adbc.Connection, sql string) int64 {
	t.Helper()
	count, err := statementOf(t, connection, sql).ExecuteUpdate(context.Background())
	require.NoError(t, err)
	return count
}

// jsonOf is a query's rows as JSON, batch by batch.
func jsonOf(t *testing.T, reader array.RecordReader) string {
	t.Helper()
	var rows strings.Builder
	for reader.Next() {
		text, err := reader.RecordBatch().MarshalJSON()
		require.NoError(t, err)
		rows.Write(text)
	}
	require.NoError(t, reader.Err())
	return rows.String()
}

func requireRows(t *testing.T, connection adbc.Connection, sql string, json string) {
	t.Helper()
	require.JSONEq(t, json, jsonOf(t, query(t, connection, sql)))
}

func rowsOf(t *testing.T, schema *arrow.Schema, json string) arrow.RecordBatch {
	t.Helper()
	rows, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(json))
	require.NoError(t, err)
	t.Cleanup(rows.Release)
	return rows
}

func requireStatus(t *testing.T, err error, status adbc.Status) {
	t.Helper()
	var found adbc.Error
	require.ErrorAs(t, err, &found)
	require.Equal(t, status.String(), found.Code.String(), found.Msg)
}
