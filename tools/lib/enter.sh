#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The inner half of enter_root() in common.sh: runs in a new mount namespace,
# mounts what a command in the root needs, and goes in. Not run by hand; use
# `tools/root enter`.
#
#   enter.sh ROOT TREE BINDS DIRECTORY COMMAND...
set -eu

root=$1 tree=$2 binds=$3 dir=$4
shift 4

mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount --bind /tmp "$root/tmp"

bind() {
	case $1 in
	/tmp | /tmp/* | /dev/*) return 0 ;;
	esac
	mkdir -p "$root$1"
	mount --bind "$1" "$root$1"
}

bind "$tree"
bind "$MOVGEM_CACHE"
printf '%s\n' "$binds" | while read -r path; do
	[ -z "$path" ] || bind "$path"
done

[ -d "$root$dir" ] || dir=$tree
exec chroot "$root" /usr/bin/env -C "$dir" "$@"
