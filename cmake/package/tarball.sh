#!/bin/sh
# tarball.sh BUILD OUTPUT.tar.xz
#
# Packs alephc with its own loader and libraries, and gpgv, which checks signatures of Debian's indexes: it starts on any
# x86-64 Linux with a /bin/sh, whatever its libc. The same files give the same bytes.
set -eu
build=$1
case $2 in /*) output=$2 ;; *) output=$PWD/$2 ;; esac
source=$(cd "$(dirname "$0")/../.." && pwd)
name=$(basename "$output" .tar.xz)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
top=$work/$name
mkdir -p "$top/lib" "$top/libexec"

# put PROGRAM LAUNCHER: the program, what it is linked with, and a script that starts it by our loader.
put() {
  file=$(basename "$1")
  cp "$1" "$top/libexec/$file.bin"
  strip "$top/libexec/$file.bin"
  ldd "$1" | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' | while read -r library; do
    cp -L "$library" "$top/lib/"
  done
  cat >"$2" <<'SCRIPT'
#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
top=${here%/libexec}
PATH="${PATH:-/usr/sbin:/usr/bin:/sbin:/bin}:$top/libexec"
export PATH
exec "$top/lib/ld-linux-x86-64.so.2" --library-path "$top/lib" "$top/libexec/$(basename "$(readlink -f "$0")").bin" "$@"
SCRIPT
  chmod 755 "$2"
}
put "$build/alephc" "$top/alephc"
put "$(command -v gpgv)" "$top/libexec/gpgv"

cp "$source/LICENSE" "$source/NOTICE" "$source/README.md" "$source/cmake/package/alephc.1" "$top/"
cp -r "$source/schemas" "$source/recipes" "$top/"
# What their packages say of their licences.
for library in "$top"/lib/*; do
  package=$(dpkg-query -S "*/$(basename "$library")" 2>/dev/null | head -1 | cut -d: -f1)
  if [ -n "$package" ] && [ -e "/usr/share/doc/$package/copyright" ]; then
    mkdir -p "$top/licences"
    cp -L "/usr/share/doc/$package/copyright" "$top/licences/$package"
  fi
done
find "$top" -type d -exec chmod 755 {} +
find "$top" -type f ! -perm -100 -exec chmod 644 {} +
tar -C "$work" --sort=name --mtime=@1704067200 --owner=0 --group=0 --numeric-owner --format=gnu -c "$name" |
  xz -6 -T1 >"$output.part"
mv "$output.part" "$output"
