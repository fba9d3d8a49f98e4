// SPDX-License-Identifier: GPL-3.0-or-later
// Code points of Unicode as the tokenizers of CLIP's family see them.
#pragma once
#include <stdint.h>

enum ck_text_class { CK_OTHER = 0, CK_LETTER = 1, CK_NUMBER = 2, CK_SPACE = 3 };

/// Whether a code point is a letter (\p{L}), a number (\p{N}) or white space (\s).
int ck_text_class(uint32_t code);
/// Its lower case. U+0130, the only one that becomes two, gives the first of them, "i"; U+0307 follows.
uint32_t ck_lower(uint32_t code);
/// Its canonical combining class.
int ck_combining_class(uint32_t code);
/// Its canonical decomposition into one or two code points, not taken further: how many, 0 for none. Without Hangul.
int ck_decomposition(uint32_t code, uint32_t parts[2]);
/// What two code points compose to; 0 where they do not. Without Hangul.
uint32_t ck_composition(uint32_t first, uint32_t second);
