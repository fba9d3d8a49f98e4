// SPDX-License-Identifier: GPL-3.0-or-later
// The life of a rank: its beginning, what its thread of MPI does, and what the program calls. Ends are in ends.c.
#ifdef SCORESDE_MPI_HEADER
#include "team.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/// Seconds for which the thread of MPI only yields, before it sleeps.
static const double AWAKE = 200e-6;

/// Seconds between two signs of life.
static const double BEAT = 0.5;

struct team team = {.lock = PTHREAD_MUTEX_INITIALIZER,
                    .posted = PTHREAD_COND_INITIALIZER,
                    .changed = PTHREAD_COND_INITIALIZER};

/// Whether the thread of MPI has begun (1; -1 where it could not), and whether it has ended.
static int begun, ended;
static char error[256];

int cr_built(void) { return 1; }

double cr_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

void cr_nap(long nanoseconds) {
  struct timespec t = {nanoseconds / 1000000000, nanoseconds % 1000000000};
  nanosleep(&t, NULL);
}

// MARK: The thread of MPI

static int start(void) {
  int given = 0;
  if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &given) != MPI_SUCCESS) {
    snprintf(error, sizeof error, "MPI cannot be started");
    return 1;
  }
  if (given < MPI_THREAD_FUNNELED) {
    snprintf(error, sizeof error, "this MPI allows no threads beside its own; allowed: one with MPI_THREAD_FUNNELED");
    return 1;
  }
  MPI_Comm_rank(MPI_COMM_WORLD, &team.rank);
  MPI_Comm_size(MPI_COMM_WORLD, &team.count);
  MPI_Comm_dup(MPI_COMM_WORLD, &team.data);
  MPI_Comm_dup(MPI_COMM_WORLD, &team.words);
  MPI_Comm_set_errhandler(team.data, MPI_ERRORS_RETURN);
  team.addresses = calloc(team.count, sizeof *team.addresses);
  team.peers = calloc(team.count, sizeof *team.peers);
  if (!team.addresses || !team.peers) cr_end_all(1, "no memory for ranks");
  cr_begin_near();
  cr_begin_words();
  return 0;
}

/// Sleeps until there is something to do, for at most 20 ms.
static void await_work(void) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += 20000000;
  if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
  pthread_cond_timedwait(&team.posted, &team.lock, &until);
}

static void *serve(void *unused) {
  (void)unused;
  // Naps of microseconds, not of the usual 50 more.
  prctl(PR_SET_TIMERSLACK, 1000);
  pthread_t late;
  if (pthread_create(&late, NULL, cr_start_late, NULL) == 0) pthread_detach(late);
  int failed = start();
  atomic_store(&cr_has_started, 1);
  pthread_mutex_lock(&team.lock);
  begun = failed ? -1 : 1;
  pthread_cond_broadcast(&team.changed);
  pthread_mutex_unlock(&team.lock);
  if (failed) return NULL;
  // Since when nothing has happened, and how many threads waited then.
  double idle = cr_now(), next_beat = 0;
  int waited = 0;
  for (;;) {
    pthread_mutex_lock(&team.lock);
    if (!team.queue && !team.active && !team.finishing && !atomic_load(&team.is_faulty)) await_work();
    ticket *new = team.queue;
    team.queue = NULL;
    int waiting = team.waiting;
    if (waiting != waited) idle = cr_now();
    waited = waiting;
    pthread_mutex_unlock(&team.lock);
    while (new) {
      ticket *t = new;
      new = t->next;
      cr_begin_far(t);
      t->next = team.active;
      team.active = t;
      idle = t->begun;
    }
    ticket *before = team.active;
    int left = cr_look_far();
    double time = cr_now();
    if (before != team.active) idle = time;
    if (time >= next_beat) {
      cr_say_all(BEATS, 0, "");
      next_beat = time + BEAT;
      cr_check_far(time);
      cr_check_progress(time);
    }
    cr_hear(time);
    cr_check_silence(time);
    if (atomic_load(&team.is_faulty)) {
      // Others find the same; mpirun, that a process is gone.
      cr_nap((long)(1e9 * cr_patience(team.rank, 0.2)));
      cr_end_all(1, team.fault);
    }
    int signal = atomic_exchange(&team.signal, 0);
    if (signal && team.rank != 0 && !cr_say(0, SIGNALLED, signal, "")) atomic_store(&team.signal, signal);
    if (cr_look_at_end(time)) break;
    if (left) {
      // Others that are almost done are waited for awake, where a processor is free; else naps that grow.
      double since = time - idle;
      if (!waiting)
        cr_nap(500000);
      else if (since < AWAKE)
        sched_yield();
      else
        cr_nap(since < 2e-3 ? 20000 : since < 20e-3 ? 50000 : 200000);
    } else if (team.finishing) {
      cr_nap(1000000);
    }
  }
  pthread_mutex_lock(&team.lock);
  ended = 1;
  pthread_cond_broadcast(&team.changed);
  pthread_mutex_unlock(&team.lock);
  return NULL;
}

// MARK: What the program calls

int cr_begin(const cr_setting *setting, int *rank, int *count, char *message, size_t size) {
  team.setting = *setting;
  pthread_t thread;
  if (pthread_create(&thread, NULL, serve, NULL)) {
    snprintf(message, size, "no thread for MPI");
    return 1;
  }
  pthread_mutex_lock(&team.lock);
  while (!begun) pthread_cond_wait(&team.changed, &team.lock);
  pthread_mutex_unlock(&team.lock);
  snprintf(message, size, "%s", error);
  *rank = team.rank, *count = team.count;
  return begun < 0;
}

void *cr_post(const cr_transfer *transfers, int count) {
  ticket *t = calloc(1, sizeof *t + count * sizeof *transfers);
  if (!t) abort();
  t->transfers = (cr_transfer *)(t + 1);
  t->count = count;
  if (count) memcpy(t->transfers, transfers, count * sizeof *transfers);
  atomic_fetch_add(&team.posts, 1);
  int far = 0;
  for (int i = 0; i < count && !far; i++) far = !cr_is_near(t->transfers + i);
  atomic_store(&t->far_done, !far);
  if (far) {
    pthread_mutex_lock(&team.lock);
    // In order: transfers of equal peer and tag meet in the order in which they were begun.
    ticket **place = &team.queue;
    while (*place) place = &(*place)->next;
    *place = t;
    pthread_cond_signal(&team.posted);
    pthread_mutex_unlock(&team.lock);
  }
  cr_post_near(t);
  return t;
}

void cr_wait(void *pointer) {
  ticket *t = pointer;
  pthread_mutex_lock(&team.lock);
  if (team.waiting++ == 0) team.waits_since = cr_now();
  pthread_mutex_unlock(&team.lock);
  cr_wait_near(t);
  pthread_mutex_lock(&team.lock);
  team.waiting--;
  pthread_mutex_unlock(&team.lock);
  free(t->requests);
  free(t->statuses);
  free(t);
}

void cr_tell_signal(int number) { atomic_store(&team.signal, number); }

void cr_finish(int code, const char *line) {
  pthread_mutex_lock(&team.lock);
  snprintf(team.finish_line, sizeof team.finish_line, "%s", line);
  team.finish_code = code;
  team.finished_at = cr_now();
  team.finishing = 1;
  pthread_cond_signal(&team.posted);
  while (!ended) pthread_cond_wait(&team.changed, &team.lock);
  pthread_mutex_unlock(&team.lock);
}
#endif
