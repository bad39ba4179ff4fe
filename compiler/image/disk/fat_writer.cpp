// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>
#include <map>
#include <set>

#include "base/diagnostic.hpp"
#include "base/little_endian.hpp"
#include "base/text.hpp"
#include "image/disk/fat.hpp"
#include "tree/entry.hpp"

namespace alephc::fat {
namespace {

constexpr std::uint32_t kSector = 512;
constexpr std::uint32_t kReserved = 32;  ///< sectors before the tables
constexpr std::uint32_t kTables = 2;
constexpr std::uint32_t kRoot = 2;  ///< first cluster
constexpr std::uint32_t kEnd = 0x0fffffff;
constexpr std::size_t kLongPart = 13;  ///< UTF-16 units in one entry of a long name
constexpr std::size_t kLongestName = 255;
constexpr char kFolder = 0x10;
constexpr char kArchive = 0x20;
constexpr char kLabel = 0x08;
constexpr char kLongName = 0x0f;

/// UTF-16, or an Error: FAT has no other names.
std::u16string wide(const std::string& path, const std::string& name) {
  std::u16string out;
  for (std::size_t i = 0; i < name.size();) {
    const auto lead = static_cast<std::uint8_t>(name[i++]);
    const std::size_t more = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    std::uint32_t code = more == 0 ? lead : lead & (0x3fU >> more);
    bool good = lead < 0x80 || (lead >= 0xc2 && lead < 0xf5);
    for (std::size_t k = 0; k < more; ++k) {
      const auto next = i < name.size() ? static_cast<std::uint8_t>(name[i++]) : std::uint8_t{0};
      good = good && (next & 0xc0U) == 0x80;
      code = (code << 6U) | (next & 0x3fU);
    }
    constexpr std::string_view kForbidden = "\"*/:<>?\\|";
    const bool forbidden =
        code < 0x20 || (code < 0x80 && kForbidden.find(static_cast<char>(code)) != std::string_view::npos);
    if (!good || forbidden)
      throw Error(ErrorKind::failed, "the name of /" + path + " is none that FAT can hold");
    if (code >= 0x10000) {
      out += static_cast<char16_t>(0xd800U + ((code - 0x10000) >> 10U));
      out += static_cast<char16_t>(0xdc00U + (code & 0x3ffU));
    } else {
      out += static_cast<char16_t>(code);
    }
  }
  if (out.size() > kLongestName)
    throw Error(ErrorKind::failed, "the name of /" + path + " is longer than 255 units, FAT's limit");
  return out;
}

bool is_short_char(char c) {
  return (std::isupper(static_cast<unsigned char>(c)) != 0 ||
          std::isdigit(static_cast<unsigned char>(c)) != 0 ||
          std::string_view("!#$%&'()-@^_`{}~").find(c) != std::string_view::npos);
}

/// "BOOTX64.EFI" → "BOOTX64 EFI"; empty for a name that needs a long one.
std::string plain_short_name(const std::string& name) {
  const std::size_t dot = name.find('.');
  const std::string base = name.substr(0, dot);
  const std::string extension = dot == std::string::npos ? "" : name.substr(dot + 1);
  const auto good = [](const std::string& part) {
    return std::all_of(part.begin(), part.end(), is_short_char);
  };
  if (base.empty() || base.size() > 8 || extension.size() > 3 || !good(base) || !good(extension)) return {};
  if (dot != std::string::npos && extension.empty()) return {};
  return base + std::string(8 - base.size(), ' ') + extension + std::string(3 - extension.size(), ' ');
}

/// The entries of one folder.
class Folder {
 public:
  void add(const std::string& path, char attributes, std::uint32_t cluster, std::size_t size,
           std::uint32_t stamp) {
    const std::string name = base_name(path);
    if (!folded_.insert(to_lower(name)).second)
      throw Error(ErrorKind::failed,
                  "/" + path + " differs from another name by case only, which FAT cannot hold");
    std::string short_name = plain_short_name(name);
    if (short_name.empty() || !taken_.insert(short_name).second) {
      const std::u16string units = wide(path, name);
      short_name = alias(name);
      put_long(units, short_name);
    }
    put(short_name, attributes, cluster, size, stamp);
  }
  void put(const std::string& short_name, char attributes, std::uint32_t cluster, std::size_t size,
           std::uint32_t stamp) {
    std::string entry = short_name;
    entry += attributes;
    entry.resize(kEntry, '\0');
    set_little(entry, 14, stamp, 4);         // made
    set_little(entry, 18, stamp >> 16U, 2);  // read
    set_little(entry, 20, cluster >> 16U, 2);
    set_little(entry, 22, stamp, 4);  // changed
    set_little(entry, 26, cluster, 2);
    set_little(entry, 28, size, 4);
    bytes_ += entry;
  }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  std::string alias(const std::string& name) {
    std::string base;
    for (const char c : name.substr(0, name.rfind('.')))
      if (const char upper = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
          is_short_char(upper))
        base += upper;
    std::string extension;
    if (const std::size_t dot = name.rfind('.'); dot != std::string::npos)
      for (const char c : name.substr(dot + 1))
        if (const char upper = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
            is_short_char(upper) && extension.size() < 3)
          extension += upper;
    for (int number = 1;; ++number) {
      const std::string tail = "~" + std::to_string(number);
      std::string out = base.substr(0, 8 - tail.size()) + tail;
      out.resize(8, ' ');
      out += extension;
      out.resize(11, ' ');
      if (taken_.insert(out).second) return out;
    }
  }

  void put_long(std::u16string units, const std::string& short_name) {
    std::uint8_t sum = 0;
    for (const char c : short_name)
      sum = static_cast<std::uint8_t>(((sum & 1U) << 7U) + (sum >> 1U) + static_cast<std::uint8_t>(c));
    const std::size_t parts = (units.size() + kLongPart - 1) / kLongPart;
    if (units.size() % kLongPart != 0) units += u'\0';
    units.resize(parts * kLongPart, u'\xffff');
    for (std::size_t part = parts; part > 0; --part) {
      std::string entry(kEntry, '\0');
      set_little(entry, 0, part | (part == parts ? 0x40U : 0U), 1);
      entry[11] = kLongName;
      set_little(entry, 13, sum, 1);
      for (std::size_t i = 0; i < kLongPart; ++i) {
        const std::size_t at = i < 5 ? 1 + 2 * i : i < 11 ? 14 + 2 * (i - 5) : 28 + 2 * (i - 11);
        set_little(entry, at, units[(part - 1) * kLongPart + i], 2);
      }
      bytes_ += entry;
    }
  }

  std::string bytes_;
  std::set<std::string> taken_;   ///< short names
  std::set<std::string> folded_;  ///< names without case
};

/// Time in the lower half, date in the upper.
std::uint32_t stamp_of(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  if (parts.tm_year < 80) return 0x00210000;  // 1 January 1980
  const auto part = [](int value) { return static_cast<std::uint32_t>(value); };
  const std::uint32_t date =
      (part(parts.tm_year - 80) << 9U) | (part(parts.tm_mon + 1) << 5U) | part(parts.tm_mday);
  return (date << 16U) | (part(parts.tm_hour) << 11U) | (part(parts.tm_min) << 5U) | (part(parts.tm_sec) / 2);
}

class VolumeMaker {
 public:
  explicit VolumeMaker(const Volume& volume) : volume_(volume), stamp_(stamp_of(volume.time)) {
    constexpr std::uint64_t kSmall = 260ULL << 20U;
    cluster_size_ = volume.size <= kSmall ? kSector : 8 * kSector;
    const std::uint64_t sectors = volume.size / kSector;
    const std::uint64_t per_cluster = cluster_size_ / kSector;
    // Every cluster takes four bytes in each table.
    table_sectors_ = static_cast<std::uint32_t>(
        ((sectors - kReserved) / per_cluster + 2) * 4 / (kSector + kTables * 4 / per_cluster) + 1);
    clusters_ = (sectors - kReserved - kTables * table_sectors_) / per_cluster;
    table_ = {0x0ffffff8, kEnd};
  }

  std::string run(const std::vector<File>& files) {
    // Sizes of folders do not depend on where anything lies: once with no places, once with them.
    fill_folders(files);
    place("", folders_[""].bytes().size());
    for (const File& file : files)
      place(file.path, file.is_folder ? folders_[file.path].bytes().size() : file.content.size());
    fill_folders(files);
    return assemble(files);
  }

 private:
  void fill_folders(const std::vector<File>& files) {
    folders_.clear();
    folders_[""].put(label(), kLabel, 0, 0, stamp_);
    for (const File& file : files) {
      const auto parent = folders_.find(parent_path(file.path));
      check(parent != folders_.end(), "folders stand before what they hold");
      parent->second.add(file.path, file.is_folder ? kFolder : kArchive, first_[file.path],
                         file.content.size(), stamp_);
      if (!file.is_folder) continue;
      Folder& folder = folders_[file.path];
      folder.put(".          ", kFolder, first_[file.path], 0, stamp_);
      // The root is called 0 there.
      const std::string up = parent_path(file.path);
      folder.put("..         ", kFolder, up.empty() ? 0 : first_[up], 0, stamp_);
    }
  }

  void place(const std::string& path, std::size_t size) {
    const bool is_root = path.empty();
    const std::uint64_t count =
        std::max<std::uint64_t>((size + cluster_size_ - 1) / cluster_size_, is_root ? 1 : 0);
    if (table_.size() - 2 + count > clusters_)
      throw Error(ErrorKind::failed, "boot.esp_size is too small for /boot/efi/" + path,
                  "make 'esp_size' larger");
    if (count == 0) return;
    first_[path] = static_cast<std::uint32_t>(table_.size());
    for (std::uint64_t i = 1; i < count; ++i) table_.push_back(static_cast<std::uint32_t>(table_.size() + 1));
    table_.push_back(kEnd);
  }

  [[nodiscard]] std::string label() const {
    std::string label = volume_.label;
    label.resize(11, ' ');
    return label;
  }

  [[nodiscard]] std::string boot_sector() const {
    std::string sector(
        "\xeb\x58\x90"
        "alephc  ",
        11);
    put_little(sector, kSector, 2);
    put_little(sector, cluster_size_ / kSector, 1);
    put_little(sector, kReserved, 2);
    put_little(sector, kTables, 1);
    put_little(sector, 0, 2);  // root entries, FAT16 only
    put_little(sector, 0, 2);  // sectors, if few
    put_little(sector, 0xf8, 1);
    put_little(sector, 0, 2);
    put_little(sector, 63, 2);   // sectors a track and
    put_little(sector, 255, 2);  // heads of a disk, which no system asks for any more
    put_little(sector, volume_.sector, 4);
    put_little(sector, volume_.size / kSector, 4);
    put_little(sector, table_sectors_, 4);
    put_little(sector, 0, 2);
    put_little(sector, 0, 2);
    put_little(sector, kRoot, 4);
    put_little(sector, 1, 2);  // sector of the counts
    put_little(sector, kBackup, 2);
    sector.append(12, '\0');
    put_little(sector, 0x80, 1);
    put_little(sector, 0, 1);
    put_little(sector, 0x29, 1);
    put_little(sector, volume_.serial, 4);
    sector += label() + "FAT32   ";
    sector.resize(kSector - 2, '\0');
    return sector + "\x55\xaa";
  }

  [[nodiscard]] std::string counts_sector() const {
    std::string sector = "RRaA";
    sector.resize(484, '\0');
    sector += "rrAa";
    put_little(sector, clusters_ - (table_.size() - 2), 4);
    put_little(sector, table_.size() - 1, 4);  // the last that was given out
    sector.resize(kSector - 4, '\0');
    put_little(sector, 0xaa550000, 4);
    return sector;
  }

  std::string assemble(const std::vector<File>& files) {
    std::string bytes = boot_sector() + counts_sector();
    bytes.resize(kBackup * kSector, '\0');
    bytes += boot_sector() + counts_sector();
    bytes.resize(kReserved * kSector, '\0');
    std::string table;
    for (const std::uint32_t next : table_) put_little(table, next, 4);
    table.resize(std::size_t{table_sectors_} * kSector, '\0');
    bytes += table + table;
    const std::size_t data = bytes.size();
    bytes.resize(data + (table_.size() - kRoot) * cluster_size_, '\0');
    const auto put = [&](const std::string& path, const std::string& content) {
      if (!content.empty())
        bytes.replace(data + std::size_t{first_.at(path) - kRoot} * cluster_size_, content.size(), content);
    };
    put("", folders_[""].bytes());
    for (const File& file : files)
      put(file.path, file.is_folder ? folders_[file.path].bytes() : file.content);
    return bytes;
  }

  static constexpr std::uint32_t kBackup = 6;  ///< sector of the second boot sector

  const Volume& volume_;
  std::uint32_t stamp_;
  std::uint32_t cluster_size_ = kSector;
  std::uint32_t table_sectors_ = 0;
  std::uint64_t clusters_ = 0;
  std::vector<std::uint32_t> table_;
  std::map<std::string, Folder> folders_;
  std::map<std::string, std::uint32_t> first_;  ///< first cluster; 0 for empty files
};

}  // namespace

std::string make_volume(const Volume& volume, const std::vector<File>& files) {
  return VolumeMaker(volume).run(files);
}

}  // namespace alephc::fat
