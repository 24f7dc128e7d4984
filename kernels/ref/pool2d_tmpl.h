/* pool2d_tmpl.h - the largest or the mean of windows, channel by channel. A window is cut to the image, so
 * that padding has no values; it only counts in the divisor of PYR_WINDOW_MEAN_PADDED. */

/* Backward needs to know which pixel of an image was the largest. */
static pyr_status pool2d_plan(pyr_kernels *k, pyr_op *op)
{
    (void)k;
    if (op->backward && op->window == PYR_WINDOW_MAX)
        op->saved_bytes = pyr_count(op->y.s) * sizeof(int);
    return PYR_OK;
}

static REAL pool2d_mean(const pyr_op *op, pool2d_part p, int n, int c)
{
    const REAL *x = op->x[0].data;
    REAL sum = 0;

    for (int iy = p.top; iy < p.bottom; iy++)
        for (int ix = p.left; ix < p.right; ix++)
            sum += x[pixel(op->x[0].s, n, iy, ix) + c];
    return sum / pool2d_count(op, p);
}

static REAL pool2d_max(const pyr_op *op, pool2d_part p, int n, int c, int *at)
{
    const REAL *x = op->x[0].data;
    pyr_shape in = op->x[0].s;
    REAL most = x[pixel(in, n, p.top, p.left) + c];

    *at = p.top * in.w + p.left;
    for (int iy = p.top; iy < p.bottom; iy++)
        for (int ix = p.left; ix < p.right; ix++) {
            REAL value = x[pixel(in, n, iy, ix) + c];

            if (value > most || isnan(value)) {
                most = value;
                *at = iy * in.w + ix;
            }
        }
    return most;
}

static pyr_status pool2d_forward(pyr_kernels *k, pyr_op *op)
{
    pyr_shape in = op->x[0].s, out = op->y.s;
    REAL *y = op->y.data;

    (void)k;
    assert(out.h == (in.h + op->pad_top + op->pad_bottom - op->kernel) / op->stride + 1);
    assert(out.w == (in.w + op->pad_left + op->pad_right - pyr_op_kernel_w(op)) / op->stride + 1);
    for (int n = 0; n < out.n; n++)
        for (int oy = 0; oy < out.h; oy++)
            for (int ox = 0; ox < out.w; ox++)
                for (int c = 0; c < out.c; c++) {
                    pool2d_part p = pool2d_part_of(op, oy, ox);
                    size_t to = pixel(out, n, oy, ox) + c;
                    int at;

                    if (op->window != PYR_WINDOW_MAX) {
                        y[to] = pool2d_mean(op, p, n, c);
                        continue;
                    }
                    y[to] = pool2d_max(op, p, n, c, &at);
                    if (op->saved_bytes)
                        ((int *)op->saved)[to] = at;
                }
    return PYR_OK;
}

/* dL/dx of channel c at iy, ix: the sum over the windows that it lies in. */
static REAL pool2d_dx_at(const pyr_op *op, int n, int iy, int ix, int c)
{
    pyr_shape in = op->x[0].s, out = op->y.s;
    const REAL *dy = op->dy;
    REAL sum = 0;

    for (int ky = 0; ky < op->kernel; ky++)
        for (int kx = 0; kx < pyr_op_kernel_w(op); kx++) {
            int oy = pool2d_over(iy, op->pad_top, ky, op->stride, out.h);
            int ox = pool2d_over(ix, op->pad_left, kx, op->stride, out.w);

            if (oy < 0 || ox < 0)
                continue;
            size_t from = pixel(out, n, oy, ox) + c;

            if (op->window != PYR_WINDOW_MAX)
                sum += dy[from] / pool2d_count(op, pool2d_part_of(op, oy, ox));
            else if (((const int *)op->saved)[from] == iy * in.w + ix)
                sum += dy[from];
        }
    return sum;
}

static pyr_status pool2d_backward(pyr_kernels *k, pyr_op *op)
{
    pyr_shape in = op->x[0].s;
    REAL *dx = op->dx[0];

    (void)k;
    for (int n = 0; dx && n < in.n; n++)
        for (int iy = 0; iy < in.h; iy++)
            for (int ix = 0; ix < in.w; ix++)
                for (int c = 0; c < in.c; c++)
                    put(&dx[pixel(in, n, iy, ix) + c], op->dx_add[0], pool2d_dx_at(op, n, iy, ix, c));
    return PYR_OK;
}
