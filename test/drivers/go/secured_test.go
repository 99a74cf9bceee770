package drivers

import (
	"database/sql"
	"testing"

	"github.com/apache/arrow-adbc/go/adbc"
	"github.com/apache/arrow-adbc/go/adbc/driver/flightsql"
	"github.com/apache/arrow-adbc/go/adbc/validation"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"
)

// A server with users and TLS.

func TestSecuredConnection(t *testing.T) {
	roots := setting("EIDER_AUTHORITY")
	for name, options := range map[string]map[string]string{
		"password": {adbc.OptionKeyUsername: "joe", adbc.OptionKeyPassword: setting("EIDER_PASSWORD")},
		"token":    {flightsql.OptionAuthorizationHeader: "Bearer " + setting("EIDER_TOKEN")},
		"certificate": {
			flightsql.OptionMTLSCertChain: setting("EIDER_CLIENT_CERTIFICATE"), flightsql.OptionMTLSPrivateKey: setting("EIDER_CLIENT_KEY"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			options[flightsql.OptionSSLRootCerts] = roots
			requireOwnSessions(t, options)
		})
	}
}

func TestSecuredRefusals(t *testing.T) {
	roots := setting("EIDER_AUTHORITY")
	for name, refused := range map[string]struct {
		options map[string]string
		status  adbc.Status
	}{
		"wrong password": {map[string]string{
			adbc.OptionKeyUsername: "joe", adbc.OptionKeyPassword: "guessed", flightsql.OptionSSLRootCerts: roots,
		}, adbc.StatusUnauthenticated},
		"wrong token": {map[string]string{
			flightsql.OptionAuthorizationHeader: "Bearer guessed", flightsql.OptionSSLRootCerts: roots,
		}, adbc.StatusUnauthenticated},
		"nothing":             {map[string]string{flightsql.OptionSSLRootCerts: roots}, adbc.StatusUnauthenticated},
		"unknown certificate": {map[string]string{adbc.OptionKeyUsername: "joe", adbc.OptionKeyPassword: setting("EIDER_PASSWORD")}, adbc.StatusIO},
	} {
		t.Run(name, func(t *testing.T) {
			refused.options[adbc.OptionKeyURI] = setting("EIDER_URI")
			database, err := flightsql.NewDriver(memory.DefaultAllocator).NewDatabase(refused.options)
			require.NoError(t, err)
			defer validation.CheckedClose(t, database)
			connection, err := database.Open(background)
			if err == nil {
				defer connection.Close()
				_, err = statementOf(t, connection, "SELECT 1").ExecuteUpdate(background)
			}
			requireStatus(t, err, refused.status)
		})
	}
}

func TestSecuredSQL(t *testing.T) {
	database, err := sql.Open("flightsql", "uri="+setting("EIDER_URI")+";username=joe;password="+setting("EIDER_PASSWORD")+
		";adbc.flight.sql.client_option.tls_skip_verify=true")
	require.NoError(t, err)
	defer validation.CheckedClose(t, database)
	var one int64
	require.NoError(t, database.QueryRow("SELECT 1::BIGINT").Scan(&one))
	require.EqualValues(t, 1, one)
}
