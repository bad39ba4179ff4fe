#!/bin/sh
# Compiles aleph-init as the build of alephc does (cmake/guest_program.cmake), with the flags of both in compile.flags and
# link.flags. Paths stand for a checkout: an assertion may name a file.
set -eu
sources=/run/alephc/inputs
work=$(mktemp -d)
ln -s "$sources" "$work/init"
cd "$work"
export sources work
# main.cpp first, then the others by name: the order decides the program's bytes.
names=$(cd "$sources" && LC_ALL=C ls ./*.cpp | sed 's,^\./,,; s,\.cpp$,,; /^main$/d')
for name in main $names; do echo "$name"; done | xargs -P "$(nproc)" -I NAME sh -eu -c '
  exec g++ -std=c++20 @"$sources/compile.flags" -ffile-prefix-map="$sources=./compiler/init" \
    -ffile-prefix-map="$work/init=./compiler/init" -I"$work" -c "$sources/NAME.cpp" -o NAME.o'
mkdir -p /usr/lib/aleph
g++ @"$sources/link.flags" $(for name in main $names; do echo "$name.o"; done) -o /usr/lib/aleph/aleph-init -lz
rm -rf "$work"
