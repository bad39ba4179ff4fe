// SPDX-License-Identifier: MIT
#include "vm/http_front.hpp"

#include <thread>

#include <httplib.h>

#include "base/diagnostic.hpp"
#include "base/text.hpp"

namespace alephc {
namespace {

/// As a node answers.
void fill(httplib::Response& response, const GuestReply& reply) {
  if (reply.kind == GuestReply::Kind::error) {
    response.status = 500;
    return response.set_content(reply.body, "text/plain");
  }
  if (reply.kind != GuestReply::Kind::response) {
    response.status = 502;
    return response.set_content(reply.kind == GuestReply::Kind::nothing
                                    ? "the machine did not respond\n"
                                    : "the machine's answer is not a reply\n",
                                "text/plain");
  }
  response.status = reply.status;
  std::string type;
  for (const auto& [name, value] : reply.headers) {
    if (name == "content-type")
      type = value;
    else if (name != "content-length" && name != "content-encoding" && name != "transfer-encoding" &&
             name != "vary")
      response.headers.emplace(name, value);
  }
  response.set_content(reply.body, type);
}

std::vector<std::pair<std::string, std::string>> headers_of(const httplib::Request& request) {
  std::vector<std::pair<std::string, std::string>> headers;
  for (const auto& [name, value] : request.headers) {
    std::string lower = name;
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const bool of_the_library =
        name == "REMOTE_ADDR" || name == "REMOTE_PORT" || name == "LOCAL_ADDR" || name == "LOCAL_PORT";
    if (!of_the_library) headers.emplace_back(std::move(lower), value);
  }
  return headers;
}

}  // namespace

struct HttpFront::Server {
  httplib::Server http{};
  std::string url{};
  std::thread thread{};
};

HttpFront::HttpFront(const std::string& listen, Handler handler) : server_(std::make_unique<Server>()) {
  const std::size_t colon = listen.rfind(':');
  const std::string host = colon == std::string::npos ? "127.0.0.1" : listen.substr(0, colon);
  const auto port =
      parse_unsigned(std::string_view(listen).substr(colon == std::string::npos ? 0 : colon + 1));
  if (!port || *port > 65535) throw Error(ErrorKind::usage, "'" + listen + "' is not HOST:PORT");
  httplib::Server& http = server_->http;
  const auto serve = [handler = std::move(handler)](const httplib::Request& request,
                                                    httplib::Response& response) {
    fill(response, handler(http_scope(request.method, request.target, headers_of(request), request.body)));
  };
  constexpr std::size_t kThreads = 128;
  http.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };  // NOLINT: the library owns it
  constexpr const char* kAny = ".*";
  http.Get(kAny, serve);
  http.Post(kAny, serve);
  http.Put(kAny, serve);
  http.Patch(kAny, serve);
  http.Delete(kAny, serve);
  http.Options(kAny, serve);
  const int bound =
      *port == 0 ? http.bind_to_any_port(host.c_str())
                 : (http.bind_to_port(host.c_str(), static_cast<int>(*port)) ? static_cast<int>(*port) : -1);
  if (bound < 0) throw Error(ErrorKind::host, "cannot listen on " + listen, "choose another with --listen");
  server_->url = "http://" + host + ":" + std::to_string(bound);
  server_->thread = std::thread([this] { server_->http.listen_after_bind(); });
}

HttpFront::~HttpFront() {
  server_->http.stop();
  server_->thread.join();
}

const std::string& HttpFront::url() const {
  return server_->url;
}

}  // namespace alephc
