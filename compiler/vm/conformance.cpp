// SPDX-License-Identifier: MIT
#include "vm/conformance.hpp"

#include <algorithm>
#include <optional>
#include <thread>

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "guest/guest_files.hpp"
#include "image/image_format.hpp"
#include "tree/layer_writer.hpp"
#include "vm/node_session.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kVolumeTime = 1704067200;  ///< 2024-01-01; programs see it
using std::chrono::seconds;
using Kind = GuestReply::Kind;

constexpr const char* kHostname = "zl7mv7wk73fp5sx6zl7mv7wk73fp5sx6zl7mv7wk73fp5sx6zl7a";

/// An ASGI program with the standard library only.
constexpr const char* kAsgiProgram = R"py(
import json, os
started = []
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                started.append("up")
                await send({"type": "lifespan.startup.complete"})
            else:
                started.append("down")
                await send({"type": "lifespan.shutdown.complete"})
                return
    if scope["type"] == "aleph.message":
        message = await receive()
        await send({"type": "aleph.message", "body": message["body"]})
        return
    request = await receive()
    path = scope["path"]
    if path == "/raise":
        raise ValueError("raised on purpose")
    if path == "/crash":
        os._exit(1)
    if path == "/lifespan":
        body = json.dumps(started).encode()
    elif path == "/query":
        query = scope["query_string"]
        body = query if isinstance(query, bytes) else query.encode()
    elif path == "/environ":
        body = "\n".join(f"{k}={v}" for k, v in os.environ.items()).encode()
    elif path == "/addresses":
        body = b"".join(open(f"/proc/net/{name}", "rb").read() for name in ("fib_trie", "if_inet6") if os.path.exists(f"/proc/net/{name}"))
    else:
        body = b"asgi " + request["body"]
    await send({"type": "http.response.start", "status": 201, "headers": [(b"content-type", b"text/plain"), (b"x-probe", b"yes")]})
    await send({"type": "http.response.body", "body": body[:2], "more_body": True})
    await send({"type": "http.response.body", "body": body[2:]})
)py";

/// A small squashfs with one file, to be mounted as a volume.
fs::path volume_image(const fs::path& work) {
  auto layer = std::make_shared<Layer>();
  layer->folder = work / "volume";
  make_folders(layer->folder);
  const Listing nothing{{.path = "", .type = EntryType::directory, .mode = 0755}};
  LayerWriter writer(layer->folder, &nothing, kVolumeTime);
  writer.put_file({.path = "hello", .mode = 0644}, "from the volume");
  layer->listing = writer.finish();
  Tree tree;
  tree.add(layer);
  image_format("squashfs").write(tree, {.image = {}, .time = kVolumeTime}, work / "volume.squashfs");
  return work / "volume.squashfs";
}

class Conformance {
 public:
  Conformance(const MachineSpec& machine, const std::function<void(const ConformanceCheck&)>& report,
              const std::function<void(const std::string&)>& console, Reporter& reporter)
      : spec_(machine),
        report_(report),
        console_(console),
        reporter_(reporter),
        work_(fs::temp_directory_path(), "alephc-conform") {}

  std::vector<ConformanceCheck> run(bool has_python) {
    boot("executable", [this] { executable(); });
    if (has_python)
      boot("asgi", [this] { asgi(); });
    else
      say({"asgi", ConformanceCheck::Verdict::skip, "the image has no python3"});
    boot("refusal", [this] { refusal(); });
    return std::move(checks_);
  }

 private:
  void say(ConformanceCheck check) {
    check.name = group_.empty() || check.name == group_ ? check.name : group_ + "." + check.name;
    report_(check);
    checks_.push_back(std::move(check));
  }

  bool check(const std::string& name, bool good, const std::string& why_not) {
    say({name, good ? ConformanceCheck::Verdict::pass : ConformanceCheck::Verdict::fail,
         good ? "" : why_not});
    return good;
  }

  template <typename Body>
  void boot(const std::string& group, Body&& body) {
    group_ = group;
    MachineSpec spec = spec_;
    if (volume_.empty()) volume_ = volume_image(work_.path());
    spec.drives = {{volume_, true}};
    try {
      booted_ = boot_machine(spec, console_, reporter_);
      machine_ = booted_.machine.get();
      session_ = booted_.session.get();
      body();
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::interrupted || error.kind() == ErrorKind::host) throw;
      say({"boot", ConformanceCheck::Verdict::fail, error.what()});
    }
    booted_.session.reset();
    booted_.machine.reset();
    group_.clear();
  }

  GuestReply get(const std::string& target) {
    return session_->request(
        http_scope("GET", target, {{"host", "example.org"}, {"accept-encoding", "gzip"}, {"x-test", "yes"}},
                   ""),
        session_->patience(10));
  }

  static std::string what(const GuestReply& reply) {
    switch (reply.kind) {
      case Kind::response:
        return "status " + std::to_string(reply.status) + ", body '" + reply.body.substr(0, 200) + "'";
      case Kind::error:
        return "an error map: " + reply.body.substr(0, 300);
      case Kind::nothing:
        return "an empty reply";
      default:
        return "bytes that are not a reply";
    }
  }

  bool expect(const std::string& name, const std::string& target, const std::string& wanted) {
    const GuestReply reply = get(target);
    return check(name, reply.kind == Kind::response && reply.body.find(wanted) != std::string::npos,
                 "'" + wanted + "' is not in the answer to " + target + ": " + what(reply));
  }

  bool configure(const GuestProgram& program, const std::vector<std::string>& dns = {},
                 const std::vector<std::string>& without = {}) {
    GuestMessage message = configuration_message(program);
    for (const std::string& key : without) message[key] = nullptr;
    message["a_key_of_the_future"] = 1;
    if (!dns.empty()) message["dns_servers"] = dns;
    const GuestMessage reply = session_->configure(message);
    bool known = true;
    for (const auto& [key, value] : reply.items())
      known = known && (key == "success" || key == "error" || key == "traceback");
    check("reply-keys", known, "the reply has keys that a node does not know: " + json_text(reply));
    return check("configured", succeeded(reply), text_member(reply, "error") + " " + text_member(reply, "traceback"));
  }

  void ready() {
    const std::string& version = booted_.version;
    check("ready", true, "");
    check("version", version == "2.0.0", "the init announces version '" + version + "', not 2.0.0");
  }

  void executable() {
    ready();
    GuestProgram program{
        .entrypoint = "probe", .code = std::string(probe_program()), .variables = {{"CONFORM", "a value"}}};
    program.network = spec_.network;
    program.volumes.push_back({"/mnt/conform/volume", "vdb", true});
    if (!configure(program, {"10.0.2.3", "10.0.2.3", "10.0.2.3", "8.8.8.8", "9.9.9.9", "1.1.1.1"})) return;
    const GuestReply first = get("/");
    if (!check("request", first.kind == Kind::response && first.status == 200 && first.body == "probe /",
               what(first)))
      return;
    const auto cookies = std::count_if(first.headers.begin(), first.headers.end(), [](const auto& header) {
      return header.first == "set-cookie" || header.first == "Set-Cookie";
    });
    check("headers", cookies == 2, "of two set-cookie headers " + std::to_string(cookies) + " came back");
    expect("path", "/a%20b%3Fc", "probe /a%20b%3Fc");
    environment();
    expect("hostname", "/hostname", kHostname);
    // A program that runs as another user may be refused, but not for the whole filesystem's sake.
    const GuestReply wrote = get("/write");
    check("writable-root",
          wrote.body == "written" || wrote.body.find("Permission denied") != std::string::npos, what(wrote));
    expect("volume", "/file/mnt/conform/volume/hello", "from the volume");
    expect("volume-read-only", "/write/mnt/conform/volume/x", "cannot write");
    network();
    expect("guest-api", "/guest-api", "public_key");
    const GuestReply head = get("/head");
    check("accept-encoding", head.body.find("accept-encoding") == std::string::npos,
          "Accept-Encoding reaches the program, whose compressed answer a node would break");
    bodies();
    robustness();
    halt();
  }

  void environment() {
    const GuestReply reply = get("/environ");
    std::vector<std::string> missing;
    for (const char* name :
         {"ALEPH_API_HOST", "ALEPH_API_UNIX_SOCKET", "ALEPH_REMOTE_CRYPTO_HOST",
          "ALEPH_REMOTE_CRYPTO_UNIX_SOCKET", "ALEPH_ADDRESS_TO_USE", "ALEPH_INIT_VERSION", "PATH"})
      if (("\n" + reply.body).find("\n" + std::string(name) + "=") == std::string::npos)
        missing.emplace_back(name);
    check("environment", missing.empty(), "missing: " + join(missing, ", "));
    check("variables", reply.body.find("CONFORM=a value\n") != std::string::npos,
          "the message's variables are not set");
  }

  void network() {
    if (!spec_.network) return say({"network", ConformanceCheck::Verdict::skip, "no network"});
    expect("loopback", "/file/proc/net/fib_trie", "127.0.0.1");
    expect("address", "/file/proc/net/fib_trie", "10.0.2.15");
    expect("route", "/file/proc/net/route", "eth0\t00000000\t0202000A");  // 10.0.2.2, little-endian
    if (get("/file/proc/net/if_inet6").body.starts_with("cannot read"))
      say({"address-ipv6", ConformanceCheck::Verdict::skip, "the kernel has no IPv6"});
    else
      expect("address-ipv6", "/file/proc/net/if_inet6", "fec00000000000000000000000000015");
    name_servers();
  }

  void name_servers() {
    const GuestReply reply = get("/file/etc/resolv.conf");
    std::size_t count = 0;
    for (const std::string& line : split(reply.body, '\n'))
      count += line.starts_with("nameserver ") ? 1U : 0U;
    check("name-servers", count == 3, "resolv.conf does not hold the three different servers: " + reply.body);
  }

  void bodies() {
    std::string body(2'000'000, '\0');
    for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>((i * 7U) ^ (i >> 8U));
    const GuestReply reply =
        session_->request(http_scope("POST", "/echo", {{"host", "x"}}, body), session_->patience(20));
    check("large-body", reply.kind == Kind::response && reply.body == body,
          "2 MB do not come back as they went: " + std::to_string(reply.body.size()) + " bytes, " +
              what(reply).substr(0, 40));
  }

  void robustness() {
    std::vector<std::thread> threads;
    std::atomic<int> good{0};
    constexpr int kParallel = 20;
    for (int i = 0; i < kParallel; ++i)
      threads.emplace_back([&, i] {
        try {
          if (get("/parallel/" + std::to_string(i)).body == "probe /parallel/" + std::to_string(i)) ++good;
        } catch (const Error&) {
          // Counted by what is missing.
        }
      });
    // One that sends half a request and waits must hold up no other; one that leaves must leave nothing.
    UniqueFd slow = machine_->connect(52);
    if (slow) write_all(slow.get(), "\x81\xa5sco");
    { const UniqueFd gone = machine_->connect(52); }
    for (std::thread& thread : threads) thread.join();
    check("parallel", good == kParallel, std::to_string(good) + " of 20 requests at once were answered");
    slow.reset();
    const auto nonsense = session_->exchange("\xc1\xc1\xc1", session_->patience(5));
    (void)nonsense;
    expect("after-nonsense", "/still", "probe /still");
  }

  void halt() {
    const auto start = std::chrono::steady_clock::now();
    const std::vector<std::string> lines = session_->halt();
    const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    check("halt", lines == std::vector<std::string>{"STOP", "STOPZ"},
          "the answer to halt is '" + join(lines, " ") + "'");
    check("halt-in-time", took < 5 || machine_->accel() == "tcg",
          "halt took " + std::to_string(took) + " s, a node waits 5 s");
    check("restart", machine_->wait_end(session_->patience(2)), "the machine did not end after halt");
  }

  void asgi() {
    ready();
    GuestProgram program{.interface = "asgi",
                         .entrypoint = "app",
                         .code = kAsgiProgram,
                         .variables = {{"CONFORM", "a value"}}};
    program.network = spec_.network;
    if (!configure(program, {}, {"ip", "route"})) return;
    const GuestReply first = session_->request(http_scope("POST", "/x", {}, "body"), session_->patience(20));
    if (!check("request", first.kind == Kind::response && first.status == 201, what(first))) return;
    check("streaming", first.body == "asgi body",
          "an answer in two pieces comes back as '" + first.body.substr(0, 60) + "'");
    const GuestReply lifespan = get("/lifespan");
    check("lifespan", lifespan.body == "[\"up\"]",
          "start-up must have run once and shut-down not at all: " + what(lifespan));
    expect("query", "/query?a=1%2B2&b=%C3%A9%20x", "a=1%2B2&b=%C3%A9");
    expect("environment", "/environ", "CONFORM=a value");
    if (spec_.network) {
      const GuestReply addresses = get("/addresses");
      check("ipv6-only",
            addresses.body.find("10.0.2.15") == std::string::npos &&
                addresses.body.find("127.0.0.1") != std::string::npos,
            "without an IPv4 address in the message there is one, or no loopback: " + what(addresses));
    }
    const GuestReply raised = get("/raise");
    check("exception",
          raised.kind == Kind::error && raised.body.find("raised on purpose") != std::string::npos,
          "an exception is not answered with its traceback: " + what(raised));
    const GuestReply event =
        session_->request({{"type", "aleph.message"}, {"body", "{\"a\": 1}"}}, session_->patience(10));
    check("event", event.kind == Kind::response && event.body == "{\"a\": 1}", what(event));
    const GuestReply crash = get("/crash");
    check("crash", crash.kind == Kind::nothing, "the program's death is not an empty reply: " + what(crash));
    halt();
  }

  /// A failure of the set-up is told to the host, not died of.
  void refusal() {
    ready();
    GuestProgram program{.entrypoint = "probe", .code = "x"};
    program.network = false;
    program.volumes.push_back({"/mnt/absent", "vdz", false});
    const GuestMessage reply = session_->configure(configuration_message(program));
    check("missing-device", !succeeded(reply) && !text_member(reply, "error").empty(),
          "a volume without device is not refused: " + json_text(reply));
    halt();
  }

  const MachineSpec& spec_;
  const std::function<void(const ConformanceCheck&)>& report_;
  const std::function<void(const std::string&)>& console_;
  Reporter& reporter_;
  TempDir work_;
  fs::path volume_;
  std::string group_;
  std::vector<ConformanceCheck> checks_;
  BootedMachine booted_;
  Machine* machine_ = nullptr;
  NodeSession* session_ = nullptr;
};

}  // namespace

std::vector<ConformanceCheck> check_conformance(const MachineSpec& machine, bool has_python,
                                                const std::function<void(const ConformanceCheck&)>& report,
                                                const std::function<void(const std::string&)>& console,
                                                Reporter& reporter) {
  return Conformance(machine, report, console, reporter).run(has_python);
}

}  // namespace alephc
