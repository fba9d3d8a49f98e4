// SPDX-License-Identifier: GPL-3.0-or-later
// A library to be loaded before the C library (LD_PRELOAD): the k-th call that concerns files under one folder fails,
// is cut short, is interrupted, or is the last that the program makes. Tests/faults.py and Tests/kills.py build it.
//
//   FAULTS_ROOT   the folder; calls on other files are as always and are not counted
//   FAULTS_LOG    a file that gets a line for each call: its number and its name
//   FAULTS_AT     k, from 1; 0 or nothing: every call is as always
//   FAULTS_MODE   fail: the call fails with FAULTS_ERRNO, once; stay: and so do all like it after it; short: a write
//                 takes half of its bytes; interrupt: the call fails with EINTR once; kill: SIGKILL before the call;
//                 after: SIGKILL after it
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum { DESCRIPTORS = 4096 };
static char watched[DESCRIPTORS];
static const char *root;
static long at;
static int number, log_descriptor = -1;
static const char *mode = "fail";
static long calls;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void) {
  const char *text;
  root = getenv("FAULTS_ROOT");
  if ((text = getenv("FAULTS_AT"))) at = atol(text);
  if ((text = getenv("FAULTS_ERRNO"))) number = atoi(text);
  if ((text = getenv("FAULTS_MODE"))) mode = text;
  if ((text = getenv("FAULTS_LOG"))) {
    log_descriptor = (int)syscall(SYS_openat, AT_FDCWD, text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    // Out of the way of numbers that the program expects to get.
    if (log_descriptor >= 0) {
      int high = (int)syscall(SYS_fcntl, log_descriptor, F_DUPFD_CLOEXEC, 900);
      syscall(SYS_close, log_descriptor);
      log_descriptor = high;
    }
  }
}

static int is_ours(const char *path) {
  return root && path && strncmp(path, root, strlen(root)) == 0;
}

static int is_watched(int descriptor) { return descriptor >= 0 && descriptor < DESCRIPTORS && watched[descriptor]; }

enum action { go, fail, cut, die_after };

// Counts a call, and says what becomes of it.
static enum action next(const char *name, int is_write) {
  pthread_mutex_lock(&lock);
  long k = ++calls;
  pthread_mutex_unlock(&lock);
  if (log_descriptor >= 0) {
    char line[64];
    int length = snprintf(line, sizeof line, "%ld %s\n", k, name);
    syscall(SYS_write, log_descriptor, line, length);
  }
  if (at == 0 || k < at) return go;
  if (k > at) {
    if (strcmp(mode, "stay") == 0 && strcmp(name, "close") != 0) {
      errno = number;
      return fail;
    }
    return go;
  }
  if (strcmp(mode, "kill") == 0) syscall(SYS_kill, getpid(), SIGKILL);
  if (strcmp(mode, "after") == 0) return die_after;
  if (strcmp(mode, "short") == 0) return is_write ? cut : go;
  if (strcmp(mode, "interrupt") == 0) {
    // Calls that no signal can interrupt, on disks of this machine; and opens to read, which libraries make.
    static const char *const whole[] = {"link", "mkdir", "close", "open", "fopen"};
    for (unsigned i = 0; i < sizeof whole / sizeof *whole; i++)
      if (strcmp(name, whole[i]) == 0) return go;
    errno = EINTR;
    return fail;
  }
  errno = number;
  return fail;
}

static void finish(enum action action) {
  if (action == die_after) syscall(SYS_kill, getpid(), SIGKILL);
}

#define REAL(type, name, ...) \
  static type (*real)(__VA_ARGS__); \
  if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static int opened(int descriptor) {
  if (descriptor >= 0 && descriptor < DESCRIPTORS) watched[descriptor] = 1;
  return descriptor;
}

static int open_any(int folder, const char *path, int flags, mode_t permissions) {
  if (!is_ours(path)) return (int)syscall(SYS_openat, folder, path, flags, permissions);
  enum action action = next(flags & O_DIRECTORY ? "open folder" : flags & O_CREAT ? "create" : "open", 0);
  if (action == fail) return -1;
  int descriptor = opened((int)syscall(SYS_openat, folder, path, flags, permissions));
  finish(action);
  return descriptor;
}

#define PERMISSIONS \
  mode_t permissions = 0; \
  if (flags & (O_CREAT | __O_TMPFILE)) { \
    va_list list; \
    va_start(list, flags); \
    permissions = va_arg(list, mode_t); \
    va_end(list); \
  }

int open(const char *path, int flags, ...) {
  PERMISSIONS
  return open_any(AT_FDCWD, path, flags, permissions);
}
int open64(const char *path, int flags, ...) {
  PERMISSIONS
  return open_any(AT_FDCWD, path, flags, permissions);
}
int openat(int folder, const char *path, int flags, ...) {
  PERMISSIONS
  return open_any(folder, path, flags, permissions);
}
int openat64(int folder, const char *path, int flags, ...) {
  PERMISSIONS
  return open_any(folder, path, flags, permissions);
}

static FILE *open_stream(FILE *(*real)(const char *, const char *), const char *path, const char *how) {
  if (!is_ours(path)) return real(path, how);
  enum action action = next("fopen", 0);
  if (action == fail) return NULL;
  FILE *stream = real(path, how);
  finish(action);
  return stream;
}
FILE *fopen(const char *path, const char *how) {
  REAL(FILE *, "fopen", const char *, const char *);
  return open_stream(real, path, how);
}
FILE *fopen64(const char *path, const char *how) {
  REAL(FILE *, "fopen64", const char *, const char *);
  return open_stream(real, path, how);
}

static ssize_t write_any(int descriptor, const void *bytes, size_t count, off_t place, int is_placed) {
  enum action action = is_watched(descriptor) ? next("write", 1) : go;
  if (action == fail) return -1;
  if (action == cut && count > 1) count /= 2;
  ssize_t result = is_placed ? syscall(SYS_pwrite64, descriptor, bytes, count, place)
                             : syscall(SYS_write, descriptor, bytes, count);
  finish(action);
  return result;
}
ssize_t write(int descriptor, const void *bytes, size_t count) { return write_any(descriptor, bytes, count, 0, 0); }
ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t place) {
  return write_any(descriptor, bytes, count, place, 1);
}
ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off_t place) {
  return write_any(descriptor, bytes, count, place, 1);
}

#define ON_DESCRIPTOR(name, number_of_call, text) \
  int name(int descriptor) { \
    enum action action = is_watched(descriptor) ? next(text, 0) : go; \
    if (action == fail) return -1; \
    int result = (int)syscall(number_of_call, descriptor); \
    finish(action); \
    return result; \
  }
ON_DESCRIPTOR(fsync, SYS_fsync, "fsync")
ON_DESCRIPTOR(fdatasync, SYS_fdatasync, "fsync")

int ftruncate(int descriptor, off_t length) {
  enum action action = is_watched(descriptor) ? next("truncate", 0) : go;
  if (action == fail) return -1;
  int result = (int)syscall(SYS_ftruncate, descriptor, length);
  finish(action);
  return result;
}

int close(int descriptor) {
  enum action action = is_watched(descriptor) ? next("close", 0) : go;
  if (descriptor >= 0 && descriptor < DESCRIPTORS) watched[descriptor] = 0;
  int failure = errno;
  // A close that fails has closed the file all the same.
  int result = (int)syscall(SYS_close, descriptor);
  if (action == fail) {
    errno = failure;
    return -1;
  }
  finish(action);
  return result;
}

int rename(const char *from, const char *to) {
  enum action action = is_ours(to) ? next("rename", 0) : go;
  if (action == fail) return -1;
  int result = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
  finish(action);
  return result;
}
int linkat(int a, const char *from, int b, const char *to, int flags) {
  enum action action = is_ours(to) ? next("link", 0) : go;
  if (action == fail) return -1;
  int result = (int)syscall(SYS_linkat, a, from, b, to, flags);
  finish(action);
  return result;
}
int mkdir(const char *path, mode_t permissions) {
  enum action action = is_ours(path) ? next("mkdir", 0) : go;
  if (action == fail) return -1;
  int result = (int)syscall(SYS_mkdirat, AT_FDCWD, path, permissions);
  finish(action);
  return result;
}
