#!/bin/sh
# What belongs to a release, into ./release: the static binary, SHA-256 sums, an SBOM (CycloneDX), and signatures by the key
# that COSIGN_KEY names (a file; its password in COSIGN_PASSWORD). Needs musl-gcc; cargo-cyclonedx and cosign where they are.
set -eu
cd "$(dirname "$0")/.."
target=x86_64-unknown-linux-musl
out=release
mkdir -p "$out"
rustup target add "$target" 2>/dev/null || true
CC_x86_64_unknown_linux_musl=musl-gcc SOURCE_DATE_EPOCH=0 \
RUSTFLAGS="--remap-path-prefix=$PWD=telseal --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo" \
  cargo build --release --locked --bin telseal --target "$target"
install -m 0755 "target/$target/release/telseal" "$out/telseal"
if command -v cargo-cyclonedx >/dev/null; then
  cargo cyclonedx --format json --override-filename telseal.cdx --target "$target"
  mv telseal.cdx.json "$out/"
else
  echo "no SBOM: cargo install cargo-cyclonedx" >&2
fi
(cd "$out" && sha256sum telseal $(ls telseal.cdx.json 2>/dev/null) > SHA256SUMS)
if [ -n "${COSIGN_KEY:-}" ]; then
  cosign sign-blob --yes --tlog-upload=false --key "$COSIGN_KEY" --output-signature "$out/SHA256SUMS.sig" "$out/SHA256SUMS"
else
  echo "not signed: COSIGN_KEY names no key" >&2
fi
ls -l "$out"
