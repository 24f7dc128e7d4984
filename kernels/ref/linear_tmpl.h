/* linear_tmpl.h - y[r,o] = b[o] + sum over i of x[r,i] W[o,i], for every row r = (n,h,w). */

static pyr_status linear_forward(pyr_kernels *k, pyr_op *op)
{
    int n_in = op->x[0].s.c, n_out = op->y.s.c;
    size_t rows = pyr_count(op->y.s) / n_out;
    const REAL *x = op->x[0].data, *w = op->param[0], *b = op->param_count[1] ? op->param[1] : NULL;
    REAL *y = op->y.data;

    (void)k;
    assert(op->param_count[0] == (size_t)n_out * n_in && rows * n_in == pyr_count(op->x[0].s));
    for (size_t r = 0; r < rows; r++)
        for (int o = 0; o < n_out; o++) {
            REAL sum = b ? b[o] : 0;

            for (int i = 0; i < n_in; i++)
                sum += x[r * n_in + i] * w[(size_t)o * n_in + i];
            y[r * n_out + o] = sum;
        }
    return PYR_OK;
}

static pyr_status linear_backward(pyr_kernels *k, pyr_op *op)
{
    int n_in = op->x[0].s.c, n_out = op->y.s.c;
    size_t rows = pyr_count(op->y.s) / n_out;
    const REAL *x = op->x[0].data, *w = op->param[0], *dy = op->dy;
    REAL *dx = op->dx[0], *dw = op->grad;

    (void)k;
    for (size_t r = 0; dx && r < rows; r++)
        for (int i = 0; i < n_in; i++) {
            REAL sum = 0;

            for (int o = 0; o < n_out; o++)
                sum += dy[r * n_out + o] * w[(size_t)o * n_in + i];
            put(&dx[r * n_in + i], op->dx_add[0], sum);
        }
    if (!op->want_grad)
        return PYR_OK;
    for (size_t r = 0; r < rows; r++)
        for (int o = 0; o < n_out; o++) {
            REAL g = dy[r * n_out + o];

            for (int i = 0; i < n_in; i++)
                dw[(size_t)o * n_in + i] += g * x[r * n_in + i];
            if (op->param_count[1])
                dw[op->param_count[0] + o] += g;
        }
    return PYR_OK;
}
