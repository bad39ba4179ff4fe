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

constexpr std::size_t kHalf = kShaLanes / 2;
using Words = std::uint32_t __attribute__((vector_size(4 * kHalf)));

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

/// Words a to h, each of every lane.
struct alignas(kBlock) State {
  std::array<std::array<std::uint32_t, kShaLanes>, 8> words;
};

/// One block of eight lanes, from a first one on.
__attribute__((target("avx2"))) void compress_eight(const std::array<const char*, kShaLanes>& blocks, State& state,
                                                    std::size_t begin) {
  alignas(kBlock) std::array<std::array<std::uint32_t, kHalf>, 16> loaded;
  for (std::size_t lane = 0; lane < kHalf; ++lane)
    for (std::size_t i = 0; i < 16; ++i) {
      std::uint32_t word = 0;
      std::memcpy(&word, blocks[begin + lane] + 4 * i, sizeof word);
      loaded[i][lane] = __builtin_bswap32(word);
    }
  std::array<Words, 16> w;
  std::memcpy(w.data(), loaded.data(), sizeof w);
  std::array<Words, 8> before;
  for (std::size_t i = 0; i < 8; ++i) std::memcpy(&before[i], &state.words[i][begin], sizeof before[i]);
  auto [a, b, c, d, e, f, g, h] = before;
// A macro, since a function of another target is not inlined everywhere.
#define ROTATED(x, n) (((x) >> (n)) | ((x) << (32 - (n))))
  for (std::size_t i = 0; i < 64; ++i) {
    Words& word = w[i & 15U];
    if (i >= 16) {
      const Words before15 = w[(i + 1) & 15U];
      const Words before2 = w[(i + 14) & 15U];
      word += (ROTATED(before15, 7) ^ ROTATED(before15, 18) ^ (before15 >> 3)) + w[(i + 9) & 15U] +
              (ROTATED(before2, 17) ^ ROTATED(before2, 19) ^ (before2 >> 10));
    }
    const Words first =
        h + (ROTATED(e, 6) ^ ROTATED(e, 11) ^ ROTATED(e, 25)) + ((e & f) ^ (~e & g)) + kRound[i] + word;
    const Words second = (ROTATED(a, 2) ^ ROTATED(a, 13) ^ ROTATED(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
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
  const std::array<Words, 8> after{a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < 8; ++i) {
    const Words sum = before[i] + after[i];
    std::memcpy(&state.words[i][begin], &sum, sizeof sum);
  }
}

/// One block of every lane, for processors with AVX2.
void compress_halves(const std::array<const char*, kShaLanes>& blocks, State& state) {
  compress_eight(blocks, state, 0);
  compress_eight(blocks, state, kHalf);
}

// g++ 12 warns about operands that its own intrinsics leave open on purpose (GCC bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#define WIDE __attribute__((target("avx512f,avx512bw")))
#define WIDE_INLINE __attribute__((target("avx512f,avx512bw"), always_inline)) inline

enum : int { kXor = 0x96, kChoose = 0xca, kMajority = 0xe8 };  // truth tables of three operands

template <typename... More>
WIDE_INLINE __m512i sum(__m512i first, More... more) {
  ((first = _mm512_add_epi32(first, more)), ...);
  return first;
}

template <int A, int B, int C>
WIDE_INLINE __m512i rotations(__m512i x) {
  return _mm512_ternarylogic_epi32(_mm512_ror_epi32(x, A), _mm512_ror_epi32(x, B), _mm512_ror_epi32(x, C), kXor);
}
template <int A, int B, int C>
WIDE_INLINE __m512i rotations_and_shift(__m512i x) {
  return _mm512_ternarylogic_epi32(_mm512_ror_epi32(x, A), _mm512_ror_epi32(x, B), _mm512_srli_epi32(x, C), kXor);
}

/// Sixteen rows of sixteen numbers become columns.
WIDE_INLINE void transpose(__m512i (&rows)[16]) {
  __m512i pairs[16];
#pragma GCC unroll 8
  for (std::size_t i = 0; i < 16; i += 2) {
    pairs[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
#pragma GCC unroll 4
  for (std::size_t i = 0; i < 16; i += 4) {
    rows[i] = _mm512_unpacklo_epi64(pairs[i], pairs[i + 2]);
    rows[i + 1] = _mm512_unpackhi_epi64(pairs[i], pairs[i + 2]);
    rows[i + 2] = _mm512_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
    rows[i + 3] = _mm512_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
  }
  // What is left to exchange are quarters of 128 bits: first between neighbours of four rows, then of eight.
  constexpr int kEven = 0x88;
  constexpr int kOdd = 0xdd;
#pragma GCC unroll 8
  for (std::size_t i = 0; i < 8; ++i) {
    const std::size_t at = (i & 3U) + 2 * (i & 4U);
    pairs[at] = _mm512_shuffle_i32x4(rows[at], rows[at + 4], kEven);
    pairs[at + 4] = _mm512_shuffle_i32x4(rows[at], rows[at + 4], kOdd);
  }
#pragma GCC unroll 8
  for (std::size_t i = 0; i < 8; ++i) {
    rows[i] = _mm512_shuffle_i32x4(pairs[i], pairs[i + 8], kEven);
    rows[i + 8] = _mm512_shuffle_i32x4(pairs[i], pairs[i + 8], kOdd);
  }
}

/// One block of every lane, with what AVX-512 has for it: rotations, and any function of three operands.
WIDE void compress_wide(const std::array<const char*, kShaLanes>& blocks, State& state) {
  const __m512i big_endian =
      _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
  __m512i w[16];
#pragma GCC unroll 16
  for (std::size_t lane = 0; lane < kShaLanes; ++lane)
    w[lane] = _mm512_shuffle_epi8(_mm512_loadu_si512(blocks[lane]), big_endian);
  transpose(w);
  __m512i s[8];
#pragma GCC unroll 8
  for (std::size_t i = 0; i < 8; ++i) s[i] = _mm512_load_si512(&state.words[i]);
  for (std::size_t sixteen = 0; sixteen < 64; sixteen += 16) {
#pragma GCC unroll 16
    for (std::size_t i = 0; i < 16; ++i) {
      if (sixteen > 0)
        w[i] = sum(w[i], rotations_and_shift<7, 18, 3>(w[(i + 1) & 15U]), w[(i + 9) & 15U],
                   rotations_and_shift<17, 19, 10>(w[(i + 14) & 15U]));
      // The values stay, and the letters a to h move on from round to round.
      const auto at = [&](std::size_t letter) -> __m512i& { return s[(letter - i) & 7U]; };
      const __m512i e = at(4);
      const __m512i constant = _mm512_set1_epi32(static_cast<int>(kRound[sixteen + i]));
      const __m512i first =
          sum(at(7), rotations<6, 11, 25>(e), _mm512_ternarylogic_epi32(e, at(5), at(6), kChoose), constant, w[i]);
      at(3) = sum(at(3), first);
      at(7) = sum(first, rotations<2, 13, 22>(at(0)), _mm512_ternarylogic_epi32(at(0), at(1), at(2), kMajority));
    }
  }
#pragma GCC unroll 8
  for (std::size_t i = 0; i < 8; ++i)
    _mm512_store_si512(&state.words[i], sum(s[i], _mm512_load_si512(&state.words[i])));
}

#undef WIDE_INLINE
#undef WIDE
#pragma GCC diagnostic pop

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

using Compress = void (*)(const std::array<const char*, kShaLanes>& blocks, State& state);

template <Compress compress>
void hash_in_lanes(std::span<const std::string_view, kShaLanes> messages, std::span<Digest, kShaLanes> digests) {
  State state;
  for (std::size_t i = 0; i < 8; ++i) state.words[i].fill(kStart[i]);
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
  static const bool kWide = __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0;
  static const std::array kMethods{ShaMethod{"wide lanes", kWide, hash_in_lanes<compress_wide>},
                                   ShaMethod{"turns", cpu_has_sha(), hash_in_turns},
                                   ShaMethod{"lanes", __builtin_cpu_supports("avx2") != 0, hash_in_lanes<compress_halves>}};
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
