// SPDX-License-Identifier: MIT
#include "base/diagnostic.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <tuple>

namespace alephc {
namespace {

bool is_host_fault(int error_number) {
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
    case EPERM:
    case EACCES:
    case EROFS:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return true;
    default:
      return false;
  }
}

}  // namespace

Error::Error(ErrorKind kind, std::string message, std::string hint) : kind_(kind) {
  diagnostics_.push_back({.message = std::move(message), .hint = std::move(hint)});
}

Error::Error(ErrorKind kind, Diagnostic diagnostic) : kind_(kind) {
  diagnostics_.push_back(std::move(diagnostic));
}

Error::Error(ErrorKind kind, std::vector<Diagnostic> diagnostics)
    : kind_(kind), diagnostics_(std::move(diagnostics)) {}

const char* Error::what() const noexcept {
  return diagnostics_.empty() ? "unknown error" : diagnostics_.front().message.c_str();
}

void Error::add_context(const std::string& doing) {
  for (Diagnostic& diagnostic : diagnostics_) diagnostic.context.push_back(doing);
}

Error system_error(const std::string& action, int error_number) {
  const ErrorKind kind = is_host_fault(error_number) ? ErrorKind::host : ErrorKind::failed;
  std::string hint;
  if (error_number == ENOSPC || error_number == EDQUOT)
    hint = "free some space, run 'alephc gc', or put the store elsewhere with --store";
  return Error(kind, "cannot " + action + ": " + std::strerror(error_number), hint);
}

void DiagnosticList::error(std::string message, std::optional<SourceSpan> at, std::string hint) {
  items_.push_back({Severity::error, std::move(message), std::move(at), {}, std::move(hint)});
}

void DiagnosticList::warning(std::string message, std::optional<SourceSpan> at, std::string hint) {
  items_.push_back({Severity::warning, std::move(message), std::move(at), {}, std::move(hint)});
}

bool DiagnosticList::has_errors() const {
  return std::any_of(items_.begin(), items_.end(),
                     [](const Diagnostic& item) { return item.severity == Severity::error; });
}

void DiagnosticList::stop_if_errors(ErrorKind kind) {
  if (!has_errors()) return;
  const auto place = [](const Diagnostic& item) {
    const bool known = item.at && item.at->source;
    return std::tuple(known ? item.at->source->name : std::string(), known ? item.at->line : 0,
                      known ? item.at->column : 0);
  };
  std::stable_sort(items_.begin(), items_.end(),
                   [&](const Diagnostic& a, const Diagnostic& b) { return place(a) < place(b); });
  throw Error(kind, std::move(items_));
}

void broken_invariant(const char* invariant) {
  throw Error(ErrorKind::bug, std::string("internal error: ") + invariant);
}

}  // namespace alephc
