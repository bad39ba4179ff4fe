# The packages whose static archives pinned.cmake links.

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
