// SPDX-License-Identifier: MIT
#include "pipeline/session.hpp"

#include <unistd.h>

#include "base/diagnostic.hpp"
#include "sandbox/privileges.hpp"

namespace alephc {

Session::Session(const Settings& settings, Reporter& reporter)
    : settings_(settings),
      reporter_(reporter),
      store_(settings.store),
      fetcher_(settings.outside.fetcher(store_, reporter, {.offline = settings.offline})) {}

void require_root(const Settings& settings) {
  if (::geteuid() != 0)
    throw Error(
        ErrorKind::host,
        "steps run as root of a user namespace, and this user cannot have one: " + settings.why_not_root,
        "'alephc doctor' shows what is missing; root needs none of it");
  if (const std::string missing = missing_capabilities(); !missing.empty())
    throw Error(ErrorKind::host, "steps need more rights than this root has: " + missing,
                "start the container with --cap-add for each, see 'alephc doctor'");
}

}  // namespace alephc
