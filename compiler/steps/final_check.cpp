// SPDX-License-Identifier: MIT
#include "steps/final_check.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <set>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"
#include "decode/decode.hpp"
#include "sandbox/sandbox.hpp"
#include "steps/shared_secrets.hpp"

namespace alephc {
namespace {

constexpr std::uint64_t kLargestKey = 64ULL * 1024;

bool is_below(const std::string& path, std::initializer_list<const char*> folders) {
  return std::any_of(folders.begin(), folders.end(), [&](std::string_view folder) {
    return path.size() > folder.size() && path[folder.size()] == '/' && path.starts_with(folder);
  });
}

/// Keys that packages ship below /usr are known to the whole world and protect nothing.
bool may_hold_key(const Entry& entry) {
  return entry.type == EntryType::regular && entry.hard_link.empty() && entry.size > 0 &&
         is_below(entry.path, {"etc", "root", "home", "srv", "opt", "var"}) &&
         !is_below(entry.path, {"var/lib/dpkg", "etc/ssl/certs"});
}

/// Of a large file its beginning, by which a volume is known.
std::string beginning_of(const Tree& tree, const Entry& entry) {
  if (entry.size <= kLargestKey) return tree.read_content(entry);
  constexpr std::size_t kMagic = 16;
  std::string bytes(kMagic, '\0');
  bytes.resize(read_some(tree.open_content(entry).get(), bytes));
  return bytes;
}

/// Of the layer that has a path last.
LayerOrigin origin_of(const Tree& tree, const std::vector<LayerOrigin>& layers, const std::string& path) {
  for (std::size_t i = tree.layers().size(); i > 0; --i)
    if (find_entry(tree.layers()[i - 1]->listing, path) != nullptr)
      return i <= layers.size() ? layers[i - 1] : LayerOrigin{};
  return {};
}

std::string problem_of(const Tree& tree, const Entry& entry, const std::vector<LayerOrigin>& layers) {
  const std::string name = base_name(entry.path);
  if (may_hold_key(entry) && !origin_of(tree, layers, entry.path).published)
    if (const std::string_view kind = private_key_kind(beginning_of(tree, entry)); !kind.empty())
      return "is " + std::string(kind) + ": everyone who has the image would have it too";
  const bool is_id = entry.path == "etc/machine-id" || entry.path == "var/lib/dbus/machine-id";
  if (is_id && entry.type == EntryType::regular && entry.size > 0 &&
      trim(tree.read_content(entry)) != "uninitialized")
    return "is set, so every machine booted from this image would share it";
  if (entry.type == EntryType::regular && entry.size > 0 &&
      (name == "random-seed" || name == "credential.secret"))
    return "is a random seed that every machine would share";
  const bool temporary = is_below(entry.path + "/", {"tmp", "var/tmp", "run", "dev"});
  const bool writable = (entry.mode & 0002U) != 0 && !temporary;
  if (writable && entry.type == EntryType::regular)
    return "is world-writable (" + octal(entry.mode) + ")";
  if (writable && entry.type == EntryType::directory && (entry.mode & 01000U) == 0)
    return "is a world-writable folder without the sticky bit (" + octal(entry.mode) + ")";
  return {};
}

/// One problem for all paths of a secret, with a remedy that leaves none behind.
Diagnostic problem_of_secret(const Tree& tree, const FoundSecret& found, const std::vector<LayerOrigin>& layers) {
  const SharedSecret& secret = *found.secret;
  Diagnostic problem{.message = "/" + found.paths.front() + " is " + std::string(secret.what) + ", made while " +
                                std::string(secret.package) +
                                " was installed: everyone who has the image would have it too"};
  constexpr std::size_t kShown = 10;
  for (std::size_t i = 1; i < found.paths.size() && i < kShown; ++i)
    problem.context.push_back("belongs to it: /" + found.paths[i]);
  problem.context.push_back("written by step " + origin_of(tree, layers, found.paths.front()).step);
  std::vector<std::string> globs;
  for (const std::string& glob : split(secret.paths, ' ')) globs.push_back("\"" + (glob.starts_with('*') ? "/" + glob : glob) + "\"");
  for (const std::string& path : found.paths)
    if (path.starts_with("etc/ssl/certs/") && tree.find(path)->type == EntryType::symlink)
      globs.push_back("\"/" + path + "\"");
  problem.hint = "leave it out with packages.exclude_paths = [" + join(globs, ", ") + "], and " +
                 (secret.remake.empty() ? "the package's service makes it at its first start"
                                        : "make it before the service starts, at first boot: " +
                                              std::string(secret.remake));
  return problem;
}

class NameFinder : public ArchiveSink {
 public:
  explicit NameFinder(std::string path) : path_(std::move(path)) {}
  void begin_entry(const std::string& /*member*/, Entry entry) override {
    found_ = found_ || (entry.path == path_ && entry.size > 0);
  }
  void data(std::string_view /*bytes*/) override {}
  void end_entry() override {}
  [[nodiscard]] bool found() const { return found_; }

 private:
  std::string path_;
  bool found_ = false;
};

/// open-iscsi's hook copies the machine's name into the initramfs, where leaving the file out does not reach it.
void check_initramfs(const Tree& tree, std::vector<Diagnostic>& problems) {
  if (tree.find("usr/share/initramfs-tools/hooks/iscsi") == nullptr) return;
  for (const Entry& entry : tree.entries()) {
    const bool is_initramfs = entry.type == EntryType::regular && entry.path.starts_with("boot/initrd.img-");
    if (!is_initramfs) continue;
    NameFinder finder("etc/initiatorname.iscsi");
    decode_archive(tree.open_content(entry).get(), ArchiveKind::initramfs, finder);
    if (!finder.found()) continue;
    Diagnostic problem{.message = "/" + entry.path +
                                  " holds the name by which storage knows the machine: everyone who has the image would "
                                  "have it too"};
    problem.hint =
        "keep it out with [[file]] target = \"/etc/initramfs-tools/conf.d/open-iscsi\", content = "
        "\"NO_ISCSI_IN_INITRAMFS=yes\\n\", before = \"packages\"";
    problems.push_back(std::move(problem));
  }
}

}  // namespace

void check_final_tree(const Tree& tree, const std::vector<LayerOrigin>& layers, std::int64_t step_time) {
  std::vector<Diagnostic> problems;
  std::set<std::string> told;
  for (const FoundSecret& found : find_shared_secrets(tree)) {
    problems.push_back(problem_of_secret(tree, found, layers));
    told.insert(found.paths.begin(), found.paths.end());
  }
  for (const Entry& entry : tree.entries()) {
    if (told.contains(entry.path)) continue;
    std::string problem = problem_of(tree, entry, layers);
    if (problem.empty() && entry.mtime > step_time) problem = "has a modification time after that of the steps";
    if (problem.empty()) continue;
    Diagnostic diagnostic{.message = "/" + entry.path + " " + problem};
    diagnostic.context.push_back("written by step " + origin_of(tree, layers, entry.path).step);
    diagnostic.hint = "leave it out with packages.exclude_paths, or make it at boot with an [[init.plugin]]";
    problems.push_back(std::move(diagnostic));
  }
  check_initramfs(tree, problems);
  if (!problems.empty()) throw Error(ErrorKind::failed, std::move(problems));
}

}  // namespace alephc
