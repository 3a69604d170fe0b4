"""A Prometheus on a port of its own, and its HTTP API."""

import http.client
import json
import math
import urllib.parse

from support.processes import Process, free_port


class Prometheus(Process):
    def __init__(self, config, folder):
        self.address = f"127.0.0.1:{free_port()}"
        super().__init__(
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={folder}",
            f"--web.listen-address={self.address}",
            "--web.enable-lifecycle",
            "--log.level=warn",
        )
        self.wait_for("Prometheus is ready", self.is_ready)

    def request(self, method, path):
        connection = http.client.HTTPConnection(self.address, timeout=30)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def is_ready(self):
        try:
            return self.request("GET", "/-/ready")[0] == 200
        except OSError:
            return False

    def reload(self):
        status, text = self.request("POST", "/-/reload")
        assert status == 200, text

    def api(self, path, **parameters):
        query = urllib.parse.urlencode(parameters)
        _, text = self.request("GET", f"/api/v1/{path}?{query}")
        response = json.loads(text)
        assert response["status"] == "success", f"{parameters}: {response.get('error')}"
        return response["data"]

    def query(self, expression):
        """The samples of now that are numbers, each as labels and value."""
        result = self.api("query", query=expression)["result"]
        samples = [(sample["metric"], float(sample["value"][1])) for sample in result]
        return [(labels, value) for labels, value in samples if not math.isnan(value)]

    def alerting_rules(self):
        groups = self.api("rules", type="alert")["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}
