#!/bin/sh
# Installs packages on Debian and its kin as root, without letting them start their services now or
# at the next boot. Leaves no policy behind, and overrules none that is there.
set -eu

policy=/usr/sbin/policy-rc.d
services="rabbitmq-server.service epmd.service epmd.socket"

# One at a time: the second of two would find the policy of the first, and lose it half-way.
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

# Only services that come with this installation are ours to switch off.
new=
for service in $services; do
    [ -e "/lib/systemd/system/$service" ] || new="$new $service"
done

export DEBIAN_FRONTEND=noninteractive
# Without the newest lists the packages may still be there: the installation tells.
apt-get update || true
apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"

for service in $new; do
    if [ -d /run/systemd/system ] && [ -e "/lib/systemd/system/$service" ]; then
        systemctl disable --quiet "$service"
    fi
done
