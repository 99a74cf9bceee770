package drivers

import (
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-adbc/go/adbc"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"
)

// Three values of every Arrow type that Eider takes, as JSON; whether they come back as that very type.
var types = []struct {
	dataType arrow.DataType
	values   string
	same     bool
}{
	{arrow.FixedWidthTypes.Boolean, `[true, null, false]`, true},
	{arrow.PrimitiveTypes.Int8, `[-128, null, 127]`, true},
	{arrow.PrimitiveTypes.Int16, `[-32768, null, 32767]`, true},
	{arrow.PrimitiveTypes.Int32, `[-2147483648, null, 2147483647]`, true},
	{arrow.PrimitiveTypes.Int64, `[-9007199254740993, null, 1]`, true},
	{arrow.PrimitiveTypes.Uint8, `[0, null, 255]`, true},
	{arrow.PrimitiveTypes.Uint16, `[0, null, 65535]`, true},
	{arrow.PrimitiveTypes.Uint32, `[0, null, 4294967295]`, true},
	{arrow.PrimitiveTypes.Uint64, `[0, null, 18446744073709551615]`, true},
	{arrow.FixedWidthTypes.Float16, `[0.5, null, -1]`, false},
	{arrow.PrimitiveTypes.Float32, `[0.5, null, -1]`, true},
	{arrow.PrimitiveTypes.Float64, `[0.5, null, -1e300]`, true},
	{arrow.BinaryTypes.String, `["", null, "a string of more than twelve bytes"]`, true},
	{arrow.BinaryTypes.LargeString, `["", null, "a string of more than twelve bytes"]`, false},
	{arrow.BinaryTypes.StringView, `["", null, "a string of more than twelve bytes"]`, false},
	{arrow.BinaryTypes.Binary, `["", null, "AAEC"]`, true},
	{arrow.BinaryTypes.LargeBinary, `["", null, "AAEC"]`, false},
	{arrow.BinaryTypes.BinaryView, `["", null, "AAEC"]`, false},
	{&arrow.FixedSizeBinaryType{ByteWidth: 3}, `["AAEC", null, "AAEC"]`, false},
	{arrow.FixedWidthTypes.Date32, `["1970-01-01", null, "2400-02-29"]`, true},
	{arrow.FixedWidthTypes.Date64, `["1970-01-01", null, "2400-02-29"]`, false},
	{arrow.FixedWidthTypes.Time32s, `["00:00:00", null, "23:59:59"]`, false},
	{arrow.FixedWidthTypes.Time32ms, `["00:00:00", null, "23:59:59.999"]`, false},
	{arrow.FixedWidthTypes.Time64us, `["00:00:00", null, "23:59:59.999999"]`, true},
	{arrow.FixedWidthTypes.Time64ns, `["00:00:00", null, "23:59:59.999999"]`, false},
	{arrow.FixedWidthTypes.Timestamp_s, `["1969-12-31 23:59:59Z", null, "2026-01-02 03:04:05Z"]`, false},
	{arrow.FixedWidthTypes.Timestamp_ms, `["1969-12-31 23:59:59.999Z", null, "2026-01-02 03:04:05Z"]`, false},
	{arrow.FixedWidthTypes.Timestamp_us, `["1969-12-31 23:59:59.999999Z", null, "2026-01-02 03:04:05Z"]`, true},
	{arrow.FixedWidthTypes.Timestamp_ns, `["1969-12-31 23:59:59.999999Z", null, "2026-01-02 03:04:05Z"]`, false},
	{&arrow.TimestampType{Unit: arrow.Second}, `["1969-12-31 23:59:59", null, "2026-01-02 03:04:05"]`, true},
	{&arrow.TimestampType{Unit: arrow.Millisecond}, `["1969-12-31 23:59:59.999", null, "2026-01-02 03:04:05"]`, true},
	{&arrow.TimestampType{Unit: arrow.Microsecond}, `["1969-12-31 23:59:59.999999", null, "2026-01-02 03:04:05"]`, true},
	{&arrow.TimestampType{Unit: arrow.Nanosecond}, `["1969-12-31 23:59:59.999999999", null, "2026-01-02 03:04:05"]`, true},
	{&arrow.Decimal32Type{Precision: 9, Scale: 2}, `["1234567.89", null, "-0.01"]`, false},
	{&arrow.Decimal64Type{Precision: 18, Scale: 2}, `["1234567.89", null, "-0.01"]`, false},
	{&arrow.Decimal128Type{Precision: 38, Scale: 2}, `["123456789012345678901234567890123456.78", null, "-0.01"]`, true},
	{&arrow.Decimal128Type{Precision: 4, Scale: 4}, `["0.1234", null, "-0.0001"]`, true},
	{&arrow.Decimal256Type{Precision: 38, Scale: 2}, `["1234.78", null, "-0.01"]`, false},
	{arrow.FixedWidthTypes.MonthDayNanoInterval, `[{"months": 1, "days": 2, "nanoseconds": 3000000}, null, {"months": 0, "days": 0, "nanoseconds": 0}]`, true},
	{arrow.ListOf(arrow.PrimitiveTypes.Int32), `[[1, null, 2], null, []]`, true},
	{arrow.LargeListOf(arrow.PrimitiveTypes.Int32), `[[1, null, 2], null, []]`, false},
	{arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Int32), `[[1, null], null, [3, 4]]`, false},
	{arrow.StructOf(arrow.Field{Name: "a", Type: arrow.PrimitiveTypes.Int32, Nullable: true}), `[{"a": 1}, null, {"a": null}]`, true},
	{arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int32), `[[{"key": "a", "value": 1}], null, []]`, true},
	{&arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}, `["a", null, "a"]`, false},
	{arrow.Null, `[null, null, null]`, false},
}

func TestIngestedTypes(t *testing.T) {
	fields := []arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}}
	columns := []arrow.Array{arrayOf(t, arrow.PrimitiveTypes.Int64, `[1, 2, 3]`)}
	for i, each := range types {
		fields = append(fields, arrow.Field{Name: fmt.Sprintf("c%d", i), Type: each.dataType, Nullable: true})
		columns = append(columns, arrayOf(t, each.dataType, each.values))
	}
	rows := array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, 3)
	expected, err := rows.MarshalJSON()
	require.NoError(t, err)
	connection := open(t, nil)
	require.NoError(t, ingest(newStatement(t, connection), "types", adbc.OptionValueIngestModeReplace, rows))
	reader := query(t, connection, "SELECT * FROM types ORDER BY id")
	for i, each := range types {
		found := reader.Schema().Field(i + 1).Type
		require.Equalf(t, each.same, arrow.TypeEqual(each.dataType, found), "%s comes back as %s", each.dataType, found)
	}
	require.JSONEq(t, string(expected), jsonOf(t, reader))
}

func TestRefusedTypes(t *testing.T) {
	connection := open(t, nil)
	for _, each := range []struct {
		dataType arrow.DataType
		values   string
		says     string
	}{
		{arrow.ListViewOf(arrow.PrimitiveTypes.Int32), `[[1]]`, "send it as list"},
		{arrow.RunEndEncodedOf(arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64), `[1]`, "decode it before sending"},
		{arrow.FixedWidthTypes.Duration_us, `["-5s"]`, "cannot be kept in the lake"},
		{arrow.FixedWidthTypes.Time64ns, `["23:59:59.999999999"]`, "column \"value\""},
	} {
		schema := arrow.NewSchema([]arrow.Field{{Name: "value", Type: each.dataType, Nullable: true}}, nil)
		rows := array.NewRecordBatch(schema, []arrow.Array{arrayOf(t, each.dataType, each.values)}, 1)
		err := ingest(newStatement(t, connection), "refused", adbc.OptionValueIngestModeReplace, rows)
		requireStatus(t, err, adbc.StatusInvalidArgument)
		require.ErrorContains(t, err, each.says)
	}
}

// A parameter's value comes back as it was, and its NULL as a NULL of its type.
func TestBoundTypes(t *testing.T) {
	connection := open(t, nil)
	statement := statementOf(t, connection, "SELECT ? AS value")
	require.NoError(t, statement.Prepare(background))
	for _, each := range types {
		if !each.same {
			continue
		}
		t.Run(each.dataType.String(), func(t *testing.T) {
			schema := arrow.NewSchema([]arrow.Field{{Name: "value", Type: each.dataType, Nullable: true}}, nil)
			bound := arrayOf(t, each.dataType, each.values)
			require.NoError(t, statement.Bind(background, array.NewRecordBatch(schema, []arrow.Array{bound}, 3)))
			reader, _, err := statement.ExecuteQuery(background)
			require.NoError(t, err)
			defer reader.Release()
			require.Truef(t, arrow.TypeEqual(each.dataType, reader.Schema().Field(0).Type), "%s", reader.Schema())
			var found []arrow.Array
			for reader.Next() {
				values := reader.RecordBatch().Column(0)
				values.Retain()
				found = append(found, values)
			}
			require.NoError(t, reader.Err())
			all, err := array.Concatenate(found, memory.DefaultAllocator)
			require.NoError(t, err)
			require.Truef(t, array.Equal(bound, all), "%s came back as %s", bound, all)
		})
	}
}

func arrayOf(t *testing.T, dataType arrow.DataType, json string) arrow.Array {
	t.Helper()
	values, _, err := array.FromJSON(memory.DefaultAllocator, dataType, strings.NewReader(json))
	require.NoError(t, err)
	return values
}
