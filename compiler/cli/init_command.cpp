// SPDX-License-Identifier: MIT
#include <filesystem>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "cli/command.hpp"
#include "manifest/keys.hpp"
#include "manifest/schema.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

std::string manifest_text(const std::string& name) {
  return "#:schema ./runtime.schema.json\nschema = 1\n\n[runtime]\nname = \"" + name +
         "\"\nversion = \"0.1.0\"\nextends = [\"stdlib:debian/python\", \"stdlib:debian/slim\"]\n\n"
         "[base]\ndistro = \"debian\"\nrelease = \"bookworm\"\n\n"
         "[packages]\ninstall = []\n\n"
         "[[file]]\ntarget = \"/etc/hosts\"\ncontent = \"127.0.0.1 localhost\\n::1 localhost\\n\"\n";
}

void create(const fs::path& file, const std::string& text) {
  if (fs::exists(file)) throw Error(ErrorKind::usage, file.string() + " exists already");
  atomic_write(file, text);
}

}  // namespace

CommandAction add_init(CLI::App& app) {
  auto folder = std::make_shared<std::string>();
  app.add_option("DIR", *folder, "Folder of the new project")->required();
  return [folder](CommandContext& context) {
    const fs::path path = fs::absolute(*folder).lexically_normal();
    const std::string name =
        path.filename().empty() ? path.parent_path().filename().string() : path.filename().string();
    if (const auto problem = format_problem(Format::name, name))
      throw Error(ErrorKind::usage, "the folder's name '" + name + "' " + *problem);
    make_folders(path);
    create(path / "runtime.toml", manifest_text(name));
    create(path / "runtime.schema.json", runtime_schema());
    create(path / ".gitignore", "*.squashfs\n*.tar\n*.receipt.json\n!runtime.receipt.json\n");
    if (context.options.json)
      print(nlohmann::ordered_json{{"manifest", (path / "runtime.toml").string()}}.dump() + "\n");
    else
      print("made " + (path / "runtime.toml").string() + "\nnext: alephc build " + *folder + "\n");
    return 0;
  };
}

}  // namespace alephc
