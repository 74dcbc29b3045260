# The walk: every command of docs/terraform.md that leads from nothing to a Ready drive and back, as it stands there, in one
# shell, against a simulated AWS and the test control plane. Sourced by test.sh.
need_terraform
work=$(mktemp -d)
aws= control_plane= operator=
finish() {
    [ -z "$operator" ] || kill "$operator" 2>/dev/null || true
    # It stops what it started when its input closes.
    [ -z "$control_plane" ] || { exec 9>&-; wait "$control_plane" 2>/dev/null || true; }
    [ -z "$aws" ] || kill "$aws" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
started=$SECONDS
choose_provider "$work"
[ -n "$is_real" ] || not_run "the real provider is not here and cannot be built: let the registry be reached, name a mirror in TF_CLI_CONFIG_FILE, or install Go"
target=${CARGO_TARGET_DIR:-$repository/target}
kubernetes=$(dirname "$tools")/${K8S_VERSION:-1.37}
for program in "$target"/debug/{control-plane,ras-operator,kubectl-ras} "$kubernetes/kubectl"; do
    [ -x "$program" ] || not_run "there is no $program (make control-plane build)"
done
helm=$(find_helm) || not_run "there is no helm (see tests/charts)"
python_tools
aws_cli
echo "walk: $("$TERRAFORM" version | head -1), provider: $provider"
simulate_aws "$work"

mkfifo "$work/stays-open"
"$target/debug/control-plane" --kubernetes-version "${K8S_VERSION:-1.37}" <"$work/stays-open" >"$work/control-plane.json" 2>"$work/control-plane.log" &
control_plane=$!
exec 9>"$work/stays-open"
for _ in $(seq 120); do [ -s "$work/control-plane.json" ] && break; kill -0 "$control_plane" 2>/dev/null || { cat "$work/control-plane.log"; exit 1; }; sleep 1; done
read -r CONTROL_PLANE SERVER AUTHORITY < <("$python" -c 'import json, sys; d = json.load(open(sys.argv[1])); print(d["kubeconfig"], d["server"], d["certificateAuthority"])' "$work/control-plane.json")
export CONTROL_PLANE SERVER AUTHORITY

copy "$work/tree"
cp -r "$repository/charts" "$repository/examples" "$work/tree/"
point_at_it "$work/tree/terraform"
mkdir -p "$work/path"
ln -s "$(command -v "$TERRAFORM")" "$work/path/terraform"
ln -s "$helm" "$work/path/helm"
ln -s "$target/debug/kubectl-ras" "$kubernetes/kubectl" "$awscli/bin/aws" "$work/path/"
export PATH=$work/path:$PATH KUBECONFIG=$work/kubeconfig HOME=$work OUT=$work/out WORK=$work OPERATOR=$target/debug/ras-operator
export TF_CLI_ARGS_init=$backend_here TF_CLI_ARGS_apply=-auto-approve TF_CLI_ARGS_destroy=-auto-approve AWS_PAGER=

cat > "$work/script" <<'S'
announce() { echo; echo "\$ $1"; began=$SECONDS; }
stands() { echo "  here: $1"; began=$SECONDS; }
# ended CODE EXPECTED TEXT
ended() {
    tail -12 "$OUT" | cut -c1-200 | sed 's/^/  | /'
    if [ "$1" != "$2" ] || { [ -n "$3" ] && ! grep -q -- "$3" "$OUT"; }; then sed 's/^/  | /' "$OUT"; echo "  FAILED: exit code $1, not $2${3:+ with \"$3\"}"; exit 1; fi
    commands=$((${commands:-0} + 1))
    echo "  ok ($((SECONDS - began)) s)"
}
start_operator() {
    local token
    token=$(kubectl -n ras-system create token ras-operator) || return 1
    (umask 077 && printf '{"apiVersion": "v1", "kind": "Config", "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], "clusters": [{"name": "c", "cluster": {"server": "%s", "certificate-authority": "%s"}}], "users": [{"name": "u", "user": {"token": "%s"}}]}' "$SERVER" "$AUTHORITY" "$token" >"$WORK/operator.kubeconfig")
    kubectl -n ras-system get configmap ras-operator-platform -o 'jsonpath={.data.platform\.yaml}' >"$WORK/platform.yaml" || return 1
    # As the pod would run it, but for where its file is and where it answers.
    local arguments
    mapfile -t arguments < <(kubectl -n ras-system get deployment ras-operator -o 'jsonpath={range .spec.template.spec.containers[0].args[*]}{@}{"\n"}{end}' \
        | sed -e "s|^--platform-config=.*|--platform-config=$WORK/platform.yaml|" -e 's/^--\(metrics\|probes\)-address=.*/--\1-address=127.0.0.1:0/')
    [ "${arguments[0]}" = run ] || { echo "the Deployment has no arguments: ${arguments[*]}"; return 1; }
    POD_NAME=stand-in POD_NAMESPACE=ras-system KUBECONFIG=$WORK/operator.kubeconfig "$OPERATOR" "${arguments[@]}" >"$WORK/operator.log" 2>&1 &
    echo $! >"$WORK/operator.pid"
}
S
"$python" "$here/tests/walk.py" "$repository/docs/terraform.md" >>"$work/script"
echo 'echo; echo "$commands commands and stand-ins"' >>"$work/script"
if (cd "$work/tree" && bash "$work/script"); then ok=1; else ok=; fi
operator=$(cat "$work/operator.pid" 2>/dev/null || true)
[ -n "$ok" ] || { tail -5 "$work/operator.log" 2>/dev/null; echo "walk: FAILED after $((SECONDS - started)) s"; exit 1; }
# What the drive kept is all there is.
"$python" "$here/tests/cloud/leftovers.py" $("$python" -c 'import boto3; print(*(b["Name"] for b in boto3.client("s3").list_buckets()["Buckets"] if b["Name"].startswith("ras-spo-placements-2026-resumes-")))')
echo "walk: passed in $((SECONDS - started)) s, with $provider"
