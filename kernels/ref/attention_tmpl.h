/* attention_tmpl.h - softmax(q k^T / sqrt(d)) v per image and head (Vaswani et al. 2017, equation 1).
 *
 * The S = h w pixels of an image are the tokens; head m has the features [m d, (m + 1) d).
 * Backward, with P the probabilities and dP[i,j] = dy[i] . v[j]:
 *     dZ[i,j] = P[i,j] (dP[i,j] - sum over j' of P[i,j'] dP[i,j'])     of the logits Z
 *     dq[i] = sum over j of dZ[i,j] k[j] / sqrt(d)
 *     dk[j] = sum over i of dZ[i,j] q[i] / sqrt(d)
 *     dv[j] = sum over i of P[i,j] dy[i]                                                            */

static pyr_status attention_plan(pyr_kernels *k, pyr_op *op)
{
    size_t tokens = (size_t)op->y.s.h * op->y.s.w;

    (void)k;
    if (op->backward) { /* the probabilities; in backward one head's dZ */
        op->saved_bytes = op->y.s.n * op->heads * tokens * tokens * sizeof(REAL);
        op->scratch_bytes = tokens * tokens * sizeof(REAL);
    } else /* one row of probabilities */
        op->scratch_bytes = tokens * sizeof(REAL);
    return PYR_OK;
}

static pyr_status attention_forward(pyr_kernels *k, pyr_op *op)
{
    pyr_shape s = op->y.s;
    size_t tokens = (size_t)s.h * s.w;
    int d = s.c / op->heads;
    REAL factor = 1 / MATH(sqrt)((REAL)d);

    (void)k;
    assert(s.c % op->heads == 0);
    for (int n = 0; n < s.n; n++)
        for (int head = 0; head < op->heads; head++) {
            size_t start = n * per_image(s) + (size_t)head * d;
            const REAL *q = (const REAL *)op->x[0].data + start, *key = (const REAL *)op->x[1].data + start;
            const REAL *v = (const REAL *)op->x[2].data + start;
            REAL *y = (REAL *)op->y.data + start;

            for (size_t i = 0; i < tokens; i++) {
                REAL *p = op->scratch, largest = -INFINITY, sum = 0;

                if (op->backward)
                    p = (REAL *)op->saved + (((size_t)n * op->heads + head) * tokens + i) * tokens;
                for (size_t j = 0; j < tokens; j++) {
                    REAL z = 0;

                    for (int f = 0; f < d; f++)
                        z += q[i * s.c + f] * key[j * s.c + f];
                    p[j] = z * factor;
                    largest = p[j] > largest ? p[j] : largest;
                }
                for (size_t j = 0; j < tokens; j++) {
                    p[j] = MATH(exp)(p[j] - largest);
                    sum += p[j];
                }
                for (size_t j = 0; j < tokens; j++)
                    p[j] /= sum;
                for (int f = 0; f < d; f++) {
                    REAL mean = 0;

                    for (size_t j = 0; j < tokens; j++)
                        mean += p[j] * v[j * s.c + f];
                    y[i * s.c + f] = mean;
                }
            }
        }
    return PYR_OK;
}

static pyr_status attention_backward(pyr_kernels *k, pyr_op *op)
{
    pyr_shape s = op->y.s;
    size_t tokens = (size_t)s.h * s.w;
    int d = s.c / op->heads;
    REAL factor = 1 / MATH(sqrt)((REAL)d), *dz = op->scratch;

    (void)k;
    for (int n = 0; n < s.n; n++)
        for (int head = 0; head < op->heads; head++) {
            size_t start = n * per_image(s) + (size_t)head * d;
            const REAL *q = (const REAL *)op->x[0].data + start, *key = (const REAL *)op->x[1].data + start;
            const REAL *v = (const REAL *)op->x[2].data + start, *dy = (const REAL *)op->dy + start;
            const REAL *p = (const REAL *)op->saved + ((size_t)n * op->heads + head) * tokens * tokens;
            REAL *dx[3];

            for (int input = 0; input < 3; input++)
                dx[input] = op->dx[input] ? (REAL *)op->dx[input] + start : NULL;
            for (size_t i = 0; i < tokens; i++) {
                REAL mean = 0;

                for (size_t j = 0; j < tokens; j++) {
                    REAL dp = 0;

                    for (int f = 0; f < d; f++)
                        dp += dy[i * s.c + f] * v[j * s.c + f];
                    dz[i * tokens + j] = dp;
                    mean += p[i * tokens + j] * dp;
                }
                for (size_t j = 0; j < tokens; j++)
                    dz[i * tokens + j] = p[i * tokens + j] * (dz[i * tokens + j] - mean);
            }
            for (size_t i = 0; dx[0] && i < tokens; i++)
                for (int f = 0; f < d; f++) {
                    REAL sum = 0;

                    for (size_t j = 0; j < tokens; j++)
                        sum += dz[i * tokens + j] * key[j * s.c + f];
                    put(&dx[0][i * s.c + f], op->dx_add[0], sum * factor);
                }
            for (size_t j = 0; dx[1] && j < tokens; j++)
                for (int f = 0; f < d; f++) {
                    REAL sum = 0;

                    for (size_t i = 0; i < tokens; i++)
                        sum += dz[i * tokens + j] * q[i * s.c + f];
                    put(&dx[1][j * s.c + f], op->dx_add[1], sum * factor);
                }
            for (size_t j = 0; dx[2] && j < tokens; j++)
                for (int f = 0; f < d; f++) {
                    REAL sum = 0;

                    for (size_t i = 0; i < tokens; i++)
                        sum += p[i * tokens + j] * dy[i * s.c + f];
                    put(&dx[2][j * s.c + f], op->dx_add[2], sum);
                }
        }
    return PYR_OK;
}
