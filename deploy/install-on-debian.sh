#!/bin/sh
# Installs packages on Debian and its derivatives as root, and keeps their services from starting now
# and at the next boot. Removes its policy-rc.d afterwards, and does not change an existing one.
set -eu

policy=/usr/sbin/policy-rc.d
services="rabbitmq-server.service epmd.service epmd.socket prometheus.service"

# One process at a time: a second one would use the policy of the first, which removes it too early.
exec 9>/run/machinist-install.lock
command -v flock >/dev/null && flock 9

if [ -e "$policy" ]; then
    denied=0
    "$policy" rabbitmq-server start >/dev/null 2>&1 || denied=$?
    if [ "$denied" -ne 101 ]; then
        echo "$policy of this machine lets packages start their services:" \
            "install $* yourself, and stop what it starts" >&2
        exit 1
    fi
else
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

# Services that were installed before stay enabled.
new=
for service in $services; do
    [ -e "/lib/systemd/system/$service" ] || new="$new $service"
done

export DEBIAN_FRONTEND=noninteractive
# With outdated lists the packages may still be available, so a failure is ignored here.
apt-get update || true
apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"

for service in $new; do
    if [ -d /run/systemd/system ] && [ -e "/lib/systemd/system/$service" ]; then
        systemctl disable --quiet "$service"
    fi
done
