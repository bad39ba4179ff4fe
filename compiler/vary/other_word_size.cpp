// SPDX-License-Identifier: MIT
// Nothing. 32-bit programs load this in place of a library of 64 bits, about which their loader would complain on stderr.
