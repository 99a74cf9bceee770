package drivers

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/apache/arrow-adbc/go/adbc"
	"github.com/apache/arrow-adbc/go/adbc/driver/flightsql"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/flight"
	sqlclient "github.com/apache/arrow-go/v18/arrow/flight/flightsql"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
)

// What ADBC's suites do not ask, as Go programs use it.

var background = context.Background()

var idSchema = arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64, Nullable: true}}, nil)

func TestIngestModes(t *testing.T) {
	connection := open(t, nil)
	for _, step := range []struct {
		mode string
		ids  string
		all  string
	}{
		{adbc.OptionValueIngestModeReplace, `[{"id":1},{"id":null}]`, `[{"id":1},{"id":null}]`},
		{adbc.OptionValueIngestModeAppend, `[{"id":2}]`, `[{"id":1},{"id":2},{"id":null}]`},
		{adbc.OptionValueIngestModeCreateAppend, `[{"id":3}]`, `[{"id":1},{"id":2},{"id":3},{"id":null}]`},
		{adbc.OptionValueIngestModeReplace, `[{"id":4}]`, `[{"id":4}]`},
	} {
		t.Run(step.mode, func(t *testing.T) {
			require.NoError(t, ingest(newStatement(t, connection), "modes", step.mode, rowsOf(t, idSchema, step.ids)))
			requireRows(t, connection, "SELECT id FROM modes ORDER BY id", step.all)
		})
	}
}

func TestIngestErrors(t *testing.T) {
	connection := open(t, nil)
	update(t, connection, "DROP TABLE IF EXISTS errors")
	rows := rowsOf(t, idSchema, `[{"id":1}]`)
	other := rowsOf(t, arrow.NewSchema([]arrow.Field{{Name: "name", Type: arrow.BinaryTypes.String}}, nil), `[{"name":"a"}]`)
	try := func(mode string, rows arrow.RecordBatch) error {
		return ingest(newStatement(t, connection), "errors", mode, rows)
	}
	requireStatus(t, try(adbc.OptionValueIngestModeAppend, rows), adbc.StatusNotFound)
	require.NoError(t, try(adbc.OptionValueIngestModeCreate, rows))
	requireStatus(t, try(adbc.OptionValueIngestModeCreate, rows), adbc.StatusAlreadyExists)
	requireStatus(t, try(adbc.OptionValueIngestModeAppend, other), adbc.StatusAlreadyExists)
	requireStatus(t, try(adbc.OptionValueIngestModeCreateAppend, other), adbc.StatusAlreadyExists)
	requireRows(t, connection, "SELECT id FROM errors", `[{"id":1}]`)
}

func TestTemporaryIngest(t *testing.T) {
	connection := open(t, nil)
	statement := newStatement(t, connection)
	require.NoError(t, statement.SetOption(adbc.OptionValueIngestTemporary, adbc.OptionValueEnabled))
	require.NoError(t, ingest(statement, "passing", adbc.OptionValueIngestModeCreate, rowsOf(t, idSchema, `[{"id":1}]`)))
	requireRows(t, connection, "SELECT id FROM passing", `[{"id":1}]`)
	_, _, err := statementOf(t, open(t, nil), "SELECT id FROM passing").ExecuteQuery(background)
	requireStatus(t, err, adbc.StatusNotFound)
}

// A client that goes away in the middle of an ingest leaves nothing.
func TestIngestCancelled(t *testing.T) {
	connection := open(t, nil)
	update(t, connection, "DROP TABLE IF EXISTS half")
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	rows := rowsOf(t, idSchema, `[{"id":1}]`)
	reader := array.ReaderFromIter(idSchema, func(yield func(arrow.RecordBatch, error) bool) {
		for sent := 0; ; sent++ {
			rows.Retain()
			if !yield(rows, nil) {
				return
			}
			if sent == 100 {
				cancel()
			}
		}
	})
	statement := newStatement(t, connection)
	require.NoError(t, statement.SetOption(adbc.OptionKeyIngestTargetTable, "half"))
	require.NoError(t, statement.BindStream(background, reader))
	_, err := statement.ExecuteUpdate(ctx)
	requireStatus(t, err, adbc.StatusCancelled)
	_, _, err = statementOf(t, connection, "SELECT * FROM half").ExecuteQuery(background)
	requireStatus(t, err, adbc.StatusNotFound)
}

func TestTransactions(t *testing.T) {
	connection := open(t, nil)
	update(t, connection, "CREATE OR REPLACE TABLE ledger (id BIGINT)")
	options := connection.(adbc.PostInitOptions)
	require.NoError(t, options.SetOption(adbc.OptionKeyAutoCommit, adbc.OptionValueDisabled))
	insert := statementOf(t, connection, "INSERT INTO ledger VALUES (?)")
	require.NoError(t, insert.Prepare(background))
	run := func(id string) {
		require.NoError(t, insert.Bind(background, rowsOf(t, idSchema, `[{"id":`+id+`}]`)))
		count, err := insert.ExecuteUpdate(background)
		require.NoError(t, err)
		require.EqualValues(t, 1, count)
	}
	run("1")
	require.NoError(t, connection.Commit(background))
	// The statement was prepared in a transaction that has ended.
	run("2")
	require.NoError(t, ingest(newStatement(t, connection), "ledger", adbc.OptionValueIngestModeAppend, rowsOf(t, idSchema, `[{"id":3}]`)))
	requireRows(t, connection, "SELECT id FROM ledger ORDER BY id", `[{"id":1},{"id":2},{"id":3}]`)
	require.NoError(t, connection.Rollback(background))
	requireRows(t, connection, "SELECT id FROM ledger", `[{"id":1}]`)

	// After an error the transaction can only be rolled back, and the next one works.
	run("4")
	_, err := statementOf(t, connection, "SELECT error('no')").ExecuteUpdate(background)
	require.Error(t, err)
	_, err = insert.ExecuteUpdate(background)
	require.ErrorContains(t, err, "(FailedPrecondition;")
	require.NoError(t, connection.Rollback(background))
	run("5")
	require.NoError(t, options.SetOption(adbc.OptionKeyAutoCommit, adbc.OptionValueEnabled))
	requireRows(t, connection, "SELECT id FROM ledger ORDER BY id", `[{"id":1},{"id":5}]`)
}

func TestCommitAfterAnError(t *testing.T) {
	connection := open(t, nil)
	update(t, connection, "CREATE OR REPLACE TABLE aborted (id BIGINT)")
	require.NoError(t, connection.(adbc.PostInitOptions).SetOption(adbc.OptionKeyAutoCommit, adbc.OptionValueDisabled))
	update(t, connection, "INSERT INTO aborted VALUES (1)")
	_, err := statementOf(t, connection, "SELECT error('no')").ExecuteUpdate(background)
	require.Error(t, err)
	require.ErrorContains(t, connection.Commit(background), "(FailedPrecondition;")
	// The driver has given its transaction up and begins no other: this connection is of no use any more.
	require.ErrorContains(t, connection.Rollback(background), "missing a valid transaction")
	requireRows(t, open(t, nil), "SELECT count(*) AS n FROM aborted", `[{"n":0}]`)
}

func TestTwoOpenResults(t *testing.T) {
	connection := open(t, nil)
	const rows = 1_000_000
	first := query(t, connection, "SELECT i FROM range(1000000) r(i)")
	require.True(t, first.Next())
	count := first.RecordBatch().NumRows()
	second := query(t, connection, "SELECT -i AS i FROM range(1000000) r(i)")
	require.EqualValues(t, rows, countRows(t, second))
	require.EqualValues(t, rows, count+countRows(t, first))
}

func countRows(t *testing.T, reader array.RecordReader) (count int64) {
	t.Helper()
	for reader.Next() {
		count += reader.RecordBatch().NumRows()
	}
	require.NoError(t, reader.Err())
	return count
}

// Rust's client takes 4 MiB.
func TestMessagesAreSmall(t *testing.T) {
	connection := open(t, map[string]string{flightsql.OptionWithMaxMsgSize: "4194304"})
	reader := query(t, connection, "SELECT repeat('!', 4096) AS text FROM range(16384)")
	require.EqualValues(t, 16384, countRows(t, reader))
}

func TestResultNames(t *testing.T) {
	schema := query(t, open(t, nil), "SELECT 1 AS a, 2 AS a").Schema()
	require.Equal(t, []string{"a", "a"}, []string{schema.Field(0).Name, schema.Field(1).Name})
}

func TestPartitions(t *testing.T) {
	connection := open(t, nil)
	_, partitions, rows, err := statementOf(t, connection, "SELECT 42::BIGINT AS id").ExecutePartitions(background)
	require.NoError(t, err)
	require.EqualValues(t, -1, rows)
	require.EqualValues(t, 1, partitions.NumPartitions)
	info := &flight.FlightInfo{}
	require.NoError(t, proto.Unmarshal(partitions.PartitionIDs[0], info))
	require.Len(t, info.Endpoint, 1)
	require.Empty(t, info.Endpoint[0].Location)
	reader, err := open(t, nil).ReadPartition(background, partitions.PartitionIDs[0])
	require.NoError(t, err)
	defer reader.Release()
	require.JSONEq(t, `[{"id":42}]`, jsonOf(t, reader))
}

// PollFlightInfo, as the driver does it.
func TestIncrementalExecution(t *testing.T) {
	connection := open(t, nil)
	statement := statementOf(t, connection, "SELECT 42::BIGINT AS id")
	require.NoError(t, statement.SetOption(adbc.OptionKeyIncremental, adbc.OptionValueEnabled))
	_, partitions, _, err := statement.ExecutePartitions(background)
	require.NoError(t, err)
	require.EqualValues(t, 1, partitions.NumPartitions)
	progress, err := statement.(adbc.GetSetOptions).GetOptionDouble(adbc.OptionKeyProgress)
	require.NoError(t, err)
	require.EqualValues(t, 1, progress)
	reader, err := connection.ReadPartition(background, partitions.PartitionIDs[0])
	require.NoError(t, err)
	defer reader.Release()
	require.JSONEq(t, `[{"id":42}]`, jsonOf(t, reader))
	_, partitions, _, err = statement.ExecutePartitions(background)
	require.NoError(t, err)
	require.EqualValues(t, 0, partitions.NumPartitions)
}

func TestSessionOptions(t *testing.T) {
	connection := open(t, nil)
	options := connection.(adbc.GetSetOptions)
	update(t, connection, "CREATE SCHEMA IF NOT EXISTS beside")
	require.NoError(t, options.SetOption(adbc.OptionKeyCurrentDbSchema, "beside"))
	schema, err := options.GetOption(adbc.OptionKeyCurrentDbSchema)
	require.NoError(t, err)
	require.Equal(t, "beside", schema)
	requireRows(t, connection, "SELECT current_schema() AS s", `[{"s":"beside"}]`)
	requireStatus(t, options.SetOption(adbc.OptionKeyCurrentCatalog, "nowhere"), adbc.StatusNotFound)
	requireStatus(t, options.SetOption(adbc.OptionKeyCurrentDbSchema, "nowhere"), adbc.StatusNotFound)
	key := flightsql.OptionSessionOptionPrefix + "eider_read_consistency"
	require.NoError(t, options.SetOption(key, "strong"))
	consistency, err := options.GetOption(key)
	require.NoError(t, err)
	require.Equal(t, "strong", consistency)
	require.Error(t, options.SetOption(flightsql.OptionSessionOptionPrefix+"unheard_of", "1"))
}

// Each parameter set is an execution; their counts are summed, and it is all of them or none.
func TestManyParameterSets(t *testing.T) {
	connection := open(t, nil)
	update(t, connection, "CREATE OR REPLACE TABLE many (id BIGINT NOT NULL)")
	insert := statementOf(t, connection, "INSERT INTO many VALUES (?)")
	require.NoError(t, insert.Prepare(background))
	bind := func(batches ...string) {
		var rows []arrow.RecordBatch
		for _, json := range batches {
			rows = append(rows, rowsOf(t, idSchema, json))
		}
		reader, err := array.NewRecordReader(idSchema, rows)
		require.NoError(t, err)
		defer reader.Release()
		require.NoError(t, insert.BindStream(background, reader))
	}
	bind(`[{"id":1},{"id":2}]`, `[{"id":3}]`)
	count, err := insert.ExecuteUpdate(background)
	require.NoError(t, err)
	require.EqualValues(t, 3, count)
	bind(`[{"id":4}]`, `[{"id":null}]`)
	_, err = insert.ExecuteUpdate(background)
	requireStatus(t, err, adbc.StatusInvalidArgument)
	requireRows(t, connection, "SELECT id FROM many ORDER BY id", `[{"id":1},{"id":2},{"id":3}]`)
}

func TestDescriptions(t *testing.T) {
	connection := open(t, nil)
	update(t, connection, "CREATE OR REPLACE TABLE described (id BIGINT, name VARCHAR, price DECIMAL(10, 2))")
	update(t, connection, "COMMENT ON COLUMN described.price IS 'in euros'")
	described, err := connection.GetTableSchema(background, nil, nil, "described")
	require.NoError(t, err)
	price := sqlclient.ColumnMetadata{Data: &described.Fields()[2].Metadata}
	text := func(value string, found bool) string { return fmt.Sprint(value, " ", found) }
	number := func(value int32, found bool) string { return fmt.Sprint(value, " ", found) }
	require.Equal(t, "lake true", text(price.CatalogName()))
	require.Equal(t, "main true", text(price.SchemaName()))
	require.Equal(t, "described true", text(price.TableName()))
	require.Equal(t, "DECIMAL true", text(price.TypeName()))
	require.Equal(t, "10 true", number(price.Precision()))
	require.Equal(t, "2 true", number(price.Scale()))
	require.Equal(t, "in euros true", text(price.Remarks()))
}

// A connection is its own session, however the driver proves who it is.
func TestCredentials(t *testing.T) {
	for name, options := range map[string]map[string]string{
		"none":                 nil,
		"user and password":    {adbc.OptionKeyUsername: "joe", adbc.OptionKeyPassword: "pässword"},
		"authorization header": {flightsql.OptionAuthorizationHeader: "Bearer token-of-another-service"},
		"cookies":              {flightsql.OptionCookieMiddleware: adbc.OptionValueEnabled},
	} {
		t.Run(name, func(t *testing.T) {
			requireOwnSessions(t, options)
		})
	}
}

// requireOwnSessions checks that two connections with the same options do not see each other's temporary tables.
func requireOwnSessions(t *testing.T, options map[string]string) {
	one, two := open(t, options), open(t, options)
	update(t, one, "CREATE TEMP TABLE mine AS SELECT 1::BIGINT AS id")
	update(t, two, "CREATE TEMP TABLE mine AS SELECT 2::BIGINT AS id")
	requireRows(t, one, "SELECT id FROM mine", `[{"id":1}]`)
	requireRows(t, two, "SELECT id FROM mine", `[{"id":2}]`)
}

func TestErrors(t *testing.T) {
	connection := open(t, nil)
	update(t, connection, "CREATE OR REPLACE TABLE known (id BIGINT)")
	for sql, status := range map[string]adbc.Status{
		"SELEC 1":                              adbc.StatusInvalidArgument,
		"SELECT 'a'::INTEGER":                  adbc.StatusInvalidArgument,
		"SELECT * FROM unknown_table":          adbc.StatusNotFound,
		"SELECT unknown_column FROM known":     adbc.StatusNotFound,
		"CREATE TABLE known (id BIGINT)":       adbc.StatusAlreadyExists,
		"":                                     adbc.StatusInvalidState,
		"-- nothing":                           adbc.StatusInvalidArgument,
		"SELECT * FROM read_csv('/not/there')": adbc.StatusNotFound,
	} {
		t.Run(sql, func(t *testing.T) {
			reader, _, err := statementOf(t, connection, sql).ExecuteQuery(background)
			if err == nil {
				defer reader.Release()
				for reader.Next() {
				}
				err = reader.Err()
			}
			requireStatus(t, err, status)
		})
	}
	_, err := connection.GetTableSchema(background, nil, nil, "unknown_table")
	requireStatus(t, err, adbc.StatusNotFound)
	plan := newStatement(t, connection)
	require.NoError(t, plan.SetSubstraitPlan([]byte("plan")))
	_, _, err = plan.ExecuteQuery(background)
	requireStatus(t, err, adbc.StatusNotImplemented)
}

const endless = "SELECT sum(a.i * b.i) FROM range(10000000) a(i), range(10000000) b(i)"

func TestCancel(t *testing.T) {
	connection := open(t, nil)
	ctx, cancel := context.WithCancel(background)
	statement := statementOf(t, connection, endless)
	failed := make(chan error)
	go func() {
		reader, _, err := statement.ExecuteQuery(ctx)
		if err == nil {
			for reader.Next() {
			}
			err = reader.Err()
			reader.Release()
		}
		failed <- err
	}()
	time.AfterFunc(200*time.Millisecond, cancel)
	requireStatus(t, <-failed, adbc.StatusCancelled)
	requireRows(t, connection, "SELECT 1::BIGINT AS id", `[{"id":1}]`)
}

func TestDeadline(t *testing.T) {
	connection := open(t, nil)
	statement := statementOf(t, connection, endless)
	require.NoError(t, statement.SetOption(flightsql.OptionTimeoutFetch, "0.2"))
	reader, _, err := statement.ExecuteQuery(background)
	require.NoError(t, err)
	defer reader.Release()
	require.False(t, reader.Next())
	requireStatus(t, reader.Err(), adbc.StatusTimeout)
	requireRows(t, connection, "SELECT 1::BIGINT AS id", `[{"id":1}]`)
}
