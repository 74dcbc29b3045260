#!/usr/bin/env python3
"""Records the part of a provider's schema that our files use: schema.json.gz beside this file.

    terraform providers schema -json | record.py       (in a folder where the real provider is installed)

The whole schema has 1,600 resources; ours are some fifty. Run it again after using a resource that is new here, or
after raising the provider's version. The recording is made the same way each time, so that a diff means a change.
"""
import gzip
import io
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).parent
TERRAFORM = HERE.parent.parent


def without_descriptions(value):
    if isinstance(value, dict):
        # An argument that is called description is an object here, and stays.
        return {k: without_descriptions(v) for k, v in value.items() if isinstance(v, dict) or not k.startswith(("descri", "deprecat"))}
    return value


def used(kind):
    text = "\n".join(path.read_text() for path in TERRAFORM.rglob("*.tf") if ".terraform" not in path.parts)
    return sorted(set(re.findall(rf'^{kind} "(aws_\w+)"', text, re.M)))


def main():
    (whole,) = json.load(sys.stdin)["provider_schemas"].values()
    part = {
        "provider": whole["provider"],
        "resource_schemas": {name: whole["resource_schemas"][name] for name in used("resource")},
        "data_source_schemas": {name: whole["data_source_schemas"][name] for name in used("data")},
    }
    text = json.dumps(without_descriptions(part), sort_keys=True, separators=(",", ":")).encode()
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as stream:
        stream.write(text)
    (HERE / "schema.json.gz").write_bytes(packed.getvalue())
    print(f"{len(part['resource_schemas'])} resources, {len(part['data_source_schemas'])} data sources, {len(packed.getvalue())} bytes")


main()
