// SPDX-License-Identifier: MIT
// Downloads and API requests against servers on the loopback interface that answer byte for byte what a test says.
#include "fetch/fetcher.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/digest.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "fetch/http_client.hpp"
#include "fetch/netrc.hpp"
#include "support/catch.hpp"
#include "support/environment_guard.hpp"
#include "support/fakes.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;

struct Request {
  std::string head{};
  std::string body{};

  [[nodiscard]] std::string target() const {
    const std::size_t begin = head.find(' ') + 1;
    return head.substr(begin, head.find(' ', begin) - begin);
  }
  [[nodiscard]] std::string header(const std::string& name) const {
    const std::string mark = "\r\n" + name + ": ";
    const std::size_t at = head.find(mark);
    if (at == std::string::npos) return {};
    return head.substr(at + mark.size(), head.find("\r\n", at + mark.size()) - at - mark.size());
  }
};

/// Gives the bytes of the whole answer; the connection is closed after them.
using Handler = std::function<std::string(const Request&)>;

/// Answers one request a connection, and keeps what it was asked. What no handler is for is "404 Not Found".
class WebServer {
 public:
  WebServer() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(listener_.get(), 64) == 0);
    REQUIRE(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~WebServer() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  WebServer(const WebServer&) = delete;
  WebServer& operator=(const WebServer&) = delete;

  void on(const std::string& target, Handler handler) {
    const std::lock_guard guard(mutex_);
    handlers_[target] = std::move(handler);
  }
  [[nodiscard]] std::string authority() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::string url(const std::string& target) const { return "http://" + authority() + target; }
  [[nodiscard]] std::string port() const { return std::to_string(port_); }
  [[nodiscard]] std::vector<Request> asked() {
    const std::lock_guard guard(mutex_);
    return asked_;
  }

 private:
  void serve() {
    while (true) {
      const UniqueFd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!connection) return;
      const Request request = read_request(connection.get());
      const std::string bytes = answer_to(request);
      (void)::send(connection.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    }
  }

  static Request read_request(int fd) {
    std::string text;
    const auto more = [&] {
      char buffer[4096];
      const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
      if (got > 0) text.append(buffer, static_cast<std::size_t>(got));
      return got > 0;
    };
    while (text.find("\r\n\r\n") == std::string::npos)
      if (!more()) return {};
    Request request{.head = text.substr(0, text.find("\r\n\r\n") + 2)};
    const std::string length = request.header("Content-Length");
    while (text.size() < request.head.size() + 2 + (length.empty() ? 0 : std::stoul(length)))
      if (!more()) break;
    request.body = text.substr(request.head.size() + 2);
    return request;
  }

  std::string answer_to(const Request& request) {
    const std::lock_guard guard(mutex_);
    asked_.push_back(request);
    const auto found = handlers_.find(request.target());
    return found == handlers_.end() ? "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                                    : found->second(request);
  }

  UniqueFd listener_;
  int port_ = 0;
  std::thread thread_;
  std::mutex mutex_;  ///< of what follows
  std::map<std::string, Handler> handlers_;
  std::vector<Request> asked_;
};

std::string reply(const std::string& status, const std::string& body, const std::string& headers = "") {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n" +
         headers + "\r\n" + body;
}

Handler always(const std::string& status, const std::string& body = "", const std::string& headers = "") {
  return [=](const Request&) { return reply(status, body, headers); };
}

Handler redirect_to(const std::string& url) {
  return always("302 Found", "", "Location: " + url + "\r\n");
}

/// Gives a file as servers do that can resume.
Handler file(const std::string& bytes) {
  return [bytes](const Request& request) {
    const std::string range = request.header("Range");
    if (range.empty()) return reply("200 OK", bytes);
    const std::size_t from = std::stoul(range.substr(std::string("bytes=").size()));
    if (from >= bytes.size()) return reply("416 Range Not Satisfiable", "");
    const std::string size = std::to_string(bytes.size());
    return reply("206 Partial Content", bytes.substr(from),
                 "Content-Range: bytes " + std::to_string(from) + "-" + std::to_string(bytes.size() - 1) + "/" + size +
                     "\r\n");
  };
}

/// Promises a whole file and hangs up after a part of it.
Handler cut_off(const std::string& bytes, std::size_t after) {
  return [=](const Request&) {
    const std::string whole = reply("200 OK", bytes);
    return whole.substr(0, whole.size() - bytes.size() + after);
  };
}

/// The first answer once, then the other one.
Handler once(Handler first, Handler then) {
  return [first = std::move(first), then = std::move(then), asked = 0](const Request& request) mutable {
    return ++asked == 1 ? first(request) : then(request);
  };
}

/// Variables of the environment, as they were again when the object goes.
class Variables : public EnvironmentGuard {
 public:
  Variables() {
    for (const char* name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy",
                             "NO_PROXY", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR"})
      set(name, "");
  }
};

/// A store, a server, and an environment without proxies and logins.
struct Net {
  Variables variables{};
  TestStore box{};
  WebServer server{};
  WebServer other{};
  std::vector<std::size_t> done{};

  Net() { variables.set("HOME", box.folder().string()); }

  void fetch(const std::vector<RemoteFile>& files, FetchOptions options = {.rounds = 1}) {
    HttpFetcher(box.store, box.reporter, options).fetch(files, [&](std::size_t i) { done.push_back(i); });
  }
  [[nodiscard]] FetchedText text(const std::vector<std::string>& urls, std::uint64_t limit = 1000, int rounds = 1) {
    return HttpFetcher(box.store, box.reporter, {.rounds = rounds}).fetch_text(urls, limit);
  }
  /// A file that is at these addresses.
  [[nodiscard]] RemoteFile wanted(const std::string& bytes, std::vector<std::string> urls) const {
    return {.digest = sha256(bytes), .size = bytes.size(), .urls = std::move(urls), .label = "the file"};
  }
  void has(const std::string& bytes) const { CHECK(box.store.read_blob(sha256(bytes)) == bytes); }
};

/// Nobody listens there; a port that was free a moment ago could be taken again.
const std::string kDead = "http://127.0.0.1:1/dead";

struct Failure {
  std::optional<ErrorKind> kind{};
  std::string text{};
};

/// What a body throws, which is run once: a failed download takes its time.
Failure failure_of(const std::function<void()>& body) {
  Failure failure;
  failure.text = error_text([&] {
    try {
      body();
    } catch (const Error& error) {
      failure.kind = error.kind();
      throw;
    }
  });
  return failure;
}

const std::string kBytes = "0123456789";

}  // namespace

TEST_CASE("files enter the store under their hashes, and one that is there is not asked for") {
  Net net;
  net.box.store.put_blob("old");
  net.server.on("/a", file("aaa"));
  net.server.on("/b", file("bbbb"));
  net.fetch({net.wanted("aaa", {net.server.url("/a")}), net.wanted("old", {net.server.url("/old")}),
             net.wanted("bbbb", {net.server.url("/b")})});
  net.has("aaa");
  net.has("bbbb");
  std::sort(net.done.begin(), net.done.end());
  CHECK(net.done == std::vector<std::size_t>{0, 1, 2});
  CHECK(net.server.asked().size() == 2);
  CHECK(fs::is_empty(net.box.store.partial_path(sha256("aaa")).parent_path()));
}

TEST_CASE("a digest that is wanted twice is fetched once, and both callers hear of it") {
  Net net;
  net.server.on("/a", file("aaa"));
  const RemoteFile wanted = net.wanted("aaa", {net.server.url("/a")});
  net.fetch({wanted, wanted, wanted});
  CHECK(net.done == std::vector<std::size_t>{0, 1, 2});
  CHECK(net.server.asked().size() == 1);
}

TEST_CASE("what one mirror cut off goes on at the next one") {
  Net net;
  net.server.on("/f", cut_off(kBytes, 4));
  net.other.on("/f", file(kBytes));
  net.fetch({net.wanted(kBytes, {net.server.url("/f"), net.other.url("/f")})});
  net.has(kBytes);
  REQUIRE(net.other.asked().size() == 1);
  CHECK(net.server.asked().at(0).header("Range").empty());
  CHECK(net.other.asked().at(0).header("Range") == "bytes=4-");
}

TEST_CASE("an answer without a length that ends early is resumed, not taken for wrong bytes") {
  Net net;
  net.server.on("/f", [](const Request&) { return "HTTP/1.0 200 OK\r\n\r\n012"; });
  net.other.on("/f", file(kBytes));
  net.fetch({net.wanted(kBytes, {net.server.url("/f"), net.other.url("/f")})});
  net.has(kBytes);
  CHECK(net.other.asked().at(0).header("Range") == "bytes=3-");
  CHECK_THAT(error_text([&] { net.fetch({net.wanted("0123", {net.server.url("/f")})}); }),
             ContainsSubstring("cut off after 3 of 4 bytes"));
}

TEST_CASE("a mirror that cannot resume is asked for the whole file") {
  Net net;
  std::vector<RemoteFile> files;
  for (const auto& [bytes, answer] : std::map<std::string, Handler>{
           {"ignores ranges", always("200 OK", "ignores ranges")},
           {"refuses ranges", once(always("416 Range Not Satisfiable"), file("refuses ranges"))}}) {
    const std::string target = "/" + bytes.substr(0, 7);
    net.server.on(target, answer);
    atomic_write(net.box.store.partial_path(sha256(bytes)), bytes.substr(0, 4));
    files.push_back(net.wanted(bytes, {net.server.url(target)}));
  }
  net.fetch(files);
  net.has("ignores ranges");
  net.has("refuses ranges");
  std::map<std::string, std::vector<std::string>> ranges;
  for (const Request& request : net.server.asked()) ranges[request.target()].push_back(request.header("Range"));
  CHECK(ranges == std::map<std::string, std::vector<std::string>>{{"/ignores", {"bytes=4-", ""}},
                                                                  {"/refuses", {"bytes=4-", ""}}});
}

TEST_CASE("whoever gives the rest is not blamed for a wrong beginning") {
  Net net;
  std::vector<RemoteFile> files;
  // Longer than the file, as long, and shorter.
  for (const char* partial : {"a longer one than that", "XXXXXXXXXX", "XXX"}) {
    const std::string target = "/" + std::to_string(files.size());
    const std::string bytes = target + "23456789";
    net.server.on(target, file(bytes));
    atomic_write(net.box.store.partial_path(sha256(bytes)), partial);
    files.push_back(net.wanted(bytes, {net.server.url(target)}));
  }
  net.fetch(files);
  for (const RemoteFile& each : files) CHECK(net.box.store.has_blob(each.digest));
}

TEST_CASE("a file begins again where nothing proves that two parts are of one") {
  Net net;
  net.server.on("/f", file(kBytes));
  RemoteFile wanted = net.wanted(kBytes, {net.server.url("/f")});
  wanted.resumed = false;
  atomic_write(net.box.store.partial_path(sha256(kBytes)), "0123");
  net.fetch({wanted});
  net.has(kBytes);
  REQUIRE(net.server.asked().size() == 1);
  CHECK(net.server.asked()[0].header("Range").empty());
}

TEST_CASE("wrong bytes of one mirror do not keep the right ones of the next away") {
  Net net;
  std::vector<RemoteFile> files;
  for (const auto& [name, wrong] : std::map<std::string, std::string>{
           {"same size", "emas ezis"}, {"long", "longer"}, {"short", "sho"}, {"empty", ""}}) {
    const std::string target = "/" + name.substr(0, 4);
    net.server.on(target, file(wrong));
    net.other.on(target, file(name));
    files.push_back(net.wanted(name, {net.server.url(target), net.other.url(target)}));
  }
  net.fetch(files);
  for (const RemoteFile& each : files) CHECK(net.box.store.has_blob(each.digest));
  CHECK_FALSE(net.box.store.has_blob(sha256("emas ezis")));
  // What was wrong is no beginning of what is right.
  CHECK(net.other.asked().size() == files.size());
  for (const Request& request : net.other.asked()) CHECK(request.header("Range").empty());
}

TEST_CASE("wrong bytes everywhere are an integrity error that names who gave what") {
  Net net;
  net.server.on("/wrong", file("9876543210"));
  net.server.on("/long", file(kBytes + "more"));
  RemoteFile wanted = net.wanted(kBytes, {net.server.url("/wrong"), net.server.url("/long"), net.server.url("/no")});
  wanted.advice = {.promise = "its author", .wrong_bytes = "ask another"};
  const Failure failure = failure_of([&] { net.fetch({wanted}); });
  CHECK(failure.kind == ErrorKind::integrity);
  CHECK(failure.text == "the bytes of the file are not what its author promises\n" +
                            net.server.url("/wrong: has sha256 ") + sha256("9876543210").hex() + "\n" +
                            net.server.url("/long: longer than the 10 bytes it should have\n") +
                            net.server.url("/no: HTTP 404\n") + "expected sha256 " + sha256(kBytes).hex() +
                            "\nask another\n");
  CHECK(fs::is_empty(net.box.store.partial_path(sha256(kBytes)).parent_path()));
}

TEST_CASE("a file of unknown size ends at its limit") {
  Net net;
  net.server.on("/f", file(kBytes));
  RemoteFile wanted{.digest = sha256(kBytes), .limit = 9, .urls = {net.server.url("/f")}, .label = "the file"};
  CHECK_THAT(error_text([&] { net.fetch({wanted}); }), ContainsSubstring("longer than 9 bytes"));
  wanted.limit = 10;
  net.fetch({wanted});
  net.has(kBytes);
}

TEST_CASE("a file that nobody has is asked for once, and the advice is the caller's") {
  Net net;
  net.server.on("/gone", always("410 Gone"));
  net.server.on("/login", always("401 Unauthorized"));
  RemoteFile wanted = net.wanted(kBytes, {net.server.url("/no"), net.server.url("/gone"), net.server.url("/login")});
  wanted.advice.missing = "try another day";
  const Failure failure = failure_of([&] { net.fetch({wanted}, {.rounds = 3}); });
  CHECK(failure.kind == ErrorKind::failed);
  CHECK(net.server.asked().size() == 3);
  CHECK(failure.text == "the file was not found on any server\n" + net.server.url("/no: HTTP 404\n") +
                            net.server.url("/gone: HTTP 410\n") +
                            net.server.url("/login: HTTP 401: a user name and password are missing, or wrong\n") +
                            "try another day\n");
  CHECK_THAT(error_text([&] { net.fetch({net.wanted("x", {})}); }), ContainsSubstring("no address to ask"));
}

TEST_CASE("what may work the next time is tried in another round") {
  Net net;
  const std::map<std::string, Handler> firsts{{"/503", always("503 Service Unavailable")},
                                              {"/429", always("429 Too Many Requests")},
                                              {"/cut", cut_off("/cut", 2)},
                                              {"/none", [](const Request&) { return std::string(); }}};
  std::vector<RemoteFile> files;
  for (const auto& [target, first] : firsts) {
    net.server.on(target, once(first, file(target)));
    files.push_back(net.wanted(target, {net.server.url(target)}));
  }
  net.fetch(files, {.rounds = 2});
  for (const auto& [target, first] : firsts) net.has(target);
  CHECK(net.server.asked().size() == 2 * firsts.size());
}

TEST_CASE("a host that cannot be reached is not asked for every file") {
  Net net;
  net.server.on("/a", file("aaa"));
  net.fetch({net.wanted("aaa", {kDead, net.server.url("/a")})});
  net.has("aaa");
  const std::string text = error_text([&] {
    net.fetch({net.wanted("b", {kDead}), net.wanted("c", {kDead})}, {.connections = 1, .rounds = 1});
  });
  CHECK_THAT(text, ContainsSubstring(kDead + ": not reachable"));
}

TEST_CASE("of many files that nobody has ten are told, each with its reason") {
  Net net;
  std::vector<RemoteFile> files;
  for (int i = 0; i < 12; ++i) files.push_back(net.wanted(std::to_string(i), {net.server.url("/no")}));
  try {
    net.fetch(files);
    FAIL("twelve files are missing");
  } catch (const Error& error) {
    CHECK(error.diagnostics().size() == 10);
    for (const Diagnostic& problem : error.diagnostics())
      CHECK(problem.context == std::vector{net.server.url("/no: HTTP 404")});
  }
}

TEST_CASE("a file without a known hash enters the store when it is accepted, under the hash that it has") {
  Net net;
  net.server.on("/bad", file("bad"));
  net.server.on("/good", file("good"));
  RemoteFile wanted = net.wanted("a name", {net.server.url("/bad"), net.server.url("/good")});
  wanted.size = 0;
  std::vector<std::string> seen;
  wanted.accept = [&](int fd, const Digest& got) {
    std::string text(4, '\0');
    text.resize(static_cast<std::size_t>(::pread(fd, text.data(), text.size(), 0)));
    CHECK(got == sha256(text));
    seen.push_back(text);
    return text == "good" ? "" : "is not good";
  };
  net.fetch({wanted});
  CHECK(seen == std::vector<std::string>{"bad", "good"});
  net.has("good");
  CHECK_FALSE(net.box.store.has_blob(sha256("bad")));
  CHECK_FALSE(net.box.store.has_blob(sha256("a name")));

  wanted.urls = {net.server.url("/bad")};
  const Failure failure = failure_of([&] { net.fetch({wanted}); });
  CHECK(failure.kind == ErrorKind::integrity);
  CHECK_THAT(failure.text, ContainsSubstring("/bad: is not good") && !ContainsSubstring("expected sha256"));
}

TEST_CASE("what accept throws about wrong bytes is a reason like any other, and other errors end the fetch") {
  Net net;
  net.server.on("/f", file(kBytes));
  RemoteFile wanted = net.wanted("a name", {net.server.url("/f")});
  wanted.size = 0;
  ErrorKind kind = ErrorKind::integrity;
  wanted.accept = [&](int, const Digest&) -> std::string { throw Error(kind, "a bad archive"); };
  const auto fetch = [&] { net.fetch({wanted}); };
  const Failure failure = failure_of(fetch);
  CHECK(failure.kind == ErrorKind::integrity);
  CHECK_THAT(failure.text, ContainsSubstring("/f: a bad archive"));
  kind = ErrorKind::host;
  CHECK(error_kind(fetch) == ErrorKind::host);
  // It is not asked about a part.
  wanted.size = 12;
  CHECK_THAT(error_text(fetch), ContainsSubstring("has 10 of 12 bytes"));
}

TEST_CASE("addresses are looked for only when a file is missing and none are named") {
  Net net;
  net.server.on("/a", file("aaa"));
  net.server.on("/b", file("bbb"));
  net.box.store.put_blob("old");
  std::vector<std::string> located;
  const auto with_locate = [&](const std::string& bytes, const std::vector<std::string>& urls) {
    RemoteFile wanted = net.wanted(bytes, urls);
    wanted.locate = [&, bytes] {
      located.push_back(bytes);
      return std::vector{net.server.url("/no"), net.server.url("/a")};
    };
    return wanted;
  };
  net.fetch({with_locate("old", {}), with_locate("bbb", {net.server.url("/b")}), with_locate("aaa", {})});
  CHECK(located == std::vector<std::string>{"aaa"});
  net.has("aaa");
}

TEST_CASE("a file that cannot be located is a problem beside the others, which come") {
  Net net;
  net.server.on("/a", file("aaa"));
  RemoteFile lost = net.wanted("lost", {});
  ErrorKind kind = ErrorKind::failed;
  lost.locate = [&]() -> std::vector<std::string> { throw Error(kind, "the index is down"); };
  const auto fetch = [&] { net.fetch({lost, net.wanted("aaa", {net.server.url("/a")})}); };
  CHECK(error_text(fetch) == "the index is down\nlooking for the file\n");
  net.has("aaa");
  CHECK(error_kind(fetch) == ErrorKind::failed);
  kind = ErrorKind::integrity;
  CHECK(error_kind(fetch) == ErrorKind::integrity);
  kind = ErrorKind::interrupted;
  CHECK(error_kind(fetch) == ErrorKind::interrupted);
}

TEST_CASE("offline nothing is asked, and what is missing is named") {
  Net net;
  net.box.store.put_blob("old");
  net.fetch({net.wanted("old", {net.server.url("/old")})}, {.offline = true});
  CHECK(net.done == std::vector<std::size_t>{0});
  RemoteFile missing = net.wanted("a", {net.server.url("/a")});
  const auto fetch = [&] { net.fetch({missing, net.wanted("b", {net.server.url("/b")})}, {.offline = true}); };
  CHECK(error_kind(fetch) == ErrorKind::failed);
  CHECK(error_text(fetch) == "the file is not in the store\nthe file is not in the store\n"
                             "2 files are missing: build once without --offline\n");
  const HttpFetcher offline(net.box.store, net.box.reporter, {.offline = true});
  CHECK(offline.offline());
  CHECK_THAT(error_text([&] { (void)offline.fetch_text({net.server.url("/a")}, 10); }),
             ContainsSubstring("--offline"));
  CHECK(net.server.asked().empty());
}

TEST_CASE("redirects are followed over http, and never into this machine's files") {
  Net net;
  atomic_write(net.box.folder() / "secret", kBytes);
  net.server.on("/moved", redirect_to(net.other.url("/new")));
  net.server.on("/local", redirect_to("file://" + (net.box.folder() / "secret").string()));
  net.server.on("/loop", redirect_to(net.server.url("/loop")));
  net.other.on("/new", file("new"));
  net.fetch({net.wanted("new", {net.server.url("/moved")})});
  net.has("new");
  CHECK(error_kind([&] { net.fetch({net.wanted(kBytes, {net.server.url("/local")})}); }) == ErrorKind::failed);
  CHECK_FALSE(net.box.store.has_blob(sha256(kBytes)));
  CHECK(error_kind([&] { (void)net.text({net.server.url("/local")}); }) == ErrorKind::failed);
  CHECK(error_kind([&] { (void)net.text({net.server.url("/loop")}); }) == ErrorKind::failed);
  CHECK(HttpClient({}).get(net.server.url("/local")).status == 0);
}

TEST_CASE("an address of a file is read if it is a regular one, whatever is in its name") {
  Net net;
  const fs::path folder = net.box.folder();
  atomic_write(folder / "a b%", kBytes);
  REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
  const std::string base = "file://" + folder.string() + "/";
  net.fetch({net.wanted(kBytes, {base + "a%20b%25"})});
  net.has(kBytes);
  CHECK(net.text({base + "a%20b%25"}).text == kBytes);
  for (const char* name : {"fifo", "missing"})
    CHECK(net.text({base + name}).failures == std::vector<std::string>{base + name + ": no such regular file"});
  for (const char* device : {"file:///dev/zero", "file:///dev/../dev/zero", "file:///dev/z%65ro"})
    CHECK(net.text({device}).url.empty());
  // An API is never a file.
  CHECK(HttpClient({}).get(base + "a%20b%25").status == 0);
  CHECK(HttpClient({}).get(base + "a%20b%25").body.empty());
}

TEST_CASE("a text comes from the first address that has it, with its last address and the failures before") {
  Net net;
  net.server.on("/broken", always("500 Internal Server Error", "sorry"));
  net.server.on("/moved", redirect_to(net.other.url("/new")));
  net.other.on("/new", file("text"));
  const FetchedText found = net.text({net.server.url("/no"), net.server.url("/broken"), net.server.url("/moved"),
                                      net.server.url("/never")});
  CHECK(found.text == "text");
  CHECK(found.url == net.other.url("/new"));
  CHECK(found.failures == std::vector{net.server.url("/no: HTTP 404"), net.server.url("/broken: HTTP 500")});
  CHECK(found.is_local);
  CHECK(net.server.asked().size() == 3);
}

TEST_CASE("no text is an answer when somebody says that there is none, and an error when nobody can be reached") {
  Net net;
  const FetchedText none = net.text({kDead, net.server.url("/no")});
  CHECK(none.url.empty());
  CHECK(none.text.empty());
  CHECK(none.failures.size() == 2);
  const auto ask = [&] { (void)net.text({kDead}); };
  CHECK(error_kind(ask) == ErrorKind::failed);
  CHECK_THAT(error_text(ask),
             ContainsSubstring("no mirror can be reached") && ContainsSubstring(kDead + ": "));
  CHECK(net.text({}).url.empty());
}

TEST_CASE("a text is asked for again only where that may help") {
  Net net;
  net.server.on("/busy", once(always("503 Service Unavailable"), file("text")));
  CHECK(net.text({net.server.url("/busy")}, 1000, 2).text == "text");
  CHECK(net.server.asked().size() == 2);
  net.other.on("/down", always("502 Bad Gateway"));
  CHECK(error_kind([&] { (void)net.text({net.other.url("/down")}, 1000, 3); }) == ErrorKind::failed);
  CHECK(net.other.asked().size() == 3);
  CHECK(net.text({net.other.url("/no")}, 1000, 3).url.empty());
  CHECK(net.other.asked().size() == 4);
}

TEST_CASE("a text has at most as many bytes as the caller takes") {
  Net net;
  net.server.on("/f", file(kBytes));
  net.server.on("/endless", [](const Request&) { return "HTTP/1.0 200 OK\r\n\r\n" + std::string(5000, 'x'); });
  CHECK(net.text({net.server.url("/f")}, 10).text == kBytes);
  CHECK(error_kind([&] { (void)net.text({net.server.url("/f")}, 9); }) == ErrorKind::failed);
  CHECK(error_kind([&] { (void)net.text({net.server.url("/endless")}, 4999); }) == ErrorKind::failed);
  // What the first gave is no part of what the next one has.
  CHECK(net.text({net.server.url("/endless"), net.server.url("/f")}, 10).text == kBytes);
}

TEST_CASE("the login of an address is sent to its own host and port, and shown to nobody") {
  Net net;
  net.server.on("/private", redirect_to(net.other.url("/new")));
  net.server.on("/same", redirect_to(net.server.url("/there")));
  net.server.on("/there", file("there"));
  net.other.on("/new", file("new"));
  const std::string login = "http://me:word@" + net.server.authority();
  const std::string expected = "Basic bWU6d29yZA==";
  const FetchedText found = net.text({login + "/no", login + "/private"});
  CHECK(found.text == "new");
  CHECK(found.url == net.other.url("/new"));
  CHECK(found.failures == std::vector{net.server.url("/no: HTTP 404")});
  CHECK(net.server.asked().at(1).header("Authorization") == expected);
  CHECK(net.other.asked().at(0).header("Authorization").empty());
  // On the same host it goes along, as does the address for what the document links to.
  const FetchedText same = net.text({login + "/same"});
  CHECK(same.url == login + "/there");
  CHECK(net.server.asked().back().header("Authorization") == expected);
  CHECK_THAT(error_text([&] { net.fetch({net.wanted("x", {login + "/no"})}); }),
             ContainsSubstring(net.server.url("/no: HTTP 404")) && !ContainsSubstring("word"));
}

TEST_CASE("logins of a netrc go to the host that they are for") {
  Net net;
  atomic_write(net.box.folder() / ".netrc", "machine 127.0.0.1 login me password word\n", 0600);
  net.server.on("/f", file("ours"));
  net.server.on("/moved", redirect_to("http://localhost:" + net.other.port() + "/new"));
  net.other.on("/new", file("new"));
  const std::string expected = "Basic bWU6d29yZA==";
  net.fetch({net.wanted("ours", {net.server.url("/f")})});
  CHECK(net.server.asked().at(0).header("Authorization") == expected);
  CHECK(net.text({net.server.url("/moved")}).text == "new");
  CHECK(net.server.asked().at(1).header("Authorization") == expected);
  CHECK(net.other.asked().at(0).header("Authorization").empty());
  (void)net.text({"http://localhost:" + net.server.port() + "/f"});
  CHECK(net.server.asked().at(2).header("Authorization").empty());
  CHECK(HttpClient({}).get(net.server.url("/f")).status == 200);
  CHECK(net.server.asked().at(3).header("Authorization") == expected);
}

TEST_CASE("a login of a netrc does not go over plain http to another machine, not even through a proxy") {
  Net net;
  atomic_write(net.box.folder() / ".netrc", "machine index.invalid login me password word\n", 0600);
  net.variables.set("http_proxy", net.server.url(""));
  net.server.on("http://index.invalid/f", file("far"));
  CHECK(net.text({"http://index.invalid/f"}).text == "far");
  CHECK(net.server.asked().at(0).header("Authorization").empty());
}

TEST_CASE("a proxy of the environment is used, except for hosts that it is not for") {
  Net net;
  net.variables.set("http_proxy", net.server.url(""));
  net.server.on("http://mirror.invalid/f", file(kBytes));
  net.fetch({net.wanted(kBytes, {"http://mirror.invalid/f"})});
  net.has(kBytes);
  // Behind a proxy nobody here knows whether a name is public: the proxy itself may be local.
  const HttpFetcher strict(net.box.store, net.box.reporter, {.rounds = 1, .only_public = true});
  CHECK(strict.fetch_text({"http://mirror.invalid/f"}, 100).text == kBytes);
  net.variables.set("no_proxy", "127.0.0.1");
  net.other.on("/direct", file("direct"));
  CHECK(net.text({net.other.url("/direct")}).text == "direct");
  CHECK(net.server.asked().size() == 2);
}

TEST_CASE("only public addresses: neither files nor redirects lead to this machine") {
  Net net;
  net.server.on("/f", file(kBytes));
  const Failure failure = failure_of([&] {
    net.fetch({net.wanted(kBytes, {net.server.url("/f")})}, {.rounds = 1, .only_public = true});
  });
  CHECK(failure.kind == ErrorKind::failed);
  CHECK_THAT(failure.text,
             ContainsSubstring("leads to an address of this machine or its network, which is not asked"));
  CHECK(HttpClient({.only_public = true}).get(net.server.url("/f")).status == 0);
  CHECK(net.server.asked().empty());
  // A cloud's metadata service is never asked.
  net.server.on("/cloud", redirect_to("http://169.254.169.254/latest"));
  CHECK_THAT(error_text([&] { (void)net.text({net.server.url("/cloud")}); }),
             ContainsSubstring("which is not asked"));
}

TEST_CASE("the machine's certificates are those of curl's variable, then of OpenSSL's, then of Python's") {
  Variables variables;
  CHECK(certificate_bundle().empty());
  variables.set("REQUESTS_CA_BUNDLE", "/r.pem");
  CHECK(certificate_bundle() == "/r.pem");
  variables.set("SSL_CERT_FILE", "/s.pem");
  CHECK(certificate_bundle() == "/s.pem");
  variables.set("CURL_CA_BUNDLE", "/c.pem");
  CHECK(certificate_bundle() == "/c.pem");
}

TEST_CASE("references become absolute as RFC 3986 says") {
  // Its section 5.4, as far as a page links to such things.
  const std::string base = "http://a/b/c/d;p?q";
  for (const auto& [reference, expected] : std::map<std::string, std::string>{
           {"g", "http://a/b/c/g"},         {"./g", "http://a/b/c/g"},      {"g/", "http://a/b/c/g/"},
           {"/g", "http://a/g"},            {"//g", "http://g/"},           {"?y", "http://a/b/c/d;p?y"},
           {"g?y", "http://a/b/c/g?y"},     {"g#s", "http://a/b/c/g"},      {";x", "http://a/b/c/;x"},
           {"g;x", "http://a/b/c/g;x"},     {"./", "http://a/b/c/"},        {"..", "http://a/b/"},
           {"../", "http://a/b/"},          {"../g", "http://a/b/g"},       {"../..", "http://a/"},
           {"../../g", "http://a/g"},       {"../../../g", "http://a/g"},   {"/../g", "http://a/g"},
           {"https://x/y", "https://x/y"},  {"ftp://x/y", "ftp://x/y"},     {"g?y/./x", "http://a/b/c/g?y/./x"},
           {"g;x=1/../y", "http://a/b/c/y"}}) {
    INFO(reference);
    CHECK(resolve_url(base, reference) == expected);
  }
  CHECK(resolve_url("no base", "g").empty());
  CHECK(resolve_url("", "").empty());
  CHECK(resolve_url(base, "http://[bad/").empty());
}

TEST_CASE("the authority of an address is its host without decoration and the port of its scheme") {
  for (const auto& [url, host, port] : std::vector<std::tuple<std::string, std::string, std::string>>{
           {"http://example.org/a", "example.org", "80"},
           {"https://example.org", "example.org", "443"},
           {"https://me:word@example.org:8443/a?b@c#d@e", "example.org", "8443"},
           {"http://[2001:db8::1]:81/", "2001:db8::1", "81"},
           {"http://127.0.0.1@example.org/", "example.org", "80"},
           {"http://example.org#@127.0.0.1/", "example.org", "80"},
           {"not an address", "", ""},
           {"http://", "", ""},
           {"", "", ""}}) {
    INFO(url);
    CHECK(authority_of(url).host == host);
    CHECK(authority_of(url).port == port);
  }
}

TEST_CASE("an address without a login is shown as it is") {
  for (const char* url : {"https://example.org", "https://example.org/@scope/a", "/srv/a@b", "", "file:///a@b"})
    CHECK(public_url(url) == url);
  CHECK(public_url("https://me@example.org") == "https://example.org");
  CHECK(public_url("https://me:w@rd@example.org/a") == "https://example.org/a");
  CHECK(public_url("http://me:word@[::1]:8080/a") == "http://[::1]:8080/a");
}

TEST_CASE("a login goes along to other paths of the same host and port, and to no other") {
  const std::string from = "https://me:word@example.org:8443/simple/";
  CHECK(with_login_of(from, "https://example.org:8443/") == "https://me:word@example.org:8443/");
  for (const char* url : {"https://example.org/f", "https://example.org.evil.org:8443/f", "https://example.org:84430/f",
                          "https://evil.org/https://example.org:8443/f", "ftp://example.org:8443/f", "f", ""})
    CHECK(with_login_of(from, url) == url);
}

TEST_CASE("an API's answer is given with its status, whatever it is") {
  Net net;
  const HttpClient client({});
  net.server.on("/ok", always("200 OK", "fine"));
  net.server.on("/busy", always("503 Service Unavailable", "later"));
  net.server.on("/moved", redirect_to(net.other.url("/new")));
  net.other.on("/new", always("201 Created", "new"));
  const HttpReply ok = client.get(net.server.url("/ok"));
  CHECK(ok.status == 200);
  CHECK(ok.body == "fine");
  CHECK(ok.length == 4);
  const HttpReply busy = client.get(net.server.url("/busy"));
  CHECK(busy.status == 503);
  CHECK(busy.body == "later");
  CHECK(busy.problem() == "HTTP 503");
  CHECK(client.get(net.server.url("/moved")).body == "new");
  // No retries: each was asked once.
  CHECK(net.server.asked().size() == 3);
}

TEST_CASE("without an answer there is no status, but a reason") {
  Net net;
  const HttpClient client({});
  net.server.on("/ok", always("200 OK", kBytes));
  net.server.on("/cut", cut_off(kBytes, 3));
  net.server.on("/junk", [](const Request&) { return "SSH-2.0-x\r\n"; });
  for (const HttpReply& reply : {client.get(kDead), client.get(net.server.url("/junk")),
                                 client.get(net.server.url("/cut")), client.get(net.server.url("/ok"), 9),
                                 client.get("http://"), client.get("gopher://127.0.0.1/")}) {
    CHECK(reply.status == 0);
    CHECK_FALSE(reply.why.empty());
    CHECK(reply.problem() == reply.why);
  }
  CHECK(client.get(net.server.url("/ok"), 10).body == kBytes);
}

TEST_CASE("a refusal is an answer though its server hangs up in the middle") {
  Net net;
  net.server.on("/refused", [](const Request&) {
    return "HTTP/1.1 413 Payload Too Large\r\nContent-Length: 100\r\n\r\ntoo large";
  });
  const HttpReply reply = HttpClient({}).post_json(net.server.url("/refused"), "{}");
  CHECK(reply.status == 413);
  CHECK(reply.body == "too large");
}

TEST_CASE("the head tells the length, and no body is asked for") {
  Net net;
  net.server.on("/f", [](const Request&) { return "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n"; });
  const HttpReply reply = HttpClient({}).head(net.server.url("/f"));
  CHECK(reply.status == 200);
  CHECK(reply.length == 12345);
  CHECK(reply.body.empty());
  CHECK_THAT(net.server.asked().at(0).head, Catch::Matchers::StartsWith("HEAD /f "));
}

TEST_CASE("what is posted is sent as it is, and to nobody else") {
  Net net;
  net.server.on("/post", always("202 Accepted", "thanks"));
  net.server.on("/moved", always("307 Temporary Redirect", "", "Location: " + net.other.url("/post") + "\r\n"));
  const HttpClient client({});
  const std::string json("{\"a\":\"\0ü\"}", 11);
  const HttpReply reply = client.post_json(net.server.url("/post"), json);
  CHECK(reply.status == 202);
  CHECK(reply.body == "thanks");
  CHECK(net.server.asked().at(0).body == json);
  CHECK(net.server.asked().at(0).header("Content-Type") == "application/json");
  CHECK(client.post_json(net.server.url("/moved"), json).status == 307);
  CHECK(client.post_form(net.server.url("/moved"), {{.name = "a", .text = "b"}}, 5, [](auto, auto) {}).status == 307);
  CHECK(net.other.asked().empty());
}

TEST_CASE("a form has its parts in order, with files read from disk, and tells how far it is") {
  Net net;
  net.server.on("/form", always("200 OK", "{}"));
  const fs::path image = net.box.folder() / "image";
  atomic_write(image, std::string("\0\1\2image", 8));
  std::uint64_t last = 0;
  std::uint64_t whole = 0;
  const HttpReply reply = HttpClient({}).post_form(
      net.server.url("/form"),
      {{.name = "metadata", .text = "{\"a\":1}", .content_type = "application/json"},
       {.name = "file", .file = image, .content_type = "application/octet-stream"}},
      5, [&](std::uint64_t done, std::uint64_t total) { last = done, whole = total; });
  CHECK(reply.status == 200);
  const std::string body = net.server.asked().at(0).body;
  const std::size_t metadata = body.find("name=\"metadata\"\r\nContent-Type: application/json\r\n\r\n{\"a\":1}\r\n");
  const std::size_t part =
      body.find("name=\"file\"; filename=\"image\"\r\nContent-Type: application/octet-stream\r\n\r\n");
  REQUIRE(metadata != std::string::npos);
  REQUIRE(part != std::string::npos);
  CHECK(metadata < part);
  CHECK(body.find(std::string("\r\n\r\n\0\1\2image\r\n", 14), part) != std::string::npos);
  CHECK(whole == body.size());
  CHECK(last == whole);
  CHECK(error_text([&] {
          (void)HttpClient({}).post_form(net.server.url("/form"), {{.name = "f", .file = "/nonexistent/image"}}, 5, {});
        }) == "cannot read /nonexistent/image\n");
}

TEST_CASE("a netrc has logins for machines and for all others, between comments and macros") {
  const std::string text =
      "# machine commented login no password no\n"
      "machine one login me password word\n"
      "macdef init\nmachine macro login no password no\n\n"
      "machine two\n  login you\n  account x\n  password machine\n"
      "machine one login second password second\n"
      "default login any password one\n";
  const auto login = [&](const std::string& of, const std::string& host) {
    const auto found = netrc_login(of, host);
    return found ? found->user + ":" + found->password : "none";
  };
  CHECK(login(text, "one") == "me:word");
  CHECK(login(text, "two") == "you:machine");
  for (const char* host : {"commented", "macro", "machine", "me", "x", "second"}) CHECK(login(text, host) == "any:one");
  CHECK(login("machine one login me", "one") == "me:");
  CHECK(login("machine one login me", "two") == "none");
  for (const char* odd : {"", "machine", "login me password word", "macdef m\nmachine two login x\n", "machine one"})
    CHECK(login(odd, "two") == "none");
}

TEST_CASE("a redirect takes no other machine's login out of a netrc") {
  Net net;
  atomic_write(net.box.folder() / ".netrc",
               "machine 127.0.0.1 login me password word\nmachine localhost login you password other\n"
               "machine index.invalid login it password third\ndefault login any password one\n",
               0600);
  net.variables.set("http_proxy", net.other.url(""));
  net.variables.set("no_proxy", "127.0.0.1,localhost");
  net.server.on("/local", redirect_to("http://localhost:" + net.other.port() + "/f"));
  net.server.on("/far", redirect_to("http://index.invalid/f"));
  net.other.on("/f", file("local"));
  net.other.on("http://index.invalid/f", file("far"));
  CHECK(net.text({net.server.url("/local")}).text == "local");
  CHECK(net.text({net.server.url("/far")}).text == "far");
  for (const Request& request : net.server.asked()) CHECK(request.header("Authorization") == "Basic bWU6d29yZA==");
  REQUIRE(net.other.asked().size() == 2);
  for (const Request& request : net.other.asked()) CHECK(request.header("Authorization").empty());
  // Asked for itself it gets its own.
  CHECK(net.text({"http://localhost:" + net.other.port() + "/f"}).text == "local");
  CHECK(net.other.asked().back().header("Authorization") == "Basic eW91Om90aGVy");
}

TEST_CASE("addresses that lack a file are passed over at once") {
  Net net;
  std::vector<std::string> urls;
  for (int i = 0; i < 8; ++i) urls.push_back(net.server.url("/no" + std::to_string(i)));
  net.server.on("/f", file(kBytes));
  urls.push_back(net.server.url("/f"));
  const auto begin = std::chrono::steady_clock::now();
  net.fetch({net.wanted(kBytes, urls)});
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(500));
  net.has(kBytes);
  CHECK(net.server.asked().size() == urls.size());
}

}  // namespace alephc
