// SPDX-License-Identifier: MIT
#include <cstdint>

#include "base/text.hpp"
#include "manifest/check_manifest.hpp"
#include "manifest/fill_manifest.hpp"
#include "manifest/merge.hpp"
#include "manifest/shape.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace alephc;
  const auto source =
      std::make_shared<const SourceText>(SourceText{"fuzz", {reinterpret_cast<const char*>(data), size}});
  if (!is_utf8(source->text)) return 0;
  try {
    DiagnosticList problems;
    const Part part{.name = "fuzz", .value = parse_toml(source)};
    check_shape(part.value, problems);
    problems.stop_if_errors();
    const Value flat = merge_parts({part}, problems);
    Manifest manifest;
    fill_manifest(manifest, flat);
    check_manifest(manifest, flat, problems);
    problems.stop_if_errors();
    // What was accepted is written canonically, and that reads back as the same.
    const std::string text = canonical_text(flat);
    const auto again = std::make_shared<const SourceText>(SourceText{"again", text});
    if (canonical_text(parse_toml(again)) != text) __builtin_trap();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::bug) __builtin_trap();
  }
  return 0;
}
