// SPDX-License-Identifier: MIT
#include "fetch/http_client.hpp"

#include <memory>

#include <curl/curl.h>

#include "base/diagnostic.hpp"
#include "base/interrupt.hpp"
#include "base/limits.hpp"
#include "fetch/transfer.hpp"

namespace alephc {
namespace {

constexpr std::uint64_t kLargestReply = limits::kHttpReply;

struct Exchange {
  std::string body;
  std::uint64_t limit = kLargestReply;
  const std::function<void(std::uint64_t, std::uint64_t)>* sent = nullptr;

  static std::size_t on_data(char* data, std::size_t one, std::size_t count, void* self) {
    auto* exchange = static_cast<Exchange*>(self);
    if (exchange->body.size() + one * count > exchange->limit) return 0;
    exchange->body.append(data, one * count);
    return one * count;
  }
  static int on_progress(void* self, curl_off_t /*down_total*/, curl_off_t /*down*/, curl_off_t total,
                         curl_off_t done) {
    const auto* exchange = static_cast<Exchange*>(self);
    if (exchange->sent != nullptr && total > 0)
      (*exchange->sent)(static_cast<std::uint64_t>(done), static_cast<std::uint64_t>(total));
    return interrupted() ? 1 : 0;
  }
};

struct HandleCleanup {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
using Handle = std::unique_ptr<CURL, HandleCleanup>;

class Request {
 public:
  Request(const std::string& url, const FetchOptions& options) : handle_(curl_easy_init()) {
    check(handle_ != nullptr, "curl_easy_init gives a handle");
    set_common_options(handle_.get(), url, options, connection_);
    curl_easy_setopt(handle_.get(), CURLOPT_WRITEFUNCTION, &Exchange::on_data);
    curl_easy_setopt(handle_.get(), CURLOPT_WRITEDATA, &exchange_);
    curl_easy_setopt(handle_.get(), CURLOPT_XFERINFOFUNCTION, &Exchange::on_progress);
    curl_easy_setopt(handle_.get(), CURLOPT_XFERINFODATA, &exchange_);
    curl_easy_setopt(handle_.get(), CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(handle_.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  }

  [[nodiscard]] CURL* handle() const { return handle_.get(); }
  [[nodiscard]] Exchange& exchange() { return exchange_; }

  HttpReply perform() {
    const CURLcode code = curl_easy_perform(handle_.get());
    throw_if_interrupted();
    HttpReply reply;
    curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &reply.status);
    if (code != CURLE_OK) {
      // An answer may come before everything is sent: a refusal, after which the server hangs up.
      const bool refused = reply.status >= 400 && !exchange_.body.empty();
      reply.why = why_failed(code, connection_);
      if (!refused) reply.status = 0;
    }
    curl_off_t length = 0;
    curl_easy_getinfo(handle_.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (length > 0) reply.length = static_cast<std::uint64_t>(length);
    reply.body = std::move(exchange_.body);
    return reply;
  }

 private:
  Handle handle_;
  Connection connection_;
  Exchange exchange_;
};

struct ListFree {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct FormFree {
  void operator()(curl_mime* form) const { curl_mime_free(form); }
};

}  // namespace

HttpReply HttpClient::get(const std::string& url, std::uint64_t limit) const {
  Request request(url, options_);
  request.exchange().limit = limit;
  return request.perform();
}

HttpReply HttpClient::head(const std::string& url) const {
  Request request(url, options_);
  curl_easy_setopt(request.handle(), CURLOPT_NOBODY, 1L);
  return request.perform();
}

HttpReply HttpClient::post_json(const std::string& url, const std::string& json) const {
  Request request(url, options_);
  const std::unique_ptr<curl_slist, ListFree> headers(
      curl_slist_append(nullptr, "Content-Type: application/json"));
  curl_easy_setopt(request.handle(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(request.handle(), CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(request.handle(), CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(json.size()));
  curl_easy_setopt(request.handle(), CURLOPT_POSTFIELDS, json.c_str());
  // The node may wait for the network: sync takes up to 30 s.
  curl_easy_setopt(request.handle(), CURLOPT_LOW_SPEED_TIME, 60L);
  return request.perform();
}

HttpReply HttpClient::post_form(const std::string& url, const std::vector<FormPart>& parts,
                                long reply_seconds,
                                const std::function<void(std::uint64_t, std::uint64_t)>& sent) const {
  Request request(url, options_);
  const std::unique_ptr<curl_mime, FormFree> form(curl_mime_init(request.handle()));
  for (const FormPart& part : parts) {
    curl_mimepart* each = curl_mime_addpart(form.get());
    curl_mime_name(each, part.name.c_str());
    if (part.file.empty())
      curl_mime_data(each, part.text.data(), part.text.size());
    else if (curl_mime_filedata(each, part.file.c_str()) != CURLE_OK)
      throw Error(ErrorKind::failed, "cannot read " + part.file.string());
    if (!part.content_type.empty()) curl_mime_type(each, part.content_type.c_str());
  }
  request.exchange().sent = &sent;
  curl_easy_setopt(request.handle(), CURLOPT_TIMEOUT, 0L);  // as long as it moves: the file may be large
  curl_easy_setopt(request.handle(), CURLOPT_MIMEPOST, form.get());
  curl_easy_setopt(request.handle(), CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(request.handle(), CURLOPT_LOW_SPEED_LIMIT, 1L);  // while the server thinks nothing moves
  curl_easy_setopt(request.handle(), CURLOPT_LOW_SPEED_TIME, reply_seconds);
  return request.perform();
}

}  // namespace alephc
