/* norm_tmpl.h - group normalisation (Wu & He 2018) with the affine map, an optional scale and shift per
 * image, and the activation behind it.
 *
 *     t = (x - mean) rstd         mean, rstd = 1/sqrt(var + eps) over h, w and the group's channels; var biased
 *     u = t gamma + beta
 *     v = u (1 + scale) + shift   (or v = u)
 *     y = act(v)
 *
 * x is input 0 with the channels of input 3, if there is one, behind its own.
 *
 * Backward, with g = dL/dt = dy act'(v) (1 + scale) gamma and means over the group:
 *     dx = rstd (g - mean(g) - t mean(g t)) */

/* Channel c of pixel p of image n: where it and its gradient are. */
typedef struct group_norm_place {
    int input;
    size_t at;
} group_norm_place;

static group_norm_place group_norm_at(const pyr_op *op, int n, size_t p, int c)
{
    pyr_shape first = op->x[0].s, more = op->x[PYR_X_MORE].s;
    size_t pixels = (size_t)first.h * first.w;

    if (c < first.c)
        return (group_norm_place){0, (n * pixels + p) * first.c + c};
    return (group_norm_place){PYR_X_MORE, (n * pixels + p) * more.c + c - first.c};
}

static REAL group_norm_x(const pyr_op *op, int n, size_t p, int c)
{
    group_norm_place place = group_norm_at(op, n, p, c);

    return ((const REAL *)op->x[place.input].data)[place.at];
}

/* Statistics of (image n, group): two passes, so that a large mean does no harm. */
static void group_norm_statistics(const pyr_op *op, int n, int group, REAL *mean, REAL *rstd)
{
    pyr_shape s = op->y.s;
    int width = s.c / op->groups;
    size_t pixels = (size_t)s.h * s.w;
    double sum = 0, squares = 0, m, count = (double)pixels * width;

    for (size_t p = 0; p < pixels; p++)
        for (int c = group * width; c < (group + 1) * width; c++)
            sum += (double)group_norm_x(op, n, p, c);
    m = sum / count;
    for (size_t p = 0; p < pixels; p++)
        for (int c = group * width; c < (group + 1) * width; c++) {
            double d = (double)group_norm_x(op, n, p, c) - m;

            squares += d * d;
        }
    *mean = (REAL)m;
    *rstd = (REAL)(1 / sqrt(squares / count + (double)op->eps));
}

/* What happens to channel c of image n behind t. */
typedef struct group_norm_channel {
    REAL gamma, beta, scale, shift;
} group_norm_channel;

static group_norm_channel group_norm_channel_of(const pyr_op *op, int n, int c)
{
    group_norm_channel ch = {1, 0, 0, 0};

    if (op->param_count[0])
        ch.gamma = ((const REAL *)op->param[0])[c];
    if (op->param_count[1])
        ch.beta = ((const REAL *)op->param[1])[c];
    if (pyr_op_has(op, PYR_X_SCALE_SHIFT)) {
        const REAL *v = (const REAL *)op->x[PYR_X_SCALE_SHIFT].data + (size_t)n * 2 * op->y.s.c;

        ch.scale = v[c];
        ch.shift = v[op->y.s.c + c];
    }
    return ch;
}

static pyr_status group_norm_plan(pyr_kernels *k, pyr_op *op)
{
    (void)k;
    if (op->backward)
        op->saved_bytes = (size_t)op->x[0].s.n * op->groups * 2 * sizeof(REAL);
    return PYR_OK;
}

static pyr_status group_norm_forward(pyr_kernels *k, pyr_op *op)
{
    pyr_shape s = op->y.s;
    int width = s.c / op->groups;
    size_t pixels = (size_t)s.h * s.w;
    REAL *y = op->y.data, *saved = op->saved;

    (void)k;
    assert(s.c % op->groups == 0);
    for (int n = 0; n < s.n; n++)
        for (int group = 0; group < op->groups; group++) {
            REAL mean, rstd;

            group_norm_statistics(op, n, group, &mean, &rstd);
            if (op->backward) {
                saved[((size_t)n * op->groups + group) * 2] = mean;
                saved[((size_t)n * op->groups + group) * 2 + 1] = rstd;
            }
            for (int c = group * width; c < (group + 1) * width; c++) {
                group_norm_channel ch = group_norm_channel_of(op, n, c);

                for (size_t p = 0; p < pixels; p++) {
                    REAL u = (group_norm_x(op, n, p, c) - mean) * rstd * ch.gamma + ch.beta;

                    y[(n * pixels + p) * s.c + c] = act_value(op->act, u * (1 + ch.scale) + ch.shift);
                }
            }
        }
    return PYR_OK;
}

static pyr_status group_norm_backward(pyr_kernels *k, pyr_op *op)
{
    pyr_shape s = op->y.s;
    int width = s.c / op->groups;
    size_t pixels = (size_t)s.h * s.w;
    double count = (double)per_image(s) / op->groups;
    const REAL *dy = op->dy, *saved = op->saved;
    REAL *dv = op->dx[PYR_X_SCALE_SHIFT];
    REAL *dgamma = op->want_grad && op->param_count[0] ? op->grad : NULL;
    REAL *dbeta = op->want_grad && op->param_count[1] ? (REAL *)op->grad + op->param_count[0] : NULL;

    (void)k;
    for (int n = 0; n < s.n; n++)
        for (int group = 0; group < op->groups; group++) {
            REAL mean = saved[((size_t)n * op->groups + group) * 2];
            REAL rstd = saved[((size_t)n * op->groups + group) * 2 + 1];
            double sum_g = 0, sum_gt = 0;

            for (int c = group * width; c < (group + 1) * width; c++) {
                group_norm_channel ch = group_norm_channel_of(op, n, c);
                double sum_v = 0, sum_vt = 0; /* of dL/dv and dL/dv t over this channel's pixels */

                for (size_t p = 0; p < pixels; p++) {
                    REAL t = (group_norm_x(op, n, p, c) - mean) * rstd;
                    REAL g = dy[(n * pixels + p) * s.c + c] *
                             act_slope(op->act, (t * ch.gamma + ch.beta) * (1 + ch.scale) + ch.shift);

                    sum_v += (double)g;
                    sum_vt += (double)(g * t);
                }
                if (dv) { /* dL/dscale = sum of dL/dv u, with u = t gamma + beta */
                    put(&dv[(size_t)n * 2 * s.c + c], op->dx_add[PYR_X_SCALE_SHIFT],
                        (REAL)(sum_vt * (double)ch.gamma + sum_v * (double)ch.beta));
                    put(&dv[(size_t)n * 2 * s.c + s.c + c], op->dx_add[PYR_X_SCALE_SHIFT], (REAL)sum_v);
                }
                if (dgamma)
                    dgamma[c] += (REAL)(sum_vt * (double)(1 + ch.scale));
                if (dbeta)
                    dbeta[c] += (REAL)(sum_v * (double)(1 + ch.scale));
                sum_g += sum_v * (double)((1 + ch.scale) * ch.gamma);
                sum_gt += sum_vt * (double)((1 + ch.scale) * ch.gamma);
            }
            for (int c = group * width; c < (group + 1) * width; c++) {
                group_norm_channel ch = group_norm_channel_of(op, n, c);
                int input = group_norm_at(op, n, 0, c).input;

                for (size_t p = 0; op->dx[input] && p < pixels; p++) {
                    REAL t = (group_norm_x(op, n, p, c) - mean) * rstd;
                    REAL g = dy[(n * pixels + p) * s.c + c] *
                             act_slope(op->act, (t * ch.gamma + ch.beta) * (1 + ch.scale) + ch.shift) *
                             (1 + ch.scale) * ch.gamma;

                    put((REAL *)op->dx[input] + group_norm_at(op, n, p, c).at, op->dx_add[input],
                        rstd * (g - (REAL)(sum_g / count) - t * (REAL)(sum_gt / count)));
                }
            }
        }
    return PYR_OK;
}
