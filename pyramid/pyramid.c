/* pyramid.c - the pyramid of a batch of images: analysis, synthesis, projection, gradients. */
#include "pyramid/pyramid.h"

#include "base/mem.h"
#include "pyramid/ideal.h"
#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

static const pyr_setting rows[] = {
    {"levels", PYR_SETTING_INT, offsetof(pyr_pyramid_settings, levels), 1, PYR_MAX_LEVELS, "3", NULL,
     "images in the pyramid; 1: a single resolution"},
    {"filter", PYR_SETTING_CHOICE, offsetof(pyr_pyramid_settings, filter), 0, 0, "box", pyr_filter_names,
     "how images are halved and enlarged"},
    {"sigma", PYR_SETTING_REAL, offsetof(pyr_pyramid_settings, sigma), 0, PYR_SIGMA_MAX, "1", NULL,
     "width in pixels, over 0, of a filter that has one"},
    {"project", PYR_SETTING_BOOL, offsetof(pyr_pyramid_settings, project), 0, 0, "true", NULL,
     "make each sampled level agree with the coarser one"},
};
const pyr_section pyr_pyramid_section = {"pyramid", rows, sizeof rows / sizeof *rows, false,
                                         "the resolutions that an image is split into"};

/* A projection must not blow up what is wrong in a coarse image. Gain along an axis: box 1, burt-adelson 4,
 * gaussian 3.4 at sigma 1, 24 at 1.6, 35 at 1.7, 139 at 2 (long axes; short ones a little less). */
static const double most_gain = 32;

/* d, u, its transpose, the pseudo-inverse of d, and its transpose; bands: what is done to the fine image before
 * they are taken, its inverse, and the inverse's transpose (pyr_filter.lift). A transpose stands behind its own. */
enum { DOWN, UP, UP_T, BACK, BACK_T, LIFT, UNLIFT, UNLIFT_T, OPERATORS };

struct pyr_pyramid {
    pyr_pyramid_settings settings;
    const pyr_filter *filter;
    pyr_kernels *k;
    pyr_shape image[PYR_MAX_LEVELS];
    /* between level i and i + 1, for rows and for columns; `tap` heads the block, `start` lies behind it */
    pyr_axis axis[PYR_MAX_LEVELS][OPERATORS][2];
    pyr_dct *dct[PYR_MAX_LEVELS]; /* filters of cosine transforms only: of image[i] */
};

/* ---- settings -------------------------------------------------------------------------------------- */

static int halvings(int h, int w)
{
    int n = 0;

    for (; h > 1 || w > 1; n++) {
        h = (h + 1) / 2;
        w = (w + 1) / 2;
    }
    return n;
}

int pyr_pyramid_most_levels(int h, int w)
{
    int n = halvings(h, w) + 1;

    return n < PYR_MAX_LEVELS ? n : PYR_MAX_LEVELS;
}

pyr_status pyr_pyramid_check(const pyr_pyramid_settings *settings, int h, int w)
{
    if (settings->levels < 1 || settings->levels > PYR_MAX_LEVELS)
        return pyr_fail(PYR_E_CONFIG, "levels is %d, should be 1..%d", settings->levels,
                        pyr_pyramid_most_levels(h, w));
    if (settings->levels > pyr_pyramid_most_levels(h, w))
        return pyr_fail(PYR_E_CONFIG, "%dx%d can be halved %d time%s, levels is %d, should be 1..%d", h, w,
                        halvings(h, w), halvings(h, w) == 1 ? "" : "s", settings->levels,
                        pyr_pyramid_most_levels(h, w));
    if (settings->filter < 0 || settings->filter >= PYR_FILTERS)
        return pyr_fail(PYR_E_CONFIG, "filter is number %d, should be 0..%d", settings->filter,
                        PYR_FILTERS - 1);
    if (pyr_filter_of(settings->filter)->has_sigma &&
        !(settings->sigma > 0 && settings->sigma <= PYR_SIGMA_MAX))
        return pyr_fail(PYR_E_CONFIG, "sigma of the %s filter is %g, should be over 0 and at most %g",
                        pyr_filter_names[settings->filter], settings->sigma, PYR_SIGMA_MAX);
    return PYR_OK;
}

double pyr_pyramid_sigma(const pyr_pyramid_settings *settings)
{
    return pyr_filter_of(settings->filter)->has_sigma ? settings->sigma : 0;
}

/* ---- construction ---------------------------------------------------------------------------------- */

/* The same operator in the backend's memory and `real`. */
static pyr_status axis_new(pyr_axis *out, pyr_kernels *k, const pyr_taps *taps)
{
    size_t count = (size_t)taps->n_out * (size_t)taps->width, bytes = count * pyr_type_size(k->real);
    size_t start_bytes = (size_t)taps->n_out * sizeof *taps->start;
    void *staging = NULL, *block = NULL;
    pyr_status status;

    PYR_TRY_OUT(pyr_new(&staging, pyr_aligned(bytes) + start_bytes, 1, "a pyramid filter"));
    for (size_t i = 0; i < count; i++)
        pyr_put_real(k, staging, i, taps->tap[i]);
    memcpy((char *)staging + pyr_aligned(bytes), taps->start, start_bytes);
    PYR_TRY_OUT(pyr_alloc(k, &block, pyr_aligned(bytes) + start_bytes, "a pyramid filter"));
    pyr_upload(k, block, staging, pyr_aligned(bytes) + start_bytes);
    *out = (pyr_axis){.n_in = taps->n_in,
                      .n_out = taps->n_out,
                      .width = taps->width,
                      .start = (const int *)(const void *)((char *)block + pyr_aligned(bytes)),
                      .tap = block};
out:
    pyr_free(staging);
    return status;
}

/* The operator `which` and its transpose. */
static pyr_status axes_new(pyr_pyramid *p, int level, int which, int side, const pyr_taps *taps)
{
    pyr_taps transposed = {0};
    pyr_status status;

    PYR_TRY_OUT(axis_new(&p->axis[level][which][side], p->k, taps));
    PYR_TRY_OUT(pyr_taps_transpose(&transposed, taps));
    PYR_TRY_OUT(axis_new(&p->axis[level][which + 1][side], p->k, &transposed));
out:
    pyr_taps_free(&transposed);
    return status;
}

static pyr_status projection_new(pyr_pyramid *p, int level, int side, const pyr_taps *down)
{
    pyr_taps back = {0};
    double gain, small = p->k->real == PYR_F64 ? 1e-18 : 1e-9;
    pyr_status status;

    PYR_TRY_OUT(pyr_taps_invert(&back, &gain, down, small));
    if (gain > most_gain)
        PYR_TRY_OUT(pyr_fail(PYR_E_CONFIG,
                             "a %s filter of sigma %g blurs too much for the projection (errors would grow "
                             "%.3g times along an axis); use sigma up to 1.6, or project = false",
                             pyr_filter_names[p->settings.filter], p->settings.sigma, gain));
    PYR_TRY_OUT(axes_new(p, level, BACK, side, &back));
out:
    pyr_taps_free(&back);
    return status;
}

static pyr_status lifting_new(pyr_pyramid *p, int level, int side, int n)
{
    pyr_taps lift = {0}, unlift = {0};
    pyr_status status;

    PYR_TRY_OUT(p->filter->lift(&lift, n));
    PYR_TRY_OUT(axis_new(&p->axis[level][LIFT][side], p->k, &lift));
    PYR_TRY_OUT(p->filter->unlift(&unlift, n));
    PYR_TRY_OUT(axes_new(p, level, UNLIFT, side, &unlift));
out:
    pyr_taps_free(&lift);
    pyr_taps_free(&unlift);
    return status;
}

/* The operators of one axis of n pixels, below `level`. */
static pyr_status operators_new(pyr_pyramid *p, int level, int side, int n)
{
    double sigma = p->settings.sigma;
    pyr_taps down = {0}, up = {0};
    pyr_status status;

    PYR_TRY_OUT(p->filter->down(&down, sigma, n));
    PYR_TRY_OUT(axis_new(&p->axis[level][DOWN][side], p->k, &down));
    PYR_TRY_OUT(p->filter->up(&up, sigma, n));
    PYR_TRY_OUT(axes_new(p, level, UP, side, &up));
    if (p->filter->lift)
        PYR_TRY_OUT(lifting_new(p, level, side, n));
    if (!p->filter->bands && p->settings.project)
        PYR_TRY_OUT(projection_new(p, level, side, &down));
out:
    pyr_taps_free(&down);
    pyr_taps_free(&up);
    return status;
}

pyr_status pyr_pyramid_new(pyr_pyramid **out, pyr_kernels *k, const pyr_pyramid_settings *settings, int h,
                           int w, int c)
{
    const pyr_filter *filter;
    pyr_pyramid *p = NULL;
    pyr_status status;

    assert(h >= 1 && w >= 1 && c >= 1);
    *out = NULL;
    PYR_TRY(pyr_pyramid_check(settings, h, w));
    filter = pyr_filter_of(settings->filter);
    /* FFTW's plans run on the host's memory */
    if (filter->cosine && !k->backend->host_memory)
        return pyr_fail(PYR_E_UNSUPPORTED,
                        "the %s filter works on the CPU only, the backend is %s; use --backend cpu or "
                        "another filter",
                        pyr_filter_names[settings->filter], k->backend->name);
    PYR_TRY(pyr_new(&p, 1, sizeof *p, "a pyramid"));
    p->settings = *settings;
    p->filter = filter;
    p->k = k;
    for (int i = 0; i < settings->levels; i++) {
        p->image[i] = (pyr_shape){1, h, w, c};
        if (filter->cosine && settings->levels > 1)
            PYR_TRY_OUT(pyr_dct_new(&p->dct[i], h, w, c));
        else if (i + 1 < settings->levels) {
            PYR_TRY_OUT(operators_new(p, i, 0, h));
            PYR_TRY_OUT(operators_new(p, i, 1, w));
        }
        h = (h + 1) / 2;
        w = (w + 1) / 2;
    }
    *out = p;
    return PYR_OK;
out:
    pyr_pyramid_free(p);
    return status;
}

void pyr_pyramid_free(pyr_pyramid *p)
{
    if (!p)
        return;
    for (int i = 0; i < PYR_MAX_LEVELS; i++) {
        for (int o = 0; o < OPERATORS; o++)
            for (int side = 0; side < 2; side++)
                pyr_release(p->k, (void *)p->axis[i][o][side].tap);
        pyr_dct_free(p->dct[i]);
    }
    pyr_free(p);
}

/* ---- shapes ---------------------------------------------------------------------------------------- */

static bool is_coarsest(const pyr_pyramid *p, int level)
{
    assert(level >= 0 && level < p->settings.levels);
    return level == p->settings.levels - 1;
}

const pyr_pyramid_settings *pyr_pyramid_get(const pyr_pyramid *p)
{
    return &p->settings;
}

pyr_shape pyr_pyramid_image_shape(const pyr_pyramid *p, int level)
{
    assert(level >= 0 && level < p->settings.levels);
    return p->image[level];
}

pyr_shape pyr_pyramid_variable_shape(const pyr_pyramid *p, int level)
{
    pyr_shape s;

    if (is_coarsest(p, level) || !p->filter->bands)
        return p->image[level];
    s = p->image[level + 1];
    s.c *= 3;
    return s;
}

pyr_shape pyr_pyramid_condition_shape(const pyr_pyramid *p, int level)
{
    pyr_shape s = p->image[level];

    if (is_coarsest(p, level))
        s.c = 0;
    else if (p->filter->bands)
        s = p->image[level + 1];
    return s;
}

static size_t elements(const pyr_pyramid *p, int level, int n)
{
    return (size_t)n * pyr_count(p->image[level]);
}

/* ---- scratch ---------------------------------------------------------------------------------------
 *
 * Two coarse images (of level 1 and level 2, or smaller), a fine one, for filters that lift another one, and what
 * an operator needs between its passes: resample n x out rows x in columns doubles (u and back: fine x coarse, d:
 * coarse x fine, lift: fine x fine), cosine transforms one fine and one coarse image in double. */

typedef struct scratch {
    void *coarse[2], *fine, *lifted, *passes;
} scratch;

static size_t place(const pyr_pyramid *p, int n, char *base, scratch *out)
{
    size_t real = pyr_type_size(p->k->real), at = 0, passes = 0;
    int levels = p->settings.levels;

    for (int i = 0; i < 2; i++) {
        out->coarse[i] = base ? base + at : NULL;
        at += i + 1 < levels ? pyr_aligned(elements(p, i + 1, n) * real) : 0;
    }
    out->fine = base ? base + at : NULL;
    at += levels > 1 ? pyr_aligned(elements(p, 0, n) * real) : 0;
    out->lifted = base ? base + at : NULL;
    at += levels > 1 && p->filter->lift ? pyr_aligned(elements(p, 0, n) * real) : 0;
    out->passes = base ? base + at : NULL;
    if (p->dct[0])
        passes =
            pyr_aligned(elements(p, 0, 1) * sizeof(double)) + pyr_aligned(elements(p, 1, 1) * sizeof(double));
    else if (levels > 1) {
        size_t d = (size_t)p->image[1].h * (size_t)p->image[0].w;
        size_t u = (size_t)p->image[0].h * (size_t)(p->filter->lift ? p->image[0] : p->image[1]).w;

        passes = pyr_aligned((size_t)n * (size_t)p->image[0].c * (d > u ? d : u) * sizeof(double));
    }
    return at + passes;
}

size_t pyr_pyramid_scratch(const pyr_pyramid *p, int n)
{
    scratch unused;
    size_t bytes = place(p, n, NULL, &unused);

    return bytes ? bytes : PYR_ALIGN;
}

static scratch scratch_at(const pyr_pyramid *p, int n, void *base)
{
    scratch s;

    place(p, n, base, &s);
    return s;
}

/* ---- operators ------------------------------------------------------------------------------------- */

/* The operator `which` between level and level + 1 by cosine transforms, image by image. */
static void apply_ideal(const pyr_pyramid *p, int level, int which, int n, void *dst, const void *src,
                        double grid, void *passes)
{
    size_t fine = elements(p, level, 1), coarse = elements(p, level + 1, 1);
    double *fine_at = passes,
           *coarse_at = fine_at + pyr_aligned(elements(p, 0, 1) * sizeof(double)) / sizeof(double);
    bool down = which == DOWN || which == UP_T || which == BACK_T;
    double *in = down ? fine_at : coarse_at, *result = down ? coarse_at : fine_at;
    size_t in_count = down ? fine : coarse, out_count = down ? coarse : fine;
    /* with orthonormal transforms, u is sqrt(n/m) times "add zeros" and d sqrt(m/n) times its transpose */
    double factor = which == UP_T || which == BACK_T ? (double)fine / (double)coarse : 1;

    for (size_t image = 0; image < (size_t)n; image++) {
        for (size_t i = 0; i < in_count; i++)
            in[i] = pyr_element(p->k->real, src, image * in_count + i);
        if (down)
            pyr_ideal_down(coarse_at, fine_at, p->dct[level + 1], p->dct[level]);
        else /* u is the pseudo-inverse too */
            pyr_ideal_up(fine_at, coarse_at, p->dct[level], p->dct[level + 1]);
        for (size_t i = 0; i < out_count; i++)
            pyr_put_real(p->k, dst, image * out_count + i,
                         grid > 0 ? nearbyint(result[i] / grid) * grid : factor * result[i]);
    }
}

static void apply(const pyr_pyramid *p, int level, int which, int n, void *dst, const void *src, double grid,
                  void *passes)
{
    const pyr_axis *axis = p->axis[level][which];

    if (p->dct[0])
        apply_ideal(p, level, which, n, dst, src, grid, passes);
    else
        p->k->backend->resample(p->k, dst, src, n, p->image[0].c, &axis[0], &axis[1], grid, passes);
}

/* dst = a * x + b * y */
static void mix(const pyr_pyramid *p, void *dst, double a, const void *x, double b, const void *y,
                size_t count)
{
    pyr_combine(p->k, dst, 2, (double[2]){a, b}, (const void *const[2]){x, y}, count);
}

static void copy_images(const pyr_pyramid *p, int level, int n, void *dst, const void *src)
{
    pyr_copy(p->k, dst, src, elements(p, level, n) * pyr_type_size(p->k->real));
}

/* coarse images of bands are sums over powers of two of the pixels, exact unrounded */
static double analysis_grid(const pyr_pyramid *p)
{
    return p->filter->bands ? 0 : PYR_GRID;
}

/* The bands of n images of `level`, after LIFT; of their gradients, after UNLIFT_T. */
static void split(const pyr_pyramid *p, int level, int lift, int n, void *bands, const void *image, scratch s)
{
    pyr_shape shape = p->image[level];

    shape.n = n;
    if (p->filter->lift)
        apply(p, level, lift, n, s.lifted, image, 0, s.passes);
    p->k->backend->haar_split(p->k, bands, p->filter->lift ? s.lifted : image, shape);
}

static void merge(const pyr_pyramid *p, int level, int n, void *image, const void *coarse, const void *bands,
                  scratch s)
{
    pyr_shape shape = p->image[level];

    shape.n = n;
    p->k->backend->haar_merge(p->k, p->filter->unlift ? s.lifted : image, shape, coarse, bands);
    if (p->filter->unlift)
        apply(p, level, UNLIFT, n, image, s.lifted, 0, s.passes);
}

/* ---- analysis -------------------------------------------------------------------------------------- */

static void reduce(const pyr_pyramid *p, int n, const void *image0, int level, void *image_i, scratch s)
{
    const void *from = image0;

    if (level == 0)
        copy_images(p, 0, n, image_i, image0);
    for (int i = 0; i < level; i++) {
        void *to = i + 1 == level ? image_i : s.coarse[i % 2];

        apply(p, i, DOWN, n, to, from, analysis_grid(p), s.passes);
        from = to;
    }
}

void pyr_pyramid_reduce(const pyr_pyramid *p, int n, const void *image0, int level, void *image_i,
                        void *scratch_block)
{
    assert(level >= 0 && level < p->settings.levels);
    reduce(p, n, image0, level, image_i, scratch_at(p, n, scratch_block));
}

void pyr_pyramid_analyze(const pyr_pyramid *p, int n, const void *image0, int level, void *variable,
                         void *condition, void *scratch_block)
{
    scratch s = scratch_at(p, n, scratch_block);
    const void *image = image0;

    if (is_coarsest(p, level)) {
        reduce(p, n, image0, level, variable, s);
        return;
    }
    if (p->filter->bands) {
        if (level > 0) {
            reduce(p, n, image0, level, s.fine, s);
            image = s.fine;
        }
        split(p, level, LIFT, n, variable, image, s);
        if (condition)
            apply(p, level, DOWN, n, condition, image, 0, s.passes);
        return;
    }
    if (level > 0) {
        reduce(p, n, image0, level, variable, s);
        image = variable;
    }
    if (!condition)
        condition = s.fine;
    apply(p, level, DOWN, n, s.coarse[0], image, PYR_GRID, s.passes);
    apply(p, level, UP, n, condition, s.coarse[0], PYR_GRID, s.passes);
    mix(p, variable, 1, image, -1, condition, elements(p, level, n));
}

/* Image i - 1 is there when image i is made of it; each is dropped two levels later. */
void pyr_pyramid_analyze_all(const pyr_pyramid *p, int n, const void *image0, void *const *variable,
                             void *const *condition, void *scratch_block)
{
    scratch s = scratch_at(p, n, scratch_block);
    int coarsest = p->settings.levels - 1;
    const void *image = image0;

    for (int level = 0; level < coarsest; level++) {
        void *coarse = s.coarse[level % 2], *enlarged = condition[level] ? condition[level] : s.fine;

        apply(p, level, DOWN, n, coarse, image, analysis_grid(p), s.passes);
        if (p->filter->bands) {
            split(p, level, LIFT, n, variable[level], image, s);
            if (condition[level])
                copy_images(p, level + 1, n, condition[level], coarse);
        } else {
            apply(p, level, UP, n, enlarged, coarse, PYR_GRID, s.passes);
            mix(p, variable[level], 1, image, -1, enlarged, elements(p, level, n));
        }
        image = coarse;
    }
    copy_images(p, coarsest, n, variable[coarsest], image);
}

/* ---- synthesis ------------------------------------------------------------------------------------- */

void pyr_pyramid_condition(const pyr_pyramid *p, int level, int n, const void *coarse, void *condition,
                           bool rounded, void *scratch_block)
{
    assert(!is_coarsest(p, level));
    if (p->filter->bands)
        copy_images(p, level + 1, n, condition, coarse);
    else
        apply(p, level, UP, n, condition, coarse, rounded ? PYR_GRID : 0,
              scratch_at(p, n, scratch_block).passes);
}

void pyr_pyramid_synthesize(const pyr_pyramid *p, int level, int n, const void *coarse, const void *condition,
                            const void *variable, void *image, void *scratch_block)
{
    if (is_coarsest(p, level)) {
        if (image != variable)
            copy_images(p, level, n, image, variable);
    } else if (p->filter->bands)
        merge(p, level, n, image, coarse, variable, scratch_at(p, n, scratch_block));
    else
        mix(p, image, 1, condition, 1, variable, elements(p, level, n));
}

void pyr_pyramid_project(const pyr_pyramid *p, int level, int n, const void *coarse, const void *condition,
                         void *variable, void *scratch_block)
{
    scratch s = scratch_at(p, n, scratch_block);

    if (is_coarsest(p, level) || p->filter->bands || !p->settings.project)
        return;
    mix(p, s.fine, 1, condition, 1, variable, elements(p, level, n));
    apply(p, level, DOWN, n, s.coarse[0], s.fine, 0, s.passes);
    mix(p, s.coarse[0], 1, coarse, -1, s.coarse[0], elements(p, level + 1, n));
    apply(p, level, BACK, n, s.fine, s.coarse[0], 0, s.passes);
    mix(p, variable, 1, variable, 1, s.fine, elements(p, level, n));
}

/* ---- gradients ------------------------------------------------------------------------------------- */

pyr_status pyr_pyramid_has_adjoint(const pyr_pyramid *p)
{
    for (int i = 0; p->filter->bands && i + 1 < p->settings.levels; i++)
        if (p->image[i].h % 2 || p->image[i].w % 2)
            return pyr_fail(
                PYR_E_UNSUPPORTED,
                "level %d is %dx%d: with the %s filter gradients pass through even sides only; use "
                "--resize, fewer levels, or the box filter",
                i, p->image[i].h, p->image[i].w, pyr_filter_names[p->settings.filter]);
    return PYR_OK;
}

void pyr_pyramid_synthesize_adjoint(const pyr_pyramid *p, int level, int n, const void *dimage,
                                    void *dcondition, void *dvariable, void *scratch_block)
{
    scratch s = scratch_at(p, n, scratch_block);

    if (!is_coarsest(p, level) && p->filter->bands) {
        /* before unlift, each of four pixels is the coarse one plus or minus halves of the details */
        split(p, level, UNLIFT_T, n, dvariable, dimage, s);
        apply(p, level, UP_T, n, dcondition, dimage, 0, s.passes);
        return;
    }
    copy_images(p, level, n, dvariable, dimage);
    if (!is_coarsest(p, level))
        copy_images(p, level, n, dcondition, dimage);
}

void pyr_pyramid_condition_adjoint(const pyr_pyramid *p, int level, int n, const void *dcondition,
                                   void *dcoarse, void *scratch_block)
{
    assert(!is_coarsest(p, level));
    if (p->filter->bands)
        copy_images(p, level + 1, n, dcoarse, dcondition);
    else
        apply(p, level, UP_T, n, dcoarse, dcondition, 0, scratch_at(p, n, scratch_block).passes);
}

/* With P = 1 - back d, the projected image is P (l + r) + back I_{i+1}, and l = u I_{i+1}. P is symmetric,
 * back being d^T (d d^T)^-1. */
void pyr_pyramid_project_adjoint(const pyr_pyramid *p, int level, int n, const void *dimage, void *dvariable,
                                 void *dcoarse, void *scratch_block)
{
    scratch s = scratch_at(p, n, scratch_block);
    size_t count = elements(p, level + 1, n);

    assert(!is_coarsest(p, level) && !p->filter->bands);
    copy_images(p, level, n, dvariable, dimage);
    if (!p->settings.project) {
        apply(p, level, UP_T, n, dcoarse, dimage, 0, s.passes);
        return;
    }
    apply(p, level, DOWN, n, s.coarse[0], dimage, 0, s.passes);
    apply(p, level, BACK, n, s.fine, s.coarse[0], 0, s.passes);
    mix(p, dvariable, 1, dimage, -1, s.fine, elements(p, level, n));
    apply(p, level, UP_T, n, s.coarse[0], dvariable, 0, s.passes);
    apply(p, level, BACK_T, n, dcoarse, dimage, 0, s.passes);
    mix(p, dcoarse, 1, dcoarse, 1, s.coarse[0], count);
}

pyr_status pyr_pyramid_consistency(const pyr_pyramid *p, int level, int n, const void *coarse,
                                   const void *image, double *largest, double *rms, void *scratch_block)
{
    scratch s = scratch_at(p, n, scratch_block);
    size_t count;
    double *host, sum = 0;
    pyr_status status;

    assert(!is_coarsest(p, level));
    count = elements(p, level + 1, n);
    PYR_TRY(pyr_new(&host, count, sizeof *host, "the consistency of a level"));
    apply(p, level, DOWN, n, s.coarse[0], image, 0, s.passes);
    mix(p, s.coarse[0], 1, s.coarse[0], -1, coarse, count);
    status = pyr_download_reals(p->k, host, s.coarse[0], count);
    *largest = 0;
    for (size_t i = 0; i < count; i++) {
        double e = fabs(host[i]);

        *largest = e > *largest || isnan(e) ? e : *largest;
        sum += e * e;
    }
    *rms = count ? sqrt(sum / (double)count) : 0;
    pyr_free(host);
    return status;
}
