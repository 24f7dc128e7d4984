/* conv2d_tmpl.h - convolution as networks mean it (a correlation):
 *
 *     y[n,oy,ox,o] = b[o] + sum over i,ky,kx of x[n, oy*stride + ky - pad_top, ox*stride + kx - pad_left, i]
 *                                               * W[o,i,ky,kx]
 *
 * with zeros outside of x. Bottom and right padding only decide y's size. */

static pyr_status conv2d_forward(pyr_kernels *k, pyr_op *op)
{
    pyr_shape in = op->x[0].s, out = op->y.s;
    int size = op->kernel, area = size * size;
    const REAL *x = op->x[0].data, *w = op->param[0], *b = op->param_count[1] ? op->param[1] : NULL;
    REAL *y = op->y.data;

    (void)k;
    assert(out.h == (in.h + op->pad_top + op->pad_bottom - size) / op->stride + 1);
    assert(out.w == (in.w + op->pad_left + op->pad_right - size) / op->stride + 1);
    assert(op->param_count[0] == (size_t)out.c * in.c * area);
    for (int n = 0; n < out.n; n++)
        for (int oy = 0; oy < out.h; oy++)
            for (int ox = 0; ox < out.w; ox++)
                for (int o = 0; o < out.c; o++) {
                    REAL sum = b ? b[o] : 0;

                    for (int ky = 0; ky < size; ky++)
                        for (int kx = 0; kx < size; kx++) {
                            int iy = oy * op->stride + ky - op->pad_top;
                            int ix = ox * op->stride + kx - op->pad_left;

                            if (iy < 0 || iy >= in.h || ix < 0 || ix >= in.w)
                                continue;
                            const REAL *px = x + pixel(in, n, iy, ix);
                            const REAL *tap = w + (size_t)o * in.c * area + ky * size + kx;
                            for (int i = 0; i < in.c; i++)
                                sum += px[i] * tap[(size_t)i * area];
                        }
                    y[pixel(out, n, oy, ox) + o] = sum;
                }
    return PYR_OK;
}

/* dx[n,iy,ix,i] = sum over the (oy,ky), (ox,kx) that met iy, ix, and over o, of dy[n,oy,ox,o] W[o,i,ky,kx] */
static void conv2d_dx(const pyr_op *op)
{
    pyr_shape in = op->x[0].s, out = op->y.s;
    int size = op->kernel, area = size * size, stride = op->stride;
    const REAL *dy = op->dy, *w = op->param[0];
    REAL *dx = op->dx[0];

    for (int n = 0; n < in.n; n++)
        for (int iy = 0; iy < in.h; iy++)
            for (int ix = 0; ix < in.w; ix++)
                for (int i = 0; i < in.c; i++) {
                    REAL sum = 0;

                    for (int ky = 0; ky < size; ky++)
                        for (int kx = 0; kx < size; kx++) {
                            int sy = iy + op->pad_top - ky, sx = ix + op->pad_left - kx;

                            if (sy < 0 || sy % stride || sy / stride >= out.h)
                                continue;
                            if (sx < 0 || sx % stride || sx / stride >= out.w)
                                continue;
                            const REAL *g = dy + pixel(out, n, sy / stride, sx / stride);
                            const REAL *tap = w + (size_t)i * area + ky * size + kx;
                            for (int o = 0; o < out.c; o++)
                                sum += g[o] * tap[(size_t)o * in.c * area];
                        }
                    put(&dx[pixel(in, n, iy, ix) + i], op->dx_add[0], sum);
                }
}

static void conv2d_dparam(const pyr_op *op)
{
    pyr_shape in = op->x[0].s, out = op->y.s;
    int size = op->kernel, area = size * size;
    const REAL *dy = op->dy, *x = op->x[0].data;
    REAL *dw = op->grad, *db = op->param_count[1] ? dw + op->param_count[0] : NULL;

    for (int n = 0; n < out.n; n++)
        for (int oy = 0; oy < out.h; oy++)
            for (int ox = 0; ox < out.w; ox++)
                for (int o = 0; o < out.c; o++) {
                    REAL g = dy[pixel(out, n, oy, ox) + o];

                    if (db)
                        db[o] += g;
                    for (int ky = 0; ky < size; ky++)
                        for (int kx = 0; kx < size; kx++) {
                            int iy = oy * op->stride + ky - op->pad_top;
                            int ix = ox * op->stride + kx - op->pad_left;

                            if (iy < 0 || iy >= in.h || ix < 0 || ix >= in.w)
                                continue;
                            const REAL *px = x + pixel(in, n, iy, ix);
                            REAL *tap = dw + (size_t)o * in.c * area + ky * size + kx;
                            for (int i = 0; i < in.c; i++)
                                tap[(size_t)i * area] += g * px[i];
                        }
                }
}

static pyr_status conv2d_backward(pyr_kernels *k, pyr_op *op)
{
    (void)k;
    if (op->dx[0])
        conv2d_dx(op);
    if (op->want_grad)
        conv2d_dparam(op);
    return PYR_OK;
}
