// SPDX-License-Identifier: MIT
#include "distro/debian/sources.hpp"

#include <algorithm>
#include <array>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "distro/debian/control.hpp"
#include "distro/debian/keyring.hpp"
#include "distro/signed_index.hpp"

namespace alephc::debian {
namespace {

namespace fs = std::filesystem;

/// A distribution of Debian's kind: where its public packages are, and who signs them.
struct Archive {
  std::string_view distro;
  std::string_view snapshot;  ///< date goes behind it
  std::string_view security_snapshot;
  std::vector<std::string_view> mirrors{};
  std::vector<std::string_view> security_mirrors{};
  std::vector<std::string_view> port_mirrors{};  ///< of every architecture but amd64
  std::string_view keyring;
  std::string_view keyring_package;
};
const std::array kArchives{
    Archive{.distro = "debian",
            .snapshot = "https://snapshot.debian.org/archive/debian/",
            .security_snapshot = "https://snapshot.debian.org/archive/debian-security/",
            .keyring = "/usr/share/keyrings/debian-archive-keyring.gpg",
            .keyring_package = "debian-archive-keyring"},
    Archive{.distro = "ubuntu",
            .snapshot = "https://snapshot.ubuntu.com/ubuntu/",
            .security_snapshot = "https://snapshot.ubuntu.com/ubuntu/",
            .mirrors = {"http://archive.ubuntu.com/ubuntu"},
            .security_mirrors = {"http://security.ubuntu.com/ubuntu", "http://archive.ubuntu.com/ubuntu"},
            .port_mirrors = {"http://ports.ubuntu.com/ubuntu-ports"},
            .keyring = "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
            .keyring_package = "ubuntu-keyring"},
};
const Archive& archive_of(const std::string& distro) {
  const auto* archive = std::find_if(kArchives.begin(), kArchives.end(),
                                     [&](const Archive& each) { return each.distro == distro; });
  check(archive != kArchives.end(), "a distribution of Debian's kind has an archive");
  return *archive;
}

bool is_security(const std::string& suite) {
  return suite.ends_with("-security") || suite.find("/updates") != std::string::npos;
}

std::vector<AptEntry> machine_entries() {
  std::vector<AptEntry> entries;
  const auto add = [&](const fs::path& file) {
    const std::string text = read_file_if_exists(file).value_or("");
    std::vector<AptEntry> more =
        file.extension() == ".sources" ? parse_deb822_sources(text) : parse_sources_list(text);
    entries.insert(entries.end(), more.begin(), more.end());
  };
  add("/etc/apt/sources.list");
  std::vector<fs::path> files;
  std::error_code ignored;
  for (const auto& file : fs::directory_iterator("/etc/apt/sources.list.d", ignored))
    if (file.path().extension() == ".sources" || file.path().extension() == ".list")
      files.push_back(file.path());
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) add(file);
  return entries;
}

/// Those that name the suite first, then those of the same
/// kind: a mirror of one release most likely has the others.
std::vector<std::string> machine_mirrors(const std::string& distro, const std::string& suite) {
  static const std::vector<AptEntry> kEntries = machine_entries();
  std::vector<std::string> bases;
  const auto names = [](const AptEntry& entry, const std::string& wanted) {
    return std::find(entry.suites.begin(), entry.suites.end(), wanted) != entry.suites.end();
  };
  for (const AptEntry& entry : kEntries)
    if (names(entry, suite)) add_address(bases, entry.uri);
  if (distro != "debian") return bases;  // whose names of suites tell that a mirror is its own
  for (const AptEntry& entry : kEntries) {
    const bool security = std::any_of(entry.suites.begin(), entry.suites.end(), is_security);
    if (security == is_security(suite)) add_address(bases, entry.uri);
  }
  return bases;
}

std::vector<std::string> mirrors_for(const Manifest& manifest, const Mirrors& mirrors,
                                     const std::string& suite) {
  std::vector<std::string> bases;
  for (const auto* list : {&mirrors.named, &manifest.base.mirrors, &mirrors.configured})
    for (const std::string& base : *list) add_address(bases, base);
  for (const std::string& base : machine_mirrors(manifest.base.distro, suite)) add_address(bases, base);
  const Archive& archive = archive_of(manifest.base.distro);
  const auto& published = manifest.base.arch != "amd64" ? archive.port_mirrors
                          : is_security(suite)          ? archive.security_mirrors
                                                        : archive.mirrors;
  for (const std::string_view base : published) add_address(bases, std::string(base));
  return bases;
}

std::vector<std::string> default_suites(const std::string& release) {
  if (release == "sid" || release == "unstable") return {release};
  return {release, release + "-updates", release + "-security"};
}

}  // namespace

std::string snapshot_base(const std::string& distro, const std::string& suite, const std::string& date) {
  const Archive& archive = archive_of(distro);
  return std::string(is_security(suite) ? archive.security_snapshot : archive.snapshot) + date;
}

std::string keys_of(const Source& source) {
  if (auto keys = read_file_if_exists(source.keyring)) return std::move(*keys);
  if (!source.embedded_keys.empty()) return source.embedded_keys;
  throw Error(ErrorKind::host, "the keyring " + source.keyring.string() + " is missing",
              "install " +
                  std::string(archive_of(source.name == "ubuntu" ? "ubuntu" : "debian").keyring_package) +
                  ", or name a keyring with base.keyring");
}

std::vector<AptEntry> parse_sources_list(const std::string& text) {
  std::vector<AptEntry> entries;
  for (std::string line : split(text, '\n')) {
    line = line.substr(0, line.find('#'));
    if (const std::size_t open = line.find('['); open != std::string::npos) {
      const std::size_t close = line.find(']', open);
      if (close == std::string::npos) continue;
      line.erase(open, close - open + 1);
    }
    const std::vector<std::string> words = split_words(line);
    if (words.size() < 3 || words[0] != "deb") continue;
    entries.push_back({words[1], {words[2]}});
  }
  return entries;
}

std::vector<AptEntry> parse_deb822_sources(const std::string& text) {
  std::vector<AptEntry> entries;
  std::string_view rest = text;
  while (const auto stanza = next_stanza(rest)) {
    const std::vector<std::string> types = split_words(stanza->get("Types"));
    if (std::find(types.begin(), types.end(), "deb") == types.end() || stanza->get("Enabled") == "no")
      continue;
    for (const std::string& uri : split_words(stanza->get("URIs")))
      entries.push_back({uri, split_words(stanza->get("Suites"))});
  }
  return entries;
}

std::vector<Source> sources_of(const Manifest& manifest, const Mirrors& mirrors, const std::string& date) {
  std::vector<Source> sources;
  const BaseSpec& base = manifest.base;
  const std::vector<std::string> suites = base.suites.empty() ? default_suites(base.release) : base.suites;
  for (const std::string& suite : suites) {
    Source source{.name = base.distro, .suite = suite, .components = base.components};
    source.check_valid_until = base.check_valid_until && date.empty();
    source.optional = base.suites.empty() && suite != base.release;
    source.distribution_keyring = base.keyring.empty();
    source.keyring =
        base.keyring.empty() ? fs::path(archive_of(base.distro).keyring) : manifest.content_of(base.keyring);
    if (base.keyring.empty()) source.embedded_keys = embedded_keys(base.distro);
    source.at = base.release_at;
    if (date.empty()) {
      source.bases = mirrors_for(manifest, mirrors, suite);
    } else {
      // A named mirror may be a snapshot archive of its own; every other mirror has today's index only.
      source.bases = mirrors.named;
    }
    if (!date.empty()) source.bases.push_back(snapshot_base(base.distro, suite, date));
    sources.push_back(std::move(source));
  }
  for (const RepositorySpec& repository : manifest.repositories) {
    Source source{.name = repository.name, .suite = repository.suite, .components = repository.components};
    add_address(source.bases, repository.url);
    source.keyring = manifest.content_of(repository.key);
    source.fingerprint = repository.fingerprint;
    source.check_valid_until = base.check_valid_until;
    source.priority = repository.priority;
    source.at = repository.at;
    sources.push_back(std::move(source));
  }
  return sources;
}

std::vector<std::string> bases_of(const Manifest& manifest, const LockedRepository& repository,
                                  const Mirrors& mirrors) {
  for (const RepositorySpec& own : manifest.repositories)
    if (own.name == repository.name) {
      std::vector<std::string> bases;
      add_address(bases, own.url);
      return bases;
    }
  std::vector<std::string> bases = mirrors_for(manifest, mirrors, repository.suite);
  // The archive takes its pictures every six hours: the one after the Release surely has what it names.
  constexpr std::int64_t kUntilPictured = 12 * 3600;
  bases.push_back(
      snapshot_base(manifest.base.distro, repository.suite, compact_date(repository.date + kUntilPictured)));
  return bases;
}

}  // namespace alephc::debian
