// SPDX-License-Identifier: MIT
#include "network/pull.hpp"

#include "base/cid.hpp"
#include "base/diagnostic.hpp"
#include "base/text.hpp"

namespace alephc {
namespace {

constexpr std::uint64_t kLargestFile = 8ULL << 30U;

class Puller {
 public:
  Puller(const NodeApi& api, const Fetcher& fetcher) : api_(api), fetcher_(fetcher) {}

  PulledFile run(const std::string& hash) {
    std::string file_hash = hash;
    if (auto message = find_message(hash)) file_hash = follow(std::move(*message));
    out_.file_hash = file_hash;
    fetch(file_hash);
    return std::move(out_);
  }

 private:
  /// A CID is nearly always a file's: gateways may have it though no node of the network answers.
  std::optional<Message> find_message(const std::string& hash) {
    try {
      return api_.find_message(hash);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::failed || Digest::from_hex(hash)) throw;
      say("lookup", std::string("taken as a file's hash: ") + error.what(), false);
      return std::nullopt;
    }
  }

  void say(const std::string& name, const std::string& text, bool proven = true) {
    out_.checks.push_back({name, text, proven});
  }

  void say_signed(const Message& message) {
    const bool known = message.unchecked.empty();
    say("message",
        message.type + " " + message.item_hash +
            (known ? ", signed by " + message.sender : ": " + message.unchecked),
        known);
    if (message.speaks_for_himself()) return;
    if (!api_.may_speak(message))
      throw Error(ErrorKind::integrity,
                  message.sender + " published in the name of " + message.address +
                      ", which does not say that it may",
                  "its 'security' aggregate would say so");
    say("delegation", message.address + " lets " + message.sender + " speak for it, a node says", false);
  }

  /// From any message to the hash of a file.
  std::string follow(Message message) {
    say_signed(message);
    if (message.type != "STORE") {
      const RuntimeReference runtime = runtime_of(message);
      auto store = api_.find_message(runtime.ref);
      if (!store)
        throw Error(ErrorKind::failed,
                    "the network has no message " + runtime.ref + ", which " + message.item_hash + " names");
      say_signed(*store);
      message = runtime.use_latest ? newest(std::move(*store)) : std::move(*store);
    }
    out_.store_message = as_store_message(std::move(message));
    return out_.store_message->file_hash;
  }

  Message newest(Message original) {
    auto update = api_.find_update(as_store_message(original));
    if (!update) {
      say("update", "no update of " + original.item_hash + " is known to the nodes", false);
      return original;
    }
    say_signed(*update);
    say("update", "use_latest: " + update->item_hash + " is the newest that a node tells of", false);
    return std::move(*update);
  }

  /// The sha256 decides, or the CID that the bytes give by the layout of its version.
  static std::string refusal(int fd, const std::string& cid) {
    const FileHashes hashes = hash_file("/proc/self/fd/" + std::to_string(fd), 2);
    const std::string digest = cid_digest_hex(cid);
    if (cid == hashes.cid_v0 || cid == hashes.cid_v1 || digest == cid_digest_hex(hashes.cid_v0)) return {};
    return "has the CID " + hashes.cid_v0;
  }

  void fetch(const std::string& file_hash) {
    const auto sha = Digest::from_hex(file_hash);
    if (!sha && cid_digest_hex(file_hash).empty())
      throw Error(ErrorKind::usage, "'" + file_hash + "' is not a file hash of the network",
                  file_hash.starts_with("bafkrei")
                      ? "it is the CID of a single raw block, which the network does not take"
                      : "64 hex digits, or a CID: Qm… or bafy…");
    RemoteFile file{
        .digest = sha ? *sha : sha256("cid " + file_hash),
        .limit = kLargestFile,
        .urls = api_.file_urls(file_hash),
        .label = "the file " + file_hash,
        .advice = {.promise = "its hash",
                   .wrong_bytes = "whoever gave them lies or is broken: try others with --gateway and --api",
                   .missing = "name who has it with --gateway or --api"}};
    out_.sha256 = file.digest;
    if (!sha)
      file.accept = [&](int fd, const Digest& got) {
        out_.sha256 = got;
        return refusal(fd, file_hash);
      };
    fetcher_.fetch({file}, [](std::size_t) {});
    say("file", file_hash + ", the bytes give this hash");
  }

  const NodeApi& api_;
  const Fetcher& fetcher_;
  PulledFile out_;
};

}  // namespace

PulledFile pull_file(const std::string& hash, const NodeApi& api, const Fetcher& fetcher) {
  return Puller(api, fetcher).run(hash);
}

bool is_network_hash(const std::string& text) {
  return Digest::from_hex(text).has_value() || !cid_digest_hex(text).empty() || text.starts_with("bafkrei");
}

}  // namespace alephc
