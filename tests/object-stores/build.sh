#!/bin/sh
# Builds the S3 servers that tests run buckets against, each from its own language's packages, because release binaries
# are not packages: go.sum, requirements.txt and Garage's own Cargo.lock pin every byte.
#
#   tests/object-stores/build.sh [OUT]
#
# OUT is target/tools by default. What exists already is not built again. Afterwards OUT/object-stores/ holds links to
# everything the harness starts: minio and minio-user, versitygw, garage, and moto (a Python environment).
#
#   STORES   the names of those to build, with spaces between them; all when it is empty
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../tools.sh"
begin "$@"
mkdir -p "$out/object-stores"
minio=$(version_in "$here/minio" github.com/minio/minio)
versitygw=$(version_in "$here/versitygw" github.com/versity/versitygw)
moto=$(sed -n 's/^moto==\([^ ]*\).*/\1/p' "$here/moto/requirements.txt")
# Garage is a program, not a library that a Cargo.toml could name; its package brings the Cargo.lock it was tested with.
garage=2.5.0

servers="the tests' S3 servers"

build_go() {
    need_go "$servers"
    go_build "$here/$1" "$2" '-s -w'
}

# A debug build: three times as quick to build as the release, and quick enough to test against. The sanest database for
# one node is SQLite; LMDB, Consul and the rest would be compiled for nothing.
build_garage() {
    need cargo 'Rust (through rustup)' "$servers"
    (cd "$here" && CARGO_TARGET_DIR=$temporary/target CARGO_PROFILE_DEV_DEBUG=0 cargo install garage --version "=$garage" --locked --debug \
        --quiet --no-default-features --features sqlite,bundled-libs --no-track --root "$temporary/root")
    mv "$temporary/root/bin/garage" "$temporary/built"
}

has_python() {
    python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1
}

build_moto() {
    python3 -m venv "$temporary/built"
    # Wheels alone, so that nothing is compiled and no package runs code of its own while it is installed.
    "$temporary/built/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
        --requirement "$here/moto/requirements.txt"
    cp "$here/moto/requirements.txt" "$temporary/built/"
}

wanted() {
    case " ${STORES:-$2} " in
        *" $2 "*) "$@" ;;
    esac
}

# A step is NAME FOLDER BUILD...; NAME lies in FOLDER below OUT. The list is made twice: to count what is missing, then to build.
each_program() {
    wanted "$1" versitygw "versitygw-$versitygw" build_go versitygw github.com/versity/versitygw/cmd/versitygw
    wanted "$1" minio "minio-$minio" build_go minio github.com/minio/minio
    wanted "$1" minio-user "minio-$minio" build_go minio .
    wanted "$1" moto "moto-$moto" build_moto
    wanted "$1" garage "garage-$garage" build_garage
}

is_missing() {
    case $1 in
        # An environment breaks when the Python it was made with goes, and goes stale when the list changes.
        moto) ! [ -x "$out/$2/$1/bin/python" ] || ! cmp -s "$here/moto/requirements.txt" "$out/$2/$1/requirements.txt" ;;
        # The only source of ours, so only it can go stale under an unchanged version.
        minio-user) [ ! -x "$out/$2/$1" ] || [ "$here/minio/main.go" -nt "$out/$2/$1" ] ;;
        *) [ ! -x "$out/$2/$1" ] ;;
    esac
}

missing=0
count() {
    if ! is_missing "$1" "$2"; then return; fi
    missing=$((missing + 1))
    # Said before the long builds, not after them.
    if [ "$1" = moto ] && ! has_python; then
        echo "build.sh: Python 3.10 or newer with its venv module is needed for moto, the AWS that tests fake: install python3 and python3-venv (Debian's names) and run this again" >&2
        exit 1
    fi
}
each_program count

build() {
    name=$1 folder=$2
    shift 2
    if is_missing "$name" "$folder"; then
        make_one "$folder/$name" "$@"
    fi
    link "object-stores/$name" "../$folder/$name"
}

if [ "$missing" -gt 0 ]; then
    echo "building $missing programs for object storage into $out (all of them take about 8 minutes on 2 cores the first time)"
fi
each_program build
echo "object stores: $out/object-stores (${STORES:-MinIO, versitygw, Garage, moto})"
