#!/usr/bin/env bash
# The five lines of docs/ci.md on a clean Debian 13, made in a folder by debootstrap; then pages of docs/ with its newer programs, among them
# OpenSSL's provider, which Debian 12 has not; then the action of fixtures/ci, carried out as in a job, and its container file, line by line
# in the same Debian instead of an image. Takes twenty minutes, so CI leaves it out. Needs root, debootstrap and Debian's packages; says so
# and passes where they cannot be had.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

left_out() {
  echo "left out: $1"
  exit 0
}

[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || left_out "a clean Debian; it needs root and apt-get"
if ! command -v debootstrap >/dev/null; then
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends debootstrap; } >/dev/null 2>&1
fi
command -v debootstrap >/dev/null || left_out "a clean Debian; it needs debootstrap (Debian: apt-get install debootstrap)"

root=$(mktemp -d /var/tmp/moonlet-debian-XXXXXX)
mounts=()
clean_up() {
  for ((i = ${#mounts[@]} - 1; i >= 0; i--)); do umount -l "${mounts[i]}"; done
  # What is still mounted is not ours to remove.
  grep -q " $root/" /proc/self/mounts || rm -rf "$root"
}
trap clean_up EXIT
attach() {
  mkdir -p "$root/$1"
  mount "${@:2}" "$root/$1" || left_out "a clean Debian; nothing can be mounted here"
  mounts+=("$root/$1")
}

# Packages come from where this computer has its own.
mirror=$(apt-get indextargets --format '$(REPO_URI)' | head -n 1)
debootstrap --variant=minbase trixie "$root" ${mirror:+"$mirror"} >"$root.log" 2>&1 ||
  left_out "a clean Debian; debootstrap: $(tail -n 1 "$root.log")"
rm -f "$root.log"
attach proc -t proc proc
attach dev --rbind /dev
mount --make-rslave "$root/dev"
attach source --bind "$PWD"
mount -o remount,bind,ro "$root/source" || exit 1
cp /etc/resolv.conf "$root/etc/resolv.conf"
grep -ls Acquire /etc/apt/apt.conf.d/* | xargs -r cp -t "$root/etc/apt/apt.conf.d"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"

npm pack --silent --ignore-scripts --pack-destination "$root/root" >/dev/null || exit 1
environment=(HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  "npm_config_registry=$(npm config get registry)")
if [ -n "${NODE_EXTRA_CA_CERTS:-}" ]; then
  cp "$NODE_EXTRA_CA_CERTS" "$root/root/authorities.pem"
  environment+=(NODE_EXTRA_CA_CERTS=/root/authorities.pem)
fi
inside() {
  chroot "$root" env -i "${environment[@]}" "$@" </dev/null
}

# The lines as the page has them: its first block for a shell.
recipe=$(sed -n '/^```sh$/,/^```$/p;/^```$/q' docs/ci.md | grep -v '^```')
[ "$(wc -l <<<"$recipe")" = 5 ] || { echo "FAILED: docs/ci.md does not begin with five lines"; exit 1; }
failed=0
printf '%s\n' "$recipe"
if ! inside bash -ec "cd /root
$recipe
moonlet down" >"$root/recipe.log" 2>&1 || ! grep -q 'No errors' "$root/recipe.log"; then
  tail -n 60 "$root/recipe.log"
  echo "FAILED: the five lines on a clean Debian"
  failed=1
else
  grep -A 40 '^starting\|^Lab in' "$root/recipe.log"
  echo "ok     the five lines on a clean Debian"
fi

inside apt-get install -y -qq --no-install-recommends openssl pkcs11-provider libengine-pkcs11-openssl >"$root/packages.log" 2>&1 ||
  left_out "the pages on a clean Debian; apt-get: $(tail -n 1 "$root/packages.log")"
inside node /source/dist/test/programs/main.js opensc openssl openssl-provider || failed=1

# A checkout: what git has, and nothing that was built here.
checkout=$root/root/checkout
mkdir "$checkout"
git ls-files -z | tar --null -T - -cf - | tar -C "$checkout" -xf -
verdict() {
  if "${@:2}" >"$root/verdict.log" 2>&1; then
    grep '^outputs\|^No errors\|token label' "$root/verdict.log"
    echo "ok     $1"
  else
    tail -n 60 "$root/verdict.log"
    echo "FAILED: $1"
    failed=1
  fi
}

inside apt-get install -y -qq --no-install-recommends sudo >"$root/packages.log" 2>&1 || left_out "the action; it needs sudo"
job() {
  mkdir "$root/root/job"
  inside env HOME=/root/job node /source/dist/test/programs/action/main.js /root/checkout \
    'pkcs11-tool --module "$PKCS11_MODULE_PATH" --token-label "$MOONLET_TOKEN" --login --pin "$MOONLET_PIN" --test' 'moonlet down'
}
verdict "the action of fixtures/ci and a step after it" job

# Both stages are Debian 13: this one stands for them.
container() {
  local folder=/ word rest from to
  inside npm uninstall --global moonlet
  while read -r word rest; do
    case $word in
      FROM | CMD) ;;
      WORKDIR) folder=$rest && mkdir -p "$root$folder" ;;
      RUN) inside sh -c "cd $folder && $rest" || return 1 ;;
      COPY)
        read -r from to <<<"$rest"
        # What comes of the other stage is there.
        [[ $from == --from=* ]] || cp -a "$checkout/$from/." "$root$folder/$to" 2>/dev/null || cp "$checkout/$from" "$root/$to" || return 1
        ;;
      ENTRYPOINT) [ "$rest" = '["with-hsm"]' ] || return 1 ;;
      *) echo "not understood: $word" && return 1 ;;
    esac
  done < <(grep -v '^ *#\|^$' fixtures/ci/Containerfile | sed -e ':a' -e '/\\$/{N;s/ *\\\n */ /;ba' -e '}')
  mkdir "$root/root/container"
  inside env HOME=/root/container with-hsm sh -c 'pkcs11-tool --module "$PKCS11_MODULE_PATH" -L && exit 3'
  [ "$?" = 3 ]
}
verdict "the lines of fixtures/ci/Containerfile, and its entry point with a command's own exit code" container
exit "$failed"
