// SPDX-License-Identifier: MIT
#include "distro/alpine/database.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include "base/diagnostic.hpp"
#include "base/text.hpp"

namespace alephc::alpine {
namespace {

constexpr std::size_t kBlock = 512;

[[noreturn]] void damaged(const std::string& file, const std::string& why) {
  throw Error(ErrorKind::integrity, "apk's database is damaged: " + file + ": " + why);
}

Attributes parse_attributes(std::string_view value) {
  const std::vector<std::string> parts = split(value, ':');
  const auto uid = parts.size() < 3 ? std::nullopt : parse_unsigned(parts[0]);
  const auto gid = parts.size() < 3 ? std::nullopt : parse_unsigned(parts[1]);
  const auto mode = parts.size() < 3 ? std::nullopt : parse_mode(parts[2]);
  if (!uid || !gid || !mode)
    damaged(kInstalled, "'" + std::string(value.substr(0, 80)) + "' are not attributes");
  return {.uid = static_cast<std::uint32_t>(*uid),
          .gid = static_cast<std::uint32_t>(*gid),
          .mode = *mode,
          .xattrs = parts.size() > 3 ? parts[3] : ""};
}

std::string attributes_line(const char* letter, const Attributes& attributes) {
  std::array<char, 16> mode{};
  std::snprintf(mode.data(), mode.size(), "%o", attributes.mode);
  std::string line = std::string(letter) + ":" + std::to_string(attributes.uid) + ":" +
                     std::to_string(attributes.gid) + ":" + mode.data();
  if (!attributes.xattrs.empty()) line += ":" + attributes.xattrs;
  return line + "\n";
}

/// Takes one line of a stanza in.
void add_line(InstalledRecord& record, std::string_view line) {
  if (line.size() < 2 || line[1] != ':')
    damaged(kInstalled, "'" + std::string(line.substr(0, 80)) + "' is not a field");
  const std::string_view value = line.substr(2);
  if (line[0] == 'F') {
    record.folders.push_back({.path = std::string(value)});
    return;
  }
  if (record.folders.empty()) {
    record.head += std::string(line) + "\n";
    return;
  }
  InstalledFolder& folder = record.folders.back();
  const bool has_file = !folder.files.empty();
  switch (line[0]) {
    case 'M':
      folder.attributes = parse_attributes(value);
      return;
    case 'R':
      folder.files.push_back({.name = std::string(value)});
      return;
    case 'a':
      if (!has_file) break;
      folder.files.back().attributes = parse_attributes(value);
      return;
    case 'Z':
      if (!has_file) break;
      folder.files.back().checksum = value;
      return;
    default:
      break;
  }
  damaged(kInstalled, "'" + std::string(line.substr(0, 80)) + "' is out of place");
}

template <std::size_t size>
void put_octal(std::array<char, kBlock>& header, std::size_t at, std::uint64_t value) {
  for (std::size_t i = size; i > 0; --i, value >>= 3U)
    header[at + i - 1] = static_cast<char>('0' + (value & 7U));
}

void put_text(std::array<char, kBlock>& header, std::size_t at, std::string_view text) {
  std::memcpy(header.data() + at, text.data(), text.size());
}

unsigned checksum_of(const std::array<char, kBlock>& header) {
  unsigned sum = 0;
  for (std::size_t i = 0; i < kBlock; ++i)
    sum += i >= 148 && i < 156 ? unsigned{' '} : static_cast<unsigned char>(header[i]);
  return sum;
}

/// Names of up to 100 bytes: longer ones are cut, as apk does.
std::array<char, kBlock> header_of(const std::string& name, std::size_t size, std::int64_t time) {
  std::array<char, kBlock> header{};
  put_text(header, 0, std::string_view(name).substr(0, 99));
  put_octal<7>(header, 100, 0755);
  put_octal<7>(header, 108, 0);
  put_octal<7>(header, 116, 0);
  put_octal<12>(header, 124, size);
  put_octal<12>(header, 136, static_cast<std::uint64_t>(time));
  header[156] = '0';
  put_text(header, 257, "ustar  ");
  put_text(header, 265, "root");
  put_text(header, 297, "root");
  put_octal<6>(header, 148, checksum_of(header));
  header[155] = ' ';
  return header;
}

std::uint64_t parse_octal(std::string_view field) {
  std::uint64_t value = 0;
  for (const char c : field) {
    if (c == '\0' || c == ' ') break;
    if (c < '0' || c > '7') damaged(kScripts, "a header has no number where one should be");
    value = value * 8 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

/// "busybox-1.36.1-r29.Q1yY8…=.post-install"
std::optional<Script> named_script(const std::string& name) {
  const std::size_t type = name.rfind('.');
  const std::size_t identity = type == std::string::npos ? type : name.rfind(".Q1", type - 1);
  if (identity == std::string::npos) return std::nullopt;
  return Script{.package = name.substr(0, identity),
                .identity = name.substr(identity + 1, type - identity - 1),
                .type = name.substr(type + 1)};
}

}  // namespace

std::string_view InstalledRecord::get(char letter) const {
  std::string_view rest = head;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    if (end > 1 && rest[0] == letter) return rest.substr(2, end - 2);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return {};
}

std::vector<InstalledRecord> parse_installed(std::string_view text) {
  std::vector<InstalledRecord> records;
  bool inside = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.empty() && !inside) records.emplace_back();
    inside = !line.empty();
    if (inside) add_line(records.back(), line);
  }
  return records;
}

std::string installed_text(const std::vector<InstalledRecord>& records) {
  std::string out;
  for (const InstalledRecord& record : records) {
    out += record.head;
    for (const InstalledFolder& folder : record.folders) {
      out += "F:" + folder.path + "\n";
      if (folder.attributes) out += attributes_line("M", *folder.attributes);
      for (const InstalledFile& file : folder.files) {
        out += "R:" + file.name + "\n";
        if (file.attributes) out += attributes_line("a", *file.attributes);
        if (!file.checksum.empty()) out += "Z:" + file.checksum + "\n";
      }
    }
    out += "\n";
  }
  return out;
}

std::string scripts_tar(const std::vector<Script>& scripts) {
  std::string out;
  for (const Script& script : scripts) {
    const std::string name = script.package + "." + script.identity + "." + script.type;
    const auto header = header_of(name, script.text.size(), script.time);
    out.append(header.data(), header.size());
    out += script.text;
    out.resize((out.size() + kBlock - 1) / kBlock * kBlock, '\0');
  }
  out.resize(out.size() + 2 * kBlock, '\0');
  return out;
}

std::vector<Script> parse_scripts_tar(std::string_view tar) {
  std::vector<Script> scripts;
  while (tar.size() >= kBlock && tar[0] != '\0') {
    const std::string_view header = tar.substr(0, kBlock);
    const std::uint64_t size = parse_octal(header.substr(124, 12));
    tar.remove_prefix(kBlock);
    if (size > tar.size()) damaged(kScripts, "it is cut off");
    const std::string_view name = header.substr(0, 100);
    // A long name was cut when it was written: apk passes such a script over, too.
    if (auto script = named_script(std::string(name.substr(0, std::min(name.find('\0'), name.size()))))) {
      script->time = static_cast<std::int64_t>(parse_octal(header.substr(136, 12)));
      script->text = tar.substr(0, size);
      scripts.push_back(std::move(*script));
    }
    tar.remove_prefix(std::min<std::size_t>((size + kBlock - 1) / kBlock * kBlock, tar.size()));
  }
  return scripts;
}

}  // namespace alephc::alpine
