// SPDX-License-Identifier: MIT
#include "pipeline/expectation.hpp"

#include <algorithm>

#include "base/cid.hpp"
#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "image/image_format.hpp"

namespace alephc {
namespace {

bool is_file_hash(const std::string& text) {
  return Digest::from_hex(text).has_value() || !cid_digest_hex(text).empty();
}

void check_form(const std::string& text, const char* where) {
  if (text.empty() || is_file_hash(text)) return;
  std::string hint = "a sha256 in hex, a CIDv0 (Qm…) or a CIDv1 (bafy…)";
  if (text.starts_with("bafkrei")) hint = "bafkrei… names a single raw block, which aleph.im rejects";
  throw Error(ErrorKind::usage, "'" + text + "' in " + where + " is not a file hash", hint);
}

[[noreturn]] void mismatch(const std::string& what, const std::string& wanted, const std::string& got,
                           const ImageResult& result, const Store& store,
                           const std::string& which = "expected",
                           const std::vector<std::string>& where = {}) {
  Diagnostic problem{.message = "the image is not the " + which + " one: " + what + " differs"};
  problem.context = {which + " " + wanted, "built    " + got};
  problem.context.insert(problem.context.end(), where.begin(), where.end());
  if (!result.sha256.is_zero()) {
    problem.context.push_back("the image is kept as " + store.blob_path(result.sha256).string());
    problem.hint =
        "compare it with the expected image: alephc diff EXPECTED " + store.blob_path(result.sha256).string();
  }
  throw Error(ErrorKind::integrity, std::move(problem));
}

/// Accounts that got other numbers, and the steps whose result is another.
std::vector<std::string> where_different(const Receipt& recorded, const Receipt& built) {
  std::vector<std::string> lines;
  const auto compare = [&](const std::vector<std::string>& before, const std::vector<std::string>& after,
                           const std::string& what) {
    for (const std::string& line : after)
      if (std::find(before.begin(), before.end(), line) == before.end())
        lines.push_back(what + " " + line + " was not recorded so");
  };
  compare(recorded.image.accounts, built.image.accounts, "the account");
  compare(recorded.image.groups, built.image.groups, "the group");
  std::vector<std::string> steps;
  for (std::size_t i = 0; i < recorded.layers.size() && i < built.layers.size(); ++i)
    if (recorded.layers[i] != built.layers[i]) steps.push_back(built.layers[i].first);
  if (!steps.empty()) lines.push_back("steps with another result: " + join(steps, ", "));
  return lines;
}

/// An expectation that says nothing of what is outside a disk's filesystems is about the files alone.
void check_expected_tree(const Expectation& own, const ImageResult& result, const Store& store) {
  if (!own.outside.empty() && own.outside != result.tree.outside.hex())
    mismatch("what is outside the disk's filesystems", own.outside,
             result.tree.outside.is_zero() ? "(not a disk)" : result.tree.outside.hex(), result, store);
  const auto wanted = parse_tree_digest(own.tree);
  if (!wanted || compare_trees(*wanted, result.tree) != TreeMatch::different) return;
  const auto [expected, built] = texts_to_compare(*wanted, result.tree);
  mismatch("the tree digest", expected, built, result, store);
}

}  // namespace

bool is_hash_of(const std::string& wanted, const ImageResult& result) {
  if (result.sha256.is_zero()) return false;  // a folder has none
  if (wanted == result.sha256.hex() || wanted == result.cid_v0 || wanted == result.cid_v1) return true;
  const std::string digest = cid_digest_hex(wanted);
  return !digest.empty() && digest == cid_digest_hex(result.cid_v0);
}

std::string hash_like(const std::string& wanted, const ImageResult& result) {
  if (cid_digest_hex(wanted).empty()) return result.sha256.hex();
  return wanted.starts_with("Qm") ? result.cid_v0 : result.cid_v1;
}

void check_expectation_forms(const std::string& expect, const Expectation& own) {
  check_form(expect, "--expect");
  check_form(own.cid, "expect.cid");
  check_form(own.item_hash, "expect.item_hash");
  if (!own.tree.empty() && !parse_tree_digest(own.tree))
    throw Error(ErrorKind::usage, "'" + own.tree + "' in expect.tree is not the digest of a tree");
  if (!own.outside.empty() && own.tree.empty())
    throw Error(ErrorKind::usage, "expect.outside needs expect.tree beside it", "'alephc tree IMAGE' prints both");
}

void check_expectations(const std::string& expect, const Expectation& own, const ImageResult& result,
                        const Store& store) {
  if (own.max_size && result.size > *own.max_size)
    throw Error(
        ErrorKind::failed,
        "the image has " + human_size(result.size) + ", more than expect.max_size allows (" +
            human_size(*own.max_size) + ")",
        "'alephc inspect --sizes " + store.blob_path(result.sha256).string() + "' shows what is large");
  const bool is_folder = result.sha256.is_zero();
  if (is_folder && !(expect + own.sha256 + own.cid + own.item_hash).empty())
    throw Error(ErrorKind::usage, "a folder has no file hash to compare", "use expect.tree");
  for (const std::string& wanted : {expect, own.sha256, own.item_hash})
    if (!wanted.empty() && !is_hash_of(wanted, result)) {
      mismatch(cid_digest_hex(wanted).empty() ? "the sha256" : "the CID", wanted, hash_like(wanted, result),
               result, store);
    }
  if (!own.cid.empty() && !is_hash_of(own.cid, result))
    mismatch("the CID", own.cid, hash_like(own.cid, result), result, store);
  check_expected_tree(own, result, store);
}

void check_recorded(const Receipt& recorded, const Receipt& built, const Store& store, Reporter& reporter) {
  const ImageResult& result = built.image;
  const TreeMatch trees = compare_trees(recorded.image.tree, result.tree);
  if (recorded.image.sha256 == result.sha256 && trees != TreeMatch::different) return;
  const std::vector<std::string> where = where_different(recorded, built);
  if (trees != TreeMatch::same) {
    const auto [wanted, got] = texts_to_compare(recorded.image.tree, result.tree);
    mismatch("the tree digest", wanted, got, result, store, "recorded", where);
  }
  if (recorded.tools == built.tools)
    mismatch("the sha256", recorded.image.sha256.hex(), result.sha256.hex(), result, store, "recorded",
             where);
  Diagnostic warning{.severity = Severity::warning,
                     .message = "the tree is the recorded one, but other libraries packed it to other bytes"};
  warning.context = {"recorded " + join(recorded.tools, ", "), "here     " + join(built.tools, ", ")};
  reporter.diagnostic(warning);
}

}  // namespace alephc
