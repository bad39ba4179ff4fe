// SPDX-License-Identifier: MIT
#include "message/keccak.hpp"

#include <bit>
#include <cstddef>

namespace alephc {
namespace {

constexpr std::size_t kLanes = 25;
constexpr std::size_t kRate = 136;  // bytes absorbed at a time: 200 - 2 * 32
using State = std::array<std::uint64_t, kLanes>;

/// The round constants are the output of a linear feedback shift register (x^8 + x^6 + x^5 + x^4 + 1).
bool next_bit(unsigned& lfsr) {
  const bool bit = (lfsr & 1U) != 0;
  lfsr = ((lfsr << 1U) ^ ((lfsr & 0x80U) != 0 ? 0x71U : 0U)) & 0xffU;
  return bit;
}

void theta(State& a) {
  std::array<std::uint64_t, 5> column{};
  for (std::size_t i = 0; i < kLanes; ++i) column[i % 5] ^= a[i];
  for (std::size_t i = 0; i < kLanes; ++i) a[i] ^= column[(i + 4) % 5] ^ std::rotl(column[(i + 1) % 5], 1);
}

void rho_and_pi(State& a) {
  std::size_t x = 1;
  std::size_t y = 0;
  std::uint64_t moving = a[1];
  int offset = 0;
  for (int t = 1; t <= 24; ++t) {
    offset = (offset + t) % 64;
    const std::size_t next = (2 * x + 3 * y) % 5;
    x = y;
    y = next;
    const std::uint64_t kept = a[x + 5 * y];
    a[x + 5 * y] = std::rotl(moving, offset);
    moving = kept;
  }
}

void chi(State& a) {
  for (std::size_t row = 0; row < kLanes; row += 5) {
    const std::array<std::uint64_t, 5> old{a[row], a[row + 1], a[row + 2], a[row + 3], a[row + 4]};
    for (std::size_t x = 0; x < 5; ++x) a[row + x] = old[x] ^ (~old[(x + 1) % 5] & old[(x + 2) % 5]);
  }
}

void iota(State& a, unsigned& lfsr) {
  for (int j = 0; j <= 6; ++j)
    if (next_bit(lfsr)) a[0] ^= 1ULL << ((1U << static_cast<unsigned>(j)) - 1U);
}

void permute(State& a) {
  unsigned lfsr = 1;
  for (int round = 0; round < 24; ++round) {
    theta(a);
    rho_and_pi(a);
    chi(a);
    iota(a, lfsr);
  }
}

void absorb(State& a, const std::array<std::uint8_t, kRate>& block) {
  for (std::size_t i = 0; i < kRate; ++i) a[i / 8] ^= std::uint64_t{block[i]} << (8 * (i % 8));
  permute(a);
}

}  // namespace

std::array<std::uint8_t, 32> keccak256(std::string_view data) {
  State state{};
  std::array<std::uint8_t, kRate> block{};
  std::size_t filled = 0;
  for (const char c : data) {
    block[filled++] = static_cast<std::uint8_t>(c);
    if (filled < kRate) continue;
    absorb(state, block);
    block = {};
    filled = 0;
  }
  block[filled] ^= 0x01U;
  block[kRate - 1] ^= 0x80U;
  absorb(state, block);
  std::array<std::uint8_t, 32> out{};
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<std::uint8_t>(state[i / 8] >> (8 * (i % 8)));
  return out;
}

}  // namespace alephc
