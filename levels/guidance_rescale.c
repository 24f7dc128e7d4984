/* guidance_rescale.c - the spread of guided and unguided outputs, image by image. */
#include "levels/guidance_rescale.h"

#include "base/mem.h"
#include "diffusion/sampler.h"
#include <math.h>

enum { THIS, GUIDED, AT_GUIDED, AT_THIS, AT_X, BLOCKS };
static const char what[] = "rescaled guidance";

static size_t image_bytes(const pyr_guidance_rescale *g)
{
    return g->size * pyr_type_size(g->k->real);
}

static void *block(const pyr_guidance_rescale *g, int lane, int which)
{
    return g->room[BLOCKS * lane + which];
}

static void *image(const pyr_guidance_rescale *g, const void *at, int i)
{
    return (char *)(uintptr_t)at + (size_t)i * image_bytes(g);
}

pyr_status pyr_guidance_rescale_new(pyr_guidance_rescale *out, pyr_kernels *k, double phi, int batch,
                                    size_t size, bool gradient)
{
    size_t lanes = (size_t)k->lanes, n = (size_t)batch, bytes = n * size * pyr_type_size(k->real);
    double *host;
    pyr_status status;

    *out = (pyr_guidance_rescale){.k = k, .phi = phi, .batch = batch, .size = size};
    PYR_TRY(pyr_new(&out->skip, lanes * n, sizeof *out->skip, what));
    PYR_TRY(pyr_new(&out->this, lanes * n, sizeof *out->this, what));
    PYR_TRY(pyr_new(&out->guided, lanes * n, sizeof *out->guided, what));
    PYR_TRY(pyr_new(&out->r, lanes * n, sizeof *out->r, what));
    PYR_TRY(pyr_new(&out->room, BLOCKS * lanes, sizeof *out->room, what));
    for (size_t i = 0; i < BLOCKS * lanes; i++)
        if (gradient || i % BLOCKS < AT_GUIDED)
            PYR_TRY(pyr_alloc(k, &out->room[i], bytes, what));
    PYR_TRY(pyr_alloc(k, &out->ones, bytes, what));
    PYR_TRY(pyr_new(&host, n * size, sizeof *host, what));
    for (size_t i = 0; i < n * size; i++)
        host[i] = 1;
    status = pyr_upload_reals(k, out->ones, host, n * size);
    pyr_free(host);
    return status;
}

void pyr_guidance_rescale_free(pyr_guidance_rescale *g)
{
    if (!g->k)
        return;
    for (int i = 0; g->room && i < BLOCKS * g->k->lanes; i++)
        pyr_release(g->k, g->room[i]);
    pyr_release(g->k, g->ones);
    pyr_free(g->room);
    pyr_free(g->skip);
    pyr_free(g->this);
    pyr_free(g->guided);
    pyr_free(g->r);
    *g = (pyr_guidance_rescale){0};
}

size_t pyr_guidance_rescale_bytes(const pyr_guidance_rescale *g)
{
    size_t blocks = 1;

    for (int i = 0; g->room && i < BLOCKS * g->k->lanes; i++)
        blocks += g->room[i] != NULL;
    return g->k ? blocks * (size_t)g->batch * image_bytes(g) : 0;
}

void pyr_guidance_rescale_before(pyr_guidance_rescale *g, int lane, int n, const double *s, const void *x,
                                 const void *this)
{
    for (int i = 0; i < n; i++) {
        double skip = 1 / (1 + s[i] * s[i]);

        g->skip[lane * g->batch + i] = skip;
        pyr_combine(g->k, image(g, block(g, lane, THIS), i), 2, (double[]){1, -skip},
                    (const void *const[]){image(g, this, i), image(g, x, i)}, g->size);
        pyr_combine(g->k, image(g, block(g, lane, GUIDED), i), 1, (double[]){-skip},
                    (const void *const[]){image(g, x, i)}, g->size);
    }
}

/* The mean is taken from each image; out[i] = its norm then. */
static pyr_status centre(const pyr_guidance_rescale *g, int n, void *at, double *out, bool in_place)
{
    double sum[PYR_MAX_SAMPLING_BATCH], square[PYR_MAX_SAMPLING_BATCH];

    PYR_TRY(pyr_dots(g->k, sum, at, g->ones, n, g->size));
    PYR_TRY(pyr_dots(g->k, square, at, at, n, g->size));
    for (int i = 0; i < n; i++) {
        out[i] = sqrt(fmax(0, square[i] - sum[i] * sum[i] / (double)g->size));
        if (in_place)
            pyr_combine(g->k, image(g, at, i), 2, (double[]){1, -sum[i] / (double)g->size},
                        (const void *const[]){image(g, at, i), g->ones}, g->size);
    }
    return PYR_OK;
}

pyr_status pyr_guidance_rescale_apply(pyr_guidance_rescale *g, int lane, int n, void *out)
{
    void *guided = block(g, lane, GUIDED);
    double *this_norm = g->this + lane * g->batch, *guided_norm = g->guided + lane * g->batch;
    double *r = g->r + lane * g->batch;

    pyr_combine(g->k, guided, 2, (double[]){1, 1}, (const void *const[]){guided, out}, (size_t)n * g->size);
    PYR_TRY(centre(g, n, block(g, lane, THIS), this_norm, false));
    PYR_TRY(centre(g, n, guided, guided_norm, false));
    for (int i = 0; i < n; i++) {
        r[i] = guided_norm[i] > 0 ? g->phi * this_norm[i] / guided_norm[i] + 1 - g->phi : 1;
        pyr_combine(g->k, image(g, out, i), 2, (double[]){1, r[i] - 1},
                    (const void *const[]){image(g, out, i), image(g, guided, i)}, g->size);
    }
    return PYR_OK;
}

/* With t = R_this, q = R_guided and c(.) without the mean, dr = phi (c(t) . dt / (|c(t)| |c(q)|) - |c(t)| c(q) . dq / |c(q)|^3),
 * D' = x/(1 + s^2) + r q: at q arrives r v + (v . q) dr/dq, at t (v . q) dr/dt; D_guided and D_this take these, and x their
 * sum with -1/(1 + s^2), as R has, besides v's own. */
pyr_status pyr_guidance_rescale_seeds(pyr_guidance_rescale *g, int lane, int n, const void *v,
                                      const void **at_guided, const void **at_this, const void **at_x)
{
    void *t = block(g, lane, THIS), *q = block(g, lane, GUIDED);
    double vq[PYR_MAX_SAMPLING_BATCH], norm[PYR_MAX_SAMPLING_BATCH];

    PYR_TRY(pyr_dots(g->k, vq, v, q, n, g->size));
    PYR_TRY(centre(g, n, t, norm, true));
    PYR_TRY(centre(g, n, q, norm, true));
    for (int i = 0; i < n; i++) {
        int at = lane * g->batch + i;
        double a = g->this[at], b = g->guided[at], skip = g->skip[at],
               some = a > 0 && b > 0 ? g->phi * vq[i] : 0;
        void *own = image(g, block(g, lane, AT_GUIDED), i), *plain = image(g, block(g, lane, AT_THIS), i);

        pyr_combine(g->k, own, 2, (double[]){g->r[at], some != 0 ? -some * a / (b * b * b) : 0},
                    (const void *const[]){image(g, v, i), image(g, q, i)}, g->size);
        pyr_combine(g->k, plain, 1, (double[]){some != 0 ? some / (a * b) : 0},
                    (const void *const[]){image(g, t, i)}, g->size);
        pyr_combine(g->k, image(g, block(g, lane, AT_X), i), 3, (double[]){skip, -skip, -skip},
                    (const void *const[]){image(g, v, i), own, plain}, g->size);
    }
    *at_guided = block(g, lane, AT_GUIDED);
    *at_this = block(g, lane, AT_THIS);
    *at_x = block(g, lane, AT_X);
    return PYR_OK;
}
