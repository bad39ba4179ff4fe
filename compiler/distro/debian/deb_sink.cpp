// SPDX-License-Identifier: MIT
#include "distro/debian/deb_sink.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "distro/debian/control.hpp"
#include "distro/debian/deb.hpp"
#include "sandbox/sandbox.hpp"

namespace alephc::debian {
namespace {

constexpr std::size_t kMaxControl = 64 * 1024 * 1024;

class ControlSink : public ArchiveSink {
 public:
  struct Done {};
  void begin_entry(const std::string& member, Entry entry) override {
    if (member == "data") throw Done{};
    wanted_ = entry.path == "control";
  }
  void data(std::string_view bytes) override {
    if (wanted_) text += bytes;
    if (text.size() > kMaxControl) throw Error(ErrorKind::integrity, "the control file is too large");
  }
  void end_entry() override { wanted_ = false; }

  std::string text;

 private:
  bool wanted_ = false;
};

}  // namespace

std::string read_control(int fd) {
  ControlSink sink;
  try {
    decode_archive(fd, ArchiveKind::deb, sink);
  } catch (const ControlSink::Done&) {
    // The data is of no interest here.
  }
  return std::move(sink.text);
}

void DebSink::begin_entry(const std::string& member, Entry entry) {
  control_ = nullptr;
  if (member == "control")
    begin_control(entry);
  else
    begin_data(std::move(entry));
}

void DebSink::begin_control(const Entry& entry) {
  if (data_started_) throw Error(ErrorKind::integrity, "the package has its control data behind its files");
  if (entry.type != EntryType::regular || entry.path.find('/') != std::string::npos) return;
  if (entry.path == "control") {
    control_ = &package_.control;
    return;
  }
  UnpackedPackage::ControlFile& file = package_.control_files[entry.path];
  file.mode = (entry.mode & 0111U) != 0 ? 0755 : 0644;
  control_ = &file.content;
}

void DebSink::read_control_fields() {
  std::string_view rest = package_.control;
  const auto stanza = next_stanza(rest);
  if (!stanza) throw Error(ErrorKind::integrity, "the package has no control file");
  package_.name = stanza->get("Package");
  package_.version = stanza->get("Version");
  package_.arch = stanza->get("Architecture");
  const bool usable = !package_.name.empty() && package_.name.find('/') == std::string::npos &&
                      !package_.version.empty() && !package_.arch.empty() &&
                      package_.arch.find('/') == std::string::npos;
  if (!usable) throw Error(ErrorKind::integrity, "the package's control file is damaged");
  const auto listed = package_.control_files.find("conffiles");
  if (listed == package_.control_files.end()) return;
  for (const std::string& line : split(listed->second.content, '\n')) {
    const std::vector<std::string> words = split_words(line);
    // "remove-on-upgrade /etc/x" names a conffile that is no longer shipped.
    if (words.size() != 1 || !words[0].starts_with('/')) continue;
    package_.conffiles.push_back(words[0]);
    conffiles_.insert(words[0].substr(1));
  }
}

void DebSink::begin_data(Entry entry) {
  if (!data_started_) {
    read_control_fields();
    if (unpacker_.postpone_preinst_ && package_.has_script("preinst")) throw Postponed{};
  }
  data_started_ = true;
  entry_ = std::move(entry);
  package_.paths.push_back(entry_.path.empty() ? "/." : "/" + entry_.path);
  if (entry_.path.empty()) return;
  entry_.mtime = std::min(entry_.mtime, kStepTime);
  const bool conffile = entry_.type == EntryType::regular && conffiles_.contains(entry_.path);
  bool skip = false;
  std::string place;
  std::string link_source;
  {
    const std::lock_guard guard(unpacker_.mutex_);
    place = unpacker_.claim(entry_, package_, owner_, conffile, skip);
    if (!entry_.hard_link.empty() && !skip) {
      const std::string folder = unpacker_.resolve_folder(parent_path(entry_.hard_link), owner_);
      link_source = folder.empty() ? base_name(entry_.hard_link) : folder + "/" + base_name(entry_.hard_link);
      if (conffiles_.contains(entry_.hard_link)) link_source += ".dpkg-new";
    }
  }
  if (skip) {
    if (entry_.type != EntryType::directory && entry_.type != EntryType::symlink) package_.paths.pop_back();
    return;
  }
  if (!link_source.empty()) {
    if (::linkat(unpacker_.root_.get(), link_source.c_str(), unpacker_.root_.get(), place.c_str(), 0) != 0)
      throw system_error("link /" + place, errno);
    return;
  }
  create(place);
}

void DebSink::create(const std::string& place) {
  const int root = unpacker_.root_.get();
  switch (entry_.type) {
    using enum EntryType;
    case regular:
      place_ = place;
      file_ = open_at(root, place, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW);
      return;
    case symlink:
      if (::symlinkat(entry_.link_target.c_str(), root, place.c_str()) != 0)
        throw system_error("make /" + place, errno);
      break;
    case fifo:
      if (::mkfifoat(root, place.c_str(), 0600) != 0) throw system_error("make /" + place, errno);
      break;
    default:
      return;  // folders were made when they were claimed
  }
  set_attributes(place);
}

void DebSink::set_attributes(const std::string& place) const {
  const int root = unpacker_.root_.get();
  const std::array<timespec, 2> times{{{entry_.mtime, 0}, {entry_.mtime, 0}}};
  bool done = true;
  if (file_) {
    done = ::fchown(file_.get(), entry_.uid, entry_.gid) == 0 && ::fchmod(file_.get(), entry_.mode) == 0 &&
           ::futimens(file_.get(), times.data()) == 0;
  } else {
    done = ::fchownat(root, place.c_str(), entry_.uid, entry_.gid, AT_SYMLINK_NOFOLLOW) == 0 &&
           (entry_.type == EntryType::symlink || ::fchmodat(root, place.c_str(), entry_.mode, 0) == 0) &&
           ::utimensat(root, place.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) == 0;
  }
  if (!done) throw system_error("set the owner of /" + place, errno);
}

void DebSink::data(std::string_view bytes) {
  if (file_) {
    hash_.update(bytes);
    return write_all(file_.get(), bytes);
  }
  if (control_ == nullptr) return;
  *control_ += bytes;
  if (control_->size() > kMaxControl)
    throw Error(ErrorKind::integrity, "a control file of the package is too large");
}

void DebSink::end_entry() {
  if (file_) {
    set_attributes(place_);
    struct stat info {};
    if (::fstat(file_.get(), &info) != 0) throw system_error("look at /" + place_, errno);
    unpacker_.known_.add(info, hash_.finish());
  }
  file_.reset();
  control_ = nullptr;
}

void DebSink::finish() {
  if (!data_started_) read_control_fields();
}

}  // namespace alephc::debian
