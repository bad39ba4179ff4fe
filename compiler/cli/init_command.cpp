// SPDX-License-Identifier: MIT
#include <filesystem>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/command.hpp"
#include "cli/command_line.hpp"
#include "cli/templates.hpp"
#include "manifest/keys.hpp"
#include "manifest/schema.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDefaultTemplate = "debian-12-minimal";

/// Says hello to the program by a variable: a shell and nothing else is needed.
constexpr const char* kPlugin = R"(#!/bin/sh
# A plugin of the init. It gets what the node configured as JSON on its standard input, and may answer with a patch (RFC 7396).
while read -r line; do :; done
echo '{"variables": {"GREETING": "hello from the plugin"}}'
)";
constexpr const char* kPluginTable = R"(
# Run by the init before the program starts: plugins/greeting may change what it gets.
[[init.plugin]]
name = "greeting"
stage = "before_variables"
source = "plugins/greeting"
)";
constexpr const char* kIgnored =
    "*.squashfs\n*.qcow2\n*.btrfs\n*.tar\n*.publish.json\n*.receipt.json\n!runtime.receipt.json\n";

/// The recipe as a project of its own: another name, a version to begin with, the schema for editors.
std::string manifest_text(std::string_view recipe, const std::string& name) {
  std::string out = "#:schema ./runtime.schema.json\n";
  bool in_runtime = false;
  for (const std::string& line : split(recipe, '\n')) {
    if (line.starts_with('[')) in_runtime = line == "[runtime]";
    if (in_runtime && line.starts_with("name = "))
      out += "name = \"" + name + "\"\n";
    else if (in_runtime && line.starts_with("version = "))
      out += "version = \"0.1.0\"\n";
    else if (!in_runtime || !line.starts_with("license = "))
      out += line + "\n";
  }
  while (out.ends_with("\n\n")) out.pop_back();
  return out;
}

/// A function with a shell; the init of instances is the distribution's own, which knows no plugins.
bool takes_plugin(std::string_view recipe) {
  return recipe.find("kind = \"instance\"") == std::string_view::npos &&
         recipe.find("distro = \"none\"") == std::string_view::npos;
}

/// Path below the folder → text.
using ProjectFiles = std::vector<std::pair<fs::path, std::string>>;

ProjectFiles project_files(const std::string& name, const std::string& recipe) {
  const auto files = template_files(recipe);
  if (files.empty())
    throw Error(ErrorKind::usage, "there is no template '" + recipe + "'",
                "there are: " + join(template_names(), ", "));
  ProjectFiles out;
  for (const auto& [path, text] : files) {
    if (path != "runtime.toml") {
      out.emplace_back(path, text);
      continue;
    }
    const bool plugin = takes_plugin(text);
    out.emplace_back(path, manifest_text(text, name) + (plugin ? kPluginTable : ""));
    if (plugin) out.emplace_back("plugins/greeting", kPlugin);
  }
  out.emplace_back("runtime.schema.json", runtime_schema());
  out.emplace_back(".gitignore", kIgnored);
  return out;
}

/// All of them or none; what is there already is never written over.
void write_project(const fs::path& folder, const ProjectFiles& files) {
  for (const auto& [path, text] : files)
    if (fs::exists(folder / path))
      throw Error(ErrorKind::usage, (folder / path).string() + " exists already");
  for (const auto& [path, text] : files) {
    make_folders((folder / path).parent_path());
    atomic_write(folder / path, text, text.starts_with("#!") ? 0755 : 0644);
  }
}

}  // namespace

CommandAction add_init(ArgumentParser& parser) {
  struct Arguments {
    std::string folder{};
    std::string recipe = kDefaultTemplate;
  };
  auto arguments = std::make_shared<Arguments>();
  parser.add_option("DIR", arguments->folder, "Folder of the new project").required();
  parser.add_option("--template", arguments->recipe, "Recipe to start from: " + join(template_names(), ", "))
      .value_name("NAME");
  return [arguments](CommandContext& context) {
    const fs::path path = fs::absolute(arguments->folder).lexically_normal();
    const std::string name =
        path.filename().empty() ? path.parent_path().filename().string() : path.filename().string();
    if (const auto problem = format_problem(Format::name, name))
      throw Error(ErrorKind::usage, "the folder's name '" + name + "' " + *problem);
    write_project(path, project_files(name, arguments->recipe));
    if (context.options.json)
      print(json_text(Json{{"manifest", (path / "runtime.toml").string()}, {"template", arguments->recipe}}) +
            "\n");
    else
      print("made " + (path / "runtime.toml").string() + "\nnext: alephc build " + arguments->folder + "\n");
    return 0;
  };
}

}  // namespace alephc
