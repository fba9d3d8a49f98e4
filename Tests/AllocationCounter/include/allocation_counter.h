// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef ALLOCATION_COUNTER_H
#define ALLOCATION_COUNTER_H

/// How many blocks of memory the calling thread has asked the heap for since it began. A test that steps in steady
/// state wants to see no difference between two calls. Always 0 under a sanitizer, which has a heap of its own.
long allocation_count(void);

/// The same without the blocks that oneDNN and the libraries below it (C++, OpenMP) ask for: oneDNN does so in every
/// product and convolution, and nobody above it can change that.
long allocation_count_of_program(void);

/// The next block that `allocation_count_of_program` counts on this thread writes where it was asked for to standard
/// error.
void allocation_trace_next(void);

#endif
