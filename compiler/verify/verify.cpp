// SPDX-License-Identifier: MIT
#include "verify/verify.hpp"

#include <algorithm>
#include <optional>

#include "base/cid.hpp"
#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "compare/image_diff.hpp"
#include "evidence/bundle.hpp"
#include "evidence/policy.hpp"
#include "image/image_format.hpp"
#include "image/libraries.hpp"
#include "message/store_message.hpp"
#include "pipeline/expectation.hpp"
#include "pipeline/locking.hpp"
#include "pipeline/rebuild.hpp"
#include "pipeline/receipts.hpp"
#include "tree/tree_digest.hpp"
#include "verify/claims.hpp"
#include "verify/lock_checks.hpp"
#include "verify/statements.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostExplained = 12;

class Verification {
 public:
  Verification(const VerifyRequest& request, const Settings& settings, Reporter& reporter)
      : request_(request),
        settings_(settings),
        reporter_(reporter),
        work_(fs::temp_directory_path(), "alephc-verify") {}

  VerifyReport run() {
    add(request_.before);
    import_bundle_file();
    collect_claims();
    if (!request_.path.empty()) look_at_project();
    if (!request_.image.empty()) look_at_image();
    if (request_.rebuild) rebuild();
    compare();
    look_at_statements();
    report_.verdict = conclusion_of(report_.checks);
    return std::move(report_);
  }

 private:
  /// Made for the first check that needs it: an image and a hash need no store.
  const Session& session() {
    if (!session_) session_.emplace(settings_, reporter_);
    return *session_;
  }

  void say(const std::string& name, Verdict verdict, const std::string& text) {
    add({{name, verdict, text}});
  }

  void add(const std::vector<VerifyCheck>& checks) {
    for (const VerifyCheck& check : checks) {
      report_.checks.push_back(check);
      if (request_.decided) request_.decided(check);
    }
  }

  void import_bundle_file() {
    if (request_.bundle.empty()) return;
    const Store& store = session().store();
    const Bundle bundle = import_bundle(request_.bundle, store);
    for (const auto& [repository, digest] : bundle.keyrings)
      spare_keyrings_[repository] = store.blob_path(digest);
    bundle_lock_ = sha256(bundle.lock_text);
    say("bundle", Verdict::verified,
        std::to_string(bundle.blobs.size()) + " files, each with the bytes of its name");
  }

  void collect_claims() {
    check_expectation_forms(request_.expect, {});
    std::string expect = request_.expect;
    if (!request_.message.empty()) {
      const StoreMessage message =
          parse_store_message(request_.message.string(), read_named_file(request_.message));
      claims_.push_back({.who = "the message of " + message.message.sender, .hash = message.file_hash});
      asked_ = true;
      const Message& sent = message.message;
      if (!sent.speaks_for_himself())
        say("message", Verdict::undecided,
            "the sender speaks for " + sent.address + ", and whether it may stands on the network only");
      say("message", sent.unchecked.empty() ? Verdict::verified : unproven(),
          sent.unchecked.empty() ? "signed by " + sent.sender + " on " + sent.chain : sent.unchecked);
      // A message's hash looks like a file's sha256; whoever named the message means the file it publishes.
      if (expect == sent.item_hash) expect.clear();
    }
    if (!expect.empty()) claims_.push_back({.who = "--expect", .hash = expect, .may_be_message = true});
    asked_ = asked_ || !expect.empty();
  }

  [[nodiscard]] Verdict unproven() const { return request_.strict ? Verdict::undecided : Verdict::verified; }

  void look_at_project() {
    runtime_ = open_committed(request_.path, session());
    confine_project(runtime_->manifest, request_.trusted_keys);
    lock_digest_ = sha256(runtime_->lock_text);
    say("lock", Verdict::verified, "answers the manifest; sha256 " + lock_digest_.hex());
    if (!bundle_lock_.is_zero() && bundle_lock_ != lock_digest_)
      say("bundle", Verdict::mismatch, "it was made for the lock " + bundle_lock_.hex());
    const Expectation& own = runtime_->manifest.expect;
    for (const std::string& hash : {own.sha256, own.cid, own.item_hash})
      if (!hash.empty()) claims_.push_back({.who = "[expect]", .hash = hash});
    if (!own.message.empty() && request_.published_file)
      claims_.push_back({.who = "expect.message", .hash = own.message, .may_be_message = true});
    check_expectation_forms({}, own);
    if (const auto tree = parse_tree_digest(own.tree, own.outside)) claims_.push_back({.who = "[expect]", .tree = *tree});
    if (const auto recorded = recorded_receipt(*runtime_)) {
      claims_.push_back({.who = "the recorded receipt",
                         .hash = recorded->image.sha256.is_zero() ? "" : recorded->image.sha256.hex(),
                         .tree = recorded->image.tree});
      recorded_tools_ = recorded->tools;
    }
    add(judge_lock(*runtime_, unproven()));
    prove_packages();
  }

  void prove_packages() {
    const std::vector<IndexProof> proofs =
        distro_of(runtime_->manifest.base.distro)
            .prove_packages(runtime_->manifest, runtime_->lock, settings_.mirrors, spare_keyrings_,
                            session().tools());
    add(judge_packages(*runtime_, proofs,
                       {.bundle_keyrings = spare_keyrings_,
                        .trusted_keys = request_.trusted_keys,
                        .now = request_.now,
                        .unproven = unproven()}));
  }

  void look_at_image() {
    if (fs::is_directory(request_.image))
      throw Error(ErrorKind::usage, "--image takes an image file, not a folder");
    hashes_ = hash_file(request_.image, settings_.jobs);
    // Its tree is of use only where it is said what it should be.
    const bool tree_wanted = request_.rebuild || request_.tree_level || !request_.statements.empty() ||
                             std::any_of(claims_.begin(), claims_.end(), [](const Claim& claim) {
                               return claim.hash.empty() && !claim.tree.is_zero();
                             });
    if (tree_wanted) {
      const bool builds = request_.rebuild && runtime_;
      const ImageContent content = read_image(
          request_.image, {.jobs = settings_.jobs, .wanted = builds ? is_place_of_guest_file : nullptr});
      tree_ = tree_digest(content.listing, content.outside);
      if (builds) take_guest_files(content);
    }
    if (claims_.empty() && !request_.rebuild && (request_.statements.empty() || request_.policy.empty()))
      say("image", Verdict::undecided,
          "sha256 " + hashes_->sha256.hex() +
              ", and nothing to compare it with: give --expect, --message or --rebuild");
  }

  static bool is_place_of_guest_file(const std::string& path) {
    return path == "sbin/init" || path == "usr/sbin/init" || path.starts_with("usr/lib/aleph/");
  }

  /// The image brings the init and the files beside it, so the rebuild needs no other place for them. What they are is judged
  /// by the lock's hashes.
  void take_guest_files(const ImageContent& content) {
    for (const auto& [path, text] : content.texts) {
      const Digest digest = sha256(text);
      for (const LockedGuestFile& locked : runtime_->lock.guest_files)
        if (digest == locked.sha256) (void)session().store().put_blob(text);
    }
  }

  void rebuild() {
    if (!runtime_) throw Error(ErrorKind::usage, "--rebuild needs a project", "name its folder");
    try {
      rebuilt_ = rebuild_runtime(*runtime_, work_.path(), session());
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::failed) throw;
      say("rebuild", Verdict::undecided, error.what());
      return;
    }
    const ImageResult& result = rebuilt_->outcome.result;
    say("rebuild", Verdict::verified,
        "built from nothing: sha256 " + result.sha256.hex() + ", tree " + result.tree.text());
  }

  [[nodiscard]] static ImageResult as_result(const FileHashes& hashes, const TreeDigest& tree) {
    return {hashes.sha256, hashes.size, hashes.cid_v0, hashes.cid_v1, tree};
  }

  void compare() {
    resolve_messages();
    add(contradictions(claims_));
    if (asked_ && !hashes_ && !rebuilt_)
      say("image", Verdict::undecided, "there is no image to compare with: give --image or --rebuild");
    const bool rebuilt = rebuilt_.has_value();
    if (hashes_) {
      const ImageResult given = as_result(*hashes_, tree_);
      for (const Claim& claim : claims_) compare_with(claim, given, "the image");
      if (rebuilt) compare_with_rebuild(given);
    } else if (rebuilt) {
      for (const Claim& claim : claims_) compare_with(claim, rebuilt_->outcome.result, "the rebuilt image");
    }
  }

  [[nodiscard]] Comparison how_to_compare(bool rebuilt) const {
    return {.tree_level = request_.tree_level, .other_packing = rebuilt && !has_pinned_libraries()};
  }

  void compare_with(const Claim& claim, const ImageResult& result, const std::string& what) {
    const auto check = compare_with_claim(claim, result, what, how_to_compare(!hashes_));
    if (!check) return;
    add({*check});
    const bool other_bytes = check->name == "image" && check->verdict != Verdict::verified;
    if (other_bytes && compare_trees(claim.tree, result.tree) == TreeMatch::same) name_tools();
  }

  /// 64 hex digits that are not the image's may be the hash
  /// of a message, and mean the file that it publishes.
  void resolve_messages() {
    const auto image = subject();
    for (Claim& claim : claims_) {
      const bool possible = claim.may_be_message && Digest::from_hex(claim.hash) && request_.published_file;
      if (!possible || (image && claim.hash == image->sha256.hex())) continue;
      try {
        const std::string file = request_.published_file(claim.hash);
        if (file.empty()) continue;
        claim.who += ", the message " + claim.hash;
        claim.hash = file;
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::failed) throw;
        say("message", Verdict::undecided,
            "whether " + claim.hash + " is a message cannot be told: " + error.what());
      }
    }
  }

  void compare_with_rebuild(const ImageResult& given) {
    const ImageResult& ours = rebuilt_->outcome.result;
    if (given.sha256 == ours.sha256)
      return say("image", Verdict::verified, "the image is the rebuilt one, byte for byte");
    add(compare_other_bytes(given, ours, how_to_compare(true)));
    const bool same_tree = compare_trees(given.tree, ours.tree) == TreeMatch::same;
    if (same_tree) return name_tools();
    explain(ours);
  }

  void explain(const ImageResult& ours) {
    const fs::path kept = session().store().blob_path(ours.sha256);
    const auto steps = [&](const ImageFacts& /*image*/) { return rebuilt_->steps; };
    const ImageDiff diff = compare_images(kept, request_.image, steps, settings_.jobs);
    report_.explanation.push_back(diff.conclusion());
    for (const PackageChange& change : diff.packages)
      report_.explanation.push_back("package " + change.name + ": rebuilt " +
                                    (change.before.empty() ? "without" : change.before) + ", given " +
                                    (change.after.empty() ? "without" : change.after));
    for (std::size_t i = 0; i < diff.paths.size() && i < kMostExplained; ++i) {
      const PathChange& change = diff.paths[i];
      report_.explanation.push_back("/" + change.path + ": " + join(change.what, ", ") +
                                    (change.step.empty() ? "" : ", written by step " + change.step) +
                                    (change.cause.empty() ? "" : "; likely " + change.cause));
    }
    report_.explanation.push_back("all of it: alephc diff " + kept.string() + " " + request_.image.string());
  }

  void name_tools() {
    const std::vector<std::string> here = image_tools();
    report_.explanation.push_back("the contents are the same: other versions of a library packed them");
    if (!recorded_tools_.empty()) report_.explanation.push_back("recorded: " + join(recorded_tools_, ", "));
    report_.explanation.push_back("here:     " + join(here, ", "));
    report_.explanation.push_back("with --level tree the contents decide");
  }

  [[nodiscard]] std::optional<ImageResult> subject() const {
    if (hashes_) return as_result(*hashes_, tree_);
    if (rebuilt_) return rebuilt_->outcome.result;
    return std::nullopt;
  }

  void look_at_statements() {
    if (request_.statements.empty() && request_.policy.empty()) return;
    std::optional<Policy> policy;
    if (!request_.policy.empty()) policy = read_policy(request_.policy);
    std::vector<SignedStatement> statements;
    for (const fs::path& file : request_.statements)
      statements.push_back({file.string(), parse_envelope(file.string(), read_named_file(file))});
    StatementSubject about{.image = subject(),
                           .claims = claims_,
                           .tree_level = request_.tree_level,
                           .other_packing = how_to_compare(!hashes_).other_packing,
                           .now = request_.now};
    if (runtime_) about.lock = lock_digest_;
    add(judge_statements(statements, policy, about));
  }

  const VerifyRequest& request_;
  const Settings& settings_;
  Reporter& reporter_;
  std::optional<Session> session_;
  TempDir work_;
  VerifyReport report_;
  std::vector<Claim> claims_;
  bool asked_ = false;                  ///< the user named a hash on the command line
  std::vector<std::string> recorded_tools_;
  Keyrings spare_keyrings_;
  Digest bundle_lock_{};
  Digest lock_digest_{};
  std::optional<LockedRuntime> runtime_;
  std::optional<FileHashes> hashes_;
  TreeDigest tree_{};
  std::optional<Rebuilt> rebuilt_;
};

}  // namespace

VerifyReport verify_runtime(const VerifyRequest& request, const Settings& settings, Reporter& reporter) {
  return Verification(request, settings, reporter).run();
}

}  // namespace alephc
