"""What the chart renders: valid objects, and what each value promises."""

import re
import unittest

import fastjsonschema

from support import chart, schemas
from support.chart import Release

# The oldest that Chart.yaml names, and the newest whose schemas are there.
OLDEST, NEWEST = "1.29", "1.37"


class EveryValuesFile(unittest.TestCase):
    def each(self):
        for name in chart.VALUES:
            with self.subTest(values=name):
                yield name

    def test_passes_helm_lint_strict(self):
        for name in self.each():
            for major in chart.MAJORS:
                done = chart.helm("lint", "--strict", chart.CHART, "--values", chart.VALUES[name], major=major)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assertNotIn("[WARNING]", done.stdout)

    def test_renders_objects_that_the_schemas_of_kubernetes_accept(self):
        for name in self.each():
            for version in (OLDEST, NEWEST):
                for thing in chart.render(name, "--kube-version", version):
                    schemas.check(thing, version)

    def test_renders_alike_with_helm_3_and_helm_4(self):
        for name in self.each():
            self.assertEqual(*(chart.render(name, major=major) for major in chart.MAJORS))

    def test_renders_each_object_once_with_the_labels_of_the_release(self):
        for name in self.each():
            seen = set()
            for thing in chart.render(name):
                key = (thing["kind"], thing["metadata"]["name"])
                self.assertNotIn(key, seen)
                seen.add(key)
                labels = thing["metadata"]["labels"]
                self.assertEqual(labels["app.kubernetes.io/instance"], chart.RELEASE, key)
                self.assertEqual(labels["app.kubernetes.io/name"], "sse-broadcaster", key)
                self.assertEqual(labels["app.kubernetes.io/managed-by"], "Helm", key)

    def test_selects_its_own_pods_and_not_that_of_the_test(self):
        for name in self.each():
            release = Release(name)
            labels = release.workload["spec"]["template"]["metadata"]["labels"]
            of_test = release.one("Pod")["metadata"]["labels"]
            selectors = [service["spec"]["selector"] for service in release.all("Service")]
            selectors.append(release.workload["spec"]["selector"]["matchLabels"])
            selectors.append(release.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"])
            for selector in selectors:
                self.assertLessEqual(selector.items(), labels.items())
                self.assertFalse(selector.items() <= of_test.items())

    def test_has_pods_as_the_standard_restricted_demands(self):
        for name in self.each():
            release = Release(name)
            for pod in (release.pod, release.one("Pod")["spec"]):
                self.assertFalse(pod["automountServiceAccountToken"])
                of_pod = pod["securityContext"]
                self.assertTrue(of_pod["runAsNonRoot"])
                self.assertEqual((of_pod["runAsUser"], of_pod["runAsGroup"]), (65532, 65532))
                self.assertEqual(of_pod["seccompProfile"], {"type": "RuntimeDefault"})
                for container in pod["containers"]:
                    of_container = container["securityContext"]
                    self.assertTrue(of_container["readOnlyRootFilesystem"])
                    self.assertFalse(of_container["allowPrivilegeEscalation"])
                    self.assertEqual(of_container["capabilities"], {"drop": ["ALL"]})
                    self.assertNotIn("cpu", container["resources"]["limits"])
                    self.assertIn("memory", container["resources"]["limits"])

    def test_keeps_the_admin_port_off_the_service_of_clients(self):
        for name in self.each():
            public, admin = Release(name).services
            self.assertEqual([port["targetPort"] for port in public["spec"]["ports"]], ["http"])
            self.assertEqual([port["targetPort"] for port in admin["spec"]["ports"]], ["admin"])
            self.assertEqual(admin["spec"]["type"], "ClusterIP")

    def test_leaves_a_pod_more_time_than_its_drain_takes(self):
        for name in self.each():
            release = Release(name)
            variables = release.variables()
            drain = ["SSE_BROADCASTER_DRAIN_DELAY", "SSE_BROADCASTER_DRAIN_TIME"]
            seconds = sum(int(variables[name].removesuffix("s")) for name in drain)
            self.assertGreater(release.pod["terminationGracePeriodSeconds"], seconds)


class Version(unittest.TestCase):
    def test_of_the_chart_and_of_its_image_is_that_of_the_program(self):
        about = chart.load(chart.CHART / "Chart.yaml")
        manifest = (chart.ROOT / "Cargo.toml").read_text(encoding="utf-8")
        [version] = re.findall(r'(?m)^version = "(.*)"$', manifest.split("[workspace.package]")[1].split("\n[")[0])
        self.assertEqual((about["version"], about["appVersion"]), (version, version))
        self.assertTrue(Release("memory").container["image"].endswith(f":{version}"))
        digest = Release("everything").container["image"]
        self.assertRegex(digest, r"^registry\.example\.com/sse-broadcaster@sha256:0{64}$")


class TheSchemas(unittest.TestCase):
    """A check that accepts everything would prove nothing."""

    def test_refuse_a_member_that_kubernetes_does_not_have(self):
        release = Release("redis")
        release.container["imagePulPolicy"] = "Always"
        for version in (OLDEST, NEWEST):
            with self.assertRaisesRegex(fastjsonschema.JsonSchemaValueException, "imagePulPolicy"):
                schemas.check(release.workload, version)

    def test_refuse_a_member_that_a_custom_resource_does_not_have(self):
        release = Release("redis")
        route, monitor = release.one("HTTPRoute"), release.one("ServiceMonitor")
        route["spec"]["rules"][0]["timeout"] = "0s"
        monitor["spec"]["endpoints"][0]["interval"] = "often"
        with self.assertRaisesRegex(fastjsonschema.JsonSchemaValueException, "timeout"):
            schemas.check(route, NEWEST)
        with self.assertRaisesRegex(fastjsonschema.JsonSchemaValueException, "interval"):
            schemas.check(monitor, NEWEST)

    def test_of_yaml_refuse_a_key_that_an_object_has_twice(self):
        with self.assertRaisesRegex(Exception, "duplicate key"):
            chart.parser().load("a: 1\na: 2\n")


class History(unittest.TestCase):
    def test_in_memory_is_one_pod_that_ends_before_the_next_begins(self):
        release = Release("memory")
        self.assertEqual(release.workload["kind"], "Deployment")
        self.assertEqual(release.workload["spec"]["replicas"], 1)
        self.assertEqual(release.workload["spec"]["strategy"], {"type": "Recreate"})

    def test_on_disk_is_a_stateful_set_whose_volume_outlives_it(self):
        release = Release("disk")
        spec = release.workload["spec"]
        self.assertEqual(release.workload["kind"], "StatefulSet")
        self.assertEqual(spec["replicas"], 1)
        self.assertEqual(spec["persistentVolumeClaimRetentionPolicy"]["whenDeleted"], "Retain")
        [claim] = spec["volumeClaimTemplates"]
        self.assertEqual(claim["spec"]["storageClassName"], "fast")
        self.assertEqual(claim["spec"]["resources"], {"requests": {"storage": "20Gi"}})
        folder = release.variables()["SSE_BROADCASTER_DATA_DIR"]
        [mount] = [mount for mount in release.container["volumeMounts"] if mount["name"] == claim["metadata"]["name"]]
        self.assertTrue(folder.startswith(mount["mountPath"] + "/"), "the volume's own root may have lost+found")

    def test_on_disk_takes_a_claim_that_exists(self):
        release = Release("disk", "--set", "history.disk.existingClaim=mine")
        self.assertNotIn("volumeClaimTemplates", release.workload["spec"])
        self.assertIn({"name": "data", "persistentVolumeClaim": {"claimName": "mine"}}, release.pod["volumes"])

    def test_in_postgresql_has_its_url_by_reference_and_a_rolling_update(self):
        release = Release("postgres")
        reference = {"secretKeyRef": {"name": "postgres", "key": "url"}}
        self.assertEqual(release.variables()["SSE_BROADCASTER_POSTGRES_URL"], reference)
        self.assertEqual(release.one("Deployment")["spec"]["strategy"]["type"], "RollingUpdate")

    def test_in_redis_has_its_url_by_reference_and_a_rolling_update_without_a_missing_pod(self):
        release = Release("redis")
        reference = {"secretKeyRef": {"name": "redis", "key": "url"}}
        self.assertEqual(release.variables()["SSE_BROADCASTER_REDIS_URL"], reference)
        update = release.workload["spec"]["strategy"]["rollingUpdate"]
        self.assertEqual(update, {"maxUnavailable": 0, "maxSurge": 1})
        keys = [constraint["topologyKey"] for constraint in release.pod["topologySpreadConstraints"]]
        self.assertEqual(keys, ["topology.kubernetes.io/zone", "kubernetes.io/hostname"])


class Autoscaling(unittest.TestCase):
    def test_follows_the_subscribers_and_leaves_the_number_of_pods_alone(self):
        release = Release("redis")
        scaler = release.one("HorizontalPodAutoscaler")["spec"]
        self.assertNotIn("replicas", release.workload["spec"])
        self.assertEqual(scaler["scaleTargetRef"]["name"], release.workload["metadata"]["name"])
        [metric] = scaler["metrics"]
        self.assertEqual(metric["pods"]["metric"], {"name": "sse_broadcaster_subscribers"})
        self.assertEqual(metric["pods"]["target"], {"type": "AverageValue", "averageValue": "20000"})

    def test_writes_large_numbers_without_an_exponent(self):
        scaler = Release("everything").one("HorizontalPodAutoscaler")["spec"]
        self.assertEqual(scaler["metrics"][0]["pods"]["target"]["averageValue"], "1000000")
        self.assertEqual(scaler["metrics"][1]["resource"]["target"]["averageUtilization"], 70)


class Routes(unittest.TestCase):
    def test_of_a_gateway_have_no_time_limit_and_lead_to_the_service_of_clients(self):
        release = Release("everything")
        public, _ = release.services
        [rule] = release.one("HTTPRoute")["spec"]["rules"]
        self.assertEqual(rule["timeouts"], {"request": "0s", "backendRequest": "0s"})
        self.assertEqual(rule["backendRefs"], [{"name": public["metadata"]["name"], "port": 8080}])

    def test_of_an_ingress_do_not_buffer_and_lead_to_the_service_of_clients(self):
        release = Release("closed")
        public, _ = release.services
        ingress = release.one("Ingress")
        short = {name.split("/")[1]: value for name, value in ingress["metadata"]["annotations"].items()}
        self.assertEqual(short, {
            "proxy-body-size": "0", "proxy-buffering": "off", "proxy-request-buffering": "off",
            "proxy-read-timeout": "3600", "proxy-send-timeout": "3600",
        })
        [rule] = ingress["spec"]["rules"]
        [path] = rule["http"]["paths"]
        self.assertEqual(path["backend"]["service"], {"name": public["metadata"]["name"], "port": {"name": "http"}})

    def test_of_an_ingress_take_annotations_of_the_operator_first(self):
        annotations = Release("everything").one("Ingress")["metadata"]["annotations"]
        self.assertEqual(annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"], "7200")
        self.assertEqual(annotations["nginx.ingress.kubernetes.io/proxy-buffering"], "off")

    def test_of_an_ingress_without_hosts_are_for_every_host(self):
        ingress = Release("memory", "--set", "ingress.enabled=true").one("Ingress")
        self.assertEqual([set(rule) for rule in ingress["spec"]["rules"]], [{"http"}])


class NetworkPolicies(unittest.TestCase):
    def rules(self, *arguments, values="closed"):
        policy = Release(values, *arguments).one("NetworkPolicy")["spec"]
        return {tuple(port["port"] for port in rule["ports"]): rule for rule in policy["ingress"]}, policy

    def test_let_only_named_peers_reach_the_ports(self):
        rules, policy = self.rules()
        self.assertEqual(len(rules[("http",)]["from"]), 2)
        namespaces = [peer["namespaceSelector"] for peer in rules[("admin",)]["from"] if "namespaceSelector" in peer]
        self.assertEqual(namespaces, [{"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}])
        self.assertEqual(policy["policyTypes"], ["Ingress"])

    def test_let_the_pod_of_helm_test_reach_the_admin_port(self):
        rules, _ = self.rules()
        of_test = Release("closed").one("Pod")["metadata"]["labels"]
        pods = [peer["podSelector"]["matchLabels"] for peer in rules[("admin",)]["from"] if "podSelector" in peer]
        self.assertTrue(any(labels.items() <= of_test.items() for labels in pods))

    def test_let_every_client_reach_the_http_port_where_none_is_named(self):
        rules, _ = self.rules(values="everything")
        self.assertNotIn("from", rules[("http",)])

    def test_restrict_what_the_pods_reach_to_dns_redis_issuers_and_named_peers(self):
        _, policy = self.rules(values="everything")
        self.assertEqual(policy["policyTypes"], ["Ingress", "Egress"])
        ports = [[port["port"] for port in rule["ports"]] for rule in policy["egress"]]
        self.assertEqual(ports, [[53, 53], [6379, 6380], [443], [4318], [4317]])
        self.assertTrue(all(rule["to"] for rule in policy["egress"]))

    def test_open_the_port_of_postgresql_where_history_is_there(self):
        _, policy = self.rules(values="postgres")
        self.assertEqual([[port["port"] for port in rule["ports"]] for rule in policy["egress"]], [[53, 53], [5432]])

    def test_open_no_port_to_redis_or_issuers_that_are_not_used(self):
        enabled = ["networkPolicy.enabled=true", "networkPolicy.egress.restricted=true"]
        _, policy = self.rules(*(word for value in enabled for word in ("--set", value)), values="memory")
        self.assertEqual([[port["port"] for port in rule["ports"]] for rule in policy["egress"]], [[53, 53]])


class Monitoring(unittest.TestCase):
    def test_scrapes_the_admin_service_alone(self):
        release = Release("redis")
        monitor = release.one("ServiceMonitor")["spec"]
        [endpoint] = monitor["endpoints"]
        public, admin = release.services
        self.assertEqual((endpoint["port"], endpoint["path"]), (admin["spec"]["ports"][0]["name"], "/metrics"))
        selector = monitor["selector"]["matchLabels"].items()
        self.assertLessEqual(selector, admin["metadata"]["labels"].items())
        self.assertFalse(selector <= public["metadata"]["labels"].items())


    def test_alerts_by_the_rules_of_deploy_monitoring(self):
        rules = chart.load(chart.ROOT / "deploy/monitoring/alerts.yml")
        self.assertEqual(Release("redis").one("PrometheusRule")["spec"], rules)

    def test_names_its_job_as_the_alerts_do(self):
        release = Release("redis", "--set", "nameOverride=other")
        [endpoint] = release.one("ServiceMonitor")["spec"]["endpoints"]
        self.assertIn({"targetLabel": "job", "replacement": "sse-broadcaster"}, endpoint["relabelings"])
        jobs = set(re.findall(r'job="([^"]*)"', str(release.one("PrometheusRule"))))
        self.assertEqual(jobs, {"sse-broadcaster"})

    def test_takes_a_label_of_its_own_before_that_of_all_objects(self):
        labels = {"commonLabels": {"release": "all"}, "podLabels": {"release": "pods"}}
        monitor = {"enabled": True, "labels": {"release": "own"}}
        release = Release({"noPublish": True, "serviceMonitor": monitor} | labels)
        self.assertEqual(release.one("ServiceMonitor")["metadata"]["labels"]["release"], "own")
        self.assertEqual(release.workload["metadata"]["labels"]["release"], "all")
        self.assertEqual(release.workload["spec"]["template"]["metadata"]["labels"]["release"], "pods")


class Notes(unittest.TestCase):
    def notes(self, *arguments, values):
        done = chart.helm(
            "install", chart.RELEASE, chart.CHART, "--dry-run=client", "--namespace", chart.NAMESPACE,
            "--values", chart.VALUES[values], *arguments,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.split("NOTES:")[1]

    def test_name_commands_for_the_services_that_are_there(self):
        for values in chart.VALUES:
            text = self.notes(values=values)
            for service in Release(values).services:
                forward = f"port-forward service/{service['metadata']['name']} "
                self.assertIn(forward, text)
                self.assertIn(f":{service['spec']['ports'][0]['port']}\n", text.split(forward)[1])

    def test_show_how_to_publish_only_where_a_client_may(self):
        self.assertIn("get secret events", self.notes(values="disk"))
        self.assertIn("may publish (allowAnonymousPublish)", self.notes(values="memory"))
        nobody = ["--set", "allowAnonymousPublish=false", "--set", "noPublish=true"]
        self.assertNotIn("-d hello", self.notes(*nobody, values="memory"))


if __name__ == "__main__":
    unittest.main()
