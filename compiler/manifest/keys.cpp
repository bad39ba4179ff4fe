// SPDX-License-Identifier: MIT
#include "manifest/keys.hpp"

#include <algorithm>
#include <array>
#include <regex>

#include "base/text.hpp"

namespace alephc {
namespace {

using enum KeyType;
using F = Format;

constexpr std::string_view kDebianOnly = "debian|ubuntu";

constexpr std::array kTop{
    KeySpec{.name = "schema",
            .type = integer,
            .about = "Version of this format: 1",
            .required = true,
            .minimum = 1,
            .maximum = 1},
};

constexpr std::array kRuntime{
    KeySpec{.name = "name",
            .about = "Name of the runtime and of its image file",
            .format = F::name,
            .describes = true},
    KeySpec{.name = "version",
            .fallback = "0.0.0",
            .about = "Version of the recipe, for people",
            .format = F::version,
            .describes = true},
    KeySpec{.name = "kind",
            .fallback = "function",
            .about = "What boots from the image",
            .choices = "function|instance|volume"},
    KeySpec{.name = "extends", .type = strings, .about = "Parts to build on: project files or stdlib:NAME"},
    KeySpec{.name = "description", .about = "One sentence for people", .describes = true},
    KeySpec{.name = "license", .about = "SPDX expression of the recipe", .describes = true},
    KeySpec{.name = "repository", .about = "Where the recipe is kept", .describes = true},
    KeySpec{.name = "authors", .type = strings, .about = "Who wrote it", .describes = true},
};

constexpr std::array kBase{
    KeySpec{
        .name = "distro", .about = "Distribution", .choices = "debian|ubuntu|alpine|none", .required = true},
    KeySpec{.name = "release", .about = "Release, e.g. bookworm; of Alpine 3.22 or edge", .format = F::name},
    KeySpec{
        .name = "arch", .fallback = "amd64", .about = "Architecture of the image", .choices = "amd64|arm64"},
    KeySpec{.name = "components",
            .type = strings,
            .fallback = "[\"main\"]",
            .about = "Archive components",
            .format = F::name},
    KeySpec{.name = "suites",
            .type = strings,
            .fallback = "release, -updates, -security",
            .about = "Suites to take packages from",
            .format = F::name},
    KeySpec{.name = "mirrors", .type = strings, .about = "Mirrors to ask first", .format = F::url},
    KeySpec{.name = "keyring",
            .about = "Keyring file instead of the distribution's; of Alpine a key file, or a folder of them",
            .format = F::project_path},
    KeySpec{.name = "snapshot",
            .about = "Date of the snapshot archive that fixes the index",
            .format = F::snapshot_date,
            .distros = kDebianOnly,
            .otherwise = "leave it out: only Debian and Ubuntu keep an archive of former indexes"},
    KeySpec{.name = "check_valid_until",
            .type = boolean,
            .fallback = "true",
            .about = "Refuse an expired Release when locking"},
    KeySpec{.name = "image_sources",
            .type = string_or_strings,
            .fallback = "none",
            .about = "Package sources of the image: none, snapshot, or the lines of its sources file"},
};

constexpr std::array kPackages{
    KeySpec{.name = "install",
            .type = strings,
            .about = "NAME, NAME=VERSION, NAME/SUITE, NAME:ARCH, NAME@TAG",
            .format = F::package_request},
    KeySpec{.name = "files", .type = package_files, .about = "Local packages, or {url, sha256}"},
    KeySpec{.name = "build",
            .type = strings,
            .about = "There for steps, absent from the image",
            .format = F::package_request},
    KeySpec{.name = "remove",
            .type = strings,
            .about = "Purged after the runs, with what only they needed",
            .format = F::package_name},
    KeySpec{.name = "recommends",
            .type = boolean,
            .fallback = "false",
            .about = "Install recommended packages too",
            .distros = kDebianOnly},
    KeySpec{
        .name = "debconf", .type = strings, .about = "debconf-set-selections lines", .distros = kDebianOnly},
    KeySpec{.name = "exclude_paths",
            .type = strings,
            .about = "Paths left out, dpkg globs; !GLOB brings back",
            .format = F::glob},
};

constexpr std::array kRepository{
    KeySpec{.name = "name", .about = "Its name in the lock", .format = F::name, .required = true},
    KeySpec{.name = "url", .about = "Address of the archive", .format = F::url, .required = true},
    KeySpec{
        .name = "suite", .about = "Suite, or ./ for a flat archive", .format = F::suite, .required = true},
    KeySpec{.name = "components",
            .type = strings,
            .fallback = "[\"main\"]",
            .about = "Archive components",
            .format = F::suite},
    KeySpec{.name = "key", .about = "Key file that signs it", .format = F::project_path, .required = true},
    KeySpec{.name = "fingerprint",
            .about = "Fingerprint of that key",
            .format = F::fingerprint,
            .required = true},
    KeySpec{.name = "priority",
            .type = integer,
            .fallback = "500",
            .about = "apt pin priority",
            .minimum = 1,
            .maximum = 1000,
            .distros = kDebianOnly,
            .otherwise = "ask for a package of the repository with NAME@REPOSITORY"},
    KeySpec{.name = "enabled", .type = boolean, .fallback = "true", .about = "false drops an inherited one"},
};

constexpr std::array kPython{
    KeySpec{.name = "requirements",
            .type = strings,
            .about = "What to install, as pip has it: fastapi~=0.120, uvicorn[standard]"},
    KeySpec{.name = "requirements_files",
            .type = strings,
            .about = "Requirements files of the project",
            .format = F::project_path},
    KeySpec{.name = "constraints_files",
            .type = strings,
            .about = "Constraints files of the project",
            .format = F::project_path},
    KeySpec{.name = "lock_files",
            .type = strings,
            .about = "pylock.toml or uv.lock: versions and hashes come from it",
            .format = F::project_path},
    KeySpec{.name = "index",
            .about = "Package index; without it that of the machine's pip configuration, else pip's own",
            .format = F::url},
    KeySpec{.name = "extra_indexes", .type = strings, .about = "Further package indexes", .format = F::url},
    KeySpec{.name = "sdist",
            .type = strings,
            .about = "Packages that may be built from source, offline, with packages.build",
            .format = F::python_name},
    KeySpec{.name = "target",
            .fallback = "/opt/aleph/libs",
            .about = "Folder they are installed into",
            .format = F::absolute_path},
    KeySpec{.name = "optimize",
            .type = integers,
            .fallback = "[0]",
            .about = "Levels they are byte-compiled at; the ASGI worker runs at the first",
            .minimum = 0,
            .maximum = 2},
};

constexpr std::array kNode{
    KeySpec{.name = "lockfile", .about = "package-lock.json of the project", .format = F::project_path},
    KeySpec{.name = "target",
            .fallback = "/opt",
            .about = "Folder in which node_modules stands",
            .format = F::folder},
    KeySpec{.name = "production",
            .type = boolean,
            .fallback = "true",
            .about = "Leave out what only development needs"},
};

constexpr std::array kArchive{
    KeySpec{.name = "name", .about = "Its name in the lock", .format = F::name, .required = true},
    KeySpec{.name = "url",
            .type = string_or_strings,
            .about = "Where to fetch it; several are tried in turn",
            .format = F::url},
    KeySpec{.name = "source", .about = "A file of the project", .format = F::project_path},
    KeySpec{.name = "npm", .about = "NAME@VERSION of an npm package", .format = F::npm_package},
    KeySpec{.name = "sha256", .about = "Hash of the file", .format = F::sha256},
    KeySpec{.name = "integrity",
            .about = "Subresource integrity of the file, instead of sha256",
            .format = F::integrity},
    KeySpec{.name = "version", .about = "Stands for {version} in url, npm and target", .format = F::version},
    KeySpec{.name = "strip",
            .type = integer,
            .fallback = "0",
            .about = "Leading folders to drop",
            .maximum = 100},
    KeySpec{.name = "target", .about = "Folder it is unpacked into", .format = F::folder, .required = true},
    KeySpec{
        .name = "owner", .fallback = "root:root", .about = "Owner of everything in it", .format = F::owner},
    KeySpec{.name = "enabled", .type = boolean, .fallback = "true", .about = "false drops an inherited one"},
};

constexpr std::array kFile{
    KeySpec{.name = "target", .about = "Path in the image", .format = F::absolute_path, .required = true},
    KeySpec{.name = "content", .about = "Text of the file"},
    KeySpec{.name = "source", .about = "File or folder of the project", .format = F::project_path},
    KeySpec{.name = "link", .about = "Target of a symlink"},
    KeySpec{.name = "dir", .type = boolean, .fallback = "false", .about = "An empty folder"},
    KeySpec{.name = "append", .type = boolean, .fallback = "false", .about = "Add to what is there"},
    KeySpec{.name = "mode",
            .fallback = "0644, folders and executables 0755",
            .about = "Octal mode",
            .format = F::mode},
    KeySpec{.name = "owner",
            .fallback = "root:root",
            .about = "user:group, names or numbers",
            .format = F::owner},
    KeySpec{.name = "before", .about = "Lay it down before the packages", .choices = "packages"},
    KeySpec{.name = "enabled", .type = boolean, .fallback = "true", .about = "false drops an inherited one"},
};

constexpr std::array kRun{
    KeySpec{.name = "name", .about = "Its name in messages", .format = F::name, .required = true},
    KeySpec{.name = "script", .about = "Text; the shebang is honoured, else sh -eu"},
    KeySpec{.name = "source", .about = "A script of the project", .format = F::project_path},
    KeySpec{.name = "env", .type = text_table, .about = "Variables", .format = F::variable_name},
    KeySpec{.name = "user", .fallback = "root", .about = "Who runs it", .format = F::user_name},
    KeySpec{.name = "inputs",
            .type = strings,
            .about = "Project files, read-only at /run/alephc/inputs",
            .format = F::project_path},
    KeySpec{.name = "network",
            .type = boolean,
            .fallback = "false",
            .about = "Impure: the result is pinned by the lock"},
    KeySpec{.name = "enabled", .type = boolean, .fallback = "true", .about = "false drops an inherited one"},
};

constexpr std::array kSystem{
    KeySpec{.name = "timezone", .fallback = "Etc/UTC", .about = "Name of a zone of tzdata"},
    KeySpec{.name = "locale", .fallback = "C.UTF-8", .about = "Default locale"},
    KeySpec{.name = "locales",
            .type = strings,
            .about = "Locales to generate, e.g. en_US.UTF-8",
            .distros = kDebianOnly},
    KeySpec{.name = "hostname", .about = "Host name in /etc/hostname", .format = F::host_name},
};

constexpr std::array kUser{
    KeySpec{.name = "name", .about = "Login name", .format = F::user_name, .required = true},
    KeySpec{.name = "uid",
            .type = integer,
            .about = "User id; first free from 1000 if absent",
            .minimum = 1,
            .maximum = 65533},
    KeySpec{.name = "groups", .type = strings, .about = "Further groups", .format = F::user_name},
    KeySpec{.name = "shell", .fallback = "/bin/sh", .about = "Login shell", .format = F::absolute_path},
    KeySpec{.name = "home", .fallback = "/home/NAME", .about = "Home folder", .format = F::absolute_path},
    KeySpec{.name = "authorized_keys", .type = strings, .about = "Lines for ~/.ssh/authorized_keys"},
    KeySpec{.name = "enabled", .type = boolean, .fallback = "true", .about = "false drops an inherited one"},
};

constexpr std::array kInit{
    KeySpec{
        .name = "program",
        .fallback = "aleph, of instances none",
        .about = "PID 1 of the image: alephc's init, the distribution's (with our agent as a unit), or none",
        .choices = "aleph|distro|none"},
    KeySpec{.name = "sshd",
            .type = boolean,
            .fallback = "false",
            .about = "Run the image's sshd, with host keys made at first boot"},
    KeySpec{.name = "user", .fallback = "root", .about = "User of the program", .format = F::user_name},
    KeySpec{.name = "workdir", .fallback = "/", .about = "Folder of the program", .format = F::folder},
    KeySpec{.name = "env",
            .type = text_table,
            .about = "Environment of program, services, plugins and logins; ${NAME} expands",
            .format = F::variable_name},
    KeySpec{.name = "sdk_plugins",
            .about = "The runtime SDK's custom_plugins.py, unchanged",
            .format = F::project_path},
    KeySpec{.name = "init0_plugin",
            .about = "The runtime SDK's init0_plugin.sh, unchanged",
            .format = F::project_path},
};

constexpr std::array kPlugin{
    KeySpec{.name = "name", .about = "Its name in messages", .format = F::name, .required = true},
    KeySpec{.name = "stage",
            .about = "When it runs",
            .choices = "boot|before_system|after_system|before_hostname|after_hostname|before_variables|"
                       "after_variables|before_volumes|after_volumes|before_network|after_network|"
                       "before_shutdown",
            .required = true},
    KeySpec{.name = "source",
            .about = "Project file, installed 0755 in /usr/lib/aleph/plugins",
            .format = F::project_path},
    KeySpec{.name = "exec", .type = strings, .about = "Program of the image with its arguments, instead"},
    KeySpec{.name = "files",
            .type = strings,
            .about = "Project files put beside the source",
            .format = F::project_path},
    KeySpec{.name = "on_error",
            .fallback = "fail",
            .about = "A failure refuses the configuration, or is a line on the console",
            .choices = "fail|warn"},
    KeySpec{.name = "timeout", .fallback = "5s", .about = "Then it is killed", .format = F::duration},
    KeySpec{.name = "enabled", .type = boolean, .fallback = "true", .about = "false drops an inherited one"},
};

constexpr std::array kService{
    KeySpec{.name = "name", .about = "Its name in messages", .format = F::name, .required = true},
    KeySpec{.name = "exec",
            .type = strings,
            .about = "Program of the image with its arguments",
            .required = true},
    KeySpec{
        .name = "type", .fallback = "daemon", .about = "oneshot is waited for", .choices = "daemon|oneshot"},
    KeySpec{.name = "after", .fallback = "network", .about = "Started behind this", .choices = "network"},
    KeySpec{.name = "restart",
            .fallback = "never",
            .about = "Started again when it fails",
            .choices = "never|on-failure"},
    KeySpec{.name = "env",
            .type = text_table,
            .about = "Environment on top of init.env",
            .format = F::variable_name},
    KeySpec{.name = "enabled", .type = boolean, .fallback = "true", .about = "false drops an inherited one"},
};

constexpr std::array kImage{
    KeySpec{.name = "format",
            .fallback = "squashfs",
            .about = "Filesystem or container of the image",
            .choices = "squashfs|ext4|btrfs|disk|qcow2|tar|dir"},
    KeySpec{.name = "compression",
            .fallback = "zstd, btrfs and disk none",
            .about = "Compressor of squashfs and qcow2 (zstd, gzip, none), of files in btrfs (zstd, none)",
            .choices = "zstd|xz|gzip|lz4|none"},
    KeySpec{.name = "level",
            .type = integer,
            .fallback = "the compressor's",
            .about = "Compression level",
            .minimum = 1,
            .maximum = 22},
    KeySpec{
        .name = "block_size", .fallback = "128K", .about = "Block of squashfs, 4K to 1M", .format = F::size},
    KeySpec{.name = "embed_recipe",
            .type = boolean,
            .fallback = "true",
            .about = "Put manifest and lock into /usr/share/alephc"},
    KeySpec{.name = "subtree",
            .fallback = "python.target, else /opt/code",
            .about = "Of volumes: the folder that the image holds",
            .format = F::absolute_path},
    KeySpec{.name = "size",
            .fallback = "by what it holds",
            .about = "Size of an ext4 or btrfs filesystem, or of the whole disk, in whole MiB",
            .format = F::size},
    KeySpec{.name = "label",
            .fallback = "root",
            .about = "Label of an ext4 (16 bytes) or btrfs filesystem (255)",
            .format = F::label},
    KeySpec{.name = "filesystem",
            .fallback = "ext4",
            .about = "Root filesystem of a disk",
            .choices = "ext4|btrfs"},
    KeySpec{.name = "subvolume",
            .about = "Subvolume of btrfs that holds the tree and is mounted by default",
            .format = F::name},
    KeySpec{.name = "verity",
            .type = boolean,
            .fallback = "false",
            .about = "Put a dm-verity hash tree beside the image: FILE.verity, FILE.roothash"},
};

constexpr std::array kBoot{
    KeySpec{.name = "kernel",
            .fallback = "auto",
            .about = "Package of the kernel; auto takes the newest in the image, none makes a disk that does "
                     "not boot",
            .format = F::package_name},
    KeySpec{.name = "firmware",
            .type = strings,
            .fallback = "[\"bios\", \"uefi\"]",
            .about = "What can start the disk",
            .choices = "bios|uefi"},
    KeySpec{.name = "cmdline",
            .fallback = "console=tty0 console=ttyS0,115200",
            .about = "Kernel command line after root="},
    KeySpec{.name = "esp_size",
            .fallback = "64M",
            .about = "EFI system partition, at least 33M",
            .format = F::size},
};

constexpr std::array kExpect{
    KeySpec{.name = "sha256", .about = "sha256 of the image file", .format = F::sha256},
    KeySpec{.name = "cid", .about = "CID of the image file"},
    KeySpec{.name = "tree", .about = "Tree digest, \"2:HEX\"; bare hex is that of version 1", .format = F::tree_digest},
    KeySpec{.name = "outside",
            .about = "Digest of what a disk has outside its filesystems: boot code, tables, gaps, other partitions",
            .format = F::sha256},
    KeySpec{.name = "item_hash", .about = "Any file hash of the image"},
    KeySpec{.name = "message", .about = "Hash of the STORE message; read by verify and publish only"},
    KeySpec{.name = "max_size", .about = "A larger image is an error", .format = F::size},
};

constexpr std::array kTables{
    TableSpec{.path = "", .about = "", .keys = kTop},
    TableSpec{.path = "runtime", .about = "What it is", .keys = kRuntime},
    TableSpec{.path = "base", .about = "Where packages come from", .keys = kBase},
    TableSpec{.path = "packages", .about = "Packages of the distribution", .keys = kPackages},
    TableSpec{.path = "repository",
              .is_array = true,
              .identity = "name",
              .about = "Further package archives",
              .keys = kRepository},
    TableSpec{.path = "python", .about = "Python packages", .keys = kPython},
    TableSpec{.path = "node", .about = "npm packages", .keys = kNode},
    TableSpec{.path = "archive",
              .is_array = true,
              .identity = "name",
              .about = "Archives unpacked into the image",
              .keys = kArchive},
    TableSpec{.path = "file",
              .is_array = true,
              .identity = "target",
              .about = "Files of the project",
              .keys = kFile},
    TableSpec{.path = "run",
              .is_array = true,
              .identity = "name",
              .about = "Scripts run in the sandbox",
              .keys = kRun},
    TableSpec{.path = "system", .about = "Settings of the system", .keys = kSystem},
    TableSpec{.path = "user",
              .is_array = true,
              .identity = "name",
              .about = "Accounts; their password is locked",
              .keys = kUser},
    TableSpec{.path = "init", .about = "PID 1", .keys = kInit},
    TableSpec{.path = "init.plugin",
              .is_array = true,
              .identity = "name",
              .about = "Programs run at a stage of the boot",
              .keys = kPlugin},
    TableSpec{.path = "init.service",
              .is_array = true,
              .identity = "name",
              .about = "Programs started and supervised by the init",
              .keys = kService},
    TableSpec{.path = "image", .about = "The output", .keys = kImage},
    TableSpec{.path = "boot", .about = "Boot loader of disk images", .keys = kBoot},
    TableSpec{
        .path = "expect", .about = "What the result must be; in no key and never inherited", .keys = kExpect},
};

struct FormatRule {
  Format format;
  std::string_view pattern;  ///< ECMAScript and JSON Schema alike
  std::string_view problem;
};

constexpr std::array kFormats{
    FormatRule{F::name, "^[a-z0-9][a-z0-9._-]*$", "may hold only a-z, 0-9, '.', '_' and '-'"},
    FormatRule{F::package_request,
               "^!?([a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?(=[A-Za-z0-9.+:~-]+|/[a-z0-9._-]+)?|"
               "((so|cmd|pc):)?[A-Za-z0-9][A-Za-z0-9+._-]*(@[A-Za-z0-9._-]+)?([<>=~]{1,2}[a-z0-9._-]+)?)$",
               "is not a package request: write NAME, NAME=VERSION, NAME/SUITE, NAME:ARCH or NAME@TAG"},
    FormatRule{F::package_name, "^!?[A-Za-z0-9][A-Za-z0-9+._-]*(:[a-z0-9-]+)?$", "is not a package name"},
    FormatRule{F::absolute_path, "^(?!.*/\\.\\.?(/|$))/.*[^/]$",
               "is not an absolute path without '.', '..' and a trailing '/'"},
    FormatRule{F::folder, "^(?!.*/\\.\\.?(/|$))/.*$", "is not an absolute path without '.' and '..'"},
    FormatRule{F::duration, "^[0-9]{1,6}(ms|s)$", "is not a duration: write for example \"5s\" or \"500ms\""},
    FormatRule{F::project_path, "^!?[^/].*$", "must be a relative path inside the project"},
    FormatRule{F::mode, "^[0-7]{3,5}$", "is not an octal mode such as \"0644\""},
    FormatRule{F::size, "^[0-9]+([kKmMgGtT]([iI]?[bB])?)?$", "is not a size such as \"120M\""},
    FormatRule{F::sha256, "^[0-9a-f]{64}$", "is not a sha256: write 64 lower-case hex digits"},
    FormatRule{F::tree_digest, "^(2:)?[0-9a-f]{64}$", "is not a tree digest: write 2: and 64 lower-case hex digits"},
    FormatRule{F::snapshot_date, "^[0-9]{8}T[0-9]{6}Z$", "is not a date such as \"20260131T000000Z\""},
    FormatRule{F::owner, "^[a-z0-9_][a-z0-9_-]*:[a-z0-9_][a-z0-9_-]*$", "is not an owner such as \"root:root\""},
    FormatRule{F::url, "^!?(https?://[^/ @]+([/?#]|$)|file:///)[^ ]*$",
               "is not an http, https or file URL (put credentials in ~/.netrc)"},
    FormatRule{F::integrity,
               "^(sha256-[A-Za-z0-9+/]{43}=|sha384-[A-Za-z0-9+/]{64}|sha512-[A-Za-z0-9+/]{86}==)$",
               "is not a subresource integrity such as \"sha512-…==\""},
    FormatRule{
        F::npm_package,
        "^(@[a-z0-9~-][a-z0-9._~-]*/)?[A-Za-z0-9~-][A-Za-z0-9._~-]*@([0-9][A-Za-z0-9.+-]*|[{]version[}])$",
        "is not an npm package such as \"left-pad@1.3.0\""},
    FormatRule{F::python_name, "^!?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$",
               "is not the name of a Python package"},
    FormatRule{F::fingerprint, "^([0-9A-Fa-f] *){40}$", "is not an OpenPGP fingerprint of 40 hex digits"},
    FormatRule{F::version, "^[A-Za-z0-9][A-Za-z0-9._+~-]*$",
               "is not a version: it may hold only letters, digits, '.', '_', '+', '~' and '-'"},
    FormatRule{F::suite, "^!?(?!.*(^|/)\\.\\.(/|$))[A-Za-z0-9._+~/-]+$",
               "is not a suite or component: letters, digits and . _ + ~ / - without '..'"},
    FormatRule{F::user_name, "^!?[a-z_][a-z0-9_-]{0,31}$", "is not a user or group name"},
    FormatRule{F::host_name, "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$",
               "is not a host name"},
    FormatRule{F::variable_name, "^[A-Za-z_][A-Za-z0-9_]*$", "is not a variable name"},
    FormatRule{F::label, "^[!-~]+$", "is not a label: use printable ASCII characters without blanks"},
    FormatRule{F::glob, "^!?/.+$", "is not a path pattern: it must start with '/' or '!/'"},
};

const FormatRule* rule_of(Format format) {
  for (const FormatRule& rule : kFormats)
    if (rule.format == format) return &rule;
  return nullptr;
}

}  // namespace

std::span<const TableSpec> table_specs() {
  return kTables;
}

const TableSpec* find_table_spec(std::string_view path) {
  const auto* it =
      std::find_if(kTables.begin(), kTables.end(), [&](const TableSpec& t) { return t.path == path; });
  return it == kTables.end() ? nullptr : it;
}

const KeySpec* find_key_spec(const TableSpec& table, std::string_view key) {
  for (const KeySpec& spec : table.keys)
    if (spec.name == key) return &spec;
  return nullptr;
}

std::optional<std::string> format_problem(Format format, const std::string& text) {
  const FormatRule* rule = rule_of(format);
  if (rule == nullptr) return std::nullopt;
  // std::regex is slow to build and recursive to match: no name, path or hash is that long.
  constexpr std::size_t kLongest = 4096;
  static const std::vector<std::regex> kCompiled = [] {
    std::vector<std::regex> out;
    out.reserve(kFormats.size());
    for (const FormatRule& each : kFormats)
      out.emplace_back(std::string(each.pattern), std::regex::ECMAScript | std::regex::optimize);
    return out;
  }();
  const auto index = static_cast<std::size_t>(rule - kFormats.data());
  const bool one_line =
      text.size() <= kLongest && text.find('\n') == std::string::npos && text.find('\0') == std::string::npos;
  if (one_line && std::regex_search(text, kCompiled[index])) return std::nullopt;
  return std::string(rule->problem);
}

std::string_view format_pattern(Format format) {
  const FormatRule* rule = rule_of(format);
  return rule == nullptr ? std::string_view() : rule->pattern;
}

std::vector<std::string> choices_of(const KeySpec& key) {
  return key.choices.empty() ? std::vector<std::string>{} : split(key.choices, '|');
}

bool is_for_distro(const KeySpec& key, std::string_view distro) {
  if (key.distros.empty()) return true;
  const std::vector<std::string> distros = split(key.distros, '|');
  return std::find(distros.begin(), distros.end(), distro) != distros.end();
}

}  // namespace alephc
