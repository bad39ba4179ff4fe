// SPDX-License-Identifier: MIT
#include "distro/alpine/index.hpp"

#include <algorithm>

#include "base/diagnostic.hpp"
#include "base/digest.hpp"
#include "base/text.hpp"

namespace alephc::alpine {
namespace {

[[noreturn]] void damaged(const std::string& why) {
  throw Error(ErrorKind::integrity, "the package index is damaged: " + why);
}

std::uint64_t number_of(std::string_view value, std::string_view name) {
  const auto number = parse_unsigned(value);
  if (!number) damaged("'" + std::string(value) + "' of " + std::string(name) + " is not a number");
  return *number;
}

void set_field(IndexedPackage& package, char letter, std::string_view value) {
  switch (letter) {
    case 'C':
      package.identity = value;
      break;
    case 'P':
      package.name = value;
      break;
    case 'V':
      package.version = value;
      break;
    case 'A':
      package.arch = value;
      break;
    case 'S':
      package.size = number_of(value, package.name);
      break;
    case 'o':
      break;
    case 'D':
      package.depends = parse_dependencies(value);
      break;
    case 'p':
      package.provides = parse_dependencies(value);
      break;
    case 'i':
      package.install_if = parse_dependencies(value);
      break;
    case 'k':
      package.priority = number_of(value, package.name);
      break;
    case 'I':
    case 'T':
    case 'U':
    case 'L':
    case 'm':
    case 't':
    case 'c':
      break;
    default:
      // Fields that must be understood have capital letters.
      if (letter >= 'A' && letter <= 'Z') package.usable = false;
      break;
  }
}

void check_package(const IndexedPackage& package) {
  if (package.name.empty() || package.name.find('/') != std::string_view::npos ||
      package.name.starts_with('.'))
    damaged("a package has no usable name");
  const std::string name(package.name);
  if (package.version.empty() || package.version.find('/') != std::string_view::npos)
    damaged(name + " has no usable version");
  constexpr std::size_t kIdentity = 30;  // "Q1" and 28 characters for 20 bytes
  if (package.identity.size() != kIdentity || !package.identity.starts_with("Q1"))
    damaged(name + " has no identity");
  if (package.size == 0) damaged(name + " has no size");
  if (package.arch.empty() || package.arch.find('/') != std::string_view::npos)
    damaged(name + " has no usable architecture");
}

}  // namespace

std::string identity_of(std::string_view sha1) {
  return "Q1" + to_base64(sha1);
}

void PackageIndex::add(std::string_view text, std::uint32_t source) {
  IndexedPackage package{.source = source};
  std::size_t begin = 0;
  const auto finish = [&](std::size_t end) {
    if (end == begin) return;
    check_package(package);
    if (package.usable && (package.arch == arch_ || package.arch == "noarch")) {
      by_name_[package.name].push_back(static_cast<std::uint32_t>(packages_.size()));
      packages_.push_back(std::move(package));
    }
    package = IndexedPackage{.source = source};
  };
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (line.empty()) {
      finish(at);
      begin = end + 1;
    } else {
      if (line.size() < 2 || line[1] != ':')
        damaged("the line '" + std::string(line.substr(0, 80)) + "' is not a field");
      set_field(package, line[0], line.substr(2));
    }
    at = end + 1;
  }
  finish(text.size());
}

const std::vector<std::uint32_t>& PackageIndex::named(std::string_view name) const {
  static const std::vector<std::uint32_t> kNone;
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? kNone : it->second;
}

std::vector<std::string> PackageIndex::names() const {
  std::vector<std::string> names;
  for (const auto& [name, numbers] : by_name_) names.emplace_back(name);
  return names;
}

}  // namespace alephc::alpine
