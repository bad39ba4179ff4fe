// SPDX-License-Identifier: MIT
#include "steps/accounts.hpp"

#include "base/diagnostic.hpp"
#include "base/text.hpp"

namespace alephc {
namespace {

// Of what scripts wrote; a name service of a large site has some 100,000 accounts, and none of them in files.
constexpr std::uint64_t kMaxAccountsFile = 4ULL << 20U;
constexpr std::size_t kMaxAccountLine = 65536;
constexpr std::size_t kMaxAccounts = 65536;

std::uint32_t id_of(const Tree& tree, const std::string& file, const std::string& name, const char* what) {
  if (const auto number = parse_unsigned(name); number && *number < UINT32_MAX)
    return static_cast<std::uint32_t>(*number);
  if (name == "root") return 0;
  const auto id = account_id(tree, file, name);
  if (id) return *id;
  std::vector<std::string> names;
  for (const auto& fields : account_lines(tree, file)) names.push_back(fields[0]);
  throw Error(ErrorKind::failed, std::string("there is no ") + what + " '" + name + "' in the image",
              did_you_mean(name, names));
}

}  // namespace

std::vector<std::vector<std::string>> account_lines(const Tree& tree, const std::string& file) {
  std::vector<std::vector<std::string>> lines;
  const Entry* entry = tree.find(file);
  if (entry == nullptr || entry->type != EntryType::regular) return lines;
  if (entry->size > kMaxAccountsFile)
    throw Error(ErrorKind::failed, "/" + file + " has more than " + human_size(kMaxAccountsFile));
  for (const std::string& line : split(tree.read_content(*entry), '\n')) {
    if (line.find(':') == std::string::npos) continue;
    if (line.size() > kMaxAccountLine)
      throw Error(ErrorKind::failed, "/" + file + " has a line of more than " + human_size(kMaxAccountLine));
    lines.push_back(split(line, ':'));
    if (lines.size() > kMaxAccounts)
      throw Error(ErrorKind::failed, "/" + file + " has more than " + std::to_string(kMaxAccounts) + " lines");
  }
  return lines;
}

std::vector<std::string> account_fields(const Tree& tree, const std::string& file,
                                        const std::vector<std::size_t>& wanted) {
  std::vector<std::string> lines;
  for (const auto& fields : account_lines(tree, file)) {
    if (fields.size() <= wanted.back()) continue;
    std::vector<std::string> chosen;
    for (const std::size_t i : wanted) chosen.push_back(fields[i]);
    lines.push_back(join(chosen, ":"));
  }
  return lines;
}

std::optional<std::uint32_t> account_id(const Tree& tree, const std::string& file, const std::string& name) {
  for (const auto& fields : account_lines(tree, file))
    if (fields.size() > 2 && fields[0] == name)
      if (const auto id = parse_unsigned(fields[2])) return static_cast<std::uint32_t>(*id);
  return std::nullopt;
}

OwnerIds owner_ids(const Tree& tree, const std::string& owner) {
  const std::size_t colon = owner.find(':');
  return {id_of(tree, "etc/passwd", owner.substr(0, colon), "user"),
          id_of(tree, "etc/group", owner.substr(colon + 1), "group")};
}

}  // namespace alephc
