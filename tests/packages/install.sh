#!/bin/bash
# Installs, upgrades, rolls back and purges the packages in a root filesystem in which no system runs, installs and purges them again, and
# compares the names of all files with those before; then makes a disk of it that tests/packages/guest.sh runs on, with nothing installed and the packages in /debs.
# It runs in a mount namespace of its own.
#
#   install.sh ROOT WORK OUT DATA_UUID    ROOT is not changed. WORK/debs has the packages, WORK/next a later version; WORK/root.img is made,
#                                         and OUT/kernel: the release that it boots
set -euo pipefail
root=$1 work=$2 out=$3 uuid=$4
here=$(dirname "$0")
merged=$work/merged

mkdir -p "$work/upper" "$work/overlay" "$merged"
mount -t overlay overlay -o "lowerdir=$root,upperdir=$work/upper,workdir=$work/overlay" "$merged"
for dir in proc dev sys; do mount --rbind "/$dir" "$merged/$dir"; done
mount -t tmpfs tmpfs "$merged/run"
mkdir -p "$merged/debs/next" "$merged/debs/kernel/partial" "$merged/debs/lists/partial"
cp "$work"/debs/*.deb "$merged/debs/"
cp "$work"/next/*.deb "$merged/debs/next/"
debs=("$work"/debs/*.deb)
next=("$work"/next/*.deb)
debs=("${debs[@]/#*\//\/debs\/}")
next=("${next[@]/#*\//\/debs\/next\/}")

# What this system is besides Debian's own.
install -D -m 0644 "$here/guest.service" "$merged/etc/systemd/system/guest.service"
mkdir -p "$merged/etc/systemd/system/multi-user.target.wants" "$merged/data" "$merged/backup" "$merged/out" "$merged/etc/dracut.conf.d"
ln -s ../guest.service "$merged/etc/systemd/system/multi-user.target.wants/"
echo 'hostonly=no' >"$merged/etc/dracut.conf.d/any-machine.conf"
printf '%s\n' "UUID=$uuid /data ext4 defaults 0 2" '/dev/vdc /backup ext4 defaults 0 2' >"$merged/etc/fstab"

apt=(apt-get -qq -y -o Dpkg::Use-Pty=0)
inside() { chroot "$merged" env -i PATH="$PATH" LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }
# The key that DKMS makes for itself is DKMS's.
names() { (cd "$merged" && find . -xdev ! -path './var/lib/dpkg/*' ! -path './var/lib/apt/*' ! -path './var/log/*' ! -path './var/cache/*' ! -path './var/lib/dkms/mok.*' ! -type d | sort); }

in_initramfs() {
	# shellcheck disable=SC2016
	inside sh -c 'lsinitramfs "$1" 2>/dev/null || lsinitrd "$1"' sh "/boot/initrd.img-$release" | grep "/dattobd\.ko" >/dev/null
}
# The module of the version that is installed, and of no other one.
has_module() {
	local version
	# shellcheck disable=SC2016
	version=$(inside dpkg-query -W -f='${Version}' dattobd-dkms)
	inside dkms status dattobd
	[ "$(inside dkms status dattobd | sed 's/[,:].*installed$/ installed/')" = "dattobd/$version installed" ]
	in_initramfs
}
release=$(basename "$merged"/boot/vmlinuz-*)
release=${release#vmlinuz-}

# A newer kernel: of the security updates; if there is none, another one.
updates=("${apt[@]}" -o Dir::Etc::sourcelist=/etc/apt/updates.list -o Dir::State::lists=/debs/lists -o Dir::Cache::archives=/debs/kernel)
inside "${updates[@]}" update
for flavour in amd64 rt-amd64; do
	inside "${updates[@]}" --no-install-recommends --download-only install "linux-image-$flavour" "linux-headers-$flavour"
	[ -z "$(find "$merged/debs/kernel" -name 'linux-image-[0-9]*.deb')" ] || break
done
rm -r "$merged/debs/lists"

install_all() {
	echo "install"
	inside "${apt[@]}" install "${debs[@]}"
	has_module
}

purge_all() {
	echo "remove, purge"
	# What the tools and an administrator leave.
	mkdir -p "$merged/var/lib/dattobd" "$merged/etc/dattobd"
	touch "$merged/etc/datto/dla/reload_data" "$merged/etc/dattobd/data.conf" "$merged/var/lib/dattobd/state"
	inside "${apt[@]}" remove dattobd-dkms dattobd-utils
	inside dpkg --purge dattobd-dkms dattobd-utils libdattobd-dev libdattobd1
	names >"$work/after"
	diff "$work/before" "$work/after"
}

names >"$work/before"
install_all

echo "what systemd says of the units"
mapfile -t units < <(inside dpkg -L dattobd-utils | grep -E '^/usr/lib/systemd/system/[^/]+\.(service|timer)$')
[ "${#units[@]}" -gt 0 ]
printf '[Service]\nExecStart=/bin/true\nNoSuchKey=1\n' >"$merged/run/bad.service"
{ inside systemd-analyze verify --man=no /run/bad.service "${units[@]/@./@data.}" || true; } >"$work/said" 2>&1
grep NoSuchKey "$work/said" >/dev/null || { cat "$work/said"; exit 1; }
if grep -v 'NoSuchKey\|data\.service: Failed to load\|extra certs' "$work/said"; then exit 1; fi
rm "$merged/run/bad.service"
inside systemd-analyze security --offline=true --no-pager "${units[@]}" 2>&1 | grep 'Overall exposure'

echo "the headers of a kernel come after it: its initramfs is made again, with the module"
inside dkms uninstall "$(inside dkms status dattobd | sed 's/,.*//')" -k "$release"
for hook in initramfs-tools dracut; do
	[ ! -e "$merged/etc/kernel/postinst.d/$hook" ] || inside "/etc/kernel/postinst.d/$hook" "$release" "/boot/vmlinuz-$release"
done
if in_initramfs; then exit 1; fi
inside run-parts --arg="$release" /etc/kernel/header_postinst.d
in_initramfs

echo "upgrade"
inside "${apt[@]}" install "${next[@]}"
has_module
echo "rollback"
inside "${apt[@]}" --allow-downgrades install "${debs[@]}"
has_module
purge_all
install_all
purge_all

echo "a disk for a machine to boot"
echo "$release" >"$out/kernel"
umount -R "$merged/proc" "$merged/dev" "$merged/sys" "$merged/run"
truncate -s 3584M "$work/root.img"
mke2fs -q -F -t ext4 -d "$merged" "$work/root.img"
