// SPDX-License-Identifier: MIT
#include <ctime>

#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/command.hpp"
#include "cli/command_line.hpp"
#include "cli/network_options.hpp"
#include "image/image_format.hpp"
#include "verify/published.hpp"
#include "verify/verify.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

struct VerifyArguments {
  std::string path{};
  std::string level = "image";
  std::vector<std::string> statements{};
  std::vector<std::string> trusted_keys{};
  std::string image{};
  std::string message{};
  std::string policy{};
  std::string bundle{};
  NetworkHosts hosts{};
  VerifyRequest request{};
};

/// PATH, or the current folder when it is a project and nothing else was asked for.
fs::path project_of(const VerifyArguments& arguments) {
  if (arguments.path.empty()) return is_project(".") ? fs::path(".") : fs::path();
  if (is_project(arguments.path)) return arguments.path;
  if (fs::exists(arguments.path))
    throw Error(ErrorKind::usage, arguments.path + " is neither a project nor an image");
  throw Error(ErrorKind::usage, "there is no project " + arguments.path,
              "a hash of the network is 64 hex digits, or a CID: Qm… or bafy…");
}

/// An archive has no magic of its own.
bool names_image(const VerifyArguments& arguments) {
  const fs::path path = arguments.path;
  if (!fs::is_regular_file(path) || is_project(path)) return false;
  return path.extension() == image_format("tar").extension || image_format_of(path);
}

/// What was published, or an image with the recipe in it, takes the place of what the command line would name.
std::optional<Published> take_published(VerifyArguments& arguments, const NetworkHosts& hosts,
                                        CommandContext& context) {
  const bool is_hash = is_network_hash(arguments.path) && !fs::exists(arguments.path);
  if (!is_hash && !names_image(arguments)) return std::nullopt;
  if (!is_hash && !arguments.image.empty())
    throw Error(ErrorKind::usage, "two images are named: " + arguments.path + " and " + arguments.image,
                "'alephc diff' compares two images");
  Published published = is_hash ? fetch_published(arguments.path, hosts, arguments.request.strict,
                                                  context.settings, context.reporter)
                                : open_image(arguments.path, context.settings);
  arguments.request.before = published.checks;
  if (arguments.image.empty()) arguments.image = published.image;
  if (arguments.request.expect.empty()) arguments.request.expect = published.file_hash;
  arguments.request.rebuild = !published.project.empty();
  return published;
}

std::string row_of(const VerifyCheck& check) {
  const std::string mark = check.verdict == Verdict::verified ? "ok  " : verdict_name(check.verdict);
  return mark + std::string(mark.size() < 10 ? 10 - mark.size() : 1, ' ') + check.name + ": " +
         printable(check.text) + "\n";
}

std::string conclusion_text(const VerifyReport& report) {
  std::string out;
  for (const std::string& line : report.explanation) out += "  " + printable(line) + "\n";
  return out + verdict_name(report.verdict) + "\n";
}

Json check_json(const VerifyCheck& check) {
  return {{"check", check.name}, {"verdict", verdict_name(check.verdict)}, {"text", check.text}};
}

Json report_json(const VerifyReport& report) {
  Json json{{"verdict", verdict_name(report.verdict)}};
  json["checks"] = Json::array();
  for (const VerifyCheck& check : report.checks) json["checks"].push_back(check_json(check));
  json["explanation"] = report.explanation;
  return json;
}

int exit_code(Verdict verdict) {
  if (verdict == Verdict::verified) return 0;
  return static_cast<int>(verdict == Verdict::mismatch ? ErrorKind::integrity : ErrorKind::failed);
}

}  // namespace

CommandAction add_verify(ArgumentParser& parser) {
  auto arguments = std::make_shared<VerifyArguments>();
  VerifyRequest& request = arguments->request;
  parser.add_option("PATH", arguments->path,
                    "A project, an image that holds its recipe, or the hash of what was published (default: "
                    "the current folder, if it is "
                    "a project)");
  parser.add_option("--image", arguments->image, "The image to check").value_name("FILE");
  parser.add_option("--expect", request.expect, "Hash that the image must have").value_name("HASH");
  parser.add_option("--message", arguments->message, "A saved STORE message that publishes the image")
      .value_name("FILE");
  parser
      .add_option("--statement", arguments->statements,
                  "A signed statement about the build (several are allowed)")
      .value_name("FILE");
  parser.add_option("--policy", arguments->policy, "Whose statements count, and how many are needed")
      .value_name("FILE");
  parser.add_option("--bundle", arguments->bundle, "Take what the lock names from here").value_name("FILE");
  parser.add_flag("--rebuild", request.rebuild, "Build the lock from nothing and compare");
  parser.add_option("--level", arguments->level, "What decides: the image's bytes or its tree digest")
      .one_of({"image", "tree"});
  parser.add_flag("--strict", request.strict, "What is trusted but not proven is not enough");
  parser
      .add_option("--trust-key", arguments->trusted_keys,
                  "Accept a keyring that the project brings: its fingerprint, or its path")
      .value_name("KEY");
  add_network_options(parser, arguments->hosts);
  return [arguments](CommandContext& context) {
    VerifyRequest& wanted = arguments->request;
    const NetworkHosts hosts = network_hosts(arguments->hosts, context.settings);
    const std::optional<Published> published = take_published(*arguments, hosts, context);
    wanted.path = published ? published->project : project_of(*arguments);
    if (!context.settings.offline)
      wanted.published_file = [&](const std::string& hash) {
        return published_file(hash, hosts, context.reporter);
      };
    wanted.image = arguments->image;
    wanted.message = arguments->message;
    wanted.policy = arguments->policy;
    wanted.bundle = arguments->bundle;
    wanted.now = std::time(nullptr);
    wanted.tree_level = arguments->level == "tree";
    wanted.statements.assign(arguments->statements.begin(), arguments->statements.end());
    wanted.trusted_keys.insert(arguments->trusted_keys.begin(), arguments->trusted_keys.end());
    if (published && wanted.bundle.empty()) wanted.bundle = published->bundle;
    if (wanted.path.empty() && wanted.image.empty() && wanted.message.empty())
      throw Error(ErrorKind::usage, "there is nothing to verify",
                  "name a project, an --image or a --message");
    wanted.decided = [&](const VerifyCheck& check) {
      context.found["checks"].push_back(check_json(check));
      if (!context.options.json) print(row_of(check));
    };
    const VerifyReport report = verify_runtime(wanted, context.settings, context.reporter);
    print(context.options.json ? json_text(report_json(report)) + "\n" : conclusion_text(report));
    return exit_code(report.verdict);
  };
}

}  // namespace alephc
