// SPDX-License-Identifier: MIT
#include "fetch/netrc.hpp"

#include <vector>

#include "base/text.hpp"

namespace alephc {
namespace {

/// Without comments, and without macros, which end at an empty line.
std::vector<std::string> netrc_words(const std::string& text) {
  std::vector<std::string> words;
  bool in_macro = false;
  for (const std::string& line : split(text, '\n')) {
    if (trim(line).empty()) in_macro = false;
    if (in_macro || trim(line).starts_with('#')) continue;
    for (const std::string& word : split_words(line)) {
      if (word == "macdef") in_macro = true;
      if (in_macro) break;
      words.push_back(word);
    }
  }
  return words;
}

}  // namespace

std::optional<Login> netrc_login(const std::string& text, const std::string& host) {
  const std::vector<std::string> words = netrc_words(text);
  std::optional<Login> found;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string next = i + 1 < words.size() ? words[i + 1] : "";
    if (words[i] == "machine" || words[i] == "default") {
      if (found) return found;
      if (words[i] == "default" || next == host) found.emplace();
      if (words[i] == "machine") ++i;
    } else if (words[i] == "login" || words[i] == "password" || words[i] == "account") {
      if (found && words[i] == "login") found->user = next;
      if (found && words[i] == "password") found->password = next;
      ++i;
    }
  }
  return found;
}

}  // namespace alephc
