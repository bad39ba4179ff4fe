// SPDX-License-Identifier: MIT
// The root that packages are placed in, as data, and the packages that are taken apart for it in the background.
#include "distro/root_model.hpp"

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/identity.hpp"
#include "distro/decoded_packages.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"
#include "support/trees.hpp"
#include "tree/layer_writer.hpp"

using namespace alephc;

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kTime = 1000;
constexpr std::uint32_t kOwner = 7;

/// A layer with usr/lib (mode 0750), usr/lib/f, lib → usr/lib, and an empty folder over it.
struct Place {
  TestStore test{};
  WorkFolder work = test.store.make_work_folder();
  fs::path upper = work.path() / "upper";
  Tree below{};

  Place() {
    make_folders(upper);
    make_folders(work.path() / "layer");
    LayerWriter writer(work.path() / "layer", nullptr, 0);
    for (const char* path : {"", "usr"}) writer.put(own_entry(EntryType::directory, path));
    writer.put(own_entry(EntryType::directory, "usr/lib", 0750));
    writer.put_file(own_entry(EntryType::regular, "usr/lib/f", 0644), "text");
    Entry link = own_entry(EntryType::symlink, "lib", 0777);
    link.link_target = "usr/lib";
    writer.put(link);
    below.add(test.store.adopt_layer(work.path() / "layer", writer.finish()));
  }

  [[nodiscard]] RootModel model() const {
    RootModel made(below, upper, kTime);
    made.rescan();
    return made;
  }
  [[nodiscard]] struct stat look(const std::string& path) const {
    struct stat info{};
    INFO(path);
    REQUIRE(::lstat((upper / path).c_str(), &info) == 0);
    return info;
  }
  void whiteout(const std::string& path) const {
    make_folders((upper / path).parent_path());
    REQUIRE(::mknod((upper / path).c_str(), S_IFCHR, 0) == 0);
  }
  [[nodiscard]] bool is_opaque(const std::string& path) const {
    const char* mark = in_user_namespace() ? "user.overlay.opaque" : "trusted.overlay.opaque";
    return ::lgetxattr((upper / path).c_str(), mark, nullptr, 0) > 0;
  }
  void make_opaque(const std::string& path) const {
    const char* mark = in_user_namespace() ? "user.overlay.opaque" : "trusted.overlay.opaque";
    REQUIRE(::lsetxattr((upper / path).c_str(), mark, "y", 1, 0) == 0);
  }
};

}  // namespace

TEST_CASE("a root shows what the layers below and the upper folder have together") {
  const Place place;
  make_folders(place.upper / "usr/share");
  atomic_write(place.upper / "usr/share/new", "n");
  fs::create_symlink("new", place.upper / "usr/share/link");
  REQUIRE(::mkfifo((place.upper / "pipe").c_str(), 0600) == 0);
  RootModel model = place.model();
  CHECK(model.find("")->type == EntryType::directory);
  CHECK(model.find("usr")->in_upper);
  CHECK(model.find("usr/share/new")->type == EntryType::regular);
  CHECK(model.find("usr/share/link")->link == "new");
  CHECK(model.find("pipe")->type == EntryType::fifo);
  REQUIRE(model.find("usr/lib/f") != nullptr);
  CHECK_FALSE(model.find("usr/lib/f")->in_upper);
  CHECK(model.find("usr/lib")->mode == 0750);
  CHECK(model.find("lib")->link == "usr/lib");
  CHECK(model.find("lib/f") == nullptr);  // nothing is followed here
  CHECK(model.find("usr/nothing") == nullptr);
}

TEST_CASE("what the upper folder deleted, replaced or hides is not seen") {
  const Place place;
  place.whiteout("lib");
  {
    RootModel model = place.model();
    CHECK(model.find("lib") == nullptr);
    CHECK(model.find("usr/lib/f") != nullptr);
  }
  make_folders(place.upper / "usr");
  place.make_opaque("usr");
  {
    RootModel model = place.model();
    CHECK(model.find("usr/lib") == nullptr);
    CHECK(model.find("usr/lib/f") == nullptr);
  }
  remove_tree(place.upper / "usr");
  atomic_write(place.upper / "usr", "a file now");
  RootModel model = place.model();
  CHECK(model.find("usr")->type == EntryType::regular);
  CHECK(model.find("usr/lib/f") == nullptr);
}

TEST_CASE("the upper folder is read again only when asked to") {
  const Place place;
  RootModel model = place.model();
  CHECK(model.find("late") == nullptr);
  atomic_write(place.upper / "late", "");
  CHECK(model.find("late") == nullptr);
  model.rescan();
  CHECK(model.find("late") != nullptr);
}

TEST_CASE("folders are found through symlinks and made where they are missing") {
  const Place place;
  RootModel model = place.model();
  model.begin_batch();
  CHECK(model.resolve_folder("", kOwner).empty());
  CHECK(model.resolve_folder("lib", kOwner) == "usr/lib");
  CHECK_FALSE(fs::exists(place.upper / "usr"));  // looked at only
  CHECK(model.made() == 0);
  CHECK(model.resolve_folder("lib/deep/er", kOwner) == "usr/lib/deep/er");
  CHECK(model.made() == 2);
  CHECK(model.find("usr/lib/deep")->owner == kOwner);
  CHECK(model.find("usr/lib")->owner == RootModel::kBefore);
  CHECK((place.look("usr/lib").st_mode & 07777U) == 0750U);  // as below
  model.finish_folders();
  CHECK(place.look("usr/lib/deep/er").st_mtime == kTime);
  model.end_batch();
  CHECK(model.find("usr/lib/deep")->owner == RootModel::kBefore);
}

TEST_CASE("symlinks are followed as in a chroot, and those that leave the root or go in circles are refused") {
  struct Row {
    const char* link;
    const char* target;
    const char* place;  ///< empty: refused
  };
  const std::vector<Row> rows{{"a", "/usr/lib", "usr/lib"},
                              {"a", "usr/../usr/./lib/", "usr/lib"},
                              {"usr/a", "lib", "usr/lib"},
                              {"usr/a", "../new", "new"},
                              {"usr/a", "/lib", "usr/lib"},
                              {"a", "..", ""},
                              {"usr/a", "../../usr/lib", ""},
                              {"a", "/../usr", ""},
                              {"a", "a", ""},
                              {"a", "usr/lib/f", ""}};
  for (const Row& row : rows) {
    CAPTURE(row.link, row.target);
    const Place place;
    make_folders((place.upper / row.link).parent_path());
    fs::create_symlink(row.target, place.upper / row.link);
    RootModel model = place.model();
    const std::string wanted = row.place;
    if (!wanted.empty()) {
      CHECK(model.resolve_folder(row.link, kOwner) == wanted);
      continue;
    }
    CHECK(error_kind([&] { (void)model.resolve_folder(row.link, kOwner); }) == ErrorKind::integrity);
  }
}

TEST_CASE("two links that lead to each other are refused as a loop") {
  const Place place;
  fs::create_symlink("two", place.upper / "one");
  fs::create_symlink("one", place.upper / "two");
  RootModel model = place.model();
  const std::string text = error_text([&] { (void)model.resolve_folder("one/x", kOwner); });
  CHECK(text.find("leads through a loop of symlinks") != std::string::npos);
}

TEST_CASE("a folder that takes the place of a deleted one shows nothing of the layers below") {
  const Place place;
  place.whiteout("usr");
  RootModel model = place.model();
  model.begin_batch();
  CHECK(model.resolve_folder("usr/lib", kOwner) == "usr/lib");
  CHECK(place.is_opaque("usr"));
  CHECK(model.find("usr/lib/f") == nullptr);
  RootModel later = place.model();
  CHECK(later.find("usr/lib/f") == nullptr);
}

TEST_CASE("a file takes the place of a deleted one") {
  const Place place;
  place.whiteout("lib");
  RootModel model = place.model();
  model.begin_batch();
  model.put("lib", {.type = EntryType::regular, .owner = kOwner, .in_upper = true});
  CHECK_FALSE(fs::exists(fs::symlink_status(place.upper / "lib")));  // free for whoever places the file
  CHECK(model.find("lib")->type == EntryType::regular);
}

TEST_CASE("what a batch made is gone when it is undone, and what was there stays") {
  const Place place;
  make_folders(place.upper / "before");
  atomic_write(place.upper / "before/f", "kept");
  RootModel model = place.model();
  model.begin_batch();
  const std::string folder = model.resolve_folder("before/new/er", kOwner);
  atomic_write(place.upper / folder / "f", "made");
  model.put(folder + "/f", {.type = EntryType::regular, .owner = kOwner, .in_upper = true});
  model.put(folder + "/never-made", {.type = EntryType::regular, .owner = kOwner, .in_upper = true});
  model.undo();
  CHECK_FALSE(fs::exists(place.upper / "before/new"));
  CHECK(read_file(place.upper / "before/f") == "kept");
  model.rescan();
  CHECK(model.find("before/new") == nullptr);
}

TEST_CASE("folders get the attributes that were decided for them when the batch is finished") {
  const Place place;
  RootModel model = place.model();
  model.begin_batch();
  (void)model.resolve_folder("srv/app", kOwner);
  RootModel::Node* node = model.find("srv/app");
  node->mode = 02770;
  node->mtime = 42;
  model.finish_folders();
  CHECK(place.look("srv/app").st_mode == (S_IFDIR | 02770U));
  CHECK(place.look("srv/app").st_mtime == 42);
  CHECK((place.look("srv").st_mode & 07777U) == 0755U);
}

TEST_CASE("a package is taken apart once, by whoever comes first, and again only when it was lost") {
  std::atomic<int> calls = 0;
  DecodedPackages packages(3, [&](std::size_t i) {
    ++calls;
    return DecodedArchive{.entries = {{.member = "control", .text = std::to_string(i)}}};
  });
  packages.start({2, 0}, 2);
  for (const std::size_t i : {0U, 1U, 2U, 1U, 0U}) CHECK(packages.get(i)->entries.at(0).text == std::to_string(i));
  CHECK(calls == 3);
  packages.lose(1);
  CHECK(packages.get(1)->entries.size() == 1);
  CHECK(calls == 4);
  const auto held = packages.get(2);
  packages.forget(2);
  CHECK(held->entries.size() == 1);  // whoever holds it may go on
  CHECK(packages.get(2) == nullptr);
  CHECK(calls == 4);
}

TEST_CASE("a package that cannot be taken apart in the background fails for who asks for it, each time") {
  DecodedPackages packages(2, [](std::size_t i) -> DecodedArchive {
    if (i == 1) throw Error(ErrorKind::integrity, "damaged");
    return {};
  });
  packages.start({1, 0}, 1);
  CHECK_NOTHROW(packages.get(0));
  for (int time = 0; time < 2; ++time) {
    CHECK(error_kind([&] { (void)packages.get(1); }) == ErrorKind::integrity);
    CHECK(error_text([&] { (void)packages.get(1); }) == "damaged\n");
  }
}

TEST_CASE("an undone batch deletes again what was deleted before it") {
  const Place place;
  for (const char* path : {"usr", "lib"}) place.whiteout(path);
  RootModel model = place.model();
  for (int turn = 0; turn < 2; ++turn) {
    CAPTURE(turn);
    model.begin_batch();
    CHECK(model.resolve_folder("usr/lib", kOwner) == "usr/lib");
    CHECK(place.is_opaque("usr"));
    model.put("lib", {.type = EntryType::regular, .owner = kOwner, .in_upper = true});
    model.undo();
    model.rescan();
    for (const char* path : {"usr", "lib"}) {
      CHECK(S_ISCHR(place.look(path).st_mode));
      CHECK(place.look(path).st_rdev == 0);
      CHECK(model.find(path) == nullptr);
    }
  }
}
