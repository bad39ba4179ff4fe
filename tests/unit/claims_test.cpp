// SPDX-License-Identifier: MIT
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/cid.hpp"
#include "base/digest.hpp"
#include "support/catch.hpp"
#include "verify/checks.hpp"
#include "verify/claims.hpp"

using namespace alephc;

namespace {

// Of a MiB of "x", as ipfs computes them.
constexpr const char* kCidV0 = "QmZxqsmKZbwrPGAiPDgnUHKuh7FicKDFMpaE8B6mhdQAH3";
constexpr const char* kCidV1 = "bafybeihoskmhhavvvpccjhfeuturxhtr2c3sde4bt4tnhy2yz2ih6vlyie";
// Of something else.
constexpr const char* kOtherV0 = "QmbVuw4C4vcmVKqxoWtgDVobvcHrSn51qsmQmyxjk4sB2Q";
constexpr const char* kOtherV1 = "bafybeigllfqgfpqydppr6cmv56g7ax4wyhruzswvcefv6j5kj77nzttfki";

ImageResult image() {
  return {.sha256 = sha256("image"),
          .cid_v0 = kCidV0,
          .cid_v1 = kCidV1,
          .tree = {.v1 = sha256("tree 1"), .v2 = sha256("tree 2"), .outside = sha256("outside")}};
}

/// The CIDv1 that has the digest of a CIDv0.
std::string reencoded(const std::string& cid_v0) {
  const std::string bytes = "\x01\x70" + decode_base58(cid_v0);
  std::string out = "b";
  unsigned bits = 0;
  unsigned count = 0;
  for (const char c : bytes) {
    bits = (bits << 8U) | static_cast<unsigned char>(c);
    for (count += 8; count >= 5; count -= 5) out += "abcdefghijklmnopqrstuvwxyz234567"[(bits >> (count - 5)) & 31U];
  }
  return out + "abcdefghijklmnopqrstuvwxyz234567"[(bits << (5 - count)) & 31U];
}

Verdict conclude(const std::vector<Verdict>& verdicts) {
  std::vector<VerifyCheck> checks;
  for (const Verdict verdict : verdicts) checks.push_back({"image", verdict, ""});
  return conclusion_of(checks);
}

std::optional<VerifyCheck> compare(const Claim& claim, bool tree_level = false) {
  return compare_with_claim(claim, image(), "the image", {.tree_level = tree_level});
}

}  // namespace

TEST_CASE("one mismatch decides, then one undecided check, and nothing checked proves nothing") {
  using enum Verdict;
  CHECK(conclude({}) == undecided);
  CHECK(conclude({ignored, ignored}) == undecided);
  CHECK(conclude({verified}) == verified);
  CHECK(conclude({verified, ignored}) == verified);
  CHECK(conclude({verified, undecided, verified}) == undecided);
  CHECK(conclude({undecided, mismatch, verified}) == mismatch);
  CHECK(conclude({ignored, mismatch}) == mismatch);
  CHECK(std::string(verdict_name(verified)) == "verified");
  CHECK(std::string(verdict_name(mismatch)) == "mismatch");
  CHECK(std::string(verdict_name(undecided)) == "undecided");
  CHECK(std::string(verdict_name(ignored)) == "ignored");
}

TEST_CASE("claims contradict each other only in the same kind of hash, once for each pair") {
  const std::string one = sha256("one").hex();
  const std::string two = sha256("two").hex();
  CHECK(contradictions({}).empty());
  CHECK(contradictions({{.who = "a", .hash = one}, {.who = "b", .hash = one}}).empty());
  CHECK(contradictions({{.who = "a", .hash = one}, {.who = "b", .hash = kCidV0}, {.who = "c", .hash = kOtherV1},
                        {.who = "d"}})
            .empty());
  const auto found = contradictions({{.who = "--expect", .hash = one}, {.who = "the message", .hash = two}});
  REQUIRE(found.size() == 1);
  CHECK(found[0].verdict == Verdict::mismatch);
  CHECK(found[0].name == "image");
  CHECK(found[0].text == "the message says " + two + ", --expect says " + one);
  CHECK(contradictions({{.who = "a", .hash = kCidV0}, {.who = "b", .hash = kOtherV0}}).size() == 1);
  // One may be the re-encoded CIDv0, the other that of raw leaves.
  CHECK(contradictions({{.who = "a", .hash = kCidV1}, {.who = "b", .hash = kOtherV1}}).empty());
  CHECK(contradictions({{.who = "a", .hash = one}, {.who = "b", .hash = two}, {.who = "c", .hash = sha256("c").hex()}})
            .size() == 3);
}

TEST_CASE("an image is the claimed one by its sha256, its CIDv0 or its CIDv1, also the one encoded again") {
  for (const std::string& hash : {sha256("image").hex(), std::string(kCidV0), std::string(kCidV1), reencoded(kCidV0)}) {
    CAPTURE(hash);
    const auto check = compare({.who = "--expect", .hash = hash});
    REQUIRE(check.has_value());
    CHECK(check->verdict == Verdict::verified);
    CHECK(check->name == "image");
    CHECK(check->text == "the image is that of --expect");
  }
}

TEST_CASE("an image that is not the claimed one is a mismatch that shows its hash in the claim's form") {
  for (const auto& [hash, own] : std::vector<std::pair<std::string, std::string>>{
           {sha256("other").hex(), sha256("image").hex()}, {kOtherV0, kCidV0}, {kOtherV1, kCidV1},
           {reencoded(kOtherV0), kCidV1}}) {
    CAPTURE(hash);
    const auto check = compare({.who = "the message", .hash = hash});
    REQUIRE(check.has_value());
    CHECK(check->verdict == Verdict::mismatch);
    CHECK(check->text == "the image is not that of the message: " + own + ", not " + hash);
  }
  ImageResult folder = image();
  folder.sha256 = {};
  CHECK(compare_with_claim({.who = "a", .hash = Digest{}.hex()}, folder, "the folder", {})->verdict ==
        Verdict::mismatch);
}

TEST_CASE("a claim of a tree is compared in the version that both know") {
  for (TreeDigest tree : {TreeDigest{.v2 = sha256("tree 2")}, TreeDigest{.v1 = sha256("tree 1")},
                          TreeDigest{.v1 = sha256("wrong"), .v2 = sha256("tree 2")}}) {
    tree.outside = sha256("outside");
    const auto check = compare({.who = "the receipt", .tree = tree});
    REQUIRE(check.has_value());
    CHECK(check->verdict == Verdict::verified);
    CHECK(check->name == "tree");
    CHECK(check->text == "the image has the tree digest of the receipt");
  }
  const auto other = compare({.who = "the receipt", .tree = {.v2 = sha256("other")}});
  CHECK(other->verdict == Verdict::mismatch);
  CHECK(other->text == "the image has another tree digest than the receipt: 2:" + sha256("tree 2").hex() + ", not 2:" +
                           sha256("other").hex());
  const auto old = compare({.who = "the receipt", .tree = {.v1 = sha256("other")}});
  CHECK(old->text == "the image has another tree digest than the receipt: " + sha256("tree 1").hex() + ", not " +
                         sha256("other").hex());
}

TEST_CASE("what a disk has outside its filesystems counts where both say it, and leaves open where one does") {
  const auto open = compare({.who = "[expect]", .tree = {.v2 = sha256("tree 2")}});
  CHECK(open->verdict == Verdict::undecided);
  CHECK(open->text.find("only one says what the disk has outside its filesystems") != std::string::npos);
  const auto other = compare({.who = "[expect]", .tree = {.v2 = sha256("tree 2"), .outside = sha256("other")}});
  CHECK(other->verdict == Verdict::mismatch);
  CHECK(other->text.find(sha256("outside").hex() + " outside its filesystems") != std::string::npos);
  CHECK(other->text.find(sha256("other").hex() + " outside its filesystems") != std::string::npos);
}

TEST_CASE("the hash decides before the tree, unless the tree is asked for") {
  const Claim both{.who = "the statement", .hash = sha256("other").hex(),
                   .tree = {.v2 = sha256("tree 2"), .outside = sha256("outside")}};
  CHECK(compare(both)->verdict == Verdict::mismatch);
  CHECK(compare(both, true)->verdict == Verdict::verified);
  CHECK(compare(both, true)->name == "tree");
  const Claim hash_only{.who = "the message", .hash = sha256("image").hex()};
  CHECK(compare(hash_only, true)->name == "image");
}

TEST_CASE("other bytes decide nothing where libraries of this machine may have made them") {
  const Comparison here{.other_packing = true};
  const Claim hash{.who = "the receipt", .hash = sha256("other").hex()};
  const auto open = compare_with_claim(hash, image(), "the rebuilt image", here);
  CHECK(open->verdict == Verdict::undecided);
  CHECK(open->text == "the rebuilt image has other bytes than the receipt says, but libraries of this machine packed it: " +
                          sha256("image").hex() + ", not " + sha256("other").hex());
  Claim both = hash;
  both.tree = image().tree;
  CHECK(compare_with_claim(both, image(), "the rebuilt image", here)->verdict == Verdict::undecided);
  both.tree.v2 = sha256("another tree");
  CHECK(compare_with_claim(both, image(), "the rebuilt image", here)->verdict == Verdict::mismatch);
  const Claim same{.who = "the receipt", .hash = sha256("image").hex()};
  CHECK(compare_with_claim(same, image(), "the rebuilt image", here)->verdict == Verdict::verified);
}

TEST_CASE("a given image with the rebuilt tree in other bytes is open where this machine packed the rebuilt one") {
  ImageResult given = image();
  given.sha256 = sha256("other");
  const auto verdicts = [&](const Comparison& how) {
    std::vector<std::pair<std::string, Verdict>> found;
    for (const VerifyCheck& check : compare_other_bytes(given, image(), how)) found.emplace_back(check.name, check.verdict);
    return found;
  };
  using Found = std::vector<std::pair<std::string, Verdict>>;
  using enum Verdict;
  CHECK(verdicts({}) == Found{{"tree", verified}, {"image", mismatch}});
  CHECK(verdicts({.other_packing = true}) == Found{{"tree", verified}, {"image", undecided}});
  CHECK(verdicts({.tree_level = true}) == Found{{"tree", verified}});
  given.tree = {.v2 = sha256("another tree"), .outside = sha256("outside")};
  CHECK(verdicts({.other_packing = true}) == Found{{"tree", mismatch}, {"image", mismatch}});
}

TEST_CASE("a claim of a tree says nothing of an image whose tree is not known") {
  ImageResult unread = image();
  unread.tree = {};
  CHECK_FALSE(compare_with_claim({.who = "a", .tree = {.v2 = sha256("tree 2")}}, unread, "the image", {}));
  CHECK(compare_with_claim({.who = "a", .hash = kCidV0}, unread, "the image", {})->verdict == Verdict::verified);
}

TEST_CASE("trees of no common version are left open as that") {
  ImageResult old = image();
  old.tree = {.v1 = sha256("tree 1")};
  const auto open = compare_with_claim({.who = "[expect]", .tree = {.v2 = sha256("tree 2")}}, old, "the image", {});
  CHECK(open->verdict == Verdict::undecided);
  CHECK(open->text == "the image and [expect]: the tree digests are of different versions, 2:" +
                          sha256("tree 2").hex() + " and " + sha256("tree 1").hex());
}
