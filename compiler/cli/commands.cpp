// SPDX-License-Identifier: MIT
#include <cstdio>

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "cli/command.hpp"

namespace alephc {

// To add a command: a file with its add_ function, a row here, its line in docs/commands.md.
const std::vector<CommandSpec>& commands() {
  static const std::vector<CommandSpec> kCommands{
      {"init", "Make a project that builds as it is", "  alephc init my-runtime\n", add_init, false},
      {"lock", "Choose packages and write runtime.lock",
       "  alephc lock\n  alephc lock --update-package openssl\n  alephc lock --check\n", add_lock},
      {"plan", "Say what build would do, and why", "  alephc plan\n", add_plan},
      {"graph", "Show the build graph", "  alephc graph --format svg > graph.svg\n", add_graph},
      {"why", "Explain why a package or a path is in the image",
       "  alephc why libssl3\n  alephc why /etc/ssh/sshd_config\n", add_why},
      {"build", "Build the image",
       "  alephc build\n  alephc build recipes/debian-12-minimal -o image.squashfs\n  alephc build --locked "
       "--expect <sha256>\n",
       add_build},
      {"shell", "Open a shell in the tree as it was before a step",
       "  alephc shell\n  alephc shell --at run:setup -- ls -l /etc\n", add_shell},
      {"run", "Boot an image as a node would, and serve a program on it",
       "  alephc run image.squashfs --program app.py\n  alephc run my-runtime --program site/ --entrypoint "
       "main:app --watch\n"
       "  alephc run image.squashfs --program server --request 'GET /'\n",
       add_run},
      {"conform", "Check that an image behaves as nodes expect", "  alephc conform image.squashfs\n",
       add_conform},
      {"hash", "Print sha256, CIDv0 and CIDv1 of a file", "  alephc hash image.squashfs\n", add_hash, false},
      {"tree", "Print the canonical listing and tree digest of an image", "  alephc tree image.squashfs\n",
       add_tree},
      {"inspect", "Show what is inside an image",
       "  alephc inspect --sizes image.squashfs\n  alephc inspect --sbom spdx image.squashfs\n", add_inspect},
      {"diff", "Explain what differs between two images, and why",
       "  alephc diff a.squashfs b.squashfs\n  alephc diff a.squashfs b.squashfs --html diff.html\n",
       add_diff},
      {"verify", "Check an image, a lock, statements and messages against each other",
       "  alephc verify image.squashfs\n  alephc verify --image image.squashfs --expect Qm…\n  alephc verify "
       "my-runtime --rebuild --image "
       "image.squashfs\n"
       "  alephc verify my-runtime --statement alice.json --statement bob.json --policy policy.toml\n",
       add_verify},
      {"vendor", "Put everything that a lock names into one file", "  alephc vendor -o my-runtime.bundle\n",
       add_vendor},
      {"attest", "Rebuild a lock and sign what came out", "  alephc attest --key alice.key -o alice.json\n",
       add_attest},
      {"keygen", "Make a pair of Ed25519 keys", "  alephc keygen alice.key\n", add_keygen, false},
      {"publish", "Upload an image and sign the STORE message that publishes it",
       "  alephc publish my-runtime --dry-run\n  alephc publish image.squashfs --key my.key --ref "
       "<message>\n",
       add_publish},
      {"pull", "Download what the network has under a hash, with every check",
       "  alephc pull 63f07193e6ee9d207b7d1fcf8286f9aee34e6f12f101d2ec77c1229f92964696 -o runtime.squashfs\n",
       add_pull},
      {"gc", "Remove what no manifest uses from the store",
       "  alephc gc --older-than 30d\n  alephc gc --max-size 20G\n", add_gc},
      {"doctor", "Check what this machine can do", "  alephc doctor\n", add_doctor, false},
      {"schema", "Print the JSON Schema of runtime.toml, runtime.lock or a receipt",
       "  alephc schema > runtime.schema.json\n  alephc schema lock\n", add_schema, false},
      {"completion", "Print a completion script for a shell",
       "  alephc completion bash > /etc/bash_completion.d/alephc\n", add_completion, false},
      {"version", "Print versions of alephc and its libraries", "  alephc version --json\n", add_version,
       false},
  };
  return kCommands;
}

void print(const std::string& text) {
  print_bytes(printable_lines(text));
}

void print_bytes(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    throw Error(ErrorKind::failed, "cannot write to stdout");
}

}  // namespace alephc
