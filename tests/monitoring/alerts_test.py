"""The alerts alone: their tests by promtool, their texts, and their row in the manual."""

import re
import subprocess
import unittest

from support.files import MANUAL, ROOT, RULE_TESTS, RULES, blocks, error_codes, selected, tables


def promtool(*arguments, input=None):
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, input=input)
    return done.returncode, done.stdout + done.stderr


def alerts():
    """The text of each rule by its name."""
    parts = re.split(r"^ +- alert: (\w+)\n", RULES.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


class Alerts(unittest.TestCase):
    def test_promtool_accepts_the_rules_and_the_configurations_of_the_manual(self):
        status, text = promtool("check", "rules", RULES)
        self.assertEqual(status, 0, text)
        configurations = [block for block in blocks(MANUAL.read_text(), "yaml") if "scrape_configs" in block]
        self.assertTrue(configurations)
        for block in configurations:
            # Debian's promtool is built without Kubernetes.
            block = block.replace("kubernetes_sd_configs: [{role: pod}]", "static_configs: []")
            status, text = promtool("check", "config", "--syntax-only", "/dev/stdin", input=block)
            self.assertEqual(status, 0, f"{block}\n{text}")

    def test_each_alert_fires_for_what_it_names_and_not_below_its_threshold(self):
        status, text = promtool("test", "rules", RULE_TESTS)
        self.assertEqual(status, 0, text)

    def test_each_alert_has_a_test_in_which_it_fires_and_one_in_which_it_does_not(self):
        tests = re.split(r"^  - name: ", RULE_TESTS.read_text(), flags=re.MULTILINE)[1:]
        for alert in alerts():
            own = "".join(test for test in tests if test.startswith(f"{alert}\n"))
            self.assertIn(f'alertname="{alert}"', own, alert)
            self.assertIn("exp_samples: [{labels:", own, f"{alert} never fires")
            self.assertIn("exp_samples: []", own, f"{alert} always fires")

    def test_each_alert_says_how_severe_it_is_what_it_means_and_where_to_read_on(self):
        self.assertGreater(len(alerts()), 20)
        for alert, rule in alerts().items():
            for pattern in [
                r"for: \d+[mh]$",
                r"severity: (critical|warning|info)$",
                r"summary: .{10,100}$",
                r"description: >-\n +.{60}",
                r"runbook: docs/[\w-]+\.md(#[\w-]+)?$",
            ]:
                self.assertRegex(rule, re.compile(pattern, re.MULTILINE), alert)

    def test_the_manual_lists_each_alert_with_its_severity(self):
        rows = {cells[0].strip("`"): cells[1] for cells in tables(MANUAL.read_text()) if "SseBroadcaster" in cells[0]}
        severities = {alert: re.search(r"severity: (\w+)", rule)[1] for alert, rule in alerts().items()}
        self.assertEqual(rows, severities)

    def test_each_code_of_an_alert_is_a_code_of_the_server(self):
        for alert, rule in alerts().items():
            for pattern in selected(rule, "code"):
                known = any(re.fullmatch(pattern, code) for code in error_codes())
                self.assertTrue(known, f"{alert}: docs/errors.md has no code {pattern}")

    def test_each_setting_that_an_alert_names_exists(self):
        settings = set(re.findall(r"^\| `(--[\w-]+)`", (ROOT / "docs/configuration.md").read_text(), re.MULTILINE))
        for alert, rule in alerts().items():
            named = set(re.findall(r"--[a-z][\w-]+", rule))
            self.assertEqual(named - settings, set(), f"{alert}: docs/configuration.md has no such settings")
