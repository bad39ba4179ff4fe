// SPDX-License-Identifier: MIT
#include "fetch/transfer.hpp"

#include <cerrno>

#include <curl/curl.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/environment.hpp"

namespace alephc {

void set_common_options(CURL* handle, const std::string& url, const FetchOptions& options,
                        std::string& error_text) {
  curl_easy_reset(handle);
  error_text.assign(CURL_ERROR_SIZE, '\0');
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, error_text.data());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https,file");
  curl_easy_setopt(handle, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(handle, CURLOPT_MAXREDIRS, 10L);
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_OPTIONAL));
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, options.connect_seconds);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, options.stall_seconds);
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "alephc");
  curl_easy_setopt(handle, CURLOPT_PIPEWAIT, 1L);
  // libcurl itself knows only the proxy's variables.
  if (const std::string bundle = certificate_bundle(); !bundle.empty())
    curl_easy_setopt(handle, CURLOPT_CAINFO, bundle.c_str());
  if (const std::string folder = environment("SSL_CERT_DIR"); !folder.empty())
    curl_easy_setopt(handle, CURLOPT_CAPATH, folder.c_str());
}

AttemptResult judge(CURL* handle, int curl_code, const std::string& error_text) {
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  const auto code = static_cast<CURLcode>(curl_code);
  std::string why = error_text.c_str();
  if (why.empty()) why = curl_easy_strerror(code);
  switch (code) {
    case CURLE_OK:
      break;
    case CURLE_FILE_COULDNT_READ_FILE:
      return {Outcome::not_found, "no such file"};
    case CURLE_RANGE_ERROR:
      return {Outcome::restart, why};
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
      return {Outcome::unreachable, why};
    default:
      return {Outcome::transient, why};
  }
  if (status == 416) return {Outcome::restart, "HTTP 416"};
  if (status == 429 || status >= 500) return {Outcome::transient, "HTTP " + std::to_string(status)};
  if (status == 401) return {Outcome::not_found, "HTTP 401: a user name and password are missing, or wrong"};
  if (status >= 400) return {Outcome::not_found, "HTTP " + std::to_string(status)};
  return {Outcome::ok, {}};
}

Transfer::Transfer(const Store& store, const RemoteFile& file, const FetchOptions& options)
    : store_(store), file_(file), options_(options), handle_(curl_easy_init()) {
  check(handle_ != nullptr, "curl_easy_init gives a handle");
}

Transfer::~Transfer() {
  curl_easy_cleanup(handle_);
}

void Transfer::open_partial() {
  path_ = store_.partial_path(file_.digest);
  fd_ = open_file(path_, O_RDWR | O_CREAT);
  if (::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) {
    // Another alephc is at the same file: each gets its own copy.
    std::string name = path_.string() + ".XXXXXX";
    fd_ = UniqueFd(::mkostemp(name.data(), O_CLOEXEC));
    if (!fd_) throw system_error("create a file in the store", errno);
    path_ = name;
  }
}

void Transfer::drop_partial() {
  ::unlink(path_.c_str());
  fd_.reset();
}

CURL* Transfer::start(const std::string& url) {
  if (!file_.resumed && fd_) drop_partial();
  if (!fd_) open_partial();
  if (!file_.resumed && ::ftruncate(fd_.get(), 0) != 0)
    throw system_error("empty a file in the store", errno);
  refusal_.reset();
  hash_ = Sha256();
  written_ = 0;
  if (::lseek(fd_.get(), 0, SEEK_SET) != 0) throw system_error("seek", errno);
  std::vector<char> buffer(256 * 1024);
  while (const std::size_t got = read_some(fd_.get(), buffer)) {
    hash_.update({buffer.data(), got});
    written_ += got;
  }
  resumed_from_ = written_;
  set_common_options(handle_, url, options_, error_text_);
  curl_easy_setopt(handle_, CURLOPT_WRITEFUNCTION, &Transfer::on_data);
  curl_easy_setopt(handle_, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(handle_, CURLOPT_FAILONERROR, 1L);
  if (written_ > 0) curl_easy_setopt(handle_, CURLOPT_RESUME_FROM_LARGE, static_cast<curl_off_t>(written_));
  return handle_;
}

std::size_t Transfer::on_data(char* data, std::size_t one, std::size_t count, void* self) {
  return static_cast<Transfer*>(self)->take({data, one * count}) ? one * count : 0;
}

bool Transfer::take(std::string_view data) {
  if (file_.size > 0 && written_ + data.size() > file_.size) {
    refusal_ = {Outcome::wrong_bytes,
                "longer than the " + std::to_string(file_.size) + " bytes it should have"};
    return false;
  }
  if (file_.limit > 0 && written_ + data.size() > file_.limit) {
    refusal_ = {Outcome::wrong_bytes, "longer than " + std::to_string(file_.limit) + " bytes"};
    return false;
  }
  try {
    write_all(fd_.get(), data);
  } catch (const Error& error) {
    // No exception may cross curl; a full disk is not the mirror's fault and stops everything.
    refusal_ = {Outcome::transient, error.what()};
    if (error.kind() == ErrorKind::host) refusal_->outcome = Outcome::ok;
    return false;
  }
  hash_.update(data);
  written_ += data.size();
  return true;
}

/// Empty if the whole file is the wanted one.
std::string Transfer::why_not(const Digest& got) const {
  if (!file_.accept) return got == file_.digest ? "" : "has sha256 " + got.hex();
  if (written_ < file_.size)
    return "has " + std::to_string(written_) + " of " + std::to_string(file_.size) + " bytes";
  try {
    return file_.accept(fd_.get(), got);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::integrity) throw;
    return error.what();
  }
}

AttemptResult Transfer::result_of(int curl_code) {
  AttemptResult result = refusal_ ? *refusal_ : judge(handle_, curl_code, error_text_);
  if (curl_code == CURLE_HTTP_RETURNED_ERROR) {
    const AttemptResult by_status = judge(handle_, CURLE_OK, {});
    if (by_status.outcome != Outcome::ok) result = by_status;
  }
  if (result.outcome != Outcome::ok) return result;
  const Digest got = hash_.finish();
  const std::string wrong = why_not(got);
  if (wrong.empty()) {
    store_.adopt_blob(path_, got);
    fd_.reset();
    return result;
  }
  // A server that announced no length may close the connection early and still call that a success.
  curl_off_t announced = -1;
  curl_easy_getinfo(handle_, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
  if (announced < 0 && file_.size > 0 && written_ < file_.size)
    return {Outcome::transient,
            "cut off after " + std::to_string(written_) + " of " + std::to_string(file_.size) + " bytes"};
  return {Outcome::wrong_bytes, wrong};
}

AttemptResult Transfer::finish(int curl_code) {
  if (refusal_ && refusal_->outcome == Outcome::ok) {
    drop_partial();
    throw Error(ErrorKind::host, refusal_->why, "free some space or put the store elsewhere with --store");
  }
  AttemptResult result = result_of(curl_code);
  if (result.outcome == Outcome::ok) return result;
  // The bytes from before may be the wrong ones: who gave the rest is not blamed for them.
  if (result.outcome == Outcome::wrong_bytes && resumed_from_ > 0) result.outcome = Outcome::restart;
  if (result.outcome == Outcome::restart || result.outcome == Outcome::wrong_bytes || written_ == 0)
    drop_partial();
  return result;
}

}  // namespace alephc
