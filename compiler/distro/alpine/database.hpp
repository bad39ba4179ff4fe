// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace alephc::alpine {

// apk's database as apk-tools 2.14 writes it, byte for byte. All below lib/apk/db.
inline constexpr const char* kInstalled = "lib/apk/db/installed";
inline constexpr const char* kScripts = "lib/apk/db/scripts.tar";
inline constexpr const char* kTriggers = "lib/apk/db/triggers";
inline constexpr const char* kWorld = "etc/apk/world";

/// Owner and mode, where they are not root's 0755 for folders and 0644 for files.
struct Attributes {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t mode = 0;
  std::string xattrs{};  ///< "Q1" and base64 of the sha1 of its extended attributes; empty without any
  bool operator==(const Attributes&) const = default;
};

struct InstalledFile {
  std::string name{};  ///< within its folder
  std::optional<Attributes> attributes{};
  std::string
      checksum{};  ///< "Q1" and base64 of the sha1 of its content, or of a symlink's target; may be empty
};

struct InstalledFolder {
  std::string path{};  ///< "" for the root
  std::optional<Attributes> attributes{};
  std::vector<InstalledFile> files{};
};

/// A stanza of `installed`.
struct InstalledRecord {
  std::string head{};  ///< lines before the first folder, as they are
  std::vector<InstalledFolder> folders{};

  /// Value of a line of the head, "" without one.
  [[nodiscard]] std::string_view get(char letter) const;
};

/// Throws an integrity Error if it is not such a file.
[[nodiscard]] std::vector<InstalledRecord> parse_installed(std::string_view text);
[[nodiscard]] std::string installed_text(const std::vector<InstalledRecord>& records);

struct Script {
  std::string package{};   ///< "busybox-1.36.1-r29"
  std::string identity{};  ///< of the package
  std::string type{};      ///< "pre-install" …
  std::string text{};
  std::int64_t time = 0;  ///< the package's build time
};

/// scripts.tar: entries PACKAGE.IDENTITY.TYPE.
[[nodiscard]] std::string scripts_tar(const std::vector<Script>& scripts);
/// The inverse of scripts_tar. Throws an integrity Error if it is damaged.
[[nodiscard]] std::vector<Script> parse_scripts_tar(std::string_view tar);

}  // namespace alephc::alpine
