// SPDX-License-Identifier: MIT
#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/identity.hpp"
#include "image/folder/folder.hpp"
#include "tree/layer_writer.hpp"

namespace alephc {

void write_folder(const Tree& tree, const WriteOptions& options, const std::filesystem::path& path) {
  if (in_user_namespace())
    for (const Entry& entry : tree.entries())
      if (entry.type == EntryType::char_device || entry.type == EntryType::block_device)
        throw Error(ErrorKind::host,
                    "/" + entry.path + " is a device node, which only root can make in a folder",
                    "choose another format, or build as root");
  make_folders(path);
  LayerWriter writer(path, nullptr, options.time);
  for (const Entry& listed : tree.entries()) {
    Entry entry = listed;
    if (!options.keep_times) entry.mtime = options.time;
    if (entry.type != EntryType::regular || !entry.hard_link.empty()) {
      writer.put(std::move(entry));
      continue;
    }
    const UniqueFd content = tree.open_content(listed);
    writer.put_file(std::move(entry), content.get());
    if (writer.find(listed.path)->content != listed.content)
      throw Error(ErrorKind::integrity, "/" + listed.path + " in the store is damaged",
                  "run 'alephc gc', then build again");
  }
  (void)writer.finish();
}

}  // namespace alephc
