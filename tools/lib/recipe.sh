# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# How tools/root makes the root: where the packages come from and how mmdebstrap
# is called. Sourced by tools/root, which sets $tree, $tmp and $log. A change of
# this file makes a new root (see root_path in common.sh).

suite=trixie
sid=sid
# Two stock kernels: that of the release, and a later series from its backports, which
# apt prefers for nothing else. Of the series the newest that is there in full is taken.
backports=trixie-backports
backports_series=7.2
# The packages that come from sid, with the libraries they need newer.
from_sid='igt* libigt* intel-gpu-tools libdrm* libxv1'

# The Debian archive among the host's sources: apt itself says, of the indices
# it has fetched, which are Debian's own main for the host's release. Both
# formats of sources are covered by that, and third-party archives are not.
archive_line() {
	_codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	# shellcheck disable=SC2016
	apt-get indextargets \
		--format '$(ORIGIN)|$(LABEL)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)|$(SOURCESENTRY)' \
		'Created-By: Packages' 2>/dev/null |
		grep "^Debian|Debian|$_codename|main|" | head -n 1 | grep .
}

archive_uri() {
	_uri=$(archive_line | cut -d'|' -f5)
	case $_uri in
	'') return 1 ;;
	mirror+file:*)
		_uri=$(grep -v '^#' "${_uri#mirror+file:}" | awk 'NF { print $1; exit }')
		;;
	esac
	echo "$_uri"
}

# The keyring of that entry, or Debian's usual one.
archive_keyring() {
	_file=$(archive_line | cut -d'|' -f6 | sed 's/:[0-9]*$//')
	_key=$(grep -ioE 'signed-by[:=][[:space:]]*/[^] ]*' "$_file" 2>/dev/null |
		head -n 1 | grep -oE '/.*') || _key=
	for _k in "$_key" /usr/share/keyrings/debian-archive-keyring.gpg; do
		if [ -r "$_k" ]; then
			echo "$_k"
			return
		fi
	done
	return 1
}

# Proxies and the like that the host's apt needs to get at the archive.
host_apt_options() {
	apt-config dump | grep -E '^Acquire::(http|https|Retries|ForceIPv[46]|Check-Date)[: ]' |
		grep -v ' "";$' || :
}

# Runs in the root, while mmdebstrap still has its package lists: the kernel of
# the backports; Debian's linux-source, whose checking scripts and sphinx
# extensions are unpacked, and of which tools/kernel builds the debug kernel.
write_customize_hook() {
	cat <<HOOK
set -e
export SERIES=$backports_series BACKPORTS=$backports
HOOK
	cat <<'HOOK'
exec chroot "$1" sh -ec '
	# A newer one can be there in part, with its signed image yet to come.
	release=
	for binary in $(apt-cache --names-only search "^linux-binary-$SERIES\.[0-9]*[+]deb13-amd64\$" |
			cut -d" " -f1 | sort -V); do
		version=${binary#linux-binary-}
		if apt-cache show "linux-modules-$version" "linux-headers-$version" >/dev/null; then
			release=$version
		fi
	done
	if [ -z "$release" ]; then
		echo "E: $BACKPORTS has no complete kernel of the series $SERIES" >&2
		exit 1
	fi
	DEBIAN_FRONTEND=noninteractive apt-get install -y \
		"linux-binary-$release" "linux-modules-$release" "linux-headers-$release"
	depmod "$release"

	mkdir -p /usr/src/linux-tools-src /tmp/src
	cd /tmp/src
	apt-get download linux-source-6.12
	dpkg-deb -f linux-source-6.12_*.deb Version >/usr/src/linux-source-6.12.version
	dpkg-deb --fsys-tarfile linux-source-6.12_*.deb |
		tar -xO ./usr/src/linux-source-6.12.tar.xz >/usr/src/linux-source-6.12.tar.xz
	tar -xJf /usr/src/linux-source-6.12.tar.xz -C /usr/src/linux-tools-src \
		--strip-components=1 \
		linux-source-6.12/scripts \
		linux-source-6.12/Documentation/sphinx \
		linux-source-6.12/Documentation/sphinx-static \
		linux-source-6.12/Documentation/conf.py \
		linux-source-6.12/COPYING
	cd /
	rm -rf /tmp/src
'
HOOK
}

make_base() {
	_uri=$(archive_uri) || die "no Debian archive among the host's apt sources"
	_key=$(archive_keyring) || die "no keyring for the Debian archive"
	_include=$(grep -v '^#' "$tree/tools/lib/packages" | awk 'NF' | paste -sd,)

	{
		echo "deb [signed-by=$_key] $_uri $suite main"
		echo "deb [signed-by=$_key] $_uri $backports main"
		echo "deb [signed-by=$_key] $_uri $sid main"
	} >"$tmp/sources.list"
	cat >"$tmp/pin" <<PIN
Package: *
Pin: release n=$sid
Pin-Priority: -1

Package: $from_sid
Pin: release n=$sid
Pin-Priority: 990
PIN
	host_apt_options >"$tmp/apt.conf"
	# A mirror's copy of sid can be older than its index says it may be.
	echo 'Acquire::Check-Valid-Until "false";' >>"$tmp/apt.conf"
	echo 'Acquire::Languages "none";' >>"$tmp/apt.conf"

	write_customize_hook >"$tmp/customize-hook"

	# No locales, manuals and documents: this root is for machines.
	env DEBIAN_FRONTEND=noninteractive INITRD=No LC_ALL=C \
		mmdebstrap --mode=root --variant=minbase --include="$_include" \
		--aptopt="$tmp/apt.conf" \
		--aptopt='APT::Install-Recommends "false"' \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-include=/usr/share/doc/*/copyright' \
		--dpkgopt=force-unsafe-io \
		--setup-hook="mkdir -p \"\$1/etc/apt/preferences.d\" && cp '$tmp/pin' \"\$1/etc/apt/preferences.d/sid\"" \
		--customize-hook="sh '$tmp/customize-hook' \"\$1\"" \
		--skip=cleanup/reproducible \
		"$suite" "$tmp/fs" "$tmp/sources.list"
}
