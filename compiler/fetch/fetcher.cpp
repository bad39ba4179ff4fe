// SPDX-License-Identifier: MIT
#include "fetch/fetcher.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <set>

#include <curl/curl.h>

#include "base/diagnostic.hpp"
#include "base/environment.hpp"
#include "base/interrupt.hpp"
#include "base/local_address.hpp"
#include "base/text.hpp"
#include "fetch/transfer.hpp"

namespace alephc {
namespace {

using Clock = std::chrono::steady_clock;

struct MultiCleanup {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
using Multi = std::unique_ptr<CURLM, MultiCleanup>;

Multi make_multi(const FetchOptions& options) {
  static const CURLcode kReady = curl_global_init(CURL_GLOBAL_DEFAULT);
  check(kReady == CURLE_OK, "libcurl starts");
  Multi multi(curl_multi_init());
  check(multi != nullptr, "curl_multi_init gives a handle");
  curl_multi_setopt(multi.get(), CURLMOPT_MAX_TOTAL_CONNECTIONS, options.connections);
  curl_multi_setopt(multi.get(), CURLMOPT_MAX_HOST_CONNECTIONS, options.connections);
  return multi;
}

std::string origin_of(const std::string& url) {
  const std::size_t scheme = url.find("://");
  return url.substr(0, url.find('/', scheme == std::string::npos ? 0 : scheme + 3));
}

/// One wanted file: which address is next, in which round, and what went wrong so far.
struct Job {
  std::size_t index = 0;
  std::size_t next_url = 0;
  int round = 0;
  bool worth_another_round = false;
  bool restarted = false;  ///< at this address
  bool wrong_bytes = false;
  Clock::time_point not_before{};
  std::vector<std::string> failures{};
  std::unique_ptr<Transfer> transfer{};
  std::string url{};
  std::vector<std::string> urls{};
};

class Batch {
 public:
  Batch(const Store& store, Reporter& reporter, const FetchOptions& options,
        const std::vector<RemoteFile>& files, const std::function<void(std::size_t)>& done)
      : store_(store),
        reporter_(reporter),
        options_(options),
        files_(files),
        done_(done),
        multi_(make_multi(options)) {}

  ~Batch() {
    for (auto& [handle, job] : active_) curl_multi_remove_handle(multi_.get(), handle);
  }
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  void run(std::deque<Job> jobs) {
    waiting_ = std::move(jobs);
    for (const Job& job : waiting_) total_bytes_ += files_[job.index].size;
    total_files_ = waiting_.size();
    while (!waiting_.empty() || !active_.empty()) {
      throw_if_interrupted();
      start_some();
      int running = 0;
      curl_multi_perform(multi_.get(), &running);
      collect();
      show_progress();
      if (!may_start_at_once() && (!active_.empty() || !waiting_.empty()))
        curl_multi_poll(multi_.get(), nullptr, 0, 100, nullptr);
    }
    if (!problems_.empty())
      throw Error(integrity_ ? ErrorKind::integrity : ErrorKind::failed, std::move(problems_));
  }

 private:
  [[nodiscard]] bool may_start_at_once() const {
    const auto now = Clock::now();
    return static_cast<long>(active_.size()) < options_.connections &&
           std::any_of(waiting_.begin(), waiting_.end(), [&](const Job& job) { return job.not_before <= now; });
  }

  void start_some() {
    const auto now = Clock::now();
    for (std::size_t i = waiting_.size();
         i > 0 && active_.size() < static_cast<std::size_t>(options_.connections); --i) {
      Job job = std::move(waiting_.front());
      waiting_.pop_front();
      if (job.not_before > now)
        waiting_.push_back(std::move(job));
      else
        start(std::move(job));
    }
  }

  void start(Job job) {
    const RemoteFile& file = files_[job.index];
    if (job.urls.empty() && !locate(file, job.urls)) return;
    while (job.next_url < job.urls.size() && dead_.contains(origin_of(job.urls[job.next_url]))) {
      job.failures.push_back(public_url(job.urls[job.next_url]) + ": not reachable");
      ++job.next_url;
    }
    if (job.next_url >= job.urls.size()) return next_round(std::move(job));
    job.url = job.urls[job.next_url];
    if (!job.transfer) job.transfer = std::make_unique<Transfer>(store_, file, options_);
    CURL* handle = job.transfer->start(job.url);
    curl_multi_add_handle(multi_.get(), handle);
    active_.emplace(handle, std::move(job));
  }

  /// A file that cannot be located is a problem of its own: the others may still come.
  bool locate(const RemoteFile& file, std::vector<std::string>& urls) {
    urls = file.urls;
    if (!urls.empty() || !file.locate) return true;
    try {
      urls = file.locate();
      return true;
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::interrupted) throw;
      integrity_ = integrity_ || error.kind() == ErrorKind::integrity;
      for (Diagnostic problem : error.diagnostics()) {
        problem.context.push_back("looking for " + file.label);
        problems_.push_back(std::move(problem));
      }
      stop_if_enough();
      return false;
    }
  }

  void collect() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      CURL* handle = message->easy_handle;
      const CURLcode code = message->data.result;
      auto node = active_.extract(handle);
      curl_multi_remove_handle(multi_.get(), handle);
      finish(std::move(node.mapped()), code);
    }
  }

  void finish(Job job, CURLcode code) {
    const AttemptResult result = job.transfer->finish(code);
    switch (result.outcome) {
      case Outcome::ok:
        finished_bytes_ += files_[job.index].size;
        ++finished_files_;
        job.transfer.reset();
        return done_(job.index);
      case Outcome::restart:
        job.worth_another_round = true;
        if (!job.restarted) {
          job.restarted = true;
          waiting_.push_front(std::move(job));
          return;
        }
        break;
      case Outcome::unreachable:
        dead_.insert(origin_of(job.url));
        job.worth_another_round = true;
        break;
      case Outcome::transient:
        job.worth_another_round = true;
        break;
      case Outcome::wrong_bytes:
        job.wrong_bytes = true;
        break;
      case Outcome::not_found:
        break;
    }
    job.failures.push_back(public_url(job.url) + ": " + result.why);
    reporter_.detail("fetch: " + job.failures.back());
    ++job.next_url;
    job.restarted = false;
    waiting_.push_front(std::move(job));
  }

  void next_round(Job job) {
    ++job.round;
    if (!job.worth_another_round || job.round >= options_.rounds) return give_up(job);
    // A mirror that could not be reached gets another chance when no other had the file either.
    for (const std::string& url : job.urls) dead_.erase(origin_of(url));
    job.next_url = 0;
    job.worth_another_round = false;
    job.not_before = Clock::now() + std::chrono::milliseconds(500LL << (2 * job.round));
    job.failures.clear();
    waiting_.push_back(std::move(job));
  }

  void give_up(const Job& job) {
    const RemoteFile& file = files_[job.index];
    Diagnostic problem;
    problem.message =
        job.wrong_bytes ? "the bytes of " + file.label + " are not what " + file.advice.promise + " promises"
                        : file.label + " was not found on any server";
    problem.context = job.failures;
    if (problem.context.empty()) problem.context.emplace_back("no address to ask");
    if (job.wrong_bytes) {
      if (!file.accept) problem.context.push_back("expected sha256 " + file.digest.hex());
      problem.hint = file.advice.wrong_bytes;
      integrity_ = true;
    } else {
      problem.hint = file.advice.missing;
    }
    problems_.push_back(std::move(problem));
    stop_if_enough();
  }

  /// The rest may still be had and is kept, but a long list of the same failure is of no help.
  void stop_if_enough() {
    constexpr std::size_t kEnough = 10;
    if (problems_.size() >= kEnough)
      throw Error(integrity_ ? ErrorKind::integrity : ErrorKind::failed, std::move(problems_));
  }

  void show_progress() {
    std::uint64_t bytes = finished_bytes_;
    for (const auto& [handle, job] : active_) bytes += job.transfer->received();
    reporter_.progress("fetch  " + std::to_string(finished_files_) + "/" + std::to_string(total_files_) +
                       " files  " + human_size(bytes) + " of " + human_size(total_bytes_));
  }

  const Store& store_;
  Reporter& reporter_;
  const FetchOptions& options_;
  const std::vector<RemoteFile>& files_;
  const std::function<void(std::size_t)>& done_;
  Multi multi_;
  std::deque<Job> waiting_;
  std::map<CURL*, Job> active_;
  std::set<std::string> dead_;
  std::vector<Diagnostic> problems_;
  bool integrity_ = false;
  std::uint64_t total_bytes_ = 0;
  std::uint64_t finished_bytes_ = 0;
  std::size_t total_files_ = 0;
  std::size_t finished_files_ = 0;
};

struct TextSink {
  std::string text;
  std::string url;  ///< behind all redirects
  std::uint64_t limit = 0;
  bool is_local = false;

  static std::size_t on_data(char* data, std::size_t one, std::size_t count, void* self) {
    auto* sink = static_cast<TextSink*>(self);
    if (sink->text.size() + one * count > sink->limit) return 0;
    sink->text.append(data, one * count);
    return one * count;
  }
};

AttemptResult get_text(const std::string& url, const FetchOptions& options, TextSink& sink) {
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> handle(curl_easy_init(), &curl_easy_cleanup);
  Connection connection;
  set_common_options(handle.get(), url, options, connection);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEFUNCTION, &TextSink::on_data);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEDATA, &sink);
  sink.text.clear();
  const CURLcode code = curl_easy_perform(handle.get());
  throw_if_interrupted();
  const char* last = nullptr;
  if (curl_easy_getinfo(handle.get(), CURLINFO_EFFECTIVE_URL, &last) == CURLE_OK && last != nullptr)
    sink.url = with_login_of(url, last);
  const char* address = nullptr;
  if (curl_easy_getinfo(handle.get(), CURLINFO_PRIMARY_IP, &address) == CURLE_OK && address != nullptr)
    sink.is_local = is_local_address(std::string(address));
  return judge(handle.get(), code, connection);
}

}  // namespace

std::string certificate_bundle() {
  for (const char* name : {"CURL_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"})
    if (std::string file = environment(name); !file.empty()) return file;
  return {};
}

std::string public_url(const std::string& url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string::npos) return url;
  const std::size_t host = scheme + 3;
  // As libcurl has it: the host ends at the first of these, whatever comes behind.
  const std::size_t at = url.substr(host, url.find_first_of("/?#", host) - host).rfind('@');
  return at == std::string::npos ? url : url.substr(0, host) + url.substr(host + at + 1);
}

std::string with_login_of(const std::string& from, const std::string& url) {
  const std::string bare = public_url(from);
  if (bare == from || public_url(url) != url || origin_of(bare) != origin_of(url)) return url;
  const std::size_t host = from.find("://") + 3;
  return url.substr(0, host) + from.substr(host, from.size() - bare.size()) + url.substr(host);
}

Authority authority_of(const std::string& url) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> handle(curl_url(), &curl_url_cleanup);
  const auto part = [&](CURLUPart which, unsigned flags) {
    char* text = nullptr;
    if (curl_url_get(handle.get(), which, &text, flags) != CURLUE_OK) return std::string();
    const std::unique_ptr<char, decltype(&curl_free)> owner(text, &curl_free);
    return std::string(text);
  };
  if (curl_url_set(handle.get(), CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) return {};
  Authority found{.host = part(CURLUPART_HOST, 0),
                  .port = part(CURLUPART_PORT, CURLU_DEFAULT_PORT),
                  .user = part(CURLUPART_USER, CURLU_URLDECODE),
                  .password = part(CURLUPART_PASSWORD, CURLU_URLDECODE)};
  if (found.host.starts_with('[')) found.host = found.host.substr(1, found.host.size() - 2);
  return found;
}

std::string resolve_url(const std::string& base, const std::string& reference) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> handle(curl_url(), &curl_url_cleanup);
  char* text = nullptr;
  if (curl_url_set(handle.get(), CURLUPART_URL, base.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
      curl_url_set(handle.get(), CURLUPART_URL, reference.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
      curl_url_set(handle.get(), CURLUPART_FRAGMENT, nullptr, 0) != CURLUE_OK ||
      curl_url_get(handle.get(), CURLUPART_URL, &text, 0) != CURLUE_OK)
    return {};
  std::string url = text;
  curl_free(text);
  return url;
}

void HttpFetcher::fetch(const std::vector<RemoteFile>& files,
                    const std::function<void(std::size_t)>& done) const {
  std::deque<Job> jobs;
  std::map<Digest, std::size_t> first_of;
  std::vector<std::pair<std::size_t, std::size_t>> same;  // a digest asked for twice is fetched once
  for (std::size_t i = 0; i < files.size(); ++i) {
    const auto [first, is_new] = first_of.try_emplace(files[i].digest, i);
    if (!is_new)
      same.emplace_back(first->second, i);
    else if (store_.has_blob(files[i].digest))
      done(i);
    else
      jobs.push_back({.index = i});
  }
  if (!jobs.empty() && options_.offline) {
    std::vector<Diagnostic> problems;
    for (const Job& job : jobs)
      if (problems.size() < 10)
        problems.push_back({.message = files[job.index].label + " is not in the store"});
    problems.back().hint = std::to_string(jobs.size()) + " files are missing: build once without --offline";
    throw Error(ErrorKind::failed, std::move(problems));
  }
  if (!jobs.empty()) Batch(store_, reporter_, options_, files, done).run(std::move(jobs));
  for (const auto& [first, again] : same) done(again);
}

FetchedText HttpFetcher::fetch_text(const std::vector<std::string>& urls, std::uint64_t limit) const {
  if (options_.offline) throw Error(ErrorKind::failed, "the network is needed, but --offline forbids it");
  (void)make_multi(options_);  // starts libcurl
  std::vector<std::string> failures;
  bool reachable = urls.empty();
  for (int round = 0; round < options_.rounds; ++round) {
    bool again = false;
    for (const std::string& url : urls) {
      TextSink sink{.text = {}, .url = url, .limit = limit};
      const AttemptResult result = get_text(url, options_, sink);
      if (result.outcome == Outcome::ok) 
        return {std::move(sink.text), sink.url, std::move(failures), sink.is_local};
      failures.push_back(public_url(url) + ": " + result.why);
      reporter_.detail("fetch: " + failures.back());
      if (result.outcome == Outcome::not_found) reachable = true;
      if (result.outcome == Outcome::transient) again = true;
    }
    if (!again) break;
  }
  if (reachable) return {.failures = std::move(failures)};
  Diagnostic problem{.message = "no mirror can be reached", .context = failures};
  problem.hint = "check the network, or name a mirror with --mirror";
  throw Error(ErrorKind::failed, std::move(problem));
}

}  // namespace alephc
