// SPDX-License-Identifier: MIT
#include "base/files.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/command.hpp"
#include "cli/command_line.hpp"
#include "cli/schemas.hpp"
#include "cli/version.hpp"
#include "image/image_format.hpp"
#include "manifest/schema.hpp"
#include "store/collect.hpp"

namespace alephc {
namespace {

/// "30d", "12h", "90m", "45s" → seconds.
std::uint64_t parse_duration(const std::string& text) {
  const std::string units = "smhd";
  const std::uint64_t factors[] = {1, 60, 3600, 86400};
  const std::size_t unit = text.empty() ? std::string::npos : units.find(text.back());
  const auto number = unit == std::string::npos
                          ? std::nullopt
                          : parse_unsigned(std::string_view(text).substr(0, text.size() - 1));
  if (!number || *number > 100000000)
    throw Error(ErrorKind::usage, "'" + text + "' is not a duration such as 30d or 12h");
  return *number * factors[unit];
}

}  // namespace

CommandAction add_gc(ArgumentParser& parser) {
  struct Arguments {
    std::string max_size{};
    std::string older_than{};
  };
  auto arguments = std::make_shared<Arguments>();
  parser.add_option("--max-size", arguments->max_size, "Forget the oldest builds until the store fits")
      .value_name("SIZE");
  parser.add_option("--older-than", arguments->older_than, "Keep what is younger, used or not")
      .value_name("DURATION");
  return [arguments](CommandContext& context) {
    CollectOptions options;
    if (!arguments->max_size.empty()) {
      options.max_size = parse_size(arguments->max_size);
      if (!options.max_size)
        throw Error(ErrorKind::usage, "'" + arguments->max_size + "' is not a size such as 20G");
    }
    if (!arguments->older_than.empty()) options.older_than_seconds = parse_duration(arguments->older_than);
    const CollectResult result = collect_garbage(context.settings.store, options);
    if (context.options.json)
      print(json_text(Json{{"removed_bytes", result.removed_bytes},
                           {"removed_entries", result.removed_entries},
                           {"kept_bytes", result.kept_bytes}}) +
            "\n");
    else
      print("removed " + std::to_string(result.removed_entries) + " entries (" +
            human_size(result.removed_bytes) + "), kept " + human_size(result.kept_bytes) + "\n");
    return 0;
  };
}

CommandAction add_schema(ArgumentParser& parser) {
  auto which = std::make_shared<std::string>("runtime");
  parser.add_option("KIND", *which, "Which schema").one_of({"runtime", "lock", "receipt"});
  return [which](CommandContext& /*context*/) {
    // From the key table itself, so that what is printed is what is parsed.
    print(*which == "runtime" ? runtime_schema() : std::string(published_schema(*which)));
    return 0;
  };
}

CommandAction add_version(ArgumentParser& /*parser*/) {
  return [](CommandContext& context) {
    if (context.options.json) {
      print(json_text(Json{{"alephc", version()},
                           {"epoch", latest_epoch().id.number},
                           {"draft", latest_epoch().id.draft},
                           {"tools", image_tools()}}) +
            "\n");
      return 0;
    }
    print("alephc " + std::string(version()) + " (" + latest_epoch().id.text() + ")\n" +
          join(image_tools(), "\n") + "\n");
    return 0;
  };
}

}  // namespace alephc
