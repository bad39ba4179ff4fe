// SPDX-License-Identifier: MIT
#include "steps/python_cache.hpp"

#include <bit>

#include "base/little_endian.hpp"
#include "tree/entry.hpp"

namespace alephc {
namespace {

constexpr std::size_t kHeader = 16;
constexpr std::uint32_t kFirstMagic = 3390;  // Python 3.7, the first with PEP 552
constexpr std::uint32_t kMagic311 = 3450;    // first of Python 3.11, which changed the hash
constexpr std::uint32_t kHashBased = 1;      // flag bits
constexpr std::uint32_t kCheckSource = 2;

struct SipState {
  std::uint64_t v0, v1, v2, v3;

  void round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
  void rounds(int count) {
    for (int i = 0; i < count; ++i) round();
  }
};

}  // namespace

std::uint64_t python_source_hash(std::string_view source, std::uint32_t magic) {
  const bool short_form = (magic & 0xffffU) >= kMagic311;
  const int compression = short_form ? 1 : 2;
  const int finalization = short_form ? 3 : 4;
  const std::uint64_t key = magic;  // the second half of the key is zero
  SipState state{0x736f6d6570736575ULL ^ key, 0x646f72616e646f6dULL, 0x6c7967656e657261ULL ^ key,
                 0x7465646279746573ULL};
  std::string_view rest = source;
  for (; rest.size() >= 8; rest.remove_prefix(8)) {
    const std::uint64_t word = read_little(rest.substr(0, 8));
    state.v3 ^= word;
    state.rounds(compression);
    state.v0 ^= word;
  }
  const std::uint64_t last = (static_cast<std::uint64_t>(source.size()) << 56U) | read_little(rest);
  state.v3 ^= last;
  state.rounds(compression);
  state.v0 ^= last;
  state.v2 ^= 0xffU;
  state.rounds(finalization);
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

std::string python_source_of(const std::string& cache_path) {
  std::string folder = parent_path(cache_path);
  const std::string name = base_name(cache_path);
  if (base_name(folder) != "__pycache__") return cache_path.substr(0, cache_path.size() - 1);
  folder = parent_path(folder);
  const std::string module = name.substr(0, name.find('.'));
  return folder.empty() ? module + ".py" : folder + "/" + module + ".py";
}

std::optional<std::string> unchecked_python_cache(std::string_view cache, std::string_view source) {
  if (cache.size() < kHeader || cache.substr(2, 2) != "\r\n") return std::nullopt;
  const auto magic = static_cast<std::uint32_t>(read_little(cache.substr(0, 4)));
  if ((magic & 0xffffU) < kFirstMagic) return std::nullopt;
  const auto flags = static_cast<std::uint32_t>(read_little(cache.substr(4, 4)));
  if (flags == kHashBased || flags > (kHashBased | kCheckSource)) return std::nullopt;
  std::string out(cache.substr(0, 4));
  put_little(out, kHashBased, 4);
  // A checked hash becomes an unchecked one; a time becomes the hash of the source as it is.
  if (flags == 0)
    put_little(out, python_source_hash(source, magic));
  else
    out += cache.substr(8, 8);
  out += cache.substr(kHeader);
  return out;
}

}  // namespace alephc
