#!/bin/sh
# Checks that a tag fits what is released under it, and prints the notes of the release: the section of CHANGELOG.md.
#
#   .github/release/check.sh v0.1.0
set -eu
cd "$(dirname "$0")/../.."
tag=${1:?which tag, such as v0.1.0}
version=${tag#v}

fail() {
    echo "release $tag: $*" >&2
    exit 1
}

echo "$tag" | grep -Eq '^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$' || fail "the tag is not of the form v1.2.3 or v1.2.3-rc.1"
grep -q "^version = \"$version\"\$" Cargo.toml || fail "the version in Cargo.toml is another one"
for chart in charts/*/Chart.yaml; do
    for field in version appVersion; do
        grep -q "^$field: $version\$" "$chart" || fail "$field in $chart is another one"
    done
done
notes=$(awk -v heading="## [$version]" 'index($0, "## [") == 1 { on = index($0, heading) == 1; next } on' CHANGELOG.md)
[ -n "$(echo "$notes" | tr -d '[:space:]')" ] || fail "CHANGELOG.md has no section [$version]: rename [Unreleased]"
echo "$notes"
