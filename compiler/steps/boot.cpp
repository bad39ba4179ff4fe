// SPDX-License-Identifier: MIT
#include "steps/boot.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "image/filesystem_image.hpp"
#include "image/image_format.hpp"
#include "steps/commands.hpp"

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

std::vector<GrubTarget> grub_targets(const BootInput& input) {
  std::vector<GrubTarget> targets;
  const bool arm = input.arch == "arm64";
  if (input.bios)
    targets.push_back({"i386-pc", "grub-pc-bin", "boot/grub/i386-pc/core.img", "biosdisk"});
  if (input.uefi && arm)
    targets.push_back(
        {"arm64-efi", "grub-efi-arm64-bin", "boot/efi/EFI/BOOT/BOOTAA64.EFI", "fat all_video gfxterm"});
  if (input.uefi && !arm)
    targets.push_back(
        {"x86_64-efi", "grub-efi-amd64-bin", "boot/efi/EFI/BOOT/BOOTX64.EFI", "fat all_video gfxterm"});
  return targets;
}

/// GRUB reads btrfs from its top, not from the subvolume that is mounted.
std::string boot_folder(const BootInput& input) {
  return (input.subvolume.empty() ? "" : "/" + input.subvolume) + "/boot";
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
  BootStep(const BootInput& input, const ComputedPlace& place)
      : input_(input),
        below_(place.below),
        out_(place.out),
        root_(uuid_text(filesystem_uuid(input.seed))),
        esp_(uuid_of_esp(input.seed)) {}

  void run() {
    find_kernel();
    check_grub();
    if (!problems_.empty()) throw Error(ErrorKind::failed, std::move(problems_));
    put_folder("boot/grub");
    put("boot/grub/grub.cfg", menu());
    put(kLoadConfig,
        "search.fs_uuid " + root_ + " root\nset prefix=($root)" + boot_folder(input_) + "/grub\n");
    put_folder(kEspFolder);
    if (!has_fstab()) put("etc/fstab", fstab());
    if (below_.find("usr/sbin/grub-mkconfig") != nullptr) put("etc/default/grub.d/10-alephc.cfg", defaults());
  }

 private:
  void problem(const std::string& message, const std::string& hint) {
    problems_.push_back({.message = message, .at = input_.kernel_at, .hint = hint});
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
      return problem("the disk is to boot, but there is no kernel: /boot has no vmlinuz-VERSION",
                     "add " + input_.kernel_package + " to packages.install, or set boot.kernel = \"none\"");
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
    for (const GrubTarget& target : grub_targets(input_))
      if (below_.find("usr/lib/grub/" + target.name + "/normal.mod") == nullptr)
        problem(
            "GRUB for " + target.name + " is not in the image",
            "add " + target.package + " to packages.install, or leave that firmware out of boot.firmware");
  }

  void put(const std::string& path, const std::string& text) {
    out_.put_file({.path = path, .mode = 0644, .mtime = out_.time()}, text);
  }
  void put_folder(const std::string& path) {
    out_.put({.path = path, .type = EntryType::directory, .mode = 0755, .mtime = out_.time()});
  }

  [[nodiscard]] std::string menu() const {
    const std::string boot = boot_folder(input_);
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
           boot + "/vmlinuz-" + kernel_ + " root=UUID=" + root_ + " ro " + input_.cmdline +
           "\n"
           "  initrd " +
           boot + "/" + initramfs_ +
           "\n"
           "}\n";
  }

  [[nodiscard]] std::string defaults() const {
    return "# What the image was built with.\n"
           "GRUB_CMDLINE_LINUX=\"" +
           input_.cmdline +
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
    std::string text = "UUID=" + root_ + " / " + input_.filesystem + " " +
                       std::string(image_format(input_.filesystem).partition.fstab) + "\n";
    // Only updates of the boot loader want it: a slow device must not keep the machine from starting.
    if (input_.uefi) text += "UUID=" + esp_ + " /boot/efi vfat umask=0022,nofail 0 0\n";
    return text;
  }

  const BootInput& input_;
  const Tree& below_;
  LayerWriter& out_;
  std::string root_;
  std::string esp_;
  std::string kernel_;
  std::string initramfs_;
  std::vector<Diagnostic> problems_;
};

void run(const BootInput& input, const ComputedPlace& place) {
  BootStep(input, place).run();
}

std::vector<SandboxCommand> boot_loader_commands(const BootInput& input) {
  // Enough to find the root and to read grub.cfg; everything else is loaded from beside it.
  const std::string modules = "part_gpt " +
                              std::string(image_format(input.filesystem).partition.grub_module) +
                              " search search_fs_uuid normal configfile linux serial terminal echo test";
  std::string script;
  for (const GrubTarget& target : grub_targets(input)) {
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

}  // namespace

Step boot_step(StepName name, BootInput input) {
  return make_step(std::move(name), "boot", 1, std::move(input), run);
}

Step boot_loader_step(StepName name, const BootInput& input) {
  return commands_step(std::move(name), "making GRUB's cores", boot_loader_commands(input));
}

}  // namespace alephc
