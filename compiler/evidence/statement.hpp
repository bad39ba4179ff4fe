// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "evidence/receipt.hpp"
#include "lock/lock.hpp"
#include "tree/tree_digest.hpp"

namespace alephc {

/// "I rebuilt this lock and got this file": an in-toto Statement v1 with SLSA provenance v1 as predicate
/// (slsa.dev/spec/v1.0/provenance). Without a time: the same rebuild gives the same statement.
struct Statement {
  std::string name{};  ///< NAME-VERSION.FORMAT
  Digest image{};
  Digest lock{};  ///< sha256 of the lock's text
  TreeDigest tree{};
  std::string cid_v0{};  ///< of the image; empty in statements of older versions
  std::string cid_v1{};
};

[[nodiscard]] std::string statement_text(const Receipt& receipt, const Lock& lock);

/// Throws a failed Error that names the file when the text says nothing about an image of alephc's.
[[nodiscard]] Statement parse_statement(const std::string& name, const std::string& text);

}  // namespace alephc
