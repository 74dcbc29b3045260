#!/bin/sh
# What docs call the architecture, checked: the core is pure, one crate speaks S3, one speaks PostgreSQL, and imports go one way.
# Part of `make lint`.
set -eu
cd "$(dirname "$0")/../.."

failed=0
complain() {
    echo "$1" >&2
    failed=1
}

# Names of all crates that end up in a crate, however deep. Procedural macros run in the compiler only.
crates_in() {
    cargo tree --locked --package "$1" --edges normal,no-proc-macro --prefix none --format '{p}' | cut -d' ' -f1 | sort -u
}

# Names of the workspace's crates that name a dependency in their own Cargo.toml, for whatever purpose.
direct_users_of() {
    cargo tree --locked --workspace --edges normal,build,dev --invert "$1" --depth 1 --prefix depth --format '{p}' |
        sed -n 's/^1\(ras-[a-z-]*\) .*/\1/p' | sort -u
}

# No client, no runtime, no TLS, no randomness.
for crate in ras-core ras-crds; do
    inside=$(crates_in "$crate")
    for name in $inside; do
        case $name in
        kube-client | kube-runtime | tokio | tokio-* | hyper | hyper-* | tower | tower-* | reqwest | aws-* | rustls | rustls-* | \
            postgres-protocol | getrandom | rand | rand_*)
            complain "$crate depends on $name and must stay pure; for what brings it in: cargo tree -p $crate -e normal -i $name"
            ;;
        esac
    done
done

# The tests speak to servers themselves, to see from outside what the operator did there.
only_user() {
    users=$(direct_users_of "$2")
    for crate in $users; do
        case $crate in
        "$1" | ras-tests) ;;
        *) complain "$crate depends on $2, which only $1 may: call $1 instead; for all users: cargo tree --workspace -i $2 --depth 1" ;;
        esac
    done
    case " $(echo "$users" | tr '\n' ' ') " in
    *" $1 "*) ;;
    *) complain "$1 no longer depends on $2: name its new only user in $0" ;;
    esac
}
only_user ras-object-store aws-sdk-s3
only_user ras-object-store aws-config
only_user ras-database-job tokio-postgres
only_user ras-database-job postgres-protocol

cargo run --quiet --locked --bin check-imports || failed=1
exit "$failed"
