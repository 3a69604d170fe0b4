"""What a Prometheus finds that reads real servers: every query of the dashboard, and every alert."""

import json
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from support.files import (
    MANUAL,
    RULES,
    blocks,
    dashboard,
    label_values,
    metrics_in,
    metrics_of,
    panel_queries,
    selected,
    tables,
)
from support.processes import free_port, wait_until
from support.prometheus import Prometheus
from support.site import Site

NOT_SHOWN = {
    "sse_broadcaster_http2_connections": "of interest beside a proxy that speaks HTTP/2, to find how many streams share one",
    "process_virtual_memory_bytes": "address space that is reserved, which says nothing about memory in use",
}
INTERVAL = "500ms"
# In place of Grafana's variables.
VARIABLES = {"$job": ".+", "$instance": ".+", "$__rate_interval": "4s", "$__range": "1m"}


def concrete(expression, **variables):
    for name, value in (VARIABLES | {f"${name}": value for name, value in variables.items()}).items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression


def configuration(addresses, folder):
    """The first of the manual, for these servers and at a short interval."""
    text = next(block for block in blocks(MANUAL.read_text(), "yaml") if "static_configs" in block)
    for pattern, replacement in [
        (r"targets: \[.*\]", f"targets: {json.dumps(addresses)}"),
        (r"rule_files: \[.*\]", f"rule_files: {json.dumps([str(RULES), str(folder / 'rendered.json')])}"),
        (r"(?<=_interval: )\d+s", INTERVAL),
    ]:
        text, count = re.subn(pattern, replacement, text)
        assert count, f"{pattern} is not in the configuration of the manual"
    file = folder / "prometheus.yml"
    file.write_text(text)
    return file


class RealServers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.site = Site(cls.folder)
        cls.addClassCleanup(cls.site.close)
        cls.unreachable = f"127.0.0.1:{free_port()}"
        addresses = [server.address for server in cls.site.servers]
        config = configuration([*addresses, cls.unreachable], cls.folder)
        cls.prometheus = Prometheus(config, cls.folder / "metrics")
        cls.addClassCleanup(cls.prometheus.stop)
        scraped = f"count(up == 1) == {len(addresses)}"
        wait_until("each server is scraped", lambda: cls.prometheus.query(scraped))
        cls.exposition = "".join(server.metrics() for server in cls.site.servers)

    def until_found(self, title, expression):
        """The samples of a query, as soon as there are any."""
        return wait_until(f"{title} has data: {expression}", lambda: self.prometheus.query(expression))

    def test_promtool_finds_nothing_to_improve_in_the_metrics(self):
        for server in self.site.servers:
            check = ["promtool", "check", "metrics"]
            done = subprocess.run(check, input=server.metrics(), capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_each_query_of_the_dashboard_has_data(self):
        for title, expression in panel_queries():
            self.until_found(title, concrete(expression))

    def test_each_query_of_the_dashboard_shows_the_selected_node_alone(self):
        node = self.site.disk.address
        selected_node = re.escape(node).replace("\\", "\\\\")
        nodes = set()
        for title, expression in panel_queries():
            samples = self.prometheus.query(concrete(expression, instance=selected_node))
            found = {labels["instance"] for labels, _ in samples if "instance" in labels}
            self.assertLessEqual(found, {node}, title)
            nodes |= found
        self.assertEqual(nodes, {node})

    def test_the_variables_and_annotations_of_the_dashboard_have_values(self):
        for variable in dashboard()["templating"]["list"][1:]:
            expression, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"]).groups()
            self.assertTrue(self.prometheus.api(f"label/{label}/values", **{"match[]": concrete(expression)}))
        for annotation in dashboard()["annotations"]["list"]:
            self.until_found(annotation["name"], concrete(annotation["expr"]))

    def test_prometheus_evaluates_each_alert_and_none_fires_for_servers_in_order(self):
        for name in self.prometheus.alerting_rules():
            rule = wait_until(f"{name} is evaluated", lambda: self.evaluated(name))
            self.assertEqual((rule["health"], rule.get("lastError")), ("ok", None), name)
            self.prometheus.api("query", query=rule["query"])
            firing = [alert["labels"] for alert in rule["alerts"] if alert["state"] == "firing"]
            self.assertFalse([labels for labels in firing if labels.get("instance") != self.unreachable], name)

    def evaluated(self, name):
        rule = self.prometheus.alerting_rules()[name]
        return rule if rule["health"] != "unknown" else None

    def test_the_texts_of_the_alerts_can_be_rendered(self):
        rules = self.prometheus.alerting_rules()
        # Each fires for a node of this name, whatever its condition.
        labels = {"instance": "events.example.com", "job": "sse-broadcaster"}
        always = "vector(2)"
        for label, value in labels.items():
            always = f'label_replace({always}, "{label}", "{value}", "", "")'
        rendered = [
            {"alert": f"Rendered{name}", "expr": always, "annotations": rule["annotations"]}
            for name, rule in rules.items()
        ]
        groups = {"groups": [{"name": "rendered", "rules": rendered}]}
        (self.folder / "rendered.json").write_text(json.dumps(groups))
        self.prometheus.reload()
        alerts = wait_until("each alert is rendered", lambda: self.rendered(len(rules)))
        for alert in alerts:
            for text in alert["annotations"].values():
                self.assertNotRegex(text, r"\{\{|<error|<no value>", alert["labels"]["alertname"])

    def rendered(self, count):
        alerts = self.prometheus.api("alerts")["alerts"]
        alerts = [alert for alert in alerts if alert["labels"]["alertname"].startswith("Rendered")]
        return alerts if len(alerts) == count else None

    def test_each_metric_of_rules_and_dashboard_exists_and_each_metric_is_shown(self):
        existing = metrics_of(self.exposition)
        shown = set().union(*(metrics_in(expression) for _, expression in panel_queries()))
        alerting = set().union(*(metrics_in(rule["query"]) for rule in self.prometheus.alerting_rules().values()))
        self.assertEqual((shown | alerting) - existing, set(), "these metrics do not exist")
        self.assertEqual(existing - shown, set(NOT_SHOWN), "these metrics are in no panel")

    def test_each_reason_of_an_alert_is_a_reason_of_the_server(self):
        reasons = label_values(self.exposition, "reason")
        for name, rule in self.prometheus.alerting_rules().items():
            self.assertLessEqual(selected(rule["query"], "reason"), reasons, name)

    def test_the_manual_lists_each_metric(self):
        listed = set()
        for cells in tables(MANUAL.read_text()):
            listed.update(f"sse_broadcaster_{name}" for name in re.findall(r"`(\w+)(?:\{[\w,]+\})?`", cells[0]))
        own = {name for name in metrics_of(self.exposition) if name.startswith("sse_broadcaster_")}
        self.assertEqual(own - listed, set(), "docs/monitoring.md lacks these metrics")

    def test_a_server_that_does_not_respond_is_reported_by_an_alert(self):
        def reported():
            alerts = self.prometheus.alerting_rules()["SseBroadcasterDown"]["alerts"]
            return [alert["labels"]["instance"] for alert in alerts]

        self.assertEqual(wait_until("the alert is pending", reported), [self.unreachable])
