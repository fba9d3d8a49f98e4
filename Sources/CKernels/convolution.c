// SPDX-License-Identifier: GPL-3.0-or-later
#include "ck_convolution.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "ck_tensor.h"
#include "direct.h"
#include "patches.h"
#include "pointwise.h"
#include "turn.h"
#include "winograd.h"

// MARK: Prepared weights

enum form { FORM_WINOGRAD, FORM_WINOGRAD_TRANSPOSED, FORM_TURNED, FORM_SWAPPED };

typedef struct entry {
  struct entry *next;
  const float *weights;
  int form;
  size_t floats;
  int made;
  pthread_mutex_t lock;
  float *values;
} entry;

enum { BUCKETS = 512 };

struct ck_prepared_weights {
  pthread_mutex_t lock;
  size_t limit, bytes;
  entry *buckets[BUCKETS];
};

static void *allocate(size_t bytes) {
  void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (!memory) abort();
  return memory;
}

ck_prepared_weights *ck_prepared_weights_make(size_t limit) {
  ck_prepared_weights *p = calloc(1, sizeof *p);
  if (!p) abort();
  p->limit = limit;
  pthread_mutex_init(&p->lock, NULL);
  return p;
}

void ck_prepared_weights_free(ck_prepared_weights *p) {
  if (!p) return;
  for (size_t b = 0; b < BUCKETS; b++)
    for (entry *e = p->buckets[b], *next; e; e = next) {
      next = e->next;
      pthread_mutex_destroy(&e->lock);
      free(e->values);
      free(e);
    }
  pthread_mutex_destroy(&p->lock);
  free(p);
}


static size_t form_floats(const ck_convolution *s, int form) {
  return form <= FORM_WINOGRAD_TRANSPOSED
             ? ck_winograd_weight_size(s)
             : 256 * (size_t)s->in_blocks * (size_t)s->out_blocks * (size_t)s->kernel * (size_t)s->kernel;
}

static void make_form(float *out, const ck_convolution *s, const float *weights, int form) {
  const size_t in = (size_t)s->in_blocks, out_blocks = (size_t)s->out_blocks;
  if (form <= FORM_WINOGRAD_TRANSPOSED)
    ck_winograd_weights(out, weights, in, out_blocks, form == FORM_WINOGRAD_TRANSPOSED);
  else
    ck_turn_weights(out, weights, in, out_blocks, (size_t)s->kernel * (size_t)s->kernel, form == FORM_SWAPPED);
}

/// The form that is kept; null where there is no room for it.
static const float *kept(ck_prepared_weights *p, const ck_convolution *s, const float *weights, int form) {
  const size_t bucket = (((uintptr_t)weights >> 6) * 4 + (size_t)form) % BUCKETS;
  pthread_mutex_lock(&p->lock);
  entry *e = p->buckets[bucket];
  while (e && (e->weights != weights || e->form != form)) e = e->next;
  if (!e) {
    const size_t floats = form_floats(s, form);
    if (floats * sizeof(float) > p->limit - p->bytes) {
      pthread_mutex_unlock(&p->lock);
      return NULL;
    }
    p->bytes += floats * sizeof(float);
    e = calloc(1, sizeof *e);
    if (!e) abort();
    e->weights = weights;
    e->form = form;
    e->floats = floats;
    e->values = allocate(e->floats * sizeof(float));
    pthread_mutex_init(&e->lock, NULL);
    e->next = p->buckets[bucket];
    p->buckets[bucket] = e;
  }
  pthread_mutex_unlock(&p->lock);
  pthread_mutex_lock(&e->lock);
  if (!e->made) {
    make_form(e->values, s, weights, form);
    e->made = 1;
  }
  pthread_mutex_unlock(&e->lock);
  return e->values;
}

// MARK: Workspaces

/// How one direction of a shape is done, looked up by both.
typedef struct plan {
  struct plan *next;
  ck_convolution shape;
  int direction, images, method;
  ck_direct *direct;
} plan;

enum { PLAN_BUCKETS = 256 };

struct ck_workspace {
  ck_prepared_weights *weights;
  int winograd;
  float *scratch, *forms;
  size_t scratch_floats, forms_floats;
  plan *plans[PLAN_BUCKETS];
};

ck_workspace *ck_workspace_make(ck_prepared_weights *weights, int winograd) {
  ck_workspace *w = calloc(1, sizeof *w);
  if (!w) abort();
  w->weights = weights;
  w->winograd = winograd;
  return w;
}

void ck_workspace_free(ck_workspace *w) {
  if (!w) return;
  for (size_t b = 0; b < PLAN_BUCKETS; b++)
    for (plan *p = w->plans[b], *next; p; p = next) {
      next = p->next;
      ck_direct_free(p->direct);
      free(p);
    }
  free(w->scratch);
  free(w->forms);
  free(w);
}


static float *grown(float **memory, size_t *have, size_t floats) {
  if (floats > *have) {
    free(*memory);
    *memory = allocate(floats * sizeof(float));
    *have = floats;
  }
  return *memory;
}

static float *scratch_of(ck_workspace *w, size_t floats) { return grown(&w->scratch, &w->scratch_floats, floats); }

/// Weights in another form: the one that is kept, or one made for this call, in memory that stays in a near cache.
static const float *prepared(ck_workspace *w, const ck_convolution *s, const float *weights, int form) {
  const float *there = w->weights ? kept(w->weights, s, weights, form) : NULL;
  if (there) return there;
  float *made = grown(&w->forms, &w->forms_floats, form_floats(s, form));
  make_form(made, s, weights, form);
  return made;
}

/// The shape of the convolution that backward by data is, of stride 1.
static ck_convolution adjoint_of(const ck_convolution *s) {
  return (ck_convolution){s->out_blocks, s->in_blocks, s->out_height, s->out_width, s->height,
                          s->width,      s->kernel,    1,             s->kernel - 1 - s->pad_top,
                          s->kernel - 1 - s->pad_left};
}

/// Forms of more floats than this, which no cache holds, are made panel by panel.
enum { LARGE_FORM = 1 << 22 };

/// Winograd's filtering by weights whose form is kept, or else made for this call: at once, or where it is large panel
/// by panel, so that it takes no memory.
static void winograd(ck_workspace *w, const ck_convolution *s, int images, const float *x, const float *weights,
                     int transposed, const float *bias, float *y) {
  const ck_convolution a = transposed ? adjoint_of(s) : *s;
  const int form = transposed ? FORM_WINOGRAD_TRANSPOSED : FORM_WINOGRAD;
  const float *there = w->weights ? kept(w->weights, s, weights, form) : NULL;
  if (!there && form_floats(s, form) <= LARGE_FORM) there = prepared(w, s, weights, form);
  if (there)
    ck_winograd_forward(&a, (size_t)images, x, there, bias, y,
                        scratch_of(w, ck_winograd_scratch(&a, CK_FORWARD, images)));
  else
    ck_winograd_by_panels(&a, (size_t)images, x, weights, transposed, bias, y,
                          scratch_of(w, ck_winograd_panel_scratch(&a, images)));
}

/// Winograd's filters want as many tiles as make the matrix products worth their weights: 36 numbers a tap pattern
/// instead of 9. Measured on two cores: Docs/Performance.md.
static int suits_winograd(const ck_convolution *s, int direction, int images) {
  if (s->kernel != 3 || s->stride != 1) return 0;
  const long height = direction == CK_BACKWARD_DATA ? s->height : s->out_height;
  const long width = direction == CK_BACKWARD_DATA ? s->width : s->out_width;
  const long tiles = ((height + 3) / 4) * ((width + 3) / 4) * images;
  // Weights of 320 channels and more come from memory, which is waited for whatever the method: 4 tiles are enough.
  const int many = s->in_blocks >= 20 && s->out_blocks >= 20;
  return tiles >= (many ? 4 : 8) && s->in_blocks + s->out_blocks > 2;
}

static plan *plan_of(ck_workspace *w, const ck_convolution *s, int direction, int images) {
  size_t hash = (size_t)direction * 31 + (size_t)images;
  const int *values = (const int *)s;
  for (size_t i = 0; i < sizeof *s / sizeof(int); i++) hash = hash * 37 + (size_t)values[i];
  plan **bucket = &w->plans[hash % PLAN_BUCKETS];
  for (plan *p = *bucket; p; p = p->next)
    if (p->direction == direction && p->images == images && !memcmp(&p->shape, s, sizeof *s)) return p;
  plan *p = calloc(1, sizeof *p);
  if (!p) abort();
  p->shape = *s;
  p->direction = direction;
  p->images = images;
  if (w->winograd && suits_winograd(s, direction, images)) {
    p->method = CK_WINOGRAD;
  } else if (s->kernel == 1 && s->stride == 1 && s->out_height == s->height && s->out_width == s->width) {
    p->method = CK_POINTWISE;
  } else {
    p->direct = ck_direct_make(s, direction, images);
    p->method = p->direct ? CK_DIRECT : CK_PATCHES;
  }
  p->next = *bucket;
  *bucket = p;
  return p;
}

int ck_convolution_choice(ck_workspace *w, const ck_convolution *s, int direction, int images) {
  return plan_of(w, s, direction, images)->method;
}

void ck_convolve(ck_workspace *w, const ck_convolution *s, int images, const float *x, const float *weights,
                 const float *bias, float *y) {
  const plan *p = plan_of(w, s, CK_FORWARD, images);
  switch (p->method) {
    case CK_WINOGRAD: winograd(w, s, images, x, weights, 0, bias, y); break;
    case CK_POINTWISE: ck_pointwise_forward(s, (size_t)images, x, weights, bias, y); break;
    case CK_DIRECT: {
      // The library wants a bias.
      const size_t out = 16 * (size_t)s->out_blocks, own = ck_direct_scratch(p->direct);
      float *scratch = scratch_of(w, own + out + 16), *zeros = scratch + (own + 15) / 16 * 16;
      if (!bias) memset(zeros, 0, out * sizeof(float));
      ck_direct_run(p->direct, x, weights, bias ? bias : zeros, y, scratch);
      break;
    }
    default: ck_patches_forward(s, images, x, weights, bias, y, scratch_of(w, ck_patches_scratch(s)));
  }
}

void ck_convolve_back_data(ck_workspace *w, const ck_convolution *s, int images, const float *dy, const float *weights,
                           float *dx) {
  const plan *p = plan_of(w, s, CK_BACKWARD_DATA, images);
  switch (p->method) {
    case CK_WINOGRAD: winograd(w, s, images, dy, weights, 1, NULL, dx); break;
    case CK_POINTWISE: {
      const ck_convolution a = adjoint_of(s);
      ck_pointwise_forward(&a, (size_t)images, dy, prepared(w, s, weights, FORM_SWAPPED), NULL, dx);
      break;
    }
    case CK_DIRECT: {
      const int order = ck_direct_weight_order(p->direct);
      const float *ordered = order == CK_ORDER_PLAIN ? weights
                                                     : prepared(w, s, weights,
                                                                order == CK_ORDER_TURNED ? FORM_TURNED : FORM_SWAPPED);
      ck_direct_run(p->direct, dx, ordered, NULL, dy, scratch_of(w, ck_direct_scratch(p->direct)));
      break;
    }
    default: ck_patches_back_data(s, images, dy, weights, dx, scratch_of(w, ck_patches_scratch(s)));
  }
}

void ck_convolve_back_weights(ck_workspace *w, const ck_convolution *s, int images, const float *x, const float *dy,
                              float *dweights, float *dbias, int accumulate) {
  const plan *p = plan_of(w, s, CK_BACKWARD_WEIGHTS, images);
  switch (p->method) {
    case CK_WINOGRAD:
      ck_winograd_back_weights(s, (size_t)images, x, dy, dweights, dbias, accumulate,
                               scratch_of(w, ck_winograd_scratch(s, CK_BACKWARD_WEIGHTS, images)));
      break;
    case CK_POINTWISE: ck_pointwise_back_weights(s, (size_t)images, x, dy, dweights, dbias, accumulate); break;
    case CK_DIRECT: {
      const size_t own = (ck_direct_scratch(p->direct) + 15) / 16 * 16, out = 16 * (size_t)s->out_blocks;
      const size_t count = out * 16 * (size_t)s->in_blocks * (size_t)s->kernel * (size_t)s->kernel;
      float *scratch = scratch_of(w, own + out + (accumulate ? count : 0));
      float *bias = accumulate || !dbias ? scratch + own : dbias, *sum = accumulate ? scratch + own + out : dweights;
      ck_direct_run(p->direct, x, sum, bias, dy, scratch);
      if (accumulate) {
        ck_sum(dweights, 1, dweights, 1, sum, count);
        if (dbias) ck_sum(dbias, 1, dbias, 1, bias, out);
      }
      break;
    }
    default:
      ck_patches_back_weights(s, images, x, dy, dweights, dbias, accumulate, scratch_of(w, ck_patches_scratch(s)));
  }
}
