# The libraries that several components use; alephc_pinned has those that shape bytes.
#
# ALEPHC_STATIC takes the archives of those that have one without a crowd behind it, so that a tarball carries few libraries.
# libcurl is not among what Debian has so: its archive asks for Kerberos and LDAP, of which there are none. Give
# PKG_CONFIG_PATH one that cmake/package/release/curl.sh has made.
option(ALEPHC_STATIC "Link libarchive, libcurl, libseccomp, libsodium and libsecp256k1 statically" OFF)

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto)
set(alephc_suffixes ${CMAKE_FIND_LIBRARY_SUFFIXES})
if(ALEPHC_STATIC)
  set(CMAKE_FIND_LIBRARY_SUFFIXES .a)
endif()
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(ARCHIVE REQUIRED IMPORTED_TARGET libarchive)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(SECP256K1 REQUIRED IMPORTED_TARGET libsecp256k1)
if(ALEPHC_STATIC)
  find_library(ALEPHC_NETTLE nettle REQUIRED)
  find_library(ALEPHC_BZ2 bz2 REQUIRED)
  find_library(ALEPHC_NGHTTP2 nghttp2 REQUIRED)
  target_link_libraries(PkgConfig::ARCHIVE INTERFACE ${ALEPHC_NETTLE} ${ALEPHC_BZ2} $<LINK_ONLY:alephc_pinned>)
endif()
set(CMAKE_FIND_LIBRARY_SUFFIXES ${alephc_suffixes})
if(ALEPHC_STATIC)
  pkg_check_modules(SSL REQUIRED IMPORTED_TARGET libssl)
  target_link_libraries(PkgConfig::CURL INTERFACE
    ${ALEPHC_NGHTTP2} PkgConfig::SSL PkgConfig::CRYPTO $<LINK_ONLY:alephc_pinned>)
endif()
