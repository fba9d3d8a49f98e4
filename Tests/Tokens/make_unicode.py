# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes Sources/CKernels/unicode_tables.h: python make_unicode.py OUT.h

The tables say what the package `tokenizers` does with every code point, asked one by one: which are letters, numbers
and white space to its regular expressions, what its Lowercase makes of each, and what its NFC does. Its three libraries
follow three versions of Unicode (NFC that of 2016), so no single version of the standard's own files would do.
"""

import argparse
import random
import unicodedata

import tokenizers
from tokenizers import Regex, normalizers

CODES = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
NFC, NFD, LOWER = normalizers.NFC(), normalizers.NFD(), normalizers.Lowercase()


def members(pattern):
    """The code points that a regular expression of one character finds."""
    rest = normalizers.Replace(Regex(pattern), "").normalize_str("".join(map(chr, CODES)))
    return set(CODES) - set(map(ord, rest))


def classes():
    letters, numbers, spaces = members(r"\p{L}"), members(r"\p{N}"), members(r"\s")
    assert not (letters & numbers or letters & spaces or numbers & spaces)
    return {c: 1 if c in letters else 2 if c in numbers else 3 for c in letters | numbers | spaces}


def runs(values):
    """Runs of neighbouring code points with equal values: (first, last, value)."""
    out = []
    for code in sorted(values):
        if out and out[-1][1] == code - 1 and out[-1][2] == values[code]:
            out[-1][1] = code
        else:
            out.append([code, code, values[code]])
    return out


def lower_runs():
    """Runs of code points, every one or every second, to which lower case adds one number: (first, last, step, shift)."""
    shifts = {}
    for code in CODES:
        text = LOWER.normalize_str(chr(code))
        if code == 0x130:
            assert text == "i\u0307"
        elif text != chr(code):
            assert len(text) == 1
            shifts[code] = ord(text) - code
    out = []
    for code in sorted(shifts):
        last = out[-1] if out else None
        if last and last[3] == shifts[code] and (
                code - last[1] == last[2] or (last[0] == last[1] and code - last[1] in (1, 2))):
            last[2] = code - last[1]
            last[1] = code
        else:
            out.append([code, code, 1, shifts[code]])
    found = {c: shift for first, last, step, shift in out for c in range(first, last + 1, step)}
    assert found == shifts
    return out


def combining_classes():
    """Canonical combining classes: Unicode's where NFD moves the mark, else 0."""
    out = {}
    for code in CODES:
        value = unicodedata.combining(chr(code))
        if value == 0:
            continue
        # A mark of class 1 before and of class 240 behind: one of the two changes places unless the class is 0.
        moves = NFD.normalize_str("a" + chr(code) + "\u0334") != "a" + chr(code) + "\u0334"
        moves = moves or NFD.normalize_str("a\u0345" + chr(code)) != "a\u0345" + chr(code)
        if moves:
            out[code] = value
    return out


def decompositions():
    """(code, first, second or 0, whether NFC composes them again), without Hangul."""
    out = []
    for code in CODES:
        text = unicodedata.decomposition(chr(code))
        if not text or text.startswith("<") or NFD.normalize_str(chr(code)) == chr(code):
            continue
        parts = [int(part, 16) for part in text.split()]
        composes = len(parts) == 2 and NFC.normalize_str("".join(map(chr, parts))) == chr(code)
        out.append((code, parts[0], parts[1] if len(parts) == 2 else 0, composes))
    return out


def normalise(text, marks, parts, pairs):
    """NFC by the tables (Unicode, section 3.11), as the program does it."""
    def split(code):
        if 0xAC00 <= code < 0xAC00 + 11172:
            code -= 0xAC00
            return [0x1100 + code // 588, 0x1161 + code % 588 // 28] + ([0x11A7 + code % 28] if code % 28 else [])
        if code not in parts:
            return [code]
        return [x for part in parts[code] if part for x in split(part)]

    codes = [x for c in text for x in split(ord(c))]
    start = 0
    while start < len(codes):
        if marks.get(codes[start], 0) == 0:
            start += 1
            continue
        end = start
        while end < len(codes) and marks.get(codes[end], 0):
            end += 1
        codes[start:end] = sorted(codes[start:end], key=marks.get)
        start = end
    out, starter, last = [], -1, 0
    for code in codes:
        mark = marks.get(code, 0)
        if starter >= 0 and (last < mark or (last == 0 and starter == len(out) - 1)):
            first = out[starter]
            both = pairs.get((first, code))
            if 0x1100 <= first < 0x1113 and 0x1161 <= code < 0x1176:
                both = 0xAC00 + ((first - 0x1100) * 21 + code - 0x1161) * 28
            if 0xAC00 <= first < 0xAC00 + 11172 and (first - 0xAC00) % 28 == 0 and 0x11A7 < code < 0x11C3:
                both = first + code - 0x11A7
            if both:
                out[starter] = both
                continue
        if mark == 0:
            starter = len(out)
        last = mark
        out.append(code)
    return "".join(map(chr, out))


def check(marks, parts, pairs):
    """Random texts of what matters: the tables do what the package does."""
    random.seed(1)
    special = sorted(set(marks) | {c for c in parts} | {x for p in parts.values() for x in p if x})
    hangul = list(range(0x1100, 0x1200)) + list(range(0xAC00, 0xAC80))
    for _ in range(300_000):
        pool = random.choice([special, special, sorted(marks), hangul, CODES])
        text = "".join(chr(random.choice(random.choice([pool, special, [97, 101]]))) for _ in range(random.randint(1, 8)))
        assert normalise(text, marks, parts, pairs) == NFC.normalize_str(text), ascii(text)


def table(name, kind, rows, note):
    numbers = ["{" + ",".join(str(x) for x in row) + "}" for row in rows]
    lines, line = [], ""
    for number in numbers:
        if len(line) + len(number) > 118:
            lines.append(line)
            line = ""
        line += number + ","
    return f"/// {note}\nstatic const {kind} {name}[] = {{\n" + "\n".join(lines + [line]) + "\n};\n"


def main():
    parser = argparse.ArgumentParser(description="Write the tables of code points")
    parser.add_argument("out")
    out = parser.parse_args().out
    marks, split = combining_classes(), decompositions()
    parts = {code: (a, b) for code, a, b, _ in split}
    composed = sorted((a, b, code) for code, a, b, both in split if both)
    check(marks, parts, {(a, b): code for a, b, code in composed})
    text = f"""// SPDX-License-Identifier: GPL-3.0-or-later
// Made by Tests/Tokens/make_unicode.py from what tokenizers {tokenizers.__version__} does; not to be edited.
#pragma once
#include <stdint.h>

"""
    text += table("classes", "ck_code_run", runs(classes()), "First, last, and 1 for a letter, 2 for a number, 3 for white space.")
    text += table("marks", "ck_code_run", runs(marks), "First, last, and the canonical combining class; others have 0.")
    text += table("lowers", "ck_lower_run", lower_runs(), "First, last, step, and what lower case adds; beside U+0130.")
    text += table("decompositions", "ck_code_triple", [row[:3] for row in split],
                  "A code point and its canonical decomposition of one or two (then 0), by code point.")
    text += table("compositions", "ck_code_triple", composed, "Two code points and what they compose to, by the two.")
    with open(out, "w") as file:
        file.write(text)
    print(f"{len(text) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
