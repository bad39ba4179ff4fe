// SPDX-License-Identifier: MIT
#include "distro/debian/indexes.hpp"

#include <array>
#include <ctime>

#include "base/diagnostic.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"
#include "decode/decode.hpp"
#include "distro/signed_index.hpp"

namespace alephc::debian {
namespace {

constexpr std::uint64_t kMaxRelease = 16 * 1024 * 1024;
constexpr std::uint64_t kMaxPackages = limits::kPackagesIndex;

[[noreturn]] void unknown_suite(const Source& source, const std::vector<std::string>& urls) {
  Diagnostic problem{.message = "no mirror has the suite '" + source.suite + "' of " + source.name,
                     .at = source.at};
  for (const std::string& url : urls) problem.context.push_back("asked " + public_url(url));
  if (urls.empty()) problem.context.emplace_back("there is no mirror to ask: this machine's apt names none");
  std::vector<std::string> known{"bullseye", "bookworm", "trixie", "forky", "sid"};
  problem.hint = did_you_mean(source.suite, known);
  if (problem.hint.empty())
    problem.hint = "is the release spelled right? name a mirror that has it with --mirror";
  throw Error(ErrorKind::failed, std::move(problem));
}

void check_dates(const VerifiedSource& verified, const Lock* previous, bool allow_older) {
  const Source& source = verified.source;
  const Release& release = verified.release;
  const std::int64_t now = std::time(nullptr);
  refuse_future("Release of " + source.id(), release.date, now);
  if (source.check_valid_until && release.valid_until != 0 && release.valid_until < now) {
    Diagnostic problem{.message = "the Release of " + source.id() + " expired on " +
                                  readable_date(release.valid_until)};
    problem.context = {"dated " + readable_date(release.date)};
    problem.hint =
        "the mirror is stale, or withholds updates from you: try another mirror; 'check_valid_until = "
        "false' in "
        "[base] accepts it";
    throw Error(ErrorKind::integrity, std::move(problem));
  }
  if (allow_older) return;
  refuse_older("Release of " + source.id(),
               {.name = source.name, .suite = source.suite, .date = release.date}, previous,
               "; 'alephc lock --date' goes back on purpose");
}

/// Nothing if no mirror has an optional one.
std::optional<VerifiedSource> fetch_release(const Source& source, const ToolBox& tools) {
  std::vector<std::string> urls;
  for (const std::string& base : source.bases) urls.push_back(suite_url(source, base, "InRelease"));
  VerifiedSource verified{.source = source};
  const auto accept = [&](const std::string& text) {
    verified.release =
        verify_release(text, {.keys = keys_of(source), .fingerprint = source.fingerprint}, source.id());
    if (!source.is_flat()) check_suite(verified.release, source.suite, source.id());
    verified.signer = source.fingerprint.empty() ? verified.release.signers.begin()->first : source.fingerprint;
  };
  std::vector<std::string> asked;
  const auto text = fetch_signed(urls, kMaxRelease, tools.fetcher, accept, asked);
  if (!text && source.optional) return std::nullopt;
  if (!text) unknown_suite(source, asked);
  // The signed index stays in the store: verify and vendor need it.
  verified.in_release = tools.store.put_blob(*text);
  return verified;
}

struct Wanted {
  PackagesFile file;
  VerifiedSource* owner = nullptr;
};

/// Chooses the best compressed form of one Packages file.
std::optional<RemoteFile> remote_packages(const VerifiedSource& verified, const std::string& path) {
  static constexpr std::array<const char*, 4> kForms{".xz", ".zst", ".gz", ""};
  for (const char* form : kForms) {
    const auto it = verified.release.files.find(path + form);
    if (it == verified.release.files.end()) continue;
    RemoteFile file{.digest = it->second.sha256,
                    .size = it->second.size,
                    .label = verified.source.id() + " " + path + form};
    const std::string folder = path.substr(0, path.rfind('/') + 1);
    for (const std::string& base : verified.source.bases) {
      if (verified.release.by_hash)
        file.urls.push_back(
            suite_url(verified.source, base, folder + "by-hash/SHA256/" + it->second.sha256.hex()));
      file.urls.push_back(suite_url(verified.source, base, path + form));
    }
    return file;
  }
  return std::nullopt;
}

std::vector<std::pair<PackagesFile, std::string>> packages_paths(const VerifiedSource& verified,
                                                                 const std::vector<std::string>& archs) {
  if (verified.source.is_flat()) return {{PackagesFile{}, "Packages"}};
  std::vector<std::pair<PackagesFile, std::string>> paths;
  for (const std::string& component : verified.source.components)
    for (const std::string& arch : archs)
      paths.push_back({{.component = component, .arch = arch}, component + "/binary-" + arch + "/Packages"});
  return paths;
}

}  // namespace

std::string suite_url(const Source& source, const std::string& base, const std::string& file) {
  if (source.is_flat()) return base + "/" + (source.suite == "./" ? "" : source.suite) + file;
  return base + "/dists/" + source.suite + "/" + file;
}

void fetch_packages(std::vector<VerifiedSource>& verified, const std::vector<std::string>& archs,
                    const ToolBox& tools) {
  std::vector<RemoteFile> files;
  std::vector<Wanted> wanted;
  for (VerifiedSource& each : verified) {
    for (auto& [file, path] : packages_paths(each, archs)) {
      auto remote = remote_packages(each, path);
      if (!remote) {
        Diagnostic problem{.message = each.source.id() + " has no " + path, .at = each.source.at};
        problem.hint = "does the archive have that component and architecture?";
        throw Error(ErrorKind::failed, std::move(problem));
      }
      file.compressed = remote->digest;
      const auto plain = each.release.files.find(path);
      if (plain != each.release.files.end() && tools.store.has_blob(plain->second.sha256)) {
        file.digest = plain->second.sha256;
        each.packages.push_back(file);
        continue;
      }
      wanted.push_back({file, &each});
      files.push_back(std::move(*remote));
    }
  }
  tools.fetcher.fetch(files, [](std::size_t) {});
  for (Wanted& want : wanted) {
    auto blob = tools.store.open_blob(want.file.compressed);
    if (!blob) throw Error(ErrorKind::failed, "a Packages file vanished from the store");
    const std::string text = with_context("decompressing the package index of " + want.owner->source.id(),
                                          [&] { return decompress(blob->get(), kMaxPackages); });
    want.file.digest = tools.store.put_blob(text);
    want.owner->packages.push_back(want.file);
  }
}

std::vector<VerifiedSource> fetch_indexes(const std::vector<Source>& sources,
                                          const std::vector<std::string>& archs, const Lock* previous,
                                          bool allow_older, const ToolBox& tools) {
  std::vector<VerifiedSource> verified;
  for (const Source& source : sources) {
    tools.reporter.progress("lock  " + source.id());
    if (auto found = fetch_release(source, tools)) {
      check_dates(*found, previous, allow_older);
      verified.push_back(std::move(*found));
    }
  }
  fetch_packages(verified, archs, tools);
  return verified;
}

RemoteFile file_of(const IndexedPackage& package, const Source& source) {
  RemoteFile file{.digest = package.sha256, .size = package.size, .label = std::string(package.name)};
  for (const std::string& base : source.bases)
    file.urls.push_back(base + "/" + std::string(package.filename));
  return file;
}

}  // namespace alephc::debian
