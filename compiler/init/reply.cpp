// SPDX-License-Identifier: MIT
#include "init/reply.hpp"

#include "init/message.hpp"

namespace aleph_init {
namespace {

constexpr std::size_t kMaxText = 28 * 1024;  // two of them in one packet of 64 KiB

std::string shortened(const std::string& text) {
  return text.size() <= kMaxText ? text : "…" + text.substr(text.size() - kMaxText);
}

}  // namespace

std::string http_reply(int status, const std::vector<Header>& headers, const std::string& body) {
  Json list = Json::array();
  for (const auto& [name, value] : headers) list.push_back(Json::array({binary(name), binary(value)}));
  return message_bytes({{"headers", {{"headers", std::move(list)}, {"status", status}}},
                        {"body", {{"body", binary(body)}}},
                        {"output", ""},
                        {"output_data", binary("")}});
}

std::string error_reply(const std::string& error, const std::string& traceback) {
  return message_bytes(
      {{"error", error}, {"traceback", traceback.empty() ? error : traceback}, {"output", ""}});
}

std::string success_reply() {
  return message_bytes({{"success", true}});
}

std::string failure_reply(const std::string& error, const std::string& traceback) {
  const std::string text = shortened(error);
  return message_bytes(
      {{"success", false}, {"error", text}, {"traceback", traceback.empty() ? text : shortened(traceback)}});
}

}  // namespace aleph_init
