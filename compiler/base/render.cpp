// SPDX-License-Identifier: MIT
#include "base/render.hpp"

#include <algorithm>
#include <string_view>

#include "base/json.hpp"
#include "base/text.hpp"

namespace alephc {
namespace {

std::string_view line_of(const SourceText& source, std::uint32_t line) {
  std::string_view rest = source.text;
  for (std::uint32_t i = 1; i < line; ++i) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) return {};
    rest.remove_prefix(end + 1);
  }
  return rest.substr(0, rest.find('\n'));
}

std::string place_of(const SourceSpan& span) {
  std::string place = printable(span.source->name);
  if (span.line > 0) place += ":" + std::to_string(span.line) + ":" + std::to_string(span.column);
  return place + ": ";
}

/// A line of a machine may be as long as the file: only what is around the place is shown.
constexpr std::size_t kShownBefore = 100;
constexpr std::size_t kShown = 240;

/// False for the further bytes of a character (UTF-8).
bool begins_character(char c) {
  return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
}

/// Columns count bytes; what is shown counts characters.
std::string excerpt_of(SourceSpan span, bool color) {
  std::string_view line = line_of(*span.source, span.line);
  if (line.empty() || span.column == 0 || span.column > line.size() + 1) return {};
  if (line.size() > kShown) {
    const std::size_t begin = span.column > kShownBefore ? span.column - kShownBefore : 0;
    line = line.substr(begin, kShown);
    span.column -= static_cast<std::uint32_t>(begin);
  }
  const std::string number = std::to_string(span.line);
  const std::string margin(number.size(), ' ');
  std::string pad;
  for (std::size_t i = 0; i + 1 < span.column; ++i)
    if (begins_character(line[i])) pad += line[i] == '\t' ? '\t' : ' ';
  const std::string_view marked = line.substr(std::min<std::size_t>(span.column - 1, line.size()), span.length);
  const auto characters = static_cast<std::size_t>(std::count_if(marked.begin(), marked.end(), begins_character));
  const std::size_t width = std::max<std::size_t>(1, characters);
  std::string carets = "^" + std::string(width - 1, '~');
  if (color) carets = "\033[32m" + carets + "\033[0m";
  return " " + number + " | " + printable_lines(line) + "\n " + margin + " | " + pad + carets + "\n";
}

}  // namespace

std::string render_text(const Diagnostic& diagnostic, bool color) {
  const bool is_error = diagnostic.severity == Severity::error;
  std::string label = is_error ? "error: " : "warning: ";
  if (color) label = (is_error ? "\033[1;31m" : "\033[1;33m") + label + "\033[0m";
  std::string out;
  if (diagnostic.at && diagnostic.at->source) out += place_of(*diagnostic.at);
  // Much of it is text of others, which must not move the cursor.
  out += label + printable_lines(diagnostic.message) + "\n";
  if (diagnostic.at && diagnostic.at->source && diagnostic.at->line > 0)
    out += excerpt_of(*diagnostic.at, color);
  for (const std::string& context : diagnostic.context) out += "  note: " + printable_lines(context) + "\n";
  if (!diagnostic.hint.empty()) out += "  hint: " + printable_lines(diagnostic.hint) + "\n";
  return out;
}

std::string render_json(const Error& error, const Json& found) {
  Json list = Json::array();
  for (const Diagnostic& diagnostic : error.diagnostics()) {
    Json item;
    item["severity"] = diagnostic.severity == Severity::error ? "error" : "warning";
    item["message"] = diagnostic.message;
    if (diagnostic.at && diagnostic.at->source) {
      item["file"] = diagnostic.at->source->name;
      item["line"] = diagnostic.at->line;
      item["column"] = diagnostic.at->column;
    }
    if (!diagnostic.context.empty()) item["context"] = diagnostic.context;
    if (!diagnostic.hint.empty()) item["hint"] = diagnostic.hint;
    list.push_back(std::move(item));
  }
  Json out;
  out["error"]["exit_code"] = static_cast<int>(error.kind());
  out["error"]["diagnostics"] = std::move(list);
  out.update(found);
  // Paths of a damaged tree may hold bytes that are not UTF-8.
  return json_text(out) + "\n";
}

}  // namespace alephc
