package drivers

import (
	"context"
	"testing"

	"github.com/apache/arrow-adbc/go/adbc"
	"github.com/apache/arrow-adbc/go/adbc/driver/flightsql"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// quirks is what ADBC's validation suites may expect of Eider.
type quirks struct {
	// The driver's own memory. That of the rows which it ingests is not counted: the driver never releases them.
	memory *memory.CheckedAllocator
}

func (q *quirks) SetupDriver(*testing.T) adbc.Driver {
	q.memory = memory.NewCheckedAllocator(memory.DefaultAllocator)
	return flightsql.NewDriver(q.memory)
}

func (q *quirks) TearDownDriver(t *testing.T, _ adbc.Driver) { q.memory.AssertSize(t, 0) }

func (q *quirks) DatabaseOptions() map[string]string {
	return map[string]string{adbc.OptionKeyURI: setting("EIDER_URI")}
}

func (q *quirks) Alloc() memory.Allocator  { return memory.DefaultAllocator }
func (q *quirks) BindParameter(int) string { return "?" }
func (q *quirks) Catalog() string          { return "lake" }
func (q *quirks) DBSchema() string         { return "main" }

func (q *quirks) SupportsBulkIngest(string) bool              { return true }
func (q *quirks) SupportsConcurrentStatements() bool          { return true }
func (q *quirks) SupportsCurrentCatalogSchema() bool          { return true }
func (q *quirks) SupportsDynamicParameterBinding() bool       { return true }
func (q *quirks) SupportsErrorIngestIncompatibleSchema() bool { return true }
func (q *quirks) SupportsExecuteSchema() bool                 { return true }
func (q *quirks) SupportsGetParameterSchema() bool            { return true }
func (q *quirks) SupportsGetSetOptions() bool                 { return true }
func (q *quirks) SupportsPartitionedData() bool               { return true }
func (q *quirks) SupportsTransactions() bool                  { return true }

// Flight SQL has no command for statistics: the driver itself says that they are not implemented.
func (q *quirks) SupportsStatistics() bool { return false }

func (q *quirks) GetMetadata(code adbc.InfoCode) any {
	switch code {
	case adbc.InfoDriverName:
		return "ADBC Flight SQL Driver - Go"
	case adbc.InfoDriverVersion, adbc.InfoDriverArrowVersion:
		// A test's binary does not know the versions of its modules (golang/go#33976).
		return "(unknown or development build)"
	case adbc.InfoDriverADBCVersion:
		return adbc.AdbcVersion1_1_0
	case adbc.InfoVendorName:
		return "eider"
	case adbc.InfoVendorVersion:
		return setting("EIDER_VERSION")
	case adbc.InfoVendorArrowVersion:
		return setting("EIDER_ARROW_VERSION")
	}
	return nil
}

func (q *quirks) CreateSampleTable(table string, rows arrow.RecordBatch) error {
	database, err := flightsql.NewDriver(memory.DefaultAllocator).NewDatabase(q.DatabaseOptions())
	if err != nil {
		return err
	}
	defer database.Close()
	connection, err := database.Open(context.Background())
	if err != nil {
		return err
	}
	defer connection.Close()
	statement, err := connection.NewStatement()
	if err != nil {
		return err
	}
	defer statement.Close()
	return ingest(statement, table, adbc.OptionValueIngestModeReplace, rows)
}

func (q *quirks) SampleTableSchemaMetadata(table string, dataType arrow.DataType) arrow.Metadata {
	facts := map[arrow.Type]map[string]string{
		arrow.INT64:  {"TYPE_NAME": "BIGINT", "PRECISION": "19", "SCALE": "0"},
		arrow.STRING: {"TYPE_NAME": "VARCHAR", "IS_CASE_SENSITIVE": "1"},
	}
	metadata := map[string]string{
		"ARROW:FLIGHT:SQL:CATALOG_NAME":   q.Catalog(),
		"ARROW:FLIGHT:SQL:DB_SCHEMA_NAME": q.DBSchema(),
		"ARROW:FLIGHT:SQL:SCHEMA_NAME":    q.DBSchema(),
		"ARROW:FLIGHT:SQL:TABLE_NAME":     table,
		"ARROW:FLIGHT:SQL:IS_SEARCHABLE":  "1",
	}
	for key, value := range facts[dataType.ID()] {
		metadata["ARROW:FLIGHT:SQL:"+key] = value
	}
	return arrow.MetadataFrom(metadata)
}

func (q *quirks) DropTable(connection adbc.Connection, table string) error {
	statement, err := connection.NewStatement()
	if err != nil {
		return err
	}
	defer statement.Close()
	if err := statement.SetSqlQuery(`DROP TABLE IF EXISTS "` + table + `"`); err != nil {
		return err
	}
	_, err = statement.ExecuteUpdate(context.Background())
	return err
}

func ingest(statement adbc.Statement, table string, mode string, rows arrow.RecordBatch) error {
	if err := statement.SetOption(adbc.OptionKeyIngestTargetTable, table); err != nil {
		return err
	}
	if err := statement.SetOption(adbc.OptionKeyIngestMode, mode); err != nil {
		return err
	}
	if err := statement.Bind(context.Background(), rows); err != nil {
		return err
	}
	_, err := statement.ExecuteUpdate(context.Background())
	return err
}
