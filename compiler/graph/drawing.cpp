// SPDX-License-Identifier: MIT
#include "graph/drawing.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "base/json.hpp"
#include "base/text.hpp"
#include "tree/listing_text.hpp"

namespace alephc {
namespace {

const char* status_word(StepState::Status status) {
  switch (status) {
    using enum StepState::Status;
    case cached:
      return "cached";
    case will_run:
      return "will run";
    case unknown:
      break;
  }
  return "depends";
}

const char* status_color(StepState::Status status) {
  switch (status) {
    using enum StepState::Status;
    case cached:
      return "#d7f0dd";
    case will_run:
      return "#ffe2b8";
    case unknown:
      break;
  }
  return "#eeeeee";
}

std::string fetch_label(const Step& step) {
  return "fetch " + std::to_string(step.fetches.size()) + (step.fetches.size() == 1 ? " file" : " files");
}

std::string quoted(const std::string& text) {
  return json_text(Json(text));
}

std::string xml(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else
      out += c;
  }
  return out;
}

constexpr std::size_t kLongestLine = 58;  ///< bytes below a step's title

/// The first bytes of a text, and no half of a character (UTF-8).
std::string cut_text(const std::string& text, std::size_t bytes) {
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xc0U) == 0x80U) --bytes;
  return text.substr(0, bytes);
}

/// Word → values of the parameter lines of a key text.
std::map<std::string, std::vector<std::string>> lines_by_word(const std::string& key_text) {
  std::map<std::string, std::vector<std::string>> lines;
  for (const std::string& line : split(key_text, '\n')) {
    const std::size_t blank = line.find(' ');
    if (blank == std::string::npos) continue;
    lines[line.substr(0, blank)].push_back(line.substr(blank + 1));
  }
  return lines;
}

/// The value of "name=value" in a line of words; "" without it.
std::string word_of(const std::string& line, const std::string& name) {
  for (const std::string& word : split(line, ' '))
    if (word.starts_with(name + "=")) return unescape_path(word.substr(name.size() + 1));
  return {};
}

/// The first ones, and how many there are besides.
std::string shown(std::vector<std::string> changes) {
  constexpr std::size_t kShown = 6;
  if (changes.size() > kShown) {
    const std::size_t more = changes.size() - kShown;
    changes.resize(kShown);
    changes.push_back(std::to_string(more) + " more");
  }
  return join(changes, ", ");
}

/// "bash 5.2 → 5.3, +vim 9, -nano 7"
std::string package_changes(const std::vector<std::string>& old_lines,
                            const std::vector<std::string>& new_lines) {
  std::map<std::string, std::string> before;
  std::map<std::string, std::string> after;
  const auto version_of = [](const std::string& line) { return word_of(line, "name") + " " + word_of(line, "version"); };
  for (const std::string& line : old_lines) before[word_of(line, "name")] = version_of(line);
  for (const std::string& line : new_lines) after[word_of(line, "name")] = version_of(line);
  std::vector<std::string> changes;
  for (const auto& [name, label] : after) {
    const auto it = before.find(name);
    if (it == before.end())
      changes.push_back("+" + label);
    else if (it->second != label)
      changes.push_back(it->second + " → " + label.substr(name.size() + 1));
  }
  for (const auto& [name, label] : before)
    if (!after.contains(name)) changes.push_back("-" + label);
  return changes.empty() ? "the packages changed" : shown(std::move(changes));
}

/// "/etc/motd changed, +/etc/hosts" of lines of words that begin with a name, target or path. Empty for other lines.
std::string line_changes(const std::vector<std::string>& old_lines, const std::vector<std::string>& new_lines) {
  const auto by_id = [](const std::vector<std::string>& lines) {
    std::map<std::string, std::string> found;
    for (const std::string& line : lines) {
      const std::string first = line.substr(0, line.find(' '));
      const std::size_t equals = first.find('=');
      const std::string name = first.substr(0, equals);
      if (name == "name" || name == "target" || name == "path") found[unescape_path(first.substr(equals + 1))] = line;
    }
    return found;
  };
  const auto before = by_id(old_lines);
  const auto after = by_id(new_lines);
  std::vector<std::string> changes;
  for (const auto& [id, line] : after) {
    const auto it = before.find(id);
    if (it == before.end())
      changes.push_back("+" + id);
    else if (it->second != line)
      changes.push_back(id + " changed");
  }
  for (const auto& [id, line] : before)
    if (!after.contains(id)) changes.push_back("-" + id);
  return shown(std::move(changes));
}

}  // namespace

std::string draw_text(const BuildGraph& graph, const std::vector<StepState>& states) {
  std::size_t width = 0;
  for (const Step& step : graph.steps) width = std::max(width, step.id.size());
  std::string out;
  for (std::size_t i = 0; i < graph.steps.size(); ++i) {
    const Step& step = graph.steps[i];
    out += step.id + std::string(width - step.id.size() + 2, ' ') + status_word(states[i].status) +
           std::string(10 - std::string(status_word(states[i].status)).size(), ' ') + step.title;
    if (!step.fetches.empty()) out += " (" + fetch_label(step) + ")";
    if (!states[i].why.empty()) out += ": " + states[i].why;
    out += "\n";
  }
  return out;
}

std::string draw_dot(const BuildGraph& graph, const std::vector<StepState>& states) {
  std::string out =
      "digraph build {\n  rankdir=TB;\n  node [shape=box, style=\"rounded,filled\", "
      "fontname=\"sans-serif\"];\n";
  for (std::size_t i = 0; i < graph.steps.size(); ++i) {
    const Step& step = graph.steps[i];
    out += "  " + quoted(step.id) + " [label=" + quoted(step.title + "\n" + status_word(states[i].status)) +
           ", fillcolor=\"" + status_color(states[i].status) + "\"];\n";
    if (i > 0) out += "  " + quoted(graph.steps[i - 1].id) + " -> " + quoted(step.id) + ";\n";
    if (step.fetches.empty()) continue;
    out += "  " + quoted("fetch for " + step.id) + " [label=" + quoted(fetch_label(step)) +
           ", fillcolor=\"#ffffff\"];\n  " + quoted("fetch for " + step.id) + " -> " + quoted(step.id) +
           ";\n";
  }
  return out + "}\n";
}

std::string draw_json(const BuildGraph& graph, const std::vector<StepState>& states) {
  Json steps = Json::array();
  for (std::size_t i = 0; i < graph.steps.size(); ++i) {
    const Step& step = graph.steps[i];
    Json item;
    item["id"] = step.id;
    item["kind"] = step.kind;
    item["title"] = step.title;
    item["status"] = status_word(states[i].status);
    item["why"] = states[i].why;
    item["key"] = states[i].key.is_zero() ? Json(nullptr) : Json(states[i].key.hex());
    item["after"] = i > 0 ? Json::array({graph.steps[i - 1].id}) : Json::array();
    item["parameters"] = Json::array();
    for (const std::string& line : split(step.input, '\n'))
      if (!line.empty()) item["parameters"].push_back(line);
    item["fetches"] = Json::array();
    for (const auto& [label, digest] : step.fetches)
      item["fetches"].push_back({{"label", label}, {"sha256", digest.hex()}});
    steps.push_back(std::move(item));
  }
  return json_text(Json{{"steps", steps}}, 2) + "\n";
}

std::string draw_svg(const BuildGraph& graph, const std::vector<StepState>& states) {
  constexpr int kWidth = 360;
  constexpr int kHeight = 44;
  constexpr int kGap = 26;
  const int height = static_cast<int>(graph.steps.size()) * (kHeight + kGap) + kGap;
  const auto number = [](int value) { return std::to_string(value); };
  std::string out = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + number(kWidth * 2) +
                    "\" height=\"" + number(height) +
                    "\" font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" "
                    "fill=\"white\"/>\n";
  const auto box = [&](int x, int y, int width, const std::string& color, const std::string& title,
                       const std::string& below) {
    out += "<rect x=\"" + number(x) + "\" y=\"" + number(y) + "\" width=\"" + number(width) + "\" height=\"" +
           number(kHeight) + "\" rx=\"6\" fill=\"" + color + "\" stroke=\"#666\"/>\n<text x=\"" +
           number(x + 10) + "\" y=\"" + number(y + 18) + "\">" + xml(title) + "</text>\n<text x=\"" +
           number(x + 10) + "\" y=\"" + number(y + 35) + "\" fill=\"#555\" font-size=\"11\">" + xml(below) +
           "</text>\n";
  };
  const auto line = [&](int x1, int y1, int x2, int y2) {
    out += "<line x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" + number(x2) + "\" y2=\"" +
           number(y2) + "\" stroke=\"#666\"/>\n";
  };
  for (std::size_t i = 0; i < graph.steps.size(); ++i) {
    const Step& step = graph.steps[i];
    const int y = kGap / 2 + static_cast<int>(i) * (kHeight + kGap);
    std::string below =
        std::string(status_word(states[i].status)) + (states[i].why.empty() ? "" : ": " + states[i].why);
    if (below.size() > kLongestLine) below = cut_text(below, kLongestLine - 3) + "...";
    box(20, y, kWidth, status_color(states[i].status), step.title, below);
    if (i > 0) line(20 + kWidth / 2, y - kGap, 20 + kWidth / 2, y);
    if (step.fetches.empty()) continue;
    box(20 + kWidth + 60, y, 200, "#ffffff", fetch_label(step), "by sha256, from any mirror");
    line(20 + kWidth, y + kHeight / 2, 20 + kWidth + 60, y + kHeight / 2);
  }
  return out + "</svg>\n";
}

std::string explain_change(const std::string& old_key_text, const std::string& new_key_text) {
  auto before = lines_by_word(old_key_text);
  auto after = lines_by_word(new_key_text);
  std::set<std::string> words;
  for (const auto& [word, lines] : before) words.insert(word);
  for (const auto& [word, lines] : after) words.insert(word);
  std::vector<std::string> changes;
  for (const std::string& word : words) {
    if (before[word] == after[word]) continue;
    if (word == "package")
      changes.push_back(package_changes(before[word], after[word]));
    else if (word == "below")
      changes.emplace_back("the tree below changed");
    else if (const std::string named = line_changes(before[word], after[word]); !named.empty())
      changes.push_back(word + " " + named);
    else if (before[word].size() == 1 && after[word].size() == 1 && after[word][0].size() < 60 &&
             before[word][0].size() < 60)
      changes.push_back(word + " " + unescape_path(before[word][0]) + " → " + unescape_path(after[word][0]));
    else
      changes.push_back(word + " changed");
  }
  return join(changes, "; ");
}

}  // namespace alephc
