#!/bin/sh
# Writes ../src/proto/generated.rs from the .proto; with --check only says whether it is stale (needs no toolchain).
set -eu
cd "$(dirname "$0")"
proto=../../api/proto/tvm/guest/v1/guest.proto
output=../src/proto/generated.rs

if [ "${1:-}" = --check ]; then
  digest=$(sha256sum "$proto" | cut -d' ' -f1)
  head -n 1 "$output" | grep -q "sha256 $digest" && exit 0
  echo "guest/src/proto/generated.rs is stale, run guest/codegen/generate.sh" >&2
  exit 1
fi

descriptors=$(mktemp)
trap 'rm -f "$descriptors"' EXIT
(cd ../../api && buf build --path proto/tvm/guest -o "$descriptors#format=binpb")
cargo run --quiet --locked -- "$descriptors" "$proto" "$output"
rustfmt --edition 2024 "$output"
