// SPDX-License-Identifier: MIT
#pragma once

// The rules that fix an image's bytes, as values (docs/output-epoch.md says why each is so). A lock belongs to one epoch;
// whoever needs a rule gets the epoch's, and nothing else may decide bytes: so alephc can know several epochs at once, and
// each still gives the images that it always gave.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace alephc {

/// Until 1.0 freezes epoch 1 it is a draft, and whatever changes bytes on purpose raises the draft.
struct EpochId {
  std::int64_t number = 0;
  std::int64_t draft = 0;
  bool operator==(const EpochId&) const = default;
  [[nodiscard]] std::string text() const;  ///< "draft 4 of output epoch 1"
};

/// What a step sees of the world.
struct StepRoom {
  /// SOURCE_DATE_EPOCH, and the youngest time that a layer may hold. A constant, because the real one would be in every key.
  std::int64_t time = 0;
  std::map<std::string, std::string> environment{};  ///< all of it but SOURCE_DATE_EPOCH
  std::string host_name{};
  std::string hosts{};          ///< /etc/hosts where the image has none, gone again when a command has ended
  bool sorted_folders = false;  ///< folders are listed in byte order; of programs that are linked dynamically
  bool fixed_addresses = false;  ///< programs stand at the same addresses in every run
  [[nodiscard]] std::map<std::string, std::string> variables() const;  ///< with SOURCE_DATE_EPOCH
  bool operator==(const StepRoom&) const = default;
};

/// What writers go by where the manifest says nothing.
struct WriterSettings {
  struct Level {
    std::string format{};
    std::string compression{};
    std::uint32_t level = 0;
    bool operator==(const Level&) const = default;
  };
  std::vector<Level> levels{};
  std::uint32_t page = 4096;  ///< squashfs and tar are padded to a multiple of it, in bytes
  /// Libraries that shape bytes, with the versions that the epoch was made with ("libzstd 1.5.7"). Those that alephc was built
  /// with are in the key of the step that writes.
  std::vector<std::string> libraries{};
  [[nodiscard]] std::uint32_t level_of(const std::string& format, const std::string& compression) const;  ///< 0: none
  bool operator==(const WriterSettings&) const = default;
};

/// Once an epoch is frozen, a wrong result of it is mended by a correction. A lock records which ones it was made with, so
/// that one without it keeps its bytes.
struct Correction {
  std::int64_t number = 0;
  std::string why{};
  bool operator==(const Correction&) const = default;
};

struct OutputEpoch {
  EpochId id{};
  StepRoom room{};
  std::vector<std::string> normalize{};  ///< names of rules in their order (steps/normalize.cpp)
  WriterSettings writer{};
  std::vector<Correction> corrections{};  ///< in an epoch that alephc knows: all there are; in that of a lock: its own
  [[nodiscard]] bool has_correction(std::int64_t number) const;
  [[nodiscard]] std::vector<std::int64_t> correction_numbers() const;
  bool operator==(const OutputEpoch&) const = default;
};

/// The epochs that this alephc builds, the latest last.
[[nodiscard]] std::span<const OutputEpoch> known_epochs();
/// The one that new locks are for.
[[nodiscard]] const OutputEpoch& latest_epoch();

/// An epoch with the corrections that a lock names. Nothing if none of `known` is it, or it has no such correction.
[[nodiscard]] std::optional<OutputEpoch> find_epoch(std::span<const OutputEpoch> known, const EpochId& id,
                                                    const std::vector<std::int64_t>& corrections);

}  // namespace alephc
