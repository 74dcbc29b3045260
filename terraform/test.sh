#!/usr/bin/env bash
# Checks everything below terraform/, in tiers. Nothing here needs an AWS account.
#
#   terraform/test.sh t0      format, lint, generated READMEs, security rules, house rules; no provider
#   terraform/test.sh t1      validate and test every folder with a mocked provider; policies and hand-over evaluated
#   terraform/test.sh t2      the real provider against a simulated AWS: apply, an empty second plan, destroy
#   terraform/test.sh walk    every command of docs/terraform.md, there and back, against that AWS and the test control plane
#   terraform/test.sh mistakes   plants every mistake of tests/mistakes.yaml and wants each caught by its tier
#   terraform/test.sh docs    writes the generated part of the READMEs anew
#   terraform/test.sh tools   builds the tools of t0 (some minutes the first time, then at once)
#
#   TERRAFORM=tofu       the program to test with; default: terraform, or tofu where that is all there is
#   TF_CLI_CONFIG_FILE   a mirror with the real provider; without one the registry is tried. Where it cannot be reached,
#                        t2 builds the real provider from its Go module, and t1 uses that where it was built, or else one
#                        of our own that serves a recorded schema. The output says which it was
#   REQUIRE=1            a tier that cannot run fails. Otherwise it says "not run", and never "passed"
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repository=$(dirname "$here")
tools=${CARGO_TARGET_DIR:-$repository/target}/tools/terraform
export CHECKPOINT_DISABLE=1 TF_IN_AUTOMATION=1 TF_INPUT=0
# Go modules of ours stand alone, whatever go.work or GOFLAGS the caller has.
export GOWORK=off GOFLAGS='-mod=readonly -buildvcs=false' CGO_ENABLED=0

not_run() {
    echo "$tier: not run: $*"
    [ -z "${REQUIRE:-}" ] || exit 1
    exit 0
}

. "$here/tests/lib.sh"

tier=${1:-}
case $tier in
    t0) . "$here/tests/t0.sh" ;;
    t1) . "$here/tests/t1.sh" ;;
    t2) . "$here/tests/t2.sh" ;;
    walk) . "$here/tests/walk.sh" ;;
    mistakes) need_terraform; python_tools; exec "$tools/venv/bin/python" "$here/tests/mistakes.py" "${@:2}" ;;
    docs) go_tool terraform-docs; generate_docs "$here" ;;
    tools) go_tool terraform-docs; go_tool tflint; python_tools ;;
    *) sed -n '2,/^set -euo/s/^# \{0,1\}//p' "$0" | sed '$d'; exit 2 ;;
esac
