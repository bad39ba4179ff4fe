// SPDX-License-Identifier: MIT
#include "distro/guest_kernel.hpp"

#include <algorithm>
#include <functional>

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "decode/decode.hpp"
#include "distro/debian/control.hpp"
#include "distro/debian/index.hpp"
#include "distro/debian/indexes.hpp"
#include "distro/debian/sources.hpp"

namespace alephc {
namespace {

using namespace debian;  // NOLINT: this file is Debian's share of an interface above it

constexpr const char* kRelease = "bookworm";
constexpr const char* kMetaPackage = "linux-image-cloud-amd64";

std::string base_name_of(const std::string& path) {
  return path.substr(path.find_last_of('/') + 1);
}

/// "virtio_blk.ko" and "virtio-blk.ko.xz" are the module virtio_blk.
std::string module_name(const std::string& path) {
  std::string name = base_name_of(path);
  name = name.substr(0, name.find(".ko"));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

/// Hands the contents of the wanted regular files to a function.
class FilesSink : public ArchiveSink {
 public:
  FilesSink(std::function<bool(const std::string&)> wanted,
            std::function<void(const std::string&, std::string&&)> take)
      : wanted_(std::move(wanted)), take_(std::move(take)) {}
  void begin_entry(const std::string& member, Entry entry) override {
    path_ = member == "data" && entry.type == EntryType::regular && wanted_(entry.path) ? entry.path : "";
    text_.clear();
  }
  void data(std::string_view bytes) override {
    if (!path_.empty()) text_ += bytes;
  }
  void end_entry() override {
    if (!path_.empty()) take_(path_, std::move(text_));
  }

 private:
  std::function<bool(const std::string&)> wanted_;
  std::function<void(const std::string&, std::string&&)> take_;
  std::string path_;
  std::string text_;
};

/// "depends=a,b" of a module's .modinfo.
std::vector<std::string> dependencies_of(const std::string& module) {
  const std::string key = std::string("\0depends=", 9);
  const std::size_t at = module.find(key);
  if (at == std::string::npos) return {};
  std::vector<std::string> names;
  for (const std::string& name : split(std::string(module.c_str() + at + key.size()), ','))
    if (!name.empty()) names.push_back(name);
  return names;
}

struct Module {
  std::string path{};
  std::vector<std::string> needs{};
};

/// A module after all that it needs.
void order(const std::map<std::string, Module>& modules, const std::string& name,
           std::vector<std::string>& out) {
  const auto it = modules.find(name);
  if (it == modules.end()) return;  // built into the kernel
  if (std::find(out.begin(), out.end(), name) != out.end()) return;
  for (const std::string& need : it->second.needs) order(modules, need, out);
  out.push_back(name);
}

RemoteFile find_kernel_package(const Mirrors& mirrors, const ToolBox& tools) {
  Manifest manifest;
  manifest.base.distro = "debian";
  manifest.base.release = kRelease;
  manifest.base.components = {"main"};
  std::vector<VerifiedSource> verified =
      fetch_indexes(sources_of(manifest, mirrors, ""), {"amd64"}, nullptr, false, tools);
  std::vector<std::string> texts;
  texts.reserve(verified.size());
  PackageIndex index;
  for (std::size_t i = 0; i < verified.size(); ++i)
    for (const PackagesFile& file : verified[i].packages) {
      texts.push_back(tools.store.read_blob(file.digest).value_or(""));
      index.add(texts.back(), static_cast<std::uint32_t>(i));
    }
  const IndexedPackage* newest = nullptr;
  for (const IndexedPackage* meta : index.named(kMetaPackage))
    if (newest == nullptr || compare_versions(meta->version, newest->version) > 0) newest = meta;
  const auto groups =
      newest == nullptr ? std::vector<std::vector<Relation>>{} : parse_relations(newest->depends);
  for (const auto& group : groups)
    for (const IndexedPackage* image : index.named(group.front().name)) {
      if (!satisfies(image->version, group.front().op, group.front().version)) continue;
      return file_of(*image, verified[image->source].source);
    }
  throw Error(ErrorKind::failed, "no mirror has Debian's " + std::string(kMetaPackage),
              "give a kernel with --kernel");
}

}  // namespace

GuestKernel fetch_guest_kernel(const Mirrors& mirrors, const std::vector<std::string>& wanted,
                               const ToolBox& tools) {
  const RemoteFile file = find_kernel_package(mirrors, tools);
  tools.fetcher.fetch({file}, [](std::size_t) {});
  const auto open = [&] {
    auto blob = tools.store.open_blob(file.digest);
    if (!blob) throw Error(ErrorKind::failed, "the kernel vanished from the store", "run the command again");
    return std::move(*blob);
  };
  tools.reporter.progress("kernel  " + file.label);
  GuestKernel kernel{.name = file.label};
  std::map<std::string, Module> modules;
  FilesSink first(
      [](const std::string& path) {
        return path.starts_with("boot/vmlinuz") || path.find(".ko") != std::string::npos;
      },
      [&](const std::string& path, std::string&& content) {
        if (path.starts_with("boot/"))
          kernel.image = std::move(content);
        else
          modules[module_name(path)] = {path, dependencies_of(content)};
      });
  decode_archive(open().get(), ArchiveKind::deb, first);
  std::vector<std::string> names;
  for (const std::string& name : wanted) order(modules, name, names);
  std::map<std::string, std::string> contents;
  FilesSink second(
      [&](const std::string& path) {
        return std::find(names.begin(), names.end(), module_name(path)) != names.end();
      },
      [&](const std::string& path, std::string&& content) {
        contents[module_name(path)] = std::move(content);
      });
  decode_archive(open().get(), ArchiveKind::deb, second);
  for (const std::string& name : names)
    kernel.modules.emplace_back(base_name_of(modules.at(name).path), std::move(contents.at(name)));
  if (kernel.image.empty()) throw Error(ErrorKind::failed, "the package " + file.label + " holds no kernel");
  return kernel;
}

}  // namespace alephc
