/* denoiser.c - the graph of a level's network as D(x, s), with preconditioning, condition, class and
 * guidance. */
#include "levels/denoiser.h"

#include "base/mem.h"
#include "graph/lane_share.h"
#include "network/unet.h"
#include <assert.h>

static bool inside(double lo, double hi, double s)
{
    return s >= lo && (hi == 0 || s <= hi);
}

bool pyr_level_guided(const pyr_level *level, double s)
{
    const pyr_level_settings *set = &level->settings;

    return set->sampler_guidance != 1 && (level->facts.classes || level->weaker) &&
           (s < 0 || inside(set->guidance_min, set->guidance_max, s));
}

bool pyr_guidance_in_one_batch(const pyr_level_settings *settings, bool weaker)
{
    return settings->sampler_guidance != 1 && !weaker && settings->guidance_min == 0 &&
           settings->guidance_max == 0;
}

/* ---- the graphs -------------------------------------------------------------------------------- */

/* What stays from call to call is kept: nothing else may take its place in the arena. */
static pyr_value lasting_input(pyr_graph *g, pyr_shape shape, pyr_type type)
{
    pyr_value v = pyr_graph_input(g, shape, type);

    pyr_graph_keep(g, v);
    return v;
}

static int parts_of(const pyr_denoiser *d, int places)
{
    return d->part < d->batch ? places / d->part : 1;
}

static pyr_status plan_evaluation(pyr_denoiser *d, pyr_params *params)
{
    pyr_shape pair = {1, 1, 1, 2}, one = {1, 1, 1, 1},
              features = pyr_unet_condition_shape(&d->level->unet, d->level->variable);
    pyr_kernels *k = d->k;
    pyr_value sample, f;
    pyr_graph *g;

    PYR_TRY(pyr_graph_new(&d->g, k, d->level->precision, params));
    g = d->g;
    d->x = pyr_graph_input(g, d->level->variable, k->real);
    d->mix_in = pyr_graph_input(g, pair, k->real);
    d->mix_out = pyr_graph_input(g, pair, k->real);
    d->time = pyr_graph_input(g, one, k->real);
    if (d->level->condition.c)
        d->features = lasting_input(g, features, pyr_image_type(k, d->level->precision));
    if (d->level->facts.classes)
        d->label = lasting_input(g, one, PYR_U32);
    sample = pyr_mix(g, d->x, d->x, d->mix_in);
    f = pyr_unet_build(
        g, &d->level->unet, &(pyr_unet_options){.undivided = true, .level = d->level->facts.index},
        &(pyr_unet_inputs){
            .sample = sample, .condition = d->features, .time = d->time, .label = d->label, .stream = -1});
    d->d = pyr_mix(g, d->x, f, d->mix_out);
    pyr_graph_keep(g, d->d);
    if (d->gradient != PYR_GRADIENT_NONE) {
        pyr_graph_want_gradient(g, d->x);
        if (d->features >= 0 && d->gradient == PYR_GRADIENT_OF_X_AND_CONDITION)
            pyr_graph_want_gradient(g, d->features);
        pyr_graph_seed(g, d->d);
    }
    return pyr_graph_plan(g, &(pyr_plan){.batch = d->places, .parts = parts_of(d, d->places)});
}

/* The noise on the condition is the same for all images: a setting of the sampling. */
static pyr_status put_noise_channel(pyr_denoiser *d)
{
    double amount = pyr_level_noise_channel(d->level, d->level->settings.sampler_augmentation), *host;
    size_t n = pyr_count(pyr_graph_shape(d->conditioner, d->noise_channel));
    pyr_status status = PYR_OK;

    PYR_TRY(pyr_new(&host, n, sizeof *host, "noise of the condition"));
    for (size_t i = 0; i < n; i++)
        host[i] = amount;
    for (int lane = 0; lane < pyr_graph_lanes(d->conditioner) && status == PYR_OK; lane++)
        status = pyr_upload_reals(d->k, pyr_graph_data(d->conditioner, lane, d->noise_channel), host, n);
    pyr_free(host);
    return status;
}

static pyr_status plan_conditioner(pyr_denoiser *d, pyr_params *params)
{
    const pyr_level *level = d->level;
    pyr_shape channel = level->condition;
    pyr_value condition;
    pyr_graph *g;

    channel.c = 1;
    PYR_TRY(pyr_graph_new(&d->conditioner, d->k, level->precision, params));
    g = d->conditioner;
    d->condition = pyr_graph_input(g, level->condition, d->k->real);
    condition = pyr_affine(g, d->condition, 1 / level->facts.condition_std, 0);
    if (level->facts.noise_unit > 0) {
        d->noise_channel = lasting_input(g, channel, d->k->real);
        condition = pyr_concat(g, condition, d->noise_channel);
    }
    d->result = pyr_unet_condition(g, &level->unet, condition);
    pyr_graph_keep(g, d->result);
    if (d->gradient == PYR_GRADIENT_OF_X_AND_CONDITION) {
        pyr_graph_want_gradient(g, d->condition);
        pyr_graph_seed(g, d->result);
    }
    PYR_TRY(pyr_graph_plan(g, &(pyr_plan){.batch = d->batch, .parts = parts_of(d, d->batch)}));
    return d->noise_channel >= 0 ? put_noise_channel(d) : PYR_OK;
}

/* Numbers of a place: see pyr_denoiser_lane. */
enum { PER_PLACE = 5 };

/* For each place [1 0], then for each [0 1], then for each 1: a noise level for all is put together from
 * these. */
static pyr_status new_units(pyr_denoiser *d)
{
    size_t n = (size_t)d->places;
    double *host;
    pyr_status status;

    PYR_TRY(pyr_new(&host, PER_PLACE * n, sizeof *host, "noise levels"));
    for (size_t i = 0; i < n; i++)
        host[2 * i] = host[2 * (n + i) + 1] = host[4 * n + i] = 1;
    status = pyr_alloc(d->k, &d->units, PER_PLACE * n * pyr_type_size(d->k->real), "noise levels");
    if (status == PYR_OK)
        status = pyr_upload_reals(d->k, d->units, host, PER_PLACE * n);
    pyr_free(host);
    return status;
}

static pyr_status new_levels(pyr_denoiser *d)
{
    pyr_kernels *k = d->k;
    size_t bytes = PER_PLACE * (size_t)d->places * pyr_type_size(k->real);

    PYR_TRY(new_units(d));
    PYR_TRY(pyr_new(&d->levels, (size_t)k->lanes, sizeof *d->levels, "noise levels"));
    for (int lane = 0; lane < k->lanes; lane++) {
        for (int i = 0; i < 2; i++)
            PYR_TRY(pyr_alloc_host(k, &d->levels[lane].host[i], bytes, "noise levels"));
        PYR_TRY(pyr_alloc(k, &d->levels[lane].device, bytes, "noise levels"));
    }
    return PYR_OK;
}

static void free_levels(pyr_denoiser *d)
{
    pyr_kernels *k = d->k;

    for (int lane = 0; d->levels && lane < k->lanes; lane++) {
        pyr_forget(k, &d->levels[lane].recording);
        for (int i = 0; i < 2; i++)
            pyr_release_host(k, d->levels[lane].host[i]);
        pyr_release(k, d->levels[lane].device);
    }
    if (k) /* not of {0} */
        pyr_release(k, d->units);
    pyr_free(d->levels);
}

pyr_status pyr_denoiser_new(pyr_denoiser *out, pyr_kernels *k, pyr_params *params, const pyr_level *level,
                            int batch, pyr_denoiser_gradient gradient)
{
    bool guided = pyr_level_guided(level, -1),
         both = guided &&
                (gradient != PYR_GRADIENT_NONE ? !level->weaker
                                               : pyr_guidance_in_one_batch(&level->settings, level->weaker));
    size_t places = (size_t)k->lanes * (size_t)(both ? 2 * batch : batch);

    *out = (pyr_denoiser){.k = k,
                          .level = level,
                          .batch = batch,
                          .gradient = gradient,
                          .places = both ? 2 * batch : batch,
                          .part = pyr_share_part(k, batch, level->variable),
                          .guidance = guided ? level->settings.sampler_guidance : 1,
                          .lo = level->settings.guidance_min,
                          .hi = level->settings.guidance_max,
                          .features = -1,
                          .label = -1,
                          .condition = -1,
                          .noise_channel = -1};
    PYR_TRY(new_levels(out));
    PYR_TRY(pyr_new(&out->labels, places, sizeof *out->labels, "classes"));
    PYR_TRY(pyr_new(&out->pull, (size_t)k->lanes * (size_t)batch, sizeof *out->pull, "guidance"));
    if (guided && level->settings.guidance_rescale > 0)
        PYR_TRY(pyr_guidance_rescale_new(&out->rescale, k, level->settings.guidance_rescale, batch,
                                         pyr_count(level->variable), gradient != PYR_GRADIENT_NONE));
    if (gradient != PYR_GRADIENT_NONE)
        PYR_TRY(pyr_new(&out->weight, (size_t)k->lanes * (size_t)batch, sizeof *out->weight, "guidance"));
    if (guided && !both && !level->weaker) {
        PYR_TRY(pyr_new(&out->kept, (size_t)k->lanes, sizeof *out->kept, "denoised images"));
        for (int lane = 0; lane < k->lanes; lane++)
            PYR_TRY(pyr_alloc(k, &out->kept[lane],
                              (size_t)batch * pyr_count(level->variable) * pyr_type_size(k->real),
                              "denoised images"));
    }
    PYR_TRY(plan_evaluation(out, params));
    return level->condition.c ? plan_conditioner(out, params) : PYR_OK;
}

bool pyr_denoiser_recordable(const pyr_denoiser *d)
{
    return !d->kept && !d->rescale.k && !d->classifier;
}

void pyr_denoiser_free(pyr_denoiser *d)
{
    pyr_graph_free(d->g);
    pyr_graph_free(d->conditioner);
    for (int lane = 0; d->kept && lane < d->k->lanes; lane++)
        pyr_release(d->k, d->kept[lane]);
    pyr_free(d->kept);
    pyr_free(d->weight);
    free_levels(d);
    pyr_free(d->labels);
    pyr_free(d->pull);
    pyr_guidance_rescale_free(&d->rescale);
    *d = (pyr_denoiser){0};
}

pyr_status pyr_denoiser_pack(pyr_denoiser *d, const void *block)
{
    for (int lane = 0; lane < d->k->lanes; lane++)
        pyr_forget(d->k, &d->levels[lane].recording); /* it reads the parameters that were */
    PYR_TRY(pyr_graph_pack(d->g, block));
    return d->conditioner ? pyr_graph_pack(d->conditioner, block) : PYR_OK;
}

pyr_graph_memory pyr_denoiser_bytes(const pyr_denoiser *d)
{
    pyr_graph_memory bytes = pyr_graph_bytes(d->g), more = {0};

    if (d->conditioner)
        more = pyr_graph_bytes(d->conditioner);
    bytes.arena += more.arena;
    bytes.packed += more.packed;
    bytes.total += more.total + pyr_guidance_rescale_bytes(&d->rescale);
    return bytes;
}

double pyr_denoiser_flop(const pyr_denoiser *d, int evaluations)
{
    double flop = evaluations * pyr_graph_flop(d->g);

    if (d->classifier)
        flop += evaluations * pyr_noise_classifier_flop(d->classifier);
    return d->conditioner ? flop + pyr_graph_flop(d->conditioner) : flop;
}

/* ---- before the first call --------------------------------------------------------------------- */

/* Of the graphs' places the parts that the images need are computed; with both in one batch, they come twice, one after
 * the other. Places beyond n repeat the first image's numbers (label, noise level); what their pictures hold does not
 * matter, since images do not see each other. */
int pyr_denoising_places(const pyr_denoising *call)
{
    int part = call->denoiser->part;

    return (call->n + part - 1) / part * part;
}

static bool both_in_one(const pyr_denoiser *d)
{
    return d->places > d->batch;
}

static int image_of(const pyr_denoising *call, int place)
{
    int image = place % pyr_denoising_places(call);

    return image < call->n ? image : 0;
}

size_t pyr_denoising_feature_bytes(const pyr_denoising *call)
{
    const pyr_denoiser *d = call->denoiser;
    pyr_shape s = pyr_graph_shape(d->conditioner, d->result);

    s.n = pyr_denoising_places(call);
    return pyr_count(s) * pyr_type_size(pyr_image_type(d->k, d->level->precision));
}

static void put_features(const pyr_denoising *call)
{
    pyr_denoiser *d = call->denoiser;
    size_t bytes = pyr_denoising_feature_bytes(call);
    const void *result = pyr_graph_data(d->conditioner, call->lane, d->result);
    char *features = pyr_graph_data(d->g, call->lane, d->features);

    for (int times = 0; times <= both_in_one(d); times++)
        pyr_copy(d->k, features + (size_t)times * bytes, result, bytes);
}

/* The class of each image, or (with_classes false, or an image without one) the row that stands for no class. */
static void put_labels(const pyr_denoising *call, bool with_classes)
{
    pyr_denoiser *d = call->denoiser;
    uint32_t *labels = d->labels + (size_t)call->lane * (size_t)d->places;
    uint32_t none = (uint32_t)d->level->facts.classes;

    for (int i = 0; i < d->places; i++)
        labels[i] = with_classes && call->rows && i < pyr_denoising_places(call)
                        ? call->rows[image_of(call, i)]
                        : none;
    pyr_upload(d->k, pyr_graph_data(d->g, call->lane, d->label), labels, (size_t)d->places * sizeof *labels);
}

pyr_status pyr_denoiser_begin(const pyr_denoising *call)
{
    pyr_denoiser *d = call->denoiser;
    pyr_kernels *k = d->k;

    if (d->label >= 0)
        put_labels(call, true);
    if (d->classifier && call->rows)
        PYR_TRY(pyr_noise_classifier_begin(d->classifier, call->lane, call->n, call->rows, call->condition));
    if (call->weaker)
        PYR_TRY(pyr_denoiser_begin(call->weaker));
    if (!d->conditioner)
        return pyr_sync(k);
    pyr_copy(k, pyr_graph_data(d->conditioner, call->lane, d->condition), call->condition,
             (size_t)call->n * pyr_count(d->level->condition) * pyr_type_size(k->real));
    pyr_graph_use(d->conditioner, call->lane, call->n);
    PYR_TRY(pyr_graph_forward(d->conditioner, call->lane));
    put_features(call);
    return pyr_sync(k);
}

/* ---- a call ------------------------------------------------------------------------------------ */

static bool one_level(const pyr_denoising *call, const double *s)
{
    for (int i = 1; i < call->n; i++)
        if (s[i] != s[0])
            return false;
    return true;
}

/* The coefficients of both mixes and the time at one noise level for all, into the graph. */
static void put_one_level(const pyr_denoising *call, double s)
{
    pyr_denoiser *d = call->denoiser;
    pyr_kernels *k = d->k;
    pyr_level_coefs c = pyr_level_coefs_at(d->level, s);
    size_t n = (size_t)d->places, pairs = 2 * n * pyr_type_size(k->real);
    const char *first = d->units, *second = first + pairs, *all = second + pairs;

    pyr_combine(k, pyr_graph_data(d->g, call->lane, d->mix_in), 1, (double[]){c.in},
                (const void *const[]){first}, 2 * n);
    pyr_combine(k, pyr_graph_data(d->g, call->lane, d->mix_out), 2, (double[]){c.to.skip, c.to.out},
                (const void *const[]){first, second}, 2 * n);
    pyr_combine(k, pyr_graph_data(d->g, call->lane, d->time), 1, (double[]){c.time},
                (const void *const[]){all}, n);
}

/* The same at each image's own. */
static pyr_status put_levels(const pyr_denoising *call, const double *s)
{
    enum { FIRST_MARK = PYR_MARKS / 2 };
    pyr_denoiser *d = call->denoiser;
    pyr_denoiser_lane *lane = &d->levels[call->lane];
    size_t n = (size_t)d->places;
    int mark = FIRST_MARK + (2 * call->lane + lane->next) % FIRST_MARK;
    void *host = lane->host[lane->next];
    size_t pairs = 2 * n * pyr_type_size(d->k->real);
    const char *from = lane->device;

    lane->next = !lane->next;
    PYR_TRY(pyr_wait(d->k, mark));
    for (size_t i = 0; i < n; i++) {
        pyr_level_coefs c = pyr_level_coefs_at(d->level, s[image_of(call, (int)i)]);

        pyr_put_real(d->k, host, 2 * i, c.in);
        pyr_put_real(d->k, host, 2 * i + 1, 0);
        pyr_put_real(d->k, host, 2 * (n + i), c.to.skip);
        pyr_put_real(d->k, host, 2 * (n + i) + 1, c.to.out);
        pyr_put_real(d->k, host, 4 * n + i, c.time);
    }
    pyr_upload(d->k, lane->device, host, PER_PLACE * n * pyr_type_size(d->k->real));
    pyr_copy(d->k, pyr_graph_data(d->g, call->lane, d->mix_in), from, pairs);
    pyr_copy(d->k, pyr_graph_data(d->g, call->lane, d->mix_out), from + pairs, pairs);
    pyr_copy(d->k, pyr_graph_data(d->g, call->lane, d->time), from + 2 * pairs, pairs / 2);
    return pyr_mark(d->k, mark);
}

typedef struct evaluation {
    pyr_denoiser *d;
    int lane;
} evaluation;

static pyr_status enqueue_evaluation(void *arg)
{
    const evaluation *e = arg;

    return pyr_graph_forward(e->d->g, e->lane);
}

/* D of this network alone, where the graph left it; it stays until the next evaluation on the lane. With both
 * in one batch the second half is D without classes. */
static pyr_status evaluate(const pyr_denoising *call, const void *x, const double *s, const void **d_out)
{
    pyr_denoiser *d = call->denoiser;
    size_t size = pyr_count(d->level->variable) * pyr_type_size(d->k->real);
    char *to = pyr_graph_data(d->g, call->lane, d->x);
    int places = pyr_denoising_places(call);

    for (int times = 0; times <= both_in_one(d); times++)
        pyr_copy(d->k, to + (size_t)(times * places) * size, x, (size_t)call->n * size);
    pyr_graph_use(d->g, call->lane, both_in_one(d) ? 2 * places : places);
    assert(!call->in_recording || (one_level(call, s) && !d->kept));
    if (one_level(call, s))
        put_one_level(call, s[0]);
    else
        PYR_TRY(put_levels(call, s));
    if (call->in_recording)
        PYR_TRY(pyr_graph_forward(d->g, call->lane));
    else
        PYR_TRY(pyr_recorded(d->k, &d->levels[call->lane].recording, enqueue_evaluation,
                             &(evaluation){d, call->lane}));
    *d_out = pyr_graph_data(d->g, call->lane, d->d);
    return PYR_OK;
}

/* D of what guidance leads away from, which comes after `with`, what evaluate gave. */
static pyr_status evaluate_other(const pyr_denoising *call, const void *x, const double *s, const void *with,
                                 const void **other)
{
    pyr_denoiser *d = call->denoiser;
    pyr_status status;

    if (call->weaker)
        return evaluate(call->weaker, x, s, other);
    if (both_in_one(d)) {
        *other = (const char *)with + (size_t)pyr_denoising_places(call) * pyr_count(d->level->variable) *
                                          pyr_type_size(d->k->real);
        return PYR_OK;
    }
    put_labels(call, false);
    status = evaluate(call, x, s, other);
    put_labels(call, true);
    return status == PYR_OK ? pyr_sync(d->k) : status;
}

/* Whether guidance acts on any, on all of the images. */
static void guided_images(const pyr_denoising *call, const double *s, bool *any, bool *all)
{
    const pyr_denoiser *d = call->denoiser;

    *any = false;
    *all = d->guidance != 1;
    for (int i = 0; i < call->n; i++) {
        bool guided = d->guidance != 1 && inside(d->lo, d->hi, s[i]);

        *any |= guided;
        *all &= guided;
        if (d->weight)
            d->weight[call->lane * d->batch + i] = guided ? d->guidance : 1;
    }
}

/* out (not `with` or `other`, but x may be) = D_this, or where guidance acts what it makes of both. */
static pyr_status guide(const pyr_denoising *call, const void *x, const double *s, void *out)
{
    pyr_denoiser *d = call->denoiser;
    pyr_kernels *k = d->k;
    size_t size = pyr_count(d->level->variable), bytes = size * pyr_type_size(k->real);
    const void *with, *other;
    bool any, all;

    guided_images(call, s, &any, &all);
    PYR_TRY(evaluate(call, x, s, &with));
    if (any && !both_in_one(d) && !call->weaker) { /* the same graph comes once more, x is still needed */
        void *kept = d->kept[call->lane];

        pyr_copy(k, kept, with, (size_t)call->n * bytes);
        with = kept;
    }
    if (d->rescale.k)
        pyr_guidance_rescale_before(&d->rescale, call->lane, call->n, s, x, with);
    if (!any) {
        pyr_copy(k, out, with, (size_t)call->n * bytes);
        return PYR_OK;
    }
    PYR_TRY(evaluate_other(call, x, s, with, &other));
    for (int i = 0; i < call->n && !all; i++) {
        double g = inside(d->lo, d->hi, s[i]) ? d->guidance : 1;
        size_t at = (size_t)i * bytes;

        pyr_combine(k, (char *)out + at, 2, (double[]){g, 1 - g},
                    (const void *const[]){(const char *)with + at, (const char *)other + at}, size);
    }
    if (all)
        pyr_combine(k, out, 2, (double[]){d->guidance, 1 - d->guidance}, (const void *const[]){with, other},
                    (size_t)call->n * size);
    return PYR_OK;
}

/* The gradient of the classifier at x, and how much of it; whether there is any. */
static pyr_status find_pull(const pyr_denoising *call, const void *x, const double *s, bool *any)
{
    pyr_denoiser *d = call->denoiser;
    double *pull = d->pull + call->lane * d->batch;

    *any = false;
    for (int i = 0; i < call->n; i++) {
        pull[i] = d->classifier && call->rows && inside(d->lo, d->hi, s[i])
                      ? d->classifier->scale * s[i] * s[i]
                      : 0;
        *any |= pull[i] != 0;
    }
    return *any ? pyr_noise_classifier_gradient(d->classifier, call->lane, call->n, x, s) : PYR_OK;
}

pyr_status pyr_denoiser_call(void *denoising, const void *x, const double *s, void *out)
{
    const pyr_denoising *call = denoising;
    pyr_denoiser *d = call->denoiser;
    bool pulled;

    PYR_TRY(find_pull(call, x, s, &pulled));
    PYR_TRY(guide(call, x, s, out));
    if (d->rescale.k)
        PYR_TRY(pyr_guidance_rescale_apply(&d->rescale, call->lane, call->n, out));
    if (pulled)
        pyr_noise_classifier_add(d->classifier, call->lane, call->n, d->pull + call->lane * d->batch, out);
    return PYR_OK;
}
