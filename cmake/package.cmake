# What `cmake --install` puts where, and the Debian package that `cpack -G DEB` makes of it.
include(GNUInstallDirs)

install(TARGETS alephc RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES LICENSE NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES schemas/runtime.schema.json DESTINATION ${CMAKE_INSTALL_DATADIR}/alephc)
install(DIRECTORY recipes DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)

# The program knows its own words: completions are written by the one that is installed.
set(completions ${CMAKE_CURRENT_BINARY_DIR}/completions)
set(completion_files bash alephc zsh _alephc fish alephc.fish)
while(completion_files)
  list(POP_FRONT completion_files shell file)
  install(CODE "file(MAKE_DIRECTORY ${completions}/${shell})
    execute_process(COMMAND $<TARGET_FILE:alephc> completion ${shell}
      OUTPUT_FILE ${completions}/${shell}/${file} COMMAND_ERROR_IS_FATAL ANY)")
endwhile()
install(FILES ${completions}/bash/alephc DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${completions}/zsh/_alephc DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(FILES ${completions}/fish/alephc.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

# gzip writes no name and no time, so that the same sources give the same files.
function(install_compressed file name folder)
  install(CODE "execute_process(COMMAND gzip -9 -n -c ${CMAKE_CURRENT_SOURCE_DIR}/${file}
    OUTPUT_FILE ${CMAKE_CURRENT_BINARY_DIR}/${name}.gz COMMAND_ERROR_IS_FATAL ANY)")
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${name}.gz DESTINATION ${folder})
endfunction()
install_compressed(cmake/package/alephc.1 alephc.1 ${CMAKE_INSTALL_MANDIR}/man1)

# Ubuntu 24.04 lets only programs with a profile make user namespaces, which rootless builds need. The profile is put in force
# by the package's postinst, where AppArmor knows the permission.
install(FILES cmake/package/apparmor DESTINATION ${CMAKE_INSTALL_DATADIR}/alephc)
install_compressed(cmake/package/changelog changelog ${CMAKE_INSTALL_DOCDIR})
install(FILES cmake/package/copyright DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES cmake/package/lintian-overrides DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides RENAME alephc)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME alephc)
set(CPACK_PACKAGE_VENDOR "The alephc authors")
set(CPACK_PACKAGE_CONTACT "The alephc authors <alephc@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "compiler of reproducible VM images for aleph.im")
set(CPACK_PACKAGE_DESCRIPTION "alephc compiles runtime.toml and runtime.lock into the root filesystem of a
micro-VM of the aleph.im network. The same lock gives the same bytes for
everyone, so that anybody can check a published image against its hash.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "gpgv, ca-certificates")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "debian-archive-keyring, uidmap, slirp4netns, git")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "qemu-system-x86, ubuntu-keyring")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  "${CMAKE_CURRENT_SOURCE_DIR}/cmake/package/postinst;${CMAKE_CURRENT_SOURCE_DIR}/cmake/package/postrm")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
