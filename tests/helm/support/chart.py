"""The chart, as Helm renders it."""

import copy
import functools
import json
import os
import subprocess
import tempfile
from pathlib import Path

from ruamel.yaml import YAML

FOLDER = Path(__file__).resolve().parent.parent
ROOT = FOLDER.parent.parent
CHART = ROOT / "deploy/helm/sse-broadcaster"
VALUES = {path.stem: path for path in sorted((FOLDER / "values").glob("*.yaml"))}
RELEASE = "live"
NAMESPACE = "events"
MAJORS = (3, 4)
LATEST = MAJORS[-1]
TIME_LIMIT = 60

# So that nothing of the user's own Helm is read or changed.
WORK = FOLDER / ".work"
ENVIRONMENT = {f"HELM_{name}_HOME": str(WORK / name.lower()) for name in ("CONFIG", "CACHE", "DATA")}


def parser():
    """It refuses a key that an object has twice, and reads `off` as Kubernetes does, as false."""
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 1)
    return yaml


def load(path):
    return parser().load(Path(path).read_text(encoding="utf-8"))


def helm(*arguments, major=LATEST):
    """What Helm did with these arguments."""
    program = os.environ.get("HELM") or WORK / f"helm-{major}"
    return subprocess.run(
        [program, *map(str, arguments)],
        env=os.environ | ENVIRONMENT, capture_output=True, text=True, timeout=TIME_LIMIT, check=False,
    )


class Refused(Exception):
    """Helm refuses the values, for this reason."""


def run_template(*arguments, values=None, major=LATEST, chart=CHART):
    """What Helm renders with these values, a file's name or a dictionary. Raises Refused."""
    with tempfile.TemporaryDirectory() as folder:
        file = VALUES.get(values) if isinstance(values, str) else Path(folder) / "values.yaml"
        if isinstance(values, dict):
            file.write_text(json.dumps(values), encoding="utf-8")
        given = [] if values is None else ["--values", file]
        done = helm("template", RELEASE, chart, "--namespace", NAMESPACE, *given, *arguments, major=major)
    if done.returncode != 0:
        raise Refused(done.stderr)
    return done.stdout


def render(values=None, *arguments, major=LATEST):
    """The objects of a release, as a list."""
    if isinstance(values, str):
        return copy.deepcopy(render_file(values, arguments, major))
    return parse(run_template(*arguments, values=values, major=major))


@functools.cache
def render_file(values, arguments, major):
    return parse(run_template(*arguments, values=values, major=major))


def parse(text):
    return [thing for thing in parser().load_all(text) if thing is not None]


def refusal(values=None, *arguments, major=LATEST):
    """Why Helm refuses these values."""
    try:
        run_template(*arguments, values=values, major=major)
    except Refused as refused:
        return str(refused)
    raise AssertionError(f"Helm accepts {values} {arguments}")


class Release:
    """The objects of a release, by kind and name."""

    def __init__(self, values=None, *arguments):
        self.objects = render(values, *arguments)

    def kinds(self):
        return sorted({thing["kind"] for thing in self.objects})

    def all(self, kind):
        return [thing for thing in self.objects if thing["kind"] == kind]

    def one(self, kind, end=""):
        """The only object of this kind whose name ends so."""
        found = [thing for thing in self.all(kind) if thing["metadata"]["name"].endswith(end)]
        assert len(found) == 1, f"{len(found)} of {kind} {end}: {self.kinds()}"
        return found[0]

    @property
    def workload(self):
        [workload] = self.all("Deployment") + self.all("StatefulSet")
        return workload

    @property
    def pod(self):
        return self.workload["spec"]["template"]["spec"]

    @property
    def container(self):
        [container] = self.pod["containers"]
        return container

    @property
    def services(self):
        """The Service of clients, and that of operators."""
        admin = self.one("Service", "-admin")
        [public] = [service for service in self.all("Service") if service is not admin]
        return public, admin

    def variables(self):
        """The container's variables, by name: a text, or where it comes from."""
        variables = {}
        for variable in self.container["env"]:
            assert variable["name"] not in variables, f"{variable['name']} is there twice"
            variables[variable["name"]] = variable.get("value", variable.get("valueFrom"))
        return variables
