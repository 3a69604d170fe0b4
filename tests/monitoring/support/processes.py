"""Processes that a test starts and ends, and waiting for conditions."""

import itertools
import os
import socket
import subprocess
import tempfile
import time

PATIENCE = 30


# Below the ports that the kernel gives to outgoing connections and to listeners that ask for any. Processes with
# successive ids begin far apart.
_ports = itertools.count(os.getpid() * 61)


def free_port():
    """A port that nobody else gets while nobody listens there."""
    while True:
        port = 20_000 + next(_ports) % 12_000
        with socket.socket() as listener:
            if listener.connect_ex(("127.0.0.1", port)) != 0:
                return port


def wait_until(what, condition):
    """The first value of the condition that counts as true."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {PATIENCE} s: {what}")
        time.sleep(0.02)
    return value


class Process:
    """A program in the background, with what it prints."""

    def __init__(self, *command):
        self.log_file = tempfile.TemporaryFile()
        self.command = [str(word) for word in command]
        # The variables of the tests are no settings of the server.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SSE_BROADCASTER_")}
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=self.log_file, stderr=self.log_file, env=environment
        )

    def log(self):
        self.log_file.seek(0)
        return self.log_file.read().decode(errors="replace")

    def wait_for(self, what, condition):
        """Like `wait_until`; fails at once if the program ends."""

        def check():
            if self.process.poll() is not None:
                raise AssertionError(f"{self.command[0]} has ended:\n{self.log()}")
            return condition()

        return wait_until(what, check)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log_file.close()
