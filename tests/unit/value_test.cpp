// SPDX-License-Identifier: MIT
#include "manifest/value.hpp"

#include <memory>
#include <string>

#include "base/diagnostic.hpp"
#include "support/catch.hpp"

using namespace alephc;

namespace {

Value parsed(const std::string& text) {
  return parse_toml(std::make_shared<const SourceText>(SourceText{"runtime.toml", text}));
}

/// What is wrong, with its place.
std::string problem_of(const std::string& text) {
  try {
    (void)parsed(text);
  } catch (const Error& error) {
    const Diagnostic& diagnostic = error.diagnostics().front();
    return std::to_string(diagnostic.at->line) + ":" + std::to_string(diagnostic.at->column) + " " +
           diagnostic.message;
  }
  return "";
}

}  // namespace

TEST_CASE("a letter beyond ASCII that is neither quoted nor in a comment is refused where it stands") {
  const std::string bare = "' is neither in quotes nor in a comment";
  CHECK(problem_of("ä = 1") == "1:1 not valid TOML: 'ä" + bare);
  CHECK(problem_of("a = 1\nb = é") == "2:5 not valid TOML: 'é" + bare);
  CHECK(problem_of("a = \"ö\" ü") == "1:9 not valid TOML: 'ü" + bare);
  CHECK(problem_of("a\xc2\xa0= 1").starts_with("1:2 not valid TOML"));
  CHECK(problem_of("a = [1, 2]\n[t€]") == "2:3 not valid TOML: '€" + bare);
  CHECK(problem_of("a = 1\xff").starts_with("1:6 not valid TOML"));
}

TEST_CASE("letters beyond ASCII stand in strings, quoted keys and comments") {
  CHECK(parsed("\xef\xbb\xbf"
               "a = 1")
            .find("a")
            ->number == 1);
  CHECK(parsed("\"ä\" = 1").find("ä")->number == 1);
  CHECK(parsed("a = 'ö' # ü").find("a")->text == "ö");
  CHECK(parsed("a = \"\\\"ö\"").find("a")->text == "\"ö");
  CHECK(parsed("a = '''\nä\n'b' ''ö'''").find("a")->text == "ä\n'b' ''ö");
  CHECK(parsed("# 'ä\na = 1").find("a")->number == 1);
}

TEST_CASE("a long string may end with quotes of its own") {
  const Value value = parsed("a = [\"\"\"b\"\"\"\", \"ä\", '''c''''', 'é']");
  const auto& items = value.find("a")->items;
  REQUIRE(items.size() == 4);
  CHECK(items[0].text == "b\"");
  CHECK(items[1].text == "ä");
  CHECK(items[2].text == "c''");
  CHECK(items[3].text == "é");
}
