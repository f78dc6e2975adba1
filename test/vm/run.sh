#!/bin/bash
# run.sh [options] -- command [args...]
# Runs a command inside a QEMU guest (real Linux kernel, full USB stack) whose root is this
# machine's / (read-only + throw-away overlay): the same node, node_modules and project tree.
# Prints the command's output as it comes and exits with the command's exit code.
#   -m MB       guest memory (default 1024)     -t SECONDS  time limit (default 300), exit code 124
#   -k "m1 m2"  kernel modules to load first (default: none; modprobe works in the guest)
#   -w DIR      a host directory the guest may write to (all other writes are thrown away)
#   -u          start udevd in the guest (hotplug events, /dev/serial/by-id; needs package udev)
#   -s          systemd is the guest's pid 1, with udevd (needs package systemd)
#   -e NAME     pass this environment variable on (may be repeated)
#   -d DIR      working directory (default: the current one)    -v  print the kernel log at the end
set -euo pipefail
cache=${VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/moonlet-vm}
mem=1024 limit=300 mods= rw= udev= systemd= verbose= dir=$PWD names=(CI FORCE_COLOR NODE_OPTIONS)
while getopts m:t:k:w:use:d:v o; do case $o in
  m) mem=$OPTARG;; t) limit=$OPTARG;; k) mods=$OPTARG;; w) rw=$(realpath "$OPTARG");; u) udev=1;; s) systemd=1;;
  e) names+=("$OPTARG");; d) dir=$(realpath "$OPTARG");; v) verbose=1;; *) exit 2;; esac; done
shift $((OPTIND - 1)); [ "${1:-}" = -- ] && shift
[ $# -gt 0 ] || { sed -n '2,12s/^# \?//p' "$0" >&2; exit 2; }
[ -f "$cache/initrd.gz" ] || { echo "run: run prepare.sh first" >&2; exit 2; }

run=$(mktemp -d)
qemu=
trap '[ -z "$qemu" ] || kill -9 $qemu 2>/dev/null || true; rm -rf "$run"' EXIT
trap 'exit 130' INT TERM
{ printf 'export HOME=%q PATH=%q VM_GUEST=1\n' "$HOME" "$PATH:/usr/sbin:/sbin"
  for n in "${names[@]}"; do [ -z "${!n+x}" ] || printf 'export %s=%q\n' "$n" "${!n}"; done
  printf 'cd %q && exec' "$dir"; printf ' %q' "$@"; echo; } > "$run/cmd"
printf 'VM_CACHE_DIR=%q\nVM_MODULES=%q\nVM_RW_DIR=%q\nVM_UDEV=%q\nVM_SYSTEMD=%q\n' "$(realpath "$cache")" "$mods" "$rw" "$udev" "$systemd" > "$run/env"

share() { args+=(-fsdev "local,id=$1,path=$2,security_model=none$4" -device "virtio-9p-pci,fsdev=$1,mount_tag=$3"); }
args=(-M q35 -smp "${VM_CPUS:-2}" -m "$mem" -nodefaults -no-user-config -display none -no-reboot -nic none)
case ${VM_ACCEL:-$(cat "$cache/accel" 2>/dev/null || echo tcg)} in
  kvm) args+=(-accel kvm -cpu host);; *) args+=(-accel tcg,thread=multi -cpu max);; esac
share root / hostroot ,readonly=on,multidevs=remap
share run "$run" vmrun ""
[ -z "$rw" ] || share rw "$rw" vmrw ""
args+=(-kernel "$cache/vmlinux" -initrd "$cache/initrd.gz" -serial "file:$run/console"
  -append "console=ttyS0 quiet panic=-1 nokaslr mitigations=off no_timer_check ${VM_APPEND:-}"
  -device virtio-serial-pci -chardev stdio,id=out,signal=off -device virtconsole,chardev=out)

# VM_QEMU_ARGS: more devices, e.g. an xHCI controller with a usb-redir device
qemu-system-x86_64 "${args[@]}" ${VM_QEMU_ARGS:-} </dev/null & qemu=$!
end=$((SECONDS + limit)) rc=0 late=
while kill -0 $qemu 2>/dev/null; do
  if [ $SECONDS -ge $((end + 3)) ]; then kill -9 $qemu; elif [ $SECONDS -ge $end ]; then late=1; kill $qemu; fi
  sleep 0.1
done
wait $qemu 2>/dev/null || rc=$?
qemu=
[ -z "$verbose" ] || { echo "--- guest console"; cat "$run/console"; echo "--- up at $(cat "$run/uptime" 2>/dev/null) s"; } >&2
if [ -f "$run/rc" ]; then exit "$(cat "$run/rc")"; fi
[ -z "$late" ] || { tail -15 "$run/console"; echo "run: time limit of ${limit} s reached"; exit 124; } >&2
echo "run: the guest ended without an exit code (qemu: $rc); its console:" >&2; tail -30 "$run/console" >&2; exit 125
