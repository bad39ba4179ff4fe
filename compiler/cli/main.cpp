// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <new>

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "base/files.hpp"
#include "base/interrupt.hpp"
#include "base/render.hpp"
#include "base/text.hpp"
#include "cli/command.hpp"
#include "cli/settings.hpp"
#include "decode/decode_server.hpp"
#include "sandbox/user_namespace.hpp"

namespace alephc {
namespace {

int report(const Error& error, const CommonOptions& options, Reporter& reporter) {
  if (options.json)
    std::fputs(render_json(error).c_str(), stdout);
  else
    for (const Diagnostic& diagnostic : error.diagnostics()) reporter.diagnostic(diagnostic);
  return static_cast<int>(error.kind());
}

void add_common_options(CLI::App& app, CommonOptions& options) {
  app.add_flag("--json", options.json, "Print one JSON object on stdout and nothing else");
  app.add_flag("--quiet,-q", options.quiet, "No progress");
  app.add_flag("--verbose,-v", options.verbose, "More detail");
  app.add_flag("--offline", options.offline, "Never use the network");
  app.add_option("--color", options.color, "When to use colors")
      ->check(CLI::IsMember({"auto", "always", "never"}));
  app.add_option("--config", options.config, "Configuration file")->type_name("FILE");
  app.add_option("--store", options.store, "Folder of the store (ALEPHC_STORE)")->type_name("DIR");
  app.add_option("--jobs,-j", options.jobs, "Threads (default: all cores)")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  app.add_option("--mirror", options.mirrors, "A mirror to ask first; may be repeated (ALEPHC_MIRROR)")
      ->type_name("URL");
}

ColorMode color_mode(const std::string& name) {
  if (name == "always") return ColorMode::always;
  return name == "never" ? ColorMode::never : ColorMode::automatic;
}

Verbosity verbosity(const CommonOptions& options) {
  if (options.quiet) return Verbosity::quiet;
  return options.verbose ? Verbosity::verbose : Verbosity::normal;
}

int run_command(const CommandAction& action, bool uses_store, const CommonOptions& options,
                Reporter& reporter) {
  try {
    Settings settings = make_settings(options);
    remove_stale_folders(std::filesystem::temp_directory_path(), "alephc-");
    if (uses_store && ::geteuid() != 0) settings.why_not_root = enter_user_namespace();
    CommandContext context{options, settings, reporter};
    return action(context);
  } catch (const Error& error) {
    return report(error, options, reporter);
  } catch (const std::filesystem::filesystem_error& error) {
    return report(system_error(std::string("work with ") + error.path1().string(), error.code().value()),
                  options, reporter);
  } catch (const std::bad_alloc&) {
    return report(Error(ErrorKind::host, "out of memory"), options, reporter);
  } catch (const std::exception& error) {
    return report(Error(ErrorKind::bug, std::string("internal error: ") + error.what(), "please report this"),
                  options, reporter);
  }
}

int usage_error(const CLI::App& app, const CLI::ParseError& error, const std::vector<std::string>& words) {
  std::string hint = "alephc --help lists the commands";
  std::vector<std::string> names;
  for (const CommandSpec& spec : commands()) names.emplace_back(spec.name);
  if (!words.empty() && app.get_subcommands().empty())
    if (const auto near = closest_match(words.front(), names)) hint = "did you mean 'alephc " + *near + "'?";
  if (!app.get_subcommands().empty())
    hint = "alephc " + app.get_subcommands().front()->get_name() + " --help explains the options";
  std::fputs(render_text({.message = error.what(), .hint = hint}, false).c_str(), stderr);
  return static_cast<int>(ErrorKind::usage);
}

/// As many open files as the login allows: trees may be deep, and 1,024 is a limit for programs that use select(2).
void raise_file_limit() {
  constexpr rlim_t kEnough = 65536;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kEnough) return;
  limit.rlim_cur = std::min(limit.rlim_max, kEnough);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

int alephc_main(int argc, char** argv) {
  install_interrupt_handlers();
  raise_file_limit();
  ::umask(022);
  start_decode_server();
  CommonOptions options;
  CLI::App app{"Builds reproducible, content-addressed VM images for aleph.im from runtime.toml", "alephc"};
  app.fallthrough();
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 done, 1 failed, 2 usage, 3 integrity, 4 this machine cannot, 70 a bug, 130 interrupted");
  add_common_options(app, options);
  std::map<const CLI::App*, std::pair<CommandAction, bool>> actions;
  for (const CommandSpec& spec : commands()) {
    CLI::App* command = app.add_subcommand(spec.name, spec.about);
    command->footer(std::string("Examples:\n") + spec.examples);
    actions[command] = {spec.add(*command), spec.uses_store};
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    return usage_error(app, error, {argv + 1, argv + argc});
  }
  Reporter reporter(verbosity(options), color_mode(options.color), options.json);
  const auto& [action, uses_store] = actions.at(app.get_subcommands().front());
  return run_command(action, uses_store, options, reporter);
}

}  // namespace
}  // namespace alephc

// What escapes is a bug; the standard library says which and aborts.
int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape)
  return alephc::alephc_main(argc, argv);
}
