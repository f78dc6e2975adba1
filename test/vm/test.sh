#!/usr/bin/env bash
# npm run test:vm - what only a kernel shows: our devices on Debian's kernel in QEMU. Takes a minute or two; no KVM needed.
# Exits with 77 where this machine cannot, after saying what it lacks.
set -euo pipefail
cd "$(dirname "$0")/../.."
test/vm/prepare.sh
work=$(mktemp -d /tmp/moonlet-vm.XXXXXX)
trap 'rm -rf "$work"' EXIT
# The guest computes slowly: the lab is made here.
node dist/host/cli/moonlet.js init --state "$work/state" >/dev/null 2>&1
test/vm/run.sh -u -k vhci-hcd -t 400 -- node dist/test/vm/usbip.js "$work/state"
