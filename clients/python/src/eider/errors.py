"""One error for what pyarrow.flight and ADBC raise."""

import re

import adbc_driver_manager
import pyarrow as pa
import pyarrow.flight as flight

# The trailer in which the server names the row of its table of errors.
CODE_HEADER = "x-eider-error-code"

# The rows that may succeed when tried again.
RETRYABLE_CODES = frozenset(
    {
        "buffer_full",
        "buffer_unavailable",
        "deadline_exceeded",
        "disk_full",
        "lake_unavailable",
        "limit_exceeded",
        "out_of_memory",
        "shutting_down",
        "write_conflict",
    }
)

# How the two libraries name a call that never reached the server, or whose connection broke.
_BROKEN = (
    flight.FlightUnavailableError,
    flight.FlightInternalError,
    flight.FlightTimedOutError,
    flight.FlightCancelledError,
)
_BROKEN_STATUS = {
    adbc_driver_manager.AdbcStatusCode.IO,
    adbc_driver_manager.AdbcStatusCode.INTERNAL,
    adbc_driver_manager.AdbcStatusCode.TIMEOUT,
}

_ADBC_TEXT = re.compile(r"[A-Z_]+: \[FlightSQL\] (.*) \(\w+; [\w.]+\)", re.DOTALL)

# What the two libraries raise for a failed call.
LIBRARY_ERRORS = (pa.ArrowException, adbc_driver_manager.Error, OSError)


class EiderError(Exception):
    """
    A call failed. `code` is the server's code of the error, None where the call did not reach it; `retryable` says
    whether the same call may succeed later.
    """

    def __init__(self, message: str, code: str | None = None, retryable: bool = False):
        super().__init__(message)
        self.code = code
        self.retryable = retryable


def error_of(error: BaseException, code: str | None) -> EiderError:
    """The EiderError of what a library raised; `code` is what the server's trailer said, where it was read apart."""
    if isinstance(error, EiderError):
        return error
    if isinstance(error, adbc_driver_manager.Error):
        # Names are text or bytes, by the version of the driver manager.
        details = {name if isinstance(name, str) else name.decode(): value for name, value in error.details}
        code = details.get(CODE_HEADER, b"").decode() or None
        broken = error.status_code in _BROKEN_STATUS
    else:
        broken = isinstance(error, _BROKEN)
    lost_session = code == "unauthenticated" and "session" in str(error)
    retryable = lost_session or (broken if code is None else code in RETRYABLE_CODES)
    return EiderError(_text_of(error), code, retryable)


def _text_of(error: BaseException) -> str:
    """The server's words, without what the libraries put around them for their own developers."""
    text = str(error).split(". gRPC client debug context:")[0].split(", with message: ", 1)[-1]
    adbc = _ADBC_TEXT.fullmatch(text)
    return adbc[1] if adbc else text
