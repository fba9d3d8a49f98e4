// SPDX-License-Identifier: GPL-3.0-or-later
#include "direct.h"
#include <stdlib.h>
#include <string.h>
#include "ck_matrix.h"

#if SCORESDE_ONEDNN
#include <dnnl.h>
#include <pthread.h>

struct ck_direct {
  dnnl_primitive_t primitive;
  dnnl_stream_t stream;
  dnnl_memory_t x, weights, bias, y, scratch;
  dnnl_exec_arg_t arguments[5];
  int count, order;
  size_t scratch_floats;
};

static dnnl_engine_t engine;
static void make_engine(void) { (void)dnnl_engine_create(&engine, dnnl_cpu, 0); }

#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t description;
static int describe(dnnl_memory_desc_t *d, int rank, const dnnl_dims_t dims, dnnl_format_tag_t tag) {
  return dnnl_memory_desc_create_with_tag(d, rank, dims, dnnl_f32, tag) == dnnl_success;
}
#define REFER(d) (d)
#define FORGET(d) dnnl_memory_desc_destroy(d)
#else
typedef const dnnl_memory_desc_t *description;
static int describe(dnnl_memory_desc_t *d, int rank, const dnnl_dims_t dims, dnnl_format_tag_t tag) {
  return dnnl_memory_desc_init_by_tag(d, rank, dims, dnnl_f32, tag) == dnnl_success;
}
#define REFER(d) (&(d))
#define FORGET(d) ((void)0)
#endif

/// The primitive descriptor of a direction; null where the library refuses.
static dnnl_primitive_desc_t create(int direction, description x, description w, description b, description y,
                                    const dnnl_dims_t strides, const dnnl_dims_t before, const dnnl_dims_t after,
                                    const_dnnl_primitive_attr_t attributes, const_dnnl_primitive_desc_t hint) {
  dnnl_primitive_desc_t made = NULL;
  const dnnl_alg_kind_t algorithm = dnnl_convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  const dnnl_dims_t none = {0, 0};
  if (direction == CK_FORWARD)
    dnnl_convolution_forward_primitive_desc_create(&made, engine, dnnl_forward_training, algorithm, x, w, b, y, strides,
                                                   none, before, after, attributes);
  else if (direction == CK_BACKWARD_DATA)
    dnnl_convolution_backward_data_primitive_desc_create(&made, engine, algorithm, x, w, y, strides, none, before, after,
                                                         hint, attributes);
  else
    dnnl_convolution_backward_weights_primitive_desc_create(&made, engine, algorithm, x, w, b, y, strides, none, before,
                                                            after, hint, attributes);
#else
  dnnl_convolution_desc_t d;
  dnnl_status_t status;
  if (direction == CK_FORWARD)
    status = dnnl_convolution_forward_desc_init(&d, dnnl_forward_training, algorithm, x, w, b, y, strides, before, after);
  else if (direction == CK_BACKWARD_DATA)
    status = dnnl_convolution_backward_data_desc_init(&d, algorithm, x, w, y, strides, before, after);
  else
    status = dnnl_convolution_backward_weights_desc_init(&d, algorithm, x, w, b, y, strides, before, after);
  if (status == dnnl_success) (void)dnnl_primitive_desc_create(&made, &d, attributes, engine, hint);
#endif
  return made;
}

static int prepare(ck_direct *direct, const ck_convolution *s, int direction, int images) {
  const dnnl_dims_t xd = {images, 16 * s->in_blocks, s->height, s->width};
  const dnnl_dims_t yd = {images, 16 * s->out_blocks, s->out_height, s->out_width};
  const dnnl_dims_t wd = {16 * s->out_blocks, 16 * s->in_blocks, s->kernel, s->kernel};
  const dnnl_dims_t bd = {16 * s->out_blocks};
  const dnnl_dims_t strides = {s->stride, s->stride}, before = {s->pad_top, s->pad_left};
  const dnnl_dims_t after = {(s->out_height - 1) * s->stride + s->kernel - s->height - s->pad_top,
                             (s->out_width - 1) * s->stride + s->kernel - s->width - s->pad_left};
  dnnl_memory_desc_t x, y, w, b, orders[3];
  const dnnl_format_tag_t tags[3] = {dnnl_OIhw16i16o, dnnl_OIhw16o16i, dnnl_IOhw16o16i};
  if (!describe(&x, 4, xd, dnnl_nChw16c) || !describe(&y, 4, yd, dnnl_nChw16c) || !describe(&b, 1, bd, dnnl_x) ||
      !describe(&w, 4, wd, dnnl_format_tag_any))
    return 0;
  for (int i = 0; i < 3; i++)
    if (!describe(&orders[i], 4, wd, tags[i])) return 0;

  dnnl_primitive_attr_t attributes = NULL;
  if (dnnl_primitive_attr_create(&attributes) != dnnl_success) return 0;
  (void)dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
  dnnl_primitive_desc_t hint = NULL, made = NULL;
  if (direction != CK_FORWARD)
    hint = create(CK_FORWARD, REFER(x), REFER(w), REFER(b), REFER(y), strides, before, after, NULL, NULL);
  if (direction == CK_FORWARD || hint)
    made = create(direction, REFER(x), REFER(w), REFER(b), REFER(y), strides, before, after, attributes, hint);
  int usable = 0;
  if (made) {
    const char *name = "ref";
    (void)dnnl_primitive_desc_query(made, dnnl_query_impl_info_str, 0, (void *)&name);
    const description weights = (description)dnnl_primitive_desc_query_md(
        made, direction == CK_BACKWARD_WEIGHTS ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
    const description scratch = (description)dnnl_primitive_desc_query_md(made, dnnl_query_scratchpad_md, 0);
    direct->order = -1;
    for (int i = 2; i >= 0; i--)
      if (dnnl_memory_desc_equal(weights, REFER(orders[i]))) direct->order = i;
    // A reference kernel is a thousand times slower than patches and a matrix product.
    usable = strncmp(name, "ref", 3) != 0 && direct->order >= 0 &&
             (direction == CK_BACKWARD_DATA || direct->order == CK_ORDER_PLAIN) &&
             dnnl_primitive_create(&direct->primitive, made) == dnnl_success &&
             dnnl_stream_create(&direct->stream, engine, dnnl_stream_default_flags) == dnnl_success &&
             dnnl_memory_create(&direct->x, REFER(x), engine, NULL) == dnnl_success &&
             dnnl_memory_create(&direct->y, REFER(y), engine, NULL) == dnnl_success &&
             dnnl_memory_create(&direct->weights, weights, engine, NULL) == dnnl_success &&
             dnnl_memory_create(&direct->bias, REFER(b), engine, NULL) == dnnl_success &&
             dnnl_memory_create(&direct->scratch, scratch, engine, NULL) == dnnl_success;
    direct->scratch_floats = (dnnl_memory_desc_get_size(scratch) + 3) / 4;
    dnnl_primitive_desc_destroy(made);
  }
  if (hint) dnnl_primitive_desc_destroy(hint);
  dnnl_primitive_attr_destroy(attributes);
  for (int i = 0; i < 3; i++) FORGET(orders[i]);
  FORGET(x), FORGET(y), FORGET(w), FORGET(b);

  const int forward = direction == CK_FORWARD, data = direction == CK_BACKWARD_DATA;
  direct->arguments[0] = (dnnl_exec_arg_t){data ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, direct->x};
  direct->arguments[1] = (dnnl_exec_arg_t){forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, direct->y};
  direct->arguments[2] = (dnnl_exec_arg_t){forward || data ? DNNL_ARG_WEIGHTS : DNNL_ARG_DIFF_WEIGHTS, direct->weights};
  direct->arguments[3] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, direct->scratch};
  direct->arguments[4] = (dnnl_exec_arg_t){forward ? DNNL_ARG_BIAS : DNNL_ARG_DIFF_BIAS, direct->bias};
  direct->count = data ? 4 : 5;
  return usable;
}

ck_direct *ck_direct_make(const ck_convolution *shape, int direction, int images) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  (void)pthread_once(&once, make_engine);
  if (!engine) return NULL;
  // A primitive fixes the number of its threads when it is made, and with it the order of its sums.
  ck_enter_worker();
  ck_direct *direct = calloc(1, sizeof *direct);
  if (direct && !prepare(direct, shape, direction, images)) {
    ck_direct_free(direct);
    direct = NULL;
  }
  return direct;
}

void ck_direct_free(ck_direct *direct) {
  if (!direct) return;
  dnnl_memory_t memories[] = {direct->x, direct->y, direct->weights, direct->bias, direct->scratch};
  for (int i = 0; i < 5; i++)
    if (memories[i]) dnnl_memory_destroy(memories[i]);
  if (direct->stream) dnnl_stream_destroy(direct->stream);
  if (direct->primitive) dnnl_primitive_destroy(direct->primitive);
  free(direct);
}

int ck_direct_weight_order(const ck_direct *direct) { return direct->order; }
size_t ck_direct_scratch(const ck_direct *direct) { return direct->scratch_floats; }

void ck_direct_run(ck_direct *direct, const float *x, const float *weights, const float *bias, const float *y,
                   float *scratch) {
  (void)dnnl_memory_set_data_handle(direct->x, (void *)x);
  (void)dnnl_memory_set_data_handle(direct->y, (void *)y);
  (void)dnnl_memory_set_data_handle(direct->weights, (void *)weights);
  (void)dnnl_memory_set_data_handle(direct->bias, (void *)bias);
  (void)dnnl_memory_set_data_handle(direct->scratch, scratch);
  (void)dnnl_primitive_execute(direct->primitive, direct->stream, direct->count, direct->arguments);
}

#else
struct ck_direct {
  int unused;
};
ck_direct *ck_direct_make(const ck_convolution *shape, int direction, int images) {
  (void)shape, (void)direction, (void)images;
  return NULL;
}
void ck_direct_free(ck_direct *direct) { (void)direct; }
int ck_direct_weight_order(const ck_direct *direct) { return (void)direct, 0; }
size_t ck_direct_scratch(const ck_direct *direct) { return (void)direct, 0; }
void ck_direct_run(ck_direct *direct, const float *x, const float *weights, const float *bias, const float *y,
                   float *scratch) {
  (void)direct, (void)x, (void)weights, (void)bias, (void)y, (void)scratch;
}
#endif
