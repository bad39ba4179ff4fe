// SPDX-License-Identifier: MIT
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <mutex>

#include <fcntl.h>
#include <unistd.h>

#include "base/interrupt.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/command.hpp"
#include "cli/command_line.hpp"
#include "image/filesystem_image.hpp"
#include "image/image_format.hpp"
#include "pipeline/build.hpp"
#include "vm/conformance.hpp"
#include "vm/http_front.hpp"
#include "vm/instance.hpp"
#include "vm/kernel.hpp"
#include "vm/program.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;
struct VmArguments {
  std::string image = ".";
  std::string memory{};
  unsigned cpus = 1;
  std::string kernel{};
  std::string accel = "auto";
  bool console = false;
};

void add_vm_options(ArgumentParser& parser, VmArguments& arguments) {
  parser.add_option("IMAGE", arguments.image, "An image file, or a project to build first");
  parser.add_option("--memory", arguments.memory, "Memory of the machine (default: 256M, of instances 1G)")
      .value_name("SIZE");
  parser.add_option("--cpus", arguments.cpus, "Processors of the machine").between(1, 64);
  parser
      .add_option("--kernel", arguments.kernel,
                  "A kernel with everything built in, as the nodes have (default: Debian's)")
      .value_name("FILE");
  parser.add_option("--accel", arguments.accel, "How the guest runs").one_of({"auto", "kvm", "tcg"});
  parser.add_flag("--console", arguments.console, "Show the console of the machine");
}

/// A file is an image; everything else is a project, which is built into folder.
fs::path bootable_image(const std::string& given, const fs::path& folder, CommandContext& context) {
  if (fs::is_regular_file(given) && !given.ends_with(".toml")) return given;
  return build_runtime({.path = given, .output = folder / "image"},
                       Session(context.settings, context.reporter))
      .image;
}

std::uint64_t memory_of(const VmArguments& arguments, const std::string& fallback) {
  const std::string& text = arguments.memory.empty() ? fallback : arguments.memory;
  const auto memory = parse_size(text);
  if (!memory || *memory < (32ULL << 20U))
    throw Error(ErrorKind::usage, "'" + text + "' is not a memory size of at least 32M");
  return *memory >> 20U;
}

BootFiles boot_files_for(Hardware hardware, CommandContext& context) {
  const Store store(context.settings.store);
  const HttpFetcher fetcher(store, context.reporter, {.offline = context.settings.offline});
  return boot_files(hardware, context.settings.mirrors, {store, fetcher, context.reporter});
}

std::vector<std::string> function_root_formats() {
  std::vector<std::string> names;
  for (const ImageFormat* format : image_formats())
    if (format->is_function_root) names.emplace_back(format->name);
  return names;
}

MachineSpec machine_spec(const VmArguments& arguments, const fs::path& image, CommandContext& context) {
  const std::string format = image_format_of(image).value_or("");
  if (format.empty() || !image_format(format).is_function_root)
    throw Error(ErrorKind::failed,
                image.string() + " is neither " + join(function_root_formats(), " nor ") +
                    ": no function starts from it",
                format.empty() ? "" : "'alephc run' boots it as an instance");
  MachineSpec spec{.image = image,
                   .root_type = format,
                   .memory_mib = memory_of(arguments, "256M"),
                   .cpus = arguments.cpus,
                   .accel = arguments.accel,
                   .quiet_kernel = !arguments.console};
  if (!arguments.kernel.empty()) {
    spec.kernel = arguments.kernel;
    return spec;
  }
  const BootFiles files = boot_files_for(Hardware::microvm, context);
  spec.kernel = files.kernel;
  spec.initramfs = files.initramfs;
  return spec;
}

/// Gets every console line: prints it if asked, and picks out what the init says of itself.
class Console {
 public:
  explicit Console(bool show) : show_(show) {}

  void operator()(const std::string& line) {
    constexpr std::string_view kReady = "aleph-init: ready ";
    const std::size_t at = line.find(kReady);
    if (at != std::string::npos) note_ready(split_words(line.substr(at + kReady.size())));
    if (!show_) return;
    const std::lock_guard guard(mutex_);
    std::fprintf(stderr, "%s\n", printable(line).c_str());
  }
  [[nodiscard]] Json init_ready_ms() const {
    return init_ready_ms_ < 0 ? Json(nullptr) : Json(init_ready_ms_.load());
  }

 private:
  /// Any program of the guest can print such a line.
  void note_ready(const std::vector<std::string>& words) {
    if (words.empty()) return;
    const auto number = parse_unsigned(words.front());
    if (number && *number < 1'000'000'000) init_ready_ms_ = static_cast<long>(*number);
  }

  bool show_;
  std::mutex mutex_;
  std::atomic<long> init_ready_ms_{-1};
};

long milliseconds(const Machine& machine) {
  return static_cast<long>(machine.seconds_since_start() * 1000);
}

struct RunArguments {
  VmArguments vm{};
  ProgramRequest program{};
  std::string program_path{};
  std::vector<std::string> env{};
  std::vector<std::string> volumes{};
  std::string authorized_key{};
  std::string listen = "127.0.0.1:8080";
  std::string request{};
  unsigned ssh_port = 0;
  bool watch = false;
  std::string firmware = "bios";
  std::string disk_size{};
};

std::vector<std::string> authorized_keys(const RunArguments& arguments) {
  std::vector<std::string> keys;
  if (arguments.authorized_key.empty()) return keys;
  for (const std::string& line : split(read_named_file(arguments.authorized_key), '\n'))
    if (!line.empty()) keys.push_back(line);
  return keys;
}

/// "SRC:MOUNT[:ro]" → a drive and what the init is told of it.
void add_volumes(const RunArguments& arguments, GuestProgram& program, MachineSpec& spec) {
  char letter = static_cast<char>('b' + spec.drives.size());
  for (const std::string& text : arguments.volumes) {
    std::vector<std::string> parts = split(text, ':');
    const bool read_only = parts.size() == 3 && parts[2] == "ro";
    if (parts.size() < 2 || parts.size() > 3 || (parts.size() == 3 && !read_only) ||
        !parts[1].starts_with('/'))
      throw Error(ErrorKind::usage, "'" + text + "' is not a volume",
                  "write SRC:MOUNT or SRC:MOUNT:ro, SRC an image file");
    if (!fs::is_regular_file(parts[0])) throw Error(ErrorKind::usage, "there is no volume image " + parts[0]);
    spec.drives.push_back({parts[0], read_only});
    program.volumes.push_back({parts[1], std::string("vd") + letter++, read_only});
  }
}

PreparedProgram program_of(const RunArguments& arguments, const fs::path& work) {
  if (arguments.program_path.empty())
    throw Error(ErrorKind::usage, "--program is missing",
                "name the code to run: a file, or a folder with --entrypoint");
  ProgramRequest request = arguments.program;
  request.path = arguments.program_path;
  PreparedProgram prepared = prepare_program(request, work);
  for (const std::string& text : arguments.env) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      throw Error(ErrorKind::usage, "'" + text + "' is not NAME=VALUE");
    prepared.program.variables[text.substr(0, equals)] = text.substr(equals + 1);
  }
  prepared.program.authorized_keys = authorized_keys(arguments);
  return prepared;
}

/// Changes when a file below the path does.
std::string stamp_of(const fs::path& path) {
  std::string out;
  const auto add = [&](const fs::path& file) {
    std::error_code ignored;
    out +=
        file.string() + std::to_string(fs::last_write_time(file, ignored).time_since_epoch().count()) + "\n";
  };
  add(path);
  if (fs::is_directory(path))
    for (const auto& entry : fs::recursive_directory_iterator(path)) add(entry.path());
  return out;
}

/// Bytes of a guest go to a file or pipe as they are, and to a terminal without its commands.
std::string for_terminal(const std::string& bytes) {
  return ::isatty(STDOUT_FILENO) == 1 ? printable_lines(bytes) : bytes;
}

int answer_one(const RunArguments& arguments, CommandContext& context, NodeSession& session,
               const Machine& machine, const Console& console, long ready_ms, long configured_ms) {
  const std::vector<std::string> words = split_words(arguments.request);
  if (words.size() != 2 || !words[1].starts_with('/'))
    throw Error(ErrorKind::usage, "'" + arguments.request + "' is not a request such as 'GET /path'");
  const GuestReply reply =
      session.request(http_scope(words[0], words[1], {{"host", "localhost"}}, ""), session.patience(60));
  const long response_ms = milliseconds(machine);
  (void)session.halt();
  if (reply.kind == GuestReply::Kind::error)
    throw Error(ErrorKind::failed, "the program failed:\n" + reply.body);
  if (reply.kind != GuestReply::Kind::response)
    throw Error(ErrorKind::failed, "the machine did not answer the request");
  if (!context.options.json) {
    print("HTTP " + std::to_string(reply.status) + "\n");
    for (const auto& [name, value] : reply.headers) print(printable(name + ": " + value) + "\n");
    print_bytes("\n" + for_terminal(reply.body) + (reply.body.ends_with('\n') ? "" : "\n"));
    return 0;
  }
  Json headers = Json::array();
  for (const auto& [name, value] : reply.headers) headers.push_back({name, value});
  print(json_text(Json{{"status", reply.status},
                       {"headers", headers},
                       {"body", reply.body},
                       {"ready_ms", ready_ms},
                       {"configured_ms", configured_ms},
                       {"response_ms", response_ms},
                       {"init_to_ready_ms", console.init_ready_ms()},
                       {"accel", machine.accel()},
                       {"vsock", machine.vsock()}}) +
        "\n");
  return 0;
}

/// Boots an instance and stays with it until it ends or the user stops it.
int run_instance(const RunArguments& arguments, const fs::path& image, const std::string& format,
                 CommandContext& context) {
  for (const auto& [given, option] :
       {std::pair{!arguments.request.empty(), "--request"}, std::pair{!arguments.volumes.empty(), "--volume"},
        std::pair{!arguments.env.empty(), "--env"}, std::pair{arguments.watch, "--watch"}})
    if (given)
      throw Error(ErrorKind::usage, std::string(option) + " is for functions, and this is an instance");
  InstanceSpec spec{.image = image,
                    .format = format,
                    .uefi = arguments.firmware == "uefi",
                    .memory_mib = memory_of(arguments.vm, "1G"),
                    .cpus = arguments.vm.cpus,
                    .accel = arguments.vm.accel,
                    .ssh_port = arguments.ssh_port,
                    .authorized_keys = authorized_keys(arguments)};
  if (!arguments.disk_size.empty()) {
    const auto size = parse_size(arguments.disk_size);
    if (!size) throw Error(ErrorKind::usage, "'" + arguments.disk_size + "' is not a size such as 10G");
    spec.disk_size = *size;
  }
  const bool is_root = is_partition_format(format);
  if (!is_root && !arguments.vm.kernel.empty())
    throw Error(ErrorKind::usage, "--kernel is for images without one, and this is a disk");
  if (is_root && !arguments.vm.kernel.empty())
    spec.boot.kernel = arguments.vm.kernel;
  else if (is_root)
    spec.boot = boot_files_for(Hardware::instance, context);
  Console console(arguments.vm.console);
  Instance instance(
      spec, [&](const std::string& line) { console(line); }, context.reporter);
  if (instance.wait_ssh()) {
    const long milliseconds_to_ssh = milliseconds(instance.machine());
    if (context.options.json)
      print(json_text(Json{{"ssh_port", instance.ssh_port()},
                           {"ssh_ms", milliseconds_to_ssh},
                           {"accel", instance.machine().accel()}}) +
            "\n");
    context.reporter.note("ssh -p " + std::to_string(instance.ssh_port()) +
                          " root@127.0.0.1  (answers after " + std::to_string(milliseconds_to_ssh) + " ms, " +
                          instance.machine().accel() + "; Ctrl-C stops)");
  }
  while (!interrupted() && !instance.machine().has_ended())
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  return 0;
}

/// One life of the machine; true if it is to start again with what changed.
bool run_once(const RunArguments& arguments, CommandContext& context, int& code) {
  const TempDir work(fs::temp_directory_path(), "alephc-run");
  const fs::path image = bootable_image(arguments.vm.image, work.path(), context);
  const std::string format = image_format_of(image).value_or("");
  const bool is_root = is_partition_format(format);
  if (is_disk(format) || (is_root && arguments.program_path.empty())) {
    code = run_instance(arguments, image, format, context);
    return false;
  }
  PreparedProgram prepared = program_of(arguments, work.path());
  MachineSpec spec = machine_spec(arguments.vm, image, context);
  if (!prepared.code_image.empty()) spec.drives.push_back({prepared.code_image, true});
  add_volumes(arguments, prepared.program, spec);
  if (arguments.ssh_port != 0) spec.ssh_port = arguments.ssh_port;
  Console console(arguments.vm.console);
  const BootedMachine booted = boot_machine(
      spec, [&](const std::string& line) { console(line); }, context.reporter);
  Machine& machine = *booted.machine;
  NodeSession& session = *booted.session;
  const long ready_ms = booted.ready_ms;
  const GuestMessage reply = session.configure(configuration_message(prepared.program));
  if (!succeeded(reply))
    throw Error(ErrorKind::failed, "the init refused the configuration: " + text_member(reply, "error") + "\n" +
                                       text_member(reply, "traceback"));
  const long configured_ms = milliseconds(machine);
  if (!arguments.request.empty()) {
    code = answer_one(arguments, context, session, machine, console, ready_ms, configured_ms);
    return false;
  }
  const HttpFront front(arguments.listen, [&](const GuestMessage& scope) {
    return session.request(scope, session.patience(60));
  });
  context.reporter.note("serving on " + front.url() + "  (ready after " + std::to_string(ready_ms) + " ms, " +
                        machine.accel() + ", vsock by " + machine.vsock() + "; Ctrl-C stops)");
  const std::string before = arguments.watch ? stamp_of(arguments.program_path) : "";
  bool changed = false;
  while (!interrupted() && !machine.has_ended() && !changed) {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    changed = arguments.watch && stamp_of(arguments.program_path) != before;
  }
  if (machine.has_ended())
    throw Error(ErrorKind::failed, "the machine ended: " + join(machine.last_lines(), "\n"));
  if (changed) {
    context.reporter.note("the program changed: starting again");
    (void)session.halt();
  }
  return changed;
}

bool has_python(const fs::path& image, unsigned jobs) {
  const ImageContent content = read_image(image, {.jobs = jobs, .only_wanted = true});
  return std::any_of(content.listing.begin(), content.listing.end(), [](const Entry& entry) {
    return entry.path == "usr/bin/python3" || entry.path == "usr/local/bin/python3" ||
           entry.path == "bin/python3";
  });
}

}  // namespace

CommandAction add_run(ArgumentParser& parser) {
  auto arguments = std::make_shared<RunArguments>();
  add_vm_options(parser, arguments->vm);
  parser.add_option("--program", arguments->program_path, "The code: a file, or a folder").value_name("PATH");
  parser.add_option("--entrypoint", arguments->program.entrypoint,
                    "module:app for ASGI, a path in the code for executables");
  parser
      .add_option("--encoding", arguments->program.encoding,
                  "How the code is sent (default: as it is; zip for folders)")
      .one_of({"plain", "zip", "squashfs"});
  parser
      .add_option("--interface", arguments->program.interface, "How the program is called (default: guessed)")
      .one_of({"asgi", "executable"});
  parser.add_option("--env", arguments->env, "A variable of the program").value_name("NAME=VALUE");
  parser.add_option("--volume", arguments->volumes, "An image file to mount").value_name("SRC:MOUNT[:ro]");
  parser.add_option("--authorized-key", arguments->authorized_key, "Public keys for root").value_name("FILE");
  parser.add_option("--ssh-port", arguments->ssh_port,
                    "Forward this port of 127.0.0.1 to the machine's port 22");
  parser.add_option("--listen", arguments->listen, "Where the program is served").value_name("HOST:PORT");
  parser.add_option("--request", arguments->request, "Answer one request, such as 'GET /', and stop");
  parser.add_option("--firmware", arguments->firmware, "What starts an instance's disk")
      .one_of({"bios", "uefi"});
  parser
      .add_option("--disk-size", arguments->disk_size, "Size of an instance's disk, if larger than the image")
      .value_name("SIZE");
  parser.add_flag("--watch", arguments->watch, "Start again when the program changes");
  return [arguments](CommandContext& context) {
    int code = 0;
    while (run_once(*arguments, context, code)) {
    }
    throw_if_interrupted();
    return code;
  };
}

CommandAction add_conform(ArgumentParser& parser) {
  auto arguments = std::make_shared<VmArguments>();
  add_vm_options(parser, *arguments);
  return [arguments](CommandContext& context) {
    const TempDir work(fs::temp_directory_path(), "alephc-run");
    const fs::path image = bootable_image(arguments->image, work.path(), context);
    const MachineSpec spec = machine_spec(*arguments, image, context);
    Console console(arguments->console);
    const auto word = [](ConformanceCheck::Verdict verdict) {
      return verdict == ConformanceCheck::Verdict::pass   ? "pass"
             : verdict == ConformanceCheck::Verdict::fail ? "FAIL"
                                                          : "skip";
    };
    const std::vector<ConformanceCheck> checks = check_conformance(
        spec, has_python(image, context.settings.jobs),
        [&](const ConformanceCheck& check) {
          if (!context.options.json)
            print(std::string(word(check.verdict)) + "  " + check.name +
                  (check.why.empty() ? "" : ": " + check.why) + "\n");
        },
        [&](const std::string& line) { console(line); }, context.reporter);
    int failed = 0;
    Json json = Json::array();
    for (const ConformanceCheck& check : checks) {
      failed += check.verdict == ConformanceCheck::Verdict::fail ? 1 : 0;
      json.push_back({{"check", check.name}, {"verdict", to_lower(word(check.verdict))}, {"why", check.why}});
    }
    if (context.options.json)
      print(json_text(Json{{"conforms", failed == 0}, {"checks", json}}) + "\n");
    else
      print(std::to_string(checks.size() - static_cast<std::size_t>(failed)) + " of " +
            std::to_string(checks.size()) + " checks hold\n");
    return failed == 0 ? 0 : 1;
  };
}

}  // namespace alephc
