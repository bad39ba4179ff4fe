// SPDX-License-Identifier: MIT
#include "base/reporter.hpp"

#include <cstdio>
#include <cstdlib>

#include <sys/ioctl.h>
#include <unistd.h>

#include "base/render.hpp"
#include "base/text.hpp"

namespace alephc {
namespace {

constexpr auto kProgressInterval = std::chrono::milliseconds(80);

bool wants_color(ColorMode mode, bool terminal) {
  if (mode != ColorMode::automatic) return mode == ColorMode::always;
  return terminal && std::getenv("NO_COLOR") == nullptr;
}

std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

void put(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace

Reporter::Reporter(Verbosity verbosity, ColorMode color, bool json)
    : verbosity_(json && verbosity == Verbosity::normal ? Verbosity::quiet : verbosity),
      terminal_(::isatty(STDERR_FILENO) == 1),
      color_(wants_color(color, terminal_)) {}

Reporter::~Reporter() {
  clear_progress();
}

void Reporter::clear_progress() {
  if (progress_shown_) put("\r\033[K");
  progress_shown_ = false;
}

void Reporter::line(const std::string& text) {
  const std::lock_guard guard(mutex_);
  clear_progress();
  put(text);
}

void Reporter::step(const std::string& text) {
  if (verbosity_ != Verbosity::quiet) line(printable_lines(text) + "\n");
}

void Reporter::note(const std::string& text) {
  if (verbosity_ != Verbosity::quiet) line(printable_lines(text) + "\n");
}

void Reporter::detail(const std::string& text) {
  if (verbosity_ == Verbosity::verbose) line(printable_lines(text) + "\n");
}

void Reporter::diagnostic(const Diagnostic& diagnostic) {
  line(render_text(diagnostic, color_));
}

void Reporter::progress(const std::string& text) {
  if (!terminal_ || verbosity_ == Verbosity::quiet) return;
  const std::lock_guard guard(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (now - last_progress_ < kProgressInterval) return;
  last_progress_ = now;
  put("\r\033[K" + printable(text.substr(0, terminal_width() - 1)));
  progress_shown_ = true;
}

}  // namespace alephc
