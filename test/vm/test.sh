#!/usr/bin/env bash
# npm run test:vm - what only a kernel shows: our devices on Debian's kernel in QEMU. Takes some minutes; no KVM needed.
#   test/vm/test.sh [PART...]   parts: usbip gadget ped-line ped-line-usbip service driver bridge bridge-gadget replay backups-usbip backups-gadget
#                               backups-redir (all of these unless said); bench: our speed in the guest
#   VM_PULLS  times that the device is pulled out in each backup and each restore (default 2; 20 take a quarter of an hour each)
#   VM_SEED   of the transfers at which it is
#   VM_QUICK  bench: fewer rounds
# Exits with 77 where this machine cannot, after saying what it lacks.
set -euo pipefail
cd "$(dirname "$0")/../.."
test/vm/prepare.sh
work=$(mktemp -d /tmp/moonlet-vm.XXXXXX)
trap 'rm -rf "$work"' EXIT
pulls=${VM_PULLS:-2} seed=${VM_SEED:-$RANDOM} failed=

# The guest computes slowly: labs and tokens are made here.
lab() { [ -d "$work/state" ] || node dist/host/cli/moonlet.js init --state "$work/state" >/dev/null 2>&1; }

backups() {
  local way=$1 modules=$2 qemu=${3:-} how=$1 cards backups looks rc=0
  [ "$way" != gadget ] || how=plain
  rm -rf "$work/tokens" && node dist/test/vm/make-tokens.js "$work/tokens" 200
  coproc server { exec node dist/test/vm/server.js "$how" "$work/tokens"; }
  local pid=$server_PID
  read -r cards backups looks <&"${server[0]}"
  VM_QEMU_ARGS="-netdev user,id=n -device virtio-net-pci,netdev=n ${qemu//PORT/$backups}" \
    test/vm/run.sh -u -k "virtio_net $modules" -t $((400 + pulls * 150)) -- \
    node dist/test/vm/backups.js "$way" "$cards" "$backups" "$looks" "$pulls" "$seed" || rc=$?
  kill "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
  return "$rc"
}

part() {
  case $1 in
    usbip) lab; test/vm/run.sh -u -k vhci-hcd -t 900 -- node dist/test/vm/usbip.js "$work/state" ;;
    gadget) lab; test/vm/run.sh -u -t 900 -- node dist/test/vm/gadget-cli.js "$work/state" ;;
    ped-line)
      lab; test/vm/run.sh -u -t 900 -k "dummy_hcd libcomposite usb_f_fs usb_f_acm cdc-acm" -- \
        node dist/test/vm/ped-line.js "$work/state" gadget
      ;;
    ped-line-usbip)
      lab; test/vm/run.sh -u -t 900 -k "vhci-hcd cdc-acm" -- node dist/test/vm/ped-line.js "$work/state" usbip
      ;;
    service)
      [ -x /lib/systemd/systemd ] || { echo "left out: no systemd (Debian: apt-get install systemd)"; return 77; }
      lab; test/vm/run.sh -s -t 900 -- node dist/test/vm/service.js "$work/state"
      ;;
    bridge) test/vm/bridge.sh ;;
    bridge-gadget) test/vm/bridge-gadget.sh ;;
    driver) test/vm/driver.sh ;;
    replay) test/vm/replay.sh ;;
    bench)
      test/vm/run.sh -u -m 2048 -t 2400 -k "vhci-hcd dummy_hcd libcomposite usb_f_fs" -- \
        node dist/bench/index.js --only {userspace,vhci,gadget}-{roundtrip,bulk,backup} ${VM_QUICK:+--quick}
      ;;
    backups-usbip) backups usbip vhci-hcd ;;
    backups-gadget) backups gadget "dummy_hcd libcomposite usb_f_fs" ;;
    backups-redir)
      backups redir xhci-pci \
        "-device qemu-xhci -chardev socket,id=hsm,host=127.0.0.1,port=PORT -device usb-redir,chardev=hsm"
      ;;
    *) echo "there is no part '$1'" >&2; return 2 ;;
  esac
}

[ $# -gt 0 ] || set -- usbip gadget ped-line ped-line-usbip service driver bridge bridge-gadget replay backups-usbip backups-gadget backups-redir
for name in "$@"; do
  echo "== $name"
  rc=0
  part "$name" || rc=$?
  # 77: left out, as was said.
  case $rc in 0 | 77) ;; *) echo "$name ends with $rc" && failed="$failed $name" ;; esac
done
[ -z "$failed" ] || { echo "FAILED:$failed" >&2; exit 1; }
