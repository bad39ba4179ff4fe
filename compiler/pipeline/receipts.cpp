// SPDX-License-Identifier: MIT
#include "pipeline/receipts.hpp"

#include "base/files.hpp"

namespace alephc {

namespace fs = std::filesystem;

fs::path receipt_path_of(const fs::path& manifest_file) {
  fs::path path = manifest_file;
  return path.replace_extension(".receipt.json");
}

std::optional<Receipt> recorded_receipt(const LockedRuntime& runtime) {
  const fs::path file = receipt_path_of(runtime.manifest.file);
  const auto text = read_file_if_exists(file);
  if (!text) return std::nullopt;
  Receipt receipt = parse_receipt(file.filename().string(), *text);
  if (receipt.lock != sha256(runtime.lock_text)) return std::nullopt;
  return receipt;
}

std::map<std::string, std::string> steps_of_paths(const Receipt& receipt, const Store& store) {
  std::map<std::string, std::string> steps;
  for (const auto& [step, hex] : receipt.layers) {
    const auto digest = Digest::from_hex(hex);
    const auto layer = digest ? store.open_layer(*digest, [](const std::string&) {}) : nullptr;
    if (layer == nullptr) continue;
    for (const Entry& entry : layer->listing) steps[entry.path] = step;
  }
  return steps;
}

std::map<std::string, std::string> steps_of_image(const fs::path& image, const Digest& sha256,
                                                  const Store& store) {
  const std::string file = image.string() + ".receipt.json";
  const auto text = read_file_if_exists(file);
  if (!text) return {};
  const Receipt receipt = parse_receipt(file, *text);
  if (receipt.image.sha256 != sha256) return {};  // of another image
  return steps_of_paths(receipt, store);
}

}  // namespace alephc
