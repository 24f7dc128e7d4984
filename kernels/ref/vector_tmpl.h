/* vector_tmpl.h - flat vectors: means, the gradient's norm, AdamW, linear combinations, clamping, inner
 * products. */

/* Work is cut into chunks of a fixed size, never by the number of threads, and partial sums are added in
 * the order of chunks: the same bits for every number of lanes. */
enum { CHUNK = 65536, CHUNKS_A_ROUND = 256 };

static inline size_t chunk_end(size_t start, size_t count)
{
    return count - start < CHUNK ? count : start + CHUNK;
}

/* ---- mean ---- */

SHARED pyr_status pyr_ref_mean(pyr_kernels *k, float *out, const void *values, size_t count, double weight,
                               bool add)
{
    double sum = 0;

    (void)k;
    for (size_t i = 0; i < count; i++)
        sum += (double)((const REAL *)values)[i];
    *out = (float)((add ? (double)*out : 0) + weight * (sum / (double)count));
    return PYR_OK;
}

/* ---- norm ---- */

typedef struct norm_round {
    const REAL *grad; /* at the round's first element */
    size_t count;     /* from there on */
    double partial[CHUNKS_A_ROUND];
} norm_round;

static pyr_status norm_chunk(void *arg, int task, int lane)
{
    norm_round *round = arg;
    size_t start = (size_t)task * CHUNK;
    double sum = 0;

    (void)lane;
    for (size_t i = start; i < chunk_end(start, round->count); i++)
        sum += (double)round->grad[i] * (double)round->grad[i];
    round->partial[task] = sum;
    return PYR_OK;
}

static pyr_status vector_norm(pyr_kernels *k, const void *grad, size_t count, pyr_step_state *state)
{
    norm_round round;
    double total = 0;

    for (size_t start = 0; start < count; start += (size_t)CHUNK * CHUNKS_A_ROUND) {
        size_t chunks;

        round.grad = (const REAL *)grad + start;
        round.count = count - start;
        chunks = (round.count + CHUNK - 1) / CHUNK;
        chunks = chunks < CHUNKS_A_ROUND ? chunks : CHUNKS_A_ROUND;
        PYR_TRY(pyr_run_tasks(k, (int)chunks, norm_chunk, &round));
        for (size_t i = 0; i < chunks; i++)
            total += round.partial[i];
    }
    state->grad_norm = state->clip_norm = (float)sqrt(total);
    state->skip = !isfinite(state->grad_norm) || !isfinite(state->loss);
    return PYR_OK;
}

/* ---- AdamW ---- */

typedef struct adamw_work {
    REAL *value, *m, *v, *ema;
    const REAL *grad;
    size_t count;
    adamw_factors factors;
} adamw_work;

static pyr_status adamw_chunk(void *arg, int task, int lane)
{
    adamw_work *a = arg;
    size_t start = (size_t)task * CHUNK;

    (void)lane;
    for (size_t i = start; i < chunk_end(start, a->count); i++) {
        adamw_update(&a->factors, a->grad[i], &a->value[i], &a->m[i], &a->v[i]);
        if (a->ema)
            a->ema[i] += a->factors.ema_rate * (a->value[i] - a->ema[i]);
    }
    return PYR_OK;
}

static pyr_status vector_adamw(pyr_kernels *k, const pyr_adamw *settings, pyr_step_state *state, void *value,
                               const void *grad, void *m, void *v, void *ema, size_t count)
{
    adamw_work work = {.value = value,
                       .m = m,
                       .v = v,
                       .ema = ema,
                       .grad = grad,
                       .count = count,
                       .factors = adamw_of(settings, state)};

    if (!state->skip) {
        PYR_TRY(pyr_run_tasks(k, (int)((count + CHUNK - 1) / CHUNK), adamw_chunk, &work));
        state->applied++;
    }
    state->step++;
    return PYR_OK;
}

/* ---- linear combinations ---- */

static void vector_combine(pyr_kernels *k, void *dst, int n, const double *coef, const void *const *src,
                           size_t count)
{
    (void)k;
    for (size_t i = 0; i < count; i++) {
        double sum = 0;

        for (int j = 0; j < n; j++)
            sum += coef[j] * (double)((const REAL *)src[j])[i];
        ((REAL *)dst)[i] = (REAL)sum;
    }
}

static void vector_clamp(pyr_kernels *k, void *dst, double lo, double hi, size_t count)
{
    REAL *x = dst;

    (void)k;
    for (size_t i = 0; i < count; i++)
        x[i] = x[i] < (REAL)lo ? (REAL)lo : x[i] > (REAL)hi ? (REAL)hi : x[i]; /* NaN stays */
}

SHARED pyr_status pyr_ref_dots(pyr_kernels *k, double *out, const void *a, const void *b, int n, size_t size)
{
    const REAL *x = a, *y = b;

    (void)k;
    for (int i = 0; i < n; i++) {
        double sum = 0;

        for (size_t j = 0; j < size; j++)
            sum += (double)x[(size_t)i * size + j] * (double)y[(size_t)i * size + j];
        out[i] = sum;
    }
    return PYR_OK;
}
