"""The built program, started with exactly what the chart renders for its container."""

import json
import unittest

from support import chart
from support.chart import Release
from support.program import ADMIN_KEY, KEY, PATIENCE, Program, run, until
from support.redis import Redis

VARIABLE = "SSE_BROADCASTER_"


def settings_of_the_program():
    """The schema of each setting, but not of --config, by the name of its flag."""
    code, text = run(["config", "schema"])
    assert code == 0, text
    return json.loads(text)["properties"]


def kind_of(schema):
    """What the chart's schema calls this kind of setting."""
    kinds = [schema, *schema.get("anyOf", [])]
    if "enum" in schema:
        return {"enum": schema["enum"]}
    if any(kind.get("type") == "array" for kind in kinds):
        name = "list"
    elif {"const": 0} in kinds:
        name = "duration"
    else:
        types = schema["type"]
        named = {"boolean": "switch", "integer": "count", "string": "text"}
        name = "size" if isinstance(types, list) else named[types]
    return {"$ref": f"#/definitions/{name}"}


class EveryValuesFile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        redis = Redis()
        url = redis.start()
        cls.addClassCleanup(redis.close)
        cls.programs = {}
        # PostgreSQL itself is tried by the tests of the program.
        for name in set(chart.VALUES) - {"postgres"}:
            release = Release(name)
            program = Program(release, url)
            cls.addClassCleanup(program.close)
            cls.programs[name] = (release, program)

    def each(self):
        for name, (release, program) in self.programs.items():
            with self.subTest(values=name):
                yield name, release, program

    def test_starts_the_program_without_a_warning_and_every_probe_succeeds(self):
        for _, _, program in self.each():
            until(lambda: program.probe("startup") == 200, "the startup probe succeeds")
            self.assertEqual(program.probe("liveness"), 200)
            until(lambda: program.probe("readiness") == 200, "the readiness probe succeeds")
            self.assertEqual(program.warnings(), [])

    def test_serves_clients_and_operators_on_the_ports_of_their_services(self):
        for name, release, program in self.each():
            public, admin = ([port["targetPort"] for port in service["spec"]["ports"]][0]
                             for service in release.services)
            base = release.variables().get(f"{VARIABLE}BASE_PATH", "")
            status, _ = program.request(public, f"{base}/events")
            self.assertEqual(status, 401 if name == "closed" else 200)
            for path in ("/metrics", "/health/live", "/health/ready", "/", "/admin/status"):
                self.assertEqual(program.request(public, path)[0], 404, path)
            for path in ("/metrics", "/health/live", "/health/ready"):
                self.assertEqual(program.request(admin, path)[0], 200, path)

    def test_has_a_test_pod_that_reaches_the_admin_port(self):
        for _, release, program in self.each():
            [container] = release.one("Pod")["spec"]["containers"]
            _, admin = release.services
            [port] = admin["spec"]["ports"]
            inside = f"http://{admin['metadata']['name']}:{port['port']}"
            self.assertIn(inside, container["args"])
            outside = [program.url(port["targetPort"]) if word == inside else word for word in container["args"]]
            self.assertEqual(run(outside), (0, ""))
            wrong = [program.url("http") if word == inside else word for word in container["args"]]
            self.assertNotEqual(run(wrong)[0], 0, "the Service of clients has no health")

    def test_exposes_the_metric_that_pods_are_counted_by(self):
        for _, _, program in self.each():
            metric = chart.load(chart.CHART / "values.yaml")["autoscaling"]["subscribersMetric"]
            self.assertRegex(program.request("admin", "/metrics")[1], rf"(?m)^{metric} \d")


class Keys(unittest.TestCase):
    def test_of_secrets_are_those_of_publishers_and_operators(self):
        with Program(Release("disk")) as program:
            self.assertEqual(program.request("http", "/events", "POST", "hello")[0], 401)
            self.assertEqual(program.request("http", "/events", "POST", "hello", KEY)[0], 200)
            self.assertEqual(program.request("admin", "/admin/status")[0], 401)
            self.assertEqual(program.request("admin", "/admin/status", key=ADMIN_KEY)[0], 200)
            self.assertTrue((program.root / "data/log").is_dir(), "the log is on the volume")

    def test_are_never_in_what_the_chart_renders_but_as_references(self):
        release = Release("everything")
        files = [name for name in release.variables() if name.endswith(("_KEY_FILE", "_SECRET_FILE"))]
        self.assertEqual(len(files), 6)
        for name, value in release.variables().items():
            if name.endswith(("_KEY", "_REDIS_URL", "_POSTGRES_URL")):
                self.assertIn("secretKeyRef", value, name)


class Drain(unittest.TestCase):
    def test_is_not_ready_but_alive_until_it_ends_within_the_time_that_kubernetes_leaves(self):
        short = ["--set", "drain.delaySeconds=1", "--set", "drain.timeSeconds=1"]
        release = Release("memory", *short)
        with Program(release) as program:
            until(lambda: program.probe("readiness") == 200, "the readiness probe succeeds")
            program.terminate()
            until(lambda: program.probe("readiness") == 503, "the readiness probe fails")
            self.assertEqual(program.probe("liveness"), 200)
            self.assertLessEqual(release.pod["terminationGracePeriodSeconds"], PATIENCE)
            code = program.process.wait(release.pod["terminationGracePeriodSeconds"])
            self.assertEqual(code, 0, program.log)


class Settings(unittest.TestCase):
    def setUp(self):
        schema = chart.load(chart.CHART / "values.schema.json")
        self.listed = schema["properties"]["settings"]["properties"]
        self.of_the_chart = {name for name, kind in self.listed.items() if kind.get("$ref", "").endswith("/ofTheChart")}

    def test_of_the_schema_are_those_of_the_program_and_of_the_same_kind(self):
        of_program = settings_of_the_program()
        self.assertEqual(set(self.listed), set(of_program) | {"config"})
        for name in set(self.listed) - self.of_the_chart:
            self.assertEqual(self.listed[name], kind_of(of_program[name]), name)

    def test_are_all_tried_by_a_values_file(self):
        tried = set()
        for file in chart.VALUES.values():
            tried |= set(chart.load(file).get("settings", {}))
        # A program that has it fetches it at its start.
        fetched = {"token-jwks-url"}
        # In a cluster a Gateway or an Ingress has the certificates.
        tls = {"redirect-http", "redirect-port", "tls-cert", "tls-dir", "tls-key"}
        tls |= {name for name in self.listed if name.startswith("acme-")}
        self.assertEqual(tried, set(self.listed) - self.of_the_chart - fetched - tls)

    def test_that_the_chart_makes_are_refused_with_the_value_that_is_right(self):
        for name in sorted(self.of_the_chart):
            with self.subTest(setting=name):
                line = chart.refusal({"allowAnonymousPublish": True, "settings": {name: "x"}})
                self.assertIn(f"setting_of_the_chart: settings.{name} is set by the chart: use ", line)

    def test_of_the_chart_are_rendered_by_some_values(self):
        rendered = set()
        for name in chart.VALUES:
            rendered |= set(Release(name).variables())
        rendered |= set(Release({"noPublish": True}).variables())
        # These are in no pod: settings are variables, and the URLs of histories are, too.
        for name in self.of_the_chart - {"config", "postgres-url-file", "redis-url-file"}:
            if name.endswith("-key"):
                name += "-file"
            self.assertIn(VARIABLE + name.upper().replace("-", "_"), rendered)

    def test_are_texts_as_the_program_reads_them(self):
        variables = Release("everything").variables()
        for flag, text in {
            "history-events": "5000000",
            "replay-buffer-bytes": "33554432",
            "keep-alive": "0",
            "no-direct": "false",
            "mercure": "true",
            "cors-origin": "https://app.example.com,https://www.example.com",
            "protected-topic": "users/{id},teams/{id,name}",
            "token-issuer": "https://login.example.com https://partner.example.com,"
                            "keys=/etc/issuers/partner.json,audience=https://events.example.com",
        }.items():
            self.assertEqual(variables[VARIABLE + flag.upper().replace("-", "_")], text)


if __name__ == "__main__":
    unittest.main()
