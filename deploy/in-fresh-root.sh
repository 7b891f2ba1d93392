#!/bin/sh
# Runs a command in a root file system as on a separate machine: in-fresh-root.sh ROOT PATHS COMMAND …
# The command has its own PID namespace, whose processes end with it, and its own files. It shares
# this machine's network and the PATHS (separated by colons) that pip needs for the package index.
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
