"""The documents are valid by their specifications."""

import json
import pathlib

import jsonschema
import requests
from openapi_spec_validator import OpenAPIV31SpecValidator

SPECS = pathlib.Path(__file__).parent / "node_modules/@asyncapi/specs/schemas"


def test_the_openapi_document_is_valid_by_openapi_3_1(server):
    document = requests.get(f"{server}/openapi.json", timeout=10).json()
    assert document["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document).validate()


def test_the_asyncapi_document_is_valid_by_asyncapi_3_0(server):
    document = requests.get(f"{server}/asyncapi.json", timeout=10).json()
    assert document["asyncapi"] == "3.0.0"
    jsonschema.validate(document, json.loads((SPECS / "3.0.0.json").read_text()))


def test_the_examples_of_messages_match_their_schemas(server):
    document = requests.get(f"{server}/asyncapi.json", timeout=10).json()
    examples = 0
    for name, message in document["components"]["messages"].items():
        for example in message.get("examples", []):
            validator = validator_of(document, message["payload"])
            assert validator.is_valid(example["payload"]), name
            examples += 1
    assert examples > 15


def validator_of(document, schema):
    """A validator of a schema of the document."""
    schema = {**schema, "components": document["components"]}
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
