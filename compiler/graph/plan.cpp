// SPDX-License-Identifier: MIT
#include <algorithm>

#include "base/text.hpp"
#include "graph/build_graph.hpp"
#include "manifest/image_rules.hpp"
#include "sandbox/sandbox.hpp"
#include "tree/listing_text.hpp"

namespace alephc {
namespace {

/// One parameter line; values may hold anything.
std::string line(const std::string& word, const std::string& value) {
  return word + " " + escape_path(value);
}

class Planner {
 public:
  Planner(const Manifest& manifest, const Lock& lock, const std::string& lock_text,
          const PlanOptions& options)
      : manifest_(manifest), lock_(lock), lock_text_(lock_text), options_(options) {}

  BuildGraph run() {
    add_files(true);
    add_installs();
    add_system();
    add_python();
    for (std::size_t i = 0; i < manifest_.archives.size(); ++i) add_archive(i);
    add_node();
    add_files(false);
    for (std::size_t i = 0; i < manifest_.runs.size(); ++i) add_run(i);
    if (is_disk(manifest_.image.format) && manifest_.boot.kernel != "none") add_boot();
    add_remove();
    add_init();
    if (options_.normalize) add_normalize();
    if (!manifest_.image.subtree.empty())
      add(StepKind::subtree, "subtree", "take " + manifest_.image.subtree + " out").parameters = {
          line("folder", manifest_.image.subtree)};
    add_write();
    return std::move(graph_);
  }

 private:
  Step& add(StepKind kind, std::string id, std::string title) {
    return graph_.steps.emplace_back(Step{.id = std::move(id), .title = std::move(title), .kind = kind});
  }

  /// Digests of a project file, or of everything below a project folder.
  void add_inputs(Step& step, const std::string& path) const {
    for (const LockedInput& input : lock_.inputs)
      if (input.path == path || input.path.starts_with(path + "/"))
        step.parameters.push_back(line("content", input.path + " " + input.kind + " " + input.sha256.hex()));
  }

  void add_files(bool early) {
    Step step{.id = early ? "files:early" : "files",
              .title = early ? "files before the packages" : "files",
              .kind = early ? StepKind::early_files : StepKind::files};
    for (const FileSpec& file : manifest_.files) {
      if (file.before_packages != early) continue;
      step.parameters.push_back(line("file", file.target));
      step.parameters.push_back(
          line("what", std::to_string(static_cast<int>(file.kind)) + " " + file.content));
      step.parameters.push_back(line("how", std::string(file.append ? "append " : "replace ") +
                                                (file.mode ? octal(*file.mode) : "default") + " " +
                                                file.owner));
      if (file.kind == FileSpec::Kind::source) add_inputs(step, file.content);
    }
    if (!step.parameters.empty()) graph_.steps.push_back(std::move(step));
  }

  void add_installs() {
    for (std::size_t i = 0; i < lock_.layers.size(); ++i) {
      const LockedLayer& layer = lock_.layers[i];
      Step& step = add(StepKind::install, "install:" + layer.name,
                       "install " + std::to_string(layer.packages.size()) + " packages" +
                           (lock_.layers.size() > 1 ? " of " + layer.name : ""));
      step.item = i;
      step.parameters.push_back("version " + std::to_string(options_.install_version));
      step.parameters.push_back(line("distro", manifest_.base.distro + " " + manifest_.base.arch));
      for (const std::string& selection : manifest_.packages.debconf)
        step.parameters.push_back(line("debconf", selection));
      for (const std::string& request : layer.requests) step.parameters.push_back(line("request", request));
      for (const LockedPackage& package : layer.packages) {
        const std::string marks = std::string(package.automatic ? " auto" : "") +
                                  (package.bootstrap ? " bootstrap" : "") +
                                  (package.tag.empty() ? "" : " tag " + package.tag);
        const std::string label = package.name + " " + package.version + " " + package.arch;
        step.parameters.push_back(line("package", label + " " + package.sha256.hex() + marks));
        step.fetches.emplace_back(package.name + " " + package.version, package.sha256);
      }
    }
  }

  void add_system() {
    const SystemSpec& system = manifest_.system;
    Step step{.id = "system", .title = "system settings and accounts", .kind = StepKind::system};
    if (!system.timezone.empty()) step.parameters.push_back(line("timezone", system.timezone));
    if (!system.locale.empty()) step.parameters.push_back(line("locale", system.locale));
    if (!system.hostname.empty()) step.parameters.push_back(line("hostname", system.hostname));
    if (manifest_.base.image_sources != std::vector<std::string>{"none"}) {
      step.parameters.push_back(line("sources", join(manifest_.base.image_sources, "\n")));
      for (const LockedRepository& repository : lock_.repositories)
        step.parameters.push_back(
            line("repository", repository.suite + " " + std::to_string(repository.date)));
    }
    for (const UserSpec& user : manifest_.users)
      step.parameters.push_back(line("user", user.name + "\n" + (user.uid ? std::to_string(*user.uid) : "-") +
                                                 "\n" + join(user.groups, ",") + "\n" + user.shell + "\n" +
                                                 user.home + "\n" + join(user.authorized_keys, "\n")));
    if (!step.parameters.empty()) graph_.steps.push_back(std::move(step));
    if (system.locales.empty()) return;
    Step& locales = add(StepKind::locales, "locales", "generate locales");
    for (const std::string& locale : system.locales) locales.parameters.push_back(line("locale", locale));
  }

  void add_python() {
    if (lock_.wheels.empty()) return;
    Step& step = add(StepKind::python, "python",
                     "install " + std::to_string(lock_.wheels.size()) + " Python packages");
    step.parameters = {"version 1", line("target", manifest_.python.target)};
    for (const int level : manifest_.python.optimize)
      step.parameters.push_back("optimize " + std::to_string(level));
    for (const LockedWheel& wheel : lock_.wheels) {
      step.parameters.push_back(line("file", wheel.file + " " + wheel.sha256.hex()));
      step.fetches.emplace_back(wheel.file, wheel.sha256);
    }
  }

  void add_node() {
    if (lock_.modules.empty()) return;
    Step& step =
        add(StepKind::node, "node", "install " + std::to_string(lock_.modules.size()) + " npm packages");
    step.parameters = {"version 1", line("target", manifest_.node.target)};
    for (const LockedModule& module : lock_.modules) {
      step.parameters.push_back(line("package", module.path + " " + module.sha256.hex()));
      for (const std::string& bin : module.bins) step.parameters.push_back(line("bin", bin));
      step.fetches.emplace_back(module.name + " " + module.version, module.sha256);
    }
  }

  void add_archive(std::size_t index) {
    const ArchiveSpec& archive = manifest_.archives[index];
    Step& step = add(StepKind::archive, "archive:" + archive.name, "unpack " + archive.name);
    step.item = index;
    step.parameters = {line("target", archive.target), line("owner", archive.owner),
                       "strip " + std::to_string(archive.strip)};
    for (const LockedArchive& locked : lock_.archives) {
      if (locked.name != archive.name) continue;
      step.parameters.push_back("sha256 " + locked.sha256.hex());
      if (archive.source.empty()) step.fetches.emplace_back(archive.name, locked.sha256);
    }
  }

  void add_run(std::size_t index) {
    const RunSpec& run = manifest_.runs[index];
    Step& step = add(StepKind::run, "run:" + run.name, "run " + run.name);
    step.item = index;
    step.parameters = {line("user", run.user), run.network ? "network yes" : "network no"};
    if (!run.script.empty()) step.parameters.push_back(line("script", run.script));
    if (!run.source.empty()) add_inputs(step, run.source);
    for (const auto& [name, value] : run.env) step.parameters.push_back(line("env", name + "=" + value));
    for (const std::string& input : run.inputs) add_inputs(step, input);
  }

  void add_boot() {
    Step& step = add(StepKind::boot, "boot", "put in what starts the disk");
    step.parameters = {"version 1", "seed " + sha256(lock_text_).hex(),
                       line("filesystem", manifest_.image.filesystem + " " + manifest_.image.subvolume),
                       line("cmdline", manifest_.boot.cmdline), firmware()};
    Step& loader = add(StepKind::boot_loader, "boot:loader", "make GRUB's cores");
    loader.parameters = {"version 1", line("filesystem", manifest_.image.filesystem), firmware()};
  }

  [[nodiscard]] std::string firmware() const {
    return "firmware " + manifest_.base.arch + (manifest_.boot.bios ? " bios" : "") +
           (manifest_.boot.uefi ? " uefi" : "");
  }

  void add_remove() {
    if (!lock_.removed.empty()) {
      Step& step =
          add(StepKind::remove, "remove", "purge " + std::to_string(lock_.removed.size()) + " packages");
      for (const std::string& name : lock_.removed) step.parameters.push_back(line("package", name));
    }
    if (!manifest_.packages.exclude_paths.empty()) {
      Step& step = add(StepKind::exclude, "exclude", "leave out excluded paths");
      for (const std::string& glob : manifest_.packages.exclude_paths)
        step.parameters.push_back(line("path", glob));
    }
  }

  void add_init() {
    const InitSpec& init = manifest_.init;
    if (init.program == InitSpec::Program::none) return;
    Step& step = add(StepKind::init, "init", "put in the init");
    step.parameters = {"version 3",
                       init.program == InitSpec::Program::aleph ? "program aleph" : "program distro",
                       line("settings", options_.init_settings)};
    for (const LockedGuestFile& file : lock_.guest_files)
      step.parameters.push_back(line("file", file.name + " " + file.sha256.hex()));
    for (const PluginSpec& plugin : init.plugins) {
      if (!plugin.source.empty()) add_inputs(step, plugin.source);
      for (const std::string& file : plugin.files) add_inputs(step, file);
    }
    for (const std::string* path : {&init.sdk_plugins, &init.init0_plugin})
      if (!path->empty()) add_inputs(step, *path);
    if (!has_python()) return;
    Step& worker = add(StepKind::worker, "init:worker", "compile the ASGI worker");
    worker.parameters = {"version 1"};
    if (const int level = manifest_.python.optimize.front(); level > 0)
      worker.parameters.push_back("optimize " + std::to_string(level));
  }

  [[nodiscard]] bool has_python() const {
    for (const LockedLayer& layer : lock_.layers)
      for (const LockedPackage& package : layer.packages)
        if (package.name == "python3" || package.name == "python3-minimal") return true;
    return false;
  }

  void add_normalize() {
    Step& step = add(StepKind::normalize, "normalize", "normalize");
    step.parameters = {"epoch " + std::to_string(lock_.epoch)};
    if (manifest_.image.embed_recipe) step.parameters.push_back("recipe " + sha256(lock_text_).hex());
  }

  void add_write() {
    const ImageSpec& image = manifest_.image;
    Step& step = add(StepKind::write, "write", "write " + image.format);
    step.parameters = {"format " + image.format, "time " + std::to_string(lock_.source_date_epoch)};
    if (image.format == "tar" || image.format == "dir") return;
    step.parameters.push_back("compression " + image.compression + " " + std::to_string(image.level));
    if (image.format == "squashfs")
      step.parameters.push_back("block " + std::to_string(image.block_size));
    else
      add_filesystem(step);
    if (image.verity) step.parameters.push_back("verity " + sha256(lock_text_).hex());
    for (const std::string& tool : options_.tools) step.parameters.push_back(line("tool", tool));
  }

  void add_filesystem(Step& step) const {
    const ImageSpec& image = manifest_.image;
    step.parameters.push_back("seed " + sha256(lock_text_).hex());
    step.parameters.push_back("size " + (image.size ? std::to_string(*image.size) : "-"));
    step.parameters.push_back(line("label", image.label));
    step.parameters.push_back(line("subvolume", image.subvolume));
    if (!is_disk(image.format)) return;
    step.parameters.push_back(line("filesystem", image.filesystem));
    step.parameters.push_back("esp " + std::to_string(manifest_.boot.esp_size));
    step.parameters.push_back(firmware());
  }

  const Manifest& manifest_;
  const Lock& lock_;
  const std::string& lock_text_;
  const PlanOptions& options_;
  BuildGraph graph_;
};

}  // namespace

BuildGraph plan(const Manifest& manifest, const Lock& lock, const std::string& lock_text,
                const PlanOptions& options) {
  return Planner(manifest, lock, lock_text, options).run();
}

std::string key_text(const Step& step, const std::vector<Digest>& inputs) {
  std::string text = "alephc-key 1\nkind " + std::string(kind_name(step.kind)) + "\nstep-time " +
                     std::to_string(kStepTime) + "\n";
  for (const std::string& parameter : step.parameters) text += parameter + "\n";
  for (const Digest& input : inputs) text += "input " + input.hex() + "\n";
  return text;
}

const char* kind_name(StepKind kind) {
  switch (kind) {
    using enum StepKind;
    case early_files:
      return "early-files";
    case install:
      return "install";
    case system:
      return "system";
    case locales:
      return "locales";
    case python:
      return "python";
    case archive:
      return "archive";
    case node:
      return "node";
    case files:
      return "files";
    case run:
      return "run";
    case boot:
      return "boot";
    case boot_loader:
      return "boot-loader";
    case remove:
      return "remove";
    case exclude:
      return "exclude";
    case init:
      return "init";
    case worker:
      return "worker";
    case normalize:
      return "normalize";
    case subtree:
      return "subtree";
    case write:
      return "write";
  }
  return "";
}

}  // namespace alephc
