// SPDX-License-Identifier: MIT
#include "graph/drawing.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

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
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
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

std::string first_words(const std::string& escaped, std::size_t count) {
  std::vector<std::string> words = split_words(unescape_path(escaped));
  if (words.size() > count) words.resize(count);
  return join(words, " ");
}

/// "bash 5.2 → 5.3, +vim 9, -nano 7"
std::string package_changes(const std::vector<std::string>& old_lines,
                            const std::vector<std::string>& new_lines) {
  std::map<std::string, std::string> before;
  std::map<std::string, std::string> after;
  for (const std::string& line : old_lines) before[first_words(line, 1)] = first_words(line, 2);
  for (const std::string& line : new_lines) after[first_words(line, 1)] = first_words(line, 2);
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
  constexpr std::size_t kShown = 6;
  if (changes.size() > kShown) {
    const std::size_t more = changes.size() - kShown;
    changes.resize(kShown);
    changes.push_back(std::to_string(more) + " more");
  }
  return changes.empty() ? "the packages changed" : join(changes, ", ");
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
  nlohmann::ordered_json steps = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < graph.steps.size(); ++i) {
    const Step& step = graph.steps[i];
    nlohmann::ordered_json item;
    item["id"] = step.id;
    item["kind"] = kind_name(step.kind);
    item["title"] = step.title;
    item["status"] = status_word(states[i].status);
    item["why"] = states[i].why;
    item["key"] = states[i].key.is_zero() ? nlohmann::ordered_json(nullptr)
                                          : nlohmann::ordered_json(states[i].key.hex());
    item["after"] =
        i > 0 ? nlohmann::ordered_json::array({graph.steps[i - 1].id}) : nlohmann::ordered_json::array();
    item["parameters"] = step.parameters;
    item["fetches"] = nlohmann::ordered_json::array();
    for (const auto& [label, digest] : step.fetches)
      item["fetches"].push_back({{"label", label}, {"sha256", digest.hex()}});
    steps.push_back(std::move(item));
  }
  return nlohmann::ordered_json{{"steps", steps}}.dump(2, ' ', false,
                                                       nlohmann::json::error_handler_t::replace) +
         "\n";
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
    if (below.size() > 58) below = below.substr(0, 55) + "...";
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
    else if (word == "input")
      changes.emplace_back("the tree below changed");
    else if (before[word].size() == 1 && after[word].size() == 1 && after[word][0].size() < 60 &&
             before[word][0].size() < 60)
      changes.push_back(word + " " + unescape_path(before[word][0]) + " → " + unescape_path(after[word][0]));
    else
      changes.push_back(word + " changed");
  }
  return join(changes, "; ");
}

}  // namespace alephc
