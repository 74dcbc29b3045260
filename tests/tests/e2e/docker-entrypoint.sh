#!/bin/sh
# What this project relies on of the official image's entrypoint, in our own words: PGDATA is filled when it is empty, with the
# password in POSTGRES_PASSWORD for connections by network and none for those by socket; then the files of
# /docker-entrypoint-initdb.d are run once; then the server takes this process' place.
set -eu
: "${PGDATA:=/var/lib/postgresql/data}"
if [ "$#" = 0 ] || [ "${1#-}" != "$1" ]; then set -- postgres "$@"; fi
if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
    if [ -z "${POSTGRES_PASSWORD:-}" ]; then
        echo "the database is empty and POSTGRES_PASSWORD is not set" >&2
        exit 1
    fi
    mkdir -p "$PGDATA"
    chmod 700 "$PGDATA"
    password=$(mktemp)
    printf '%s\n' "$POSTGRES_PASSWORD" >"$password"
    initdb --username=postgres --pwfile="$password" --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
    rm "$password"
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
    echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
    if ls /docker-entrypoint-initdb.d/*.sql >/dev/null 2>&1; then
        pg_ctl --wait --options='-c listen_addresses=' start
        for file in /docker-entrypoint-initdb.d/*.sql; do
            psql --no-psqlrc --set ON_ERROR_STOP=1 --username=postgres --file="$file"
        done
        pg_ctl --wait --mode=fast stop
    fi
fi
exec "$@"
