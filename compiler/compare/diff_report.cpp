// SPDX-License-Identifier: MIT
#include "compare/diff_report.hpp"

#include <algorithm>
#include <map>

#include "base/json.hpp"
#include "base/text.hpp"
#include "compare/diff_template.hpp"

namespace alephc {
namespace {

const char* kind_word(PathChange::Kind kind) {
  switch (kind) {
    case PathChange::Kind::added:
      return "added";
    case PathChange::Kind::removed:
      return "removed";
    case PathChange::Kind::changed:
      return "changed";
  }
  return "";
}

std::string group_of(const PathChange& change) {
  if (!change.step.empty() && !change.package.empty())
    return "step " + change.step + ", package " + printable(change.package);
  if (!change.step.empty()) return "step " + change.step;
  if (!change.package.empty()) return "package " + printable(change.package);
  return "no package";
}

std::string hash_text(const ImageFacts& facts) {
  return facts.sha256.is_zero() ? "a folder" : facts.sha256.hex();
}

std::string path_line(const PathChange& change) {
  const char mark = change.kind == PathChange::Kind::added     ? '+'
                    : change.kind == PathChange::Kind::removed ? '-'
                                                               : '~';
  std::string out = std::string("    ") + mark + " /" + printable(change.path) + "  (" +
                    printable(join(change.what, ", ")) + ")\n";
  if (!change.cause.empty()) out += "        likely: " + change.cause + "\n";
  for (const std::string& line : split(change.lines, '\n'))
    if (!line.empty()) out += "        " + printable(line) + "\n";
  return out;
}

Json facts_json(const ImageFacts& facts) {
  Json json{{"path", facts.path.string()}, {"format", facts.format}, {"size", facts.size}};
  json["sha256"] = facts.sha256.is_zero() ? Json(nullptr) : Json(facts.sha256.hex());
  json["tree"] = facts.tree.text();
  if (!facts.tree.outside.is_zero()) json["outside"] = facts.tree.outside.hex();
  json["paths"] = facts.listing.size();
  json["packages"] = facts.packages.size();
  return json;
}

}  // namespace

std::string diff_text(const ImageDiff& diff) {
  std::string out = diff.conclusion() + "\n\n";
  out += "bytes       " + std::string(diff.same_bytes ? "same" : "differ") + "\n";
  out += "  a         " + hash_text(diff.a) + "  " + diff.a.path.string() + "\n";
  out += "  b         " + hash_text(diff.b) + "  " + diff.b.path.string() + "\n";
  if (diff.same_bytes) return out;
  out += "filesystem  " + std::string(diff.filesystem.empty() ? "same fields" : "differs") + "\n";
  for (const FieldChange& field : diff.filesystem)
    out += "  " + field.name + ": " + field.before + " → " + field.after + "\n";
  out += "tree        " + std::string(diff.same_tree ? "same" : "differs") + "\n";
  out += "  a         " + diff.a.tree.text() + "\n  b         " + diff.b.tree.text() + "\n";
  if (diff.other_outside) out += "outside     differs: boot code, partition tables, gaps or other partitions\n";
  if (!diff.packages.empty()) out += "packages\n";
  for (const PackageChange& change : diff.packages) {
    if (change.before.empty())
      out += "  + " + printable(change.name) + " " + change.after + "\n";
    else if (change.after.empty())
      out += "  - " + printable(change.name) + " " + change.before + "\n";
    else
      out += "  ~ " + printable(change.name) + " " + change.before + " → " + change.after + "\n";
  }
  std::map<std::string, std::string> groups;
  for (const PathChange& change : diff.paths) groups[group_of(change)] += path_line(change);
  if (!groups.empty()) out += "paths\n";
  for (const auto& [name, lines] : groups) out += "  " + name + "\n" + lines;
  return out;
}

std::string diff_json(const ImageDiff& diff) {
  Json json{
      {"same_bytes", diff.same_bytes}, {"same_tree", diff.same_tree}, {"conclusion", diff.conclusion()}};
  json["other_outside"] = diff.other_outside;
  json["a"] = facts_json(diff.a);
  json["b"] = facts_json(diff.b);
  json["filesystem"] = Json::array();
  for (const FieldChange& field : diff.filesystem)
    json["filesystem"].push_back({{"field", field.name}, {"a", field.before}, {"b", field.after}});
  json["packages"] = Json::array();
  for (const PackageChange& change : diff.packages)
    json["packages"].push_back({{"name", change.name}, {"a", change.before}, {"b", change.after}});
  json["paths"] = Json::array();
  for (const PathChange& change : diff.paths)
    json["paths"].push_back({{"path", "/" + change.path},
                             {"kind", kind_word(change.kind)},
                             {"what", change.what},
                             {"step", change.step},
                             {"package", change.package},
                             {"cause", change.cause},
                             {"lines", change.lines}});
  return json_text(json) + "\n";
}

std::string diff_page(const ImageDiff& diff) {
  // In a script element "</" would end it early, and "<!--" change how the rest is read.
  std::string data = diff_json(diff);
  for (std::size_t at = data.find('<'); at != std::string::npos; at = data.find('<', at))
    data.replace(at, 1, "\\u003c");
  std::string page(diff_template());
  const std::string mark = "/*DATA*/";
  return page.replace(page.find(mark), mark.size(), data);
}

}  // namespace alephc
