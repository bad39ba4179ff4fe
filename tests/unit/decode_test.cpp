// SPDX-License-Identifier: MIT
// Archives of unknown honesty taken apart: every kind, what is refused, and the messages of the process that reads.
#include "decode/decode.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/digest.hpp"
#include "base/files.hpp"
#include "base/subprocess.hpp"
#include "decode/decoded_archive.hpp"
#include "decode/gzip_members.hpp"
#include "decode/wire.hpp"
#include "decode/xz_stream.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"

using namespace alephc;

namespace {

namespace fs = std::filesystem;

/// Writes every archive that the tests read; each is named by what is in it.
constexpr const char* kMaker = R"py(
import bz2, gzip, io, lzma, os, struct, sys, tarfile, zipfile
os.chdir(sys.argv[1])

def tar(entries, format=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    t = tarfile.open(fileobj=out, mode="w", format=format)
    for name, type, more in entries:
        info = tarfile.TarInfo(name)
        info.type, info.mtime, info.mode = type, 5, more.get("mode", 0o644)
        info.uid, info.gid = more.get("uid", 0), more.get("gid", 0)
        info.uname, info.gname = more.get("user", ""), more.get("group", "")
        info.linkname, info.pax_headers = more.get("link", ""), more.get("pax", {})
        info.devmajor, info.devminor = more.get("device", (0, 0))
        data = more.get("data", b"")
        info.size = len(data)
        t.addfile(info, io.BytesIO(data))
    t.close()
    return out.getvalue()

def put(name, data):
    with open(name, "wb") as f:
        f.write(data)

D, F, S, H, P, C, B = (tarfile.DIRTYPE, tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE,
                       tarfile.CHRTYPE, tarfile.BLKTYPE)
plain = tar([("./", D, {"mode": 0o755}), ("./a//b/.", D, {"mode": 0o750, "uid": 7, "gid": 8}),
             ("./a/./b/file", F, {"data": b"text", "mode": 0o4755}), ("a/b/twin", H, {"link": "./a/b/file"}),
             ("a/link", S, {"link": "../b"}), ("a/pipe", P, {})])
put("plain.tar", plain)
for end, pack in (("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)):
    put("plain.tar." + end, pack(plain))
    put("stream." + end, pack(b"text " * 1000))
put("stream.plain", b"text " * 1000)
put("stream.empty", b"")
put("cut.tar.gz", gzip.compress(plain)[:-20])
put("cut.tar", tar([("f", F, {"data": b"x" * 5000})])[:2000])
put("xattr.tar", tar([("f", F, {"pax": {"SCHILY.xattr.user.b": "2", "SCHILY.xattr.user.a": "1"}})]))
put("huge-xattr.tar", tar([("f", F, {"pax": {"SCHILY.xattr.user.a": "x" * 70000}})]))
put("devices.tar", tar([("null", C, {"device": (1, 3), "mode": 0o666}), ("disk", B, {"device": (8, 1)})]))
for name, path in (("absolute", "/etc/x"), ("parent", "a/../../x"), ("dots", ".."), ("name", "n" * 256),
                   ("path", "/".join(["long"] * 1000))):
    put("bad-%s.tar" % name, tar([(path, F, {})]))
put("bad-link-path.tar", tar([("f", F, {}), ("g", H, {"link": "../f"})]))
put("bad-symlink.tar", tar([("l", S, {"link": ""})]))
put("bad-target.tar", tar([("l", S, {"link": "t" * 5000})]))
z = zipfile.ZipFile("plain.zip", "w", zipfile.ZIP_DEFLATED)
z.writestr("d/", b"")
z.writestr("d/f", b"zipped")
z.close()

def ar(members):
    out = b"!<arch>\n"
    for name, data in members:
        out += ("%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (name, 0, 0, 0, "100644", len(data))).encode() + data
        out += b"\n" * (len(data) % 2)
    return out

control = tar([("./", D, {"mode": 0o755}), ("./control", F, {"data": b"Package: a\n"}),
               ("./postinst", F, {"data": b"#!", "mode": 0o755})])
data = tar([("./", D, {"mode": 0o755}), ("./usr/f", F, {"data": b"content"})])
put("a.deb", ar([("debian-binary", b"2.0\n"), ("control.tar.gz", gzip.compress(control)), ("_gpgorigin", b"odd"),
                 ("data.tar.xz", lzma.compress(data))]))
put("no-data.deb", ar([("debian-binary", b"2.0\n"), ("control.tar", control)]))
put("device.deb", ar([("debian-binary", b"2.0\n"), ("control.tar", control),
                      ("data.tar", tar([("./null", C, {"device": (1, 3)})]))]))

def newc(entries):
    out = b""
    for i, (name, mode, data, device) in enumerate(entries + [("TRAILER!!!", 0, b"", (0, 0))]):
        fields = (i, mode, 0, 0, 1, 5, len(data), 0, 0, device[0], device[1], len(name) + 1, 0)
        out += b"070701" + b"".join(b"%08X" % x for x in fields) + name.encode() + b"\0"
        out += b"\0" * (-len(out) % 4)
        out += data
        out += b"\0" * (-len(out) % 4)
    return out

put("initramfs", gzip.compress(newc([(".", 0o40755, b"", (0, 0)), ("init", 0o100755, b"#!", (0, 0)),
                                     ("console", 0o20600, b"", (5, 1))])))

def member(entries):
    return gzip.compress(tar(entries))

signature = member([(".SIGN.RSA.key.pub", F, {"data": b"signature"})])
info = member([(".PKGINFO", F, {"data": b"pkgname = a\n"}), (".post-install", F, {"data": b"#!"})])
files = member([("etc", D, {"mode": 0o755, "user": "root", "group": "root"}),
                ("etc/f", F, {"data": b"content", "user": "web", "group": "www"})])
put("signed.apk", signature + info + files)
put("unsigned.apk", info + files)
put("mixed.apk", member([(".SIGN.RSA.key.pub", F, {}), (".PKGINFO", F, {})]) + files)
put("cut.apk", (signature + info)[:-10])
)py";

/// The archives, made once.
const fs::path& archives() {
  static const TempDir kFolder(fs::temp_directory_path(), "alephc-test");
  static const bool kMade = [] {
    const CommandResult made = run_command({.argv = {"python3", "-c", kMaker, kFolder.path().string()}});
    INFO(made.errors);
    REQUIRE(made.exit_code == 0);
    return true;
  }();
  (void)kMade;
  return kFolder.path();
}

UniqueFd open_archive(const std::string& name) {
  return open_file(archives() / name, O_RDONLY);
}

UniqueFd memory_file(const std::string& bytes) {
  UniqueFd fd(::memfd_create("archive", MFD_CLOEXEC));
  write_all(fd.get(), bytes);
  ::lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

/// Writes down what it is given, a line an entry.
class Notes : public ArchiveSink {
 public:
  void owner_names(std::string user, std::string group) override { names_ = " by " + user + ":" + group; }
  void begin_entry(const std::string& member, Entry entry) override {
    text += member + (member.empty() ? "" : " ") + static_cast<char>(entry.type) + " '" + entry.path + "'";
    if (!entry.link_target.empty()) text += " -> " + entry.link_target;
    if (!entry.hard_link.empty()) text += " = " + entry.hard_link;
    text += std::exchange(names_, {});
    entries.push_back(std::move(entry));
  }
  void data(std::string_view bytes) override { data_ += bytes; }
  void end_entry() override {
    if (!data_.empty()) text += " [" + std::exchange(data_, {}) + "]";
    text += "\n";
  }
  void end_member(const std::string& member, std::uint64_t end) override { ends.emplace_back(member, end); }

  std::string text{};
  std::vector<Entry> entries{};
  std::vector<std::pair<std::string, std::uint64_t>> ends{};

 private:
  std::string names_{};
  std::string data_{};
};

Notes notes_of(const std::string& name, ArchiveKind kind) {
  Notes notes;
  decode_archive(open_archive(name).get(), kind, notes);
  return notes;
}

std::string refusal(const std::string& name, ArchiveKind kind) {
  CHECK(error_kind([&] { (void)notes_of(name, kind); }) == ErrorKind::integrity);
  return error_text([&] { (void)notes_of(name, kind); });
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Sizes of the members of a gzip file and their places, or what is wrong with it.
std::string members_of(const std::string& bytes) {
  const UniqueFd fd = memory_file(bytes);
  GzipMembers members(fd.get());
  std::string out;
  try {
    while (members.next()) {
      std::string text(3, '\0');  // small, so that a member needs several
      std::size_t size = 0;
      for (std::size_t got = members.read(text); got > 0; got = members.read(text)) size += got;
      out += std::to_string(size) + "@" + std::to_string(members.end()) + " ";
    }
  } catch (const std::runtime_error& error) {
    out += error.what();
  }
  return out;
}

}  // namespace

TEST_CASE("paths of an archive come out clean, whatever it is compressed with") {
  const std::string expected =
      "d ''\nd 'a/b'\nf 'a/b/file' [text]\nf 'a/b/twin' = a/b/file\nl 'a/link' -> ../b\np 'a/pipe'\n";
  for (const char* name : {"plain.tar", "plain.tar.gz", "plain.tar.bz2", "plain.tar.xz"}) {
    CAPTURE(name);
    const Notes notes = notes_of(name, ArchiveKind::archive);
    CHECK(notes.text == expected);
    REQUIRE(notes.entries.size() == 6);
    CHECK(notes.entries[1].mode == 0750);
    CHECK(notes.entries[1].uid == 7);
    CHECK(notes.entries[1].gid == 8);
    CHECK(notes.entries[2].mode == 04755);
    CHECK(notes.entries[2].size == 4);
    CHECK(notes.entries[2].mtime == 5);
    CHECK(notes.entries[4].mode == 0777);
  }
  CHECK(notes_of("plain.zip", ArchiveKind::archive).text == "d 'd'\nf 'd/f' [zipped]\n");
}

TEST_CASE("extended attributes come sorted, and one that no filesystem holds is refused") {
  const Notes notes = notes_of("xattr.tar", ArchiveKind::archive);
  REQUIRE(notes.entries.size() == 1);
  CHECK(notes.entries[0].xattrs == std::vector<Xattr>{{"user.a", "1"}, {"user.b", "2"}});
  CHECK(contains(refusal("huge-xattr.tar", ArchiveKind::archive), "an extended attribute of more than"));
}

TEST_CASE("paths and links that leave the root or that no filesystem holds are refused") {
  const std::vector<std::pair<std::string, std::string>> rows{
      {"bad-absolute.tar", "the path '/etc/x', which is absolute"},
      {"bad-parent.tar", "the path 'a/../../x', which leaves the root"},
      {"bad-dots.tar", "the path '..', which leaves the root"},
      {"bad-name.tar", "has a name of more than 255 bytes"},
      {"bad-path.tar", "which is too long"},
      {"bad-link-path.tar", "the path '../f', which leaves the root"},
      {"bad-symlink.tar", "the symlink 'l' with an impossible target"},
      {"bad-target.tar", "the symlink 'l' with an impossible target"}};
  for (const auto& [name, message] : rows) {
    CAPTURE(name);
    CHECK(contains(refusal(name, ArchiveKind::archive), message));
    CHECK(contains(refusal(name, ArchiveKind::image), message));
  }
}

TEST_CASE("device nodes are for images and initramfs only") {
  CHECK(contains(refusal("devices.tar", ArchiveKind::archive), "the device 'null', which no package may bring"));
  CHECK(contains(refusal("device.deb", ArchiveKind::deb), "the device './null', which no package may bring"));
  const Notes notes = notes_of("devices.tar", ArchiveKind::image);
  CHECK(notes.text == "c 'null'\nb 'disk'\n");
  CHECK(notes.entries[0].major == 1);
  CHECK(notes.entries[0].minor == 3);
  CHECK(notes_of("initramfs", ArchiveKind::initramfs).text == "d ''\nf 'init' [#!]\nc 'console'\n");
}

TEST_CASE("what is damaged, cut off or of another kind is an integrity error") {
  for (const char* name : {"cut.tar.gz", "cut.tar"})
    CHECK(contains(refusal(name, ArchiveKind::archive), "damaged archive: "));
  CHECK(contains(refusal("stream.plain", ArchiveKind::archive), "damaged archive: "));
  CHECK(contains(refusal("plain.tar", ArchiveKind::deb), "damaged archive: "));
  CHECK(contains(refusal("plain.tar", ArchiveKind::tar_members), "damaged archive: "));
  CHECK(contains(refusal("plain.tar", ArchiveKind::initramfs), "damaged archive: "));
  CHECK(contains(refusal("no-data.deb", ArchiveKind::deb), "not a Debian package: it has no data.tar member"));
}

TEST_CASE("a .deb's control and data members are told apart, and other members are skipped") {
  CHECK(notes_of("a.deb", ArchiveKind::deb).text ==
        "control d ''\ncontrol f 'control' [Package: a\n]\ncontrol f 'postinst' [#!]\n"
        "data d ''\ndata f 'usr/f' [content]\n");
}

TEST_CASE("a stream is decompressed, plain bytes are taken as they are, and more than the limit is refused") {
  std::string expected;
  for (int i = 0; i < 1000; ++i) expected += "text ";
  for (const char* name : {"stream.plain", "stream.gz", "stream.bz2", "stream.xz"}) {
    CAPTURE(name);
    CHECK(decompress(open_archive(name).get(), 5000) == expected);
    const auto too_much = [&] { (void)decompress(open_archive(name).get(), 4999); };
    CHECK(error_kind(too_much) == ErrorKind::integrity);
    CHECK(contains(error_text(too_much), "decompresses to more than"));
  }
  CHECK(decompress(open_archive("stream.empty").get(), 1).empty());
}

TEST_CASE("xz data of several streams are one, and damage is told from a missing end") {
  const std::string one = read_file(archives() / "stream.xz");
  const auto all_of = [](const std::string& bytes) {
    std::string_view rest = bytes;
    XzStream stream([&](std::span<char> into) {
      const std::string_view piece = rest.substr(0, std::min<std::size_t>(into.size(), 7));
      std::copy(piece.begin(), piece.end(), into.begin());
      rest.remove_prefix(piece.size());
      return piece.size();
    });
    std::string out;
    std::array<char, 100> buffer{};
    while (const std::size_t got = stream.read(buffer)) out.append(buffer.data(), got);
    return out;
  };
  CHECK(one.starts_with(XzStream::kMagic));
  CHECK(all_of(one).size() == 5000);
  CHECK(all_of(one + one) == all_of(one) + all_of(one));
  CHECK_THROWS_WITH(all_of(one.substr(0, one.size() - 5)), "the xz data are cut off");
  CHECK_THROWS_WITH(all_of(""), "the xz data are cut off");
  std::string damaged = one;
  damaged[one.size() / 2] ^= 1;
  CHECK_THROWS_WITH(all_of(damaged), "the xz data are damaged");
  CHECK_THROWS_WITH(all_of(one + std::string(64, 'x')), "the xz data are damaged");
}

TEST_CASE("an apk's members end where they are hashed, with the owners' names, and may lack a signature") {
  const std::string rest =
      "control f '.PKGINFO' by : [pkgname = a\n]\ncontrol f '.post-install' by : [#!]\n"
      "data d 'etc' by root:root\ndata f 'etc/f' by web:www [content]\n";
  const Notes plain = notes_of("unsigned.apk", ArchiveKind::tar_members);
  CHECK(plain.text == rest);
  const Notes notes = notes_of("signed.apk", ArchiveKind::tar_members);
  CHECK(notes.text == "signature f '.SIGN.RSA.key.pub' by : [signature]\n" + rest);
  REQUIRE(notes.ends.size() == 3);
  CHECK(notes.ends[0].first == "signature");
  CHECK(notes.ends[1].first == "control");
  CHECK(notes.ends[2] == std::pair<std::string, std::uint64_t>("data", fs::file_size(archives() / "signed.apk")));
  REQUIRE(plain.ends.size() == 2);
  CHECK(notes.ends[1].second - notes.ends[0].second == plain.ends[0].second);
}

TEST_CASE("an apk is read as far as asked, and one that mixes signatures with files is refused") {
  CHECK(notes_of("signed.apk", ArchiveKind::tar_members_signature).ends.size() == 1);
  CHECK(notes_of("unsigned.apk", ArchiveKind::tar_members_signature).ends.at(0).first == "control");
  const Notes control = notes_of("signed.apk", ArchiveKind::tar_members_control);
  CHECK(control.ends.size() == 2);
  CHECK_FALSE(contains(control.text, "data "));
  CHECK(contains(refusal("mixed.apk", ArchiveKind::tar_members), "signatures and other files in one member"));
  CHECK(contains(refusal("cut.apk", ArchiveKind::tar_members), "cut off in the middle of a gzip member"));
  CHECK(contains(refusal("stream.empty", ArchiveKind::tar_members), "it is empty"));
}

TEST_CASE("the hashes of an apk are those of its compressed members") {
  const std::string bytes = read_file(archives() / "signed.apk");
  const Notes notes = notes_of("signed.apk", ArchiveKind::tar_members);
  const std::uint64_t begin = notes.ends[0].second;
  const std::uint64_t end = notes.ends[1].second;
  const UniqueFd fd = open_archive("signed.apk");
  const MemberHashes hashes = hash_members(fd.get(), begin, end);
  CHECK(hashes.control_sha1 == sha1_bytes(bytes.substr(begin, end - begin)));
  CHECK(hashes.data_sha256 == sha256(bytes.substr(end)));
  for (const auto& [from, to] : {std::pair(end, begin), std::pair(end, end), std::pair(begin, bytes.size() + 1)})
    CHECK(error_kind([&, from = from, to = to] { (void)hash_members(fd.get(), from, to); }) == ErrorKind::integrity);
}

TEST_CASE("an apk taken apart has its scripts as text, its files with names of owners, and the members' hashes") {
  const std::string bytes = read_file(archives() / "unsigned.apk");
  const std::uint64_t end = notes_of("unsigned.apk", ArchiveKind::tar_members).ends[0].second;
  const TempDir folder(fs::temp_directory_path());
  const DecodedArchive archive =
      decode_to_files(open_archive("unsigned.apk").get(), ArchiveKind::tar_members, folder.path() / "x", 4);
  CHECK(archive.control_sha1 == sha1_bytes(bytes.substr(0, end)));
  CHECK(archive.data_sha256 == sha256(bytes.substr(end)));
  REQUIRE(archive.entries.size() == 4);
  CHECK(archive.entries[0].text == "pkgname = a\n");
  CHECK_FALSE(archive.entries[0].has_content());
  CHECK(archive.entries[3].user == "web");
  CHECK(archive.entries[3].group == "www");
  CHECK(archive.entries[3].sha1 == sha1_bytes("content"));
  CHECK(archive.entries[3].entry.mtime == 4);  // nothing is younger than asked for
  CHECK(read_file(archive.entries[3].content) == "content");
}

TEST_CASE("gzip members are read one by one, each with the place where it ends") {
  const std::string bytes = read_file(archives() / "stream.gz");
  const std::string one = std::to_string(bytes.size());
  const std::string two = std::to_string(2 * bytes.size());
  CHECK(members_of("").empty());
  CHECK(members_of(bytes) == "5000@" + one + " ");
  CHECK(members_of(bytes + bytes) == "5000@" + one + " 5000@" + two + " ");
  CHECK(members_of(bytes.substr(0, bytes.size() - 1)) == "cut off in the middle of a gzip member");
  CHECK(members_of(bytes + bytes.substr(0, 5)) == "5000@" + one + " cut off in the middle of a gzip member");
  CHECK(members_of(bytes + "garbage") == "5000@" + one + " incorrect header check");
  std::string damaged = bytes;
  damaged[bytes.size() - 6] = static_cast<char>(damaged[bytes.size() - 6] ^ 1);
  CHECK(members_of(damaged) == "incorrect data check");
}

TEST_CASE("a message of the decoder is whole or not there yet") {
  std::string bytes;
  put_message(bytes, WireTag::entry, "payload");
  put_message(bytes, WireTag::finished, "");
  WireTag tag{};
  std::string_view payload;
  for (std::size_t size = 0; size < 12; ++size) {
    std::string_view part = std::string_view(bytes).substr(0, size);
    CHECK_FALSE(next_message(part, tag, payload));
    CHECK(part.size() == size);
  }
  std::string_view rest = bytes;
  REQUIRE(next_message(rest, tag, payload));
  CHECK(tag == WireTag::entry);
  CHECK(payload == "payload");
  REQUIRE(next_message(rest, tag, payload));
  CHECK(tag == WireTag::finished);
  CHECK(payload.empty());
  CHECK(rest.empty());
}

TEST_CASE("an entry arrives as it was sent, and one byte less or more is refused") {
  const Entry entry{.path = "a/b",
                    .type = EntryType::symlink,
                    .mode = 0777,
                    .uid = 4'000'000'000,
                    .gid = 2,
                    .mtime = -5,
                    .size = 1ULL << 40U,
                    .link_target = "t",
                    .major = 8,
                    .minor = 1,
                    .hard_link = "h",
                    .xattrs = {{"user.a", std::string("\0x", 2)}, {"user.b", ""}}};
  const std::string bytes = pack_entry("data", entry);
  std::string member;
  Entry got;
  unpack_entry(bytes, member, got);
  CHECK(member == "data");
  CHECK(got == entry);
  const auto refused = [&](std::string_view part) {
    return error_kind([&] { unpack_entry(part, member, got); }) == ErrorKind::integrity;
  };
  for (std::size_t size = 0; size < bytes.size(); ++size) REQUIRE(refused(std::string_view(bytes).substr(0, size)));
  CHECK(refused(bytes + "x"));
}

TEST_CASE("names and ends of members arrive as they were sent, and nothing else is taken for them") {
  std::string user;
  std::string group;
  unpack_names(pack_names("web", ""), user, group);
  CHECK(user == "web");
  CHECK(group.empty());
  std::string member;
  std::uint64_t end = 0;
  unpack_member_end(pack_member_end("control", 1ULL << 33U), member, end);
  CHECK(member == "control");
  CHECK(end == 1ULL << 33U);
  for (const std::string& bad : {std::string(), pack_names("a", "b") + "x", std::string(8, '\xff')})
    CHECK(error_kind([&] { unpack_names(bad, user, group); }) == ErrorKind::integrity);
  for (const std::string& bad : {std::string(), pack_member_end("a", 1) + "x", pack_member_end("a", 1).substr(1)})
    CHECK(error_kind([&] { unpack_member_end(bad, member, end); }) == ErrorKind::integrity);
}
