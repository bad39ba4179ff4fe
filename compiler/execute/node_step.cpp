// SPDX-License-Identifier: MIT
#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "execute/data_steps.hpp"
#include "sandbox/sandbox.hpp"

namespace alephc {
namespace {

/// PATH of "NAME=PATH", below the package.
std::string program_path(const std::string& bin) {
  const std::string path = bin.substr(bin.find('=') + 1);
  return path.starts_with("./") ? path.substr(2) : path;
}

std::set<std::string> programs_of(const LockedModule& module) {
  std::set<std::string> programs;
  for (const std::string& bin : module.bins) programs.insert(program_path(bin));
  return programs;
}

/// node_modules/.bin/NAME → ../PACKAGE/PATH, in the node_modules that the package stands in.
void put_bins(const LockedModule& module, const std::string& root, LayerWriter& out) {
  const std::size_t last = module.path.rfind("node_modules/") + std::string_view("node_modules").size();
  const std::string folder = join_path(root, module.path.substr(0, last));
  const std::string package = module.path.substr(last + 1);
  for (const std::string& bin : module.bins) {
    const std::string name = bin.substr(0, bin.find('='));
    if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos)
      throw Error(ErrorKind::integrity, "the package " + module.name + " names a program '" + name + "'");
    out.put({.path = folder + "/.bin/" + name,
             .type = EntryType::symlink,
             .mode = 0777,
             .mtime = kStepTime,
             .link_target = "../" + package + "/" + program_path(bin)});
  }
}

}  // namespace

void put_modules(const Manifest& manifest, const Lock& lock, const Tree& below, LayerWriter& out,
                 const std::function<UniqueFd(const LockedModule&)>& open) {
  const std::string root = below.resolve(manifest.node.target.substr(1));
  for (const LockedModule& module : lock.modules) {
    // The tarballs of a registry have one folder at their top, whatever it is called.
    const UnpackOptions options{.label = "the npm package " + module.name + " " + module.version,
                                .target = "/" + join_path(root, module.path),
                                .strip = 1,
                                .plain_modes = true,
                                .executable = programs_of(module)};
    const UniqueFd file = open(module);
    require_integrity(file.get(), module.integrity, options.label);
    unpack_archive(options, file.get(), below, out);
    put_bins(module, root, out);
  }
}

}  // namespace alephc
