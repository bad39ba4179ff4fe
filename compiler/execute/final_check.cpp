// SPDX-License-Identifier: MIT
#include "execute/final_check.hpp"

#include <algorithm>
#include <array>

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "sandbox/sandbox.hpp"

namespace alephc {
namespace {

constexpr std::uint64_t kLargestKey = 64 * 1024;

bool is_below(const std::string& path, std::initializer_list<const char*> folders) {
  return std::any_of(folders.begin(), folders.end(),
                     [&](const char* folder) { return path.starts_with(std::string(folder) + "/"); });
}

/// Keys that packages ship below /usr are known to the whole world and protect nothing.
bool may_hold_key(const Entry& entry) {
  return entry.type == EntryType::regular && entry.hard_link.empty() && entry.size > 0 &&
         entry.size <= kLargestKey && is_below(entry.path, {"etc", "root", "home", "srv", "opt", "var"}) &&
         !is_below(entry.path, {"var/lib/dpkg", "etc/ssl/certs"});
}

/// Anywhere in it: a certificate, or an EC key's parameters, may stand before the key.
bool is_private_key(const std::string& text) {
  for (std::size_t at = text.find("-----BEGIN "); at != std::string::npos;
       at = text.find("-----BEGIN ", at + 1))
    if (text.substr(at, text.find('\n', at) - at).find("PRIVATE KEY") != std::string::npos) return true;
  return false;
}

/// Which step wrote a path last.
std::string step_of(const Tree& tree, const std::vector<std::string>& steps, const std::string& path) {
  for (std::size_t i = tree.layers().size(); i > 0; --i)
    if (find_entry(tree.layers()[i - 1]->listing, path) != nullptr)
      return i <= steps.size() ? steps[i - 1] : "";
  return {};
}

std::string problem_of(const Tree& tree, const Entry& entry, const std::vector<std::string>& steps,
                       const std::set<std::string>& published) {
  const std::string name = base_name(entry.path);
  if (may_hold_key(entry) && is_private_key(tree.read_content(entry)) &&
      !published.contains(step_of(tree, steps, entry.path)))
    return "is a private key: everybody who has the image would have it too";
  const bool is_id = entry.path == "etc/machine-id" || entry.path == "var/lib/dbus/machine-id";
  if (is_id && entry.type == EntryType::regular && entry.size > 0 &&
      trim(tree.read_content(entry)) != "uninitialized")
    return "names one machine, but every machine would be called so";
  if (entry.type == EntryType::regular && entry.size > 0 &&
      (name == "random-seed" || name == "credential.secret"))
    return "is a random seed that every machine would share";
  const bool temporary = is_below(entry.path + "/", {"tmp", "var/tmp", "run", "dev"});
  const bool writable = (entry.mode & 0002U) != 0 && !temporary;
  if (writable && entry.type == EntryType::regular)
    return "may be written by everybody (" + octal(entry.mode) + ")";
  if (writable && entry.type == EntryType::directory && (entry.mode & 01000U) == 0)
    return "is a folder in which everybody may remove what others put (" + octal(entry.mode) + ")";
  if (entry.mtime > kStepTime) return "is younger than the time of the steps";
  return {};
}

}  // namespace

void check_final_tree(const Tree& tree, const std::vector<std::string>& steps,
                      const std::set<std::string>& published) {
  std::vector<Diagnostic> problems;
  for (const Entry& entry : tree.entries()) {
    const std::string problem = problem_of(tree, entry, steps, published);
    if (problem.empty()) continue;
    Diagnostic diagnostic{.message = "/" + entry.path + " " + problem};
    diagnostic.context.push_back("written by step " + step_of(tree, steps, entry.path));
    diagnostic.hint = "leave it out with packages.exclude_paths, or make it at boot with an [[init.plugin]]";
    problems.push_back(std::move(diagnostic));
  }
  if (!problems.empty()) throw Error(ErrorKind::failed, std::move(problems));
}

}  // namespace alephc
