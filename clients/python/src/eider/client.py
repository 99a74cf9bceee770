"""Where it begins."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from typing import Any

from .retry import repeated, told
from .rows import Rows
from .session import DEFAULT_URI, Session
from .table import Table
from .where import listed

# Failures in a row, without an acknowledgement between them.
RETRIES = 8


def connect(
    uri: str | None = None,
    *,
    user: str | None = None,
    password: str | None = None,
    token: str | None = None,
    schema: str | None = None,
    tls_ca: bytes | str | None = None,
    tls_cert: bytes | str | None = None,
    tls_key: bytes | str | None = None,
    tls_server_name: str | None = None,
    tls_skip_verify: bool = False,
    retries: int = RETRIES,
) -> Client:
    """
    A session of the server at grpc://HOST:PORT, or grpc+tls://HOST:PORT. What is not given comes from EIDER_URI,
    EIDER_USER, EIDER_PASSWORD and EIDER_TOKEN. `schema` is where names without one are looked for; `retries` is the
    number of failures in a row after which a call gives up. Raises an EiderError when it cannot sign in.
    """
    tls = {"ca": tls_ca, "cert": tls_cert, "key": tls_key, "server_name": tls_server_name, "skip_verify": tls_skip_verify}
    session = Session(
        uri or os.environ.get("EIDER_URI") or DEFAULT_URI,
        _authorization(user, password, token),
        {} if schema is None else {"schema": schema},
        {name: value for name, value in tls.items() if value},
    )
    client = Client(session, retries)
    told(session, lambda: session.flight)
    return client


def _authorization(user: str | None, password: str | None, token: str | None) -> str | None:
    if token is None and user is None:
        token, user = os.environ.get("EIDER_TOKEN"), os.environ.get("EIDER_USER")
    if token is not None:
        return f"Bearer {token}"
    if user is None:
        return None
    secret = password if password is not None else os.environ.get("EIDER_PASSWORD", "")
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


class Client:
    """Use `connect`. One session, for one thread at a time."""

    def __init__(self, session: Session, retries: int):
        self._session = session
        self._retries = retries

    def table(self, name: str | Sequence[str]) -> Table:
        """`events`, `analytics.events`, `"with.dot"`, or the parts as a list."""
        return Table(self._session, self._retries, name)

    def sql(self, text: str, parameters: Sequence[Any] = ()) -> Rows:
        """One statement; its rows come when they are asked for. It is not repeated when the connection breaks."""
        return Rows(self._session, self._retries, text, listed(parameters), repeatable=False)

    def execute(self, text: str, parameters: Sequence[Any] = ()) -> int:
        """Runs one statement to its end; returns the number of rows changed, -1 where the server does not say."""
        values = listed(parameters)

        def run() -> int:
            with self._session.cursor() as cursor:
                cursor.execute(text, values or None)
                return cursor.rowcount

        return told(self._session, run)

    def flush(self) -> None:
        """Returns once all rows that wait, anybody's, are committed to the lake."""

        def run() -> None:
            with self._session.cursor() as cursor:
                cursor.execute("CALL duckling_queue_flush()")

        repeated(self._session, self._retries, run)

    def close(self) -> None:
        """Ends the session."""
        self._session.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
