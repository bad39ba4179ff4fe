// SPDX-License-Identifier: MIT
#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/json.hpp"
#include "cli/command.hpp"
#include "cli/command_line.hpp"
#include "evidence/envelope.hpp"
#include "evidence/statement.hpp"
#include "image/image_format.hpp"
#include "pipeline/locking.hpp"
#include "pipeline/rebuild.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

void refuse_impure(const LockedRuntime& runtime) {
  if (image_format(runtime.manifest.image.format).is_folder)
    throw Error(ErrorKind::failed, "a folder has no hash to sign for", "choose another image.format");
  for (const RunSpec& run : runtime.manifest.runs)
    if (run.network)
      throw Error(
          ErrorKind::failed,
          "the script '" + run.name + "' uses the network, so no one can promise that it gives the same result again",
          "pin what it fetches with [[archive]]");
}

}  // namespace

CommandAction add_attest(ArgumentParser& parser) {
  struct Arguments {
    std::string path = ".";
    std::string key{};
    std::string output{};
  };
  auto arguments = std::make_shared<Arguments>();
  parser.add_option("PATH", arguments->path, "A project with a lock");
  parser.add_option("--key", arguments->key, "Your private key, as 'alephc keygen' makes it")
      .required()
      .value_name("FILE");
  parser.add_option("-o,--output", arguments->output, "Where the statement goes (default: stdout)")
      .value_name("FILE");
  return [arguments](CommandContext& context) {
    const PrivateKey key = read_private_key(arguments->key);
    const Session session(context.settings, context.reporter);
    const LockedRuntime runtime = open_committed(arguments->path, session);
    refuse_impure(runtime);
    const TempDir work(fs::temp_directory_path(), "alephc-attest");
    // What is signed was done: a build from nothing, never a result that lay about.
    const Rebuilt rebuilt = rebuild_runtime(runtime, work.path(), session);
    const std::string envelope = sign_envelope(statement_text(rebuilt.receipt, runtime.lock), key);
    if (arguments->output.empty()) {
      print(envelope);
      return 0;
    }
    atomic_write(arguments->output, envelope);
    if (context.options.json)
      print(json_text(Json{{"statement", arguments->output},
                           {"sha256", rebuilt.receipt.image.sha256.hex()},
                           {"key", key.public_key().id()}}) +
            "\n");
    else
      print(arguments->output + "\n  image   " + rebuilt.receipt.image.sha256.hex() + "\n  lock    " +
            rebuilt.receipt.lock.hex() + "\n  key     " + key.public_key().id() + "\n");
    return 0;
  };
}

CommandAction add_keygen(ArgumentParser& parser) {
  auto file = std::make_shared<std::string>();
  parser.add_option("FILE", *file, "The private key; the public one goes to FILE.pub").required();
  return [file](CommandContext& context) {
    for (const std::string& path : {*file, *file + ".pub"})
      if (fs::exists(path)) throw Error(ErrorKind::usage, path + " exists", "a key is never overwritten");
    const PrivateKey key = generate_key();
    atomic_write(*file, key.pem(), 0600);
    atomic_write(*file + ".pub", public_pem(key.public_key()));
    if (context.options.json)
      print(json_text(Json{{"private", *file}, {"public", *file + ".pub"}, {"key", key.public_key().id()}}) +
            "\n");
    else
      print(*file + "  keep it secret\n" + *file + ".pub  give it to those who are to trust you\n");
    return 0;
  };
}

}  // namespace alephc
