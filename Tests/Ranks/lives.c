// SPDX-License-Identifier: GPL-3.0-or-later
// Ranks of Sources/CRanks that do what a whole program does at unlucky moments only: lives CASE, under mpirun. What is
// expected of each case stands in Tests/ranks.py.
#include "scoresde_ranks.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int rank, count;
static _Atomic uint64_t work;

static uint64_t progress(void) { return atomic_load(&work); }
static void before_end(const char *line) { fprintf(stderr, "score-sde: %s\n", line); }
static void on_signal(int number) { (void)number; }

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

static void compute(double seconds, int gets_on) {
  for (double end = now() + seconds; now() < end;)
    if (gets_on) atomic_fetch_add(&work, 1);
}

static void fail(const char *what) {
  fprintf(stderr, "WRONG: rank %d: %s\n", rank, what);
  _exit(3);
}

/// A word to and from every other rank.
static void meet(int tag, size_t size) {
  static char own[1 << 16], others[16][1 << 16];
  cr_transfer parts[32];
  int n = 0;
  memset(own, rank + tag, size);
  for (int peer = 0; peer < count; peer++) {
    if (peer == rank) continue;
    parts[n++] = (cr_transfer){peer, tag, 1, own, size};
    parts[n++] = (cr_transfer){peer, tag, 0, others[peer], size};
  }
  cr_wait(cr_post(parts, n));
  for (int peer = 0; peer < count; peer++)
    for (size_t i = 0; peer != rank && i < size; i++)
      if (others[peer][i] != (char)(peer + tag)) fail("other bytes than were sent");
}

/// Transfers of all sizes, asked for in another order than they are sent, and many more than a mailbox has room for.
static void letters(void) {
  enum { MANY = 300 };
  static const size_t sizes[] = {0, 1, 8, 1000, 1023, 1024, 1025, 5000, 300000};
  enum { SIZES = sizeof sizes / sizeof *sizes };
  for (int s = 0; s < SIZES; s++)
    if (sizes[s] <= 1 << 16) meet(s, sizes[s]);
  void *tickets[2 * MANY];
  char *memory = calloc(2 * MANY, 1 << 12);
  int right = (rank + 1) % count, left = (rank + count - 1) % count;
  for (int i = 0; i < MANY; i++) {
    size_t size = i % 7 == 3 ? 4000 : (size_t)i;
    char *bytes = memory + (size_t)i * (1 << 12);
    memset(bytes, rank * 31 + i, size);
    // Every second pair of transfers has the same tag: these come in the order in which they went.
    cr_transfer part = {right, 100 + i / 4 * 4 + i % 2, 1, bytes, size};
    tickets[i] = cr_post(&part, 1);
  }
  if (rank % 2) compute(0.05, 1);
  for (int k = 0; k < MANY; k++) {
    // Backwards by blocks of four; within one, those of equal tags in order.
    int i = (MANY / 4 - 1 - k / 4) * 4 + k % 4;
    size_t size = i % 7 == 3 ? 4000 : (size_t)i;
    cr_transfer part = {left, 100 + i / 4 * 4 + i % 2, 0, memory + (size_t)(MANY + i) * (1 << 12), size};
    tickets[MANY + i] = cr_post(&part, 1);
  }
  for (int i = 2 * MANY - 1; i >= 0; i--) cr_wait(tickets[i]);
  for (int i = 0; i < MANY; i++) {
    size_t size = i % 7 == 3 ? 4000 : (size_t)i;
    for (size_t j = 0; j < size; j++)
      if (memory[(size_t)(MANY + i) * (1 << 12) + j] != (char)(left * 31 + i)) fail("a transfer in another's place");
  }
  free(memory);
}

/// What is written in shared memory is there for who was told of it later.
static void memory(void) {
  enum { SIZE = 100000 };
  for (int round = 0; round < 3; round++) {
    void *views[16];
    if (cr_share(SIZE, 1000 + 10 * round, 1001 + 10 * round, views)) fail("no memory");
    for (int step = 0; step < 200; step++) {
      memset(views[rank], step + rank, SIZE);
      meet(2000, 1);
      for (int peer = 0; peer < count; peer++) {
        if (!views[peer]) continue;
        char *bytes = views[peer];
        for (int i = 0; i < SIZE; i += 997)
          if (bytes[i] != (char)(step + peer)) fail("another rank's memory as it was before");
      }
      meet(2001, 1);
    }
    int seen = 0;
    for (int peer = 0; peer < count; peer++) seen += views[peer] != NULL;
    if (rank == 0 && round == 0) printf("sees %d of %d\n", seen, count);
    cr_unshare(SIZE, views);
  }
}

int main(int arguments, char **argument) {
  const char *what = arguments > 1 ? argument[1] : "";
  cr_setting setting = {.timeout = 6, .stall = 3, .threads = 1, .progress = progress, .before_end = before_end,
                        .on_signal = on_signal};
  char message[256];
  if (cr_begin(&setting, &rank, &count, message, sizeof message)) return fprintf(stderr, "%s\n", message), 1;
  meet(1, 8);
  if (strcmp(what, "letters") == 0) {
    for (int i = 0; i < 20; i++) letters();
    memory();
  } else if (strcmp(what, "loops") == 0) {
    // Rank 1 never comes, and its process lives.
    if (rank == 1) compute(1e9, 0);
    meet(2, 8);
  } else if (strcmp(what, "loops-at-the-end") == 0) {
    if (rank == 1) compute(1e9, 0);
  } else if (strcmp(what, "slow") == 0) {
    // It takes longer than the limit, and gets on.
    if (rank == 1) compute(7, 1);
    meet(2, 8);
  } else if (strcmp(what, "deadlock") == 0) {
    cr_transfer part = {(rank + 1) % count, 2, 0, message, 8};
    cr_wait(cr_post(&part, 1));
  } else if (strcmp(what, "other-call") == 0) {
    meet(rank == 1 ? 3 << 14 | 7 : 2 << 14 | 7, 8);
  } else if (strcmp(what, "other-call-of-much") == 0) {
    meet(rank == 1 ? 3 << 14 | 7 : 2 << 14 | 7, 5000);
  } else if (strcmp(what, "other-size") == 0) {
    meet(7, rank == 1 ? 9 : 8);
  } else if (strcmp(what, "fails-late") == 0) {
    // Rank 0 is done before another one fails.
    if (rank == 1) compute(1, 1), cr_finish(5, "no such file");
  } else if (strcmp(what, "all-fail") == 0) {
    // An error of all ranks, of which rank 0 has to write something down.
    if (rank == 0) {
      compute(6, 0);
      FILE *file = fopen(argument[2], "w");
      fputs("written", file);
      fclose(file);
      before_end("what all have found");
    }
    cr_finish(2, "what all have found");
    return 2;
  } else if (strcmp(what, "one-fails") == 0) {
    if (rank == 1) cr_finish(4, "what one has found");
    meet(2, 8);
  } else {
    return 2;
  }
  cr_finish(0, "");
  return 0;
}
