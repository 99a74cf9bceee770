#!/usr/bin/env bash
# Installs the databases and the browser that the tests start, Java, Maven and libfaketime, from Debian's packages; needs root.
# Without them `npm test` skips what needs them.
set -euo pipefail
packages=()
compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || packages+=(postgresql)
[ -x /usr/sbin/mariadbd ] || packages+=(mariadb-server)
[ -x /usr/bin/chromium ] || packages+=(chromium fonts-dejavu-core)
command -v javac >/dev/null || packages+=(default-jdk-headless)
command -v mvn >/dev/null || packages+=(maven)
command -v promtool >/dev/null || packages+=(prometheus)
compgen -G "/usr/lib/*/faketime/libfaketimeMT.so.1" >/dev/null || packages+=(libfaketime)
[ ${#packages[@]} -gt 0 ] || exit 0
if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
  echo "not installed: ${packages[*]} (needs apt-get and root)" >&2
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
# A policy of 101 keeps the packages from starting servers of their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
