// SPDX-License-Identifier: MIT
#include "attest/policy.hpp"

#include <algorithm>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "manifest/value.hpp"

namespace alephc {
namespace {

class PolicyReader {
 public:
  explicit PolicyReader(const std::filesystem::path& file)
      : file_(file),
        source_(std::make_shared<const SourceText>(SourceText{file.string(), read_file(file)})),
        root_(parse_toml(source_)) {}

  Policy read() {
    refuse_unknown(root_, {"policy", "threshold", "key"});
    if (number(root_, "policy") != 1) problems_.error("'policy' must be 1", root_.at, "update alephc?");
    if (const Value* keys = root_.find("key"))
      for (const Value& item : keys->items) read_key(item);
    const std::int64_t threshold = number(root_, "threshold");
    if (threshold < 1 || static_cast<std::size_t>(threshold) > policy_.keys.size())
      problems_.error("'threshold' must be between 1 and the number of keys", root_.at);
    problems_.stop_if_errors();
    policy_.threshold = static_cast<std::size_t>(threshold);
    return std::move(policy_);
  }

 private:
  void refuse_unknown(const Value& table, const std::vector<std::string>& known) {
    for (const auto& [name, value] : table.members)
      if (std::find(known.begin(), known.end(), name) == known.end())
        problems_.error("unknown key '" + name + "'", value.key_at);
  }
  static std::int64_t number(const Value& table, std::string_view key) {
    const Value* value = table.find(key);
    return value != nullptr && value->is(Value::Kind::integer) ? value->number : 0;
  }
  static std::string text(const Value& table, std::string_view key) {
    const Value* value = table.find(key);
    return value != nullptr && value->is(Value::Kind::string) ? value->text : std::string();
  }

  void read_key(const Value& item) {
    refuse_unknown(item, {"name", "file", "public_key"});
    const std::string name = text(item, "name");
    const std::string file = text(item, "file");
    const std::string pem = text(item, "public_key");
    if (name.empty()) return problems_.error("a key needs a name", item.at);
    if (file.empty() == pem.empty())
      return problems_.error("the key '" + name + "' needs one of file and public_key", item.at);
    PublicKey key;
    try {
      key = file.empty() ? parse_public_key("the public_key of " + name, pem)
                         : parse_public_key(file, read_file(file_.parent_path() / file));
    } catch (const Error& error) {
      return problems_.error(error.what(), item.at);
    }
    for (const Policy::Key& other : policy_.keys)
      if (other.name == name || other.key == key)
        return problems_.error("the key '" + name + "' stands twice: it would count double", item.at);
    policy_.keys.push_back({name, key});
  }

  std::filesystem::path file_;
  std::shared_ptr<const SourceText> source_;
  Value root_;
  Policy policy_;
  DiagnosticList problems_;
};

}  // namespace

Policy read_policy(const std::filesystem::path& file) {
  return PolicyReader(file).read();
}

std::vector<std::string> signers_of(const Policy& policy, const Envelope& envelope) {
  std::vector<std::string> names;
  for (const Policy::Key& key : policy.keys)
    if (is_signed_by(key.key, envelope)) names.push_back(key.name);
  return names;
}

}  // namespace alephc
