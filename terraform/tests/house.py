#!/usr/bin/env python3
"""Rules of this house that no linter knows: house.py TERRAFORM_FOLDER."""
import gzip
import json
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
schema = json.loads(gzip.decompress((root / "tests/recorded-provider/schema.json.gz").read_bytes()))["resource_schemas"]
files = sorted(path for path in root.rglob("*.tf") if ".terraform" not in path.parts)
folders = sorted({path.parent for path in files})
problems = []

# A block begins at the left edge and ends at the next '}' there: terraform fmt sees to that.
BLOCK = re.compile(r'(?P<comment>(?:^#[^\n]*\n)*)^(?P<kind>\w+) (?:"(?P<one>\w+)" )?(?:"(?P<two>\w+)" )?\{\n(?P<body>.*?)^\}', re.M | re.S)

for path in files:
    text, where = path.read_text(), path.relative_to(root)
    for block in BLOCK.finditer(text):
        kind, one, two, body = block["kind"], block["one"], block["two"], block["body"]
        if kind == "variable":
            if "validation {" not in body and not block["comment"]:
                problems.append(f"{where}: variable {one} has no validation, and no comment above it says why not")
            if "description" not in body or not re.search(r"^  type ", body, re.M):
                problems.append(f"{where}: variable {one} needs a description and a type")
        if kind == "provider" and where.parts[0] == "modules":
            problems.append(f"{where}: a module with a provider block cannot be used twice, nor taken out")
        if kind == "resource":
            if one not in schema:
                problems.append(f"{where}: {one} is not in the recorded schema: run tests/recorded-provider/record.py")
            elif "tags" in schema[one]["block"]["attributes"] and not re.search(r"^  tags\s+= (local\.tags|merge\(local\.tags)", body, re.M):
                problems.append(f"{where}: {one}.{two} has no tags = local.tags")
    for source in re.findall(r'^\s*source\s*=\s*"([^"./][^"]*)"', text, re.M):
        if source != "hashicorp/aws":
            problems.append(f"{where}: {source}: hashicorp/aws is the only provider, and modules are our own")

for folder in folders:
    where = folder.relative_to(root)
    if not list((folder / "tests").glob("*.tftest.hcl")):
        problems.append(f"{where}: there is no test")
    if not (folder / "README.md").exists():
        problems.append(f"{where}: there is no README.md")

for readme in root.glob("examples/*/README.md"):
    text = readme.read_text()
    items = [float(item) for item in re.findall(r"\| (\d+\.\d\d) \|$", text, re.M)]
    together = re.search(r"\*\*(\d+\.\d\d)\*\*", text)
    if not items or not together or round(sum(items), 2) != float(together[1]):
        problems.append(f"{readme.relative_to(root)}: what it costs does not add up: {sum(items):.2f}")

for test in root.rglob("*.tftest.hcl"):
    for name in re.findall(r'^run "(\w+)"', test.read_text(), re.M):
        if name.count("_") < 2:
            problems.append(f"{test.relative_to(root)}: {name} is no promise: name a test as a sentence")

lines = [line.strip() for line in (root / ".checkov.yaml").read_text().splitlines()]
for before, line in zip(lines, lines[1:]):
    if line.startswith("- CKV") and not before.startswith(("#", "- CKV")):
        problems.append(f".checkov.yaml: {line} is an exception without a reason")

print(f"house rules: {len(files)} files in {len(folders)} folders, {len(problems)} problems")
for problem in problems:
    print("  " + problem)
sys.exit(bool(problems))
