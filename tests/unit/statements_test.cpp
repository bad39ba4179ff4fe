// SPDX-License-Identifier: MIT
#include "verify/statements.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/dates.hpp"
#include "base/diagnostic.hpp"
#include "evidence/envelope.hpp"
#include "evidence/key.hpp"
#include "evidence/policy.hpp"
#include "evidence/statement.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"

using namespace alephc;

namespace {

constexpr const char* kCidV0 = "QmZxqsmKZbwrPGAiPDgnUHKuh7FicKDFMpaE8B6mhdQAH3";
constexpr const char* kCidV1 = "bafybeihoskmhhavvvpccjhfeuturxhtr2c3sde4bt4tnhy2yz2ih6vlyie";
constexpr const char* kOtherV0 = "QmbVuw4C4vcmVKqxoWtgDVobvcHrSn51qsmQmyxjk4sB2Q";

/// What somebody says that he built: by default the one image of these tests.
Receipt said(const std::string& image = "image", const std::string& tree = "tree", const std::string& lock = "lock") {
  Receipt receipt{.name = "app", .version = "1", .lock = sha256(lock), .format = "squashfs"};
  receipt.image = {.sha256 = sha256(image), .tree = {.v2 = sha256(tree)}};
  return receipt;
}

/// A key for each letter.
PrivateKey key_of(char name) {
  std::array<std::uint8_t, 32> seed{};
  seed.fill(static_cast<std::uint8_t>(name));
  return PrivateKey(seed);
}

SignedStatement statement(const std::string& signers, const Receipt& receipt = said()) {
  const std::string text = statement_text(receipt, {});
  SignedStatement out{.name = signers + ".json", .envelope = {.payload = text}};
  for (const char name : signers) {
    const Envelope one = parse_envelope(out.name, sign_envelope(text, key_of(name)));
    out.envelope.signatures.push_back(one.signatures.at(0));
  }
  return out;
}

Policy policy(std::size_t threshold, const std::string& names) {
  Policy policy{.threshold = threshold};
  for (const char name : names) policy.keys.push_back({.name = std::string(1, name), .key = key_of(name).public_key()});
  return policy;
}

StatementSubject subject() {
  StatementSubject subject{.lock = sha256("lock")};
  subject.image = ImageResult{.sha256 = sha256("image"), .tree = {.v2 = sha256("tree")}};
  return subject;
}
StatementSubject lock_only() {
  return {.lock = sha256("lock")};
}

/// "verified statement: TEXT", a line each.
std::vector<std::string> judged(const std::vector<SignedStatement>& statements, const std::optional<Policy>& by,
                                const StatementSubject& about = subject()) {
  std::vector<std::string> lines;
  for (const VerifyCheck& check : judge_statements(statements, by, about))
    lines.push_back(std::string(verdict_name(check.verdict)) + " " + check.name + ": " + check.text);
  return lines;
}
using Lines = std::vector<std::string>;

Verdict verdict_of(const std::vector<SignedStatement>& statements, const std::optional<Policy>& by,
                   const StatementSubject& about = subject()) {
  return conclusion_of(judge_statements(statements, by, about));
}

}  // namespace

TEST_CASE("as many keys as the policy asks for must say the same") {
  CHECK(judged({statement("a")}, policy(2, "ab")) ==
        Lines{"verified statement: a.json by a agrees", "undecided policy: 1 of the 2 statements needed: a"});
  CHECK(judged({statement("a"), statement("b")}, policy(2, "abc")) ==
        Lines{"verified statement: a.json by a agrees", "verified statement: b.json by b agrees",
              "verified policy: 2 of the 2 statements needed: a, b"});
  CHECK(judged({}, policy(1, "a")) == Lines{"undecided policy: 0 of the 1 statements needed"});
  CHECK(verdict_of({statement("a")}, policy(1, "ab")) == Verdict::verified);
  CHECK(verdict_of({statement("a"), statement("c")}, policy(3, "abc")) == Verdict::undecided);
}

TEST_CASE("a statement of other bytes of the same tree is open where this machine packed the image") {
  StatementSubject about = subject();
  about.other_packing = true;
  const auto verdict = [&](const Receipt& receipt) {
    return judge_statements({statement("a", receipt)}, policy(1, "a"), about).front().verdict;
  };
  CHECK(verdict(said()) == Verdict::verified);
  CHECK(verdict(said("other image")) == Verdict::undecided);
  CHECK(verdict(said("other image", "other tree")) == Verdict::mismatch);
  CHECK(verdict(said("other image", "tree", "other lock")) == Verdict::mismatch);
  about.other_packing = false;
  CHECK(verdict(said("other image")) == Verdict::mismatch);
}

TEST_CASE("a key counts once, however many statements it signed, and each signer of one statement counts") {
  CHECK(judged({statement("a"), statement("a")}, policy(2, "ab")).back() ==
        "undecided policy: 1 of the 2 statements needed: a");
  CHECK(judged({statement("a"), statement("ab")}, policy(2, "ab")) ==
        Lines{"verified statement: a.json by a agrees", "verified statement: ab.json by a, b agrees",
              "verified policy: 2 of the 2 statements needed: a, b"});
}

TEST_CASE("who is not in the policy is ignored, but a key's name over another's signature is a mismatch") {
  CHECK(judged({statement("x")}, policy(1, "a")) ==
        Lines{"ignored statement: x.json: no key of the policy signed it",
              "undecided policy: 0 of the 1 statements needed"});
  // Whatever a stranger says.
  CHECK(verdict_of({statement("a"), statement("x", said("other", "other", "other"))}, policy(1, "a")) ==
        Verdict::verified);
  SignedStatement forged = statement("x");
  forged.envelope.signatures[0].key_id = key_of('a').public_key().id();
  CHECK(judged({forged}, policy(1, "a")).front() ==
        "mismatch statement: x.json: the signature is not that of the key it names");
  SignedStatement changed = statement("a");
  changed.envelope.payload += " ";
  CHECK(verdict_of({changed}, policy(1, "a")) == Verdict::mismatch);
  SignedStatement unsigned_one = statement("");
  CHECK(verdict_of({unsigned_one}, policy(1, "a")) == Verdict::undecided);
}

TEST_CASE("keys that are revoked or out of their days count for nothing, and it is said why") {
  Policy by = policy(1, "abc");
  by.keys[0].revoked = true;
  by.keys[1].valid_from = parse_day("2026-01-01");
  by.keys[2].valid_until = parse_day("2026-01-01");
  StatementSubject about = subject();
  about.now = *parse_day("2025-06-01");
  CHECK(judged({statement("a"), statement("b"), statement("c")}, by, about) ==
        Lines{"ignored statement: a.json by a: the policy says that this key is revoked",
              "ignored statement: b.json by b: this key is valid from 2026-01-01 on",
              "verified statement: c.json by c agrees", "verified policy: 1 of the 1 statements needed: c"});
  about.now = *parse_day("2026-01-01");
  CHECK(judged({statement("c"), statement("b")}, by, about) ==
        Lines{"ignored statement: c.json by c: this key was valid until 2025-12-31",
              "verified statement: b.json by b agrees", "verified policy: 1 of the 1 statements needed: b"});
  CHECK(judged({statement("ab")}, by, about) ==
        Lines{"ignored statement: ab.json by a: the policy says that this key is revoked",
              "verified statement: ab.json by b agrees", "verified policy: 1 of the 1 statements needed: b"});
}

TEST_CASE("what a key that does not count says cannot contradict") {
  Policy by = policy(1, "ab");
  by.keys[0].revoked = true;
  CHECK(verdict_of({statement("a", said("other")), statement("b")}, by) == Verdict::verified);
  CHECK(verdict_of({statement("a", said("other"))}, by) == Verdict::undecided);
}

TEST_CASE("a trusted statement about another lock, image or tree is a mismatch that says what it is about") {
  CHECK(judged({statement("a", said("image", "tree", "old"))}, policy(1, "a")) ==
        Lines{"mismatch statement: a.json by a: it is about the lock " + sha256("old").hex(),
              "undecided policy: 0 of the 1 statements needed"});
  CHECK(judged({statement("a", said("evil"))}, policy(1, "a")).front() ==
        "mismatch statement: a.json by a: it says " + sha256("evil").hex() + ", the image is " + sha256("image").hex());
  CHECK(judged({statement("a", said("image", "evil"))}, policy(1, "a")).front() ==
        "mismatch statement: a.json by a: it says the tree is 2:" + sha256("evil").hex() + ", not 2:" +
            sha256("tree").hex());
  CHECK(verdict_of({statement("a"), statement("b", said("evil"))}, policy(1, "ab")) == Verdict::mismatch);
}

TEST_CASE("a statement of a folder, which has no hash, agrees with no image's bytes") {
  Receipt folder = said();
  folder.image.sha256 = {};
  StatementSubject about = subject();
  about.image->sha256 = {};
  CHECK(verdict_of({statement("a", folder)}, policy(1, "a"), about) == Verdict::mismatch);
  about.tree_level = true;
  CHECK(verdict_of({statement("a", folder)}, policy(1, "a"), about) == Verdict::verified);
}

TEST_CASE("where the tree decides, other bytes of the same tree agree, and other trees do not") {
  StatementSubject about = subject();
  about.tree_level = true;
  CHECK(judged({statement("a", said("other bytes")), statement("b")}, policy(2, "ab"), about) ==
        Lines{"verified statement: a.json by a agrees", "verified statement: b.json by b agrees",
              "verified policy: 2 of the 2 statements needed: a, b"});
  CHECK(verdict_of({statement("a", said("image", "evil"))}, policy(1, "a"), about) == Verdict::mismatch);
}

TEST_CASE("a tree of another version leaves equal bytes equal") {
  Receipt old = said();
  old.image.tree = {.v1 = sha256("old tree")};
  CHECK(verdict_of({statement("a", old)}, policy(1, "a")) == Verdict::verified);
  CHECK(verdict_of({statement("a", old), statement("b")}, policy(2, "ab"), lock_only()) == Verdict::verified);
  StatementSubject both = subject();
  both.image->tree.v1 = sha256("old tree");
  both.tree_level = true;
  CHECK(verdict_of({statement("a", old)}, policy(1, "a"), both) == Verdict::verified);
  both.image->tree.v1 = sha256("another");
  CHECK(verdict_of({statement("a", old)}, policy(1, "a"), both) == Verdict::mismatch);
}

TEST_CASE("where the tree decides, statements with trees in different forms are left open") {
  Receipt old = said();
  old.image.tree = {.v1 = sha256("old tree")};
  StatementSubject about = lock_only();
  about.tree_level = true;
  const Lines lines = judged({statement("a"), statement("b", old)}, policy(2, "ab"), about);
  CHECK(lines == Lines{"verified statement: a.json by a agrees",
                       "undecided statement: b.json by b: the tree digests are of different versions, " +
                           sha256("old tree").hex() + " and " + said().image.tree.text(),
                       "undecided policy: 1 of the 2 statements needed: a"});
}

TEST_CASE("without an image at hand most keys that say the same count, and the others contradict") {
  const SignedStatement a = statement("a");
  const SignedStatement b = statement("b");
  const SignedStatement evil = statement("c", said("evil", "evil"));
  std::vector<SignedStatement> order{a, b, evil};
  for (int turn = 0; turn < 3; ++turn) {
    CAPTURE(turn);
    std::rotate(order.begin(), order.begin() + 1, order.end());
    const Lines lines = judged(order, policy(2, "abc"), lock_only());
    CHECK(std::count(lines.begin(), lines.end(),
                     "mismatch statement: c.json by c says image " + sha256("evil").hex() + " and tree 2:" +
                         sha256("evil").hex() + ", and others say otherwise") == 1);
    CHECK(std::count(lines.begin(), lines.end(), "verified statement: a.json by a agrees") == 1);
    CHECK(lines.back() == "verified policy: 2 of the 2 statements needed: a, b");
    CHECK(verdict_of(order, policy(2, "abc"), lock_only()) == Verdict::mismatch);
  }
  CHECK(verdict_of({a, b}, policy(2, "abc"), lock_only()) == Verdict::verified);
  // The same bytes of two trees, or two locks, are not the same.
  CHECK(verdict_of({a, statement("b", said("image", "other"))}, policy(1, "ab"), lock_only()) == Verdict::mismatch);
}

TEST_CASE("a trusted statement with nothing to compare it with proves nothing") {
  CHECK(judged({statement("a")}, policy(1, "a"), {}) ==
        Lines{"undecided statement: a.json: there is nothing here that it can be compared with",
              "undecided policy: 0 of the 1 statements needed"});
}

TEST_CASE("a statement is compared with what the project expects, by sha256 or by its CIDs") {
  Receipt with_cids = said();
  with_cids.image.cid_v0 = kCidV0;
  with_cids.image.cid_v1 = kCidV1;
  const auto expecting = [](const std::string& hash) {
    StatementSubject about = lock_only();
    about.claims = {{.who = "[expect]", .hash = hash}};
    return about;
  };
  const auto first = [&](const Receipt& receipt, const std::string& hash) {
    return judged({statement("a", receipt)}, policy(1, "a"), expecting(hash)).front();
  };
  const std::string agrees = "verified statement: a.json by a agrees";
  CHECK(first(with_cids, sha256("image").hex()) == agrees);
  CHECK(first(with_cids, kCidV0) == agrees);
  CHECK(first(with_cids, kCidV1) == agrees);
  CHECK(first(with_cids, sha256("else").hex()) ==
        "mismatch statement: a.json by a: it says " + sha256("image").hex() + ", [expect] says " +
            sha256("else").hex());
  CHECK(first(with_cids, kOtherV0) ==
        std::string("mismatch statement: a.json by a: it says ") + kCidV0 + ", [expect] says " + kOtherV0);
  // Statements of older versions have no CIDs, so they cannot say another.
  CHECK(first(said(), kOtherV0) == agrees);
  CHECK(first(said(), sha256("else").hex()).starts_with("mismatch "));
}

TEST_CASE("where the tree decides, an expected hash of the bytes does not contradict a statement") {
  StatementSubject about = lock_only();
  about.claims = {{.who = "[expect]", .hash = sha256("else").hex()}};
  about.tree_level = true;
  CHECK(verdict_of({statement("a")}, policy(1, "a"), about) == Verdict::verified);
}

TEST_CASE("without a policy a statement proves nothing, but may contradict") {
  CHECK(judged({statement("a"), statement("b", said("evil"))}, {}) ==
        Lines{"ignored statement: a.json: without a policy its signature proves nothing",
              "mismatch statement: b.json: it says " + sha256("evil").hex() + ", the image is " + sha256("image").hex(),
              "undecided policy: no policy says whose statements count; give one with --policy"});
  CHECK(verdict_of({statement("a")}, {}) == Verdict::undecided);
  CHECK(verdict_of({}, {}) == Verdict::undecided);
}

TEST_CASE("what a trusted key signed that is no statement of a build is an error that names the file") {
  SignedStatement odd{.name = "odd.json", .envelope = parse_envelope("odd.json", sign_envelope("{}", key_of('a')))};
  const auto judge = [&] { (void)judge_statements({odd}, policy(1, "a"), subject()); };
  CHECK(error_kind(judge) == ErrorKind::failed);
  CHECK(error_text(judge) == "odd.json is not a statement about a build of alephc\n");
  // What a stranger signed is not even looked at.
  CHECK(verdict_of({odd, statement("b")}, policy(1, "b")) == Verdict::verified);
}

TEST_CASE("where the tree decides, what only one says is outside a disk's filesystems leaves a statement open") {
  for (const bool image_says : {false, true}) {
    CAPTURE(image_says);
    StatementSubject about = subject();
    about.tree_level = true;
    Receipt receipt = said();
    (image_says ? about.image->tree : receipt.image.tree).outside = sha256("outside");
    const Lines lines = judged({statement("a", receipt)}, policy(1, "a"), about);
    CHECK(lines == Lines{"undecided statement: a.json by a: the files are the same, but only one says what the disk "
                         "has outside its filesystems",
                         "undecided policy: 0 of the 1 statements needed"});
  }
}

TEST_CASE("a CID that is expected is enough to compare a statement with that has CIDs") {
  Receipt with_cids = said();
  with_cids.image.cid_v0 = kCidV0;
  with_cids.image.cid_v1 = kCidV1;
  StatementSubject about;
  about.claims = {{.who = "[expect]", .hash = kCidV0}};
  CHECK(verdict_of({statement("a", with_cids)}, policy(1, "a"), about) == Verdict::verified);
  CHECK(verdict_of({statement("a")}, policy(1, "a"), about) == Verdict::undecided);
  about.claims[0].hash = kOtherV0;
  CHECK(verdict_of({statement("a", with_cids)}, policy(1, "a"), about) == Verdict::mismatch);
}
