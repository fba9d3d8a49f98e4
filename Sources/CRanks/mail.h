// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "team.h"

/// A longer transfer goes through MPI. A ring's letters are 72 KiB.
enum { LETTER = 1024, LETTERS = 64 };

typedef struct {
  int tag;
  uint32_t size;
  char bytes[LETTER];
} letter;

/// Written by one rank, read by one.
typedef struct {
  _Alignas(64) _Atomic uint64_t written;
  _Alignas(64) _Atomic uint64_t taken;
  _Alignas(64) letter letters[LETTERS];
} ring;

typedef struct {
  uint64_t key;
  _Alignas(64) _Atomic uint32_t bell;
  _Atomic uint32_t sleepers;
  /// One from each rank.
  ring rings[];
} mailbox;

/// The mailbox of each near rank; null for this rank and for far ones.
extern mailbox **cr_mail;

/// That of this rank, whether others see it or not: its bell is what its threads sleep by.
extern mailbox *cr_own_mail;

/// Whether the ranks of this machine have more threads than it has processors.
extern int cr_is_crowded;
