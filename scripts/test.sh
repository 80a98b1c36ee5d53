#!/usr/bin/env bash
# Every test, as CI runs them: checks with unit tests, real VMs, the Kubernetes API suite, a real cluster, MCP, those of the
# programs in Rust.
# All tiers run even when one fails; the last line sums up what they counted.
set -uo pipefail
root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
cd "$root" || exit 1
scripts/setup.sh --tests || exit 1
export PATH=$root/node_modules/.bin:$PATH

output=$(mktemp)
trap 'rm -f "$output"' EXIT
passed=0 failed=0

# Sums the closing lines of node's test runner and of cargo test. A tier that fails without a failing test counts as one.
tier() {
  local name=$1 code=0 ran=0 broke=0
  shift
  printf '\n== %s ==\n' "$name"
  "$@" 2>&1 | tee "$output"
  code=${PIPESTATUS[0]}
  read -r ran broke < <(awk '
    { gsub(/\033\[[0-9;]*m/, "") }
    /^(ℹ|#) pass [0-9]+$/ { passed += $3 }
    /^(ℹ|#) (fail|cancelled) [0-9]+$/ { failed += $3 }
    /^test result: / { passed += $4; failed += $6 }
    END { print passed + 0, failed + 0 }' "$output")
  if ((code != 0 && broke == 0)); then broke=1; fi
  ((passed += ran, failed += broke))
  printf '== %s: exit code %d, %d passed, %d failed ==\n' "$name" "$code" "$ran" "$broke"
}

tier 'checks and unit tests' npm run --silent check
tier 'guest agent' cargo test --locked --manifest-path guest/Cargo.toml
tier 'pager of Firecracker' cargo test --locked --manifest-path flintlock/vmm/firecracker/pager/Cargo.toml
tier 'virtual machines' npm run --silent test:vm
tier 'Kubernetes API' npm run --silent test:api
tier 'Kubernetes cluster' npm run --silent test:cluster
tier 'Model Context Protocol' npm run --silent test:mcp
printf '\n%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
