# T2: the real provider against a simulated AWS. Every example is applied, planned again and destroyed, with its state in a
# bucket that the bootstrap folder made. Sourced by test.sh. EXAMPLES="small" runs one alone.
need_terraform
work=$(mktemp -d)
aws=
trap '[ -z "$aws" ] || kill "$aws" 2>/dev/null || true; rm -rf "$work"' EXIT
started=$SECONDS
choose_provider "$work"
[ -n "$is_real" ] || not_run "the real provider is not here: let the registry be reached, or name a mirror in TF_CLI_CONFIG_FILE"
python_tools
python=$tools/venv/bin/python
echo "t2: $("$TERRAFORM" version | head -1), provider: $provider"

port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export AWS_ENDPOINT_URL=http://127.0.0.1:$port AWS_REGION=ap-south-1 AWS_DEFAULT_REGION=ap-south-1
export AWS_ACCESS_KEY_ID=simulated AWS_SECRET_ACCESS_KEY=simulated AWS_EC2_METADATA_DISABLED=true
# AWS' own policies are attached by name, and moto has them only when asked.
MOTO_IAM_LOAD_MANAGED_POLICIES=true "$python" "$here/tests/cloud/simulated_aws.py" "$port" >"$work/aws.log" 2>&1 &
aws=$!
for _ in $(seq 60); do "$python" -c "import urllib.request as u; u.urlopen('$AWS_ENDPOINT_URL/moto-api/')" 2>/dev/null && break; sleep 1; done
# S3 Control puts the account's number before the host's name, which no resolver knows. A proxy is not asked to resolve.
export HTTP_PROXY=http://127.0.0.1:$port NO_PROXY=127.0.0.1,localhost

copy "$work/tree"
tree=$work/tree/terraform
# A bucket's name cannot stand before an address without a name.
for folder in $(folders "$tree"); do
    case $folder in modules/*) continue ;; esac
    printf 'provider "aws" {\n  s3_use_path_style           = true\n  skip_requesting_account_id  = false\n  skip_credentials_validation = true\n}\n' > "$tree/$folder/simulated_override.tf"
done

# step WORDS COMMAND...: one thing that has to work. refused WORDS TEXT COMMAND...: one that has to fail, with that text.
step() {
    local words=$1 began=$SECONDS; shift
    if "$@" >"$work/log" 2>&1; then echo "ok     $words ($((SECONDS - began)) s)"; else
        echo "FAILED $words"; tail -40 "$work/log"; echo "t2: FAILED after $((SECONDS - started)) s"; exit 1; fi
}
refused() {
    local words=$1 text=$2 began=$SECONDS; shift 2
    if "$@" >"$work/log" 2>&1 || ! tr '\n' ' ' <"$work/log" | grep -qi -- "$text"; then
        echo "FAILED $words"; tail -40 "$work/log"; echo "t2: FAILED after $((SECONDS - started)) s"; exit 1; fi
    echo "ok     $words ($((SECONDS - began)) s)"
}
in_folder() { local folder=$1; shift; "$TERRAFORM" -chdir="$tree/$folder" "$@"; }
no_secret_in_state() {
    in_folder "$1" state pull > "$work/state.json"
    ! grep -nE '"(password|password_wo|secret_string|secret_string_wo)": "[^"]' "$work/state.json"
}

boot=(-no-color -auto-approve -var name=campus -var region=ap-south-1)
step "bootstrap: init" in_folder bootstrap init -no-color
step "bootstrap: apply" in_folder bootstrap apply "${boot[@]}"
bucket=$(in_folder bootstrap output -raw bucket)

for example in ${EXAMPLES:-small standard private}; do
    at=examples/$example
    vars=(-no-color -var 'administrators={me="arn:aws:iam::123456789012:role/platform"}')
    [ "$example" = private ] || vars+=(-var 'public_access_cidrs=["203.0.113.0/24"]')
    in_folder bootstrap output -raw backend > "$tree/$at/backend.hcl"
    step "$example: init, its state in the bucket" in_folder "$at" init -no-color -backend-config=backend.hcl \
        -backend-config=use_path_style=true -backend-config=skip_credentials_validation=true -backend-config=skip_requesting_account_id=true
    step "$example: apply" in_folder "$at" apply -auto-approve "${vars[@]}"
    # 0: nothing to do; 2 would be a change.
    step "$example: a second plan is empty" in_folder "$at" plan -detailed-exitcode "${vars[@]}"
    step "$example: no secret is in the state" no_secret_in_state "$at"
    "$python" -c "import boto3; boto3.client('s3').put_object(Bucket='$bucket', Key='$example.tfstate.tflock', Body=b'{\"ID\":\"somebody\",\"Operation\":\"apply\"}')"
    refused "$example: a second apply at the same time is refused" "state lock" in_folder "$at" apply -auto-approve "${vars[@]}"
    "$python" -c "import boto3; boto3.client('s3').delete_object(Bucket='$bucket', Key='$example.tfstate.tflock')"
    in_folder "$at" output -raw platform_yaml > "$work/examples-$example.yaml"
    refused "$example: a destroy that is said once is refused" "deletion protection" in_folder "$at" destroy -auto-approve "${vars[@]}"
    step "$example: and took nothing away" in_folder "$at" plan -detailed-exitcode "${vars[@]}"
    step "$example: told once" in_folder "$at" apply -auto-approve "${vars[@]}" -var protect=false
    step "$example: told twice, destroyed" in_folder "$at" destroy -auto-approve "${vars[@]}" -var protect=false
    step "$example: nothing is left" "$python" "$here/tests/cloud/leftovers.py" "$bucket"
done
handed_over "$work"
step "bootstrap: told once" in_folder bootstrap apply "${boot[@]}" -var destroy_with_contents=true
step "bootstrap: told twice, destroyed with its states" in_folder bootstrap destroy "${boot[@]}" -var destroy_with_contents=true
step "nothing is left of it all" "$python" "$here/tests/cloud/leftovers.py"
echo "t2: passed in $((SECONDS - started)) s (${EXAMPLES:-small standard private}), with $provider"
