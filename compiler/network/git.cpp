// SPDX-License-Identifier: MIT
#include "network/git.hpp"

#include <array>
#include <memory>

#include <fcntl.h>
#include <netdb.h>
#include <sys/socket.h>

#include "base/diagnostic.hpp"
#include "base/environment.hpp"
#include "base/files.hpp"
#include "base/limits.hpp"
#include "base/local_address.hpp"
#include "base/subprocess.hpp"
#include "base/text.hpp"
#include "fetch/fetcher.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

Command git_command(const std::vector<std::string>& arguments) {
  const auto program = find_program("git");
  if (!program) throw Error(ErrorKind::host, "git is needed, and not installed");
  Command command{.argv = {*program}};
  // Programs that a configuration may name. Those with names of their own (filters) are kept out by SafeGit.
  for (const char* setting : {"core.fsmonitor=false", "core.hooksPath=/dev/null", "core.pager=cat",
                              "core.sshCommand=false", "credential.helper=", "protocol.ext.allow=never",
                              // Nothing of the folder is run, so it may be another user's.
                              "safe.directory=*"}) {
    command.argv.emplace_back("-c");
    command.argv.emplace_back(setting);
  }
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  command.environment = {{"LC_ALL", "C"},
                         {"GIT_TERMINAL_PROMPT", "0"},
                         {"GIT_ALLOW_PROTOCOL", "http:https"},
                         {"GIT_CONFIG_NOSYSTEM", "1"},
                         {"GIT_CONFIG_GLOBAL", "/dev/null"}};
  for (const char* name : {"PATH", "HOME", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
                           "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "SSL_CERT_DIR", "GIT_SSL_CAPATH"})
    if (const std::string value = environment(name); !value.empty()) command.environment[name] = value;
  const std::string bundle = environment("GIT_SSL_CAINFO");
  if (const std::string file = bundle.empty() ? certificate_bundle() : bundle; !file.empty())
    command.environment["GIT_SSL_CAINFO"] = file;
  return command;
}

std::string answer_of(const Command& command) {
  const CommandResult result = run_command(command);
  return result.exit_code == 0 ? std::string(trim(result.output)) : std::string();
}

/// Where a work tree keeps what: "git rev-parse" runs nothing.
struct GitFolders {
  fs::path top;
  fs::path own;     ///< index and HEAD
  fs::path common;  ///< objects and config
};

std::optional<GitFolders> find_folders(const fs::path& folder, Reporter& reporter) {
  if (!find_program("git")) return std::nullopt;
  const CommandResult result = run_command(git_command({"-C", folder.string(), "rev-parse", "--path-format=absolute",
                                                        "--show-toplevel", "--git-dir", "--git-common-dir"}));
  const std::vector<std::string> lines = split(trim(result.output), '\n');
  if (result.exit_code == 0 && lines.size() == 3) return GitFolders{lines[0], lines[1], lines[2]};
  if (result.errors.find("not a git repository") == std::string::npos)
    reporter.diagnostic({.severity = Severity::warning,
                         .message = "git cannot locate the recipe, so the message will not name it",
                         .context = {printable(trim(result.errors))}});
  return std::nullopt;
}

/// A git folder of our own for a work tree: its index and objects, and a configuration without a program in it.
class SafeGit {
 public:
  explicit SafeGit(const GitFolders& folders) : folders_(folders), own_(fs::temp_directory_path(), "alephc-git") {
    for (const char* name : {"objects", "refs"}) make_folders(own_.path() / name, 0700);
    const std::string format = setting("extensions.objectformat");
    const bool is_sha256 = format == "sha256";
    atomic_write(own_.path() / "config", std::string("[core]\n\trepositoryformatversion = ") +
                                             (is_sha256 ? "1\n[extensions]\n\tobjectformat = sha256\n" : "0\n"));
    copy_if_there(folders.own / "index", "index");
    make_folders(own_.path() / "info", 0700);
    copy_if_there(folders.common / "info/exclude", "info/exclude");
  }

  /// Of the project's configuration file, which is only read.
  [[nodiscard]] std::string setting(const std::string& name) const {
    return answer_of(git_command(
        {"config", "--no-includes", "--file", (folders_.common / "config").string(), "--get", name}));
  }

  /// Nothing where git fails.
  [[nodiscard]] std::optional<std::string> run(const std::string& revision,
                                               const std::vector<std::string>& arguments) const {
    atomic_write(own_.path() / "HEAD", revision + "\n");
    Command command = git_command({"-C", folders_.top.string()});
    command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
    command.environment["GIT_DIR"] = own_.path().string();
    command.environment["GIT_WORK_TREE"] = folders_.top.string();
    command.environment["GIT_OBJECT_DIRECTORY"] = (folders_.common / "objects").string();
    command.seconds = limits::kCloneSeconds;
    const CommandResult result = run_command(command);
    if (result.exit_code != 0) return std::nullopt;
    return std::string(trim(result.output));
  }

 private:
  void copy_if_there(const fs::path& from, const std::string& name) const {
    std::error_code none;
    if (!fs::exists(from, none)) return;
    const UniqueFd source = open_regular(from);
    const UniqueFd copy = open_file(own_.path() / name, O_WRONLY | O_CREAT | O_TRUNC);
    copy_bytes(source.get(), copy.get());
  }

  GitFolders folders_;
  TempDir own_;
};

/// Where a URL leads, and the addresses that the name has now.
struct Destination {
  Authority authority{};
  std::vector<std::string> addresses{};
  bool is_local = false;  ///< one of them is
};

Destination destination_of(const std::string& url) {
  Destination found{.authority = authority_of(url)};
  const std::string& host = found.authority.host;
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (host.empty() || ::getaddrinfo(host.c_str(), nullptr, &wanted, &list) != 0)
    throw Error(ErrorKind::failed, "the host of " + printable(public_url(url)) + " cannot be found");
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
  for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
    found.is_local = found.is_local || is_local_address(*each->ai_addr);
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(each->ai_addr, each->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) == 0)
      found.addresses.emplace_back(text.data());
  }
  return found;
}

void run_bounded(const std::vector<std::string>& arguments, const std::string& doing) {
  Command command = git_command(arguments);
  command.seconds = limits::kCloneSeconds;
  command.file_bytes = limits::kCloneBytes;
  const CommandResult result = run_command(command);
  if (result.exit_code != 0)
    throw Error(ErrorKind::failed, doing + ": " + printable(std::string(trim(result.errors))));
}

}  // namespace

bool is_local_host(const std::string& url) {
  return destination_of(url).is_local;
}

std::optional<WorkTree> read_work_tree(const fs::path& folder, Reporter& reporter) {
  const auto folders = find_folders(folder, reporter);
  if (!folders) return std::nullopt;
  const SafeGit git(*folders);
  WorkTree tree{.top = folders->top};
  tree.revision = answer_of(git_command({"-C", folder.string(), "rev-parse", "--verify", "--quiet", "HEAD"}));
  tree.remote = git.setting("remote.origin.url");
  if (tree.revision.empty()) {
    tree.has_changes = true;
    return tree;
  }
  // In a submodule git would obey that one's own configuration, with programs in it.
  const auto changes =
      git.run(tree.revision, {"status", "--porcelain", "--ignore-submodules=all", "--", folder.string()});
  if (!changes)
    reporter.diagnostic({.severity = Severity::warning,
                         .message = "git cannot tell whether the recipe has uncommitted changes; it counts as changed"});
  tree.has_changes = !changes || !changes->empty();
  return tree;
}

void clone_repository(const std::string& repository, const std::string& revision, const fs::path& folder,
                      bool local_too) {
  const bool known = repository.starts_with("https://") || repository.starts_with("http://");
  if (!known || revision.empty() || revision.find_first_not_of("0123456789abcdef") != std::string::npos)
    throw Error(ErrorKind::failed, "the message names no repository and revision that can be fetched: " +
                                       printable(repository) + " at " + printable(revision));
  const Destination destination = destination_of(repository);
  if (!local_too && destination.is_local)
    throw Error(ErrorKind::failed,
                "the message names a repository on this machine or its network, which other machines cannot fetch: " +
                    printable(repository));
  const std::string doing = "cannot get " + printable(repository) + " at " + revision;
  // git asks for the name once more, and must not get another answer than the one that was checked.
  const std::string resolved =
      destination.authority.host + ":" + destination.authority.port + ":" + join(destination.addresses, ",");
  run_bounded({"-c", "http.followRedirects=false", "-c", "http.curloptResolve=" + resolved, "clone", "--quiet",
               "--no-checkout", "--", repository, folder.string()},
              doing);
  run_bounded({"-C", folder.string(), "checkout", "--quiet", "--detach", revision}, doing);
}

}  // namespace alephc
