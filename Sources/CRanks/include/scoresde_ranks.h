// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <stddef.h>

// Bytes between the ranks of one program under MPI. This header is the same whether the program is built with MPI or
// without it, so that one C file is compiled anew where that changes.
//
// All calls to MPI are made by one thread that `cr_begin` starts (MPI_THREAD_FUNNELED). It sleeps between its looks at
// what is under way, tells the others twice a second that this process lives, and ends all where one is silent.

/// A piece of memory that goes to a rank or comes from one. The memory stays the caller's until `cr_wait` has returned.
typedef struct {
  int peer;
  /// Both sides give a transfer the same tag, from 0 to 2^20 - 1.
  int tag;
  /// 1: it goes there. 0: it comes from there.
  int sends;
  void *bytes;
  size_t size;
} cr_transfer;

/// What `cr_begin` needs to know of its program.
typedef struct {
  /// After how many seconds of silence a rank is lost.
  double timeout;
  /// Called on rank 0, on the thread of MPI, before all ranks are ended because one is lost or has failed: writes the
  /// line where it is not empty, and removes what is half written.
  void (*before_end)(const char *line);
  /// Called on rank 0 where another rank was asked to end by a signal.
  void (*on_signal)(int number);
} cr_setting;

/// 1 where the program was built with MPI.
int cr_built(void);

/// Starts MPI.
/// - Returns: 0, and the rank and how many there are; else the words of what went wrong are in `message`.
int cr_begin(const cr_setting *setting, int *rank, int *count, char *message, size_t size);

/// Begins some transfers. May be called from any thread.
/// - Returns: a ticket for `cr_wait`.
void *cr_post(const cr_transfer *transfers, int count);

/// Waits until all transfers of a ticket are done, without use of a processor.
void cr_wait(void *ticket);

/// Tells rank 0 of a signal that asks for an end.
void cr_tell_signal(int number);

/// Ends MPI on all ranks. On rank 0 it returns; the other ranks end where they are, with this code. On another rank it
/// tells rank 0 what went wrong, if the code is not 0, and never returns.
void cr_finish(int code, const char *line);
