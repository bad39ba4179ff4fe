// SPDX-License-Identifier: MIT
#include "sandbox/run_checked.hpp"

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/text.hpp"

namespace alephc {
namespace {

constexpr std::size_t kShownLines = 15;
constexpr std::uint64_t kShownBytes = 16384;

std::vector<std::string> last_lines(const std::filesystem::path& log) {
  std::vector<std::string> lines = split(read_tail(log, kShownBytes), '\n');
  while (!lines.empty() && trim(lines.back()).empty()) lines.pop_back();
  if (lines.size() > kShownLines) lines.erase(lines.begin(), lines.end() - kShownLines);
  return lines;
}

}  // namespace

void run_checked(const CommandRunner& runner, const SandboxOptions& options, const std::vector<SandboxCommand>& commands,
                 const std::string& doing) {
  const SandboxResult result = runner.run(options, commands);
  if (result.ok) return;
  std::string command;
  if (result.command < commands.size()) command = commands[result.command].argv[0];
  Diagnostic problem{.message = doing + " failed: " + command + ": " + result.reason};
  for (const std::string& line : last_lines(options.log)) problem.context.push_back("log: " + line);
  problem.context.push_back("the whole log is " + options.log.string());
  if (result.host_is_full) problem.hint = "free some space, or put the store elsewhere with --store";
  throw Error(result.host_is_full ? ErrorKind::host : ErrorKind::failed, std::move(problem));
}

}  // namespace alephc
