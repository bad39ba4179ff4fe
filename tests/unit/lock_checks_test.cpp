// SPDX-License-Identifier: MIT
#include "verify/lock_checks.hpp"

#include "base/diagnostic.hpp"
#include "support/catch.hpp"

using namespace alephc;

namespace {

constexpr std::int64_t kDay = 86400;
constexpr std::int64_t kNow = 1800000000;

struct Case {
  LockedRuntime runtime{};
  std::vector<IndexProof> proofs{};
  Keyrings bundle{};
  std::set<std::string> trusted{};

  Case() {
    runtime.lock.repositories = {{.name = "debian", .suite = "x", .date = kNow - 3 * kDay}};
    LockedPackage package{.name = "p", .version = "1", .repository = "debian/x"};
    runtime.lock.layers = {{.name = "packages", .packages = {package}}};
    proofs = {
        {.repository = "debian/x", .signer = "KEY", .date = kNow - 3 * kDay, .packages = 1, .found = 1}};
  }

  [[nodiscard]] std::vector<VerifyCheck> judge() const {
    return judge_packages(
        runtime, proofs,
        {.bundle_keyrings = bundle, .trusted_keys = trusted, .now = kNow, .unproven = Verdict::undecided});
  }
  [[nodiscard]] std::string text(Verdict verdict) const {
    std::string out;
    for (const VerifyCheck& check : judge())
      if (check.verdict == verdict) out += check.name + ": " + check.text + "\n";
    return out;
  }
};

}  // namespace

TEST_CASE("packages that a signed index names are verified, with the index's age") {
  CHECK(Case().text(Verdict::verified) ==
        "indexes: signed 2027-01-12, 3 days old\npackages: 1/1 in indexes signed by KEY\n");
}

TEST_CASE("whose keys the indexes were checked with is said, once for all that share them") {
  Case each;
  each.proofs[0].keys = "alephc's own";
  each.proofs.push_back({.repository = "debian/y", .signer = "KEY", .keys = "alephc's own"});
  each.proofs.push_back({.repository = "mine/z", .signer = "OTHER", .keys = "the project's"});
  CHECK(each.text(Verdict::verified)
            .find("keys: debian/x, debian/y: alephc's own\nkeys: mine/z: the project's\n") !=
        std::string::npos);
}

TEST_CASE("a package that its index does not name is a mismatch") {
  Case each;
  each.proofs[0].found = 0;
  CHECK(each.text(Verdict::mismatch) == "packages: 0/1 in indexes signed by KEY\n");
}

TEST_CASE("a package of a repository that neither lock nor manifest know is a mismatch") {
  Case each;
  each.runtime.lock.layers[0].packages[0].repository = "other/x";
  CHECK(each.text(Verdict::mismatch) ==
        "packages: p 1 comes from 'other/x', which neither the lock's indexes nor the manifest know\n");
}

TEST_CASE("an index of another date than the lock says is a mismatch, one of the future undecided") {
  Case each;
  each.proofs[0].date = kNow + 2 * kDay;
  CHECK(each.text(Verdict::mismatch).starts_with("indexes: debian/x: the lock dates the index "));
  CHECK(each.text(Verdict::undecided).starts_with("indexes: debian/x: the index is of the future"));
}

TEST_CASE("what only the bundle's own keyring vouches for is not proven, unless its key is trusted") {
  Case each;
  each.bundle["debian/x"] = each.proofs[0].keyring = "/store/keyring";
  CHECK(each.text(Verdict::undecided) ==
        "packages: lock trusted, not proven (debian/x: only the bundle's own keyring vouches for it)\n");
  each.trusted = {"KEY"};
  CHECK(each.text(Verdict::undecided).empty());
}

TEST_CASE("an index out of reach leaves the packages unproven") {
  Case each;
  each.proofs[0].unknown = "out of reach";
  CHECK(each.text(Verdict::undecided) == "packages: lock trusted, not proven (debian/x: out of reach)\n");
  CHECK(each.text(Verdict::verified).empty());
}

TEST_CASE("a stranger's project may bring no keys of its own, unless the user named them") {
  Manifest manifest;
  manifest.repositories = {{.name = "r", .key = "r.asc", .fingerprint = "AB CD"}};
  CHECK_THROWS_AS(confine_project(manifest, {}), Error);
  CHECK_NOTHROW(confine_project(manifest, {"ABCD"}));
  CHECK_NOTHROW(confine_project(manifest, {"r.asc"}));
}
