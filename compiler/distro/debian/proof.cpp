// SPDX-License-Identifier: MIT
#include <algorithm>
#include <set>

#include "base/diagnostic.hpp"
#include "distro/debian/debian.hpp"
#include "distro/debian/index.hpp"
#include "distro/debian/indexes.hpp"
#include "distro/signed_index.hpp"

namespace alephc::debian {
namespace {

std::vector<std::string> archs_of(const Manifest& manifest, const Lock& lock) {
  std::vector<std::string> archs{manifest.base.arch};
  for (const LockedPackage& package : lock.packages())
    if (package.arch != "all" && std::find(archs.begin(), archs.end(), package.arch) == archs.end())
      archs.push_back(package.arch);
  return archs;
}

class Prover {
 public:
  Prover(const Manifest& manifest, const Lock& lock, const Mirrors& mirrors, const Keyrings& spare,
         const ToolBox& tools)
      : manifest_(manifest), lock_(lock), mirrors_(mirrors), spare_(spare), tools_(tools) {}

  std::vector<IndexProof> run() {
    const std::vector<Source> sources = sources_of(manifest_, mirrors_, "");
    std::vector<IndexProof> proofs;
    for (const LockedRepository& repository : lock_.repositories) {
      const auto source = std::find_if(sources.begin(), sources.end(), [&](const Source& each) {
        return each.name == repository.name && each.suite == repository.suite;
      });
      IndexProof proof{.repository = repository.name + "/" + repository.suite};
      proof.packages = packages_from(proof.repository, lock_).size();
      if (source == sources.end())
        proof.unknown = "the manifest names no such source";
      else
        prove(repository, *source, proof);
      proofs.push_back(std::move(proof));
    }
    return proofs;
  }

 private:
  static std::string whose_keys(const Source& source, bool is_spare) {
    if (is_spare) return "the bundle's";
    if (!source.distribution_keyring) return "the project's";
    return std::filesystem::exists(source.keyring) ? source.keyring.string() : "alephc's own";
  }

  void prove(const LockedRepository& repository, Source source, IndexProof& proof) const {
    source.bases = bases_of(manifest_, repository, mirrors_);
    std::vector<std::string> urls;
    for (const std::string& base : source.bases) urls.push_back(suite_url(source, base, "InRelease"));
    const auto text = read_locked_index(repository, urls, tools_);
    if (!text) {
      proof.unknown = "no reachable server still has the signed index of that date";
      return;
    }
    const auto spare = spare_.find(proof.repository);
    const bool is_there = std::filesystem::exists(source.keyring) || !source.embedded_keys.empty();
    if (!is_there && spare != spare_.end()) source.keyring = spare->second;
    // Keys that every alephc has need not travel with a bundle.
    if (std::filesystem::exists(source.keyring)) proof.keyring = source.keyring;
    proof.keys = whose_keys(source, !is_there);
    std::vector<VerifiedSource> verified(1);
    const Release& release = verified[0].release = verify_release(
        *text, {.keys = keys_of(source), .fingerprint = source.fingerprint, .time = KeyTime::release}, source.id());
    if (!source.is_flat()) check_suite(release, source.suite, source.id());
    verified[0].source = std::move(source);
    // Of several keys, the one that the lock went by: which others count may have changed since.
    const auto signer = release.signers.find(repository.signer);
    proof.signer = signer != release.signers.end() ? signer->first : release.signers.begin()->first;
    check_signer(proof, repository);
    proof.date = release.date;
    proof.key_expired = signer->second;
    proof.blobs.push_back(repository.index);
    try {
      fetch_packages(verified, archs_of(manifest_, lock_), tools_);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::interrupted || error.kind() == ErrorKind::host) throw;
      proof.unknown = std::string("its package lists are out of reach: ") + error.what();
      return;
    }
    count_found(verified[0], proof);
  }

  void count_found(const VerifiedSource& verified, IndexProof& proof) const {
    std::set<std::string> known;
    for (const PackagesFile& file : verified.packages) {
      const std::string text = tools_.store.read_blob(file.digest).value_or("");
      PackageIndex index;
      index.add(text, 0);
      for (const IndexedPackage& package : index.packages())
        known.insert(std::string(package.name) + " " + std::string(package.version) + " " +
                     package.sha256.hex());
      proof.blobs.push_back(tools_.store.has_blob(file.compressed) ? file.compressed : file.digest);
    }
    for (const LockedPackage* package : packages_from(proof.repository, lock_))
      if (known.contains(package->name + " " + package->version + " " + package->sha256.hex())) ++proof.found;
  }

  const Manifest& manifest_;
  const Lock& lock_;
  const Mirrors& mirrors_;
  const Keyrings& spare_;
  const ToolBox& tools_;
};

}  // namespace

std::vector<IndexProof> prove_packages(const Manifest& manifest, const Lock& lock, const Mirrors& mirrors,
                                       const Keyrings& spare, const ToolBox& tools) {
  return Prover(manifest, lock, mirrors, spare, tools).run();
}

}  // namespace alephc::debian
