"""A TCP proxy that cuts connections: before bytes reach the server, or before its answers reach the client."""

import contextlib
import random
import socket
import threading


class CuttingProxy:
    """Cuts `cuts` times, each after a random number of bytes, in turn upwards and downwards; then it leaves all through."""

    def __init__(self, host, port, cuts, seed):
        self._upstream = (host, port)
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._most = cuts
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._upstream)
            with self._lock:
                # The first bytes are of the handshake: cutting always there would never let a batch through.
                limit = self._random.randint(30_000, 400_000) if self.cuts < self._most else None
                answers = self.cuts % 2 == 0
            link = _Link(client, server, limit, answers, self._count)
            threading.Thread(target=link.up, daemon=True).start()
            threading.Thread(target=link.down, daemon=True).start()

    def _count(self):
        with self._lock:
            self.cuts += 1


class _Link:
    def __init__(self, client, server, limit, cuts_answers, on_cut):
        self._client = client
        self._server = server
        self._limit = limit
        self._cuts_answers = cuts_answers
        self._on_cut = on_cut
        self._sent = 0

    def up(self):
        with contextlib.suppress(OSError):
            while data := self._client.recv(8192):
                self._sent += len(data)
                if self._is_over() and not self._cuts_answers:
                    # Half of what came: the server sees the beginning of a message.
                    self._server.sendall(data[: len(data) // 2])
                    self._on_cut()
                    break
                self._server.sendall(data)
        self._end()

    def down(self):
        with contextlib.suppress(OSError):
            while data := self._server.recv(8192):
                if self._is_over() and self._cuts_answers:
                    self._on_cut()
                    break
                self._client.sendall(data)
        self._end()

    def _is_over(self):
        return self._limit is not None and self._sent > self._limit

    def _end(self):
        for end in (self._client, self._server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
