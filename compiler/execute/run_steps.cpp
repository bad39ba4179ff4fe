// SPDX-License-Identifier: MIT
#include "execute/run_steps.hpp"

#include <algorithm>
#include <chrono>
#include <set>

#include <fcntl.h>

#include <nlohmann/json.hpp>

#include "base/cid.hpp"
#include "base/diagnostic.hpp"
#include "base/interrupt.hpp"
#include "base/text.hpp"
#include "base/trace.hpp"
#include "execute/accounts.hpp"
#include "execute/boot_step.hpp"
#include "execute/data_steps.hpp"
#include "execute/final_check.hpp"
#include "execute/init_step.hpp"
#include "execute/normalize.hpp"
#include "execute/python_step.hpp"
#include "execute/sandbox_steps.hpp"
#include "image/image_format.hpp"
#include "image/verity.hpp"
#include "store/collect.hpp"
#include "tree/listing_text.hpp"
#include "tree/scan.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

bool is_data(StepKind kind) {
  using enum StepKind;
  return kind == early_files || kind == files || kind == system || kind == exclude || kind == init ||
         kind == normalize || kind == archive || kind == boot || kind == node || kind == subtree;
}

std::vector<Digest> layer_digests(const std::vector<StepReport>& reports) {
  std::vector<Digest> digests;
  for (const StepReport& report : reports)
    if (const auto digest = Digest::from_hex(report.result)) digests.push_back(*digest);
  return digests;
}

bool result_is_there(const Step& step, const ActionRecord& record, const StepEnvironment& env) {
  if (step.kind != StepKind::write) {
    const auto digest = Digest::from_hex(record.result);
    return digest && env.store.has_layer(*digest);
  }
  const auto image = parse_image_result(record.result);
  if (!image) return false;
  if (image->sha256.is_zero()) return false;  // a folder is written anew each time
  return env.store.has_blob(image->sha256) &&
         (image->verity_tree.is_zero() || env.store.has_blob(image->verity_tree));
}

/// Puts the layers of the reports from the given one on top of a tree.
void add_layers(Tree& tree, const std::vector<StepReport>& reports, std::size_t from, const Store& store,
                Reporter& reporter, unsigned jobs) {
  const auto warn = [&](const std::string& text) {
    reporter.diagnostic({.severity = Severity::warning, .message = text});
  };
  for (std::size_t i = from; i < reports.size(); ++i) {
    const auto digest = Digest::from_hex(reports[i].result);
    if (!digest) continue;
    auto layer = store.open_layer(*digest, warn, jobs);
    if (!layer) throw DamagedLayer();
    tree.add(std::move(layer));
  }
}

class Runner {
 public:
  Runner(const BuildGraph& graph, const StepEnvironment& env, const std::string& stop_before)
      : graph_(graph), env_(env), stop_before_(stop_before) {}

  std::vector<StepReport> run() {
    for (const Step& step : graph_.steps) {
      if (step.id == stop_before_) break;
      throw_if_interrupted();
      const std::string text = key_text(step, layer_digests(reports_));
      const Digest key = sha256(text);
      const bool audited = env_.audit != nullptr && !is_data(step.kind) && step.kind != StepKind::write;
      if (!audited && use_cached(step, key)) continue;
      const FileLock lock = env_.store.lock_key(key);
      // Somebody else may have run it while we waited.
      if (!audited && use_cached(step, key)) continue;
      execute(step, key, text);
    }
    return std::move(reports_);
  }

 private:
  bool use_cached(const Step& step, const Digest& key) {
    const auto record = env_.store.find_action(key);
    if (!record || !result_is_there(step, *record, env_)) return false;
    reports_.push_back({step.id, step.title, key, true, 0, record->result});
    env_.reporter.detail("cached  " + step.title);
    return true;
  }

  /// Layers are opened only when a step has to run. A damaged one is built again: from the step that made it
  /// on.
  const Tree& tree_below() {
    add_layers(tree_, reports_, in_tree_, env_.store, env_.reporter, env_.jobs);
    in_tree_ = reports_.size();
    return tree_;
  }

  void start_supply() {
    if (supply_started_) return;
    supply_started_ = true;
    std::set<Digest> wanted;
    bool from_here = false;
    for (const Step& step : graph_.steps) {
      from_here = from_here || step.id == current_;
      if (from_here)
        for (const auto& [label, digest] : step.fetches) wanted.insert(digest);
    }
    std::vector<RemoteFile> files;
    for (const RemoteFile& file : env_.remote_files)
      if (wanted.contains(file.digest)) files.push_back(file);
    env_.supply.start(std::move(files));
  }

  void execute(const Step& step, const Digest& key, const std::string& text) {
    const auto start = Clock::now();
    const TraceSpan span("step", step.title);
    current_ = step.id;
    if (!step.fetches.empty()) start_supply();
    const fs::path log = env_.store.log_path(key, step.id);
    fs::remove(log);
    env_.reporter.progress(step.title);
    std::string result;
    try {
      result = step.kind == StepKind::write ? write_step() : layer_step(step, log);
    } catch (Error& error) {
      if (error.kind() != ErrorKind::interrupted) {
        error.add_context("in step " + step.id);
        if (!is_data(step.kind) && step.kind != StepKind::write)
          error.add_context("look around with: alephc shell --at " + step.id);
      }
      throw;
    }
    const double seconds = seconds_since(start);
    const std::string log_name = fs::exists(log) ? log.lexically_relative(env_.store.folder()).string() : "";
    env_.store.put_action(key, {step.title, text, result, log_name, seconds});
    reports_.push_back({step.id, step.title, key, false, seconds, result});
    std::string shown = std::to_string(seconds);
    env_.reporter.step(step.title + "  " + shown.substr(0, shown.find('.') + 2) + " s");
  }

  std::string layer_step(const Step& step, const fs::path& log) {
    const Tree& below = tree_below();
    if (is_data(step.kind)) return data_step(step, below);
    const std::string digest = sandbox_step(step, below, log, env_.vary);
    if (env_.audit != nullptr) audit(step, below, digest, log);
    if (step.kind == StepKind::run) check_pin(env_.manifest.runs[step.item], digest);
    return digest;
  }

  /// The step once more, with everything changed that its result must not depend on. What is random is
  /// another anyway.
  void audit(const Step& step, const Tree& below, const std::string& digest, const fs::path& log) {
    const fs::path second_log = log.string() + ".again";
    const std::string again = sandbox_step(step, below, second_log, {.clock = true, .directory_order = true});
    if (again == digest) return;
    const auto layer = [&](const std::string& hex) {
      return env_.store.open_layer(*Digest::from_hex(hex), [](const std::string&) {});
    };
    for (AuditFinding& finding :
         audit_results(step.id, below, layer(digest), layer(again), env_.distro, env_.store))
      env_.audit->push_back(std::move(finding));
  }

  std::string sandbox_step(const Step& step, const Tree& below, const fs::path& log, const Variation& vary) {
    const WorkFolder work = env_.store.make_work_folder();
    const fs::path upper = work.path() / "upper";
    KnownContents known;
    const Workplace place{.below = below,
                          .upper = upper,
                          .scratch = work.path() / "scratch",
                          .log = log,
                          .known = known,
                          .vary = vary};
    make_folders(place.scratch, 0700);
    prepare_upper(below, upper);
    switch (step.kind) {
      case StepKind::install:
        run_install(step, env_, place);
        break;
      case StepKind::run:
        run_script(env_.manifest.runs[step.item], env_, place);
        break;
      case StepKind::python:
        install_wheels(env_, place);
        break;
      case StepKind::worker:
        run_commands("compiling the ASGI worker", compile_worker_commands(env_.manifest.python), place);
        break;
      case StepKind::boot_loader:
        run_commands("making GRUB's cores", boot_loader_commands(env_.manifest), place);
        break;
      case StepKind::locales:
        run_commands("generating locales", env_.distro.locale_commands(env_.manifest.system), place);
        break;
      default:
        run_commands("purging packages", env_.distro.remove_commands(env_.lock.removed), place);
        break;
    }
    return capture(below, upper, known);
  }

  /// What a script fetched is not in the lock, so its result is.
  void check_pin(const RunSpec& run, const std::string& digest) const {
    for (const LockedRun& pin : env_.lock.runs) {
      if (!run.network || pin.name != run.name || pin.layer.hex() == digest) continue;
      Diagnostic problem{.message = "the script '" + run.name +
                                    "' has network and gave another result than the locked one"};
      problem.context = {"locked " + pin.layer.hex(), "now    " + digest};
      problem.hint =
          "what it fetches has changed: pin it with [[archive]], or accept the change with 'alephc lock "
          "--update'";
      throw Error(ErrorKind::integrity, std::vector{problem});
    }
  }

  /// Turns what a step left in its upper folder into a layer of the store.
  std::string capture(const Tree& below, const fs::path& upper, const KnownContents& known) const {
    const TraceSpan span("layer", "capture");
    const bool overlay = !below.layers().empty();
    ScanResult scanned = scan_folder(
        upper, {.jobs = env_.jobs, .clamp_mtime = kStepTime, .known = &known, .overlay = overlay});
    if (!overlay) return env_.store.adopt_layer(upper, std::move(scanned.listing))->digest.hex();
    std::vector<std::string> redundant;
    Listing listing = upper_to_layer(below.entries(), std::move(scanned), redundant);
    for (const std::string& path : redundant) fs::remove(upper / path);
    return env_.store.adopt_layer(upper, std::move(listing))->digest.hex();
  }

  std::string data_step(const Step& step, const Tree& below) {
    const WorkFolder work = env_.store.make_work_folder();
    const fs::path upper = work.path() / "upper";
    make_folders(upper);
    // A subtree is a tree of its own: nothing of the one below is in it.
    LayerWriter out(upper, step.kind == StepKind::subtree ? nullptr : &below.entries(), kStepTime);
    switch (step.kind) {
      case StepKind::early_files:
        put_files(env_.manifest, true, below, out);
        break;
      case StepKind::files:
        put_files(env_.manifest, false, below, out);
        break;
      case StepKind::system:
        put_system(env_.manifest, env_.lock, env_.distro, below, out);
        break;
      case StepKind::node:
        put_modules(env_.manifest, env_.lock, below, out, [&](const LockedModule& module) {
          return env_.supply.open(module.sha256, module.name + " " + module.version);
        });
        break;
      case StepKind::archive:
        put_archive(env_.manifest.archives[step.item], below, out);
        break;
      case StepKind::exclude:
        exclude_paths(env_.manifest, below, out);
        break;
      case StepKind::boot:
        put_boot(env_.manifest, sha256(env_.lock_text), below, out);
        break;
      case StepKind::init:
        put_init(env_.manifest, env_.lock, env_.store, below, out);
        break;
      case StepKind::subtree:
        check_final_tree(below, layer_steps(), published_steps());
        put_subtree(env_.manifest.image.subtree, below, out);
        break;
      default:
        normalize(below, recipe(), out);
        break;
    }
    return env_.store.adopt_layer(upper, out.finish())->digest.hex();
  }

  void put_archive(const ArchiveSpec& archive, const Tree& below, LayerWriter& out) {
    const UnpackOptions options{.label = "the archive " + archive.name,
                                .target = archive.target,
                                .owner = archive.owner,
                                .strip = archive.strip};
    if (!archive.source.empty())
      return unpack_archive(options, open_file(env_.manifest.folder / archive.source, O_RDONLY).get(), below,
                            out);
    for (const LockedArchive& locked : env_.lock.archives) {
      if (locked.name != archive.name) continue;
      const UniqueFd file = env_.supply.open(locked.sha256, archive.name);
      require_integrity(file.get(), archive.integrity, options.label);
      return unpack_archive(options, file.get(), below, out);
    }
    throw Error(ErrorKind::failed, "the lock does not name the archive '" + archive.name + "'",
                "run 'alephc lock'");
  }

  [[nodiscard]] EmbeddedRecipe recipe() const {
    if (!env_.manifest.image.embed_recipe) return {};
    return {.manifest = env_.manifest.text, .lock = env_.lock_text};
  }

  std::string write_step() {
    const Tree& whole = tree_below();
    const bool is_volume = !env_.manifest.image.subtree.empty();
    Tree volume;
    if (is_volume) volume.add(whole.layers().back());
    const Tree& tree = is_volume ? volume : whole;
    if (env_.blocks != nullptr) env_.blocks->stop();
    const bool normalized = std::any_of(graph_.steps.begin(), graph_.steps.end(),
                                        [](const Step& step) { return step.kind == StepKind::normalize; });
    if (normalized && !is_volume) check_final_tree(tree, layer_steps(), published_steps());
    WriteOptions options{.image = env_.manifest.image,
                         .boot = env_.manifest.boot,
                         .arch = env_.manifest.base.arch,
                         .time = env_.lock.source_date_epoch,
                         .keep_times = !normalized,
                         .seed = sha256(env_.lock_text),
                         .jobs = env_.jobs,
                         .blocks = env_.blocks,
                         .cache = env_.cache};
    const ImageFormat& format = image_format(env_.manifest.image.format);
    ImageResult result{.tree = tree_digest(tree.entries()),
                       .accounts = account_fields(tree, "etc/passwd", {0, 2, 3}),
                       .groups = account_fields(tree, "etc/group", {0, 2})};
    if (format.is_folder) {
      write_to_folder(tree, options, format);
      return image_result_text(result);
    }
    const WorkFolder work = env_.store.make_work_folder();
    const fs::path file = work.path() / "image";
    FileHasher hasher(file, env_.jobs);
    options.hasher = &hasher;
    format.write(tree, options, file);
    env_.reporter.progress("hash the image");
    const TraceSpan span("image", "hash");
    const FileHashes hashes = hasher.finish();
    result.sha256 = hashes.sha256;
    result.size = hashes.size;
    result.cid_v0 = hashes.cid_v0;
    result.cid_v1 = hashes.cid_v1;
    if (env_.manifest.image.verity) add_verity(file, work.path() / "verity", options.seed, result);
    env_.store.adopt_blob(file, hashes.sha256);
    if (env_.cache != nullptr && env_.manifest.image.format == "squashfs")
      env_.store.put_block_index(hashes.sha256, env_.cache->kept_bytes());
    return image_result_text(result);
  }

  void add_verity(const fs::path& image, const fs::path& tree, const Digest& seed,
                  ImageResult& result) const {
    const TraceSpan span("image", "dm-verity");
    result.verity_root = write_verity(image, tree, seed, env_.jobs);
    result.verity_tree = sha256_file(tree);
    env_.store.adopt_blob(tree, result.verity_tree);
  }

  [[nodiscard]] std::set<std::string> published_steps() const {
    std::set<std::string> ids{"python", "node"};
    for (const ArchiveSpec& archive : env_.manifest.archives)
      if (archive.source.empty()) ids.insert("archive:" + archive.name);
    return ids;
  }

  [[nodiscard]] std::vector<std::string> layer_steps() const {
    std::vector<std::string> ids;
    for (const StepReport& report : reports_)
      if (Digest::from_hex(report.result)) ids.push_back(report.id);
    return ids;
  }

  /// All or nothing: written beside its place, then renamed.
  void write_to_folder(const Tree& tree, const WriteOptions& options, const ImageFormat& format) const {
    if (fs::exists(env_.output) && !fs::is_empty(env_.output))
      throw Error(ErrorKind::usage, env_.output.string() + " exists and is not empty",
                  "remove it, or choose another place with -o");
    const TempDir staging(fs::absolute(env_.output).parent_path(), ".alephc");
    const fs::path inside = staging.path() / "tree";
    format.write(tree, options, inside);
    fs::remove(env_.output);
    fs::rename(inside, env_.output);
  }

  const BuildGraph& graph_;
  const StepEnvironment& env_;
  const std::string& stop_before_;
  std::vector<StepReport> reports_;
  std::string current_;
  bool supply_started_ = false;
  Tree tree_;                ///< of the first reports
  std::size_t in_tree_ = 0;  ///< how many of them
};

}  // namespace

std::string image_result_text(const ImageResult& result) {
  nlohmann::ordered_json json{{"sha256", result.sha256.hex()}, {"size", result.size},
                              {"cid_v0", result.cid_v0},       {"cid_v1", result.cid_v1},
                              {"tree", result.tree.hex()},     {"accounts", result.accounts},
                              {"groups", result.groups}};
  if (!result.verity_tree.is_zero()) {
    json["verity_tree"] = result.verity_tree.hex();
    json["verity_root"] = result.verity_root.hex();
  }
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::optional<ImageResult> parse_image_result(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  const auto sha = Digest::from_hex(json.value("sha256", ""));
  const auto tree = Digest::from_hex(json.value("tree", ""));
  if (!sha || !tree || !json.contains("accounts") || !json.contains("groups")) return std::nullopt;
  return ImageResult{.sha256 = *sha,
                     .size = json.value("size", std::uint64_t{0}),
                     .cid_v0 = json.value("cid_v0", ""),
                     .cid_v1 = json.value("cid_v1", ""),
                     .tree = *tree,
                     .verity_tree = Digest::from_hex(json.value("verity_tree", "")).value_or(Digest{}),
                     .verity_root = Digest::from_hex(json.value("verity_root", "")).value_or(Digest{}),
                     .accounts = json["accounts"],
                     .groups = json["groups"]};
}

Tree open_tree(const std::vector<StepReport>& reports, const Store& store, Reporter& reporter) {
  Tree tree;
  add_layers(tree, reports, 0, store, reporter, 1);
  return tree;
}

std::vector<StepReport> run_steps(const BuildGraph& graph, const StepEnvironment& env,
                                  const std::string& stop_before) {
  constexpr int kAttempts = 3;
  for (int attempt = 1;; ++attempt) {
    try {
      return Runner(graph, env, stop_before).run();
    } catch (const DamagedLayer&) {
      if (attempt == kAttempts)
        throw Error(ErrorKind::host, "the store is damaged again and again", "is the disk failing?");
    }
  }
}

std::vector<StepState> inspect_steps(const BuildGraph& graph, const Store& store,
                                     const fs::path& manifest_file) {
  const auto memory = find_build_record(store, manifest_file);
  std::vector<StepState> states;
  std::vector<Digest> inputs;
  std::string changed;
  for (const Step& step : graph.steps) {
    StepState& state = states.emplace_back();
    if (!changed.empty()) {
      state.why = "follows " + changed;
      continue;
    }
    const std::string text = key_text(step, inputs);
    state.key = sha256(text);
    if (const auto record = store.find_action(state.key)) {
      state.status = StepState::Status::cached;
      if (const auto digest = Digest::from_hex(record->result)) inputs.push_back(*digest);
      continue;
    }
    state.status = StepState::Status::will_run;
    changed = step.id;
    state.why = "new";
    if (!memory || !memory->step_keys.contains(step.id)) continue;
    const auto old = store.find_action(memory->step_keys.at(step.id));
    if (old) state.why = explain_change(old->key_text, text);
  }
  return states;
}

}  // namespace alephc
