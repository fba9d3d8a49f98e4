// SPDX-License-Identifier: GPL-3.0-or-later
// Letters between ranks of one machine, in the mailboxes of shared.c. Nothing of it goes through MPI: who sends writes
// them, and whoever waits takes them out.
#ifdef SCORESDE_MPI_HEADER
#include "mail.h"

#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/// Seconds for which one that waits stays awake: where there are processors for all, and where there are not. To sleep
/// and to be woken takes longer than a short exchange.
static const double AWAKE = 1e-3, AWAKE_IN_A_CROWD = 20e-6;

/// Within these seconds it does not even give way.
static const double EAGER = 20e-6;

/// A letter that came before it was asked for.
typedef struct stray {
  int peer;
  double came;
  struct stray *next;
  letter letter;
} stray;

/// A transfer that waits for its letter.
typedef struct awaited {
  ticket *ticket;
  cr_transfer *part;
  struct awaited *next;
} awaited;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static stray *strays;
static awaited *waited;
/// Whose mailbox had no room when somebody sent a letter; -1: none.
static _Atomic int full = -1;

// MARK: Bells

static void ring_bell(mailbox *m) {
  atomic_fetch_add(&m->bell, 1);
  if (atomic_load(&m->sleepers) > 0) syscall(SYS_futex, &m->bell, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void cr_ring_own(void) { ring_bell(cr_own_mail); }

static void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/// Returns when the bell has rung since it had this number, or after a tenth of a second.
/// - Parameter gives_way: where the thread of MPI has something to do for it.
static void await_bell(uint32_t number, double since, int gives_way) {
  gives_way = gives_way || cr_is_crowded;
  for (;;) {
    for (int i = 0; i < 64; i++) {
      if (atomic_load_explicit(&cr_own_mail->bell, memory_order_relaxed) != number) return;
      relax();
    }
    double time = cr_now() - since;
    if (time > (gives_way ? AWAKE_IN_A_CROWD : AWAKE)) break;
    if (gives_way || time > EAGER) sched_yield();
  }
  struct timespec limit = {0, 100000000};
  atomic_fetch_add(&cr_own_mail->sleepers, 1);
  syscall(SYS_futex, &cr_own_mail->bell, FUTEX_WAIT, number, &limit, NULL, 0);
  atomic_fetch_sub(&cr_own_mail->sleepers, 1);
}

// MARK: Letters

void cr_describe_fault(char *line, size_t size, int peer, int own, int other) {
  snprintf(line, size,
           "ranks %d and %d no longer do the same (transfers %d.%d and %d.%d), which is a fault of the program",
           team.rank, peer, own >> 14, own & 0x3fff, other >> 14, other & 0x3fff);
}

static void contradict(int peer, int own, int other) {
  char line[200];
  cr_describe_fault(line, sizeof line, peer, own, other);
  cr_report_fault(line);
}

/// Gives a letter to who waits for it.
static void deliver(awaited *a, const letter *l) {
  if (l->size != a->part->size) return contradict(a->part->peer, a->part->tag, l->tag);
  if (l->size > 0) memcpy(a->part->bytes, l->bytes, l->size);
  a->ticket->near_left--;
}

static void take(int peer, const letter *l) {
  for (awaited **place = &waited; *place; place = &(*place)->next) {
    awaited *a = *place;
    if (a->part->peer != peer || a->part->tag != l->tag) continue;
    *place = a->next;
    deliver(a, l);
    free(a);
    return;
  }
  stray *s = malloc(sizeof *s), **place = &strays;
  if (!s) return cr_report_fault("no memory for a letter of another rank");
  while (*place) place = &(*place)->next;
  s->peer = peer, s->came = cr_now(), s->next = NULL;
  s->letter.tag = l->tag, s->letter.size = l->size;
  memcpy(s->letter.bytes, l->bytes, l->size);
  *place = s;
}

/// Empties the mailbox.
static void take_all(void) {
  for (int peer = 0; peer < team.count; peer++) {
    if (!cr_mail[peer]) continue;
    ring *r = cr_own_mail->rings + peer;
    uint64_t taken = atomic_load_explicit(&r->taken, memory_order_relaxed), begin = taken;
    uint64_t written = atomic_load_explicit(&r->written, memory_order_acquire);
    for (; taken < written; taken++) {
      take(peer, r->letters + taken % LETTERS);
      atomic_store_explicit(&r->taken, taken + 1, memory_order_release);
    }
    // Who found no room sleeps.
    if (written - begin >= LETTERS / 2) ring_bell(cr_mail[peer]);
  }
}

static void ask(ticket *t, cr_transfer *part) {
  awaited *a = malloc(sizeof *a), **end = &waited;
  if (!a) return cr_report_fault("no memory for transfers between ranks");
  *a = (awaited){t, part, NULL};
  for (stray **place = &strays; *place; place = &(*place)->next) {
    stray *s = *place;
    if (s->peer != part->peer || s->letter.tag != part->tag) continue;
    *place = s->next;
    deliver(a, &s->letter);
    free(s), free(a);
    return;
  }
  while (*end) end = &(*end)->next;
  *end = a;
}

/// - Returns: whether there was room.
static int write_letter(const cr_transfer *part) {
  ring *r = cr_mail[part->peer]->rings + team.rank;
  uint64_t written = atomic_load_explicit(&r->written, memory_order_relaxed);
  if (written - atomic_load_explicit(&r->taken, memory_order_acquire) >= LETTERS) return 0;
  letter *l = r->letters + written % LETTERS;
  l->tag = part->tag, l->size = (uint32_t)part->size;
  if (part->size > 0) memcpy(l->bytes, part->bytes, part->size);
  atomic_store_explicit(&r->written, written + 1, memory_order_release);
  ring_bell(cr_mail[part->peer]);
  return 1;
}

void cr_post_near(ticket *t) {
  pthread_mutex_lock(&lock);
  for (int i = 0; i < t->count; i++) {
    cr_transfer *part = t->transfers + i;
    if (!part->sends && cr_is_near(part)) {
      t->near_left++;
      ask(t, part);
    }
  }
  for (int i = 0; i < t->count; i++) {
    cr_transfer *part = t->transfers + i;
    if (!part->sends || !cr_is_near(part)) continue;
    double since = cr_now();
    for (;;) {
      uint32_t bell = atomic_load(&cr_own_mail->bell);
      if (write_letter(part)) break;
      // Two that write to each other make room for each other.
      take_all();
      atomic_store(&full, part->peer);
      pthread_mutex_unlock(&lock);
      await_bell(bell, since, 1);
      pthread_mutex_lock(&lock);
      atomic_store(&full, -1);
    }
  }
  pthread_mutex_unlock(&lock);
}

/// A letter of a call that this rank has made otherwise: its sender no longer does the same.
static void check_strays(double time) {
  for (stray *s = strays; s; s = s->next)
    for (awaited *a = waited; a; a = a->next)
      if (time - s->came > 1 && a->part->peer == s->peer && ((a->part->tag ^ s->letter.tag) & 0x3fff) == 0)
        contradict(s->peer, a->part->tag, s->letter.tag);
}

void cr_wait_near(ticket *t) {
  for (double since = cr_now();;) {
    uint32_t bell = atomic_load(&cr_own_mail->bell);
    pthread_mutex_lock(&lock);
    take_all();
    int left = t->near_left;
    double time = left ? cr_now() : since;
    if (time - since > 1) check_strays(time);
    pthread_mutex_unlock(&lock);
    int far_left = !atomic_load(&t->far_done);
    if (!left && !far_left) return;
    await_bell(bell, since, far_left);
  }
}

int cr_waits_near_any(void) {
  pthread_mutex_lock(&lock);
  int waits = atomic_load(&full) >= 0 || waited;
  for (int peer = 0; peer < team.count && waits; peer++) {
    ring *r = cr_own_mail->rings + peer;
    if (cr_mail[peer] && atomic_load(&r->written) != atomic_load(&r->taken)) waits = 0;
  }
  pthread_mutex_unlock(&lock);
  return waits;
}

int cr_waits_near(int peer) {
  pthread_mutex_lock(&lock);
  int waits = atomic_load(&full) == peer;
  for (awaited *a = waited; a && !waits; a = a->next) waits = a->part->peer == peer;
  pthread_mutex_unlock(&lock);
  return waits;
}
#endif
