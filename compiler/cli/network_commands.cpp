// SPDX-License-Identifier: MIT

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/command.hpp"
#include "cli/command_line.hpp"
#include "cli/network_options.hpp"
#include "image/image_format.hpp"
#include "manifest/load.hpp"
#include "network/publish.hpp"
#include "network/pull.hpp"
#include "network/recipe_reference.hpp"
#include "pipeline/delivery.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;
struct PublishArguments {
  std::string image{};
  std::string key{};
  std::string chain{};
  std::vector<std::string> metadata{};
  bool write_expect = false;
  NetworkHosts hosts{};
  PublishRequest request{};
};

std::string checked_repository(const std::string& url) {
  if (!url.empty() && public_repository(url) == url) return url;
  throw Error(ErrorKind::usage, "alephc.repository is not a public address",
              "https://HOST/PATH, without user name and password");
}

/// "K=V", or "alephc.K=V" for what says where the recipe is.
void read_metadata(const std::vector<std::string>& words, PublishRequest& request) {
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    if (equals == 0 || equals == std::string::npos)
      throw Error(ErrorKind::usage, "--metadata takes KEY=VALUE, not '" + word + "'");
    if (!is_utf8(word)) throw Error(ErrorKind::usage, "--metadata takes UTF-8 only");
    const std::string key = word.substr(0, equals);
    const std::string value = word.substr(equals + 1);
    if (key == "alephc.repository")
      request.recipe.repository = checked_repository(value);
    else if (key == "alephc.revision")
      request.recipe.revision = value;
    else if (key == "alephc.path")
      request.recipe.path = value;
    else if (key == "alephc.bundle")
      request.recipe.bundle = value;
    else if (key.starts_with("alephc"))
      throw Error(ErrorKind::usage, "'" + key + "' is written by alephc itself",
                  "alephc.repository, alephc.revision, alephc.path and alephc.bundle can be set");
    else
      request.metadata[key] = value;
  }
}

void check_request(const PublishArguments& arguments) {
  const PublishRequest& request = arguments.request;
  if (!request.ref.empty() && request.ref.size() > 128) throw Error(ErrorKind::usage, "--ref is too long");
  if (request.channel.empty() || request.channel.size() > 128)
    throw Error(ErrorKind::usage, "--channel has 1 to 128 characters");
}

/// The line of the network's own client that uses what was published.
std::string usage_line(const std::string& hash, const std::string& kind) {
  if (kind == "instance") return "aleph instance create --rootfs " + hash;
  if (kind == "volume")
    return "aleph program create --immutable-volume ref=" + hash + ",mount=/opt/packages PROGRAM ENTRYPOINT";
  return "aleph program create --runtime " + hash +
         " PROGRAM ENTRYPOINT\n  and with use_latest = false in the program's runtime no one can replace it "
         "later, not even its publisher";
}

std::string publish_text(const PublishOutcome& outcome, const PublishRequest& request,
                         const std::string& kind) {
  const bool dry = request.dry_run;
  std::string out = dry ? outcome.message.envelope + "\n" : "";
  out += "message  " + outcome.message.item_hash + "  " + outcome.status + "\nfile     " + outcome.file_hash +
         "\n  size    " + human_size(outcome.size) + "\n  sha256  " + outcome.sha256 + "\n  cid v0  " +
         outcome.cid_v0 + "\n";
  if (dry) return out;
  return out + "use it\n  " +
         usage_line(request.ref.empty() ? outcome.message.item_hash : request.ref, kind) +
         "\nverify it\n  alephc verify " + outcome.message.item_hash + "\n";
}

/// "function", "instance" or "volume": of the project, else by what the image is.
std::string kind_of(const ImageRecipe& recipe, const fs::path& image) {
  if (!recipe.kind.empty()) return recipe.kind;
  return is_disk(image_format_of(image).value_or("")) ? "instance" : "function";
}

Json publish_json(const PublishOutcome& outcome) {
  return {{"item_hash", outcome.message.item_hash},
          {"status", outcome.status},
          {"item_type", outcome.item_type},
          {"file_hash", outcome.file_hash},
          {"size", outcome.size},
          {"sha256", outcome.sha256},
          {"cid_v0", outcome.cid_v0},
          {"message", parse_json<Json>(outcome.message.envelope)}};
}

}  // namespace

void add_network_options(ArgumentParser& parser, NetworkHosts& hosts) {
  parser.add_option("--api", hosts.apis, "A node of the network; may be repeated (ALEPH_API_HOST)")
      .value_name("URL");
  parser
      .add_option("--gateway", hosts.gateways, "An IPFS gateway, to which /CID is appended; may be repeated")
      .value_name("URL");
}

NetworkHosts network_hosts(const NetworkHosts& named, const Settings& settings) {
  NetworkHosts hosts = named;
  if (hosts.apis.empty()) hosts.apis = settings.apis;
  // Whoever names a node of his own does not mean the public gateways.
  if (hosts.gateways.empty() && !hosts.apis.empty())
    for (const std::string& api : hosts.apis) hosts.gateways.push_back(api + "/api/v0/storage/raw");
  return with_defaults(hosts);
}

CommandAction add_publish(ArgumentParser& parser) {
  auto arguments = std::make_shared<PublishArguments>();
  PublishRequest& request = arguments->request;
  parser.add_option("IMAGE", arguments->image, "An image file, or a project that is built first").required();
  parser
      .add_option("--key", arguments->key,
                  "Private key (default: ALEPH_PRIVATE_KEY_STRING, ALEPH_PRIVATE_KEY_FILE, key of "
                  "config.toml, or the "
                  "key of the network's own client)")
      .value_name("FILE");
  parser.add_option("--chain", arguments->chain, "Chain of the key").one_of({"ETH", "SOL"});
  parser.add_option("--address", request.address, "Publish in the name of this address")
      .value_name("ADDRESS");
  parser.add_option("--channel", request.channel, "Channel of the message");
  parser.add_option("--ref", request.ref, "Original STORE message that this one updates").value_name("HASH");
  parser.add_option("--payment", request.payment, "How the file is paid for").one_of({"credit", "hold"});
  parser.add_option("--storage", request.storage, "Where the file goes (auto: by its size)")
      .one_of({"auto", "ipfs", "storage"});
  parser
      .add_option(
          "--metadata", arguments->metadata,
          "More metadata; alephc.repository, alephc.revision, alephc.path and alephc.bundle say where "
          "the recipe is")
      .value_name("KEY=VALUE");
  parser.add_flag("--dry-run", request.dry_run, "Print the signed message and send nothing");
  parser.add_flag("--write-expect", arguments->write_expect,
                  "Write file and message hash into the project's [expect]");
  add_network_options(parser, arguments->hosts);
  return [arguments](CommandContext& context) {
    PublishRequest& wanted = arguments->request;
    check_request(*arguments);
    const bool built = is_project(arguments->image);
    wanted.image = image_of(arguments->image, context);
    if (fs::is_directory(wanted.image))
      throw Error(ErrorKind::usage, "a folder cannot be published", "build an image file");
    const fs::path project = built             ? fs::path(arguments->image)
                             : is_project(".") ? fs::path(".")
                                               : fs::path();
    if (arguments->write_expect && project.empty())
      throw Error(ErrorKind::usage, "--write-expect needs a project", "name its folder instead of the image");
    wanted.hashes = hash_file(wanted.image, context.settings.jobs);
    const ImageRecipe recipe = recipe_of_image(wanted.image, wanted.hashes.sha256, project, context.reporter);
    if (arguments->write_expect && recipe.kind.empty())
      throw Error(ErrorKind::usage,
                  "--write-expect: the image is not known to be that of this project's lock",
                  "name the project's folder instead of the image, or build it again");
    wanted.recipe = recipe.reference;
    read_metadata(arguments->metadata, wanted);
    const Account account = load_account(
        {.chain = arguments->chain, .file = arguments->key, .fallback_file = context.settings.key});
    if (context.settings.offline && !wanted.dry_run)
      throw Error(ErrorKind::failed, "publishing needs the network, but --offline forbids it");
    const NodeApi api(network_hosts(arguments->hosts, context.settings), {}, context.reporter);
    const PublishOutcome outcome = publish_image(wanted, account, api, context.reporter);
    if (arguments->write_expect && !wanted.dry_run)
      write_expectation(find_manifest(project), outcome.file_hash, outcome.message.item_hash);
    print(context.options.json ? json_text(publish_json(outcome)) + "\n"
                               : publish_text(outcome, wanted, kind_of(recipe, wanted.image)));
    return 0;
  };
}

CommandAction add_pull(ArgumentParser& parser) {
  struct Arguments {
    std::string hash{};
    std::string output{};
    NetworkHosts hosts{};
  };
  auto arguments = std::make_shared<Arguments>();
  parser.add_option("HASH", arguments->hash, "Hash of a PROGRAM, INSTANCE or STORE message, or of a file")
      .required();
  parser.add_option("-o,--output", arguments->output, "Where the file goes (default: HASH.img)")
      .value_name("FILE");
  add_network_options(parser, arguments->hosts);
  return [arguments](CommandContext& context) {
    if (!is_network_hash(arguments->hash))
      throw Error(ErrorKind::usage, "'" + arguments->hash + "' is not a hash of the network",
                  "64 hex digits, or a CID: Qm… or bafy…");
    const Store store(context.settings.store);
    const HttpFetcher fetcher(store, context.reporter, {.offline = context.settings.offline});
    const NodeApi api(network_hosts(arguments->hosts, context.settings),
                      {.offline = context.settings.offline}, context.reporter);
    const PulledFile file = pull_file(arguments->hash, api, fetcher);
    const fs::path output = arguments->output.empty() ? arguments->hash + ".img" : arguments->output;
    Delivery(output).finish(store, file.sha256);
    if (context.options.json) {
      Json json{{"file", output.string()}, {"sha256", file.sha256.hex()}, {"file_hash", file.file_hash}};
      json["message"] = file.store_message ? Json(file.store_message->message.item_hash) : Json();
      json["checks"] = Json::array();
      for (const PullCheck& check : file.checks)
        json["checks"].push_back({{"check", check.name}, {"proven", check.proven}, {"text", check.text}});
      print(json_text(json) + "\n");
      return 0;
    }
    std::string out;
    for (const PullCheck& check : file.checks)
      out +=
          std::string(check.proven ? "ok    " : "told  ") + check.name + ": " + printable(check.text) + "\n";
    print(out + output.string() + "\n  sha256  " + file.sha256.hex() + "\n");
    return 0;
  };
}

}  // namespace alephc
