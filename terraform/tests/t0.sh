# T0: what can be said by reading the files. Needs no provider. Sourced by test.sh. CHECKS="fmt house" runs some alone.
need_terraform
checks=${CHECKS:-fmt house tflint docs checkov}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
started=$SECONDS
failed=
copy "$work/tree"
tree=$work/tree/terraform

check() {
    local began=$SECONDS
    if "$@" >"$work/log" 2>&1; then
        echo "ok     $1 ($((SECONDS - began)) s)"
    else
        echo "FAILED $1"; cat "$work/log"; failed="$failed $1"
    fi
}
fmt() { "$TERRAFORM" fmt -check -diff -recursive "$tree"; }
house() { python3 "$here/tests/house.py" "$tree"; }
tflint() {
    local folder
    for folder in $(folders "$tree"); do
        "$tools/bin/tflint" --chdir "$tree/$folder" --config "$tree/.tflint.hcl" --no-color || return 1
    done
}
docs() {
    generate_docs "$tree"
    local folder
    for folder in $(folders "$tree"); do
        diff -u "$here/$folder/README.md" "$tree/$folder/README.md" || { echo "run: terraform/test.sh docs"; return 1; }
    done
}
checkov() { "$tools/venv/bin/checkov" --directory "$tree" --config-file "$tree/.checkov.yaml"; }

for each in $checks; do
    case $each in
        tflint) go_tool tflint ;;
        docs) go_tool terraform-docs ;;
        checkov) python_tools ;;
    esac
    check "$each"
done
[ -z "$failed" ] || { echo "t0: FAILED:$failed, after $((SECONDS - started)) s"; exit 1; }
echo "t0: passed in $((SECONDS - started)) s ($checks)"
