#!/bin/sh
# Runs the program of the link's name (rabbitmq-server, rabbitmqctl, epmd and so on) from the root
# file system `root` beside the folder of the link. Each step is an exec, so that SIGKILL and SIGSTOP
# of the caller reach the program. It uses /usr, /etc and /var of the root, except /var/tmp, and all
# other folders of this machine under the same names.
set -eu

if [ -z "${IN_MOUNT_NAMESPACE:-}" ]; then
    # Mounts in this namespace exist only for this process and its children.
    IN_MOUNT_NAMESPACE=1 exec unshare --mount --propagation private "$0" "$@"
fi
unset IN_MOUNT_NAMESPACE
program=${0##*/}
root=$(cd "${0%/*}/../root" && pwd -P)

# The folder that contains the root is first: later it would include all mounts made before.
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
# A preloaded library of this machine may be missing in the root.
exec chroot "$root" /usr/bin/env -u LD_PRELOAD "$program" "$@"
