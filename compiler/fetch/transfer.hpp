// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/digest.hpp"
#include "base/fd.hpp"
#include "fetch/fetcher.hpp"

using CURL = void;

namespace alephc {

/// How one attempt ended.
enum class Outcome {
  ok,
  not_found,    ///< the mirror answers but lacks the file
  restart,      ///< the mirror cannot resume: the same again from the start
  unreachable,  ///< no connection: the mirror is left alone from now on
  transient,    ///< anything that may work the next time
  wrong_bytes,  ///< another hash or length than asked for
};

struct AttemptResult {
  Outcome outcome = Outcome::transient;
  std::string why{};
};

/// What libcurl needs of us while a transfer lasts.
struct Connection {
  std::string error_text{};
  bool only_public = false;
  bool began_public = false;  ///< from then on a redirect leads to public hosts only
  bool refused = false;       ///< an address that must not be asked
};

/// One file on its way into the store over one connection.
class Transfer {
 public:
  Transfer(const Store& store, const RemoteFile& file, const FetchOptions& options);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  /// Prepares an attempt; what an earlier one left is resumed. The handle belongs to the transfer.
  CURL* start(const std::string& url);
  AttemptResult finish(int curl_code);
  [[nodiscard]] std::uint64_t received() const { return written_; }

 private:
  static std::size_t on_data(char* data, std::size_t one, std::size_t count, void* self);
  bool take(std::string_view data);
  void open_partial();
  void drop_partial();
  [[nodiscard]] std::string why_not(const Digest& got) const;
  [[nodiscard]] AttemptResult result_of(int curl_code);

  const Store& store_;
  const RemoteFile& file_;
  const FetchOptions& options_;
  CURL* handle_ = nullptr;
  Connection connection_;
  std::filesystem::path path_;
  UniqueFd fd_;
  Sha256 hash_;
  std::uint64_t written_ = 0;
  std::uint64_t resumed_from_ = 0;  ///< bytes of an earlier attempt, perhaps of another address
  std::optional<AttemptResult> refusal_;
};

/// Plain http exposes a login to the network, except on the loopback interface. Only an address counts as
/// loopback: a name such as 127.example.org can belong to anybody.
[[nodiscard]] bool may_send_login(const std::string& url);

/// Options that every connection of ours has: protocols, redirects, proxies and certificates from the
/// environment, netrc, time-outs, addresses that are never asked.
void set_common_options(CURL* handle, const std::string& url, const FetchOptions& options, Connection& connection);
[[nodiscard]] AttemptResult judge(CURL* handle, int curl_code, const Connection& connection);
/// libcurl's words for a failure, or ours.
[[nodiscard]] std::string why_failed(int curl_code, const Connection& connection);

}  // namespace alephc
