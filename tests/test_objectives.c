/* test_objectives.c - what levels are trained by besides denoising score matching: implicit and sliced losses against the
 * denoiser's transposed Jacobian, their means against the denoising loss, gradients against differences of losses;
 * explicit losses against a Parzen density written out. In double; and whole trainings. */
#include "tests/level_data.h"

#include "levels/denoiser_gradient.h"
#include "levels/loss.h"

enum { BATCH = 5, LEVELS = 2 };

/* A level with a loss by each objective and a denoiser, on one block of parameters. */
typedef struct world {
    pyr_kernels *k;
    pyr_dataset *data;
    pyr_pyramid *pyramid;
    pyr_feed feed;
    pyr_level level;
    pyr_params params;
    pyr_loss loss[PYR_OBJECTIVES];
    pyr_denoiser denoiser;
    pyr_parzen parzen;
    void *block, *x, *condition;
    size_t n, n_condition; /* numbers of an image */
} world;

static const int64_t picked[BATCH] = {3, 1, 4, 15, 9};

static void stir(world *w)
{
    double *values = numbers(w->params.count);

    for (size_t j = 0; j < w->params.count; j++) {
        float four[4];

        pyr_normal4(3, (uint32_t)(j / 4), 0, 0, 1, four);
        values[j] = 0.15 * (double)four[j % 4];
    }
    CHECK_OK(pyr_upload_reals(w->k, w->block, values, w->params.count));
    pyr_free(values);
}

static void pack(world *w)
{
    for (int i = 0; i < PYR_OBJECTIVES; i++)
        CHECK_OK(pyr_graph_pack(w->loss[i].g, w->block));
    CHECK_OK(pyr_denoiser_pack(&w->denoiser, w->block));
}

static void world_open(world *w, int index, int prediction, bool noise_input)
{
    pyr_level_settings s = settings_of();

    *w = (world){0};
    s.augmentation = 0;
    s.prediction = prediction;
    s.noise_input = noise_input;
    s.mean = 0;
    s.std = 0.7;
    CHECK_OK(pyr_kernels_ref(&w->k, PYR_F64, 1));
    w->data = open_data();
    CHECK_OK(pyr_pyramid_new(&w->pyramid, w->k,
                             &(pyr_pyramid_settings){.levels = LEVELS, .filter = PYR_FILTER_BOX, .sigma = 1},
                             H, W, C));
    CHECK_OK(pyr_feed_new(&w->feed, w->k, w->data, w->pyramid, 7, 1));
    CHECK_OK(pyr_level_init(&w->level, &s, w->pyramid, index, 0, pyr_dataset_fingerprint(w->data)));
    CHECK_OK(pyr_level_measure(&w->level, &w->feed));
    for (int i = 0; i < PYR_OBJECTIVES; i++) {
        w->level.settings.objective = i;
        CHECK_OK(pyr_loss_new(&w->loss[i], w->k, &w->params, &w->level,
                              &(pyr_loss_plan){.batch = BATCH, .groups = 1, .training = true}));
        CHECK((int)w->loss[i].objective == i);
    }
    CHECK_OK(pyr_parzen_new(&w->parzen, &w->level, &w->feed));
    w->loss[PYR_EXPLICIT_SCORE_MATCHING].parzen = &w->parzen;
    CHECK_OK(pyr_denoiser_new(&w->denoiser, w->k, &w->params, &w->level, BATCH, PYR_GRADIENT_OF_X));
    CHECK_OK(pyr_alloc(w->k, &w->block, w->params.count * pyr_type_size(w->k->real), "parameters"));
    w->n = pyr_count(w->level.variable);
    w->n_condition = pyr_count(w->level.condition);
    CHECK_OK(pyr_alloc(w->k, &w->x, BATCH * w->n * sizeof(double), "x"));
    CHECK_OK(pyr_alloc(w->k, &w->condition, (BATCH * w->n_condition + 1) * sizeof(double), "condition"));
    stir(w);
    pack(w);
}

static void world_close(world *w)
{
    for (int i = 0; i < PYR_OBJECTIVES; i++)
        pyr_loss_free(&w->loss[i]);
    pyr_denoiser_free(&w->denoiser);
    pyr_params_free(&w->params);
    pyr_parzen_free(&w->parzen);
    pyr_release(w->k, w->block);
    pyr_release(w->k, w->x);
    pyr_release(w->k, w->condition);
    pyr_feed_free(&w->feed);
    pyr_pyramid_free(w->pyramid);
    pyr_dataset_free(w->data);
    pyr_kernels_free(w->k);
}

static pyr_draw draw_of(uint32_t step)
{
    return (pyr_draw){.seed = 11, .step = step, .n = BATCH, .batch = BATCH, .images = picked};
}

/* Losses of the images `picked`; `probe` (may be NULL) is given what the network is asked along. */
static void run(world *w, int objective, uint32_t step, double *losses, double *probe)
{
    pyr_loss *loss = &w->loss[objective];
    pyr_draw draw = draw_of(step);
    void *condition = loss->condition >= 0 ? pyr_graph_data(loss->g, 0, loss->condition) : NULL;

    CHECK_OK(pyr_feed_level(&w->feed, 0, &(pyr_pick){.split = PYR_SPLIT_TRAIN, .n = BATCH, .index = picked},
                            w->level.facts.index, pyr_graph_data(loss->g, 0, loss->variable), condition));
    if (condition)
        pyr_copy(w->k, w->condition, condition, BATCH * w->n_condition * sizeof(double));
    CHECK_OK(pyr_loss_draw(loss, 0, &draw));
    if (probe)
        CHECK_OK(pyr_download_reals(w->k, probe, pyr_graph_data(loss->g, 0, loss->probe), BATCH * w->n));
    CHECK_OK(pyr_graph_forward(loss->g, 0));
    CHECK_OK(pyr_download_reals(w->k, losses, pyr_graph_data(loss->g, 0, loss->loss), BATCH));
}

/* x = z + s eps of image i, from the training set in memory and the stream. */
static void noised(const world *w, uint32_t step, int i, double s, double *x)
{
    for (size_t j = 0; j < w->n; j++) {
        float four[4];

        pyr_normal4(11, (uint32_t)(j / 4), (uint32_t)i, step,
                    pyr_rng_purpose(PYR_RNG_NOISE, w->level.facts.index), four);
        x[j] = (double)w->parzen.z[(size_t)picked[i] * w->n + j] + s * (double)four[j % 4];
    }
}

static double inner(const double *a, const double *b, size_t n)
{
    double sum = 0;

    for (size_t j = 0; j < n; j++)
        sum += a[j] * b[j];
    return sum;
}

/* w (|D - x|^2 + 2 s^2 v^T J v - d s^2)/d with D and J^T v of the denoiser, which has neither differences nor two
 * networks; what v is. For every prediction, and a network without noise input. */
static void losses_by_the_jacobian(void)
{
    for (int variant = 0; variant <= PYR_PREDICTIONS; variant++) {
        bool blind = variant == PYR_PREDICTIONS;
        world w;
        double *v, *x, *d, *g, losses[BATCH], s[BATCH];
        pyr_denoising call;

        world_open(&w, variant % 2, blind ? PYR_PREDICT_EPSILON : variant, !blind);
        v = numbers(4 * BATCH * w.n);
        x = v + BATCH * w.n;
        d = x + BATCH * w.n;
        g = d + BATCH * w.n;
        for (int objective = PYR_SLICED_SCORE_MATCHING; objective <= PYR_IMPLICIT_SCORE_MATCHING;
             objective++) {
            double square = 0;
            bool signs = true;
            pyr_draw draw = draw_of(3);

            run(&w, objective, 3, losses, v);
            for (size_t j = 0; j < BATCH * w.n; j++) {
                square += v[j] * v[j] / (double)(BATCH * w.n);
                signs &= fabs(v[j]) == 1;
            }
            CHECK(signs == (objective == PYR_IMPLICIT_SCORE_MATCHING));
            CHECK_CLOSE(square, 1, 0.35);
            for (int i = 0; i < BATCH; i++) {
                s[i] = pyr_draw_level(&w.loss[objective], &draw, i);
                noised(&w, 3, i, s[i], x + (size_t)i * w.n);
            }
            CHECK_OK(pyr_upload_reals(w.k, w.x, x, BATCH * w.n));
            call = (pyr_denoising){
                .denoiser = &w.denoiser, .n = BATCH, .condition = w.n_condition ? w.condition : NULL};
            CHECK_OK(pyr_denoiser_begin(&call));
            CHECK_OK(pyr_denoiser_call(&call, w.x, s, w.x));
            CHECK_OK(pyr_download_reals(w.k, d, w.x, BATCH * w.n));
            CHECK_OK(pyr_upload_reals(w.k, w.x, v, BATCH * w.n));
            CHECK_OK(pyr_denoiser_vjp(&call, w.x, w.x));
            CHECK_OK(pyr_download_reals(w.k, g, w.x, BATCH * w.n));
            for (int i = 0; i < BATCH; i++) {
                size_t at = (size_t)i * w.n;
                double q = s[i] * s[i], weight = 1 + 1 / q, wanted = 0;

                for (size_t j = at; j < at + w.n; j++)
                    wanted += (d[j] - x[j]) * (d[j] - x[j]);
                wanted =
                    weight * (wanted + 2 * q * inner(v + at, g + at, w.n) - (double)w.n * q) / (double)w.n;
                if (objective ==
                    PYR_SLICED_SCORE_MATCHING) /* what of J is known, skip, has its trace exactly */
                    wanted += weight * 2 * q * pyr_level_coefs_at(&w.level, s[i]).to.skip *
                              (1 - inner(v + at, v + at, w.n) / (double)w.n);
                CHECK_CLOSE(losses[i], wanted, 2e-3 * (1 + fabs(wanted)));
            }
        }
        pyr_free(v);
        world_close(&w);
    }
}

/* In the mean over noise and probes, the losses without z are the loss with it: 400 draws. */
static void the_same_in_the_mean(void)
{
    enum { DRAWS = 400 };
    world w;
    double sum[PYR_OBJECTIVES] = {0}, square[PYR_OBJECTIVES] = {0}, losses[BATCH], clean[BATCH];

    world_open(&w, 1, PYR_PREDICT_F, true);
    for (uint32_t step = 0; step < DRAWS; step++) {
        run(&w, PYR_DENOISING_SCORE_MATCHING, step, clean, NULL);
        for (int objective = PYR_SLICED_SCORE_MATCHING; objective <= PYR_IMPLICIT_SCORE_MATCHING;
             objective++) {
            double mean = 0;

            run(&w, objective, step, losses, NULL);
            for (int i = 0; i < BATCH; i++)
                mean += (losses[i] - clean[i]) / BATCH;
            sum[objective] += mean / DRAWS;
            square[objective] += mean * mean / DRAWS;
        }
    }
    for (int objective = PYR_SLICED_SCORE_MATCHING; objective <= PYR_IMPLICIT_SCORE_MATCHING; objective++)
        if (!(fabs(sum[objective]) < 4 * sqrt(square[objective] / DRAWS) &&
              sqrt(square[objective] / DRAWS) < 0.1))
            CHECK_REPORT("%s: off by %g in the mean, of %g +- %g", pyr_objective_names[objective],
                         sum[objective], 0.0, sqrt(square[objective] / DRAWS));
    world_close(&w);
}

static double mean_loss(world *w, int objective)
{
    double losses[BATCH], sum = 0;

    pack(w);
    run(w, objective, 5, losses, NULL);
    for (int i = 0; i < BATCH; i++)
        sum += losses[i] / BATCH;
    return sum;
}

/* Along a random direction, by differences of the loss in double. Every parameter stands in the graph twice. */
static void gradients(void)
{
    for (int objective = 0; objective < PYR_OBJECTIVES; objective++) {
        const double h = 1e-5;
        world w;
        pyr_loss *loss = &w.loss[objective];
        double *value, *along, *grad, seeds[BATCH], sum[2], slope;
        void *block;

        world_open(&w, 0, PYR_PREDICT_F, true);
        value = numbers(3 * w.params.count);
        along = value + w.params.count;
        grad = along + w.params.count;
        CHECK_OK(pyr_alloc(w.k, &block, w.params.count * sizeof(double), "gradient"));
        CHECK_OK(pyr_download_reals(w.k, value, w.block, w.params.count));
        for (int i = 0; i < BATCH; i++)
            seeds[i] = 1.0 / BATCH;
        pyr_graph_clear(loss->g, 0);
        mean_loss(&w, objective);
        CHECK_OK(pyr_upload_reals(w.k, pyr_graph_gradient(loss->g, 0, loss->loss), seeds, BATCH));
        CHECK_OK(pyr_graph_backward(loss->g, 0, 0));
        CHECK_OK(pyr_graph_collect(loss->g, block));
        CHECK_OK(pyr_download_reals(w.k, grad, block, w.params.count));
        for (size_t j = 0; j < w.params.count; j++) {
            float four[4];

            pyr_normal4(8, (uint32_t)(j / 4), 0, 0, 1, four);
            along[j] = (double)four[j % 4];
        }
        for (int side = 0; side < 2; side++) {
            double *moved = numbers(w.params.count);

            for (size_t j = 0; j < w.params.count; j++)
                moved[j] = value[j] + (side ? -h : h) * along[j];
            CHECK_OK(pyr_upload_reals(w.k, w.block, moved, w.params.count));
            sum[side] = mean_loss(&w, objective);
            pyr_free(moved);
        }
        slope = (sum[0] - sum[1]) / (2 * h);
        CHECK(fabs(slope) > 1e-3);
        CHECK_CLOSE(inner(grad, along, w.params.count), slope, 1e-5 * (1 + fabs(slope)));
        pyr_free(value);
        pyr_release(w.k, block);
        world_close(&w);
    }
}

/* ---- explicit ---------------------------------------------------------------------------------- */

/* log q_s(x) up to a constant */
static double log_parzen(const world *w, const double *x, double s)
{
    double most = -INFINITY, sum = 0;

    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = 0; i < w->parzen.n; i++) {
            double far = 0;

            for (size_t j = 0; j < w->n; j++)
                far += pow(x[j] - (double)w->parzen.z[(size_t)i * w->n + j], 2);
            if (pass)
                sum += exp(-far / (2 * s * s) - most);
            else
                most = fmax(most, -far / (2 * s * s));
        }
    return most + log(sum);
}

/* D* = x + s^2 grad log q (Tweedie), by differences of a density that is written out; and the loss is the error to it. */
static void explicit_losses(void)
{
    world w;
    double *x, *d, *target, losses[BATCH], s[BATCH], weight[IMAGES];
    pyr_denoising call;
    pyr_draw draw = draw_of(2);
    bool shared = false;

    world_open(&w, 1, PYR_PREDICT_V, true);
    CHECK(w.parzen.n == IMAGES - HELD_OUT && w.parzen.size == w.n);
    x = numbers(3 * BATCH * w.n);
    d = x + BATCH * w.n;
    target = d + BATCH * w.n;
    run(&w, PYR_EXPLICIT_SCORE_MATCHING, 2, losses, NULL);
    for (int i = 0; i < BATCH; i++) {
        double *at = x + (size_t)i * w.n, *mean = target + (size_t)i * w.n;

        s[i] = pyr_draw_level(&w.loss[0], &draw, i);
        noised(&w, 2, i, s[i], at);
        pyr_parzen_mean(&w.parzen, at, s[i], mean, weight);
        for (size_t j = 0; j < w.n; j++) {
            double kept = at[j], h = 1e-5, up, down;

            at[j] = kept + h;
            up = log_parzen(&w, at, s[i]);
            at[j] = kept - h;
            down = log_parzen(&w, at, s[i]);
            at[j] = kept;
            CHECK_CLOSE(mean[j], kept + s[i] * s[i] * (up - down) / (2 * h), 1e-6 * (1 + s[i] * s[i]));
            shared |= fabs(mean[j] - (double)w.parzen.z[(size_t)picked[i] * w.n + j]) > 0.05;
        }
    }
    CHECK(shared); /* somewhere other images count as well: it is not the denoising target */
    CHECK_OK(pyr_upload_reals(w.k, w.x, x, BATCH * w.n));
    call = (pyr_denoising){.denoiser = &w.denoiser, .n = BATCH};
    CHECK_OK(pyr_denoiser_begin(&call));
    CHECK_OK(pyr_denoiser_call(&call, w.x, s, w.x));
    CHECK_OK(pyr_download_reals(w.k, d, w.x, BATCH * w.n));
    for (int i = 0; i < BATCH; i++) {
        double sum = 0;

        for (size_t j = (size_t)i * w.n; j < (size_t)(i + 1) * w.n; j++)
            sum += (d[j] - target[j]) * (d[j] - target[j]);
        CHECK_CLOSE(losses[i], (1 + 1 / (s[i] * s[i])) * sum / (double)w.n, 1e-6 * (1 + losses[i]));
    }
    pyr_free(x);
    world_close(&w);
}

/* Facts say the objective, and leave the usual one out. */
static void facts(void)
{
    world w;
    pyr_st_pair pairs[PYR_FACT_PAIRS];
    pyr_text text = {0};
    float nothing = 0;
    const pyr_st_entry entry = {"nothing", PYR_ST_F32, 1, {1}, &nothing};
    size_t n, usual;

    world_open(&w, 0, PYR_PREDICT_F, true);
    CHECK_OK(pyr_facts_write(&w.level.facts, pairs, &usual, &text));
    for (int objective = 1; objective < PYR_OBJECTIVES; objective++) {
        pyr_level_facts given = w.level.facts, back;
        pyr_safetensors *file = NULL;
        const char *path = below("facts.safetensors");

        pyr_text_free(&text);
        given.objective = objective;
        CHECK_OK(pyr_facts_write(&given, pairs, &n, &text));
        CHECK(n == usual + 1);
        CHECK_OK(pyr_safetensors_write(path, &entry, 1, pairs, n));
        CHECK_OK(pyr_safetensors_open(&file, path));
        CHECK_OK(pyr_facts_read(&back, file, path));
        CHECK(back.objective == objective);
        pyr_safetensors_free(file);
    }
    pyr_text_free(&text);
    world_close(&w);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    if (!temp_new("objectives"))
        return 1;
    write_images();
    RUN(losses_by_the_jacobian);
    RUN(the_same_in_the_mean);
    RUN(gradients);
    RUN(explicit_losses);
    RUN(facts);
    remove_all(temp);
    return CHECK_DONE();
}
