package drivers

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/suite"

	"github.com/apache/arrow-adbc/go/adbc/validation"
)

// ADBC's own validation suites.

func TestValidateDatabase(t *testing.T) {
	suite.Run(t, &validation.DatabaseTests{Quirks: &quirks{}})
}

func TestValidateConnection(t *testing.T) {
	suite.Run(t, &validation.ConnectionTests{Quirks: &quirks{}})
}

func TestValidateStatement(t *testing.T) {
	suite.Run(t, &statementTests{validation.StatementTests{Quirks: &quirks{}}})
}

// What the driver makes impossible for every server, by test and subtest.
var skips = map[string]string{
	"TestSqlIngestErrors/append_to_nonexistent_table":       "the driver never sets a SQLSTATE; TestIngestErrors asks for NOT_FOUND",
	"TestSqlIngestErrors/overwrite_and_incompatible_schema": "asks for INTERNAL where adbc.h says ALREADY_EXISTS; TestIngestErrors asks for that",
}

// In 1.12.0 only: 1.11.0 runs them.
var skips1_12 = map[string]string{
	"TestSqlIngestInts":         keptBinding,
	"TestSqlIngestAppend":       keptBinding,
	"TestSqlIngestReplace":      keptBinding,
	"TestSqlIngestCreateAppend": keptBinding,
}

const keptBinding = "SetSqlQuery forgets the ingest's table but not its rows, and the driver then refuses to run the query"

type statementTests struct {
	validation.StatementTests
}

func (s *statementTests) BeforeTest(_, name string) { s.skip(name) }

func (s *statementTests) SetupSubTest() {
	_, name, _ := strings.Cut(s.T().Name(), "/")
	s.skip(name)
}

func (s *statementTests) skip(name string) {
	reason, found := skips[name]
	if !found && setting("EIDER_ADBC") == "1.12.0" {
		reason, found = skips1_12[name]
	}
	if found {
		s.T().Skip(reason)
	}
}
