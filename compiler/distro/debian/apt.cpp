// SPDX-License-Identifier: MIT
#include "distro/debian/apt.hpp"

#include <algorithm>

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "sandbox/sandbox.hpp"

namespace alephc::debian {
namespace {

namespace fs = std::filesystem;

std::string host_of(std::size_t source) {
  return "alephc-" + std::to_string(source);
}

/// The name apt gives to an index in its lists folder: the address without scheme, '/' as '_'.
std::string list_name(const std::string& host, const Source& source, const std::string& file) {
  const std::string place =
      source.is_flat() ? (source.suite == "./" ? "." : source.suite.substr(0, source.suite.size() - 1))
                       : "dists/" + source.suite;
  std::string name = host + "/" + place + "/" + file;
  std::replace(name.begin(), name.end(), '/', '_');
  return name;
}

/// "Inst libc6:i386 (2.36-9 Debian:12/oldstable [i386]) []"
std::optional<Chosen> parse_inst(const std::string& line) {
  const std::vector<std::string> words = split_words(line);
  if (words.size() < 4 || words[0] != "Inst") return std::nullopt;
  Chosen chosen;
  chosen.name = words[1].substr(0, words[1].find(':'));
  const std::size_t open = line.find(" (");
  const std::size_t close = line.find("])", open);
  const std::size_t arch = line.rfind('[', close);
  if (open == std::string::npos || close == std::string::npos || arch == std::string::npos)
    return std::nullopt;
  chosen.version = line.substr(open + 2, line.find(' ', open + 2) - open - 2);
  chosen.arch = line.substr(arch + 1, close - arch - 1);
  return chosen;
}

std::string apt_words(const std::string& errors, const std::string& output) {
  std::string out;
  const std::size_t begin = output.find("The following packages have unmet dependencies:");
  if (begin != std::string::npos) out = output.substr(begin);
  for (const std::string& line : split(errors, '\n'))
    if (line.starts_with("E: ")) out += line + "\n";
  return out;
}

}  // namespace

AptRoot::AptRoot(const AptProgram& program, const Store& store, const std::vector<VerifiedSource>& sources,
                 std::string arch, const std::vector<std::string>& foreign_archs, bool recommends)
    : program_(program), arch_(std::move(arch)) {
  if (is_confined()) {
    work_.emplace(store.make_work_folder());
    folder_ = work_->path() / "upper/apt";
    lists_ = work_->path() / "indexes/apt/lists";
    seen_ = "/apt";
  } else {
    temp_.emplace(fs::temp_directory_path(), "alephc-apt");
    folder_ = temp_->path();
    lists_ = folder_ / "lists";
    seen_ = folder_.string();
  }
  make_folders(lists_);
  for (const char* folder : {"lists/partial", "cache/archives/partial", "log"})
    make_folders(folder_ / folder);
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const VerifiedSource& verified = sources[i];
    const Source& source = verified.source;
    sources_list_ += "deb [trusted=yes] http://" + host_of(i) + "/ " + source.suite;
    if (!source.is_flat()) sources_list_ += " " + join(source.components, " ");
    sources_list_ += "\n";
    atomic_write(lists_ / list_name(host_of(i), source, "Release"), verified.release.text);
    for (const PackagesFile& file : verified.packages) {
      const std::string path =
          source.is_flat() ? "Packages" : file.component + "/binary-" + file.arch + "/Packages";
      put_list(store, file.digest, lists_ / list_name(host_of(i), source, path));
    }
    if (source.priority != 0)
      preferences_ += "Package: *\nPin: origin \"" + host_of(i) +
                      "\"\nPin-Priority: " + std::to_string(source.priority) + "\n\n";
  }
  write_config(foreign_archs, recommends);
  atomic_write(folder_ / "status", "");
}

/// The sandbox shows a name of the store's own file in a layer below: what apt writes, whatever it is, goes into the upper.
void AptRoot::put_list(const Store& store, const Digest& digest, const fs::path& place) const {
  const fs::path file = store.blob_path(digest);
  if (!is_confined()) return fs::create_symlink(file, place);
  std::error_code no_links;
  fs::create_hard_link(file, place, no_links);
  if (no_links) fs::copy_file(file, place);
}

void AptRoot::write_config(const std::vector<std::string>& foreign_archs, bool recommends) const {
  const std::string& root = seen_;
  std::string text = "Dir \"" + root + "/\";\n";
  // Relative to Dir; main and parts would still be read from this machine without their own lines.
  text += "Dir::State \"\"; Dir::State::Lists \"lists\"; Dir::State::status \"" + root +
          "/status\";\n"
          "Dir::State::extended_states \"" +
          root +
          "/extended_states\";\n"
          "Dir::Cache \"cache\"; Dir::Cache::archives \"archives\";\n"
          "Dir::Etc \"\"; Dir::Etc::main \"/dev/null\"; Dir::Etc::parts \"/dev/null\";\n"
          "Dir::Etc::sourcelist \"" +
          root +
          "/sources.list\"; Dir::Etc::sourceparts \"/dev/null\";\n"
          "Dir::Etc::preferences \"" +
          root +
          "/preferences\"; Dir::Etc::preferencesparts \"/dev/null\";\n"
          "Dir::Etc::trusted \"/dev/null\"; Dir::Etc::trustedparts \"/dev/null\";\n"
          "Dir::Log \"" +
          root +
          "/log\"; Dir::Log::Planner \"\"; Dir::Log::Solver \"\";\n"
          "APT::Install-Recommends \"" +
          std::string(recommends ? "true" : "false") +
          "\"; APT::Install-Suggests \"false\";\n"
          "APT::Get::AllowUnauthenticated \"true\"; APT::Get::Show-User-Simulation-Note \"false\";\n"
          "APT::Get::Always-Include-Phased-Updates \"true\"; APT::Get::Assume-Yes \"true\"; "
          "APT::Get::Simulate \"true\";\n"
          "Acquire::Check-Valid-Until \"false\"; Debug::NoLocking \"true\"; APT::Sandbox::User \"root\";\n";
  text += "APT::Architecture \"" + arch_ + "\"; APT::Architectures { \"" + arch_ + "\";";
  for (const std::string& foreign : foreign_archs) text += " \"" + foreign + "\";";
  atomic_write(folder_ / "apt.conf", text + " };\n");
}

void AptRoot::add_local(const std::string& packages_text) {
  sources_list_ += "deb [trusted=yes] http://alephc-local/ ./\n";
  atomic_write(folder_ / "lists/alephc-local_._Packages", packages_text);
  atomic_write(folder_ / "lists/alephc-local_._Release",
               "Origin: alephc-local\nDate: Thu, 01 Jan 1970 00:00:00 UTC\n");
}

void AptRoot::keep_versions(const std::vector<Chosen>& packages) {
  for (const Chosen& package : packages)
    preferences_ += "Package: " + package.name + ":" + (package.arch == "all" ? arch_ : package.arch) +
                    "\nPin: version " + package.version + "\nPin-Priority: 995\n\n";
}

void AptRoot::set_installed(const std::string& status_text, const std::vector<Chosen>& automatic) {
  atomic_write(folder_ / "status", status_text);
  std::string states;
  for (const Chosen& package : automatic)
    states += "Package: " + package.name +
              "\nArchitecture: " + (package.arch == "all" ? arch_ : package.arch) + "\nAuto-Installed: 1\n\n";
  atomic_write(folder_ / "extended_states", states);
}

AptAnswer AptRoot::run(const std::vector<std::string>& arguments) const {
  atomic_write(folder_ / "sources.list", sources_list_);
  atomic_write(folder_ / "preferences", preferences_);
  std::vector<std::string> argv{program_.path};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  const CommandResult result = call(argv);
  AptAnswer answer;
  answer.ok = result.exit_code == 0;
  for (const std::string& line : split(result.output, '\n')) {
    if (auto chosen = parse_inst(line)) answer.install.push_back(std::move(*chosen));
    const std::vector<std::string> words = split_words(line);
    if (words.size() > 1 && (words[0] == "Remv" || words[0] == "Purg")) answer.remove.push_back(words[1]);
  }
  if (!answer.ok) answer.errors = apt_words(result.errors, result.output);
  if (!answer.ok && answer.errors.empty()) answer.errors = result.errors + result.output;
  return answer;
}

CommandResult AptRoot::call(const std::vector<std::string>& argv) const {
  const std::map<std::string, std::string> environment{{"APT_CONFIG", seen_ + "/apt.conf"},
                                                       {"LC_ALL", "C"},
                                                       {"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"},
                                                       {"SOURCE_DATE_EPOCH", "0"}};
  if (!is_confined()) return run_command({.argv = argv, .environment = environment});
  SandboxOptions options{.log = work_->path() / "log"};
  options.root = {.lowers = {work_->path() / "indexes", program_.files->folder},
                  .upper = work_->path() / "upper",
                  .scratch = work_->path() / "scratch"};
  make_folders(options.root.scratch, 0700);
  const SandboxResult result = run_in_sandbox(options, {{.argv = argv, .env = environment}});
  const std::string said = read_file(options.log);
  return {.exit_code = result.exit_code, .output = said, .errors = said};
}

AptAnswer AptRoot::install(const std::vector<std::string>& requests) const {
  std::vector<std::string> arguments{"install", "--"};
  arguments.insert(arguments.end(), requests.begin(), requests.end());
  return run(arguments);
}

AptAnswer AptRoot::purge(const std::vector<std::string>& names) const {
  std::vector<std::string> arguments{"purge", "--auto-remove", "--"};
  arguments.insert(arguments.end(), names.begin(), names.end());
  return run(arguments);
}

}  // namespace alephc::debian
