#!/usr/bin/env bash
# A recorded device for the kernel's own driver, in the guest.
set -euo pipefail
cd "$(dirname "$0")/../.."
test/vm/run.sh -t 600 -k "vhci-hcd usbserial ftdi_sio" -- node dist/test/vm/replay.js
