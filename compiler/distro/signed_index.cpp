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

void refuse_older(const std::string& what, const LockedRepository& offered, const Lock* previous) {
  if (previous == nullptr) return;
  for (const LockedRepository& old : previous->repositories) {
    if (old.name != offered.name || old.suite != offered.suite || offered.date >= old.date) continue;
    Diagnostic problem{.message = "the " + what + " is older than the locked one"};
    problem.context = {"offered: " + readable_date(offered.date), "locked:  " + readable_date(old.date)};
    problem.hint =
        "the mirror is stale, or somebody offers old packages: try another mirror; 'alephc lock --date' goes "
        "back on purpose";
    throw Error(ErrorKind::integrity, std::vector{problem});
  }
}

}  // namespace alephc
