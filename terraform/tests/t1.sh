# T1: every folder is valid, and keeps the promises of its tests, without AWS. Sourced by test.sh.
need_terraform
python_tools
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
started=$SECONDS
choose_provider "$work"
echo "t1: $("$TERRAFORM" version | head -1), provider: $provider"
copy "$work/tree"
# OpenTofu has mocks, and no `source` for them: it gets the same ones written out.
is_tofu=
if "$TERRAFORM" version | grep -c OpenTofu >/dev/null; then
    is_tofu=1
    python3 -c 'import pathlib, sys
tree = pathlib.Path(sys.argv[1])
mocks = (tree / "tests/mocks/aws.tfmock.hcl").read_text()
for test in tree.rglob("*.tftest.hcl"):
    lines = test.read_text().splitlines()
    test.write_text("\n".join(mocks if line.strip().startswith("source = ") and "tests/mocks" in line else line for line in lines) + "\n")' "$work/tree/terraform"
fi
failed=0
for folder in ${FOLDERS:-$(folders "$here")}; do
    at=$work/tree/terraform/$folder
    log=$work/log
    result=$work/$(echo "$folder" | tr / -).json
    if "$TERRAFORM" -chdir="$at" init -backend=false -no-color >"$log" 2>&1 && "$TERRAFORM" -chdir="$at" validate -no-color >"$log" 2>&1; then
        # Examples are tested in full words: what they would make is looked at below.
        verbose=; case $folder in examples/*) verbose=-verbose ;; esac
        if "$TERRAFORM" -chdir="$at" test -json $verbose >"$result" 2>"$log"; then :; else touch "$work/failed"; fi
        python3 "$here/tests/summary.py" "$folder" "$result" || failed=1
    else
        echo "FAILED $folder: it is not valid"; cat "$log"; failed=1
    fi
done
[ -z "$is_tofu" ] || echo "not run: what the examples would make, policies and hand-over are not looked at, because OpenTofu's tests do not tell them: run t1 with terraform, too"
for result in "$work"/examples-*.json; do
    [ -z "$is_tofu" ] || break
    [ -e "$result" ] || continue
    "$tools/venv/bin/python" "$here/tests/what_is_made.py" "$result" "$here/platform.schema.json" || failed=1
done
# Modules alone, which FOLDERS can ask for, hand nothing over.
case ${is_tofu:+none}${FOLDERS:-examples/} in none*) ;; *examples/*) policies "$work" || failed=1; handed_over "$work" || failed=1 ;; esac
[ "$failed" = 0 ] || { echo "t1: FAILED after $((SECONDS - started)) s"; exit 1; }
echo "t1: passed in $((SECONDS - started)) s, with $provider"
