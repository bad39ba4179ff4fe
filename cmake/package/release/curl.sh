#!/bin/sh
# curl.sh SOURCE.orig.tar.gz PATCHES.debian.tar.xz PREFIX
#
# Compiles libcurl.a with what alephc asks of it, HTTP, HTTP/2 and TLS by OpenSSL, and installs it into the folder PREFIX. The source
# is Debian's, with its patches but for those that make the packages with other TLS libraries.
set -eu
source=$1 patches=$2 prefix=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar -C "$work" --strip-components=1 -xf "$source"
tar -C "$work" -xf "$patches"
cd "$work"
grep -v -E '^#|^$|gnutls|nss' debian/patches/series | while read -r name; do
  patch -s -p1 <"debian/patches/$name"
done
./configure --silent --prefix="$prefix" --disable-shared --enable-static --with-openssl --with-zlib --with-nghttp2 \
  --with-ca-bundle=/etc/ssl/certs/ca-certificates.crt \
  --without-brotli --without-libidn2 --without-libpsl --without-librtmp --without-libssh2 --without-zstd \
  --disable-alt-svc --disable-dict --disable-ftp --disable-gopher --disable-hsts --disable-imap \
  --disable-ldap --disable-ldaps --disable-manual --disable-mqtt --disable-ntlm --disable-pop3 --disable-rtsp \
  --disable-smb --disable-smtp --disable-telnet --disable-tftp
make -s -C lib -j"$(nproc)" install
make -s -C include install
make -s install-pkgconfigDATA
