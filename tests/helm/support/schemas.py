"""Whether an object is as its published schema says, and has no member that the schema lacks."""

import functools
import json
import re
import sys
from pathlib import Path

import fastjsonschema

# A dollar in a class of characters, which fastjsonschema takes for the end of the text.
CLASS = re.compile(r"\[[^]]*\]")
DRAFT = "http://json-schema.org/draft-07/schema#"
OF_RESOURCES = Path(__file__).resolve().parent.parent / "schemas"
[OF_KUBERNETES] = (Path(sys.prefix) / "lib").glob("python3*/site-packages/kubernetes_validate/kubernetes-json-schema")


def check(thing, kubernetes):
    """Raises fastjsonschema.JsonSchemaValueException, which names the member."""
    validator(thing["apiVersion"], thing["kind"].lower(), kubernetes)(thing)


def validator(api_version, kind, kubernetes):
    group, _, version = api_version.rpartition("/")
    if "." in group and not group.endswith(".k8s.io") or group == "gateway.networking.k8s.io":
        return of_resource(kind)
    short = group.split(".")[0]
    return of_kubernetes(f"{kind}-{short}-{version}" if short else f"{kind}-{version}", kubernetes)


@functools.cache
def of_resource(kind):
    """The validator of a custom resource."""
    schema = json.loads((OF_RESOURCES / f"{kind}.json").read_text(encoding="utf-8"))
    return compile_schema(close(schema))


def close(schema):
    """Refuses members that the schema does not name, as a cluster drops them."""
    if isinstance(schema, list):
        return [close(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: close(part) for name, part in schema.items()}
    if isinstance(schema.get("pattern"), str):
        schema["pattern"] = for_python(schema["pattern"])
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    return schema


def for_python(pattern):
    """The pattern as Python reads it: flags come first."""
    pattern = re.sub(r"^\^\(\?i\)", "(?i)^", pattern)
    return CLASS.sub(lambda found: found[0].replace("$", r"\x24"), pattern)


@functools.cache
def definitions(kubernetes):
    return json.loads((folder(kubernetes) / "_definitions.json").read_text(encoding="utf-8"))["$defs"]


def folder(kubernetes):
    return OF_KUBERNETES / f"v{kubernetes}.0-local-strict"


@functools.cache
def of_kubernetes(name, kubernetes):
    """The validator of a resource that Kubernetes has."""
    schema = json.loads((folder(kubernetes) / f"{name}.json").read_text(encoding="utf-8"))
    used = {}
    schema = with_local_references(schema, definitions(kubernetes), used)
    return compile_schema(schema | {"$defs": used})


def with_local_references(schema, known, used):
    """The same schema with references into its own $defs; what they need is added to `used`."""
    if isinstance(schema, list):
        return [with_local_references(part, known, used) for part in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str):
        name = re.sub(r".*/", "", reference)
        schema = schema | {"$ref": f"#/$defs/{name}"}
        if name not in used:
            used[name] = None
            used[name] = with_local_references(known[name], known, used)
    return {name: with_local_references(part, known, used) for name, part in schema.items()}


def compile_schema(schema):
    return fastjsonschema.compile(schema | {"$schema": DRAFT}, use_default=False)
