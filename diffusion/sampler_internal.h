/* sampler_internal.h - what the files of the samplers share (sampler.c drives, sampler_*.c step). */
#ifndef PYR_DIFFUSION_SAMPLER_INTERNAL_H
#define PYR_DIFFUSION_SAMPLER_INTERNAL_H

#include "base/philox.h"
#include "diffusion/rk45.h"
#include "diffusion/sampler.h"

/* A sampler on its way. A step takes x from noise level s to r, 0 < r <= s; the last one, to 0, is the
 * driver's denoising step for all kinds. */
typedef struct pyr_path {
    const pyr_sampling *w;
    const pyr_sampler *sampler;
    const pyr_schedule *schedule;
    void *x;
    int step, repeat;
    double s, r;
    double before; /* noise level that the step before came from; 0: this is the first */
    int evaluations;
} pyr_path;

/* Vectors (n x size) of the working memory. PYR_D is what the hook after a step is shown. */
enum { PYR_D, PYR_V1, PYR_V2, PYR_V3, PYR_PATH_VECTORS };

void *pyr_path_vector(const pyr_path *p, int which);
/* Where vector i of a block begins. */
void *pyr_path_part(const pyr_path *p, void *block, int i);
/* pyr_rk45_work bytes, for rk45. */
void *pyr_path_rk45(const pyr_path *p);

/* dst = normals of this step, one stream per sample; draws of one step are told apart by `draw`. */
void pyr_path_noise(const pyr_path *p, void *dst, int draw);
/* Uniform in (0, 1) for vector i, of streams that no noise has. */
double pyr_path_uniform(const pyr_path *p, int i, int draw);

/* out = D(x, s), counted */
pyr_status pyr_path_denoise(pyr_path *p, const void *x, double s, void *out);

/* dst = a x + b y, and + c z */
void pyr_path_mix(const pyr_path *p, void *dst, double a, const void *x, double b, const void *y);
void pyr_path_mix3(const pyr_path *p, void *dst, double a, const void *x, double b, const void *y, double c,
                   const void *z);
void pyr_path_copy(const pyr_path *p, void *dst, const void *src);

/* sampler_ode.c */
pyr_status pyr_ode_step(pyr_path *p, bool second_order);
/* Noise up to a higher level, which is returned (p->s where there is nothing to do). */
double pyr_churn(pyr_path *p);
pyr_status pyr_rk45_step(pyr_path *p);

/* sampler_sde.c */
pyr_status pyr_euler_maruyama_step(pyr_path *p);
pyr_status pyr_reverse_diffusion_step(pyr_path *p);
pyr_status pyr_ddim_step(pyr_path *p, double eta);
pyr_status pyr_consistent_annealed_step(pyr_path *p);

/* sampler_dpm.c */
pyr_status pyr_dpmpp_step(pyr_path *p, double eta);

/* sampler_langevin.c */
pyr_status pyr_corrector_step(pyr_path *p);
/* T moves at noise level s, with draws from first_draw on. `from`: the level that x came from. */
pyr_status pyr_langevin_moves(pyr_path *p, double from, double s, int first_draw);
pyr_status pyr_hmc_moves(pyr_path *p, double s);

#endif
