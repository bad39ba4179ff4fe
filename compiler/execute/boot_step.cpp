// SPDX-License-Identifier: MIT
#include "execute/boot_step.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "image/filesystem_image.hpp"

namespace alephc {
namespace {

constexpr const char* kLoadConfig = "boot/grub/load.cfg";

/// A kind of firmware that GRUB is made for.
struct GrubTarget {
  std::string name{};     ///< "i386-pc": its folder below /usr/lib/grub and /boot/grub
  std::string package{};  ///< that brings it
  std::string output{};   ///< of grub-mkimage
  std::string modules{};  ///< besides those of every target
};

std::vector<GrubTarget> grub_targets(const Manifest& manifest) {
  std::vector<GrubTarget> targets;
  const bool arm = manifest.base.arch == "arm64";
  if (manifest.boot.bios)
    targets.push_back({"i386-pc", "grub-pc-bin", "boot/grub/i386-pc/core.img", "biosdisk"});
  if (manifest.boot.uefi && arm)
    targets.push_back(
        {"arm64-efi", "grub-efi-arm64-bin", "boot/efi/EFI/BOOT/BOOTAA64.EFI", "fat all_video gfxterm"});
  if (manifest.boot.uefi && !arm)
    targets.push_back(
        {"x86_64-efi", "grub-efi-amd64-bin", "boot/efi/EFI/BOOT/BOOTX64.EFI", "fat all_video gfxterm"});
  return targets;
}

/// GRUB reads btrfs from its top, not from the subvolume that is mounted.
std::string boot_folder(const ImageSpec& image) {
  return (image.subvolume.empty() ? "" : "/" + image.subvolume) + "/boot";
}

/// As Linux shows it: "0123-ABCD".
std::string uuid_of_esp(const Digest& seed) {
  const std::uint32_t serial = esp_serial(seed);
  std::array<char, 10> text{};
  (void)std::snprintf(text.data(), text.size(), "%04X-%04X", serial >> 16U, serial & 0xffffU);
  return text.data();
}

class BootStep {
 public:
  BootStep(const Manifest& manifest, const Digest& seed, const Tree& below, LayerWriter& out)
      : manifest_(manifest),
        below_(below),
        out_(out),
        root_(uuid_text(filesystem_uuid(seed))),
        esp_(uuid_of_esp(seed)) {}

  void run() {
    find_kernel();
    check_grub();
    if (!problems_.empty()) throw Error(ErrorKind::failed, std::move(problems_));
    put_folder("boot/grub");
    put("boot/grub/grub.cfg", menu());
    put(kLoadConfig,
        "search.fs_uuid " + root_ + " root\nset prefix=($root)" + boot_folder(manifest_.image) + "/grub\n");
    put_folder(kEspFolder);
    if (!has_fstab()) put("etc/fstab", fstab());
    if (below_.find("usr/sbin/grub-mkconfig") != nullptr) put("etc/default/grub.d/10-alephc.cfg", defaults());
  }

 private:
  void problem(const std::string& message, const std::string& hint) {
    problems_.push_back({.message = message, .at = manifest_.boot.kernel_at, .hint = hint});
  }

  void find_kernel() {
    constexpr std::string_view kPrefix = "vmlinuz-";
    for (const Entry& entry : below_.entries()) {
      const std::string name = base_name(entry.path);
      if (parent_path(entry.path) != "boot" || !name.starts_with(kPrefix)) continue;
      const std::string version = name.substr(kPrefix.size());
      if (kernel_.empty() || ::strverscmp(version.c_str(), kernel_.c_str()) > 0) kernel_ = version;
    }
    if (kernel_.empty())
      return problem(
          "the disk is to boot, but there is no kernel: /boot has no vmlinuz-VERSION",
          "add linux-image-cloud-amd64 (Debian), linux-image-virtual (Ubuntu) or linux-virt (Alpine) "
          "to packages.install, or set boot.kernel = \"none\"");
    for (const std::string& name : {"initrd.img-" + kernel_, "initramfs-" + kernel_})
      if (below_.find("boot/" + name) != nullptr) initramfs_ = name;
    if (initramfs_.empty())
      problem("the kernel " + kernel_ + " has no initramfs in /boot",
              "add initramfs-tools to packages.install: the kernel's own scripts make one");
  }

  void check_grub() {
    if (below_.find("usr/bin/grub-mkimage") == nullptr)
      problem("the disk starts with GRUB, but there is no /usr/bin/grub-mkimage",
              "add grub2-common to packages.install");
    for (const GrubTarget& target : grub_targets(manifest_))
      if (below_.find("usr/lib/grub/" + target.name + "/normal.mod") == nullptr)
        problem(
            "GRUB for " + target.name + " is not in the image",
            "add " + target.package + " to packages.install, or leave that firmware out of boot.firmware");
  }

  void put(const std::string& path, const std::string& text) {
    out_.put_file({.path = path, .mode = 0644, .mtime = kStepTime}, text);
  }
  void put_folder(const std::string& path) {
    out_.put({.path = path, .type = EntryType::directory, .mode = 0755, .mtime = kStepTime});
  }

  [[nodiscard]] std::string menu() const {
    const std::string boot = boot_folder(manifest_.image);
    return "# For the first boot; update-grub writes it anew when a kernel comes or goes.\n"
           "search --no-floppy --fs-uuid --set=root " +
           root_ +
           "\n"
           "if serial --unit=0 --speed=115200; then\n"
           "  terminal_input console serial\n"
           "  terminal_output console serial\n"
           "fi\n"
           "set timeout=1\n"
           "menuentry 'Linux " +
           kernel_ +
           "' {\n"
           "  linux " +
           boot + "/vmlinuz-" + kernel_ + " root=UUID=" + root_ + " ro " + manifest_.boot.cmdline +
           "\n"
           "  initrd " +
           boot + "/" + initramfs_ +
           "\n"
           "}\n";
  }

  [[nodiscard]] std::string defaults() const {
    return "# What the image was built with.\n"
           "GRUB_CMDLINE_LINUX=\"" +
           manifest_.boot.cmdline +
           "\"\n"
           "GRUB_CMDLINE_LINUX_DEFAULT=\"\"\n"
           "GRUB_TERMINAL=\"console serial\"\n"
           "GRUB_SERIAL_COMMAND=\"serial --unit=0 --speed=115200\"\n"
           "GRUB_TIMEOUT=1\n";
  }

  /// One that says something stays: the recipe brought it.
  [[nodiscard]] bool has_fstab() const {
    const Entry* entry = below_.find("etc/fstab");
    if (entry == nullptr || entry->type != EntryType::regular) return false;
    const std::vector<std::string> lines = split(below_.read_content(*entry), '\n');
    return std::any_of(lines.begin(), lines.end(), [](const std::string& line) {
      const std::string_view text = trim(line);
      return !text.empty() && !text.starts_with('#');
    });
  }

  [[nodiscard]] std::string fstab() const {
    const bool ext4 = manifest_.image.filesystem == "ext4";
    std::string text = "UUID=" + root_ + " / " + manifest_.image.filesystem +
                       (ext4 ? " rw,discard,errors=remount-ro 0 1\n" : " rw,discard=async 0 0\n");
    // Only updates of the boot loader want it: a slow device must not keep the machine from starting.
    if (manifest_.boot.uefi) text += "UUID=" + esp_ + " /boot/efi vfat umask=0022,nofail 0 0\n";
    return text;
  }

  const Manifest& manifest_;
  const Tree& below_;
  LayerWriter& out_;
  std::string root_;
  std::string esp_;
  std::string kernel_;
  std::string initramfs_;
  std::vector<Diagnostic> problems_;
};

}  // namespace

void put_boot(const Manifest& manifest, const Digest& seed, const Tree& below, LayerWriter& out) {
  BootStep(manifest, seed, below, out).run();
}

std::vector<SandboxCommand> boot_loader_commands(const Manifest& manifest) {
  // Enough to find the root and to read grub.cfg; everything else is loaded from beside it.
  const std::string modules = "part_gpt " +
                              std::string(manifest.image.filesystem == "ext4" ? "ext2" : "btrfs") +
                              " search search_fs_uuid normal configfile linux serial terminal echo test";
  std::string script;
  for (const GrubTarget& target : grub_targets(manifest)) {
    const std::string from = "/usr/lib/grub/" + target.name;
    const std::string to = "/boot/grub/" + target.name;
    script += "mkdir -p " + to + " $(dirname /" + target.output + ")\n" +                          //
              "cp " + from + "/*.mod " + from + "/*.lst " + to + "/\n" +                           //
              "if [ -e " + from + "/boot.img ]; then cp " + from + "/boot.img " + to + "; fi\n" +  //
              "grub-mkimage -O " + target.name + " -d " + from + " -p /boot/grub -c /" + kLoadConfig +
              " -o /" + target.output + " " + target.modules + " " + modules + "\n";
    if (target.output.starts_with("boot/efi/"))
      script += "chmod 0755 /boot/efi/EFI /boot/efi/EFI/BOOT /" + target.output + "\n";
  }
  return {SandboxCommand{.argv = {"/bin/sh", "-euc", script}}};
}

}  // namespace alephc
