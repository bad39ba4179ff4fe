// SPDX-License-Identifier: MIT
#include "sandbox/streams.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/text.hpp"

namespace alephc {
namespace {

constexpr std::size_t kPiece = 65536;

void set_nonblocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) throw system_error("set up a pipe", errno);
}

/// A command that is not root must be able to open /dev/stdout, as it can where that is a file of its own.
void open_to_all(int fd) {
  if (::fchmod(fd, 0666) != 0) throw system_error("set up a pipe", errno);
}

/// Copies from one descriptor to another without ever waiting for either.
class Pump {
 public:
  Pump(int from, int to) : from_(from), to_(to) {}

  [[nodiscard]] pollfd poll() const {
    if (!pending_.empty()) return {to_, POLLOUT, 0};
    return {open_ ? from_ : -1, POLLIN, 0};
  }

  void serve(const pollfd& event) {
    if (event.fd < 0 || event.revents == 0) return;
    if (event.events == POLLOUT)
      put();
    else
      take();
  }

  [[nodiscard]] bool open() const { return open_; }

  /// After everything has ended: the rest. A reader that does not read loses it.
  void finish() {
    for (;;) {
      while (!pending_.empty() && open_for_output()) put();
      if (!pending_.empty() || !open_) return;
      pollfd event{from_, POLLIN, 0};
      if (::poll(&event, 1, 0) <= 0) return;
      take();
    }
  }

 private:
  bool open_for_output() const {
    pollfd event{to_, POLLOUT, 0};
    return ::poll(&event, 1, 1000) > 0 && (event.revents & POLLOUT) != 0;
  }

  void take() {
    std::array<char, kPiece> buffer{};
    const ssize_t got = ::read(from_, buffer.data(), buffer.size());
    if (got > 0)
      pending_.assign(buffer.data(), static_cast<std::size_t>(got));
    else if (got == 0 || (errno != EAGAIN && errno != EINTR))
      open_ = false;
  }

  void put() {
    // POLLOUT on a pipe promises room for so many bytes; more would block.
    const ssize_t done = ::write(to_, pending_.data(), std::min<std::size_t>(pending_.size(), PIPE_BUF));
    if (done >= 0)
      pending_.erase(0, static_cast<std::size_t>(done));
    else if (errno != EAGAIN && errno != EINTR)
      pending_.clear();  // the reader is gone
  }

  int from_;
  int to_;
  std::string pending_;
  bool open_ = true;
};

class LogStreams : public Streams {
 public:
  explicit LogStreams(const std::filesystem::path& log) : log_(log) {
    Pipe output = make_pipe();
    open_to_all(output.write.get());
    set_nonblocking(output.read.get());
    read_ = std::move(output.read);
    room_.in = open_file("/dev/null", O_RDONLY);
    room_.err = UniqueFd(::fcntl(output.write.get(), F_DUPFD_CLOEXEC, 0));
    room_.out = std::move(output.write);
  }

  void close_outside() override { read_.reset(); }
  void add_polls(std::vector<pollfd>& polls) override { polls.push_back({read_.get(), POLLIN, 0}); }

  void serve(const pollfd* polls) override {
    if (polls[0].revents != 0) (void)take();
  }

  void finish() override {
    while (take()) {
    }
    log_.finish();
  }

 private:
  bool take() {
    if (!read_) return false;
    std::array<char, kPiece> buffer{};
    const ssize_t got = ::read(read_.get(), buffer.data(), buffer.size());
    if (got > 0) log_.append({buffer.data(), static_cast<std::size_t>(got)});
    if (got == 0) read_.reset();
    return got > 0;
  }

  LogFile log_;
  UniqueFd read_;
};

class PipedStreams : public Streams {
 public:
  PipedStreams() {
    Pipe input = make_pipe();
    Pipe output = make_pipe();
    Pipe errors = make_pipe();
    for (const int fd : {input.read.get(), output.write.get(), errors.write.get()}) open_to_all(fd);
    set_nonblocking(input.write.get());
    room_ = {std::move(input.read), std::move(output.write), std::move(errors.write)};
    ends_ = {std::move(input.write), std::move(output.read), std::move(errors.read)};
    pumps_ = {Pump(0, ends_.in.get()), Pump(ends_.out.get(), 1), Pump(ends_.err.get(), 2)};
  }

  void close_outside() override { ends_ = {}; }

  void add_polls(std::vector<pollfd>& polls) override {
    for (const Pump& pump : pumps_) polls.push_back(pump.poll());
  }

  void serve(const pollfd* polls) override {
    for (std::size_t i = 0; i < pumps_.size(); ++i) pumps_[i].serve(polls[i]);
    if (ends_.in && !pumps_.front().open() && pumps_.front().poll().fd < 0) ends_.in.reset();
  }

  void finish() override {
    pumps_[1].finish();
    pumps_[2].finish();
  }

 private:
  RoomEnds ends_;  ///< the other ends
  std::vector<Pump> pumps_;
};

class TerminalStreams : public Streams {
 public:
  explicit TerminalStreams(UniqueFd socket) : socket_(std::move(socket)) {
    room_.in = open_file("/dev/null", O_RDONLY);
    room_.out = open_file("/dev/null", O_WRONLY);
    room_.err = open_file("/dev/null", O_WRONLY);
    if (::tcgetattr(0, &before_) != 0) throw system_error("look at the terminal", errno);
    termios raw = before_;
    ::cfmakeraw(&raw);
    if (::tcsetattr(0, TCSADRAIN, &raw) != 0) throw system_error("set up the terminal", errno);
  }
  ~TerminalStreams() override { ::tcsetattr(0, TCSADRAIN, &before_); }
  TerminalStreams(const TerminalStreams&) = delete;
  TerminalStreams& operator=(const TerminalStreams&) = delete;

  void close_outside() override { socket_.reset(); }

  void add_polls(std::vector<pollfd>& polls) override {
    if (!master_) {
      polls.push_back({socket_.get(), POLLIN, 0});
      return;
    }
    follow_size();
    polls.push_back(to_room_->poll());
    polls.push_back(from_room_->poll());
  }

  void serve(const pollfd* polls) override {
    if (master_) {
      to_room_->serve(polls[0]);
      from_room_->serve(polls[1]);
    } else if (polls[0].revents != 0) {
      master_ = receive_descriptor(socket_.get());
      if (!master_) return socket_.reset();
      set_nonblocking(master_.get());
      to_room_.emplace(0, master_.get());
      from_room_.emplace(master_.get(), 1);
    }
  }

  void finish() override {
    if (from_room_) from_room_->finish();
  }

 private:
  void follow_size() {
    winsize size{};
    if (::ioctl(0, TIOCGWINSZ, &size) != 0 || std::memcmp(&size, &size_, sizeof size) == 0) return;
    size_ = size;
    ::ioctl(master_.get(), TIOCSWINSZ, &size_);
  }

  UniqueFd socket_;
  UniqueFd master_;
  termios before_{};
  winsize size_{};
  std::optional<Pump> to_room_;
  std::optional<Pump> from_room_;
};

}  // namespace

LogFile::LogFile(const std::filesystem::path& file) {
  if (!file.empty()) file_ = open_file(file, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
}

LogFile::~LogFile() {
  try {
    finish();
  } catch (const std::exception&) {
    // The disk is full: the step's own end says so.
  }
}

void LogFile::append(std::string_view bytes) {
  if (!file_) return;
  const std::size_t now = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), kHead - written_));
  write_all(file_.get(), bytes.substr(0, now));
  written_ += now;
  tail_ += bytes.substr(now);
  if (tail_.size() <= 2 * kTail) return;
  dropped_ += tail_.size() - kTail;
  tail_.erase(0, tail_.size() - kTail);
}

void LogFile::finish() {
  if (!file_) return;
  if (dropped_ > 0) write_all(file_.get(), "\n[alephc left out " + human_size(dropped_) + " of the log here]\n");
  write_all(file_.get(), tail_);
  file_.reset();
}

std::unique_ptr<Streams> log_streams(const std::filesystem::path& log) {
  return std::make_unique<LogStreams>(log);
}

std::unique_ptr<Streams> piped_streams() {
  return std::make_unique<PipedStreams>();
}

std::unique_ptr<Streams> terminal_streams(UniqueFd socket) {
  return std::make_unique<TerminalStreams>(std::move(socket));
}

bool has_terminal() {
  return ::isatty(0) == 1 && ::isatty(1) == 1;
}

namespace {

/// A message of one byte with room for one descriptor. Points into itself: it stays where it is.
struct Envelope {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  char byte = 0;
  iovec piece{&byte, 1};
  msghdr message{};

  Envelope() {
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
  }
  Envelope(const Envelope&) = delete;
  Envelope& operator=(const Envelope&) = delete;
};

}  // namespace

void send_descriptor(int socket, int fd) {
  Envelope envelope;
  cmsghdr* header = CMSG_FIRSTHDR(&envelope.message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  if (::sendmsg(socket, &envelope.message, MSG_NOSIGNAL) != 1) throw system_error("hand over a terminal", errno);
}

UniqueFd receive_descriptor(int socket) {
  Envelope envelope;
  if (::recvmsg(socket, &envelope.message, MSG_CMSG_CLOEXEC) != 1) return {};
  const cmsghdr* header = CMSG_FIRSTHDR(&envelope.message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof(int))) return {};
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return UniqueFd(fd);
}

}  // namespace alephc
