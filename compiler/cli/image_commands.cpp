// SPDX-License-Identifier: MIT
#include <algorithm>
#include <map>

#include "base/cid.hpp"
#include "base/files.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/command.hpp"
#include "cli/command_line.hpp"
#include "cli/version.hpp"
#include "evidence/receipt.hpp"
#include "image/image_format.hpp"
#include "lock/lock_file.hpp"
#include "pipeline/build.hpp"
#include "sbom/sbom.hpp"
#include "tree/listing_text.hpp"

namespace alephc {
namespace {

std::string folder_of(const std::string& path, std::size_t depth) {
  std::vector<std::string> parts = split(path, '/');
  if (parts.size() <= depth) return parts.size() > 1 ? join({parts.begin(), parts.end() - 1}, "/") : "";
  parts.resize(depth);
  return join(parts, "/");
}

using Sizes = std::vector<std::pair<std::uint64_t, std::string>>;

Sizes sorted(const std::map<std::string, std::uint64_t>& sizes) {
  Sizes out;
  for (const auto& [name, size] : sizes) out.emplace_back(size, name);
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  return out;
}

struct Inspection {
  std::string format{};
  TreeDigest tree{};
  std::size_t entries = 0;
  std::uint64_t content = 0;
  std::string system{};
  std::size_t packages = 0;
  bool has_recipe = false;
  SbomSubject subject{};
  Sizes folders{};
  Sizes by_package{};
};

void count_packages(const ImageContent& content, Inspection& out) {
  std::map<std::string, std::uint64_t> sizes;
  out.subject.installed = read_installed(content.listing, content.texts);
  for (const InstalledPackage& package : out.subject.installed) {
    ++out.packages;
    std::uint64_t& size = sizes[package.name];
    for (const std::string& path : package.paths) {
      const Entry* entry = find_entry(content.listing, path);
      if (entry != nullptr && entry->type == EntryType::regular) size += entry->size;
    }
  }
  out.by_package = sorted(sizes);
}

/// Of a line of os-release, "KEY=VALUE" or "KEY=\"VALUE\"". (os-release(5))
std::string value_of(const std::string& line) {
  const std::string value = line.substr(line.find('=') + 1);
  const bool quoted =
      value.size() > 1 && (value.front() == '"' || value.front() == '\'') && value.back() == value.front();
  return printable(quoted ? value.substr(1, value.size() - 2) : value);
}

Inspection inspect(const std::filesystem::path& file, unsigned jobs) {
  const auto wanted = [](const std::string& path) {
    return is_package_database(path) || path == "usr/lib/os-release" ||
           path == "usr/share/alephc/runtime.lock";
  };
  const ImageContent content = read_image(file, {.jobs = jobs, .wanted = wanted});
  Inspection out{
      .format = content.format, .tree = tree_digest(content.listing, content.outside), .entries = content.listing.size()};
  std::map<std::string, std::uint64_t> folders;
  for (const Entry& entry : content.listing) {
    if (entry.type != EntryType::regular || !entry.hard_link.empty()) continue;
    out.content += entry.size;
    folders["/" + folder_of(entry.path, 2)] += entry.size;
  }
  out.folders = sorted(folders);
  const auto release = content.texts.find("usr/lib/os-release");
  for (const std::string& line : split(release == content.texts.end() ? "" : release->second, '\n'))
    if (line.starts_with("PRETTY_NAME="))
      out.system = value_of(line);
    else if (line.starts_with("ID="))
      out.subject.system_id = value_of(line);
    else if (line.starts_with("VERSION_CODENAME="))
      out.subject.system_version = value_of(line);
  const auto lock = content.texts.find("usr/share/alephc/runtime.lock");
  out.has_recipe = lock != content.texts.end();
  if (out.has_recipe) out.subject.lock = parse_lock("the image's runtime.lock", lock->second);
  out.subject.tree = out.tree;
  count_packages(content, out);
  return out;
}

void put_sizes(std::string& out, const std::string& title, const Sizes& sizes) {
  constexpr std::size_t kShown = 25;
  out += title + "\n";
  for (std::size_t i = 0; i < sizes.size() && i < kShown; ++i) {
    const std::string size = human_size(sizes[i].first);
    out += std::string(size.size() < 12 ? 12 - size.size() : 1, ' ') + size + "  " + sizes[i].second + "\n";
  }
}

/// The lock beside an image, or of the project in the current folder, if the image was built by it.
std::optional<Lock> lock_of_receipt(const std::filesystem::path& image, const Receipt& receipt) {
  for (const std::filesystem::path& folder : {image.parent_path(), std::filesystem::path()})
    if (const auto text = read_file_if_exists(folder / "runtime.lock"); text && sha256(*text) == receipt.lock)
      return parse_lock((folder / "runtime.lock").string(), *text);
  return std::nullopt;
}

/// Name and version are in no image: they come from the receipt beside it, if it is of these bytes. So does
/// the lock of an image without its recipe.
std::string sbom_text(const std::filesystem::path& file, Inspection& found, const std::string& form,
                      const CommandContext& context) {
  SbomSubject& subject = found.subject;
  subject.tool_version = version();
  subject.name = file.filename().string();
  if (!std::filesystem::is_directory(file)) subject.sha256 = hash_file(file, context.settings.jobs).sha256;
  const std::string receipt_file = file.string() + ".receipt.json";
  if (const auto text = read_file_if_exists(receipt_file)) {
    const Receipt receipt = parse_receipt(receipt_file, *text);
    if (receipt.image.sha256 == subject.sha256) {
      subject.name = receipt.name;
      subject.version = receipt.version;
      if (!subject.lock) subject.lock = lock_of_receipt(file, receipt);
    }
  }
  if (!subject.lock)
    context.reporter.diagnostic(
        {.severity = Severity::warning,
         .message =
             "the image holds no recipe, so only what its system's own package database lists is known",
         .hint = "run this in the folder of its runtime.lock, with the image's receipt beside it"});
  return form == "spdx" ? spdx_text(subject) : cyclonedx_text(subject);
}

Json sizes_json(const Sizes& sizes) {
  Json json = Json::object();
  for (const auto& [size, name] : sizes) json[name] = size;
  return json;
}

}  // namespace

bool is_project(const std::filesystem::path& path) {
  return (std::filesystem::is_directory(path) && std::filesystem::exists(path / "runtime.toml")) ||
         path.extension() == ".toml";
}

std::filesystem::path image_of(const std::string& path, CommandContext& context) {
  if (is_project(path))
    return build_runtime({.path = path}, Session(context.settings, context.reporter)).image;
  if (!std::filesystem::exists(path)) throw Error(ErrorKind::usage, "no such file: " + path);
  return path;
}

CommandAction add_hash(ArgumentParser& parser) {
  auto path = std::make_shared<std::string>();
  parser.add_option("FILE", *path, "Any file").required();
  return [path](CommandContext& context) {
    const FileHashes hashes = hash_file(*path, context.settings.jobs);
    if (context.options.json)
      print(json_text(Json{{"file", *path},
                           {"size", hashes.size},
                           {"sha256", hashes.sha256.hex()},
                           {"cid_v0", hashes.cid_v0},
                           {"cid_v1", hashes.cid_v1}}) +
            "\n");
    else
      print("sha256  " + hashes.sha256.hex() + "\ncid v0  " + hashes.cid_v0 + "\ncid v1  " + hashes.cid_v1 +
            "\n");
    return 0;
  };
}

CommandAction add_tree(ArgumentParser& parser) {
  auto path = std::make_shared<std::string>();
  parser.add_option("IMAGE", *path, "An image, a folder, or a project that is built first").required();
  return [path](CommandContext& context) {
    const ImageContent content = read_image(image_of(*path, context), {.jobs = context.settings.jobs});
    const std::string text = tree_text(content.listing);
    const TreeDigest digest = tree_digest(content.listing, content.outside);
    const bool is_disk = !digest.outside.is_zero();
    if (context.options.json) {
      Json json{{"image", *path}, {"tree", digest.text()}};
      if (is_disk) json["outside"] = digest.outside.hex();
      json["listing"] = text;
      print(json_text(json) + "\n");
    } else {
      print(text + (is_disk ? "# outside " + digest.outside.hex() + "\n" : "") + "# tree digest " + digest.text() +
            "\n");
    }
    return 0;
  };
}

CommandAction add_inspect(ArgumentParser& parser) {
  struct Arguments {
    std::string path{};
    bool sizes = false;
    std::string sbom{};
  };
  auto arguments = std::make_shared<Arguments>();
  parser.add_option("IMAGE", arguments->path, "An image, a folder, or a project that is built first")
      .required();
  parser
      .add_option("--sbom", arguments->sbom,
                  "Print a bill of materials instead: SPDX 2.3 or CycloneDX 1.5, as JSON")
      .one_of({"spdx", "cyclonedx"});
  parser.add_flag("--sizes", arguments->sizes, "What takes the space, by folder and by package");
  return [arguments](CommandContext& context) {
    const std::filesystem::path file = image_of(arguments->path, context);
    Inspection found = inspect(file, context.settings.jobs);
    if (!arguments->sbom.empty()) {
      print(sbom_text(file, found, arguments->sbom, context));
      return 0;
    }
    if (context.options.json) {
      Json json{{"image", file.string()},     {"format", found.format},    {"tree", found.tree.text()},
                {"entries", found.entries},   {"content", found.content},  {"system", found.system},
                {"packages", found.packages}, {"recipe", found.has_recipe}};
      if (!found.tree.outside.is_zero()) json["outside"] = found.tree.outside.hex();
      if (arguments->sizes) {
        json["folders"] = sizes_json(found.folders);
        json["by_package"] = sizes_json(found.by_package);
      }
      print(json_text(json) + "\n");
      return 0;
    }
    std::string out = "format    " + found.format + "\nsystem    " +
                      (found.system.empty() ? "unknown" : found.system) + "\npackages  " +
                      std::to_string(found.packages) + "\npaths     " + std::to_string(found.entries) +
                      "\ncontent   " + human_size(found.content) + "\nrecipe    " +
                      (found.has_recipe ? "embedded in /usr/share/alephc" : "not embedded") + "\ntree      " +
                      found.tree.text() + "\n";
    if (!found.tree.outside.is_zero()) out += "outside   " + found.tree.outside.hex() + "\n";
    if (arguments->sizes) {
      put_sizes(out, "\nby folder", found.folders);
      put_sizes(out, "\nby package", found.by_package);
    }
    print(out);
    return 0;
  };
}

}  // namespace alephc
