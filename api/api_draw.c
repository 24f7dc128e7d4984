/* api_draw.c - drawing images, in rounds that keep all threads busy, and what else is wanted of them. */
#include "api/drawing.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cascade/one_level.h"
#include "cascade/real_images.h"
#include "pictures/pixels.h"
#include "pyramid/codes.h"
#include "tasks/trajectory.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Images or variables of a level: all of them where the caller has room for floats without gaps, else those of
 * a round. */
typedef struct numbers {
    float *all, *round;
} numbers;

typedef struct drawing {
    pyrdiff_model *m;
    const pyrdiff_draw *draw;
    pyrdiff_output *out; /* n_outputs, checked */
    pyr_call *call;
    pyr_joined_task task;
    uint64_t *seeds; /* n */
    int32_t *labels; /* n; NULL: of no class in particular */
    int levels, only, round;
    numbers image[PYR_MAX_LEVELS], variable[PYR_MAX_LEVELS];
    float *coarse;
    double *mismatch[PYR_MAX_LEVELS];
    pyr_trajectory *trajectory;
    uint8_t *view;
    float *shown; /* a view as numbers, or an enlarged image */
    void *device[4], *scratch;
    pyr_real_images real; /* of draw->data */
    int64_t *index;       /* of a round's training images */
} drawing;

/* ---- checks ------------------------------------------------------------------------------------ */

static pyr_shape image_of(const drawing *d, int level)
{
    return d->m->run ? pyr_model_image(d->m->run, level) : d->m->pipeline->image;
}

/* Of a run. */
static pyr_shape variable_of(const drawing *d, int level)
{
    return d->m->run->level[level].level.variable;
}

static bool is_residual(const drawing *d, int level)
{
    return level < d->levels - 1;
}

static bool has_bands(const drawing *d, int level)
{
    return is_residual(d, level) && pyr_filter_of(pyr_pyramid_get(d->m->run->pyramid)->filter)->bands;
}

/* The size of one image of an output. */
static pyr_shape shape_of(const drawing *d, const pyrdiff_output *o)
{
    pyr_shape s = image_of(d, o->level);

    switch (o->what) {
    case PYRDIFF_RESIDUAL:
    case PYRDIFF_LATENT:
        return d->m->run ? variable_of(d, o->level) : s;
    case PYRDIFF_VIEW:
        s = variable_of(d, o->level);
        if (has_bands(d, o->level))
            s = (pyr_shape){1, 2 * s.h, 2 * s.w, s.c};
        s.c = 3;
        return s;
    case PYRDIFF_MISMATCH:
        return (pyr_shape){1, 1, 1, 1};
    default:
        return s;
    }
}

static pyr_status check_output(drawing *d, const pyrdiff_output *o, pyrdiff_output *out)
{
    static const char *const names[] = {"image",      "residual", "view",  "enlarged image",
                                        "trajectory", "mismatch", "latent"};
    char name[80];
    bool encodes = d->draw->task && strcmp(d->draw->task, "encode") == 0;

    if ((unsigned)o->what > PYRDIFF_LATENT)
        return pyr_fail(PYR_E_ARG, "outputs: there is no kind %d", (int)o->what);
    if (o->level < 0 || o->level >= d->levels)
        return pyr_fail(PYR_E_ARG, "outputs: level is %d, should be 0..%d", o->level, d->levels - 1);
    snprintf(name, sizeof name, "the %s of level %d", names[o->what], o->level);
    if (!d->m->run && o->what != PYRDIFF_IMAGE)
        return pyr_fail(PYR_E_UNSUPPORTED, "%s: a pipeline draws images alone", name);
    if ((o->what == PYRDIFF_LATENT) != encodes)
        return pyr_fail(PYR_E_ARG, "%s: latents come of the task encode, and nothing else", name);
    if (d->only >= 0 && o->level != d->only &&
        !(o->what == PYRDIFF_IMAGE && o->level == d->only + 1 && d->task.given))
        return pyr_fail(PYR_E_ARG, "%s: level %d alone was opened", name, d->only);
    if ((o->what == PYRDIFF_ENLARGED || o->what == PYRDIFF_MISMATCH) && !is_residual(d, o->level))
        return pyr_fail(PYR_E_ARG, "%s: the coarsest level has no coarser image", name);
    if (d->only >= 0 && !d->task.given && is_residual(d, d->only) && o->what != PYRDIFF_RESIDUAL &&
        o->what != PYRDIFF_VIEW)
        return pyr_fail(PYR_E_ARG, "%s: no coarser images are given, so there is a residual alone", name);
    *out = *o;
    return pyr_buffer_check(&out->to, &o->to, name,
                            (int64_t)d->draw->n * (o->what == PYRDIFF_TRAJECTORY ? PYRDIFF_FRAMES : 1),
                            shape_of(d, o));
}

/* A label is one that the network learned; -1 for all of them is no class. */
static pyr_status check_labels(drawing *d)
{
    const pyrdiff_draw *draw = d->draw;
    pyr_class_choice unused;
    char text[16] = "";
    bool any = false;

    for (int i = 0; draw->labels && i < draw->n; i++)
        any = any || draw->labels[i] >= 0;
    for (int i = 0; i < draw->n && any; i++) {
        if (draw->labels[i] < 0)
            return pyr_fail(PYR_E_ARG, "labels: image %d has none, others have: give all or none", i);
        if (i > 0 && draw->labels[i] == draw->labels[i - 1])
            continue;
        snprintf(text, sizeof text, "%d", (int)draw->labels[i]);
        PYR_TRY(d->m->run ? pyr_model_choose_class(&unused, d->m->run, text)
                          : pyr_class_choose(&unused, &d->m->files.classes, text));
    }
    if (!any && d->m->run)
        PYR_TRY(pyr_model_choose_class(&unused, d->m->run, ""));
    if (!any)
        return PYR_OK;
    PYR_TRY(pyr_new(&d->labels, (size_t)draw->n, sizeof *d->labels, "labels"));
    memcpy(d->labels, draw->labels, (size_t)draw->n * sizeof *d->labels);
    return PYR_OK;
}

static pyr_status take_seeds(drawing *d)
{
    PYR_TRY(pyr_new(&d->seeds, (size_t)d->draw->n, sizeof *d->seeds, "seeds"));
    for (int i = 0; i < d->draw->n; i++)
        d->seeds[i] = d->draw->seeds ? d->draw->seeds[i] : (uint64_t)i;
    return PYR_OK;
}

/* Of a level alone: coarser images come from inputs[0], or are those of training images. */
static pyr_status take_coarser(drawing *d)
{
    const pyrdiff_draw *draw = d->draw;
    const pyr_model *run = d->m->run;
    int coarser = d->only + 1;
    pyrdiff_images from;
    pyr_shape s;

    if (!draw->data && !draw->n_inputs) {
        if (is_residual(d, d->only) && run->level[d->only].level.condition.c)
            return pyr_fail(
                PYR_E_ARG,
                "level %d is given the coarser image: inputs should hold those of level %d, or data the images that have some",
                d->only, coarser);
        return PYR_OK;
    }
    if (!is_residual(d, d->only))
        return pyr_fail(PYR_E_ARG, "level %d is the coarsest, it is given no image", d->only);
    d->task.given = coarser;
    if (draw->data) {
        if (!draw->data->set)
            return pyr_fail(PYR_E_ARG, "data: pictures are no data set");
        return pyr_check_data_shape(draw->data->set, "data", pyr_model_image(run, 0));
    }
    s = pyr_model_image(run, coarser);
    PYR_TRY(pyr_buffer_check(&from, &draw->inputs[0], "the coarser images", draw->n, s));
    PYR_TRY(pyr_new(&d->task.coarse, (size_t)draw->n * pyr_count(s), sizeof(float), "coarser images"));
    pyr_buffer_floats(d->task.coarse, &from, 0, draw->n);
    d->task.n_coarse = draw->n;
    return PYR_OK;
}

static pyr_status open_task(drawing *d)
{
    const pyrdiff_draw *draw = d->draw;

    if (draw->task && !d->m->run)
        return pyr_fail(PYR_E_UNSUPPORTED, "task %s: a pipeline draws images alone", draw->task);
    if (draw->task && d->only >= 0)
        return pyr_fail(PYR_E_ARG, "task %s: needs all levels, level %d alone was opened", draw->task,
                        d->only);
    if (draw->task)
        return pyr_joined_task_open(&d->task, d->m, draw, d->labels ? d->labels[0] : -1, d->call);
    if (d->only >= 0)
        return take_coarser(d);
    if (draw->n_inputs || draw->data)
        return pyr_fail(PYR_E_ARG, "inputs and data are for tasks, and for a level that was opened alone");
    return PYR_OK;
}

/* ---- memory ------------------------------------------------------------------------------------ */

/* A block of a round's numbers; once, however often it is wanted. */
static pyr_status want(float **block, const drawing *d, size_t size)
{
    return *block ? PYR_OK : pyr_new(block, (size_t)d->round * size, sizeof **block, "images");
}

/* The caller's own room where it can be drawn into. */
static pyr_status take_room(numbers *to, const drawing *d, const pyrdiff_output *o, size_t size)
{
    ptrdiff_t row = o->to.w * o->to.c * (ptrdiff_t)sizeof(float);

    if (o->to.type != PYRDIFF_F32 || o->to.stride_c != (ptrdiff_t)sizeof(float) ||
        o->to.stride_w != o->to.c * o->to.stride_c || o->to.stride_h != row ||
        o->to.stride_n != row * o->to.h || to->all)
        return want(&to->round, d, size);
    to->all = o->to.data;
    return PYR_OK;
}

/* Where those of image j of a round lie that begins with image `first`; NULL: they are not wanted. */
static float *place_of(const numbers *n, pyr_shape shape, int first, int j)
{
    size_t size = pyr_count(shape);
    float *block = n->all ? n->all + (size_t)first * size : n->round;

    return block ? block + (size_t)j * size : NULL;
}

static float *image_at(const drawing *d, int level, int first, int j)
{
    return place_of(&d->image[level], image_of(d, level), first, j);
}

static float *variable_at(const drawing *d, int level, int first, int j)
{
    return place_of(&d->variable[level], variable_of(d, level), first, j);
}

static pyr_status want_device(drawing *d)
{
    pyr_kernels *k = d->m->k;
    size_t most = 0;

    if (d->scratch)
        return PYR_OK;
    for (int i = 0; i < d->levels; i++) {
        size_t n = pyr_count(pyr_model_image(d->m->run, i)),
               v = pyr_count(pyr_pyramid_variable_shape(d->m->run->pyramid, i));

        most = n > most ? n : most;
        most = v > most ? v : most;
    }
    for (int i = 0; i < 4; i++)
        PYR_TRY(pyr_alloc(k, &d->device[i], most * pyr_type_size(k->real), "an image"));
    return pyr_alloc(k, &d->scratch, pyr_pyramid_scratch(d->m->run->pyramid, 1), "an image");
}

static pyr_status prepare_output(drawing *d, const pyrdiff_output *o)
{
    size_t size = pyr_count(shape_of(d, o)), coarser = 0;

    if (is_residual(d, o->level))
        coarser = pyr_count(image_of(d, o->level + 1));
    switch (o->what) {
    case PYRDIFF_IMAGE:
        return take_room(&d->image[o->level], d, o, size);
    case PYRDIFF_VIEW:
        if (has_bands(d, o->level) && (d->only < 0 || d->task.given))
            PYR_TRY(want(&d->image[o->level + 1].round, d, coarser));
        return want(&d->variable[o->level].round, d, pyr_count(variable_of(d, o->level)));
    case PYRDIFF_RESIDUAL:
        return take_room(&d->variable[o->level], d, o, size);
    case PYRDIFF_ENLARGED:
        PYR_TRY(want(&d->image[o->level + 1].round, d, coarser));
        return want_device(d);
    case PYRDIFF_MISMATCH:
        return d->mismatch[o->level]
                   ? PYR_OK
                   : pyr_new(&d->mismatch[o->level], (size_t)d->round, sizeof(double), "images");
    case PYRDIFF_TRAJECTORY:
        if (d->trajectory)
            return PYR_OK;
        if (d->draw->task || d->only >= 0)
            return pyr_fail(PYR_E_UNSUPPORTED,
                            "a trajectory is of images that are drawn without a task, at all levels");
        return pyr_trajectory_new(&d->trajectory, d->m->run, d->round);
    case PYRDIFF_LATENT:
        break;
    }
    return PYR_OK;
}

static pyr_status prepare(drawing *d)
{
    const pyrdiff_draw *draw = d->draw;
    size_t view = 0;

    for (int i = 0; i < draw->n_outputs; i++) {
        size_t size = pyr_count(shape_of(d, &d->out[i]));

        view = d->out[i].what == PYRDIFF_VIEW && size > view ? size : view;
        PYR_TRY(prepare_output(d, &d->out[i]));
    }
    if (view) {
        PYR_TRY(pyr_new(&d->view, view, 1, "a view"));
        PYR_TRY(pyr_new(&d->shown, view, sizeof *d->shown, "a view"));
    }
    if (d->task.given && (draw->data || d->task.n_coarse == 1))
        PYR_TRY(want(&d->coarse, d, pyr_count(image_of(d, d->task.given))));
    if (!draw->data || !d->task.given)
        return PYR_OK;
    PYR_TRY(pyr_new(&d->index, (size_t)d->round, sizeof *d->index, "images"));
    return pyr_real_images_new(&d->real, d->m->k, d->m->run->pyramid, draw->data->set, d->round);
}

static void release(drawing *d)
{
    for (int i = 0; i < PYR_MAX_LEVELS; i++) {
        pyr_free(d->image[i].round);
        pyr_free(d->variable[i].round);
        pyr_free(d->mismatch[i]);
    }
    for (int i = 0; i < 4; i++)
        pyr_release(d->m->k, d->device[i]);
    pyr_release(d->m->k, d->scratch);
    pyr_trajectory_free(d->trajectory);
    pyr_real_images_free(&d->real);
    pyr_joined_task_free(&d->task);
    pyr_free(d->coarse);
    pyr_free(d->view);
    pyr_free(d->shown);
    pyr_free(d->index);
    pyr_free(d->seeds);
    pyr_free(d->labels);
    pyr_free(d->out);
}

/* ---- what is wanted ---------------------------------------------------------------------------- */

static void put_view(drawing *d, const pyrdiff_output *o, int first, int j)
{
    pyr_shape v = variable_of(d, o->level);
    const float *coarser = is_residual(d, o->level) ? image_at(d, o->level + 1, first, j) : NULL;
    size_t size = pyr_count(shape_of(d, o));

    pyr_variable_view(d->view, v, has_bands(d, o->level), variable_at(d, o->level, first, j), coarser,
                      pyr_gain_of(d->m->run, o->level));
    pyr_pixels_from_bytes(d->shown, d->view, size);
    pyr_buffer_put_floats(&o->to, first + j, 1, d->shown);
}

/* The level's image with a residual of 0. */
static pyr_status put_enlarged(drawing *d, const pyrdiff_output *o, int first, int j)
{
    pyr_kernels *k = d->m->k;
    const pyr_pyramid *p = d->m->run->pyramid;
    size_t size = pyr_count(image_of(d, o->level));
    float *image;
    pyr_status status;

    PYR_TRY(pyr_new(&image, size, sizeof *image, "an image"));
    PYR_TRY_OUT(pyr_upload_floats(k, d->device[0], image_at(d, o->level + 1, first, j),
                                  pyr_count(image_of(d, o->level + 1))));
    pyr_pyramid_condition(p, o->level, 1, d->device[0], d->device[1], false, d->scratch);
    pyr_zero(k, d->device[2], pyr_count(pyr_pyramid_variable_shape(p, o->level)) * pyr_type_size(k->real));
    pyr_pyramid_synthesize(p, o->level, 1, d->device[0], d->device[1], d->device[2], d->device[3],
                           d->scratch);
    PYR_TRY_OUT(pyr_download_floats(k, image, d->device[3], size));
    pyr_buffer_put_floats(&o->to, first + j, 1, image);
out:
    pyr_free(image);
    return status;
}

static pyr_status put_output(drawing *d, const pyrdiff_output *o, int first, int n)
{
    switch (o->what) {
    case PYRDIFF_IMAGE:
        if (o->to.data != d->image[o->level].all) /* else it was drawn there */
            pyr_buffer_put_floats(&o->to, first, n, image_at(d, o->level, first, 0));
        break;
    case PYRDIFF_RESIDUAL:
        if (o->to.data != d->variable[o->level].all)
            pyr_buffer_put_floats(&o->to, first, n, variable_at(d, o->level, first, 0));
        break;
    case PYRDIFF_VIEW:
        for (int j = 0; j < n; j++)
            put_view(d, o, first, j);
        break;
    case PYRDIFF_ENLARGED:
        for (int j = 0; j < n; j++)
            PYR_TRY(put_enlarged(d, o, first, j));
        break;
    case PYRDIFF_TRAJECTORY:
        pyr_buffer_put_floats(&o->to, (int64_t)first * PYRDIFF_FRAMES, (int64_t)n * PYRDIFF_FRAMES,
                              pyr_trajectory_frames(d->trajectory, o->level));
        break;
    case PYRDIFF_MISMATCH:
        pyr_buffer_put_doubles(&o->to, first, n, d->mismatch[o->level]);
        break;
    case PYRDIFF_LATENT:
        break;
    }
    return PYR_OK;
}

/* ---- drawing ----------------------------------------------------------------------------------- */

/* The images that a round starts from; NULL: none. */
static pyr_status start_from(drawing *d, int first, int n, const float **out)
{
    const pyr_joined_task *task = &d->task;
    size_t size = task->given ? pyr_count(image_of(d, task->given)) : 0;
    float *image[PYR_MAX_LEVELS] = {NULL};

    *out = NULL;
    if (!task->given)
        return PYR_OK;
    *out = d->coarse ? d->coarse : task->coarse + (size_t)first * size;
    if (!d->draw->data) {
        for (int j = 0; j < n && d->coarse; j++)
            memcpy(d->coarse + (size_t)j * size, task->coarse, size * sizeof *d->coarse);
        return PYR_OK;
    }
    for (int j = 0; j < n; j++) {
        d->index[j] = pyr_real_image_of_seed(d->draw->data->set, d->seeds[first + j],
                                             d->labels ? d->labels[first + j] : -1);
        if (d->draw->chosen)
            d->draw->chosen[first + j] = d->index[j];
    }
    image[task->given] = d->coarse;
    return pyr_real_images_take(&d->real, PYR_SPLIT_TRAIN, d->index, n, task->given, image);
}

static pyr_status draw_round(drawing *d, int first, int n)
{
    pyr_model_draw one = {.n = n,
                          .seeds = d->seeds + first,
                          .label = -1,
                          .labels = d->labels ? d->labels + first : NULL,
                          .given = d->task.given,
                          .hooks = d->trajectory ? pyr_trajectory_hooks(d->trajectory) : d->task.hooks};

    if (!d->m->run)
        return pyr_pipeline_sample(d->m->pipeline, &(pyr_pipeline_draw){.n = n,
                                                                        .seeds = one.seeds,
                                                                        .label = -1,
                                                                        .labels = one.labels,
                                                                        .image = image_at(d, 0, first, 0)});
    PYR_TRY(start_from(d, first, n, &one.coarse));
    for (int i = 0; i < d->levels; i++) {
        one.image[i] = image_at(d, i, first, 0);
        one.variable[i] = d->only < 0 || i == d->only ? variable_at(d, i, first, 0) : NULL;
    }
    memcpy(one.mismatch, d->mismatch, sizeof one.mismatch);
    d->task.from.first = first;
    return pyr_model_sample(d->m->run, &one);
}

static pyr_status draw_all(drawing *d)
{
    int n = d->draw->n;
    double start = pyr_now();

    for (int first = 0; first < n; first += d->round) {
        int now = n - first < d->round ? n - first : d->round;

        PYR_TRY(draw_round(d, first, now));
        for (int i = 0; i < d->draw->n_outputs; i++)
            PYR_TRY(put_output(d, &d->out[i], first, now));
        pyr_call_images(d->call, first + now, n, (first + now) / (pyr_now() - start));
        if (first + now < n && atomic_load(&d->call->stopped))
            return pyr_fail(PYR_E_STOPPED, "stopped after %d of %d images", first + now, n);
    }
    return PYR_OK;
}

static pyr_status sample(drawing *d)
{
    const pyrdiff_draw *draw = d->draw;
    pyrdiff_model_facts facts;

    if (draw->n < 1)
        return pyr_fail(PYR_E_ARG, "n is %d, should be 1 or more", draw->n);
    PYR_TRY(pyr_facts_of_model(&facts, d->m, -1));
    d->levels = facts.levels;
    d->only = facts.level;
    d->round = draw->n < facts.batch ? draw->n : facts.batch;
    PYR_TRY(take_seeds(d));
    PYR_TRY(check_labels(d));
    PYR_TRY(open_task(d));
    PYR_TRY(pyr_new(&d->out, (size_t)(draw->n_outputs > 0 ? draw->n_outputs : 1), sizeof *d->out, "outputs"));
    for (int i = 0; i < draw->n_outputs; i++)
        PYR_TRY(check_output(d, &draw->outputs[i], &d->out[i]));
    if (d->task.done) {
        for (int i = 0; i < draw->n_outputs; i++)
            pyr_buffer_put_doubles(&d->out[i].to, 0, draw->n, d->task.latent.at[d->out[i].level]);
        return PYR_OK;
    }
    PYR_TRY(prepare(d));
    return draw_all(d);
}

int pyrdiff_sample(pyrdiff_model *m, const pyrdiff_draw *draw, pyrdiff_callback callback, void *ctx)
{
    pyrdiff_draw own = {0};
    drawing d = {.m = m, .draw = &own};
    pyr_call call;
    pyr_status status;

    pyr_call_begin(&call, callback, ctx);
    d.call = &call;
    memcpy(&own, draw, draw->size < sizeof own ? draw->size : sizeof own);
    status = sample(&d);
    release(&d);
    return pyr_call_end(&call, status);
}
