#!/bin/sh
# Builds the programs that turn this machine into a real node, and what runs in pods there beside our own programs, from
# their Go modules, because release binaries are not packages: go.sum pins every byte.
#
#   tests/real-node/build.sh [OUT]
#
# OUT is target/tools by default; what exists already is not built again. Afterwards OUT/real-node/ holds links to containerd
# (with its shim and ctr), runc, coredns, pause, our stand-in portal and its load generator, the operator cloudnative-pg and
# the folder servers, which is the root of images; kubelet and kube-proxy lie beside the programs of their own
# Kubernetes, in OUT/<minor version>/.
#
#   K8S_VERSION     1.37 (default) or another one that has a kubernetes-v<minor> folder in tests/control-plane
#   DEBIAN_MIRROR   where Debian's packages come from; the mirror that apt-get uses here when it is empty
set -eu

here=$(cd "$(dirname "$0")" && pwd)
control_plane=$here/../control-plane
. "$here/../tools.sh"
begin "$@"
choose_kubernetes "$control_plane"
mkdir -p "$out/$minor" "$out/real-node"
containerd=$(version_in "$here/containerd" github.com/containerd/containerd/v2)
runc=$(version_in "$here/runc" github.com/opencontainers/runc)
coredns=$(version_in "$here/coredns" github.com/coredns/coredns)
cloudnative_pg=$(version_in "$here/cloudnative-pg" github.com/cloudnative-pg/cloudnative-pg)

# A step is NAME FOLDER LINK MODULE_DIR PACKAGE CGO TAGS LDFLAGS: NAME is built into FOLDER below OUT, with a link in LINK.
# The list is made twice: to count what is missing, then to build.
each_program() {
    for program in kubelet kube-proxy; do
        "$1" "$program" "kubernetes-$kubernetes" "$minor" "$control_plane/kubernetes-v$minor" "k8s.io/kubernetes/cmd/$program" 0 '' "$kubernetes_ldflags"
    done
    # Snapshotters for file systems that nobody has here.
    for program in containerd containerd-shim-runc-v2 ctr; do
        "$1" "$program" "containerd-$containerd" real-node "$here/containerd" "github.com/containerd/containerd/v2/cmd/$program" 0 no_btrfs,no_devmapper,no_zfs '-s -w'
    done
    # Its way into namespaces is written in C, and so is the library that filters system calls.
    "$1" runc "runc-$runc" real-node "$here/runc" github.com/opencontainers/runc 1 seccomp '-s -w'
    "$1" coredns "coredns-$coredns" real-node "$here/coredns" github.com/coredns/coredns 0 '' '-s -w'
    "$1" cloudnative-pg "cloudnative-pg-$cloudnative_pg" real-node "$here/cloudnative-pg" github.com/cloudnative-pg/cloudnative-pg/cmd/manager 0 '' '-s -w'
    "$1" portal portal real-node "$here/../portal" . 0 '' '-s -w'
    "$1" load-generator load-generator real-node "$here/../load-generator" . 0 '' '-s -w'
}

# Of all these two have source of ours, so only they can go stale under an unchanged version.
is_missing() {
    if [ ! -x "$out/$2/$1" ]; then return 0; fi
    case $1 in
        portal | load-generator) [ -n "$(find "$4" -type f -newer "$out/$2/$1")" ] ;;
        *) false ;;
    esac
}

missing=0
count() {
    if ! is_missing "$@"; then return; fi
    missing=$((missing + 1))
    # Said before the long builds, not after them.
    if [ "$1" = runc ] && ! pkg-config --exists libseccomp 2>/dev/null; then
        echo "build.sh: runc needs libseccomp's headers and pkg-config: install libseccomp-dev and pkg-config (Debian's names) and run this again" >&2
        exit 1
    fi
}
each_program count

build() {
    if is_missing "$@"; then
        export CGO_ENABLED="$6"
        make_one "$2/$1" go_build "$4" "$5" "$8" "$7"
    fi
    link "$3/$1" "../$2/$1"
}

# files_of DIR MODULE NEW_FOLDER FILE...: files out of a Go module; the version is that of DIR/go.mod, checked by its go.sum.
files_of() {
    module_dir=$1 module=$2 destination=$3
    shift 3
    if [ -d "$out/$destination" ]; then return; fi
    need_go 'the programs of a real node'
    source_dir=$(source_of "$here/$module_dir" "$module")
    mkdir -p "$temporary/files" "$out/$(dirname "$destination")"
    for file in "$@"; do
        if [ -d "$source_dir/$file" ]; then cp -R "$source_dir/$file" "$temporary/files/"; else cp "$source_dir/$file" "$temporary/files/"; fi
    done
    # What lies in a module is read-only, and could not be removed with the folder.
    chmod -R u+w "$temporary/files"
    mv "$temporary/files" "$out/$destination"
}

if [ "$missing" -gt 0 ]; then
    need_go 'the programs of a real node'
    echo "building $missing programs for a real node of Kubernetes $kubernetes into $out (the first time takes about 10 minutes on 2 cores)"
fi
each_program build

pause=$out/real-node/pause
if [ ! -x "$pause" ] || [ "$here/pause/pause.c" -nt "$pause" ]; then
    mkdir -p "$temporary"
    cc -static -Os -s -o "$temporary/pause" "$here/pause/pause.c"
    mv "$temporary/pause" "$pause"
fi

# Debian's stable release, whatever this machine runs: it has the PostgreSQL of the examples, and Valkey.
debian=trixie

# debian_lists: what there is in that release, from the mirror that this machine uses for its own, and kept apart from its own lists.
debian_lists() {
    apt_folder=$temporary/apt
    if [ -d "$apt_folder" ]; then return; fi
    mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 2>/dev/null |
        awk -v release="$(. /etc/os-release && echo "${VERSION_CODENAME:-none}")" '$2 == release { print $1; exit }')}
    if [ -z "$mirror" ]; then
        echo "build.sh: apt-get names no mirror here, and Debian's packages are needed: let DEBIAN_MIRROR be one" >&2
        exit 1
    fi
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    mkdir -p "$apt_folder/lists/partial" "$apt_folder/archives/partial" "$apt_folder/parts"
    echo "deb [$(if [ -f "$keyring" ]; then echo "signed-by=$keyring"; fi)] $mirror $debian main" | sed 's/ \[\]//' >"$apt_folder/sources.list"
    debian_apt update >/dev/null
}

# As if nothing were installed, or what is would be left out.
debian_apt() {
    if ! apt-get -qq -o Dir::Etc::sourcelist="$apt_folder/sources.list" -o Dir::Etc::sourceparts="$apt_folder/parts" \
        -o Dir::State::lists="$apt_folder/lists" -o Dir::State::status=/dev/null -o Dir::Cache="$apt_folder" \
        -o Debug::NoLocking=1 -o APT::Install-Recommends=false -o APT::Sandbox::User=root -o Acquire::Languages=none "$@"; then
        echo "build.sh: Debian's $debian cannot be fetched from this machine's mirror: see what apt-get said, and run this again" >&2
        exit 1
    fi
}

# debian_root NAME PACKAGE...: Debian packages with all they depend on, unpacked into OUT/debian-<release>/NAME and not into this
# machine, without their scripts. Perl, LLVM (for the JIT), manuals and translations stay out: what runs them is not in an image.
debian_root() {
    if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-deb >/dev/null 2>&1; then
        echo "images of Debian's $1: not made, there is no apt-get and dpkg-deb here" >&2
        return
    fi
    name=$1 root=debian-$debian/$1
    shift
    if [ ! -d "$out/$root" ]; then
        printf '%s ... ' "$root"
        started=$(date +%s)
        debian_lists
        rm -rf "$temporary/root"
        rm -f "$apt_folder"/archives/*.deb
        mkdir -p "$temporary/root/usr/bin" "$temporary/root/usr/sbin" "$temporary/root/usr/lib" "$temporary/root/usr/lib64" "$out/debian-$debian"
        # The package with these links is part of every system, and so of no other package's needs.
        for folder in bin sbin lib lib64; do ln -s "usr/$folder" "$temporary/root/$folder"; done
        debian_apt -y --download-only install "$@" >/dev/null
        for package in "$apt_folder"/archives/*.deb; do
            case ${package##*/} in
                perl* | libperl* | libllvm* | libz3* | locales_* | libc-l10n* | dpkg_*) ;;
                *) dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$temporary/root" ;;
            esac
        done
        (cd "$temporary/root" && rm -rf usr/share/doc usr/share/man usr/share/locale usr/share/i18n usr/share/info usr/share/lintian \
            usr/share/perl5 usr/share/gcc usr/share/postgresql-common usr/lib/*/gconv usr/lib/*/security usr/sbin/ldconfig usr/lib/postgresql/*/lib/bitcode usr/lib/postgresql/*/lib/llvmjit*)
        mv "$temporary/root" "$out/$root"
        echo "$(($(date +%s) - started)) s"
    fi
    ln -sfn "../$root" "$out/real-node/$name"
}
debian_root servers postgresql-17 valkey-server busybox-static

files_of cloudnative-pg github.com/cloudnative-pg/cloudnative-pg "cloudnative-pg-$cloudnative_pg/manifests" \
    "releases/cnpg-${cloudnative_pg#v}.yaml"
ln -sfn "../cloudnative-pg-$cloudnative_pg/manifests" "$out/real-node/cloudnative-pg-manifests"

echo "real node: $out/real-node (Kubernetes $kubernetes, containerd $containerd, CoreDNS $coredns)"
