# What the builds of all kinds of tools have in common: sourced by `*/build.sh`, with `here` set to the folder that it is in.
#
# Each makes its list of steps twice, to count what is missing and then to build it, so that somebody who waits is told of how many.

# begin ARGUMENT...: reads the arguments of a build.sh. Afterwards `out` is the folder for tools, which is there, and `temporary` a
# name below it for what is not whole yet, which is removed in the end.
begin() {
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
    temporary=$out/.build.$$
    trap 'rm -rf "$temporary"' EXIT
    trap 'exit 130' INT TERM
    # Ours are modules of their own; a go.work or GOFLAGS of whoever runs this must not change what is built.
    export CGO_ENABLED=0 GOWORK=off GOFLAGS='-mod=readonly -buildvcs=false'
}

# version_in DIR MODULE: the version that DIR/go.mod requires. Read with sed so that nothing to build means no Go needed.
version_in() {
    sed -n "s|^\(require\)\{0,1\}[[:space:]]*$2 \(v[^ ]*\).*|\2|p" "$1/go.mod"
}

# choose_kubernetes FOLDER: which of the modules kubernetes-v<minor> in FOLDER K8S_VERSION means. Afterwards `minor` and `kubernetes` are
# its versions, and `kubernetes_ldflags` tells them to its programs.
choose_kubernetes() {
    wanted=${K8S_VERSION:-1.37}
    supported=
    minor=
    for folder in "$1"/kubernetes-v*; do
        candidate=${folder##*/kubernetes-v}
        supported="$supported $candidate"
        kubernetes=$(version_in "$folder" k8s.io/kubernetes)
        case ${wanted#v} in
            "$candidate" | "${kubernetes#v}") minor=$candidate; break ;;
        esac
    done
    if [ -z "$minor" ]; then
        echo "build.sh: K8S_VERSION=$wanted is not a version these tests know: choose one of$supported" >&2
        exit 2
    fi
    # Without these the programs call themselves v0.0.0-master, and clients fail to parse that.
    kubernetes_ldflags="-s -w \
-X k8s.io/component-base/version.gitVersion=$kubernetes \
-X k8s.io/component-base/version.gitMajor=1 \
-X k8s.io/component-base/version.gitMinor=${minor#1.} \
-X k8s.io/client-go/pkg/version.gitVersion=$kubernetes"
}

# need PROGRAM NAME WHAT: an end with a sentence where the program that builds is not there.
need() {
    if ! command -v "$1" >/dev/null 2>&1; then
        echo "build.sh: $2 is needed to build $3 and there is no \`$1\` in PATH: install it and run this again" >&2
        exit 1
    fi
}

need_go() {
    need go 'Go 1.26 or newer' "$1"
}

# make_one FILE COMMAND...: makes FILE below OUT by a command that writes $temporary/built, and says how long that took. `missing` is
# how many there are to make.
position=0
make_one() {
    file=$1
    shift
    position=$((position + 1))
    started=$(date +%s)
    printf '[%s/%s] %s ... ' "$position" "$missing" "$file"
    mkdir -p "$temporary" "$out/${file%/*}"
    "$@"
    # Renamed only when whole: an interrupted build must not look finished.
    rm -rf "${out:?}/$file"
    mv "$temporary/built" "$out/$file"
    echo "$(($(date +%s) - started)) s"
}

# go_build DIR PACKAGE LDFLAGS [TAGS]: builds a program of a Go module.
go_build() {
    (cd "$1" && go build -tags "${4:-}" -ldflags "$3" -o "$temporary/built" "$2")
}

# link LINK TARGET: LINK below OUT leads to TARGET. Relative ones, so that a cached target folder may move.
link() {
    if [ "$(readlink "$out/$1" 2>/dev/null)" != "$2" ]; then
        ln -sfn "$2" "$out/$1"
    fi
}

# source_of DIR MODULE: where the files of a Go module are; the version is that of DIR/go.mod, checked by its go.sum.
source_of() {
    (cd "$1" && go mod download "$2" && go list -m -f '{{.Dir}}' "$2")
}
