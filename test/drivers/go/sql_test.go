package drivers

import (
	"database/sql"
	"fmt"
	"sync"
	"testing"
	"time"

	_ "github.com/apache/arrow-adbc/go/adbc/sqldriver/flightsql"
	"github.com/apache/arrow-adbc/go/adbc/validation"
	"github.com/stretchr/testify/require"
)

// Go's database/sql over the ADBC driver.

func openSQL(t *testing.T) *sql.DB {
	t.Helper()
	database, err := sql.Open("flightsql", "uri="+setting("EIDER_URI"))
	require.NoError(t, err)
	t.Cleanup(func() { validation.CheckedClose(t, database) })
	return database
}

func TestSQLExecAndQuery(t *testing.T) {
	database := openSQL(t)
	require.NoError(t, database.Ping())
	_, err := database.Exec("CREATE OR REPLACE TABLE birds (id BIGINT, name VARCHAR, seen TIMESTAMP)")
	require.NoError(t, err)
	result, err := database.Exec("INSERT INTO birds VALUES (1, 'eider', '2026-01-02 03:04:05'), (2, NULL, NULL)")
	require.NoError(t, err)
	count, err := result.RowsAffected()
	require.NoError(t, err)
	require.EqualValues(t, 2, count)

	rows, err := database.Query("SELECT id, name, seen FROM birds ORDER BY id")
	require.NoError(t, err)
	defer rows.Close()
	var id int64
	var name sql.NullString
	var seen sql.NullTime
	require.True(t, rows.Next())
	require.NoError(t, rows.Scan(&id, &name, &seen))
	require.Equal(t, sql.NullString{String: "eider", Valid: true}, name)
	require.True(t, seen.Valid)
	require.True(t, seen.Time.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)), seen.Time)
	require.True(t, rows.Next())
	require.NoError(t, rows.Scan(&id, &name, &seen))
	require.False(t, name.Valid)
	require.False(t, seen.Valid)
	require.False(t, rows.Next())
	require.NoError(t, rows.Err())
}

// A statement that changes something is run once, also when it is sent as a query.
func TestSQLUpdateAsQuery(t *testing.T) {
	database := openSQL(t)
	rows, err := database.Query("CREATE OR REPLACE TABLE once (id BIGINT)")
	require.NoError(t, err)
	require.NoError(t, rows.Close())
	rows, err = database.Query("INSERT INTO once VALUES (1)")
	require.NoError(t, err)
	require.False(t, rows.Next())
	require.NoError(t, rows.Close())
	var count int64
	require.NoError(t, database.QueryRow("SELECT count(*) FROM once").Scan(&count))
	require.EqualValues(t, 1, count)
}

func TestSQLPrepared(t *testing.T) {
	database := openSQL(t)
	_, err := database.Exec("CREATE OR REPLACE TABLE prepared (id BIGINT, name VARCHAR, seen TIMESTAMP, share DOUBLE, ok BOOLEAN)")
	require.NoError(t, err)
	insert, err := database.Prepare("INSERT INTO prepared VALUES (?, ?, ?::VARCHAR::TIMESTAMP, ?, ?)")
	require.NoError(t, err)
	defer insert.Close()
	for id, name := range []string{"eider", "goose"} {
		result, err := insert.Exec(int64(id), name, "2026-01-02 03:04:05", 0.5, true)
		require.NoError(t, err)
		count, err := result.RowsAffected()
		require.NoError(t, err)
		require.EqualValues(t, 1, count)
	}
	for id, expected := range []string{"eider", "goose"} {
		// Anew for each query: closing the rows closes the driver's statement.
		find, err := database.Prepare("SELECT name, seen, share, ok FROM prepared WHERE id = ?")
		require.NoError(t, err)
		var name string
		var seen time.Time
		var share float64
		var ok bool
		require.NoError(t, find.QueryRow(int64(id)).Scan(&name, &seen, &share, &ok))
		require.Equal(t, expected, name)
		require.True(t, seen.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)), seen)
		require.Equal(t, 0.5, share)
		require.True(t, ok)
	}
}

func TestSQLTransactions(t *testing.T) {
	database := openSQL(t)
	_, err := database.Exec("CREATE OR REPLACE TABLE accounts (id BIGINT)")
	require.NoError(t, err)
	count := func() (count int64) {
		require.NoError(t, database.QueryRow("SELECT count(*) FROM accounts").Scan(&count))
		return count
	}
	for _, end := range []func(*sql.Tx) error{(*sql.Tx).Rollback, (*sql.Tx).Commit} {
		transaction, err := database.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		insert, err := transaction.Prepare("INSERT INTO accounts VALUES (?)")
		require.NoError(t, err)
		for id := range int64(3) {
			_, err = insert.Exec(id)
			require.NoError(t, err)
		}
		require.NoError(t, insert.Close())
		require.EqualValues(t, 0, count())
		require.NoError(t, end(transaction))
	}
	require.EqualValues(t, 3, count())
}

func TestSQLPool(t *testing.T) {
	database := openSQL(t)
	_, err := database.Exec("CREATE OR REPLACE TABLE pooled (id BIGINT)")
	require.NoError(t, err)
	const workers, each = 8, 5
	database.SetMaxIdleConns(workers)
	failures := make(chan error, workers*each)
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			for i := range each {
				insert := fmt.Sprintf("INSERT INTO duckling_queue.pooled VALUES (%d)", worker*each+i)
				if _, err := database.Exec(insert); err != nil {
					failures <- err
				}
				var rows int64
				if err := database.QueryRow("SELECT count(*) FROM range(100000)").Scan(&rows); err != nil || rows != 100000 {
					failures <- fmt.Errorf("%d rows: %w", rows, err)
				}
			}
		})
	}
	group.Wait()
	close(failures)
	for err := range failures {
		require.NoError(t, err)
	}
	_, err = database.Exec("CALL duckling_queue_flush('pooled')")
	require.NoError(t, err)
	var count, distinct int64
	require.NoError(t, database.QueryRow("SELECT count(*), count(DISTINCT id) FROM pooled").Scan(&count, &distinct))
	require.EqualValues(t, workers*each, count)
	require.EqualValues(t, workers*each, distinct)
}

// What the driver makes impossible for every server; README's Compatibility names it.
func TestSQLLimits(t *testing.T) {
	database := openSQL(t)
	_, err := database.Exec("CREATE OR REPLACE TABLE limits (id BIGINT, seen TIMESTAMP)")
	require.NoError(t, err)
	for _, limit := range []struct {
		sql   string
		value any
		says  string
	}{
		{"INSERT INTO limits (id) VALUES (?)", nil, "expected parameter of type int64"},
		{"SELECT ?", nil, "unsupported type <nil>"},
		{"INSERT INTO limits (id) VALUES (?)", 1, "expected parameter of type int64"},
		{"INSERT INTO limits (seen) VALUES (?)", time.Now(), "expected parameter of type timestamp"},
	} {
		prepared, err := database.Prepare(limit.sql)
		require.NoError(t, err)
		_, err = prepared.Exec(limit.value)
		require.ErrorContains(t, err, limit.says, limit.sql)
		require.NoError(t, prepared.Close())
	}
	_, err = database.Exec("INSERT INTO limits (id) VALUES (?)", int64(1))
	require.NoError(t, err)
	_, err = database.Query("SELECT id FROM limits WHERE id = ?", int64(1))
	require.ErrorContains(t, err, "must set IngestTargetTable")
}
