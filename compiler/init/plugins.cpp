// SPDX-License-Identifier: MIT
#include "init/plugins.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "init/errors.hpp"
#include "init/message.hpp"
#include "init/process.hpp"

namespace aleph_init {
namespace {

constexpr std::size_t kMaxPatch = 1024 * 1024;
constexpr long kSdkTimeout = 30000;
constexpr long kShutdownTimeout = 1000;  // the host waits 5 s for the whole halt
constexpr const char* kSdkAdapter = "/usr/lib/aleph/sdk_plugins.py";

Json changeable(const Configuration& configuration) {
  return {{"variables", configuration.variables},
          {"volumes", volumes_map(configuration.volumes)},
          {"dns_servers", configuration.dns_servers}};
}

Json text_or_null(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

std::string dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string plugin_input(const std::string& stage, const Configuration& configuration) {
  Json input = changeable(configuration);
  input["stage"] = stage;
  input["vm_hash"] = configuration.vm_hash;
  input["hostname"] = hostname_of(configuration.vm_hash);
  input["interface"] = configuration.interface;
  input["encoding"] = configuration.encoding;
  input["entrypoint"] = configuration.entrypoint;
  input["code_size"] = configuration.code.size();
  input["input_data_size"] = configuration.input_data.size();
  input["ip"] = text_or_null(configuration.ip);
  input["route"] = text_or_null(configuration.route);
  input["ipv6"] = text_or_null(configuration.ipv6);
  input["ipv6_gateway"] = text_or_null(configuration.ipv6_gateway);
  input["authorized_keys"] = configuration.authorized_keys;
  return dump(input) + "\n";
}

void apply_patch(const std::string& patch, Configuration& configuration) {
  if (patch.find_first_not_of(" \t\r\n") == std::string::npos) return;
  const Json parsed = Json::parse(patch, nullptr, false);
  if (!parsed.is_object()) throw SetupError("its output is not a JSON object");
  Json value = changeable(configuration);
  for (const auto& [key, unused] : parsed.items())
    if (!value.contains(key)) throw SetupError("it may not change '" + key + "'");
  value.merge_patch(parsed);
  // Judged by the same rules as what the host sends.
  for (const char* key : {"variables", "volumes", "dns_servers"})
    if (!value.contains(key)) value[key] = nullptr;
  const Configuration changed = parse_configuration(message_bytes(value));
  configuration.variables = changed.variables;
  configuration.volumes = changed.volumes;
  configuration.dns_servers = changed.dns_servers;
}

Plugins::Plugins(const Settings& settings, std::string root) : settings_(settings), root_(std::move(root)) {}

Plugins::~Plugins() {
  end_sdk();
}

void Plugins::end_sdk() {
  if (sdk_ <= 0) return;
  end_process(sdk_, 0);
  (void)wait_process(sdk_, -1);
  sdk_ = -1;
}

void Plugins::run(const std::string& stage, Configuration& configuration, const Environment& env) {
  if (stage == "boot" && settings_.init0_plugin)
    run_one({.name = "init0_plugin.sh", .stage = stage, .exec = {"/bin/sh", root_ + "/root/init0_plugin.sh"}},
            configuration, env);
  if (stage != "boot" && stage != "before_shutdown" && settings_.sdk_plugins)
    run_sdk(stage, configuration, env);
  for (const PluginSettings& plugin : settings_.plugins)
    if (plugin.stage == stage) run_one(plugin, configuration, env);
}

void Plugins::run_one(const PluginSettings& plugin, Configuration& configuration, const Environment& env) {
  std::string problem;
  try {
    const bool talks = plugin.name != "init0_plugin.sh";  // the SDK's script prints for people
    const ProcessOutput result =
        run_process({.argv = plugin.exec, .env = env}, plugin_input(plugin.stage, configuration), kMaxPatch,
                    plugin.stage == "before_shutdown" ? std::min(plugin.timeout_ms, kShutdownTimeout)
                                                      : plugin.timeout_ms);
    if (result.too_much)
      problem = "wrote more than 1 MiB";
    else if (!result.status)
      problem = "took longer than " + std::to_string(plugin.timeout_ms) + " ms";
    else if (*result.status != 0)
      problem = "exited with status " + std::to_string(*result.status);
    else if (talks)
      apply_patch(result.output, configuration);
    else
      write_all(2, result.output);
  } catch (const SetupError& error) {
    problem = error.what();
  }
  if (problem.empty()) return;
  problem = "plugin " + plugin.name + " (" + plugin.stage + "): " + problem;
  if (plugin.fail) throw SetupError(problem);
  log_line("warning: " + problem);
}

void Plugins::start_sdk(const Environment& env) {
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  if (::pipe2(in.data(), O_CLOEXEC) != 0 || ::pipe2(out.data(), O_CLOEXEC) != 0)
    throw os_error("make a pipe", errno);
  const Handle in_read(in[0]);
  const Handle out_write(out[1]);
  to_sdk_ = Handle(in[1]);
  from_sdk_ = Handle(out[0]);
  sdk_ = start_process({.argv = {"python3", kSdkAdapter},
                        .env = env,
                        .descriptors = {{in_read.get(), 0}, {2, 1}, {out_write.get(), 3}}});
}

void Plugins::run_sdk(const std::string& stage, Configuration& configuration, const Environment& env) {
  if (sdk_ <= 0) start_sdk(env);
  ::signal(SIGPIPE, SIG_IGN);
  write_all(to_sdk_.get(), plugin_input(stage, configuration));
  std::string line;
  const long deadline = now_ms() + kSdkTimeout;
  while (!line.ends_with('\n')) {
    pollfd wait{from_sdk_.get(), POLLIN, 0};
    const long left = deadline - now_ms();
    if (left <= 0) throw SetupError("custom_plugins.py (" + stage + "): took longer than 30 s");
    if (::poll(&wait, 1, static_cast<int>(left)) <= 0) continue;
    std::array<char, 4096> buffer{};
    const ssize_t got = ::read(from_sdk_.get(), buffer.data(), buffer.size());
    if (got <= 0) throw SetupError("custom_plugins.py (" + stage + "): its interpreter ended");
    line.append(buffer.data(), static_cast<std::size_t>(got));
    if (line.size() > kMaxPatch) throw SetupError("custom_plugins.py (" + stage + "): wrote more than 1 MiB");
  }
  const Json answer = Json::parse(line, nullptr, false);
  if (answer.is_object() && answer.contains("error"))
    throw SetupError("custom_plugins.py (" + stage + "): " + answer.value("error", ""),
                     answer.value("traceback", ""));
  if (answer.is_object() && answer.contains("patch")) apply_patch(answer["patch"].dump(), configuration);
}

}  // namespace aleph_init
