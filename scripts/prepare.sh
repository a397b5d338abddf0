#!/bin/sh
# Installs what `make test` needs beside Go: a C compiler (the race detector is linked with one), a PostgreSQL server (the
# store's tests run on the real one), OpenLDAP, Samba and 389 Directory Server (the LDAP source's tests run on the real ones), Node.js with the npm
# package oidc-provider (people sign in at it). Does nothing where all are there. Needs root or sudo only if something is
# missing.
set -eu

say() { printf 'prepare: %s\n' "$*"; }

postgres_bin() {
	if command -v initdb >/dev/null 2>&1; then
		dirname "$(command -v initdb)"
		return
	fi
	for dir in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/local/pgsql/bin; do
		if [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ]; then
			printf '%s\n' "$dir"
			return
		fi
	done
}

# A compiler without the C library's headers is of no use, so compile something.
compiler_works() {
	local out works=0
	out=$(mktemp)
	printf '#include <stdlib.h>\nint main(void) { return EXIT_SUCCESS; }\n' | "${CC:-gcc}" -x c -o "$out" - 2>/dev/null || works=1
	rm -f "$out"
	return "$works"
}

missing=""
if compiler_works; then
	say "C compiler: ${CC:-gcc}"
else
	missing="gcc libc6-dev"
fi
bin=$(postgres_bin)
if [ -n "$bin" ]; then
	say "PostgreSQL: $bin"
else
	missing="$missing postgresql"
fi
# Debian keeps slapd and samba in /usr/sbin, which is not in everybody's PATH.
for need in slapd:slapd ldapsearch:ldap-utils samba:samba-ad-dc samba-tool:samba-ad-dc ns-slapd:389-ds-base node:nodejs npm:npm; do
	if found=$(PATH="$PATH:/usr/sbin" command -v "${need%%:*}"); then
		say "${need%%:*}: $found"
	else
		case " $missing " in
		*" ${need#*:} "*) ;;
		*) missing="$missing ${need#*:}" ;;
		esac
	fi
done
# The templates of a new domain are a package of their own on newer releases, and part of samba-common-bin on older ones.
if [ ! -d /usr/share/samba/setup/ad-schema ]; then
	missing="$missing samba-ad-provision"
fi
# The OpenID provider of the tests, in the release that its package.json names; node_modules is not in the repository.
openid_provider() {
	folder=$(dirname "$0")/../internal/e2e/oidcprovider
	if [ -d "$folder/node_modules/oidc-provider" ]; then
		say "oidc-provider: $folder/node_modules"
		return
	fi
	npm install --prefix "$folder" --no-package-lock --no-audit --no-fund --silent || {
		say "npm cannot install oidc-provider: run npm install in $folder"
		exit 1
	}
}

if [ -z "$missing" ]; then
	openid_provider
	exit 0
fi

say "missing:$(printf ' %s' $missing)"
by_hand() {
	say "cannot install it here: $1"
	say "please run, as root: apt-get update && apt-get install -y --no-install-recommends$(printf ' %s' $missing)"
	say "on other systems: a C compiler, PostgreSQL 14 or newer, OpenLDAP, Samba and 389 Directory Server from the system's packages"
	exit 1
}

command -v apt-get >/dev/null 2>&1 || by_hand "there is no apt-get"
if [ "$(id -u)" -eq 0 ]; then
	as_root=""
elif command -v sudo >/dev/null 2>&1 && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
	as_root="sudo" # On a terminal it may ask for the password.
else
	by_hand "neither root nor a sudo that works without a terminal"
fi

say "installing with apt-get (the tests start their own PostgreSQL; the system's service is not used and may be disabled)"
# shellcheck disable=SC2086 # The lists are meant to split.
$as_root env DEBIAN_FRONTEND=noninteractive sh -c \
	'apt-get update -q && exec apt-get install -q -y --no-install-recommends "$@"' sh $missing || by_hand "apt-get failed"
if [ -z "$(postgres_bin)" ]; then
	by_hand "PostgreSQL was installed but initdb is not to be found"
fi
say "done"
openid_provider
