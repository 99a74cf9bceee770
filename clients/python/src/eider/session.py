"""The server's session, as two libraries see it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow.flight as flight

from .errors import CODE_HEADER, EiderError

DEFAULT_URI = "grpc://127.0.0.1:4214"
DEFAULT_PORT = 4214

# A connection that is gone without a word is noticed within a minute.
_FLIGHT_OPTIONS = [
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 0),
]
_LARGEST_MESSAGE_BYTES = 2**31 - 1


class Session:
    """
    One session for pyarrow.flight and ADBC. It begins with the first call, whose answer names it; when the server no
    longer knows it (it was restarted, or the session idled too long), `forget` makes the next call begin another.
    """

    def __init__(self, uri: str, authorization: str | None, headers: dict[str, str], tls: dict[str, bytes | str | bool]):
        self.uri = _checked(uri)
        self._own_authorization = authorization
        self._headers = headers
        self._tls = tls
        self.authorization = authorization
        self.error_code: str | None = None
        self._flight: flight.FlightClient | None = None
        self._adbc: flight_sql.Connection | None = None
        self._begun = False
        # Rows of an earlier session: the server does not know them for this one's.
        self.has_written = False
        self.has_lost_writes = False

    @property
    def flight(self) -> flight.FlightClient:
        if self._flight is None:
            options = {
                "tls_root_certs": self._tls.get("ca"),
                "cert_chain": self._tls.get("cert"),
                "private_key": self._tls.get("key"),
                "override_hostname": self._tls.get("server_name"),
                "disable_server_verification": self._tls.get("skip_verify"),
            }
            self._flight = flight.FlightClient(
                self.uri,
                middleware=[_Middleware(self)],
                generic_options=_FLIGHT_OPTIONS,
                **{name: value for name, value in options.items() if value},
            )
        if not self._begun:
            self._flight.do_get(flight.Ticket(b"SELECT 1")).read_all()
            self._begun = True
        return self._flight

    @property
    def adbc(self) -> flight_sql.Connection:
        if self._adbc is None:
            # Begins the session, where there is none.
            _ = self.flight
            option = "adbc.flight.sql.client_option."
            options = {
                "adbc.flight.sql.authorization_header": self.authorization,
                f"{option}tls_root_certs": _text(self._tls.get("ca")),
                f"{option}mtls_cert_chain": _text(self._tls.get("cert")),
                f"{option}mtls_private_key": _text(self._tls.get("key")),
                f"{option}tls_override_hostname": self._tls.get("server_name"),
                f"{option}tls_skip_verify": "true" if self._tls.get("skip_verify") else None,
                f"{option}with_max_msg_size": str(_LARGEST_MESSAGE_BYTES),
            }
            self._adbc = flight_sql.connect(
                self.uri, db_kwargs={name: value for name, value in options.items() if value}, autocommit=True
            )
            if self.has_lost_writes:
                with self._adbc.cursor() as cursor:
                    cursor.execute("SET eider_read_consistency = 'strong'")
        return self._adbc

    @contextmanager
    def cursor(self) -> Iterator[flight_sql.Cursor]:
        with self.adbc.cursor() as cursor:
            yield cursor

    def forget(self) -> None:
        """Closes what is open; errors of a connection that is gone are not worth a word."""
        self.has_lost_writes = self.has_lost_writes or self.has_written
        self.authorization = self._own_authorization
        self._begun = False
        adbc, self._adbc = self._adbc, None
        flight_client, self._flight = self._flight, None
        for connection in (adbc, flight_client):
            try:
                if connection is not None:
                    connection.close()
            except Exception:  # noqa: BLE001
                pass

    def close(self) -> None:
        if self._flight is not None and self._begun:
            try:
                # An empty CloseSessionRequest.
                list(self._flight.do_action(flight.Action("CloseSession", b"")))
            except Exception:  # noqa: BLE001 - a server that is gone, or has ended the session by itself
                pass
        self.forget()


class _Middleware(flight.ClientMiddlewareFactory):
    def __init__(self, session: Session):
        self.session = session

    def start_call(self, _info):
        self.session.error_code = None
        return _Call(self.session)


class _Call(flight.ClientMiddleware):
    def __init__(self, session: Session):
        self.session = session

    def sending_headers(self):
        authorization = self.session.authorization
        return {**self.session._headers, **({"authorization": authorization} if authorization else {})}

    def received_headers(self, headers):
        for authorization in headers.get("authorization", []):
            self.session.authorization = authorization
        for code in headers.get(CODE_HEADER, []):
            self.session.error_code = code


def _checked(uri: str) -> str:
    url = urlsplit(uri)
    if url.scheme not in ("grpc", "grpc+tcp", "grpc+tls") or not url.hostname:
        raise EiderError(f"a server's address is grpc://HOST:PORT or, with TLS, grpc+tls://HOST:PORT, not {uri}")
    if url.username or url.password:
        raise EiderError("user and password are given beside the address: connect(uri, user=…, password=…)")
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    return f"{url.scheme}://{host}:{url.port or DEFAULT_PORT}"


def _text(pem: bytes | str | bool | None) -> str | None:
    return pem.decode() if isinstance(pem, bytes) else pem or None


def batch_metadata(op: str | None, token: str) -> bytes:
    """A batch's own `app_metadata`."""
    return json.dumps({**({"op": op} if op else {}), "token": token}).encode()
