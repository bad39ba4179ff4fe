// SPDX-License-Identifier: MIT
#include "base/parallel.hpp"

#include <sys/resource.h>
#include <unistd.h>

namespace alephc {

void lower_priority(Priority priority) {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), static_cast<int>(priority));
}

}  // namespace alephc
