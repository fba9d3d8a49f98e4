// SPDX-License-Identifier: GPL-3.0-or-later
#include "ck_unicode.h"
#include <stddef.h>

typedef struct {
  uint32_t first, last, value;
} ck_code_run;
typedef struct {
  uint32_t first, last, step;
  int32_t shift;
} ck_lower_run;
typedef struct {
  uint32_t a, b, c;
} ck_code_triple;
#include "unicode_tables.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/// The value of the run that holds a code point; 0 for none.
static uint32_t find_run(const ck_code_run *runs, size_t count, uint32_t code) {
  size_t low = 0, high = count;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (runs[middle].last < code)
      low = middle + 1;
    else
      high = middle;
  }
  return low < count && runs[low].first <= code ? runs[low].value : 0;
}

int ck_text_class(uint32_t code) { return (int)find_run(classes, COUNT(classes), code); }

int ck_combining_class(uint32_t code) { return code < 0x300 ? 0 : (int)find_run(marks, COUNT(marks), code); }

uint32_t ck_lower(uint32_t code) {
  if (code < 0x80) return code >= 'A' && code <= 'Z' ? code + 32 : code;
  if (code == 0x130) return 'i';
  size_t low = 0, high = COUNT(lowers);
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (lowers[middle].last < code)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == COUNT(lowers) || code < lowers[low].first || (code - lowers[low].first) % lowers[low].step) return code;
  return (uint32_t)((int32_t)code + lowers[low].shift);
}

int ck_decomposition(uint32_t code, uint32_t parts[2]) {
  size_t low = 0, high = COUNT(decompositions);
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (decompositions[middle].a < code)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == COUNT(decompositions) || decompositions[low].a != code) return 0;
  parts[0] = decompositions[low].b;
  parts[1] = decompositions[low].c;
  return parts[1] ? 2 : 1;
}

uint32_t ck_composition(uint32_t first, uint32_t second) {
  size_t low = 0, high = COUNT(compositions);
  while (low < high) {
    const size_t middle = (low + high) / 2;
    const ck_code_triple t = compositions[middle];
    if (t.a < first || (t.a == first && t.b < second))
      low = middle + 1;
    else
      high = middle;
  }
  return low < COUNT(compositions) && compositions[low].a == first && compositions[low].b == second
             ? compositions[low].c
             : 0;
}
