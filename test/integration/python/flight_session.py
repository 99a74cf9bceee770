"""pyarrow.flight clients that go on in one session by the token that the server gives them, as ADBC does."""

import contextlib

import pyarrow.flight as flight


class Tokens(flight.ClientMiddlewareFactory):
    """One session, over any number of connections."""

    def __init__(self):
        self.token = None

    def start_call(self, _info):
        return Token(self)


class Token(flight.ClientMiddleware):
    def __init__(self, tokens):
        self.tokens = tokens

    def sending_headers(self):
        return {"authorization": self.tokens.token} if self.tokens.token else {}

    def received_headers(self, headers):
        self.tokens.token = next(iter(headers.get("authorization", [])), self.tokens.token)


@contextlib.contextmanager
def session(server, **options):
    with flight.FlightClient(server["uri"], middleware=[Tokens()], **options) as client:
        yield client
