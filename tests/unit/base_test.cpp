// SPDX-License-Identifier: MIT
#include <algorithm>
#include <filesystem>
#include <cstdlib>
#include <fstream>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cid.hpp"
#include "base/diagnostic.hpp"
#include "base/digest.hpp"
#include "base/files.hpp"
#include "base/glob.hpp"
#include "base/limits.hpp"
#include "base/render.hpp"
#include "base/text.hpp"
#include "support/catch.hpp"

using namespace alephc;

namespace {

FileHashes hash_text(const std::string& text, unsigned jobs = 2) {
  const TempDir folder(std::filesystem::temp_directory_path());
  atomic_write(folder.path() / "file", text);
  return hash_file(folder.path() / "file", jobs);
}

}  // namespace

TEST_CASE("sha256 matches the published vectors") {
  CHECK(sha256("").hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(Digest::from_hex(sha256("abc").hex()) == sha256("abc"));
  CHECK_FALSE(Digest::from_hex(std::string(64, 'A')));
  CHECK_FALSE(Digest::from_hex(std::string(63, 'a')));
}

TEST_CASE("CIDs are those that ipfs computes") {
  struct Vector {
    std::string text;
    std::string v0;
    std::string v1;
  };
  std::string all_bytes;
  for (int i = 0; i < 4096; ++i)
    for (int byte = 0; byte < 256; ++byte) all_bytes += static_cast<char>(byte);
  std::string words;
  for (int i = 0; i < 16777216; ++i) words += "deadbeef";
  const std::vector<Vector> vectors{
      {"", "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH",
       "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"},
      {"1234", "QmTPqcLhVnCtjoYuCZwPzfXcFrUviiPComTepHfEEaGf7g",
       "bafkreiadvrtuefxt4fohmhxbuxrfl4dhsu3chsftrc2elhqt7f4npscg6q"},
      {"hello world", "Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyfD",
       "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"},
      {"hello\n", "QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXEN",
       "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am"},
      {std::string(1048576, 'x'), "QmZxqsmKZbwrPGAiPDgnUHKuh7FicKDFMpaE8B6mhdQAH3",
       "bafybeihoskmhhavvvpccjhfeuturxhtr2c3sde4bt4tnhy2yz2ih6vlyie"},
      {words, "QmcYKke22MG2rnu4nPVj8Z3hMPi2wtVMKzqLcJwYRThYif",
       "bafybeiawhayvhrtunmsazigmne75kqyyb2z7oqlvky3abpk4tbkqyzv6iu"},
      {std::string(262144, '\0'), "QmRk1rduJvo5DfEYAaLobS2za9tDszk35hzaNSDCJ74DA7",
       "bafkreiekhhjkxu4ztk3tyng3er3ijhg56mb44oe3gwbgquhzu4afrg2ksa"},
      {std::string(262145, '\0'), "QmbVuw4C4vcmVKqxoWtgDVobvcHrSn51qsmQmyxjk4sB2Q",
       "bafybeigllfqgfpqydppr6cmv56g7ax4wyhruzswvcefv6j5kj77nzttfki"},
      {std::string(300000, 'a'), "QmYCTciJdFNMNUPCHSNS6dKMmUAqkGQ9tQQeGgbELhQQcn",
       "bafybeicnrogxohr6rp6rlbv6s4q5gkpx5cmlm3oxqr3a7sfghbnz6sdyvq"},
      {all_bytes, "QmNVwWg6N5yixbSukgRFyXez5HdRY52RhEbg823ejW3cHn",
       "bafybeiclphklsx6bfzfb5aezogjldbkeicyyvma6wrfnielfg7haplwahy"},
      {std::string(45613056, '\0'), "QmY4HSz1oVGdUzb8poVYPLsoqBZjH6LZrtgnme9wWn2Qko",
       "bafybeibxsa3ioclowpaq7b6gxl65gzqneopfr3fnhedak6sqr4bjz5lnyq"},
      {std::string(45613057, '\0'), "QmehMASWcBsX7VcEQqs6rpR5AHoBfKyBVEgmkJHjpPg8jq",
       "bafybeihqwzd3o6q6v3pmwhzjy22vokhr767burokmqemg63hptx2nqd7ym"},
  };
  for (const Vector& vector : vectors) {
    CAPTURE(vector.text.size());
    for (const unsigned jobs : {1U, 4U}) {
      const FileHashes hashes = hash_text(vector.text, jobs);
      CHECK(hashes.cid_v0 == vector.v0);
      CHECK(hashes.cid_v1 == vector.v1);
      CHECK(hashes.sha256 == sha256(vector.text));
      CHECK(hashes.size == vector.text.size());
    }
  }
}

TEST_CASE("a file hashed while it is written has the same hashes") {
  const TempDir folder(std::filesystem::temp_directory_path());
  const std::filesystem::path path = folder.path() / "file";
  std::string text(3'000'000, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * i >> 7U);
  for (const unsigned jobs : {1U, 3U}) {
    FileHasher hasher(path, jobs);
    std::ofstream out(path, std::ios::binary);
    out << std::string(100, '?');
    for (std::size_t at = 100; at < text.size();) {
      const std::size_t piece = std::min<std::size_t>(170'000, text.size() - at);
      out.write(text.data() + at, static_cast<std::streamsize>(piece)).flush();
      at += piece;
      hasher.settle(at);
    }
    out.seekp(0);
    out.write(text.data(), 100).flush();
    const FileHashes hashes = hasher.finish();
    const FileHashes expected = hash_text(text);
    CHECK(hashes.size == expected.size);
    CHECK(hashes.sha256 == expected.sha256);
    CHECK(hashes.cid_v0 == expected.cid_v0);
    CHECK(hashes.cid_v1 == expected.cid_v1);
    FileHasher given_up(path, jobs);
    given_up.settle(text.size());
  }
}

TEST_CASE("a file has the chunks that it had when it was hashed, and no others") {
  const TempDir temp(std::filesystem::temp_directory_path(), "alephc-test");
  const std::filesystem::path file = temp.path() / "file";
  std::string bytes((19 * kHashedChunk) + 77, 'x');
  for (std::size_t i = 0; i < bytes.size(); i += 1000) bytes[i] = static_cast<char>(i / 1000);
  atomic_write(file, bytes);
  const std::vector<Digest> chunks = hash_file(file, 2).chunks;
  REQUIRE(chunks.size() == 20);
  CHECK(chunks[19] == sha256(std::string_view(bytes).substr(19 * kHashedChunk)));
  std::vector<char> room;
  const auto has = [&](std::size_t first, std::size_t count) {
    const UniqueFd fd = open_file(file, O_RDONLY);
    return has_chunks(fd.get(), first, std::span(chunks).subspan(first, count), room);
  };
  CHECK(has(0, 16));  // as many as are hashed side by side
  CHECK(has(16, 4));
  CHECK(has(3, 16));
  CHECK(has(19, 1));
  bytes[5 * kHashedChunk] ^= 1;
  atomic_write(file, bytes);
  CHECK_FALSE(has(0, 16));
  CHECK_FALSE(has(5, 1));
  CHECK(has(6, 10));
  atomic_write(file, bytes.substr(0, 19 * kHashedChunk));
  CHECK_FALSE(has(16, 4));
  CHECK(has(16, 3));
}

TEST_CASE("a file that gets shorter while it is hashed is an error") {
  const TempDir folder(std::filesystem::temp_directory_path());
  atomic_write(folder.path() / "file", std::string(1'000'000, 'x'));
  FileHasher hasher(folder.path() / "file", 3);
  std::filesystem::resize_file(folder.path() / "file", 600'000);
  hasher.settle(1'000'000);
  CHECK_THROWS_AS(hasher.finish(), Error);
}

TEST_CASE("a CIDv1 that re-encodes a CIDv0 has the same digest") {
  CHECK(cid_digest_hex("QmbVuw4C4vcmVKqxoWtgDVobvcHrSn51qsmQmyxjk4sB2Q").size() == 64);
  CHECK(cid_digest_hex("bafybeigllfqgfpqydppr6cmv56g7ax4wyhruzswvcefv6j5kj77nzttfki").size() == 64);
  CHECK(cid_digest_hex("bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku").empty());
  CHECK(cid_digest_hex("nonsense").empty());
}

TEST_CASE("sizes, modes and numbers parse strictly") {
  CHECK(parse_size("4096") == 4096U);
  CHECK(parse_size("128K") == 131072U);
  CHECK(parse_size("1GiB") == 1073741824U);
  CHECK_FALSE(parse_size("12 M"));
  CHECK_FALSE(parse_size("M"));
  CHECK_FALSE(parse_size("99999999999T"));
  CHECK(parse_mode("0755") == 0755U);
  CHECK_FALSE(parse_mode("0788"));
  CHECK_FALSE(parse_mode("77777"));
  CHECK_FALSE(parse_unsigned("1x"));
  CHECK_FALSE(parse_unsigned(""));
}

TEST_CASE("near words are suggested, far ones are not") {
  CHECK(closest_match("packges", {"packages", "base"}) == "packages");
  CHECK(closest_match("instal", {"install", "build"}) == "install");
  CHECK(closest_match("pythno3", {"python3", "perl"}) == "python3");
  CHECK_FALSE(closest_match("zzz", {"packages", "base"}));
  CHECK(did_you_mean("bokworm", {"bookworm", "trixie"}) == "did you mean 'bookworm'?");
  CHECK(did_you_mean("bookworm", {"bookworm", "trixie"}).empty());
}

TEST_CASE("UTF-8 is told from other bytes") {
  CHECK(is_utf8("plain"));
  CHECK(is_utf8("größe → 漢"));
  CHECK_FALSE(is_utf8("\xff"));
  CHECK_FALSE(is_utf8("\xc3"));
  CHECK_FALSE(is_utf8("a\xe2\x82"));
}

TEST_CASE("globs match as dpkg's do: a star crosses slashes") {
  const auto matches = [](const char* pattern, const char* text) { return Glob(pattern).matches(text); };
  CHECK(matches("/usr/share/doc/*", "/usr/share/doc/a/b"));
  CHECK_FALSE(matches("/usr/share/doc/*", "/usr/share/doc"));
  CHECK(matches("/etc/?asswd", "/etc/passwd"));
}

TEST_CASE("what a glob begins and ends with is plain text, and the two do not overlap") {
  const auto matches = [](const char* pattern, const char* text) { return Glob(pattern).matches(text); };
  CHECK(matches("/etc/passwd", "/etc/passwd"));
  CHECK_FALSE(matches("/etc/passwd", "/etc/passwd-"));
  CHECK_FALSE(matches("aba*ba", "aba"));
  CHECK(matches("aba*ba", "ababa"));
  CHECK(matches("*.key", "a.key"));
  CHECK_FALSE(matches("*.key", "a.keys"));
  CHECK(matches("a[bc]d", "acd"));
  CHECK_FALSE(matches("a[!bc]d", "acd"));
  CHECK(matches("a[b", "a[b"));  // never closed: a plain character
  CHECK_FALSE(matches("a\\*b", "a\\xb"));
  CHECK(matches("a\\*b", "a*b"));
  CHECK(matches("", ""));
  CHECK_FALSE(matches("", "a"));
}

TEST_CASE("a diagnostic shows the line and a caret under the place") {
  const auto source = std::make_shared<const SourceText>(SourceText{"runtime.toml", "[a]\nkey = 1\n"});
  const Diagnostic diagnostic{.message = "unknown key 'key'",
                              .at = SourceSpan{.source = source, .line = 2, .column = 1, .length = 3},
                              .hint = "did you mean 'keys'?"};
  CHECK(render_text(diagnostic, false) ==
        "runtime.toml:2:1: error: unknown key 'key'\n 2 | key = 1\n   | ^~~\n  hint: did you mean 'keys'?\n");
}

TEST_CASE("several problems are shown together, in the order of the text") {
  const auto source = std::make_shared<const SourceText>(SourceText{"x", "a\nb\n"});
  DiagnosticList list;
  list.error("second", SourceSpan{.source = source, .line = 2, .column = 1});
  list.error("first", SourceSpan{.source = source, .line = 1, .column = 1});
  try {
    list.stop_if_errors();
    FAIL("nothing was thrown");
  } catch (const Error& error) {
    REQUIRE(error.diagnostics().size() == 2);
    CHECK(error.diagnostics()[0].message == "first");
    CHECK(error.kind() == ErrorKind::failed);
  }
}

TEST_CASE("atomic_write replaces a file and leaves nothing beside it") {
  const TempDir folder(std::filesystem::temp_directory_path());
  atomic_write(folder.path() / "f", "one");
  atomic_write(folder.path() / "f", "two");
  CHECK(read_file(folder.path() / "f") == "two");
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("remove_tree does not follow symlinks and enters closed folders") {
  const TempDir folder(std::filesystem::temp_directory_path());
  std::filesystem::create_directories(folder.path() / "outside");
  std::ofstream(folder.path() / "outside/keep") << "x";
  std::filesystem::create_directories(folder.path() / "tree/closed/deep");
  std::filesystem::create_directory_symlink(folder.path() / "outside", folder.path() / "tree/link");
  std::filesystem::permissions(folder.path() / "tree/closed", std::filesystem::perms::none);
  remove_tree(folder.path() / "tree");
  CHECK_FALSE(std::filesystem::exists(folder.path() / "tree"));
  CHECK(std::filesystem::exists(folder.path() / "outside/keep"));
}

TEST_CASE("docs/limits.md is made from the table of limits") {
  std::string text =
      "# Limits\n\nWhat alephc takes from strangers at most: manifests, packages, images, messages, guests. Each must let the largest real "
      "thing\nthrough. The table is `compiler/base/limits.cpp`; a test compares this page with it (`ALEPHC_ACCEPT=1` rewrites the page).\n\n"
      "| what | at most | the largest real thing | beyond it |\n| --- | --- | --- | --- |\n";
  for (const limits::Row& row : limits::table()) {
    const std::string value = row.unit == "bytes" && row.value >= limits::kMiB && row.value % limits::kMiB == 0
                                  ? std::to_string(row.value / limits::kMiB) + " MiB"
                                  : std::to_string(row.value) + " " + std::string(row.unit);
    text += "| " + std::string(row.what) + " | " + value + " | " + std::string(row.largest) + " | " +
            std::string(row.beyond) + " |\n";
  }
  const std::filesystem::path page = ALEPHC_LIMITS_PAGE;
  if (std::getenv("ALEPHC_ACCEPT") != nullptr) atomic_write(page, text);
  CHECK(read_file_if_exists(page).value_or("") == text);
}

TEST_CASE("deep folders are removed with few descriptors") {
  const TempDir folder(std::filesystem::temp_directory_path(), "unit");
  const UniqueFd top = open_file(folder.path(), O_RDONLY | O_DIRECTORY);
  int at = ::fcntl(top.get(), F_DUPFD_CLOEXEC, 0);
  for (int i = 0; i < 3000; ++i) {
    REQUIRE(::mkdirat(at, "d", 0755) == 0);
    const int next = ::openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ::close(at);
    at = next;
  }
  ::close(at);
  remove_tree_at(top.get(), "d");
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("folders of dead processes are removed, and others are left") {
  const TempDir parent(std::filesystem::temp_directory_path(), "unit");
  const TempDir alive(parent.path(), "alephc-x");
  make_folders(parent.path() / "alephc-x.dead01");
  make_folders(parent.path() / "other");
  remove_stale_folders(parent.path(), "alephc-");
  CHECK(std::filesystem::exists(alive.path()));
  CHECK_FALSE(std::filesystem::exists(parent.path() / "alephc-x.dead01"));
  CHECK(std::filesystem::exists(parent.path() / "other"));
}

TEST_CASE("only a regular file is opened for reading") {
  const TempDir folder(std::filesystem::temp_directory_path(), "unit");
  REQUIRE(::mkfifo((folder.path() / "fifo").c_str(), 0600) == 0);
  CHECK_THROWS_AS(open_regular(folder.path() / "fifo"), Error);
  CHECK_THROWS_AS(open_regular("/dev/null"), Error);
  CHECK_THROWS_AS(open_regular(folder.path()), Error);
}

TEST_CASE("percent encoding is decoded, and what is none stays") {
  CHECK(percent_decoded("a%41%2e%2E/%") == "aA../%");
  CHECK(percent_decoded("%zz%4") == "%zz%4");
}

TEST_CASE("a place in an endless line is shown with what is around it") {
  const auto source = std::make_shared<const SourceText>(SourceText{"x", std::string(5000, 'a') + "!" + std::string(5000, 'b')});
  const std::string text = render_text({.message = "m", .at = SourceSpan{.source = source, .line = 1, .column = 5001}}, false);
  CHECK(text.size() < 1000);
  CHECK(text.find("aaa!bbb") != std::string::npos);
}

TEST_CASE("what moves a cursor or turns text does not reach a terminal") {
  CHECK(printable("a\x1b[2Jb\x7f") == "a?[2Jb?");
  CHECK(printable("\xc2\x9b" "31m") == "?31m");          // CSI as one character
  CHECK(printable("\xe2\x80\xae" "evil") == "?evil");    // right-to-left override
  CHECK(printable("\xff\xc2") == "??");
  CHECK(printable("Gr\xc3\xbc\xc3\x9f" "e \xf0\x9f\x98\x80") == "Gr\xc3\xbc\xc3\x9f" "e \xf0\x9f\x98\x80");
  CHECK(printable_lines("a\tb\nc\r") == "a\tb\nc?");
}
