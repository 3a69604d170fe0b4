"""schemathesis sends requests that it derives from the document, and compares the responses with it."""

import json
import zlib
from urllib.parse import urlsplit

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from conftest import HUB, authorization

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# Requests of an operation beside those of its examples and bounds.
MAX_EXAMPLES = 10
# Longer than the server takes for a response or the beginning of a stream, in seconds.
PATIENCE = 60
# What a client of a stream or a page of history accepts.
ACCEPTED = ["application/json", "application/x-ndjson", "text/event-stream", "*/*"]


@schemathesis.serializer("application/x-ndjson")
def lines(_, value):
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


class Session(requests.Session):
    """Reads of a stream its beginning alone, and then closes the connection."""

    def request(self, *arguments, **options):
        options.update(stream=True, timeout=(PATIENCE, PATIENCE))
        response = super().request(*arguments, **options)
        if response.headers.get("content-type", "").startswith("text/event-stream"):
            response._content = beginning(response)
            response._content_consumed = True
            response.raw.close()
        return response


def beginning(response):
    """Up to the first blank line; of the hub, whose streams begin with a comment alone, the first line."""
    end = b"\n" if urlsplit(response.url).path == HUB else b"\n\n"
    read = b""
    while end not in read:
        part = response.raw.read1()
        assert part, f"the stream ends after {read}"
        read += part
    return read


@pytest.fixture(scope="session")
def document(server):
    schema = schemathesis.openapi.from_url(f"{server}/openapi.json")
    schema.config.generation.update(with_security_parameters=False)
    return schema


schema = schemathesis.pytest.from_fixture("document")
session = Session()


@schema.parametrize()
@settings(
    max_examples=MAX_EXAMPLES,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_every_response_is_documented(case):
    # The same case always accepts the same, so that a failure can be repeated.
    accept = ACCEPTED[zlib.crc32(repr((case.query, case.headers)).encode()) % len(ACCEPTED)]
    headers = {"Accept": accept, **authorization(case.path)}
    response = case.call(session=session, headers=headers)
    case.validate_response(response, checks=CHECKS)
