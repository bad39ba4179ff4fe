// SPDX-License-Identifier: MIT
#include "language/python/index_proxy.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"
#include "language/python/package_index.hpp"

namespace alephc {
namespace {

constexpr std::size_t kMostHead = 16384;  // of a request
constexpr int kPollMilliseconds = 100;
constexpr int kStallSeconds = 10;

bool send_all(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t put = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    data.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

/// Up to the empty line; nothing if it does not come.
std::string read_head(int fd) {
  std::string head;
  std::array<char, 4096> buffer{};
  while (head.find("\r\n\r\n") == std::string::npos) {
    const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (got <= 0 || head.size() > kMostHead) return {};
    head.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return head;
}

std::string path_of(const std::string& head) {
  const std::vector<std::string> words = split_words(head.substr(0, head.find("\r\n")));
  if (words.size() != 3 || words[0] != "GET") return {};
  return words[1].substr(0, words[1].find_first_of("?#"));
}

/// A project's page: "name/", in the characters of PEP 503's normalized names and those that pip leaves in.
bool is_page_name(const std::string& rest) {
  const std::string name = rest.substr(0, rest.find('/'));
  const auto good = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
  };
  return !name.empty() && name != "." && name != ".." && std::all_of(name.begin(), name.end(), good) &&
         (rest == name || rest == name + "/");
}

std::string fragment_of(const std::string& url) {
  const std::size_t hash = url.find('#');
  return hash == std::string::npos ? std::string() : url.substr(hash);
}

/// Of a link with "#sha256=…".
std::optional<Digest> promised_digest(const std::string& url) {
  constexpr std::string_view kWord = "#sha256=";
  const std::string fragment = fragment_of(url);
  return fragment.starts_with(kWord) ? Digest::from_hex(fragment.substr(kWord.size())) : std::nullopt;
}

std::string file_name_of(const std::string& url) {
  const std::string path = url.substr(0, url.find_first_of("?#"));
  return path.substr(path.rfind('/') + 1);
}

std::string with_suffix(const std::string& url, const std::string& suffix) {
  const std::size_t end = std::min(url.find_first_of("?#"), url.size());
  return url.substr(0, end) + suffix + url.substr(end);
}

FetchOptions public_only(FetchOptions options) {
  options.only_public = true;
  return options;
}

const char* reason_of(int status) {
  return status == 200 ? "OK" : status == 404 ? "Not Found" : "Bad Gateway";
}

}  // namespace

IndexProxy::IndexProxy(UniqueFd listener, std::uint16_t port, const Store& store, const FetchOptions& options)
    : listener_(std::move(listener)),
      address_("http://127.0.0.1:" + std::to_string(port)),
      store_(store),
      silent_(Verbosity::quiet, ColorMode::never, false),
      fetcher_(store, silent_, options),
      public_fetcher_(store, silent_, public_only(options)),
      thread_([this] { serve(); }) {}

IndexProxy::~IndexProxy() {
  stop_ = true;
  thread_.join();
}

std::string IndexProxy::add_index(const std::string& url) {
  const std::lock_guard guard(mutex_);
  indexes_.push_back(url);
  return address_ + "/index/" + std::to_string(indexes_.size() - 1) + "/";
}

std::vector<std::string> IndexProxy::failures() {
  const std::lock_guard guard(mutex_);
  return failures_;
}

void IndexProxy::note_failure(const std::string& text) {
  const std::lock_guard guard(mutex_);
  if (failures_.size() < limits::kDiagnostics) failures_.push_back(text);
}

std::size_t IndexProxy::link_number(const Link& link) {
  const std::lock_guard guard(mutex_);
  const auto [place, is_new] = numbers_.try_emplace(link.url, links_.size());
  if (is_new) links_.push_back(link);
  return place->second;
}

void IndexProxy::serve() {
  while (!stop_) {
    pollfd event{listener_.get(), POLLIN, 0};
    if (::poll(&event, 1, kPollMilliseconds) <= 0) continue;
    const UniqueFd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection) continue;
    const timeval stall{.tv_sec = kStallSeconds, .tv_usec = 0};
    ::setsockopt(connection.get(), SOL_SOCKET, SO_RCVTIMEO, &stall, sizeof stall);
    ::setsockopt(connection.get(), SOL_SOCKET, SO_SNDTIMEO, &stall, sizeof stall);
    answer(connection.get());
  }
}

void IndexProxy::answer(int connection) {
  Reply reply;
  try {
    reply = reply_to(path_of(read_head(connection)));
  } catch (const std::exception& error) {
    note_failure(error.what());
    reply = {.status = 502};
  }
  std::uint64_t length = reply.body.size();
  struct stat info {};
  if (reply.file && ::fstat(reply.file.get(), &info) == 0) length = static_cast<std::uint64_t>(info.st_size);
  const std::string head = "HTTP/1.1 " + std::to_string(reply.status) + " " + reason_of(reply.status) +
                           "\r\nContent-Type: " + reply.type +
                           "\r\nContent-Length: " + std::to_string(length) + "\r\nConnection: close\r\n\r\n";
  if (!send_all(connection, head) || !send_all(connection, reply.body) || !reply.file) return;
  std::vector<char> buffer(256 * 1024);
  std::uint64_t at = 0;
  for (ssize_t got = 1; got > 0; at += static_cast<std::uint64_t>(got)) {
    got = read_at(reply.file.get(), at, buffer);
    if (got <= 0 || !send_all(connection, {buffer.data(), static_cast<std::size_t>(got)})) return;
  }
}

/// /index/N/PROJECT/ or /file/K/NAME, or the latter with ".metadata" (PEP 658).
IndexProxy::Reply IndexProxy::reply_to(const std::string& path) {
  const std::vector<std::string> parts = split(path, '/');
  if (parts.size() < 4 || !parts[0].empty()) return {};
  const auto number = parse_unsigned(parts[2]);
  if (!number) return {};
  if (parts[1] == "index")
    return index_page(static_cast<std::size_t>(*number), path.substr(parts[1].size() + parts[2].size() + 3));
  if (parts[1] != "file" || parts.size() != 4) return {};
  return linked_file(static_cast<std::size_t>(*number), parts[3].ends_with(".metadata"));
}

IndexProxy::Reply IndexProxy::index_page(std::size_t index, const std::string& rest) {
  std::string url;
  {
    const std::lock_guard guard(mutex_);
    if (index >= indexes_.size() || !is_page_name(rest)) return {};
    url = indexes_[index];
  }
  url += (url.ends_with('/') ? "" : "/") + rest;
  const FetchedText page = fetcher_.fetch_text({url}, limits::kIndexPage);
  if (page.url.empty()) {
    for (const std::string& failure : page.failures)
      if (!failure.ends_with("HTTP 404")) note_failure(failure);
    return {};
  }
  return {.status = 200, .type = "text/html", .body = rewritten(page)};
}

IndexProxy::Reply IndexProxy::linked_file(std::size_t link, bool metadata) {
  Link wanted;
  {
    const std::lock_guard guard(mutex_);
    if (link >= links_.size()) return {};
    wanted = links_[link];
  }
  const std::string& url = wanted.url;
  const Fetcher& fetcher = wanted.must_be_public ? public_fetcher_ : fetcher_;
  if (metadata) {
    const FetchedText text = fetcher.fetch_text({with_suffix(url, ".metadata")}, limits::kIndexPage);
    if (text.url.empty()) return {};
    return {.status = 200, .type = "application/octet-stream", .body = text.text};
  }
  const std::string label = file_name_of(url);
  RemoteFile file{
      .digest = sha256(url), .resumed = false, .limit = limits::kRemoteFile, .urls = {url}, .label = label};
  Digest found{};
  if (const auto promised = promised_digest(url))
    file.digest = found = *promised;
  else
    file.accept = [&found](int, const Digest& got) {
      found = got;
      return std::string();
    };
  fetcher.fetch({file}, [](std::size_t) {});
  auto blob = store_.open_blob(found);
  if (!blob) return {.status = 502};
  return {.status = 200, .type = "application/octet-stream", .file = std::move(*blob)};
}

/// The page with every link led back here; the other attributes of a link stay, since pip goes by them.
std::string IndexProxy::rewritten(const FetchedText& page) {
  const std::string& base = page.url;
  std::string out = "<!DOCTYPE html><html><body>\n";
  for (const IndexLink& link : index_links(page.text)) {
    const std::string target =
        with_login_of(base, resolve_url(base, link.target.substr(0, link.target.find('#'))));
    if (!target.starts_with("http://") && !target.starts_with("https://")) continue;
    const std::string fragment = fragment_of(link.target);
    const std::string here = address_ + "/file/" +
                             std::to_string(link_number({target + fragment, !page.is_local})) + "/" +
                             file_name_of(target) + fragment;
    out += "<a href=\"" + here + "\"" + link.attributes + ">" + link.text + "</a>\n";
  }
  return out + "</body></html>\n";
}

namespace {

/// A line as pip reads it: without what follows a '#' at its beginning or after a blank.
std::string_view without_comment(std::string_view line) {
  for (std::size_t at = line.find('#'); at != std::string_view::npos; at = line.find('#', at + 1))
    if (at == 0 || line[at - 1] == ' ' || line[at - 1] == '\t') return line.substr(0, at);
  return line;
}

/// Lines that end in a backslash go on in the next one.
std::vector<std::string> joined_lines(const std::string& text) {
  std::vector<std::string> lines;
  bool goes_on = false;
  for (std::string& line : split(text, '\n')) {
    if (line.ends_with('\r')) line.pop_back();
    const bool ends_in_backslash = line.ends_with('\\') && !trim(line).starts_with('#');
    if (ends_in_backslash) line.pop_back();
    if (goes_on)
      lines.back() += line;
    else
      lines.push_back(std::move(line));
    goes_on = ends_in_backslash;
  }
  return lines;
}

/// An option of a requirements file and its value: "-i URL", "-iURL", "--index-url=URL".
struct Option {
  std::string name{};
  std::string value{};
};

Option option_of(std::string_view line) {
  const std::string_view bare = trim(without_comment(line));
  const bool is_short = bare.starts_with("-") && !bare.starts_with("--");
  const std::size_t end = is_short ? std::size_t{2} : std::min(bare.find_first_of(" =\t"), bare.size());
  std::string_view value = bare.substr(std::min(end, bare.size()));
  if (value.starts_with('=')) value.remove_prefix(1);
  return {std::string(bare.substr(0, end)), std::string(trim(value))};
}

}  // namespace

std::string with_indexes(const std::string& file, const std::string& text,
                         const std::function<std::string(const std::string&)>& replace) {
  std::vector<std::string> lines = joined_lines(text);
  for (std::string& line : lines) {
    const Option option = option_of(line);
    if (option.name == "-f" || option.name == "--find-links")
      throw Error(ErrorKind::failed,
                  file + " names files with " + option.name + ", which alephc does not follow",
                  "only packages of an index can be locked: remove the line");
    if (option.name != "-i" && option.name != "--index-url" && option.name != "--extra-index-url") continue;
    if (!option.value.starts_with("http://") && !option.value.starts_with("https://"))
      throw Error(ErrorKind::failed,
                  file + " names the index '" + option.value + "', which is not an http address",
                  "name an index at http:// or https://, or remove the line");
    line = (option.name == "-i" ? "--index-url" : option.name) + " " + replace(option.value);
  }
  return join(lines, "\n");
}

}  // namespace alephc
