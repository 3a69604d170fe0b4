"""What is tested, and the names in it."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
RULES = ROOT / "deploy/monitoring/alerts.yml"
RULE_TESTS = ROOT / "deploy/monitoring/alerts_test.yml"
DASHBOARD = ROOT / "deploy/monitoring/grafana/dashboard.json"
MANUAL = ROOT / "docs/monitoring.md"
ERRORS = ROOT / "docs/errors.md"

# Names in an expression. Those that begin otherwise are of Prometheus itself: `up` and `ALERTS`.
METRIC = re.compile(r"\b(?:sse_broadcaster|process)_\w+")
HISTOGRAM_PARTS = ("_bucket", "_sum", "_count")


def dashboard():
    return json.loads(DASHBOARD.read_text())


def panels():
    """All panels but the titles of rows."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def panel_queries():
    """The title of each panel with each of its queries."""
    return [(panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]]


def metrics_in(expression):
    """The names of metrics, as `# TYPE` has them."""
    names = set()
    for name in METRIC.findall(expression):
        part = next((part for part in HISTOGRAM_PARTS if name.endswith(part)), "")
        names.add(name.removesuffix(part) if name.endswith("_seconds" + part) else name)
    return names


def metrics_of(exposition):
    """The names of metrics in what GET /metrics sends."""
    return set(re.findall(r"^# TYPE (\S+) ", exposition, re.MULTILINE))


def label_values(exposition, label):
    return set(re.findall(rf'[{{,]{label}="([^"]*)"', exposition))


def selected(expression, label):
    """The values, or parts of a regular expression, that an expression selects by a label."""
    values = set()
    for operator, text in re.findall(rf'\b{label}(=~?|!=|!~)"([^"]*)"', expression):
        values.update(text.split("|") if "~" in operator else [text])
    return values


def error_codes():
    return set(re.findall(r"^\| `(\w+)` \| \d", ERRORS.read_text(), re.MULTILINE))


def tables(document):
    """The cells of each row of each table."""
    rows = [line for line in document.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def blocks(document, language):
    """The blocks of a document that are marked by a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", document, re.MULTILINE | re.DOTALL)
