// SPDX-License-Identifier: MIT
#include "execute/python_step.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>

#include "base/diagnostic.hpp"
#include "base/environment.hpp"
#include "base/files.hpp"
#include "base/root_folder.hpp"
#include "base/text.hpp"
#include "sandbox/run_checked.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kProject = "/run/alephc/inputs";
constexpr const char* kWheels = "/run/alephc/wheels";
constexpr const char* kSources = "/run/alephc/sources";
constexpr const char* kBuilt = "/run/alephc/built";
constexpr const char* kRequirements = "/run/alephc/requirements.txt";
constexpr const char* kConstraints = "/run/alephc/constraints.txt";
constexpr const char* kSourceRequirements = "/run/alephc/sources.txt";
constexpr const char* kCertificates = "/run/alephc/ca.pem";
constexpr const char* kNetrc = "/root/.netrc";

/// pip reads every option from the environment too; one that its version lacks is passed over.
std::map<std::string, std::string> pip_environment() {
  return {{"PIP_CONFIG_FILE", "/dev/null"},
          {"PIP_DISABLE_PIP_VERSION_CHECK", "1"},
          {"PIP_NO_CACHE_DIR", "1"},
          {"PIP_NO_INPUT", "1"},
          {"PIP_PROGRESS_BAR", "off"},
          {"PIP_ROOT_USER_ACTION", "ignore"},
          {"PIP_NO_WARN_SCRIPT_LOCATION", "1"},
          {"PIP_NO_COLOR", "1"},
          {"PYTHONDONTWRITEBYTECODE", "1"}};
}

/// What connects the sandbox's pip as this machine's would be. Code of a source runs beside it, to tell what
/// it needs, and is given no credentials.
std::map<std::string, std::string> network_environment(const PipSettings& machine, bool with_credentials) {
  std::map<std::string, std::string> env = pip_environment();
  const auto shown = [&](const std::string& url) { return with_credentials ? url : public_url(url); };
  if (!machine.index.empty()) env["PIP_INDEX_URL"] = shown(machine.index);
  std::vector<std::string> extra;
  for (const std::string& index : machine.extra_indexes) extra.push_back(shown(index));
  if (!extra.empty()) env["PIP_EXTRA_INDEX_URL"] = join(extra, " ");
  if (!machine.trusted_hosts.empty()) env["PIP_TRUSTED_HOST"] = join(machine.trusted_hosts, " ");
  if (!machine.certificates.empty()) env["PIP_CERT"] = kCertificates;
  for (const char* name : {"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"})
    if (const char* value = std::getenv(name)) env[name] = value;
  return env;
}

std::string lines(const std::vector<std::string>& texts) {
  return texts.empty() ? std::string() : join(texts, "\n") + "\n";
}

std::vector<std::string> index_arguments(const PythonSpec& python) {
  std::vector<std::string> arguments;
  if (!python.index.empty()) arguments.insert(arguments.end(), {"--index-url", python.index});
  for (const std::string& index : python.extra_indexes)
    arguments.insert(arguments.end(), {"--extra-index-url", index});
  return arguments;
}

std::vector<std::string> pip(const char* command) {
  return {"python3", "-m", "pip", command};
}

void append(std::vector<std::string>& into, const std::vector<std::string>& more) {
  into.insert(into.end(), more.begin(), more.end());
}

SandboxCommand download_command(const PythonRequest& request) {
  const PythonSpec& python = request.python;
  SandboxCommand command{.argv = pip("download"),
                         .env = network_environment(request.machine, python.sdist.empty())};
  append(command.argv, {"--dest", kWheels, "--only-binary", ":all:"});
  if (!python.sdist.empty())
    append(command.argv, {"--no-binary", join(python.sdist, ","), "--no-build-isolation"});
  append(command.argv, index_arguments(python));
  if (request.lock_file.is_complete) command.argv.emplace_back("--no-deps");
  append(command.argv, {"--requirement", kRequirements});
  for (const std::string& file : python.requirements_files)
    append(command.argv, {"--requirement", std::string(kProject) + "/" + file});
  for (const std::string& file : python.constraints_files)
    append(command.argv, {"--constraint", std::string(kProject) + "/" + file});
  if (!request.preferences.empty() || !request.lock_file.constraints.empty())
    append(command.argv, {"--constraint", kConstraints});
  return command;
}

/// What a wheel of the target is missing for, in pip's words, said by what to do about it.
[[noreturn]] void explain_failure(Error& error, const fs::path& log) {
  const std::string text = read_file_if_exists(log).value_or("");
  const std::string_view missing = "No matching distribution found for ";
  if (const std::size_t at = text.rfind(missing); at != std::string::npos) {
    const std::string name(trim(text.substr(at + missing.size(), text.find('\n', at) - at - missing.size())));
    throw Error(
        ErrorKind::failed,
        std::vector{Diagnostic{.message = "no wheel of " + name + " is for the target's Python",
                               .context = {"the whole log is " + log.string()},
                               .hint = "check name and version; if it comes as source only, name it in "
                                       "python.sdist and its compilers in packages.build"}});
  }
  if (text.find("No module named pip") != std::string::npos)
    throw Error(ErrorKind::failed, "[python] needs pip in the target while it is installed",
                "add python3-pip (of Alpine py3-pip) to packages.build");
  throw std::move(error);
}

/// pip chooses a version that was taken back only when it is pinned, and says so on the way.
void pass_warnings_on(const fs::path& log, Reporter& reporter) {
  bool yanked = false;
  for (const std::string& line : split(read_file_if_exists(log).value_or(""), '\n')) {
    if (line.find("is a yanked version") != std::string::npos) {
      yanked = true;
      reporter.diagnostic({.severity = Severity::warning, .message = std::string(trim(line))});
    } else if (yanked && line.find("Reason for being yanked") != std::string::npos) {
      reporter.diagnostic({.severity = Severity::warning, .message = std::string(trim(line))});
    }
  }
}

/// What stands in the sandbox's folder now, be it by pip or by code of a package: links are not followed.
std::vector<LockedWheel> take_wheels(const Workplace& place, const Store& store) {
  std::vector<LockedWheel> wheels;
  const RootFolder root(place.upper);
  const UniqueFd dir = open_resolved(root.fd(), kWheels + 1, O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
                                     RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  if (!dir) throw system_error("open what pip downloaded", errno);
  const fs::path copy = place.scratch / "wheel";
  for (const std::string& name : list_folder(dir.get())) {
    LockedWheel wheel;
    const UniqueFd file = open_at(dir.get(), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    struct stat info {};
    if (!read_wheel_name(name, wheel) || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode))
      throw Error(ErrorKind::failed, "pip downloaded '" + name + "', which is no file of a package index",
                  "only packages of an index can be locked");
    fs::remove(copy);
    copy_bytes(file.get(), open_file(copy, O_WRONLY | O_CREAT | O_EXCL).get());
    wheel.size = fs::file_size(copy);
    wheel.sha256 = sha256_file(copy);
    store.adopt_blob(copy, wheel.sha256);
    wheels.push_back(std::move(wheel));
  }
  std::sort(wheels.begin(), wheels.end(),
            [](const LockedWheel& a, const LockedWheel& b) { return a.name < b.name; });
  return wheels;
}

/// A file for the sandbox to read.
void offer(SandboxOptions& options, const Workplace& place, const char* target, const std::string& text) {
  const fs::path file = place.scratch / base_name(target);
  atomic_write(file, text, 0644);
  options.read_only.push_back({file, target});
}

/// A source is built at a path that is always the same, since compilers write it down.
void add_source_build(const LockedWheel& wheel, std::vector<SandboxCommand>& commands) {
  const std::string folder = std::string(kSources) + "/" + wheel.name;
  commands.push_back(
      {.argv = {"python3", "-c", "import shutil, sys; shutil.unpack_archive(sys.argv[1], sys.argv[2])",
                std::string(kWheels) + "/" + wheel.file, folder}});
  SandboxCommand build{.argv = pip("wheel"), .env = pip_environment()};
  append(build.argv, {"--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", kBuilt,
                      folder + "/" + source_stem(wheel.file)});
  commands.push_back(std::move(build));
}

SandboxCommand install_command(const PythonSpec& python, const char* from, const char* requirements,
                               bool hashes) {
  SandboxCommand command{.argv = pip("install"), .env = pip_environment()};
  append(command.argv, {"--no-index", "--find-links", from, "--no-deps", "--no-compile", "--target",
                        python.target, "--upgrade", "--requirement", requirements});
  if (hashes) command.argv.emplace_back("--require-hashes");
  return command;
}

/// Files that are not meant for this Python fail to compile, which is their normal state.
SandboxCommand compile_command(const PythonSpec& python) {
  std::vector<std::string> levels;
  for (const int level : python.optimize) levels.push_back(std::to_string(level));
  return {
      .argv = {"python3", "-c",
               "import compileall, py_compile, sys; compileall.compile_dir(sys.argv[1], quiet=2, force=True, "
               "optimize=[" +
                   join(levels, ", ") + "], invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)",
               python.target}};
}

}  // namespace

bool is_pip_package(const std::string& name) {
  return name == "python3-pip" || name == "py3-pip";
}

std::vector<LockedWheel> resolve_wheels(const PythonRequest& request, const Store& store,
                                        const Workplace& place, Reporter& reporter) {
  SandboxOptions options = sandbox_options(place);
  options.network = true;
  std::vector<std::string> requirements = request.lock_file.requirements;
  for (const Text& requirement : request.python.requirements) requirements.push_back(requirement.value);
  offer(options, place, kRequirements, lines(requirements));
  std::vector<std::string> constraints = request.lock_file.constraints;
  append(constraints, request.preferences);
  if (!constraints.empty()) offer(options, place, kConstraints, lines(constraints));
  const fs::path staging = place.scratch / "inputs";
  make_folders(staging);
  for (const auto* files : {&request.python.requirements_files, &request.python.constraints_files})
    for (const std::string& file : *files) stage_project_file(request.project / file, staging / file);
  options.read_only.push_back({staging, kProject});
  if (!request.machine.certificates.empty())
    options.read_only.push_back({fs::canonical(request.machine.certificates), kCertificates});
  const fs::path netrc = home_folder() / ".netrc";
  if (fs::exists(netrc) && request.python.sdist.empty()) options.read_only.push_back({netrc, kNetrc});
  const fs::path wheels = place.upper / fs::path(kWheels).relative_path();
  make_folders(wheels);
  const NetworkNames names(place);  // in a layer that nobody keeps
  try {
    run_checked(options, {download_command(request)}, "resolving Python packages");
  } catch (Error& error) {
    if (error.kind() != ErrorKind::failed) throw;
    explain_failure(error, place.log);
  }
  pass_warnings_on(place.log, reporter);
  std::vector<LockedWheel> found = take_wheels(place, store);
  std::vector<Diagnostic> problems;
  for (const std::string& text : contradictions(found, request.lock_file))
    problems.push_back(
        {.message = text,
         .hint = "the index was changed, or tampered with: make the lock file anew if that is right"});
  if (!problems.empty()) throw Error(ErrorKind::integrity, std::move(problems));
  return found;
}

void install_wheels(const StepEnvironment& env, const Workplace& place) {
  const PythonSpec& python = env.manifest.python;
  const fs::path staging = place.scratch / "wheels";
  make_folders(staging);
  std::string requirements;
  std::string sources;
  std::vector<SandboxCommand> commands;
  for (const LockedWheel& wheel : env.lock.wheels) {
    const UniqueFd from = env.supply.open(wheel.sha256, wheel.file);
    const UniqueFd to = open_file(staging / wheel.file, O_WRONLY | O_CREAT | O_EXCL);
    copy_bytes(from.get(), to.get());
    const std::string pinned = wheel.name + "==" + wheel.version;
    if (wheel.is_source()) {
      add_source_build(wheel, commands);
      sources += pinned + "\n";
    } else {
      requirements += pinned + " --hash=sha256:" + wheel.sha256.hex() + "\n";
    }
  }
  SandboxOptions options = sandbox_options(place);
  options.read_only.push_back({staging, kWheels});
  offer(options, place, kRequirements, requirements);
  offer(options, place, kSourceRequirements, sources);
  if (!requirements.empty()) commands.push_back(install_command(python, kWheels, kRequirements, true));
  if (!sources.empty()) commands.push_back(install_command(python, kBuilt, kSourceRequirements, false));
  commands.push_back(compile_command(python));
  run_checked(options, commands, "installing Python packages");
  remove_mount_points(place.upper);
}

}  // namespace alephc
