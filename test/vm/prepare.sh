#!/bin/bash
# Builds the guest that run.sh boots: Debian's kernel as it is (nothing of it is installed here) and a tiny initramfs.
# Result, in $VM_CACHE (default ~/.cache/moonlet-vm): vmlinux initrd.gz modules/ kver accel
# Tools that are missing are installed where that is possible (root, apt-get); else it says which they are and exits with 77.
set -euo pipefail
cache=${VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/moonlet-vm}
mkdir -p "$cache"
here=$(cd "$(dirname "$0")" && pwd)

pkgs=()
need() { [ -e "$1" ] || pkgs+=("$2"); }
need /usr/bin/qemu-system-x86_64 qemu-system-x86;  need /usr/share/doc/busybox-static busybox-static
need /usr/bin/cpio cpio;  need /usr/bin/xz xz-utils;  need /usr/sbin/depmod kmod
need /usr/bin/udevadm udev;  need /usr/bin/lsusb usbutils;  need /usr/sbin/usbip usbip;  need /usr/bin/socat socat;  need /usr/bin/dumpcap tshark
command -v apt-get >/dev/null || { echo "left out: no apt-get, so no Debian kernel" >&2; exit 77; }
if [ ${#pkgs[@]} -gt 0 ]; then
  [ "$(id -u)" = 0 ] || { echo "left out: apt-get install --no-install-recommends ${pkgs[*]}" >&2; exit 77; }
  [ -n "$(ls /var/lib/apt/lists/*Packages* 2>/dev/null)" ] || apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${pkgs[@]}" >/dev/null 2>&1 ||
    { echo "left out: cannot be installed: ${pkgs[*]}" >&2; exit 77; }
fi
PATH=$PATH:/sbin:/usr/sbin

# 1. kernel: whatever linux-image-amd64 points at today (NOT -cloud-: it has no USB, no 9p)
kpkg=${VM_KERNEL_PKG:-}
newest() { apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p'; }
[ -n "$kpkg" ] || kpkg=$(newest) || true
[ -n "$kpkg" ] || { apt-get update -qq && kpkg=$(newest); } || true
[ -n "$kpkg" ] || { echo "left out: no package linux-image-amd64 here" >&2; exit 77; }
kver=${kpkg#linux-image-}; kver=${kver%-unsigned}
network=lib/modules/$kver/kernel/drivers/net/net_failover.ko
if [ "$(cat "$cache/kver" 2>/dev/null)" != "$kver" ] || [ ! -e "$cache/modules/lib/modules/$kver/kernel/drivers/scsi" ] ||
  [ -z "$(ls "$cache/modules/$network"* 2>/dev/null)" ]; then
  tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
  (cd "$tmp" && apt-get download -qq "$kpkg" 2>/dev/null && dpkg-deb -x ./*.deb root)
  rm -rf "$cache/modules"
  mkdir -p "$cache/modules/lib/modules"
  # unpack bzImage to the ELF kernel inside: QEMU boots that by PVH, without BIOS and without
  # unpacking under emulation (saves seconds). Debian 12 packs it with xz, newer ones with zstd.
  z=$tmp/root/boot/vmlinuz-$kver
  num() { od -An -v -tu4 -j "$1" -N 4 "$z" | tr -d ' '; }
  off=$((($(od -An -tu1 -j 497 -N 1 "$z") + 1) * 512 + $(num 584)))
  head -c $((off + $(num 588))) "$z" | tail -c "$(num 588)" > "$tmp/z"
  { xz -dc --single-stream "$tmp/z" || zstd -dc "$tmp/z"; } > "$cache/vmlinux" 2>/dev/null || true
  [ "$(head -c 4 "$cache/vmlinux" | tail -c 3)" = ELF ] || cp "$z" "$cache/vmlinux"   # unknown packing: boot it as it is
  d=lib/modules/$kver/kernel                       # keep only what the guest can use
  (cd "$tmp/root" && { find $d/drivers/usb $d/drivers/virtio $d/net/9p $d/fs/9p $d/fs/netfs $d/fs/fscache \
     $d/fs/overlayfs $d/fs/configfs $d/drivers/char $d/drivers/net/virtio_net.ko* $d/drivers/net/net_failover.ko* $d/crypto $d/lib $d/net/core \
     $d/drivers/hid $d/drivers/scsi/scsi_common.ko* $d/drivers/scsi/scsi_mod.ko* $d/drivers/scsi/sd_mod.ko* $d/block \
     $d/fs/ext4 $d/fs/jbd2 $d/fs/mbcache.ko* lib/modules/$kver/modules.builtin lib/modules/$kver/modules.order \
     -type f 2>/dev/null || true; } | cpio -pdm --quiet "$cache/modules")
fi
for extra in "$cache/extra/$kver"/*.ko; do         # modules that Debian lacks
  if [ -f "$extra" ]; then cp "$extra" "$cache/modules/lib/modules/$kver/"; fi
done
depmod -b "$cache/modules" "$kver" 2>/dev/null

# 2. initramfs: busybox, the modules that mount the root, and guest-init
ird=$(mktemp -d)
mkdir -p "$ird"/{bin,mods,proc,sys,dev,lower,rw,new,run}
cp /bin/busybox "$ird/bin/"
: > "$ird/mods/order"
for m in virtio_pci virtio_console 9pnet_virtio 9p overlay; do
  modprobe -d "$cache/modules" -S "$kver" --show-depends $m | awk '$1=="insmod"{print $2}' | while read -r f; do
    b=$(basename "${f%.xz}")
    grep -qx "$b" "$ird/mods/order" && continue
    case $f in *.xz) xz -dc "$f" > "$ird/mods/$b";; *) cp "$f" "$ird/mods/";; esac
    echo "$b" >> "$ird/mods/order"
  done
done
cp "$here/guest-init" "$ird/init"; chmod 755 "$ird/init"
(cd "$ird" && find . | cpio -o -H newc --quiet | gzip -6) > "$cache/initrd.gz.$$"
mv "$cache/initrd.gz.$$" "$cache/initrd.gz"        # at once: another guest may be booting from it
rm -rf "$ird"
echo "$kver" > "$cache/kver"

# 3. KVM only if a guest really comes up with it (nested or paravirtual hosts often have a dead /dev/kvm)
echo tcg > "$cache/accel"
if [ -w /dev/kvm ] && VM_ACCEL=kvm VM_CACHE=$cache "$here/run.sh" -t 10 -- true >/dev/null 2>&1; then echo kvm > "$cache/accel"; fi
echo "prepare: kernel $kver, $(cat "$cache/accel"), $(du -sh "$cache" | cut -f1) in $cache"
