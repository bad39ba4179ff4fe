// SPDX-License-Identifier: MIT
#include "guest/init_source.hpp"

#include <algorithm>

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "guest/include_file.hpp"

// NOLINTBEGIN: see include_file.hpp
ALEPHC_INCLUDE(released, ALEPHC_RELEASED_FILE);
// NOLINTEND

namespace alephc {

std::vector<InitRelease> parse_init_releases(std::string_view text) {
  std::vector<InitRelease> releases;
  for (const std::string& line : split(std::string(text), '\n')) {
    const std::vector<std::string> words = split_words(line.substr(0, line.find('#')));
    if (words.empty()) continue;
    const auto source = Digest::from_hex(words[0]);
    const auto program = words.size() == 2 ? Digest::from_hex(words[1]) : std::nullopt;
    if (!source || !program)
      throw Error(ErrorKind::failed, "a line of the released inits is not two sha256 digests: " + line);
    releases.push_back({*source, *program});
  }
  return releases;
}

const std::vector<InitRelease>& init_releases() {
  static const std::vector<InitRelease> kReleases =
      parse_init_releases(between(guest_released, guest_released_end));
  return kReleases;
}

Digest source_digest(std::span<const GuestFile> project) {
  std::vector<GuestFile> files(project.begin(), project.end());
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  Sha256 hash;
  for (const GuestFile& file : files) {
    hash.update(std::string(file.name) + " " + std::to_string(file.bytes.size()) + "\n");
    hash.update(file.bytes);
  }
  return hash.finish();
}

std::optional<Digest> released_of(const Digest& source, std::span<const InitRelease> releases) {
  for (const InitRelease& release : releases)
    if (release.source == source) return release.program;
  return std::nullopt;
}

const std::optional<Digest>& released_init() {
#if defined(__x86_64__)
  static const std::optional<Digest> kReleased = released_of(source_digest(init_project()), init_releases());
#else
  static const std::optional<Digest> kReleased;  // the table is of programs for x86-64
#endif
  return kReleased;
}

GuestFile init_to_lock(const GuestFile& compiled, const std::optional<Digest>& released) {
  if (!released || *released == compiled.sha256) return compiled;
  return {.name = compiled.name, .sha256 = *released};
}

bool is_known_init(const Digest& program) {
  const std::vector<InitRelease>& releases = init_releases();
  return program == compiled_init().sha256 ||
         std::any_of(releases.begin(), releases.end(),
                     [&](const InitRelease& each) { return each.program == program; });
}

}  // namespace alephc
