// SPDX-License-Identifier: MIT
// /etc/hosts that steps see, and what is left of it.
#include "sandbox/host_names.hpp"

#include <sys/stat.h>

#include "base/files.hpp"
#include "support/catch.hpp"

using namespace alephc;

namespace {

namespace fs = std::filesystem;

constexpr const char* kText = "127.0.0.1 localhost\n";

/// An upper and a lower folder, with /etc in the lower one.
struct Place {
  TempDir temp{fs::temp_directory_path(), "alephc-hosts"};
  fs::path upper = temp.path() / "upper";
  fs::path lower = temp.path() / "lower";
  SandboxRoot root{.lowers = {lower}, .upper = upper};

  Place() {
    make_folders(upper);
    make_folders(lower / "etc");
    ::chmod((lower / "etc").c_str(), 0750);
  }
};

std::int64_t time_of(const fs::path& path) {
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mtim.tv_sec * 1000000000LL + info.st_mtim.tv_nsec;
}

}  // namespace

TEST_CASE("/etc/hosts is there while commands run, and leaves no trace") {
  const Place place;
  const HostNames names(place.root, kText);
  CHECK(read_file(place.upper / "etc/hosts") == kText);
  CHECK((fs::status(place.upper / "etc").permissions() & fs::perms::mask) == fs::perms(0750));
  CHECK(time_of(place.upper / "etc") == time_of(place.lower / "etc"));
  names.take_back();
  CHECK_FALSE(fs::exists(place.upper / "etc"));
}

TEST_CASE("what commands add to /etc/hosts stays, and so does what they put beside it") {
  const Place place;
  const HostNames names(place.root, kText);
  atomic_write(place.upper / "etc/hosts", std::string(kText) + "10.0.0.1 db\n", 0600);
  fs::create_hard_link(place.upper / "etc/hosts", place.upper / "etc/link");
  names.take_back();
  CHECK(read_file(place.upper / "etc/hosts") == "10.0.0.1 db\n");
  CHECK((fs::status(place.upper / "etc/hosts").permissions() & fs::perms::mask) == fs::perms(0600));
  CHECK(fs::hard_link_count(place.upper / "etc/hosts") == 2);

  const Place other;
  const HostNames others(other.root, kText);
  atomic_write(other.upper / "etc/mailname", "m\n");
  others.take_back();
  CHECK_FALSE(fs::exists(other.upper / "etc/hosts"));
  CHECK(fs::exists(other.upper / "etc/mailname"));
}

TEST_CASE("a step's own folder /etc keeps its time") {
  const Place place;
  make_folders(place.upper / "etc");
  const std::int64_t before = time_of(place.upper / "etc");
  const HostNames names(place.root, kText);
  CHECK(time_of(place.upper / "etc") == before);
  names.take_back();
  CHECK(time_of(place.upper / "etc") == before);
  CHECK(fs::is_empty(place.upper / "etc"));
}

TEST_CASE("the image's own /etc/hosts is left alone, and so is an image without /etc") {
  const Place place;
  atomic_write(place.lower / "etc/hosts", "own\n");
  const HostNames names(place.root, kText);
  CHECK(fs::is_empty(place.upper));
  names.take_back();

  const Place own;
  make_folders(own.upper / "etc");
  atomic_write(own.upper / "etc/hosts", std::string(kText));
  const HostNames same(own.root, kText);
  same.take_back();
  CHECK(read_file(own.upper / "etc/hosts") == kText);

  const Place empty;
  fs::remove(empty.lower / "etc");
  const HostNames none(empty.root, kText);
  none.take_back();
  CHECK(fs::is_empty(empty.upper));

  const Place link;
  fs::remove(link.lower / "etc");
  fs::create_symlink("/", link.lower / "etc");
  const HostNames led(link.root, kText);
  CHECK(fs::is_empty(link.upper));
}

TEST_CASE("a replaced /etc/hosts is the commands' own") {
  const Place place;
  const HostNames names(place.root, kText);
  atomic_write(place.upper / "etc/hosts", "theirs\n");
  names.take_back();
  CHECK(read_file(place.upper / "etc/hosts") == "theirs\n");
}
