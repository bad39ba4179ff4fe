// SPDX-License-Identifier: MIT
//
// What each kind of step reads of the manifest and the lock, and the order of effects (docs/manifest.md). Each function
// makes the inputs of one kind; what it does not put there, the step does not know.
#include "graph/plan.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "base/diagnostic.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "distro/distro.hpp"
#include "distro/traits.hpp"
#include "image/image_format.hpp"
#include "steps/archive.hpp"
#include "steps/boot.hpp"
#include "steps/commands.hpp"
#include "steps/embed.hpp"
#include "steps/exclude.hpp"
#include "steps/files.hpp"
#include "steps/init.hpp"
#include "steps/install.hpp"
#include "steps/node.hpp"
#include "steps/normalize.hpp"
#include "steps/python.hpp"
#include "steps/script.hpp"
#include "steps/subtree.hpp"
#include "steps/system.hpp"
#include "steps/worker.hpp"
#include "steps/write.hpp"

namespace alephc {
namespace {

using Steps = std::vector<Step>;

/// "1 package", "2 packages"
std::string counted(std::size_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

/// A declared path of the project with all below it. Names are relative to the path: "" is the path itself.
std::vector<InputFile> files_below(const Recipe& recipe, const std::string& path) {
  std::vector<InputFile> files;
  for (const LockedInput& input : inputs_below(recipe.lock.inputs, path))
    files.push_back({.path = input.path == path ? "" : input.path.substr(path.size() + 1),
                     .kind = input.kind,
                     .sha256 = input.sha256});
  return files;
}

/// One file of the project, by its own name. A folder of that name is in the lock by what is in it.
InputFile single_file(const Recipe& recipe, const std::string& path) {
  for (const LockedInput& input : recipe.lock.inputs)
    if (input.path == path && input.kind != "folder")
      return {.path = base_name(path), .kind = input.kind, .sha256 = input.sha256};
  throw Error(ErrorKind::failed, "'" + path + "' is not a file of the project");
}

std::string kind_word(FileSpec::Kind kind) {
  switch (kind) {
    using enum FileSpec::Kind;
    case content:
      return "content";
    case source:
      return "source";
    case link:
      return "link";
    case folder:
      return "folder";
  }
  return "";
}

Steps files(const Recipe& recipe, bool early) {
  FilesInput input;
  for (const FileSpec& file : recipe.manifest.files) {
    if (file.before_packages != early) continue;
    const bool is_source = file.kind == FileSpec::Kind::source;
    input.files.push_back({.target = file.target,
                           .kind = kind_word(file.kind),
                           .text = is_source ? "" : file.content,
                           .append = file.append,
                           .mode = file.mode,
                           .owner = file.owner,
                           .content = is_source ? files_below(recipe, file.content) : std::vector<InputFile>{},
                           .at = file.at});
  }
  if (input.files.empty()) return {};
  const StepName name = early ? StepName{"files:early", "files before the packages"} : StepName{"files", "files"};
  return {files_step(name, std::move(input))};
}

Steps early_files(const Recipe& recipe) {
  return files(recipe, true);
}

Steps late_files(const Recipe& recipe) {
  return files(recipe, false);
}

/// Of all layers, in the order of their first package: the first layer tells dpkg about them.
std::vector<std::string> architectures(const Recipe& recipe) {
  std::vector<std::string> found{recipe.manifest.base.arch};
  for (const LockedPackage& package : recipe.lock.packages())
    if (package.arch != "all" && std::find(found.begin(), found.end(), package.arch) == found.end())
      found.push_back(package.arch);
  return found;
}

InstallPackage install_package(const LockedPackage& package) {
  return {.name = package.name,
          .version = package.version,
          .arch = package.arch,
          .size = package.size,
          .sha256 = package.sha256,
          .automatic = package.automatic,
          .bootstrap = package.bootstrap,
          .identity = package.identity,
          .tag = package.tag};
}

Steps installs(const Recipe& recipe) {
  Steps steps;
  const std::vector<LockedLayer>& layers = recipe.lock.layers;
  const int rules = distro_of(recipe.manifest.base.distro).install_version();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const LockedLayer& layer = layers[i];
    InstallInput input{.distro = recipe.manifest.base.distro,
                       .rules = rules,
                       .arch = recipe.manifest.base.arch,
                       .is_first = i == 0,
                       .requests = layer.requests};
    if (i == 0) {
      input.architectures = architectures(recipe);
      input.debconf = recipe.manifest.packages.debconf;
    }
    for (const LockedPackage& package : layer.packages) input.packages.push_back(install_package(package));
    const std::string of = layers.size() > 1 ? " of " + layer.name : "";
    Step& step = steps.emplace_back(install_step(
        {"install:" + layer.name, "install " + counted(layer.packages.size(), "package") + of}, std::move(input)));
    for (const LockedPackage& package : layer.packages)
      if (package.repository != "file")
        step.fetches.emplace_back(package.name + " " + package.version, package.sha256);
  }
  return steps;
}

bool has_python(const Lock& lock) {
  for (const LockedPackage& package : lock.packages())
    if (package.name == "python3" || package.name == "python3-minimal") return true;
  return false;
}

Steps worker(const Recipe& recipe) {
  if (recipe.manifest.init.program == InitSpec::Program::none || !has_python(recipe.lock)) return {};
  for (const LockedGuestFile& file : recipe.lock.guest_files)
    if (file.name == "asgi_worker.py")
      return {worker_step({"init:worker", "compile the ASGI worker"},
                          {.source = file.sha256, .optimize = recipe.manifest.python.optimize.front()})};
  return {};
}

Steps system(const Recipe& recipe) {
  const Manifest& manifest = recipe.manifest;
  SystemInput input{.timezone = manifest.system.timezone,
                    .locale = manifest.system.locale,
                    .hostname = manifest.system.hostname};
  if (auto sources = distro_of(manifest.base.distro).image_sources(manifest, recipe.lock)) {
    input.sources_path = std::move(sources->path);
    input.sources = std::move(sources->content);
  }
  for (const UserSpec& user : manifest.users)
    input.users.push_back({.name = user.name,
                           .uid = user.uid,
                           .groups = user.groups,
                           .shell = user.shell,
                           .home = user.home,
                           .authorized_keys = user.authorized_keys});
  const bool is_empty = input.timezone.empty() && input.locale.empty() && input.hostname.empty() &&
                        input.sources_path.empty() && input.users.empty();
  if (is_empty) return {};
  return {system_step({"system", "system settings and accounts"}, std::move(input))};
}

Steps locales(const Recipe& recipe) {
  const std::vector<std::string>& wanted = recipe.manifest.system.locales;
  if (wanted.empty()) return {};
  return {commands_step({"locales", "generate locales"}, "generating locales",
                        distro_of(recipe.manifest.base.distro).locale_commands(wanted))};
}

Steps python(const Recipe& recipe) {
  const std::vector<LockedWheel>& wheels = recipe.lock.wheels;
  if (wheels.empty()) return {};
  PythonInput input{.target = recipe.manifest.python.target, .optimize = recipe.manifest.python.optimize};
  for (const LockedWheel& wheel : wheels)
    input.wheels.push_back(
        {.name = wheel.name, .version = wheel.version, .file = wheel.file, .sha256 = wheel.sha256});
  Step step = python_step({"python", "install " + counted(wheels.size(), "Python package")}, std::move(input));
  for (const LockedWheel& wheel : wheels) step.fetches.emplace_back(wheel.file, wheel.sha256);
  step.published = true;
  return {std::move(step)};
}

Step archive(const Recipe& recipe, const ArchiveSpec& archive) {
  const std::vector<LockedArchive>& locked = recipe.lock.archives;
  const auto found =
      std::find_if(locked.begin(), locked.end(), [&](const LockedArchive& each) { return each.name == archive.name; });
  if (found == locked.end())
    throw Error(ErrorKind::failed, "the lock does not name the archive '" + archive.name + "'", "run 'alephc lock'");
  Step step = archive_step({"archive:" + archive.name, "unpack " + archive.name}, {.name = {archive.name},
                                                                                   .sha256 = found->sha256,
                                                                                   .integrity = archive.integrity,
                                                                                   .target = archive.target,
                                                                                   .owner = archive.owner,
                                                                                   .strip = archive.strip});
  step.published = archive.source.empty();
  if (step.published) step.fetches.emplace_back(archive.name, found->sha256);
  return step;
}

Steps archives(const Recipe& recipe) {
  Steps steps;
  for (const ArchiveSpec& each : recipe.manifest.archives) steps.push_back(archive(recipe, each));
  return steps;
}

Steps node(const Recipe& recipe) {
  const std::vector<LockedModule>& modules = recipe.lock.modules;
  if (modules.empty()) return {};
  NodeInput input{.target = recipe.manifest.node.target};
  for (const LockedModule& module : modules)
    input.modules.push_back({.path = module.path,
                             .name = module.name,
                             .version = module.version,
                             .integrity = module.integrity,
                             .bins = module.bins,
                             .sha256 = module.sha256});
  Step step = node_step({"node", "install " + counted(modules.size(), "npm package")}, std::move(input));
  for (const LockedModule& module : modules)
    step.fetches.emplace_back(module.name + " " + module.version, module.sha256);
  step.published = true;
  return {std::move(step)};
}

Step script(const Recipe& recipe, const RunSpec& run) {
  ScriptInput input{.name = {run.name}, .script = run.script, .user = run.user, .network = run.network, .env = run.env};
  if (!run.source.empty()) input.source = single_file(recipe, run.source).sha256;
  std::set<std::string> taken;  // one may be named by itself and with its folder
  for (const std::string& path : run.inputs)
    for (const LockedInput& file : inputs_below(recipe.lock.inputs, path))
      if (taken.insert(file.path).second)
        input.inputs.push_back({.path = file.path, .kind = file.kind, .sha256 = file.sha256});
  Step step = script_step({"run:" + run.name, "run " + run.name}, std::move(input));
  for (const LockedRun& pin : recipe.lock.runs)
    if (run.network && pin.name == run.name) step.pin = PinnedResult{pin.name, pin.layer};
  return step;
}

Steps scripts(const Recipe& recipe) {
  Steps steps;
  for (const RunSpec& run : recipe.manifest.runs) steps.push_back(script(recipe, run));
  return steps;
}

Steps boot(const Recipe& recipe) {
  const Manifest& manifest = recipe.manifest;
  if (!is_disk(manifest.image.format) || manifest.boot.kernel == "none") return {};
  const BootInput input{.seed = sha256(recipe.lock_text),
                        .arch = manifest.base.arch,
                        .filesystem = manifest.image.filesystem,
                        .subvolume = manifest.image.subvolume,
                        .cmdline = manifest.boot.cmdline,
                        .bios = manifest.boot.bios,
                        .uefi = manifest.boot.uefi,
                        .kernel_package = std::string(distro_traits(manifest.base.distro).kernel_package),
                        .kernel_at = manifest.boot.kernel_at};
  return {boot_step({"boot", "put in what starts the disk"}, input),
          boot_loader_step({"boot:loader", "make GRUB's cores"}, input)};
}

Steps removal(const Recipe& recipe) {
  const std::vector<std::string>& names = recipe.lock.removed;
  if (names.empty()) return {};
  return {commands_step({"remove", "purge " + counted(names.size(), "package")}, "purging packages",
                        distro_of(recipe.manifest.base.distro).remove_commands(names))};
}

Steps exclusion(const Recipe& recipe) {
  const std::vector<std::string>& globs = recipe.manifest.packages.exclude_paths;
  if (globs.empty()) return {};
  return {exclude_step({"exclude", "leave out excluded paths"}, {.globs = globs})};
}

std::string init_settings(const InitSpec& init, int optimize) {
  Json json;
  json["sshd"] = init.sshd;
  json["sdk_plugins"] = !init.sdk_plugins.empty();
  json["init0_plugin"] = !init.init0_plugin.empty();
  json["user"] = init.user;
  json["workdir"] = init.workdir;
  json["env"] = init.env;
  if (optimize > 0) json["python_optimize"] = optimize;
  json["plugins"] = Json::array();
  for (const PluginSpec& plugin : init.plugins) {
    std::vector<std::string> exec = plugin.exec;
    if (!plugin.source.empty()) exec = {plugin_path(base_name(plugin.source))};
    json["plugins"].push_back({{"name", plugin.name},
                               {"stage", plugin.stage},
                               {"exec", exec},
                               {"on_error", plugin.fails ? "fail" : "warn"},
                               {"timeout_ms", plugin.timeout_ms}});
  }
  json["services"] = Json::array();
  for (const ServiceSpec& service : init.services)
    json["services"].push_back({{"name", service.name},
                                {"exec", service.exec},
                                {"type", service.oneshot ? "oneshot" : "daemon"},
                                {"restart", service.restart ? "on-failure" : "never"},
                                {"env", service.env}});
  return json_text(json);
}

Steps init(const Recipe& recipe) {
  const InitSpec& init = recipe.manifest.init;
  if (init.program == InitSpec::Program::none) return {};
  InitInput input{.with_distro = init.program == InitSpec::Program::distro,
                  .settings = init_settings(init, recipe.manifest.python.optimize.front()),
                  .user = init.user,
                  .sshd = init.sshd,
                  .at = init.at};
  for (const LockedGuestFile& file : recipe.lock.guest_files)
    input.guest_files.push_back({.name = file.name, .sha256 = file.sha256});
  for (const PluginSpec& plugin : init.plugins) {
    PluginInput& each = input.plugins.emplace_back(PluginInput{.name = {plugin.name}, .at = plugin.at});
    if (plugin.source.empty()) {
      each.exec = plugin.exec;
      continue;
    }
    each.files.push_back(single_file(recipe, plugin.source));
    for (const std::string& file : plugin.files) each.files.push_back(single_file(recipe, file));
  }
  for (const ServiceSpec& service : init.services)
    input.services.push_back({.name = {service.name}, .program = service.exec.at(0), .at = service.at});
  if (!init.sdk_plugins.empty()) input.sdk_plugins.push_back(single_file(recipe, init.sdk_plugins));
  if (!init.init0_plugin.empty()) input.init0_plugin.push_back(single_file(recipe, init.init0_plugin));
  return {init_step({"init", "put in the init"}, std::move(input))};
}

Steps normalization(const Recipe& recipe) {
  if (!recipe.normalize) return {};
  return {normalize_step({"normalize", "normalize"}, {.rules = recipe.epoch.normalize})};
}

Steps embedding(const Recipe& recipe) {
  if (!recipe.normalize || !recipe.manifest.image.embed_recipe) return {};
  return {embed_step({"embed", "put in the recipe"}, {.manifest = {recipe.manifest.text}, .lock = {recipe.lock_text}})};
}

Steps subtree(const Recipe& recipe) {
  const std::string& folder = recipe.manifest.image.subtree;
  if (folder.empty()) return {};
  return {subtree_step({"subtree", "take " + folder + " out"}, {.folder = folder})};
}

/// What a format does not have stays empty: no other value of it changes the key.
Steps image(const Recipe& recipe) {
  const ImageSpec& image = recipe.manifest.image;
  const BootSpec& boot = recipe.manifest.boot;
  const ImageFormat& format = image_format(image.format);
  WriteInput input{.format = image.format,
                   .time = recipe.lock.source_date_epoch,
                   .page = recipe.epoch.writer.page,
                   .keep_times = !recipe.normalize,
                   .checked = recipe.normalize && image.subtree.empty()};
  if (format.is_filesystem()) {
    input.compression = image.compression;
    input.level = with_settings(image, recipe.epoch.writer).level;
    input.verity = image.verity;
    input.tools = image_tools(recipe.epoch.writer.libraries);
  }
  if (format.has_block_size) input.block_size = image.block_size;
  if (image.verity || format.has_key("label")) input.seed = sha256(recipe.lock_text);
  if (format.has_key("size")) input.size = image.size;
  if (format.has_key("label")) input.label = image.label;
  if (format.has_key("subvolume")) input.subvolume = image.subvolume;
  if (format.is_disk) {
    input.arch = recipe.manifest.base.arch;
    input.filesystem = image.filesystem;
    input.esp_size = boot.esp_size;
    input.bios = boot.bios;
    input.uefi = boot.uefi;
  }
  return {write_step({"write", "write " + image.format}, std::move(input))};
}

/// The order of effects.
constexpr std::array kOrder{early_files, installs, worker,    system,        locales, python, archives, node, late_files,
                            scripts,     boot,     removal,   exclusion,     init,    normalization, embedding,
                            subtree,      image};

/// The steps of what comes before end; with nullptr all.
BuildGraph plan_before(Steps (*end)(const Recipe&), const Recipe& recipe) {
  BuildGraph graph{.epoch = recipe.epoch};
  for (const auto& steps_of : kOrder) {
    if (steps_of == end) break;
    for (Step& step : steps_of(recipe)) graph.steps.push_back(std::move(step));
  }
  return graph;
}

}  // namespace

BuildGraph plan(const Recipe& recipe) {
  return plan_before(nullptr, recipe);
}

BuildGraph plan_below_python(const Recipe& recipe) {
  return plan_before(python, recipe);
}

}  // namespace alephc
