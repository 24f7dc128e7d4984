/* elementwise_tmpl.h - activations, sums, scalings, losses. */

/* ---- activations ---- */

static pyr_status activation_forward(pyr_kernels *k, pyr_op *op)
{
    const REAL *x = op->x[0].data;
    REAL *y = op->y.data;

    (void)k;
    for (size_t i = 0, count = pyr_count(op->y.s); i < count; i++)
        y[i] = act_value(op->act, x[i]);
    return PYR_OK;
}

static pyr_status activation_backward(pyr_kernels *k, pyr_op *op)
{
    const REAL *x = op->x[0].data, *dy = op->dy;

    (void)k;
    for (size_t i = 0, count = pyr_count(op->y.s); op->dx[0] && i < count; i++)
        put((REAL *)op->dx[0] + i, op->dx_add[0], dy[i] * act_slope(op->act, x[i]));
    return PYR_OK;
}

/* ---- sums and scalings ---- */

static pyr_status add_forward(pyr_kernels *k, pyr_op *op)
{
    const REAL *a = op->x[0].data, *b = op->x[1].data;
    REAL *y = op->y.data;

    (void)k;
    for (size_t i = 0, count = pyr_count(op->y.s); i < count; i++)
        y[i] = (a[i] + b[i]) * (REAL)op->scale;
    return PYR_OK;
}

static pyr_status add_backward(pyr_kernels *k, pyr_op *op)
{
    const REAL *dy = op->dy;

    (void)k;
    for (int input = 0; input < 2; input++)
        for (size_t i = 0, count = pyr_count(op->y.s); op->dx[input] && i < count; i++)
            put((REAL *)op->dx[input] + i, op->dx_add[input], dy[i] * (REAL)op->scale);
    return PYR_OK;
}

static pyr_status add_channel_forward(pyr_kernels *k, pyr_op *op)
{
    int c = op->y.s.c;
    size_t each = per_image(op->y.s);
    const REAL *x = op->x[0].data, *v = op->x[1].data;
    REAL *y = op->y.data;

    (void)k;
    for (int n = 0; n < op->y.s.n; n++)
        for (size_t i = 0; i < each; i++)
            y[n * each + i] = x[n * each + i] + v[(size_t)n * c + i % c];
    return PYR_OK;
}

static pyr_status add_channel_backward(pyr_kernels *k, pyr_op *op)
{
    int c = op->y.s.c;
    size_t each = per_image(op->y.s);
    const REAL *dy = op->dy;
    REAL *dx = op->dx[0], *dv = op->dx[1];

    (void)k;
    for (size_t i = 0; dx && i < pyr_count(op->y.s); i++)
        put(&dx[i], op->dx_add[0], dy[i]);
    for (int n = 0; dv && n < op->y.s.n; n++)
        for (int ch = 0; ch < c; ch++) {
            REAL sum = 0;

            for (size_t i = ch; i < each; i += c)
                sum += dy[n * each + i];
            put(&dv[(size_t)n * c + ch], op->dx_add[1], sum);
        }
    return PYR_OK;
}

static pyr_status scale_shift_forward(pyr_kernels *k, pyr_op *op)
{
    int c = op->y.s.c;
    size_t each = per_image(op->y.s);
    const REAL *x = op->x[0].data;
    REAL *y = op->y.data;

    (void)k;
    for (int n = 0; n < op->y.s.n; n++) {
        const REAL *scale = (const REAL *)op->x[1].data + (size_t)n * 2 * c, *shift = scale + c;

        for (size_t i = 0; i < each; i++)
            y[n * each + i] = x[n * each + i] * (1 + scale[i % c]) + shift[i % c];
    }
    return PYR_OK;
}

static pyr_status scale_shift_backward(pyr_kernels *k, pyr_op *op)
{
    int c = op->y.s.c;
    size_t each = per_image(op->y.s);
    const REAL *x = op->x[0].data, *v = op->x[1].data, *dy = op->dy;
    REAL *dx = op->dx[0], *dv = op->dx[1];

    (void)k;
    for (int n = 0; dx && n < op->y.s.n; n++)
        for (size_t i = 0; i < each; i++)
            put(&dx[n * each + i], op->dx_add[0], dy[n * each + i] * (1 + v[(size_t)n * 2 * c + i % c]));
    for (int n = 0; dv && n < op->y.s.n; n++)
        for (int ch = 0; ch < c; ch++) {
            REAL dscale = 0, dshift = 0;

            for (size_t i = ch; i < each; i += c) {
                dscale += dy[n * each + i] * x[n * each + i];
                dshift += dy[n * each + i];
            }
            put(&dv[(size_t)n * 2 * c + ch], op->dx_add[1], dscale);
            put(&dv[(size_t)n * 2 * c + c + ch], op->dx_add[1], dshift);
        }
    return PYR_OK;
}

static pyr_status mix_forward(pyr_kernels *k, pyr_op *op)
{
    size_t each = per_image(op->y.s);
    const REAL *x0 = op->x[0].data, *x1 = op->x[1].data, *ab = op->x[2].data;
    REAL *y = op->y.data;

    (void)k;
    for (int n = 0; n < op->y.s.n; n++)
        for (size_t i = n * each; i < (n + 1) * each; i++)
            y[i] = ab[2 * n] * x0[i] + ab[2 * n + 1] * x1[i];
    return PYR_OK;
}

static pyr_status mix_backward(pyr_kernels *k, pyr_op *op)
{
    size_t each = per_image(op->y.s);
    const REAL *ab = op->x[2].data, *dy = op->dy;

    (void)k;
    for (int input = 0; input < 2; input++)
        for (int n = 0; op->dx[input] && n < op->y.s.n; n++)
            for (size_t i = n * each; i < (n + 1) * each; i++)
                put((REAL *)op->dx[input] + i, op->dx_add[input], ab[2 * n + input] * dy[i]);
    return PYR_OK;
}

static pyr_status divide_forward(pyr_kernels *k, pyr_op *op)
{
    size_t each = per_image(op->y.s);
    const REAL *x = op->x[0].data, *by = op->x[1].data;
    REAL *y = op->y.data;

    (void)k;
    for (int n = 0; n < op->y.s.n; n++)
        for (size_t i = n * each; i < (n + 1) * each; i++)
            y[i] = x[i] / by[n];
    return PYR_OK;
}

static pyr_status divide_backward(pyr_kernels *k, pyr_op *op)
{
    size_t each = per_image(op->y.s);
    const REAL *by = op->x[1].data, *dy = op->dy;

    (void)k;
    for (int n = 0; op->dx[0] && n < op->y.s.n; n++)
        for (size_t i = n * each; i < (n + 1) * each; i++)
            put((REAL *)op->dx[0] + i, op->dx_add[0], dy[i] / by[n]);
    return PYR_OK;
}

static pyr_status affine_forward(pyr_kernels *k, pyr_op *op)
{
    const REAL *x = op->x[0].data;
    REAL *y = op->y.data;

    (void)k;
    for (size_t i = 0, count = pyr_count(op->y.s); i < count; i++)
        y[i] = (REAL)op->scale * x[i] + (REAL)op->shift;
    return PYR_OK;
}

static pyr_status affine_backward(pyr_kernels *k, pyr_op *op)
{
    const REAL *dy = op->dy;

    (void)k;
    for (size_t i = 0, count = pyr_count(op->y.s); op->dx[0] && i < count; i++)
        put((REAL *)op->dx[0] + i, op->dx_add[0], (REAL)op->scale * dy[i]);
    return PYR_OK;
}

/* ---- losses ---- */

static pyr_status squared_error_forward(pyr_kernels *k, pyr_op *op)
{
    size_t each = per_image(op->x[0].s);
    const REAL *a = op->x[0].data, *b = op->x[1].data, *weight = op->x[2].data;
    REAL *y = op->y.data;

    (void)k;
    for (int n = 0; n < op->x[0].s.n; n++) {
        double sum = 0;

        for (size_t i = n * each; i < (n + 1) * each; i++)
            sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        y[n] = (REAL)((double)weight[n] * (sum / (double)each));
    }
    return PYR_OK;
}

static pyr_status squared_error_backward(pyr_kernels *k, pyr_op *op)
{
    size_t each = per_image(op->x[0].s);
    const REAL *a = op->x[0].data, *b = op->x[1].data, *weight = op->x[2].data, *dy = op->dy;

    (void)k;
    for (int input = 0; input < 2; input++)
        for (int n = 0; op->dx[input] && n < op->x[0].s.n; n++) {
            REAL factor = dy[n] * weight[n] * 2 / (REAL)each * (input ? -1 : 1);

            for (size_t i = n * each; i < (n + 1) * each; i++)
                put((REAL *)op->dx[input] + i, op->dx_add[input], factor * (a[i] - b[i]));
        }
    return PYR_OK;
}

/* log of the sum of exp over the logits of image n; the largest is taken out, so that nothing overflows. */
static double cross_entropy_log_sum(const pyr_op *op, int n)
{
    int classes = op->x[0].s.c;
    const REAL *logits = (const REAL *)op->x[0].data + (size_t)n * classes;
    double most = (double)logits[0], sum = 0;

    for (int i = 1; i < classes; i++)
        most = fmax(most, (double)logits[i]);
    for (int i = 0; i < classes; i++)
        sum += exp((double)logits[i] - most);
    return most + log(sum);
}

static pyr_status cross_entropy_forward(pyr_kernels *k, pyr_op *op)
{
    int classes = op->x[0].s.c;
    const REAL *logits = op->x[0].data, *weight = op->x[2].data;
    const uint32_t *label = op->x[1].data;
    REAL *y = op->y.data;

    (void)k;
    for (int n = 0; n < op->x[0].s.n; n++) {
        if (label[n] >= (uint32_t)classes)
            return pyr_fail(PYR_E_ARG, "label of image %d is %u, should be 0..%d", n, (unsigned)label[n],
                            classes - 1);
        y[n] = (REAL)((double)weight[n] *
                      (cross_entropy_log_sum(op, n) - (double)logits[(size_t)n * classes + label[n]]));
    }
    return PYR_OK;
}

/* weight (softmax - one where the label is) */
static pyr_status cross_entropy_backward(pyr_kernels *k, pyr_op *op)
{
    int classes = op->x[0].s.c;
    const REAL *logits = op->x[0].data, *weight = op->x[2].data, *dy = op->dy;
    const uint32_t *label = op->x[1].data;

    (void)k;
    for (int n = 0; op->dx[0] && n < op->x[0].s.n; n++) {
        double log_sum = cross_entropy_log_sum(op, n);

        for (int i = 0; i < classes; i++) {
            size_t at = (size_t)n * classes + i;
            double p = exp((double)logits[at] - log_sum);

            put((REAL *)op->dx[0] + at, op->dx_add[0],
                (REAL)((double)dy[n] * (double)weight[n] * (p - ((uint32_t)i == label[n]))));
        }
    }
    return PYR_OK;
}
