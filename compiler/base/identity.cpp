// SPDX-License-Identifier: MIT
#include "base/identity.hpp"

#include <unistd.h>

#include "base/files.hpp"
#include "base/text.hpp"

namespace alephc {
namespace {

constexpr const char* kWholeMap = "0:0:4294967295";

std::string id_map() {
  std::vector<std::string> lines;
  for (const std::string& line : split(read_file_if_exists("/proc/self/uid_map").value_or(""), '\n'))
    if (const auto words = split_words(line); words.size() == 3) lines.push_back(join(words, ":"));
  return lines.empty() ? kWholeMap : join(lines, ",");  // without /proc nothing is known: the usual
}

struct Identity {
  std::string map = id_map();
  std::string text = std::to_string(::geteuid()) + " " + map;
};

Identity& identity() {
  static Identity value;
  return value;
}

}  // namespace

const std::string& process_identity() {
  return identity().text;
}

bool in_user_namespace() {
  return identity().map != kWholeMap;
}

void refresh_identity() {
  identity() = Identity{};
}

}  // namespace alephc
