// SPDX-License-Identifier: MIT
#include "fetch/transfer.hpp"

#include <cerrno>

#include <arpa/inet.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/environment.hpp"
#include "base/files.hpp"
#include "base/interrupt.hpp"
#include "base/limits.hpp"
#include "base/local_address.hpp"
#include "base/text.hpp"
#include "fetch/netrc.hpp"

namespace alephc {

bool may_send_login(const std::string& url) {
  if (!url.starts_with("http://")) return true;
  const std::string host = authority_of(url).host;
  in_addr address{};
  const bool is_v4 = ::inet_pton(AF_INET, host.c_str(), &address) == 1;
  return host == "localhost" || host == "::1" || (is_v4 && ntohl(address.s_addr) >> 24U == IN_LOOPBACKNET);
}

namespace {

constexpr long kTextSeconds = 900;  ///< for a small text

/// libcurl would wait for ever for a FIFO, and read a device without end.
std::string only_regular(const std::string& url) {
  constexpr std::string_view kScheme = "file://";
  struct stat info {};
  if (!url.starts_with(kScheme)) return url;
  const std::string path = percent_decoded(url.substr(kScheme.size()));
  if (::stat(path.c_str(), &info) != 0 || S_ISREG(info.st_mode)) return url;
  return "file:///proc/self/not-a-regular-file";
}

int stop_when_interrupted(void* /*self*/, curl_off_t /*a*/, curl_off_t /*b*/, curl_off_t /*c*/,
                          curl_off_t /*d*/) {
  return interrupted() ? 1 : 0;
}

/// A proxy connects for us: its own address says nothing about where a URL leads.
bool has_proxy() {
  for (const char* name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"})
    if (!environment(name).empty()) return true;
  return false;
}

curl_socket_t open_allowed(void* state, curlsocktype /*purpose*/, curl_sockaddr* address) {
  auto* connection = static_cast<Connection*>(state);
  const bool is_local = is_local_address(address->addr);
  const bool must_be_public = connection->only_public || connection->began_public;
  if (!has_proxy() && (must_be_public ? is_local : is_metadata_address(address->addr))) {
    connection->refused = true;
    return CURL_SOCKET_BAD;
  }
  if (!is_local) connection->began_public = true;
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/// A mirror that is slower than this is as good as none. A file of a size may take as long as the slowest rate needs.
long most_seconds(std::uint64_t size) {
  constexpr long kStart = 600;
  return size == 0 ? 0 : kStart + static_cast<long>(size / limits::kSlowestBytesPerSecond / 10);
}

/// libcurl 8.14 forgets a login that stands in the address when it is led on, also to the same host; what it is given apart
/// goes along there, and nowhere else.
void set_login_of_address(CURL* handle, const Authority& address) {
  if (!address.user.empty() || !address.password.empty())
    curl_easy_setopt(handle, CURLOPT_USERNAME, address.user.c_str());
  if (!address.password.empty()) curl_easy_setopt(handle, CURLOPT_PASSWORD, address.password.c_str());
}

/// libcurl looks netrc up again for each host that a redirect leads to, and would tell a login of another machine in the
/// open. What it is given is for the first host only.
void set_login(CURL* handle, const std::string& url) {
  const bool in_the_open = url.starts_with("http://");
  curl_easy_setopt(handle, CURLOPT_NETRC, static_cast<long>(in_the_open ? CURL_NETRC_IGNORED : CURL_NETRC_OPTIONAL));
  const Authority address = authority_of(url);
  set_login_of_address(handle, address);
  if (!in_the_open || !may_send_login(url) || url.substr(0, url.find('/', 7)).find('@') != std::string::npos) return;
  const auto text = read_file_if_exists(home_folder() / ".netrc");
  const auto login = text ? netrc_login(*text, address.host) : std::nullopt;
  if (!login) return;
  curl_easy_setopt(handle, CURLOPT_USERNAME, login->user.c_str());
  curl_easy_setopt(handle, CURLOPT_PASSWORD, login->password.c_str());
}

}  // namespace

void set_common_options(CURL* handle, const std::string& url, const FetchOptions& options, Connection& connection) {
  curl_easy_reset(handle);
  connection = {.only_public = options.only_public};
  connection.error_text.assign(CURL_ERROR_SIZE, '\0');
  curl_easy_setopt(handle, CURLOPT_URL, only_regular(url).c_str());
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, connection.error_text.data());
  if (url.starts_with("file://")) curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https,file");
  // What was asked for in secret is not answered in the open.
  curl_easy_setopt(handle, CURLOPT_REDIR_PROTOCOLS_STR, url.starts_with("https://") ? "https" : "http,https");
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(handle, CURLOPT_MAXREDIRS, 10L);
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, &open_allowed);
  curl_easy_setopt(handle, CURLOPT_OPENSOCKETDATA, &connection);
  set_login(handle, url);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, options.connect_seconds);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, static_cast<long>(limits::kSlowestBytesPerSecond));
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, options.stall_seconds);
  curl_easy_setopt(handle, CURLOPT_TIMEOUT, kTextSeconds);
  curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, &stop_when_interrupted);
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "alephc");
  curl_easy_setopt(handle, CURLOPT_PIPEWAIT, 1L);
  // libcurl itself knows only the proxy's variables.
  if (const std::string bundle = certificate_bundle(); !bundle.empty())
    curl_easy_setopt(handle, CURLOPT_CAINFO, bundle.c_str());
  if (const std::string folder = environment("SSL_CERT_DIR"); !folder.empty())
    curl_easy_setopt(handle, CURLOPT_CAPATH, folder.c_str());
}

std::string why_failed(int curl_code, const Connection& connection) {
  if (connection.refused) return "leads to an address of this machine or its network, which is not asked";
  const std::string why = connection.error_text.c_str();
  return why.empty() ? curl_easy_strerror(static_cast<CURLcode>(curl_code)) : why;
}

AttemptResult judge(CURL* handle, int curl_code, const Connection& connection) {
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  const auto code = static_cast<CURLcode>(curl_code);
  const std::string why = why_failed(curl_code, connection);
  switch (code) {
    case CURLE_OK:
      break;
    case CURLE_FILE_COULDNT_READ_FILE:
      return {Outcome::not_found, "no such regular file"};
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
  set_common_options(handle_, url, options_, connection_);
  curl_easy_setopt(handle_, CURLOPT_WRITEFUNCTION, &Transfer::on_data);
  curl_easy_setopt(handle_, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(handle_, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(handle_, CURLOPT_TIMEOUT, most_seconds(file_.size));
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
  AttemptResult result = refusal_ ? *refusal_ : judge(handle_, curl_code, connection_);
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
