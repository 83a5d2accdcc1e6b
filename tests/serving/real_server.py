"""The server on a real socket, in a thread of the test, and clients in Python that reach it."""

import threading
import time
from contextlib import contextmanager

from serving_fakes import Client

from mien.serving.app import make_app
from mien.serving.doors import listening_socket
from mien.serving.server import server_of


@contextmanager
def running(settings, certificate=None):
    """Serve on a free port of this machine; yields the port."""
    with listening_socket("127.0.0.1", 0) as listening:
        server = server_of(make_app(settings), listening, settings.limits, certificate)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        until_s = time.monotonic() + 60
        while not server.started and time.monotonic() < until_s:
            time.sleep(0.01)
        assert server.started
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive(), "the server did not stop"


class _Socket:
    """A `websockets` connection as starlette's test socket looks."""

    def __init__(self, connection):
        self.connection = connection

    def send_json(self, values):
        import json

        self.connection.send(json.dumps(values))

    def send_bytes(self, content):
        self.connection.send(content)

    def receive_text(self):
        return self.connection.recv(timeout=60)


@contextmanager
def connected(port, **options):
    """Yield a client of a server; `client.connection` is its `websockets` connection."""
    from websockets.sync.client import connect

    with connect(f"ws://127.0.0.1:{port}/ws", max_queue=None, open_timeout=60, **options) as connection:
        client = Client(_Socket(connection))
        client.connection = connection
        yield client
