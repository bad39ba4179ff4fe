// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/reporter.hpp"
#include "pipeline/session.hpp"

namespace CLI {
class App;
}

namespace alephc {

/// Options that every command takes.
struct CommonOptions {
  bool json = false;
  bool quiet = false;
  bool verbose = false;
  bool offline = false;
  std::string color = "auto";
  std::string config{};
  std::string store{};
  unsigned jobs = 0;
  std::vector<std::string> mirrors{};
};

/// What a command works with once the command line is understood.
struct CommandContext {
  const CommonOptions& options;
  const Settings& settings;
  Reporter& reporter;
};

/// Does the work and returns the exit code; failures are Errors.
using CommandAction = std::function<int(CommandContext&)>;

/// One row of the table of commands: add() declares options on app and returns what to do.
struct CommandSpec {
  const char* name;
  const char* about;
  const char* examples;
  CommandAction (*add)(CLI::App& app);
  bool uses_store = true;  ///< a user without rights becomes root of a namespace of his own for it
};

[[nodiscard]] const std::vector<CommandSpec>& commands();

CommandAction add_attest(CLI::App& app);
CommandAction add_build(CLI::App& app);
CommandAction add_completion(CLI::App& app);
CommandAction add_conform(CLI::App& app);
CommandAction add_diff(CLI::App& app);
CommandAction add_doctor(CLI::App& app);
CommandAction add_gc(CLI::App& app);
CommandAction add_graph(CLI::App& app);
CommandAction add_hash(CLI::App& app);
CommandAction add_init(CLI::App& app);
CommandAction add_inspect(CLI::App& app);
CommandAction add_keygen(CLI::App& app);
CommandAction add_lock(CLI::App& app);
CommandAction add_plan(CLI::App& app);
CommandAction add_publish(CLI::App& app);
CommandAction add_pull(CLI::App& app);
CommandAction add_run(CLI::App& app);
CommandAction add_schema(CLI::App& app);
CommandAction add_shell(CLI::App& app);
CommandAction add_tree(CLI::App& app);
CommandAction add_vendor(CLI::App& app);
CommandAction add_verify(CLI::App& app);
CommandAction add_version(CLI::App& app);
CommandAction add_why(CLI::App& app);

/// A project: a folder with a runtime.toml, or a manifest file.
[[nodiscard]] bool is_project(const std::filesystem::path& path);

/// IMAGE of a command line: an image file or folder, or a project that is built first.
[[nodiscard]] std::filesystem::path image_of(const std::string& path, CommandContext& context);

/// Prints to stdout; a closed stdout is an Error. Names of strangers may be in it: control characters but tab and end of
/// line are not passed on.
void print(const std::string& text);
/// As they are, for what is not text of ours.
void print_bytes(const std::string& text);

}  // namespace alephc
