// SPDX-License-Identifier: MIT
#include "pipeline/pipeline.hpp"

#include <algorithm>
#include <chrono>

#include <fcntl.h>
#include <unistd.h>

#include "base/cid.hpp"
#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "base/trace.hpp"
#include "bundle/bundle.hpp"
#include "guest/guest_files.hpp"
#include "image/image_format.hpp"
#include "image/squashfs/compressed_blocks.hpp"
#include "lock/lock_file.hpp"
#include "manifest/keys.hpp"
#include "manifest/load.hpp"
#include "manifest/merge.hpp"
#include "manifest/stdlib.hpp"
#include "pipeline/delivery.hpp"
#include "pipeline/expectation.hpp"
#include "pipeline/language_packages.hpp"
#include "project/read_project.hpp"
#include "steps/workplace.hpp"
#include "store/collect.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

/// A manifest with the lock that answers it.
struct Locked {
  Manifest manifest{};
  Lock lock{};
  std::string text{};
};

void show_warnings(const Manifest& manifest, Reporter& reporter) {
  for (const Diagnostic& warning : manifest.warnings) reporter.diagnostic(warning);
}

[[noreturn]] void stale(const std::string& why, const fs::path& lock_file) {
  throw Error(ErrorKind::failed, lock_file.filename().string() + " is stale: " + why,
              "run 'alephc lock' and commit the result");
}

[[noreturn]] void forged(const fs::path& lock_file, const std::string& why) {
  throw Error(ErrorKind::integrity, lock_file.filename().string() + " was changed: " + why,
              "restore it from version control, or make it again with 'alephc lock'");
}

/// The manifest with the stdlib as the lock recorded it, so that a part of a later alephc changes nothing. A record is
/// believed only if some alephc shipped that text.
Manifest manifest_as_locked(const fs::path& path, const std::optional<Lock>& lock, const fs::path& lock_file) {
  if (!lock) return load_manifest(path);
  constexpr std::string_view kPrefix = "stdlib:";
  for (const StdlibPart& part : lock->parts)
    if (!part.name.starts_with(kPrefix) || !is_stdlib_text(part.name.substr(kPrefix.size()), sha256(part.text)))
      forged(lock_file, "its text of '" + part.name + "' is of no alephc up to this version");
  return load_manifest(path, lock->parts);
}

/// Why no 'alephc lock' can have made it; empty if one can.
std::string impossible_lock(const Manifest& manifest, const Lock& lock) {
  std::int64_t newest = latest_epoch().room.time;
  for (const LockedRepository& repository : lock.repositories) newest = std::max(newest, repository.date);
  if (lock.source_date_epoch < 0 || lock.source_date_epoch > newest) return "its date is of none of its indexes";
  if (manifest.base.distro == "none" && !lock.layers.empty()) return "it has packages, and runtime.toml has no distribution";
  if (manifest.archives.size() != lock.archives.size()) return "its archives are not those of runtime.toml";
  for (const ArchiveSpec& archive : manifest.archives) {
    const auto locked = std::find_if(lock.archives.begin(), lock.archives.end(),
                                     [&](const LockedArchive& each) { return each.name == archive.name; });
    if (locked == lock.archives.end()) return "it has no archive '" + archive.name + "'";
    if (archive.source.empty()) continue;
    for (const LockedInput& input : lock.inputs)
      if (input.path == archive.source && input.kind != "link" && input.sha256 != locked->sha256)
        return "its archive '" + archive.name + "' is not the project's file";
  }
  return {};
}

/// What runtime.toml and the recorded parts make must be what the lock says it was made for: whoever reviews the one must
/// not be given the other. Returns why the lock is stale; empty if it is not.
std::string check_locked_manifest(const Manifest& manifest, const Lock& lock, const fs::path& lock_file) {
  if (const std::string why = impossible_lock(manifest, lock); !why.empty()) forged(lock_file, why);
  const bool same = manifest.digest == lock.manifest_digest &&
                    manifest.text == canonical_text(lock.manifest);
  if (same) return {};
  const auto is_recorded = [&](const StdlibPart& part) {
    return std::find(lock.parts.begin(), lock.parts.end(), part) != lock.parts.end();
  };
  if (!std::all_of(manifest.stdlib.begin(), manifest.stdlib.end(), is_recorded))
    return "it does not record the parts of the stdlib that it was made with";
  forged(lock_file, "its manifest is not the one of " + manifest.file.filename().string());
}

std::vector<RemoteFile> remote_files(const Manifest& manifest, const Lock& lock, const Distro& distro,
                                     const ToolBox& tools, const Settings& settings) {
  std::vector<RemoteFile> files = distro.package_files(manifest, lock, settings.mirrors);
  for (const ArchiveSpec& archive : manifest.archives)
    for (const LockedArchive& locked : lock.archives)
      if (locked.name == archive.name && archive.source.empty()) {
        files.push_back(archive_file(archive));
        files.back().digest = locked.sha256;
        files.back().size = locked.size;
      }
  for (RemoteFile& file : language_files(manifest, lock, tools, settings)) files.push_back(std::move(file));
  return files;
}

/// Packages of the distribution first, then what is chosen in the tree that they make.
Lock make_lock(const ResolveRequest& request, const std::vector<LockedInput>& inputs, const ToolBox& tools,
               const Settings& settings) {
  Lock lock = resolve_lock(request, inputs, tools);
  lock_language_packages(lock, request, tools, settings);
  return lock;
}

/// What may be done about a lock that is stale or missing. To resolve runs code of the project and of its packages, so
/// only commands that say so do it.
enum class StaleLock { resolve_and_write, refuse };

/// Loads manifest and lock; a lock is resolved minimally.
Locked load_locked(const fs::path& path, StaleLock policy, const Settings& settings, const Store& store,
                   Reporter& reporter) {
  const TraceSpan span("lock", "manifest and lock");
  Locked out;
  const fs::path lock_file = lock_path_of(find_manifest(path));
  std::optional<Lock> lock = read_lock(lock_file);
  out.manifest = manifest_as_locked(path, lock, lock_file);
  std::vector<LockedInput> inputs = read_project(out.manifest, store);
  std::string why = lock ? staleness(*lock, out.manifest, inputs) : lock_file.filename().string() + " does not exist";
  if (why.empty()) why = check_locked_manifest(out.manifest, *lock, lock_file);
  if (!why.empty()) {
    if (policy == StaleLock::refuse && !lock)
      throw Error(ErrorKind::failed, why + ", and this command does not make it",
                  "run 'alephc lock' and commit the result");
    if (policy == StaleLock::refuse) stale(why, lock_file);
    out.manifest = load_manifest(path);
    inputs = read_project(out.manifest, store);
  }
  show_warnings(out.manifest, reporter);
  if (!why.empty()) {
    const std::unique_ptr<Fetcher> fetcher = settings.outside.fetcher(store, reporter, {.offline = settings.offline});
    const ResolveRequest request{
        .manifest = out.manifest, .previous = lock ? &*lock : nullptr, .mirrors = settings.mirrors};
    Lock fresh = make_lock(request, inputs, {store, *fetcher, reporter}, settings);
    const LockChange change = compare_locks(lock ? &*lock : nullptr, fresh);
    atomic_write(lock_file, lock_text(fresh));
    reporter.note("locked  " + lock_file.string() + " (" + why + ")");
    if (lock) reporter.note(change_text(change));
    lock = std::move(fresh);
  }
  out.text = lock_text(*lock);
  out.lock = std::move(*lock);
  return out;
}

fs::path receipt_path_of(const fs::path& manifest_file) {
  fs::path path = manifest_file;
  return path.replace_extension(".receipt.json");
}

/// What `build --record` left beside the lock, if it is of this lock.
std::optional<Receipt> read_recorded(const fs::path& manifest_file, const Digest& lock) {
  const fs::path file = receipt_path_of(manifest_file);
  const auto text = read_file_if_exists(file);
  if (!text) return std::nullopt;
  Receipt receipt = parse_receipt(file.filename().string(), *text);
  if (receipt.lock != lock) return std::nullopt;
  return receipt;
}

/// A compression that was not chosen is that of the new format.
void set_format(ImageSpec& image, const std::string& format) {
  if (image.compression == compressions_of(image.format).front()) image.compression.clear();
  image.format = format;
  settle_compression(image);
}

void apply_overrides(Manifest& manifest, const std::vector<std::string>& overrides) {
  for (const std::string& text : overrides) {
    const std::size_t equals = text.find('=');
    const std::string key = text.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : text.substr(equals + 1);
    const KeySpec* spec =
        key.starts_with("image.") ? find_key_spec(*find_table_spec("image"), key.substr(6)) : nullptr;
    if (equals == std::string::npos || spec == nullptr)
      throw Error(ErrorKind::usage, "--set takes image.KEY=VALUE, not '" + text + "'");
    const std::vector<std::string> names = choices_of(*spec);
    if (!names.empty() && std::find(names.begin(), names.end(), value) == names.end())
      throw Error(ErrorKind::usage, "unknown " + key + " '" + value + "'", "one of: " + join(names, ", "));
    const auto number = parse_size(value);
    if (key == "image.format")
      set_format(manifest.image, value);
    else if (key == "image.compression")
      manifest.image.compression = value;
    else if (key == "image.level" && number && *number <= 22)
      manifest.image.level = static_cast<std::uint32_t>(*number);
    else if (key == "image.block_size" && number && *number <= 1048576)
      manifest.image.block_size = static_cast<std::uint32_t>(*number);
    else if (key == "image.embed_recipe")
      manifest.image.embed_recipe = value == "true";
    else if (key == "image.verity")
      manifest.image.verity = value == "true";
    else if (key == "image.size" && number && *number > 0 && *number % (1U << 20U) == 0)
      manifest.image.size = *number;
    else if (key == "image.label" && !format_problem(spec->format, value))
      manifest.image.label = value;
    else if (key == "image.filesystem")
      manifest.image.filesystem = value;
    else if (key == "image.subvolume" && !format_problem(spec->format, value))
      manifest.image.subvolume = value;
    else
      throw Error(ErrorKind::usage, "'" + value + "' is not a value for " + key);
  }
}

fs::path output_path(const BuildRequest& request, const Manifest& manifest) {
  if (!request.output.empty()) return request.output;
  return manifest.name + "-" + manifest.version + std::string(image_format(manifest.image.format).extension);
}

std::vector<BlockCache::Source> former_images(const Store& store, const std::string& block_settings) {
  constexpr std::size_t kMost = 16;
  std::vector<BlockCache::Source> sources;
  for (const Store::BlockIndex& index : store.block_indexes(kMost))
    if (auto packed = parse_packed_image(block_settings, index.bytes))
      sources.push_back({std::move(*packed), open_file(store.blob_path(index.image), O_RDONLY)});
  return sources;
}

/// What goes beside the image.
void deliver_verity(const Store& store, const ImageResult& result, const fs::path& output) {
  if (result.verity_tree.is_zero()) return;
  Delivery(output.string() + ".verity").finish(store, result.verity_tree);
  atomic_write(output.string() + ".roothash", result.verity_root.hex() + "\n");
}

Receipt make_receipt(const Locked& locked, const BuildOutcome& outcome) {
  Receipt receipt{.name = locked.manifest.name,
                  .version = locked.manifest.version,
                  .lock = outcome.lock,
                  .epoch = locked.lock.epoch.number,
                  .source_date_epoch = locked.lock.source_date_epoch,
                  .format = outcome.format,
                  .image = outcome.result,
                  .tools = image_tools()};
  for (const StepReport& step : outcome.steps)
    if (Digest::from_hex(step.result)) receipt.layers.emplace_back(step.id, step.result);
  return receipt;
}

void remember_build(const Locked& locked, const BuildOutcome& outcome, const Store& store) {
  BuildRecord record{.manifest = fs::canonical(locked.manifest.file)};
  for (const StepReport& step : outcome.steps) {
    record.step_keys[step.id] = step.key;
    if (const auto digest = Digest::from_hex(step.result)) record.layers.insert(*digest);
  }
  if (!outcome.result.sha256.is_zero()) record.blobs.insert(outcome.result.sha256);
  if (!outcome.result.verity_tree.is_zero()) record.blobs.insert(outcome.result.verity_tree);
  for (const Digest& digest : fetched_blobs(locked.lock)) record.blobs.insert(digest);
  for (const LockedRepository& repository : locked.lock.repositories) record.blobs.insert(repository.index);
  for (const LockedInput& input : locked.lock.inputs) record.blobs.insert(input.sha256);
  put_build_record(store, record);
}

}  // namespace

void provide_guest_files(const Lock& lock, const Store& store) {
  for (const LockedGuestFile& locked : lock.guest_files) {
    if (store.has_blob(locked.sha256)) continue;
    for (const GuestFile& file : guest_files())
      if (file.name == locked.name && sha256(file.bytes) == locked.sha256) (void)store.put_blob(file.bytes);
  }
}

void require_root(const Settings& settings) {
  if (::geteuid() != 0)
    throw Error(
        ErrorKind::host,
        "steps run as root of a user namespace, and this user cannot have one: " + settings.why_not_root,
        "'alephc doctor' shows what is missing; root needs none of it");
}

LockOutcome lock_runtime(const LockRequest& request, const Settings& settings, Reporter& reporter) {
  const Store store(settings.store);
  LockOutcome outcome{.file = lock_path_of(find_manifest(request.path))};
  if (request.check && fs::exists(outcome.file)) {
    (void)load_locked(request.path, StaleLock::refuse, settings, store, reporter);
    return outcome;
  }
  Manifest manifest = load_manifest(request.path);
  show_warnings(manifest, reporter);
  const std::vector<LockedInput> inputs = read_project(manifest, store);
  if (request.check) stale("it does not exist", outcome.file);
  const std::optional<Lock> before = read_lock(outcome.file);
  const std::unique_ptr<Fetcher> fetcher = settings.outside.fetcher(store, reporter, {.offline = settings.offline});
  const ResolveRequest resolve{.manifest = manifest,
                               .previous = before ? &*before : nullptr,
                               .update_all = request.update_all || request.outdated,
                               .update_packages = request.update_packages,
                               .date = request.date,
                               .mirrors = settings.mirrors};
  for (const std::string& name : request.update_packages) {
    const bool known =
        before && std::any_of(before->layers.begin(), before->layers.end(), [&](const LockedLayer& layer) {
          return std::any_of(layer.packages.begin(), layer.packages.end(),
                             [&](const LockedPackage& p) { return p.name == name; });
        });
    const bool is_wheel = before && std::any_of(before->wheels.begin(), before->wheels.end(),
                                                [&](const LockedWheel& wheel) { return wheel.name == name; });
    if (!known && !is_wheel) throw Error(ErrorKind::usage, "the lock has no package '" + name + "'");
  }
  const Lock lock = make_lock(resolve, inputs, {store, *fetcher, reporter}, settings);
  outcome.change = compare_locks(before ? &*before : nullptr, lock);
  if (request.outdated) return outcome;
  const std::string text = lock_text(lock);
  if (!before || lock_text(*before) != text) {
    atomic_write(outcome.file, text);
    outcome.written = true;
  }
  return outcome;
}

namespace {

/// Adds the results of scripts with network that the lock does not hold yet; true if there were any.
bool pin_runs(const Locked& locked, const std::vector<StepReport>& steps, Lock& pinned) {
  pinned = locked.lock;
  for (const RunSpec& run : locked.manifest.runs) {
    const auto known = [&](const LockedRun& pin) { return pin.name == run.name; };
    if (!run.network || std::any_of(pinned.runs.begin(), pinned.runs.end(), known)) continue;
    for (const StepReport& step : steps)
      if (step.id == "run:" + run.name) pinned.runs.push_back({run.name, *Digest::from_hex(step.result)});
  }
  return pinned.runs.size() > locked.lock.runs.size();
}

/// 64 hex digits may name a message: then what counts is the file that it publishes.
std::string expected_file(const BuildRequest& request, const ImageResult& result) {
  const std::string& expect = request.expect;
  if (!request.published_file || !Digest::from_hex(expect) || expect == result.sha256.hex()) return expect;
  const std::string file = request.published_file(expect);
  return file.empty() ? expect : file;
}

}  // namespace

BuildOutcome build_runtime(const BuildRequest& request, const Settings& settings, Reporter& reporter) {
  const auto start = Clock::now();
  require_root(settings);
  const Store store(settings.store);
  if (!request.bundle.empty()) (void)import_bundle(request.bundle, store);
  if (!request.init_file.empty()) store.put_blob(read_named_file(request.init_file));
  Locked locked = load_locked(request.path, request.locked ? StaleLock::refuse : StaleLock::resolve_and_write, settings,
                              store, reporter);
  const std::string& text = locked.text;
  apply_overrides(locked.manifest, request.overrides);
  check_expectation_forms(request.expect, locked.manifest.expect);
  // From here on nothing is chosen any more: names, versions and digests are those of the lock.

  const std::unique_ptr<Distro> distro = make_distro(locked.manifest.base.distro);
  const OutputEpoch epoch = epoch_of(locked.lock);
  const BuildGraph graph = plan({locked.manifest, locked.lock, text, epoch, request.normalize});
  // From here on no step is added or changed.

  BuildOutcome outcome{.image = output_path(request, locked.manifest),
                       .format = locked.manifest.image.format,
                       .lock = sha256(text),
                       .epoch = locked.lock.epoch.number};
  const std::unique_ptr<Fetcher> fetcher = settings.outside.fetcher(store, reporter, {.offline = settings.offline});
  const std::vector<RemoteFile> files =
      remote_files(locked.manifest, locked.lock, *distro, {store, *fetcher, reporter}, settings);
  PackageSupply supply(store, *fetcher);
  provide_guest_files(locked.lock, store);
  const bool worth_it = image_format(locked.manifest.image.format).keeps_blocks && settings.jobs > 1 &&
                        !request.audit && locked.manifest.image.subtree.empty();
  const ImageSpec image = with_settings(locked.manifest.image, epoch.writer);
  BlockCache cache(block_settings(image),
                   [&](const std::string& known) { return former_images(store, known); });
  CompressedBlocks blocks(image, settings.jobs - (worth_it ? 1 : 0), cache);
  Delivery delivery(outcome.image);
  const RunTools run_tools{.store = store,
                           .reporter = reporter,
                           .supply = supply,
                           .runner = *settings.outside.runner,
                           .distro = *distro,
                           .remote_files = files,
                           .jobs = settings.jobs,
                           .output = outcome.image,
                           .written = [&](const fs::path& file) { delivery.begin(file); },
                           .cache = &cache,
                           .blocks = worth_it ? &blocks : nullptr,
                           .vary = request.vary,
                           .audit = request.audit ? &outcome.audit : nullptr};
  outcome.steps = run_steps(graph, run_tools, "");
  if (Lock pinned; pin_runs(locked, outcome.steps, pinned)) {
    if (request.locked)
      throw Error(ErrorKind::failed, "the lock lacks the result of a script with network",
                  "build once without --locked, and commit the lock");
    atomic_write(lock_path_of(locked.manifest.file), lock_text(pinned));
    reporter.note("locked the results of scripts with network");
    // Again with the lock that now stands: only what holds the lock's text is made again.
    return build_runtime(request, settings, reporter);
  }
  // From here on the tree and the image are what they are; it remains to compare and to hand out.

  outcome.result = *parse_image_result(outcome.steps.back().result);
  remember_build(locked, outcome, store);
  if (request.compare)
    check_expectations(expected_file(request, outcome.result), locked.manifest.expect, outcome.result, store);
  const bool as_written =
      request.compare && request.overrides.empty() && request.normalize && !request.record;
  if (as_written)
    if (const auto recorded = read_recorded(locked.manifest.file, outcome.lock))
      check_recorded(*recorded, make_receipt(locked, outcome), store, reporter);
  const bool is_folder = image_format(outcome.format).is_folder;
  outcome.output_was_there = !is_folder && store.is_known_output(outcome.image, outcome.result.sha256);
  const fs::path receipt_file = outcome.image.string() + ".receipt.json";
  if (!is_folder) {
    delivery.finish(store, outcome.result.sha256);
    deliver_verity(store, outcome.result, outcome.image);
  }
  if (!outcome.output_was_there || !fs::exists(receipt_file) || request.record) {
    const std::string receipt = receipt_text(make_receipt(locked, outcome));
    atomic_write(receipt_file, receipt);
    if (request.record) atomic_write(receipt_path_of(locked.manifest.file), receipt);
  }
  outcome.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return outcome;
}

CommittedRuntime open_committed(const fs::path& path, const Settings& settings, Reporter& reporter) {
  const Store store(settings.store);
  Locked locked = load_locked(path, StaleLock::refuse, settings, store, reporter);
  return {std::move(locked.manifest), std::move(locked.lock), std::move(locked.text)};
}

std::optional<Receipt> recorded_receipt(const CommittedRuntime& runtime) {
  return read_recorded(runtime.manifest.file, sha256(runtime.lock_text));
}

void fetch_locked(const CommittedRuntime& runtime, const Settings& settings, Reporter& reporter) {
  const Store store(settings.store);
  const std::unique_ptr<Fetcher> fetcher = settings.outside.fetcher(store, reporter, {.offline = settings.offline});
  const std::unique_ptr<Distro> distro = make_distro(runtime.manifest.base.distro);
  fetcher->fetch(remote_files(runtime.manifest, runtime.lock, *distro, {store, *fetcher, reporter}, settings),
                [](std::size_t) {});
}

PlannedRuntime plan_runtime(const fs::path& path, const Settings& settings, Reporter& reporter) {
  const Store store(settings.store);
  Locked locked = load_locked(path, StaleLock::refuse, settings, store, reporter);
  PlannedRuntime planned;
  planned.lock_text = locked.text;
  const std::unique_ptr<Distro> distro = make_distro(locked.manifest.base.distro);
  planned.graph = plan({locked.manifest, locked.lock, planned.lock_text, epoch_of(locked.lock)});
  planned.states = inspect_steps(planned.graph, store, fs::canonical(locked.manifest.file));
  planned.manifest = std::move(locked.manifest);
  planned.lock = std::move(locked.lock);
  return planned;
}

namespace {

/// The steps of the last build as far as the store still has them.
std::vector<StepReport> built_steps(const PlannedRuntime& planned, const Store& store) {
  std::vector<StepReport> reports;
  for (std::size_t i = 0; i < planned.graph.steps.size(); ++i) {
    if (planned.states[i].status != StepState::Status::cached) break;
    const auto record = store.find_action(planned.states[i].key);
    if (!record) break;
    reports.push_back({planned.graph.steps[i].id, planned.graph.steps[i].title, planned.states[i].key, true,
                       0, record->result});
  }
  return reports;
}

}  // namespace

namespace {

/// What each of these needs stands in no lock; the lists that they come from do.
std::vector<std::string> explain_language_package(const Lock& lock, const std::string& name) {
  std::vector<std::string> lines;
  for (const LockedWheel& wheel : lock.wheels)
    if (wheel.name == name) lines.push_back(wheel.file + " is chosen by pip for what [python] asks for");
  for (const LockedModule& module : lock.modules)
    if (module.name == name)
      lines.push_back(module.path + " " + module.version + " is in the package-lock.json of [node]");
  return lines;
}

}  // namespace

std::vector<std::string> explain(const fs::path& path, const std::string& subject, const Settings& settings,
                                 Reporter& reporter) {
  const PlannedRuntime planned = plan_runtime(path, settings, reporter);
  if (std::vector<std::string> lines = explain_language_package(planned.lock, subject); !lines.empty())
    return lines;
  const Store store(settings.store);
  const std::vector<StepReport> reports = built_steps(planned, store);
  if (reports.empty()) throw Error(ErrorKind::failed, "nothing is built yet", "run 'alephc build' first");
  const Tree tree = open_tree(reports, store, reporter);
  const std::unique_ptr<Distro> distro = make_distro(planned.manifest.base.distro);
  if (!subject.starts_with('/'))
    return distro->explain_package(planned.manifest, planned.lock, tree, subject);
  const std::string wanted = tree.resolve(subject.substr(1), false);
  std::vector<std::string> lines;
  std::size_t layer = 0;
  for (const StepReport& report : reports) {
    if (!Digest::from_hex(report.result)) continue;
    const Entry* entry = find_entry(tree.layers()[layer++]->listing, wanted);
    if (entry == nullptr) continue;
    lines.push_back("/" + wanted +
                    (entry->type == EntryType::whiteout ? " was removed by step " : " was written by step ") +
                    report.id);
  }
  if (lines.empty()) throw Error(ErrorKind::failed, "no step wrote " + subject);
  for (std::string& line : distro->explain_path(tree, wanted)) lines.push_back(std::move(line));
  return lines;
}

int open_shell(const fs::path& path, const std::string& step, const std::vector<std::string>& command,
               const Settings& settings, Reporter& reporter) {
  require_root(settings);
  const Store store(settings.store);
  const Locked locked = load_locked(path, StaleLock::refuse, settings, store, reporter);
  const std::unique_ptr<Distro> distro = make_distro(locked.manifest.base.distro);
  const std::string& text = locked.text;
  const BuildGraph graph = plan({locked.manifest, locked.lock, text, epoch_of(locked.lock)});
  std::vector<std::string> ids;
  for (const Step& each : graph.steps) ids.push_back(each.id);
  const std::string stop = step.empty() ? "write" : step;
  if (std::find(ids.begin(), ids.end(), stop) == ids.end())
    throw Error(ErrorKind::usage, "there is no step '" + stop + "'", "there are: " + join(ids, ", "));
  const std::unique_ptr<Fetcher> fetcher = settings.outside.fetcher(store, reporter, {.offline = settings.offline});
  const std::vector<RemoteFile> files =
      remote_files(locked.manifest, locked.lock, *distro, {store, *fetcher, reporter}, settings);
  PackageSupply supply(store, *fetcher);
  provide_guest_files(locked.lock, store);
  const RunTools run_tools{.store = store,
                           .reporter = reporter,
                           .supply = supply,
                           .runner = *settings.outside.runner,
                           .distro = *distro,
                           .remote_files = files,
                           .jobs = settings.jobs};
  const std::vector<StepReport> reports = run_steps(graph, run_tools, stop);
  const Tree tree = open_tree(reports, store, reporter);
  if (tree.layers().empty()) throw Error(ErrorKind::usage, "there is no tree before the first step");
  const WorkFolder work = store.make_work_folder();
  prepare_upper(tree, work.path() / "upper");
  make_folders(work.path() / "scratch", 0700);
  const SandboxOptions options{.root = sandbox_root(tree, work.path() / "upper", work.path() / "scratch"),
                               .room = graph.epoch.room,
                               .interactive = true};
  SandboxCommand shell{.argv = command.empty() ? std::vector<std::string>{"/bin/sh", "-i"} : command};
  if (const char* term = std::getenv("TERM")) shell.env["TERM"] = term;
  return settings.outside.runner->run(options, {shell}).exit_code;
}

}  // namespace alephc
