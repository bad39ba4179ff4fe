// SPDX-License-Identifier: MIT
// The network's API against nodes on the loopback interface: pull, publish, and what nodes are believed.
#include "network/pull.hpp"

#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <nlohmann/json.hpp>

#include "base/cid.hpp"
#include "base/digest.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "message/account.hpp"
#include "message/store_message.hpp"
#include "network/node_api.hpp"
#include "network/publish.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using Json = nlohmann::ordered_json;

/// A node: answers by "METHOD TARGET", each a status and a text. Of a target it has several times, the last one stays.
class Node {
 public:
  Node() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(listener_.get(), 8) == 0);
    REQUIRE(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this] { serve(); });
  }
  ~Node() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  void on(const std::string& request, const std::string& text, const std::string& status = "200 OK") {
    const std::lock_guard guard(mutex_);
    answers_[request].emplace_back(status, text);
  }
  void has_message(const Json& envelope, const std::string& status = "processed") {
    on("GET /api/v0/messages/" + envelope["item_hash"].get<std::string>(),
       Json{{"status", status}, {"message", envelope}}.dump());
  }
  void has_file(const std::string& hash, const std::string& bytes) { on("GET /api/v0/storage/raw/" + hash, bytes); }
  [[nodiscard]] const std::string& url() const { return url_; }
  /// "METHOD TARGET" of each request.
  [[nodiscard]] std::vector<std::string> asked() {
    const std::lock_guard guard(mutex_);
    return asked_;
  }
  [[nodiscard]] std::string body_of(const std::string& request) {
    const std::lock_guard guard(mutex_);
    return bodies_[request];
  }

 private:
  void serve() {
    while (true) {
      const UniqueFd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!connection) return;
      const std::string answer = answer_to(receive(connection.get()));
      (void)::send(connection.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
    }
  }
  static std::string receive(int fd) {
    std::string text;
    std::size_t whole = std::string::npos;
    std::array<char, 4096> buffer{};
    while (text.size() < whole) {
      const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
      if (got <= 0) break;
      text.append(buffer.data(), static_cast<std::size_t>(got));
      const std::size_t end = text.find("\r\n\r\n");
      if (whole != std::string::npos || end == std::string::npos) continue;
      const std::size_t length = text.find("\r\nContent-Length: ");
      whole = end + 4 + (length < end ? std::stoul(text.substr(length + 18)) : 0);
    }
    return text;
  }
  std::string answer_to(const std::string& request) {
    const std::lock_guard guard(mutex_);
    const std::string what = request.substr(0, request.find(" HTTP/"));
    asked_.push_back(what);
    bodies_[what] = request.substr(request.find("\r\n\r\n") + 4);
    std::pair<std::string, std::string> answer{"404 Not Found", ""};
    if (const auto found = answers_.find(what); found != answers_.end()) {
      answer = found->second.front();
      if (found->second.size() > 1) found->second.erase(found->second.begin());
    }
    return "HTTP/1.1 " + answer.first + "\r\nContent-Length: " + std::to_string(answer.second.size()) +
           "\r\nConnection: close\r\n\r\n" + (what.starts_with("HEAD") ? "" : answer.second);
  }

  UniqueFd listener_;
  std::string url_;
  std::thread thread_;
  std::mutex mutex_;  ///< of what follows
  std::map<std::string, std::vector<std::pair<std::string, std::string>>> answers_;
  std::vector<std::string> asked_;
  std::map<std::string, std::string> bodies_;
};

std::array<std::uint8_t, 32> secret_of(unsigned char byte) {
  std::array<std::uint8_t, 32> secret{};
  secret.fill(byte);
  return secret;
}

/// A message of any type, rightly signed.
Json message_of(const Account& account, const std::string& type, Json content) {
  if (!content.contains("address")) content["address"] = account.address();
  const std::string text = content.dump();
  const std::string hash = sha256(text).hex();
  return {{"sender", account.address()},     {"chain", account.chain()},
          {"type", type},                    {"channel", "C"},
          {"item_type", "inline"},           {"item_content", text},
          {"item_hash", hash},
          {"signature", account.sign(signed_text(account.chain(), account.address(), type, hash))}};
}

Json store_of(const Account& account, const std::string& file_hash, double time = 1, const std::string& ref = "") {
  Json content{{"item_type", "storage"}, {"item_hash", file_hash}, {"time", time}};
  if (!ref.empty()) content["ref"] = ref;
  return message_of(account, "STORE", content);
}

std::string hash_of(const Json& message) {
  return message["item_hash"];
}

/// Two nodes and a store.
struct Network {
  TestStore box{};
  Node one{};
  Node two{};
  Account account{"ETH", secret_of(1)};

  Network() {
    for (const char* name : {"http_proxy", "all_proxy", "ALL_PROXY"}) ::unsetenv(name);
  }
  [[nodiscard]] NodeApi api() { return {{{one.url(), two.url()}, {}}, {.rounds = 1}, box.reporter}; }
  [[nodiscard]] PulledFile pull(const std::string& hash) {
    const HttpFetcher fetcher(box.store, box.reporter, {.rounds = 1});
    return pull_file(hash, api(), fetcher);
  }
};

std::vector<std::string> names_of(const PulledFile& pulled) {
  std::vector<std::string> names;
  for (const PullCheck& check : pulled.checks) names.push_back(check.name + (check.proven ? "" : "?"));
  return names;
}

const std::string kBytes = "the bytes of an image";
const std::string kHash = sha256(kBytes).hex();
const std::string kNoMessage(64, '0');

}  // namespace

TEST_CASE("a STORE message leads to its file, and a hash without a message is a file's") {
  Network net;
  const Json store = store_of(net.account, kHash);
  net.two.has_message(store);
  net.two.has_file(kHash, kBytes);
  const PulledFile pulled = net.pull(hash_of(store));
  CHECK(pulled.file_hash == kHash);
  CHECK(pulled.sha256 == sha256(kBytes));
  CHECK(net.box.store.read_blob(pulled.sha256) == kBytes);
  CHECK(pulled.store_message->message.item_hash == hash_of(store));
  CHECK(names_of(pulled) == std::vector<std::string>{"message", "file"});
  const PulledFile file = net.pull(kHash);
  CHECK(file.file_hash == kHash);
  CHECK_FALSE(file.store_message);
  CHECK(names_of(file) == std::vector<std::string>{"file"});
}

TEST_CASE("a node that gives other bytes is passed over, and alone it is an integrity error") {
  Network net;
  net.one.has_file(kHash, "other bytes");
  net.two.has_file(kHash, kBytes);
  CHECK(net.pull(kHash).sha256 == sha256(kBytes));
  Network lying;
  lying.one.has_file(kHash, "other bytes");
  CHECK(error_kind([&] { (void)lying.pull(kHash); }) == ErrorKind::integrity);
}

TEST_CASE("a file of a CID is the one whose bytes give it") {
  Network net;
  const fs::path image = net.box.folder() / "image";
  atomic_write(image, kBytes);
  const std::string cid = hash_file(image, 1).cid_v0;
  net.one.has_file(cid, "other bytes");
  net.two.has_file(cid, kBytes);
  const PulledFile pulled = net.pull(cid);
  CHECK(pulled.file_hash == cid);
  CHECK(pulled.sha256 == sha256(kBytes));
  CHECK(net.box.store.has_blob(sha256(kBytes)));
  for (const char* hash : {"", "abc", "bafkreifwnfvjjzhrcgm7kdcu6zzddaw6mbugepmvmojrofacdvfvnghkcy"}) {
    INFO(hash);
    CHECK(error_kind([&] { (void)net.pull(hash); }) == ErrorKind::usage);
  }
  CHECK(is_network_hash(cid));
  CHECK(is_network_hash(kHash));
  for (const char* text : {"", "runtime.squashfs", "./a", "Qm", "0xff"}) CHECK_FALSE(is_network_hash(text));
}

TEST_CASE("a program leads over its runtime to the newest update that its owner signed") {
  Network net;
  const Account stranger("ETH", secret_of(2));
  const Json original = store_of(net.account, kNoMessage, 1);
  const std::string ref = hash_of(original);
  const Json newest = store_of(net.account, kHash, 3, ref);
  const Json program = message_of(net.account, "PROGRAM", {{"runtime", {{"ref", ref}}}});
  const std::string updates = "GET /api/v0/messages.json?msgTypes=STORE&refs=" + ref +
                              "&owners=" + net.account.address() + "&sortOrder=-1&pagination=20&page=1";
  Json forged = store_of(net.account, kNoMessage, 9, ref);
  forged["signature"] = net.account.sign("another text");
  net.one.has_message(program);
  net.two.has_message(original);
  net.two.has_file(kHash, kBytes);
  // One node holds the newest back; what is a stranger's, of another file or not signed does not count.
  net.one.on(updates, Json{{"messages", {store_of(net.account, kNoMessage, 2, ref)}}}.dump());
  net.two.on(updates, Json{{"messages",
                            {forged, store_of(stranger, kNoMessage, 8, ref), store_of(net.account, kNoMessage, 7, "R"),
                             newest, store_of(net.account, kNoMessage, 2.5, ref),
                             message_of(net.account, "POST", {{"ref", ref}, {"time", 6}}), 7}}}
                          .dump());
  const PulledFile pulled = net.pull(hash_of(program));
  CHECK(pulled.file_hash == kHash);
  CHECK(pulled.store_message->message.item_hash == hash_of(newest));
  CHECK(names_of(pulled) == std::vector<std::string>{"message", "message", "message", "update?", "file"});
}

TEST_CASE("an instance that wants its very runtime gets that, and one whose runtime has no update too") {
  Network net;
  const Json original = store_of(net.account, kHash);
  const auto instance = [&](bool latest) {
    return message_of(net.account, "INSTANCE",
                      {{"rootfs", {{"parent", {{"ref", hash_of(original)}, {"use_latest", latest}}}}}});
  };
  net.one.has_message(instance(true));
  net.one.has_message(instance(false));
  net.one.has_message(original);
  net.one.has_file(kHash, kBytes);
  CHECK(names_of(net.pull(hash_of(instance(false)))) == std::vector<std::string>{"message", "message", "file"});
  const PulledFile latest = net.pull(hash_of(instance(true)));
  CHECK(names_of(latest) == std::vector<std::string>{"message", "message", "update?", "file"});
  CHECK_THAT(latest.checks.at(2).text, ContainsSubstring("no update of " + hash_of(original)));
  const Json lost = message_of(net.account, "PROGRAM", {{"runtime", {{"ref", kNoMessage}}}});
  net.one.has_message(lost);
  CHECK_THAT(error_text([&] { (void)net.pull(hash_of(lost)); }),
             ContainsSubstring("the network has no message " + kNoMessage));
}

TEST_CASE("who publishes in another's name needs that one's leave, for this type, chain and channel") {
  const std::string owner = Account("ETH", secret_of(2)).address();
  const auto may = [&](const Json& grant) {
    Network net;
    const Json store = message_of(net.account, "STORE", {{"address", owner}, {"item_hash", kHash}});
    net.one.has_message(store);
    net.one.has_file(kHash, kBytes);
    net.one.on("GET /api/v0/aggregates/" + owner + ".json?keys=security",
               Json{{"data", {{"security", {{"authorizations", {grant}}}}}}}.dump());
    std::vector<std::string> names;
    const auto kind = error_kind([&] { names = names_of(net.pull(hash_of(store))); });
    if (!kind) CHECK(names == std::vector<std::string>{"message", "delegation?", "file"});
    if (kind) CHECK(kind == ErrorKind::integrity);
    return !kind;
  };
  const std::string sender = Account("ETH", secret_of(1)).address();
  CHECK(may({{"address", sender}}));
  CHECK(may({{"address", sender}, {"types", {"POST", "STORE"}}, {"channels", {"C"}}, {"chain", "ETH"}}));
  CHECK(may({{"address", sender}, {"types", Json::array()}}));
  CHECK_FALSE(may({{"address", owner}}));
  CHECK_FALSE(may({{"address", sender}, {"types", {"POST"}}}));
  CHECK_FALSE(may({{"address", sender}, {"channels", {"D"}}}));
  CHECK_FALSE(may({{"address", sender}, {"chain", "SOL"}}));
  CHECK_FALSE(may("all"));
}

TEST_CASE("a node that lies about a message is passed over, and told of when nobody tells the truth") {
  Network net;
  const Json store = store_of(net.account, kHash);
  const Json other = store_of(net.account, kNoMessage);
  const std::string path = "GET /api/v0/messages/" + hash_of(store);
  net.one.on(path, other.dump());
  const auto find = [&] { (void)net.api().find_message(hash_of(store)); };
  CHECK(error_kind(find) == ErrorKind::integrity);
  CHECK_THAT(error_text(find), ContainsSubstring("gave another message than " + hash_of(store)));
  net.two.has_message(store);
  CHECK(net.api().find_message(hash_of(store))->content == store["item_content"].get<std::string>());
}

TEST_CASE("a message that one node has not processed may be had from another") {
  Network net;
  const Json store = store_of(net.account, kHash);
  net.one.has_message(store, "pending");
  const auto find = [&] { return net.api().find_message(hash_of(store)); };
  CHECK_THAT(error_text([&] { (void)find(); }),
             ContainsSubstring("as pending") && ContainsSubstring("try again in a minute"));
  CHECK(error_kind([&] { (void)find(); }) == ErrorKind::failed);
  net.two.has_message(store);
  CHECK(find()->item_hash == hash_of(store));
  net.one.has_message(store, "rejected");
  CHECK(find()->item_hash == hash_of(store));
}

TEST_CASE("that there is no message is said by nodes that answer, and else an error") {
  Network net;
  const std::string path = "GET /api/v0/messages/" + kNoMessage;
  CHECK_FALSE(net.api().find_message(kNoMessage));
  net.one.on(path, "", "503 Service Unavailable");
  CHECK_FALSE(net.api().find_message(kNoMessage));
  net.two.on(path, "", "503 Service Unavailable");
  const auto find = [&] { (void)net.api().find_message(kNoMessage); };
  CHECK(error_kind(find) == ErrorKind::failed);
  CHECK_THAT(error_text(find), ContainsSubstring("no node of the network can be reached") &&
                                   ContainsSubstring(net.one.url() + ": HTTP 503") &&
                                   ContainsSubstring("--api"));
  const NodeApi offline({{net.one.url()}, {}}, {.offline = true}, net.box.reporter);
  CHECK_THAT(error_text([&] { (void)offline.find_message(kNoMessage); }), ContainsSubstring("--offline"));
}

TEST_CASE("a message's content in a file of its own comes from the node, and is held against its hash") {
  Network net;
  const std::string content =
      R"({"address":")" + net.account.address() + R"(","item_type":"storage","item_hash":")" + kHash + "\"}";
  const std::string hash = sha256(content).hex();
  Json store = store_of(net.account, kHash);
  store.erase("item_content");
  store["item_type"] = "storage";
  store["item_hash"] = hash;
  store["signature"] = net.account.sign(signed_text("ETH", net.account.address(), "STORE", hash));
  net.one.has_message(store);
  net.two.has_message(store);
  CHECK_THAT(error_text([&] { (void)net.api().find_message(hash); }),
             ContainsSubstring("no node has the content"));
  net.one.has_file(hash, content + " ");
  CHECK(error_kind([&] { (void)net.api().find_message(hash); }) == ErrorKind::integrity);
  net.two.has_file(hash, content);
  CHECK(net.api().find_message(hash)->content == content);
}

TEST_CASE("hosts are the network's own where none are named, without slashes at their ends") {
  const NetworkHosts hosts = with_defaults({.apis = {"http://a//", "http://b"}, .gateways = {}});
  CHECK(hosts.apis == std::vector<std::string>{"http://a", "http://b"});
  CHECK_FALSE(hosts.gateways.empty());
  CHECK(with_defaults({.apis = {}, .gateways = {"http://g/ipfs/"}}).gateways ==
        std::vector<std::string>{"http://g/ipfs"});
  TestStore box;
  const NodeApi api({{"http://a", "http://b"}, {"http://g/ipfs"}}, {}, box.reporter);
  CHECK(api.file_urls("Qm1") == std::vector<std::string>{"http://g/ipfs/Qm1", "http://a/api/v0/storage/raw/Qm1",
                                                         "http://b/api/v0/storage/raw/Qm1"});
  CHECK(api.file_urls(kHash).front() == "http://a/api/v0/storage/raw/" + kHash);
}

TEST_CASE("a node's limits, status and files are read as far as it tells them") {
  Network net;
  const NodeApi api = net.api();
  net.one.on("GET /api/v0/storage/limits.json",
             R"({"storage":{"max_file_size":5},"ipfs":{"max_upload_file_size":-7}})");
  CHECK(api.upload_limits(net.one.url())->storage == 5);
  CHECK(api.upload_limits(net.one.url())->ipfs == UploadLimits{}.ipfs);
  CHECK(api.upload_limits(net.two.url())->storage == UploadLimits{}.storage);
  CHECK_FALSE(api.upload_limits("http://127.0.0.1:1"));
  net.one.on("HEAD /api/v0/storage/raw/" + kHash, kBytes);
  CHECK(api.has_file(net.one.url(), kHash, kBytes.size()));
  CHECK_FALSE(api.has_file(net.one.url(), kHash, kBytes.size() + 1));
  CHECK_FALSE(api.has_file(net.two.url(), kHash, kBytes.size()));
  for (const auto& [text, detail] : std::map<std::string, std::string>{
           {R"({"status":"rejected","error_code":5,"details":{"a":"\u001b[0m"}})",
             "the balance is not enough: {\"a\":"},
           {R"({"status":"rejected","error_code":77})", "error code 77"},
           {R"({"status":"rejected"})", ""}}) {
    Node node;
    node.on("GET /api/v0/messages/H", text);
    const MessageStatus status = api.message_status(node.url(), "H");
    CHECK(status.status == "rejected");
    CHECK_THAT(status.detail, Catch::Matchers::StartsWith(detail) && !ContainsSubstring("\x1b"));
  }
  CHECK(api.message_status(net.one.url(), "H").status.empty());
}

namespace {

/// An image to publish through the nodes of a network.
struct Publication {
  Network net{};
  fs::path image = net.box.folder() / "image";
  PublishRequest request{};

  Publication() {
    atomic_write(image, kBytes);
    request = {.image = image, .hashes = hash_file(image, 1)};
  }
  [[nodiscard]] PublishOutcome publish() { return publish_image(request, net.account, net.api(), net.box.reporter); }
  [[nodiscard]] fs::path state() const { return image.string() + ".publish.json"; }
  /// The message of a try before, so that its hash is known.
  std::string begin() {
    const SignedMessage message =
        sign_store_message({.item_type = "storage", .file_hash = kHash, .time = 12.5}, net.account);
    atomic_write(state(), Json{{"item_hash", message.item_hash}, {"time", 12.5}}.dump());
    return message.item_hash;
  }
};

const std::string kUpload = "POST /api/v0/storage/add_file";

}  // namespace

TEST_CASE("an image is sent with its message, and is published once the network has processed it") {
  Publication work;
  const std::string hash = work.begin();
  Node& node = work.net.one;
  node.on("GET /api/v0/messages/" + hash, "", "404 Not Found");
  node.on("GET /api/v0/messages/" + hash, R"({"status":"processed"})");
  node.on(kUpload, R"({"hash":")" + kHash + "\"}");
  const PublishOutcome outcome = work.publish();
  CHECK(outcome.status == "processed");
  CHECK(outcome.message.item_hash == hash);
  CHECK(outcome.item_type == "storage");
  CHECK(outcome.file_hash == kHash);
  CHECK(outcome.api == node.url());
  CHECK_THAT(node.body_of(kUpload),
             ContainsSubstring(hash) && ContainsSubstring("\r\n\r\n" + kBytes + "\r\n"));
  CHECK_FALSE(fs::exists(work.state()));
  CHECK(work.net.two.asked().empty());
}

TEST_CASE("a file that the node has already is not sent again") {
  Publication work;
  const std::string hash = work.begin();
  Node& node = work.net.one;
  node.on("HEAD /api/v0/storage/raw/" + kHash, kBytes);
  node.on("POST /api/v0/messages", "{}", "202 Accepted");
  node.on("GET /api/v0/messages/" + hash, "", "404 Not Found");
  node.on("GET /api/v0/messages/" + hash, R"({"status":"processed"})");
  CHECK(work.publish().status == "processed");
  const Json sent = Json::parse(node.body_of("POST /api/v0/messages"));
  CHECK(sent["message"]["item_hash"] == hash);
  CHECK(sent["sync"] == true);
  for (const std::string& what : node.asked()) CHECK(what != kUpload);
}

TEST_CASE("a message that the network has processed is not sent a second time") {
  Publication work;
  const std::string hash = work.begin();
  work.net.one.on("GET /api/v0/messages/" + hash, R"({"status":"processed"})");
  CHECK(work.publish().message.item_hash == hash);
  for (const std::string& what : work.net.one.asked()) CHECK(what.starts_with("GET"));
  CHECK_FALSE(fs::exists(work.state()));
}

TEST_CASE("a node that is in trouble is passed over, and a refusal is explained") {
  Publication work;
  (void)work.begin();
  work.net.one.on(kUpload, "", "503 Service Unavailable");
  work.net.two.on(kUpload, R"({"message":"no\u001b credits"})", "402 Payment Required");
  const std::string text = error_text([&] { (void)work.publish(); });
  CHECK_THAT(text, ContainsSubstring("the address cannot pay for the file (HTTP 402)") &&
                       ContainsSubstring(work.net.two.url() + ": no? credits"));
  // What was signed is kept for the next try.
  CHECK(fs::exists(work.state()));
  for (const auto& [status, words] : std::map<std::string, std::string>{
           {"403 Forbidden", "does not accept the signature"},
           {"413 Payload Too Large", "larger than the node takes"},
           {"422 Unprocessable Entity", "does not accept the message"},
           {"418 I'm a teapot", "refused: HTTP 418"}}) {
    Publication refused;
    (void)refused.begin();
    refused.net.one.on(kUpload, "{}", status);
    CHECK_THAT(error_text([&] { (void)refused.publish(); }), ContainsSubstring(words));
    CHECK(fs::exists(refused.state()) == !status.starts_with("422"));
  }
}

TEST_CASE("a node that has another file than was sent is not believed") {
  Publication work;
  (void)work.begin();
  work.net.one.on(kUpload, R"({"hash":")" + kNoMessage + "\"}");
  const auto publish = [&] { (void)work.publish(); };
  CHECK(error_kind(publish) == ErrorKind::integrity);
  CHECK_THAT(error_text(publish),
             ContainsSubstring("sent     " + kHash) && ContainsSubstring("node has " + kNoMessage));
}

TEST_CASE("a dry run sends and keeps nothing, and chooses the storage by size") {
  Publication work;
  work.request.dry_run = true;
  CHECK(work.publish().status == "dry run");
  CHECK(work.publish().item_type == "storage");
  CHECK_FALSE(fs::exists(work.state()));
  work.request.hashes.size = UploadLimits{}.storage + 1;
  const PublishOutcome large = work.publish();
  CHECK(large.item_type == "ipfs");
  CHECK(large.file_hash == work.request.hashes.cid_v0);
  work.request.storage = "storage";
  CHECK_THAT(error_text([&] { (void)work.publish(); }), ContainsSubstring("try --storage ipfs"));
  work.request.hashes.size = UploadLimits{}.ipfs + 1;
  work.request.storage = "auto";
  CHECK_THAT(error_text([&] { (void)work.publish(); }),
             ContainsSubstring("as ipfs") && ContainsSubstring("inspect --sizes"));
  CHECK(work.net.one.asked().empty());
}

TEST_CASE("the message of a former try is taken up only if it says the same") {
  Publication work;
  work.request.dry_run = true;
  const std::string hash = work.begin();
  CHECK(work.publish().message.item_hash == hash);
  work.request.metadata["a"] = "b";
  CHECK(work.publish().message.item_hash != hash);
  work.request.metadata.clear();
  for (const char* text : {"", "{}", "[]", R"({"time":"12.5"})", R"({"item_hash":"x","time":12.5})"}) {
    atomic_write(work.state(), text);
    CHECK(work.publish().message.item_hash != hash);
  }
}

TEST_CASE("[expect] is not written where that would change what the manifest says") {
  const TempDir folder(fs::temp_directory_path(), "alephc-test");
  const fs::path file = folder.path() / "runtime.toml";
  for (const std::string& text :
       {std::string("schema = 1\nexpect = { max_size = \"1M\" }\n"), std::string("text = \"\"\"\n[expect]\n\"\"\"\n"),
        std::string("[expect]\nitem_hash = \"\"\"\nold\"\"\"\n"), std::string("[expect\n")}) {
    INFO(text);
    atomic_write(file, text);
    const auto write = [&] { write_expectation(file, "F", "M"); };
    CHECK(error_kind(write) == ErrorKind::failed);
    CHECK(read_file(file) == text);
  }
  atomic_write(file, "[expect] # ours\nmessage=\"old\"\n  item_hash = \"old\"\n[x]\nitem_hash = \"kept\"\n");
  write_expectation(file, "F", "M");
  CHECK(read_file(file) == "[expect] # ours\nitem_hash = \"F\"\nmessage = \"M\"\n[x]\nitem_hash = \"kept\"\n");
}

}  // namespace alephc
