// SPDX-License-Identifier: MIT
#include "distro/debian/reachable.hpp"

#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace alephc::debian {
namespace {

/// Calls take with every name in "a (>= 1) | b:any, c".
template <typename Take>
void each_name(std::string_view relations, Take&& take) {
  constexpr std::string_view kNotOfNames = " \t\n,|(:[<";
  while (true) {
    const std::size_t begin = relations.find_first_not_of(" \t\n,|");
    if (begin == std::string_view::npos) return;
    relations.remove_prefix(begin);
    take(relations.substr(0, relations.find_first_of(kNotOfNames)));
    const std::size_t end = relations.find_first_of(",|");
    if (end == std::string_view::npos) return;
    relations.remove_prefix(end);
  }
}

class Search {
 public:
  Search(const PackageIndex& index, bool recommends)
      : index_(index), recommends_(recommends), found_(index.packages().size(), false) {
    const auto& packages = index.packages();
    for (std::size_t i = 0; i < packages.size(); ++i) {
      bearers_[packages[i].name].push_back(i);
      each_name(packages[i].provides, [&](std::string_view name) { bearers_[name].push_back(i); });
    }
  }

  void ask_for(std::string_view name) {
    if (asked_.insert(name).second) queue_.push_back(name);
  }

  void run() {
    while (!queue_.empty()) {
      const std::string_view name = queue_.back();
      queue_.pop_back();
      const auto it = bearers_.find(name);
      if (it == bearers_.end()) continue;
      for (const std::size_t i : it->second) visit(i);
    }
  }

  [[nodiscard]] std::vector<std::size_t> found() const {
    std::vector<std::size_t> numbers;
    for (std::size_t i = 0; i < found_.size(); ++i)
      if (found_[i]) numbers.push_back(i);
    return numbers;
  }

 private:
  void visit(std::size_t i) {
    if (found_[i]) return;
    found_[i] = true;
    const IndexedPackage& package = index_.packages()[i];
    const auto ask = [this](std::string_view name) { ask_for(name); };
    ask(package.name);  // in its other versions and architectures too
    each_name(package.pre_depends, ask);
    each_name(package.depends, ask);
    if (recommends_) each_name(package.recommends, ask);
  }

  const PackageIndex& index_;
  bool recommends_;
  std::vector<bool> found_;
  std::unordered_map<std::string_view, std::vector<std::size_t>> bearers_;  ///< of a name, real or virtual
  std::unordered_set<std::string_view> asked_;
  std::vector<std::string_view> queue_;
};

}  // namespace

std::vector<std::size_t> reachable_packages(const PackageIndex& index, const std::vector<std::string>& names,
                                            bool recommends) {
  Search search(index, recommends);
  for (const std::string& name : names) search.ask_for(name);
  for (const IndexedPackage& package : index.packages())
    if (package.essential) search.ask_for(package.name);
  search.run();
  return search.found();
}

}  // namespace alephc::debian
