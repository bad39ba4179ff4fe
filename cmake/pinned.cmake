# alephc_pinned: the libraries that shape the bytes of an image, the same ones on every host. They are the static archives in
# Debian packages that the table names by their sha256, from the mirror of this machine, or Debian's snapshot archive.
# ALEPHC_PINNED: ON needs them, OFF takes those of this machine, AUTO takes these where the packages cannot be had. What an
# alephc was built with is in its version, and in the receipt of every image.
#
# Their symbols stay inside: what is linked into a program would otherwise be found by other libraries, too, and libarchive
# would decompress with a zstd that it was not built for.
set(ALEPHC_PINNED AUTO CACHE STRING "Link pinned libraries: ON, OFF, or AUTO (where they can be had)")
set_property(CACHE ALEPHC_PINNED PROPERTY STRINGS AUTO ON OFF)
set(ALEPHC_PINNED_FOLDER ${CMAKE_BINARY_DIR}/pinned CACHE PATH "Where the packages of pinned libraries are kept")

# Debian 13's, which need nothing newer than glibc 2.34, but for libext2fs: 13's needs glibc 2.38, so it is Debian 12's.
set(alephc_pinned_packages
  "pool/main/s/squashfs-tools-ng/libsquashfs-dev_1.3.2-1_amd64.deb 4614cf2b2a0e34eafd40d156be14edc7209133e4a1362dd45fcb8a8998306556"
  "pool/main/libz/libzstd/libzstd-dev_1.5.7+dfsg-1_amd64.deb de5f8aabcf4cb5cd1b441495ea4c24838e88ecbb30ae22c032a1b3b68a9d6f1e"
  "pool/main/x/xz-utils/liblzma-dev_5.8.1-1+deb13u2_amd64.deb 7b5104b0418b2e958447f74c135841aefda555293ac7f7494cfc7a16b7180816"
  "pool/main/l/lz4/liblz4-dev_1.10.0-4_amd64.deb b56779767ce81a4648f9b78a5ebce8264f14af2ac28dccd6896eb0402c685b2a"
  "pool/main/z/zlib/zlib1g-dev_1.3.dfsg+really1.3.1-1+deb13u1_amd64.deb 88ebb839a7a54c97dceb647e2a2bfa2451d6f440801ceef3d56f654022637eb9"
  "pool/main/e/e2fsprogs/libext2fs-dev_1.47.0-2+b2_amd64.deb 7b4588f466f93ceb7bcd4df8b1875a84fe46d02af7fb102a3019791ee2ab08c9"
  "pool/main/e/e2fsprogs/comerr-dev_2.1-1.47.0-2+b2_amd64.deb e72521fd1b8af99ad99e83af7d87926a4c4d7e8238e61846761f7818220a48a2")
set(alephc_pinned_archives libsquashfs libzstd liblzma liblz4 libz libext2fs libcom_err)
set(alephc_pinned_squashfs_version 1.3.2)  # the others say themselves which they are
set(alephc_pinned_snapshot 20261101T000000Z)

# The mirrors that apt of this machine uses, and the snapshot archive, which has every version.
function(alephc_debian_mirrors out)
  set(mirrors "")
  find_program(ALEPHC_APT_GET apt-get)
  if(ALEPHC_APT_GET)
    execute_process(COMMAND ${ALEPHC_APT_GET} indextargets --format "$(REPO_URI)" OUTPUT_VARIABLE uris ERROR_QUIET)
    string(REGEX MATCHALL "[^\n]+/debian/?\n" mirrors "${uris}")
    list(TRANSFORM mirrors REPLACE "/?\n" "")
  endif()
  list(APPEND mirrors https://snapshot.debian.org/archive/debian/${alephc_pinned_snapshot})
  list(REMOVE_DUPLICATES mirrors)
  set(${out} "${mirrors}" PARENT_SCOPE)
endfunction()

# Sets `out` when the file has the hash in the end, as it is or from one of the mirrors.
function(alephc_fetch_package path sha256 file mirrors out)
  set(${out} "" PARENT_SCOPE)
  foreach(mirror IN ITEMS "" LISTS mirrors)
    if(mirror)
      file(DOWNLOAD ${mirror}/${path} ${file} INACTIVITY_TIMEOUT 20)
    endif()
    if(EXISTS ${file})
      file(SHA256 ${file} found)
      if(found STREQUAL sha256)
        set(${out} ${file} PARENT_SCOPE)
        return()
      endif()
      file(REMOVE ${file})
    endif()
  endforeach()
endfunction()

# Unpacks the packages of the table into `root`; sets `out` to a message when one cannot be had.
function(alephc_make_pinned_root root out)
  set(${out} "" PARENT_SCOPE)
  string(SHA256 table "${alephc_pinned_packages}")
  if(EXISTS ${root}/${table})
    return()
  endif()
  file(REMOVE_RECURSE ${root})
  file(MAKE_DIRECTORY ${root})
  alephc_debian_mirrors(mirrors)
  foreach(row IN LISTS alephc_pinned_packages)
    string(REPLACE " " ";" row ${row})
    list(GET row 0 path)
    list(GET row 1 sha256)
    cmake_path(GET path FILENAME name)
    alephc_fetch_package(${path} ${sha256} ${ALEPHC_PINNED_FOLDER}/${name} "${mirrors}" package)
    if(NOT package)
      set(${out} "no mirror has ${name} with sha256 ${sha256}" PARENT_SCOPE)
      return()
    endif()
    file(ARCHIVE_EXTRACT INPUT ${package} DESTINATION ${root} PATTERNS data.tar.*)
    file(GLOB data ${root}/data.tar.*)
    file(ARCHIVE_EXTRACT INPUT ${data} DESTINATION ${root})
    file(REMOVE ${data})
  endforeach()
  file(TOUCH ${root}/${table})
endfunction()

function(alephc_link_pinned root)
  set(lib ${root}/usr/lib/x86_64-linux-gnu)
  list(TRANSFORM alephc_pinned_archives APPEND .a OUTPUT_VARIABLE names)
  list(TRANSFORM names PREPEND ${lib}/ OUTPUT_VARIABLE archives)
  list(JOIN names ":" hidden)
  target_link_libraries(alephc_pinned INTERFACE -Wl,--exclude-libs,${hidden} ${archives})
  target_include_directories(alephc_pinned SYSTEM INTERFACE ${root}/usr/include ${root}/usr/include/x86_64-linux-gnu)
  set(alephc_squashfs_version ${alephc_pinned_squashfs_version} PARENT_SCOPE)
  set(alephc_has_pinned_libraries true PARENT_SCOPE)
endfunction()

function(alephc_link_unpinned)
  pkg_check_modules(SQUASHFS REQUIRED IMPORTED_TARGET libsquashfs1)
  pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
  pkg_check_modules(LZMA REQUIRED IMPORTED_TARGET liblzma)
  pkg_check_modules(LZ4 REQUIRED IMPORTED_TARGET liblz4)
  pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
  pkg_check_modules(EXT2FS REQUIRED IMPORTED_TARGET ext2fs com_err)
  target_link_libraries(alephc_pinned INTERFACE
    PkgConfig::SQUASHFS PkgConfig::ZSTD PkgConfig::LZMA PkgConfig::LZ4 PkgConfig::ZLIB PkgConfig::EXT2FS)
  set(alephc_squashfs_version ${SQUASHFS_VERSION} PARENT_SCOPE)
  set(alephc_has_pinned_libraries false PARENT_SCOPE)
endfunction()

add_library(alephc_pinned INTERFACE)
set(alephc_why_unpinned "ALEPHC_PINNED is off")
if(ALEPHC_PINNED)
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL x86_64)
    alephc_make_pinned_root(${ALEPHC_PINNED_FOLDER}/root alephc_why_unpinned)
  else()
    set(alephc_why_unpinned "the table has no packages for ${CMAKE_SYSTEM_PROCESSOR}")
  endif()
endif()
if(NOT alephc_why_unpinned)
  alephc_link_pinned(${ALEPHC_PINNED_FOLDER}/root)
elseif(ALEPHC_PINNED AND NOT ALEPHC_PINNED STREQUAL AUTO)
  message(FATAL_ERROR "${alephc_why_unpinned}\nput the packages into ${ALEPHC_PINNED_FOLDER}, or configure with -DALEPHC_PINNED=OFF")
else()
  message(WARNING "${alephc_why_unpinned}: libraries of this machine shape the bytes of images, "
    "so that an image may have other bytes than elsewhere, and verify cannot decide whether it should")
  alephc_link_unpinned()
endif()
