// SPDX-License-Identifier: GPL-3.0-or-later
// Formulas of several variables, evaluated for many rows at a time: a short program over registers, each of which
// holds one value for every row of a block. The interpreter looks at an instruction once a block, and not once a row.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// How many rows a block has: a register is so many doubles.
enum { CK_FORMULA_LANES = 64 };

enum ck_formula_operation {
  CK_NEGATE, CK_ABS, CK_SQRT, CK_EXP, CK_EXPM1, CK_LOG, CK_LOG1P, CK_SIN, CK_COS, CK_TAN, CK_ASIN, CK_ACOS, CK_ATAN,
  CK_SINH, CK_COSH, CK_TANH, CK_ERF, CK_LGAMMA, CK_SQUARE,
  CK_ADD, CK_SUBTRACT, CK_MULTIPLY, CK_DIVIDE, CK_POWER, CK_MIN, CK_MAX, CK_LOGADDEXP, CK_ATAN2, CK_LESS,
  CK_LESS_EQUAL, CK_SELECT,
};

/// out = operation(a, b, c), all numbers of registers. Operations of one value leave b and c unread, and so on.
/// CK_LESS and CK_LESS_EQUAL give 1 or 0; CK_SELECT is b where a is not 0, else c.
typedef struct {
  uint32_t operation, out, a, b, c;
} ck_formula_step;

/// Runs a program. `values` are its registers; those of constants and variables have been filled.
void ck_formula_forward(const ck_formula_step *steps, size_t count, double *values);

/// Runs it backwards: adds to the adjoint of every operand what it adds to the adjoint of the result, by the values
/// that the registers have, each of which was written once. A result whose adjoint is 0 adds 0, be its slope infinite.
void ck_formula_backward(const ck_formula_step *steps, size_t count, const double *values, double *adjoints);

/// Fills `dimension` registers from rows (row-major), at least one and at most CK_FORMULA_LANES; the lanes behind the
/// last row repeat it.
void ck_formula_load(double *registers, const double *rows, size_t count, size_t dimension);
