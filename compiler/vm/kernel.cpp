// SPDX-License-Identifier: MIT
#include "vm/kernel.hpp"

#include "base/text.hpp"
#include "distro/guest_kernel.hpp"
#include "guest/guest_files.hpp"
#include "vm/initramfs.hpp"

namespace alephc {
namespace {

/// What the nodes' kernel has built in.
std::vector<std::string> wanted_modules(Hardware hardware) {
  if (hardware == Hardware::instance)
    return {"virtio_pci", "virtio_blk", "virtio_net",     "virtio_console", "virtio_rng", "vfat",
            "nls_cp437",  "nls_ascii",  "crc32c_generic", "crc32c_intel",   "ext4",       "btrfs"};
  return {
      "virtio_mmio", "virtio_blk", "virtio_net", "virtio_rng", "vsock",          "vmw_vsock_virtio_transport",
      "squashfs",    "overlay",    "ext4",       "btrfs",      "crc32c_generic", "crc32c_intel"};
}

std::optional<BootFiles> kept(const Store& store, const Digest& key) {
  const auto record = store.find_action(key);
  if (!record) return std::nullopt;
  const std::vector<std::string> words = split_words(record->result);
  BootFiles files;
  for (std::filesystem::path* path : {&files.kernel, &files.initramfs}) {
    const auto digest = Digest::from_hex(words.size() == 2 ? words[path == &files.kernel ? 0 : 1] : "");
    if (!digest || !store.open_blob(*digest)) return std::nullopt;
    *path = store.blob_path(*digest);
  }
  return files;
}

}  // namespace

BootFiles boot_files(Hardware hardware, const Mirrors& mirrors, const ToolBox& tools) {
  const std::vector<std::string> wanted = wanted_modules(hardware);
  const std::string key_text =
      "alephc-boot 1\nboot " + sha256(boot_program()).hex() + "\nmodules " + join(wanted, ",") + "\n";
  const Digest key = sha256(key_text);
  const FileLock lock = tools.store.lock_key(key);
  if (auto files = kept(tools.store, key)) return *files;
  GuestKernel kernel = fetch_guest_kernel(mirrors, wanted, tools);
  Initramfs archive;
  archive.folder("dev");
  archive.character_device("dev/console", 5, 1);
  archive.file("init", boot_program(), 0755);
  archive.folder("modules");
  std::string order;
  for (const auto& [name, content] : kernel.modules) {
    archive.file("modules/" + name, content);
    order += name + "\n";
  }
  archive.file("modules/order", order);
  const Digest image = tools.store.put_blob(kernel.image);
  const Digest initramfs = tools.store.put_blob(archive.finish());
  tools.store.put_action(
      key,
      {.name = "kernel " + kernel.name, .key_text = key_text, .result = image.hex() + " " + initramfs.hex()});
  return {tools.store.blob_path(image), tools.store.blob_path(initramfs)};
}

}  // namespace alephc
