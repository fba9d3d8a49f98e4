// SPDX-License-Identifier: GPL-3.0-or-later
// Memory that ranks of one machine see of each other: their mailboxes, and what the program asks for.
#ifdef SCORESDE_MPI_HEADER
#include "mail.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

mailbox **cr_mail, *cr_own_mail;
int cr_is_crowded;

static size_t mail_size(void) { return sizeof(mailbox) + team.count * sizeof(ring); }

int cr_is_near(const cr_transfer *part) { return part->size <= LETTER && cr_mail && cr_mail[part->peer]; }

/// - Returns: null where there is none.
static void *make_memory(size_t size, int *file) {
  *file = (int)syscall(SYS_memfd_create, "score-sde", 1u /* MFD_CLOEXEC */);
  void *memory = MAP_FAILED;
  if (*file >= 0 && ftruncate(*file, size) == 0)
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *file, 0);
  if (memory == MAP_FAILED && *file >= 0) close(*file), *file = -1;
  if (memory == MAP_FAILED) memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? NULL : memory;
}

/// - Returns: null where it cannot be seen.
static void *see_memory(int process, int file, size_t size) {
  if (file < 0) return NULL;
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/fd/%d", process, file);
  int own = open(path, O_RDWR | O_CLOEXEC);
  if (own < 0) return NULL;
  void *memory = lseek(own, 0, SEEK_END) == (off_t)size
                   ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, own, 0)
                   : MAP_FAILED;
  close(own);
  return memory == MAP_FAILED ? NULL : memory;
}

void cr_begin_near(void) {
  int n = team.count, file = -1;
  address *own = team.addresses + team.rank;
  *own = (address){.process = getpid(), .mail = -1, .threads = team.setting.threads};
  gethostname(own->host, sizeof own->host - 1);
  if (getrandom(&own->key, sizeof own->key, 0) != sizeof own->key) own->key = (uint64_t)getpid();
  mailbox **seen = calloc(n, sizeof *seen);
  char *sights = calloc((size_t)n * n, 1);
  cr_own_mail = make_memory(mail_size(), &file);
  if (!seen || !sights || !cr_own_mail) cr_end_all(1, "no memory for transfers between ranks");
  cr_own_mail->key = own->key;
  const char *wanted = getenv("SCORE_SDE_SHARED_MEMORY");
  if (!wanted || strcmp(wanted, "0") != 0) own->mail = file;
  address told = *own;
  MPI_Allgather(&told, sizeof told, MPI_BYTE, team.addresses, sizeof told, MPI_BYTE, MPI_COMM_WORLD);
  for (int peer = 0; peer < n; peer++) {
    address *a = team.addresses + peer;
    // Ranks of one kernel that go by other names are to be kept apart.
    if (peer == team.rank || own->mail < 0 || a->mail < 0 || strcmp(a->host, own->host) != 0) continue;
    mailbox *m = see_memory(a->process, a->mail, mail_size());
    if (m && m->key != a->key) munmap(m, mail_size()), m = NULL;
    seen[peer] = m;
    sights[team.rank * n + peer] = m != NULL;
  }
  MPI_Allgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, sights, n, MPI_BYTE, MPI_COMM_WORLD);
  // In a container of its own a rank may see others that do not see it.
  for (int peer = 0; peer < n; peer++)
    if (seen[peer] && !sights[peer * n + team.rank]) munmap(seen[peer], mail_size()), seen[peer] = NULL;
  free(sights);
  if (file >= 0) close(file);
  int threads = 0;
  for (int peer = 0; peer < n; peer++)
    if (strcmp(team.addresses[peer].host, own->host) == 0) threads += team.addresses[peer].threads;
  cr_is_crowded = threads > sysconf(_SC_NPROCESSORS_ONLN);
  seen[team.rank] = NULL;
  cr_mail = seen;
}

int cr_share(size_t size, int tag, int next_tag, void **views) {
  if (size == 0) size = 1;
  int n = team.count, file, *files = malloc(n * sizeof *files);
  char *sights = malloc(2 * n);
  cr_transfer *parts = malloc(2 * n * sizeof *parts);
  void *own = make_memory(size, &file);
  if (!files || !sights || !parts || !own) return 1;
  files[team.rank] = file;
  int count = 0;
  for (int peer = 0; peer < n; peer++) {
    views[peer] = NULL;
    if (!cr_mail[peer]) continue;
    parts[count++] = (cr_transfer){peer, tag, 0, files + peer, sizeof *files};
    parts[count++] = (cr_transfer){peer, tag, 1, files + team.rank, sizeof *files};
  }
  cr_wait(cr_post(parts, count));
  for (int i = 0; i < count; i += 2) {
    int peer = parts[i].peer;
    views[peer] = see_memory(team.addresses[peer].process, files[peer], size);
    sights[n + peer] = views[peer] != NULL;
    parts[i] = (cr_transfer){peer, next_tag, 0, sights + peer, 1};
    parts[i + 1] = (cr_transfer){peer, next_tag, 1, sights + n + peer, 1};
  }
  cr_wait(cr_post(parts, count));
  // All or nothing for two ranks, who else would wait for each other.
  for (int i = 0; i < count; i += 2) {
    int peer = parts[i].peer;
    if (views[peer] && !sights[peer]) munmap(views[peer], size), views[peer] = NULL;
  }
  views[team.rank] = own;
  if (file >= 0) close(file);
  free(files), free(sights), free(parts);
  return 0;
}

void cr_unshare(size_t size, void *const *views) {
  if (size == 0) size = 1;
  for (int peer = 0; peer < team.count; peer++)
    if (views[peer]) munmap(views[peer], size);
}
#endif
