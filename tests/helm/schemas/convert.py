#!/usr/bin/env python3
"""Prints the JSON schema of a version of a CustomResourceDefinition, without its texts: convert.py FILE VERSION"""

import json
import sys

from ruamel.yaml import YAML

TEXTS = {"description", "default"}
# Rules of the cluster that a JSON schema cannot express.
RULES = {"x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type", "x-kubernetes-validations"}


def without_texts(schema, of_properties=False):
    """The schema; below "properties" the names are those of members."""
    if isinstance(schema, list):
        return [without_texts(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = [name for name in schema if of_properties or name not in TEXTS | RULES]
    return {name: without_texts(schema[name], name == "properties" and not of_properties) for name in kept}


def main(file, version):
    with open(file, encoding="utf-8") as text:
        definition = YAML(typ="safe", pure=True).load(text)
    [found] = [one for one in definition["spec"]["versions"] if one["name"] == version]
    schema = without_texts(found["schema"]["openAPIV3Schema"])
    schema["properties"].pop("status", None)
    schema["$comment"] = "Apache-2.0; README.md says where it is from."
    json.dump(schema, sys.stdout, indent=1)
    print()


main(*sys.argv[1:])
