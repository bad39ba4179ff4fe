// SPDX-License-Identifier: MIT
//
// The child is a fork, so a reader is an ordinary function and options need no encoding. What it inherits and does not
// need is closed or given up first: descriptors, the user, capabilities by the change of user, every system call but
// those of reading, memory and threads. Threads are allowed because readers use them; new processes are not.
//
// The answer is one record: a byte that says whether it went well, then texts, each after its length in 8 bytes.
//   0 format, digest of what is outside a disk's filesystems in hex, listing (tree/listing_text.hpp), then path and content for each kept file
//   1 kind of the Error, then message, hint and context lines for each diagnostic
#include "image/confined_reader.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/interrupt.hpp"
#include "base/limits.hpp"
#include "base/little_endian.hpp"
#include "base/text.hpp"
#include "decode/confinement.hpp"
#include "image/byte_source.hpp"
#include "image/read_budget.hpp"
#include "tree/listing_text.hpp"

namespace alephc {
namespace {

constexpr int kImageFd = 3;
constexpr int kAnswerFd = 4;
constexpr int kNotConfined = 3;      // exit code: the kernel refused
constexpr unsigned kMostThreads = 8;  // each reserves memory for its stack
constexpr std::size_t kLength = 8;
constexpr char kFine = 0;
constexpr char kFailed = 1;

/// Grows with the image: the listing of a large one is large.
std::uint64_t most_memory(std::uint64_t image_size) {
  return limits::kImageMemory - 64 * limits::kMiB + std::min(8 * limits::kGiB, 2 * image_size);
}
std::uint64_t most_answer(std::uint64_t image_size) {
  return 2 * limits::kImageText + std::min(8 * limits::kGiB, 4 * image_size);
}

// --- The answer ---

void put_text(std::string& out, std::string_view text) {
  put_little(out, text.size(), kLength);
  out += text;
}

class AnswerReader {
 public:
  explicit AnswerReader(std::string_view bytes) : rest_(bytes) {}
  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  std::string text() {
    if (rest_.size() < kLength) bad();
    const std::uint64_t size = read_little(rest_.substr(0, kLength));
    rest_.remove_prefix(kLength);
    if (size > rest_.size()) bad();
    std::string value(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return value;
  }
  [[noreturn]] static void bad() {
    throw Error(ErrorKind::integrity, "the process that reads the image sent a broken answer");
  }

 private:
  std::string_view rest_;
};

std::string encode(const ImageContent& content) {
  std::string out(1, kFine);
  put_text(out, content.format);
  put_text(out, content.outside.hex());
  put_text(out, layer_text(content.listing));
  for (const auto& [path, text] : content.texts) {
    put_text(out, path);
    put_text(out, text);
  }
  return out;
}

std::string encode(const Error& error) {
  std::string out(1, kFailed);
  put_text(out, std::to_string(static_cast<int>(error.kind())));
  for (const Diagnostic& diagnostic : error.diagnostics()) {
    put_text(out, diagnostic.message);
    put_text(out, diagnostic.hint);
    put_text(out, join(diagnostic.context, "\n"));
  }
  return out;
}

/// Nothing that a caller does with a listing leads out of it.
void check_paths(const Listing& listing) {
  const std::string* last = nullptr;
  for (const Entry& entry : listing) {
    if (last != nullptr && entry.path <= *last) AnswerReader::bad();
    last = &entry.path;
    if (entry.path.empty()) continue;
    for (const std::string& part : split(entry.path, '/'))
      if (part.empty() || part == "." || part == "..") AnswerReader::bad();
  }
}

ImageContent decode_content(AnswerReader reader) {
  ImageContent content{.format = reader.text()};
  const auto outside = Digest::from_hex(reader.text());
  if (!outside) AnswerReader::bad();
  content.outside = *outside;
  content.listing = parse_layer_text(reader.text());
  check_paths(content.listing);
  while (!reader.at_end()) {
    std::string path = reader.text();
    content.texts[std::move(path)] = reader.text();
  }
  return content;
}

[[noreturn]] void throw_error(AnswerReader reader) {
  const auto kind = parse_unsigned(reader.text());
  constexpr std::array kKinds{ErrorKind::failed, ErrorKind::integrity, ErrorKind::host, ErrorKind::interrupted};
  const auto* known = std::find_if(kKinds.begin(), kKinds.end(), [&](ErrorKind each) {
    return kind == static_cast<std::uint64_t>(each);
  });
  std::vector<Diagnostic> problems;
  while (!reader.at_end()) {
    Diagnostic& problem = problems.emplace_back(Diagnostic{.message = reader.text()});
    problem.hint = reader.text();
    if (const std::string context = reader.text(); !context.empty()) problem.context = split(context, '\n');
  }
  if (problems.empty()) AnswerReader::bad();
  throw Error(known == kKinds.end() ? ErrorKind::integrity : *known, std::move(problems));
}

// --- The child ---

std::string read_to_answer(const ReadOptions& options, std::uint64_t image_size) {
  try {
    const FileSource image(kImageFd);
    ReadBudget budget(image_size);
    return encode(read_source(image, options, budget));
  } catch (const Error& error) {
    return encode(error);
  } catch (const std::bad_alloc&) {
    return encode(Error(ErrorKind::integrity, "reading the image needs more memory than the limit",
                        "docs/limits.md lists what alephc takes from an image at most"));
  } catch (const std::exception& error) {
    return encode(Error(ErrorKind::integrity, std::string("the image is damaged: ") + error.what()));
  }
}

[[noreturn]] void child_main(int image_fd, int answer_fd, const ReadOptions& options,
                             std::uint64_t image_size) {
  ::signal(SIGPIPE, SIG_DFL);
  const int image = ::fcntl(image_fd, F_DUPFD, 10);
  const int answer = ::fcntl(answer_fd, F_DUPFD, 10);
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  bool placed = image >= 0 && answer >= 0 && null >= 0;
  // Neither the terminal nor what alephc prints may be in reach of the image.
  for (const int fd : {0, 1, 2}) placed = placed && ::dup2(null, fd) == fd;
  placed = placed && ::dup2(image, kImageFd) == kImageFd && ::dup2(answer, kAnswerFd) == kAnswerFd;
  ::syscall(SYS_close_range, kAnswerFd + 1U, ~0U, 0U);
  if (!placed ||
      !confine_process({.memory_resource = RLIMIT_DATA,
                        .memory = most_memory(image_size),
                        .threads = true,
                        .ends_with_parent = true}))
    ::_exit(kNotConfined);
  try {
    write_all(kAnswerFd, read_to_answer(options, image_size));
  } catch (...) {
    ::_exit(1);  // the parent sees an answer without an end
  }
  ::_exit(0);
}

// --- This process ---

class Child {
 public:
  explicit Child(pid_t process) : process_(process) {}
  ~Child() {
    if (process_ < 0) return;
    ::kill(process_, SIGKILL);
    (void)wait();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// Until it has ended; its wait status.
  int wait() {
    int status = 0;
    while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
    }
    process_ = -1;
    return status;
  }

 private:
  pid_t process_;
};

/// Of a child that ended without an answer.
[[noreturn]] void explain_end(int status) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNotConfined)
    throw Error(ErrorKind::host, "cannot read images here: the kernel refuses to confine the process that does it",
                "'alephc doctor' shows what is missing");
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
    throw Error(ErrorKind::host, "the process that reads the image was killed", "is the machine short of memory?");
  throw Error(ErrorKind::integrity, "the process that reads the image died: the image is damaged");
}

std::string receive(int fd, std::uint64_t limit) {
  std::string answer;
  std::array<char, 65536> buffer{};
  for (;;) {
    throw_if_interrupted();
    pollfd wait{fd, POLLIN, 0};
    if (::poll(&wait, 1, 100) <= 0) continue;
    const std::size_t got = read_some(fd, buffer);
    if (got == 0) return answer;
    answer.append(buffer.data(), got);
    if (answer.size() > limit)
      throw Error(ErrorKind::integrity, "the image holds more than the limit",
                  "docs/limits.md lists what alephc takes from an image at most");
  }
}

}  // namespace

ImageContent read_confined(int image_fd, const ReadOptions& options) {
  const std::uint64_t size = FileSource(image_fd).size();
  Pipe pipe = make_pipe();
  const pid_t process = ::fork();
  if (process < 0) throw system_error("start a process", errno);
  ReadOptions few = options;
  few.jobs = std::min(options.jobs, kMostThreads);
  if (process == 0) child_main(image_fd, pipe.write.get(), few, size);
  Child child(process);
  pipe.write.reset();
  const std::string answer = receive(pipe.read.get(), most_answer(size));
  if (answer.empty()) explain_end(child.wait());
  const AnswerReader reader(std::string_view(answer).substr(1));
  if (answer.front() != kFine) throw_error(reader);
  return decode_content(reader);
}

}  // namespace alephc
