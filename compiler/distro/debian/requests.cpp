// SPDX-License-Identifier: MIT
#include "distro/debian/requests.hpp"

#include <algorithm>
#include <deque>
#include <map>

#include "base/text.hpp"
#include "distro/debian/control.hpp"

namespace alephc::debian {
namespace {

void unknown_package(const Request& request, const SourceSpan& at, const PackageIndex& index,
                     DiagnosticList& problems) {
  std::vector<std::string> providers = index.providers_of(request.name);
  if (!providers.empty()) {
    constexpr std::size_t kShown = 8;
    if (providers.size() > kShown) providers.resize(kShown);
    return problems.error("'" + request.name + "' is a virtual package", at,
                          "choose one that provides it: " + join(providers, ", "));
  }
  problems.error("there is no package '" + request.name + "'", at, did_you_mean(request.name, index.names()));
}

void check_one(const Text& text, const PackageIndex& index, const std::vector<Source>& sources,
               const std::string& arch, DiagnosticList& problems) {
  const Request request = parse_request(text.value);
  const std::vector<const IndexedPackage*> candidates = index.named(request.name);
  if (candidates.empty()) return unknown_package(request, text.at, index, problems);
  const std::string wanted_arch = request.arch.empty() ? arch : request.arch;
  bool has_arch = false;
  bool has_version = request.version.empty();
  std::vector<std::string> versions;
  for (const IndexedPackage* package : candidates) {
    has_arch = has_arch || package->arch == wanted_arch || package->arch == "all";
    has_version = has_version || package->version == request.version;
    if (std::find(versions.begin(), versions.end(), package->version) == versions.end())
      versions.emplace_back(package->version);
  }
  if (!has_arch) problems.error("'" + request.name + "' does not exist for " + wanted_arch, text.at);
  if (!has_version)
    problems.error("'" + request.name + "' has no version " + request.version, text.at,
                   "there is " + join(versions, ", "));
  const bool known_suite = request.suite.empty() ||
                           std::any_of(sources.begin(), sources.end(),
                                       [&](const Source& source) { return source.suite == request.suite; });
  if (!known_suite) {
    std::vector<std::string> suites;
    for (const Source& source : sources) suites.push_back(source.suite);
    problems.error("'" + request.suite + "' is none of the manifest's suites", text.at,
                   "there are: " + join(suites, ", "));
  }
}

}  // namespace

Request parse_request(const std::string& text) {
  Request request;
  const std::size_t end = text.find_first_of("=/");
  if (end != std::string::npos) (text[end] == '=' ? request.version : request.suite) = text.substr(end + 1);
  request.name = text.substr(0, end);
  if (const std::size_t colon = request.name.find(':'); colon != std::string::npos) {
    request.arch = request.name.substr(colon + 1);
    request.name.resize(colon);
  }
  return request;
}

void check_requests(const std::vector<Text>& requests, const PackageIndex& index,
                    const std::vector<Source>& sources, const std::string& arch, DiagnosticList& problems) {
  for (const Text& request : requests) check_one(request, index, sources, arch, problems);
}

std::vector<std::string> requirement_chain(const std::vector<std::string>& from, const std::string& to,
                                           const PackageIndex& index) {
  std::map<std::string, std::string> reached_from;
  std::deque<std::string> queue;
  for (const std::string& name : from) {
    reached_from.try_emplace(name, "");
    queue.push_back(name);
  }
  while (!queue.empty()) {
    const std::string name = queue.front();
    queue.pop_front();
    if (name == to) {
      std::vector<std::string> chain;
      for (std::string at = name; !at.empty(); at = reached_from[at]) chain.push_back(at);
      std::reverse(chain.begin(), chain.end());
      return chain;
    }
    const std::vector<const IndexedPackage*> packages = index.named(name);
    if (packages.empty()) continue;
    for (const std::string_view field : {packages.front()->pre_depends, packages.front()->depends})
      for (const auto& group : parse_relations(field))
        for (const Relation& relation : group)
          if (reached_from.try_emplace(relation.name, name).second) queue.push_back(relation.name);
  }
  return {};
}

}  // namespace alephc::debian
