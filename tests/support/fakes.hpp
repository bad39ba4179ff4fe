// SPDX-License-Identifier: MIT
#pragma once

// What stands in tests for the network and for programs of an image, so that they need neither.

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <fcntl.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/reporter.hpp"
#include "fetch/fetcher.hpp"
#include "sandbox/sandbox.hpp"
#include "store/store.hpp"

namespace alephc {

/// A web of texts by address. A file is taken from the first of its addresses that has it, and refused if it is not what
/// was asked for. What was asked for is kept in order.
class FakeFetcher : public Fetcher {
 public:
  explicit FakeFetcher(const Store& store, std::map<std::string, std::string> web = {}, bool offline = false)
      : store_(store), web_(std::move(web)), offline_(offline) {}

  void put(const std::string& url, const std::string& bytes) { web_[url] = bytes; }

  void fetch(const std::vector<RemoteFile>& files, const std::function<void(std::size_t)>& done) const override {
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (!store_.has_blob(files[i].digest)) take(files[i]);
      done(i);
    }
  }

  [[nodiscard]] FetchedText fetch_text(const std::vector<std::string>& urls, std::uint64_t /*limit*/) const override {
    if (offline_) throw Error(ErrorKind::failed, "the network is needed, but --offline forbids it");
    FetchedText answer;
    for (const std::string& url : urls) {
      note(url);
      const auto found = web_.find(url);
      if (found != web_.end()) return {.text = found->second, .url = url, .failures = answer.failures};
      answer.failures.push_back(url + ": not found");
    }
    return answer;
  }

  [[nodiscard]] bool offline() const override { return offline_; }

  [[nodiscard]] std::vector<std::string> asked() const {
    const std::lock_guard guard(mutex_);
    return asked_;
  }

 private:
  void note(const std::string& url) const {
    const std::lock_guard guard(mutex_);
    asked_.push_back(url);
  }

  static std::string why_refused(const RemoteFile& file, const std::string& bytes, const Digest& digest) {
    const TempDir work(std::filesystem::temp_directory_path());
    atomic_write(work.path() / "file", bytes);
    return file.accept(open_file(work.path() / "file", O_RDONLY).get(), digest);
  }

  void take(const RemoteFile& file) const {
    if (offline_) throw Error(ErrorKind::failed, file.label + " is not in the store");
    for (const std::string& url : file.locate && file.urls.empty() ? file.locate() : file.urls) {
      note(url);
      const auto found = web_.find(url);
      if (found == web_.end()) continue;
      const Digest digest = sha256(found->second);
      const std::string refused = file.accept ? why_refused(file, found->second, digest) : "";
      if (!refused.empty() || (!file.accept && digest != file.digest))
        throw Error(ErrorKind::integrity, file.label + " has other bytes than " + file.advice.promise + " says", refused);
      store_.put_blob(found->second);
      return;
    }
    throw Error(ErrorKind::failed, file.label + " was not found on any server", file.advice.missing);
  }

  const Store& store_;
  std::map<std::string, std::string> web_;
  bool offline_;
  mutable std::mutex mutex_;
  mutable std::vector<std::string> asked_;
};

/// Keeps what it is asked to run, and does instead what the test says; by default nothing, and it goes well.
class FakeRunner : public CommandRunner {
 public:
  struct Run {
    SandboxOptions options{};
    std::vector<SandboxCommand> commands{};
  };
  using Act = std::function<SandboxResult(const SandboxOptions&, const std::vector<SandboxCommand>&)>;

  explicit FakeRunner(Act act = {}) : act_(std::move(act)) {}

  [[nodiscard]] SandboxResult run(const SandboxOptions& options,
                                  const std::vector<SandboxCommand>& commands) const override {
    runs_.push_back({options, commands});
    return act_ ? act_(options, commands) : SandboxResult{.ok = true};
  }

  [[nodiscard]] const std::vector<Run>& runs() const { return runs_; }

 private:
  Act act_;
  mutable std::vector<Run> runs_;
};

/// A store in a folder of its own, gone with the object.
struct TestStore {
  TempDir temp{std::filesystem::temp_directory_path(), "alephc-test"};
  Store store{temp.path() / "store"};
  Reporter reporter{Verbosity::quiet, ColorMode::never, false};

  [[nodiscard]] const std::filesystem::path& folder() const { return temp.path(); }
};

/// The kind of an Error that the body throws; nothing if it throws none.
template <typename Body>
[[nodiscard]] std::optional<ErrorKind> error_kind(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.kind();
  }
  return std::nullopt;
}

/// The message of an Error that the body throws, with its context and hints, a line each; empty if it throws none.
template <typename Body>
[[nodiscard]] std::string error_text(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    std::string text;
    for (const Diagnostic& diagnostic : error.diagnostics()) {
      text += diagnostic.message + "\n";
      for (const std::string& line : diagnostic.context) text += line + "\n";
      if (!diagnostic.hint.empty()) text += diagnostic.hint + "\n";
    }
    return text;
  }
  return {};
}

}  // namespace alephc
