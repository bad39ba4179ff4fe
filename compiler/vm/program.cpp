// SPDX-License-Identifier: MIT
#include "vm/program.hpp"

#include <fcntl.h>
#include <zlib.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "image/image_format.hpp"
#include "tree/scan.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kVolumeTime = 1704067200;  ///< 2024-01-01; programs see it

std::string little(std::uint64_t value, unsigned width) {
  std::string out;
  for (unsigned i = 0; i < width; ++i) out += static_cast<char>((value >> (8 * i)) & 0xffU);
  return out;
}

std::string squashfs_of(const fs::path& folder, const fs::path& work) {
  auto layer = std::make_shared<Layer>();
  layer->listing = scan_folder(folder, {}).listing;
  layer->folder = folder;
  for (Entry& entry : layer->listing) entry.uid = entry.gid = 0;
  Tree tree;
  tree.add(layer);
  const fs::path file = work / "code.squashfs";
  image_format("squashfs").write(tree, {.image = {}, .time = kVolumeTime}, file);
  return file.string();
}

std::string guess_encoding(const fs::path& path) {
  if (fs::is_directory(path)) return "zip";
  std::string head(4, '\0');
  head.resize(read_some(open_file(path, O_RDONLY).get(), head));
  if (head.starts_with("PK\x03\x04")) return "zip";
  if (head == "hsqs") return "squashfs";
  return "plain";
}

}  // namespace

std::string zip_folder(const fs::path& folder) {
  std::string out;
  std::string directory;
  std::size_t count = 0;
  for (const Entry& entry : scan_folder(folder, {.hash = false}).listing) {
    if (entry.path.empty() || (entry.type != EntryType::regular && entry.type != EntryType::directory &&
                               entry.type != EntryType::symlink))
      continue;
    const bool is_folder = entry.type == EntryType::directory;
    const std::string name = entry.path + (is_folder ? "/" : "");
    const std::string data =
        entry.type == EntryType::regular ? read_file(folder / entry.path) : entry.link_target;
    const std::uint32_t kind = is_folder ? 0040000U : entry.type == EntryType::symlink ? 0120000U : 0100000U;
    const auto crc = ::crc32(0, reinterpret_cast<const Bytef*>(data.data()), static_cast<uInt>(data.size()));
    constexpr std::uint32_t kDate = 0x5821;  // 2024-01-01, MS-DOS
    const std::string common = little(0, 2) + little(0, 2) + little(0, 2) + little(kDate, 2) +
                               little(crc, 4) + little(data.size(), 4) + little(data.size(), 4) +
                               little(name.size(), 2) + little(0, 2);
    directory += "PK\x01\x02" + little(0x0314, 2) + little(20, 2) + common + little(0, 2) + little(0, 2) +
                 little(0, 2) + little(std::uint64_t{kind | entry.mode} << 16U, 4) + little(out.size(), 4) +
                 name;
    out += "PK\x03\x04" + little(20, 2) + common + name + data;
    ++count;
  }
  const std::size_t begin = out.size();
  return out + directory + "PK\x05\x06" + little(0, 4) + little(count, 2) + little(count, 2) +
         little(directory.size(), 4) + little(begin, 4) + little(0, 2);
}

PreparedProgram prepare_program(const ProgramRequest& request, const fs::path& work) {
  constexpr std::size_t kMaxInline = 10'000'000;
  PreparedProgram prepared;
  GuestProgram& program = prepared.program;
  if (!fs::exists(request.path))
    throw Error(ErrorKind::usage, "there is no program " + request.path.string());
  const bool is_folder = fs::is_directory(request.path);
  program.encoding = request.encoding.empty() ? guess_encoding(request.path) : request.encoding;
  program.entrypoint = request.entrypoint;
  const bool is_python = request.path.extension() == ".py";
  if (program.entrypoint.empty() && program.encoding == "plain")
    program.entrypoint =
        is_python && request.interface != "executable" ? "app" : request.path.filename().string();
  if (program.entrypoint.empty())
    throw Error(ErrorKind::usage, "--entrypoint is missing",
                "module:app for ASGI, a path in the code for executables");
  const bool asgi =
      program.entrypoint.find(':') != std::string::npos || (program.encoding == "plain" && is_python);
  program.interface = request.interface.empty() ? (asgi ? "asgi" : "executable") : request.interface;
  if (program.encoding == "plain" && is_folder)
    throw Error(ErrorKind::usage, "a folder cannot go as plain code", "use --encoding zip or squashfs");
  if (program.encoding == "squashfs") {
    prepared.code_image = is_folder ? fs::path(squashfs_of(request.path, work)) : request.path;
    program.volumes.push_back({"/opt/code", "vdb", true});
    return prepared;
  }
  program.code = is_folder ? zip_folder(request.path) : read_file(request.path);
  if (program.code.size() > kMaxInline)
    throw Error(ErrorKind::failed, "the code has more than 10,000,000 bytes, which a node refuses inline",
                "use --encoding squashfs");
  return prepared;
}

}  // namespace alephc
