// SPDX-License-Identifier: MIT
#include "distro/signed_index.hpp"

#include <algorithm>

#include "base/diagnostic.hpp"
#include "base/text.hpp"

namespace alephc {

std::optional<std::string> fetch_signed(const std::vector<std::string>& urls, std::uint64_t limit,
                                        const Fetcher& fetcher,
                                        const std::function<void(const std::string&)>& accept,
                                        std::vector<std::string>& asked) {
  std::vector<std::string> left = urls;
  std::optional<Error> refused;
  while (!left.empty()) {
    FetchedText fetched;
    try {
      fetched = fetcher.fetch_text(left, limit);
    } catch (const Error& error) {
      if (refused && error.kind() == ErrorKind::failed) break;  // the others are out of reach
      throw;
    }
    asked.insert(asked.end(), fetched.failures.begin(), fetched.failures.end());
    if (fetched.url.empty()) break;
    try {
      accept(fetched.text);
      return std::move(fetched.text);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::integrity) throw;
      refused = error;
      refused->add_context("from " + public_url(fetched.url));
    }
    left.erase(left.begin(), std::find(left.begin(), left.end(), fetched.url) + 1);
  }
  if (refused) throw Error(*refused);
  return std::nullopt;
}

void refuse_older(const std::string& what, const LockedRepository& offered, const Lock* previous,
                  const std::string& ways_out) {
  if (previous == nullptr) return;
  for (const LockedRepository& old : previous->repositories) {
    if (old.name != offered.name || old.suite != offered.suite || offered.date >= old.date) continue;
    Diagnostic problem{.message = "the " + what + " is older than the locked one"};
    problem.context = {"offered: " + readable_date(offered.date), "locked:  " + readable_date(old.date)};
    problem.hint = "the mirror is stale, or offers old packages on purpose: try another mirror" + ways_out;
    throw Error(ErrorKind::integrity, std::move(problem));
  }
}

void refuse_future(const std::string& what, std::int64_t date, std::int64_t now) {
  constexpr std::int64_t kMostFuture = 10;
  if (date <= now + kMostFuture) return;
  Diagnostic problem{.message = "the " + what + " is of the future: " + readable_date(date)};
  problem.context = {"this machine's clock says " + readable_date(now)};
  problem.hint = "is this machine's clock right? else the mirror is broken or tampered with";
  throw Error(ErrorKind::integrity, std::move(problem));
}

std::optional<std::string> read_locked_index(const LockedRepository& repository,
                                             const std::vector<std::string>& urls, const ToolBox& tools) {
  if (auto text = tools.store.read_blob(repository.index)) return text;
  const RemoteFile file{.digest = repository.index,
                        .urls = urls,
                        .label = "the signed index of " + repository.name + "/" + repository.suite};
  try {
    tools.fetcher.fetch({file}, [](std::size_t) {});
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::interrupted || error.kind() == ErrorKind::host) throw;
    return std::nullopt;
  }
  return tools.store.read_blob(repository.index);
}

std::vector<const LockedPackage*> packages_from(const std::string& repository, const Lock& lock) {
  std::vector<const LockedPackage*> packages;
  for (const LockedPackage& package : lock.packages())
    if (package.repository == repository) packages.push_back(&package);
  return packages;
}

void check_signer(const IndexProof& proof, const LockedRepository& repository) {
  if (proof.signer != repository.signer)
    throw Error(ErrorKind::integrity, "the index of " + proof.repository + " is signed by " + proof.signer +
                                          ", the lock says " + repository.signer);
}

void add_address(std::vector<std::string>& addresses, std::string address) {
  while (address.ends_with('/')) address.pop_back();
  if (!address.empty() && std::find(addresses.begin(), addresses.end(), address) == addresses.end())
    addresses.push_back(std::move(address));
}

}  // namespace alephc
