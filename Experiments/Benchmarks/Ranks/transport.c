// SPDX-License-Identifier: GPL-3.0-or-later
// How long an exchange among ranks takes: each gives every other one so many bytes, as the gathering of parameters
// does. By the program's own transport, Sources/CRanks. Rank 0 prints a line `BYTES SECONDS` for each size: the
// median over blocks of five repetitions of their mean. (One of two ranks may find the other's bytes there already, and
// the other waits twice as long.)
#include "scoresde_ranks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BLOCK = 5 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

static int later(const void *a, const void *b) { return (*(double *)a > *(double *)b) - (*(double *)a < *(double *)b); }

static void before_end(const char *line) { fprintf(stderr, "%s\n", line); }
static void on_signal(int number) { exit(128 + number); }

int main(int count_of_arguments, char **arguments) {
  cr_setting setting = {.timeout = 20, .stall = 60, .threads = 1, .before_end = before_end, .on_signal = on_signal};
  int rank, count, tag = 0;
  char message[256];
  if (cr_begin(&setting, &rank, &count, message, sizeof message)) return fprintf(stderr, "%s\n", message), 1;
  int blocks = (count_of_arguments > 1 ? atoi(arguments[1]) : 50) / BLOCK;
  if (blocks < 1) return fprintf(stderr, "transport REPETITIONS, 5 or more\n"), 2;
  size_t sizes[] = {8, 1 << 16, 1 << 18, 1 << 20, 1 << 22};
  double *times = malloc(sizeof *times * blocks), begin = 0;
  char *memory = calloc(count + 1, 1 << 22);
  cr_transfer *parts = malloc(sizeof *parts * 2 * count);
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    // The first repetition is a warm-up.
    for (int r = -1; r < blocks * BLOCK; r++) {
      int n = 0;
      if (r % BLOCK == 0) begin = now();
      tag = (tag + 1) & 0x3fff;
      for (int peer = 0; peer < count; peer++) {
        if (peer == rank) continue;
        parts[n++] = (cr_transfer){peer, tag, 1, memory, sizes[s]};
        parts[n++] = (cr_transfer){peer, tag, 0, memory + (size_t)(peer + 1) * (1 << 22), sizes[s]};
      }
      cr_wait(cr_post(parts, n));
      if (r >= 0 && r % BLOCK == BLOCK - 1) times[r / BLOCK] = (now() - begin) / BLOCK;
    }
    qsort(times, blocks, sizeof *times, later);
    if (rank == 0) printf("%zu %.9f\n", sizes[s], times[blocks / 2]);
    fflush(stdout);
  }
  cr_finish(0, "");
  return 0;
}
