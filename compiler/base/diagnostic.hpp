// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace alephc {

/// What went wrong, as the exit code says it.
enum class ErrorKind {
  failed = 1,         ///< the manifest, the network or the build; a stale lock
  usage = 2,          ///< the command line
  integrity = 3,      ///< signature, hash, expired Release, mismatch
  host = 4,           ///< this machine cannot: rights, disk, kernel
  bug = 70,           ///< an invariant of ours broke
  interrupted = 130,  ///< Ctrl-C
};

/// A text that diagnostics point into: a file of the user's or an embedded part.
struct SourceText {
  std::string name;  ///< as shown to people, e.g. "runtime.toml" or "stdlib:debian/python-asgi"
  std::string text;
};

/// A place in a SourceText. line and column start at 1 and count bytes; line 0 means the whole text.
struct SourceSpan {
  std::shared_ptr<const SourceText> source{};
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  std::uint32_t length = 1;
};

enum class Severity { error, warning };

struct Diagnostic {
  Severity severity = Severity::error;
  std::string message{};
  std::optional<SourceSpan> at{};
  std::vector<std::string> context{};  ///< "while installing bash 5.2", innermost first
  std::string hint{};                  ///< what to do about it
};

/// The one exception of alephc: at least one diagnostic and the exit code they lead to.
class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string message, std::string hint = {});
  Error(ErrorKind kind, Diagnostic diagnostic);
  Error(ErrorKind kind, std::vector<Diagnostic> diagnostics);

  [[nodiscard]] const char* what() const noexcept override;
  [[nodiscard]] ErrorKind kind() const { return kind_; }
  [[nodiscard]] const std::vector<Diagnostic>& diagnostics() const { return diagnostics_; }
  void add_context(const std::string& doing);

 private:
  ErrorKind kind_;
  std::vector<Diagnostic> diagnostics_;
};

/// errno as an Error: "cannot open /x: Permission denied".
/// ENOSPC, EPERM and their like are the host's fault (exit 4).
[[nodiscard]] Error system_error(const std::string& action, int error_number);

/// Collects every problem of a text that a person edits, so that one run shows them all.
class DiagnosticList {
 public:
  void error(std::string message, std::optional<SourceSpan> at = {}, std::string hint = {});
  void warning(std::string message, std::optional<SourceSpan> at = {}, std::string hint = {});
  [[nodiscard]] bool has_errors() const;
  /// Throws all diagnostics, sorted by place, if one of them is an error.
  void stop_if_errors(ErrorKind kind = ErrorKind::failed);
  [[nodiscard]] const std::vector<Diagnostic>& items() const { return items_; }

 private:
  std::vector<Diagnostic> items_;
};

/// Runs body; an Error that leaves it gets one more line of context.
template <typename Body>
decltype(auto) with_context(const std::string& doing, Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (Error& error) {
    error.add_context(doing);
    throw;
  }
}

[[noreturn]] void broken_invariant(const char* invariant);

/// For invariants of ours; stays on in release builds and exits 70.
inline void check(bool condition, const char* invariant) {
  if (!condition) broken_invariant(invariant);
}

}  // namespace alephc
