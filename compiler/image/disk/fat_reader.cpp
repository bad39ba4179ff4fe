// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cerrno>

#include "base/diagnostic.hpp"
#include "base/little_endian.hpp"
#include "image/byte_source.hpp"
#include "image/disk/fat.hpp"
#include "image/read_budget.hpp"
#include "tree/entry.hpp"

namespace alephc::fat {
namespace {

constexpr int kMaxDepth = 64;

[[noreturn]] void damaged() {
  throw Error(ErrorKind::integrity, "the FAT filesystem of the EFI system partition is damaged");
}

void put_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
    return;
  }
  const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  constexpr std::uint8_t kLead[] = {0, 0xc0, 0xe0, 0xf0};
  out += static_cast<char>(kLead[more] | (code >> (6 * more)));
  for (int i = more - 1; i >= 0; --i) out += static_cast<char>(0x80U | ((code >> (6 * i)) & 0x3fU));
}

std::string narrow(const std::u16string& units) {
  std::string out;
  for (std::size_t i = 0; i < units.size() && units[i] != 0; ++i) {
    std::uint32_t code = units[i];
    if (code >= 0xd800 && code < 0xdc00 && i + 1 < units.size())
      code = 0x10000 + ((code & 0x3ffU) << 10U) + (units[++i] & 0x3ffU);
    put_utf8(out, code);
  }
  return out;
}

class VolumeReader {
 public:
  VolumeReader(const ByteSource& volume, ReadBudget& budget) : volume_(volume), budget_(budget) {
    const std::string boot = read(0, 512);
    const auto number = [&](std::size_t at, std::size_t size) {
      return read_little(std::string_view(boot).substr(at, size));
    };
    sector_ = number(11, 2);
    cluster_ = sector_ * number(13, 1);
    const std::uint64_t reserved = number(14, 2);
    const std::uint64_t root_entries = number(17, 2);
    const std::uint64_t sectors = number(19, 2) != 0 ? number(19, 2) : number(32, 4);
    const std::uint64_t table_sectors = number(22, 2) != 0 ? number(22, 2) : number(36, 4);
    if (sector_ < 512 || sector_ > 4096 || cluster_ == 0 || cluster_ > (1U << 20U)) damaged();
    const std::uint64_t root_at = (reserved + number(16, 1) * table_sectors) * sector_;
    data_ = root_at + (root_entries * kEntry + sector_ - 1) / sector_ * sector_;
    if (data_ >= sectors * sector_ || table_sectors * sector_ > (64U << 20U)) damaged();
    clusters_ = (sectors * sector_ - data_) / cluster_;
    bits_ = clusters_ < 4085 ? 12 : clusters_ < 65525 ? 16 : 32;
    table_ = read(reserved * sector_, table_sectors * sector_);
    root_ = bits_ == 32 ? read_chain(number(44, 4)) : read(root_at, root_entries * kEntry);
  }

  std::vector<File> run() {
    read_folder(root_, "", 0);
    return std::move(files_);
  }

 private:
  [[nodiscard]] std::string read(std::uint64_t at, std::uint64_t size) const {
    std::string bytes = volume_.bytes(at, size);
    if (bytes.size() != size) damaged();
    return bytes;
  }

  [[nodiscard]] std::uint64_t next(std::uint64_t cluster) const {
    const std::string_view table(table_);
    const std::size_t at =
        bits_ == 12 ? cluster + cluster / 2 : cluster * (static_cast<std::size_t>(bits_) / 8);
    const std::size_t size = bits_ == 32 ? 4 : 2;
    if (at + size > table.size()) damaged();
    const std::uint64_t value = read_little(table.substr(at, size));
    if (bits_ == 12) return cluster % 2 == 0 ? value & 0xfffU : value >> 4U;
    return bits_ == 32 ? value & 0x0fffffffU : value;
  }

  [[nodiscard]] std::string read_chain(std::uint64_t cluster) {
    std::string bytes;
    const std::uint64_t last = bits_ == 12 ? 0xff8 : bits_ == 16 ? 0xfff8 : 0x0ffffff8;
    while (cluster < last) {
      // No cluster belongs to two files, so all chains together are not longer than the volume.
      if (cluster < 2 || cluster - 2 >= clusters_ || (total_ += cluster_) > volume_.size()) damaged();
      budget_.take_content(cluster_);
      bytes += read(data_ + (cluster - 2) * cluster_, cluster_);
      cluster = next(cluster);
    }
    return bytes;
  }

  void read_folder(const std::string& bytes, const std::string& folder, int depth) {
    if (depth > kMaxDepth) damaged();
    std::u16string long_name;
    for (std::size_t at = 0; at + kEntry <= bytes.size() && bytes[at] != 0; at += kEntry) {
      const std::string_view entry = std::string_view(bytes).substr(at, kEntry);
      const auto attributes = static_cast<std::uint8_t>(entry[11]);
      if (entry[0] == '\xe5') {
        long_name.clear();
      } else if ((attributes & 0x3fU) == 0x0f) {
        long_name.insert(0, units_of(entry));
      } else {
        const std::string name = long_name.empty() ? short_name(entry) : narrow(long_name);
        long_name.clear();
        if ((attributes & 0x08U) == 0 && name != "." && name != "..")
          add(entry, folder, name, attributes, depth);
      }
    }
  }

  void add(std::string_view entry, const std::string& folder, const std::string& name,
           std::uint8_t attributes, int depth) {
    if (name.empty() || name.find('/') != std::string::npos) damaged();
    budget_.take_entry(folder + "/" + name);
    const std::uint64_t cluster =
        (read_little(entry.substr(20, 2)) << 16U) | read_little(entry.substr(26, 2));
    const std::uint64_t size = read_little(entry.substr(28, 4));
    File file{.path = join_path(folder, name), .is_folder = (attributes & 0x10U) != 0};
    if (cluster != 0) file.content = read_chain(cluster);
    if (file.is_folder) {
      const std::string bytes = std::move(file.content);
      file.content.clear();
      files_.push_back(file);
      return read_folder(bytes, file.path, depth + 1);
    }
    if (file.content.size() < size) damaged();
    file.content.resize(size);
    files_.push_back(std::move(file));
  }

  static std::u16string units_of(std::string_view entry) {
    std::u16string units;
    for (const auto& [from, to] : {std::pair{1, 11}, std::pair{14, 26}, std::pair{28, 32}})
      for (int at = from; at < to; at += 2) {
        const auto unit = static_cast<char16_t>(read_little(entry.substr(static_cast<std::size_t>(at), 2)));
        if (unit != u'\xffff') units += unit;
      }
    return units;
  }

  static std::string short_name(std::string_view entry) {
    const auto trimmed = [](std::string_view text) {
      const std::size_t end = text.find_last_not_of(' ');
      return std::string(text.substr(0, end == std::string_view::npos ? 0 : end + 1));
    };
    const std::string extension = trimmed(entry.substr(8, 3));
    return trimmed(entry.substr(0, 8)) + (extension.empty() ? "" : "." + extension);
  }

  const ByteSource& volume_;
  ReadBudget& budget_;
  std::uint64_t sector_ = 0;
  std::uint64_t cluster_ = 0;  ///< in bytes
  std::uint64_t clusters_ = 0;
  std::uint64_t data_ = 0;
  int bits_ = 32;
  std::string table_;
  std::string root_;
  std::uint64_t total_ = 0;
  std::vector<File> files_;
};

}  // namespace

std::vector<File> read_volume(const ByteSource& volume, ReadBudget& budget) {
  return VolumeReader(volume, budget).run();
}

}  // namespace alephc::fat
