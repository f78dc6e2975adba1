#!/usr/bin/env bash
# The driver over the kernel's USB stack, in the guest.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d /tmp/moonlet-vm.XXXXXX)
trap 'rm -rf "$work"' EXIT
node dist/host/cli/moonlet.js init --state "$work/state" >/dev/null 2>&1
node dist/host/cli/moonlet.js import --state "$work/state" --slot 1 fixtures/keys/{tls-p256,code-p384}.key.pem >/dev/null 2>&1
test/vm/run.sh -u -k vhci-hcd -t 1500 -- node dist/test/vm/driver.js "$work/state"
