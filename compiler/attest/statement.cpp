// SPDX-License-Identifier: MIT
#include "attest/statement.hpp"

#include <nlohmann/json.hpp>

#include "base/diagnostic.hpp"
#include "base/text.hpp"

namespace alephc {
namespace {

using Json = nlohmann::ordered_json;

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
  for (const LockedLayer& layer : lock.layers)
    for (const LockedPackage& package : layer.packages)
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

}  // namespace

std::string statement_text(const Receipt& receipt, const Lock& lock) {
  Json json;
  json["_type"] = kStatement;
  json["subject"] = Json::array({{{"name", receipt.name + "-" + receipt.version + "." + receipt.format},
                                  {"digest", {{"sha256", receipt.image.sha256.hex()}}}}});
  json["predicateType"] = kProvenance;
  Json& definition = json["predicate"]["buildDefinition"];
  definition["buildType"] = kBuildType;
  definition["externalParameters"] = {{"lock", {{"sha256", receipt.lock.hex()}}}, {"format", receipt.format}};
  definition["internalParameters"] = {
      {"epoch", receipt.epoch}, {"source_date_epoch", receipt.source_date_epoch}, {"tools", receipt.tools}};
  definition["resolvedDependencies"] = dependencies(lock);
  Json& details = json["predicate"]["runDetails"];
  details["builder"]["id"] = kBuilder;
  details["byproducts"] =
      Json::array({{{"name", "tree"}, {"digest", {{"alephcTree", receipt.image.tree.hex()}}}}});
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Statement parse_statement(const std::string& name, const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  const auto digest = [&](const nlohmann::json& value, const char* what) {
    const auto found = Digest::from_hex(value.get<std::string>());
    if (!found) throw Error(ErrorKind::failed, name + ": the " + what + " is no digest");
    return *found;
  };
  try {
    if (json.at("_type") != kStatement || json.at("predicateType") != kProvenance ||
        json.at("predicate").at("buildDefinition").at("buildType") != kBuildType)
      throw Error(ErrorKind::failed, name + " is no statement about a build of alephc");
    const auto& predicate = json.at("predicate");
    return {.name = json.at("subject").at(0).at("name"),
            .image = digest(json.at("subject").at(0).at("digest").at("sha256"), "image"),
            .lock = digest(predicate.at("buildDefinition").at("externalParameters").at("lock").at("sha256"),
                           "lock"),
            .tree = digest(predicate.at("runDetails").at("byproducts").at(0).at("digest").at("alephcTree"),
                           "tree")};
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorKind::failed, name + " is no statement about a build of alephc");
  }
}

}  // namespace alephc
