// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/cid.hpp"
#include "base/text.hpp"
#include "cli/command.hpp"
#include "pipeline/vendor.hpp"

namespace alephc {

CommandAction add_vendor(CLI::App& app) {
  struct Arguments {
    std::string path = ".";
    std::string output{};
  };
  auto arguments = std::make_shared<Arguments>();
  app.add_option("PATH", arguments->path, "A project with a lock");
  app.add_option("-o,--output", arguments->output, "Where the bundle goes")->required()->type_name("FILE");
  return [arguments](CommandContext& context) {
    vendor_runtime(arguments->path, arguments->output, Session(context.settings, context.reporter));
    const FileHashes hashes = hash_file(arguments->output, context.settings.jobs);
    if (context.options.json)
      print(nlohmann::ordered_json{
                {"bundle", arguments->output}, {"size", hashes.size}, {"sha256", hashes.sha256.hex()}}
                .dump() +
            "\n");
    else
      print(arguments->output + "\n  size    " + human_size(hashes.size) + "\n  sha256  " +
            hashes.sha256.hex() + "\n");
    return 0;
  };
}

}  // namespace alephc
