"""Servers with each kind of history, and traffic that changes every metric of theirs."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support.processes import Process, free_port, wait_until
from support.server import Server, Stream

EVENTS = 20
# Of no history: a client that resumes from it has lost events.
LOST_POSITION = "1-1"


class Application(ThreadingHTTPServer):
    """Receives webhooks, and spans of traces. It refuses the first webhook."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Receiver)
        self.received = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/v1/traces":
            self.send_response(200)
        else:
            self.server.received += 1
            self.send_response(503 if self.server.received == 1 else 204)
        self.end_headers()

    def log_message(self, *_):
        """Prints nothing."""


class Site:
    """Ends with `close`."""

    def __init__(self, folder):
        self.closing = contextlib.ExitStack()
        self.is_closing = threading.Event()
        try:
            self.start(folder)
        except BaseException:
            self.close()
            raise

    def start(self, folder):
        self.memory = self.start_server(*self.receivers(folder), "--presence", "rooms/{id}")
        self.disk = self.start_server("--data-dir", folder / "log")
        redis = self.start_redis()
        self.nodes = [self.start_server("--redis-url", redis) for _ in range(2)]
        self.servers = [self.memory, self.disk, *self.nodes]
        for server in self.servers:
            self.cause_traffic(server)
        self.stream(self.memory, "/events?topic=a", last_event_id=LOST_POSITION).expect("event: gap")
        self.stream(self.memory, "/events?topic=rooms/1").expect("event: connected")
        webhooks = "sse_broadcaster_webhook_events_total 0\n"
        wait_until("webhooks are accepted", lambda: webhooks not in self.memory.metrics())
        spans = "sse_broadcaster_trace_spans_total 0\n"
        wait_until("spans are accepted", lambda: spans not in self.memory.metrics())
        publisher = threading.Thread(target=self.publish_on)
        publisher.start()
        self.closing.callback(publisher.join)

    def receivers(self, folder):
        application = Application()
        self.closing.callback(application.server_close)
        self.closing.callback(application.shutdown)
        secret = folder / "webhook-secret"
        secret.touch(mode=0o600)
        secret.write_text("a secret of the test of monitoring")
        url = f"http://127.0.0.1:{application.server_port}"
        return "--webhook-url", f"{url}/", "--webhook-secret-file", secret, "--otlp-endpoint", url

    def start_redis(self):
        port = free_port()
        redis = Process("redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no")
        self.closing.callback(redis.stop)
        redis.wait_for("Redis is ready", lambda: "eady to accept connections" in redis.log())
        return f"redis://127.0.0.1:{port}"

    def start_server(self, *arguments):
        server = Server(*arguments)
        self.closing.callback(server.stop)
        return server

    def stream(self, server, path, last_event_id=None):
        stream = Stream(server, path, last_event_id)
        self.closing.callback(stream.close)
        return stream

    def cause_traffic(self, server):
        live = self.stream(server, "/events?topic=a").expect("event: connected")
        server.publish("a", "first")
        live.expect("data: first")
        for number in range(EVENTS):
            server.publish("a", f"event {number}")
        self.stream(server, "/events?topic=a&last=10").expect(f"data: event {EVENTS - 1}")
        Stream(server, "/events?topic=a").expect("event: connected").close()
        status, _ = server.request("POST", "/events", "x", {"Content-Type": "text/plain"})
        assert status == 401, status

    def publish_on(self):
        while not self.is_closing.wait(0.05):
            for server in self.servers:
                server.publish("a", "more")

    def close(self):
        self.is_closing.set()
        self.closing.close()
