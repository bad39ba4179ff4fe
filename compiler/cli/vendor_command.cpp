// SPDX-License-Identifier: MIT

#include "base/cid.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/command.hpp"
#include "cli/command_line.hpp"
#include "pipeline/vendor.hpp"

namespace alephc {

CommandAction add_vendor(ArgumentParser& parser) {
  struct Arguments {
    std::string path = ".";
    std::string output{};
  };
  auto arguments = std::make_shared<Arguments>();
  parser.add_option("PATH", arguments->path, "A project with a lock");
  parser.add_option("-o,--output", arguments->output, "Where the bundle goes").required().value_name("FILE");
  return [arguments](CommandContext& context) {
    vendor_runtime(arguments->path, arguments->output, Session(context.settings, context.reporter));
    const FileHashes hashes = hash_file(arguments->output, context.settings.jobs);
    if (context.options.json)
      print(json_text(
                Json{{"bundle", arguments->output}, {"size", hashes.size}, {"sha256", hashes.sha256.hex()}}) +
            "\n");
    else
      print(arguments->output + "\n  size    " + human_size(hashes.size) + "\n  sha256  " +
            hashes.sha256.hex() + "\n");
    return 0;
  };
}

}  // namespace alephc
