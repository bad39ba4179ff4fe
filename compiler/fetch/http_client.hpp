// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "fetch/fetcher.hpp"

namespace alephc {

/// An answer of a server, whatever its status.
struct HttpReply {
  long status = 0;           ///< 0: there was none
  std::string body{};        ///< at most the limit
  std::string why{};         ///< without an answer: why
  std::uint64_t length = 0;  ///< as the server announced it, else 0

  /// "HTTP 503", or why there was no answer.
  [[nodiscard]] std::string problem() const { return status == 0 ? why : "HTTP " + std::to_string(status); }
};

/// A part of multipart/form-data: text, or a file that is read while it is sent.
struct FormPart {
  std::string name{};
  std::string text{};
  std::filesystem::path file{};
  std::string content_type{};
};

/// Requests to an API: no retries, no redirects to elsewhere that would repeat what was sent. Proxies, netrc
/// and time limits as for downloads.
class HttpClient {
 public:
  explicit HttpClient(FetchOptions options) : options_(options) {}

  [[nodiscard]] HttpReply get(const std::string& url, std::uint64_t limit = 16U << 20U) const;
  /// The head only.
  [[nodiscard]] HttpReply head(const std::string& url) const;
  [[nodiscard]] HttpReply post_json(const std::string& url, const std::string& json) const;
  /// sent(done, total) is called on the way. The server may take reply_seconds after the last byte.
  [[nodiscard]] HttpReply post_form(const std::string& url, const std::vector<FormPart>& parts,
                                    long reply_seconds,
                                    const std::function<void(std::uint64_t, std::uint64_t)>& sent) const;

 private:
  FetchOptions options_;
};

}  // namespace alephc
