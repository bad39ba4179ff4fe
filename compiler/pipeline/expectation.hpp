// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "evidence/receipt.hpp"
#include "graph/run.hpp"
#include "manifest/manifest.hpp"
#include "store/store.hpp"

namespace alephc {

/// Refuses hashes that no image can have, before anything is built: bafkrei… (a raw CID that the network
/// rejects) and what is not a hash at all.
void check_expectation_forms(const std::string& expect, const Expectation& own);

/// Compares an image with --expect and [expect]; a difference is an integrity Error with both values,
/// max_size an Error of kind failed. The image stays in the store.
void check_expectations(const std::string& expect, const Expectation& own, const ImageResult& result,
                        const Store& store);

/// Compares a build with the recorded receipt of the same lock. Other accounts, or other bytes, are an
/// integrity Error that names the steps with another result; other bytes of the same tree under other
/// compressor versions are a warning that names them.
void check_recorded(const Receipt& recorded, const Receipt& built, const Store& store, Reporter& reporter);

/// Whether wanted (sha256, CIDv0 or CIDv1) names the image; a CIDv1 may be the re-encoded CIDv0.
[[nodiscard]] bool is_hash_of(const std::string& wanted, const ImageResult& result);
/// The image's own hash in the form that wanted has.
[[nodiscard]] std::string hash_like(const std::string& wanted, const ImageResult& result);

}  // namespace alephc
