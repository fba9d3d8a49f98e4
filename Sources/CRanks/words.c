// SPDX-License-Identifier: GPL-3.0-or-later
// What ranks tell each other beside the transfers: that they live and how far they are, failures, signals, the end.
#ifdef SCORESDE_MPI_HEADER
#include "team.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct {
  int kind, code, waits;
  uint64_t work;
  char line[504];
} word;

static word *heard, *said;
static MPI_Request *hearing, *saying;

static void listen(int peer) {
  MPI_Irecv(heard + peer, sizeof *heard, MPI_BYTE, peer, 0, team.words, hearing + peer);
}

void cr_begin_words(void) {
  int n = team.count;
  heard = calloc(n, sizeof *heard);
  said = calloc(n, sizeof *said);
  hearing = malloc(n * sizeof *hearing);
  saying = malloc(n * sizeof *saying);
  if (!heard || !said || !hearing || !saying) cr_end_all(1, "no memory for words between ranks");
  for (int peer = 0; peer < n; peer++) {
    hearing[peer] = saying[peer] = MPI_REQUEST_NULL;
    team.peers[peer].heard = team.peers[peer].worked = cr_now();
    if (peer != team.rank) listen(peer);
  }
}

int cr_say(int peer, kind what, int code, const char *line) {
  // One that does not take words now gets the next ones; what matters waits a moment.
  double end = cr_now() + (what == BEATS ? 0 : 1);
  for (;;) {
    int done = saying[peer] == MPI_REQUEST_NULL;
    if (!done) MPI_Test(saying + peer, &done, MPI_STATUS_IGNORE);
    if (done) break;
    if (cr_now() >= end) return 0;
    cr_nap(100000);
  }
  pthread_mutex_lock(&team.lock);
  int waits = team.waiting > 0;
  pthread_mutex_unlock(&team.lock);
  // One whose letters lie there stands still.
  waits = waits && (team.active || cr_waits_near_any());
  word *w = said + peer;
  *w = (word){.kind = what, .code = code, .waits = waits};
  w->work = atomic_load(&team.posts) + (team.setting.progress ? team.setting.progress() : 0);
  snprintf(w->line, sizeof w->line, "%s", line);
  MPI_Isend(w, sizeof *w, MPI_BYTE, peer, 0, team.words, saying + peer);
  return 1;
}

void cr_say_all(kind what, int code, const char *line) {
  for (int peer = 0; peer < team.count; peer++)
    if (peer != team.rank) cr_say(peer, what, code, line);
}

void cr_hear(double time) {
  for (int peer = 0; peer < team.count; peer++) {
    if (peer == team.rank) continue;
    int found = 0;
    MPI_Test(hearing + peer, &found, MPI_STATUS_IGNORE);
    if (!found) continue;
    word w = heard[peer];
    peer_state *p = team.peers + peer;
    p->heard = time;
    p->waits = w.waits;
    if (w.work != p->work) p->work = w.work, p->worked = time;
    listen(peer);
    switch ((kind)w.kind) {
    case BEATS: break;
    case ENDS: cr_finalize(w.code); _exit(w.code);
    case FAILED:
      if (team.failed_at == 0) {
        team.failed_at = time;
        team.failure_code = w.code;
        snprintf(team.failure, sizeof team.failure, "rank %d: %.480s", peer, w.line);
      }
      break;
    case DONE: p->done = 1; break;
    case SIGNALLED: team.setting.on_signal(w.code); break;
    }
  }
}

void cr_end_words(void) {
  for (int peer = 0; peer < team.count; peer++) {
    if (peer == team.rank) continue;
    MPI_Cancel(hearing + peer);
    MPI_Request_free(hearing + peer);
  }
}
#endif
