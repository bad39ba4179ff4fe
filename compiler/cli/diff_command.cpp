// SPDX-License-Identifier: MIT

#include "base/files.hpp"
#include "cli/command.hpp"
#include "cli/command_line.hpp"
#include "compare/diff_report.hpp"
#include "pipeline/receipts.hpp"

namespace alephc {
namespace {

struct DiffArguments {
  std::string a{};
  std::string b{};
  std::string html{};
};

}  // namespace

CommandAction add_diff(ArgumentParser& parser) {
  auto arguments = std::make_shared<DiffArguments>();
  parser.add_option("A", arguments->a, "An image, a folder, or a project that is built first").required();
  parser.add_option("B", arguments->b, "The one to compare with").required();
  parser.add_option("--html", arguments->html, "Write a page for a browser, one file that needs nothing else")
      .value_name("FILE");
  return [arguments](CommandContext& context) {
    const std::filesystem::path a = image_of(arguments->a, context);
    const std::filesystem::path b = image_of(arguments->b, context);
    const auto steps = [&](const ImageFacts& image) {
      return steps_of_image(image.path, image.sha256, Store(context.settings.store));
    };
    const ImageDiff diff = compare_images(a, b, steps, context.settings.jobs);
    if (!arguments->html.empty()) atomic_write(arguments->html, diff_page(diff));
    print(context.options.json ? diff_json(diff) : diff_text(diff));
    const bool folders = diff.a.sha256.is_zero() && diff.b.sha256.is_zero();
    return diff.same_bytes || (diff.same_tree && folders) ? 0 : 1;
  };
}

}  // namespace alephc
