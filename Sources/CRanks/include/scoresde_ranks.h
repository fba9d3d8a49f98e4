// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <stddef.h>
#include <stdint.h>

// Bytes between the ranks of one program under MPI. This header is the same whether the program is built with MPI or
// without it, so that only this folder is compiled anew where that changes.
//
// All calls to MPI are made by one thread that `cr_begin` starts (MPI_THREAD_FUNNELED). It sleeps between its looks at
// what is under way, tells the others twice a second that this process lives, and ends all where one is silent or
// stands still. Ranks of one machine are *near*: short transfers between them go through shared memory, by the threads
// that ask for them and without MPI, and `cr_share` gives them memory that each sees of the others.

/// A piece of memory that goes to a rank or comes from one. The memory stays the caller's until `cr_wait` has returned.
typedef struct {
  int peer;
  /// Both sides give a transfer the same tag, from 0 to 2^20 - 1. All ranks count their calls in its lower 14 bits;
  /// what is above says what the call is for.
  int tag;
  /// 1: it goes there. 0: it comes from there.
  int sends;
  void *bytes;
  /// Both sides give the same.
  size_t size;
} cr_transfer;

/// What `cr_begin` needs to know of its program.
typedef struct {
  /// After how many seconds of silence a rank is lost.
  double timeout;
  /// After how many seconds without progress a rank hangs that others wait for.
  double stall;
  /// How many threads this rank computes with.
  int threads;
  /// A number that grows while this rank computes. Called on the thread of MPI.
  uint64_t (*progress)(void);
  /// Called on rank 0, on the thread of MPI, before all ranks are ended because one is lost or has failed: writes the
  /// line where it is not empty, and removes what is half written.
  void (*before_end)(const char *line);
  /// Called on rank 0 where another rank was asked to end by a signal.
  void (*on_signal)(int number);
} cr_setting;

/// On how many processors this process may run; 0 where the system does not say. With MPI and without.
int cr_usable_processors(void);

/// 1 where the program was built with MPI.
int cr_built(void);

/// Starts MPI.
/// - Returns: 0, and the rank and how many there are; else the words of what went wrong are in `message`.
int cr_begin(const cr_setting *setting, int *rank, int *count, char *message, size_t size);

/// Begins some transfers. May be called from any thread.
/// - Returns: a ticket for `cr_wait`.
void *cr_post(const cr_transfer *transfers, int count);

/// Waits until all transfers of a ticket are done: awake for a moment where there are processors for all ranks, then
/// without use of one.
void cr_wait(void *ticket);

/// Memory of this rank, full of zeros, that the ranks of its machine see in place, and theirs. All ranks call it at the
/// same point. What one writes, another may read after a transfer between them that was sent later.
/// - Parameters:
///   - size: in bytes, the same on all ranks.
///   - tag: as of transfers; the next one (in its lower 14 bits) is used as well.
///   - views: gets an address for each rank; null for those of other machines.
/// - Returns: 0; 1 where there is no memory.
int cr_share(size_t size, int tag, int next_tag, void **views);

/// Gives back what `cr_share` gave. Others that still see it keep it.
void cr_unshare(size_t size, void *const *views);

/// Tells rank 0 of a signal that asks for an end.
void cr_tell_signal(int number);

/// Ends MPI on all ranks. On rank 0 it returns when all others are done as well; the other ranks end where they are,
/// with this code. On another rank it tells rank 0 that it is done or, if the code is not 0, what went wrong, and never
/// returns.
void cr_finish(int code, const char *line);
