// SPDX-License-Identifier: MIT
#include "tree/tree.hpp"

#include <algorithm>
#include <map>

#include <fcntl.h>

#include "base/diagnostic.hpp"
#include "base/text.hpp"

namespace alephc {
namespace {

constexpr int kMaxLinks = 40;  // as the kernel has it

bool is_below(const std::string& path, const std::string& folder) {
  if (folder.empty()) return !path.empty();
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

/// True for the lower entries that a layer hides: replaced,
/// whited out, or below something that is not a folder any more.
std::vector<bool> hidden_by(const Listing& below, const Listing& layer) {
  std::vector<bool> hidden(below.size(), false);
  for (const Entry& entry : layer) {
    auto it = lower_bound_path(below, entry.path);
    if (it != below.end() && it->path == entry.path) {
      hidden[static_cast<std::size_t>(it - below.begin())] = true;
    }
    if (entry.type == EntryType::directory) continue;
    // Paths that sort between "a" and "a/": "a-b", "a b" … are not below a.
    it = lower_bound_path(below, entry.path + "/");
    for (; it != below.end() && is_below(it->path, entry.path); ++it)
      hidden[static_cast<std::size_t>(it - below.begin())] = true;
  }
  return hidden;
}

/// A group whose first member is hidden gets a new first member.
void regroup(Listing& below, const std::vector<bool>& hidden) {
  std::map<std::string, std::string> new_first;
  for (std::size_t i = 0; i < below.size(); ++i) {
    Entry& entry = below[i];
    if (hidden[i] || entry.hard_link.empty()) continue;
    const Entry* first = find_entry(below, entry.hard_link);
    if (first != nullptr && !hidden[static_cast<std::size_t>(first - below.data())]) continue;
    const auto [it, is_new] = new_first.try_emplace(entry.hard_link, entry.path);
    entry.hard_link = is_new ? std::string() : it->second;
  }
}

}  // namespace

void Tree::remove_hidden(const std::vector<bool>& hidden) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (hidden[i]) continue;
    if (kept != i) {
      entries_[kept] = std::move(entries_[i]);
      origins_[kept] = origins_[i];
    }
    ++kept;
  }
  entries_.resize(kept);
  origins_.resize(kept);
}

/// In place and from the end, so that a small layer moves only what stands behind its first path.
void Tree::insert_sorted(const Listing& listing, std::uint32_t origin) {
  const auto is_new = [](const Entry& entry) { return entry.type != EntryType::whiteout; };
  std::size_t low = entries_.size();
  std::size_t end = low + static_cast<std::size_t>(std::count_if(listing.begin(), listing.end(), is_new));
  entries_.resize(end);
  origins_.resize(end);
  for (auto entry = listing.rbegin(); entry != listing.rend(); ++entry) {
    if (!is_new(*entry)) continue;
    while (low > 0 && entries_[low - 1].path > entry->path) {
      entries_[--end] = std::move(entries_[--low]);
      origins_[end] = origins_[low];
    }
    entries_[--end] = *entry;
    origins_[end] = origin;
  }
}

void Tree::add(std::shared_ptr<const Layer> layer) {
  const std::vector<bool> hidden = hidden_by(entries_, layer->listing);
  regroup(entries_, hidden);
  remove_hidden(hidden);
  insert_sorted(layer->listing, static_cast<std::uint32_t>(layers_.size()));
  layers_.push_back(std::move(layer));
}

UniqueFd Tree::open_content(const Entry& entry) const {
  const auto index = static_cast<std::size_t>(&entry - entries_.data());
  check(index < entries_.size(), "open_content takes an entry of the tree");
  return open_file(layers_[origins_[index]]->folder / entry.path, O_RDONLY | O_NOFOLLOW);
}

std::string Tree::read_content(const Entry& entry) const {
  return read_all(open_content(entry).get());
}

std::string Tree::resolve(const std::string& path, bool follow_last) const {
  std::vector<std::string> pending = split(path, '/');
  std::reverse(pending.begin(), pending.end());
  std::string at;
  int links = 0;
  while (!pending.empty()) {
    const std::string part = pending.back();
    pending.pop_back();
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      at = parent_path(at);
      continue;
    }
    const std::string next = at.empty() ? part : at + "/" + part;
    const Entry* entry = find(next);
    const bool is_link = entry != nullptr && entry->type == EntryType::symlink;
    if (!is_link || (pending.empty() && !follow_last)) {
      at = next;
      continue;
    }
    if (++links > kMaxLinks) throw Error(ErrorKind::failed, "/" + path + " leads through a loop of symlinks");
    if (entry->link_target.starts_with('/')) at.clear();
    std::vector<std::string> target = split(entry->link_target, '/');
    pending.insert(pending.end(), target.rbegin(), target.rend());
  }
  return at;
}

Listing upper_to_layer(const Listing& below, ScanResult upper, std::vector<std::string>& redundant) {
  const auto under_opaque = [&](const std::string& path) {
    return std::any_of(upper.opaque.begin(), upper.opaque.end(),
                       [&](const std::string& folder) { return path == folder || is_below(path, folder); });
  };
  // A group is dropped whole or not at all: its members share one inode in the folder.
  std::map<std::string, bool> group_same;
  for (const Entry& entry : upper.listing) {
    const std::string& group = entry.hard_link.empty() ? entry.path : entry.hard_link;
    const Entry* old = find_entry(below, entry.path);
    const bool same = old != nullptr && *old == entry && !under_opaque(entry.path);
    const auto [it, is_new] = group_same.try_emplace(group, same);
    if (!is_new) it->second = it->second && same;
  }
  Listing layer;
  for (Entry& entry : upper.listing) {
    const Entry* old = find_entry(below, entry.path);
    if (entry.type == EntryType::whiteout) {
      if (old != nullptr) layer.push_back(std::move(entry));
      continue;
    }
    const std::string& group = entry.hard_link.empty() ? entry.path : entry.hard_link;
    if (!group_same[group]) {
      layer.push_back(std::move(entry));
    } else if (entry.type != EntryType::directory) {
      redundant.push_back(entry.path);
    }
  }
  for (const std::string& folder : upper.opaque) {
    for (auto it = lower_bound_path(below, folder.empty() ? "" : folder + "/");
         it != below.end() && is_below(it->path, folder); ++it) {
      const bool parent_stays = parent_path(it->path) == folder || find_entry(layer, parent_path(it->path));
      if (parent_stays && find_entry(layer, it->path) == nullptr)
        layer.insert(lower_bound_path(layer, it->path), Entry{.path = it->path, .type = EntryType::whiteout});
    }
  }
  return layer;
}

}  // namespace alephc
