// SPDX-License-Identifier: GPL-3.0-or-later
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_integration.h>
#include <gsl/gsl_linalg.h>
#include <gsl/gsl_eigen.h>
#include <gsl/gsl_odeiv2.h>
#include <gsl/gsl_sf_gamma.h>
#include <gsl/gsl_spline.h>
#include <gsl/gsl_version.h>

// GSL's step types are mutable global pointers, which Swift 6 refuses to read; these return them.
static inline const gsl_odeiv2_step_type *scoresde_odeiv2_rk2(void) { return gsl_odeiv2_step_rk2; }
static inline const gsl_odeiv2_step_type *scoresde_odeiv2_rk4(void) { return gsl_odeiv2_step_rk4; }
static inline const gsl_odeiv2_step_type *scoresde_odeiv2_rkf45(void) { return gsl_odeiv2_step_rkf45; }
static inline const gsl_odeiv2_step_type *scoresde_odeiv2_rkck(void) { return gsl_odeiv2_step_rkck; }
static inline const gsl_odeiv2_step_type *scoresde_odeiv2_rk8pd(void) { return gsl_odeiv2_step_rk8pd; }
static inline const gsl_odeiv2_step_type *scoresde_odeiv2_rk1imp(void) { return gsl_odeiv2_step_rk1imp; }
static inline const gsl_odeiv2_step_type *scoresde_odeiv2_rk2imp(void) { return gsl_odeiv2_step_rk2imp; }
static inline const gsl_odeiv2_step_type *scoresde_odeiv2_rk4imp(void) { return gsl_odeiv2_step_rk4imp; }
static inline const gsl_odeiv2_step_type *scoresde_odeiv2_bsimp(void) { return gsl_odeiv2_step_bsimp; }
static inline const gsl_odeiv2_step_type *scoresde_odeiv2_msbdf(void) { return gsl_odeiv2_step_msbdf; }
static inline const gsl_odeiv2_step_type *scoresde_odeiv2_msadams(void) { return gsl_odeiv2_step_msadams; }

static inline const gsl_interp_type *scoresde_interp_steffen(void) { return gsl_interp_steffen; }
static inline const gsl_interp_type *scoresde_interp_cspline(void) { return gsl_interp_cspline; }

static inline const char *scoresde_gsl_version(void) { return gsl_version; }
