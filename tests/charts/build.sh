#!/bin/sh
# Builds Helm, with which the charts are tested, from its Go module: go.sum pins every byte.
#
#   tests/charts/build.sh [OUT]
#
# OUT is target/tools by default. What exists already is not built again. Afterwards OUT/charts/helm is there.
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
helm=$(sed -n 's|^tool ||p' "$here/helm/go.mod")
version=$(sed -n 's|^[[:space:]]*helm.sh/helm/v4 \(v[^ ]*\).*|\1|p' "$here/helm/go.mod")
mkdir -p "$out/charts" "$out/helm-$version"
out=$(cd "$out" && pwd)

if [ ! -x "$out/helm-$version/helm" ]; then
    if ! command -v go >/dev/null 2>&1; then
        echo "build.sh: Go 1.26 or newer is needed to build Helm and there is no \`go\` in PATH: install it and run this again" >&2
        exit 1
    fi
    printf 'helm-%s (some minutes on 2 cores) ... ' "$version"
    started=$(date +%s)
    temporary=$out/helm-$version/.build.$$
    trap 'rm -f "$temporary"' EXIT
    trap 'exit 130' INT TERM
    # A module of its own; a go.work or GOFLAGS of whoever runs this must not change what is built.
    (cd "$here/helm" && CGO_ENABLED=0 GOWORK=off GOFLAGS='-mod=readonly -buildvcs=false' go build -ldflags '-s -w' -o "$temporary" "$helm")
    # Renamed only when whole: an interrupted build must not look finished.
    mv "$temporary" "$out/helm-$version/helm"
    echo "$(($(date +%s) - started)) s"
fi
if [ "$(readlink "$out/charts/helm" 2>/dev/null)" != "../helm-$version/helm" ]; then
    ln -sfn "../helm-$version/helm" "$out/charts/helm"
fi
