// SPDX-License-Identifier: MIT
#include "network/publish.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/interrupt.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "manifest/merge.hpp"
#include "manifest/value.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

constexpr long kReplySeconds = 600;  // a node hashes what it got before it answers
constexpr int kPolls = 30;           // seconds that a pending message is watched

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// What a node says beside its status.
std::string words_of(const HttpReply& reply) {
  const Json json = parse_shallow<Json>(reply.body);
  std::string words;
  for (const char* key : {"message", "error", "reason", "detail", "details"})
    if (words.empty() && json.is_object() && json.contains(key))
      words = json[key].is_string() ? json[key].get<std::string>() : json_text(json[key]);
  if (words.empty()) words = reply.body.substr(0, 300);
  return printable(std::string(trim(words)));
}

struct Refusal {
  long status;
  const char* what;
  const char* hint;
};
constexpr long kUnprocessable = 422;
constexpr Refusal kRefusals[] = {
    {402, "the address cannot pay for the file", "add credits to it, or choose another way with --payment"},
    {403, "the node does not accept the signature",
     "is --address another's, which has not allowed yours to publish?"},
    {413, "the file is larger than the node takes",
     "--storage ipfs takes more; or make the image smaller: alephc inspect --sizes"},
    {kUnprocessable, "the node does not accept the message", "the node's words say why"},
};

/// Of this node, while another may take it: it cannot be talked to, is too busy, or too old.
bool is_node_trouble(long status) {
  const bool redirect = status >= 300 && status < 400;  // a POST is not sent on to others
  return status == 0 || status >= 500 || redirect || status == 404 || status == 405 || status == 429;
}

class Publisher {
 public:
  Publisher(const PublishRequest& request, const Account& account, const NodeApi& api, Reporter& reporter)
      : request_(request),
        account_(account),
        api_(api),
        reporter_(reporter),
        state_file_(request.image.string() + ".publish.json"),
        hashes_(request.hashes) {}

  PublishOutcome run() {
    out_.size = hashes_.size;
    out_.sha256 = hashes_.sha256.hex();
    out_.cid_v0 = hashes_.cid_v0;
    if (request_.dry_run) {
      choose_storage(UploadLimits{});
      if (!recall()) sign();
      out_.status = "dry run";
      return std::move(out_);
    }
    send();
    return std::move(out_);
  }

 private:
  void choose_storage(const UploadLimits& limits) {
    out_.item_type = request_.storage;
    if (request_.storage == "auto") out_.item_type = hashes_.size <= limits.storage ? "storage" : "ipfs";
    const std::uint64_t limit = out_.item_type == "ipfs" ? limits.ipfs : limits.storage;
    if (hashes_.size > limit)
      throw Error(ErrorKind::failed,
                  "the image has " + human_size(hashes_.size) + ", and the node takes " + human_size(limit) +
                      " as " + out_.item_type,
                  out_.item_type == "storage" ? "try --storage ipfs"
                                              : "'alephc inspect --sizes' shows what is large");
    out_.file_hash = out_.item_type == "ipfs" ? hashes_.cid_v0 : out_.sha256;
  }

  [[nodiscard]] StoreRequest store_request(double time) const {
    return {.address = request_.address,
            .item_type = out_.item_type,
            .file_hash = out_.file_hash,
            .ref = request_.ref,
            .payment = request_.payment,
            .channel = request_.channel,
            .recipe = request_.recipe,
            .metadata = request_.metadata,
            .time = time};
  }

  /// Takes up the message of an interrupted try if it says the same.
  bool recall() {
    const auto text = read_file_if_exists(state_file_);
    const SortedJson state = parse_shallow(text.value_or(""));
    if (!state.is_object() || !state.contains("time") || !state["time"].is_number()) return false;
    SignedMessage again = sign_store_message(store_request(state["time"].get<double>()), account_);
    if (again.item_hash != text_at(state, "item_hash")) return false;
    out_.message = std::move(again);
    return true;
  }

  void sign() {
    const double time = now();
    out_.message = sign_store_message(store_request(time), account_);
    if (!request_.dry_run)
      atomic_write(state_file_,
                   json_text(Json{{"item_hash", out_.message.item_hash}, {"time", time}}) + "\n");
  }

  /// By the limits of the first node that answers; false when this one does not.
  bool have_message(const std::string& api) {
    if (!out_.message.item_hash.empty()) return true;
    const auto limits = api_.upload_limits(api);
    if (!limits) return false;
    choose_storage(*limits);
    if (!recall()) sign();
    return true;
  }

  /// How this node has the message already. What the network has refused is not sent again.
  MessageStatus known_status(const std::string& api) {
    MessageStatus known = api_.message_status(api, out_.message.item_hash);
    if (known.status == "pending") return wait(api);
    if (known.status.empty() || known.status == "processed") return known;
    reporter_.note("the network has the message of the last try as " + known.status + "; signing a new one");
    sign();
    return {};
  }

  void send() {
    std::vector<std::string> failures;
    for (int round = 0; round < 3; ++round) {
      if (round > 0) std::this_thread::sleep_for(std::chrono::seconds(round));
      for (const std::string& api : api_.hosts().apis) {
        throw_if_interrupted();
        if (try_node(api, failures)) return;
      }
    }
    Diagnostic problem{.message = "no node took the image", .context = failures};
    problem.hint = "run the same command again: it goes on where it stopped";
    throw Error(ErrorKind::failed, std::move(problem));
  }

  /// False when this node cannot be talked to; refusals are Errors, since others would refuse too.
  bool try_node(const std::string& api, std::vector<std::string>& failures) {
    if (!have_message(api)) {
      failures.push_back(public_url(api) + ": does not answer");
      return false;
    }
    out_.api = api;
    MessageStatus known = known_status(api);
    if (known.status.empty()) {
      const bool has_file = api_.has_file(api, out_.file_hash, hashes_.size);
      const HttpReply reply = has_file ? send_message(api) : upload(api);
      if (is_node_trouble(reply.status)) {
        failures.push_back(public_url(api) + ": " + reply.problem());
        reporter_.detail("publish: " + failures.back());
        return false;
      }
      if (reply.status == kUnprocessable) known = api_.message_status(api, out_.message.item_hash);
      if (known.status.empty()) {
        judge(api, reply, has_file);
        known = wait(api);
      }
    }
    conclude(api, known);
    return true;
  }

  [[nodiscard]] std::string sync_json() const {
    return R"({"message":)" + out_.message.envelope + R"(,"sync":true})";
  }

  HttpReply send_message(const std::string& api) const {
    reporter_.note("the node has the file; sending the message");
    return api_.client().post_json(api + "/api/v0/messages", sync_json());
  }

  HttpReply upload(const std::string& api) const {
    const std::vector<FormPart> parts{
        {.name = "metadata", .text = sync_json(), .content_type = "application/json"},
        {.name = "file", .file = request_.image, .content_type = "application/octet-stream"}};
    const auto sent = [&](std::uint64_t done, std::uint64_t total) {
      reporter_.progress("upload  " + human_size(done) + " of " + human_size(total));
    };
    return api_.client().post_form(api + "/api/v0/" + out_.item_type + "/add_file", parts, kReplySeconds,
                                   sent);
  }

  void judge(const std::string& api, const HttpReply& reply, bool message_only) const {
    // The same message would be refused again.
    if (reply.status == kUnprocessable) fs::remove(state_file_);
    for (const Refusal& refusal : kRefusals)
      if (reply.status == refusal.status) {
        Diagnostic problem{.message =
                               std::string(refusal.what) + " (HTTP " + std::to_string(reply.status) + ")"};
        if (const std::string words = words_of(reply); !words.empty())
          problem.context.push_back(public_url(api) + ": " + words);
        problem.hint = refusal.hint;
        throw Error(ErrorKind::failed, std::move(problem));
      }
    if (reply.status >= 300)
      throw Error(ErrorKind::failed,
                  public_url(api) + " refused: HTTP " + std::to_string(reply.status) + " " + words_of(reply));
    if (message_only) return;
    const std::string hash = text_at(parse_shallow(reply.body), "hash");
    if (hash == out_.file_hash) return;
    throw Error(
        ErrorKind::integrity,
        std::vector{Diagnostic{.message = "the node has another file than was sent",
                               .context = {"sent     " + out_.file_hash, "node has " + printable(hash)},
                               .hint = "publish through another node: --api URL"}});
  }

  /// A node may answer before the network has agreed.
  MessageStatus wait(const std::string& api) const {
    MessageStatus status;
    for (int i = 0; i < kPolls; ++i) {
      status = api_.message_status(api, out_.message.item_hash);
      if (!status.status.empty() && status.status != "pending") return status;
      reporter_.progress("waiting for the network");
      throw_if_interrupted();
      std::this_thread::sleep_for(std::chrono::seconds(1));
    }
    return status;
  }

  void conclude(const std::string& api, const MessageStatus& known) {
    out_.status = known.status.empty() ? "pending" : known.status;
    if (out_.status == "pending") {
      reporter_.diagnostic({.severity = Severity::warning,
                            .message = public_url(api) + " has the message, but has not processed it yet",
                            .hint = "run the same command again to see what became of it"});
      return;
    }
    fs::remove(state_file_);
    if (out_.status == "processed") return;
    Diagnostic problem{.message =
                           "the network has the message " + out_.message.item_hash + " as " + out_.status};
    if (!known.detail.empty()) problem.context.push_back(known.detail);
    problem.hint = "mend what it says and publish again";
    throw Error(ErrorKind::failed, std::move(problem));
  }

  const PublishRequest& request_;
  const Account& account_;
  const NodeApi& api_;
  Reporter& reporter_;
  fs::path state_file_;
  const FileHashes& hashes_;
  PublishOutcome out_;
};

Value parsed(const std::string& text) {
  return parse_toml(std::make_shared<const SourceText>(SourceText{"runtime.toml", text}));
}

/// Lines were moved in a text that only a parser understands: it must say what it said, and the two hashes.
bool says_the_same(const std::string& before, const std::string& after, const std::string& file_hash,
                   const std::string& message_hash) {
  try {
    const Value now = parsed(after);
    const Value* expect = now.find("expect");
    const auto has = [&](const char* key, const std::string& value) {
      const Value* found = expect == nullptr ? nullptr : expect->find(key);
      return found != nullptr && found->text == value;
    };
    return canonical_text(parsed(before)) == canonical_text(now) && has("item_hash", file_hash) &&
           has("message", message_hash);
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

PublishOutcome publish_image(const PublishRequest& request, const Account& account, const NodeApi& api,
                             Reporter& reporter) {
  return Publisher(request, account, api, reporter).run();
}

void write_expectation(const fs::path& manifest_file, const std::string& file_hash,
                       const std::string& message_hash) {
  const std::string before = read_file(manifest_file);
  const std::vector<std::string> keys{"item_hash = \"" + file_hash + "\"",
                                      "message = \"" + message_hash + "\""};
  std::vector<std::string> lines = split(before, '\n');
  while (!lines.empty() && trim(lines.back()).empty()) lines.pop_back();
  const auto is_table = [](const std::string& line) {
    return trim(line.substr(0, line.find('#'))) == "[expect]";
  };
  if (std::none_of(lines.begin(), lines.end(), is_table)) {
    lines.emplace_back();
    lines.emplace_back("[expect]");
  }
  std::vector<std::string> out;
  bool inside = false;
  for (const std::string& line : lines) {
    if (trim(line).starts_with('[')) inside = is_table(line);
    const std::string key(trim(std::string_view(line).substr(0, line.find('='))));
    if (inside && (key == "item_hash" || key == "message")) continue;
    out.push_back(line);
    if (is_table(line)) out.insert(out.end(), keys.begin(), keys.end());
  }
  const std::string after = join(out, "\n") + "\n";
  if (!says_the_same(before, after, file_hash, message_hash))
    throw Error(ErrorKind::failed,
                "published, but [expect] of " + manifest_file.string() + " cannot be written",
                "put these lines into it: " + join(keys, "  and  "));
  atomic_write(manifest_file, after);
}

}  // namespace alephc
