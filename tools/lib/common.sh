# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# What every tool of the harness shares: where things lie, messages, locks, and
# the way into the Debian 13 root. Sourced, not run; the caller sets $tree (the
# work tree) before it sources this file.

MOVGEM_CACHE=${MOVGEM_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/movgem}
export MOVGEM_CACHE

movgem_start=$(date +%s)

# Progress on stderr, with the seconds since the tool was started.
say() {
	printf '%s [%4ds] %s\n' "${0##*/}:" "$(($(date +%s) - movgem_start))" "$*" >&2
}

die() {
	printf '%s %s\n' "${0##*/}:" "$*" >&2
	exit 125
}

# Are we inside the root already? Then nothing needs to be built or entered.
inside_root() {
	[ -e /etc/movgem-root ]
}

need_root_user() {
	[ "$(id -u)" = 0 ] || die "must run as root (it makes a chroot and mounts in it)"
}

# with_lock FILE COMMAND...: one at a time, with a word to whoever waits.
with_lock() {
	_lock=$1
	shift
	mkdir -p "$(dirname "$_lock")"
	(
		if ! flock -n 9; then
			say "waiting for another process that holds $_lock"
			flock 9
		fi
		"$@"
	) 9>"$_lock"
}

# The path of the root that fits this tree's recipe and package list. It
# need not exist yet: `tools/root` makes it.
root_path() {
	if inside_root; then
		echo /
		return
	fi
	_hash=$({
		cd "$tree/tools" && cat lib/recipe.sh lib/packages guest/mkguest guest/mkdisk guest/modules
		dpkg --print-architecture
	} | sha256sum | cut -c1-16)
	echo "$MOVGEM_CACHE/root-$_hash"
}

# enter_root ROOT COMMAND...: runs the command inside the root, in a mount
# namespace of its own, so that nothing stays mounted on the host. The work
# tree, the cache, /tmp and $MOVGEM_BIND (a list of paths, one a line) are there at their own
# paths. Replaces the shell.
enter_root() {
	_root=$1
	shift
	if inside_root; then
		exec "$@"
	fi
	exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		HOME=/root LC_ALL=C.UTF-8 TERM="${TERM:-dumb}" \
		MOVGEM_CACHE="$MOVGEM_CACHE" MOVGEM_HOST_START="$movgem_start" \
		${MOVGEM_JOBS:+MOVGEM_JOBS="$MOVGEM_JOBS"} \
		${MOVGEM_STRESS_SECONDS:+MOVGEM_STRESS_SECONDS="$MOVGEM_STRESS_SECONDS"} \
		unshare --mount --propagation private \
		/bin/sh "$tree/tools/lib/enter.sh" "$_root" "$tree" "${MOVGEM_BIND:-}" "$PWD" "$@"
}
