#!/bin/sh
# Checks the workflows in .github: actionlint for their syntax and their shell, zizmor for their security.
#
#   .github/lint/run.sh [OUT]
#
# Both are built or installed into OUT (target/tools-lint by default) at the versions that are pinned beside this file, and only
# once. Where they are missing and cannot be fetched, the check is skipped with a message; REQUIRE=1 makes that a failure.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=${1:-${CARGO_TARGET_DIR:-$here/../../target}/tools-lint}
mkdir -p "$out"
out=$(cd "$out" && pwd)
temporary=$out/.install.$$
trap 'rm -rf "$temporary"' EXIT
trap 'exit 130' INT TERM

# install NAME FILE COMMAND...: puts what COMMAND makes at $temporary into OUT/NAME, with the FILE of versions that it was made
# from. It is made again when that file changes.
install() {
    name=$1 versions=$2
    shift 2
    if [ -d "$out/$name" ] && cmp -s "$versions" "$out/$name/versions"; then return; fi
    rm -rf "$temporary"
    if ! "$@" >"$out/$name.log" 2>&1; then
        tail -n 3 "$out/$name.log" >&2
        echo "workflows: not checked, because $name is missing and cannot be installed (see $out/$name.log): it needs the network, Go 1.26 and Python 3.10 with venv" >&2
        exit "${REQUIRE:-0}"
    fi
    cp "$versions" "$temporary/versions"
    # Renamed only when whole: an interrupted installation must not look finished.
    rm -rf "${out:?}/$name"
    mv "$temporary" "$out/$name"
}

actionlint() {
    mkdir -p "$temporary"
    (cd "$here/actionlint" && GOWORK=off GOFLAGS='-mod=readonly -buildvcs=false' CGO_ENABLED=0 \
        go build -ldflags '-s -w' -o "$temporary/actionlint" github.com/rhysd/actionlint/cmd/actionlint)
}

zizmor() {
    # Without activation scripts the environment may be renamed: its programs are called by their path.
    python3 -m venv "$temporary" &&
        "$temporary/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
            --requirement "$here/requirements.txt"
}

install actionlint "$here/actionlint/go.mod" actionlint
install zizmor "$here/requirements.txt" zizmor

cd "$here/../.."
"$out/actionlint/actionlint" -shellcheck "$out/zizmor/bin/shellcheck" -pyflakes ''
# Offline: the result depends on the files alone, and no token is needed.
"$out/zizmor/bin/zizmor" --offline --no-progress --quiet .github
