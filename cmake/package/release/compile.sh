#!/bin/sh
# Compiles alephc in the room of a build step and packs its tarball.
set -eu
inputs=/run/alephc/inputs
mkdir /build /srv/release
cd /build
tar -xf "$inputs/source.tar"
sh cmake/package/release/curl.sh "$inputs"/curl/*.orig.tar.gz "$inputs"/curl/*.debian.tar.xz /build/curl
mkdir -p build/release
cp -r "$inputs/pinned" build/release/pinned
PKG_CONFIG_PATH=/build/curl/lib/pkgconfig cmake --preset release -DALEPHC_PINNED=ON -DALEPHC_STATIC=ON
cmake --build --preset release --target alephc
build/release/alephc version
sh cmake/package/tarball.sh build/release /srv/release/alephc-x86_64.tar.xz
rm -rf /build
