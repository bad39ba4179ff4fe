// SPDX-License-Identifier: MIT
#include "evidence/policy.hpp"

#include <algorithm>

#include "base/dates.hpp"
#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "manifest/value.hpp"

namespace alephc {
namespace {

class PolicyReader {
 public:
  explicit PolicyReader(const std::filesystem::path& file)
      : file_(file),
        source_(std::make_shared<const SourceText>(SourceText{file.string(), read_named_file(file)})),
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
    refuse_unknown(item, {"name", "file", "public_key", "valid_from", "valid_until", "revoked"});
    const std::string name = text(item, "name");
    const std::string file = text(item, "file");
    const std::string pem = text(item, "public_key");
    if (name.empty()) return problems_.error("a key needs a name", item.at);
    if (file.empty() == pem.empty())
      return problems_.error("the key '" + name + "' needs one of file and public_key", item.at);
    Policy::Key key{.name = name};
    read_validity(item, key);
    try {
      key.key = file.empty() ? parse_public_key("the public_key of " + name, pem)
                             : parse_public_key(file, read_file(file_.parent_path() / file));
    } catch (const Error& error) {
      return problems_.error(error.what(), item.at);
    }
    for (const Policy::Key& other : policy_.keys)
      if (other.name == name || other.key == key.key)
        return problems_.error("the key '" + name + "' stands twice: it would count double", item.at);
    policy_.keys.push_back(std::move(key));
  }

  void read_validity(const Value& item, Policy::Key& key) {
    key.valid_from = day(item, "valid_from");
    if (const auto last = day(item, "valid_until")) key.valid_until = *last + kSecondsPerDay;
    if (key.valid_from && key.valid_until && *key.valid_from >= *key.valid_until)
      problems_.error("the key '" + key.name + "' is valid on no day", item.at);
    const Value* revoked = item.find("revoked");
    if (revoked == nullptr) return;
    if (!revoked->is(Value::Kind::boolean)) problems_.error("'revoked' must be true or false", revoked->at);
    key.revoked = revoked->flag;
  }

  std::optional<std::int64_t> day(const Value& item, std::string_view name) {
    const Value* value = item.find(name);
    if (value == nullptr) return std::nullopt;
    const auto parsed = value->is(Value::Kind::string) ? parse_day(value->text) : std::nullopt;
    if (!parsed)
      problems_.error("'" + std::string(name) + "' must be a day such as \"2027-12-31\"", value->at);
    return parsed;
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

std::vector<const Policy::Key*> signers_of(const Policy& policy, const Envelope& envelope) {
  std::vector<const Policy::Key*> keys;
  for (const Policy::Key& key : policy.keys)
    if (is_signed_by(key.key, envelope)) keys.push_back(&key);
  return keys;
}

std::string why_not_valid(const Policy::Key& key, std::int64_t now) {
  if (key.revoked) return "the policy says that this key is revoked";
  if (key.valid_from && now < *key.valid_from)
    return "this key is valid from " + iso_day(*key.valid_from) + " on";
  if (key.valid_until && now >= *key.valid_until)
    return "this key was valid until " + iso_day(*key.valid_until - kSecondsPerDay);
  return {};
}

}  // namespace alephc
