// SPDX-License-Identifier: MIT
#include "tree/listing_text.hpp"

#include <algorithm>
#include <array>

#include "base/diagnostic.hpp"
#include "base/text.hpp"

namespace alephc {
namespace {

constexpr std::string_view kLayerHead = "alephc-layer 1\n";

std::string shown_path(const std::string& path) {
  return path.empty() ? "." : escape_path(path);
}

/// The field that depends on the type: size and content, link target or device number.
std::string detail_of(const Entry& entry) {
  switch (entry.type) {
    using enum EntryType;
    case regular:
      return std::to_string(entry.size) + ":" + entry.content.hex();
    case symlink:
      return escape_path(entry.link_target);
    case char_device:
    case block_device:
      return std::to_string(entry.major) + ":" + std::to_string(entry.minor);
    case directory:
    case fifo:
    case whiteout:
      break;
  }
  return "-";
}

/// Also ',' and '=', which separate attributes.
std::string escape_name(const std::string& name) {
  std::string out;
  for (const char c : escape_path(name)) {
    if (c == ',')
      out += "%2C";
    else if (c == '=')
      out += "%3D";
    else
      out += c;
  }
  return out;
}

std::string xattrs_of(const Entry& entry) {
  std::string out;
  for (const Xattr& xattr : entry.xattrs) {
    if (!out.empty()) out += ',';
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(xattr.value.data());
    out += escape_name(xattr.name) + "=" + to_hex({bytes, xattr.value.size()});
  }
  return out.empty() ? "-" : out;
}

/// "-" is none, so a file of that name is written in another way.
std::string link_field(const std::string& hard_link) {
  if (hard_link.empty()) return "-";
  return hard_link == "-" ? "%2D" : escape_path(hard_link);
}

struct LineForm {
  bool with_time = false;
  bool escapes_dash = true;  ///< false: version 1 of the tree's text
};

void append_line(std::string& out, const Entry& entry, const LineForm& form) {
  out += shown_path(entry.path);
  out += ' ';
  out += static_cast<char>(entry.type);
  out += ' ' + octal(entry.mode) + ' ' + std::to_string(entry.uid) + ' ' + std::to_string(entry.gid) + ' ';
  if (form.with_time) out += std::to_string(entry.mtime) + ' ';
  out += detail_of(entry) + ' ';
  out += (form.escapes_dash || entry.hard_link != "-" ? link_field(entry.hard_link) : "-") + ' ';
  out += xattrs_of(entry) + '\n';
}

[[noreturn]] void bad_line(std::string_view line) {
  throw Error(ErrorKind::integrity, "damaged layer listing: '" + std::string(line.substr(0, 120)) + "'");
}

std::uint32_t number_of(std::string_view field, std::string_view line) {
  const auto value = parse_unsigned(field);
  if (!value || *value > UINT32_MAX) bad_line(line);
  return static_cast<std::uint32_t>(*value);
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

std::string bytes_of_hex(std::string_view hex, std::string_view line) {
  std::string out;
  if (hex.size() % 2 != 0) bad_line(line);
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = hex_value(hex[i]);
    const int low = hex_value(hex[i + 1]);
    if (high < 0 || low < 0) bad_line(line);
    out += static_cast<char>(high * 16 + low);
  }
  return out;
}

/// Parts of a line in place: a listing of an image has a million of them.
template <std::size_t Count>
std::array<std::string_view, Count> fields_of(std::string_view text, char separator, std::string_view line) {
  std::array<std::string_view, Count> fields;
  for (std::size_t i = 0; i < Count; ++i) {
    const std::size_t end = text.find(separator);
    const bool is_last = i + 1 == Count;
    if (is_last != (end == std::string_view::npos)) bad_line(line);
    fields[i] = text.substr(0, end);
    text.remove_prefix(is_last ? 0 : end + 1);
  }
  return fields;
}

void parse_detail(Entry& entry, std::string_view detail, std::string_view line) {
  switch (entry.type) {
    using enum EntryType;
    case regular: {
      const auto parts = fields_of<2>(detail, ':', line);
      const auto size = parse_unsigned(parts[0]);
      const auto digest = Digest::from_hex(parts[1]);
      if (!size || !digest) bad_line(line);
      entry.size = *size;
      entry.content = *digest;
      return;
    }
    case symlink:
      entry.link_target = unescape_path(detail);
      return;
    case char_device:
    case block_device: {
      const auto parts = fields_of<2>(detail, ':', line);
      entry.major = number_of(parts[0], line);
      entry.minor = number_of(parts[1], line);
      return;
    }
    case directory:
    case fifo:
    case whiteout:
      return;
  }
  bad_line(line);
}

std::int64_t parse_time(std::string_view field, std::string_view line) {
  const bool negative = field.starts_with('-');
  const auto value = parse_unsigned(negative ? field.substr(1) : field);
  if (!value || *value > static_cast<std::uint64_t>(INT64_MAX)) bad_line(line);
  return negative ? -static_cast<std::int64_t>(*value) : static_cast<std::int64_t>(*value);
}

Entry parse_line(std::string_view line) {
  const auto fields = fields_of<9>(line, ' ', line);
  if (fields[1].size() != 1) bad_line(line);
  Entry entry;
  entry.path = fields[0] == "." ? "" : unescape_path(fields[0]);
  entry.type = static_cast<EntryType>(fields[1][0]);
  const auto mode = parse_mode(fields[2]);
  if (!mode) bad_line(line);
  entry.mode = *mode;
  entry.uid = number_of(fields[3], line);
  entry.gid = number_of(fields[4], line);
  entry.mtime = parse_time(fields[5], line);
  parse_detail(entry, fields[6], line);
  if (fields[7] != "-") entry.hard_link = unescape_path(fields[7]);
  if (fields[8] != "-") {
    for (const std::string& item : split(fields[8], ',')) {
      const std::size_t equals = item.find('=');
      if (equals == std::string::npos) bad_line(line);
      entry.xattrs.push_back({unescape_path(item.substr(0, equals)),
                              bytes_of_hex(std::string_view(item).substr(equals + 1), line)});
    }
  }
  return entry;
}

}  // namespace

std::string escape_path(std::string_view bytes) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  out.reserve(bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<std::uint8_t>(c);
    if (byte > 0x20 && byte < 0x7f && c != '%') {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4U];
      out += kDigits[byte & 15U];
    }
  }
  return out;
}

std::string unescape_path(std::string_view text) {
  if (text.find('%') == std::string_view::npos) return std::string(text);
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) bad_line(text);
    out += bytes_of_hex(to_lower(text.substr(i + 1, 2)), text);
    i += 2;
  }
  return out;
}

std::string layer_text(const Listing& listing) {
  std::string out(kLayerHead);
  for (const Entry& entry : listing) append_line(out, entry, {.with_time = true});
  return out;
}

Listing parse_layer_text(std::string_view text) {
  if (!text.starts_with(kLayerHead)) bad_line(text.substr(0, 20));
  text.remove_prefix(kLayerHead.size());
  Listing listing;
  listing.reserve(static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')));
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) bad_line(text);
    listing.push_back(parse_line(text.substr(0, end)));
    if (listing.size() > 1 && !(listing[listing.size() - 2].path < listing.back().path))
      bad_line(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  return listing;
}

namespace {

std::string text_of_tree(const Listing& listing, std::string_view head, const LineForm& form) {
  std::vector<std::pair<std::string, const Entry*>> order;
  order.reserve(listing.size());
  for (const Entry& entry : listing) {
    check(entry.type != EntryType::whiteout, "a whole tree has no whiteouts");
    order.emplace_back(entry.path.empty() ? "." : entry.path, &entry);
  }
  std::sort(order.begin(), order.end());
  std::string out(head);
  for (const auto& [path, entry] : order) append_line(out, *entry, form);
  return out;
}

}  // namespace

std::string tree_text(const Listing& listing) {
  return text_of_tree(listing, kTreeHead, {});
}

std::string tree_text_v1(const Listing& listing) {
  return text_of_tree(listing, kTreeHeadV1, {.escapes_dash = false});
}

}  // namespace alephc
