"""docs/kubernetes.md: its values, its commands and its rule for the Prometheus adapter are right."""

import re
import shlex
import tempfile
import unittest
from pathlib import Path

from support import chart, schemas
from support.chart import Release

PAGE = (chart.ROOT / "docs/kubernetes.md").read_text(encoding="utf-8")
KUBERNETES = "1.37"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def values_of_the_page():
    """What its reader puts into values.yaml: the first block, and for each task what comes beside it."""
    first, *tasks = [block for block in blocks("yaml") if not block.startswith("-")]
    return first, tasks


def merged(first, second):
    """As Helm merges two files of values."""
    both = {name: first.get(name, {}) | part if isinstance(part, dict) else part for name, part in second.items()}
    return first | both


class Page(unittest.TestCase):
    def test_has_values_that_each_make_valid_objects(self):
        first, tasks = values_of_the_page()
        self.assertGreater(len(tasks), 8)
        for task in [*tasks, ""]:
            with self.subTest(values=task):
                parsed = chart.parser().load(task) or {}
                for thing in chart.render(merged(chart.parser().load(first), parsed)):
                    schemas.check(thing, KUBERNETES)

    def test_names_the_objects_of_its_release(self):
        first, _ = values_of_the_page()
        release = Release(chart.parser().load(first))
        for service in release.services:
            self.assertIn(f"`{service['metadata']['name']}` is for", PAGE)
        _, admin = release.services
        forward = f"port-forward service/{admin['metadata']['name']} 9000:{admin['spec']['ports'][0]['port']}\n"
        self.assertIn(forward, PAGE)
        self.assertIn(f"deployment/{release.workload['metadata']['name']}`", PAGE)

    def test_has_commands_of_helm_with_flags_that_it_knows(self):
        commands = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("helm ")]
        self.assertGreater(len(commands), 4)
        for command in commands:
            _, verb, *words = shlex.split(command)
            for major in chart.MAJORS:
                usage = chart.helm(verb, "--help", major=major)
                self.assertEqual(usage.returncode, 0, verb)
                for flag in (word for word in words if word.startswith("--")):
                    self.assertRegex(usage.stdout, rf"(?m)^ .*{flag}\b", command)

    def test_installs_the_chart_with_its_values_file(self):
        lines = {line for block in blocks("sh") for line in block.splitlines()}
        [install] = {line for line in lines if line.endswith("values.yaml --wait")}
        words = shlex.split(install)
        first, _ = values_of_the_page()
        with tempfile.TemporaryDirectory() as folder:
            values = Path(folder) / "values.yaml"
            values.write_text(first, encoding="utf-8")
            here = {"deploy/helm/sse-broadcaster": chart.CHART, "values.yaml": values}
            words = [here.get(word, word) for word in words]
            done = chart.helm(*words[1:-1], "--dry-run=client")
        # Without a cluster Helm cannot know whether the release is there.
        self.assertRegex(done.stderr + done.stdout, "STATUS: pending-install|[Kk]ubernetes cluster unreachable")

    def test_has_a_rule_by_which_the_adapter_serves_the_metric_of_the_autoscaler(self):
        [rule] = chart.parser().load(next(block for block in blocks("yaml") if block.startswith("-")))
        metric = chart.load(chart.CHART / "values.yaml")["autoscaling"]["subscribersMetric"]
        self.assertTrue(rule["seriesQuery"].startswith(f"{metric}{{"), rule)
        self.assertEqual(set(rule["resources"]["overrides"]), {"namespace", "pod"})
        for label in rule["resources"]["overrides"]:
            self.assertIn(f'{label}!=""', rule["seriesQuery"])
        for part in ("<<.Series>>", "<<.LabelMatchers>>", "<<.GroupBy>>"):
            self.assertIn(part, rule["metricsQuery"])

    def test_lists_every_secret_that_values_can_name(self):
        for name in chart.load(chart.CHART / "values.yaml")["secrets"]:
            self.assertIn(f"`secrets.{name}`", PAGE)


if __name__ == "__main__":
    unittest.main()
