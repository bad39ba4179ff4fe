// SPDX-License-Identifier: MIT
#include "resolve/wheels.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/root_folder.hpp"
#include "base/text.hpp"
#include "distro/traits.hpp"
#include "language/python/index_proxy.hpp"
#include "sandbox/given_files.hpp"
#include "sandbox/network.hpp"
#include "sandbox/run_checked.hpp"
#include "steps/pip.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kProject = "/run/alephc/inputs";
constexpr const char* kWheels = "/run/alephc/wheels";
constexpr const char* kRequirements = "/run/alephc/requirements.txt";
constexpr const char* kConstraints = "/run/alephc/constraints.txt";

/// Where the sandbox's pip finds the indexes: at the proxy, and nowhere else.
std::map<std::string, std::string> index_environment(const std::vector<std::string>& indexes, IndexProxy& proxy) {
  std::map<std::string, std::string> env = pip_environment();
  std::vector<std::string> extra;
  for (const std::string& index : indexes) {
    const std::string here = proxy.add_index(index);
    if (env.contains("PIP_INDEX_URL"))
      extra.push_back(here);
    else
      env["PIP_INDEX_URL"] = here;
  }
  if (!extra.empty()) env["PIP_EXTRA_INDEX_URL"] = join(extra, " ");
  return env;
}

std::string lines(const std::vector<std::string>& texts) {
  return texts.empty() ? std::string() : join(texts, "\n") + "\n";
}

void append(std::vector<std::string>& into, const std::vector<std::string>& more) {
  into.insert(into.end(), more.begin(), more.end());
}

std::string project_path(const std::string& file) {
  return std::string(kProject) + "/" + StagedName::of_project_path(file).text();
}

SandboxCommand download_command(const PythonRequest& request, std::map<std::string, std::string> env) {
  const PythonSpec& python = request.manifest.python;
  SandboxCommand command{.argv = pip_command("download", {}), .env = std::move(env)};
  append(command.argv, {"--dest", kWheels, "--only-binary", ":all:"});
  if (!python.sdist.empty())
    append(command.argv, {"--no-binary", join(python.sdist, ","), "--no-build-isolation"});
  if (request.lock_file.is_complete) command.argv.emplace_back("--no-deps");
  append(command.argv, {"--requirement", kRequirements});
  for (const std::string& file : python.requirements_files)
    append(command.argv, {"--requirement", project_path(file)});
  for (const std::string& file : python.constraints_files)
    append(command.argv, {"--constraint", project_path(file)});
  if (!request.preferences.empty() || !request.lock_file.constraints.empty())
    append(command.argv, {"--constraint", kConstraints});
  return command;
}

/// What a wheel of the target is missing for, in pip's words, said by what to do about it.
[[noreturn]] void explain_failure(Error& error, const fs::path& log, std::string_view distro) {
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
                "add " + std::string(distro_traits(distro).pip_package) + " to packages.build");
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
std::vector<LockedWheel> take_wheels(const SandboxPlace& place, const Store& store) {
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
      throw Error(ErrorKind::failed, "pip downloaded '" + name + "', which is not a file from a package index",
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

void stage_requirements(const std::string& file, const Manifest& manifest, const StagingFolder& staging,
                        IndexProxy& proxy) {
  const std::string text = with_indexes(file, read_file(manifest.content_of(file)),
                                        [&](const std::string& url) { return proxy.add_index(url); });
  write_all(staging.create(StagedName::of_project_path(file)).get(), text);
}

/// The base may hold a link there.
void make_download_folder(const fs::path& upper) {
  const RootFolder root(upper);
  root.make_folders(kWheels + 1);
}

}  // namespace

std::vector<LockedWheel> resolve_wheels(const PythonRequest& request, const Store& store,
                                        const SandboxPlace& place, Reporter& reporter) {
  const PrivateNetwork network;
  PrivateNetwork::Listener listener = network.listen();
  IndexProxy proxy(std::move(listener.socket), listener.port, store, {});
  SandboxOptions options = sandbox_options(place);
  options.network = &network;
  GivenFiles given(place.scratch);
  std::vector<std::string> requirements = request.lock_file.requirements;
  for (const Text& requirement : request.manifest.python.requirements) requirements.push_back(requirement.value);
  given.add_text(kRequirements, lines(requirements));
  std::vector<std::string> constraints = request.lock_file.constraints;
  append(constraints, request.preferences);
  if (!constraints.empty()) given.add_text(kConstraints, lines(constraints));
  const StagingFolder staging = given.add_folder(kProject);
  for (const auto* files : {&request.manifest.python.requirements_files, &request.manifest.python.constraints_files})
    for (const std::string& file : *files) stage_requirements(file, request.manifest, staging, proxy);
  given.give_to(options);
  make_download_folder(place.upper);
  try {
    run_checked(place.runner, options, {download_command(request, index_environment(request.indexes, proxy))},
                "resolving Python packages");
  } catch (Error& error) {
    if (error.kind() != ErrorKind::failed) throw;
    for (const std::string& failure : proxy.failures()) error.add_context(failure);
    explain_failure(error, place.log, request.manifest.base.distro);
  }
  pass_warnings_on(place.log, reporter);
  std::vector<LockedWheel> found = take_wheels(place, store);
  std::vector<Diagnostic> problems;
  for (const std::string& text : contradictions(found, request.lock_file))
    problems.push_back(
        {.message = text,
         .hint = "the index was changed, or tampered with: make the lock file again if that is right"});
  if (!problems.empty()) throw Error(ErrorKind::integrity, std::move(problems));
  return found;
}

}  // namespace alephc
