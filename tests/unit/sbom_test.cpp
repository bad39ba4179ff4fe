// SPDX-License-Identifier: MIT
#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/diagnostic.hpp"
#include "manifest/value.hpp"
#include "sbom/sbom.hpp"
#include "support/catch.hpp"

using namespace alephc;

namespace {

using Json = nlohmann::json;

Value toml(const std::string& text) {
  return parse_toml(std::make_shared<const SourceText>(SourceText{"manifest", text}));
}

LockedPackage package(const std::string& name, const std::string& version, const std::string& arch = "amd64") {
  return {.name = name, .version = version, .arch = arch, .sha256 = sha256(name + version)};
}

Lock debian_lock() {
  Lock lock;
  lock.source_date_epoch = 1700000000;
  lock.manifest = toml("[base]\ndistro = \"debian\"\nrelease = \"bookworm\"\n");
  lock.layers = {{.name = "base",
                  .packages = {package("zlib1g", "1:1.2.13.dfsg-1"), package("Lib+X", "2~rc1+b1", "all")}},
                 {.name = "more", .packages = {package("purged", "1")}}};
  lock.removed = {"purged"};
  return lock;
}

std::vector<std::string> purls_of(const SbomSubject& subject) {
  std::vector<std::string> purls;
  for (const SbomComponent& component : components_of(subject)) purls.push_back(component.purl);
  return purls;
}

std::vector<std::string> purls_of(Lock lock) {
  return purls_of(SbomSubject{.lock = std::move(lock)});
}

SbomSubject subject() {
  Lock lock = debian_lock();
  lock.wheels = {{.name = "flask", .version = "3.0.0", .file = "flask-3.0.0.whl", .sha256 = sha256("flask")}};
  return {.name = "app",
          .version = "1.0",
          .sha256 = sha256("image"),
          .tree = {.v2 = sha256("tree")},
          .lock = std::move(lock),
          .tool_version = "9.9"};
}

}  // namespace

TEST_CASE("packages of Debian have purls with architecture and release, sorted, without what was purged") {
  const auto components = components_of({.lock = debian_lock()});
  REQUIRE(components.size() == 2);
  CHECK(components[0].purl == "pkg:deb/debian/lib%2Bx@2~rc1%2Bb1?arch=all&distro=bookworm");
  CHECK(components[0].name == "Lib+X");
  CHECK(components[1].purl == "pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1?arch=amd64&distro=bookworm");
  CHECK(components[1].version == "1:1.2.13.dfsg-1");
  CHECK(components[1].sha256 == sha256("zlib1g1:1.2.13.dfsg-1"));
  CHECK(components[1].origin == "debian");
}

TEST_CASE("packages of Alpine have purls of the type apk") {
  Lock lock = debian_lock();
  lock.manifest = toml("[base]\ndistro = \"alpine\"\nrelease = \"3.20\"\n");
  lock.layers = {{.name = "base", .packages = {package("busybox", "1.36.1-r29", "x86_64")}}};
  CHECK(purls_of(lock) == std::vector<std::string>{"pkg:apk/alpine/busybox@1.36.1-r29?arch=x86_64&distro=alpine-3.20"});
}

TEST_CASE("packages of Python and npm have purls without a system, each once") {
  Lock lock;
  lock.wheels = {{.name = "typing-extensions", .version = "4.9.0+local"}};
  lock.modules = {{.path = "node_modules/@scope/name", .name = "@scope/name", .version = "1.2.3"},
                  {.path = "node_modules/a/node_modules/@scope/name", .name = "@scope/name", .version = "1.2.3"},
                  {.path = "node_modules/a", .name = "a", .version = "2.0.0-rc.1"}};
  CHECK(purls_of(lock) == std::vector<std::string>{"pkg:npm/%40scope/name@1.2.3", "pkg:npm/a@2.0.0-rc.1",
                                                   "pkg:pypi/typing-extensions@4.9.0%2Blocal"});
  const auto components = components_of({.lock = lock});
  CHECK(components[0].origin == "npm");
  CHECK(components[2].origin == "pypi");
}

TEST_CASE("archives are known by what the manifest says of them, at least by their hash") {
  Lock lock;
  lock.archives = {{.name = "plain", .sha256 = sha256("plain")},
                   {.name = "tool", .sha256 = sha256("tool")},
                   {.name = "mirrored", .sha256 = sha256("mirrored")},
                   {.name = "module", .sha256 = sha256("module")}};
  lock.manifest = toml("[[archive]]\nname = \"tool\"\nversion = \"1.5\"\nurl = \"https://h/t?a=b&c\"\n"
                       "[[archive]]\nname = \"mirrored\"\nurl = [\"https://one/\", \"https://two/\"]\n"
                       "[[archive]]\nname = \"module\"\nnpm = \"@s/m@4.0.1\"\n");
  CHECK(purls_of(lock) ==
        std::vector<std::string>{
            "pkg:generic/mirrored?checksum=sha256:" + sha256("mirrored").hex() + "&download_url=https:%2F%2Fone%2F",
            "pkg:generic/plain?checksum=sha256:" + sha256("plain").hex(),
            "pkg:generic/tool@1.5?checksum=sha256:" + sha256("tool").hex() +
                "&download_url=https:%2F%2Fh%2Ft%3Fa%3Db%26c",
            "pkg:npm/%40s/m@4.0.1"});
  const auto module = components_of({.lock = lock}).at(3);
  CHECK(module.name == "@s/m");
  CHECK(module.version == "4.0.1");
  CHECK(module.sha256 == sha256("module"));
}

TEST_CASE("of a volume only what was put into it is a component, not the system that made it") {
  Lock lock = debian_lock();
  lock.manifest = toml("[base]\ndistro = \"debian\"\n[runtime]\nkind = \"volume\"\n");
  lock.wheels = {{.name = "flask", .version = "3"}};
  CHECK(purls_of(lock) == std::vector<std::string>{"pkg:pypi/flask@3"});
}

TEST_CASE("without a lock the package database of the image is what counts") {
  const SbomSubject ubuntu{.installed = {{.name = "b", .version = "2", .arch = "arm64"},
                                         {.name = "a", .version = "1", .arch = "all"}},
                           .system_id = "ubuntu",
                           .system_version = "noble"};
  CHECK(purls_of(ubuntu) == std::vector<std::string>{"pkg:deb/ubuntu/a@1?arch=all&distro=noble",
                                                     "pkg:deb/ubuntu/b@2?arch=arm64&distro=noble"});
  CHECK(components_of(ubuntu)[0].sha256.is_zero());
  const SbomSubject unknown{.installed = {{.name = "a", .version = "1", .arch = "x86_64"}}, .system_id = "alpine"};
  CHECK(purls_of(unknown) == std::vector<std::string>{"pkg:apk/alpine/a@1?arch=x86_64"});
}

TEST_CASE("SPDX describes the image, and each component with its relationship and purl") {
  const Json json = Json::parse(spdx_text(subject()));
  CHECK(json.at("spdxVersion") == "SPDX-2.3");
  CHECK(json.at("SPDXID") == "SPDXRef-DOCUMENT");
  CHECK(json.at("dataLicense") == "CC0-1.0");
  CHECK(json.at("documentNamespace") == "https://aleph.im/spdx/alephc/" + sha256("image").hex());
  CHECK(json.at("creationInfo") ==
        Json::parse(R"({"created":"2023-11-14T22:13:20Z","creators":["Tool: alephc-9.9"]})"));
  CHECK(json.at("documentDescribes") == Json::parse(R"(["SPDXRef-Image"])"));
  const Json& packages = json.at("packages");
  REQUIRE(packages.size() == 4);
  CHECK(packages[0].at("SPDXID") == "SPDXRef-Image");
  CHECK(packages[0].at("versionInfo") == "1.0");
  CHECK(packages[0].at("comment") == "tree digest 2:" + sha256("tree").hex());
  CHECK(packages[0].at("checksums") ==
        Json::array({{{"algorithm", "SHA256"}, {"checksumValue", sha256("image").hex()}}}));
  CHECK(packages[3].at("name") == "flask");
  CHECK(packages[3].at("externalRefs") == Json::array({{{"referenceCategory", "PACKAGE-MANAGER"},
                                                        {"referenceType", "purl"},
                                                        {"referenceLocator", "pkg:pypi/flask@3.0.0"}}}));
  for (const Json& package : packages) CHECK(package.at("downloadLocation") == "NOASSERTION");
  std::set<std::string> contained;
  for (const Json& relationship : json.at("relationships"))
    if (relationship.at("relationshipType") == "CONTAINS") {
      CHECK(relationship.at("spdxElementId") == "SPDXRef-Image");
      contained.insert(relationship.at("relatedSpdxElement"));
    }
  CHECK(contained ==
        std::set<std::string>{packages[1].at("SPDXID"), packages[2].at("SPDXID"), packages[3].at("SPDXID")});
}

TEST_CASE("CycloneDX describes the image, and each component by its purl") {
  const Json json = Json::parse(cyclonedx_text(subject()));
  CHECK(json.at("bomFormat") == "CycloneDX");
  CHECK(json.at("specVersion") == "1.5");
  CHECK(json.at("version") == 1);
  CHECK(json.at("serialNumber").get<std::string>().starts_with("urn:uuid:"));
  const Json& image = json.at("metadata").at("component");
  CHECK(image.at("name") == "app");
  CHECK(image.at("hashes") == Json::array({{{"alg", "SHA-256"}, {"content", sha256("image").hex()}}}));
  CHECK(image.at("properties") == Json::array({{{"name", "alephc:tree"}, {"value", "2:" + sha256("tree").hex()}}}));
  CHECK(json.at("metadata").at("timestamp") == "2023-11-14T22:13:20Z");
  CHECK(json.at("metadata").at("tools").at("components").at(0).at("version") == "9.9");
  const Json& components = json.at("components");
  REQUIRE(components.size() == 3);
  std::vector<std::string> purls;
  for (const Json& component : components) {
    CHECK(component.at("bom-ref") == component.at("purl"));
    CHECK(component.at("type") == "library");
    purls.push_back(component.at("purl"));
  }
  CHECK(purls == purls_of(subject()));
  CHECK(json.at("dependencies").at(0).at("ref") == image.at("bom-ref"));
  CHECK(json.at("dependencies").at(0).at("dependsOn") == Json(purls));
}

TEST_CASE("a bill of materials has the same bytes for the same image, whatever the order of its lock") {
  SbomSubject other = subject();
  std::reverse(other.lock->layers.begin(), other.lock->layers.end());
  std::reverse(other.lock->layers[1].packages.begin(), other.lock->layers[1].packages.end());
  CHECK(spdx_text(other) == spdx_text(subject()));
  CHECK(cyclonedx_text(other) == cyclonedx_text(subject()));
  other.sha256 = sha256("another image");
  CHECK(spdx_text(other) != spdx_text(subject()));
  CHECK(Json::parse(cyclonedx_text(other)).at("serialNumber") !=
        Json::parse(cyclonedx_text(subject())).at("serialNumber"));
}

TEST_CASE("a folder's bill of materials is known by its tree, and names with odd bytes break no JSON") {
  SbomSubject folder = subject();
  folder.sha256 = {};
  folder.lock.reset();
  folder.installed = {{.name = "odd\xff\"name", .version = "1/2?3#4%", .arch = "all"}};
  folder.system_id = "debian";
  const Json spdx = Json::parse(spdx_text(folder));
  CHECK(spdx.at("documentNamespace") == "https://aleph.im/spdx/alephc/" + sha256("tree").hex());
  CHECK(spdx.at("creationInfo").at("created") == "1970-01-01T00:00:00Z");
  CHECK_FALSE(spdx.at("packages").at(0).contains("checksums"));
  CHECK(spdx.at("packages").at(1).at("externalRefs").at(0).at("referenceLocator") ==
        "pkg:deb/debian/odd%FF%22name@1%2F2%3F3%234%25?arch=all");
  const Json cyclonedx = Json::parse(cyclonedx_text(folder));
  CHECK_FALSE(cyclonedx.at("metadata").at("component").contains("hashes"));
  CHECK(cyclonedx.at("components").at(0).at("name") == "odd\xef\xbf\xbd\"name");
}
