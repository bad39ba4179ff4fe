// SPDX-License-Identifier: MIT
#include "base/trace.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <vector>

#include <unistd.h>

#include "base/json.hpp"

namespace alephc {
namespace {

struct Event {
  const char* kind;
  std::string name;
  std::int64_t start;
  std::int64_t end;
  int thread;
};

std::atomic<bool> recording{false};
std::mutex events_mutex;
std::vector<Event> events;

std::int64_t now() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

void start_trace() {
  recording = true;
}

std::string trace_json() {
  const std::lock_guard guard(events_mutex);
  std::int64_t first = INT64_MAX;
  for (const Event& event : events) first = std::min(first, event.start);
  Json list = Json::array();
  for (const Event& event : events)
    list.push_back({{"name", event.name},
                    {"cat", event.kind},
                    {"ph", "X"},
                    {"ts", event.start - first},
                    {"dur", event.end - event.start},
                    {"pid", ::getpid()},
                    {"tid", event.thread}});
  return json_text(Json{{"displayTimeUnit", "ms"}, {"traceEvents", list}}) + "\n";
}

TraceSpan::TraceSpan(const char* kind, const std::string& name) {
  if (!recording) return;
  kind_ = kind;
  name_ = name;
  start_ = now();
}

TraceSpan::~TraceSpan() {
  if (kind_ == nullptr) return;
  const std::lock_guard guard(events_mutex);
  events.push_back({kind_, std::move(name_), start_, now(), static_cast<int>(::gettid())});
}

}  // namespace alephc
