# What the tiers share. Sourced by test.sh.

# Of the recorded schema, and of tests/provider/go.mod.
provider_version=6.34.0

# Folders that hold a configuration: what is validated, tested and documented.
folders() {
    (cd "$1" && echo bootstrap && ls -d modules/*/ examples/*/ | sed 's|/$||')
}

need_terraform() {
    if [ -z "${TERRAFORM:-}" ]; then
        for TERRAFORM in terraform tofu; do command -v "$TERRAFORM" >/dev/null && break; done
    fi
    command -v "$TERRAFORM" >/dev/null || not_run "neither terraform nor tofu is installed"
    export TERRAFORM
}

# go_tool NAME: builds tests/tools/NAME at the version in its go.mod. Its sums are checked, so a link is enough to know.
go_tool() {
    local source=$here/tests/tools/$1 stamp
    stamp=$(cat "$source/go.mod" "$source/go.sum" | cksum | cut -d' ' -f1)
    mkdir -p "$tools/bin"
    if [ ! -x "$tools/bin/$1-$stamp" ]; then
        command -v go >/dev/null || not_run "$1 has to be built, and Go is not installed"
        echo "building $1 (some minutes, once)"
        (cd "$source" && go build -trimpath -ldflags '-s -w' -o "$tools/bin/$1-$stamp" "$(sed -n 's/^tool //p' go.mod)")
    fi
    ln -sfn "$1-$stamp" "$tools/bin/$1"
}

recorded_provider() {
    local source=$here/tests/recorded-provider stamp
    stamp=$(cat "$source"/*.go "$source/go.mod" "$source/go.sum" "$source/schema.json.gz" | cksum | cut -d' ' -f1)
    mkdir -p "$tools/bin"
    recorded=$tools/bin/recorded-provider-$stamp
    if [ ! -x "$recorded" ]; then
        command -v go >/dev/null || not_run "there is no provider, and without Go ours cannot be built"
        echo "building the provider that serves the recorded schema (a minute, once)"
        (cd "$source" && go build -trimpath -ldflags '-s -w' -o "$recorded" .)
    fi
}

# The real provider with the services that are used here, from its Go module. Fails where it cannot be built.
built_provider() {
    local source=$here/tests/provider module=github.com/hashicorp/terraform-provider-aws stamp folder downloaded
    stamp=$(cat "$source/go.mod" "$source/go.sum" "$source/trim.py" | cksum | cut -d' ' -f1)
    mkdir -p "$tools/bin"
    built=$tools/bin/aws-provider-$stamp
    if [ ! -x "$built" ]; then
        command -v go >/dev/null && command -v python3 >/dev/null || return 1
        [ -n "${1:-}" ] || return 1
        echo "building the real provider from its Go module (some minutes, once)"
        folder=$(mktemp -d "$tools/provider.XXXXXX")
        cp "$source/go.mod" "$source/go.sum" "$folder/"
        (cd "$folder" && go mod download "$module" && downloaded=$(go list -m -f '{{.Dir}}' "$module") \
            && python3 "$source/trim.py" "$downloaded" "$folder/source" && go mod edit -replace "$module=$folder/source" \
            && go build -trimpath -ldflags "-s -w -X $module/version.ProviderVersion=$provider_version" -o "$built.$$" "$module" \
            && mv "$built.$$" "$built") || { rm -rf "$folder"; return 1; }
        rm -rf "$folder"
    fi
}

python_tools() {
    local stamp
    stamp=$(cksum < "$here/tests/requirements.txt" | cut -d' ' -f1)
    if [ ! -e "$tools/venv/$stamp" ]; then
        command -v python3 >/dev/null || not_run "Python is not installed"
        echo "installing checkov, moto and what reads YAML (a minute, once)"
        python3 -m venv "$tools/venv" && "$tools/venv/bin/pip" install --quiet -r "$here/tests/requirements.txt"
        touch "$tools/venv/$stamp"
    fi
}

# AWS' own command line, in an environment of its own because it pins what others use, too.
aws_cli() {
    awscli=$tools/awscli-1.46.3
    if [ ! -e "$awscli/ready" ]; then
        echo "installing the AWS command line (a minute, once)"
        python3 -m venv "$awscli" && "$awscli/bin/pip" install --quiet --disable-pip-version-check "awscli==${awscli##*-}" && touch "$awscli/ready"
    fi
}

# copy TO: what the tiers look at, without what a run leaves behind, so that nothing is written into the tree.
copy() {
    rm -rf "$1" && mkdir -p "$1/deploy"
    (cd "$repository" && tar -cf - --exclude=.terraform --exclude='*.tfstate*' --exclude=.terraform.lock.hcl --exclude=backend.hcl terraform deploy/iam) | tar -xf - -C "$1"
}

generate_docs() {
    for folder in $(folders "$1"); do
        "$tools/bin/terraform-docs" --config "$here/.terraform-docs.yml" "$1/$folder" >/dev/null
    done
}

# Decides which provider is used, sets TF_CLI_CONFIG_FILE and says so in $provider.
choose_provider() {
    local work=$1
    if [ -n "${TF_CLI_CONFIG_FILE:-}" ] && [ -f "$TF_CLI_CONFIG_FILE" ]; then
        provider="the real one, from the mirror that TF_CLI_CONFIG_FILE names"
        is_real=1
        return
    fi
    unset TF_CLI_CONFIG_FILE
    mkdir -p "$work/probe" "$tools/plugins"
    cp "$here/bootstrap/versions.tf" "$work/probe/"
    if TF_REGISTRY_DISCOVERY_RETRY=0 TF_REGISTRY_CLIENT_TIMEOUT=5 TF_PLUGIN_CACHE_DIR=$tools/plugins \
        "$TERRAFORM" -chdir="$work/probe" init -backend=false >"$work/probe/log" 2>&1; then
        export TF_PLUGIN_CACHE_DIR=$tools/plugins
        provider="the real one, from the registry"
        is_real=1
        return
    fi
    # For t2 it is worth its build; t1 takes it where it is there already.
    local build=; case $tier in t2 | walk) build=1 ;; esac
    if built_provider $build; then
        provider="the real one, built from its Go module with the services that are used here"
        is_real=1
        mirror "$work" "$built"
        return
    fi
    is_real=
    provider="our own with the recorded schema of hashicorp/aws, because the registry cannot be reached: arguments are checked, values are not"
    case $tier in t2 | walk) return 0 ;; esac
    recorded_provider
    mirror "$work" "$recorded"
}

# mirror WORK PROGRAM: a mirror that holds this provider alone, named by TF_CLI_CONFIG_FILE.
mirror() {
    # The program itself knows under which address it looks for the provider; OpenTofu's is another than Terraform's.
    local work=$1 address platform
    address=$("$TERRAFORM" -chdir="$work/probe" providers | sed -n 's/.*provider\[\([^]]*\)\].*/\1/p' | head -1)
    platform=$(cd "$here/tests/recorded-provider" && go env GOOS GOARCH | paste -sd_)
    mkdir -p "$work/mirror/$address/$provider_version/$platform"
    ln -sfn "$2" "$work/mirror/$address/$provider_version/$platform/terraform-provider-aws_v$provider_version"
    cat > "$work/terraformrc" <<K
provider_installation {
  filesystem_mirror { path = "$work/mirror" }
}
K
    export TF_CLI_CONFIG_FILE=$work/terraformrc
}

# policies WORK: what the roles may do, by an IAM simulator. It comes from npm, so without npm it does not run.
policies() {
    command -v npm >/dev/null || { echo "policies: not run: npm is not installed"; [ -z "${REQUIRE:-}" ]; return; }
    local stamp at
    stamp=$(cksum < "$here/tests/policies/package-lock.json" | cut -d' ' -f1)
    at=$tools/policies-$stamp
    if [ ! -e "$at/ready" ]; then
        mkdir -p "$at" && cp "$here"/tests/policies/package*.json "$at/"
        npm --prefix "$at" ci --ignore-scripts --no-audit --no-fund --loglevel=error && touch "$at/ready" || return 1
    fi
    # Node looks for packages beside the program.
    cp "$here/tests/policies/evaluate.mjs" "$at/"
    local made
    for made in "$1"/examples-*.policies; do
        [ -e "$made" ] || { echo "FAILED policies: no example wrote any"; return 1; }
        node "$at/evaluate.mjs" "$made" || return 1
    done
}

find_helm() {
    local built=$(dirname "$tools")/charts/helm
    if [ -x "$built" ]; then readlink -f "$built"; else command -v helm; fi
}

# charted WORK: the chart takes what the examples hand over as it is, and what it hands on is looked at by handed_over.
charted() {
    local helm made
    [ -d "$repository/charts/ras-operator" ] || return 0
    helm=$(find_helm) || { echo "chart: not run: there is no helm (see tests/charts)"; return 0; }
    for made in "$1"/examples-*.yaml; do
        "$helm" template ras-operator "$repository/charts/ras-operator" --set-file platformFile="$made" >"$1/chart.out" 2>&1 \
            && "$tools/venv/bin/python" -c 'import sys, yaml
maps = [d for d in yaml.safe_load_all(open(sys.argv[1])) if d and d["kind"] == "ConfigMap" and "platform.yaml" in d["data"]]
handed, taken = yaml.safe_load(open(sys.argv[2])), yaml.safe_load(maps[0]["data"]["platform.yaml"])
lost = [key for key, value in handed.items() if taken.get(key) != value]
open(sys.argv[3], "w").write(maps[0]["data"]["platform.yaml"])
sys.exit(f"the chart loses or changes {lost}" if lost else 0)' "$1/chart.out" "$made" "${made%.yaml}-by-chart.yaml" >>"$1/chart.out" 2>&1 \
            || { echo "FAILED chart: it does not take $(basename "$made")"; tail -20 "$1/chart.out"; return 1; }
        echo "ok     chart: it takes $(basename "$made") as it is"
    done
}

# handed_over WORK: the operator's own parser reads what the examples hand over. It has no command for it, so it is
# started where it finds no cluster: by then it has read its settings.
handed_over() {
    local operator=${RAS_OPERATOR:-${CARGO_TARGET_DIR:-$repository/target}/debug/ras-operator} made said
    charted "$1" || return 1
    [ -x "$operator" ] || { echo "hand-over: not run: there is no $operator (cargo build, or set RAS_OPERATOR)"; return 0; }
    for made in "$1"/examples-*.yaml; do
        said=$(env -u KUBERNETES_SERVICE_HOST KUBECONFIG=/dev/null timeout 20 "$operator" run --metrics-address 127.0.0.1:0 --probes-address 127.0.0.1:0 --platform-config "$made" 2>&1) || true
        case $said in
            *"no cluster is configured"*) echo "ok     hand-over: the operator reads $(basename "$made")" ;;
            *) echo "FAILED hand-over: the operator does not read $(basename "$made"): $said"; return 1 ;;
        esac
    done
}

# simulate_aws WORK: starts AWS on this machine (its process is $aws) and points everything at it.
simulate_aws() {
    local work=$1 port
    python=$tools/venv/bin/python
    port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    export AWS_ENDPOINT_URL=http://127.0.0.1:$port AWS_REGION=ap-south-1 AWS_DEFAULT_REGION=ap-south-1
    export AWS_ACCESS_KEY_ID=simulated AWS_SECRET_ACCESS_KEY=simulated AWS_EC2_METADATA_DISABLED=true
    # AWS' own policies are attached by name, and moto has them only when asked.
    MOTO_IAM_LOAD_MANAGED_POLICIES=true "$python" "$here/tests/cloud/simulated_aws.py" "$port" >"$work/aws.log" 2>&1 &
    aws=$!
    for _ in $(seq 60); do "$python" -c "import urllib.request as u; u.urlopen('$AWS_ENDPOINT_URL/moto-api/')" 2>/dev/null && break
        kill -0 "$aws" 2>/dev/null || { cat "$work/aws.log"; echo "$tier: FAILED: the simulated AWS does not start"; exit 1; }
        sleep 1
    done
    # S3 Control puts the account's number before the host's name, which no resolver knows. A proxy is not asked to resolve.
    export HTTP_PROXY=http://127.0.0.1:$port NO_PROXY=127.0.0.1,localhost
}

# point_at_it TREE: what a configuration has to be told besides, because a bucket's name cannot stand before an address
# without a name, and nobody's credentials are checked.
backend_here="-backend-config=use_path_style=true -backend-config=skip_credentials_validation=true -backend-config=skip_requesting_account_id=true"
point_at_it() {
    local folder
    for folder in $(folders "$1"); do
        case $folder in modules/*) continue ;; esac
        printf 'provider "aws" {\n  s3_use_path_style           = true\n  skip_requesting_account_id  = false\n  skip_credentials_validation = true\n}\n' > "$1/$folder/simulated_override.tf"
    done
}
