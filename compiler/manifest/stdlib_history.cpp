// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>

#include "manifest/stdlib.hpp"

namespace alephc {
namespace {

struct Row {
  std::string_view name;
  std::string_view sha256;
};

// Every text that a part has had since 1.0, and in the drafts of this one. A row is added when a part changes, and none is
// ever removed: locks made with an older text stay valid.
constexpr std::array kHistory{
    Row{"alpine/base",
        "ddb297aed60991a54b3f71fda88728e1368bb6aea1a195c7061454365634581a"},
    Row{"alpine/python",
        "1e6eef568d3655ef64842c0ee9e36d320c4944674755bff1b489bfe61e8276d4"},
    Row{"alpine/slim",
        "62c6056f02623646247a5f435535739a5bc3295ed075259372eda74b9580d56a"},
    Row{"alpine/sshd",
        "e069afc740555bc0446a0b2d799b6328da8263bc49644fd20e0f0a6e7dee4df4"},
    Row{"alpine/static",
        "fb26fb4b7ef76cf659a7c996c0a24b3d91a51775505c2d44dc7152b392540cd7"},
    Row{"debian/cloud",
        "91a8938457a2f57fb77fa4d1ca9bcad264486e8bff0e27318a38c97990e0aa30"},
    Row{"debian/distroless-python",
        "ae91cb5222ff833fbbc3bebd1ca257b57fdefb9c0f4d34b585c9cfd8e3b4016d"},
    Row{"debian/distroless",
        "58b1f1e89094c2806a832ad84d8590627e8138f72712d24b01b4be657b23258f"},
    Row{"debian/instance",
        "3a7495d03a2554cfa45c1bceb80f12e848df1467108bb0851a15f139a45b1b8f"},
    Row{"debian/python",
        "0fb71475b776607efb6f3def87681b1c572592d842a44f86e64d79b3e77c634b"},
    Row{"debian/slim",
        "edbf44326ae030b03e55a6ece16a0b885b068833e190369b17f092b847df567f"},
    Row{"debian/sshd",
        "e069afc740555bc0446a0b2d799b6328da8263bc49644fd20e0f0a6e7dee4df4"},
    Row{"ubuntu/cloud",
        "4472dd116a76e2140b460586355af2a15a14314cc83edae002123b942db4e044"},
    Row{"ubuntu/instance",
        "b5b22043267ccecdc0ca4f548f98ff40bff18d21d3310f4a6f7ddff189e3c3e0"},
};

}  // namespace

bool is_stdlib_text(std::string_view name, const Digest& text) {
  const std::string hex = text.hex();
  return std::any_of(kHistory.begin(), kHistory.end(),
                     [&](const Row& row) { return row.name == name && row.sha256 == hex; });
}

}  // namespace alephc
