// SPDX-License-Identifier: GPL-3.0-or-later
#include "heap_watch.h"
#include <stdatomic.h>

int __sanitizer_install_malloc_and_free_hooks(void (*made)(const volatile void *, size_t),
                                              void (*freed)(const volatile void *)) __attribute__((weak));
size_t __sanitizer_get_allocated_size(const volatile void *) __attribute__((weak));
int LLVMFuzzerRunDriver(int *count, char ***arguments, int (*target)(const unsigned char *, size_t));

static atomic_long held, peak;

static void made(const volatile void *block, size_t size) {
  (void)block;
  const long now = atomic_fetch_add(&held, (long)size) + (long)size;
  long most = atomic_load(&peak);
  while (now > most && !atomic_compare_exchange_weak(&peak, &most, now)) {
  }
}

static void freed(const volatile void *block) {
  if (block) atomic_fetch_sub(&held, (long)__sanitizer_get_allocated_size(block));
}

int heap_watch_install(void) {
  return __sanitizer_install_malloc_and_free_hooks && __sanitizer_install_malloc_and_free_hooks(made, freed) > 0;
}

void heap_watch_begin(void) {
  atomic_store(&held, 0);
  atomic_store(&peak, 0);
}

size_t heap_watch_peak(void) { return (size_t)atomic_load(&peak); }

int fuzzer_run(int *count, char ***arguments, int (*target)(const unsigned char *, size_t)) {
  return LLVMFuzzerRunDriver(count, arguments, target);
}
