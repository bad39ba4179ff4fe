// SPDX-License-Identifier: MIT
#include <array>
#include <concepts>
#include <cstdio>
#include <filesystem>

#include "base/files.hpp"
#include "fetch/fetcher.hpp"
#include "graph/drawing.hpp"
#include "resolve/resolve.hpp"
#include "steps/embed.hpp"
#include "steps/exclude.hpp"
#include "steps/files.hpp"
#include "steps/final_check.hpp"
#include "steps/java_keystore.hpp"
#include "steps/normalize.hpp"
#include "steps/python_cache.hpp"
#include "steps/shared_secrets.hpp"
#include "store/collect.hpp"
#include "store/store.hpp"
#include "support/catch.hpp"
#include "support/contents.hpp"

using namespace alephc;

namespace {

/// A tree of text files on disk, as one layer.
struct TestTree {
  TempDir temp{std::filesystem::temp_directory_path()};
  Tree tree{};

  explicit TestTree(const std::map<std::string, std::string>& files) {
    auto layer = std::make_shared<Layer>();
    layer->folder = temp.path() / "below";
    make_folders(layer->folder);
    const Listing nothing{{.path = "", .type = EntryType::directory, .mode = 0755}};
    LayerWriter writer(layer->folder, &nothing, 0);
    for (const auto& [path, text] : files) writer.put_file({.path = path, .mode = 0644}, text);
    layer->listing = writer.finish();
    tree.add(layer);
  }

  /// With what a computed step puts on top.
  Tree after(const Step& step, const TestContents& contents = {}) {
    return after([&](const Tree& below, LayerWriter& writer) {
      const std::vector<LayerOrigin> layers{{.step = "below"}};
      std::get<Step::Computed>(step.run)(
          {.below = below, .out = writer, .contents = contents, .layers = layers});
    });
  }

  template <typename Put>
    requires std::invocable<Put, const Tree&, LayerWriter&>
  Tree after(Put&& step) {
    auto layer = std::make_shared<Layer>();
    layer->folder = temp.path() / "above";
    make_folders(layer->folder);
    LayerWriter writer(layer->folder, &tree.entries(), latest_epoch().room.time);
    step(tree, writer);
    layer->listing = writer.finish();
    Tree out = tree;
    out.add(layer);
    return out;
  }
};

std::string text_of(const Tree& tree, const std::string& path) {
  const Entry* entry = tree.find(path);
  return entry == nullptr ? "(absent)" : tree.read_content(*entry);
}

}  // namespace

TEST_CASE("normalize takes out what differs and what must not be shared") {
  TestTree test({{"var/log/dpkg.log", "now"},
                 {"var/log/wtmp", "x"},
                 {"var/log/apt/history.log", "x"},
                 {"etc/passwd-", "x"},
                 {"etc/passwd", "root"},
                 {"etc/ssh/ssh_host_rsa_key", "secret"},
                 {"etc/machine-id", "abc"},
                 {"var/cache/ldconfig/aux-cache", "inodes"},
                 {"tmp/left", "x"},
                 {"tmp/pkg/__pycache__/m.cpython-311.pyc", std::string("\xa7\r\r\n\0\0\0\0TIMESIZEcode", 20)},
                 {"etc/shadow", "root:*:20000:0:99999:7:::\n"},
                 {"var/lib/dpkg/triggers/File", "/b p\n/a q\n"},
                 {"var/lib/dpkg/status-old", "x"}});
  const Tree out =
      test.after(normalize_step({"normalize", "normalize"}, {.rules = latest_epoch().normalize}));
  for (const char* path :
       {"var/log/dpkg.log", "var/log/apt/history.log", "etc/passwd-", "etc/ssh/ssh_host_rsa_key",
        "var/cache/ldconfig/aux-cache", "tmp/left", "var/lib/dpkg/status-old"})
    CHECK(text_of(out, path) == "(absent)");
  CHECK(text_of(out, "var/log/wtmp").empty());
  CHECK(text_of(out, "etc/machine-id").empty());
  CHECK(text_of(out, "etc/passwd") == "root");
  CHECK(text_of(out, "etc/shadow") == "root:*:19723:0:99999:7:::\n");
  CHECK(text_of(out, "var/lib/dpkg/triggers/File") == "/a q\n/b p\n");
}

TEST_CASE("manifest and lock are put into the image as they are") {
  TestTree test(std::map<std::string, std::string>{{"etc/hostname", "h"}});
  const Tree out = test.after(embed_step({"embed", "embed"}, {.manifest = {"m"}, .lock = {"l"}}));
  CHECK(text_of(out, "usr/share/alephc/runtime.toml") == "m");
  CHECK(text_of(out, "usr/share/alephc/runtime.lock") == "l");
}

TEST_CASE("excluded paths go, copyright files stay, folders stay while anything in them does") {
  TestTree test({{"usr/share/doc/a/copyright", "c"},
                 {"usr/share/doc/a/README", "r"},
                 {"usr/share/doc/b/README", "r"},
                 {"usr/share/doc/b-base/README", "r"},
                 {"usr/share/man/man1/x.1", "m"},
                 {"usr/share/locale/de/x", "l"},
                 {"usr/share/locale/locale.alias", "a"}});
  const Tree out = test.after(exclude_step({"exclude", "exclude"},
                                           {.globs = {"/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*",
                                                      "!/usr/share/locale/locale.alias"}}));
  CHECK(text_of(out, "usr/share/doc/a/copyright") == "c");
  CHECK(out.find("usr/share/doc/a/README") == nullptr);
  CHECK(out.find("usr/share/doc/b") == nullptr);
  CHECK(out.find("usr/share/man/man1") == nullptr);
  CHECK(out.find("usr/share/man") != nullptr);
  CHECK(text_of(out, "usr/share/locale/locale.alias") == "a");
}

TEST_CASE("files are put, appended and linked") {
  TestTree test({{"etc/conf", "old"},
                 {"etc/passwd", "root:x:0:0::/:/bin/sh\nweb:x:33:33::/:/bin/sh\n"},
                 {"etc/group", "root:x:0:\nweb:x:33:\n"}});
  const Tree out = test.after(
      files_step({"files", "files"},
                 {.files = {{.target = "/etc/conf", .kind = "content", .text = "new\n", .append = true},
                            {.target = "/srv/a", .kind = "content", .text = "data", .mode = 0600, .owner = "web:web"},
                            {.target = "/srv/l", .kind = "link", .text = "a"},
                            {.target = "/srv/d", .kind = "folder"}}}));
  CHECK(text_of(out, "etc/conf") == "old\nnew\n");
  CHECK(out.find("srv/a")->mode == 0600);
  CHECK(out.find("srv/a")->uid == 33);
  CHECK(out.find("srv/l")->link_target == "a");
  CHECK(out.find("srv/d")->type == EntryType::directory);
  const Step wrong = files_step({"files", "files"},
                                {.files = {{.target = "/x", .kind = "content", .owner = "wbe:web"}}});
  TestTree again({{"etc/passwd", "web:x:33:33::/:/bin/sh\n"}, {"etc/group", "web:x:33:\n"}});
  try {
    (void)again.after(wrong);
    FAIL("nothing was thrown");
  } catch (const Error& error) {
    CHECK(error.diagnostics().front().message == "there is no user 'wbe' in the image");
    CHECK(error.diagnostics().front().hint == "did you mean 'web'?");
  }
}

TEST_CASE("the source hash of Python 3.11 caches is the interpreter's own") {
  // importlib.util.source_hash() of Python 3.11, read as a little-endian number.
  constexpr std::uint32_t kMagic = 168627623;
  CHECK(python_source_hash("print(1)\n", kMagic) == 0x59307a407f2d81daULL);
  CHECK(python_source_hash(std::string(100, 'x'), kMagic) == 0x144f459ab560764bULL);
  CHECK(python_source_hash("", kMagic) == 0x737fe8d5d59c8d73ULL);
  CHECK(python_source_of("a/__pycache__/m.cpython-311.opt-2.pyc") == "a/m.py");
  CHECK(python_source_of("a/m.pyc") == "a/m.py");
  std::string timed("\xa7\x0d\x0d\x0a", 4);
  timed += std::string(4, '\0') + "TIMESIZE" + "code";
  const auto fixed = unchecked_python_cache(timed, "print(1)\n");
  REQUIRE(fixed);
  CHECK(fixed->substr(0, 8) == std::string("\xa7\x0d\x0d\x0a\x01\0\0\0", 8));
  CHECK(fixed->substr(16) == "code");
  CHECK_FALSE(unchecked_python_cache(*fixed, "print(1)\n"));
  std::string checked = *fixed;
  checked[4] = 3;
  CHECK(unchecked_python_cache(checked, "") == fixed);
  CHECK_FALSE(unchecked_python_cache("short", ""));
}

TEST_CASE("a store heals: damaged blobs and layers count as absent") {
  const TempDir folder(std::filesystem::temp_directory_path());
  const Store store(folder.path() / "s");
  const Digest blob = store.put_blob("data");
  CHECK(store.read_blob(blob) == "data");
  std::filesystem::permissions(store.blob_path(blob), std::filesystem::perms::owner_all);
  atomic_write(store.blob_path(blob), "evil");
  CHECK_FALSE(store.read_blob(blob));
  CHECK_FALSE(store.has_blob(blob));

  const WorkFolder work = store.make_work_folder();
  make_folders(work.path() / "l");
  const Listing below{{.path = "", .type = EntryType::directory, .mode = 0755}};
  LayerWriter writer(work.path() / "l", &below, 0);
  writer.put_file({.path = "f", .mode = 0644}, "content");
  const auto layer = store.adopt_layer(work.path() / "l", writer.finish());
  std::string warning;
  const auto warn = [&](const std::string& text) { warning = text; };
  CHECK(store.open_layer(layer->digest, warn) != nullptr);
  atomic_write(layer->folder / "f", "CONTENT");
  CHECK(store.open_layer(layer->digest, warn) == nullptr);
  CHECK(warning.find("/f was changed") != std::string::npos);
  CHECK_FALSE(store.has_layer(layer->digest));
}

TEST_CASE("an action record of another key or with another result counts as none") {
  const TempDir folder(std::filesystem::temp_directory_path());
  const Store store(folder.path() / "s");
  const Digest key = sha256("key text");
  store.put_action(key, {.name = "n", .key_text = "key text", .result = "r"});
  CHECK(store.find_action(key)->result == "r");
  const auto file = folder.path() / "s/actions" / key.hex();
  std::string text = read_file(file);
  text.replace(text.find("\"r\""), 3, "\"s\"");
  atomic_write(file, text);
  CHECK_FALSE(store.find_action(key));
}

TEST_CASE("gc keeps what a manifest uses and removes the rest") {
  const TempDir folder(std::filesystem::temp_directory_path());
  Digest used;
  Digest unused;
  atomic_write(folder.path() / "runtime.toml", "");
  {
    const Store store(folder.path() / "s");
    used = store.put_blob("used");
    unused = store.put_blob("unused");
    put_build_record(store, {.manifest = folder.path() / "runtime.toml", .blobs = {used}});
    CHECK_THROWS_AS(collect_garbage(folder.path() / "s", {}), Error);  // the store is open
  }
  const CollectResult result = collect_garbage(folder.path() / "s", {});
  CHECK(result.removed_entries == 1);
  const Store store(folder.path() / "s");
  CHECK(store.has_blob(used));
  CHECK_FALSE(store.has_blob(unused));
}

TEST_CASE("plan says in words what changed") {
  CHECK(explain_change("kind install\npackage name=bash version=5.2 sha256=aa\npackage name=nano version=7\n",
                       "kind install\npackage name=bash version=5.3 sha256=cc\npackage name=vim version=9\n") ==
        "bash 5.2 → 5.3, +vim 9, -nano 7");
  CHECK(explain_change("script aaa\nuser root\n", "script aaa\nuser web\n") == "user root → web");
  CHECK(explain_change("below a\n", "below b\n") == "the tree below changed");
}

TEST_CASE("a lock's change is told package by package") {
  Lock before;
  before.layers = {
      {"p",
       {{.name = "a", .version = "1", .arch = "amd64"}, {.name = "b", .version = "1", .arch = "amd64"}}}};
  Lock after;
  after.layers = {{"p",
                   {{.name = "a", .version = "2", .arch = "amd64"},
                    {.name = "c", .version = "1", .arch = "amd64", .size = 1500}}}};
  CHECK(change_text(compare_locks(&before, after)) == "  + c 1 (1.5 kB)\n  - b 1\n  ~ a 1 → 2\n");
}

TEST_CASE("credentials never show") {
  CHECK(public_url("https://user:secret@host/path@x") == "https://host/path@x");
  CHECK(public_url("https://host/a@b") == "https://host/a@b");
}

TEST_CASE("a Java trust store is dated, sorted and sealed again, and nothing else is touched") {
  const auto number = [](std::uint64_t value, unsigned size) {
    std::string out;
    for (unsigned i = size; i > 0; --i) out += static_cast<char>((value >> (8 * (i - 1))) & 0xffU);
    return out;
  };
  const auto entry = [&](const std::string& name, std::uint64_t date, std::uint64_t tag = 2) {
    return number(tag, 4) + number(name.size(), 2) + name + number(date, 8) + number(5, 2) + "X.509" +
           number(4, 4) + "cert";
  };
  const auto sealed = [&](const std::string& entries, const std::string& word = "changeit") {
    const std::string body = number(0xfeedfeed, 4) + number(2, 4) + number(2, 4) + entries;
    std::string text;
    for (const char c : word) text += std::string{'\0', c};
    return body + sha1_bytes(text + "Mighty Aphrodite" + body);
  };
  const std::string wanted = sealed(entry("alpha", 5) + entry("beta", 5));
  CHECK(dated_java_trust_store(sealed(entry("beta", 1) + entry("alpha", 2)), 5) == wanted);
  CHECK(dated_java_trust_store(wanted, 5) == wanted);
  CHECK_FALSE(dated_java_trust_store(sealed(entry("a", 1) + entry("b", 2), "secret"), 5));
  CHECK_FALSE(dated_java_trust_store(sealed(entry("a", 1) + entry("b", 2, 1)), 5));
  CHECK_FALSE(dated_java_trust_store(sealed(entry("a", 1)), 5));
  CHECK_FALSE(dated_java_trust_store("short", 5));
}

namespace {

/// A member of a cpio archive in its "newc" form; name "TRAILER!!!" ends it.
std::string cpio_member(const std::string& name, const std::string& content) {
  const auto hex = [](std::size_t number) {
    std::array<char, 9> text{};
    (void)std::snprintf(text.data(), text.size(), "%08zx", number);
    return std::string(text.data());
  };
  const auto pad = [](std::string text) { return text + std::string((4 - text.size() % 4) % 4, '\0'); };
  std::string head = "070701" + hex(1) + hex(0100644) + hex(0) + hex(0) + hex(1) + hex(0) + hex(content.size()) +
                     hex(0) + hex(0) + hex(0) + hex(0) + hex(name.size() + 1) + hex(0);
  return pad(head + name + '\0') + pad(content);
}

}  // namespace

TEST_CASE("the name of open-iscsi is found in an initramfs, and only where its hook is") {
  const std::string with = cpio_member("etc/initiatorname.iscsi", "InitiatorName=iqn") + cpio_member("TRAILER!!!", "");
  const std::string without = cpio_member("etc/other", "x") + cpio_member("TRAILER!!!", "");
  const auto check_with = [](const std::string& initramfs, bool has_hook) {
    std::map<std::string, std::string> files{{"boot/initrd.img-6.1", initramfs}};
    if (has_hook) files["usr/share/initramfs-tools/hooks/iscsi"] = "#!/bin/sh\n";
    const TestTree test(files);
    check_final_tree(test.tree, {{.step = "install"}}, latest_epoch().room.time);
  };
  CHECK_THROWS_AS(check_with(with, true), Error);
  CHECK_NOTHROW(check_with(without, true));
  CHECK_NOTHROW(check_with(with, false));
}

TEST_CASE("private keys are known by their content, in every form") {
  using namespace std::string_literals;
  CHECK_FALSE(private_key_kind("x\n-----BEGIN PRIVATE KEY-----\n").empty());
  CHECK_FALSE(private_key_kind("-----BEGIN OPENSSH PRIVATE KEY-----\n").empty());
  CHECK_FALSE(private_key_kind("\0\0\0\x0bssh-ed25519\0\0\0\x40"s + std::string(64, 'k')).empty());
  CHECK_FALSE(private_key_kind("-----BEGIN PGP PRIVATE KEY BLOCK-----\n").empty());
  CHECK_FALSE(private_key_kind("Created: 20240101T000000\nKey: (private-key (ecc (curve Ed25519)))").empty());
  CHECK_FALSE(private_key_kind("(21:protected-private-key(3:rsa").empty());
  CHECK_FALSE(private_key_kind("-----BEGIN OpenVPN Static key V1-----").empty());
  CHECK_FALSE(private_key_kind("LUKS\xba\xbe\x00\x02"s).empty());
  CHECK_FALSE(private_key_kind("\xfe\xed\xfe\xed\0\0\0\2\0\0\0\1\0\0\0\1\0\4name"s).empty());
  CHECK(private_key_kind("\xfe\xed\xfe\xed\0\0\0\2\0\0\0\1\0\0\0\2\0\4name"s).empty());  // trusted certificates
  CHECK_FALSE(private_key_kind("\x30\x82\x04\xa4\x02\x01\x00\x02\x82\x01\x01\x00"s).empty());   // PKCS#1
  CHECK_FALSE(private_key_kind("\x30\x82\x04\xbd\x02\x01\x00\x30\x0d\x06\x09\x2a\x86\x48"s).empty());
  CHECK_FALSE(private_key_kind("\x30\x77\x02\x01\x01\x04\x20"s).empty());
  CHECK_FALSE(private_key_kind("\x30\x82\x09\xa0\x02\x01\x03\x30\x82\x09\x66\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"s).empty());
  CHECK(private_key_kind("-----BEGIN CERTIFICATE-----\n").empty());
  CHECK(private_key_kind("\x30\x82\x03\x59\x30\x82\x02\x41\xa0\x03\x02\x01\x02"s).empty());  // a certificate in DER
  CHECK(private_key_kind("").empty());
}

TEST_CASE("what packages make while they are installed is found as a set, links by hash too") {
  TestTree tree({{"etc/ssl/private/ssl-cert-snakeoil.key", "k"},
                 {"etc/ssl/certs/ssl-cert-snakeoil.pem", "c"},
                 {"etc/bind/rndc.key", "k"},
                 {"root/.gnupg/private-keys-v1.d/AB.key", "k"},
                 {"etc/varnish/secret", ""},
                 {"srv/other", "x"}});
  const std::vector<FoundSecret> found = find_shared_secrets(tree.tree);
  REQUIRE(found.size() == 3);
  CHECK(found[0].secret->package == "ssl-cert");
  CHECK(found[0].paths.size() == 2);
  CHECK(found[1].secret->package == "bind9");
  CHECK(found[2].secret->package == "gnupg");
}

TEST_CASE("a secret that packages made is refused once, with all that belongs to it and a remedy") {
  TestTree tree({{"etc/ssl/private/ssl-cert-snakeoil.key", "-----BEGIN PRIVATE KEY-----\n"},
                 {"etc/ssl/certs/ssl-cert-snakeoil.pem", "-----BEGIN CERTIFICATE-----\n"}});
  try {
    check_final_tree(tree.tree, {{.step = "install"}}, latest_epoch().room.time);
    FAIL("the tree was accepted");
  } catch (const Error& error) {
    REQUIRE(error.diagnostics().size() == 1);
    const Diagnostic& problem = error.diagnostics().front();
    CHECK(problem.message.find("ssl-cert was installed") != std::string::npos);
    CHECK(problem.hint.find("\"/etc/ssl/certs/ssl-cert-snakeoil.pem\"") != std::string::npos);
    CHECK(problem.hint.find("make-ssl-cert generate-default-snakeoil") != std::string::npos);
  }
}
