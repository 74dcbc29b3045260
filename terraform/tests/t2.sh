# T2: the real provider against a simulated AWS. Every example is applied, planned again and destroyed, with its state in a
# bucket that the bootstrap folder made. Sourced by test.sh. EXAMPLES="small" runs one alone.
need_terraform
work=$(mktemp -d)
aws=
trap '[ -z "$aws" ] || kill "$aws" 2>/dev/null || true; rm -rf "$work"' EXIT
started=$SECONDS
choose_provider "$work"
[ -n "$is_real" ] || not_run "the real provider is not here and cannot be built: let the registry be reached, name a mirror in TF_CLI_CONFIG_FILE, or install Go"
python_tools
echo "t2: $("$TERRAFORM" version | head -1), provider: $provider"
simulate_aws "$work"

copy "$work/tree"
tree=$work/tree/terraform
point_at_it "$tree"

# step WORDS COMMAND...: one thing that has to work. refused WORDS TEXT COMMAND...: one that has to fail, with that text.
step() {
    local words=$1 began=$SECONDS; shift
    if "$@" >"$work/log" 2>&1; then echo "ok     $words ($((SECONDS - began)) s)"; else
        echo "FAILED $words"; tail -150 "$work/log"; echo "t2: FAILED after $((SECONDS - started)) s"; exit 1; fi
}
refused() {
    local words=$1 text=$2 began=$SECONDS; shift 2
    if "$@" >"$work/log" 2>&1 || ! tr '\n' ' ' <"$work/log" | grep -qi -- "$text"; then
        echo "FAILED $words"; tail -150 "$work/log"; echo "t2: FAILED after $((SECONDS - started)) s"; exit 1; fi
    echo "ok     $words ($((SECONDS - began)) s)"
}
in_folder() { local folder=$1; shift; "$TERRAFORM" -chdir="$tree/$folder" "$@"; }
no_secret_in_state() {
    in_folder "$1" state pull > "$work/state.json"
    ! grep -nE '"(password|password_wo|secret_string|secret_string_wo)": "[^"]' "$work/state.json"
}

# Terraform forgets outputs when a destroy begins, also one that is then refused; the next apply brings them back.
nothing_was_taken() {
    local folder=$1; shift
    in_folder "$folder" plan -out="$work/plan" "$@" && in_folder "$folder" show -json "$work/plan" > "$work/plan.json" \
        && "$python" -c 'import json, sys
changes = [c["address"] for c in json.load(open(sys.argv[1]))["resource_changes"] if c["change"]["actions"] not in (["no-op"], ["read"])]
sys.exit(f"these would change: {changes}" if changes else 0)' "$work/plan.json"
}

# becomes_ready EXAMPLE: the operator makes a whole portal Ready with what was handed over, its buckets in this AWS.
becomes_ready() {
    local words="$1: examples/ras.yaml with buckets becomes Ready with what is handed over, and a drain leaves nothing"
    if ! command -v cargo >/dev/null || [ ! -x "$(dirname "$tools")/${K8S_VERSION:-1.37}/kubectl" ]; then
        echo "not run: $words: it needs cargo and the test control plane (make control-plane object-stores)"
        [ -z "${REQUIRE:-}" ] || exit 1
        return 0
    fi
    # Tests run the program that lies beside them.
    step "$1: the operator is built" cargo build --manifest-path "$repository/Cargo.toml" --workspace --locked --quiet
    step "$words" env -u HTTP_PROXY RAS_HANDED_OVER="$work/examples-$1.yaml" RAS_HANDED_OVER_CLASS="$work/$1-storage-class.yaml" \
        RAS_HANDED_OVER_STORE="$AWS_ENDPOINT_URL" cargo test --manifest-path "$repository/Cargo.toml" -p ras-tests --locked --quiet --test behaviour -- handover::
}

boot=(-no-color -auto-approve -var name=campus -var region=ap-south-1)
step "bootstrap: init" in_folder bootstrap init -no-color
step "bootstrap: apply" in_folder bootstrap apply "${boot[@]}"
step "bootstrap: a second plan is empty" in_folder bootstrap plan -detailed-exitcode -no-color -var name=campus -var region=ap-south-1
bucket=$(in_folder bootstrap output -raw bucket)

for example in ${EXAMPLES:-small standard private}; do
    at=examples/$example
    vars=(-no-color -var 'administrators={me="arn:aws:iam::123456789012:role/platform"}')
    [ "$example" = private ] || vars+=(-var 'public_access_cidrs=["203.0.113.0/24"]')
    in_folder bootstrap output -raw backend > "$tree/$at/backend.hcl"
    step "$example: init, its state in the bucket" in_folder "$at" init -no-color -backend-config=backend.hcl $backend_here
    step "$example: apply" in_folder "$at" apply -auto-approve "${vars[@]}"
    # 0: nothing to do; 2 would be a change.
    step "$example: a second plan is empty" in_folder "$at" plan -detailed-exitcode "${vars[@]}"
    step "$example: no secret is in the state" no_secret_in_state "$at"
    "$python" -c "import boto3; boto3.client('s3').put_object(Bucket='$bucket', Key='$example.tfstate.tflock', Body=b'{\"ID\":\"somebody\",\"Operation\":\"apply\"}')"
    refused "$example: a second apply at the same time is refused" "state lock" in_folder "$at" apply -auto-approve "${vars[@]}"
    "$python" -c "import boto3; boto3.client('s3').delete_object(Bucket='$bucket', Key='$example.tfstate.tflock')"
    in_folder "$at" output -raw platform_yaml > "$work/examples-$example.yaml"
    in_folder "$at" output -raw storage_class_yaml > "$work/$example-storage-class.yaml"
    becomes_ready "$example"
    refused "$example: a destroy that is said once is refused" "deletion protection" in_folder "$at" destroy -auto-approve "${vars[@]}"
    step "$example: and took nothing away" nothing_was_taken "$at" "${vars[@]}"
    step "$example: told once" in_folder "$at" apply -auto-approve "${vars[@]}" -var protect=false
    step "$example: told twice, destroyed" in_folder "$at" destroy -auto-approve "${vars[@]}" -var protect=false
    step "$example: nothing is left" "$python" "$here/tests/cloud/leftovers.py" "$bucket"
done
handed_over "$work"
step "bootstrap: told once" in_folder bootstrap apply "${boot[@]}" -var destroy_with_contents=true
step "bootstrap: told twice, destroyed with its states" in_folder bootstrap destroy "${boot[@]}" -var destroy_with_contents=true
step "nothing is left of it all" "$python" "$here/tests/cloud/leftovers.py"
echo "t2: passed in $((SECONDS - started)) s (${EXAMPLES:-small standard private}), with $provider"
