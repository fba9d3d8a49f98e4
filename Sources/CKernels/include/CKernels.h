// SPDX-License-Identifier: GPL-3.0-or-later
// The C floor: fused loops over rows of doubles (solvers) and over float tensors (networks).
// Every function is pure C over caller-owned memory, allocates nothing and is safe to call from
// several threads. Sources choose the instruction set at run time (see dispatch.h).
#pragma once
#include "ck_random.h"
#include "ck_rows.h"
#include "ck_boxes.h"
#include "ck_bridge.h"
#include "ck_mixture.h"
#include "ck_matrix.h"
#include "ck_attention.h"
#include "ck_channel_norm.h"
#include "ck_tensor.h"
#include "ck_distances.h"
#include "ck_neighbours.h"
#include "ck_convolution.h"
#include "ck_image.h"
#include "ck_volume.h"
#include "ck_formula.h"
#include "ck_truncated.h"
#include "ck_stored.h"
#include "ck_unicode.h"
