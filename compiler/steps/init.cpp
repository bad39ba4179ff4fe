// SPDX-License-Identifier: MIT
#include "steps/init.hpp"

#include <array>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/json.hpp"
#include "base/little_endian.hpp"
#include "base/text.hpp"
#include "distro/agent_service.hpp"
#include "steps/accounts.hpp"

namespace alephc {
namespace {

constexpr const char* kHome = "usr/lib/aleph";
constexpr std::array kFolders{"proc", "sys",  "dev", "run", "mnt", "overlay",
                              "tmp",  "root", "opt", "etc", "var"};

/// An executable that runs before there is a loader, a shell script, or a program with both.
std::string interpreter_of(const std::string& bytes) {
  if (bytes.starts_with("#!")) {
    const std::vector<std::string> words = split_words(bytes.substr(2, bytes.find('\n') - 2));
    return words.empty() ? std::string() : words[0];
  }
  // 64-bit ELF: the segment of type PT_INTERP holds the path of the loader.
  constexpr std::size_t kHeader = 64;
  constexpr std::uint64_t kInterpreter = 3;
  if (bytes.size() < kHeader || !bytes.starts_with("\x7f"
                                                   "ELF\x02\x01"))
    return {};
  const auto number = [&](std::size_t at, unsigned width) {
    return at < bytes.size() ? read_little(std::string_view(bytes).substr(at, width)) : 0;
  };
  const std::uint64_t table = number(32, 8);
  const std::uint64_t entry = number(54, 2);
  for (std::uint64_t i = 0; i < number(56, 2) && table < bytes.size(); ++i) {
    const std::size_t at = table + i * entry;
    if (at >= bytes.size() || number(at, 4) != kInterpreter) continue;
    const std::uint64_t begin = number(at + 8, 8);
    if (begin >= bytes.size()) return {};
    return std::string(bytes.substr(begin, number(at + 32, 8)).c_str());
  }
  return {};
}

/// What "#!/usr/bin/env [-S] [NAME=VALUE…] PROGRAM…" runs; empty for other interpreters.
std::string program_of_env(const std::string& bytes, const std::string& interpreter) {
  if (!interpreter.ends_with("/env")) return {};
  const std::vector<std::string> words = split_words(bytes.substr(2, bytes.find('\n') - 2));
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "-u" || word == "-C" || word == "--unset" || word == "--chdir") ++i;  // takes the next word
    else if (!word.starts_with('-') && word.find('=') == std::string::npos) return word;
  }
  return {};
}

class InitStep {
 public:
  InitStep(const InitInput& input, const ComputedPlace& place)
      : input_(input),
        contents_(place.contents),
        below_(place.below),
        out_(place.out) {}

  void run() {
    for (const char* folder : kFolders)
      if (below_.find(folder) == nullptr) put_folder(folder);
    put_program();
    for (const char* name : {"asgi_worker.py", "runtime_types.py", "sdk_plugins.py"})
      put(std::string(kHome) + "/" + name, bytes_of(name), 0644);
    put(std::string(kHome) + "/init.json", settings(), 0644);
    for (const PluginInput& plugin : input_.plugins) put_plugin(plugin);
    for (const ServiceInput& service : input_.services)
      check_program(service.program, "the service '" + service.name.text + "'", service.at);
    if (!input_.sdk_plugins.empty()) put_sdk_plugins();
    if (!input_.init0_plugin.empty()) {
      put("root/init0_plugin.sh", text_of(input_.init0_plugin.front()), 0755);
      check_program("/bin/sh", "init0_plugin.sh", input_.at);
    }
    if (input_.sshd && find_program("sshd").empty())
      problems_.error("'sshd' needs the package openssh-server (or dropbear's sshd)", input_.at,
                      "add it to packages.install");
    if (input_.user != "root" && !account_id(below_, "etc/passwd", input_.user))
      problems_.error("there is no user '" + input_.user + "' in the image", input_.at,
                      "declare it with [[user]]");
    problems_.stop_if_errors(ErrorKind::failed);
  }

 private:
  [[nodiscard]] std::string text_of(const InputFile& file) const {
    return read_all(contents_.open(file.sha256, "'" + file.path + "' of the project").get());
  }

  /// What the init reads, with the distribution's init where it is to become that.
  [[nodiscard]] std::string settings() const {
    Json json;
    if (!distro_init_.empty()) json["distro_init"] = distro_init_;
    json.update(parse_json<Json>(input_.settings));
    return json_text(json, 1) + "\n";
  }

  void put_folder(const std::string& path) {
    out_.put({.path = path,
              .type = EntryType::directory,
              .mode = path == "tmp"    ? 01777U
                      : path == "root" ? 0700U
                                       : 0755U,
              .mtime = out_.time()});
  }

  void put(const std::string& path, const std::string& bytes, std::uint32_t mode) {
    out_.put_file({.path = below_.resolve(path, false), .mode = mode, .mtime = out_.time()}, bytes);
  }

  [[nodiscard]] std::string bytes_of(const std::string& name) const {
    for (const GuestInput& locked : input_.guest_files)
      if (locked.name == name) {
        if (contents_.has(locked.sha256)) return read_all(contents_.open(locked.sha256, name).get());
        throw Error(ErrorKind::failed,
                    "the lock names another " + name + " (" + locked.sha256.hex().substr(0, 12) +
                        "…) than this alephc has",
                    "build with the alephc that made the lock, or take this one's with 'alephc lock --update'");
      }
    throw Error(ErrorKind::failed, "the lock does not name " + name, "run 'alephc lock --update'");
  }

  void put_program() {
    const std::string program = bytes_of("aleph-init");
    const std::string place = below_.resolve("sbin/init", false);
    if (input_.with_distro) put_agent(program, place);
    // Not through a symlink: /sbin/init of systemd leads to systemd itself.
    out_.put_file({.path = place, .mode = 0755, .mtime = out_.time()}, program);
  }

  /// PID 1 is ours for a moment: it makes the root writable and
  /// becomes the distribution's init, which starts the agent.
  void put_agent(const std::string& program, const std::string& place) {
    const std::string target = below_.resolve("sbin/init");
    const Entry* init = below_.find(target);
    if (init == nullptr || init->type != EntryType::regular)
      return problems_.error("program = \"distro\", but no package brings /sbin/init", input_.at,
                             "add systemd-sysv or sysvinit-core to packages.install");
    distro_init_ = "/" + target;
    if (target == place) {
      distro_init_ = "/" + std::string(kHome) + "/distro-init";
      put(distro_init_.substr(1), below_.read_content(*init), 0755);
    }
    put(std::string(kHome) + "/aleph-init", program, 0755);
    const bool has_systemd = below_.find(below_.resolve("lib/systemd/systemd")) != nullptr;
    const bool has_openrc = below_.find(below_.resolve("sbin/openrc")) != nullptr;
    if (has_systemd) put_service(agent_of_systemd());
    if (has_openrc) put_service(agent_of_openrc());
    if (!has_systemd && !has_openrc)
      problems_.error("program = \"distro\" needs systemd or OpenRC in the image", input_.at,
                      "add systemd-sysv or openrc to packages.install");
  }

  void put_service(const std::vector<ServiceFile>& files) {
    for (const ServiceFile& file : files)
      if (file.link_target.empty())
        put(file.path, file.content, file.mode);
      else
        out_.put({.path = file.path,
                  .type = EntryType::symlink,
                  .mode = file.mode,
                  .mtime = out_.time(),
                  .link_target = file.link_target});
  }

  void put_plugin(const PluginInput& plugin) {
    const std::string what = "the plugin '" + plugin.name.text + "'";
    if (plugin.files.empty()) return check_program(plugin.exec.at(0), what, plugin.at);
    const std::string bytes = text_of(plugin.files.front());
    for (std::size_t i = 0; i < plugin.files.size(); ++i)
      put(plugin_path(plugin.files[i].path).substr(1), i == 0 ? bytes : text_of(plugin.files[i]), i == 0 ? 0755 : 0644);
    const std::string interpreter = interpreter_of(bytes);
    if (!bytes.starts_with("#!") && !bytes.starts_with("\x7f"
                                                       "ELF"))
      problems_.error(what + " is neither a script with a first line like #!/bin/sh nor a program",
                      plugin.at);
    else if (!interpreter.empty())
      check_interpreter(bytes, what, plugin.at);
  }

  void put_sdk_plugins() {
    put("root/custom_plugins.py", text_of(input_.sdk_plugins.front()), 0644);
    if (find_program("python3").empty())
      problems_.error("'sdk_plugins' needs python3 in the image", input_.at,
                      "add python3 to packages.install");
  }

  /// As the init looks for it: an absolute path, or a name on its PATH. "" if there is none.
  [[nodiscard]] std::string find_program(const std::string& name) const {
    if (name.find('/') != std::string::npos) {
      const std::string path = below_.resolve(name.starts_with('/') ? name.substr(1) : name);
      const bool from_us = out_.find(path) != nullptr;
      return from_us || below_.find(path) != nullptr ? path : std::string();
    }
    for (const char* folder : {"usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin"}) {
      const std::string path = below_.resolve(std::string(folder) + "/" + name);
      const Entry* entry = below_.find(path);
      if (entry != nullptr && entry->type == EntryType::regular) return path;
    }
    return {};
  }

  void check_program(const std::string& name, const std::string& what, const SourceSpan& at) {
    const std::string path = find_program(name);
    const Entry* entry = path.empty() ? nullptr : below_.find(path);
    if (path.empty() || (entry != nullptr && entry->type != EntryType::regular))
      return problems_.error(what + " needs " + name + ", which is not in the image", at);
    if (entry == nullptr) return;
    if ((entry->mode & 0111U) == 0)
      return problems_.error(what + ": /" + path + " is not executable", at, "give it mode = \"0755\"");
    check_interpreter(below_.read_content(*entry), what, at);
  }

  void check_interpreter(const std::string& bytes, const std::string& what, const SourceSpan& at) {
    const std::string interpreter = interpreter_of(bytes);
    if (interpreter.empty()) return;
    if (find_program(interpreter).empty())
      return problems_.error(what + " needs " + interpreter + ", which is not in the image", at);
    const std::string program = bytes.starts_with("#!") ? program_of_env(bytes, interpreter) : "";
    if (!program.empty() && find_program(program).empty())
      problems_.error(what + " needs " + program + ", which is not in the image", at);
  }

  const InitInput& input_;
  const Contents& contents_;
  const Tree& below_;
  LayerWriter& out_;
  std::string distro_init_;
  DiagnosticList problems_;
};

void run(const InitInput& input, const ComputedPlace& place) {
  InitStep(input, place).run();
}

}  // namespace

std::string plugin_path(const std::string& name) {
  return "/" + std::string(kHome) + "/plugins/" + name;
}

Step init_step(StepName name, InitInput input) {
  return make_step(std::move(name), "init", 4, std::move(input), run);
}

}  // namespace alephc
