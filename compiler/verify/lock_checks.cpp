// SPDX-License-Identifier: MIT
#include "verify/lock_checks.hpp"

#include <algorithm>
#include <map>

#include "base/dates.hpp"
#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "guest/init_source.hpp"
#include "pipeline/language_packages.hpp"

namespace alephc {
namespace {

struct Checks {
  std::vector<VerifyCheck> list{};
  void say(const std::string& name, Verdict verdict, const std::string& text) {
    list.push_back({name, verdict, text});
  }
};

void check_keyring(const std::string& what, const std::string& file, const std::string& fingerprint,
                   const std::set<std::string>& trusted_keys, DiagnosticList& problems) {
  if (!fingerprint.empty() && trusted_keys.contains(join(split_words(fingerprint), ""))) return;
  if (trusted_keys.contains(file)) return;
  problems.error(
      what + " (" + file + ") is the project's own: whoever made it chose whom to trust", std::nullopt,
      "look at it, and say --trust-key " + (fingerprint.empty() ? file : join(split_words(fingerprint), "")));
}

/// What the lock chose by itself, against what the manifest says and what this alephc is.
void look_at_lock(const LockedRuntime& runtime, Verdict unproven, Checks& out) {
  for (const ArchiveSpec& archive : runtime.manifest.archives)
    for (const LockedArchive& locked : runtime.lock.archives)
      if (archive.name == locked.name && !archive.sha256.is_zero() && archive.sha256 != locked.sha256)
        out.say("lock", Verdict::mismatch,
                "its archive '" + archive.name + "' is not the one that the manifest names");
  std::vector<std::string> unpinned;
  for (const ArchiveSpec& archive : runtime.manifest.archives)
    if (archive.source.empty() && archive.sha256.is_zero() && archive.integrity.empty())
      unpinned.push_back(archive.name);
  if (!unpinned.empty())
    out.say("archives", unproven,
            "by the lock's hashes alone, the manifest names none: " + join(unpinned, ", "));
}

/// They run with all rights, and no index signs them: what is neither a release nor made of this alephc's source may do
/// anything, so it stays open, "strict" or not.
void look_at_guest_files(const Lock& lock, Checks& out) {
  const auto files = guest_files();
  for (const LockedGuestFile& locked : lock.guest_files) {
    const bool known = locked.name == "aleph-init"
                           ? is_known_init(locked.sha256)
                           : std::any_of(files.begin(), files.end(), [&](const GuestFile& file) {
                               return file.name == locked.name && file.sha256 == locked.sha256;
                             });
    if (!known)
      out.say("init", Verdict::undecided,
              "the lock's " + locked.name + " (" + locked.sha256.hex().substr(0, 12) +
                  "…) is not one that this alephc knows: it runs with all rights, and may do anything");
  }
}

/// No index of Python or npm is signed: hashes are all there is, and the project's own lock files.
void look_at_languages(const LockedRuntime& runtime, Verdict unproven, Checks& out) {
  const Lock& lock = runtime.lock;
  for (const std::string& text : language_contradictions(runtime.manifest, lock))
    out.say("lock", Verdict::mismatch, text);
  const bool by_lock_file = !runtime.manifest.python.lock_files.empty();
  if (!lock.wheels.empty())
    out.say("python", by_lock_file ? Verdict::verified : unproven,
            std::to_string(lock.wheels.size()) +
                (by_lock_file ? " files by the hashes of " + runtime.manifest.python.lock_files.front()
                              : " files by the lock's hashes: no index signs what it has"));
  if (!lock.modules.empty())
    out.say("npm", Verdict::verified,
            std::to_string(lock.modules.size()) + " packages by the integrity that " +
                runtime.manifest.node.lockfile + " names");
}

/// Packages that are in no repository: the manifest must
/// name them, by URL and hash or as a file of the project.
bool is_declared(const LockedRuntime& runtime, const LockedPackage& package) {
  for (const PackageFile& file : runtime.manifest.packages.files) {
    if (package.repository == "url" && file.url == package.path && file.sha256 == package.sha256) return true;
    if (package.repository != "file" || file.path != package.path) continue;
    for (const LockedInput& input : runtime.lock.inputs)
      if (input.path == package.path && input.sha256 == package.sha256) return true;
  }
  return false;
}

void refuse_strays(const LockedRuntime& runtime, const std::set<std::string>& repositories, Checks& out) {
  for (const LockedPackage& package : runtime.lock.packages())
    if (!repositories.contains(package.repository) && !is_declared(runtime, package))
      out.say("packages", Verdict::mismatch,
              package.name + " " + package.version + " comes from '" + package.repository +
                  "', which neither the lock's indexes nor the manifest know");
}

/// A keyring that a bundle and the project both bring is one file of the store.
bool is_of_project(const LockedRuntime& runtime, const std::filesystem::path& keyring) {
  const auto& contents = runtime.manifest.contents;
  return std::any_of(contents.begin(), contents.end(),
                     [&](const auto& each) { return each.second == keyring; });
}

/// Notes an index's date. One of the future, and a key that has expired since, are said.
void look_at_age(const LockedRuntime& runtime, const IndexProof& proof, std::int64_t now,
                 std::set<std::int64_t>& dates, Checks& out) {
  if (proof.date == 0) return;
  for (const LockedRepository& locked : runtime.lock.repositories)
    if (locked.name + "/" + locked.suite == proof.repository && locked.date != proof.date)
      out.say("indexes", Verdict::mismatch,
              proof.repository + ": the lock dates the index " + iso_time(locked.date) + ", it is of " +
                  iso_time(proof.date));
  dates.insert(proof.date);
  if (proof.date > now + kSecondsPerDay)
    out.say("indexes", Verdict::undecided,
            proof.repository + ": the index is of the future, " + iso_day(proof.date) +
                "; is this machine's clock right?");
  if (proof.key_expired != 0)
    out.say("indexes", Verdict::verified,
            proof.repository + ": the key " + proof.signer +
                " was valid when it signed; key expired since, on " + iso_day(proof.key_expired));
}

/// Old indexes may lack security updates. Whether they are too old is for the reader to judge.
void say_age(const std::set<std::int64_t>& dates, std::int64_t now, Checks& out) {
  if (dates.empty()) return;
  const std::int64_t newest = *dates.rbegin();
  const std::int64_t days = std::max<std::int64_t>(0, now - newest) / kSecondsPerDay;
  const std::string oldest = iso_day(*dates.begin());
  out.say("indexes", Verdict::verified,
          "signed " + (oldest == iso_day(newest) ? "" : oldest + " to ") + iso_day(newest) + ", " +
              std::to_string(days) + (days == 1 ? " day old" : " days old"));
}

bool is_by_bundle(const LockedRuntime& runtime, const IndexProof& proof, const IndexTrust& trust) {
  const auto keyring = trust.bundle_keyrings.find(proof.repository);
  return keyring != trust.bundle_keyrings.end() && proof.keyring == keyring->second &&
         !is_of_project(runtime, proof.keyring) && !trust.trusted_keys.contains(proof.signer);
}

}  // namespace

void confine_project(const Manifest& manifest, const std::set<std::string>& trusted_keys) {
  DiagnosticList problems;
  for (const RunSpec& run : manifest.runs)
    if (run.network)
      problems.error("the script '" + run.name + "' uses the network, so its result cannot be verified",
                     run.at, "pin what it fetches with [[archive]]");
  if (!manifest.base.keyring.empty())
    check_keyring("base.keyring", manifest.base.keyring, {}, trusted_keys, problems);
  for (const RepositorySpec& repository : manifest.repositories)
    check_keyring("the key of [[repository]] " + repository.name, repository.key, repository.fingerprint,
                  trusted_keys, problems);
  problems.stop_if_errors();
}

std::vector<VerifyCheck> judge_lock(const LockedRuntime& runtime, Verdict unproven) {
  Checks out;
  look_at_lock(runtime, unproven, out);
  look_at_guest_files(runtime.lock, out);
  look_at_languages(runtime, unproven, out);
  return out.list;
}

std::vector<VerifyCheck> judge_packages(const LockedRuntime& runtime, const std::vector<IndexProof>& proofs,
                                        const IndexTrust& trust) {
  Checks out;
  std::size_t total = 0;
  std::size_t found = 0;
  std::set<std::string> signers;
  std::set<std::string> repositories;
  std::set<std::int64_t> dates;
  std::map<std::string, std::vector<std::string>> checked_with;
  std::vector<std::string> unknown;
  for (const IndexProof& proof : proofs) {
    repositories.insert(proof.repository);
    if (is_by_bundle(runtime, proof, trust))
      unknown.push_back(proof.repository + ": only the bundle's own keyring vouches for it");
    if (!proof.unknown.empty()) {
      unknown.push_back(proof.repository + ": " + proof.unknown);
      continue;
    }
    total += proof.packages;
    found += proof.found;
    signers.insert(proof.signer);
    if (!proof.keys.empty()) checked_with[proof.keys].push_back(proof.repository);
    look_at_age(runtime, proof, trust.now, dates, out);
  }
  refuse_strays(runtime, repositories, out);
  if (!unknown.empty())
    out.say("packages", trust.unproven, "lock trusted, not proven (" + join(unknown, "; ") + ")");
  if (signers.empty()) return out.list;
  say_age(dates, trust.now, out);
  for (const auto& [keys, checked] : checked_with)
    out.say("keys", Verdict::verified, join(checked, ", ") + ": " + keys);
  out.say("packages", found == total ? Verdict::verified : Verdict::mismatch,
          std::to_string(found) + "/" + std::to_string(total) + " in indexes signed by " +
              join({signers.begin(), signers.end()}, ", "));
  return out.list;
}

}  // namespace alephc
