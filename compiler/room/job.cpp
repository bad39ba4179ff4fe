// SPDX-License-Identifier: MIT
#include "room/job.hpp"

#include <cstddef>
#include <cstdint>

namespace alephc::room {
namespace {

constexpr std::size_t kNumberBytes = 4;

void put_number(std::string& out, std::size_t number) {
  for (unsigned shift = 0; shift < 32; shift += 8) out += static_cast<char>((number >> shift) & 0xffU);
}

void put_text(std::string& out, const std::string& text) {
  put_number(out, text.size());
  out += text;
}

void put_list(std::string& out, const std::vector<std::string>& list) {
  put_number(out, list.size());
  for (const std::string& text : list) put_text(out, text);
}

/// Takes values off the front. After the first that is not there, every further one is empty and ok() is false.
class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : rest_(bytes) {}

  std::size_t number() {
    if (rest_.size() < kNumberBytes) return fail();
    std::size_t value = 0;
    for (std::size_t i = 0; i < kNumberBytes; ++i)
      value |= static_cast<std::size_t>(static_cast<unsigned char>(rest_[i])) << (8 * i);
    rest_.remove_prefix(kNumberBytes);
    return value;
  }

  std::string text() {
    const std::size_t size = number();
    if (size > rest_.size()) {
      fail();
      return {};
    }
    std::string value(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return value;
  }

  /// Length of a list; every item takes at least a number, so that a false length ends here.
  std::size_t count() {
    const std::size_t value = number();
    return value <= rest_.size() / kNumberBytes ? value : fail();
  }

  std::vector<std::string> list() {
    std::vector<std::string> values(count());
    for (std::string& value : values) value = text();
    return values;
  }

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }

 private:
  std::size_t fail() {
    ok_ = false;
    rest_ = {};
    return 0;
  }

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace

std::string encode(const Job& job) {
  std::string out;
  put_number(out, job.inherits_streams ? 1 : 0);
  put_number(out, job.commands.size());
  for (const Command& command : job.commands) {
    put_list(out, command.argv);
    put_list(out, command.environment);
    put_text(out, command.input);
    put_text(out, command.user);
  }
  return out;
}

std::optional<Job> decode(std::string_view bytes) {
  Decoder decoder(bytes);
  Job job{.inherits_streams = decoder.number() == 1};
  const std::size_t count = decoder.count();
  for (std::size_t i = 0; i < count && decoder.ok(); ++i)
    job.commands.push_back({.argv = decoder.list(),
                            .environment = decoder.list(),
                            .input = decoder.text(),
                            .user = decoder.text()});
  for (const Command& command : job.commands)
    if (command.argv.empty()) return std::nullopt;
  if (!decoder.ok() || !decoder.at_end()) return std::nullopt;
  return job;
}

}  // namespace alephc::room
