// SPDX-License-Identifier: MIT
#include "base/sha256_lanes.hpp"

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#include "base/diagnostic.hpp"

namespace alephc {

#if defined(__x86_64__)
namespace {

using Lanes = std::uint32_t __attribute__((vector_size(4 * kShaLanes)));

constexpr std::size_t kBlock = 64;

alignas(16) constexpr std::array<std::uint32_t, 64> kRound{
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
constexpr std::array<std::uint32_t, 8> kStart{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                              0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

struct State {
  std::array<Lanes, 8> words;
};

/// One block of every lane. The compiler makes a version for each width of vectors and picks one at start.
__attribute__((target_clones("avx512f", "avx2", "default"))) void compress(
    const std::array<const char*, kShaLanes>& blocks, State& state) {
  alignas(kBlock) std::array<std::array<std::uint32_t, kShaLanes>, 16> loaded;
  for (std::size_t lane = 0; lane < kShaLanes; ++lane)
    for (std::size_t i = 0; i < 16; ++i) {
      std::uint32_t word = 0;
      std::memcpy(&word, blocks[lane] + 4 * i, sizeof word);
      loaded[i][lane] = __builtin_bswap32(word);
    }
  std::array<Lanes, 16> w;
  std::memcpy(w.data(), loaded.data(), sizeof w);
  Lanes a = state.words[0];
  Lanes b = state.words[1];
  Lanes c = state.words[2];
  Lanes d = state.words[3];
  Lanes e = state.words[4];
  Lanes f = state.words[5];
  Lanes g = state.words[6];
  Lanes h = state.words[7];
// A macro, since a function of another target is not inlined everywhere.
#define ROTATED(x, n) (((x) >> (n)) | ((x) << (32 - (n))))
  for (std::size_t i = 0; i < 64; ++i) {
    Lanes& word = w[i & 15U];
    if (i >= 16) {
      const Lanes before15 = w[(i + 1) & 15U];
      const Lanes before2 = w[(i + 14) & 15U];
      word += (ROTATED(before15, 7) ^ ROTATED(before15, 18) ^ (before15 >> 3)) + w[(i + 9) & 15U] +
              (ROTATED(before2, 17) ^ ROTATED(before2, 19) ^ (before2 >> 10));
    }
    const Lanes first =
        h + (ROTATED(e, 6) ^ ROTATED(e, 11) ^ ROTATED(e, 25)) + ((e & f) ^ (~e & g)) + kRound[i] + word;
    const Lanes second = (ROTATED(a, 2) ^ ROTATED(a, 13) ^ ROTATED(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + first;
    d = c;
    c = b;
    b = a;
    a = first + second;
  }
#undef ROTATED
  state.words[0] += a;
  state.words[1] += b;
  state.words[2] += c;
  state.words[3] += d;
  state.words[4] += e;
  state.words[5] += f;
  state.words[6] += g;
  state.words[7] += h;
}

/// The end of a message with its padding: one block or two.
std::string padded_tail(std::string_view message) {
  std::string tail(message.substr(message.size() / kBlock * kBlock));
  tail += '\x80';
  tail.resize(tail.size() + (2 * kBlock - 8 - tail.size()) % kBlock, '\0');
  const std::uint64_t bits = message.size() * 8;
  for (int shift = 56; shift >= 0; shift -= 8)
    tail += static_cast<char>(bits >> static_cast<unsigned>(shift));
  return tail;
}

bool cpu_has_sha() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  constexpr unsigned kSha = 1U << 29U;  // leaf 7, EBX
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & kSha) != 0 && __builtin_cpu_supports("sse4.1") != 0;
}

std::array<std::string, kShaLanes> padded_tails(std::span<const std::string_view, kShaLanes> messages) {
  std::array<std::string, kShaLanes> tails;
  for (std::size_t lane = 0; lane < kShaLanes; ++lane) tails[lane] = padded_tail(messages[lane]);
  return tails;
}

void hash_in_lanes(std::span<const std::string_view, kShaLanes> messages, std::span<Digest, kShaLanes> digests) {
  State state;
  for (std::size_t i = 0; i < 8; ++i) state.words[i] = Lanes{} + kStart[i];
  std::array<const char*, kShaLanes> blocks{};
  const std::array<std::string, kShaLanes> tails = padded_tails(messages);
  for (std::size_t lane = 0; lane < kShaLanes; ++lane) blocks[lane] = messages[lane].data();
  for (std::size_t block = 0; block < messages[0].size() / kBlock; ++block) {
    compress(blocks, state);
    for (const char*& each : blocks) each += kBlock;
  }
  for (std::size_t at = 0; at < tails[0].size(); at += kBlock) {
    for (std::size_t lane = 0; lane < kShaLanes; ++lane) blocks[lane] = tails[lane].data() + at;
    compress(blocks, state);
  }
  for (std::size_t lane = 0; lane < kShaLanes; ++lane)
    for (std::size_t i = 0; i < 8; ++i) {
      const std::uint32_t word = __builtin_bswap32(state.words[i][lane]);
      std::memcpy(digests[lane].bytes.data() + 4 * i, &word, sizeof word);
    }
}

constexpr std::size_t kTurns = 2;  // three are not faster: registers run out

/// A message as the instructions hold it: words A, B, E, F in one register, C, D, G, H in the other, the last one lowest.
struct Turn {
  const char* at;
  __m128i abef;
  __m128i cdgh;
};

__attribute__((target("sha,sse4.1"))) void compress_in_turns(Turn (&turns)[kTurns], std::size_t blocks) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  for (; blocks > 0; --blocks) {
    __m128i abef[kTurns];
    __m128i cdgh[kTurns];
    __m128i words[kTurns][4];
    for (std::size_t t = 0; t < kTurns; ++t) {
      abef[t] = turns[t].abef;
      cdgh[t] = turns[t].cdgh;
      for (std::size_t i = 0; i < 4; ++i)
        words[t][i] = _mm_shuffle_epi8(
            _mm_loadu_si128(reinterpret_cast<const __m128i*>(turns[t].at + 16 * i)), big_endian);
      turns[t].at += kBlock;
    }
#pragma GCC unroll 16
    for (std::size_t four = 0; four < 16; ++four) {
      const __m128i constants = _mm_load_si128(reinterpret_cast<const __m128i*>(&kRound[4 * four]));
#pragma GCC unroll 2
      for (std::size_t t = 0; t < kTurns; ++t) {
        __m128i& oldest = words[t][four & 3U];
        const __m128i newest = words[t][(four + 3) & 3U];
        const __m128i sum = _mm_add_epi32(oldest, constants);
        cdgh[t] = _mm_sha256rnds2_epu32(cdgh[t], abef[t], sum);
        abef[t] = _mm_sha256rnds2_epu32(abef[t], cdgh[t], _mm_shuffle_epi32(sum, 0x0e));
        if (four >= 12) continue;
        const __m128i begun = _mm_add_epi32(_mm_sha256msg1_epu32(oldest, words[t][(four + 1) & 3U]),
                                            _mm_alignr_epi8(newest, words[t][(four + 2) & 3U], 4));
        oldest = _mm_sha256msg2_epu32(begun, newest);
      }
    }
    for (std::size_t t = 0; t < kTurns; ++t) {
      turns[t].abef = _mm_add_epi32(turns[t].abef, abef[t]);
      turns[t].cdgh = _mm_add_epi32(turns[t].cdgh, cdgh[t]);
    }
  }
}

Digest digest_of(const Turn& turn) {
  std::array<std::uint32_t, 4> abef;
  std::array<std::uint32_t, 4> cdgh;
  std::memcpy(abef.data(), &turn.abef, sizeof abef);
  std::memcpy(cdgh.data(), &turn.cdgh, sizeof cdgh);
  const std::array<std::uint32_t, 8> words{abef[3], abef[2], cdgh[3], cdgh[2], abef[1], abef[0], cdgh[1], cdgh[0]};
  Digest digest;
  for (std::size_t i = 0; i < 8; ++i) {
    const std::uint32_t word = __builtin_bswap32(words[i]);
    std::memcpy(digest.bytes.data() + 4 * i, &word, sizeof word);
  }
  return digest;
}

void hash_in_turns(std::span<const std::string_view, kShaLanes> messages, std::span<Digest, kShaLanes> digests) {
  const auto word = [](std::size_t i) { return static_cast<int>(kStart[i]); };
  const __m128i abef = _mm_set_epi32(word(0), word(1), word(4), word(5));
  const __m128i cdgh = _mm_set_epi32(word(2), word(3), word(6), word(7));
  const std::array<std::string, kShaLanes> tails = padded_tails(messages);
  for (std::size_t first = 0; first < kShaLanes; first += kTurns) {
    Turn turns[kTurns];
    for (std::size_t t = 0; t < kTurns; ++t) turns[t] = {messages[first + t].data(), abef, cdgh};
    compress_in_turns(turns, messages[first].size() / kBlock);
    for (std::size_t t = 0; t < kTurns; ++t) turns[t].at = tails[first + t].data();
    compress_in_turns(turns, tails[first].size() / kBlock);
    for (std::size_t t = 0; t < kTurns; ++t) digests[first + t] = digest_of(turns[t]);
  }
}

}  // namespace

std::span<const ShaMethod> sha256_methods() {
  static const std::array kMethods{ShaMethod{"turns", cpu_has_sha(), hash_in_turns},
                                   ShaMethod{"lanes", __builtin_cpu_supports("avx2") != 0, hash_in_lanes}};
  return kMethods;
}

#else

std::span<const ShaMethod> sha256_methods() {
  return {};
}

#endif

namespace {

const ShaMethod* fastest() {
  for (const ShaMethod& method : sha256_methods())
    if (method.available) return &method;
  return nullptr;
}

}  // namespace

bool has_sha256_lanes() {
  static const bool kHas = fastest() != nullptr;
  return kHas;
}

void sha256_side_by_side(std::span<const std::string_view, kShaLanes> messages,
                         std::span<Digest, kShaLanes> digests) {
  static const ShaMethod* const kFastest = fastest();
  check(kFastest != nullptr, "this processor can hash side by side");
  kFastest->hash(messages, digests);
}

}  // namespace alephc
