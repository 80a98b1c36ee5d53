#!/usr/bin/env bash
# Installs what is missing to run TVM from this checkout: Debian packages, npm packages with their own Node 24.
# Invariant: silent and quick when nothing is missing; changes nothing else. All messages go to standard error.
#   scripts/setup.sh            what "vvm" needs
#   scripts/setup.sh --tests    what the tests need too
#   scripts/setup.sh --npm      npm packages alone
set -euo pipefail
shopt -s inherit_errexit

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
stamp=$root/node_modules/.tvm-setup
min_cargo_minor=90

# PACKAGE:COMMAND or PACKAGE:/FILE that shows that it is there.
needed=(
  qemu-system-x86:qemu-system-x86_64
  bubblewrap:bwrap
  e2fsprogs:/usr/sbin/mkfs.ext4
  mmdebstrap:mmdebstrap
  debian-archive-keyring:/usr/share/keyrings/debian-archive-keyring.gpg
  squashfs-tools:mksquashfs
  skopeo:skopeo
  umoci:umoci
  ca-certificates:/etc/ssl/certs/ca-certificates.crt
  zstd:zstd
  xz-utils:xz
  cpio:cpio
  iproute2:ip
  nftables:nft
  binutils:objcopy
  gcc:gcc
  libc6-dev:/usr/include/stdio.h
)
# Gives an ordinary user ids for the files of images.
((EUID == 0)) || needed+=(uidmap:newuidmap)
needed_by_tests=(
  uidmap:newuidmap
  docker-registry:docker-registry
  runc:runc
  tmux:tmux
  git:git
  procps:ps
  busybox-static:/bin/busybox
  bsdutils:script
  containerd:containerd
  containernetworking-plugins:/usr/lib/cni/bridge
  iptables:iptables
  conntrack:conntrack
  openssl:openssl
  python3-venv:/usr/share/python-wheels
  buildah:buildah
)

say() { printf 'setup: %s\n' "$*" >&2; }

fail() {
  say "$1"
  shift
  for line in "$@"; do printf '  %s\n' "$line" >&2; done
  exit 1
}

missing_packages() {
  local pair shows
  for pair in "$@"; do
    shows=${pair#*:}
    if [[ $shows == /* ]]; then
      [[ -e $shows ]] || printf '%s ' "${pair%%:*}"
    else
      PATH=$PATH:/usr/sbin:/sbin type -P "$shows" >/dev/null || printf '%s ' "${pair%%:*}"
    fi
  done
}

fingerprint() { sha256sum <"$root/package-lock.json"; }

# Either npm has installed since the lock file changed (a developer's own "npm install"), or the lock file's content is
# what was installed from here. Installing anew would take the packages away from programs that run.
npm_is_done() {
  [[ -x $root/node_modules/.bin/node ]] || return 1
  [[ $root/node_modules/.package-lock.json -nt $root/package-lock.json ]] && return
  [[ -e $stamp && $(<"$stamp") == "$(fingerprint)" ]]
}

cargo_is_good() {
  local version
  version=$(cargo --version 2>/dev/null) || return 1
  [[ $version =~ ^cargo\ 1\.([0-9]+) ]] && ((BASH_REMATCH[1] >= min_cargo_minor))
}

cargo_package() {
  local name candidate
  for name in cargo cargo-web; do
    candidate=$(apt-cache policy "$name" 2>/dev/null | sed -n 's/^ *Candidate: *//p')
    if [[ $candidate =~ ^(1\.([0-9]+)|0\.([0-9]+)) ]] && ((${BASH_REMATCH[2]:-0} >= min_cargo_minor)); then
      printf '%s' "$name"
      return
    fi
  done
}

# As root, by itself or by sudo when that asks nothing.
as_root=()
find_root() {
  if ((EUID == 0)); then return; fi
  if type -P sudo >/dev/null && sudo -n true 2>/dev/null; then as_root=(sudo -n); else return 1; fi
}

# Runs a step with its output in a file; says how long it took, and shows the end of the output when it fails.
step() {
  local what=$1 log code=0
  shift
  log=$(mktemp)
  say "$what ..."
  "$@" >"$log" 2>&1 </dev/null || code=$?
  if ((code == 0)); then say "$what: done after ${SECONDS} s"; else
    say "$what: failed after ${SECONDS} s"
    tail -n 25 "$log" >&2
  fi
  rm -f "$log"
  return "$code"
}

apt_get() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}

install_packages() {
  local wanted=$1 cargo
  local command="apt-get install --no-install-recommends ${wanted}"
  type -P apt-get >/dev/null || fail "missing, and there is no apt-get: ${wanted}" "Install the same with this system's own packages."
  find_root || fail "missing packages: ${wanted}" "Installing them needs root. Run:" "  sudo ${command}"
  step 'reading package lists' apt_get update || say 'going on with the package lists that there are'
  if [[ $wanted == *'cargo>=1'* ]]; then
    cargo=$(cargo_package)
    [[ $cargo ]] || fail "there is no cargo 1.${min_cargo_minor} or newer in this system's packages" 'Install Rust from https://rustup.rs, then try again.'
    wanted=${wanted/'cargo>=1'/$cargo}
  fi
  # shellcheck disable=SC2086 # one word a package
  step "installing ${wanted% }" apt_get install -y --no-install-recommends $wanted
}

install_npm() {
  type -P npm >/dev/null || fail 'npm is not installed' 'Install Node 20 or newer with npm (https://nodejs.org), then try again.'
  local major
  major=$(node -p 'process.versions.node.split(".")[0]')
  ((major >= 20)) || fail "node is of version ${major}" 'Install Node 20 or newer, then try again.'
  step 'installing npm packages with Node 24' npm_ci
}

npm_ci() {
  cd "$root"
  npm ci --no-audit --no-fund --foreground-scripts
  # An npm that runs no install scripts leaves node without its program.
  node_modules/.bin/node --version || (cd node_modules/node && node installArchSpecificPackage)
  node_modules/.bin/node --version
}

main() {
  local tests=false only_npm=false wanted='' packages=''
  case ${1:-} in
    '') ;;
    --tests) tests=true ;;
    --npm) only_npm=true ;;
    *) fail "unknown option $1" 'usage: scripts/setup.sh [--tests|--npm]' ;;
  esac
  if ! $only_npm; then
    wanted=$(missing_packages "${needed[@]}")
    if $tests; then wanted+=$(missing_packages "${needed_by_tests[@]}"); fi
    type -P cargo >/dev/null || wanted+='cargo>=1 '
  fi
  if [[ -z $wanted ]] && npm_is_done; then return; fi

  # One at a time; the lock is on this file and goes with the process.
  exec 9<"${BASH_SOURCE[0]}"
  flock 9
  if ! $only_npm && [[ $wanted != *'cargo>=1'* ]] && ! cargo_is_good; then wanted+='cargo>=1 '; fi
  if [[ $wanted ]]; then
    install_packages "$wanted" 9<&- &
    packages=$!
  fi
  if ! npm_is_done; then
    if ! install_npm 9<&-; then
      [[ -z $packages ]] || wait "$packages" || true
      exit 1
    fi
    fingerprint >"$stamp"
  fi
  [[ -z $packages ]] || wait "$packages"
  say "ready after ${SECONDS} s"
}

main "$@"
