// SPDX-License-Identifier: MIT
#include "base/output_epoch.hpp"

#include <algorithm>
#include <array>

namespace alephc {
namespace {

OutputEpoch epoch_1() {
  OutputEpoch epoch{.id = {.number = 1, .draft = 5}};
  epoch.room = {
      .time = 1704067200,  // 2024-01-01T00:00:00Z
      .environment = {{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
                      {"HOME", "/root"},
                      {"LC_ALL", "C.UTF-8"},
                      {"TZ", "UTC"},
                      {"PYTHONHASHSEED", "0"},
                      {"FORCE_SOURCE_DATE", "1"},
                      {"DEBIAN_FRONTEND", "noninteractive"},
                      {"DEBCONF_NONINTERACTIVE_SEEN", "true"},
                      {"TERM", "dumb"}},
      .host_name = "alephc",
      .hosts = "127.0.0.1 localhost\n127.0.1.1 alephc.localdomain alephc\n::1 localhost ip6-localhost\n",
      .sorted_folders = true,
      .fixed_addresses = true};
  epoch.normalize = {"access lists", "logs",       "caches",         "backups",   "lock files",       "secrets",
                     "leftovers",    "password dates", "databases", "python caches", "java trust stores"};
  epoch.writer = {.levels = {{"squashfs", "zstd", 9},
                             {"squashfs", "gzip", 9},
                             {"btrfs", "zstd", 3},
                             {"qcow2", "zstd", 9},
                             {"qcow2", "gzip", 6}},
                  .page = 4096,
                  .libraries = {"libsquashfs 1.3.2", "libzstd 1.5.7", "liblzma 5.8.1", "zlib 1.3.1", "liblz4 1.10.0", "libext2fs 1.47.0"}};
  return epoch;
}

}  // namespace

std::string EpochId::text() const {
  return "draft " + std::to_string(draft) + " of output epoch " + std::to_string(number);
}

std::map<std::string, std::string> StepRoom::variables() const {
  std::map<std::string, std::string> all = environment;
  all["SOURCE_DATE_EPOCH"] = std::to_string(time);
  return all;
}

std::uint32_t WriterSettings::level_of(const std::string& format, const std::string& compression) const {
  for (const Level& each : levels)
    if (each.format == format && each.compression == compression) return each.level;
  return 0;
}

bool OutputEpoch::has_correction(std::int64_t number) const {
  return std::any_of(corrections.begin(), corrections.end(),
                     [&](const Correction& each) { return each.number == number; });
}

std::vector<std::int64_t> OutputEpoch::correction_numbers() const {
  std::vector<std::int64_t> numbers;
  for (const Correction& each : corrections) numbers.push_back(each.number);
  return numbers;
}

std::span<const OutputEpoch> known_epochs() {
  static const std::array kEpochs{epoch_1()};
  return kEpochs;
}

const OutputEpoch& latest_epoch() {
  return known_epochs().back();
}

std::optional<OutputEpoch> find_epoch(std::span<const OutputEpoch> known, const EpochId& id,
                                      const std::vector<std::int64_t>& corrections) {
  const auto found = std::find_if(known.begin(), known.end(), [&](const OutputEpoch& each) { return each.id == id; });
  if (found == known.end()) return std::nullopt;
  OutputEpoch epoch = *found;
  for (const std::int64_t number : corrections)
    if (!epoch.has_correction(number)) return std::nullopt;
  std::erase_if(epoch.corrections, [&](const Correction& each) {
    return std::find(corrections.begin(), corrections.end(), each.number) == corrections.end();
  });
  return epoch;
}

}  // namespace alephc
