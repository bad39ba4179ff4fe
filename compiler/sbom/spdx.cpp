// SPDX-License-Identifier: MIT
// SPDX 2.3, as spdx.github.io/spdx-spec/v2.3 has it.
#include "base/dates.hpp"
#include "base/json.hpp"
#include "sbom/sbom.hpp"

namespace alephc {
namespace {

Json package_json(const std::string& id, const std::string& name, const std::string& version,
                  const Digest& sha256) {
  Json json{{"SPDXID", id}, {"name", name}};
  if (!version.empty()) json["versionInfo"] = version;
  json["downloadLocation"] = "NOASSERTION";
  json["filesAnalyzed"] = false;
  json["licenseConcluded"] = "NOASSERTION";
  json["licenseDeclared"] = "NOASSERTION";
  json["copyrightText"] = "NOASSERTION";
  if (!sha256.is_zero()) json["checksums"] = {{{"algorithm", "SHA256"}, {"checksumValue", sha256.hex()}}};
  return json;
}

Json relationship(const char* from, const char* type, const std::string& to) {
  return {{"spdxElementId", from}, {"relationshipType", type}, {"relatedSpdxElement", to}};
}

}  // namespace

std::string spdx_text(const SbomSubject& subject) {
  constexpr const char* kImage = "SPDXRef-Image";
  Json json{{"spdxVersion", "SPDX-2.3"}, {"dataLicense", "CC0-1.0"}, {"SPDXID", "SPDXRef-DOCUMENT"}};
  json["name"] = subject.name;
  // Unique by what it describes.
  const Digest& identity = subject.sha256.is_zero() ? subject.tree.v2 : subject.sha256;
  json["documentNamespace"] = "https://aleph.im/spdx/alephc/" + identity.hex();
  json["creationInfo"] = {{"created", iso_time(subject.lock ? subject.lock->source_date_epoch : 0)},
                          {"creators", {"Tool: alephc-" + subject.tool_version}}};
  json["documentDescribes"] = {kImage};
  Json image = package_json(kImage, subject.name, subject.version, subject.sha256);
  image["primaryPackagePurpose"] = "OPERATING-SYSTEM";
  image["comment"] = "tree digest " + subject.tree.text();
  json["packages"] = Json::array({image});
  json["relationships"] = Json::array({relationship("SPDXRef-DOCUMENT", "DESCRIBES", kImage)});
  std::size_t number = 0;
  for (const SbomComponent& component : components_of(subject)) {
    const std::string id = "SPDXRef-Package-" + std::to_string(++number);
    Json package = package_json(id, component.name, component.version, component.sha256);
    package["externalRefs"] = {{{"referenceCategory", "PACKAGE-MANAGER"},
                                {"referenceType", "purl"},
                                {"referenceLocator", component.purl}}};
    json["packages"].push_back(std::move(package));
    json["relationships"].push_back(relationship(kImage, "CONTAINS", id));
  }
  return json_text(json, 1) + "\n";
}

}  // namespace alephc
