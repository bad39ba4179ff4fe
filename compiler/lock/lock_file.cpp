// SPDX-License-Identifier: MIT
#include "lock/lock_file.hpp"

#include <algorithm>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "manifest/merge.hpp"

namespace alephc {
namespace {

constexpr std::int64_t kLockVersion = 1;
constexpr std::string_view kHead =
    "# Written by alephc from the runtime.toml beside it; not to be edited by hand.\n";

void put(std::string& out, std::string_view key, const std::string& value) {
  out += std::string(key) + " = " + quote_toml(value) + "\n";
}

void put_list(std::string& out, std::string_view key, const std::vector<std::string>& values) {
  out += std::string(key) + " = [";
  for (std::size_t i = 0; i < values.size(); ++i) out += (i > 0 ? ", " : "") + quote_toml(values[i]);
  out += "]\n";
}

std::string field(std::string_view key, const std::string& value) {
  return std::string(key) + " = " + quote_toml(value);
}

std::string package_line(const LockedPackage& package) {
  std::string line = "  { " + field("name", package.name) + ", " + field("version", package.version) + ", " +
                     field("arch", package.arch) + ", size = " + std::to_string(package.size) + ", " +
                     field("sha256", package.sha256.hex()) + ", " + field("from", package.repository) + ", " +
                     field("path", package.path);
  if (package.automatic) line += ", auto = true";
  if (package.bootstrap) line += ", bootstrap = true";
  if (!package.identity.empty()) line += ", " + field("identity", package.identity);
  if (!package.tag.empty()) line += ", " + field("tag", package.tag);
  return line + " },\n";
}

std::string wheel_line(const LockedWheel& wheel) {
  return "  { " + field("name", wheel.name) + ", " + field("version", wheel.version) + ", " +
         field("file", wheel.file) + ", size = " + std::to_string(wheel.size) + ", " +
         field("sha256", wheel.sha256.hex()) + " },\n";
}

std::string module_line(const LockedModule& module) {
  std::string bins;
  if (!module.bins.empty()) put_list(bins, ", bins", module.bins);
  if (!bins.empty()) bins.pop_back();
  return "  { " + field("path", module.path) + ", " + field("name", module.name) + ", " +
         field("version", module.version) + ", " + field("integrity", module.integrity) + bins +
         ", size = " + std::to_string(module.size) + ", " + field("sha256", module.sha256.hex()) + " },\n";
}

/// Typed access to a table of the lock; whatever is not as lock_text writes it is damage.
class Reader {
 public:
  explicit Reader(const Value& table) : table_(table) {}

  [[nodiscard]] std::string text(std::string_view key) const { return get(key, Value::Kind::string).text; }
  [[nodiscard]] std::string text_or_empty(std::string_view key) const {
    return has(key) ? text(key) : std::string();
  }
  [[nodiscard]] std::int64_t number(std::string_view key) const {
    return get(key, Value::Kind::integer).number;
  }
  [[nodiscard]] bool flag(std::string_view key) const {
    return has(key) && get(key, Value::Kind::boolean).flag;
  }
  [[nodiscard]] std::uint64_t size(std::string_view key) const {
    const std::int64_t value = number(key);
    if (value < 0) fail(key);
    return static_cast<std::uint64_t>(value);
  }
  [[nodiscard]] Digest digest(std::string_view key) const {
    const auto value = Digest::from_hex(text(key));
    if (!value) fail(key);
    return *value;
  }
  [[nodiscard]] std::vector<Reader> entries(std::string_view key) const {
    std::vector<Reader> readers;
    if (!has(key)) return readers;
    for (const Value& item : get(key, Value::Kind::array).items) {
      if (!item.is(Value::Kind::table)) fail(key);
      readers.emplace_back(item);
    }
    return readers;
  }
  /// None or one.
  [[nodiscard]] std::vector<Reader> table(std::string_view key) const {
    std::vector<Reader> readers;
    if (has(key)) readers.emplace_back(get(key, Value::Kind::table));
    return readers;
  }
  [[nodiscard]] std::vector<std::int64_t> numbers(std::string_view key) const {
    std::vector<std::int64_t> out;
    if (!has(key)) return out;
    for (const Value& item : get(key, Value::Kind::array).items) {
      if (!item.is(Value::Kind::integer)) fail(key);
      out.push_back(item.number);
    }
    return out;
  }
  [[nodiscard]] std::vector<std::string> strings(std::string_view key) const {
    std::vector<std::string> out;
    if (!has(key)) return out;
    for (const Value& item : get(key, Value::Kind::array).items) {
      if (!item.is(Value::Kind::string)) fail(key);
      out.push_back(item.text);
    }
    return out;
  }

  [[noreturn]] void fail(std::string_view key) const {
    Diagnostic problem{.message = "the lock's '" + std::string(key) + "' is missing or damaged",
                       .at = table_.at};
    problem.hint = "make it again with 'alephc lock'";
    throw Error(ErrorKind::integrity, std::move(problem));
  }

 private:
  [[nodiscard]] bool has(std::string_view key) const { return table_.find(key) != nullptr; }
  [[nodiscard]] const Value& get(std::string_view key, Value::Kind kind) const {
    const Value* value = table_.find(key);
    if (value == nullptr || !value->is(kind)) fail(key);
    return *value;
  }

  const Value& table_;
};

LockedPackage read_package(const Reader& entry) {
  return {.name = entry.text("name"),
          .version = entry.text("version"),
          .arch = entry.text("arch"),
          .size = entry.size("size"),
          .sha256 = entry.digest("sha256"),
          .repository = entry.text("from"),
          .path = entry.text("path"),
          .automatic = entry.flag("auto"),
          .bootstrap = entry.flag("bootstrap"),
          .identity = entry.text_or_empty("identity"),
          .tag = entry.text_or_empty("tag")};
}

/// File names become paths of the build: nothing but a name may stand there.
LockedWheel read_wheel(const Reader& entry) {
  LockedWheel wheel{.name = entry.text("name"),
                    .version = entry.text("version"),
                    .file = entry.text("file"),
                    .size = entry.size("size"),
                    .sha256 = entry.digest("sha256")};
  if (wheel.file.empty() || wheel.file.starts_with('.') || wheel.file.find('/') != std::string::npos)
    entry.fail("file");
  return wheel;
}

LockedModule read_module(const Reader& entry) {
  LockedModule module{.path = entry.text("path"),
                      .name = entry.text("name"),
                      .version = entry.text("version"),
                      .integrity = entry.text("integrity"),
                      .bins = entry.strings("bins"),
                      .size = entry.size("size"),
                      .sha256 = entry.digest("sha256")};
  if (!is_module_path(module.path)) entry.fail("path");
  return module;
}

/// The digest covers what follows its line; before it may stand comments and the version only.
bool is_head(std::string_view text) {
  std::size_t versions = 0;
  for (const std::string& line : split(text, '\n')) {
    if (line.empty() || line.starts_with('#')) continue;
    constexpr std::string_view kVersion = "lock = ";
    if (!line.starts_with(kVersion) || !parse_unsigned(line.substr(kVersion.size()))) return false;
    ++versions;
  }
  return versions == 1;
}

void check_digest_line(const std::shared_ptr<const SourceText>& source) {
  const std::string& text = source->text;
  const std::size_t begin = text.find("\ndigest = \"");
  const std::size_t end = begin == std::string::npos ? begin : text.find('\n', begin + 1);
  if (end != std::string::npos && is_head(std::string_view(text).substr(0, begin))) {
    const std::string wanted = "\ndigest = \"" + sha256(std::string_view(text).substr(end + 1)).hex() + "\"";
    if (text.compare(begin, end - begin, wanted) == 0) return;
  }
  Diagnostic problem{.message = "the lock was edited or damaged: its digest line does not fit",
                     .at = SourceSpan{.source = source}};
  problem.hint = "restore it from version control, or make it again with 'alephc lock'";
  throw Error(ErrorKind::integrity, std::move(problem));
}

std::string body_of(const Lock& lock) {
  std::string out;
  put(out, "declared", lock.declared.hex());
  put(out, "manifest_digest", lock.manifest_digest.hex());
  out += "epoch = " + std::to_string(lock.epoch.number) + "\ndraft = " + std::to_string(lock.epoch.draft) + "\n";
  if (!lock.corrections.empty()) {
    std::vector<std::string> numbers;
    for (const std::int64_t number : lock.corrections) numbers.push_back(std::to_string(number));
    out += "corrections = [" + join(numbers, ", ") + "]\n";
  }
  out += "source_date_epoch = " + std::to_string(lock.source_date_epoch) + "\n";
  put(out, "resolver", lock.resolver);
  if (!lock.removed.empty()) put_list(out, "removed", lock.removed);
  for (const LockedRepository& repository : lock.repositories) {
    out += "\n[[repository]]\n";
    put(out, "name", repository.name);
    put(out, "suite", repository.suite);
    out += "date = " + std::to_string(repository.date) + "\n";
    put(out, "index", repository.index.hex());
    put(out, "signer", repository.signer);
    out +=
        std::string("distribution_keyring = ") + (repository.distribution_keyring ? "true" : "false") + "\n";
  }
  for (const LockedLayer& layer : lock.layers) {
    out += "\n[[layer]]\n";
    put(out, "name", layer.name);
    if (!layer.requests.empty()) put_list(out, "requests", layer.requests);
    out += "packages = [\n";
    for (const LockedPackage& package : layer.packages) out += package_line(package);
    out += "]\n";
  }
  if (!lock.wheels.empty()) {
    out += "\n[python]\npackages = [\n";
    for (const LockedWheel& wheel : lock.wheels) out += wheel_line(wheel);
    out += "]\n";
  }
  if (!lock.modules.empty()) {
    out += "\n[node]\npackages = [\n";
    for (const LockedModule& module : lock.modules) out += module_line(module);
    out += "]\n";
  }
  for (const LockedArchive& archive : lock.archives) {
    out += "\n[[archive]]\n";
    put(out, "name", archive.name);
    out += "size = " + std::to_string(archive.size) + "\n";
    put(out, "sha256", archive.sha256.hex());
  }
  for (const LockedRun& run : lock.runs) {
    out += "\n[[run]]\n";
    put(out, "name", run.name);
    put(out, "layer", run.layer.hex());
  }
  for (const LockedGuestFile& file : lock.guest_files) {
    out += "\n[[init]]\n";
    put(out, "name", file.name);
    put(out, "sha256", file.sha256.hex());
  }
  for (const StdlibPart& part : lock.parts) {
    out += "\n[[part]]\n";
    put(out, "name", part.name);
    out += "lines = [\n";
    for (const std::string& line : split(part.text, '\n')) out += "  " + quote_toml(line) + ",\n";
    out += "]\n";
  }
  for (const LockedInput& input : lock.inputs) {
    out += "\n[[input]]\n";
    put(out, "path", input.path);
    put(out, "kind", input.kind);
    put(out, "sha256", input.sha256.hex());
  }
  return out + "\n" + lock.manifest_text;
}

}  // namespace

bool is_module_path(const std::string& path) {
  if (!path.starts_with("node_modules/")) return false;
  for (const std::string& part : split(path, '/'))
    if (part.empty() || part == "." || part == "..") return false;
  return path.find('\0') == std::string::npos;
}

std::vector<LockedInput> inputs_below(const std::vector<LockedInput>& inputs, const std::string& path) {
  std::vector<LockedInput> found;
  for (const LockedInput& input : inputs)
    if (input.path == path || input.path.starts_with(path + "/")) found.push_back(input);
  return found;
}

std::filesystem::path lock_path_of(const std::filesystem::path& manifest_file) {
  std::filesystem::path path = manifest_file;
  return path.replace_extension(".lock");
}

std::string lock_text(const Lock& lock) {
  const std::string body = body_of(lock);
  return std::string(kHead) + "lock = " + std::to_string(kLockVersion) + "\ndigest = \"" +
         sha256(body).hex() + "\"\n" + body;
}

namespace {

/// One lock is one text: whatever is in the file and not in the lock would be read by people, or by another reader, and
/// decide nothing here. A lock of another epoch or draft is stale anyway.
void refuse_other_forms(const Lock& lock, const std::shared_ptr<const SourceText>& source) {
  if (!find_epoch(known_epochs(), lock.epoch, lock.corrections)) return;
  const std::string& text = source->text;
  const std::size_t end = text.find('\n', text.find("\ndigest = \"") + 1);
  if (std::string_view(text).substr(end + 1) == body_of(lock)) return;
  Diagnostic problem{.message = "the lock was edited: it is not in the form in which 'alephc lock' writes it",
                     .at = SourceSpan{.source = source}};
  problem.hint = "restore it from version control, or make it again with 'alephc lock'";
  throw Error(ErrorKind::integrity, std::move(problem));
}

}  // namespace

Lock parse_lock(const std::string& name, std::string text) {
  const auto source = std::make_shared<const SourceText>(SourceText{name, std::move(text)});
  check_digest_line(source);
  const Value root = parse_toml(source);
  const Reader reader(root);
  if (reader.number("lock") != kLockVersion || reader.number("epoch") > latest_epoch().id.number) {
    Diagnostic problem{.message = "the lock was made by a later alephc", .at = SourceSpan{.source = source}};
    problem.hint = "update alephc";
    throw Error(ErrorKind::failed, std::move(problem));
  }
  Lock lock;
  lock.declared = reader.digest("declared");
  lock.manifest_digest = reader.digest("manifest_digest");
  // The first draft had no number.
  lock.epoch = {.number = reader.number("epoch"), .draft = root.find("draft") == nullptr ? 1 : reader.number("draft")};
  lock.corrections = reader.numbers("corrections");
  lock.source_date_epoch = reader.number("source_date_epoch");
  lock.resolver = reader.text("resolver");
  lock.removed = reader.strings("removed");
  for (const Reader& entry : reader.entries("repository"))
    lock.repositories.push_back({entry.text("name"), entry.text("suite"), entry.number("date"),
                                 entry.digest("index"), entry.text("signer"),
                                 entry.flag("distribution_keyring")});
  for (const Reader& entry : reader.entries("layer")) {
    LockedLayer& layer = lock.layers.emplace_back();
    layer.name = entry.text("name");
    layer.requests = entry.strings("requests");
    for (const Reader& package : entry.entries("packages")) layer.packages.push_back(read_package(package));
  }
  for (const Reader& table : reader.table("python"))
    for (const Reader& entry : table.entries("packages")) lock.wheels.push_back(read_wheel(entry));
  for (const Reader& table : reader.table("node"))
    for (const Reader& entry : table.entries("packages")) lock.modules.push_back(read_module(entry));
  for (const Reader& entry : reader.entries("archive"))
    lock.archives.push_back({entry.text("name"), entry.size("size"), entry.digest("sha256")});
  for (const Reader& entry : reader.entries("run"))
    lock.runs.push_back({entry.text("name"), entry.digest("layer")});
  for (const Reader& entry : reader.entries("init"))
    lock.guest_files.push_back({entry.text("name"), entry.digest("sha256")});
  for (const Reader& entry : reader.entries("part"))
    lock.parts.push_back({entry.text("name"), join(entry.strings("lines"), "\n")});
  for (const Reader& entry : reader.entries("input"))
    lock.inputs.push_back({entry.text("path"), entry.text("kind"), entry.digest("sha256")});
  if (const Value* manifest = root.find("manifest")) {
    lock.manifest = *manifest;
    // Not what stands in the file: that could say more, or begin elsewhere.
    lock.manifest_text = canonical_text(*manifest, "manifest.");
  }
  refuse_other_forms(lock, source);
  return lock;
}

std::optional<Lock> read_lock(const std::filesystem::path& path) {
  auto text = read_file_if_exists(path);
  if (!text) return std::nullopt;
  return parse_lock(path.filename().string(), std::move(*text));
}

}  // namespace alephc
