#!/bin/sh
# release.sh ALEPHC PROJECT OUTPUT [ALEPHC OPTION…]
#
# Makes the project of a release in the folder PROJECT, unless it is there; locks it, unless it has a lock; and builds it into
# the folder OUTPUT: alephc-x86_64.tar.xz, the same bytes on every machine. The source is the commit that is checked out.
# Project and lock are published with a release, so that everybody can build it again.
set -eu
alephc=$1 project=$2 output=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)
if [ ! -e "$project" ]; then
  mkdir -p "$project.part"
  cp "$here/runtime.toml" "$here/compile.sh" "$project.part/"
  git -C "$here/../../.." archive --format=tar HEAD >"$project.part/source.tar"
  cmake -DPLACE="$project.part" -P "$here/fetch.cmake"
  mv "$project.part" "$project"
fi
[ -e "$project/runtime.lock" ] || "$alephc" "$@" lock "$project"
"$alephc" "$@" build "$project" --locked -o "$output"
sha256sum "$output/alephc-x86_64.tar.xz"
