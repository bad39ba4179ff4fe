// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

#include "base/diagnostic.hpp"

namespace alephc {

enum class ColorMode { automatic, always, never };
enum class Verbosity { quiet, normal, verbose };

/// Everything a person reads while alephc works goes through here, to stderr: a live line on a terminal, one
/// plain line a step elsewhere. Safe to use from several threads.
class Reporter {
 public:
  Reporter(Verbosity verbosity, ColorMode color, bool json);
  ~Reporter();
  Reporter(const Reporter&) = delete;
  Reporter& operator=(const Reporter&) = delete;

  void step(const std::string& text);      ///< a finished step: one line that stays
  void progress(const std::string& text);  ///< a line that the next one replaces; dropped without a terminal
  void note(const std::string& text);      ///< shown unless --quiet
  void detail(const std::string& text);    ///< shown with --verbose only
  void diagnostic(const Diagnostic& diagnostic);  ///< a warning or error, always shown (in --json mode too)
  [[nodiscard]] bool color() const { return color_; }
  [[nodiscard]] bool verbose() const { return verbosity_ == Verbosity::verbose; }

 private:
  void clear_progress();
  void line(const std::string& text);

  Verbosity verbosity_;
  bool terminal_;
  bool color_;
  std::mutex mutex_;
  bool progress_shown_ = false;
  std::chrono::steady_clock::time_point last_progress_{};
};

}  // namespace alephc
