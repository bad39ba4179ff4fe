// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "base/digest.hpp"
#include "base/fd.hpp"
#include "tree/entry.hpp"

namespace alephc {

/// Builds a layer from data: entries and contents given one by one in any order, written to a folder in
/// overlay form. Contents that are given whole stay in memory until finish(), up to a bound, so that a layer that the
/// store has already costs no file. Later calls for a path replace earlier ones. Folders on the way are those of the listing
/// below (an overlay shows the topmost layer's attributes of a folder), or new ones, 0755 root:root.
class LayerWriter {
 public:
  /// folder must exist and be empty. below must outlive the writer; null when every folder is put.
  LayerWriter(std::filesystem::path folder, const Listing* below, std::int64_t time);

  void put(Entry entry);                              ///< anything but a regular file
  void put_file(Entry entry, std::string_view data);  ///< size and content digest are filled in
  void put_file(Entry entry, int data_fd);            ///< copied from the current offset
  /// The same piece by piece: begin_file, add any number of times, end_file. One file at a time.
  void begin_file(Entry entry);
  void add(std::string_view data);
  void end_file();
  void put_copy(Entry entry, const std::string& of);  ///< a regular file with the content of one put before
  void whiteout(const std::string& path);
  [[nodiscard]] bool has(const std::string& path) const { return entries_.contains(path); }
  [[nodiscard]] const Entry* find(const std::string& path) const;
  [[nodiscard]] std::string read_content(const std::string& path) const;  ///< of a regular file that was put

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  /// Of folders on the way, and of whatever else is made and has no time of its own; in seconds.
  [[nodiscard]] std::int64_t time() const { return time_; }

  [[nodiscard]] Listing listing() const;
  /// Makes what is not in the folder yet, and returns the listing.
  [[nodiscard]] Listing finish();

 private:
  [[nodiscard]] std::filesystem::path place_for(const std::string& path);
  void add_parents(const std::string& path);
  void keep_folder(const Entry& entry) const;
  void refuse_below_others(const std::string& path) const;
  void make_way(const Entry& entry) const;
  void forget_held(const std::string& path);
  [[nodiscard]] UniqueFd open_place(const std::string& path, int access);

  std::filesystem::path folder_;
  const Listing* below_;
  std::int64_t time_;
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> held_;  ///< contents by path
  std::size_t held_bytes_ = 0;
  Entry open_entry_;  ///< of begin_file
  UniqueFd open_file_;
  Sha256 open_hash_;
};

}  // namespace alephc
