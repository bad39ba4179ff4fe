// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/digest.hpp"
#include "base/reporter.hpp"
#include "store/store.hpp"

namespace alephc {

/// What people are told when a file cannot be had.
struct FetchAdvice {
  std::string promise = "the signed index";  ///< what says which bytes it has
  std::string wrong_bytes = "the mirror is broken or tampered with: try another one with --mirror";
  std::string missing =
      "give a mirror that still has it with --mirror, or move on with 'alephc lock --update'";
};

/// Whom libcurl connects to for an address, and as whom.
struct Authority {
  std::string host{};  ///< without the brackets of IPv6; empty for what is not an address
  std::string port{};
  std::string user{};  ///< as it stands in the address, decoded
  std::string password{};
};
[[nodiscard]] Authority authority_of(const std::string& url);

/// A file wanted by its hash; any of the addresses will do.
struct RemoteFile {
  Digest digest{};          ///< sha256; with accept any name of its own
  std::uint64_t size = 0;   ///< 0: unknown; a longer answer is refused
  bool resumed = true;      ///< false: nothing proves that two parts are of one file
  std::uint64_t limit = 0;  ///< of a file of unknown size: more is refused; 0: none
  std::vector<std::string> urls{};
  std::string label{};  ///< for messages: "bash 5.2.15-2+b8"
  FetchAdvice advice{};
  /// For a file whose addresses stand on the network themselves:
  /// asked once, when it is needed and urls is empty.
  std::function<std::vector<std::string>()> locate{};
  /// For a file whose sha256 is not known: says why a whole one is not the wanted one, or nothing and it
  /// enters the store under the hash that it has.
  std::function<std::string(int fd, const Digest& sha256)> accept{};
};

struct FetchOptions {
  bool offline = false;
  long connections = 16;      ///< at once
  long connect_seconds = 10;  ///< until a mirror counts as dead
  long stall_seconds = 20;    ///< without a byte until an attempt is given up
  int rounds = 3;             ///< over all addresses, with a growing pause between
  bool only_public = false;   ///< no address of this machine or its network
};

struct FetchedText {
  std::string text{};
  std::string url{};                    ///< the address that had it, behind redirects
  std::vector<std::string> failures{};  ///< "ADDRESS: why" of those asked in vain
  bool is_local = false;  ///< came from this machine or its network, or through a proxy there
};

/// Brings files and texts of the network.
class Fetcher {
 public:
  virtual ~Fetcher() = default;

  /// Gets every file that the store lacks; done(i) is called (in this thread) as soon as file i is in the
  /// store. Throws with one diagnostic for each file that no server has.
  virtual void fetch(const std::vector<RemoteFile>& files, const std::function<void(std::size_t)>& done) const = 0;

  /// A small text whose hash is not known yet: the caller verifies it before it trusts it. Tries the
  /// addresses in order; without an url when every one answered that it has no such file.
  [[nodiscard]] virtual FetchedText fetch_text(const std::vector<std::string>& urls, std::uint64_t limit) const = 0;

  [[nodiscard]] virtual bool offline() const = 0;
};

/// Downloads in parallel into the store: resumed, retried, the next mirror when one fails. Bytes are hashed
/// as they stream in and enter the store only when their hash is right.
class HttpFetcher final : public Fetcher {
 public:
  HttpFetcher(const Store& store, Reporter& reporter, FetchOptions options)
      : store_(store), reporter_(reporter), options_(options) {}

  void fetch(const std::vector<RemoteFile>& files, const std::function<void(std::size_t)>& done) const override;
  [[nodiscard]] FetchedText fetch_text(const std::vector<std::string>& urls, std::uint64_t limit) const override;
  [[nodiscard]] bool offline() const override { return options_.offline; }

 private:
  const Store& store_;
  Reporter& reporter_;
  FetchOptions options_;
};

/// The machine's own file of certificate authorities: CURL_CA_BUNDLE, SSL_CERT_FILE or REQUESTS_CA_BUNDLE;
/// empty: what libcurl takes by default.
[[nodiscard]] std::string certificate_bundle();

/// A reference found in the document at base as an absolute address; empty when it is none. (RFC 3986)
[[nodiscard]] std::string resolve_url(const std::string& base, const std::string& reference);

/// url with the user name and password of an address of the same scheme, host and port.
[[nodiscard]] std::string with_login_of(const std::string& from, const std::string& url);

/// The address without user name and password, as it may be shown.
[[nodiscard]] std::string public_url(const std::string& url);

}  // namespace alephc
