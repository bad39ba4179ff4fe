// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/fd.hpp"
#include "tree/tree.hpp"

namespace alephc {

/// The root that packages are unpacked into, as data: what the layers below and the upper folder over them
/// show together. Nothing is ever written outside the folder: places are looked up here, not by the kernel.
/// Paths are relative to the root.
class RootModel {
 public:
  static constexpr std::uint32_t kBefore = UINT32_MAX;  ///< owner of what was there before the batch

  struct Node {
    EntryType type = EntryType::directory;
    std::string link{};
    std::uint32_t owner = kBefore;
    bool in_upper = false;
    bool hides_below = false;  ///< a folder that shows nothing of the layers below
    bool listed = false;       ///< a package of this batch ships the folder; else it was made on the way
    std::uint32_t mode = 0755;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::int64_t mtime = 0;
  };

  /// New folders get a time, in seconds.
  RootModel(const Tree& below, std::filesystem::path upper, std::int64_t time);
  [[nodiscard]] std::int64_t time() const { return time_; }

  [[nodiscard]] const Tree& below() const { return below_; }
  [[nodiscard]] const std::filesystem::path& upper() const { return upper_; }
  [[nodiscard]] int root_fd() const { return root_.get(); }

  /// Reads the upper folder again, after something else wrote into it.
  void rescan();
  /// What a path shows; nullptr if nothing. Valid until the next call of put() or make_folder().
  [[nodiscard]] Node* find(const std::string& path);
  [[nodiscard]] bool is_known(const std::string& path) const { return nodes_.contains(path); }
  /// A path that is about to be made in the upper folder, where its folder is already.
  void put(const std::string& path, Node node);
  void make_folder(const std::string& path, std::uint32_t owner);
  /// A folder of the layers below appears in the upper with the attributes it has there.
  void ensure_in_upper(const std::string& path);
  /// Where a folder is, through symlinks; made if missing. Throws an integrity Error if it leads out of the
  /// root, or to what is not a folder.
  [[nodiscard]] std::string resolve_folder(const std::string& path, std::uint32_t owner) {
    return resolve_folder(path, owner, 0);
  }

  /// How many paths were made so far in this batch.
  [[nodiscard]] std::size_t made() const { return made_.size(); }

  /// Owner, mode (not of symlinks) and time of a path in the upper folder.
  void set_attributes(const std::string& path, EntryType type, std::uint32_t uid, std::uint32_t gid,
                      std::uint32_t mode, std::int64_t mtime) const;

  void begin_batch() {
    made_.clear();
    cleared_.clear();
  }
  /// Gives the folders that the batch made their owners, modes and times.
  void finish_folders();
  /// Removes what the batch made.
  void undo();
  /// What is there now was there before.
  void end_batch();

 private:
  [[nodiscard]] bool is_hidden(const std::string& path) const;
  bool clear_whiteout(const std::string& path);
  void read_folder(int folder_fd, const std::string& path);
  std::string resolve_folder(const std::string& path, std::uint32_t owner, int depth);
  std::string resolve_link(const std::string& folder, const Node& link, std::uint32_t owner, int depth);

  const Tree& below_;
  std::filesystem::path upper_;
  std::int64_t time_;
  UniqueFd root_;
  std::unordered_map<std::string, Node> nodes_;
  std::unordered_map<std::string, std::string> folders_;  ///< folder as packages name it → where it is
  std::vector<std::string> made_;                         ///< by this batch, in order
  std::vector<std::string> cleared_;                      ///< whiteouts that this batch took away
};

}  // namespace alephc
