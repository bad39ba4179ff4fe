// SPDX-License-Identifier: MIT
#include "steps/subtree.hpp"

#include <map>

#include "base/diagnostic.hpp"
#include "steps/final_check.hpp"

namespace alephc {
namespace {

void run(const SubtreeInput& input, const ComputedPlace& place) {
  const Tree& tree = place.below;
  const std::string& folder = input.folder;
  LayerWriter& out = place.out;
  check_final_tree(tree, place.layers, out.time());
  const std::string root = tree.resolve(folder.substr(1));
  const Entry* top = tree.find(root);
  if (top == nullptr || top->type != EntryType::directory)
    throw Error(ErrorKind::failed, "nothing was put into " + folder + ", which is to be the volume",
                "name another folder in image.subtree");
  std::map<std::string, std::string> first_of;  // a hard-link group's first path, which may lie outside
  for (const Entry& entry : tree.entries()) {
    const bool inside = entry.path == root || entry.path.starts_with(root + "/");
    if (!inside) continue;
    Entry moved = entry;
    moved.path = entry.path == root ? "" : entry.path.substr(root.size() + 1);
    const std::string group = entry.hard_link.empty() ? entry.path : entry.hard_link;
    const auto [first, is_first] = first_of.try_emplace(group, moved.path);
    moved.hard_link = is_first ? "" : first->second;
    if (entry.type == EntryType::regular && is_first)
      out.put_file(moved, tree.open_content(entry).get());
    else
      out.put(moved);
  }
}

}  // namespace

Step subtree_step(StepName name, SubtreeInput input) {
  Step step = make_step(std::move(name), "subtree", 1, std::move(input), run);
  step.starts_a_tree = true;
  return step;
}

}  // namespace alephc
