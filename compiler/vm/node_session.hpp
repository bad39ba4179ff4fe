// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/json.hpp"
#include "base/reporter.hpp"
#include "vm/machine.hpp"

namespace alephc {

using GuestMessage = nlohmann::json;

/// What a node would say to the init of a machine that it starts; byte strings are JSON's binary values.
struct GuestProgram {
  std::string interface = "executable";
  std::string encoding = "plain";
  std::string entrypoint{};
  std::string code{};  ///< empty for squashfs
  std::map<std::string, std::string> variables{};
  std::vector<std::string> authorized_keys{};
  struct Volume {
    std::string mount{};
    std::string device{};
    bool read_only = false;
  };
  std::vector<Volume> volumes{};
  bool network = true;
};

struct GuestReply {
  enum class Kind { response, error, nothing, garbage };
  Kind kind = Kind::nothing;
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string body{};  ///< of a response; the traceback of an error
  double seconds = 0;
};

/// Plays the node's part over vsock: ready message, one configuration, any number of requests, halt. Names of
/// aleph.im's wire protocol; time limits are a node's, times ten without KVM.
class NodeSession {
 public:
  explicit NodeSession(Machine& machine);
  ~NodeSession();

  /// The version that the init announced ("1.0.0" for a bare connection). Throws an Error that shows the
  /// console when it does not come.
  std::string wait_ready();
  /// The reply's map; an Error when none comes.
  GuestMessage configure(const GuestMessage& configuration);
  /// Bytes to the control port, the answer up to its end; nothing when the guest does not listen.
  [[nodiscard]] std::optional<std::string> exchange(const std::string& bytes,
                                                    std::chrono::seconds limit) const;
  [[nodiscard]] GuestReply request(const GuestMessage& scope, std::chrono::seconds limit) const;
  /// The lines that came; "STOP", "STOPZ" when all is well.
  [[nodiscard]] std::vector<std::string> halt() const;

  [[nodiscard]] std::chrono::seconds patience(int node_seconds) const;

 private:
  void serve_guest_api();
  [[nodiscard]] bool await_request(int client) const;

  Machine& machine_;
  UniqueFd ready_;
  UniqueFd guest_api_;
  UniqueFd stop_;
  std::thread api_thread_;
};

/// A machine whose init has announced itself.
struct BootedMachine {
  std::unique_ptr<Machine> machine{};
  std::unique_ptr<NodeSession> session{};
  std::string version{};
  long ready_ms = 0;
};
/// Boots, and where KVM turns out to be unable to run this
/// guest (accel = "auto") says so and emulates instead.
[[nodiscard]] BootedMachine boot_machine(const MachineSpec& spec,
                                         const std::function<void(const std::string&)>& on_line,
                                         Reporter& reporter);

[[nodiscard]] GuestMessage configuration_message(const GuestProgram& program);
/// The scope of an HTTP request as a node makes it: target is the path with its query, percent-encoded.
[[nodiscard]] GuestMessage http_scope(const std::string& method, const std::string& target,
                                      const std::vector<std::pair<std::string, std::string>>& headers,
                                      const std::string& body);
/// Of the reply to a configuration. A guest may say anything: a
/// value of another type counts as failure, and as an empty text.
[[nodiscard]] bool succeeded(const GuestMessage& reply);
[[nodiscard]] std::string text_member(const GuestMessage& map, const char* key);
[[nodiscard]] GuestReply parse_reply(const std::string& bytes);
/// Hash that stands in for the message's.
inline constexpr const char* kFakeHash = "cafecafecafecafecafecafecafecafecafecafecafecafecafecafecafecafe";

}  // namespace alephc
