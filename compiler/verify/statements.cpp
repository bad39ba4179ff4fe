// SPDX-License-Identifier: MIT
#include "verify/statements.hpp"

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "pipeline/expectation.hpp"

namespace alephc {
namespace {

ImageResult image_of(const Statement& statement) {
  return {.sha256 = statement.image, .cid_v0 = statement.cid_v0, .cid_v1 = statement.cid_v1, .tree = statement.tree};
}

/// A statement without CIDs cannot contradict one.
bool names_other_image(const Claim& claim, const Statement& statement) {
  if (claim.hash.empty() || (statement.cid_v0.empty() && !Digest::from_hex(claim.hash))) return false;
  return !is_hash_of(claim.hash, image_of(statement));
}

/// A statement by keys of the policy that nothing at hand contradicts.
struct Agreeing {
  std::string name{};
  std::vector<std::string> signers{};
  Statement statement{};
  [[nodiscard]] std::string who() const { return name + " by " + join(signers, ", "); }
};

/// Statements that say the same.
struct Group {
  std::vector<const Agreeing*> members{};
  std::set<std::string> signers{};
};

class Judge {
 public:
  explicit Judge(const StatementSubject& subject) : subject_(subject) {}

  std::vector<VerifyCheck> without_policy(const std::vector<SignedStatement>& statements) {
    for (const SignedStatement& each : statements) {
      const std::string against = contradiction(parse_statement(each.name, each.envelope.payload));
      if (against.empty())
        say(Verdict::ignored, each.name + ": without a policy its signature proves nothing");
      else
        say(Verdict::mismatch, each.name + ": " + against);
    }
    checks_.push_back(
        {"policy", Verdict::undecided, "no policy says whose statements count; give one with --policy"});
    return std::move(checks_);
  }

  std::vector<VerifyCheck> by_policy(const std::vector<SignedStatement>& statements, const Policy& policy) {
    for (const SignedStatement& each : statements) look_at(each, policy);
    count(policy);
    return std::move(checks_);
  }

 private:
  void say(Verdict verdict, const std::string& text) { checks_.push_back({"statement", verdict, text}); }

  /// Empty when the statement is about what is verified here; else what it is about.
  [[nodiscard]] std::string contradiction(const Statement& statement) const {
    if (subject_.lock && statement.lock != *subject_.lock) return "it is about the lock " + statement.lock.hex();
    if (subject_.image) return contradiction_to(*subject_.image, statement);
    if (!subject_.tree_level)
      for (const Claim& claim : subject_.claims)
        if (names_other_image(claim, statement))
          return "it says " + hash_like(claim.hash, image_of(statement)) + ", " + claim.who + " says " + claim.hash;
    return {};
  }

  [[nodiscard]] bool only_packed_otherwise(const Statement& statement) const {
    return subject_.other_packing && subject_.image && (!subject_.lock || statement.lock == *subject_.lock) &&
           compare_trees(statement.tree, subject_.image->tree) == TreeMatch::same;
  }

  [[nodiscard]] std::string contradiction_to(const ImageResult& image, const Statement& statement) const {
    if (!subject_.tree_level && (statement.image != image.sha256 || statement.image.is_zero()))
      return "it says " + statement.image.hex() + ", the image is " + image.sha256.hex();
    const bool other_cid = !statement.cid_v0.empty() && !image.cid_v0.empty() &&
                           (statement.cid_v0 != image.cid_v0 || statement.cid_v1 != image.cid_v1);
    if (!subject_.tree_level && other_cid)
      return "it says " + statement.cid_v0 + ", the image is " + image.cid_v0;
    if (compare_trees(statement.tree, image.tree) != TreeMatch::different) return {};
    const auto [said, found] = texts_to_compare(statement.tree, image.tree);
    return "it says the tree is " + said + ", not " + found;
  }

  [[nodiscard]] bool can_be_compared(const Statement& statement) const {
    return subject_.lock || subject_.image ||
           std::any_of(subject_.claims.begin(), subject_.claims.end(), [&](const Claim& claim) {
             return Digest::from_hex(claim.hash) || (!claim.hash.empty() && !statement.cid_v0.empty());
           });
  }

  /// Names of the keys of the policy that signed and count today; says why others do not.
  std::vector<std::string> signers(const SignedStatement& each, const Policy& policy) {
    std::vector<std::string> names;
    for (const Policy::Key* key : signers_of(policy, each.envelope)) {
      const std::string why = why_not_valid(*key, subject_.now);
      if (why.empty())
        names.push_back(key->name);
      else
        say(Verdict::ignored, each.name + " by " + key->name + ": " + why);
    }
    return names;
  }

  void look_at(const SignedStatement& each, const Policy& policy) {
    const std::size_t said = checks_.size();
    const std::vector<std::string> names = signers(each, policy);
    if (names.empty() && checks_.size() > said) return;
    if (names.empty()) return look_at_unsigned(each, policy);
    const Statement statement = parse_statement(each.name, each.envelope.payload);
    if (!can_be_compared(statement))
      return say(Verdict::undecided, each.name + ": there is nothing here that it can be compared with");
    if (const std::string against = contradiction(statement); !against.empty())
      return say(only_packed_otherwise(statement) ? Verdict::undecided : Verdict::mismatch, each.name + " by " + join(names, ", ") + ": " + against);
    if (subject_.tree_level && subject_.image &&
        compare_trees(statement.tree, subject_.image->tree) == TreeMatch::undecided)
      return say(Verdict::undecided, each.name + " by " + join(names, ", ") + ": " +
                                         why_undecided(statement.tree, subject_.image->tree));
    agreeing_.push_back({each.name, names, statement});
  }

  void look_at_unsigned(const SignedStatement& each, const Policy& policy) {
    const bool names_a_key = std::any_of(
        each.envelope.signatures.begin(), each.envelope.signatures.end(), [&](const Envelope::Signature& signature) {
          return std::any_of(policy.keys.begin(), policy.keys.end(),
                             [&](const Policy::Key& key) { return key.key.id() == signature.key_id; });
        });
    if (names_a_key)
      return say(Verdict::mismatch, each.name + ": the signature is not that of the key it names");
    say(Verdict::ignored, each.name + ": no key of the policy signed it");
  }

  /// Where the tree decides, other bytes of one tree do not contradict each other. Digests of different versions cannot be
  /// compared: that does not matter beside equal bytes, and leaves it open where the tree decides.
  [[nodiscard]] TreeMatch relation(const Statement& a, const Statement& b) const {
    if (a.lock != b.lock || (!subject_.tree_level && a.image != b.image)) return TreeMatch::different;
    const bool both_cids = !a.cid_v0.empty() && !b.cid_v0.empty();
    if (!subject_.tree_level && both_cids && (a.cid_v0 != b.cid_v0 || a.cid_v1 != b.cid_v1)) return TreeMatch::different;
    const TreeMatch trees = compare_trees(a.tree, b.tree);
    return trees == TreeMatch::undecided && !subject_.tree_level ? TreeMatch::same : trees;
  }

  [[nodiscard]] TreeMatch relation(const Statement& statement, const Group& group) const {
    TreeMatch worst = TreeMatch::same;
    for (const Agreeing* member : group.members) {
      const TreeMatch match = relation(statement, member->statement);
      if (match == TreeMatch::different) return match;
      if (match == TreeMatch::undecided) worst = match;
    }
    return worst;
  }

  [[nodiscard]] std::vector<Group> groups() const {
    std::vector<Group> out;
    for (const Agreeing& each : agreeing_) {
      auto place = std::find_if(out.begin(), out.end(), [&](const Group& group) {
        return relation(each.statement, group) == TreeMatch::same;
      });
      if (place == out.end()) place = out.insert(out.end(), Group{});
      place->members.push_back(&each);
      place->signers.insert(each.signers.begin(), each.signers.end());
    }
    return out;
  }

  void count(const Policy& policy) {
    const std::vector<Group> all = groups();
    const auto largest = std::max_element(all.begin(), all.end(), [](const Group& a, const Group& b) {
      return a.signers.size() < b.signers.size();
    });
    const Group counted = largest == all.end() ? Group{} : *largest;
    for (const Agreeing& each : agreeing_) say_against(each, counted);
    const std::size_t names = counted.signers.size();
    checks_.push_back({"policy", names >= policy.threshold ? Verdict::verified : Verdict::undecided,
                       std::to_string(names) + " of the " + std::to_string(policy.threshold) + " statements needed" +
                           (names == 0 ? "" : ": " + join({counted.signers.begin(), counted.signers.end()}, ", "))});
  }

  void say_against(const Agreeing& each, const Group& counted) {
    switch (relation(each.statement, counted)) {
      case TreeMatch::same:
        return say(Verdict::verified, each.who() + " agrees");
      case TreeMatch::undecided:
        return say(Verdict::undecided,
                   each.who() + ": " + why_undecided(each.statement.tree, counted.members.front()->statement.tree));
      case TreeMatch::different:
        return say(Verdict::mismatch, each.who() + " says image " + each.statement.image.hex() + " and tree " +
                                          each.statement.tree.text() + ", and others say otherwise");
    }
  }

  const StatementSubject& subject_;
  std::vector<Agreeing> agreeing_;
  std::vector<VerifyCheck> checks_;
};

}  // namespace

std::vector<VerifyCheck> judge_statements(const std::vector<SignedStatement>& statements,
                                          const std::optional<Policy>& policy, const StatementSubject& subject) {
  Judge judge(subject);
  return policy ? judge.by_policy(statements, *policy) : judge.without_policy(statements);
}

}  // namespace alephc
