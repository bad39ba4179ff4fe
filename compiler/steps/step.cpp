// SPDX-License-Identifier: MIT
#include "steps/step.hpp"

namespace alephc {
namespace {

Digest digest_of(const StepRoom& room) {
  std::string text = room.host_name + "\n" + room.hosts;
  text += room.sorted_folders ? "sorted folders\n" : "";
  text += room.fixed_addresses ? "fixed addresses\n" : "";
  for (const auto& [name, value] : room.variables()) text += name + "=" + value + "\n";
  return sha256(text);
}

}  // namespace

std::string key_text(const Step& step, const OutputEpoch& epoch, const std::vector<Digest>& layers) {
  std::string text = "alephc-key 2\nkind " + step.kind + "\nversion " + std::to_string(step.version) + "\nepoch " +
                     std::to_string(epoch.id.number) + " " + std::to_string(epoch.id.draft) + "\n";
  for (const Correction& correction : epoch.corrections)
    text += "correction " + std::to_string(correction.number) + "\n";
  text += "room " + digest_of(epoch.room).hex() + "\n" + step.input;
  for (const Digest& layer : layers) text += "below " + layer.hex() + "\n";
  return text;
}

}  // namespace alephc
