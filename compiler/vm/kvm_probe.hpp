// SPDX-License-Identifier: MIT
#pragma once

namespace alephc {

/// Whether a guest really runs under KVM here: a /dev/kvm that opens but cannot run one does not count.
[[nodiscard]] bool kvm_works();

}  // namespace alephc
