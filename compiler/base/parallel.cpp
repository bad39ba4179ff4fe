// SPDX-License-Identifier: MIT
#include "base/parallel.hpp"

#include <sys/resource.h>
#include <unistd.h>

namespace alephc {

void lower_priority() {
  constexpr int kNice = 10;
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);
}

}  // namespace alephc
