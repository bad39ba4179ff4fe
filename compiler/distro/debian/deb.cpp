// SPDX-License-Identifier: MIT
#include "distro/debian/deb.hpp"

#include "base/diagnostic.hpp"
#include "decode/decode.hpp"

namespace alephc::debian {
namespace {

constexpr std::size_t kMaxControl = 64 * 1024 * 1024;

class ControlSink : public ArchiveSink {
 public:
  struct Done {};
  void begin_entry(const std::string& member, Entry entry) override {
    if (member == "data") throw Done{};
    wanted_ = entry.path == "control";
  }
  void data(std::string_view bytes) override {
    if (wanted_) text += bytes;
    if (text.size() > kMaxControl) throw Error(ErrorKind::integrity, "the control file is too large");
  }
  void end_entry() override { wanted_ = false; }

  std::string text;

 private:
  bool wanted_ = false;
};

}  // namespace

std::string read_control(int fd) {
  ControlSink sink;
  try {
    decode_archive(fd, ArchiveKind::deb, sink);
  } catch (const ControlSink::Done&) {
    // The data is of no interest here.
  }
  return std::move(sink.text);
}

}  // namespace alephc::debian
