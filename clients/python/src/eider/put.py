"""DoPut to a path: each batch is acknowledged once it is durable."""

import json
from collections import deque
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.flight as flight

from .errors import LIBRARY_ERRORS, EiderError
from .retry import Retries
from .session import Session, batch_metadata

# Sent and not acknowledged: kept, to be sent again.
IN_FLIGHT_BATCHES = 64
IN_FLIGHT_BYTES = 32 * 1024 * 1024


class Put:
    """
    Sends batches and counts what was acknowledged. When the connection breaks, the server restarts or is full, what was
    not acknowledged is sent again with the same tokens: nothing is lost, and nothing stored twice.
    """

    def __init__(self, session: Session, path: tuple[str, ...], schema: pa.Schema, op: str | None, token: str):
        self._session = session
        self._path = path
        self._schema = schema
        self._op = op
        self._token = token
        # In order; the first is acknowledged next.
        self._waiting: deque[tuple[pa.RecordBatch, bytes]] = deque()
        self._waiting_bytes = 0
        self._pulled = 0
        self.batches = 0
        self.rows = 0

    def run(self, source: Iterator[pa.RecordBatch], limit: int) -> None:
        """Raises an EiderError when trying again cannot help, or has not; what `source` raises goes through."""
        retries = Retries(self._session, limit)
        while True:
            broken = self._stream(source, retries)
            if broken is None:
                return
            retries.after(broken)

    def _stream(self, source: Iterator[pa.RecordBatch], retries: Retries) -> Exception | None:
        """One call; returns what it failed with."""
        writer = None
        try:
            descriptor = flight.FlightDescriptor.for_path(*self._path)
            writer, reader = self._session.flight.do_put(descriptor, self._schema)
            for batch, metadata in list(self._waiting):
                writer.write_with_metadata(batch, metadata)
        except LIBRARY_ERRORS as error:
            return _reason(writer, error)
        while True:
            # Outside of the try: what the caller's data raises is not the connection's failure.
            item = self._pull(source)
            try:
                if item is None:
                    break
                writer.write_with_metadata(*item)
                while len(self._waiting) >= IN_FLIGHT_BATCHES or self._waiting_bytes >= IN_FLIGHT_BYTES:
                    self._acknowledge(reader.read(), retries)
            except (*LIBRARY_ERRORS, EiderError) as error:
                return _reason(writer, error)
        try:
            writer.done_writing()
            while self._waiting:
                self._acknowledge(reader.read(), retries)
            writer.close()
        except (*LIBRARY_ERRORS, EiderError) as error:
            return _reason(writer, error)
        return None

    def _pull(self, source: Iterator[pa.RecordBatch]) -> tuple[pa.RecordBatch, bytes] | None:
        batch = next(source, None)
        if batch is None:
            return None
        item = (batch, batch_metadata(self._op, f"{self._token}-{self._pulled}"))
        self._pulled += 1
        self._waiting.append(item)
        self._waiting_bytes += batch.nbytes
        return item

    def _acknowledge(self, answer: pa.Buffer | None, retries: Retries) -> None:
        if answer is None:
            raise EiderError("the server ended the stream without acknowledging all of it", retryable=True)
        batch, _ = self._waiting.popleft()
        self._waiting_bytes -= batch.nbytes
        self._session.has_written = True
        self.batches += 1
        self.rows += json.loads(answer.to_pybytes())["rows"]
        retries.succeeded()


def _reason(writer: flight.FlightStreamWriter | None, error: Exception) -> Exception:
    """The call's own status, which a failed read or write does not tell."""
    if writer is not None:
        try:
            writer.close()
        except LIBRARY_ERRORS as told:
            return told
    return error
