"""Every way to sign in with stock clients, over TLS, and what roles allow. What the test has made is in EIDER_TEST_AUTH."""

import base64
import json
import os
import ssl
import urllib.error
import urllib.request

import adbc_driver_flightsql
import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow as pa
import pyarrow.flight as flight

from cases import raises

MADE = json.loads(os.environ["EIDER_TEST_AUTH"])
OPTIONS = adbc_driver_flightsql.DatabaseOptions
CA = {OPTIONS.TLS_ROOT_CERTS.value: MADE["ca"]}
MTLS_CERT = "adbc.flight.sql.client_option.mtls_cert_chain"
MTLS_KEY = "adbc.flight.sql.client_option.mtls_private_key"


def adbc(server, **options):
    return flight_sql.connect(server["uri"], db_kwargs={**CA, **options}, autocommit=True)


def by_password(server, user, password="correct horse"):
    return adbc(server, username=user, password=password)


def by_header(server, header):
    return adbc(server, **{OPTIONS.AUTHORIZATION_HEADER.value: header})


def fetch(connection, sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def run(connection, sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)


def arrow(server, **options):
    return flight.connect(server["uri"], tls_root_certs=MADE["ca"], **options)


def query(client, sql, options=None):
    return client.do_get(flight.Ticket(sql.encode()), options).read_all()


def call_options(header):
    return flight.FlightCallOptions(headers=[(b"authorization", header.encode())])


def basic(user, password="correct horse"):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def refused(call, word):
    try:
        call()
    except Exception as error:  # noqa: BLE001 - each client has a class of its own
        assert word in str(error) or word in repr(error), f"{word} is not in {error!r}"
        return
    raise AssertionError("it was not refused")


def case_adbc_signs_in_by_password(server):
    with by_password(server, "ada") as connection:
        assert fetch(connection, "SELECT 41 + 1") == [(42,)]


def case_each_connection_has_a_session_of_its_own(server):
    with by_password(server, "ada") as one, by_password(server, "ada") as other:
        run(one, "CREATE TEMP TABLE mine AS SELECT 1 AS a")
        assert fetch(one, "SELECT a FROM mine") == [(1,)]
        refused(lambda: fetch(other, "SELECT a FROM temp.mine"), "mine")


def case_a_wrong_password_is_unauthenticated(server):
    refused(lambda: by_password(server, "ada", "wrong").__enter__(), "UNAUTHENTICATED")


def case_a_name_that_is_not_known_is_told_like_a_wrong_password(server):
    refused(lambda: by_password(server, "nobody").__enter__(), "wrong user name or password")


def case_without_credentials_nothing_is_answered(server):
    with adbc(server) as connection:
        refused(lambda: fetch(connection, "SELECT 1"), "UNAUTHENTICATED")
    refused(lambda: query(arrow(server), "SELECT 1"), "credentials are needed")
    refused(lambda: list(arrow(server).list_flights()), "credentials are needed")
    refused(lambda: list(arrow(server).list_actions()), "credentials are needed")


def case_adbc_sends_a_bearer_token(server):
    with by_header(server, f"Bearer {MADE['tokens']['loader']}") as connection:
        assert fetch(connection, "SELECT 1") == [(1,)]


def case_adbc_sends_basic_on_every_call(server):
    with by_header(server, basic("ada")) as connection:
        assert fetch(connection, "SELECT 1") == [(1,)]
        assert fetch(connection, "SELECT 2") == [(2,)]


def case_a_token_that_is_not_known_is_unauthenticated(server):
    with by_header(server, "Bearer eider-token-guess") as connection:
        refused(lambda: fetch(connection, "SELECT 1"), "UNAUTHENTICATED")


def case_a_jwt_brings_its_roles(server):
    with by_header(server, f"Bearer {MADE['jwts']['reader']}") as connection:
        assert fetch(connection, "SELECT count(*) >= 0 FROM main.shared") == [(True,)]
        refused(lambda: run(connection, "INSERT INTO main.shared VALUES (1)"), "needs the role write")


def case_a_jwt_of_a_user_has_the_roles_of_the_users_file(server):
    with by_header(server, f"Bearer {MADE['jwts']['ada']}") as connection:
        assert fetch(connection, "SELECT 1 FROM sales.orders LIMIT 0") == []


def case_jwts_that_are_not_right_are_unauthenticated(server):
    for name in ["expired", "other_audience", "other_key", "no_expiry", "unsigned", "hmac_with_public_key"]:
        with by_header(server, f"Bearer {MADE['jwts'][name]}") as connection:
            refused(lambda: fetch(connection, "SELECT 1"), "UNAUTHENTICATED")


def case_pyarrow_authenticates_by_basic_token(server):
    client = arrow(server)
    header = client.authenticate_basic_token("ada", "correct horse")
    options = flight.FlightCallOptions(headers=[header])
    query(client, "CREATE TEMP TABLE kept AS SELECT 5 AS a", options)
    assert query(client, "SELECT a FROM kept", options)["a"].to_pylist() == [5]
    refused(lambda: arrow(server).authenticate_basic_token("ada", "wrong"), "wrong user name or password")


class LegacyAuth(flight.ClientAuthHandler):
    def __init__(self, password):
        super().__init__()
        self.basic = flight.BasicAuth("ada", password)
        self.token = None

    def authenticate(self, outgoing, incoming):
        outgoing.write(self.basic.serialize())
        self.token = incoming.read()

    def get_token(self):
        return self.token


def case_pyarrow_authenticates_the_legacy_way(server):
    client = arrow(server)
    client.authenticate(LegacyAuth("correct horse"))
    assert query(client, "SELECT 1 AS a")["a"].to_pylist() == [1]
    refused(lambda: arrow(server).authenticate(LegacyAuth("wrong")), "wrong user name or password")


def case_pyarrow_sends_basic_and_bearer_headers(server):
    client = arrow(server)
    for header in [basic("ada"), f"Bearer {MADE['tokens']['ada']}"]:
        assert query(client, "SELECT 1 AS a", call_options(header))["a"].to_pylist() == [1]


def case_a_client_certificate_is_an_identity(server):
    options = {MTLS_CERT: MADE["clientCert"], MTLS_KEY: MADE["clientKey"]}
    with adbc(server, **options) as connection:
        run(connection, "CREATE TEMP TABLE held AS SELECT 2 AS a")
        assert fetch(connection, "SELECT a FROM held") == [(2,)]
        refused(lambda: run(connection, "CREATE TABLE main.by_machine (a INT)"), "machine does not have")
    client = arrow(server, cert_chain=MADE["clientCert"], private_key=MADE["clientKey"])
    assert query(client, "SELECT 1 AS a")["a"].to_pylist() == [1]


def case_a_certificate_of_another_authority_is_none(server):
    client = arrow(server, cert_chain=MADE["strangerCert"], private_key=MADE["strangerKey"])
    refused(lambda: query(client, "SELECT 1"), "credentials are needed")


def case_a_client_that_does_not_know_the_authority_goes_away(server):
    refused(lambda: query(flight.connect(server["uri"]), "SELECT 1"), "failed to connect")


def case_roles_hold_for_every_way_to_write(server):
    rows = pa.table({"id": [1, 2]})
    with by_password(server, "ada") as connection, connection.cursor() as cursor:
        assert cursor.adbc_ingest("orders", rows, mode="append", db_schema_name="sales") == 2
        refused(
            lambda: cursor.adbc_ingest("shared", rows, mode="append", db_schema_name="main"), "needs the role write"
        )
        refused(lambda: cursor.adbc_ingest("mine", rows, mode="create", db_schema_name="secret"), "needs the role write")
        run(connection, "INSERT INTO sales.orders VALUES (3)")
        refused(lambda: run(connection, "INSERT INTO duckling_queue.shared VALUES (1)"), "needs the role write")
        assert fetch(connection, "SELECT count(*) >= 3 FROM sales.orders") == [(True,)]
        refused(lambda: fetch(connection, "SELECT * FROM secret.plans"), "needs the role read")
    with by_password(server, "ada") as connection, connection.cursor() as cursor:
        assert cursor.adbc_ingest("mine", rows, mode="create", temporary=True) == 2
    client = arrow(server)
    options = call_options(basic("ada"))

    def put(*path):
        writer, reader = client.do_put(flight.FlightDescriptor.for_path(*path), rows.schema, options)
        writer.write_batch(rows.to_batches()[0])
        writer.done_writing()
        answer = reader.read()
        writer.close()
        return answer

    assert put("sales", "orders") is not None
    refused(lambda: put("shared"), "needs the role write")
    refused(lambda: query(client, "SELECT * FROM secret.plans", options), "needs the role read")


def case_metadata_show_what_may_be_read(server):
    with by_password(server, "ada") as connection:
        objects = connection.adbc_get_objects(depth="tables").read_all().to_pylist()
        schemas = {s["db_schema_name"] for catalog in objects for s in catalog["catalog_db_schemas"] or []}
        assert schemas == {"main", "sales"}, schemas
    paths = [info.descriptor.path for info in arrow(server).list_flights(options=call_options(basic("ada")))]
    assert [b"secret", b"plans"] not in paths and [b"sales", b"orders"] in paths, paths


def case_sessions_and_tickets_are_not_for_others(server):
    client = arrow(server)
    ada, loader = call_options(basic("ada")), call_options(f"Bearer {MADE['tokens']['loader']}")
    info = client.get_flight_info(flight.FlightDescriptor.for_command(b"SELECT 7 AS a"), ada)
    refused(lambda: client.do_get(info.endpoints[0].ticket, loader).read_all(), "no such ticket")
    assert client.do_get(info.endpoints[0].ticket, ada).read_all()["a"].to_pylist() == [7]


def case_who_has_no_role_begins_no_session(server):
    guest = call_options(basic("guest"))
    client = arrow(server)
    for sql in ["SELECT 1", "SELECT table_name FROM duckdb_tables()", "CREATE TEMP TABLE big (a INT)"]:
        refused(lambda sql=sql: query(client, sql, guest), "needs the role read on some schema")
    refused(lambda: list(client.do_action(flight.Action("BeginTransaction", b""), guest)), "needs the role read")
    with by_password(server, "guest") as connection, connection.cursor() as cursor:
        rows = pa.table({"id": [1]})
        refused(lambda: cursor.adbc_ingest("mine", rows, mode="create", temporary=True), "needs the role read")
        refused(lambda: connection.adbc_get_objects(depth="tables").read_all(), "needs the role read")
    status, _headers, text = http(server, "/nowhere", basic("guest"))
    assert status == 403 and "GET of this path needs the role read" in text, (status, text)


def http(server, path, header=None, body=None):
    context = ssl.create_default_context(cadata=MADE["ca"])
    headers = {} if header is None else {"authorization": header}
    request = urllib.request.Request(server["http"] + path, headers=headers, data=body)
    try:
        with urllib.request.urlopen(request, context=context) as response:
            return response.status, dict(response.headers), response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read().decode()


def case_http_follows_the_same_rules(server):
    assert http(server, "/health")[0] == 200
    status, headers, text = http(server, "/metrics")
    assert status == 401 and "Basic" in headers["www-authenticate"], (status, headers, text)
    assert http(server, "/metrics", basic("ada", "wrong"))[0] == 401
    assert http(server, "/metrics", basic("ada"))[0] == 200
    assert http(server, "/metrics", f"Bearer {MADE['tokens']['ada']}")[0] == 200
    assert http(server, "/metrics", f"Bearer {MADE['jwts']['reader']}")[0] == 200
    assert http(server, "/flush", basic("ada"), b"")[0] == 403
    assert http(server, "/flush", f"Bearer {MADE['tokens']['root']}", b"")[0] == 200
    assert http(server, "/no-such-route")[0] == 401


def case_failures_are_counted_by_reason(server):
    refused(lambda: query(arrow(server), "SELECT 1", call_options("Bearer eider-token-x")), "not known")
    text = http(server, "/metrics", basic("ada"))[2]
    for reason in ["no_credentials", "password", "token", "jwt"]:
        assert f'eider_auth_failures_total{{reason="{reason}"}}' in text, reason
