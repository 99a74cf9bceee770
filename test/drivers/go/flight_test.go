package drivers

import (
	"strings"
	"testing"

	"github.com/apache/arrow-adbc/go/adbc/validation"
	"github.com/apache/arrow-go/v18/arrow/flight"
	sqlclient "github.com/apache/arrow-go/v18/arrow/flight/flightsql"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// arrow-go's own client says all that the protocol can, more than the ADBC driver.
func flightClient(t *testing.T) *sqlclient.Client {
	t.Helper()
	address := strings.TrimPrefix(setting("EIDER_URI"), "grpc://")
	client, err := sqlclient.NewClient(address, nil, nil, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { validation.CheckedClose(t, client) })
	return client
}

func fetch(t *testing.T, client *sqlclient.Client, info *flight.FlightInfo) string {
	t.Helper()
	require.Len(t, info.Endpoint, 1)
	reader, err := client.DoGet(background, info.Endpoint[0].Ticket)
	require.NoError(t, err)
	defer reader.Release()
	return jsonOf(t, reader)
}

// How far a statement is, while PollFlightInfo waits for it; the driver hides it until the statement has ended.
func TestPollProgress(t *testing.T) {
	client := flightClient(t)
	_, err := client.ExecuteUpdate(background, "CREATE TEMP TABLE million AS SELECT i FROM range(1000000) r(i)")
	require.NoError(t, err)
	poll, err := client.ExecutePoll(background, "CREATE TEMP TABLE endless AS SELECT sum(a.i * b.i) FROM million a, million b", nil)
	require.NoError(t, err)
	require.NotNil(t, poll.FlightDescriptor)
	require.NotNil(t, poll.Progress)
	require.GreaterOrEqual(t, *poll.Progress, 0.0)
	require.Less(t, *poll.Progress, 1.0)
	result, err := client.CancelFlightInfo(background, &flight.CancelFlightInfoRequest{Info: poll.Info})
	require.NoError(t, err)
	require.Equal(t, flight.CancelStatusCancelled, result.Status)
}

func TestPrimaryKeys(t *testing.T) {
	client := flightClient(t)
	_, err := client.ExecuteUpdate(background, "CREATE OR REPLACE TABLE keyed (id BIGINT, name VARCHAR, PRIMARY KEY (id, name))")
	require.NoError(t, err)
	schema := "main"
	info, err := client.GetPrimaryKeys(background, sqlclient.TableRef{DBSchema: &schema, Table: "keyed"})
	require.NoError(t, err)
	require.JSONEq(t, `[
		{"catalog_name":"lake","db_schema_name":"main","table_name":"keyed","column_name":"id","key_sequence":1,"key_name":null},
		{"catalog_name":"lake","db_schema_name":"main","table_name":"keyed","column_name":"name","key_sequence":2,"key_name":null}
	]`, fetch(t, client, info))
}

// Several transactions of one session see and end their own work only.
func TestTransactionsSideBySide(t *testing.T) {
	client := flightClient(t)
	for _, table := range []string{"kept", "dropped"} {
		_, err := client.ExecuteUpdate(background, "CREATE OR REPLACE TABLE "+table+" (id BIGINT)")
		require.NoError(t, err)
	}
	kept, err := client.BeginTransaction(background)
	require.NoError(t, err)
	dropped, err := client.BeginTransaction(background)
	require.NoError(t, err)
	count, err := kept.ExecuteUpdate(background, "INSERT INTO kept VALUES (1), (2)")
	require.NoError(t, err)
	require.EqualValues(t, 2, count)
	_, err = dropped.ExecuteUpdate(background, "INSERT INTO dropped VALUES (1)")
	require.NoError(t, err)
	const counts = "SELECT (SELECT count(*) FROM kept) AS kept, (SELECT count(*) FROM dropped) AS dropped"
	info, err := kept.Execute(background, counts)
	require.NoError(t, err)
	require.JSONEq(t, `[{"kept":2,"dropped":0}]`, fetch(t, client, info))
	info, err = dropped.Execute(background, counts)
	require.NoError(t, err)
	require.JSONEq(t, `[{"kept":0,"dropped":1}]`, fetch(t, client, info))
	require.NoError(t, dropped.Rollback(background))
	require.NoError(t, kept.Commit(background))
	info, err = client.Execute(background, counts)
	require.NoError(t, err)
	require.JSONEq(t, `[{"kept":2,"dropped":0}]`, fetch(t, client, info))
}

func TestNotImplemented(t *testing.T) {
	client := flightClient(t)
	plan := sqlclient.SubstraitPlan{Plan: []byte("plan"), Version: "1"}
	transaction, err := client.BeginTransaction(background)
	require.NoError(t, err)
	for name, call := range map[string]func() error{
		"CommandStatementSubstraitPlan": func() error { _, err := client.ExecuteSubstrait(background, plan); return err },
		"CreatePreparedSubstraitPlan":   func() error { _, err := client.PrepareSubstrait(background, plan); return err },
		"BeginSavepoint":                func() error { _, err := transaction.BeginSavepoint(background, "a"); return err },
	} {
		err := call()
		require.Equal(t, codes.Unimplemented, status.Code(err), name)
		require.ErrorContains(t, err, name)
	}
	require.NoError(t, transaction.Rollback(background))
}
