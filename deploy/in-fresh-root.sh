#!/bin/sh
# Runs a command in a root file system as if on a machine of its own: in-fresh-root.sh ROOT PATHS COMMAND …
# It has its own processes, which end with it, and its own files; of this machine it sees the network
# and the PATHS (separated by colons), which lead to the package index.
set -eu

if [ -z "${IN_NAMESPACES:-}" ]; then
    IN_NAMESPACES=1 exec unshare --mount --pid --fork --kill-child --propagation private "$0" "$@"
fi
unset IN_NAMESPACES
root=$1 paths=$2
shift 2

mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
IFS=:
for path in $paths; do
    if [ -d "$path" ]; then mkdir -p "$root$path"; else mkdir -p "$root${path%/*}" && : >>"$root$path"; fi
    mount --rbind "$path" "$root$path"
done
unset IFS
exec chroot "$root" "$@"
