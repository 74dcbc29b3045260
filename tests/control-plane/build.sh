#!/bin/sh
# Builds the programs of the test control plane from their Go modules, because release binaries are not packages:
# nothing but Go and its module proxy is needed, and go.sum pins every byte.
#
#   tests/control-plane/build.sh [OUT]
#
# OUT is target/tools by default. What exists already is not built again. Afterwards OUT/<minor version>/ holds links
# to everything the harness starts: that one folder is all it knows.
#
#   K8S_VERSION         1.37 (default) or another one that has a kubernetes-v<minor> folder here
#   KUBEBUILDER_ASSETS  a folder with etcd, kube-apiserver and kubectl: what is there is used instead of built
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=
for argument in "$@"; do
    case $argument in
        -h | --help) sed -n '2,/^set -eu/s/^# \{0,1\}//p' "$0"; exit 0 ;;
        -*) echo "build.sh: unknown option $argument (there are none: the only argument is the folder)" >&2; exit 2 ;;
        *) out=$argument ;;
    esac
done
: "${out:=${CARGO_TARGET_DIR:-$here/../../target}/tools}"
mkdir -p "$out"
out=$(cd "$out" && pwd)

# version_in DIR MODULE: the version that DIR/go.mod requires. Read with sed so that nothing to build means no Go needed.
version_in() {
    sed -n "s|^\(require\)\{0,1\}[[:space:]]*$2 \(v[^ ]*\).*|\2|p" "$here/$1/go.mod"
}

supported=$(for folder in "$here"/kubernetes-v*; do echo "${folder##*/kubernetes-v}"; done)
wanted=${K8S_VERSION:-1.37}
minor=
for candidate in $supported; do
    kubernetes=$(version_in "kubernetes-v$candidate" k8s.io/kubernetes)
    case ${wanted#v} in
        "$candidate" | "${kubernetes#v}") minor=$candidate; break ;;
    esac
done
if [ -z "$minor" ]; then
    echo "build.sh: K8S_VERSION=$wanted is not a version these tests know: choose one of" $supported >&2
    exit 2
fi
etcd=$(version_in etcd go.etcd.io/etcd/server/v3)
kwok=$(version_in kwok sigs.k8s.io/kwok)
cert_manager=$(version_in cert-manager github.com/cert-manager/cert-manager)
# One module for both clusters: here it runs as a process, on a real node as a pod.
external_secrets_dir=../real-node/external-secrets
external_secrets=$(version_in $external_secrets_dir github.com/external-secrets/external-secrets)
yaml=$(version_in go-yaml sigs.k8s.io/yaml)

# Ours are modules of their own; a go.work or GOFLAGS of whoever runs this must not change what is built.
export CGO_ENABLED=0 GOWORK=off GOFLAGS='-mod=readonly -buildvcs=false'
# Without these the server calls itself v0.0.0-master and clients fail to parse that.
kubernetes_ldflags="-s -w \
-X k8s.io/component-base/version.gitVersion=$kubernetes \
-X k8s.io/component-base/version.gitMajor=1 \
-X k8s.io/component-base/version.gitMinor=${minor#1.} \
-X k8s.io/client-go/pkg/version.gitVersion=$kubernetes"

# A server of one minor version with a controller manager of another is a pair that nobody tests.
assets=${KUBEBUILDER_ASSETS:-}
if [ -n "$assets" ] && [ ! -d "$assets" ]; then
    echo "build.sh: KUBEBUILDER_ASSETS=$assets is not a folder: unset it to build etcd, kube-apiserver and kubectl here" >&2
    exit 2
fi
if [ -n "$assets" ] && [ -x "$assets/kube-apiserver" ]; then
    assets=$(cd "$assets" && pwd)
    found=$("$assets/kube-apiserver" --version)
    case $found in
        *" v$minor."*) ;;
        *) echo "build.sh: KUBEBUILDER_ASSETS holds $found, but Kubernetes $minor is wanted: set K8S_VERSION to match, or unset KUBEBUILDER_ASSETS" >&2; exit 2 ;;
    esac
fi

links=$out/$minor
mkdir -p "$links/crds"
temporary=$out/.build.$$
trap 'rm -rf "$temporary"' EXIT
trap 'exit 130' INT TERM

# link NAME TARGET: OUT/<minor>/NAME leads to TARGET. Relative links, so that a cached target folder may move.
link() {
    if [ "$(readlink "$links/$1" 2>/dev/null)" != "$2" ]; then
        ln -sfn "$2" "$links/$1"
    fi
}

# A step is FILE DIR PACKAGE LDFLAGS; FILE is below OUT. The list is made twice: to count what is missing, then to build.
each_program() {
    for program in kube-apiserver kube-controller-manager kube-scheduler kubectl; do
        "$1" "kubernetes-$kubernetes/$program" "kubernetes-v$minor" "k8s.io/kubernetes/cmd/$program" "$kubernetes_ldflags"
    done
    "$1" "etcd-$etcd/etcd" etcd go.etcd.io/etcd/server/v3 '-s -w'
    "$1" "kwok-$kwok/kwok" kwok sigs.k8s.io/kwok/cmd/kwok '-s -w'
    "$1" "go-yaml-$yaml/go-yaml" go-yaml . '-s -w'
    "$1" "cert-manager-$cert_manager/cert-manager-controller" cert-manager github.com/cert-manager/cert-manager/cmd/controller '-s -w'
    "$1" "external-secrets-$external_secrets/external-secrets" $external_secrets_dir github.com/external-secrets/external-secrets '-s -w'
}

is_in_assets() {
    case ${1##*/} in
        etcd | kube-apiserver | kubectl) [ -n "$assets" ] && [ -x "$assets/${1##*/}" ] ;;
        *) false ;;
    esac
}

is_missing() {
    if is_in_assets "$1"; then return 1; fi
    # Of all modules only go-yaml has source of ours, so only it can go stale under an unchanged version.
    [ ! -x "$out/$1" ] || { [ "$2" = go-yaml ] && [ "$here/go-yaml/main.go" -nt "$out/$1" ]; }
}

missing=0
count() {
    if is_missing "$1" "$2"; then missing=$((missing + 1)); fi
}
each_program count

need_go() {
    if ! command -v go >/dev/null 2>&1; then
        echo "build.sh: Go 1.26 or newer is needed to build the test control plane and there is no \`go\` in PATH: install it and run this again" >&2
        exit 1
    fi
}

position=0
build() {
    name=${1##*/}
    if is_in_assets "$1"; then
        link "$name" "$assets/$name"
        return
    fi
    if is_missing "$1" "$2"; then
        position=$((position + 1))
        started=$(date +%s)
        printf '[%s/%s] %s ... ' "$position" "$missing" "${1%/*}/$name"
        mkdir -p "$temporary" "$out/${1%/*}"
        (cd "$here/$2" && go build -ldflags "$4" -o "$temporary/$name" "$3")
        # Renamed only when whole: an interrupted build must not look finished.
        mv "$temporary/$name" "$out/$1"
        echo "$(($(date +%s) - started)) s"
    fi
    link "$name" "../$1"
}

# copy_from DIR MODULE NEW_FOLDER FILE...: files out of a Go module; the version is that of DIR/go.mod, checked by its go.sum.
copy_from() {
    module_dir=$1 module=$2 destination=$3
    shift 3
    if [ -d "$out/$destination" ]; then return; fi
    need_go
    printf '%s ... ' "$destination"
    source_dir=$(cd "$here/$module_dir" && go mod download "$module" && go list -m -f '{{.Dir}}' "$module")
    mkdir -p "$temporary/copy" "$out/$(dirname "$destination")"
    for file in "$@"; do
        # cert-manager's CRDs are Helm templates, but only in labels: without those lines they are plain YAML.
        sed '/{{ template\|{{ .Release\|{{- include/d' "$source_dir/$file" >"$temporary/copy/${file##*/}"
    done
    mv "$temporary/copy" "$out/$destination"
    echo copied
}

if [ "$missing" -gt 0 ]; then
    need_go
    echo "building $missing programs for Kubernetes $kubernetes into $out (the first time takes about 10 minutes on 2 cores)"
fi
each_program build

# Templates of kwok's stages are Go templates that must stay as they are, hence no sed over them.
stages=kwok-$kwok/stages
if [ ! -d "$out/$stages" ]; then
    need_go
    source_dir=$(cd "$here/kwok" && go mod download sigs.k8s.io/kwok && go list -m -f '{{.Dir}}' sigs.k8s.io/kwok)/kustomize/stage
    mkdir -p "$temporary/stages"
    for file in node/fast/node-initialize node/heartbeat-with-lease/node-heartbeat-with-lease \
        pod/fast/pod-ready pod/fast/pod-complete pod/fast/pod-delete \
        volume/fast/pvc-provision volume/fast/pvc-delete volume/fast/pv-bind volume/fast/pv-delete; do
        cat "$source_dir/$file.yaml" >"$temporary/stages/${file##*/}.yaml"
    done
    mv "$temporary/stages" "$out/$stages"
fi
link stages "../$stages"

prometheus_operator=$(version_in foreign-crds github.com/prometheus-operator/prometheus-operator)
prometheus_crds=example/prometheus-operator-crd/monitoring.coreos.com
copy_from foreign-crds github.com/prometheus-operator/prometheus-operator "crds/prometheus-operator-$prometheus_operator" \
    "${prometheus_crds}_servicemonitors.yaml" "${prometheus_crds}_podmonitors.yaml" "${prometheus_crds}_prometheusrules.yaml"
link crds/prometheus-operator "../../crds/prometheus-operator-$prometheus_operator"

copy_from cert-manager github.com/cert-manager/cert-manager "crds/cert-manager-$cert_manager" \
    deploy/crds/crd-certificaterequests.yaml deploy/crds/crd-certificates.yaml deploy/crds/crd-challenges.yaml \
    deploy/crds/crd-clusterissuers.yaml deploy/crds/crd-issuers.yaml deploy/crds/crd-orders.yaml
link crds/cert-manager "../../crds/cert-manager-$cert_manager"

# Twice, because no version of the kind is served by both: v1beta1 by the operator that builds, v1 by those in use now.
store_crds=config/crds/bases/external-secrets.io
external_secrets_v1=$(version_in foreign-crds github.com/external-secrets/external-secrets)
copy_from foreign-crds github.com/external-secrets/external-secrets "crds/external-secrets-$external_secrets_v1" \
    "${store_crds}_externalsecrets.yaml" "${store_crds}_secretstores.yaml" "${store_crds}_clustersecretstores.yaml"
link crds/external-secrets "../../crds/external-secrets-$external_secrets_v1"
copy_from $external_secrets_dir github.com/external-secrets/external-secrets "crds/external-secrets-$external_secrets" \
    "${store_crds}_externalsecrets.yaml" "${store_crds}_secretstores.yaml" "${store_crds}_clustersecretstores.yaml"
link crds/external-secrets-v1beta1 "../../crds/external-secrets-$external_secrets"

cloud_native_pg=$(version_in foreign-crds github.com/cloudnative-pg/cloudnative-pg)
cnpg_crds=config/crd/bases/postgresql.cnpg.io
copy_from foreign-crds github.com/cloudnative-pg/cloudnative-pg "crds/cloudnative-pg-$cloud_native_pg" \
    "${cnpg_crds}_clusters.yaml" "${cnpg_crds}_databases.yaml"
link crds/cloudnative-pg "../../crds/cloudnative-pg-$cloud_native_pg"

echo "test control plane: $links (Kubernetes $kubernetes)"
