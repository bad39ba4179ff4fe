// SPDX-License-Identifier: MIT
#include "evidence/statement.hpp"

#include "base/diagnostic.hpp"
#include "base/json.hpp"
#include "base/text.hpp"

namespace alephc {
namespace {

constexpr const char* kStatement = "https://in-toto.io/Statement/v1";
constexpr const char* kProvenance = "https://slsa.dev/provenance/v1";
constexpr const char* kBuildType = "urn:alephc:build:1";
constexpr const char* kBuilder = "urn:alephc:builder";

Json dependency(const std::string& name, const std::string& uri, const Digest& digest) {
  return {{"name", name}, {"uri", uri}, {"digest", {{"sha256", digest.hex()}}}};
}

Json dependencies(const Lock& lock) {
  Json list = Json::array();
  for (const LockedRepository& repository : lock.repositories)
    list.push_back(dependency("index", "urn:alephc:index:" + repository.name + ":" + repository.suite,
                              repository.index));
  for (const LockedPackage& package : lock.packages())
    list.push_back(dependency(
        package.name, "urn:alephc:package:" + package.name + ":" + package.version + ":" + package.arch,
        package.sha256));
  for (const LockedWheel& wheel : lock.wheels)
    list.push_back(dependency(wheel.name, "urn:alephc:python:" + wheel.file, wheel.sha256));
  for (const LockedModule& module : lock.modules)
    list.push_back(
        dependency(module.name, "urn:alephc:npm:" + module.name + ":" + module.version, module.sha256));
  for (const LockedArchive& archive : lock.archives)
    list.push_back(dependency(archive.name, "urn:alephc:archive:" + archive.name, archive.sha256));
  for (const LockedGuestFile& file : lock.guest_files)
    list.push_back(dependency(file.name, "urn:alephc:init:" + file.name, file.sha256));
  for (const LockedInput& input : lock.inputs)
    list.push_back(dependency(input.path, "urn:alephc:input:" + input.path, input.sha256));
  return list;
}

Json subject(const Receipt& receipt) {
  Json out{{"name", receipt.name + "-" + receipt.version + "." + receipt.format},
           {"digest", {{"sha256", receipt.image.sha256.hex()}}}};
  if (!receipt.image.cid_v0.empty())
    out["annotations"] = {{"cid_v0", receipt.image.cid_v0}, {"cid_v1", receipt.image.cid_v1}};
  return out;
}

/// in-toto's names of digests: what the bare hex of each is.
Json tree_digests(const TreeDigest& tree) {
  Json out;
  if (tree.v2.is_zero())
    out["alephcTree"] = tree.v1.hex();
  else
    out["alephcTree2"] = tree.v2.hex();
  if (!tree.outside.is_zero()) out["alephcOutside"] = tree.outside.hex();
  return out;
}

TreeDigest read_tree_digests(const std::string& name, const SortedJson& digests) {
  const std::string v2 = digests.value("alephcTree2", "");
  const auto tree = parse_tree_digest(v2.empty() ? digests.value("alephcTree", "") : "2:" + v2,
                                      digests.value("alephcOutside", ""));
  if (!tree) throw Error(ErrorKind::failed, name + ": the tree is not a digest");
  return *tree;
}

}  // namespace

std::string statement_text(const Receipt& receipt, const Lock& lock) {
  Json json;
  json["_type"] = kStatement;
  json["subject"] = Json::array({subject(receipt)});
  json["predicateType"] = kProvenance;
  Json& definition = json["predicate"]["buildDefinition"];
  definition["buildType"] = kBuildType;
  definition["externalParameters"] = {{"lock", {{"sha256", receipt.lock.hex()}}}, {"format", receipt.format}};
  definition["internalParameters"] = {
      {"epoch", receipt.epoch}, {"source_date_epoch", receipt.source_date_epoch}, {"tools", receipt.tools}};
  definition["resolvedDependencies"] = dependencies(lock);
  Json& details = json["predicate"]["runDetails"];
  details["builder"]["id"] = kBuilder;
  details["byproducts"] = Json::array({{{"name", "tree"}, {"digest", tree_digests(receipt.image.tree)}}});
  return json_text(json);
}

Statement parse_statement(const std::string& name, const std::string& text) {
  const auto json = parse_json(text);
  const auto digest = [&](const SortedJson& value, const char* what) {
    const auto found = Digest::from_hex(value.get<std::string>());
    if (!found) throw Error(ErrorKind::failed, name + ": the " + what + " is not a digest");
    return *found;
  };
  try {
    if (json.at("_type") != kStatement || json.at("predicateType") != kProvenance ||
        json.at("predicate").at("buildDefinition").at("buildType") != kBuildType)
      throw Error(ErrorKind::failed, name + " is not a statement about a build of alephc");
    const auto& predicate = json.at("predicate");
    if (json.at("subject").size() != 1)
      throw Error(ErrorKind::failed, name + " is not a statement about one image");
    const auto& image = json.at("subject").at(0);
    const auto annotations = image.value("annotations", SortedJson::object());
    return {.name = image.at("name"),
            .image = digest(image.at("digest").at("sha256"), "image"),
            .lock = digest(predicate.at("buildDefinition").at("externalParameters").at("lock").at("sha256"),
                           "lock"),
            .tree = read_tree_digests(name, predicate.at("runDetails").at("byproducts").at(0).at("digest")),
            .cid_v0 = annotations.value("cid_v0", ""),
            .cid_v1 = annotations.value("cid_v1", "")};
  } catch (const Json::exception&) {
    throw Error(ErrorKind::failed, name + " is not a statement about a build of alephc");
  }
}

}  // namespace alephc
