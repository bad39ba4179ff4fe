// SPDX-License-Identifier: MIT
// Python's indexes: where this machine's pip looks, what lock files allow, and the proxy that a sandbox asks.
#include "language/python/package_index.hpp"

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/diagnostic.hpp"
#include "base/digest.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "language/python/index_proxy.hpp"
#include "language/python/lock_file.hpp"
#include "support/catch.hpp"
#include "support/environment_guard.hpp"
#include "support/fakes.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;

/// Variables of the environment, as they were again when the object goes; without proxies, logins and settings of pip.
class Variables : public EnvironmentGuard {
 public:
  explicit Variables(const fs::path& home) {
    for (const char* name : {"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_CERT", "PIP_CONFIG_FILE",
                             "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "http_proxy", "all_proxy",
                             "ALL_PROXY"})
      set(name, "");
    set("HOME", home.string());
    set("XDG_CONFIG_HOME", "");
    set("XDG_CONFIG_DIRS", (home / "none").string());
  }
};

/// A home folder with settings of pip.
struct PipHome {
  TempDir temp{fs::temp_directory_path(), "alephc-test"};
  Variables variables{temp.path()};

  [[nodiscard]] fs::path put(const std::string& name, const std::string& text) const {
    make_folders((temp.path() / name).parent_path());
    atomic_write(temp.path() / name, text);
    return temp.path() / name;
  }
};

/// A listening socket of the loopback interface.
struct Listener {
  UniqueFd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::uint16_t port = 0;

  Listener() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(fd.get(), 8) == 0);
    REQUIRE(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port = ntohs(address.sin_port);
  }
};

/// What comes over a connection until it ends, or until the text has the end.
std::string receive(int fd, const std::string& end = "") {
  std::string text;
  char buffer[4096];
  while (end.empty() || text.find(end) == std::string::npos) {
    const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
    if (got <= 0) break;
    text.append(buffer, static_cast<std::size_t>(got));
  }
  return text;
}

/// An index: texts by target, and what was asked.
class IndexServer {
 public:
  IndexServer() : thread_([this] { serve(); }) {}
  ~IndexServer() {
    ::shutdown(listener_.fd.get(), SHUT_RDWR);
    thread_.join();
  }
  IndexServer(const IndexServer&) = delete;
  IndexServer& operator=(const IndexServer&) = delete;

  void put(const std::string& target, const std::string& text) {
    const std::lock_guard guard(mutex_);
    pages_[target] = text;
  }
  [[nodiscard]] std::string url(const std::string& target, const std::string& login = "") const {
    return "http://" + login + "127.0.0.1:" + std::to_string(listener_.port) + target;
  }
  /// The heads of requests.
  [[nodiscard]] std::vector<std::string> asked() {
    const std::lock_guard guard(mutex_);
    return asked_;
  }

 private:
  void serve() {
    while (true) {
      const UniqueFd connection(::accept4(listener_.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!connection) return;
      const std::string answer = answer_to(receive(connection.get(), "\r\n\r\n"));
      (void)::send(connection.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
    }
  }
  std::string answer_to(const std::string& head) {
    const std::lock_guard guard(mutex_);
    asked_.push_back(head);
    const std::string target = head.substr(4, head.find(' ', 4) - 4);
    const auto found = pages_.find(target);
    const std::string status = found != pages_.end()             ? "200 OK"
                               : target.starts_with("/broken") ? "500 Internal Server Error"
                                                                 : "404 Not Found";
    const std::string text = found == pages_.end() ? "" : found->second;
    return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(text.size()) +
           "\r\nConnection: close\r\n\r\n" + text;
  }

  Listener listener_;
  std::mutex mutex_;  ///< of what follows
  std::map<std::string, std::string> pages_;
  std::vector<std::string> asked_;
  std::thread thread_;
};

/// A proxy, and a client in the place of the sandbox's pip.
struct ProxyBox {
  TestStore box{};
  Variables variables{box.folder()};
  IndexServer index{};
  std::uint16_t port = 0;
  std::unique_ptr<IndexProxy> proxy{};

  ProxyBox() {
    Listener listener;
    port = listener.port;
    proxy = std::make_unique<IndexProxy>(std::move(listener.fd), port, box.store, FetchOptions{.rounds = 1});
  }

  [[nodiscard]] std::string here() const { return "http://127.0.0.1:" + std::to_string(port); }
  /// Sent as it is: a library would tidy the path up.
  [[nodiscard]] std::string ask(const std::string& head) const {
    const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    REQUIRE(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    const std::string text = head + "\r\nHost: x\r\n\r\n";
    REQUIRE(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
    return receive(fd.get());
  }
  [[nodiscard]] std::string body(const std::string& path) const {
    const std::string answer = ask("GET " + path + " HTTP/1.1");
    CHECK_THAT(answer, Catch::Matchers::StartsWith("HTTP/1.1 200 OK\r\n"));
    return answer.substr(answer.find("\r\n\r\n") + 4);
  }
  [[nodiscard]] std::string status(const std::string& path) const {
    return ask("GET " + path + " HTTP/1.1").substr(9, 3);
  }
};

const std::string kWheel = "a-1.0-py3-none-any.whl";

PythonLockFile read_lock_file(const std::string& text) {
  return read_python_lock("the.lock", text);
}

const std::string kUvHead = "version = 1\nrequires-python = \">=3.9\"\n";
const std::string kRegistry = "source = { registry = \"https://example.org/simple\" }\n";
const std::string kPylockHead = "lock-version = \"1.0\"\n[[packages]]\nname = \"a\"\n";

std::string package(const std::string& name, const std::string& rest) {
  return "[[package]]\nname = \"" + name + "\"\n" + rest;
}

}  // namespace

TEST_CASE("this machine's pip is told by its files, the later ones over the earlier, and by variables over all") {
  PipHome home;
  Variables& variables = home.variables;
  const auto index = [] { return machine_pip_settings().index; };
  variables.set("XDG_CONFIG_DIRS", (home.temp.path() / "x1").string() + ":" + (home.temp.path() / "x2").string());
  (void)home.put("x2/pip/pip.conf", "[global]\nindex-url = https://second\n");
  CHECK(index() == "https://second");
  (void)home.put("x1/pip/pip.conf", "[global]\nindex-url = https://first\n");
  CHECK(index() == "https://first");
  (void)home.put(".pip/pip.conf", "[global]\nindex-url = https://old-user\n");
  CHECK(index() == "https://old-user");
  (void)home.put(".config/pip/pip.conf", "[global]\nindex-url = https://user\n");
  CHECK(index() == "https://user");
  variables.set("XDG_CONFIG_HOME", (home.temp.path() / "own").string());
  CHECK(index() == "https://old-user");
  (void)home.put("own/pip/pip.conf", "[global]\nindex-url = https://own\n");
  CHECK(index() == "https://own");
  variables.set("PIP_CONFIG_FILE", home.put("named", "[global]\nindex-url = https://named\n").string());
  CHECK(index() == "https://named");
  variables.set("PIP_INDEX_URL", "https://variable");
  CHECK(index() == "https://variable");
}

TEST_CASE("/dev/null as pip's configuration file means that no file counts") {
  PipHome home;
  Variables& variables = home.variables;
  (void)home.put(".config/pip/pip.conf", "[global]\nindex-url = https://user\n");
  variables.set("PIP_CONFIG_FILE", "/dev/null");
  variables.set("PIP_EXTRA_INDEX_URL", " https://a  https://b ");
  const PipSettings settings = machine_pip_settings();
  CHECK(settings.index.empty());
  CHECK(settings.extra_indexes == std::vector<std::string>{"https://a", "https://b"});
}

TEST_CASE("a configuration file of pip is read as pip reads it") {
  PipHome home;
  Variables& variables = home.variables;
  variables.set("PIP_CONFIG_FILE", home.put("pip.conf",
                                            "index-url = https://no-section\n"
                                            "[list]\nindex-url = https://other-command\n"
                                            "[global]\r\n"
                                            "# index-url = https://comment\n"
                                            "; index-url = https://comment\n"
                                            "Index_URL: https://user:word@index/simple?a=b  \n"
                                            "extra-index-url =\n"
                                            "    https://a\n"
                                            "    # between\n"
                                            "\thttps://b\n"
                                            "junk\n"
                                            "timeout = 5\n"
                                            "[download]\ntrusted-host = one two\n")
                                       .string());
  const PipSettings settings = machine_pip_settings();
  CHECK(settings.index == "https://user:word@index/simple?a=b");
  CHECK(settings.extra_indexes == std::vector<std::string>{"https://a", "https://b"});
  CHECK(settings.trusted_hosts == std::vector<std::string>{"one", "two"});
}

TEST_CASE("the bundle of certificates is the first that there is") {
  PipHome home;
  Variables& variables = home.variables;
  const std::string openssl = home.put("openssl.pem", "").string();
  const std::string requests = home.put("requests.pem", "").string();
  const std::string pip = home.put("pip.pem", "").string();
  variables.set("PIP_CONFIG_FILE", "/dev/null");
  const auto bundle = [] { return machine_pip_settings().certificates; };
  variables.set("SSL_CERT_FILE", openssl);
  CHECK(bundle() == openssl);
  variables.set("REQUESTS_CA_BUNDLE", requests);
  CHECK(bundle() == requests);
  variables.set("PIP_CERT", (home.temp.path() / "missing.pem").string());
  CHECK(bundle() == requests);
  variables.set("PIP_CERT", pip);
  CHECK(bundle() == pip);
}

TEST_CASE("an index is asked once, the manifest's extra ones before the machine's") {
  const PipSettings machine{.index = "https://m/", .extra_indexes = {"https://own/", "https://x2/", "https://x1/"}};
  CHECK(python_indexes({.index = "https://own/", .extra_indexes = {"https://x1/"}}, machine, "https://pip/") ==
        std::vector<std::string>{"https://own/", "https://x1/", "https://x2/"});
  CHECK(python_indexes({}, {}, "").empty());
}

TEST_CASE("links of a page keep their attributes and text, and what is no link is passed over") {
  const auto links = index_links(
      "<a href=\"a.whl#sha256=00\" data-requires-python=\"&gt;=3.8\" data-yanked=\"\">a.whl</a>\n"
      "<a rel='internal' href='b.whl?x=1&amp;y=2&amp;amp;'>b</a><a>no target</a><a href=>empty</a>"
      "<a href=bare>bare</a><a href=\"open>never closed</a>");
  REQUIRE(links.size() == 2);
  CHECK(links[0].target == "a.whl#sha256=00");
  CHECK(links[0].text == "a.whl");
  CHECK_THAT(links[0].attributes, ContainsSubstring(" data-requires-python=\"&gt;=3.8\"") &&
                                      ContainsSubstring(" data-yanked=\"\"") && !ContainsSubstring("href"));
  CHECK(links[1].target == "b.whl?x=1&y=2&amp;");
  CHECK_THAT(links[1].attributes, ContainsSubstring(" rel='internal'") && !ContainsSubstring("href"));
  for (const char* page : {"", "<a", "<a href=\"x\"", "no links", "<a href=", "<a href=\">"})
    CHECK(index_links(page).empty());
}

TEST_CASE("without an address of the page its links stay as they are, and the login of the page goes along") {
  CHECK(links_of("<a href=\"../x/a.whl#md5=0\">a</a>", "").at("a.whl") == "../x/a.whl");
  const auto links = links_of("<a href=\"/f/a.whl\">a</a><a href=\"https://cdn.example/b.whl\">b</a>",
                              "https://me:word@index.example/simple/a/");
  CHECK(links.at("a.whl") == "https://me:word@index.example/f/a.whl");
  CHECK(links.at("b.whl") == "https://cdn.example/b.whl");
}

TEST_CASE("a locked file is found wherever an index has it") {
  TestStore box;
  FakeFetcher fetcher(box.store);
  const LockedWheel wheel{.name = "a-b", .version = "1.0", .file = "a_b-1.0-py3-none-any.whl"};
  const std::vector<std::string> indexes{"https://one/simple", "https://two/simple/", "https://me:word@three/simple"};
  fetcher.put("https://two/simple/a-b/", "<a href=\"../../f/a_b-1.0-py3-none-any.whl#sha256=0\">x</a>");
  fetcher.put("https://me:word@three/simple/a-b/", "<a href=\"/g/a_b-1.0-py3-none-any.whl\">x</a>");
  CHECK(locate_wheel(wheel, indexes, fetcher) ==
        std::vector<std::string>{"https://two/f/a_b-1.0-py3-none-any.whl",
                                 "https://me:word@three/g/a_b-1.0-py3-none-any.whl"});
  CHECK(fetcher.asked() == std::vector<std::string>{"https://one/simple/a-b/", "https://two/simple/a-b/",
                                                    "https://me:word@three/simple/a-b/"});
}

TEST_CASE("a file that no index has is told with what each index says, without its login") {
  TestStore box;
  FakeFetcher fetcher(box.store);
  const LockedWheel wheel{.name = "a", .version = "1.0", .file = kWheel};
  fetcher.put("https://me:word@two/a/", "<a href=\"a-2.0-py3-none-any.whl\">x</a>");
  const auto locate = [&] { (void)locate_wheel(wheel, {"https://one", "https://me:word@two"}, fetcher); };
  CHECK(error_kind(locate) == ErrorKind::failed);
  CHECK_THAT(error_text(locate), ContainsSubstring("no Python index has " + kWheel) &&
                                     ContainsSubstring("https://one/a/: not found\n") &&
                                     ContainsSubstring("https://two: has a, but not this file\n") &&
                                     !ContainsSubstring("word") && ContainsSubstring("alephc lock --update"));
  CHECK_THAT(error_text([&] { (void)locate_wheel(wheel, {}, fetcher); }),
             ContainsSubstring("no index is known"));
  const FakeFetcher offline(box.store, {}, true);
  CHECK_THAT(error_text([&] { (void)locate_wheel(wheel, {"https://one"}, offline); }),
             ContainsSubstring("--offline"));
}

TEST_CASE("an index that cannot be reached does not hide the next one") {
  class Unreachable final : public Fetcher {
   public:
    void fetch(const std::vector<RemoteFile>&, const std::function<void(std::size_t)>&) const override {}
    [[nodiscard]] FetchedText fetch_text(const std::vector<std::string>& urls, std::uint64_t) const override {
      if (urls.at(0).ends_with("down/a/")) throw Error(kind, "no route");
      return {.text = "<a href=\"" + kWheel + "\">x</a>", .url = urls.at(0)};
    }
    [[nodiscard]] bool offline() const override { return false; }
    ErrorKind kind = ErrorKind::failed;
  };
  Unreachable fetcher;
  const LockedWheel wheel{.name = "a", .version = "1.0", .file = kWheel};
  CHECK(locate_wheel(wheel, {"https://down", "https://up"}, fetcher) ==
        std::vector<std::string>{"https://up/a/" + kWheel});
  CHECK_THAT(error_text([&] {
               (void)locate_wheel(wheel, {"https://me:word@down", "https://down"}, fetcher);
             }),
             ContainsSubstring("https://down: no route\n"));
  fetcher.kind = ErrorKind::interrupted;
  CHECK(error_kind([&] { (void)locate_wheel(wheel, {"https://down", "https://up"}, fetcher); }) ==
        ErrorKind::interrupted);
}

TEST_CASE("files are told by their names: wheels, sources, and what is neither") {
  for (const auto& [file, name, version] : std::vector<std::tuple<std::string, std::string, std::string>>{
           {"zope.interface-6.0-cp311-cp311-linux_x86_64.whl", "zope-interface", "6.0"},
           {"a_b-1.0+cpu-1build-py3-none-any.whl", "a-b", "1.0+cpu"},
           {"A-1.0.zip", "a", "1.0"},
           {"a-b-1.0.tar.bz2", "a-b", "1.0"},
           {"a-1.0.tgz", "a", "1.0"},
           {"a-1.0.tar.xz", "a", "1.0"}}) {
    INFO(file);
    LockedWheel wheel;
    CHECK(read_wheel_name(file, wheel));
    CHECK(wheel.name == name);
    CHECK(wheel.version == version);
    CHECK(wheel.file == file);
  }
  LockedWheel wheel;
  for (const char* file : {"", "a-1.0-py3-none.whl", ".whl", "a-1.0.egg", "a.tar.gz", "a-1.0.exe", "a-1.0.tar.gz.asc"})
    CHECK_FALSE(read_wheel_name(file, wheel));
  CHECK(source_stem("a-1.0.tar.gz") == "a-1.0");
  CHECK(source_stem("a-1.0.whl") == "a-1.0.whl");
}

TEST_CASE("names of Python packages are compared without case and separators") {
  for (const auto& [name, expected] : std::map<std::string, std::string>{
           {"Foo", "foo"}, {"a.-_b", "a-b"}, {"A__B..C", "a-b-c"}, {"a-b", "a-b"}, {"_a_", "-a-"}, {"", ""}})
    CHECK(normalized_python_name(name) == expected);
}

TEST_CASE("a uv.lock without a project is all there is to install") {
  const std::string one(64, '1');
  const std::string two(64, '2');
  const PythonLockFile lock = read_lock_file(
      kUvHead + package("Foo.Bar", "version = \"1\"\n" + kRegistry + "wheels = [{ hash = \"sha256:" + one +
                                       "\" }, { hash = \"sha256:" + two + "\" }, { url = \"no hash\" }]\n") +
      package("foo-bar", "version = \"2\"\n" + kRegistry + "wheels = [{ hash = \"sha512:" + one + one + "\" }]\n"));
  CHECK(lock.is_given);
  CHECK(lock.is_complete);
  CHECK(lock.requirements == std::vector<std::string>{"Foo.Bar==1", "foo-bar==2"});
  CHECK(lock.hashes.at("foo-bar 1") == std::set<Digest>{*Digest::from_hex(one), *Digest::from_hex(two)});
  CHECK(lock.hashes.at("foo-bar 2").empty());
}

TEST_CASE("a project of a uv.lock asks for versions and extras as it says") {
  const PythonLockFile lock = read_lock_file(
      kUvHead +
      package("app", "version = \"0\"\nsource = { editable = \".\" }\n"
                     "dependencies = [{ name = \"A\", version = \"2\", extra = [\"x\", \"y\"], marker = \"m\" }]\n"
                     "[package.optional-dependencies]\nmore = [{ name = \"b\" }]\n"
                     "[package.dev-dependencies]\ndev = [{ name = \"b\" }]\n") +
      package("a", "version = \"2\"\n" + kRegistry) + package("b", "version = \"1\"\n" + kRegistry));
  CHECK_FALSE(lock.is_complete);
  CHECK(lock.requirements == std::vector<std::string>{"A[x,y]==2 ; m"});
  CHECK(lock.constraints == std::vector<std::string>{"a==2", "b==1"});
}

TEST_CASE("what a lock file leaves out is an error at its place") {
  const auto problem = [](const std::string& text) {
    try {
      (void)read_lock_file(text);
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::failed);
      REQUIRE(error.diagnostics().at(0).at);
      return error.diagnostics()[0].message + " at " + std::to_string(error.diagnostics()[0].at->line);
    }
    return std::string();
  };
  CHECK(problem(kUvHead + package("a", "version = \"1\"\n")) == "'a' has no source at 3");
  CHECK(problem(kUvHead + package("a", kRegistry)) == "a package of the lock has no name or no version at 3");
  CHECK(problem(kUvHead + "[[package]]\nversion = \"1\"\n" + kRegistry) ==
        "a package of the lock has no name or no version at 3");
  CHECK(problem(kUvHead + package("a", "version = \"1\"\nsource = { strange = \"x\" }\n")) ==
        "'a' comes from no package index at 3");
  CHECK(problem(kPylockHead) == "a package of the lock has no name or no version at 2");
  for (const char* origin :
       {"vcs = { url = \"u\" }\n", "directory = { path = \"p\" }\n", "archive = { url = \"u\" }\n"})
    CHECK(problem(kPylockHead + "version = \"1\"\n" + origin) == "'a' comes from no package index at 2");
  // Of an extra that nobody asked for, anything.
  CHECK(problem(kPylockHead + "marker = \"'x' in extras\"\nvcs = { url = \"u\" }\n").empty());
  CHECK_FALSE(problem("[[package]\n").empty());
}

TEST_CASE("the hashes of a pylock.toml are the sha256 of wheels and source") {
  const std::string one(64, '1');
  const std::string two(64, '2');
  const PythonLockFile lock = read_lock_file(kPylockHead + "version = \"1\"\nsdist = { hashes = { sha256 = \"" + one +
                                             "\" } }\nwheels = [{ hashes = { sha256 = \"" + two +
                                             "\" } }, { hashes = { md5 = \"0\" } }, { name = \"x\" }]\n");
  CHECK(lock.hashes.at("a 1") == std::set<Digest>{*Digest::from_hex(one), *Digest::from_hex(two)});
}

TEST_CASE("a locked file that the lock file does not know is named with what is wrong") {
  const Digest known = sha256("known");
  const PythonLockFile lock{.is_given = true, .hashes = {{"a 1", {known}}}};
  const auto of = [&](const std::string& version, const Digest& digest) {
    return contradictions({{.name = "a", .version = version, .file = kWheel, .sha256 = digest}}, lock);
  };
  CHECK(of("1", known).empty());
  CHECK(of("2", known) == std::vector<std::string>{"a 2 is not in the lock file"});
  CHECK(of("1", sha256("x")) == std::vector<std::string>{kWheel + " has a hash that the lock file does not know: " +
                                                         sha256("x").hex()});
}

TEST_CASE("a sandbox gets pages and files of its index, and the login stays outside") {
  ProxyBox box;
  const std::string fragment = "#sha256=" + sha256("wheel").hex();
  box.index.put("/simple/a/", "<a href=\"../../f/" + kWheel + fragment +
                                  "\" data-requires-python=\"&gt;=3\">" + kWheel +
                                  "</a><a href=\"file:///etc/passwd\">x</a><a href=\"javascript:x\">y</a>");
  box.index.put("/f/" + kWheel, "wheel");
  box.index.put("/f/" + kWheel + ".metadata", "Name: a");
  const std::string index = box.proxy->add_index(box.index.url("/simple", "me:word@"));
  CHECK(index == box.here() + "/index/0/");
  CHECK(box.body("/index/0/a/") == "<!DOCTYPE html><html><body>\n<a href=\"" + box.here() + "/file/0/" + kWheel +
                                       fragment + "\"  data-requires-python=\"&gt;=3\">" + kWheel +
                                       "</a>\n</body></html>\n");
  CHECK(box.body("/file/0/" + kWheel) == "wheel");
  CHECK(box.body("/file/0/" + kWheel + ".metadata") == "Name: a");
  CHECK(box.box.store.has_blob(sha256("wheel")));
  for (const std::string& head : box.index.asked())
    CHECK_THAT(head, ContainsSubstring("Authorization: Basic bWU6d29yZA=="));
  // What is in the store is not asked for again.
  const std::size_t before = box.index.asked().size();
  CHECK(box.body("/file/0/" + kWheel) == "wheel");
  CHECK(box.index.asked().size() == before);
  CHECK(box.proxy->failures().empty());
}

TEST_CASE("nothing can be had through the proxy but pages of its indexes and what these link to") {
  ProxyBox box;
  box.index.put("/simple/a/", "<a href=\"/f/a.whl\">a</a>");
  box.index.put("/secret", "secret");
  (void)box.proxy->add_index(box.index.url("/simple/"));
  for (const char* path : {"/", "/index/0/", "/index/1/a/", "/index/-1/a/", "/index/0/../secret", "/index/0/../",
                           "/index/0/./", "/index/0/a/b/", "/index/0/a//", "/index/0/%2e%2e/secret", "/index/0/a@b/",
                           "/index/0//secret", "/file/0/a.whl", "/file/x/a.whl", "/other/0/a",
                           "/index/99999999999999999999/a/"})
    CHECK(box.status(path) == "404");
  for (const std::string& head : {std::string("POST /index/0/a/ HTTP/1.1"), std::string("HEAD /index/0/a/ HTTP/1.1"),
                                  std::string("GET /index/0/a/"), std::string("GET"), std::string(),
                                  "GET " + box.index.url("/secret") + " HTTP/1.1"})
    CHECK(box.ask(head).substr(9, 3) == "404");
  CHECK(box.index.asked().empty());
  CHECK(box.status("/index/0/a?x=/../../secret") == "404");
  CHECK(box.index.asked().size() == 1);
  CHECK_THAT(box.index.asked()[0], Catch::Matchers::StartsWith("GET /simple/a HTTP"));
  CHECK(box.proxy->failures().empty());
}

TEST_CASE("a file with other bytes than its link promises does not reach the sandbox, and the reason is kept") {
  ProxyBox box;
  box.index.put("/simple/a/", "<a href=\"/f/a.whl#sha256=" + sha256("right").hex() +
                                  "\">a</a><a href=\"/f/gone.whl\">b</a><a href=\"/f/a.whl\">no hash</a>");
  box.index.put("/f/a.whl", "wrong");
  (void)box.proxy->add_index(box.index.url("/simple/", "me:word@"));
  (void)box.proxy->add_index(box.index.url("/broken/", "me:word@"));
  (void)box.body("/index/0/a/");
  CHECK(box.status("/file/0/a.whl") == "502");
  CHECK(box.status("/file/1/gone.whl") == "502");
  CHECK(box.body("/file/2/a.whl") == "wrong");
  CHECK(box.status("/index/1/a/") == "502");
  // pip asks every index for every package: that one has none is no failure.
  CHECK(box.status("/index/0/b/") == "404");
  const std::vector<std::string> failures = box.proxy->failures();
  REQUIRE(failures.size() == 3);
  CHECK_THAT(failures[0], ContainsSubstring("a.whl"));
  CHECK_THAT(failures[1], ContainsSubstring("gone.whl was not found on any server"));
  for (const std::string& failure : failures) CHECK_THAT(failure, !ContainsSubstring("word"));
}

TEST_CASE("a link is the same file on every page, and keeps its query") {
  ProxyBox box;
  box.index.put("/simple/a/", "<a href=\"/f/a.whl?key=1&amp;b=2\">a</a>");
  box.index.put("/simple/b/", "<a href=\"/f/b.whl\">b</a><a href=\"/f/a.whl?key=1&amp;b=2\">a</a>");
  box.index.put("/f/a.whl?key=1&b=2", "signed");
  box.index.put("/f/a.whl.metadata?key=1&b=2", "Name: a");
  (void)box.proxy->add_index(box.index.url("/simple/"));
  CHECK_THAT(box.body("/index/0/a/"), ContainsSubstring("/file/0/a.whl\""));
  CHECK_THAT(box.body("/index/0/b/"),
             ContainsSubstring("/file/1/b.whl\"") && ContainsSubstring("/file/0/a.whl\""));
  CHECK(box.body("/file/0/a.whl") == "signed");
  CHECK(box.body("/file/0/a.whl.metadata") == "Name: a");
  CHECK(box.status("/file/1/b.whl.metadata") == "404");
}

TEST_CASE("options of a requirements file are replaced in each way to write them, and told what is wrong") {
  const auto here = [](const std::string& url) { return "<" + url + ">"; };
  for (const auto& [line, expected] : std::map<std::string, std::string>{
           {"-i https://a", "--index-url <https://a>"},
           {"\t--extra-index-url\thttps://a # ours", "--extra-index-url <https://a>"},
           {"--index-url=\\\nhttps://a\r", "--index-url <https://a>"},
           {"--index-url-x https://a", "--index-url-x https://a"},
           {"a==1 --hash=sha256:0", "a==1 --hash=sha256:0"},
           {"# -f x", "# -f x"},
           {"#\\\n-i https://a", "#\\\n--index-url <https://a>"},
           {"", ""}}) {
    INFO(line);
    CHECK(with_indexes("r.txt", line, here) == expected);
  }
  CHECK_THAT(error_text([&] { (void)with_indexes("r.txt", "--find-links x", here); }),
             ContainsSubstring("r.txt names files with --find-links"));
  CHECK_THAT(error_text([&] { (void)with_indexes("r.txt", "-i ftp://a", here); }),
             ContainsSubstring("r.txt names the index 'ftp://a', which is not an http address"));
  CHECK(error_kind([&] { (void)with_indexes("r.txt", "-i", here); }) == ErrorKind::failed);
}

TEST_CASE("what pip's file says of downloads wins over what it says of all commands, and of installing is not read") {
  PipHome home;
  const std::string all = "[global]\nindex-url = https://all\n";
  const std::string download = "[download]\nindex-url = https://download\n";
  const std::string install = "[install]\nindex-url = https://install\n";
  const auto index = [&](const std::string& text) {
    home.variables.set("PIP_CONFIG_FILE", home.put("pip.conf", text).string());
    return machine_pip_settings().index;
  };
  CHECK(index(all + download + install) == "https://download");
  CHECK(index(install + download + all) == "https://download");
  CHECK(index(all + install) == "https://all");
  CHECK(index(install).empty());
}

TEST_CASE("a link is found in either case, behind names and values that look like one") {
  for (const char* tag : {"<A HREF=\"x.whl\">x</A>", "<a\nhref='x.whl'>x</a>",
                          "<a data-href=\"no\" href=\"x.whl\">x</a>",
                          "<a data-requires-python=\">=3.8\" href=\"x.whl\">x</a>",
                          "<a title='a href=no' href=\"x.whl\">x</a>"}) {
    CAPTURE(tag);
    const auto links = index_links(tag);
    REQUIRE(links.size() == 1);
    CHECK(links[0].target == "x.whl");
    CHECK(links[0].text == "x");
  }
  const auto python = index_links("<a data-requires-python=\">=3.8\" href=\"x.whl\">x</a>");
  CHECK_THAT(python.at(0).attributes,
             ContainsSubstring("data-requires-python=\">=3.8\"") && !ContainsSubstring("x.whl"));
}

}  // namespace alephc
