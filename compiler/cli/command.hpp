// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "base/reporter.hpp"
#include "pipeline/session.hpp"

namespace alephc {

class ArgumentParser;

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
  Json& found;  ///< what is known already when the command fails: with --json it stands beside the error
};

/// Does the work and returns the exit code; failures are Errors.
using CommandAction = std::function<int(CommandContext&)>;

/// One row of the table of commands: add() declares the options and returns what to do.
struct CommandSpec {
  const char* name;
  const char* about;
  const char* examples;
  CommandAction (*add)(ArgumentParser& parser);
  bool uses_store = true;  ///< a user without rights becomes root of a namespace of his own for it
};

[[nodiscard]] const std::vector<CommandSpec>& commands();

CommandAction add_attest(ArgumentParser& parser);
CommandAction add_build(ArgumentParser& parser);
CommandAction add_completion(ArgumentParser& parser);
CommandAction add_conform(ArgumentParser& parser);
CommandAction add_diff(ArgumentParser& parser);
CommandAction add_doctor(ArgumentParser& parser);
CommandAction add_gc(ArgumentParser& parser);
CommandAction add_graph(ArgumentParser& parser);
CommandAction add_hash(ArgumentParser& parser);
CommandAction add_init(ArgumentParser& parser);
CommandAction add_inspect(ArgumentParser& parser);
CommandAction add_keygen(ArgumentParser& parser);
CommandAction add_lock(ArgumentParser& parser);
CommandAction add_plan(ArgumentParser& parser);
CommandAction add_publish(ArgumentParser& parser);
CommandAction add_pull(ArgumentParser& parser);
CommandAction add_run(ArgumentParser& parser);
CommandAction add_schema(ArgumentParser& parser);
CommandAction add_shell(ArgumentParser& parser);
CommandAction add_tree(ArgumentParser& parser);
CommandAction add_vendor(ArgumentParser& parser);
CommandAction add_verify(ArgumentParser& parser);
CommandAction add_version(ArgumentParser& parser);
CommandAction add_why(ArgumentParser& parser);

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
