#!/bin/sh
# Builds the operator of an earlier commit, and lays its charts beside it: for `make e2e-upgrade`.
#
#   tests/upgrade/earlier.sh COMMIT OUT
#
# Afterwards OUT holds the program `ras-operator` and the folder `charts`. The build shares the target folder of this tree, so only
# our own crates are compiled where Cargo.lock is the same; what it leaves in target/debug is replaced by the next build.
set -eu

if [ "$#" != 2 ]; then
    sed -n '2,/^set -eu/s/^# \{0,1\}//p' "$0"
    exit 2
fi
here=$(cd "$(dirname "$0")/../.." && pwd)
commit=$(git -C "$here" rev-parse --verify --quiet "$1^{commit}") || {
    echo "earlier.sh: there is no commit $1 here: name another one, or fetch it (a shallow clone has only the newest)" >&2
    exit 1
}
mkdir -p "$2"
out=$(cd "$2" && pwd)
if [ "$(cat "$out/commit" 2>/dev/null)" = "$commit" ]; then exit 0; fi
rm -rf "$out/commit" "$out/tree" "$out/charts"
mkdir "$out/tree"
git -C "$here" archive "$commit" | tar -x -C "$out/tree"
echo "building the operator of $(git -C "$here" log -1 --format='%h (%s)' "$commit")"
target=${CARGO_TARGET_DIR:-$here/target}
(cd "$out/tree" && CARGO_TARGET_DIR=$target cargo build --workspace --bin ras-operator --locked --quiet)
cp "$target/debug/ras-operator" "$out/ras-operator"
mv "$out/tree/charts" "$out/charts"
rm -rf "$out/tree"
# Last, so that an interrupted build does not look finished.
echo "$commit" >"$out/commit"
