// SPDX-License-Identifier: GPL-3.0-or-later
#include "scoresde_system.h"

const char *scoresde_commit(void) { return SCORESDE_COMMIT; }
