/* pyramid.h - the pyramid of a batch of images: residuals (Laplacian), or bands of details.
 *
 *     I_{i+1} = d(I_i),   l_i = u(I_{i+1}),   r_i = I_i - l_i  (i < k),   r_k = I_k
 *     I_i = l_i + r_i
 *
 * (the method's paper, section 5.1, equations 8 to 10). Level 0 is the finest,
 * k = levels - 1 the coarsest. Images are NHWC in the memory and the `real` of
 * a pyr_kernels, values in [-1, 1]; odd sides are halved upwards.
 *
 * Each level has a *variable*, what its model draws, and a *condition*, an
 * input of its model:
 *                 variable                                 condition
 *     i < k       r_i, shape of I_i                        l_i, shape of I_i
 *      (bands)   details [LH | HL | HH] (h',w',3c)        I_{i+1} (h',w',c), h' = ceil(h/2)
 *     i = k       I_k                                      none
 *
 * Exactness: analysis of data rounds the outputs of d and u to multiples of
 * 2^-16 (bands: never, their factors are powers of two), so that I = l + r holds
 * bit for bit in float for images of 8 bits, pixels (2p - 255)/256, and 16
 * bits, (2p - 65535)/65536, of any size. (Bands in float: up to as many
 * halvings as the filter's row gives.) Estimates of a model use the same operators
 * unrounded, so that they are linear.
 *
 * Everything here runs on one lane, allocates nothing after _new, and may be
 * called from several lanes at once with a scratch of its own for each. */
#ifndef PYR_PYRAMID_PYRAMID_H
#define PYR_PYRAMID_PYRAMID_H

#include "kernels/kernels.h"
#include "pyramid/filters.h"
#include "settings/settings.h"

enum { PYR_MAX_LEVELS = 12 };
#define PYR_GRID 0x1p-16

typedef struct pyr_pyramid_settings {
    int levels;   /* images, 1..PYR_MAX_LEVELS; 1: no pyramid, the single-resolution baseline */
    int filter;   /* pyr_filter; box is the one for learning */
    double sigma; /* gaussian: in fine pixels, > 0 */
    bool project; /* pyr_pyramid_project does something */
} pyr_pyramid_settings;

/* Its rows: pyramid.levels, .filter, .sigma, .project. */
extern const pyr_section pyr_pyramid_section;

typedef struct pyr_pyramid pyr_pyramid;

/* The pyramid of images h x w x c on table k, which must outlive it. PYR_E_CONFIG: levels or sigma out of
 * range, more levels than the size allows, or a gaussian so wide that its projection would amplify errors;
 * PYR_E_UNSUPPORTED: cosine transforms on a backend whose memory is not the host's; PYR_E_NOMEM. */
pyr_status pyr_pyramid_new(pyr_pyramid **out, pyr_kernels *k, const pyr_pyramid_settings *settings, int h,
                           int w, int c);
void pyr_pyramid_free(pyr_pyramid *p); /* NULL is a no-op */

/* How many levels images h x w can have: until the image is one pixel; at most PYR_MAX_LEVELS. */
int pyr_pyramid_most_levels(int h, int w);
/* PYR_E_CONFIG with a sentence unless `settings` fit images h x w; what _new checks first. */
pyr_status pyr_pyramid_check(const pyr_pyramid_settings *settings, int h, int w);
/* The sigma that the filter reads; 0: it has none. */
double pyr_pyramid_sigma(const pyr_pyramid_settings *settings);

const pyr_pyramid_settings *pyr_pyramid_get(const pyr_pyramid *p); /* valid as long as p */
/* n = 1 in all three; the coarsest level's condition has c = 0. */
pyr_shape pyr_pyramid_image_shape(const pyr_pyramid *p, int level);
pyr_shape pyr_pyramid_variable_shape(const pyr_pyramid *p, int level);
pyr_shape pyr_pyramid_condition_shape(const pyr_pyramid *p, int level);

/* Bytes of backend memory that `scratch` below must have for n images; enough for each of the functions. */
size_t pyr_pyramid_scratch(const pyr_pyramid *p, int n);

/* ---- analysis of data (rounded to 2^-16, see above) --------------------------------------------- */

/* image_i (n x image shape of `level`) = I_level of the n images `image0`; level 0 is a copy. */
void pyr_pyramid_reduce(const pyr_pyramid *p, int n, const void *image0, int level, void *image_i,
                        void *scratch);
/* What the model of `level` learns from: its variable and its condition (NULL: not wanted; must be NULL or
 * is left alone at the coarsest level). Outputs must not overlap image0 or each other. */
void pyr_pyramid_analyze(const pyr_pyramid *p, int n, const void *image0, int level, void *variable,
                         void *condition, void *scratch);
/* The same for all levels in one pass: variable[i] and condition[i] (NULL: not wanted) of level i. */
void pyr_pyramid_analyze_all(const pyr_pyramid *p, int n, const void *image0, void *const *variable,
                             void *const *condition, void *scratch);

/* ---- synthesis, coarse to fine; level < k except where said ------------------------------------- */

/* condition of `level` from a coarse image I_{level+1}. rounded: as analysis does; false: linear, for
 * estimates of a model. */
void pyr_pyramid_condition(const pyr_pyramid *p, int level, int n, const void *coarse, void *condition,
                           bool rounded, void *scratch);
/* image = I_level from coarse = I_{level+1}, condition (as above) and variable. At the coarsest level a copy
 * of the variable, coarse and condition are not read. `image` may be `variable` or `condition` except for
 * haar. */
void pyr_pyramid_synthesize(const pyr_pyramid *p, int level, int n, const void *coarse, const void *condition,
                            const void *variable, void *image, void *scratch);
/* The nearest variable for which d(condition + variable) = coarse:
 *     r += P (I_{i+1} - d(l_i + r)),   P = d^T (d d^T)^-1.
 * Does nothing for bands (nothing to project), at the coarsest level, and when settings.project is false. */
void pyr_pyramid_project(const pyr_pyramid *p, int level, int n, const void *coarse, const void *condition,
                         void *variable, void *scratch);

/* ---- gradients through the synthesis of a model's estimates (the unrounded, linear operators) ----- */

/* From the gradient of image = synthesize(coarse, condition, variable): that of the variable, and that of the
 * condition (bands: of the coarse image, which is their condition). */
void pyr_pyramid_synthesize_adjoint(const pyr_pyramid *p, int level, int n, const void *dimage,
                                    void *dcondition, void *dvariable, void *scratch);
/* dcoarse = u^T dcondition. */
void pyr_pyramid_condition_adjoint(const pyr_pyramid *p, int level, int n, const void *dcondition,
                                   void *dcoarse, void *scratch);
/* From the gradient of I_level = l + r with r projected onto d(l + r) = I_{level+1}, l = u(I_{level+1}): that
 * of the r that was given, and that of I_{level+1}, which acts by its condition and by the projection.
 * Without projection in the settings the same without it. n images each; outputs must not overlap dimage. Not
 * of bands, not at the coarsest level. */
void pyr_pyramid_project_adjoint(const pyr_pyramid *p, int level, int n, const void *dimage, void *dvariable,
                                 void *dcoarse, void *scratch);
/* Whether they exist: bands with an odd side have none here. PYR_E_UNSUPPORTED with a sentence. */
pyr_status pyr_pyramid_has_adjoint(const pyr_pyramid *p);

/* *largest and *rms of d(I_level) - I_{level+1} over n images, in image units; for tests and reports.
 * Allocates a host buffer: PYR_E_NOMEM. */
pyr_status pyr_pyramid_consistency(const pyr_pyramid *p, int level, int n, const void *coarse,
                                   const void *image, double *largest, double *rms, void *scratch);

#endif
