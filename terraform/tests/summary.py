#!/usr/bin/env python3
"""Tells in a few lines what `terraform test -json` found: summary.py FOLDER RESULT. Fails when a promise is not kept."""
import json
import sys

folder, path = sys.argv[1:]
runs, problems = {}, []
for line in open(path):
    message = json.loads(line)
    if message.get("type") == "test_run" and message["test_run"].get("progress", "complete") == "complete":
        runs[message["test_run"]["run"]] = message["test_run"]["status"]
    if message.get("type") == "diagnostic" and message["diagnostic"]["severity"] == "error":
        problem = message["diagnostic"]
        where = problem.get("range", {})
        problems.append(f"  {message.get('@testrun', '')} {where.get('filename', '')}:{where.get('start', {}).get('line', '')}: {problem['summary']}: {problem.get('detail', '')}")

kept = sum(status == "pass" for status in runs.values())
# A folder without a test proves nothing, and must not look as if it did.
ok = runs and kept == len(runs) and not problems
print(f"{'ok    ' if ok else 'FAILED'} {folder}: {kept} of {len(runs)} promises kept")
for run, status in runs.items():
    if status != "pass":
        print(f"  {status}: {run}")
print("\n".join(problems), end="\n" if problems else "")
sys.exit(not ok)
