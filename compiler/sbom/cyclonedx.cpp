// SPDX-License-Identifier: MIT
// CycloneDX 1.5, as cyclonedx.org/docs/1.5/json has it.
#include "base/dates.hpp"
#include "base/json.hpp"
#include "image/derived_uuid.hpp"
#include "sbom/sbom.hpp"

namespace alephc {
namespace {

Json hashes_json(const Digest& sha256) {
  return Json::array({{{"alg", "SHA-256"}, {"content", sha256.hex()}}});
}

}  // namespace

std::string cyclonedx_text(const SbomSubject& subject) {
  const Digest& identity = subject.sha256.is_zero() ? subject.tree.v2 : subject.sha256;
  const std::string image_ref = "image:" + identity.hex();
  Json json{{"bomFormat", "CycloneDX"}, {"specVersion", "1.5"}};
  json["serialNumber"] = "urn:uuid:" + uuid_text(derived_uuid(identity, "cyclonedx"));
  json["version"] = 1;
  Json tool{{"type", "application"}, {"name", "alephc"}, {"version", subject.tool_version}};
  Json image{{"type", "operating-system"}, {"bom-ref", image_ref}, {"name", subject.name}};
  if (!subject.version.empty()) image["version"] = subject.version;
  if (!subject.sha256.is_zero()) image["hashes"] = hashes_json(subject.sha256);
  image["properties"] = Json::array({{{"name", "alephc:tree"}, {"value", subject.tree.text()}}});
  json["metadata"] = {{"timestamp", iso_time(subject.lock ? subject.lock->source_date_epoch : 0)},
                      {"tools", {{"components", Json::array({tool})}}},
                      {"component", image}};
  json["components"] = Json::array();
  Json all = Json::array();
  for (const SbomComponent& component : components_of(subject)) {
    Json entry{{"type", "library"}, {"bom-ref", component.purl}, {"name", component.name}};
    if (!component.version.empty()) entry["version"] = component.version;
    entry["purl"] = component.purl;
    if (!component.sha256.is_zero()) entry["hashes"] = hashes_json(component.sha256);
    json["components"].push_back(std::move(entry));
    all.push_back(component.purl);
  }
  json["dependencies"] = Json::array({{{"ref", image_ref}, {"dependsOn", all}}});
  return json_text(json, 1) + "\n";
}

}  // namespace alephc
