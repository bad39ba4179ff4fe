// SPDX-License-Identifier: MIT
#include "steps/node.hpp"

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "sandbox/sandbox.hpp"
#include "steps/archive.hpp"

namespace alephc {
namespace {

/// PATH of "NAME=PATH", below the package.
std::string program_path(const std::string& bin) {
  const std::string path = bin.substr(bin.find('=') + 1);
  return path.starts_with("./") ? path.substr(2) : path;
}

std::set<std::string> programs_of(const ModuleInput& module) {
  std::set<std::string> programs;
  for (const std::string& bin : module.bins) programs.insert(program_path(bin));
  return programs;
}

/// node_modules/.bin/NAME → ../PACKAGE/PATH, in the node_modules that the package stands in.
void put_bins(const ModuleInput& module, const std::string& root, LayerWriter& out) {
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
             .mtime = out.time(),
             .link_target = "../" + package + "/" + program_path(bin)});
  }
}

void run(const NodeInput& input, const ComputedPlace& place) {
  const std::string root = place.below.resolve(input.target.substr(1));
  for (const ModuleInput& module : input.modules) {
    // The tarballs of a registry have one folder at their top, whatever it is called.
    const UnpackOptions options{.label = "the npm package " + module.name + " " + module.version,
                                .target = "/" + join_path(root, module.path),
                                .strip = 1,
                                .plain_modes = true,
                                .executable = programs_of(module)};
    const UniqueFd file = place.contents.open(module.sha256, module.name + " " + module.version);
    require_integrity(file.get(), module.integrity, options.label);
    unpack_archive(options, file.get(), place.below, place.out);
    put_bins(module, root, place.out);
  }
}

}  // namespace

Step node_step(StepName name, NodeInput input) {
  return make_step(std::move(name), "node", 1, std::move(input), run);
}

}  // namespace alephc
