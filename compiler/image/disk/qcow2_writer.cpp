// SPDX-License-Identifier: MIT
//
// qcow2, version 3 (QEMU, docs/interop/qcow2.txt), written in one pass over a sparse disk file. The layout:
//
//   header (one cluster) · data in the order of the disk · mapping tables, two levels · reference counts, two levels
//
// Clusters of zeros are left out of the mapping. A compressed cluster begins anywhere and its length is given in sectors;
// one that does not get smaller is stored as it is, at a cluster's boundary. A window of clusters is compressed by any
// number of threads and then placed in order, so that the bytes are the same for any number. Tables come last because
// only then it is known where the data is; the header, which points to them, is written at the end.
//
// Not written: snapshots, encryption, backing files of images that are published (make_overlay() is for `run`).
#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/parallel.hpp"
#include "image/content_reader.hpp"
#include "image/disk/disk.hpp"
#include "image/disk/qcow2.hpp"
#include "image/zstd_frame.hpp"

namespace alephc {
namespace {

constexpr unsigned kClusterBits = 16;
constexpr std::uint64_t kCluster = 1ULL << kClusterBits;
constexpr std::uint64_t kTableEntries = kCluster / 8;
constexpr std::uint64_t kRefcounts = kCluster / 2;  ///< in one block of them
constexpr std::uint64_t kCopied = 1ULL << 63U;
constexpr std::uint64_t kCompressed = 1ULL << 62U;
constexpr unsigned kLengthShift = 62 - (kClusterBits - 8);
constexpr std::uint64_t kSector = 512;
constexpr std::size_t kWindow = 512;  ///< clusters compressed at once
constexpr int kDeflateWindow = -12;  ///< raw, and no larger than QEMU's

/// Numbers of qcow2 are big-endian.
void put_big(std::string& out, std::uint64_t value, std::size_t size = 8) {
  for (std::size_t i = size; i > 0; --i) out += static_cast<char>((value >> (8 * (i - 1))) & 0xffU);
}

std::string deflated(const std::string& bytes, int level) {
  z_stream stream{};
  check(::deflateInit2(&stream, level, Z_DEFLATED, kDeflateWindow, 9, Z_DEFAULT_STRATEGY) == Z_OK,
        "zlib makes a compressor");
  std::string out(bytes.size(), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const bool fits = ::deflate(&stream, Z_FINISH) == Z_STREAM_END;
  out.resize(fits ? stream.total_out : 0);
  ::deflateEnd(&stream);
  return out;
}

struct Qcow2Header {
  std::uint64_t size = 0;
  std::uint64_t level1_entries = 0;
  std::uint64_t level1_at = 0;
  std::uint64_t refcounts_at = 0;
  std::uint64_t refcount_clusters = 0;
  bool zstd = false;
  std::string backing{};

  /// Its cluster.
  [[nodiscard]] std::string bytes() const {
    constexpr std::uint64_t kLength = 112;
    constexpr std::uint64_t kOtherCompression = 1U << 3U;
    constexpr std::uint64_t kBackingAt = kLength + 8;  // behind the end of the extensions
    std::string out("QFI\xfb", 4);
    put_big(out, 3, 4);
    put_big(out, backing.empty() ? 0 : kBackingAt);
    put_big(out, backing.size(), 4);
    put_big(out, kClusterBits, 4);
    put_big(out, size);
    put_big(out, 0, 4);  // encryption
    put_big(out, level1_entries, 4);
    put_big(out, level1_at);
    put_big(out, refcounts_at);
    put_big(out, refcount_clusters, 4);
    put_big(out, 0, 4);  // snapshots
    put_big(out, 0);
    put_big(out, zstd ? kOtherCompression : 0);
    put_big(out, 0);     // compatible features
    put_big(out, 0);     // those that a writer clears
    put_big(out, 4, 4);  // counts of 2^4 bits
    put_big(out, kLength, 4);
    put_big(out, zstd ? 1 : 0, 1);
    out.resize(kBackingAt, '\0');
    out += backing;
    out.resize(kCluster, '\0');
    return out;
  }
};

class Qcow2Writer {
 public:
  Qcow2Writer(const std::filesystem::path& disk, const WriteOptions& options,
              const std::filesystem::path& path)
      : options_(options),
        disk_(open_file(disk, O_RDONLY)),
        file_(open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0644)),
        size_(std::filesystem::file_size(disk)),
        mapping_((size_ + kCluster - 1) / kCluster) {}

  void run() {
    read_clusters();
    end_ = round_up(end_);
    write_mapping();
    write_refcounts();
    write_all_at(file_.get(), 0,
                 Qcow2Header{.size = size_,
                             .level1_entries = level1_entries_,
                             .level1_at = level1_at_,
                             .refcounts_at = refcounts_at_,
                             .refcount_clusters = refcount_clusters_,
                             .zstd = options_.image.compression == "zstd"}
                     .bytes());
    if (::ftruncate(file_.get(), static_cast<off_t>(end_)) != 0) throw system_error("write the image", errno);
  }

 private:
  static std::uint64_t round_up(std::uint64_t value) { return (value + kCluster - 1) / kCluster * kCluster; }

  struct Cluster {
    std::uint64_t index = 0;
    std::string bytes{};
    std::string packed{};  ///< empty: compression gains nothing
  };

  void read_clusters() {
    std::vector<Cluster> window;
    for (std::uint64_t index = 0; index < mapping_.size(); ++index) {
      const off_t data = ::lseek(disk_.get(), static_cast<off_t>(index * kCluster), SEEK_DATA);
      if (data < 0 && errno == ENXIO) break;
      if (data > 0) index = std::max(index, static_cast<std::uint64_t>(data) / kCluster);
      Cluster cluster{.index = index, .bytes = std::string(kCluster, '\0')};
      if (read_at(disk_.get(), index * kCluster, cluster.bytes) < 0)
        throw system_error("read the disk", errno);
      if (is_zeros(cluster.bytes)) continue;
      window.push_back(std::move(cluster));
      if (window.size() == kWindow) flush(window);
    }
    flush(window);
  }

  void flush(std::vector<Cluster>& window) {
    if (options_.image.compression != "none")
      parallel_for(window.size(), options_.jobs, [&](std::size_t i) { compress(window[i]); });
    for (const Cluster& cluster : window) place(cluster);
    window.clear();
  }

  void compress(Cluster& cluster) const {
    const auto level = static_cast<int>(options_.image.level);
    if (options_.image.compression == "gzip") {
      cluster.packed = deflated(cluster.bytes, level != 0 ? level : Z_DEFAULT_COMPRESSION);
    } else {
      cluster.packed = zstd_frame(cluster.bytes, level);
    }
    if (cluster.packed.size() + kSector >= kCluster) cluster.packed.clear();
  }

  /// Compressed clusters lie side by side; the others on a boundary.
  void place(const Cluster& cluster) {
    if (cluster.packed.empty()) {
      end_ = round_up(end_);
      mapping_[cluster.index] = end_ | kCopied;
      write_all_at(file_.get(), end_, cluster.bytes);
      count(end_, end_ + kCluster);
      end_ += kCluster;
      return;
    }
    const std::uint64_t last = end_ + cluster.packed.size();
    const std::uint64_t more_sectors = (last - 1) / kSector - end_ / kSector;
    mapping_[cluster.index] = end_ | kCompressed | (more_sectors << kLengthShift);
    write_all_at(file_.get(), end_, cluster.packed);
    // A reader takes whole sectors, and so does the count of who uses a cluster.
    count(end_, (last + kSector - 1) / kSector * kSector);
    end_ = last;
  }

  void count(std::uint64_t from, std::uint64_t to) {
    const std::uint64_t last = (to - 1) >> kClusterBits;
    if (refcounts_.size() <= last) refcounts_.resize(last + 1);
    for (std::uint64_t i = from >> kClusterBits; i <= last; ++i) ++refcounts_[i];
  }

  std::uint64_t append(const std::string& bytes) {
    const std::uint64_t at = end_;
    write_all_at(file_.get(), at, bytes);
    end_ = round_up(at + bytes.size());
    count(at, end_);
    return at;
  }

  void write_mapping() {
    std::string level1;
    for (std::uint64_t first = 0; first < mapping_.size(); first += kTableEntries) {
      const std::uint64_t last = std::min<std::uint64_t>(mapping_.size(), first + kTableEntries);
      std::string table;
      bool is_used = false;
      for (std::uint64_t i = first; i < last; ++i) {
        put_big(table, mapping_[i]);
        is_used = is_used || mapping_[i] != 0;
      }
      table.resize(kCluster, '\0');
      put_big(level1, is_used ? append(table) | kCopied : 0);
    }
    level1_entries_ = level1.size() / 8;
    level1_at_ = append(level1);
  }

  /// The counts cover themselves: as many blocks as it takes for everything and them.
  void write_refcounts() {
    count(0, kCluster);
    const std::uint64_t used = end_ >> kClusterBits;
    std::uint64_t blocks = 1;
    const auto table_clusters = [](std::uint64_t count) {
      return (count * 8 + kCluster - 1) >> kClusterBits;
    };
    while (blocks * kRefcounts < used + blocks + table_clusters(blocks)) ++blocks;
    refcount_clusters_ = table_clusters(blocks);
    refcounts_at_ = end_;
    count(end_, end_ + (blocks + refcount_clusters_) * kCluster);
    refcounts_.resize(blocks * kRefcounts);
    std::string table;
    for (std::uint64_t i = 0; i < blocks; ++i) put_big(table, end_ + (refcount_clusters_ + i) * kCluster);
    table.resize(refcount_clusters_ * kCluster, '\0');
    for (const std::uint16_t value : refcounts_) put_big(table, value, 2);
    write_all_at(file_.get(), end_, table);
    end_ += table.size();
  }

  const WriteOptions& options_;
  UniqueFd disk_;
  UniqueFd file_;
  std::uint64_t size_;
  std::vector<std::uint64_t> mapping_;    ///< entry of the second level, by cluster of the disk
  std::vector<std::uint16_t> refcounts_;  ///< by cluster of the file
  std::uint64_t end_ = kCluster;          ///< the first one is the header's
  std::uint64_t level1_at_ = 0;
  std::uint64_t level1_entries_ = 0;
  std::uint64_t refcounts_at_ = 0;
  std::uint64_t refcount_clusters_ = 0;
};

}  // namespace

void pack_qcow2(const std::filesystem::path& disk, const WriteOptions& options,
                const std::filesystem::path& path) {
  Qcow2Writer(disk, options, path).run();
}

void make_overlay(const std::filesystem::path& backing, std::uint64_t size,
                  const std::filesystem::path& path) {
  // One cluster each: header, table of counts, counts, first level of the mapping.
  constexpr std::uint64_t kClusters = 4;
  const std::uint64_t entries = (size + kCluster * kTableEntries - 1) / (kCluster * kTableEntries);
  const std::string name = backing.string();
  constexpr std::size_t kLongestName = 1023;
  if (entries > kTableEntries || name.size() > kLongestName)
    throw Error(ErrorKind::failed,
                "a disk of " + std::to_string(size) + " bytes is too large, or its path too long");
  std::string bytes = Qcow2Header{.size = size,
                                  .level1_entries = entries,
                                  .level1_at = 3 * kCluster,
                                  .refcounts_at = kCluster,
                                  .refcount_clusters = 1,
                                  .backing = name}
                          .bytes();
  put_big(bytes, 2 * kCluster);
  bytes.resize(2 * kCluster, '\0');
  for (std::uint64_t i = 0; i < kClusters; ++i) put_big(bytes, 1, 2);
  bytes.resize(kClusters * kCluster, '\0');
  write_all(open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600).get(), bytes);
}

void write_qcow2(const Tree& tree, const WriteOptions& options, const std::filesystem::path& path) {
  const TempDir work(path.parent_path(), ".alephc");
  WriteOptions raw = options;
  // Clusters are compressed, not files: what is compressed already gains nothing.
  raw.image.compression = "none";
  const std::filesystem::path disk = work.path() / "disk";
  write_disk(tree, raw, disk);
  pack_qcow2(disk, options, path);
}

}  // namespace alephc
