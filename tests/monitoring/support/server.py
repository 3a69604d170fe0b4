"""The program, and clients of it."""

import contextlib
import http.client
import os
import re
import socket
import threading

from support.processes import Process, wait_until

KEY = "key-of-the-publisher"


class Server(Process):
    def __init__(self, *arguments):
        program = os.environ["SSE_BROADCASTER_BIN"]
        super().__init__(program, "--listen", "127.0.0.1:0", "--publish-key", KEY, *arguments)
        listening = re.compile(r"listening on http://([\d.]+:\d+)")
        self.address = self.wait_for("the server listens", lambda: listening.search(self.log()))[1]

    def request(self, method, path, body=None, headers=None):
        """The status and the text of a response."""
        connection = http.client.HTTPConnection(self.address, timeout=10)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def publish(self, topic, data):
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "text/plain"}
        status, text = self.request("POST", f"/events?topic={topic}", data, headers)
        assert status < 300, f"{status} {text}"

    def metrics(self):
        status, text = self.request("GET", "/metrics")
        assert status == 200, f"{status} {text}"
        return text


class Stream:
    """A subscriber that reads until it is closed."""

    def __init__(self, server, path, last_event_id=None):
        host, port = server.address.split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=10)
        resume = f"Last-Event-ID: {last_event_id}\r\n" if last_event_id else ""
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {server.address}\r\n{resume}\r\n".encode())
        self.socket.settimeout(None)
        self.opening = b""
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        with contextlib.suppress(OSError):  # The server, or this test, has closed the socket.
            while piece := self.socket.recv(1 << 16):
                self.opening = (self.opening + piece)[:4096]

    def expect(self, text):
        """Waits for a text among the first bytes."""
        wait_until(f"{text} in the stream", lambda: text.encode() in self.opening)
        return self

    def close(self):
        with contextlib.suppress(OSError):  # The server may have closed it.
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
