// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/cid.hpp"
#include "base/dates.hpp"
#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/json.hpp"
#include "base/render.hpp"
#include "base/root_folder.hpp"
#include "base/subprocess.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"

using namespace alephc;

namespace {

namespace fs = std::filesystem;

struct Folder {
  TempDir temp{fs::temp_directory_path(), "alephc-test"};
  fs::path path = temp.path();

  void put(const std::string& name, const std::string& text) const {
    make_folders((path / name).parent_path());
    atomic_write(path / name, text);
  }
};

mode_t mode_of(const fs::path& path) {
  struct stat info {};
  REQUIRE(::lstat(path.c_str(), &info) == 0);
  return info.st_mode;
}

/// An image's root with links that would lead out, beside a file that nothing may reach.
struct HostileRoot : Folder {
  HostileRoot() {
    put("secret", "of the host");
    put("root/etc/passwd", "inside");
    fs::create_symlink("/etc", path / "root/absolute");
    fs::create_symlink("../../../..", path / "root/upwards");
    fs::create_symlink(path / "secret", path / "root/out");
    fs::create_symlink("../secret", path / "root/beside");
    fs::create_symlink("nowhere", path / "root/dangling");
    REQUIRE(::mkfifo((path / "root/fifo").c_str(), 0600) == 0);
  }
  RootFolder root{made(path / "root")};

 private:
  static fs::path made(const fs::path& folder) {
    make_folders(folder);
    return folder;
  }
};

CommandResult shell(const std::string& script, Command command = {}) {
  command.argv = {"/bin/sh", "-c", script};
  return run_command(command);
}

Diagnostic at_place(const std::string& text, std::uint32_t line, std::uint32_t column, std::uint32_t length) {
  const auto source = std::make_shared<const SourceText>(SourceText{"f.toml", text});
  return {.message = "m", .at = SourceSpan{.source = source, .line = line, .column = column, .length = length}};
}

}  // namespace

TEST_CASE("a file that is not there is told from one that cannot be read") {
  const Folder folder;
  folder.put("file", "text");
  CHECK(read_file_if_exists(folder.path / "file") == "text");
  CHECK(read_file_if_exists(folder.path / "none") == std::nullopt);
  CHECK(read_file_if_exists(folder.path / "file/below") == std::nullopt);
  CHECK(error_kind([&] { (void)read_file_if_exists(folder.path); }).has_value());
  fs::create_symlink("loop", folder.path / "loop");
  CHECK(error_kind([&] { (void)read_file_if_exists(folder.path / "loop"); }).has_value());
  CHECK(error_text([&] { (void)read_file(folder.path / "none"); }).find((folder.path / "none").string()) !=
        std::string::npos);
}

TEST_CASE("a FIFO in a project is refused at once, but read where the command line names it") {
  const Folder folder;
  const fs::path fifo = folder.path / "fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  CHECK(error_kind([&] { (void)read_file(fifo); }) == ErrorKind::failed);
  CHECK(error_kind([&] { (void)read_file_if_exists(fifo); }) == ErrorKind::failed);
  CHECK(error_kind([&] { (void)read_named_file("/dev/null"); }) == ErrorKind::failed);
  std::string text;
  std::jthread reader([&] { text = read_named_file(fifo); });
  {
    const UniqueFd writer = open_file(fifo, O_WRONLY);
    write_all(writer.get(), std::string(200000, 'p'));
  }
  reader.join();
  CHECK(text == std::string(200000, 'p'));
}

TEST_CASE("the tail of a file is its last bytes, or nothing") {
  const Folder folder;
  folder.put("log", "0123456789");
  CHECK(read_tail(folder.path / "log", 3) == "789");
  CHECK(read_tail(folder.path / "log", 100) == "0123456789");
  CHECK(read_tail(folder.path / "log", 0).empty());
  CHECK(read_tail(folder.path / "none", 3).empty());
}

TEST_CASE("atomic_write sets the mode, replaces a link and not what it leads to, and cleans up when it fails") {
  const Folder folder;
  folder.put("target", "kept");
  fs::create_symlink("target", folder.path / "link");
  atomic_write(folder.path / "link", "new", 0600);
  CHECK(read_file(folder.path / "target") == "kept");
  CHECK(read_file(folder.path / "link") == "new");
  CHECK(mode_of(folder.path / "link") == (S_IFREG | 0600));
  make_folders(folder.path / "folder/full");
  CHECK(error_kind([&] { atomic_write(folder.path / "folder", "x"); }).has_value());
  CHECK(error_kind([&] { atomic_write(folder.path / "none/file", "x"); }).has_value());
  const UniqueFd fd = open_file(folder.path, O_RDONLY | O_DIRECTORY);
  CHECK(list_folder(fd.get()) == std::vector<std::string>{"folder", "link", "target"});
}

TEST_CASE("a folder's names are sorted by bytes, with their kinds if asked") {
  const Folder folder;
  for (const char* name : {"b", "a-", "a", "\xc3\xa4", "Z", ".hidden"}) folder.put(name, "");
  make_folders(folder.path / "sub");
  const UniqueFd fd = open_file(folder.path, O_RDONLY | O_DIRECTORY);
  CHECK(list_folder(fd.get()) == std::vector<std::string>{".hidden", "Z", "a", "a-", "b", "sub", "\xc3\xa4"});
  CHECK(list_folder(fd.get()).size() == list_folder_types(fd.get()).size());  // the second time as the first
  for (const FolderEntry& entry : list_folder_types(fd.get()))
    if (entry.type != DT_UNKNOWN) CHECK(entry.type == (entry.name == "sub" ? DT_DIR : DT_REG));
}

TEST_CASE("parts of files are copied to their places, and holes stay holes") {
  const Folder folder;
  folder.put("from", "0123456789");
  folder.put("to", "abcdefghij");
  const UniqueFd from = open_file(folder.path / "from", O_RDONLY);
  const UniqueFd to = open_file(folder.path / "to", O_RDWR);
  CHECK(copy_range(from.get(), 2, to.get(), 5, 3));
  CHECK(read_file(folder.path / "to") == "abcde234ij");
  CHECK_FALSE(copy_range(from.get(), 8, to.get(), 0, 3));
  CHECK(copy_range(from.get(), 50, to.get(), 0, 0));
  const UniqueFd sparse = open_file(folder.path / "sparse", O_RDWR | O_CREAT);
  REQUIRE(::ftruncate(sparse.get(), 1 << 20) == 0);
  write_all_at(sparse.get(), 0, "head");
  write_all_at(sparse.get(), (1 << 20) - 4, "tail");
  const UniqueFd over = open_file(folder.path / "over", O_RDWR | O_CREAT);
  write_all_at(over.get(), 0, std::string(1 << 20, 'o'));
  CHECK(copy_data(sparse.get(), 0, over.get(), 0, 1 << 20));
  const std::string result = read_file(folder.path / "over");
  CHECK(result.starts_with("head"));
  CHECK(result.ends_with("tail"));
  CHECK((result.substr(300000, 400000) == std::string(400000, 'o')));
}

TEST_CASE("a file's bytes are copied whole, large and sparse ones too") {
  const Folder folder;
  std::string text(3'000'001, '\0');
  for (std::size_t i = 0; i < text.size(); i += 7) text[i] = static_cast<char>(i);
  folder.put("from", text);
  for (const bool large : {false, true}) {
    const UniqueFd from = open_file(folder.path / "from", O_RDONLY);
    const UniqueFd to = open_file(folder.path / (large ? "large" : "small"), O_RDWR | O_CREAT);
    large ? copy_large(from.get(), to.get()) : copy_bytes(from.get(), to.get());
    CHECK(sha256_file(folder.path / (large ? "large" : "small")) == sha256(text));
  }
}

TEST_CASE("a lock is somebody's until its object goes, and shared ones do not exclude each other") {
  const Folder folder;
  const fs::path path = folder.path / "lock";
  {
    const FileLock held = FileLock::lock(path);
    CHECK_FALSE(FileLock::try_lock(path).has_value());
  }
  const auto mine = FileLock::try_lock(path);
  CHECK(mine.has_value());
  const FileLock one = FileLock::lock_shared(folder.path / "shared");
  const FileLock two = FileLock::lock_shared(folder.path / "shared");
  CHECK_FALSE(FileLock::try_lock(folder.path / "shared").has_value());
}

TEST_CASE("a temp folder goes with its object, with all that is in it, and not when it was moved") {
  fs::path path;
  {
    TempDir first(fs::temp_directory_path(), "alephc-test");
    path = first.path();
    make_folders(path / "a/b");
    const TempDir second(std::move(first));
    CHECK(second.path() == path);
    CHECK(fs::exists(path / "a/b"));
  }
  CHECK_FALSE(fs::exists(path));
  CHECK(error_kind([] { const TempDir none("/nonexistent/folder"); }).has_value());
}

TEST_CASE("links of a stranger's root lead inside of it, as in a chroot") {
  const HostileRoot hostile;
  CHECK(hostile.root.read("etc/passwd") == "inside");
  CHECK(hostile.root.read("absolute/passwd") == "inside");
  CHECK(hostile.root.read("upwards/etc/passwd") == "inside");
  CHECK(hostile.root.read("/etc/passwd") == "inside");
  for (const char* path : {"out", "beside", "dangling", "fifo", "etc", "none", "../secret", "upwards/secret"}) {
    CAPTURE(path);
    CHECK(hostile.root.read(path) == std::nullopt);
  }
  CHECK(hostile.root.list("absolute") == std::vector<std::string>{"passwd"});
  CHECK(hostile.root.list("upwards") == hostile.root.list("."));
  CHECK(hostile.root.list("out").empty());
  CHECK(hostile.root.list("etc/passwd").empty());
}

TEST_CASE("a stranger's root has what stands there, not what a link of the name leads to") {
  const HostileRoot hostile;
  for (const char* path : {"etc", "etc/passwd", "dangling", "out", "fifo", "absolute/passwd"}) {
    CAPTURE(path);
    CHECK(hostile.root.has(path));
  }
  CHECK_FALSE(hostile.root.has("secret"));
  CHECK_FALSE(hostile.root.has("dangling/x"));
  CHECK(hostile.root.has_file("absolute/passwd"));
  CHECK_FALSE(hostile.root.has_file("out"));
  CHECK_FALSE(hostile.root.has_file("fifo"));
  CHECK_FALSE(hostile.root.has_file("etc"));
}

TEST_CASE("what is written to a stranger's root stays in it, and replaces a link") {
  const HostileRoot hostile;
  hostile.root.write("out", "new", 0600);
  hostile.root.write("beside", "new");
  hostile.root.write("absolute/hostname", "disk");
  hostile.root.write("new/deep/file", "made");
  CHECK(read_file(hostile.path / "secret") == "of the host");
  CHECK(read_file(hostile.path / "root/out") == "new");
  CHECK(mode_of(hostile.path / "root/out") == (S_IFREG | 0600));
  CHECK(mode_of(hostile.path / "root/beside") == (S_IFREG | 0644));
  CHECK(read_file(hostile.path / "root/etc/hostname") == "disk");
  CHECK(read_file(hostile.path / "root/new/deep/file") == "made");
  CHECK(error_kind([&] { hostile.root.write("etc/passwd/file", "x"); }).has_value());
  CHECK(error_kind([&] { hostile.root.make_folders("dangling/below"); }).has_value());
}

TEST_CASE("a link is removed from a stranger's root, and not what it leads to") {
  const HostileRoot hostile;
  hostile.root.remove("out");
  hostile.root.remove("absolute");
  hostile.root.remove("none");
  hostile.root.remove("none/below");
  CHECK_FALSE(hostile.root.has("out"));
  CHECK(read_file(hostile.path / "secret") == "of the host");
  CHECK(hostile.root.read("etc/passwd") == "inside");
  hostile.root.remove("etc");
  CHECK_FALSE(hostile.root.has("etc"));
}

TEST_CASE("a program gets its input and its environment, and nothing of ours") {
  const Command command{.environment = {{"A", "b c"}}, .input = "text"};
  const CommandResult result = shell("cat; echo \"$A-$HOME-$PATH\" >&2; exit 3", command);
  CHECK(result.exit_code == 3);
  CHECK(result.output == "text");
  CHECK(result.errors.starts_with("b c--"));
  CHECK(shell("env | grep -c HOME").output == "0\n");
}

TEST_CASE("much input and much output at once block nothing") {
  const std::string text(3'000'000, 'x');
  const CommandResult result = shell("cat; head -c 500000 /dev/zero >&2", {.input = text});
  CHECK((result.output == text));
  CHECK(result.errors.size() == 500000);
  // Not to read one's input is no error. The programs of alephc ignore SIGPIPE, so that the write fails instead.
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  CHECK(shell("exit 0", {.input = text}).exit_code == 0);
  std::signal(SIGPIPE, before);
}

TEST_CASE("a program that is killed, too slow, too large or missing is told apart") {
  CHECK(shell("kill -9 $$").exit_code == 128 + SIGKILL);
  CHECK(error_kind([] { (void)run_command({.argv = {"no-such-program-here"}}); }) == ErrorKind::host);
  CHECK(error_text([] { (void)run_command({.argv = {"no-such-program-here"}}); }) ==
        "the program 'no-such-program-here' is not installed\n");
  const Folder folder;
  CHECK(shell("head -c 5000 /dev/zero > " + (folder.path / "file").string(), {.file_bytes = 4096}).exit_code != 0);
  CHECK(fs::file_size(folder.path / "file") == 4096);
  const auto start = std::chrono::steady_clock::now();
  const auto slow = [] { (void)shell("sleep 60 & wait", {.seconds = 1}); };
  CHECK(error_text(slow) == "/bin/sh took more than 1 s\n");
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(10));
}

TEST_CASE("programs are found by name in PATH and the system's folders, or by path if they can run") {
  const Folder folder;
  folder.put("program", "#!/bin/sh\n");
  CHECK(find_program((folder.path / "program").string()) == std::nullopt);
  fs::permissions(folder.path / "program", fs::perms::owner_all);
  CHECK(find_program((folder.path / "program").string()) == (folder.path / "program").string());
  const auto sh = find_program("sh");
  REQUIRE(sh.has_value());
  CHECK(sh->ends_with("/sh"));
  CHECK(find_program("no-such-program-here") == std::nullopt);
}

TEST_CASE("days go to seconds and back, and only real ones are days") {
  CHECK(parse_day("1970-01-01") == 0);
  CHECK(parse_day("2024-02-29") == 1709164800);
  CHECK(parse_day("1969-12-31") == -86400);
  for (const char* day : {"2023-02-29", "2024-13-01", "2024-00-10", "2024-01-32", "2024-1-01", "24-01-01", "2024/01/01",
                          "2024-01-01T", " 2024-1-1", "", "2024-+1-01", "abcd-ef-gh"}) {
    CAPTURE(day);
    CHECK(parse_day(day) == std::nullopt);
  }
  CHECK(iso_time(1783764273) == "2026-07-11T10:04:33Z");
  CHECK(iso_time(0) == "1970-01-01T00:00:00Z");
  CHECK(iso_day(1709164800 + kSecondsPerDay - 1) == "2024-02-29");
  CHECK(iso_day(-1) == "1969-12-31");
}

TEST_CASE("base 58 keeps zeros in front and refuses characters that look alike") {
  CHECK(encode_base58("Hello World!") == "2NEpo7TZRRrLZSi2U");
  CHECK(encode_base58(std::string("\0\0\x28\x7f\xb4\xcd", 6)) == "11233QC4");
  CHECK(encode_base58("").empty());
  CHECK(encode_base58(std::string(3, '\0')) == "111");
  for (const std::string& bytes : {std::string("\0\1\xff", 3), std::string(40, '\xff'), std::string("a")})
    CHECK(decode_base58(encode_base58(bytes)) == bytes);
  for (const char* bad : {"0", "O", "I", "l", "a b", "2NEpo7TZRRrLZSi2U "}) {
    CAPTURE(bad);
    CHECK(decode_base58(bad).empty());
  }
}

TEST_CASE("the digest in a CID is read from the two forms that name a file, and from no other text") {
  const std::string v0 = "QmbVuw4C4vcmVKqxoWtgDVobvcHrSn51qsmQmyxjk4sB2Q";
  const std::string v1 = "bafybeigllfqgfpqydppr6cmv56g7ax4wyhruzswvcefv6j5kj77nzttfki";
  CHECK(cid_digest_hex(v1) == "cb596062be181bdf1f0995ef8df05f96c1e34ccad5110b5f27aa4ffedcce6552");
  CHECK(encode_base58("\x12\x20" + decode_base58(v0).substr(2)) == v0);
  std::string upper;
  for (const char c : v1) upper += c >= 'a' ? static_cast<char>(c - 32) : c;
  for (const std::string& bad : {v0.substr(1), v0 + "a", "Q" + v0.substr(0, 45), v1 + "a", v1.substr(0, 58), upper,
                                 std::string("Qm") + std::string(44, '0'), "bafy" + std::string(55, '1')}) {
    CAPTURE(bad);
    CHECK(cid_digest_hex(bad).empty());
  }
}

TEST_CASE("hashing what is no regular file is the caller's mistake") {
  CHECK(error_kind([] { (void)hash_file("/dev/null", 1); }) == ErrorKind::usage);
  CHECK(error_kind([] { (void)hash_file("/nonexistent", 1); }).has_value());
}

TEST_CASE("JSON of a stranger is cut where it is nested too deeply, and bad JSON is discarded") {
  const auto nested = [](std::size_t depth) {
    const auto json = parse_shallow(std::string(depth, '[') + std::string(depth, ']'));
    std::size_t found = 0;
    for (const SortedJson* at = &json; at->is_array(); at = &at->front()) {
      ++found;
      if (at->empty()) break;
    }
    return found;
  };
  CHECK(nested(60) == 60);
  CHECK(nested(10000) == 64);
  for (const char* bad : {"", "{", "[1,]", "nul", "{\"a\":1}x"}) {
    CAPTURE(bad);
    CHECK(parse_shallow(bad).is_discarded());
  }
  const auto json = parse_shallow(R"({"a":"text","b":1,"c":null})");
  CHECK(text_at(json, "a") == "text");
  for (const char* key : {"b", "c", "d"}) CHECK(text_at(json, key).empty());
  CHECK(text_at(parse_shallow("[\"a\"]"), "a").empty());
  CHECK(text_at(parse_shallow("no JSON"), "a").empty());
}

TEST_CASE("a place is shown with as many carets as it is long, within its line") {
  CHECK(render_text(at_place("one = 1\ntwo = 2", 2, 7, 1), false) ==
        "f.toml:2:7: error: m\n 2 | two = 2\n   |       ^\n");
  CHECK(render_text(at_place("abc", 1, 2, 99), false) == "f.toml:1:2: error: m\n 1 | abc\n   |  ^~\n");
  CHECK(render_text(at_place("abc", 1, 4, 1), false) == "f.toml:1:4: error: m\n 1 | abc\n   |    ^\n");
  CHECK(render_text(at_place("\tabc", 1, 3, 2), false) == "f.toml:1:3: error: m\n 1 | \tabc\n   | \t ^~\n");
  // Places that are not in the text show no line, and the whole text is no place in it.
  for (const auto& [line, column] : {std::pair{1U, 9U}, std::pair{5U, 1U}, std::pair{1U, 0U}})
    CHECK(render_text(at_place("abc", line, column, 1), false) ==
          "f.toml:" + std::to_string(line) + ":" + std::to_string(column) + ": error: m\n");
  CHECK(render_text(at_place("abc", 0, 0, 1), false) == "f.toml: error: m\n");
}

TEST_CASE("notes and hints follow the message, and colours are marks around the same text") {
  Diagnostic warning = at_place("abc", 1, 1, 1);
  warning.severity = Severity::warning;
  warning.context = {"while one", "while two"};
  warning.hint = "do this";
  CHECK(render_text(warning, false) ==
        "f.toml:1:1: warning: m\n 1 | abc\n   | ^\n  note: while one\n  note: while two\n  hint: do this\n");
  CHECK(render_text(warning, true).find("\033[1;33mwarning: \033[0mm\n") != std::string::npos);
  CHECK(render_text({.message = "a\x1b[2J\nb"}, false) == "error: a?[2J\nb\n");
}

TEST_CASE("an error as JSON has its exit code, places and hints, on one line") {
  Diagnostic problem = at_place("abc", 1, 2, 1);
  problem.context = {"while reading"};
  problem.hint = "look";
  const Error error(ErrorKind::integrity, std::vector<Diagnostic>{problem, {.message = "bad \xff"}});
  const std::string text = render_json(error);
  CHECK(std::count(text.begin(), text.end(), '\n') == 1);
  CHECK(nlohmann::json::parse(text) == nlohmann::json::parse(R"({"error": {"exit_code": 3, "diagnostics": [
    {"severity": "error", "message": "m", "file": "f.toml", "line": 1, "column": 2,
     "context": ["while reading"], "hint": "look"},
    {"severity": "error", "message": "bad \ufffd"}]}})"));
  const Error plain(ErrorKind::failed, "bad");
  CHECK(
      nlohmann::json::parse(render_json(plain, {{"checks", {1, 2}}})) ==
      nlohmann::json::parse(
          R"({"error": {"exit_code": 1, "diagnostics": [{"severity": "error", "message": "bad"}]}, "checks": [1, 2]})"));
}

TEST_CASE("what the machine refuses is the host's fault, and the path is named") {
  CHECK(system_error("open /x", EACCES).kind() == ErrorKind::host);
  CHECK(system_error("write /x", ENOSPC).kind() == ErrorKind::host);
  CHECK(system_error("open /x", ENOENT).kind() == ErrorKind::failed);
  CHECK(std::string(system_error("open /x", EACCES).what()) == "cannot open /x: Permission denied");
}

TEST_CASE("years have four digits, so that days before the year 1000 go to seconds and back") {
  for (const char* day : {"0999-01-01", "0001-12-31", "1000-01-01", "9999-12-31"}) {
    CAPTURE(day);
    const auto seconds = parse_day(day);
    REQUIRE(seconds);
    CHECK(iso_day(*seconds) == day);
  }
}

TEST_CASE("carets stand below characters, though columns count bytes") {
  CHECK(render_text(at_place("größe = bad", 1, 11, 3), false) ==
        "f.toml:1:11: error: m\n 1 | größe = bad\n   |         ^~~\n");
  CHECK(render_text(at_place("größe = bad", 1, 1, 7), false) ==
        "f.toml:1:1: error: m\n 1 | größe = bad\n   | ^~~~~\n");
}
