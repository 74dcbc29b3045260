#!/usr/bin/env python3
"""Looks at everything an example would make: what_is_made.py RESULT SCHEMA.

RESULT is what `terraform test -verbose -json` printed after applying the example with a mocked provider. The promises
below hold for every resource there is, those that are added later included.
"""
import json
import os
import pathlib
import re
import sys

import jsonschema
import yaml

SECRET = re.compile(r"(^|_)(password|secret_string|secret_key|private_key|token)$")


def last_state(path):
    states = [m["test_state"] for m in map(json.loads, open(path)) if m.get("type") == "test_state"]
    if not states:
        sys.exit(f"FAILED {path}: no state in it, so nothing was looked at")
    return states[-1]


def resources(module):
    for resource in module.get("resources", []):
        if resource["mode"] == "managed":
            yield resource["address"], resource["type"], resource["values"]
    for child in module.get("child_modules", []):
        yield from resources(child)


def untagged(everything):
    for address, kind, values in everything:
        if "tags" in values and "ras.dev/platform" not in (values["tags"] or {}):
            yield f"{address} has no tag ras.dev/platform: nobody could tell whose it is"


def secrets(everything):
    for address, kind, values in everything:
        for key, value in values.items():
            if SECRET.search(key) and isinstance(value, str) and value:
                yield f"{address}.{key} holds a secret, and the state would, too"


def open_to_the_world(everything):
    for address, kind, values in everything:
        text = json.dumps([values.get(key) for key in ("cidr_ipv4", "cidr_ipv6", "ingress")])
        if kind.startswith(("aws_security_group", "aws_vpc_security_group_ingress")) and re.search(r'"(0\.0\.0\.0/0|::/0)"', text):
            yield f"{address} lets the whole internet in"


def wildcards(everything):
    for address, kind, values in everything:
        # A policy of a bucket that forbids, and the key policies that AWS makes, are no grants.
        if kind != "aws_iam_role_policy":
            continue
        for statement in json.loads(values["policy"])["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            where = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
            if any("*" in action for action in actions) or "*" in where:
                yield f"{address} grants a wildcard: {json.dumps(statement)}"


def unencrypted(everything):
    for address, kind, values in everything:
        if kind == "aws_db_instance" and not values["storage_encrypted"]:
            yield f"{address} is not encrypted"
        if kind == "aws_kms_key" and not values["enable_key_rotation"]:
            yield f"{address} never rotates"
    buckets = {a.rsplit(".", 2)[0] for a, k, _ in everything if k == "aws_s3_bucket"}
    for needed in ("aws_s3_bucket_server_side_encryption_configuration", "aws_s3_bucket_public_access_block", "aws_s3_bucket_versioning", "aws_s3_bucket_policy"):
        for missing in buckets - {a.rsplit(".", 2)[0] for a, k, _ in everything if k == needed}:
            yield f"{missing} has a bucket without {needed}"


def endless_logs(everything):
    for address, kind, values in everything:
        if kind == "aws_cloudwatch_log_group" and not values["retention_in_days"]:
            yield f"{address} is kept for ever"


def hand_over(state, schema):
    text = state["outputs"]["platform_yaml"]["value"]
    for error in jsonschema.Draft202012Validator(schema).iter_errors(yaml.safe_load(text)):
        yield f"platform.yaml: {'.'.join(map(str, error.absolute_path))}: {error.message}"
    if yaml.safe_load(text).get("apiVersion") != "ras.dev/platform/v1":
        yield "platform.yaml: it does not say which version it is"


def recorded(state, folder, example):
    """What is handed over is recorded, so that tests of the operator have it where there is no Terraform. UPDATE=1 writes it."""
    for output, name in (("platform_yaml", f"{example}.yaml"), ("storage_class_yaml", f"{example}-storage-class.yaml")):
        text, path = state["outputs"][output]["value"], folder / name
        if os.environ.get("UPDATE"):
            path.write_text(text)
        if not path.exists() or path.read_text() != text:
            yield f"tests/handover/{name} is not what is handed over: run UPDATE=1 terraform/test.sh t1, and read the difference"


def main():
    path, schema = sys.argv[1], json.loads(pathlib.Path(sys.argv[2]).read_text())
    state = last_state(path)
    everything = list(resources(state["root_module"]))
    problems = [p for check in (untagged, secrets, open_to_the_world, wildcards, unencrypted, endless_logs) for p in check(everything)]
    problems += hand_over(state, schema)
    problems += recorded(state, pathlib.Path(sys.argv[2]).parent / "tests/handover", pathlib.Path(path).stem.removeprefix("examples-"))
    name = pathlib.Path(path).stem.replace("-", "/", 1)
    print(f"{'FAILED' if problems else 'ok    '} {name}: {len(everything)} resources are tagged, encrypted and closed, no secret in state, hand-over fits its schema")
    for problem in problems:
        print("  " + problem)
    outputs = state["outputs"]
    pathlib.Path(path).with_suffix(".yaml").write_text(outputs["platform_yaml"]["value"])
    pathlib.Path(path).with_suffix(".policies").write_text(json.dumps({k: json.loads(outputs[k]["value"]) for k in ("operator_policy", "drives_policy")}))
    sys.exit(bool(problems))


main()
