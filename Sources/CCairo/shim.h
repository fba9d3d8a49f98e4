// SPDX-License-Identifier: GPL-3.0-or-later
#include <cairo-pdf.h>
#include <cairo-svg.h>
#include <cairo.h>
