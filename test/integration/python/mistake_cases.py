"""What a user's mistakes are told: the status that their kind has in Flight, and DuckDB's words; never INTERNAL."""

import adbc_driver_manager
import pyarrow.flight as flight

from adbc_cases import connect, scalar
from cases import raises

WRONG, MISSING, THERE, DENIED = "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "UNAUTHORIZED"
STATUS = adbc_driver_manager.AdbcStatusCode

MISTAKES = [
    (WRONG, "SELEC 1", 'syntax error at or near "SELEC"', "LINE 1", "^"),
    (WRONG, "SELECT 1; SELEC 2", 'syntax error at or near "SELEC"'),
    (WRONG, "SELECT 1/", "syntax error at end of input"),
    (WRONG, "-- nothing", "has no statement"),
    (MISSING, "SELECT * FROM nowhere", "nowhere does not exist", "LINE 1", "^"),
    (MISSING, "SELECT nothing FROM told_off", 'column "nothing" not found', "^"),
    (MISSING, "SELECT no_function(1)", "no_function does not exist"),
    (MISSING, "CALL no_procedure()", "no_procedure does not exist"),
    (MISSING, "EXPLAIN SELECT * FROM nowhere", "nowhere does not exist"),
    (MISSING, "CREATE VIEW v AS SELECT * FROM nowhere", "nowhere does not exist"),
    (MISSING, "DROP TABLE nowhere", "nowhere does not exist"),
    (MISSING, "DELETE FROM nowhere", "nowhere does not exist"),
    (MISSING, "UPDATE told_off SET nothing = 1", "nothing not found"),
    (MISSING, "INSERT INTO told_off (nothing) VALUES (1)", '"nothing"'),
    (MISSING, "SELECT * FROM read_parquet('/no/such/file.parquet')", "No files found"),
    (MISSING, "CALL duckling_queue_flush('nowhere')", "main.nowhere does not exist"),
    (MISSING, "CALL eider_set_primary_key('nowhere', ['id'])", "main.nowhere does not exist"),
    (WRONG, "CALL eider_set_primary_key('told_off', ['nothing'])", "nothing is not a column of main.told_off"),
    (THERE, "CREATE TABLE told_off (id INTEGER)", '"told_off" already exists'),
    (THERE, "CREATE SCHEMA main", '"main" already exists'),
    (THERE, "ALTER TABLE told_off ADD COLUMN id INTEGER", "id already exists"),
    (WRONG, "INSERT INTO told_off VALUES (1, 2, 3)", "1 columns but 3 values"),
    (WRONG, "INSERT INTO duckling_queue.told_off VALUES ('x')", "Could not convert string 'x'"),
    (WRONG, "INSERT INTO duckling_queue.told_off_by_key VALUES (NULL)", 'column "id"', "primary key", "nothing of the batch"),
    (WRONG, "SELECT 'a'::INTEGER", "Could not convert string 'a'"),
    (WRONG, "SELECT 2147483647::INTEGER + 1::INTEGER", "Overflow in addition"),
    (WRONG, "SELECT sum('a')", "sum(VARCHAR)"),
    (WRONG, "SELECT error('boom')", "boom"),
    (WRONG, "SELECT $1", "1 parameters, but 0 values"),
    (WRONG, "SELECT $1, $3", "gaps in their numbers"),
    (WRONG, "INSERT INTO duckling_queue.told_off VALUES ($2)", "gaps in their numbers"),
    (WRONG, "SELECT * FROM told_off AT (VERSION => 999999)", "No snapshot found"),
    (WRONG, "SET no_setting = 1", "no_setting"),
    (WRONG, "CREATE TABLE huge (n HUGEINT)", '"n"', "DECIMAL(38,0)"),
    (WRONG, "CREATE TABLE u (a INTEGER PRIMARY KEY, b INTEGER UNIQUE)", "UNIQUE"),
    (WRONG, "CREATE INDEX i ON told_off (id)", "does not support indexes"),
    (WRONG, "ALTER TABLE told_off ADD PRIMARY KEY (id)", "CALL eider_set_primary_key"),
    (MISSING, "SELECT * FROM duckling_queue.told_off", "takes INSERT INTO duckling_queue.TABLE alone", "main.TABLE itself"),
    (MISSING, "DELETE FROM duckling_queue.told_off", "takes INSERT INTO duckling_queue.TABLE alone"),
    (MISSING, "INSERT INTO duckling_queue.main.told_off VALUES (1)", "takes INSERT INTO duckling_queue.TABLE alone"),
    (WRONG, "CREATE TABLE duckling_queue.told (id INTEGER)", "takes INSERT INTO duckling_queue.TABLE alone"),
    (DENIED, "DROP SCHEMA _eider CASCADE", "Eider's own state"),
    (DENIED, 'drop schema if exists lake."_eider" cascade', "Eider's own state"),
    (DENIED, "SELECT 1; DROP SCHEMA lake._eider CASCADE", "Eider's own state"),
    (MISSING, "LOAD no_extension", "no_extension"),
]


def prepare(cursor):
    cursor.execute("CREATE TABLE IF NOT EXISTS told_off (id INTEGER)")
    cursor.execute("CREATE TABLE IF NOT EXISTS told_off_by_key (id BIGINT PRIMARY KEY)")


def case_adbc_tells_each_by_its_status_and_goes_on(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        prepare(cursor)
        for status, sql, *words in MISTAKES:

            def run(text=sql):
                cursor.execute(text)
                cursor.fetchall()

            error = raises(adbc_driver_manager.Error, run, *words)
            assert error.status_code == STATUS[status], f"{sql}: {error}"
            assert scalar(cursor, "SELECT 42") == 42


IN_FLIGHT = {WRONG: "invalid argument error", MISSING: "not found error", THERE: "already exists error", DENIED: "unauthorized error"}


def case_a_script_without_prepared_statements_is_told_the_same(server):
    with connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        prepare(cursor)
    with flight.connect(server["uri"]) as client:
        for status, sql, *words in MISTAKES:

            def run(text=sql):
                info = client.get_flight_info(flight.FlightDescriptor.for_command(text.encode()))
                for endpoint in info.endpoints:
                    client.do_get(endpoint.ticket).read_all()

            raises(Exception, run, IN_FLIGHT[status], *words)
