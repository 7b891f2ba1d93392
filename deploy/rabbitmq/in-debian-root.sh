#!/bin/sh
# Runs the program that this file is linked as (rabbitmq-server, rabbitmqctl, epmd and so on) from
# the root file system `root` beside the folder of the link. Everything is exec, so that the caller's
# child is the program itself: SIGKILL and SIGSTOP reach it. The program has its own /usr, /etc and
# /var and sees all other folders of this machine, and /var/tmp, under the same names.
set -eu

if [ -z "${IN_MOUNT_NAMESPACE:-}" ]; then
    # Mounts belong to this process and its children, and vanish with them.
    IN_MOUNT_NAMESPACE=1 exec unshare --mount --propagation private "$0" "$@"
fi
unset IN_MOUNT_NAMESPACE
program=${0##*/}
root=$(cd "${0%/*}/../root" && pwd -P)

# The folder that holds the root goes first: mounted later, it would repeat the mounts before it.
holder=${root#/}
holder=/${holder%%/*}
for folder in "$holder" /* /var/tmp; do
    case $folder in
    /bin | /boot | /etc | /lib* | /lost+found | /sbin | /usr | /var) continue ;;
    esac
    if [ -d "$folder" ] && ! [ -L "$folder" ] && ! mountpoint -q "$root$folder"; then
        mkdir -p "$root$folder"
        mount --rbind "$folder" "$root$folder"
    fi
done

case $program in
epmd) program=/usr/bin/epmd ;;
*) program=/usr/lib/rabbitmq/bin/$program ;;
esac
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
# A library that is preloaded on this machine need not exist in the root.
exec chroot "$root" /usr/bin/env -u LD_PRELOAD "$program" "$@"
