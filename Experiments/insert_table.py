# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts what standard input says between the marks of a page: <!-- NAME --> and the next <!-- end -->.

    COMMAND | python3 Experiments/insert_table.py NAME Docs/PAGE.md
"""
import sys
from pathlib import Path

name, page = sys.argv[1], Path(sys.argv[2])
begin, end = f"<!-- {name} -->\n", "<!-- end -->"
table = sys.stdin.read().strip()
text = page.read_text()
if text.count(begin) != 1 or not table:
    sys.exit(f"{page}: no single {begin.strip()}, or no table for it")
first = text.index(begin) + len(begin)
last = text.index(end, first)
if "<!-- " in text[first:last]:
    sys.exit(f"{page}: another mark stands between {begin.strip()} and its {end}")
page.write_text(f"{text[:first]}\n{table}\n\n{text[last:]}")
