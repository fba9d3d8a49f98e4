// SPDX-License-Identifier: GPL-3.0-or-later
#include "scoresde_ranks.h"

#ifndef SCORESDE_MPI_HEADER
#include <stdio.h>
#include <stdlib.h>

int cr_built(void) { return 0; }
int cr_begin(const cr_setting *setting, int *rank, int *count, char *message, size_t size) {
  (void)setting, (void)rank, (void)count;
  snprintf(message, size, "built without MPI");
  return 1;
}
void *cr_post(const cr_transfer *transfers, int count) {
  (void)transfers, (void)count;
  abort();
}
void cr_wait(void *ticket) {
  (void)ticket;
  abort();
}
void cr_tell_signal(int number) { (void)number; }
void cr_finish(int code, const char *line) { (void)code, (void)line; }

#else
#include SCORESDE_MPI_HEADER

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/// MPI counts in int; larger memory goes in pieces of this size.
enum { PIECE = 1 << 30 };

/// Seconds for which a thread that waits only yields, before it sleeps.
static const double AWAKE = 200e-6;

/// Seconds between two signs of life, between a failure told and its end, and for MPI's own end.
static const double BEAT = 0.5, GRACE = 2, FINALIZE = 2;

typedef struct ticket {
  cr_transfer *transfers;
  int count;
  MPI_Request *requests;
  int request_count;
  double begun;
  _Atomic int done;
  struct ticket *next;
} ticket;

typedef enum { BEATS, ENDS, FAILED, SIGNALLED } kind;

/// What ranks tell each other beside the transfers.
typedef struct {
  int kind, code;
  char line[504];
} message;

typedef struct {
  int process;
  char host[60];
} address;

static struct {
  cr_setting setting;
  int rank, count;
  MPI_Comm data, words;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t posted, changed;
  ticket *queue, *active;
  /// Threads that wait, and so leave a processor free.
  int waiting;
  int begun, ended, exits;
  char error[256];
  // The end that this rank asks for.
  int finishing, told, finish_code;
  char finish_line[504];
  _Atomic int signal;
  // Signs of life.
  message *heard, *said;
  MPI_Request *hearing, *saying;
  double *last;
  double next_beat;
  address *addresses;
  // What another rank failed with.
  double failed_at;
  message failure;
} team = {.lock = PTHREAD_MUTEX_INITIALIZER, .posted = PTHREAD_COND_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

int cr_built(void) { return 1; }

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

static void nap(long nanoseconds) {
  struct timespec t = {nanoseconds / 1000000000, nanoseconds % 1000000000};
  nanosleep(&t, NULL);
}

static void say(int peer, kind what, int code, const char *line) {
  message *m = team.said + peer;
  // One that does not take words now gets the next ones, but for those that matter.
  double end = now() + (what == BEATS ? 0 : 1);
  for (;;) {
    int done = team.saying[peer] == MPI_REQUEST_NULL;
    if (!done) MPI_Test(team.saying + peer, &done, MPI_STATUS_IGNORE);
    if (done) break;
    if (now() >= end) return;
    nap(100000);
  }
  *m = (message){.kind = what, .code = code};
  snprintf(m->line, sizeof m->line, "%s", line);
  MPI_Isend(m, sizeof *m, MPI_BYTE, peer, 0, team.words, team.saying + peer);
}

static void say_all(kind what, int code, const char *line) {
  for (int peer = 0; peer < team.count; peer++)
    if (peer != team.rank) say(peer, what, code, line);
}

/// Ends all ranks at once with one line of this rank's.
static void end_all(int code, const char *line) {
  if (team.rank == 0) {
    team.setting.before_end(line);
  } else {
    fprintf(stderr, "score-sde: %s\n", line);
  }
  MPI_Abort(MPI_COMM_WORLD, code);
  _exit(code);
}

static _Atomic int has_finalized;

static void *leave_late(void *code) {
  nap((long)(FINALIZE * 1e9));
  if (atomic_load(&has_finalized)) return NULL;
  fflush(NULL);
  _exit((int)(long)code);
}

static _Atomic int has_started;

/// Seconds after which a thread that naps for milliseconds has been stopped with its process.
static const double ABSENT = 2;

/// The lowest rank that lives tells what is lost. The others give it time to end all, as mpirun takes its own.
static double patience(int rank) { return team.setting.timeout + (rank < 2 ? rank : 2); }

/// MPI waits for all ranks to start, however long.
static void *start_late(void *unused) {
  (void)unused;
  const char *text = getenv("OMPI_COMM_WORLD_RANK");
  int rank = text ? atoi(text) : 0;
  double end = now() + patience(rank), before = now();
  for (double time = before; time < end; before = time, time = now()) {
    if (atomic_load(&has_started)) return NULL;
    // One that was stopped itself is who was waited for.
    if (time - before > ABSENT) rank = 2;
    nap(20000000);
  }
  if (atomic_load(&has_started)) return NULL;
  if (rank < 2 && now() - before < ABSENT)
    fprintf(stderr, "score-sde: not all ranks have started within %.0f s; all end; --rank-timeout gives them longer\n",
            team.setting.timeout);
  _exit(1);
}

static void finalize(int code) {
  // A rank that does not answer any more keeps nobody.
  pthread_t late;
  if (pthread_create(&late, NULL, leave_late, (void *)(long)code) == 0) pthread_detach(late);
  for (int peer = 0; peer < team.count; peer++) {
    if (peer == team.rank) continue;
    MPI_Cancel(team.hearing + peer);
    MPI_Request_free(team.hearing + peer);
  }
  MPI_Finalize();
  atomic_store(&has_finalized, 1);
}

/// How many pieces memory goes in; nothing goes as an empty one.
static int pieces(size_t size) { return size == 0 ? 1 : (int)((size + PIECE - 1) / PIECE); }

static void begin_transfers(ticket *t) {
  int count = 0;
  for (int i = 0; i < t->count; i++) count += pieces(t->transfers[i].size);
  t->requests = malloc(sizeof *t->requests * (count + 1));
  if (!t->requests) end_all(1, "no memory for transfers between ranks");
  for (int i = 0; i < t->count; i++) {
    cr_transfer *part = t->transfers + i;
    char *bytes = part->bytes;
    size_t left = part->size;
    do {
      int size = left < PIECE ? (int)left : PIECE;
      MPI_Request *request = t->requests + t->request_count++;
      if (part->sends)
        MPI_Isend(bytes, size, MPI_BYTE, part->peer, part->tag, team.data, request);
      else
        MPI_Irecv(bytes, size, MPI_BYTE, part->peer, part->tag, team.data, request);
      bytes += size, left -= size;
    } while (left > 0);
  }
  t->begun = now();
}

/// A rank that has sent what nobody here asks for, before what is waited for, no longer does the same.
static void check_tags(ticket *t) {
  for (int i = 0, place = 0; i < t->count; i++) {
    cr_transfer *part = t->transfers + i;
    int complete = 0, found = 0;
    MPI_Status status;
    MPI_Request_get_status(t->requests[place], &complete, MPI_STATUS_IGNORE);
    place += pieces(part->size);
    if (part->sends || complete) continue;
    MPI_Iprobe(part->peer, MPI_ANY_TAG, team.data, &found, &status);
    if (!found) continue;
    char line[200];
    snprintf(line, sizeof line,
             "ranks %d and %d no longer do the same (transfers %d.%d and %d.%d), which is a fault of the program",
             team.rank, part->peer, part->tag >> 14, part->tag & 0x3fff, status.MPI_TAG >> 14, status.MPI_TAG & 0x3fff);
    end_all(1, line);
  }
}

/// Looks after what is under way.
/// - Returns: whether anything is left.
static int look_after_transfers(void) {
  ticket **place = &team.active;
  while (*place) {
    ticket *t = *place;
    int done = 0;
    MPI_Testall(t->request_count, t->requests, &done, MPI_STATUSES_IGNORE);
    if (!done) {
      place = &t->next;
      continue;
    }
    pthread_mutex_lock(&team.lock);
    *place = t->next;
    t->done = 1;
    pthread_cond_broadcast(&team.changed);
    pthread_mutex_unlock(&team.lock);
  }
  return team.active != NULL;
}

static void listen(int peer) {
  MPI_Irecv(team.heard + peer, sizeof(message), MPI_BYTE, peer, 0, team.words, team.hearing + peer);
}

static void hear(double time) {
  for (int peer = 0; peer < team.count; peer++) {
    if (peer == team.rank) continue;
    int found = 0;
    MPI_Test(team.hearing + peer, &found, MPI_STATUS_IGNORE);
    if (!found) continue;
    message m = team.heard[peer];
    team.last[peer] = time;
    listen(peer);
    switch ((kind)m.kind) {
    case BEATS: break;
    case ENDS:
      finalize(m.code);
      _exit(m.code);
    case FAILED:
      if (team.failed_at == 0) {
        team.failed_at = time;
        team.failure = m;
        snprintf(team.failure.line, sizeof m.line, "rank %d: %.480s", peer, m.line);
      }
      break;
    case SIGNALLED: team.setting.on_signal(m.code); break;
    }
  }
}

static void check_silence(double time) {
  static double before;
  if (before > 0 && time - before > ABSENT)
    for (int peer = 0; peer < team.count; peer++) team.last[peer] = time;
  before = time;
  for (int peer = 0; peer < team.count; peer++) {
    if (peer == team.rank) continue;
    double silence = time - team.last[peer];
    if (silence < patience(team.rank)) continue;
    char line[300];
    snprintf(line, sizeof line,
             "rank %d (process %d on %s) has not been heard of for %.0f s; all ranks end; run it again to go on from "
             "the last checkpoint",
             peer, team.addresses[peer].process, team.addresses[peer].host, silence);
    end_all(1, line);
  }
}

/// The end, where this rank asks for it or another has failed.
/// - Returns: whether this thread is done.
static int look_at_end(double time) {
  pthread_mutex_lock(&team.lock);
  int finishing = team.finishing, code = team.finish_code;
  pthread_mutex_unlock(&team.lock);
  if (team.rank != 0) {
    if (finishing && code && !team.told) {
      team.told = 1;
      say(0, FAILED, code, team.finish_line);
    }
    return 0;
  }
  // Rank 0 may be about to end for the same reason, and then has told it.
  if (!finishing && (team.failed_at == 0 || time < team.failed_at + GRACE)) return 0;
  if (!finishing) {
    code = team.failure.code;
    team.setting.before_end(team.failure.line);
  }
  say_all(ENDS, code, "");
  // An end that follows one by an error leaves requests open, which nobody will answer.
  finalize(code);
  if (!finishing) _exit(code);
  return 1;
}

static int start(void) {
  int given = 0;
  if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &given) != MPI_SUCCESS) {
    snprintf(team.error, sizeof team.error, "MPI cannot be started");
    return 1;
  }
  MPI_Comm_rank(MPI_COMM_WORLD, &team.rank);
  MPI_Comm_size(MPI_COMM_WORLD, &team.count);
  MPI_Comm_dup(MPI_COMM_WORLD, &team.data);
  MPI_Comm_dup(MPI_COMM_WORLD, &team.words);
  int n = team.count;
  team.heard = calloc(n, sizeof *team.heard);
  team.said = calloc(n, sizeof *team.said);
  team.last = calloc(n, sizeof *team.last);
  team.addresses = calloc(n, sizeof *team.addresses);
  team.hearing = malloc(n * sizeof *team.hearing);
  team.saying = malloc(n * sizeof *team.saying);
  address own = {.process = getpid()};
  gethostname(own.host, sizeof own.host - 1);
  MPI_Allgather(&own, sizeof own, MPI_BYTE, team.addresses, sizeof own, MPI_BYTE, MPI_COMM_WORLD);
  for (int peer = 0; peer < n; peer++) {
    team.hearing[peer] = team.saying[peer] = MPI_REQUEST_NULL;
    team.last[peer] = now();
    if (peer != team.rank) listen(peer);
  }
  return 0;
}

static void *serve(void *unused) {
  (void)unused;
  // Naps of microseconds, not of the usual 50 more.
  prctl(PR_SET_TIMERSLACK, 1000);
  pthread_t late;
  if (pthread_create(&late, NULL, start_late, NULL) == 0) pthread_detach(late);
  int failed = start();
  atomic_store(&has_started, 1);
  pthread_mutex_lock(&team.lock);
  team.begun = failed ? -1 : 1;
  pthread_cond_broadcast(&team.changed);
  pthread_mutex_unlock(&team.lock);
  if (failed) return NULL;
  // Since when nothing has happened, and how many threads waited then.
  double idle = now();
  int waited = 0;
  for (;;) {
    pthread_mutex_lock(&team.lock);
    if (!team.queue && !team.active && !team.finishing) {
      struct timespec until;
      clock_gettime(CLOCK_REALTIME, &until);
      until.tv_nsec += 20000000;
      if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
      pthread_cond_timedwait(&team.posted, &team.lock, &until);
    }
    ticket *new = team.queue;
    team.queue = NULL;
    int waiting = team.waiting;
    if (waiting != waited) idle = now();
    waited = waiting;
    pthread_mutex_unlock(&team.lock);
    while (new) {
      ticket *t = new;
      new = t->next;
      begin_transfers(t);
      pthread_mutex_lock(&team.lock);
      t->next = team.active;
      team.active = t;
      pthread_mutex_unlock(&team.lock);
      idle = t->begun;
    }
    ticket *before = team.active;
    int left = look_after_transfers();
    double time = now();
    if (before != team.active) idle = time;
    if (time >= team.next_beat) {
      say_all(BEATS, 0, "");
      team.next_beat = time + BEAT;
      for (ticket *t = team.active; t; t = t->next)
        if (time - t->begun > 1) check_tags(t);
    }
    hear(time);
    check_silence(time);
    int signal = atomic_exchange(&team.signal, 0);
    if (signal && team.rank != 0) say(0, SIGNALLED, signal, "");
    if (look_at_end(time)) break;
    if (left) {
      // Others that are almost done are waited for awake, where a processor is free; else naps that grow.
      double since = time - idle;
      if (!waiting)
        nap(500000);
      else if (since < AWAKE)
        sched_yield();
      else
        nap(since < 2e-3 ? 20000 : since < 20e-3 ? 50000 : 200000);
    } else if (team.rank != 0 && team.finishing) {
      nap(1000000);
    }
  }
  pthread_mutex_lock(&team.lock);
  team.ended = 1;
  pthread_cond_broadcast(&team.changed);
  pthread_mutex_unlock(&team.lock);
  return NULL;
}

int cr_begin(const cr_setting *setting, int *rank, int *count, char *message, size_t size) {
  team.setting = *setting;
  if (pthread_create(&team.thread, NULL, serve, NULL)) {
    snprintf(message, size, "no thread for MPI");
    return 1;
  }
  pthread_mutex_lock(&team.lock);
  while (!team.begun) pthread_cond_wait(&team.changed, &team.lock);
  pthread_mutex_unlock(&team.lock);
  snprintf(message, size, "%s", team.error);
  *rank = team.rank, *count = team.count;
  return team.begun < 0;
}

void *cr_post(const cr_transfer *transfers, int count) {
  ticket *t = calloc(1, sizeof *t + count * sizeof *transfers);
  if (!t) abort();
  t->transfers = (cr_transfer *)(t + 1);
  t->count = count;
  if (count) memcpy(t->transfers, transfers, count * sizeof *transfers);
  pthread_mutex_lock(&team.lock);
  // In order: transfers of equal peer and tag meet in the order in which they were begun.
  ticket **place = &team.queue;
  while (*place) place = &(*place)->next;
  *place = t;
  pthread_cond_signal(&team.posted);
  pthread_mutex_unlock(&team.lock);
  return t;
}

void cr_wait(void *pointer) {
  ticket *t = pointer;
  pthread_mutex_lock(&team.lock);
  team.waiting++;
  pthread_mutex_unlock(&team.lock);
  // To sleep and to be woken takes as long as a short exchange; who yields takes nobody's time.
  for (double end = now() + AWAKE; !atomic_load(&t->done) && now() < end;) sched_yield();
  pthread_mutex_lock(&team.lock);
  while (!t->done) pthread_cond_wait(&team.changed, &team.lock);
  team.waiting--;
  pthread_mutex_unlock(&team.lock);
  free(t->requests);
  free(t);
}

void cr_tell_signal(int number) { atomic_store(&team.signal, number); }

void cr_finish(int code, const char *line) {
  pthread_mutex_lock(&team.lock);
  snprintf(team.finish_line, sizeof team.finish_line, "%s", line);
  team.finish_code = code;
  team.finishing = 1;
  pthread_cond_signal(&team.posted);
  while (!team.ended) pthread_cond_wait(&team.changed, &team.lock);
  pthread_mutex_unlock(&team.lock);
}
#endif
