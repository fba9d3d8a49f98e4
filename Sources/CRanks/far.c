// SPDX-License-Identifier: GPL-3.0-or-later
// Transfers through MPI: those of ranks on other machines, and long ones.
#ifdef SCORESDE_MPI_HEADER
#include "team.h"

#include <stdio.h>
#include <stdlib.h>

/// MPI counts in int; larger memory goes in pieces of this size.
enum { PIECE = 1 << 30 };

/// How many pieces memory goes in; nothing goes as an empty one.
static int pieces(size_t size) { return size == 0 ? 1 : (int)((size + PIECE - 1) / PIECE); }

void cr_begin_far(ticket *t) {
  int count = 0;
  for (int i = 0; i < t->count; i++)
    if (!cr_is_near(t->transfers + i)) count += pieces(t->transfers[i].size);
  t->requests = malloc(sizeof *t->requests * (count + 1));
  t->statuses = malloc(sizeof *t->statuses * (count + 1));
  if (!t->requests || !t->statuses) cr_end_all(1, "no memory for transfers between ranks");
  for (int i = 0; i < t->count; i++) {
    cr_transfer *part = t->transfers + i;
    if (cr_is_near(part)) continue;
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
  t->begun = cr_now();
}

/// A rank that has sent fewer bytes than were waited for does not do the same. (Where there are more, MPI says so.)
/// - Returns: whether that is so.
static int is_whole(ticket *t) {
  for (int i = 0, place = 0; i < t->count; i++) {
    cr_transfer *part = t->transfers + i;
    if (cr_is_near(part)) continue;
    size_t size = 0;
    for (int piece = 0; piece < pieces(part->size); piece++, place++) {
      int bytes = 0;
      if (!part->sends) MPI_Get_count(t->statuses + place, MPI_BYTE, &bytes);
      size += bytes;
    }
    if (part->sends || size == part->size) continue;
    char line[200];
    cr_describe_fault(line, sizeof line, part->peer, part->tag, part->tag);
    cr_report_fault(line);
    return 0;
  }
  return 1;
}

/// What MPI says of a ticket that failed.
static void tell_error(int error) {
  char line[200] = "", words[MPI_MAX_ERROR_STRING];
  int size = 0;
  MPI_Error_string(error, words, &size);
  snprintf(line, sizeof line, "transfers between ranks failed: %.150s", words);
  cr_report_fault(line);
}

int cr_look_far(void) {
  ticket **place = &team.active;
  while (*place) {
    ticket *t = *place;
    int done = 0;
    int error = MPI_Testall(t->request_count, t->requests, &done, t->statuses);
    for (int i = 0; error == MPI_ERR_IN_STATUS && i < t->request_count; i++)
      if (t->statuses[i].MPI_ERROR != MPI_SUCCESS && t->statuses[i].MPI_ERROR != MPI_ERR_PENDING)
        error = t->statuses[i].MPI_ERROR;
    if (error != MPI_SUCCESS) tell_error(error);
    if (!done || error != MPI_SUCCESS || !is_whole(t)) {
      place = &t->next;
      continue;
    }
    *place = t->next;
    atomic_store(&t->far_done, 1);
    cr_ring_own();
  }
  return team.active != NULL;
}

/// Calls `body` for each transfer that is not done.
/// - Returns: 1 where it did so.
static int any_open(int (*body)(const cr_transfer *, void *), void *given) {
  for (ticket *t = team.active; t; t = t->next)
    for (int i = 0, place = 0; i < t->count; i++) {
      cr_transfer *part = t->transfers + i;
      if (cr_is_near(part)) continue;
      int complete = 1;
      for (int piece = 0; piece < pieces(part->size); piece++, place++) {
        int is = 0;
        MPI_Request_get_status(t->requests[place], &is, MPI_STATUS_IGNORE);
        complete = complete && is;
      }
      if (!complete && body(part, given)) return 1;
    }
  return 0;
}

static int is_with(const cr_transfer *part, void *peer) { return part->peer == *(int *)peer; }
int cr_waits_far(int peer) { return any_open(is_with, &peer); }

/// A rank that has sent what this one's call of the same number does not ask for no longer does the same. (What belongs
/// to a later call proves nothing: its sender may have been faster.)
static int is_contradicted(const cr_transfer *part, void *unused) {
  (void)unused;
  if (part->sends) return 0;
  int found = 0;
  MPI_Status status;
  MPI_Iprobe(part->peer, MPI_ANY_TAG, team.data, &found, &status);
  if (!found || ((status.MPI_TAG ^ part->tag) & 0x3fff) != 0 || status.MPI_TAG == part->tag) return 0;
  char line[200];
  cr_describe_fault(line, sizeof line, part->peer, part->tag, status.MPI_TAG);
  cr_report_fault(line);
  return 1;
}

void cr_check_far(double time) {
  for (ticket *t = team.active; t; t = t->next)
    if (time - t->begun > 1) {
      any_open(is_contradicted, NULL);
      return;
    }
}
#endif
