// SPDX-License-Identifier: MIT
#include "graph/audit.hpp"

#include <algorithm>

#include "compare/causes.hpp"
#include "sandbox/sandbox.hpp"
#include "steps/normalize.hpp"

namespace alephc {
namespace {

constexpr std::uint64_t kMostBytes = 4U << 20U;
constexpr std::size_t kLinesShown = 2;

/// The tree with a layer and normalize on top.
Tree normalized(const Tree& below, const std::shared_ptr<const Layer>& layer,
                const OutputEpoch& epoch, const std::filesystem::path& folder) {
  Tree tree = below;
  tree.add(layer);
  make_folders(folder);
  LayerWriter out(folder, &tree.entries(), epoch.room.time);
  normalize(tree, epoch.normalize, out);
  auto top = std::make_shared<Layer>();
  top->folder = folder;
  top->listing = out.finish();
  tree.add(top);
  return tree;
}

std::optional<std::string> text_of(const Tree& tree, const std::string& path) {
  const Entry* entry = tree.find(path);
  if (entry == nullptr || entry->type != EntryType::regular || entry->size > kMostBytes) return std::nullopt;
  return tree.read_content(*entry);
}

}  // namespace

std::vector<AuditFinding> audit_results(const std::string& step, const Tree& below,
                                        const std::shared_ptr<const Layer>& first,
                                        const std::shared_ptr<const Layer>& second, const OutputEpoch& epoch,
                                        const Distro& distro, const Store& store) {
  const WorkFolder work = store.make_work_folder();
  const Tree a = normalized(below, first, epoch, work.path() / "first");
  const Tree b = normalized(below, second, epoch, work.path() / "second");
  std::vector<AuditFinding> findings;
  std::vector<std::string> paths;
  for (PathChange& change : compare_listings(a.entries(), b.entries())) {
    const auto before = text_of(a, change.path);
    const auto after = text_of(b, change.path);
    change.step = step;
    change.cause = likely_cause(change.path, before ? &*before : nullptr, after ? &*after : nullptr);
    if (change.kind != PathChange::Kind::changed && change.cause.empty())
      change.cause = "a name or a decision that depends on time, chance or order";
    if (before && after) change.lines = differing_lines(*before, *after, kLinesShown);
    paths.push_back(change.path);
    findings.push_back({.step = step, .change = std::move(change)});
  }
  const auto packages = distro.suspects(a, paths);
  for (std::size_t i = 0; i < findings.size(); ++i) findings[i].packages = packages[i];
  return findings;
}

}  // namespace alephc
