/* toy_train.c - the toy network's steps on draws of a mixture. */
#include "toys/toy_train.h"

#include "base/mem.h"
#include "base/philox.h"
#include "diffusion/prediction.h"
#include "graph/step_loop.h"
#include <assert.h>
#include <math.h>

/* The length h of sliced score matching's finite differences, in noise levels: the density of x = z + s eps
 * is smooth on the scale of s. */
static const double difference = 0.1;

typedef struct trainer {
    const pyr_toy_training *t;
    pyr_toy_network *net;
    int size, points;
    double *x,
        *s; /* [batch][size], [batch]: where the network is evaluated; sliced: x + v, x - v, x + v, ... */
    double *target; /* [points][size]: the score it should have; sliced: v */
    double *losses; /* [points] */
    double sum;     /* of the late steps' losses */
    int64_t late;   /* how many they are */
    pyr_train_plan plan;
} trainer;

static bool is_sliced(const trainer *t)
{
    return t->t->objective == PYR_SLICED_SCORE_MATCHING;
}

/* dst[n] = standard normals of the stream (seed, step, point) */
static void normals(const trainer *t, double *dst, int64_t step, int point, pyr_purpose purpose)
{
    float eps[4] = {0};

    for (int j = 0; j < t->size; j++) {
        if (j % 4 == 0)
            pyr_normal4(t->t->seed, (uint32_t)j / 4, (uint32_t)point, (uint32_t)step,
                        pyr_rng_purpose(purpose, 0), eps);
        dst[j] = (double)eps[j % 4];
    }
}

/* Stratified: one in each of `points` equal parts of the density. */
static double noise_level(const trainer *t, int64_t step, int point)
{
    uint32_t word =
        pyr_philox(t->t->seed, 0, (uint32_t)point, (uint32_t)step, pyr_rng_purpose(PYR_RNG_SIGMA, 0)).v[0];

    return pyr_noise_quantile(&t->t->noise, &t->t->schedule, (point + (double)pyr_uniform(word)) / t->points);
}

/* v = h u, u uniform on the unit sphere */
static void draw_direction(const trainer *t, double *v, double h, int64_t step, int point)
{
    double square = 0;

    normals(t, v, step, point, PYR_RNG_TASK);
    for (int j = 0; j < t->size; j++)
        square += v[j] * v[j];
    for (int j = 0; j < t->size; j++)
        v[j] *= h / sqrt(square);
}

/* A point z + s eps, and what its loss needs to know. */
static void draw_point(trainer *t, int64_t step, int point)
{
    const pyr_toy_training *job = t->t;
    size_t size = (size_t)t->size;
    double s = noise_level(t, step, point), *known = t->target + (size_t)point * size;
    double *x = t->x + (size_t)(is_sliced(t) ? 2 * point : point) * size;

    pyr_mixture_draw(job->data, x, NULL, 1, job->seed, step * t->points + point);
    normals(t, known, step, point, PYR_RNG_NOISE);
    for (size_t j = 0; j < size && !job->clean; j++)
        x[j] += s * known[j];
    if (is_sliced(t)) {
        draw_direction(t, known, difference * s, step, point);
        for (size_t j = 0; j < size; j++) {
            x[size + j] = x[j] - known[j];
            x[j] += known[j];
        }
        t->s[2 * point] = t->s[2 * point + 1] = s;
        return;
    }
    t->s[point] = s;
    if (job->objective == PYR_EXPLICIT_SCORE_MATCHING)
        pyr_mixture_score(job->data, known, x, s);
    else
        for (size_t j = 0; j < size; j++)
            known[j] *= -1 / s;
}

/* f becomes the score there, by D = skip x + out F = x + s^2 score. */
static void score_of(const trainer *t, double *score, const double *f, int place)
{
    double s = t->s[place];
    pyr_conversion c = pyr_prediction_at(PYR_PREDICT_F, s);
    const double *x = t->x + (size_t)place * (size_t)t->size;

    for (int j = 0; j < t->size; j++)
        score[j] = ((c.skip - 1) * x[j] + c.out * f[j]) / (s * s);
}

/* Losses and gradients of the points that lie in places first .. first + n - 1; the mean over the batch is
 * what is trained. */
static void loss_of_places(void *ctx, int first, int n, const double *f, double *gradient)
{
    trainer *t = ctx;
    size_t size = (size_t)t->size;
    int each = is_sliced(t) ? 2 : 1;
    double score[2 * PYR_TOY_MOST_NUMBERS];

    for (int i = 0; i < n; i += each) {
        int place = first + i, point = place / each;
        double s = t->s[place], w = pyr_noise_weight(&t->t->noise, &t->t->schedule, s) * pow(s, 4);
        double gain = w / t->points * pyr_prediction_at(PYR_PREDICT_F, s).out / (s * s);
        const double *known = t->target + (size_t)point * size;
        double *d = gradient + (size_t)i * size;

        for (int j = 0; j < each; j++)
            score_of(t, score + (size_t)j * size, f + (size_t)(i + j) * size, place + j);
        if (each == 2)
            t->losses[point] = w * pyr_score_sliced(d, d + size, score, score + size, known, t->size);
        else
            t->losses[point] = w * pyr_score_regression(d, score, known, t->size);
        for (size_t j = 0; j < (size_t)each * size; j++)
            d[j] *= gain;
    }
}

static pyr_status step(void *ctx, int64_t number, pyr_train_step *out)
{
    trainer *t = ctx;
    double loss = 0;

    for (int i = 0; i < t->points; i++)
        draw_point(t, number, i);
    PYR_TRY(pyr_toy_network_gradient(t->net, t->x, t->s, is_sliced(t) ? 2 * t->points : t->points,
                                     loss_of_places, t));
    for (int i = 0; i < t->points; i++)
        loss += t->losses[i] / t->points;
    if (t->t->losses)
        t->t->losses[number] = loss;
    if (number >= t->t->steps - (t->t->steps + 9) / 10) {
        t->sum += loss;
        t->late++;
    }
    return pyr_train_update(out, pyr_toy_network_optimizer(t->net), &t->plan, number, loss);
}

pyr_status pyr_toy_train(pyr_toy_network *net, double *loss, const pyr_toy_training *training)
{
    trainer t = {.t = training, .net = net, .size = pyr_toy_network_size(net)};
    const pyr_train_calls calls = {.ctx = &t, .step = step};
    pyr_train_state state = {0};
    size_t batch = (size_t)training->batch, size = (size_t)t.size;
    pyr_status status;

    assert(training->batch >= 2 && training->steps >= 1 && training->data->size == t.size);
    assert(!training->clean || is_sliced(&t)); /* the others speak of the noise */
    t.points = is_sliced(&t) ? training->batch / 2 : training->batch;
    PYR_TRY(pyr_new(&t.x, batch * (2 * size + 2), sizeof *t.x, "a toy's batch"));
    t.target = t.x + batch * size;
    t.s = t.target + batch * size;
    t.losses = t.s + batch;
    t.plan = (pyr_train_plan){.batch = training->batch,
                              .steps = training->steps,
                              .learning_rate = training->learning_rate,
                              .rate = PYR_RATE_COSINE,
                              .warmup = training->steps / 20,
                              .clip = 1,
                              .ema_window = 0.05,
                              .most_skipped = 5};
    PYR_TRY_OUT(pyr_train_run(&t.plan, &calls, &state));
    if (loss)
        *loss = t.sum / (double)t.late;
out:
    pyr_free(t.x);
    return status;
}
