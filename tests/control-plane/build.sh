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
#   WITHOUT             the names of programs that are not needed this time, with spaces between them
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../tools.sh"
begin "$@"
choose_kubernetes "$here"
etcd=$(version_in "$here/etcd" go.etcd.io/etcd/server/v3)
kwok=$(version_in "$here/kwok" sigs.k8s.io/kwok)
cert_manager=$(version_in "$here/cert-manager" github.com/cert-manager/cert-manager)
# One module for both clusters: here it runs as a process, on a real node as a pod.
external_secrets_dir=../real-node/external-secrets
external_secrets=$(version_in "$here/$external_secrets_dir" github.com/external-secrets/external-secrets)
yaml=$(version_in "$here/go-yaml" sigs.k8s.io/yaml)

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

is_left_out() {
    case " ${WITHOUT:-} " in
        *" ${1##*/} "*) true ;;
        *) false ;;
    esac
}

missing=0
count() {
    if ! is_left_out "$1" && is_missing "$1" "$2"; then missing=$((missing + 1)); fi
}
each_program count

build() {
    name=${1##*/}
    if is_in_assets "$1"; then
        link "$minor/$name" "$assets/$name"
        return
    fi
    if is_missing "$1" "$2"; then
        if is_left_out "$1"; then return; fi
        make_one "$1" go_build "$here/$2" "$3" "$4"
    fi
    link "$minor/$name" "../$1"
}

# copy_from DIR MODULE NEW_FOLDER FILE...: files out of a Go module; the version is that of DIR/go.mod, checked by its go.sum.
copy_from() {
    module_dir=$1 module=$2 destination=$3
    shift 3
    for file in "$@"; do
        # A folder of an earlier time may lack a file.
        if [ ! -f "$out/$destination/${file##*/}" ]; then absent=1; fi
    done
    if [ -z "${absent:-}" ]; then return; fi
    unset absent
    need_go 'the test control plane'
    printf '%s ... ' "$destination"
    source_dir=$(source_of "$here/$module_dir" "$module")
    mkdir -p "$temporary/copy" "$out/$destination"
    for file in "$@"; do
        # cert-manager's CRDs are Helm templates, but only in labels: without those lines they are plain YAML.
        sed '/{{ template\|{{ .Release\|{{- include/d' "$source_dir/$file" >"$temporary/copy/${file##*/}"
    done
    mv "$temporary/copy"/* "$out/$destination"
    echo copied
}

if [ "$missing" -gt 0 ]; then
    need_go 'the test control plane'
    echo "building $missing programs for Kubernetes $kubernetes into $out (the first time takes about 10 minutes on 2 cores)"
fi
each_program build

# Templates of kwok's stages are Go templates that must stay as they are, hence no sed over them.
stages=kwok-$kwok/stages
if [ ! -d "$out/$stages" ]; then
    need_go 'the test control plane'
    source_dir=$(source_of "$here/kwok" sigs.k8s.io/kwok)/kustomize/stage
    mkdir -p "$temporary/stages"
    for file in node/fast/node-initialize node/heartbeat-with-lease/node-heartbeat-with-lease \
        pod/fast/pod-ready pod/fast/pod-complete pod/fast/pod-delete \
        volume/fast/pvc-provision volume/fast/pvc-delete volume/fast/pv-bind volume/fast/pv-delete; do
        cat "$source_dir/$file.yaml" >"$temporary/stages/${file##*/}.yaml"
    done
    mv "$temporary/stages" "$out/$stages"
fi
link "$minor/stages" "../$stages"

prometheus_operator=$(version_in "$here/foreign-crds" github.com/prometheus-operator/prometheus-operator)
prometheus_crds=example/prometheus-operator-crd/monitoring.coreos.com
copy_from foreign-crds github.com/prometheus-operator/prometheus-operator "crds/prometheus-operator-$prometheus_operator" \
    "${prometheus_crds}_servicemonitors.yaml" "${prometheus_crds}_podmonitors.yaml" "${prometheus_crds}_prometheusrules.yaml"
link "$minor/crds/prometheus-operator" "../../crds/prometheus-operator-$prometheus_operator"

copy_from cert-manager github.com/cert-manager/cert-manager "crds/cert-manager-$cert_manager" \
    deploy/crds/crd-certificaterequests.yaml deploy/crds/crd-certificates.yaml deploy/crds/crd-challenges.yaml \
    deploy/crds/crd-clusterissuers.yaml deploy/crds/crd-issuers.yaml deploy/crds/crd-orders.yaml
link "$minor/crds/cert-manager" "../../crds/cert-manager-$cert_manager"

# Twice, because no version of the kind is served by both: v1beta1 by the operator that builds, v1 by those in use now.
store_crds=config/crds/bases/external-secrets.io
external_secrets_v1=$(version_in "$here/foreign-crds" github.com/external-secrets/external-secrets)
copy_from foreign-crds github.com/external-secrets/external-secrets "crds/external-secrets-$external_secrets_v1" \
    "${store_crds}_externalsecrets.yaml" "${store_crds}_secretstores.yaml" "${store_crds}_clustersecretstores.yaml"
link "$minor/crds/external-secrets" "../../crds/external-secrets-$external_secrets_v1"
copy_from $external_secrets_dir github.com/external-secrets/external-secrets "crds/external-secrets-$external_secrets" \
    "${store_crds}_externalsecrets.yaml" "${store_crds}_secretstores.yaml" "${store_crds}_clustersecretstores.yaml"
link "$minor/crds/external-secrets-v1beta1" "../../crds/external-secrets-$external_secrets"

cloud_native_pg=$(version_in "$here/foreign-crds" github.com/cloudnative-pg/cloudnative-pg)
cnpg_crds=config/crd/bases/postgresql.cnpg.io
copy_from foreign-crds github.com/cloudnative-pg/cloudnative-pg "crds/cloudnative-pg-$cloud_native_pg" \
    "${cnpg_crds}_clusters.yaml" "${cnpg_crds}_databases.yaml" "${cnpg_crds}_scheduledbackups.yaml"
link "$minor/crds/cloudnative-pg" "../../crds/cloudnative-pg-$cloud_native_pg"

echo "test control plane: $links (Kubernetes $kubernetes)"
