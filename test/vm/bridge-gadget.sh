#!/usr/bin/env bash
# A device that is not ours through the bridge to a gadget, in the guest.
set -euo pipefail
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin:/sbin
command -v mkfs.ext2 >/dev/null || { echo "left out: no mkfs.ext2 (Debian: apt-get install e2fsprogs)"; exit 77; }
work=$(mktemp -d /tmp/moonlet-vm.XXXXXX)
trap 'rm -rf "$work"' EXIT
mkfs.ext2 -q -F "$work/stick.img" 2M
VM_APPEND=dummy_hcd.num=2 test/vm/run.sh -u -w "$work" -t 400 \
  -k "dummy_hcd libcomposite usb_f_fs usb_f_mass_storage usb-storage sd_mod ext4" -- \
  node dist/test/vm/bridge-gadget.js "$work/stick.img"
