"""Starts the built program for these tests."""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import pathlib
import re
import subprocess
import threading
import time

import pytest

ADMIN_KEY = "the-key-of-an-operator"
HUB = "/.well-known/mercure"
HUB_KEY = "!ChangeThisMercureHubJWTSecretKey!"
TOKEN_KEY = "0123456789abcdef0123456789abcdef"
ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("SSE_BROADCASTER_BIN") or str(ROOT / "target/debug/sse-broadcaster")
EVERYTHING = [
    "--token-key", f"HS256 {TOKEN_KEY}",
    # Users leave at once, not after the time for a reload.
    "--presence", "*", "--presence-grace", "0",
    "--admin-key", ADMIN_KEY,
    "--mercure", "--mercure-anonymous", "--mercure-subscriptions",
    "--mercure-publisher-key", HUB_KEY,
    "--mercure-subscriber-key", HUB_KEY,
]


def signed(claims, key):
    """A JSON Web Token."""
    part = lambda text: base64.urlsafe_b64encode(text).rstrip(b"=").decode()
    text = ".".join(part(json.dumps(of).encode()) for of in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{text}.{part(hmac.digest(key.encode(), text.encode(), hashlib.sha256))}"


def hub_token():
    """A token of version 0.x that may publish to and read every topic."""
    return signed({"mercure": {"publish": ["*"], "subscribe": ["*"]}}, HUB_KEY)


def user_token(user):
    """A token of a user, who has a name to show."""
    grants = {"subscribe": ["*"], "payload": {"name": user.title()}}
    return signed({"sub": user, "exp": int(time.time()) + 3600, "sse": grants}, TOKEN_KEY)


def authorization(path):
    """The header for a route: of the hub, or of all others."""
    token = hub_token() if path.startswith(HUB) else ADMIN_KEY
    return {"Authorization": f"Bearer {token}"}


@contextlib.contextmanager
def started(*arguments):
    """The address of a server, for a while."""
    # Variables of this name are settings.
    variables = {name: of for name, of in os.environ.items() if not name.startswith("SSE_BROADCASTER_")}
    command = [PROGRAM, "--listen", "127.0.0.1:0", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=variables)
    try:
        log = []
        for line in process.stderr:
            log.append(line)
            found = re.search(r"listening on (http://[0-9.:]+)", line)
            if found:
                break
        else:
            pytest.fail("the server does not listen, and its log is:\n" + "".join(log))
        # A pipe that nobody reads would block the server.
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield found[1]
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def server():
    """A server that serves every area of the documents."""
    with started(*EVERYTHING) as address:
        yield address


@pytest.fixture(scope="session")
def open_server():
    """A server where programs of this machine may publish without a key."""
    with started() as address:
        yield address
