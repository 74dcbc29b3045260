#!/bin/sh
# Builds Helm, with which the charts are tested, from its Go module: go.sum pins every byte.
#
#   tests/charts/build.sh [OUT]
#
# OUT is target/tools by default. What exists already is not built again. Afterwards OUT/charts/helm is there.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../tools.sh"
begin "$@"
helm=$(sed -n 's|^tool ||p' "$here/helm/go.mod")
version=$(version_in "$here/helm" helm.sh/helm/v4)

missing=1
if [ ! -x "$out/helm-$version/helm" ]; then
    need_go 'Helm'
    echo "building Helm into $out (some minutes on 2 cores the first time)"
    make_one "helm-$version/helm" go_build "$here/helm" "$helm" '-s -w'
fi
mkdir -p "$out/charts"
link charts/helm "../helm-$version/helm"
