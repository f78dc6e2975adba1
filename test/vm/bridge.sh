#!/usr/bin/env bash
# A device that is not ours through the bridge, in the guest; then the stick's image is read outside of it.
set -euo pipefail
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin:/sbin
for tool in mkfs.ext2 debugfs; do
  command -v $tool >/dev/null || { echo "left out: no $tool (Debian: apt-get install e2fsprogs)"; exit 77; }
done
work=$(mktemp -d /tmp/moonlet-vm.XXXXXX)
trap 'rm -rf "$work"' EXIT
mkfs.ext2 -q -F "$work/stick.img" 8M
VM_QEMU_ARGS="-device qemu-xhci -drive if=none,id=stick,format=raw,file=$work/stick.img -device usb-storage,drive=stick,serial=MOONLET1" \
  test/vm/run.sh -u -w "$work" -t 900 -k "xhci-pci usb-storage sd_mod ext4 vhci-hcd" -- node dist/test/vm/bridge.js "$work"
debugfs -R "dump /file $work/read" "$work/stick.img" 2>/dev/null
cmp "$work/written" "$work/read" && echo "ok     the stick's image, read outside: the same file"
if command -v tshark >/dev/null; then
  bad=$(tshark -r "$work/bridge.pcapng" -Y _ws.malformed 2>/dev/null)
  [ -z "$bad" ] || { echo "FAILED tshark finds malformed packets in the bridge's capture: $bad"; exit 1; }
  echo "ok     tshark reads the bridge's capture: $(tshark -r "$work/bridge.pcapng" 2>/dev/null | wc -l) packets, none malformed"
else
  echo "left out: no tshark (Debian: apt-get install tshark)"
fi
