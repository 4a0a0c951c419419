#!/bin/sh
# Serves PostgreSQL from a volume that outlives the container. The database is made
# on first start, as POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB say.
set -eu

volume=/var/lib/postgresql/data
data=$volume/pgdata
fresh=$volume/.unfinished
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}

if [ "$(id -u)" = 0 ]; then
	# A restored volume, or one of an image whose postgres has another number.
	find "$volume" ! -user postgres -exec chown -h postgres:postgres {} +
	install -d -o postgres -g postgres -m 2775 /run/postgresql
	exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

# The database is made aside and moved when it is complete: one that was
# interrupted is made anew, and a folder called pgdata is never half a database.
if [ ! -s "$data/PG_VERSION" ]; then
	if [ -e "$data" ]; then
		echo "$data is there but is no database: not touching it" >&2
		exit 1
	fi
	: "${POSTGRES_PASSWORD:?is needed to make the database}"
	rm -rf "$fresh"
	printf '%s\n' "$POSTGRES_PASSWORD" |
		initdb --pgdata="$fresh" --username="$user" --pwfile=/dev/stdin --encoding=UTF8 --locale=C.UTF-8 \
			--data-checksums --auth-local=trust --auth-host=scram-sha-256
	echo 'host all all all scram-sha-256' >>"$fresh/pg_hba.conf"
	if [ "$database" != postgres ]; then
		printf 'CREATE DATABASE "%s"\n' "$(printf '%s' "$database" | sed 's/"/""/g')" |
			postgres --single -j -D "$fresh" postgres
	fi
	mv "$fresh" "$data"
	sync "$volume"
fi

exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/run/postgresql \
	-c fsync=on -c synchronous_commit=on -c full_page_writes=on -c jit=off -c shared_buffers=32MB \
	-c password_encryption=scram-sha-256 -c logging_collector=off "$@"
