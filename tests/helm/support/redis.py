"""Redis on a port of its own, in memory."""

import itertools
import os
import shutil
import socket
import subprocess
import tempfile

from support.program import until


class Redis:
    def start(self):
        """Returns its URL."""
        self.folder = tempfile.TemporaryDirectory()
        self.port = free_port()
        self.process = subprocess.Popen(
            [shutil.which("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
             "--maxmemory-policy", "noeviction", "--appendonly", "yes"],
            cwd=self.folder.name, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        until(self.responds, "Redis listens")
        return f"redis://127.0.0.1:{self.port}/0"

    def responds(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def close(self):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()


def free_port():
    """Below the ports that the kernel gives to outgoing connections, so that nobody gets it before Redis."""
    for number in itertools.count(os.getpid() * 61):
        port = 20_000 + number % 12_000
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
