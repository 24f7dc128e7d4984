/* group_norm_cpu.c - group norm, scale and shift, activation in one pass each way.
 *
 * Per image and channel everything is affine in x:
 *     u = x * a + b,  a = rstd gamma (1 + scale),  b = (beta - mean rstd gamma)(1 + scale) + shift
 *     y = act(u)
 * Backward, with du = dy act'(u), xhat = (x - mean) rstd, m = elements of a group:
 *     dshift = sum du, dscale = sum du (xhat gamma + beta),
 *     dgamma = (1 + scale) sum du xhat, dbeta = (1 + scale) sum du
 *     dx = rstd (g - mean_group(g) - xhat mean_group(g xhat)),  g = du gamma (1 + scale)
 * so two sums per channel (of du and of du xhat) are enough, and dx is again
 * affine: dx = du * a + x * p + q with p, q per channel.
 */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"

typedef struct sizes {
    size_t pixels, c, groups, per_group;
} sizes;

static sizes sizes_of(const pyr_op *op)
{
    pyr_shape s = op->x[0].s;

    return (sizes){(size_t)s.h * (size_t)s.w, (size_t)s.c, (size_t)op->groups, (size_t)(s.c / op->groups)};
}

/* scratch: rows of per-channel numbers, then du of one image */
enum { A, B, SUM, SUM2, ROWS };

static pyr_status norm_plan(pyr_kernels *k, pyr_op *op)
{
    sizes z = sizes_of(op);

    (void)k;
    op->saved_bytes = (size_t)op->x[0].s.n * z.groups * 2 * sizeof(float);
    op->scratch_bytes = (ROWS * z.c + (op->backward ? z.pixels * z.c : 0)) * sizeof(float);
    return PYR_OK;
}

/* mean and 1/sqrt(var + eps) of each group of one image, two passes */
static void statistics(const sizes *z, const float *restrict x, double eps, float *restrict row,
                       float *restrict stat)
{
    double m = (double)z->pixels * (double)z->per_group;

    memset(row, 0, z->c * sizeof *row);
    for (size_t i = 0; i < z->pixels; i++)
        for (size_t c = 0; c < z->c; c++)
            row[c] += x[i * z->c + c];
    for (size_t g = 0; g < z->groups; g++) {
        double sum = 0;

        for (size_t c = 0; c < z->per_group; c++)
            sum += (double)row[g * z->per_group + c];
        stat[2 * g] = (float)(sum / m);
    }
    for (size_t c = 0; c < z->c; c++)
        row[c] = stat[2 * (c / z->per_group)];
    float *restrict square = row + z->c;
    memset(square, 0, z->c * sizeof *row);
    for (size_t i = 0; i < z->pixels; i++)
        for (size_t c = 0; c < z->c; c++) {
            float d = x[i * z->c + c] - row[c];

            square[c] += d * d;
        }
    for (size_t g = 0; g < z->groups; g++) {
        double sum = 0;

        for (size_t c = 0; c < z->per_group; c++)
            sum += (double)square[g * z->per_group + c];
        stat[2 * g + 1] = (float)(1.0 / sqrt(sum / m + eps));
    }
}

/* a and b of one image */
static void coefficients(const sizes *z, const pyr_op *op, size_t image, const float *stat, float *restrict a,
                         float *restrict b)
{
    const float *gamma = op->param[0], *beta = op->param[1];
    const float *extra =
        pyr_op_has(op, PYR_X_SCALE_SHIFT) ? (const float *)op->x[1].data + image * 2 * z->c : NULL;

    for (size_t c = 0; c < z->c; c++) {
        const float *s = stat + 2 * (c / z->per_group);

        a[c] = s[1] * gamma[c];
        b[c] = beta[c] - s[0] * a[c];
    }
    if (extra)
        for (size_t c = 0; c < z->c; c++) {
            a[c] *= 1.0f + extra[c];
            b[c] = b[c] * (1.0f + extra[c]) + extra[z->c + c];
        }
}

static void apply(const sizes *z, pyr_act act, const float *restrict x, const float *restrict a,
                  const float *restrict b, float *restrict y)
{
    for (size_t i = 0; i < z->pixels; i++, x += z->c, y += z->c)
        switch (act) {
        case PYR_ACT_NONE:
            for (size_t c = 0; c < z->c; c++)
                y[c] = x[c] * a[c] + b[c];
            break;
        case PYR_ACT_SILU:
            for (size_t c = 0; c < z->c; c++) {
                float u = x[c] * a[c] + b[c];

                y[c] = u * pyr_vsigmoid(u);
            }
            break;
        default:
            for (size_t c = 0; c < z->c; c++)
                y[c] = pyr_act_value(act, x[c] * a[c] + b[c]);
        }
}

static pyr_status norm_forward(pyr_kernels *k, pyr_op *op)
{
    sizes z = sizes_of(op);
    float *scratch = op->scratch, *a = scratch + A * z.c, *b = scratch + B * z.c, *row = scratch + SUM * z.c;
    size_t size = z.pixels * z.c;

    (void)k;
    for (size_t n = 0; n < (size_t)op->x[0].s.n; n++) {
        const float *x = (const float *)op->x[0].data + n * size;
        float *stat = (float *)op->saved + n * 2 * z.groups;

        statistics(&z, x, (double)op->eps, row, stat);
        coefficients(&z, op, n, stat, a, b);
        apply(&z, op->act, x, a, b, (float *)op->y.data + n * size);
    }
    return PYR_OK;
}

/* du, and its sums per channel: sum[c] = sum du, sum2[c] = sum du x */
static void through_activation(const sizes *z, pyr_act act, const float *restrict x, const float *restrict dy,
                               const float *restrict a, const float *restrict b, float *restrict du,
                               float *restrict sum, float *restrict sum2)
{
    memset(sum, 0, z->c * sizeof *sum);
    memset(sum2, 0, z->c * sizeof *sum2);
    for (size_t i = 0; i < z->pixels; i++, x += z->c, dy += z->c, du += z->c) {
        switch (act) {
        case PYR_ACT_NONE:
            memcpy(du, dy, z->c * sizeof *du);
            break;
        case PYR_ACT_SILU:
            for (size_t c = 0; c < z->c; c++) {
                float u = x[c] * a[c] + b[c], s = pyr_vsigmoid(u);

                du[c] = dy[c] * s * (1.0f + u * (1.0f - s));
            }
            break;
        default:
            for (size_t c = 0; c < z->c; c++)
                du[c] = dy[c] * pyr_act_slope(act, x[c] * a[c] + b[c]);
        }
        for (size_t c = 0; c < z->c; c++) {
            sum[c] += du[c];
            sum2[c] += du[c] * x[c];
        }
    }
}

static void image_backward(pyr_op *op, const sizes *z, size_t n)
{
    float *scratch = op->scratch, *a = scratch + A * z->c, *b = scratch + B * z->c;
    float *sum = scratch + SUM * z->c, *sum2 = scratch + SUM2 * z->c, *du = scratch + ROWS * z->c;
    size_t size = z->pixels * z->c;
    const float *restrict x = (const float *)op->x[0].data + n * size, *dy = (const float *)op->dy + n * size;
    const float *stat = (const float *)op->saved + n * 2 * z->groups;
    const float *gamma = op->param[0], *beta = op->param[1];
    const float *extra =
        pyr_op_has(op, PYR_X_SCALE_SHIFT) ? (const float *)op->x[1].data + n * 2 * z->c : NULL;
    float *dgamma = op->grad, *dbeta = dgamma ? dgamma + z->c : NULL;
    float *dextra = pyr_op_has(op, PYR_X_SCALE_SHIFT) && op->dx[1] ? (float *)op->dx[1] + n * 2 * z->c : NULL;
    double m = (double)z->pixels * (double)z->per_group;

    coefficients(z, op, n, stat, a, b);
    through_activation(z, op->act, x, dy, a, b, du, sum, sum2);
    for (size_t c = 0; c < z->c; c++) {
        const float *s = stat + 2 * (c / z->per_group);
        float scale = extra ? 1.0f + extra[c] : 1.0f;

        sum2[c] = (sum2[c] - s[0] * sum[c]) * s[1]; /* now sum du xhat */
        if (op->want_grad) {
            dgamma[c] += scale * sum2[c];
            dbeta[c] += scale * sum[c];
        }
        if (dextra) {
            float dscale = gamma[c] * sum2[c] + beta[c] * sum[c];

            dextra[c] = op->dx_add[1] ? dextra[c] + dscale : dscale;
            dextra[z->c + c] = op->dx_add[1] ? dextra[z->c + c] + sum[c] : sum[c];
        }
    }
    if (!op->dx[0])
        return;
    /* dx = du a - rstd (mean_g + xhat mean_gx) = du a + x p + q; p and q take the rows of the sums */
    for (size_t g = 0; g < z->groups; g++) {
        double mean_g = 0, mean_gx = 0, rstd = (double)stat[2 * g + 1], mean = (double)stat[2 * g];

        for (size_t c = g * z->per_group; c < (g + 1) * z->per_group; c++) {
            double factor = (double)a[c] / rstd; /* gamma (1 + scale) */

            mean_g += factor * (double)sum[c];
            mean_gx += factor * (double)sum2[c];
        }
        mean_g /= m;
        mean_gx /= m;
        for (size_t c = g * z->per_group; c < (g + 1) * z->per_group; c++) {
            sum[c] = (float)(-rstd * rstd * mean_gx);
            sum2[c] = (float)(-rstd * mean_g + rstd * rstd * mean * mean_gx);
        }
    }
    float *restrict dx = (float *)op->dx[0] + n * size;
    bool add = op->dx_add[0];
    for (size_t i = 0; i < z->pixels; i++, x += z->c, dx += z->c, du += z->c)
        if (add)
            for (size_t c = 0; c < z->c; c++)
                dx[c] += du[c] * a[c] + x[c] * sum[c] + sum2[c];
        else
            for (size_t c = 0; c < z->c; c++)
                dx[c] = du[c] * a[c] + x[c] * sum[c] + sum2[c];
}

static pyr_status norm_backward(pyr_kernels *k, pyr_op *op)
{
    sizes z = sizes_of(op);

    (void)k;
    for (size_t n = 0; n < (size_t)op->x[0].s.n; n++)
        image_backward(op, &z, n);
    return PYR_OK;
}

const pyr_op_impl pyr_cpu_group_norm = {.reads = PYR_READS_X0 | PYR_READS_X1,
                                        .plan = norm_plan,
                                        .forward = norm_forward,
                                        .backward = norm_backward};
