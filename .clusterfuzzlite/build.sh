#!/bin/bash -eu
# Builds each fuzz target into $OUT, with its committed corpus beside it. The image sets OUT and
# SANITIZER; without it: OUT=/tmp/out SANITIZER=none .clusterfuzzlite/build.sh
cd "$(git -C "$(dirname "$0")" rev-parse --show-toplevel 2>/dev/null || pwd)"
mkdir -p "$OUT"
export RUSTC_BOOTSTRAP=1 # instrumentation needs no nightly compiler, but the flag that allows it
cargo fuzz build --release --debug-assertions --sanitizer "${SANITIZER:-none}"
for name in $(cargo fuzz list); do
  cp "fuzz/target/x86_64-unknown-linux-gnu/release/$name" "$OUT/"
  seeds=$(mktemp -d)
  fuzz/seeds unpack "$name" "$seeds"
  python3 -m zipfile -c "$OUT/${name}_seed_corpus.zip" "$seeds"/*
  rm -r "$seeds"
done
