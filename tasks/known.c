/* known.c - keeps the known part of a picture, level by level, while the rest is sampled. */
#include "tasks/known.h"

#include "base/mem.h"
#include "tasks/lanes.h"
#include "tasks/layers.h"
#include <math.h>
#include <string.h>

/* What a lane knows in the middle of a level's stage. */
typedef struct known_stage {
    struct pyr_known *known;
    pyr_model_stage stage;
    pyr_denoising denoising;
    double moving_at; /* the noise level at which moves have been made since the last step; 0: none */
    uint32_t noise;   /* number of the noise that was put in there */
} known_stage;

struct pyr_known {
    pyr_model *m;
    pyr_layers layers;
    pyr_task_lanes lanes;
    pyr_model_hooks hooks;
    bool grey;
    int repeats;
    uint8_t *given[PYR_MAX_LEVELS]; /* pixels of I_i: 1 when given (grey: all are) */
    double share[PYR_MAX_LEVELS];
    /* of pixels that cover given and other ones (weight 0: of none such), by channel: how much of the pixel
     * is given, and the mean of that */
    double *weight[PYR_MAX_LEVELS], *hint[PYR_MAX_LEVELS];
    bool mixed[PYR_MAX_LEVELS]; /* whether the level has any */
    known_stage *stage;         /* [lanes of the kernels] */
};

/* Vectors of a lane: what is given of z for each image of the batch; x; noise; hints. */
enum { TARGET, X, NOISE, HINT };

/* ---- what is given ----------------------------------------------------------------------------- */

static const pyr_filter *filter_of(const pyr_known *known)
{
    return pyr_filter_of(pyr_pyramid_get(known->m->pyramid)->filter);
}

/* Where all weights of d are positive, pixels of which it sees a part that is not given are those where d of
 * "not given" is not 0. The number is so large that the smallest weight is not lost in rounding. */
static pyr_status carry_down_by_weight(pyr_known *known, const uint8_t *regenerate)
{
    const double much = 65536;
    pyr_shape s = pyr_model_image(known->m, 0);
    size_t n = (size_t)s.h * (size_t)s.w, c = (size_t)s.c;
    pyr_layers of = {0};
    float *indicator = NULL;
    pyr_status status;

    PYR_TRY(pyr_new(&indicator, n * c, sizeof *indicator, "a mask"));
    for (size_t i = 0; i < n * c; i++)
        indicator[i] = regenerate[i / c] ? (float)much : 0;
    PYR_TRY_OUT(pyr_layers_new(&of, known->m, indicator));
    for (int level = 0; level < of.levels; level++) {
        s = pyr_model_image(known->m, level);
        for (size_t i = 0; i < (size_t)s.h * (size_t)s.w; i++)
            known->given[level][i] = of.image[level][i * c] == 0;
    }
out:
    pyr_layers_free(&of);
    pyr_free(indicator);
    return status;
}

/* Where weights may cancel, by which pixels d sees at all. */
static pyr_status carry_down_by_reach(pyr_known *known)
{
    const pyr_pyramid_settings *p = pyr_pyramid_get(known->m->pyramid);

    for (int level = 0; level + 1 < known->m->levels; level++) {
        pyr_shape s = pyr_model_image(known->m, level);

        PYR_TRY(
            pyr_filter_reach(known->given[level + 1], known->given[level], p->filter, p->sigma, s.h, s.w));
    }
    return PYR_OK;
}

static pyr_status carry_down(pyr_known *known, const uint8_t *regenerate)
{
    for (int level = 0; level < known->m->levels; level++) {
        pyr_shape s = pyr_model_image(known->m, level);
        size_t n = (size_t)s.h * (size_t)s.w;

        PYR_TRY(pyr_new(&known->given[level], n, 1, "a mask"));
        for (size_t i = 0; i < n && (level == 0 || known->grey); i++)
            known->given[level][i] = known->grey || !regenerate[i];
    }
    if (!known->grey)
        PYR_TRY(filter_of(known)->positive ? carry_down_by_weight(known, regenerate)
                                           : carry_down_by_reach(known));
    for (int level = 0; level < known->m->levels; level++) {
        pyr_shape s = pyr_model_image(known->m, level);
        size_t n = (size_t)s.h * (size_t)s.w, given = 0;

        for (size_t i = 0; i < n; i++)
            given += known->given[level][i];
        known->share[level] = (double)given / (double)n;
    }
    return PYR_OK;
}

/* Of a coarse pixel over pixels of both kinds the given ones say something, too. */
static pyr_status carry_hints(pyr_known *known, const float *image, const uint8_t *regenerate)
{
    pyr_shape s = pyr_model_image(known->m, 0);
    size_t n = pyr_count(s);
    pyr_layers weights = {0}, sums = {0};
    float *one = NULL, *part = NULL;
    pyr_status status;

    PYR_TRY_OUT(pyr_new(&one, n, sizeof *one, "a mask"));
    PYR_TRY_OUT(pyr_new(&part, n, sizeof *part, "a mask"));
    for (size_t i = 0; i < n; i++) {
        one[i] = regenerate[i / (size_t)s.c] ? 0 : 1;
        part[i] = one[i] * image[i];
    }
    PYR_TRY_OUT(pyr_layers_new(&weights, known->m, one));
    PYR_TRY_OUT(pyr_layers_new(&sums, known->m, part));
    for (int level = 1; level < known->m->levels; level++) {
        s = pyr_model_image(known->m, level);
        n = pyr_count(s);
        PYR_TRY_OUT(pyr_new(&known->weight[level], n, sizeof(double), "a mask"));
        PYR_TRY_OUT(pyr_new(&known->hint[level], n, sizeof(double), "a mask"));
        for (size_t i = 0; i < n; i++) {
            double weight = weights.image[level][i];

            if (known->given[level][i / (size_t)s.c] || weight < 1.0 / 1024)
                continue;
            known->weight[level][i] = fmin(weight, 1);
            known->hint[level][i] = sums.image[level][i] / weight;
            known->mixed[level] = true;
        }
    }
out:
    pyr_free(one);
    pyr_free(part);
    pyr_layers_free(&weights);
    pyr_layers_free(&sums);
    return status;
}

static bool has_bands(const pyr_known *known, int level)
{
    return filter_of(known)->bands && level + 1 < known->m->levels;
}

/* The pixels of a level's variable: bands of details are given where the coarse pixel is. */
static const uint8_t *given_of_variable(const pyr_known *known, int level)
{
    return known->given[has_bands(known, level) ? level + 1 : level];
}

/* ---- putting it in ------------------------------------------------------------------------------- */

/* The grey component of a pixel's three channels becomes that of `target`: x += q q^T (target - x), with
 * q = (1, 1, 1)/sqrt 3. The other rows of Q are not needed for that. */
static void put_grey(double *x, const double *target)
{
    double off = (target[0] + target[1] + target[2] - x[0] - x[1] - x[2]) / 3;

    for (int j = 0; j < 3; j++)
        x[j] += off;
}

/* The given components of n images with c channels and `pixels` pixels each become those of `target`. */
static void put_given(const pyr_known *known, const uint8_t *given, int n, size_t pixels, size_t c, double *x,
                      const double *target, bool one_target)
{
    for (size_t at = 0; at < (size_t)n * pixels; at++) {
        const double *from = target + (one_target ? at % pixels : at) * c;

        if (known->grey)
            for (size_t j = 0; j < c; j += 3) /* of bands: each on its own */
                put_grey(x + at * c + j, from + j);
        else if (given[at % pixels])
            memcpy(x + at * c, from, c * sizeof *x);
    }
}

/* ---- the hooks ------------------------------------------------------------------------------------ */

/* z of the images of this stage as `of` is their level's image. */
static pyr_status put_z(const pyr_known *known, const pyr_model_stage *stage, const double *of, double *z)
{
    const pyr_level *level = &known->m->level[stage->level].level;
    size_t size = pyr_count(level->variable), count = (size_t)stage->n * size;

    memset(z, 0, count * sizeof *z);
    if (stage->condition)
        PYR_TRY(pyr_download_reals(known->m->k, z, stage->condition, count));
    for (size_t i = 0; i < count; i++)
        z[i] = of[i % size] - z[i];
    pyr_standardise_host(level, stage->n, z);
    return PYR_OK;
}

/* z as it is given for the images of this stage. */
static pyr_status put_target(const pyr_known *known, const pyr_model_stage *stage, double *target)
{
    size_t size = pyr_count(known->m->level[stage->level].level.variable);

    if (stage->condition && !has_bands(known, stage->level))
        return put_z(known, stage, known->layers.image[stage->level], target);
    for (size_t i = 0; i < (size_t)stage->n; i++)
        memcpy(target + i * size, known->layers.variable[stage->level], size * sizeof *target);
    return PYR_OK;
}

/* x = z + s eps with its given components replaced; at s = 0 without noise. */
static pyr_status put_in(const known_stage *at, uint32_t number, double s, void *x)
{
    const pyr_known *known = at->known;
    const pyr_model_stage *stage = &at->stage;
    pyr_kernels *k = known->m->k;
    pyr_task_lane *l = &known->lanes.lane[stage->lane];
    pyr_shape shape = known->m->level[stage->level].level.variable;
    size_t count = (size_t)stage->n * pyr_count(shape);
    double *noise = l->v[NOISE];

    if (s > 0)
        PYR_TRY(pyr_task_noise(&known->lanes, stage, pyr_count(shape), number, noise));
    for (size_t i = 0; i < count; i++)
        noise[i] = l->v[TARGET][i] + (s > 0 ? s * noise[i] : 0);
    PYR_TRY(pyr_download_reals(k, l->v[X], x, count));
    put_given(known, given_of_variable(known, stage->level), stage->n, (size_t)shape.h * (size_t)shape.w,
              (size_t)shape.c, l->v[X], noise, false);
    return pyr_upload_reals(k, x, l->v[X], count);
}

/* After all moves at a noise level the same is put in (Song & Ermon 2019, algorithm 2: y is drawn once for each). */
static uint32_t noise_at(known_stage *at, double s)
{
    if (at->moving_at != s)
        at->noise = at->known->lanes.lane[at->stage.lane].calls++;
    at->moving_at = s;
    return at->noise;
}

static pyr_status moved(void *ctx, double s, void *x)
{
    known_stage *at = ctx;

    return put_in(at, noise_at(at, s), s, x);
}

static pyr_status after(void *ctx, int step, double s, void *x, const void *denoised)
{
    known_stage *at = ctx;
    uint32_t number = noise_at(at, s);

    (void)step, (void)denoised;
    at->moving_at = 0;
    return put_in(at, number, s, x);
}

/* D with what the given part of a mixed pixel implies. Its mean a is the pixel's value up to the finer
 * residuals, a = z + noise of variance q = (1 - weight) / weight * sum over j < i of std_j^2 (in units of z),
 * and z given x has about the variance v = s^2 / (1 + s^2):   D + v / (v + q) (a - D). */
static pyr_status hinted(void *ctx, const void *x, const double *s, void *out)
{
    const known_stage *at = ctx;
    const pyr_known *known = at->known;
    const pyr_model_stage *stage = &at->stage;
    pyr_kernels *k = known->m->k;
    const pyr_level *level = &known->m->level[stage->level].level;
    size_t size = pyr_count(level->variable), count = (size_t)stage->n * size;
    double *d = known->lanes.lane[stage->lane].v[X], *a = known->lanes.lane[stage->lane].v[HINT], finer = 0;

    for (int i = 0; i < stage->level; i++)
        finer += pow(known->m->level[i].level.facts.std[0] / level->facts.std[0], 2);
    PYR_TRY(pyr_denoiser_call((void *)&at->denoising, x, s, out));
    PYR_TRY(pyr_download_reals(k, d, out, count));
    for (size_t i = 0; i < count; i++) {
        double weight = known->weight[stage->level][i % size], si = s[i / size];
        double v = si * si / (1 + si * si);

        if (weight > 0)
            d[i] += v / (v + (1 - weight) / weight * finer) * (a[i] - d[i]);
    }
    return pyr_upload_reals(k, out, d, count);
}

static pyr_status before(void *ctx, const pyr_model_stage *stage, pyr_level_draw *draw)
{
    pyr_known *known = ctx;
    known_stage *at = &known->stage[stage->lane];
    int variable_level = has_bands(known, stage->level) ? stage->level + 1 : stage->level;

    *at = (known_stage){.known = known, .stage = *stage};
    if (known->mixed[stage->level] && variable_level == stage->level) {
        PYR_TRY(put_z(known, stage, known->hint[stage->level], known->lanes.lane[stage->lane].v[HINT]));
        at->denoising = (pyr_denoising){.denoiser = &known->m->level[stage->level].denoiser,
                                        .lane = stage->lane,
                                        .n = stage->n,
                                        .condition = draw->condition,
                                        .rows = draw->rows};
        draw->denoise = hinted;
        draw->denoise_ctx = at;
    }
    if (known->share[variable_level] == 0) /* nothing is given: plain sampling */
        return PYR_OK;
    known->lanes.lane[stage->lane].calls = 0;
    PYR_TRY(put_target(known, stage, known->lanes.lane[stage->lane].v[TARGET]));
    draw->after = after;
    draw->after_ctx = at;
    draw->moved = moved;
    draw->repeats = known->repeats;
    return PYR_OK;
}

/* The variable as the sampler left it, for where it will not be projected. */
static pyr_status drawn(void *ctx, const pyr_model_stage *stage, void *variable)
{
    const pyr_known *known = ctx;

    if (known->grey || known->share[stage->level] == 0)
        return PYR_OK;
    return pyr_download_reals(known->m->k, known->lanes.lane[stage->lane].v[X], variable,
                              (size_t)stage->n * pyr_count(known->m->level[stage->level].level.variable));
}

/* Colours outside [-1, 1] are brought back along their grey: what is cut off one channel goes to the
 * others. */
static void into_range(double *x)
{
    double grey = (x[0] + x[1] + x[2]) / 3;

    for (int round = 0; round < 3; round++) {
        double missing = 3 * grey;
        int free = 0;

        for (int j = 0; j < 3; j++) {
            x[j] = fmin(fmax(x[j], -1), 1);
            missing -= x[j];
        }
        for (int j = 0; j < 3; j++)
            free += missing > 0 ? x[j] < 1 : x[j] > -1;
        for (int j = 0; j < 3 && free; j++)
            if (missing > 0 ? x[j] < 1 : x[j] > -1)
                x[j] += missing / free;
    }
}

/* Whether the coarse pixel over a pixel that is not given covers one that is. */
static bool is_mixed(const pyr_known *known, int level, pyr_shape s, size_t pixel)
{
    int y = (int)(pixel / (size_t)s.w) / 2 * 2, x = (int)(pixel % (size_t)s.w) / 2 * 2;

    for (int i = 0; i < 4; i++)
        if (y + i / 2 < s.h && x + i % 2 < s.w && known->given[level][(y + i / 2) * s.w + x + i % 2])
            return true;
    return false;
}

static pyr_status synthesized(void *ctx, const pyr_model_stage *stage, void *image)
{
    const pyr_known *known = ctx;
    pyr_kernels *k = known->m->k;
    pyr_shape s = pyr_model_image(known->m, stage->level);
    size_t c = (size_t)s.c, pixels = (size_t)s.h * (size_t)s.w, count = (size_t)stage->n * pixels * c;
    double *x = known->lanes.lane[stage->lane].v[NOISE],
           *condition = known->lanes.lane[stage->lane].v[TARGET];
    const double *unprojected = known->lanes.lane[stage->lane].v[X];
    bool mixed = stage->condition && !has_bands(known, stage->level) && !known->grey;

    if (known->share[stage->level] == 0)
        return PYR_OK;
    PYR_TRY(pyr_download_reals(k, x, image, count));
    if (mixed)
        PYR_TRY(pyr_download_reals(k, condition, stage->condition, count));
    for (size_t i = 0; mixed && i < count; i++)
        if (!known->given[stage->level][i / c % pixels] && is_mixed(known, stage->level, s, i / c % pixels))
            x[i] = condition[i] + unprojected[i];
    put_given(known, known->given[stage->level], stage->n, pixels, c, x, known->layers.image[stage->level],
              true);
    for (size_t i = 0; known->grey && i < count; i += 3)
        into_range(x + i);
    return pyr_upload_reals(k, image, x, count);
}

/* ---- made and freed ------------------------------------------------------------------------------ */

pyr_status pyr_known_new(pyr_known **out, pyr_model *m, const float *image, const uint8_t *regenerate,
                         int repeats)
{
    pyr_kernels *k = m->k;
    int c = pyr_model_image(m, 0).c;
    pyr_known *known;
    pyr_status status;

    *out = NULL;
    if (!regenerate && c != 3)
        return pyr_fail(PYR_E_UNSUPPORTED,
                        "colours need a run that was trained on RGB images, this one's have %d channel%s", c,
                        c == 1 ? "" : "s");
    PYR_TRY(pyr_new(&known, 1, sizeof *known, "a task"));
    known->m = m;
    known->grey = !regenerate;
    known->repeats = repeats;
    known->hooks =
        (pyr_model_hooks){.ctx = known, .before = before, .drawn = drawn, .synthesized = synthesized};
    PYR_TRY_OUT(pyr_new(&known->stage, (size_t)k->lanes, sizeof *known->stage, "a task"));
    PYR_TRY_OUT(pyr_task_lanes_new(&known->lanes, m));
    PYR_TRY_OUT(pyr_layers_new(&known->layers, m, image));
    PYR_TRY_OUT(carry_down(known, regenerate));
    if (!known->grey && filter_of(known)->positive)
        PYR_TRY_OUT(carry_hints(known, image, regenerate));
    *out = known;
    return PYR_OK;
out:
    pyr_known_free(known);
    return status;
}

void pyr_known_free(pyr_known *known)
{
    if (!known)
        return;
    for (int level = 0; level < PYR_MAX_LEVELS; level++) {
        pyr_free(known->given[level]);
        pyr_free(known->weight[level]);
        pyr_free(known->hint[level]);
    }
    pyr_free(known->stage);
    pyr_task_lanes_free(&known->lanes);
    pyr_layers_free(&known->layers);
    pyr_free(known);
}

const pyr_model_hooks *pyr_known_hooks(const pyr_known *known)
{
    return &known->hooks;
}

double pyr_known_share(const pyr_known *known, int level)
{
    return known->share[level];
}
