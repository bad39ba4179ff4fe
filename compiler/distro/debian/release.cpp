// SPDX-License-Identifier: MIT
#include "distro/debian/release.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <vector>

#include "base/dates.hpp"
#include "base/diagnostic.hpp"
#include "base/environment.hpp"
#include "base/files.hpp"
#include "base/subprocess.hpp"
#include "base/text.hpp"
#include "distro/debian/control.hpp"
#include "distro/debian/openpgp.hpp"

namespace alephc::debian {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const std::string& label, const std::string& why,
                         const std::vector<std::string>& details) {
  Diagnostic problem{.message = "the signature of " + label + " " + why, .context = details};
  problem.hint = "the mirror is broken or tampered with, or the keyring is not the one of this archive";
  throw Error(ErrorKind::integrity, std::move(problem));
}

int month_of(std::string_view name) {
  static constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  for (std::size_t i = 0; i < kMonths.size(); ++i)
    if (name == kMonths[i]) return static_cast<int>(i) + 1;
  return 0;
}

/// "10:04:33" → seconds of the day.
std::optional<std::int64_t> parse_clock(const std::string& text) {
  const std::vector<std::string> parts = split(text, ':');
  if (parts.size() != 3) return std::nullopt;
  const auto hours = parse_unsigned(parts[0]);
  const auto minutes = parse_unsigned(parts[1]);
  const auto seconds = parse_unsigned(parts[2]);
  if (!hours || !minutes || !seconds || *hours > 23 || *minutes > 59 || *seconds > 60) return std::nullopt;
  return static_cast<std::int64_t>(*hours * 3600 + *minutes * 60 + *seconds);
}

bool is_utc(const std::string& zone) {
  return zone == "UTC" || zone == "GMT" || zone == "Z" || zone == "+0000" || zone == "-0000";
}

/// Of fields that decide something, the second could say otherwise than what another reader takes.
void refuse_repeated(const Stanza& stanza) {
  std::set<std::string> seen;
  for (const auto& [name, value] : stanza.fields())
    if (!seen.insert(to_lower(name)).second)
      throw Error(ErrorKind::integrity, "a Release file with two fields '" + std::string(name) + "'");
}

std::int64_t required_date(const Stanza& stanza) {
  const std::string_view text = stanza.get("Date");
  if (text.empty()) throw Error(ErrorKind::integrity, "a Release file without a date");
  const auto date = parse_date(text);
  if (!date) throw Error(ErrorKind::integrity, "a Release file with an unreadable date: '" + printable(text) + "'");
  return *date;
}

std::int64_t end_of_validity(const Stanza& stanza) {
  const std::string_view text = stanza.get("Valid-Until");
  if (text.empty()) return 0;
  const auto date = parse_date(text);
  if (!date)
    throw Error(ErrorKind::integrity, "a Release file with an unreadable end of validity: '" + printable(text) + "'");
  return *date;
}

/// Nothing of the caller's, but for a library that is put before every program to set its clock (libfaketime): alephc and
/// gpgv must agree on what day it is.
std::map<std::string, std::string> gpgv_environment() {
  std::map<std::string, std::string> out{{"LC_ALL", "C"}, {"PATH", "/usr/bin:/bin"}};
  for (const char* name : {"LD_PRELOAD", "FAKETIME", "FAKETIME_SHARED", "FAKETIME_DONT_FAKE_MONOTONIC"})
    if (const std::string value = environment(name); !value.empty()) out[name] = value;
  return out;
}

/// Chooses the signatures that count.
class SignatureJudge {
 public:
  SignatureJudge(std::string keys, const std::string& label, Release& release)
      : keys_(std::move(keys)), label_(label), release_(release) {}

  void look_at(const SignatureStatus& status, KeyTime time) {
    switch (status.kind) {
      using enum SignatureStatus::Kind;
      case good:
        return take(status, 0);
      case bad:
        refuse(label_, "is bad", {"made with key " + status.key_id});
      case expired_key:
        if (const auto since = expired_since(status, release_.date); since && time == KeyTime::release)
          return take(status, *since);
        return pass_over("made with the expired key " + status.key_id + ": " + expiry_of(status));
      case revoked_key:
        return pass_over("made with the revoked key " + status.key_id);
      case expired_signature:
        return pass_over("made with key " + status.key_id + ", and itself expired");
      case unknown_key:
        return pass_over("made with key " + status.key_id + ", which the keyring lacks");
      case other:
        return;
    }
  }

  [[nodiscard]] const std::vector<std::string>& passed_over() const { return passed_over_; }

 private:
  void pass_over(const std::string& why) { passed_over_.push_back(why); }

  static std::string expiry_of(const SignatureStatus& status) {
    if (status.key_expiries.empty()) return "the day is not known";
    return "on " + readable_date(*std::min_element(status.key_expiries.begin(), status.key_expiries.end()));
  }

  void take(const SignatureStatus& status, std::int64_t expired) {
    if (status.key.empty()) return;
    const auto kind = find_key(keys_, status.key);
    const std::string weakness = kind ? weakness_of(*kind) : "a key that cannot be found in the keyring";
    if (!weakness.empty()) return pass_over("made with " + weakness + ", which proves nothing: " + status.key);
    if (is_weak_hash(status.hash))
      return pass_over("made over a digest that can be forged (OpenPGP's hash " + std::to_string(status.hash) + ")");
    release_.signers[status.primary] = expired;
  }

  std::string keys_;
  const std::string& label_;
  Release& release_;
  std::vector<std::string> passed_over_;
};

}  // namespace

std::optional<std::int64_t> parse_date(std::string_view text) {
  const std::vector<std::string> words = split_words(text);
  if (words.size() != 6 || !words[0].ends_with(',') || !is_utc(words[5])) return std::nullopt;
  const auto day = parse_unsigned(words[1]);
  const auto year = parse_unsigned(words[3]);
  const int month = month_of(words[2]);
  const auto clock = parse_clock(words[4]);
  if (!day || !year || month == 0 || !clock) return std::nullopt;
  const auto start = start_of_day(*year, static_cast<std::uint64_t>(month), *day);
  return start ? std::optional(*start + *clock) : std::nullopt;
}

Release parse_release(std::string text) {
  Release release;
  release.text = std::move(text);
  std::string_view rest = release.text;
  const auto stanza = next_stanza(rest);
  if (!stanza) throw Error(ErrorKind::integrity, "an empty Release file");
  refuse_repeated(*stanza);
  release.origin = stanza->get("Origin");
  release.label = stanza->get("Label");
  release.suite = stanza->get("Suite");
  release.codename = stanza->get("Codename");
  release.date = required_date(*stanza);
  release.valid_until = end_of_validity(*stanza);
  release.by_hash = stanza->get("Acquire-By-Hash") == "yes";
  for (const std::string& line : split(stanza->get("SHA256"), '\n')) {
    const std::vector<std::string> words = split_words(line);
    if (words.size() != 3) continue;
    const auto digest = Digest::from_hex(words[0]);
    const auto size = parse_unsigned(words[1]);
    if (digest && size) release.files[words[2]] = {*digest, *size};
  }
  return release;
}

void check_suite(const Release& release, const std::string& suite, const std::string& label) {
  if (release.suite.empty() && release.codename.empty()) return;
  // Security updates up to Debian 10 are "buster/updates", and call themselves "buster".
  const std::string wanted = suite.substr(0, suite.rfind('/'));
  // Ubuntu's jammy-updates has the codename of jammy.
  const bool is_pocket = !release.suite.empty() && release.suite.starts_with(release.codename + "-");
  if (release.suite == wanted || (release.codename == wanted && !is_pocket)) return;
  Diagnostic problem{.message = "the Release of " + label + " is that of another suite"};
  problem.context = {"asked for " + suite,
                     "it says   Suite: " + printable(release.suite) + ", Codename: " + printable(release.codename)};
  problem.hint = "the mirror is broken or tampered with; if it is the suite that you want, name it so";
  throw Error(ErrorKind::integrity, std::move(problem));
}

Release verify_release(const std::string& in_release, const TrustedKeys& trusted, const std::string& label) {
  if (!in_release.starts_with("-----BEGIN PGP SIGNED MESSAGE-----"))
    refuse(label, "cannot be verified", {"the file does not begin with a signed message"});
  const std::string keys = without_armor(trusted.keys, label);
  const TempDir work(fs::temp_directory_path(), "alephc-gpgv");
  atomic_write(work.path() / "keyring.gpg", keys);
  atomic_write(work.path() / "InRelease", in_release);
  const CommandResult result = run_command({.argv = {"gpgv", "--homedir", work.path().string(), "--status-fd",
                                                     "2", "--keyring", (work.path() / "keyring.gpg").string(),
                                                     "--output", "-", (work.path() / "InRelease").string()},
                                            .environment = gpgv_environment()});
  const std::vector<SignatureStatus> signatures = parse_gpgv_status(result.errors);
  const auto checks_out = [](const SignatureStatus& status) { return !status.key.empty(); };
  // Nothing of the text is looked at before some key of the keyring has signed it.
  Release release;
  if (std::any_of(signatures.begin(), signatures.end(), checks_out))
    // Only what gpgv wrote out is signed; text around the signature is not.
    release = with_context("the Release of " + label, [&] { return parse_release(result.output); });
  SignatureJudge judge(keys, label, release);
  for (const SignatureStatus& status : signatures) judge.look_at(status, trusted.time);
  if (release.signers.empty()) refuse(label, "cannot be verified", judge.passed_over());
  if (!trusted.fingerprint.empty() && !release.signers.contains(trusted.fingerprint))
    refuse(label, "is not of the pinned key",
           {"pinned " + trusted.fingerprint, "signed by " + release.signers.begin()->first});
  return release;
}

}  // namespace alephc::debian
