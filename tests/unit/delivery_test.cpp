// SPDX-License-Identifier: MIT
// Files that leave the store.
#include "pipeline/delivery.hpp"

#include <filesystem>

#include <sys/stat.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "support/catch.hpp"

using namespace alephc;

namespace {

namespace fs = std::filesystem;

struct Place {
  TempDir temp{fs::temp_directory_path(), "alephc-test"};
  Store store{temp.path() / "store"};
  fs::path folder = temp.path() / "out";
  fs::path output = folder / "image";
  Place() { make_folders(folder); }

  [[nodiscard]] std::size_t files() const {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder)) ++count;
    return count;
  }
};

}  // namespace

TEST_CASE("a blob is handed out whole, readable by all, and left alone when it is there already") {
  const Place test;
  const Digest digest = test.store.put_blob("image");
  Delivery(test.output).finish(test.store, digest);
  CHECK(read_file(test.output) == "image");
  CHECK((fs::status(test.output).permissions() & fs::perms::mask) == fs::perms(0644));
  const auto written = fs::last_write_time(test.output);
  Delivery(test.output).finish(test.store, digest);
  CHECK(fs::last_write_time(test.output) == written);
  atomic_write(test.output, "edited");
  Delivery(test.output).finish(test.store, digest);
  CHECK(read_file(test.output) == "image");
  CHECK(test.files() == 1);
}

TEST_CASE("a copy that is begun early appears when it is finished, though its source was moved") {
  const Place test;
  const fs::path made = test.temp.path() / "made";
  atomic_write(made, "image");
  Delivery delivery(test.output);
  delivery.begin(made);
  fs::rename(made, test.temp.path() / "moved");
  CHECK_FALSE(fs::exists(test.output));
  delivery.finish(test.store, sha256("image"));
  CHECK(read_file(test.output) == "image");
  CHECK(test.store.is_known_output(test.output, sha256("image")));
  CHECK(test.files() == 1);
}

TEST_CASE("what is begun and never finished leaves nothing, and neither does one that fails") {
  const Place test;
  const fs::path made = test.temp.path() / "made";
  atomic_write(made, "image");
  {
    Delivery delivery(test.output);
    delivery.begin(made);
  }
  CHECK(test.files() == 0);
  Delivery nowhere(test.folder / "missing" / "image");
  nowhere.begin(made);
  CHECK_THROWS_AS(nowhere.finish(test.store, sha256("image")), Error);
  CHECK_THROWS_AS(Delivery(test.output).finish(test.store, sha256("no blob")), Error);
  CHECK(test.files() == 0);
}
