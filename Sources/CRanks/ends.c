// SPDX-License-Identifier: GPL-3.0-or-later
// All ways in which a rank ends: done, failed, lost or hung, and by a fault of the program.
#ifdef SCORESDE_MPI_HEADER
#include "team.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/// Seconds for MPI's own end.
static const double FINALIZE = 2;

/// Seconds between a failure told and its end. Rank 0 may be about to end for the same reason, and writes down what
/// became of the run: where it computes or writes it has longer than where it waits for others.
static const double GRACE = 2, LONG_GRACE = 60;

void cr_end_all(int code, const char *line) {
  if (team.rank == 0) {
    team.setting.before_end(line);
  } else {
    fprintf(stderr, "score-sde: %s\n", line);
  }
  MPI_Abort(MPI_COMM_WORLD, code);
  _exit(code);
}

void cr_report_fault(const char *line) {
  pthread_mutex_lock(&team.lock);
  if (!atomic_load(&team.is_faulty)) snprintf(team.fault, sizeof team.fault, "%s", line);
  atomic_store(&team.is_faulty, 1);
  pthread_cond_signal(&team.posted);
  pthread_mutex_unlock(&team.lock);
}

static _Atomic int has_finalized;

static void *leave_late(void *code) {
  cr_nap((long)(FINALIZE * 1e9));
  if (atomic_load(&has_finalized)) return NULL;
  fflush(NULL);
  _exit((int)(long)code);
}

void cr_finalize(int code) {
  // A rank that does not answer any more keeps nobody.
  pthread_t late;
  if (pthread_create(&late, NULL, leave_late, (void *)(long)code) == 0) pthread_detach(late);
  cr_end_words();
  MPI_Finalize();
  atomic_store(&has_finalized, 1);
}

_Atomic int cr_has_started;

/// Seconds after which a thread that naps for milliseconds has been stopped with its process.
static const double ABSENT = 2;

/// The lowest rank that lives tells what is lost. The others give it time to end all, as mpirun takes its own.
double cr_patience(int rank, double seconds) { return seconds + (rank < 2 ? rank : 2); }

/// MPI waits for all ranks to start, however long.
void *cr_start_late(void *unused) {
  (void)unused;
  const char *text = getenv("OMPI_COMM_WORLD_RANK");
  int rank = text ? atoi(text) : 0;
  // Nobody can be told before MPI has started: mpirun ends the others where one has ended.
  double end = cr_now() + team.setting.timeout + 1.5 * (rank < 2 ? rank : 2), before = cr_now();
  for (double time = before; time < end; before = time, time = cr_now()) {
    if (atomic_load(&cr_has_started)) return NULL;
    // One that was stopped itself is who was waited for.
    if (time - before > ABSENT) rank = 2;
    cr_nap(20000000);
  }
  if (atomic_load(&cr_has_started)) return NULL;
  if (rank < 2 && cr_now() - before < ABSENT)
    fprintf(stderr, "score-sde: not all ranks have started within %.0f s; all end; --rank-timeout gives them longer\n",
            team.setting.timeout);
  _exit(1);
}

static const char *advice = "all ranks end; run it again to go on from the last checkpoint";

static void lose(int peer, const char *what, double seconds, const char *more) {
  char line[400];
  address *a = team.addresses + peer;
  snprintf(line, sizeof line, "rank %d (process %d on %s) %s %.0f s%s; %s", peer, a->process, a->host, what, seconds,
           more, advice);
  cr_end_all(1, line);
}

/// A rank whose process says nothing is lost.
void cr_check_silence(double time) {
  static double before;
  // One that was stopped itself has heard nobody.
  if (before > 0 && time - before > ABSENT)
    for (int peer = 0; peer < team.count; peer++) team.peers[peer].heard = team.peers[peer].worked = time;
  before = time;
  for (int peer = 0; peer < team.count; peer++) {
    double silence = time - team.peers[peer].heard;
    if (peer != team.rank && silence >= cr_patience(team.rank, team.setting.timeout))
      lose(peer, "has not been heard of for", silence, "");
  }
}

/// Whether this rank can do no more before that one does something.
static int waits_for(int peer) {
  if (team.rank == 0 && team.finishing) return !team.peers[peer].done;
  return cr_waits_near(peer) || cr_waits_far(peer);
}

/// A rank whose process lives and that does not come to what others wait for hangs.
void cr_check_progress(double time) {
  pthread_mutex_lock(&team.lock);
  int finishing = team.finishing;
  double since = finishing ? team.finished_at : team.waiting > 0 ? team.waits_since : time;
  pthread_mutex_unlock(&team.lock);
  double limit = cr_patience(team.rank, team.setting.stall);
  if (time - since < limit || (finishing && team.rank != 0)) return;
  int awaited = -1;
  for (int peer = 0; peer < team.count; peer++) {
    if (peer == team.rank || !waits_for(peer)) continue;
    peer_state *p = team.peers + peer;
    awaited = peer;
    if (!p->waits && time - p->worked >= limit)
      lose(peer, "has got no further for", time - p->worked,
           " while others wait for it; --rank-stall gives it longer");
    // Who has got further, or waits for somebody else that has, will come.
    if (time - p->worked < limit) return;
  }
  // All wait for each other.
  if (awaited >= 0 && time - since >= 2 * limit)
    lose(awaited, "waits for others that wait for it, for", time - since, ", which is a fault of the program");
}

/// The end, where this rank asks for it or another has failed.
/// - Returns: whether this thread is done.
int cr_look_at_end(double time) {
  static int told;
  pthread_mutex_lock(&team.lock);
  int finishing = team.finishing, code = team.finish_code;
  double waits = team.waiting > 0 ? time - team.waits_since : 0;
  pthread_mutex_unlock(&team.lock);
  if (team.rank != 0) {
    if (finishing && !told) told = cr_say(0, code ? FAILED : DONE, code, code ? team.finish_line : "");
    return 0;
  }
  double failed = team.failed_at > 0 ? time - team.failed_at : 0;
  int fails = finishing ? team.failed_at > 0 && code == 0 : (failed > GRACE && waits > GRACE) || failed > LONG_GRACE;
  if (!finishing && !fails) return 0;
  if (finishing && code == 0 && !fails)
    for (int peer = 1; peer < team.count; peer++)
      if (!team.peers[peer].done) return 0;
  if (fails) {
    code = team.failure_code;
    team.setting.before_end(team.failure);
  }
  cr_say_all(ENDS, code, "");
  // An end that follows one by an error leaves requests open, which nobody will answer.
  cr_finalize(code);
  if (fails) _exit(code);
  return 1;
}
#endif
