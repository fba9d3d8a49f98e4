// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef ALLOCATION_COUNTER_H
#define ALLOCATION_COUNTER_H

/// How many blocks of memory the calling thread has asked the heap for since it began. A test that steps in steady state
/// wants to see no difference between two calls.
long allocation_count(void);

#endif
