// SPDX-License-Identifier: MIT
#include "steps/workplace.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "sandbox/network.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kResolver = "etc/resolv.conf";

}  // namespace

void prepare_upper(const Tree& tree, const fs::path& upper) {
  make_folders(upper);
  if (::chmod(upper.c_str(), 0755) != 0) throw system_error("chmod " + upper.string(), errno);
  if (tree.layers().empty()) return;
  LayerWriter writer(upper, &tree.entries(), 0);
  if (const Entry* root = tree.find("")) writer.put(*root);
  for (const Entry& entry : tree.entries()) {
    if (entry.hard_link.empty()) continue;
    const Entry* first = tree.find(entry.hard_link);
    if (writer.find(first->path) == nullptr) {
      if (first->type == EntryType::regular)
        writer.put_file(*first, tree.open_content(*first).get());
      else
        writer.put(*first);
    }
    writer.put(entry);
  }
  (void)writer.finish();
}

void empty_upper(const Tree& tree, const fs::path& upper) {
  const UniqueFd folder = open_file(upper, O_RDONLY | O_DIRECTORY);
  for (const std::string& name : list_folder(folder.get())) remove_tree_at(folder.get(), name);
  prepare_upper(tree, upper);
}

void remove_mount_points(const fs::path& upper) {
  const UniqueFd run(::open((upper / "run").c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (run) remove_tree_at(run.get(), "alephc");
}

SandboxOptions sandbox_options(const SandboxPlace& place) {
  return {
      .root = sandbox_root(place.below, place.upper, place.scratch), .room = place.room, .log = place.log, .vary = place.vary};
}

NetworkNames::NetworkNames(const SandboxPlace& place)
    : upper_(place.upper), present_(place.below.find(kResolver) != nullptr || upper_.has(kResolver)) {
  if (present_) return;
  upper_.write(kResolver, PrivateNetwork::kResolver);
}

void NetworkNames::take_back() const {
  if (!present_) upper_.remove(kResolver);
}

}  // namespace alephc
