// SPDX-License-Identifier: MIT
#include "store/store.hpp"

#include <atomic>
#include <thread>

#include "base/files.hpp"
#include "support/catch.hpp"

using namespace alephc;

namespace {

constexpr int kTimes = 2000;

TEST_CASE("a blob that is adopted again is missing at no moment") {
  const TempDir folder("/var/tmp");
  const Store store(folder.path() / "store");
  const Digest digest = store.put_blob("the bytes");
  std::atomic<bool> stop{false};
  std::atomic<int> missed{0};
  std::thread looking([&] {
    while (!stop)
      if (!store.open_blob(digest)) ++missed;
  });
  for (int i = 0; i < kTimes; ++i) {
    const std::filesystem::path file = store.folder() / "work/again";
    atomic_write(file, "the bytes");
    store.adopt_blob(file, digest);
  }
  stop = true;
  looking.join();
  CHECK(missed == 0);
  CHECK(store.read_blob(digest) == "the bytes");
  CHECK_FALSE(std::filesystem::exists(store.folder() / "work/again"));
}

}  // namespace
