"""Values that the chart refuses, and how it says so."""

import re
import unittest

from support import chart
from support.chart import Refused, run_template
from support.program import SECRETS, run

REDIS = {"kind": "redis", "redis": {"urlSecret": {"name": "redis"}}}
# The program ends before it serves: by the rule of publishers, or else by a file that is not there.
NEVER_SERVES = {"SSE_BROADCASTER_LISTEN": "0.0.0.0:0", "SSE_BROADCASTER_ADMIN_KEY_FILE": "/nowhere/admin-keys"}


def with_publishers(**values):
    return {"allowAnonymousPublish": True} | values


class Names(unittest.TestCase):
    def test_that_the_chart_does_not_have_are_refused(self):
        for values in (
            with_publishers(replica=2),
            with_publishers(history={"kynd": "disk"}),
            with_publishers(settings={"max-subscriber": 10}),
            with_publishers(service={"targetPort": 80}),
            {"secrets": {"publishKey": {"name": "events"}}},
            {"secrets": {"publishKeys": {"secretName": "events"}}},
            with_publishers(networkPolicy={"egress": {"redis": {"port": 6379}}}),
        ):
            for major in chart.MAJORS:
                with self.subTest(values=values, helm=major):
                    line = chart.refusal(values, major=major)
                    self.assertRegex(line, "(?i)additional propert(y|ies)")

    def test_of_values_that_are_not_of_their_kind_are_refused(self):
        for values, member in (
            (with_publishers(history={"kind": "postgres"}), "kind"),
            (with_publishers(replicas="two"), "replicas"),
            (with_publishers(settings={"no-page": "yes"}), "no-page"),
            (with_publishers(settings={"ping-interval": 4}), "ping-interval"),
            (with_publishers(settings={"window-bytes": "64 megabytes of it"}), "window-bytes"),
            (with_publishers(settings={"cors-origin": []}), "cors-origin"),
            (with_publishers(settings={"subscribe-access": "private"}), "subscribe-access"),
            (with_publishers(listenHost="localhost"), "listenHost"),
            (with_publishers(image={"digest": "latest"}), "digest"),
            (with_publishers(commonLabels={"app.kubernetes.io/name": "mine"}), "commonLabels|propertyName"),
        ):
            for major in chart.MAJORS:
                with self.subTest(values=values, helm=major):
                    self.assertRegex(chart.refusal(values, major=major), member)

    def test_of_values_each_have_a_comment_of_their_own_or_of_their_group(self):
        lines = (chart.CHART / "values.yaml").read_text(encoding="utf-8").splitlines()
        undocumented = []
        for before, line in zip(lines, lines[1:]):
            name = re.match(r"( *)(\w+):", line)
            is_member = name and name[1] == (re.match(" *", before)[0] if before.strip() else None)
            if name and not before.lstrip().startswith("#") and not is_member:
                undocumented.append(line)
        # Members of Kubernetes' own objects.
        own = {"requests", "runAsNonRoot", "readOnlyRootFilesystem"}
        own |= {"scaleUp", "scaleDown", "stabilizationWindowSeconds"}
        self.assertEqual([line for line in undocumented if line.split(":")[0].strip() not in own], [])

    def test_of_the_schema_are_those_of_the_values(self):
        schema = chart.load(chart.CHART / "values.schema.json")
        values = chart.load(chart.CHART / "values.yaml")
        self.assertEqual(set(schema["properties"]) - {"global"}, set(values))
        self.compare(schema, values, schema["definitions"], "")

    def compare(self, schema, values, definitions, path):
        schema = definitions.get(schema.get("$ref", "").rpartition("/")[2], schema)
        if schema.get("additionalProperties") is not False or path == ".settings":
            return
        optional = {"initialDelaySeconds", "global"}
        self.assertEqual(set(schema["properties"]) - optional, set(values), path)
        for name, value in values.items():
            if isinstance(value, dict):
                self.compare(schema["properties"][name], value, definitions, f"{path}.{name}")


class Contradictions(unittest.TestCase):
    def assert_refused(self, values, code, *parts):
        """By both versions of Helm, with this code and these parts of the sentence."""
        for major in chart.MAJORS:
            with self.subTest(values=values, helm=major):
                line = chart.refusal(values, major=major)
                for part in (f"{code}: ", *parts):
                    self.assertIn(part, line)

    def test_of_two_nodes_without_shared_history_are_refused(self):
        for history in ({}, {"kind": "disk"}):
            self.assert_refused(
                with_publishers(replicas=2, history=history), "nodes_without_shared_history", "replicas is 2",
                f"history.kind is {history.get('kind', 'memory')}", "Set history.kind=redis",
            )

    def test_of_autoscaling_without_a_shared_history_are_refused(self):
        self.assert_refused(
            with_publishers(autoscaling={"enabled": True}), "nodes_without_shared_history", "autoscaling.enabled is true",
        )

    def test_of_redis_without_its_url_are_refused(self):
        for kind in "redis", "postgres":
            self.assert_refused(with_publishers(history={"kind": kind}), f"{kind}_url_missing", "urlSecret.name is empty")

    def test_of_a_place_of_history_that_is_not_used_are_refused(self):
        self.assert_refused(with_publishers(history=REDIS | {"kind": "memory"}), "redis_url_without_effect", '"redis"')
        claim = {"disk": {"existingClaim": "mine"}}
        self.assert_refused(with_publishers(history=claim), "claim_without_effect", '"mine"')

    def test_of_a_grace_period_that_ends_before_the_drain_are_refused(self):
        self.assert_refused(
            with_publishers(terminationGracePeriodSeconds=44), "grace_period_too_short",
            "terminationGracePeriodSeconds is 44", "needs 45 s", "set it to 45 or more",
        )
        run_template(values=with_publishers(terminationGracePeriodSeconds=45))

    def test_of_autoscaling_that_can_never_act_are_refused(self):
        scaling = {"enabled": True, "minReplicas": 5, "maxReplicas": 3}
        self.assert_refused(with_publishers(history=REDIS, autoscaling=scaling), "autoscaling_bounds", "is 5", "is 3")
        scaling = {"enabled": True, "subscribersPerPod": None}
        self.assert_refused(with_publishers(history=REDIS, autoscaling=scaling), "autoscaling_without_metric")

    def test_of_a_route_without_a_gateway_are_refused(self):
        route = {"enabled": True}
        self.assert_refused(with_publishers(httpRoute=route), "route_without_gateway", "parentRefs is empty")

    def test_of_a_setting_among_the_further_variables_are_refused(self):
        variable = {"name": "SSE_BROADCASTER_PING_INTERVAL", "value": "1s"}
        self.assert_refused(
            with_publishers(extraEnv=[variable]), "variable_is_a_setting", "use settings.ping-interval",
        )


class WhoMayPublish(unittest.TestCase):
    """The chart and the program have one rule."""

    # Values, and the variables of the program that mean the same.
    CHOICES = (
        ({}, {}),
        ({"secrets": {"publishKeys": {"name": "events"}}}, {"PUBLISH_KEY": SECRETS["events"]["publish-keys"]}),
        ({"secrets": {"adminKeys": {"name": "events"}}}, {"ADMIN_KEY": SECRETS["events"]["admin-keys"]}),
        ({"secrets": {"tokenKeys": {"name": "tokens"}}}, {"TOKEN_KEY": SECRETS["tokens"]["token-keys"]}),
        ({"settings": {"token-jwks-url": "http://127.0.0.1:9/"}}, {"TOKEN_JWKS_URL": "http://127.0.0.1:9/"}),
        ({"settings": {"authorize-url": "http://127.0.0.1:9/"}}, {"AUTHORIZE_URL": "http://127.0.0.1:9/"}),
        ({"settings": {"token-issuer": "https://a"}}, {"TOKEN_ISSUER": "https://a"}),
        ({"settings": {"token-issuer": ["https://a,keys=http://127.0.0.1:9/"]}},
         {"TOKEN_ISSUER": "https://a,keys=http://127.0.0.1:9/"}),
        ({"settings": {"mercure": True, "mercure-anonymous": True}},
         {"MERCURE": "true", "MERCURE_ANONYMOUS": "true"}),
        ({"settings": {"mercure": True}, "secrets": {"mercurePublisherKeys": {"name": "mercure"}}},
         {"MERCURE": "true", "MERCURE_PUBLISHER_KEY": SECRETS["mercure"]["publisher"]}),
        ({"secrets": {"mercurePublisherKeys": {"name": "mercure"}}},
         {"MERCURE_PUBLISHER_KEY": SECRETS["mercure"]["publisher"]}),
        ({"allowAnonymousPublish": True}, {"ALLOW_ANONYMOUS_PUBLISH": "true"}),
        ({"noPublish": True}, {"NO_PUBLISH": "true"}),
    )
    SENTENCE = "can be reached from other machines: choose who may publish."

    def test_must_be_chosen_where_the_program_demands_it_and_nowhere_else(self):
        outcomes = set()
        for values, variables in self.CHOICES:
            with self.subTest(values=values):
                variables = {f"SSE_BROADCASTER_{name}": value for name, value in variables.items()}
                code, of_program = run([], NEVER_SERVES | variables)
                self.assertNotEqual(code, 0, of_program)
                is_refused = self.SENTENCE in of_program
                self.assertTrue(is_refused or "/nowhere/admin-keys" in of_program, of_program)
                of_chart = self.sentence(values)
                self.assertEqual(bool(of_chart), is_refused, of_chart + of_program)
                outcomes.add(is_refused)
        self.assertEqual(outcomes, {True, False})

    def sentence(self, values):
        try:
            run_template(values=values)
        except Refused as refused:
            self.assertIn(self.SENTENCE, str(refused))
            return str(refused)
        return ""

    def test_is_asked_for_with_every_value_that_chooses(self):
        line = self.sentence({})
        for part in (
            "publishers_not_chosen: ", "openssl rand -hex 32", "secrets.publishKeys.name", "secrets.tokenKeys.name",
            "settings.token-jwks-url", "settings.authorize-url", "allowAnonymousPublish=true", "noPublish=true",
        ):
            self.assertIn(part, line)


if __name__ == "__main__":
    unittest.main()
