# T1: every folder is valid, and keeps the promises of its tests, without AWS. Sourced by test.sh.
need_terraform
python_tools
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
started=$SECONDS
choose_provider "$work"
echo "t1: $("$TERRAFORM" version | head -1), provider: $provider"
copy "$work/tree"
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
for result in "$work"/examples-*.json; do
    [ -e "$result" ] || continue
    "$tools/venv/bin/python" "$here/tests/what_is_made.py" "$result" "$here/platform.schema.json" || failed=1
done
# Modules alone, which FOLDERS can ask for, hand nothing over.
case ${FOLDERS:-examples/} in *examples/*) policies "$work" || failed=1; handed_over "$work" || failed=1 ;; esac
[ "$failed" = 0 ] || { echo "t1: FAILED after $((SECONDS - started)) s"; exit 1; }
echo "t1: passed in $((SECONDS - started)) s, with $provider"
