"""When to try again."""

import time
from collections.abc import Callable
from typing import TypeVar

from .errors import LIBRARY_ERRORS, EiderError, error_of
from .session import Session

FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 10.0

T = TypeVar("T")


class Retries:
    """Counts failures in a row; waits longer after each, and raises the last when there were too many."""

    def __init__(self, session: Session, limit: int):
        self._session = session
        self._limit = limit
        self._failures = 0

    def succeeded(self) -> None:
        self._failures = 0

    def after(self, error: BaseException) -> None:
        told = error_of(error, self._session.error_code)
        self._failures += 1
        if not told.retryable or self._failures > self._limit:
            raise told from error
        self._session.forget()
        time.sleep(min(FIRST_DELAY_S * 2 ** (self._failures - 1), LONGEST_DELAY_S))


def repeated(session: Session, limit: int, call: Callable[[], T]) -> T:
    """What the call returns; for calls that may be made twice."""
    retries = Retries(session, limit)
    while True:
        try:
            return call()
        except (*LIBRARY_ERRORS, EiderError) as error:
            session_error = error
        retries.after(session_error)


def told(session: Session, call: Callable[[], T]) -> T:
    """What the call returns; once, with its error told as an EiderError."""
    try:
        return call()
    except LIBRARY_ERRORS as error:
        told_error = error_of(error, session.error_code)
        if told_error.retryable:
            session.forget()
        raise told_error from error
