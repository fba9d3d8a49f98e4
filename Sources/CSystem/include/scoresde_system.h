// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <stdio.h>

/// The commit that the program was built from, as the environment variable SCORE_SDE_COMMIT said; "unknown" where it
/// said nothing. In a target of its own, so that another commit compiles these lines alone.
const char *scoresde_commit(void);

/// Whether something that was printed could not be written. Swift 6 refuses to read the C library's mutable `stdout`.
static inline int scoresde_stdout_failed(void) { return fflush(stdout) != 0 || ferror(stdout) != 0; }
