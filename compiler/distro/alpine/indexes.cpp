// SPDX-License-Identifier: MIT
#include "distro/alpine/indexes.hpp"

#include <algorithm>
#include <ctime>
#include <set>

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "distro/alpine/index.hpp"
#include "distro/alpine/package.hpp"
#include "distro/signed_index.hpp"

namespace alephc::alpine {
namespace {

constexpr std::uint64_t kMaxIndex = 64ULL << 20U;
constexpr const char* kIndexFile = "APKINDEX.tar.gz";

[[noreturn]] void unknown_repository(const Source& source, const std::vector<std::string>& asked) {
  Diagnostic problem{.message = "no mirror has the repository " + source.id(), .at = source.at};
  for (const std::string& failure : asked) problem.context.push_back("asked " + failure);
  problem.hint =
      "are release, component and architecture spelled right? name a mirror that has it with --mirror";
  throw Error(ErrorKind::failed, std::move(problem));
}

VerifiedSource fetch_index(const Source& source, const std::string& arch, const ToolBox& tools) {
  VerifiedSource verified{.source = source};
  std::vector<std::string> asked;
  const auto accept = [&](const std::string& bytes) { verified.index = verify_source(bytes, source); };
  const auto bytes =
      fetch_signed(urls_of(source, arch + "/" + kIndexFile), kMaxIndex, tools.fetcher, accept, asked);
  if (!bytes) unknown_repository(source, asked);
  // The signed index stays in the store: verify and vendor need it.
  verified.digest = tools.store.put_blob(*bytes);
  return verified;
}

/// The index knows no hash of a whole file: the files themselves are needed. False if not all can be had.
bool fetch_missing(const std::vector<const LockedPackage*>& packages, const Source& source,
                   const ToolBox& tools) {
  std::vector<RemoteFile> files;
  for (const LockedPackage* package : packages)
    files.push_back({.digest = package->sha256,
                     .size = package->size,
                     .urls = urls_of(source, package->path),
                     .label = package->name + " " + package->version});
  try {
    tools.fetcher.fetch(files, [](std::size_t) {});
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::failed) throw;
    return false;
  }
  return true;
}

/// Whether the file with the locked hash has the locked identity, and the data that this promises.
bool is_what_it_says(const LockedPackage& package, const ToolBox& tools) {
  const auto file = tools.store.open_blob(package.sha256);
  if (!file) return false;
  try {
    return read_package(file->get()).identity == package.identity;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::integrity) throw;
    return false;
  }
}

void prove(const LockedRepository& repository, const Source& source, const std::string& arch,
           const Lock& lock, const ToolBox& tools, IndexProof& proof) {
  const auto bytes = read_locked_index(repository, urls_of(source, arch + "/" + kIndexFile), tools);
  if (!bytes) {
    proof.unknown = "no reachable server still has the signed index of that date";
    return;
  }
  const SignedIndex index = verify_source(*bytes, source);
  proof.signer = index.signer;
  proof.date = index.date;
  proof.keys = source.distribution_keyring ? "alephc's own" : "the project's";
  check_signer(proof, repository);
  proof.blobs.push_back(repository.index);
  PackageIndex packages(arch);
  packages.add(index.text, 0);
  std::set<std::string> known;
  for (const IndexedPackage& package : packages.packages())
    known.insert(std::string(package.name) + " " + std::string(package.version) + " " +
                 std::string(package.identity));
  const std::vector<const LockedPackage*> locked = packages_from(proof.repository, lock);
  if (!fetch_missing(locked, source, tools)) {
    proof.unknown = "packages are out of reach, and only they tie the lock's hashes to the index";
    return;
  }
  for (const LockedPackage* package : locked)
    if (known.contains(package->name + " " + package->version + " " + package->identity) &&
        is_what_it_says(*package, tools))
      ++proof.found;
}

}  // namespace

SignedIndex verify_source(const std::string& bytes, const Source& source) {
  SignedIndex index = verify_index(bytes, source.keys, source.id());
  if (!source.fingerprint.empty() && index.signer != source.fingerprint) {
    Diagnostic problem{
        .message = "the index of " + source.id() + " is signed by another key than the pinned one",
        .at = source.at};
    problem.context = {"signed by " + index.signer, "pinned    " + source.fingerprint};
    throw Error(ErrorKind::integrity, std::move(problem));
  }
  return index;
}

std::vector<VerifiedSource> fetch_indexes(const std::vector<Source>& sources, const std::string& arch,
                                          const Lock* previous, const ToolBox& tools) {
  std::vector<VerifiedSource> verified;
  for (const Source& source : sources) {
    tools.reporter.progress("lock  " + source.id());
    verified.push_back(fetch_index(source, arch, tools));
    refuse_future("index of " + source.id(), verified.back().index.date, std::time(nullptr));
    refuse_older("index of " + source.id(),
                 {.name = source.name, .suite = source.suite, .date = verified.back().index.date}, previous);
  }
  return verified;
}

std::vector<IndexProof> prove_packages(const Manifest& manifest, const Lock& lock, const Mirrors& mirrors,
                                       const Keyrings& /*spare*/, const ToolBox& tools) {
  const std::vector<Source> sources = sources_of(manifest, mirrors);
  std::vector<IndexProof> proofs;
  for (const LockedRepository& repository : lock.repositories) {
    IndexProof proof{.repository = repository.name + "/" + repository.suite};
    proof.packages = packages_from(proof.repository, lock).size();
    const auto source = std::find_if(sources.begin(), sources.end(),
                                     [&](const Source& each) { return each.id() == proof.repository; });
    if (source == sources.end())
      proof.unknown = "the manifest names no such repository";
    else
      prove(repository, *source, apk_arch(manifest.base.arch), lock, tools, proof);
    proofs.push_back(std::move(proof));
  }
  return proofs;
}

}  // namespace alephc::alpine
