// SPDX-License-Identifier: MIT
// The init without a machine: a UNIX socket stands in for vsock.
#include <atomic>
#include <thread>

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.hpp"
#include "init/agent.hpp"
#include "init/errors.hpp"
#include "init/message.hpp"
#include "init/network.hpp"
#include "init/proxy.hpp"
#include "init/zip.hpp"
#include "support/catch.hpp"
#include "vm/node_session.hpp"
#include "vm/program.hpp"
#include "vm/unix_socket.hpp"

namespace init = aleph_init;
using init::Json;

namespace {

/// An agent that serves on a UNIX socket in a folder of its own.
struct TestAgent {
  alephc::TempDir folder{std::filesystem::temp_directory_path()};
  alephc::UniqueFd listener = alephc::listen_unix(folder.path() / "control");
  std::atomic<bool> restarted{false};
  init::Agent agent{
      {.root = folder.path().string(), .system = false, .restart = [this] { restarted = true; }}};
  std::thread thread{[this] { agent.serve(listener.get()); }};

  ~TestAgent() {
    ::shutdown(listener.get(), SHUT_RDWR);
    thread.join();
  }
  [[nodiscard]] alephc::UniqueFd connect() const { return alephc::connect_unix(folder.path() / "control"); }
  [[nodiscard]] std::string exchange(const std::string& bytes) const {
    const alephc::UniqueFd host = connect();
    alephc::write_all(host.get(), bytes);
    return alephc::read_all(host.get());
  }
  [[nodiscard]] Json configure(const Json& message) const {
    const std::string bytes = init::message_bytes(message);
    return init::parse_message(exchange(std::to_string(bytes.size()) + "\n" + bytes));
  }
};

Json shell_program(const std::string& script) {
  return {{"interface", "executable"},
          {"encoding", "plain"},
          {"entrypoint", "program"},
          {"vm_hash", alephc::kFakeHash},
          {"code", init::binary("#!/bin/sh\n" + script)}};
}

std::string request_bytes(const std::string& path = "/") {
  return init::message_bytes({{"scope", alephc::http_scope("GET", path, {}, "")}});
}

}  // namespace

TEST_CASE("a connection to a socket follows no link") {
  const alephc::TempDir folder(std::filesystem::temp_directory_path(), "alephc-test");
  const alephc::UniqueFd listener = alephc::listen_unix(folder.path() / "socket");
  std::filesystem::create_symlink(folder.path() / "socket", folder.path() / "link");
  CHECK(alephc::connect_unix(folder.path() / "socket"));
  CHECK_FALSE(alephc::connect_unix(folder.path() / "link"));
  CHECK_FALSE(alephc::connect_unix(folder.path() / "missing"));
}

TEST_CASE("a message's length is known as soon as all of it is there, and never before") {
  const Json value{{"a", {1, -5, 300, 70000, 5000000000ULL, 1.5, nullptr, true}},
                   {"text", std::string(40, 'x')},
                   {"long", std::string(70000, 'y')},
                   {"bin", init::binary(std::string(300, '\0'))}};
  const std::string bytes = init::message_bytes(value);
  for (std::size_t cut : {std::size_t{0}, std::size_t{1}, bytes.size() / 2, bytes.size() - 1})
    CHECK_FALSE(init::message_length(bytes.substr(0, cut)));
  CHECK(init::message_length(bytes) == bytes.size());
  CHECK(init::message_length(bytes + "rest") == bytes.size());
  CHECK(init::parse_message(bytes) == value);
  CHECK_THROWS_AS(init::message_length("\xc1"), init::BadMessage);
  CHECK_THROWS_AS(init::message_length(std::string(1000, '\x91')), init::BadMessage);
  CHECK_THROWS_AS(init::parse_message(bytes + "x"), init::BadMessage);
}

TEST_CASE("the ready message is the 15 bytes that hosts know") {
  CHECK(init::ready_message() ==
        "\x81\xa7version\xa5"
        "2.0.0");
}

TEST_CASE("a configuration is taken in any order, with unknown keys, nil, and str for bin") {
  const Json message{{"unknown", {{"x", 1}}},
                     {"code", "text"},
                     {"volumes", nullptr},
                     {"variables", {{"A", "b"}}},
                     {"interface", "asgi"},
                     {"encoding", "zip"},
                     {"ip", "172.16.4.2"},
                     {"ipv6", nullptr},
                     {"dns_servers", {"1.1.1.1", "1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4"}}};
  const init::Configuration configuration = init::parse_configuration(init::message_bytes(message));
  CHECK(configuration.code == "text");
  CHECK(configuration.ip == "172.16.4.2");
  CHECK(configuration.variables.at("A") == "b");
  CHECK(configuration.dns_servers == std::vector<std::string>{"1.1.1.1", "2.2.2.2", "3.3.3.3"});
  for (const Json& bad :
       {Json{{"interface", "smoke"}}, Json{{"volumes", {{{"mount", "x"}, {"device", "vdb"}}}}},
        Json{{"volumes", {{{"mount", "/x"}, {"device", "../sda"}}}}}, Json{{"variables", {1}}},
        Json{{"dns_servers", "1.1.1.1"}}, Json::array()})
    CHECK_THROWS_AS(init::parse_configuration(init::message_bytes(bad)), init::SetupError);
}

TEST_CASE("host names are those of the reference") {
  CHECK(init::hostname_of(alephc::kFakeHash) == "zl7mv7wk73fp5sx6zl7mv7wk73fp5sx6zl7mv7wk73fp5sx6zl7a");
  CHECK(init::hostname_of("63f07193e6ee9d207b7d1fcf8286f9aee34e6f12f101d2ec77c1229f92964696") ==
        "mpyhde7g52osa635d7hyfbxzv3ru43ys6ea5f3dxyerj7euwi2la");
  CHECK(init::hostname_of("QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH").size() == 52);
  CHECK(init::hostname_of("no hash") == "aleph");
}

TEST_CASE("entrypoints stay below the code") {
  CHECK(init::is_safe_entrypoint("a/b.sh"));
  for (const char* bad : {"", "/a", "../a", "a/../b", "a//b", "./a", "a/."})
    CHECK_FALSE(init::is_safe_entrypoint(bad));
}

TEST_CASE("zip archives are unpacked with modes and links, and leave nothing outside") {
  const alephc::TempDir from(std::filesystem::temp_directory_path());
  const alephc::TempDir to(std::filesystem::temp_directory_path());
  std::filesystem::create_directories(from.path() / "sub/empty");
  alephc::atomic_write(from.path() / "sub/run", "#!/bin/sh\n", 0755);
  alephc::atomic_write(from.path() / "plain", std::string(100000, 'z'), 0640);
  std::filesystem::create_symlink("plain", from.path() / "link");
  const std::string archive = alephc::zip_folder(from.path());
  init::unzip(archive, (to.path() / "out").string());
  CHECK(alephc::read_file(to.path() / "out/plain") == std::string(100000, 'z'));
  CHECK(std::filesystem::read_symlink(to.path() / "out/link") == "plain");
  CHECK(std::filesystem::is_directory(to.path() / "out/sub/empty"));
  struct stat info {};
  REQUIRE(::stat((to.path() / "out/sub/run").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777U) == 0755);
  std::string evil = archive;
  for (std::size_t at = evil.find("plain"); at != std::string::npos; at = evil.find("plain", at + 1))
    evil.replace(at, 5, "../xx");
  CHECK_THROWS_AS(init::unzip(evil, (to.path() / "out2").string()), init::SetupError);
  CHECK_FALSE(std::filesystem::exists(to.path() / "xx"));
  for (std::size_t cut = 0; cut < archive.size(); cut += 997)
    CHECK_THROWS_AS(init::unzip(archive.substr(0, cut), (to.path() / "out3").string()), init::SetupError);
}

TEST_CASE("a scope becomes the HTTP request that it was") {
  Json scope = alephc::http_scope("POST", "/a%20b%3F?x=1%2B2&y=%C3%A9+z",
                                  {{"host", "h"},
                                   {"accept-encoding", "gzip"},
                                   {"connection", "keep-alive"},
                                   {"x", "1"},
                                   {"bad", "a\r\nb"}},
                                  "body");
  CHECK(init::http_request(scope) ==
        "POST /a%20b%3F?x=1%2B2&y=%C3%A9+z HTTP/1.1\r\nhost: h\r\nx: 1\r\ncontent-length: 4\r\nconnection: "
        "close\r\n\r\nbody");
  CHECK_THROWS_AS(init::http_request({{"type", "aleph.message"}, {"body", "x"}}), init::SetupError);
}

TEST_CASE("responses are read by length, by chunks and to the end") {
  const auto read = [](const std::string& bytes, bool at_end = false) {
    return init::http_response(bytes, false, at_end);
  };
  CHECK(read("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")->body == "hi");
  CHECK_FALSE(read("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi"));
  CHECK(read("HTTP/1.1 201 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n3;x=y\r\n yo\r\n0\r\n\r\n")
            ->body == "hi yo");
  CHECK_FALSE(read("HTTP/1.1 201 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n"));
  CHECK(read("HTTP/1.1 201 X\r\nTransfer-Encoding: chunked\r\n\r\n2 \t\r\nhi\r\n0\r\n\r\n")->body == "hi");
  for (const char* size : {"", " ", "\t \t", " 2", "2 2", "-2", "+2", "0x2", "123456789"})
    CHECK_THROWS_AS(read("HTTP/1.1 201 X\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(size) + "\r\nhi\r\n"),
                    init::SetupError);
  CHECK(read("HTTP/1.0 404 X\r\n\r\nall of it", true)->body == "all of it");
  CHECK(read("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 None\r\n\r\n")->status == 204);
  CHECK_THROWS_AS(read("SMTP hello\r\n\r\n"), init::SetupError);
  CHECK_THROWS_AS(read("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", true), init::SetupError);
}

TEST_CASE("a configuration is answered once, whatever way it arrives") {
  const std::string message = init::message_bytes(shell_program("exec sleep 100\n"));
  SECTION("byte by byte") {
    const TestAgent test;
    const alephc::UniqueFd host = test.connect();
    for (const char c : std::to_string(message.size()) + "\n" + message)
      alephc::write_all(host.get(), {&c, 1});
    CHECK(init::parse_message(alephc::read_all(host.get())) == Json{{"success", true}});
    CHECK(test.configure(shell_program("true")).at("success") == false);
  }
  SECTION("with a length line that is none") {
    for (const char* bad : {"12345678901\n", "1x\n", "7\nabc"}) {
      const TestAgent test;
      const alephc::UniqueFd host = test.connect();
      alephc::write_all(host.get(), bad);
      ::shutdown(host.get(), SHUT_WR);
      CHECK(init::parse_message(alephc::read_all(host.get())).at("success") == false);
    }
  }
  SECTION("with an entrypoint that leaves the code") {
    const TestAgent test;
    Json evil = shell_program("true");
    evil["entrypoint"] = "../../etc/passwd";
    const Json reply = test.configure(evil);
    CHECK(reply.at("success") == false);
    CHECK(reply.at("error").get<std::string>().find("entrypoint") != std::string::npos);
    CHECK(reply.size() == 3);
  }
}

TEST_CASE("requests that arrive in pieces, slowly, or not at all hold up nobody") {
  const TestAgent test;
  REQUIRE(test.configure(shell_program("exit 7\n")).at("success") == true);
  const std::string request = request_bytes("/x");
  // The program has ended: each complete request gets an error map that says so.
  const auto is_answered = [](const std::string& bytes) {
    return init::parse_message(bytes).at("error").get<std::string>().find("status 7") != std::string::npos;
  };
  const alephc::UniqueFd silent = test.connect();
  const alephc::UniqueFd half = test.connect();
  alephc::write_all(half.get(), request.substr(0, 5));
  for (std::size_t cut = 1; cut < request.size(); ++cut) {
    const alephc::UniqueFd host = test.connect();
    alephc::write_all(host.get(), request.substr(0, cut));
    alephc::write_all(host.get(), request.substr(cut));
    REQUIRE(is_answered(alephc::read_all(host.get())));
  }
  { const alephc::UniqueFd gone = test.connect(); }
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int i = 0; i < 100; ++i)
    threads.emplace_back([&] { good += is_answered(test.exchange(request)) ? 1 : 0; });
  for (std::thread& thread : threads) thread.join();
  CHECK(good == 100);
  alephc::write_all(half.get(), request.substr(5));
  CHECK(is_answered(alephc::read_all(half.get())));
  CHECK(init::parse_message(test.exchange("\xc1")).contains("traceback"));
}

TEST_CASE("a request of 10 MB is taken, a larger one is refused") {
  const TestAgent test;
  REQUIRE(test.configure(shell_program("exit 0\n")).at("success") == true);
  const auto reply_to = [&](std::size_t size) {
    const std::string bytes =
        init::message_bytes({{"scope", alephc::http_scope("POST", "/", {}, std::string(size, 'b'))}});
    const alephc::UniqueFd host = test.connect();
    try {
      alephc::write_all(host.get(), bytes);
    } catch (const alephc::Error&) {
      // Refused before all of it was read.
    }
    return init::parse_message(alephc::read_all(host.get())).at("error").get<std::string>();
  };
  CHECK(reply_to(10'000'000).find("status 0") != std::string::npos);
  CHECK(reply_to(12'000'000).find("larger than 10 MB") != std::string::npos);
}

TEST_CASE("halt is answered before and after the configuration, also for a program that ignores SIGTERM") {
  SECTION("before") {
    const TestAgent test;
    CHECK(test.exchange("halt") == "STOP\nSTOPZ\n");
    for (int i = 0; i < 200 && !test.restarted; ++i) ::usleep(10000);
    CHECK(test.restarted);
  }
  SECTION("after, in two pieces") {
    const TestAgent test;
    REQUIRE(test.configure(shell_program("trap '' TERM\nwhile :; do sleep 1; done\n")).at("success") == true);
    const alephc::UniqueFd host = test.connect();
    alephc::write_all(host.get(), "ha");
    alephc::write_all(host.get(), "lt");
    CHECK(alephc::read_all(host.get()) == "STOP\nSTOPZ\n");
  }
}

TEST_CASE("a plugin's patch changes what may change, and nothing else") {
  init::Configuration configuration;
  configuration.variables = {{"A", "1"}, {"B", "2"}};
  init::apply_patch(R"({"variables": {"A": null, "C": "3"}, "dns_servers": ["9.9.9.9"]})", configuration);
  CHECK(configuration.variables == std::map<std::string, std::string>{{"B", "2"}, {"C", "3"}});
  CHECK(configuration.dns_servers == std::vector<std::string>{"9.9.9.9"});
  init::apply_patch("\n", configuration);
  CHECK_THROWS_AS(init::apply_patch(R"({"vm_hash": "x"})", configuration), init::SetupError);
  CHECK_THROWS_AS(init::apply_patch("hello", configuration), init::SetupError);
  CHECK_THROWS_AS(init::apply_patch(R"({"volumes": [{"mount": "x", "device": "vdb"}]})", configuration),
                  init::SetupError);
}

TEST_CASE("plugins are run by stage and order, within their time, with their error policy") {
  init::Settings settings;
  const auto plugin = [](const std::string& name, const std::string& script, bool fail = true) {
    return init::PluginSettings{name, "before_variables", {"/bin/sh", "-c", script}, fail, 500};
  };
  const init::Environment env{{"PATH", "/usr/bin:/bin"}};
  init::Configuration configuration;
  settings.plugins = {
      plugin("one", R"(grep -q '"stage":"before_variables"' && echo '{"variables": {"X": "1"}}')"),
      plugin("two", R"(grep -q '"X":"1"' && echo '{"variables": {"X": "2"}}')"),
      plugin("warns", "exit 3", false)};
  init::Plugins(settings, "").run("before_variables", configuration, env);
  CHECK(configuration.variables.at("X") == "2");
  for (const char* script : {"exit 3", "sleep 5", "head -c 3000000 /dev/zero", "echo no json"}) {
    settings.plugins = {plugin("bad", script)};
    CHECK_THROWS_AS(init::Plugins(settings, "").run("before_variables", configuration, env),
                    init::SetupError);
  }
}
