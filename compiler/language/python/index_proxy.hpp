// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.hpp"
#include "base/reporter.hpp"
#include "fetch/fetcher.hpp"
#include "store/store.hpp"

namespace alephc {

/// The package indexes of a project, for a pip that runs in a sandbox without network and without credentials. It asks
/// http://127.0.0.1:PORT/index/N/… for pages (PEP 503) and for the files that these link to; alephc fetches them outside,
/// with the user's credentials, certificates and proxies. Nothing else can be had: addresses come from the manifest and
/// from pages of the indexes, never from a request, and a page of a public index leads to public hosts only.
class IndexProxy {
 public:
  /// Serves on a listening socket, in a thread of its own, until the object is destroyed.
  IndexProxy(UniqueFd listener, std::uint16_t port, const Store& store, const FetchOptions& options);
  ~IndexProxy();
  IndexProxy(const IndexProxy&) = delete;
  IndexProxy& operator=(const IndexProxy&) = delete;

  /// The address under which the sandbox finds an index.
  [[nodiscard]] std::string add_index(const std::string& url);

  /// What could not be had, without credentials: "ADDRESS: why".
  [[nodiscard]] std::vector<std::string> failures();

 private:
  struct Reply {
    int status = 404;
    std::string type{};
    std::string body{};
    UniqueFd file{};  ///< in place of body
  };

  struct Link {
    std::string url{};
    bool must_be_public = false;  ///< as its page is
  };

  void serve();
  void answer(int connection);
  [[nodiscard]] Reply reply_to(const std::string& path);
  [[nodiscard]] Reply index_page(std::size_t index, const std::string& rest);
  [[nodiscard]] Reply linked_file(std::size_t link, bool metadata);
  [[nodiscard]] std::string rewritten(const FetchedText& page);
  [[nodiscard]] std::size_t link_number(const Link& link);
  void note_failure(const std::string& text);

  UniqueFd listener_;
  std::string address_;
  const Store& store_;
  Reporter silent_;
  HttpFetcher fetcher_;
  HttpFetcher public_fetcher_;  ///< for links of public pages
  std::mutex mutex_;            ///< of what follows
  std::vector<std::string> indexes_;
  std::vector<Link> links_;
  std::map<std::string, std::size_t> numbers_;
  std::vector<std::string> failures_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

/// A requirements file with the indexes that it names replaced, line by line: `replace` maps an address. Throws an Error
/// of kind failed for --find-links, which names no index.
[[nodiscard]] std::string with_indexes(const std::string& file, const std::string& text,
                                       const std::function<std::string(const std::string&)>& replace);

}  // namespace alephc
