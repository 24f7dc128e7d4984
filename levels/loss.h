/* loss.h - denoising score matching on one level, as a graph.
 *
 * With z the standardised variable, s = sigma/alpha of the image, eps normal (design, "Denoiser" and
 * "Loss"; Karras et al. 2022, section 5):
 *     x = (z + s eps) / sqrt(1 + s^2)                      what the network reads
 *     D = x / sqrt(1 + s^2) + s / sqrt(1 + s^2) F(x, c, tau)
 *     w |D - z|^2 = w s^2 / (1 + s^2) |F - F*|^2,          F* = (s z - eps) / sqrt(1 + s^2)
 * The right-hand side is what is computed: it keeps its precision when s is small. Other predictions than F
 * have other factors (diffusion/prediction.h).
 *
 * That is denoising score matching. level.objective has others (diffusion/score_matching.h), at the same noise levels
 * and with the same weights, whose gradients are the same in the mean:
 *
 *     explicit    the target has D* = E[z | x] of the training set (levels/parzen.h) in z's place, and the noise to it
 *     implicit    z is not known: E w |D - z|^2 = E w (|D - x|^2 + 2 s^2 tr J - d s^2), J = dD/dx of d numbers (Stein
 *     sliced      1981; with D = x + s^2 score it is Hyvarinen's 2005 loss of the score of x, equation 4, times 2 w
 *                 s^4), tr J = E v^T J v with signs v (implicit; Hutchinson) or normals (sliced; Song et al. 2019)
 *
 * For the last two the network is evaluated at x + h v and x - h v (x as the network reads it; Pang et al. 2020):
 *     N = (N+ + N-)/2,   v^T dN/dx v = v^T (N+ - N-)/(2h)
 *     w |D - x|^2 = w out^2 |N - (1 - skip)/out x|^2,   tr J = d skip + out in v^T (N+ - N-)/(2h)
 * in full precision. Losses are estimates of the same number, the error of the denoiser; held-out losses are
 * denoising ones for all.
 *
 * c is the condition, with augmentation noise when wanted, divided by its standard deviation; with
 * level.augmentation_channel one constant channel more tells how much noise that is.
 *
 * In an end-to-end cascade the finer level is conditioned on this level's own denoised image: `estimate` is D
 * in image units, and its gradient comes back through it. */
#ifndef PYR_LEVELS_LOSS_H
#define PYR_LEVELS_LOSS_H

#include "graph/graph.h"
#include "levels/level.h"
#include "levels/parzen.h"

enum { PYR_DRAWN = 15 };

/* An input that is drawn: where it begins among the draws of a micro-batch, and its bytes for one image. */
typedef struct pyr_drawn {
    pyr_value value;
    size_t at, each;
} pyr_drawn;

typedef struct pyr_loss {
    pyr_kernels *k;
    pyr_graph *g;
    const pyr_level *level;
    pyr_noise noise;
    pyr_objective objective; /* of training; denoising otherwise */
    const pyr_parzen
        *parzen;   /* of objective explicit: the caller sets it before anything is drawn; borrowed */
    bool training; /* with augmentation, dropout and gradients */
    pyr_value variable, condition, stream, mix_in, mix_target, mix_condition, noise_channel, time, label,
        which, weight, vector, loss; /* -1: there is none */
    /* of other objectives: D*; the probe, the weight of v^T (N+ - N-)/2h and its negative, and what is added */
    pyr_value transform; /* labels of the image's transformations */
    pyr_value posterior, probe, slope, minus_slope, constant;
    pyr_value estimate, mix_estimate, vector_out;
    pyr_value given;                /* the condition as it is given: real, or an estimate */
    pyr_value estimated, mix_given; /* see plan.given_estimates */
    double probability, transforms; /* as of the plan */
    pyr_drawn drawn[PYR_DRAWN];     /* what is drawn for each image */
    size_t draw_bytes;              /* of a micro-batch: all of them, one after the other, aligned */
    char *host;                     /* [lane][draw_bytes] */
} pyr_loss;

typedef struct pyr_loss_plan {
    int batch, groups; /* as in pyr_plan, as parts */
    int parts;
    int lanes; /* 0: all */
    bool training;
    int shared; /* levels that share the network's trunk (pyr_unet_options); 0: none do */
    double
        transforms; /* probability with which images are transformed (pyr_pick), of which the network is told; 0: they are
                          not */
    bool estimate;          /* keep the denoised variable, in image units */
    bool estimate_gradient; /* its gradient will be filled before backward */
    bool given_estimates; /* `estimated` is a second condition, which an image is given with `probability` */
    double probability;
    bool given_gradient; /* the caller fills a gradient of `given` before backward, and that of `estimated` is
                            wanted: what arrives at the images that were given theirs */
} pyr_loss_plan;

/* Plan the graph; parameters that `params` does not have yet are added to it. `k`, `params` and `level` are
 * borrowed until it is freed. After a failure too *out must be freed. PYR_E_CONFIG, PYR_E_SHAPE,
 * PYR_E_NOMEM. */
pyr_status pyr_loss_new(pyr_loss *out, pyr_kernels *k, pyr_params *params, const pyr_level *level,
                        const pyr_loss_plan *plan);
void pyr_loss_free(pyr_loss *loss);

/* What a network is worth: floating-point operations of an image, forward; parameters. Nothing is planned. */
pyr_status pyr_loss_cost(pyr_kernels *k, const pyr_level *level, double *flop, double *parameters);

/* The images of one micro-batch within the noise of a whole batch. */
typedef struct pyr_draw {
    uint64_t seed;
    uint32_t step;
    int first, n;          /* images first .. first + n - 1 of the batch */
    int batch;             /* the noise levels are stratified over it */
    const int32_t *labels; /* n of them, or NULL */
    const int64_t *images; /* n: which images of the training set; read by objective explicit only */
} pyr_draw;

/* The noise level of image i of a batch: the (i + u)/batch quantile, u uniform. */
double pyr_draw_level(const pyr_loss *loss, const pyr_draw *draw, int i);
/* The standard deviation of the noise on the condition of image i, in image units; 0 unless training. */
double pyr_draw_augmentation(const pyr_loss *loss, const pyr_draw *draw, int i);

/* The draws of a micro-batch into host memory (draw_bytes); then, when they are in `block`, backend memory,
 * into the lane's inputs. The first n variables and conditions are the caller's (pyr_graph_data). Images
 * beyond get weight 0, and zeros. */
void pyr_loss_prepare(const pyr_loss *loss, const pyr_draw *draw, void *host);
void pyr_loss_take(pyr_loss *loss, int lane, const void *block, int n);
/* Both at once. */
pyr_status pyr_loss_draw(pyr_loss *loss, int lane, const pyr_draw *draw);

#endif
