# cmake -DPLACE=FOLDER -P fetch.cmake
#
# Puts into a release's project what it is made of besides its own source: the packages of pinned libraries, and the source of
# libcurl as Debian 12 has it.
set(top ${CMAKE_CURRENT_LIST_DIR}/../../..)
include(${top}/cmake/debian_files.cmake)
include(${top}/cmake/pinned_packages.cmake)
set(curl
  "pool/main/c/curl/curl_7.88.1.orig.tar.gz cdb38b72e36bc5d33d5b8810f8018ece1baa29a8f215b4495e495ded82bbf3c7"
  "pool/main/c/curl/curl_7.88.1-10+deb12u15.debian.tar.xz 961b78bc48492c5693e4decb352ddd176f343260a8956f48b2887874048ef23b")

function(fetch folder)
  alephc_fetch_packages(${PLACE}/${folder} "${ARGN}" problem)
  if(problem)
    message(FATAL_ERROR "${problem}")
  endif()
endfunction()
fetch(pinned ${alephc_pinned_packages})
fetch(curl ${curl})
