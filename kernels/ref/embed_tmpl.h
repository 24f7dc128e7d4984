/* embed_tmpl.h - vectors per image: rows of a table, embeddings of the noise level. */

/* y[n] = row x0[n] of the table. */
static pyr_status embed_forward(pyr_kernels *k, pyr_op *op)
{
    int d = op->y.s.c;
    const uint32_t *index = op->x[0].data;
    const REAL *table = op->param[0];
    REAL *y = op->y.data;

    (void)k;
    for (int n = 0; n < op->y.s.n; n++) {
        if (index[n] >= (uint32_t)op->param_rows)
            return pyr_fail(PYR_E_ARG, "class of image %d is %u, should be 0..%d", n, (unsigned)index[n],
                            op->param_rows - 1);
        for (int i = 0; i < d; i++)
            y[(size_t)n * d + i] = table[(size_t)index[n] * d + i];
    }
    return PYR_OK;
}

static pyr_status embed_backward(pyr_kernels *k, pyr_op *op)
{
    int d = op->y.s.c;
    const uint32_t *index = op->x[0].data;
    const REAL *dy = op->dy;
    REAL *dtable = op->grad;

    (void)k;
    for (int n = 0; op->want_grad && n < op->y.s.n; n++) {
        assert(index[n] < (uint32_t)op->param_rows);
        for (int i = 0; i < d; i++)
            dtable[(size_t)index[n] * d + i] += dy[(size_t)n * d + i];
    }
    return PYR_OK;
}

/* Sinusoids (Vaswani et al. 2017, section 3.5; Ho et al. 2020), with half = floor(d / 2):
 *     a[i] = x0 exp(-log(10000) i / (half - freq_shift)),   y = [sin a | cos a] or [cos a | sin a], an odd d
 * ends in 0. In float for every table, rounded in diffusers' order, so that imported networks see what they
 * were trained on. */
static pyr_status time_positional_forward(pyr_kernels *k, pyr_op *op)
{
    int d = op->y.s.c, half = d / 2;
    int at_sin = op->flip_sin_to_cos ? half : 0, at_cos = half - at_sin;
    const REAL *x = op->x[0].data;
    REAL *y = op->y.data;

    (void)k;
    for (int n = 0; n < op->y.s.n; n++) {
        REAL *row = y + (size_t)n * d;

        for (int i = 0; i < half; i++) {
            float angle = time_positional_angle((float)x[n], i, half, op->freq_shift);

            row[at_sin + i] = (REAL)sinf(angle);
            row[at_cos + i] = (REAL)cosf(angle);
        }
        if (d % 2)
            row[d - 1] = 0;
    }
    return PYR_OK;
}

/* Random Fourier features of the log noise level (Song et al. 2021, appendix C.1; Tancik et al. 2020). */
static pyr_status time_fourier_forward(pyr_kernels *k, pyr_op *op)
{
    int d = op->y.s.c / 2;
    const REAL *x = op->x[0].data, *w = op->param[0];
    REAL *y = op->y.data;

    (void)k;
    assert(op->param_count[0] == (size_t)d && op->y.s.c == 2 * d);
    for (int n = 0; n < op->y.s.n; n++)
        for (int i = 0; i < d; i++) {
            REAL angle = time_fourier_angle(x[n], w[i]);

            y[(size_t)n * 2 * d + i] = MATH(sin)(angle);
            y[(size_t)n * 2 * d + d + i] = MATH(cos)(angle);
        }
    return PYR_OK;
}
