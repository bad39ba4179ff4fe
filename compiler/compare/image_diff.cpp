// SPDX-License-Identifier: MIT
#include "compare/image_diff.hpp"

#include <algorithm>
#include <future>
#include <set>

#include "base/text.hpp"
#include "compare/causes.hpp"
#include "image/image_format.hpp"

namespace alephc {
namespace {

// Contents are read for causes only: of so many files, each up to so many bytes.
constexpr std::size_t kMostContents = 2000;
constexpr std::uint64_t kMostBytes = 4U << 20U;
constexpr std::size_t kLinesShown = 4;

std::string arrow(const std::string& name, const std::string& before, const std::string& after) {
  return name + " " + (before.empty() ? "none" : before) + " → " + (after.empty() ? "none" : after);
}

std::string type_name(EntryType type) {
  switch (type) {
    using enum EntryType;
    case directory:
      return "folder";
    case regular:
      return "file";
    case symlink:
      return "symlink";
    case char_device:
      return "character device";
    case block_device:
      return "block device";
    case fifo:
      return "fifo";
    case whiteout:
      return "whiteout";
  }
  return "";
}

std::string xattr_names(const Entry& entry) {
  std::vector<std::string> names;
  for (const Xattr& xattr : entry.xattrs) names.push_back(xattr.name);
  return join(names, ",");
}

std::string owner_text(const Entry& entry) {
  return std::to_string(entry.uid) + ":" + std::to_string(entry.gid);
}

std::vector<FieldChange> changed_fields(const ImageFacts& a, const ImageFacts& b) {
  std::vector<FieldChange> changes;
  if (a.format != b.format) changes.push_back({"format", a.format, b.format});
  if (a.size != b.size) changes.push_back({"size", std::to_string(a.size), std::to_string(b.size)});
  if (a.format != b.format || a.filesystem.size() != b.filesystem.size()) return changes;
  for (std::size_t i = 0; i < a.filesystem.size(); ++i)
    if (a.filesystem[i] != b.filesystem[i])
      changes.push_back({a.filesystem[i].first, a.filesystem[i].second, b.filesystem[i].second});
  return changes;
}

std::vector<PackageChange> changed_packages(const ImageFacts& a, const ImageFacts& b) {
  std::map<std::string, PackageChange> changes;
  for (const InstalledPackage& package : a.packages)
    changes[package.name] = {package.name, package.version + " " + package.arch, ""};
  for (const InstalledPackage& package : b.packages) {
    PackageChange& change = changes[package.name];
    change.name = package.name;
    change.after = package.version + " " + package.arch;
  }
  std::vector<PackageChange> out;
  for (auto& [name, change] : changes)
    if (change.before != change.after) out.push_back(std::move(change));
  return out;
}

bool content_differs(const PathChange& change) {
  return change.kind == PathChange::Kind::changed &&
         std::find(change.what.begin(), change.what.end(), "content") != change.what.end();
}

/// Paths whose contents are to be looked at.
std::set<std::string> worth_reading(const ImageDiff& diff) {
  std::set<std::string> paths;
  for (const PathChange& change : diff.paths) {
    if (!content_differs(change) || paths.size() >= kMostContents) continue;
    const Entry* before = find_entry(diff.a.listing, change.path);
    const Entry* after = find_entry(diff.b.listing, change.path);
    if (before->size <= kMostBytes && after->size <= kMostBytes) paths.insert(change.path);
  }
  return paths;
}

using Texts = std::map<std::string, std::string>;

Texts read_texts(const std::filesystem::path& image, const std::set<std::string>& paths, unsigned jobs) {
  if (paths.empty()) return {};
  const auto wanted = [&](const std::string& path) { return paths.contains(path); };
  return read_image(image, {.jobs = jobs, .wanted = wanted, .only_wanted = true}).texts;
}

const std::string* text_of(const Texts& texts, const std::string& path) {
  const auto it = texts.find(path);
  return it == texts.end() ? nullptr : &it->second;
}

std::string version_cause(const ImageDiff& diff, const std::string& package) {
  for (const PackageChange& change : diff.packages) {
    if (change.name != package) continue;
    if (change.before.empty()) return "the package " + package + " is in the second image only";
    if (change.after.empty()) return "the package " + package + " is in the first image only";
    return "another version of the package " + package;
  }
  return {};
}

std::string metadata_cause(const PathChange& change) {
  const auto has = [&](std::string_view word) {
    return std::any_of(change.what.begin(), change.what.end(),
                       [&](const std::string& what) { return what.starts_with(word); });
  };
  if (change.kind != PathChange::Kind::changed) return {};
  if (has("owner")) return "accounts were made in another order, or files copied with the owner they had";
  if (has("mode")) return "another umask, or modes taken from a working copy";
  return {};
}

void read_both(ImageDiff& diff, const std::filesystem::path& a, const std::filesystem::path& b,
               unsigned jobs) {
  auto first = std::async(std::launch::async, [&] { return read_outside(a); });
  diff.b = read_outside(b);
  diff.a = first.get();
  diff.same_bytes = !diff.a.sha256.is_zero() && diff.a.sha256 == diff.b.sha256;
  if (diff.same_bytes) {
    read_inside(diff.a, jobs);
    diff.b = diff.a;
    diff.b.path = b;
    return;
  }
  auto inside = std::async(std::launch::async, [&] { read_inside(diff.a, jobs); });
  read_inside(diff.b, jobs);
  inside.get();
}

void explain(ImageDiff& diff, const StepOfPath& steps, unsigned jobs) {
  const std::set<std::string> paths = worth_reading(diff);
  auto before = std::async(std::launch::async, [&] { return read_texts(diff.a.path, paths, jobs); });
  const Texts after = read_texts(diff.b.path, paths, jobs);
  const Texts first = before.get();
  for (PathChange& change : diff.paths) {
    for (const ImageFacts* facts : {&diff.a, &diff.b})
      if (const auto it = facts->owners.find(change.path); it != facts->owners.end())
        change.package = it->second;
    if (const auto it = steps.find(change.path); it != steps.end()) change.step = it->second;
    const std::string* a = text_of(first, change.path);
    const std::string* b = text_of(after, change.path);
    change.cause = version_cause(diff, change.package);
    if (change.cause.empty()) change.cause = likely_cause(change.path, a, b);
    if (change.cause.empty()) change.cause = metadata_cause(change);
    if (a != nullptr && b != nullptr) change.lines = differing_lines(*a, *b, kLinesShown);
  }
}

}  // namespace

std::vector<std::string> entry_changes(const Entry& before, const Entry& after) {
  std::vector<std::string> what;
  const auto compare = [&](const std::string& name, const std::string& a, const std::string& b) {
    if (a != b) what.push_back(arrow(name, a, b));
  };
  compare("type", type_name(before.type), type_name(after.type));
  if (before.content != after.content) what.emplace_back("content");
  compare("size", std::to_string(before.size), std::to_string(after.size));
  compare("mode", octal(before.mode), octal(after.mode));
  compare("owner", owner_text(before), owner_text(after));
  compare("link", before.link_target, after.link_target);
  compare("device", std::to_string(before.major) + ":" + std::to_string(before.minor),
          std::to_string(after.major) + ":" + std::to_string(after.minor));
  compare("hard link", before.hard_link, after.hard_link);
  if (before.xattrs != after.xattrs)
    what.push_back(arrow("attributes", xattr_names(before), xattr_names(after)));
  return what;
}

std::vector<PathChange> compare_listings(const Listing& before, const Listing& after) {
  std::vector<PathChange> changes;
  auto a = before.begin();
  auto b = after.begin();
  while (a != before.end() || b != after.end()) {
    if (b == after.end() || (a != before.end() && a->path < b->path)) {
      changes.push_back({.path = a->path, .kind = PathChange::Kind::removed, .what = {type_name(a->type)}});
      ++a;
    } else if (a == before.end() || b->path < a->path) {
      changes.push_back({.path = b->path, .kind = PathChange::Kind::added, .what = {type_name(b->type)}});
      ++b;
    } else {
      std::vector<std::string> what = entry_changes(*a, *b);
      if (!what.empty()) changes.push_back({.path = a->path, .what = std::move(what)});
      ++a;
      ++b;
    }
  }
  return changes;
}

ImageDiff compare_images(const std::filesystem::path& a, const std::filesystem::path& b,
                         const StepsOfImage& steps, unsigned jobs) {
  ImageDiff diff;
  read_both(diff, a, b, jobs);
  diff.same_tree = diff.a.tree.v2 == diff.b.tree.v2;
  diff.other_outside = !diff.a.tree.outside.is_zero() && !diff.b.tree.outside.is_zero() &&
                       diff.a.tree.outside != diff.b.tree.outside;
  diff.filesystem = changed_fields(diff.a, diff.b);
  diff.packages = changed_packages(diff.a, diff.b);
  if (diff.same_tree) return diff;
  diff.paths = compare_listings(diff.a.listing, diff.b.listing);
  StepOfPath known = steps(diff.b);
  known.merge(steps(diff.a));
  explain(diff, known, jobs);
  return diff;
}

std::string ImageDiff::conclusion() const {
  if (same_bytes) return "The two images are the same, byte for byte.";
  if (same_tree && other_outside)
    return "The trees are the same; what the disks have outside their filesystems differs (boot code, partition "
           "tables, gaps or other partitions).";
  if (same_tree && a.sha256.is_zero() && b.sha256.is_zero()) return "The two trees are the same.";
  if (same_tree)
    return "The trees are the same; the images around them differ" +
           std::string(filesystem.empty() ? " (order of blocks, or another version of a library)." : ".");
  return std::to_string(paths.size()) + (paths.size() == 1 ? " path differs" : " paths differ") +
         (packages.empty() ? "."
                           : "; " + std::to_string(packages.size()) +
                                 (packages.size() == 1 ? " package differs." : " packages differ."));
}

}  // namespace alephc
