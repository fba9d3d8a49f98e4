// SPDX-License-Identifier: GPL-3.0-or-later
// 2-D convolutions over blocked images, forward and backward.
//
// A blocked image has its channels in blocks of 16: [channel / 16][row][column][channel % 16]; channels that do not
// exist are zeros. Weights are [out / 16][in / 16][kernel row][kernel column][in % 16][out % 16].
#pragma once
#include <stddef.h>

typedef struct {
  int in_blocks, out_blocks;                 // channels / 16
  int height, width, out_height, out_width;  // pixels
  int kernel, stride;
  int pad_top, pad_left;                     // below and on the right, what the output's size demands
} ck_convolution;

enum ck_convolution_direction { CK_FORWARD = 0, CK_BACKWARD_DATA = 1, CK_BACKWARD_WEIGHTS = 2 };

/// How a direction is computed: by Winograd's minimal filtering, as a product at every pixel, by oneDNN's direct
/// kernels, or by patches and a matrix product.
enum ck_convolution_method { CK_WINOGRAD = 0, CK_POINTWISE = 1, CK_DIRECT = 2, CK_PATCHES = 3 };

/// Weights in the forms that the methods want, made on first use and shared by all workers: for weights that stay. At
/// most `limit` bytes are kept; what is beyond is made in each call.
typedef struct ck_prepared_weights ck_prepared_weights;
ck_prepared_weights *ck_prepared_weights_make(size_t limit);
void ck_prepared_weights_free(ck_prepared_weights *prepared);

/// One worker's scratch memory and compiled convolutions; not to be shared between threads. Where `prepared` is null,
/// weights are prepared in each call.
typedef struct ck_workspace ck_workspace;
ck_workspace *ck_workspace_make(ck_prepared_weights *prepared, int winograd);
void ck_workspace_free(ck_workspace *workspace);

/// The method of a direction, which follows from its shape alone.
int ck_convolution_choice(ck_workspace *workspace, const ck_convolution *shape, int direction, int images);

/// y = conv(x, weights) + bias, where bias may be null.
void ck_convolve(ck_workspace *workspace, const ck_convolution *shape, int images, const float *x, const float *weights,
                 const float *bias, float *y);
/// dx = the adjoint of the convolution by x, applied to dy.
void ck_convolve_back_data(ck_workspace *workspace, const ck_convolution *shape, int images, const float *dy,
                           const float *weights, float *dx);
/// dweights (+)= the adjoint by the weights, summed over images; dbias, where not null, (+)= the sum of dy.
void ck_convolve_back_weights(ck_workspace *workspace, const ck_convolution *shape, int images, const float *x,
                              const float *dy, float *dweights, float *dbias, int accumulate);
