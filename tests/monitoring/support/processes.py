"""Processes that a test starts and ends, and waiting for conditions."""

import os
import socket
import subprocess
import tempfile
import time

PATIENCE = 30


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


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
