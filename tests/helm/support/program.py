"""The program, started as a rendered container starts it: its variables, arguments and files, on free ports."""

import http.client
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

PROGRAM = os.environ.get("SSE_BROADCASTER_BIN", "")
PATIENCE = 30
# What the tests keep in the Secrets and ConfigMaps of the values files.
KEY = "correct-horse-battery"
ADMIN_KEY = "horse-battery-staple"
TOKEN_KEY = "0123456789abcdef0123456789abcdef"
SECRETS = {
    "events": {"publish-keys": KEY, "admin-keys": ADMIN_KEY},
    "tokens": {"token-keys": f"HS256 {TOKEN_KEY}"},
    "webhook": {"webhook-secret": KEY},
    "mercure": {"publisher": TOKEN_KEY, "subscriber": TOKEN_KEY},
    "issuers": {"partner.json": json.dumps({"keys": [{"kty": "oct", "alg": "HS256", "kid": "1", "k": TOKEN_KEY * 2}]})},
}


def until(condition, what):
    """Waits until the condition holds, and returns what it returned."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {PATIENCE} s")
        time.sleep(0.02)
    return found


def write_volume(volume, folder):
    """Puts into the folder what Kubernetes would mount."""
    folder.mkdir(parents=True)
    sources = volume.get("projected", {}).get("sources", [])
    for source in sources:
        secret = source["secret"]
        for item in secret["items"]:
            write_private(folder / item["path"], SECRETS[secret["name"]][item["key"]])
    if "configMap" in volume:
        for name, text in SECRETS[volume["configMap"]["name"]].items():
            write_private(folder / name, text)


def write_private(file, text):
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")


def environment(container, volumes, root, redis_url):
    """The container's variables, with its folders below `root`, and ports that the system chooses."""
    mounts = {mount["mountPath"]: mount["name"] for mount in container.get("volumeMounts", [])}
    variables = {}
    for variable in container["env"]:
        value = variable.get("value")
        if value is None:
            assert variable["valueFrom"] == {"secretKeyRef": {"name": "redis", "key": "url"}}, variable
            value = redis_url
        for path in mounts:
            value = value.replace(f"{path}/", f"{root}{path}/")
        for port in container["ports"]:
            value = re.sub(rf"^(0\.0\.0\.0|\[::\]):{port['containerPort']}$", loopback, value)
        variables[variable["name"]] = value
    for path, name in mounts.items():
        write_volume(next((volume for volume in volumes if volume["name"] == name), {}), Path(f"{root}{path}"))
    return variables


def loopback(host):
    return "127.0.0.1:0" if host[1] == "0.0.0.0" else "[::1]:0"


class Program:
    """A started program; it ends with the `with` block."""

    def __init__(self, release, redis_url=None):
        self.folder = tempfile.TemporaryDirectory()
        root = Path(self.folder.name)
        self.container = release.container
        volumes = release.pod.get("volumes", [])
        self.variables = environment(self.container, volumes, root, redis_url)
        self.root = root
        self.log = []
        self.process = subprocess.Popen(
            [PROGRAM, *self.container.get("args", [])],
            env=self.variables, cwd=root, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        self.reader = threading.Thread(target=self.read_log, daemon=True)
        self.reader.start()
        try:
            addresses = until(self.addresses, f"the program listens: {self.log}")
        except AssertionError:
            self.close()
            raise
        names = [port["name"] for port in self.container["ports"]]
        self.ports = dict(zip(names, addresses, strict=True))

    def read_log(self):
        for line in self.process.stderr:
            self.log.append(line.rstrip("\n"))

    def addresses(self):
        """Where it listens, in the order of the variables."""
        if self.process.poll() is not None:
            raise AssertionError(f"the program ended: {self.log}")
        lines = [line for line in self.log if "listening on " in line]
        return lines and re.findall(r"http://(\S+?):(\d+)[ ,]", lines[0])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.reader.join(PATIENCE)
        self.process.stderr.close()
        self.folder.cleanup()

    def url(self, port):
        host, number = self.ports[port]
        return f"http://{host}:{number}"

    def request(self, port, path, method="GET", body=None, key=None):
        """The status and the text of the response; of a stream, its first bytes."""
        host, number = self.ports[port]
        connection = http.client.HTTPConnection(host.strip("[]"), int(number), timeout=PATIENCE)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            is_stream = response.headers.get_content_type() == "text/event-stream"
            return response.status, (response.readline() if is_stream else response.read()).decode()
        finally:
            connection.close()

    def probe(self, name):
        """The status with which a probe of the container is answered."""
        asked = self.container[f"{name}Probe"]["httpGet"]
        return self.request(asked["port"], asked["path"])[0]

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def warnings(self):
        return [line for line in self.log if re.search(r"\b(WARN|ERROR)\b|has no effect", line)]


def run(arguments, variables=None):
    """Runs the program until it ends; its exit code and what it wrote to standard error."""
    done = subprocess.run(
        [PROGRAM, *arguments], env=variables or {}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )
    return done.returncode, done.stdout + done.stderr
