// SPDX-License-Identifier: MIT
#include "distro/debian/release.hpp"

#include <array>
#include <chrono>
#include <set>
#include <vector>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/subprocess.hpp"
#include "base/text.hpp"
#include "distro/debian/control.hpp"

namespace alephc::debian {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// gpgv reads binary keyrings only; archives publish armored ones.
std::string without_armor(const std::string& key, const std::string& label) {
  const std::string begin_mark = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
  std::string out;
  std::string_view rest = key;
  if (rest.find(begin_mark) == std::string_view::npos) return key;
  for (std::size_t at = rest.find(begin_mark); at != std::string_view::npos; at = rest.find(begin_mark)) {
    rest.remove_prefix(at + begin_mark.size());
    const std::size_t blank = std::min(rest.find("\n\n"), rest.find("\r\n\r\n"));
    const std::size_t end = rest.find("-----END PGP PUBLIC KEY BLOCK-----");
    if (blank == std::string_view::npos || end == std::string_view::npos || blank > end)
      throw Error(ErrorKind::integrity, "the key of " + label + " is damaged");
    unsigned bits = 0;
    unsigned held = 0;
    for (const std::string& line : split(rest.substr(blank, end - blank), '\n')) {
      if (line.starts_with('=')) break;  // the checksum
      for (const char c : line) {
        const std::size_t value = kBase64.find(c);
        if (value == std::string_view::npos) continue;
        held = ((held << 6U) | static_cast<unsigned>(value)) & 0xffffffU;
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        out += static_cast<char>((held >> bits) & 0xffU);
      }
    }
    rest.remove_prefix(end);
  }
  return out;
}

[[noreturn]] void refuse(const std::string& label, const std::string& why,
                         const std::vector<std::string>& details) {
  Diagnostic problem{.message = "the signature of " + label + " " + why, .context = details};
  problem.hint = "the mirror is broken or tampered with, or the keyring is not the one of this archive";
  throw Error(ErrorKind::integrity, std::vector{problem});
}

int month_of(std::string_view name) {
  static constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  for (std::size_t i = 0; i < kMonths.size(); ++i)
    if (name == kMonths[i]) return static_cast<int>(i) + 1;
  return 0;
}

}  // namespace

std::int64_t parse_date(std::string_view text) {
  const std::vector<std::string> words = split_words(text);
  if (words.size() < 5) return 0;
  const auto day = parse_unsigned(words[1]);
  const auto year = parse_unsigned(words[3]);
  const int month = month_of(words[2]);
  const std::vector<std::string> clock = split(words[4], ':');
  if (!day || !year || month == 0 || clock.size() != 3 || *year > 9999) return 0;
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return 0;
  std::int64_t seconds = std::chrono::sys_days(date).time_since_epoch().count() * 86400LL;
  std::int64_t unit = 3600;
  for (const std::string& part : clock) {
    seconds += unit * static_cast<std::int64_t>(parse_unsigned(part).value_or(0));
    unit /= 60;
  }
  return seconds;
}

Release parse_release(std::string text) {
  Release release;
  release.text = std::move(text);
  std::string_view rest = release.text;
  const auto stanza = next_stanza(rest);
  if (!stanza) throw Error(ErrorKind::integrity, "an empty Release file");
  release.origin = stanza->get("Origin");
  release.label = stanza->get("Label");
  release.suite = stanza->get("Suite");
  release.codename = stanza->get("Codename");
  release.date = parse_date(stanza->get("Date"));
  release.valid_until = parse_date(stanza->get("Valid-Until"));
  release.by_hash = stanza->get("Acquire-By-Hash") == "yes";
  for (const std::string& line : split(stanza->get("SHA256"), '\n')) {
    const std::vector<std::string> words = split_words(line);
    if (words.size() != 3) continue;
    const auto digest = Digest::from_hex(words[0]);
    const auto size = parse_unsigned(words[1]);
    if (digest && size) release.files[words[2]] = {*digest, *size};
  }
  if (release.date == 0) throw Error(ErrorKind::integrity, "a Release file without a date");
  return release;
}

Release verify_release(const std::string& in_release, const std::string& keys, const std::string& fingerprint,
                       const std::string& label) {
  if (!in_release.starts_with("-----BEGIN PGP SIGNED MESSAGE-----"))
    refuse(label, "cannot be verified", {"the file does not begin with a signed message"});
  const TempDir work(fs::temp_directory_path(), "alephc-gpgv");
  atomic_write(work.path() / "keyring.gpg", without_armor(keys, label));
  atomic_write(work.path() / "InRelease", in_release);
  const CommandResult result = run_command({.argv = {"gpgv", "--homedir", work.path().string(), "--status-fd",
                                                     "2", "--keyring", (work.path() / "keyring.gpg").string(),
                                                     "--output", "-", (work.path() / "InRelease").string()},
                                            .environment = {{"LC_ALL", "C"}, {"PATH", "/usr/bin:/bin"}}});
  std::set<std::string> good;
  std::vector<std::string> details;
  bool is_good = false;  // of the signature that the next VALIDSIG belongs to: expired keys make those too
  for (const std::string& line : split(result.errors, '\n')) {
    const std::vector<std::string> words = split_words(line);
    if (words.size() < 2 || words[0] != "[GNUPG:]") continue;
    const std::string key_id = words.size() > 2 ? words[2] : "";
    if (words[1] == "NEWSIG") is_good = false;
    if (words[1] == "GOODSIG") is_good = true;
    if (words[1] == "VALIDSIG" && is_good) good.insert(words.back());
    if (words[1] == "BADSIG") refuse(label, "is bad", {"made with key " + key_id});
    if (words[1] == "EXPKEYSIG" || words[1] == "REVKEYSIG" || words[1] == "EXPSIG")
      details.push_back("made with the expired or revoked key " + key_id);
    if (words[1] == "NO_PUBKEY") details.push_back("made with key " + key_id + ", which the keyring lacks");
  }
  if (good.empty()) refuse(label, "cannot be verified", details);
  if (!fingerprint.empty() && !good.contains(fingerprint))
    refuse(label, "is not of the pinned key", {"pinned " + fingerprint, "signed by " + *good.begin()});
  // Only what gpgv wrote out is signed; text around the signature is not.
  Release release = parse_release(result.output);
  release.signer = fingerprint.empty() ? *good.begin() : fingerprint;
  return release;
}

}  // namespace alephc::debian
