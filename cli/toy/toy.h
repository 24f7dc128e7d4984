/* toy.h - what the parts of pyrdiff toy share. */
#ifndef PYR_CLI_TOY_TOY_H
#define PYR_CLI_TOY_TOY_H

#include "diffusion/sampler.h"
#include "plots/plane.h"
#include "toys/toy_mixture.h"
#include "toys/toy_train.h"

/* One network per objective, the first being the one that samples are drawn with. */
enum { PYR_STUDY_NETWORKS = 6, PYR_STUDY_MODES = 16 };

typedef struct pyr_study {
    const char *outdir;
    int which;           /* pyr_toy */
    const char *weights; /* of its modes, as they are typed: "0.1,0.9"; "": its own */
    int64_t seed;        /* of networks, draws and samples */
    int64_t steps;       /* of each training */
    int batch;           /* places a step */
    double rate;         /* the highest learning rate */
    int points;          /* that each sampler draws */
    int moves;           /* evaluations that each Langevin sampler has, about */
    double sigma;        /* noise level of the fields that are drawn */
    pyr_kernels *k;      /* the networks' */
    pyr_kernels *plain;  /* double: the samplers' */
    pyr_mixture *m;
    double x, y, side; /* the square that is looked at: all modes and three standard deviations around them */
    double sharpest;   /* the smallest standard deviation of a mode */
    pyr_toy_network *net[PYR_STUDY_NETWORKS];
    uint64_t *seeds; /* [points] */
    pyr_text page;
} pyr_study;

/* Train the networks, compare their fields with the known one: scores.svg and a table. */
pyr_status pyr_study_scores(pyr_study *t);
/* Langevin and annealed Langevin dynamics from one start: langevin.svg and a table. */
pyr_status pyr_study_langevin(pyr_study *t);
/* Langevin dynamics' divergence from a normal distribution over time, and its bound: decay.svg and a table. */
pyr_status pyr_study_decay(pyr_study *t);
/* Sliced score matching of points on a circle, without noise and with it: manifold.svg and a table. */
pyr_status pyr_study_manifold(pyr_study *t);
/* Paths of the reverse SDE and the probability-flow ODE: paths.svg and a table. */
pyr_status pyr_study_paths(pyr_study *t);
/* The SDE with a drift for each class, the modes being the classes, and its reversal: classes.svg and a table. */
pyr_status pyr_study_classes(pyr_study *t);

/* ---- for these ---- */

/* A sampler at work on all points. */
typedef struct pyr_study_draw {
    pyr_sampler sampler;
    pyr_schedule schedule;
    pyr_toy_network *net; /* NULL: the exact denoiser */
    const double *start;  /* [points][2]; NULL: the sampler's own */
    /* After each step: x[points][2] at noise level s (0: done); NULL: not wanted. */
    void (*look)(void *ctx, int step, double s, const double *x);
    void *ctx;
} pyr_study_draw;

/* x[points][2] = the samples */
pyr_status pyr_study_sample(const pyr_study *t, const pyr_study_draw *draw, double *x);

/* How far the points' mode weights w[modes] are from the true ones: the total variation distance, half of the
 * sum of |differences|. */
double pyr_study_distance(const pyr_study *t, double *w, const double *x, int n);
/* "0.20 0.80", or for more than four modes "off by 0.012": what a title has room for. */
void pyr_study_weights(const pyr_study *t, char *words, size_t size, const double *x, int n);

/* The mode that x is most likely of. */
int pyr_study_mode(const pyr_study *t, const double *x);

/* A table of mode weights, on stdout and on the page: a line for each way of drawing points. */
void pyr_study_tell_begin(pyr_study *t, const char *title);
void pyr_study_tell(pyr_study *t, const char *name, int nfe, const double *x);
void pyr_study_tell_end(pyr_study *t);

/* A panel of a sheet: column and row count from 0. Without `begin`'s words. */
pyr_plane pyr_study_panel(const pyr_study *t, pyr_text *out, int column, int row);
enum { PYR_STUDY_PANEL = 196, PYR_STUDY_ACROSS = 234, PYR_STUDY_DOWN = 252 };
/* Lines of equal density at noise level s, where it is that of 1, 2, 3 and 4 standard deviations of a
 * mode. */
pyr_status pyr_study_contours(const pyr_study *t, const pyr_plane *p, double s);

/* outdir/NAME.svg, and the same on the page with words below. */
pyr_status pyr_study_sheet(pyr_study *t, const char *name, const char *title, const char *words,
                           pyr_text *drawn, double width, double height);

#endif
