#!/usr/bin/env python3
"""Plants each mistake of mistakes.yaml into a copy of terraform/ and wants it caught: mistakes.py [WORDS OF A MISTAKE].

Only the folder (t1) or the check (t0) that should catch it is run, and a run without any mistake has to pass first:
otherwise whatever is broken anyway would seem to catch everything.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import yaml

TERRAFORM = pathlib.Path(__file__).resolve().parent.parent
REPOSITORY = TERRAFORM.parent
TARGET = os.environ.get("CARGO_TARGET_DIR", str(REPOSITORY / "target"))
LEFT_BEHIND = shutil.ignore_patterns(".terraform", "*.tfstate*", ".terraform.lock.hcl", "node_modules", "backend.hcl")


def run(tree, mistake):
    where = {"FOLDERS": mistake.get("folder", ""), "CHECKS": mistake.get("check", "")}
    environment = {**os.environ, **{k: v for k, v in where.items() if v}, "CARGO_TARGET_DIR": TARGET, "REQUIRE": "1"}
    # A module alone has nothing to hand over; what examples make is looked at in them.
    ran = subprocess.run([tree / "terraform/test.sh", mistake["tier"]], env=environment, capture_output=True, text=True)
    return ran.returncode, ran.stdout + ran.stderr


def plant(tree, mistake):
    path = tree / "terraform" / mistake["file"]
    text = path.read_text()
    if mistake["find"] not in text:
        sys.exit(f"FAILED {mistake['mistake']}: {mistake['file']} no longer holds {mistake['find']!r}, so it was not planted")
    path.write_text(text.replace(mistake["find"], mistake["replace"], 1))


def main():
    mistakes = yaml.safe_load((TERRAFORM / "tests/mistakes.yaml").read_text())
    wanted = [m for m in mistakes if " ".join(sys.argv[1:]) in m["mistake"]]
    began, missed, by_tier = time.time(), 0, {}
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder)
        shutil.copytree(REPOSITORY / "deploy/iam", tree / "deploy/iam")
        clean = set()
        for mistake in wanted:
            shutil.rmtree(tree / "terraform", ignore_errors=True)
            shutil.copytree(TERRAFORM, tree / "terraform", ignore=LEFT_BEHIND)
            place = (mistake["tier"], mistake.get("folder"), mistake.get("check"))
            if place not in clean:
                code, output = run(tree, mistake)
                if code:
                    sys.exit(f"FAILED {place} fails without any mistake:\n{output}")
                clean.add(place)
            plant(tree, mistake)
            code, output = run(tree, mistake)
            # Terraform breaks long sentences into lines.
            caught = code != 0 and " ".join(mistake["says"].split()) in " ".join(output.replace("│", " ").split())
            missed += not caught
            by_tier[mistake["tier"]] = by_tier.get(mistake["tier"], 0) + caught
            print(f"{'caught' if caught else 'MISSED'} by {mistake['tier']}: {mistake['mistake']}", flush=True)
            if not caught:
                print(f"  (exit code {code}, and not a word of {mistake['says']!r})\n" + "\n".join("  " + line for line in output.splitlines()[-30:]))
    counts = ", ".join(f"{count} by {tier}" for tier, count in sorted(by_tier.items()))
    print(f"mistakes: {len(wanted) - missed} of {len(wanted)} caught ({counts}) in {time.time() - began:.0f} s")
    sys.exit(bool(missed) or not wanted)


main()
