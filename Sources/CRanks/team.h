// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// What the files of this folder share: nothing for others.
#include "scoresde_ranks.h"
#include SCORESDE_MPI_HEADER

#include <pthread.h>
#include <stdatomic.h>

/// Transfers that were asked for together.
typedef struct ticket {
  cr_transfer *transfers;
  int count;
  /// How many transfers of near ranks are left; under the lock of near.c.
  int near_left;
  /// 1 where MPI has nothing left to do.
  _Atomic int far_done;
  /// What goes through MPI, from `count` transfers those that are not near.
  MPI_Request *requests;
  MPI_Status *statuses;
  int request_count;
  double begun;
  struct ticket *next;
} ticket;

typedef struct {
  int process, mail, threads;
  uint64_t key;
  char host[64];
} address;

/// What another rank told of itself last.
typedef struct {
  /// When it was heard.
  double heard;
  /// How far it was, and since when.
  uint64_t work;
  double worked;
  /// Whether it waits for others, and is done.
  int waits, done;
} peer_state;

struct team {
  cr_setting setting;
  int rank, count;
  MPI_Comm data, words;
  address *addresses;
  peer_state *peers;
  pthread_mutex_t lock;
  /// For the thread of MPI, that there is something to do; for others, that MPI has begun or ended.
  pthread_cond_t posted, changed;
  /// Tickets with something for MPI, in order; those that the thread of MPI looks after.
  ticket *queue, *active;
  /// Threads that wait for a ticket, and since when there is one.
  int waiting;
  double waits_since;
  /// Tickets so far.
  _Atomic uint64_t posts;
  // The end that this rank asks for.
  int finishing, finish_code;
  char finish_line[504];
  double finished_at;
  _Atomic int signal;
  // What another rank failed with.
  double failed_at;
  int failure_code;
  char failure[504];
  /// What a thread that is not MPI's has found to be wrong: the next look ends all ranks.
  _Atomic int is_faulty;
  char fault[200];
};

extern struct team team;

/// What ranks tell each other beside the transfers.
typedef enum { BEATS, ENDS, FAILED, DONE, SIGNALLED } kind;

double cr_now(void);
void cr_nap(long nanoseconds);

/// Ends all ranks at once with one line of this rank's. On the thread of MPI.
void cr_end_all(int code, const char *line);

/// Lets the thread of MPI end all ranks.
void cr_report_fault(const char *line);

// MARK: ends.c, on the thread of MPI

/// Ends MPI on this rank.
void cr_finalize(int code);

/// A rank whose process says nothing is lost.
void cr_check_silence(double time);

/// A rank whose process lives and that does not come to what others wait for hangs.
void cr_check_progress(double time);

/// The end, where this rank asks for it or another has failed.
/// - Returns: whether this thread is done.
int cr_look_at_end(double time);

/// The lowest rank that lives tells what is lost. The others give it time to end all, as mpirun takes its own.
double cr_patience(int rank, double seconds);

/// Whether all ranks have started, and a thread that ends this one where that takes too long.
extern _Atomic int cr_has_started;
void *cr_start_late(void *unused);

// MARK: words.c, on the thread of MPI

void cr_begin_words(void);

/// - Returns: whether it went.
int cr_say(int peer, kind what, int code, const char *line);
void cr_say_all(kind what, int code, const char *line);
void cr_hear(double time);
void cr_end_words(void);

// MARK: far.c, on the thread of MPI

void cr_begin_far(ticket *t);

/// - Returns: whether anything is under way.
int cr_look_far(void);
void cr_check_far(double time);

/// Whether a transfer with this rank is under way.
int cr_waits_far(int peer);

// MARK: near.c and shared.c

/// Finds the ranks of this machine. On the thread of MPI, before other threads ask for transfers.
void cr_begin_near(void);

/// Whether a transfer goes through shared memory.
int cr_is_near(const cr_transfer *part);

/// Sends letters, and asks for those that a ticket waits for.
void cr_post_near(ticket *t);

/// Whether a letter of this rank is waited for, or room in its mailbox.
int cr_waits_near(int peer);

/// Whether a letter is waited for that is not there, or room in a mailbox.
int cr_waits_near_any(void);

/// Sleeps until the ticket is done.
void cr_wait_near(ticket *t);

/// Wakes this rank's threads.
void cr_ring_own(void);

/// The words about two tags that ranks should have had in common.
void cr_describe_fault(char *line, size_t size, int peer, int own, int other);
