// SPDX-License-Identifier: GPL-3.0-or-later
// The heap's functions, defined in the program of the tests: the dynamic linker takes these in place of glibc's for
// every library too. Each counts, and goes on to glibc's own under its other name.
#define _GNU_SOURCE
#include "allocation_counter.h"

#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifdef SANITIZED
long allocation_count(void) { return 0; }
long allocation_count_of_program(void) { return 0; }
void allocation_trace_next(void) {}
#else

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

#define THREAD_LOCAL static _Thread_local __attribute__((tls_model("initial-exec")))
THREAD_LOCAL long count, of_program;
THREAD_LOCAL int traces;

// Where the code of oneDNN and the libraries below it lies.
static struct { uintptr_t first, last; } libraries[32];
static int library_count;

static int add_library(struct dl_phdr_info *info, size_t size, void *unused) {
  (void)size, (void)unused;
  static const char *const names[] = {"libdnnl", "libstdc++", "libgomp", "libomp", "libtbb"};
  for (size_t n = 0; n < sizeof names / sizeof *names; n++)
    if (strstr(info->dlpi_name, names[n]))
      for (int i = 0; i < info->dlpi_phnum && library_count < 32; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD) {
          const uintptr_t first = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
          libraries[library_count].first = first;
          libraries[library_count++].last = first + info->dlpi_phdr[i].p_memsz;
        }
  return 0;
}

__attribute__((constructor)) static void find_libraries(void) {
  dl_iterate_phdr(add_library, NULL);
  // The first trace loads what traces need.
  void *frame;
  backtrace(&frame, 1);
}

static void note(void *caller) {
  count++;
  for (int i = 0; i < library_count; i++)
    if ((uintptr_t)caller >= libraries[i].first && (uintptr_t)caller < libraries[i].last) return;
  of_program++;
  if (traces) {
    traces = 0;
    void *frames[24];
    backtrace_symbols_fd(frames, backtrace(frames, 24), 2);
  }
}

long allocation_count(void) { return count; }
long allocation_count_of_program(void) { return of_program; }
void allocation_trace_next(void) { traces = 1; }

#define CALLER __builtin_return_address(0)

void *malloc(size_t size) {
  note(CALLER);
  return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
  note(CALLER);
  return __libc_calloc(number, size);
}

void *realloc(void *block, size_t size) {
  note(CALLER);
  return __libc_realloc(block, size);
}

void *memalign(size_t alignment, size_t size) {
  note(CALLER);
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  note(CALLER);
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
  if (alignment % sizeof(void *) != 0 || (alignment & (alignment - 1)) != 0 || alignment == 0) return EINVAL;
  note(CALLER);
  void *found = __libc_memalign(alignment, size);
  if (found == NULL) return ENOMEM;
  *block = found;
  return 0;
}
#endif
