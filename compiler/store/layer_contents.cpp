// SPDX-License-Identifier: MIT
#include "store/layer_contents.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "tree/listing_text.hpp"

namespace alephc {
namespace {

constexpr std::size_t kLayers = 8;

}  // namespace

void LayerContents::read_layers() {
  for (const Digest& layer : store_.large_layers(kLayers)) {
    const std::filesystem::path home = store_.folder() / "layers" / layer.hex();
    folders_.push_back(home / "root");
    try {
      for (Entry& entry : parse_layer_text(read_file(home / "listing")))
        if (entry.type == EntryType::regular)
          places_.try_emplace(entry.content, folders_.size() - 1, std::move(entry.path));
    } catch (const Error&) {
      // Damaged, or removed meanwhile.
    }
  }
}

bool LayerContents::has(const Digest& content) {
  std::call_once(once_, [this] { read_layers(); });
  return places_.contains(content);
}

std::optional<UniqueFd> LayerContents::open(const Digest& content) {
  if (!has(content)) return std::nullopt;
  const auto& [folder, path] = places_.at(content);
  UniqueFd file(::open((folders_[folder] / path).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file || sha256_fd(file.get()) != content) return std::nullopt;
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

}  // namespace alephc
