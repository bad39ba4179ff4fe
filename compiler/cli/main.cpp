// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <new>

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.hpp"
#include "base/interrupt.hpp"
#include "base/render.hpp"
#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/settings.hpp"
#include "decode/decode_server.hpp"
#include "sandbox/user_namespace.hpp"

namespace alephc {
namespace {

int report(const Error& error, const CommonOptions& options, Reporter& reporter,
           const Json& found = Json::object()) {
  if (options.json)
    std::fputs(render_json(error, found).c_str(), stdout);
  else
    for (const Diagnostic& diagnostic : error.diagnostics()) reporter.diagnostic(diagnostic);
  return static_cast<int>(error.kind());
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
  Json found = Json::object();
  try {
    Settings settings = make_settings(options);
    remove_stale_folders(std::filesystem::temp_directory_path(), "alephc-");
    if (uses_store && ::geteuid() != 0) settings.why_not_root = enter_user_namespace();
    CommandContext context{options, settings, reporter, found};
    return action(context);
  } catch (const Error& error) {
    return report(error, options, reporter, found);
  } catch (const std::filesystem::filesystem_error& error) {
    return report(system_error(std::string("work with ") + error.path1().string(), error.code().value()),
                  options, reporter, found);
  } catch (const std::bad_alloc&) {
    return report(Error(ErrorKind::host, "out of memory"), options, reporter, found);
  } catch (const std::exception& error) {
    return report(Error(ErrorKind::bug, std::string("internal error: ") + error.what(), "please report this"),
                  options, reporter, found);
  }
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
  CommandLine command_line(options);
  const auto parsed = command_line.parse(argc, argv);
  if (const int* code = std::get_if<int>(&parsed)) return *code;
  const auto& [action, uses_store] = std::get<ChosenCommand>(parsed);
  Reporter reporter(verbosity(options), color_mode(options.color), options.json);
  return run_command(action, uses_store, options, reporter);
}

}  // namespace
}  // namespace alephc

// What escapes is a bug; the standard library says which and aborts.
int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape)
  return alephc::alephc_main(argc, argv);
}
