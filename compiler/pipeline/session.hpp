// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/reporter.hpp"
#include "distro/distro.hpp"
#include "fetch/fetcher.hpp"
#include "sandbox/sandbox.hpp"
#include "store/store.hpp"

namespace alephc {

/// What reaches out of this process: the network, and programs of an image. Tests put something else here.
struct Outside {
  std::function<std::unique_ptr<Fetcher>(const Store&, Reporter&, const FetchOptions&)> fetcher =
      [](const Store& store, Reporter& reporter, const FetchOptions& options) -> std::unique_ptr<Fetcher> {
    return std::make_unique<HttpFetcher>(store, reporter, options);
  };
  std::shared_ptr<const CommandRunner> runner = std::make_shared<const Sandbox>();
};

/// What the command line, the environment and the user's configuration say for every command.
struct Settings {
  std::filesystem::path store{};
  Mirrors mirrors{};
  bool offline = false;
  unsigned jobs = 1;
  std::vector<std::string> apis{};  ///< nodes of the network; empty: the public ones
  std::string key{};                ///< the user's own, to publish with
  std::string apt{};                ///< an apt-get that chooses in place of a release's own
  Outside outside{};
  std::string why_not_root{};  ///< for a user without rights: why he is not root of a namespace of his own
};

/// The tools of one command: its settings, and the store, the fetcher and the reporter that all its stages use. Which
/// stage uses which stands in the stage's parameters.
class Session {
 public:
  Session(const Settings& settings, Reporter& reporter);

  [[nodiscard]] const Settings& settings() const { return settings_; }
  [[nodiscard]] const Store& store() const { return store_; }
  [[nodiscard]] const Fetcher& fetcher() const { return *fetcher_; }
  [[nodiscard]] const CommandRunner& runner() const { return *settings_.outside.runner; }
  [[nodiscard]] Reporter& reporter() const { return reporter_; }
  [[nodiscard]] ToolBox tools() const { return {store_, *fetcher_, reporter_}; }

 private:
  Settings settings_;
  Reporter& reporter_;
  Store store_;
  std::unique_ptr<Fetcher> fetcher_;
};

/// Steps run as root, be it of a user namespace. Throws an Error of kind host when that cannot be.
void require_root(const Settings& settings);

}  // namespace alephc
