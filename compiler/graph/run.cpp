// SPDX-License-Identifier: MIT
//
// The engine: it knows keys, layers and trees, and no kind of step. A step whose key has a record is not run. Otherwise it
// runs under a lock of its key, so that of two processes one waits and then finds the record. A computed step writes its
// layer directly; one that runs programs leaves an upper folder that becomes a layer. Layers of the tree below are opened
// only when a step has to run; one that is damaged is removed, and the run starts again, where that layer's step has no
// result any more.
#include "graph/run.hpp"

#include <chrono>
#include <set>

#include "base/diagnostic.hpp"
#include "base/interrupt.hpp"
#include "base/root_folder.hpp"
#include "base/trace.hpp"
#include "image/squashfs/compressed_blocks.hpp"
#include "steps/workplace.hpp"
#include "steps/write.hpp"
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

bool runs_programs(const Step& step) {
  return std::holds_alternative<Step::InSandbox>(step.run);
}

std::vector<Digest> layer_digests(const std::vector<StepReport>& reports) {
  std::vector<Digest> digests;
  for (const StepReport& report : reports)
    if (const Digest* layer = report.layer()) digests.push_back(*layer);
  return digests;
}

bool image_is_there(const ImageResult& image, const Store& store) {
  if (image.sha256.is_zero()) return false;  // a folder is written each time
  return store.has_blob(image.sha256) && (image.verity_tree.is_zero() || store.has_blob(image.verity_tree));
}

bool is_there(const StepResult& result, const Store& store) {
  if (const auto* image = std::get_if<ImageResult>(&result)) return image_is_there(*image, store);
  return store.has_layer(std::get<Digest>(result));
}

/// Puts the layers of the reports from the given one on top of a tree.
void add_layers(Tree& tree, const std::vector<StepReport>& reports, std::size_t from, const Store& store,
                Reporter& reporter, unsigned jobs) {
  const auto warn = [&](const std::string& text) {
    reporter.diagnostic({.severity = Severity::warning, .message = text});
  };
  for (std::size_t i = from; i < reports.size(); ++i) {
    const Digest* digest = reports[i].layer();
    if (digest == nullptr) continue;
    auto layer = store.open_layer(*digest, warn, jobs);
    if (!layer) throw DamagedLayer();
    tree.add(std::move(layer));
  }
}

/// What a script fetched is not in the lock, so its result is.
void check_pin(const Step& step, const Digest& layer) {
  if (!step.pin || step.pin->layer == layer) return;
  Diagnostic problem{.message = "the script '" + step.pin->name +
                                "' has network and gave another result than the locked one"};
  problem.context = {"locked " + step.pin->layer.hex(), "now    " + layer.hex()};
  problem.hint =
      "what it fetches has changed: pin it with [[archive]], or accept the change with 'alephc lock --update'";
  throw Error(ErrorKind::integrity, std::move(problem));
}

class Runner {
 public:
  Runner(const BuildGraph& graph, const RunTools& tools, const std::string& stop_before)
      : graph_(graph), tools_(tools), stop_before_(stop_before) {}

  std::vector<StepReport> run() {
    for (const Step& step : graph_.steps) {
      if (step.id == stop_before_) break;
      throw_if_interrupted();
      const std::string text = key_text(step, graph_.epoch, layer_digests(reports_));
      const Digest key = sha256(text);
      const bool audited = tools_.audit != nullptr && runs_programs(step);
      if (!audited && use_cached(step, key)) continue;
      const FileLock lock = tools_.store.lock_key(key);
      // Another process may have run it while we waited.
      if (!audited && use_cached(step, key)) continue;
      execute(step, key, text);
    }
    return std::move(reports_);
  }

 private:
  void report(const Step& step, StepReport report) {
    if (report.layer() != nullptr) {
      layers_.push_back({step.id, step.published});
      if (step.starts_a_tree) first_layer_ = layers_.size() - 1;
    }
    reports_.push_back(std::move(report));
  }

  bool use_cached(const Step& step, const Digest& key) {
    const auto record = tools_.store.find_action(key);
    const auto result = record ? parse_step_result(record->result) : std::nullopt;
    if (!result || !is_there(*result, tools_.store)) return false;
    report(step, {step.id, step.title, key, true, 0, *result});
    tools_.reporter.detail("cached  " + step.title);
    return true;
  }

  const Tree& tree_below() {
    add_layers(tree_, reports_, in_tree_, tools_.store, tools_.reporter, tools_.jobs);
    in_tree_ = reports_.size();
    return tree_;
  }

  void start_supply(const Step& current) {
    if (supply_started_) return;
    supply_started_ = true;
    std::set<Digest> wanted;
    bool from_here = false;
    for (const Step& step : graph_.steps) {
      from_here = from_here || &step == &current;
      if (from_here)
        for (const auto& [label, digest] : step.fetches) wanted.insert(digest);
    }
    std::vector<RemoteFile> files;
    for (const RemoteFile& file : tools_.remote_files)
      if (wanted.contains(file.digest)) files.push_back(file);
    tools_.supply.start(std::move(files));
  }

  void execute(const Step& step, const Digest& key, const std::string& text) {
    const auto start = Clock::now();
    const TraceSpan span("step", step.title);
    // Where there is a core for what is compressed ahead, there is one for this.
    if (tools_.blocks != nullptr && tools_.cache != nullptr) tools_.cache->check_ahead();
    if (!step.fetches.empty()) start_supply(step);
    const fs::path log = tools_.store.log_path(key, step.id);
    fs::remove(log);
    tools_.reporter.progress(step.title);
    StepResult result = result_of(step, log);
    const double seconds = seconds_since(start);
    const std::string log_name = fs::exists(log) ? log.lexically_relative(tools_.store.folder()).string() : "";
    tools_.store.put_action(key, {step.title, text, step_result_text(result), log_name, seconds});
    report(step, {step.id, step.title, key, false, seconds, std::move(result)});
    std::string shown = std::to_string(seconds);
    tools_.reporter.step(step.title + "  " + shown.substr(0, shown.find('.') + 2) + " s");
  }

  StepResult result_of(const Step& step, const fs::path& log) {
    try {
      if (const auto* computed = std::get_if<Step::Computed>(&step.run)) return compute(step, *computed);
      if (const auto* image = std::get_if<Step::Image>(&step.run)) return write(*image);
      return run_in_room(step, log);
    } catch (Error& error) {
      if (error.kind() != ErrorKind::interrupted) {
        error.add_context("in step " + step.id);
        if (runs_programs(step)) error.add_context("look around with: alephc shell --at " + step.id);
      }
      throw;
    }
  }

  Digest compute(const Step& step, const Step::Computed& run) {
    const Tree& below = tree_below();
    const WorkFolder work = tools_.store.make_work_folder();
    const fs::path upper = work.path() / "upper";
    make_folders(upper);
    LayerWriter out(upper, step.starts_a_tree ? nullptr : &below.entries(), graph_.epoch.room.time);
    run({.below = below, .out = out, .contents = tools_.supply, .layers = layers_});
    const std::string text = layer_text(out.listing());
    const Digest digest = sha256(text);
    if (!tools_.store.has_layer(digest)) (void)tools_.store.adopt_layer(upper, out.finish(), text);
    return digest;
  }

  ImageResult write(const Step::Image& run) {
    const Tree& whole = tree_below();
    Tree image;
    const bool is_part = first_layer_ > 0;
    for (std::size_t i = first_layer_; is_part && i < whole.layers().size(); ++i) image.add(whole.layers()[i]);
    return run({.tree = is_part ? image : whole,
                .room = graph_.epoch.room,
                .store = tools_.store,
                .reporter = tools_.reporter,
                .jobs = tools_.jobs,
                .output = tools_.output,
                .written = tools_.written,
                .cache = tools_.cache,
                .blocks = tools_.blocks,
                .layers = layers_});
  }

  Digest run_in_room(const Step& step, const fs::path& log) {
    const Tree& below = tree_below();
    const Digest digest = layer_of(step, below, log, tools_.vary);
    if (tools_.audit != nullptr) audit(step, below, digest, log);
    check_pin(step, digest);
    return digest;
  }

  /// The step once more, with everything changed that its result
  /// must not depend on. Random output differs in any case.
  void audit(const Step& step, const Tree& below, const Digest& digest, const fs::path& log) {
    const fs::path second_log = log.string() + ".again";
    const Digest again = layer_of(step, below, second_log, {.clock = true, .directory_order = true});
    if (again == digest) return;
    const auto layer = [&](const Digest& each) {
      return tools_.store.open_layer(each, [](const std::string&) {});
    };
    for (AuditFinding& finding :
         audit_results(step.id, below, layer(digest), layer(again), graph_.epoch, tools_.distro, tools_.store))
      tools_.audit->push_back(std::move(finding));
  }

  Digest layer_of(const Step& step, const Tree& below, const fs::path& log, const Variation& vary) {
    const WorkFolder work = tools_.store.make_work_folder();
    const fs::path upper = work.path() / "upper";
    KnownContents known;
    const SandboxPlace place{.below = below,
                             .upper = upper,
                             .scratch = work.path() / "scratch",
                             .log = log,
                             .known = known,
                             .vary = vary,
                             .jobs = tools_.jobs,
                             .contents = tools_.supply,
                             .room = graph_.epoch.room,
                             .runner = tools_.runner,
                             .store = tools_.store,
                             .reporter = tools_.reporter,
                             .unpacked = [&](bool complete) { compress_ahead(upper, complete); }};
    make_folders(place.scratch, 0700);
    prepare_upper(below, upper);
    std::get<Step::InSandbox>(step.run)(place);
    return capture(below, upper, known);
  }

  /// The first step that unpacks brings nearly all there is to compress.
  void compress_ahead(const fs::path& upper, bool complete) {
    if (tools_.blocks != nullptr) tools_.blocks->start(upper, complete && !unpacked_);
    unpacked_ = unpacked_ || complete;
  }

  /// Turns what a step left in its upper folder into a layer of the store.
  Digest capture(const Tree& below, const fs::path& upper, const KnownContents& known) const {
    const TraceSpan span("layer", "capture");
    const bool overlay = !below.layers().empty();
    ScanResult scanned = scan_folder(
        upper, {.jobs = tools_.jobs, .clamp_mtime = graph_.epoch.room.time, .known = &known, .overlay = overlay});
    if (!overlay) return tools_.store.adopt_layer(upper, std::move(scanned.listing))->digest;
    std::vector<std::string> redundant;
    Listing listing = upper_to_layer(below.entries(), std::move(scanned), redundant);
    const RootFolder filled(upper);
    for (const std::string& path : redundant) filled.remove(path);
    return tools_.store.adopt_layer(upper, std::move(listing))->digest;
  }

  const BuildGraph& graph_;
  const RunTools& tools_;
  const std::string& stop_before_;
  std::vector<StepReport> reports_;
  std::vector<LayerOrigin> layers_;
  std::size_t first_layer_ = 0;  ///< of the tree that becomes the image
  bool supply_started_ = false;
  bool unpacked_ = false;
  Tree tree_;                ///< of the first reports
  std::size_t in_tree_ = 0;  ///< how many of them
};

}  // namespace

std::string step_result_text(const StepResult& result) {
  if (const auto* image = std::get_if<ImageResult>(&result)) return image_result_text(*image);
  return std::get<Digest>(result).hex();
}

std::optional<StepResult> parse_step_result(const std::string& text) {
  if (const auto layer = Digest::from_hex(text)) return *layer;
  if (auto image = parse_image_result(text)) return std::move(*image);
  return std::nullopt;
}

Tree open_tree(const std::vector<StepReport>& reports, const Store& store, Reporter& reporter) {
  Tree tree;
  add_layers(tree, reports, 0, store, reporter, 1);
  return tree;
}

std::vector<StepReport> run_steps(const BuildGraph& graph, const RunTools& tools,
                                  const std::string& stop_before) {
  constexpr int kAttempts = 3;
  for (int attempt = 1;; ++attempt) {
    try {
      return Runner(graph, tools, stop_before).run();
    } catch (const DamagedLayer&) {
      if (attempt == kAttempts)
        throw Error(ErrorKind::host, "layers of the store are damaged again and again", "is the disk failing?");
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
    const std::string text = key_text(step, graph.epoch, inputs);
    state.key = sha256(text);
    if (const auto record = store.find_action(state.key)) {
      state.status = StepState::Status::cached;
      const auto result = parse_step_result(record->result);
      if (result && std::holds_alternative<Digest>(*result)) inputs.push_back(std::get<Digest>(*result));
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
