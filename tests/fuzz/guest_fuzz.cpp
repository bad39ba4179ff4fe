// SPDX-License-Identifier: MIT
// What the init reads from outside: messages, the configuration, zip archives, a program's HTTP answers. The
// first byte chooses.
#include <cstdint>
#include <string_view>

#include "base/files.hpp"
#include "init/configuration.hpp"
#include "init/errors.hpp"
#include "init/message.hpp"
#include "init/plugins.hpp"
#include "init/proxy.hpp"
#include "init/zip.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aleph_init;  // NOLINT: everything here is the init's
  if (size == 0) return 0;
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    switch (data[0] % 5) {
      case 0:
        (void)parse_message(bytes);
        break;
      case 1:
        (void)parse_configuration(bytes);
        break;
      case 2: {
        const alephc::TempDir folder(std::filesystem::temp_directory_path());
        unzip(bytes, folder.path().string());
        break;
      }
      case 3:
        (void)http_response(bytes, false, true);
        break;
      default: {
        Configuration configuration;
        apply_patch(bytes, configuration);
        break;
      }
    }
  } catch (const BadMessage&) {
    // Refused, as it should be.
  } catch (const SetupError&) {
    // The same.
  }
  return 0;
}
