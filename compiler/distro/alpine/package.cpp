// SPDX-License-Identifier: MIT
#include "distro/alpine/package.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "decode/decoded_archive.hpp"
#include "distro/alpine/version.hpp"

namespace alephc::alpine {
namespace {

constexpr std::size_t kMaxControl = 64U << 20U;

using Single = std::string PackageInfo::*;
using Several = std::vector<std::string> PackageInfo::*;

const std::map<std::string_view, Single>& single_keys() {
  static const std::map<std::string_view, Single> kKeys{
      {"pkgname", &PackageInfo::name},
      {"pkgver", &PackageInfo::version},
      {"arch", &PackageInfo::arch},
      {"pkgdesc", &PackageInfo::description},
      {"url", &PackageInfo::url},
      {"license", &PackageInfo::license},
      {"origin", &PackageInfo::origin},
      {"maintainer", &PackageInfo::maintainer},
      {"builddate", &PackageInfo::build_time},
      {"commit", &PackageInfo::commit},
      {"size", &PackageInfo::installed_size},
      {"provider_priority", &PackageInfo::provider_priority},
      {"replaces_priority", &PackageInfo::replaces_priority},
      {"datahash", &PackageInfo::datahash}};
  return kKeys;
}

const std::map<std::string_view, Several>& several_keys() {
  static const std::map<std::string_view, Several> kKeys{{"depend", &PackageInfo::depends},
                                                         {"provides", &PackageInfo::provides},
                                                         {"install_if", &PackageInfo::install_if},
                                                         {"replaces", &PackageInfo::replaces},
                                                         {"triggers", &PackageInfo::triggers}};
  return kKeys;
}

[[noreturn]] void damaged(const std::string& why) {
  throw Error(ErrorKind::integrity, "the package is damaged: " + why);
}

void check_info(const PackageInfo& info) {
  const auto is_usable = [](const std::string& text) {
    return !text.empty() && text.find('/') == std::string::npos && !text.starts_with('.');
  };
  if (!is_usable(info.name)) damaged(".PKGINFO has no usable name");
  if (!is_version(info.version)) damaged(".PKGINFO has no usable version");
  if (!is_usable(info.arch)) damaged(".PKGINFO has no usable architecture");
  for (const std::string* number :
       {&info.build_time, &info.installed_size, &info.provider_priority, &info.replaces_priority})
    if (!number->empty() && !parse_unsigned(*number)) damaged("'" + *number + "' in .PKGINFO is not a number");
}

/// What a package says of itself, and where its control member is.
class ControlSink : public ArchiveSink {
 public:
  void begin_entry(const std::string& member, Entry entry) override {
    is_info_ = member == "control" && entry.path == ".PKGINFO";
    if (!is_info_) return;
    if (info) damaged("it has two .PKGINFO");
    info.emplace();
  }
  void data(std::string_view bytes) override {
    if (!is_info_) return;
    if (info->size() + bytes.size() > kMaxControl) damaged(".PKGINFO is too large");
    *info += bytes;
  }
  void end_entry() override {}
  void end_member(const std::string& member, std::uint64_t end) override {
    (member == "control" ? control_end : control_begin) = end;
  }

  std::optional<std::string> info;
  std::uint64_t control_begin = 0;
  std::uint64_t control_end = 0;

 private:
  bool is_info_ = false;
};

void put(std::string& out, char letter, const std::string& value) {
  if (!value.empty()) out += std::string(1, letter) + ":" + value + "\n";
}

}  // namespace

std::int64_t PackageInfo::built() const {
  return static_cast<std::int64_t>(parse_unsigned(build_time).value_or(0));
}

PackageInfo parse_package_info(std::string_view text) {
  PackageInfo info;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t equals = line.find('=');
    if (line.starts_with('#') || equals == std::string_view::npos) continue;
    const std::string_view key = trim(line.substr(0, equals));
    const std::string value(trim(line.substr(equals + 1)));
    if (const auto single = single_keys().find(key); single != single_keys().end())
      info.*single->second = value;
    else if (const auto several = several_keys().find(key); several != several_keys().end())
      for (std::string& word : split_words(value)) (info.*several->second).push_back(std::move(word));
  }
  check_info(info);
  return info;
}

void check_data(const PackageInfo& info, const Digest& data) {
  if (info.datahash != data.hex())
    damaged("its files have sha256 " + data.hex() + ", but it promises " +
            (info.datahash.empty() ? "nothing" : info.datahash));
}

CheckedPackage read_package(int fd) {
  ::lseek(fd, 0, SEEK_SET);
  ControlSink sink;
  decode_archive(fd, ArchiveKind::tar_members_control, sink);
  if (!sink.info) damaged("it has no .PKGINFO");
  const MemberHashes hashes = hash_members(fd, sink.control_begin, sink.control_end);
  CheckedPackage package{.info = parse_package_info(*sink.info),
                         .identity = identity_of(hashes.control_sha1)};
  check_data(package.info, hashes.data_sha256);
  ::lseek(fd, 0, SEEK_SET);
  return package;
}

std::string index_entry(const PackageInfo& info, const std::string& identity, const std::string& arch,
                        std::uint64_t size) {
  std::string out;
  put(out, 'C', identity);
  put(out, 'P', info.name);
  put(out, 'V', info.version);
  put(out, 'A', arch);
  put(out, 'S', std::to_string(size));
  put(out, 'I', info.installed_size.empty() ? "0" : info.installed_size);
  out += "T:" + info.description + "\n";
  out += "U:" + info.url + "\n";
  out += "L:" + info.license + "\n";
  put(out, 'o', info.origin);
  put(out, 'm', info.maintainer);
  if (info.built() != 0) put(out, 't', info.build_time);
  put(out, 'c', info.commit);
  if (info.provider_priority != "0") put(out, 'k', info.provider_priority);
  put(out, 'D', join(info.depends, " "));
  put(out, 'p', join(info.provides, " "));
  put(out, 'i', join(info.install_if, " "));
  return out;
}

}  // namespace alephc::alpine
