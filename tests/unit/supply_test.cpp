// SPDX-License-Identifier: MIT
// Downloads that run while steps already use what has come.
#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>

#include "graph/package_supply.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"

using namespace alephc;

namespace {

using namespace std::chrono_literals;

RemoteFile remote(const std::string& text) {
  return {.digest = sha256(text), .urls = {"https://h/" + text}, .label = text};
}

std::string read(const PackageSupply& supply, const std::string& text) {
  return read_all(supply.open(sha256(text), text).get());
}

/// Brings each file only when the test lets it.
class GatedFetcher : public Fetcher {
 public:
  explicit GatedFetcher(const Store& store) : store_(store) {}

  void allow(std::size_t files) {
    const std::lock_guard guard(mutex_);
    allowed_ += files;
    changed_.notify_all();
  }
  void fetch(const std::vector<RemoteFile>& files, const std::function<void(std::size_t)>& done) const override {
    for (std::size_t i = 0; i < files.size(); ++i) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return allowed_ > i; });
      lock.unlock();
      if (files[i].label == "broken") throw Error(ErrorKind::failed, "broken was not found on any server");
      store_.put_blob(files[i].label);
      done(i);
    }
  }
  [[nodiscard]] FetchedText fetch_text(const std::vector<std::string>&, std::uint64_t) const override { return {}; }
  [[nodiscard]] bool offline() const override { return false; }

 private:
  const Store& store_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::size_t allowed_ = 0;
};

}  // namespace

TEST_CASE("a file is waited for until it has come, and no longer") {
  const TestStore test;
  GatedFetcher fetcher(test.store);
  PackageSupply supply(test.store, fetcher);
  supply.start({remote("one"), remote("two")});
  CHECK(supply.has(sha256("two")));  // on its way
  auto first = std::async(std::launch::async, [&] { return read(supply, "one"); });
  auto second = std::async(std::launch::async, [&] { return read(supply, "two"); });
  CHECK(first.wait_for(50ms) == std::future_status::timeout);
  fetcher.allow(1);
  CHECK(first.get() == "one");
  CHECK(second.wait_for(50ms) == std::future_status::timeout);
  fetcher.allow(1);
  CHECK(second.get() == "two");
}

TEST_CASE("a file that has to be made is made when it is asked for, and once") {
  const TestStore test;
  const GatedFetcher fetcher(test.store);
  PackageSupply supply(test.store, fetcher);
  int made = 0;
  supply.add_made(sha256("init"), [&] {
    ++made;
    test.store.put_blob("init");
  });
  CHECK(supply.has(sha256("init")));
  CHECK(made == 0);
  CHECK(read(supply, "init") == "init");
  CHECK(read(supply, "init") == "init");
  CHECK(made == 1);
}

TEST_CASE("a failed download is told to whoever waits for a file that has not come, and to nobody else") {
  const TestStore test;
  GatedFetcher fetcher(test.store);
  PackageSupply supply(test.store, fetcher);
  supply.start({remote("one"), remote("broken"), remote("never")});
  fetcher.allow(3);
  CHECK(read(supply, "one") == "one");
  CHECK(error_text([&] { (void)read(supply, "broken"); }) == "broken was not found on any server\n");
  CHECK(error_text([&] { (void)read(supply, "never"); }) == "broken was not found on any server\n");
}

TEST_CASE("what is in the store already is opened without any download") {
  const TestStore test;
  const FakeFetcher fetcher(test.store);
  const PackageSupply supply(test.store, fetcher);
  test.store.put_blob("a file of the project");
  CHECK(supply.has(sha256("a file of the project")));
  CHECK(read(supply, "a file of the project") == "a file of the project");
  CHECK_FALSE(supply.has(sha256("other")));
  CHECK(error_text([&] { (void)read(supply, "other"); }) == "other is not in the store\nrun the command again\n");
  CHECK(fetcher.asked().empty());
}

TEST_CASE("a file that was damaged since it came is fetched once more") {
  const TestStore test;
  const FakeFetcher fetcher(test.store, {{"https://h/one", "one"}});
  PackageSupply supply(test.store, fetcher);
  supply.start({remote("one")});
  CHECK(read(supply, "one") == "one");
  std::filesystem::permissions(test.store.blob_path(sha256("one")), std::filesystem::perms(0600));
  atomic_write(test.store.blob_path(sha256("one")), "damaged");
  CHECK(read(supply, "one") == "one");
  CHECK(fetcher.asked() == std::vector<std::string>{"https://h/one", "https://h/one"});
}

TEST_CASE("bytes that are not the promised ones are an integrity error for the step that wants them") {
  const TestStore test;
  const FakeFetcher fetcher(test.store, {{"https://h/one", "other bytes"}});
  PackageSupply supply(test.store, fetcher);
  supply.start({remote("one")});
  CHECK(error_kind([&] { (void)read(supply, "one"); }) == ErrorKind::integrity);
  CHECK_FALSE(test.store.has_blob(sha256("other bytes")));
}

TEST_CASE("a supply that nobody asks any more ends with its download") {
  const TestStore test;
  GatedFetcher fetcher(test.store);
  {
    PackageSupply supply(test.store, fetcher);
    supply.start({remote("one")});
    fetcher.allow(1);
  }
  CHECK(test.store.has_blob(sha256("one")));
}
