// SPDX-License-Identifier: MIT
#include "language/python/package_index.hpp"

#include <algorithm>
#include <cstdlib>

#include "base/diagnostic.hpp"
#include "base/environment.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "language/python/lock_file.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

void set(PipSettings& settings, std::string key, const std::string& value) {
  std::replace(key.begin(), key.end(), '_', '-');
  if (key == "index-url") settings.index = value;
  if (key == "extra-index-url") settings.extra_indexes = split_words(value);
  if (key == "trusted-host") settings.trusted_hosts = split_words(value);
  if (key == "cert") settings.certificates = value;
}

/// The values of one section of an ini file, in the order of the text; a value goes on in lines that are indented.
void read_section(const std::string& text, std::string_view section, PipSettings& settings) {
  bool ours = false;
  std::string key;
  std::string value;
  const auto flush = [&] {
    if (ours && !key.empty()) set(settings, key, std::string(trim(value)));
    key.clear();
    value.clear();
  };
  for (const std::string& line : split(text, '\n')) {
    const std::string_view bare = trim(line);
    if (bare.empty() || bare.front() == '#' || bare.front() == ';') continue;
    if (bare.front() == '[') {
      flush();
      ours = bare == section;
    } else if (line.front() == ' ' || line.front() == '\t') {
      value += " " + std::string(bare);
    } else {
      flush();
      const std::size_t equals = bare.find_first_of("=:");
      if (equals == std::string_view::npos) continue;
      key = to_lower(trim(bare.substr(0, equals)));
      value = trim(bare.substr(equals + 1));
    }
  }
  flush();
}

/// What pip says of the command that is run wins over what it says of all.
void read_ini(const fs::path& file, PipSettings& settings) {
  const auto text = read_file_if_exists(file);
  if (!text) return;
  for (const char* section : {"[global]", "[download]"}) read_section(*text, section, settings);
}

std::vector<fs::path> config_files() {
  const std::string named = environment("PIP_CONFIG_FILE");
  if (named == "/dev/null") return {};
  std::vector<fs::path> files;
  const std::string global = environment("XDG_CONFIG_DIRS");
  std::vector<std::string> folders = split(global.empty() ? "/etc/xdg" : global, ':');
  std::reverse(folders.begin(), folders.end());
  for (const std::string& folder : folders) files.push_back(fs::path(folder) / "pip/pip.conf");
  files.emplace_back("/etc/pip.conf");
  const fs::path home = home_folder();
  files.push_back(home / ".pip/pip.conf");
  const std::string own = environment("XDG_CONFIG_HOME");
  files.push_back((own.empty() ? home / ".config" : fs::path(own)) / "pip/pip.conf");
  if (!named.empty()) files.emplace_back(named);
  return files;
}

std::string first_file(const std::vector<std::string>& names) {
  for (const std::string& name : names)
    if (!name.empty() && fs::exists(name)) return name;
  return {};
}

std::string unescaped(std::string text) {
  for (std::size_t at = text.find("&amp;"); at != std::string::npos; at = text.find("&amp;", at + 1))
    text.replace(at, 5, "&");
  return text;
}

std::string page_url(const std::string& index, const std::string& name) {
  return index + (index.ends_with('/') ? "" : "/") + name + "/";
}

}  // namespace

PipSettings machine_pip_settings() {
  PipSettings settings;
  for (const fs::path& file : config_files()) read_ini(file, settings);
  for (const auto& [variable, key] :
       {std::pair{"PIP_INDEX_URL", "index-url"}, std::pair{"PIP_EXTRA_INDEX_URL", "extra-index-url"},
        std::pair{"PIP_TRUSTED_HOST", "trusted-host"}, std::pair{"PIP_CERT", "cert"}})
    if (const std::string value = environment(variable); !value.empty()) set(settings, key, value);
  settings.certificates = first_file({settings.certificates, environment("REQUESTS_CA_BUNDLE"),
                                      environment("SSL_CERT_FILE"), "/etc/ssl/certs/ca-certificates.crt",
                                      "/etc/ssl/cert.pem", "/etc/pki/tls/certs/ca-bundle.crt"});
  return settings;
}

std::vector<std::string> python_indexes(const PythonSpec& python, const PipSettings& machine,
                                        const std::string& fallback) {
  std::vector<std::string> indexes;
  const auto add = [&](const std::string& index) {
    if (!index.empty() && std::find(indexes.begin(), indexes.end(), index) == indexes.end())
      indexes.push_back(index);
  };
  add(!python.index.empty() ? python.index : !machine.index.empty() ? machine.index : fallback);
  for (const std::string& index : python.extra_indexes) add(index);
  for (const std::string& index : machine.extra_indexes) add(index);
  return indexes;
}

namespace {

/// Where the next "<a" begins, in either case.
std::size_t next_anchor(const std::string& page, std::size_t at) {
  return std::min(page.find("<a", at), page.find("<A", at));
}

/// The '>' that is in no attribute's value.
std::size_t end_of_tag(const std::string& page, std::size_t at) {
  char quote = '\0';
  for (std::size_t i = at; i < page.size(); ++i) {
    if (quote == '\0' && page[i] == '>') return i;
    if (page[i] == quote)
      quote = '\0';
    else if (quote == '\0' && (page[i] == '"' || page[i] == '\''))
      quote = page[i];
  }
  return std::string::npos;
}

/// Where "href=" begins as a name of its own, outside of values and in either case.
std::size_t find_href(const std::string& tag) {
  char quote = '\0';
  for (std::size_t i = 0; i < tag.size(); ++i) {
    const bool begins = i > 0 && (std::isspace(static_cast<unsigned char>(tag[i - 1])) != 0);
    if (quote == '\0' && begins && to_lower(tag.substr(i, 5)) == "href=") return i;
    if (tag[i] == quote)
      quote = '\0';
    else if (quote == '\0' && (tag[i] == '"' || tag[i] == '\''))
      quote = tag[i];
  }
  return std::string::npos;
}

}  // namespace

std::vector<IndexLink> index_links(const std::string& page) {
  std::vector<IndexLink> links;
  std::size_t at = 0;
  while ((at = next_anchor(page, at)) != std::string::npos) {
    const std::size_t end = end_of_tag(page, at);
    if (end == std::string::npos) break;
    const std::string tag = page.substr(at + 2, end - at - 2);
    at = end + 1;
    const std::size_t href = find_href(tag);
    if (href == std::string::npos || href + 6 >= tag.size()) continue;
    const char quote = tag[href + 5];
    const std::size_t close = tag.find(quote, href + 6);
    if (close == std::string::npos || (quote != '"' && quote != '\'')) continue;
    links.push_back({.target = unescaped(tag.substr(href + 6, close - href - 6)),
                     .attributes = tag.substr(0, href) + tag.substr(close + 1),
                     .text = page.substr(at, page.find('<', at) - at)});
  }
  return links;
}

std::map<std::string, std::string> links_of(const std::string& page, const std::string& base) {
  std::map<std::string, std::string> links;
  for (const IndexLink& link : index_links(page)) {
    const std::string target = link.target.substr(0, link.target.find('#'));
    const std::string path = target.substr(0, target.find('?'));
    links.emplace(percent_decoded(path.substr(path.rfind('/') + 1)),
                  base.empty() ? target : with_login_of(base, resolve_url(base, target)));
  }
  return links;
}

std::vector<std::string> locate_wheel(const LockedWheel& wheel, const std::vector<std::string>& indexes,
                                      const Fetcher& fetcher) {
  constexpr std::uint64_t kLargestPage = 64U << 20U;
  std::vector<std::string> found;
  std::vector<std::string> failures;
  for (const std::string& index : indexes) {
    FetchedText page;
    try {
      page = fetcher.fetch_text({page_url(index, wheel.name)}, kLargestPage);
    } catch (const Error& error) {
      // Another index may still have it.
      if (error.kind() != ErrorKind::failed || fetcher.offline()) throw;
      failures.push_back(public_url(index) + ": " + error.what());
      continue;
    }
    failures.insert(failures.end(), page.failures.begin(), page.failures.end());
    if (page.url.empty()) continue;
    const auto links = links_of(page.text, page.url);
    if (const auto link = links.find(wheel.file); link != links.end())
      found.push_back(link->second);
    else
      failures.push_back(public_url(index) + ": has " + wheel.name + ", but not this file");
  }
  if (!found.empty()) return found;
  Diagnostic problem{.message = "no Python index has " + wheel.file};
  problem.context = failures;
  problem.hint =
      indexes.empty()
          ? "no index is known: say [python] index, PIP_INDEX_URL or pip.conf"
          : "it was taken back, or this machine's pip is configured for another index: set PIP_INDEX_URL, "
            "or move on with 'alephc lock --update'";
  throw Error(ErrorKind::failed, std::move(problem));
}

std::string source_stem(const std::string& file) {
  for (const std::string_view suffix : {".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz"})
    if (file.ends_with(suffix)) return file.substr(0, file.size() - suffix.size());
  return file;
}

bool read_wheel_name(const std::string& file, LockedWheel& wheel) {
  wheel.file = file;
  if (file.ends_with(".whl")) {
    const std::vector<std::string> parts = split(file.substr(0, file.size() - 4), '-');
    if (parts.size() < 5) return false;
    wheel.name = normalized_python_name(parts[0]);
    wheel.version = parts[1];
    return true;
  }
  const std::string stem = source_stem(file);
  const std::size_t dash = stem.rfind('-');
  if (stem == file || dash == std::string::npos) return false;
  wheel.name = normalized_python_name(stem.substr(0, dash));
  wheel.version = stem.substr(dash + 1);
  return true;
}

}  // namespace alephc
