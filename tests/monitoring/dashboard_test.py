"""The dashboard alone: what each panel has, and where it stands."""

import re
import unittest

from support.files import MANUAL, dashboard, panel_queries, panels

class Dashboard(unittest.TestCase):
    def test_each_panel_has_a_title_a_unit_a_description_and_a_query(self):
        titles = [panel["title"] for panel in panels()]
        self.assertEqual(len(titles), len(set(titles)), titles)
        for panel in panels():
            with self.subTest(panel["title"]):
                self.assertTrue(panel["fieldConfig"]["defaults"]["unit"])
                self.assertRegex(panel["description"], r"^\w.{20,}\.$")
                self.assertTrue(panel["targets"])
                letters = [target["refId"] for target in panel["targets"]]
                self.assertEqual(letters, sorted(set(letters)))
                for target in panel["targets"]:
                    self.assertEqual(target["datasource"]["uid"], "${datasource}")

    def test_the_rows_are_those_that_the_manual_names(self):
        rows = [panel["title"] for panel in dashboard()["panels"] if panel["type"] == "row"]
        named = re.search(r"Its rows are (.*)", MANUAL.read_text())[1]
        self.assertEqual(re.findall(r"\*([^*]+)\*", named), rows)

    def test_the_manual_names_panels_that_exist(self):
        section = MANUAL.read_text().split("## What to look at\n")[1].split("\n## ")[0]
        named = set(re.findall(r"\*([^*]+)\*", section))
        titles = {panel["title"] for panel in dashboard()["panels"]}
        self.assertGreater(len(named), 5)
        self.assertEqual(named - titles, set())

    def test_panels_do_not_overlap_and_fit_the_width(self):
        taken = set()
        ids = set()
        for panel in dashboard()["panels"]:
            at = panel["gridPos"]
            self.assertLessEqual(at["x"] + at["w"], 24, panel["title"])
            cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
            self.assertFalse(cells & taken, panel["title"])
            taken |= cells
            self.assertNotIn(panel["id"], ids)
            ids.add(panel["id"])

    def test_each_query_selects_by_the_variables(self):
        variables = [variable["name"] for variable in dashboard()["templating"]["list"]]
        self.assertEqual(variables, ["datasource", "job", "instance"])
        for title, expression in panel_queries():
            # ALERTS of aggregated rules have no instance.
            metrics = re.findall(r"\b(?:sse_broadcaster_\w+|process_\w+|up)(?:\{([^}]*)\})?", expression)
            for selectors in metrics:
                self.assertTrue(selectors.startswith('job=~"$job",instance=~"$instance"'), f"{title}: {expression}")
