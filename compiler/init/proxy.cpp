// SPDX-License-Identifier: MIT
#include "init/proxy.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "init/errors.hpp"
#include "init/handle.hpp"

namespace aleph_init {
namespace {

constexpr std::uint16_t kProgramPort = 8080;
constexpr int kAttempts = 60;
constexpr long kPauseStep = 50;  // ms; the n-th pause is n steps, 88.5 s in all
constexpr std::string_view kHex = "0123456789ABCDEF";

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-._~").find(c) != std::string_view::npos;
}

std::string encoded(const std::string& text, std::string_view kept) {
  std::string out;
  for (const char c : text) {
    if (is_unreserved(c) || kept.find(c) != std::string_view::npos) {
      out += c;
    } else {
      const auto byte = static_cast<std::uint8_t>(c);
      out += '%';
      out += kHex[byte >> 4U];
      out += kHex[byte & 15U];
    }
  }
  return out;
}

/// The host decoded everything but + = & ; which are left as %XX.
std::string encoded_query(const std::string& query) {
  std::string out;
  for (std::size_t i = 0; i < query.size(); ++i) {
    const std::string code = query.substr(i, 3);
    if (code == "%2B" || code == "%3D" || code == "%26" || code == "%3B") {
      out += code;
      i += 2;
    } else if (query[i] == ' ') {
      out += '+';
    } else {
      out += encoded(query.substr(i, 1), "!$&'()*+,;=:@/?");
    }
  }
  return out;
}

std::string text_member(const Json& scope, const char* key) {
  const auto it = scope.find(key);
  return it != scope.end() && holds_bytes(*it) ? bytes_of(*it) : std::string();
}

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

bool is_clean(const std::string& text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos;
}

bool is_of_the_connection(const std::string& name) {
  static constexpr std::array<std::string_view, 9> kNames{"connection", "keep-alive", "proxy-connection",
                                                          "te",         "trailer",    "transfer-encoding",
                                                          "upgrade",    "expect",     "content-length"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

bool host_hung_up(int connection) {
  if (connection < 0) return false;
  pollfd wait{connection, POLLRDHUP, 0};
  return ::poll(&wait, 1, 0) > 0 && (wait.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/// 127.0.0.1, then ::1, and never a resolver: a minimal image has no /etc/hosts.
Handle connect_once() {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(kProgramPort);
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(kProgramPort);
  v6.sin6_addr = in6addr_loopback;
  Handle first(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (first && ::connect(first.get(), reinterpret_cast<const sockaddr*>(&v4), sizeof v4) == 0) return first;
  Handle second(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (second && ::connect(second.get(), reinterpret_cast<const sockaddr*>(&v6), sizeof v6) == 0)
    return second;
  return {};
}

std::string loading_page(const std::string& root) {
  std::string body = read_file(root + "/root/loading.html");
  if (body.empty()) body = "<!doctype html><title>Loading</title><p>The program is starting.</p>\n";
  return http_reply(503, {{"Content-Type", "text/html"}, {"Retry-After", "5"}}, body);
}

std::optional<std::string> dechunked(std::string_view bytes, bool& complete) {
  std::string body;
  complete = false;
  for (;;) {
    const std::size_t end = bytes.find("\r\n");
    if (end == std::string_view::npos) return body;
    // Blanks may stand behind the number, and nothing else before it or in it.
    std::string_view digits = bytes.substr(0, std::min(end, bytes.find(';')));
    digits = digits.substr(0, digits.find_last_not_of(" \t") + 1);
    std::size_t size = 0;
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size, 16);
    if (digits.size() > 8 || error != std::errc{} || stop != digits.data() + digits.size()) return std::nullopt;
    bytes.remove_prefix(end + 2);
    if (size == 0) {
      complete = true;
      return body;
    }
    if (bytes.size() < size + 2) return body;
    body += bytes.substr(0, size);
    bytes.remove_prefix(size + 2);
  }
}

void read_headers(const std::string& head, HttpResponse& response) {
  std::size_t at = head.find("\r\n") + 2;
  while (at < head.size()) {
    const std::size_t end = std::min(head.find("\r\n", at), head.size());
    const std::string line = head.substr(at, end - at);
    at = end + 2;
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::size_t value = line.find_first_not_of(" \t", colon + 1);
    response.headers.emplace_back(lower(line.substr(0, colon)),
                                  value == std::string::npos ? std::string() : line.substr(value));
  }
}

const std::string* find_header(const HttpResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.headers)
    if (key == name) return &value;
  return nullptr;
}

/// Reads until the response is complete; nothing when the host hung up.
std::optional<HttpResponse> receive(int program, bool is_head, int connection) {
  std::string bytes;
  std::array<char, 65536> buffer{};
  std::size_t judged = 0;
  for (;;) {
    std::array<pollfd, 2> polls{{{program, POLLIN, 0}, {connection, POLLRDHUP, 0}}};
    if (::poll(polls.data(), polls.size(), -1) < 0 && errno != EINTR)
      throw os_error("wait for the program", errno);
    if (polls[1].revents != 0) return std::nullopt;
    if (polls[0].revents == 0) continue;
    const ssize_t got = ::read(program, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw os_error("read from the program", errno);
    bytes.append(buffer.data(), static_cast<std::size_t>(got));
    // A large body is judged again only when it grew by much.
    if (got > 0 && bytes.size() > 1024 * 1024 && bytes.size() < judged + judged / 4) continue;
    judged = bytes.size();
    if (auto response = http_response(bytes, is_head, got == 0)) return response;
    if (got == 0) throw SetupError("the program closed the connection before it answered");
  }
}

}  // namespace

std::string http_request(const Json& scope) {
  const std::string method = text_member(scope, "method");
  if (!scope.is_object() || method.empty() ||
      method.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != std::string::npos)
    throw SetupError("this program serves HTTP only");
  std::string path = encoded(text_member(scope, "path"), "!$&'()*+,;=:@/");
  if (!path.starts_with('/')) path.insert(0, "/");
  const std::string query = encoded_query(text_member(scope, "query_string"));
  const std::string body = text_member(scope, "body");
  std::string out = method + " " + path + (query.empty() ? "" : "?" + query) + " HTTP/1.1\r\n";
  bool has_host = false;
  const auto headers = scope.find("headers");
  if (headers != scope.end() && headers->is_array()) {
    for (const Json& item : *headers) {
      if (!item.is_array() || item.size() != 2 || !holds_bytes(item[0]) || !holds_bytes(item[1])) continue;
      const std::string name = lower(bytes_of(item[0]));
      const std::string value = bytes_of(item[1]);
      if (name.empty() || name == "accept-encoding" || is_of_the_connection(name)) continue;
      if (!is_clean(name) || !is_clean(value) || name.find(':') != std::string::npos) continue;
      has_host = has_host || name == "host";
      out += name + ": " + value + "\r\n";
    }
  }
  if (!has_host) out += "host: localhost\r\n";
  const bool has_body = !body.empty() || method == "POST" || method == "PUT" || method == "PATCH";
  if (has_body) out += "content-length: " + std::to_string(body.size()) + "\r\n";
  return out + "connection: close\r\n\r\n" + body;
}

namespace {

struct FinalHead {
  int status = 0;
  std::string text{};
  std::size_t body_at = 0;
};

/// The head behind all interim ones (1xx), of which a program may send a few; nothing before it is there.
std::optional<FinalHead> final_head(const std::string& bytes) {
  constexpr std::size_t kMaxHead = 256 * 1024;
  constexpr int kMostInterim = 32;
  std::size_t at = 0;
  for (int interim = 0; interim <= kMostInterim; ++interim) {
    const std::size_t end = bytes.find("\r\n\r\n", at);
    if (end == std::string::npos) {
      if (bytes.size() - at > kMaxHead) throw SetupError("the program's answer is not HTTP");
      return std::nullopt;
    }
    FinalHead head{.text = bytes.substr(at, end + 2 - at), .body_at = end + 4};
    const bool is_http = head.text.starts_with("HTTP/1.") && head.text.size() > 12 &&
                         head.text.find_first_not_of("0123456789", 9) >= 12;
    if (!is_http) throw SetupError("the program's answer is not HTTP");
    head.status = std::stoi(head.text.substr(9, 3));
    if (head.status >= 200) return head;
    at = end + 4;
  }
  throw SetupError("the program sends too many interim responses");
}

}  // namespace

std::optional<HttpResponse> http_response(const std::string& bytes, bool is_head, bool at_end) {
  const auto head = final_head(bytes);
  if (!head) return std::nullopt;
  HttpResponse response;
  response.status = head->status;
  read_headers(head->text, response);
  const std::string_view rest = std::string_view(bytes).substr(head->body_at);
  if (is_head || response.status == 204 || response.status == 304) return response;
  const std::string* coding = find_header(response, "transfer-encoding");
  const std::string* length = find_header(response, "content-length");
  bool complete = at_end;
  if (coding != nullptr && lower(*coding).find("chunked") != std::string::npos) {
    const auto body = dechunked(rest, complete);
    if (!body) throw SetupError("the program's answer has a broken chunk");
    response.body = *body;
    if (!complete && at_end) throw SetupError("the program's answer was cut off");
  } else if (length != nullptr) {
    const bool is_number = !length->empty() && length->size() < 12 &&
                           length->find_first_not_of("0123456789") == std::string::npos;
    if (!is_number) throw SetupError("the program's answer has no usable Content-Length");
    const std::size_t wanted = std::stoul(*length);
    complete = rest.size() >= wanted;
    if (!complete && at_end) throw SetupError("the program's answer was cut off");
    response.body = rest.substr(0, wanted);
  } else {
    response.body = rest;
  }
  if (!complete) return std::nullopt;
  std::erase_if(response.headers,
                [](const Header& h) { return h.first == "transfer-encoding" || h.first == "connection"; });
  return response;
}

std::string proxy_request(const Json& scope, const Program& program, int connection,
                          const std::string& root) {
  const std::string request = http_request(scope);
  const bool is_head = request.starts_with("HEAD ");
  Handle socket;
  for (int attempt = 1; !(socket = connect_once()); ++attempt) {
    if (!program.is_running()) return error_reply("the program ended: " + program.how_it_ended());
    if (host_hung_up(connection)) return {};
    if (attempt >= kAttempts) return loading_page(root);
    ::usleep(static_cast<useconds_t>(attempt * kPauseStep * 1000));
  }
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  try {
    write_all(socket.get(), request);
  } catch (const SetupError&) {
    // It may have answered before it read everything.
  }
  const auto response = receive(socket.get(), is_head, connection);
  if (!response) return {};
  return http_reply(response->status, response->headers, response->body);
}

}  // namespace aleph_init
