// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <stddef.h>

/// Begins to watch AddressSanitizer's heap; returns 0 where there is no such heap.
int heap_watch_install(void);
/// Forgets what is held now: `heap_watch_peak` counts from here.
void heap_watch_begin(void);
/// The most bytes that were held at once since `heap_watch_begin`.
size_t heap_watch_peak(void);

/// Runs libFuzzer with a target.
int fuzzer_run(int *count, char ***arguments, int (*target)(const unsigned char *, size_t));
