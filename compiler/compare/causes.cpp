// SPDX-License-Identifier: MIT
#include "compare/causes.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

#include "base/glob.hpp"
#include "base/text.hpp"

namespace alephc {
namespace {

struct KnownPath {
  const char* glob;
  const char* cause;
};

// Paths whose contents are known to vary, whatever stands in them.
constexpr std::array kPaths{
    KnownPath{"etc/machine-id", "a random identifier of the machine"},
    KnownPath{"var/lib/dbus/machine-id", "a random identifier of the machine"},
    KnownPath{"etc/ssh/ssh_host_*", "a key that was made at random during the build"},
    KnownPath{"*/random-seed", "random bytes"},
    KnownPath{"var/lib/systemd/credential.secret", "random bytes"},
    KnownPath{"var/log/*", "a log, written by the clock"},
    KnownPath{"var/cache/ldconfig/aux-cache", "inode numbers and change times of libraries"},
    KnownPath{"var/cache/man/*", "a database with times of the build"},
    KnownPath{"var/cache/fontconfig/*", "a cache with times and random names"},
    KnownPath{"var/lib/apt/lists/*", "package lists with the time and name of a mirror"},
    KnownPath{"etc/resolv.conf", "the name servers of the building machine"},
    KnownPath{"etc/hostname", "the name of the building machine"},
    KnownPath{"*/cacerts", "a key store with the times of its imports"},
    KnownPath{"usr/share/alephc/runtime.lock", "the two images were built from different locks"},
    KnownPath{"usr/share/alephc/runtime.toml", "the two images were built from different manifests"},
};

bool is_text(const std::string& bytes) {
  return bytes.find('\0') == std::string::npos && is_utf8(bytes);
}

/// Every run of characters that belong replaced by one mark.
template <typename Belongs>
std::string masked(const std::string& text, std::size_t least, Belongs&& belongs) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i;
    while (end < text.size() && belongs(text[end])) ++end;
    if (end - i >= least) {
      out += '\x01';
      i = end;
    } else {
      out += text[i++];
    }
  }
  return out;
}

std::string without_names_of_days(std::string text) {
  for (const char* name : {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Jan", "Feb", "Mar", "Apr", "May",
                           "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"})
    for (std::size_t at = text.find(name); at != std::string::npos; at = text.find(name, at))
      text.replace(at, 3, "\x02");
  return text;
}

/// Blanks count as one each: date(1) pads a day of one digit.
std::string without_numbers(const std::string& text) {
  const std::string masked_text = masked(without_names_of_days(text), 1, [](char c) {
    return std::isdigit(static_cast<unsigned char>(c)) != 0;
  });
  return masked(masked_text, 1, [](char c) { return c == ' '; });
}

std::string without_identifiers(const std::string& text) {
  constexpr std::size_t kShortest = 8;
  return masked(text, kShortest,
                [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0 || c == '-'; });
}

std::vector<std::string> sorted_lines(const std::string& text) {
  std::vector<std::string> lines = split(text, '\n');
  std::sort(lines.begin(), lines.end());
  return lines;
}

bool only_differs_in(const std::string& a, const std::string& b, std::size_t from, std::size_t to) {
  return a.size() == b.size() && a.size() >= to && a.compare(0, from, b, 0, from) == 0 &&
         a.compare(to, std::string::npos, b, to, std::string::npos) == 0;
}

std::string sorted_bytes(std::string bytes) {
  std::sort(bytes.begin(), bytes.end());
  return bytes;
}

/// Hardly a byte in the same place: of random bytes one in 256 is.
bool share_nothing(const std::string& a, const std::string& b) {
  std::size_t same = 0;
  for (std::size_t i = 0; i < a.size(); ++i) same += a[i] == b[i] ? 1U : 0U;
  constexpr std::size_t kOneIn = 16;
  return same <= a.size() / kOneIn;
}

std::string cause_by_bytes(const std::string& path, const std::string& a, const std::string& b) {
  if (a.starts_with("\x1f\x8b") && only_differs_in(a, b, 4, 8)) return "the time in a gzip header";
  if (path.ends_with(".pyc") && only_differs_in(a, b, 8, 16))
    return "the time of the source in a compiled Python file";
  if (path.ends_with(".pyc"))
    return "compiled Python: order of sets, or shared references (hash seed, parallel runs)";
  if (a.starts_with("PK\x03\x04") && a.size() == b.size()) return "times in a zip archive";
  if (a.starts_with("!<arch>") && a.size() == b.size()) return "times or owners in an ar archive";
  if (a.starts_with("\x7f"
                    "ELF") &&
      b.starts_with("\x7f"
                    "ELF"))
    return "another build of the same program";
  if (a.size() == b.size() && sorted_bytes(a) == sorted_bytes(b)) return "the same bytes in another order";
  if (a.size() == b.size() && share_nothing(a, b)) return "random bytes";
  return {};
}

std::string cause_by_text(const std::string& a, const std::string& b) {
  if (sorted_lines(a) == sorted_lines(b))
    return "the same lines in another order: a folder or a hash table was not sorted";
  if (sorted_bytes(a) == sorted_bytes(b))
    return "the same words in another order: a folder or a hash table was not sorted";
  if (without_numbers(a) == without_numbers(b)) return "a date, a time or another number";
  if (without_identifiers(a) == without_identifiers(b)) return "a random identifier (UUID, token, hash)";
  return {};
}

}  // namespace

std::string likely_cause(const std::string& path, const std::string* before, const std::string* after) {
  for (const KnownPath& known : kPaths)
    if (Glob(known.glob).matches(path)) return known.cause;
  if (before == nullptr || after == nullptr) return {};
  if (is_text(*before) && is_text(*after)) return cause_by_text(*before, *after);
  return cause_by_bytes(path, *before, *after);
}

std::string differing_lines(const std::string& before, const std::string& after, std::size_t count) {
  if (!is_text(before) || !is_text(after)) return {};
  constexpr std::size_t kWidth = 160;
  const std::vector<std::string> a = split(before, '\n');
  const std::vector<std::string> b = split(after, '\n');
  std::size_t start = 0;
  while (start < a.size() && start < b.size() && a[start] == b[start]) ++start;
  std::size_t same_end = 0;
  while (same_end < a.size() - start && same_end < b.size() - start &&
         a[a.size() - 1 - same_end] == b[b.size() - 1 - same_end])
    ++same_end;
  std::string out;
  const auto put = [&](const std::vector<std::string>& lines, const char* mark) {
    for (std::size_t i = start; i < lines.size() - same_end && i < start + count; ++i)
      out += mark + lines[i].substr(0, kWidth) + "\n";
  };
  put(a, "- ");
  put(b, "+ ");
  return out;
}

}  // namespace alephc
