// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/diagnostic.hpp"
#include "base/digest.hpp"
#include "image/image_spec.hpp"
#include "manifest/value.hpp"

namespace alephc {

/// A string and where it stands, for messages of later stages.
struct Text {
  std::string value{};
  SourceSpan at{};
};

struct BaseSpec {
  std::string distro{};
  std::string release{};
  std::string arch = "amd64";
  std::vector<std::string> components{};
  std::vector<std::string> suites{};  ///< empty: the distribution's default for the release
  std::vector<std::string> mirrors{};
  std::string keyring{};   ///< project path; empty: the distribution's
  std::string snapshot{};  ///< YYYYMMDDTHHMMSSZ or empty
  bool check_valid_until = true;
  std::vector<std::string> image_sources{};  ///< {"none"}, {"snapshot"} or sources.list lines
  SourceSpan distro_at{};
  SourceSpan release_at{};
};

struct PackageFile {
  std::string path{};  ///< project path, or
  std::string url{};   ///< with
  Digest sha256{};
  SourceSpan at{};
};

struct PackageSpec {
  std::vector<Text> install{};
  std::vector<PackageFile> files{};
  std::vector<Text> build{};
  std::vector<Text> remove{};
  bool recommends = false;
  std::vector<std::string> debconf{};
  std::vector<std::string> exclude_paths{};
};

struct RepositorySpec {
  std::string name{};
  std::string url{};
  std::string suite{};
  std::vector<std::string> components{};
  std::string key{};          ///< project path
  std::string fingerprint{};  ///< 40 upper-case hex digits
  std::int64_t priority = 500;
  SourceSpan at{};
};

/// Python packages, resolved by the target's own pip.
struct PythonSpec {
  std::vector<Text> requirements{};
  std::vector<std::string> requirements_files{};
  std::vector<std::string> constraints_files{};
  std::vector<std::string> lock_files{};
  std::string index{};  ///< empty: the machine's
  std::vector<std::string> extra_indexes{};
  std::vector<std::string> sdist{};
  std::string target = "/opt/aleph/libs";
  std::vector<int> optimize{0};  ///< never empty
  SourceSpan at{};
  [[nodiscard]] bool wanted() const {
    return !requirements.empty() || !requirements_files.empty() || !lock_files.empty();
  }
};

/// npm packages of a package-lock.json.
struct NodeSpec {
  std::string lockfile{};  ///< project path; empty: none are wanted
  std::string target = "/opt";
  bool production = true;
  SourceSpan at{};
};

struct ArchiveSpec {
  std::string name{};
  std::vector<std::string> urls{};  ///< {version} already replaced
  std::string source{};             ///< project path
  std::string npm{};                ///< NAME@VERSION
  Digest sha256{};                  ///< zero: pinned by the lock
  std::string integrity{};          ///< subresource integrity, instead of sha256
  std::uint32_t strip = 0;
  std::string target{};
  std::string owner = "root:root";
  SourceSpan at{};
};

struct FileSpec {
  enum class Kind { content, source, link, folder };
  std::string target{};
  Kind kind = Kind::content;
  std::string content{};  ///< text, project path or link target
  bool append = false;
  std::optional<std::uint32_t> mode{};
  std::string owner = "root:root";
  bool before_packages = false;
  SourceSpan at{};
};

struct RunSpec {
  std::string name{};
  std::string script{};
  std::string source{};  ///< project path, instead of script
  std::map<std::string, std::string> env{};
  std::string user = "root";
  std::vector<std::string> inputs{};
  bool network = false;
  SourceSpan at{};
};

struct SystemSpec {
  // Empty: as the distribution leaves it, which is UTC, C.UTF-8 and no host name.
  std::string timezone{};
  std::string locale{};
  std::vector<std::string> locales{};
  std::string hostname{};
};

struct UserSpec {
  std::string name{};
  std::optional<std::uint32_t> uid{};
  std::vector<std::string> groups{};
  std::string shell = "/bin/sh";
  std::string home{};
  std::vector<std::string> authorized_keys{};
};

struct PluginSpec {
  std::string name{};
  std::string stage{};
  std::string source{};             ///< project path, or
  std::vector<std::string> exec{};  ///< a program of the image with its arguments
  std::vector<std::string> files{};
  bool fails = true;  ///< on_error = "fail"
  std::uint32_t timeout_ms = 5000;
  SourceSpan at{};
};

struct ServiceSpec {
  std::string name{};
  std::vector<std::string> exec{};
  bool oneshot = false;
  bool restart = false;  ///< on failure
  std::map<std::string, std::string> env{};
  SourceSpan at{};
};

struct InitSpec {
  enum class Program { aleph, distro, none };
  Program program = Program::aleph;
  bool sshd = false;
  std::string user = "root";
  std::string workdir = "/";
  std::map<std::string, std::string> env{};
  std::string sdk_plugins{};   ///< project path
  std::string init0_plugin{};  ///< project path
  std::vector<PluginSpec> plugins{};
  std::vector<ServiceSpec> services{};
  SourceSpan at{};
};

/// What the user says the result must be. In no key, never inherited.
struct Expectation {
  std::string sha256{};
  std::string cid{};
  std::string tree{};     ///< "2:HEX", or bare hex for version 1
  std::string outside{};  ///< of a disk: what is outside its filesystems
  std::string item_hash{};
  std::string message{};  ///< hash of the STORE message; read by verify and publish only
  std::optional<std::uint64_t> max_size{};
};

/// A part of the stdlib as a manifest used it.
struct StdlibPart {
  std::string name{};  ///< "stdlib:debian/python"
  std::string text{};
  bool operator==(const StdlibPart&) const = default;
};

/// A runtime.toml, complete: parts merged, defaults filled in, checked.
struct Manifest {
  std::filesystem::path file{};    ///< the runtime.toml
  std::filesystem::path folder{};  ///< project paths are relative to it
  std::string name{};
  std::string version = "0.0.0";
  std::string kind = "function";  ///< or "instance", "volume"
  std::string repository{};       ///< where the recipe is kept; descriptive
  BaseSpec base{};
  PackageSpec packages{};
  std::vector<RepositorySpec> repositories{};
  PythonSpec python{};
  NodeSpec node{};
  std::vector<ArchiveSpec> archives{};
  std::vector<FileSpec> files{};
  std::vector<RunSpec> runs{};
  SystemSpec system{};
  std::vector<UserSpec> users{};
  InitSpec init{};
  ImageSpec image{};
  BootSpec boot{};
  Expectation expect{};
  std::vector<std::string> parts{};  ///< names in merge order, the file itself last
  std::vector<StdlibPart> stdlib{};  ///< those of them that came with alephc

  Value value{};       ///< the merged keys, as they were written
  std::string text{};  ///< canonical TOML without [expect] and descriptive keys
  Digest digest{};     ///< of text
  Digest declared{};   ///< of what the user's own files say, stdlib parts by name only
  std::vector<Diagnostic> warnings{};

  /// Project path → its content in the store, of every declared
  /// file, once the project was read (project/read_project.hpp).
  std::map<std::string, std::filesystem::path> contents{};
  /// Where a declared file of the project is read from. Nothing else may read the project.
  [[nodiscard]] std::filesystem::path content_of(const std::string& project_path) const;
};

}  // namespace alephc
