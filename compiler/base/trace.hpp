// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

namespace alephc {

/// Records from here on what TraceSpans see, for the whole process.
void start_trace();
/// What was recorded, as JSON in the Trace Event Format that chrome://tracing and Perfetto open: complete
/// events ("ph": "X") with times in microseconds, one row a thread.
[[nodiscard]] std::string trace_json();

/// A piece of work of this thread, from construction to
/// destruction. Costs a look at a flag when nothing is recorded.
class TraceSpan {
 public:
  /// kind: the colour of it, e.g. "step", "unpack"; must outlive the trace.
  TraceSpan(const char* kind, const std::string& name);
  ~TraceSpan();
  TraceSpan(const TraceSpan&) = delete;
  TraceSpan& operator=(const TraceSpan&) = delete;

 private:
  const char* kind_ = nullptr;  ///< null: not recorded
  std::string name_{};
  std::int64_t start_ = 0;
};

}  // namespace alephc
