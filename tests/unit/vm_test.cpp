// SPDX-License-Identifier: MIT
// What a node says to a machine and what it takes from it, without a machine.
#include <algorithm>
#include <filesystem>

#include <fcntl.h>

#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "base/subprocess.hpp"
#include "decode/decode.hpp"
#include "init/message.hpp"
#include "init/reply.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"
#include "vm/http_front.hpp"
#include "vm/initramfs.hpp"
#include "vm/instance.hpp"
#include "vm/machine.hpp"
#include "vm/node_session.hpp"
#include "vm/program.hpp"
#include "vm/qemu_process.hpp"
#include "vm/unix_socket.hpp"

using namespace alephc;

namespace {

namespace fs = std::filesystem;
using Kind = GuestReply::Kind;
using Words = std::vector<std::string>;

std::string packed(const GuestMessage& value) {
  return aleph_init::message_bytes(value);
}
GuestMessage bin(const std::string& bytes) {
  return aleph_init::binary(bytes);
}
Kind kind_of(const GuestMessage& value) {
  return parse_reply(packed(value)).kind;
}

}  // namespace

TEST_CASE("a reply of the init is read as it was meant") {
  const GuestReply reply =
      parse_reply(aleph_init::http_reply(201, {{"x-a", "1"}, {"x-a", "2"}}, std::string("b\0y", 3)));
  CHECK(reply.kind == Kind::response);
  CHECK(reply.status == 201);
  CHECK(reply.headers == std::vector<std::pair<std::string, std::string>>{{"x-a", "1"}, {"x-a", "2"}});
  CHECK(reply.body == std::string("b\0y", 3));
  const GuestReply error = parse_reply(aleph_init::error_reply("short", "the long\ntext"));
  CHECK(error.kind == Kind::error);
  CHECK(error.body == "the long\ntext");
  CHECK(parse_reply(aleph_init::error_reply("short")).body == "short");
}

TEST_CASE("what a node could not read as a reply is none") {
  CHECK(parse_reply("").kind == Kind::nothing);
  CHECK(parse_reply("hello").kind == Kind::garbage);
  CHECK(parse_reply(std::string(100'000, '\x91')).kind == Kind::garbage);
  const std::string whole = aleph_init::http_reply(200, {}, "body");
  for (std::size_t cut = 1; cut < whole.size(); ++cut) CHECK(parse_reply(whole.substr(0, cut)).kind == Kind::garbage);
  CHECK(parse_reply(whole + "x").kind == Kind::garbage);
  const GuestMessage body{{"body", bin("b")}};
  CHECK(kind_of(GuestMessage::array({1})) == Kind::garbage);
  CHECK(kind_of({{"headers", GuestMessage::object()}}) == Kind::garbage);
  CHECK(kind_of({{"headers", "x"}, {"body", body}}) == Kind::garbage);
  CHECK(kind_of({{"headers", GuestMessage::object()}, {"body", GuestMessage::object()}}) == Kind::garbage);
  CHECK(kind_of({{"headers", {{"status", "200"}}}, {"body", body}}) == Kind::garbage);
  CHECK(kind_of({{"headers", {{"headers", GuestMessage::array({GuestMessage::array({"str", bin("v")})})}}},
                 {"body", body}}) == Kind::garbage);
  CHECK(kind_of({{"headers", {{"headers", GuestMessage::array({GuestMessage::array({bin("n")})})}}},
                 {"body", body}}) == Kind::garbage);
  CHECK(kind_of({{"headers", {{"headers", "ab"}}}, {"body", body}}) == Kind::garbage);
  CHECK(kind_of({{"headers", {{"status", 204}}}, {"body", body}}) == Kind::response);
  CHECK(kind_of({{"headers", GuestMessage::object()}, {"body", {{"body", 5}}}}) == Kind::response);
}

TEST_CASE("a configuration has succeeded only if it says so") {
  CHECK(succeeded({{"success", true}}));
  for (const GuestMessage& bad : {GuestMessage{{"success", false}}, GuestMessage{{"success", 1}},
                                  GuestMessage{{"success", "true"}}, GuestMessage::object()})
    CHECK_FALSE(succeeded(bad));
  CHECK(succeeded(aleph_init::parse_message(aleph_init::success_reply())));
  const GuestMessage failure = aleph_init::parse_message(aleph_init::failure_reply("why", "where"));
  CHECK_FALSE(succeeded(failure));
  CHECK(text_member(failure, "error") == "why");
  CHECK(text_member(failure, "traceback") == "where");
  CHECK(text_member({{"a", bin("bytes")}}, "a") == "bytes");
  CHECK(text_member({{"a", 5}}, "a").empty());
  CHECK(text_member({{"a", "x"}}, "b").empty());
}

TEST_CASE("an answer to a configuration fits into what nodes read, whatever the error") {
  const std::string reply = aleph_init::failure_reply(std::string(100'000, 'e'), std::string(100'000, 't') + "the end");
  CHECK(reply.size() < 65536);
  CHECK(text_member(aleph_init::parse_message(reply), "traceback").ends_with("the end"));
}

TEST_CASE("a configuration says all that a node would, and no address without network") {
  GuestProgram program{.interface = "asgi",
                       .encoding = "squashfs",
                       .entrypoint = "main:app",
                       .code = std::string("\0c", 2),
                       .variables = {{"A", "1"}},
                       .authorized_keys = {"ssh-ed25519 AAAA"},
                       .volumes = {{"/opt/code", "vdb", true}}};
  GuestMessage message = configuration_message(program);
  CHECK(message["interface"] == "asgi");
  CHECK(message["encoding"] == "squashfs");
  CHECK(message["entrypoint"] == "main:app");
  CHECK(message["vm_hash"] == kFakeHash);
  CHECK(message["code"] == bin(std::string("\0c", 2)));
  CHECK(message["variables"] == GuestMessage{{"A", "1"}});
  CHECK(message["authorized_keys"] == GuestMessage{"ssh-ed25519 AAAA"});
  CHECK(message["volumes"] ==
        GuestMessage::array({{{"mount", "/opt/code"}, {"device", "vdb"}, {"read_only", true}}}));
  CHECK(message["ip"] == "10.0.2.15/24");
  CHECK(message["dns_servers"] == GuestMessage{"10.0.2.3"});
  program.network = false;
  message = configuration_message(program);
  for (const char* key : {"ip", "route", "ipv6", "ipv6_gateway"}) CHECK(message[key].is_null());
  CHECK(message["dns_servers"].empty());
}

TEST_CASE("a request becomes the scope that a node would make of it") {
  const auto scope = [](const std::string& target) { return http_scope("GET", target, {}, ""); };
  CHECK(scope("/a%20b%2Fc")["path"] == "/a b/c");
  CHECK(scope("/a+b")["path"] == "/a+b");
  CHECK(scope("/%zz%4")["path"] == "/%zz%4");
  CHECK(scope("/a")["query_string"] == "");
  CHECK(scope("/a?")["query_string"] == "");
  CHECK(scope("/?a=b+c&d=%C3%A9")["query_string"] == "a=b c&d=\xc3\xa9");
  CHECK(scope("/?a=1%2B2%26%3D%3B")["query_string"] == "a=1%2B2%26%3D%3B");
  CHECK(scope("/?a?b")["query_string"] == "a?b");
  const GuestMessage post = http_scope("POST", "/", {{"a", "1"}, {"a", "2"}}, std::string("\0", 1));
  CHECK(post["type"] == "http");
  CHECK(post["method"] == "POST");
  CHECK(post["headers"] == GuestMessage::array({GuestMessage::array({bin("a"), bin("1")}),
                                                GuestMessage::array({bin("a"), bin("2")})}));
  CHECK(post["body"] == bin(std::string("\0", 1)));
}

TEST_CASE("a guest's network reaches nothing but itself, and only sshd is reached from here") {
  CHECK(guest_network({}) == "user,id=net,restrict=on");
  CHECK(guest_network(2222) == "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:2222-:22");
}

TEST_CASE("a path in an option of QEMU is whole and ends no option") {
  CHECK(qemu_path("/a/b") == "/a/b");
  CHECK(qemu_path("/a,b,,c,") == "/a,,b,,,,c,,");
  CHECK(qemu_path("x") == (fs::current_path() / "x").string());
}

TEST_CASE("QEMU starts from nothing, confined, with the processors and memory that are asked for") {
  if (!find_program("qemu-system-x86_64")) {
    CHECK(error_kind([] { (void)qemu_arguments("tcg", 1, 1); }) == ErrorKind::host);
    return;
  }
  const auto value = [](const Words& words, const std::string& option) {
    const auto at = std::find(words.begin(), words.end(), option);
    return at == words.end() || at + 1 == words.end() ? std::string() : *(at + 1);
  };
  const Words emulated = qemu_arguments("tcg", 3, 512);
  CHECK(emulated.front() == "qemu-system-x86_64");
  for (const char* word : {"-nodefaults", "-no-user-config", "-no-reboot"})
    CHECK(std::find(emulated.begin(), emulated.end(), word) != emulated.end());
  CHECK(value(emulated, "-sandbox").starts_with("on,"));
  CHECK(value(emulated, "-smp") == "3");
  CHECK(value(emulated, "-m") == "512M");
  CHECK(value(emulated, "-accel") == "tcg,thread=multi");
  CHECK(value(emulated, "-cpu") == "max");
  CHECK(value(qemu_arguments("kvm", 1, 1), "-accel") == "kvm");
  CHECK(value(qemu_arguments("kvm", 1, 1), "-cpu") == "host");
}

TEST_CASE("a seed gives an instance its keys, quoted whatever their comments hold") {
  const std::string text = user_data({"ssh-ed25519 AAAA it's \"me\"\n- runcmd: x", "\xff"});
  REQUIRE(text.starts_with("#cloud-config\n{"));
  CHECK(std::count(text.begin(), text.end(), '\n') == 2);
  const auto json = nlohmann::json::parse(text.substr(text.find('\n')));
  CHECK(json["ssh_authorized_keys"][0] == "ssh-ed25519 AAAA it's \"me\"\n- runcmd: x");
  CHECK(json["ssh_pwauth"] == false);
  CHECK(json["disable_root"] == false);
}

TEST_CASE("an address to listen on is HOST:PORT") {
  const auto handler = [](const GuestMessage&) { return GuestReply{}; };
  for (const char* bad : {"", "localhost", "localhost:", "localhost:http", "localhost:65536", "localhost:-1"}) {
    INFO(bad);
    CHECK(error_kind([&] { const HttpFront front(bad, handler); }) == ErrorKind::usage);
  }
}

TEST_CASE("an initramfs is a cpio that unpacks to what was put in") {
  Initramfs archive;
  archive.folder("dev");
  archive.character_device("dev/console", 5, 1);
  archive.file("init", "program", 0755);
  for (int size = 0; size < 5; ++size)
    archive.file("f" + std::string(static_cast<std::size_t>(size), 'x'),
                 std::string(static_cast<std::size_t>(size), 'c'));
  const std::string bytes = archive.finish();
  CHECK(bytes.size() % 4 == 0);
  struct Sink : ArchiveSink {
    std::string found{};
    void begin_entry(const std::string&, Entry entry) override {
      found += std::string(1, static_cast<char>(entry.type)) + " " + entry.path + " " + std::to_string(entry.mode) +
               " " + std::to_string(entry.major) + ":" + std::to_string(entry.minor) + " ";
    }
    void data(std::string_view text) override { found += text; }
    void end_entry() override { found += "\n"; }
  } sink;
  const TempDir temp(fs::temp_directory_path(), "alephc-test");
  atomic_write(temp.path() / "cpio", bytes);
  decode_archive(open_file(temp.path() / "cpio", O_RDONLY).get(), ArchiveKind::initramfs, sink);
  CHECK(
      sink.found ==
      "d dev 493 0:0 \nc dev/console 384 5:1 \nf init 493 0:0 program\nf f 420 0:0 \nf fx 420 0:0 c\nf fxx 420 0:0 cc\n"
      "f fxxx 420 0:0 ccc\nf fxxxx 420 0:0 cccc\n");
}

TEST_CASE("a program is prepared by what it looks like, unless the user says otherwise") {
  const TempDir temp(fs::temp_directory_path(), "alephc-test");
  atomic_write(temp.path() / "main.py", "app = 1\n");
  atomic_write(temp.path() / "run", "#!/bin/sh\n");
  atomic_write(temp.path() / "code.zip", "PK\x03\x04 and so on");
  atomic_write(temp.path() / "image", "hsqs and so on");
  make_folders(temp.path() / "folder");
  const auto prepared = [&](const std::string& path, ProgramRequest request = {}) {
    request.path = temp.path() / path;
    const PreparedProgram found = prepare_program(request, temp.path());
    return found.program.interface + " " + found.program.encoding + " " + found.program.entrypoint +
           (found.code_image.empty() ? "" : " " + found.code_image.filename().string());
  };
  CHECK(prepared("main.py") == "asgi plain app");
  CHECK(prepared("run") == "executable plain run");
  CHECK(prepared("main.py", {.interface = "executable"}) == "executable plain main.py");
  CHECK(prepared("code.zip", {.entrypoint = "main:app"}) == "asgi zip main:app");
  CHECK(prepared("code.zip", {.entrypoint = "bin/run"}) == "executable zip bin/run");
  CHECK(prepared("folder", {.entrypoint = "main:app"}) == "asgi zip main:app");
  CHECK(prepared("folder", {.entrypoint = "run", .encoding = "squashfs"}) == "executable squashfs run code.squashfs");
  CHECK(prepared("image", {.entrypoint = "run"}) == "executable squashfs run image");
  const auto kind = [&](const std::string& path, const ProgramRequest& request) {
    return error_kind([&] { (void)prepared(path, request); });
  };
  CHECK(kind("none", {}) == ErrorKind::usage);
  CHECK(kind("code.zip", {}) == ErrorKind::usage);
  CHECK(kind("folder", {.entrypoint = "x", .encoding = "plain"}) == ErrorKind::usage);
  atomic_write(temp.path() / "large", std::string(10'000'001, 'x'));
  CHECK(kind("large", {}) == ErrorKind::failed);
}

TEST_CASE("a squashfs of a program has a volume that it is mounted from, and no code inline") {
  const TempDir temp(fs::temp_directory_path(), "alephc-test");
  make_folders(temp.path() / "folder");
  atomic_write(temp.path() / "folder/run", "#!/bin/sh\n");
  const PreparedProgram made =
      prepare_program({.path = temp.path() / "folder", .entrypoint = "run", .encoding = "squashfs"}, temp.path());
  CHECK(made.program.code.empty());
  REQUIRE(made.program.volumes.size() == 1);
  CHECK(made.program.volumes[0].mount == "/opt/code");
  CHECK(made.program.volumes[0].device == "vdb");
  CHECK(made.program.volumes[0].read_only);
  CHECK(read_file(made.code_image).starts_with("hsqs"));
}

TEST_CASE("a socket's path that the kernel cannot hold is told, not cut off") {
  const TempDir temp(fs::temp_directory_path(), "alephc-test");
  CHECK(error_kind([&] { (void)listen_unix(temp.path() / std::string(120, 'x')); }) == ErrorKind::host);
  CHECK(fs::is_empty(temp.path()));
}
