// SPDX-License-Identifier: MIT
#include <map>

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "base/cid.hpp"
#include "base/diagnostic.hpp"
#include "base/digest.hpp"
#include "base/files.hpp"
#include "base/local_address.hpp"
#include "base/reporter.hpp"
#include "base/sha256_lanes.hpp"
#include "fetch/transfer.hpp"
#include "message/account.hpp"
#include "message/store_message.hpp"
#include "network/publish.hpp"
#include "network/pull.hpp"
#include "network/recipe_reference.hpp"
#include "store/store.hpp"
#include "support/catch.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

std::array<std::uint8_t, 32> secret_of(unsigned char byte) {
  std::array<std::uint8_t, 32> secret{};
  secret.back() = byte;
  return secret;
}

}  // namespace

TEST_CASE("logins go over plain http to loopback addresses only") {
  for (const char* url : {"https://example.org/a", "http://localhost/a", "http://localhost:8080/a",
                          "http://127.0.0.1/a", "http://127.8.9.10:3141/simple", "http://[::1]:80/a",
                          "http://name:word@127.0.0.1/a"})
    CHECK(may_send_login(url));
  for (const char* url : {"http://example.org/a", "http://127.example.org/a", "http://127.0.0.1.example.org/a",
                          "http://localhost.example.org/a", "http://127.0.0.1@example.org/a",
                          "http://[2001:db8::1]/a", "http://10.0.0.1/a", "http://128.0.0.1/a", "http:///a",
                          "http://example.org#@127.0.0.1/a", "http://example.org:80?@127.0.0.1/a"})
    CHECK_FALSE(may_send_login(url));
}

TEST_CASE("the host of an address is the one that libcurl connects to") {
  CHECK(public_url("https://me:word@example.org/a@b") == "https://example.org/a@b");
  CHECK(public_url("https://example.org#@other.org/a") == "https://example.org#@other.org/a");
  CHECK(public_url("https://example.org?@other.org/a") == "https://example.org?@other.org/a");
}

TEST_CASE("addresses of this machine, its network and its cloud are known in every form") {
  for (const char* text :
       {"127.0.0.1", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "169.254.169.254",
        "0.0.0.0", "224.0.0.1", "168.63.129.16", "::1", "::", "fe80::1", "fd12::1", "ff02::1",
        "::ffff:127.0.0.1", "64:ff9b::10.0.0.1", "2002:7f00:1::", "fd00:ec2::254"})
    CHECK(is_local_address(std::string(text)));
  for (const char* text : {"1.1.1.1", "172.32.0.1", "100.128.0.1", "193.0.0.1", "2606:4700::1111",
                           "64:ff9b::1.1.1.1", "2002:101:101::", "::ffff:8.8.8.8", "", "localhost"})
    CHECK_FALSE(is_local_address(std::string(text)));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  for (const auto& [text, expected] :
       std::map<std::string, bool>{{"169.254.0.1", true}, {"100.100.100.200", true}, {"127.0.0.1", false}}) {
    REQUIRE(::inet_pton(AF_INET, text.c_str(), &address.sin_addr) == 1);
    CHECK(is_metadata_address(reinterpret_cast<const sockaddr&>(address)) == expected);
  }
}

TEST_CASE("what may come from public hosts only is not asked of this machine") {
  const TempDir folder(fs::temp_directory_path(), "alephc-test");
  const Store store(folder.path() / "store");
  Reporter silent(Verbosity::quiet, ColorMode::never, false);
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
  REQUIRE(::listen(listener.get(), 5) == 0);
  REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  const std::string url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/";
  const HttpFetcher fetcher(store, silent, {.stall_seconds = 1, .rounds = 1, .only_public = true});
  CHECK_THROWS_AS(fetcher.fetch_text({url}, 1000), Error);
  CHECK(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC) == -1);
}

TEST_CASE("addresses of keys are those that the chains write") {
  // The keys 1 and 2 of Ethereum's curve; EIP-55 is in the letters.
  CHECK(Account("ETH", secret_of(1)).address() == "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf");
  CHECK(Account("ETH", secret_of(2)).address() == "0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF");
  // EIP-55's own examples.
  CHECK(checksum_address("5aaeb6053f3e94c9b9a09f33669435e7ef1beaed") ==
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed");
  CHECK(checksum_address("fb6916095ca1df60bb79ce92ce3ea74c37c5d359") ==
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359");
  // RFC 8032, test 1: the seed's public key in base 58.
  const auto seed =
      Digest::from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")->bytes;
  CHECK(Account("SOL", seed).address() == "FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z");
  CHECK_THROWS_AS(Account("ETH", std::array<std::uint8_t, 32>{}), Error);
  CHECK_THROWS_AS(Account("DOT", secret_of(1)), Error);
}

TEST_CASE("what is signed here is found good, and says what was asked") {
  for (const char* chain : {"ETH", "SOL"}) {
    const Account account(chain, secret_of(7));
    const SignedMessage made =
        sign_store_message({.item_type = "ipfs",
                            .file_hash = "QmYULJoNGPDmoRq4WNWTDTUvJGJv1hosox8H6vVd1kCsY8",
                            .ref = "tag",
                            .payment = "credit",
                            .recipe = {.lock = "l", .repository = "https://example.org/ü"},
                            .metadata = {{"a", "b"}},
                            .time = 1761047957.7483068},
                           account);
    const StoreMessage read = parse_store_message("m", made.envelope);
    CHECK(read.message.item_hash == made.item_hash);
    CHECK(read.message.unchecked.empty());
    CHECK(read.message.sender == account.address());
    CHECK(read.item_type == "ipfs");
    CHECK(read.ref == "tag");
    CHECK(read.recipe.lock == "l");
    CHECK(read.recipe.repository == "https://example.org/ü");
    CHECK(read.message.content.find(R"("time":1761047957.7483068,"item_type":"ipfs","item_hash":"Qm)") !=
          std::string::npos);
    CHECK(read.message.content.find("\\u00fc") != std::string::npos);
  }
}

TEST_CASE("keys are read as the network's client and others keep them") {
  const TempDir folder(std::filesystem::temp_directory_path());
  const std::string hex(64, '1');
  const auto address_of = [&](const std::string& bytes, const char* chain) {
    atomic_write(folder.path() / "key", bytes, 0600);
    return load_account({.chain = chain, .file = folder.path() / "key"}).address();
  };
  const std::string raw(32, '\x11');
  const std::string ethereum = Account("ETH", Digest::from_hex(hex)->bytes).address();
  CHECK(address_of(raw, "ETH") == ethereum);
  CHECK(address_of(hex, "ETH") == ethereum);
  CHECK(address_of("0x" + hex + "\n", "ETH") == ethereum);
  const std::string solana = Account("SOL", Digest::from_hex(hex)->bytes).address();
  CHECK(address_of(encode_base58(raw + decode_base58(solana)), "SOL") == solana);
  std::string array = "[";
  for (int i = 0; i < 64; ++i) array += i < 32 ? "17," : i < 63 ? "0," : "0]";
  CHECK(address_of(array, "SOL") == solana);
  CHECK_THROWS_AS(address_of("no key\n", "ETH"), Error);
  CHECK_THROWS_AS(address_of("", "ETH"), Error);
  // A key with its public half is Solana's, and nobody's address on another chain.
  CHECK(address_of(array, "") == solana);
  CHECK_THROWS_AS(address_of(array, "ETH"), Error);
}

TEST_CASE("a git remote becomes an address that everybody can fetch, or none") {
  CHECK(public_repository("https://u:p@host/a/b.git") == "https://host/a/b.git");
  CHECK(public_repository("git@host:a/b.git") == "https://host/a/b.git");
  CHECK(public_repository("host:a/b.git") == "https://host/a/b.git");
  CHECK(public_repository("ssh://git@host:2222/a/b.git") == "https://host/a/b.git");
  for (const char* remote :
       {"", "/home/me/repository", "../b", "file:///srv/b", "./a:b", "ssh://host", "git@host:"})
    CHECK(public_repository(remote).empty());
}

TEST_CASE("addresses of Ethereum are compared without case, others with it") {
  CHECK(same_address("0xAB", "0xab"));
  CHECK_FALSE(same_address("AbC", "Abc"));
}

TEST_CASE("the login of an index goes to its own host only") {
  CHECK(with_login_of("https://u:p@host:1/simple", "https://host:1/files/x") == "https://u:p@host:1/files/x");
  CHECK(with_login_of("https://u:p@host/simple", "https://other/files/x") == "https://other/files/x");
  CHECK(with_login_of("https://u:p@host/simple", "http://host/files/x") == "http://host/files/x");
  CHECK(with_login_of("https://u:p@host/simple", "https://v@host/x") == "https://v@host/x");
  CHECK(with_login_of("https://host/simple", "https://host/x") == "https://host/x");
}

TEST_CASE("base 58 keeps leading zeros") {
  CHECK(encode_base58(std::string("\0\0a", 3)) == "112g");
  CHECK(decode_base58("112g") == std::string("\0\0a", 3));
}

TEST_CASE("messages hashed side by side have the hashes that they have alone") {
  for (const std::size_t size : {0U, 1U, 55U, 56U, 63U, 64U, 65U, 119U, 120U, 128U, 1000U}) {
    std::array<std::string, kShaLanes> texts;
    std::array<std::string_view, kShaLanes> views;
    for (std::size_t i = 0; i < kShaLanes; ++i) {
      for (std::size_t j = 0; j < size; ++j) texts[i] += static_cast<char>(i * 37 + j * 11);
      views[i] = texts[i];
    }
    for (const ShaMethod& method : sha256_methods()) {
      if (!method.available) continue;
      INFO(method.name << ", " << size << " bytes");
      std::array<Digest, kShaLanes> digests;
      method.hash(views, digests);
      for (std::size_t i = 0; i < kShaLanes; ++i) CHECK(digests[i] == sha256(views[i]));
    }
  }
}

TEST_CASE("a program names its runtime") {
  Message program{.type = "PROGRAM", .content = R"({"runtime":{"ref":"abc","comment":""}})"};
  CHECK(runtime_of(program).ref == "abc");
  CHECK(runtime_of(program).use_latest);
  program.content = R"({"runtime":{"ref":"abc","use_latest":false}})";
  CHECK_FALSE(runtime_of(program).use_latest);
  Message instance{.type = "INSTANCE", .content = R"({"rootfs":{"parent":{"ref":"r","use_latest":false}}})"};
  CHECK(runtime_of(instance).ref == "r");
  program.content = R"({"runtime":3})";
  CHECK_THROWS_AS(runtime_of(program), Error);
}

TEST_CASE("[expect] is written back, and nothing else of the manifest changes") {
  const TempDir folder(std::filesystem::temp_directory_path());
  const auto file = folder.path() / "runtime.toml";
  atomic_write(
      file,
      "schema = 1\n# kept\n\n[expect]\nmax_size = \"1M\"\nitem_hash = \"old\"\n\n[runtime]\nname = \"x\"\n");
  write_expectation(file, "F", "M");
  CHECK(read_file(file) ==
        "schema = 1\n# kept\n\n[expect]\nitem_hash = \"F\"\nmessage = \"M\"\nmax_size = "
        "\"1M\"\n\n[runtime]\nname = "
        "\"x\"\n");
  atomic_write(file, "schema = 1\n");
  write_expectation(file, "F", "M");
  CHECK(read_file(file) == "schema = 1\n\n[expect]\nitem_hash = \"F\"\nmessage = \"M\"\n");
}

TEST_CASE("the strongest integrity decides") {
  const TempDir folder(std::filesystem::temp_directory_path());
  atomic_write(folder.path() / "f", "hello world");
  const UniqueFd fd = open_file(folder.path() / "f", O_RDONLY);
  const std::string good =
      "sha512-MJ7MSJwS1utMxA9QyQLytNDtd+5RGnx6m808qG1M2G+YndNbxf9JlnDaNCVbRbDP2DDoH2Bdz33FVC6TrpzXbw==";
  CHECK(has_integrity(fd.get(), good));
  CHECK(has_integrity(fd.get(), "sha256-uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek="));
  CHECK(has_integrity(fd.get(), "sha256-AAAA " + good));
  CHECK_FALSE(has_integrity(fd.get(), "sha256-uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek= sha512-AAAA"));
  CHECK_FALSE(has_integrity(fd.get(), "md5-AAAA"));
  CHECK_FALSE(has_integrity(fd.get(), ""));
}

}  // namespace alephc
