# SPDX-License-Identifier: GPL-3.0-or-later
"""The conversation between compare.py and a program under test, from the program's side."""

import json
import sys
import time


def serve(repetition, units, errors=None, warm_up=None):
    """Warm up, say `ready`, then time one repetition of `units` units for each line `go`.

    `errors`: how far its result is from what it should be, where programs are compared in that too.
    `warm_up`: in place of a repetition, where that takes long.
    """
    (warm_up or repetition)()
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() != "go":
            continue
        start = time.perf_counter()
        repetition()
        answer = {"seconds": (time.perf_counter() - start) / units}
        print(json.dumps(answer | (errors or {})), flush=True)
