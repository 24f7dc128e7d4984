/* conv2d_tmpl.h - convolution as networks mean it (a correlation):
 *
 *     y[n,oy,ox,o] = scale (b[o] + v[n,o] + r[n,oy,ox,o]
 *                    + sum over i,ky,kx of x[n, oy*stride + d ky - pad_top, ox*stride + d kx - pad_left, i]
 *                                          * W[o,i,ky,kx])
 *
 * with the dilation d, and zeros outside of x. Bottom and right padding only decide y's size. x is input 0, enlarged to up_h x
 * up_w if that is wanted, with the channels of input 3 behind its own; r and v are inputs 1 and 2. */

/* The image that is convolved, put together: pixels are looked up one by one. */
typedef struct conv2d_source {
    const pyr_op *op;
    pyr_shape s; /* as the convolution sees it */
} conv2d_source;

static conv2d_source conv2d_source_of(const pyr_op *op)
{
    pyr_shape s = op->x[0].s;

    if (op->up_h) {
        s.h = op->up_h;
        s.w = op->up_w;
    }
    if (pyr_op_has(op, PYR_X_MORE))
        s.c += op->x[PYR_X_MORE].s.c;
    return (conv2d_source){op, s};
}

/* Which input holds channel i of a pixel, and where. */
static size_t conv2d_place(const conv2d_source *source, int n, int y, int x, int i, int *input)
{
    const pyr_op *op = source->op;
    pyr_shape first = op->x[0].s;

    *input = i < first.c ? 0 : PYR_X_MORE;
    if (*input)
        return pixel(op->x[PYR_X_MORE].s, n, y, x) + i - first.c;
    return pixel(first, n, y * first.h / source->s.h, x * first.w / source->s.w) + i;
}

/* W[o], from the first input channel that is used */
static const REAL *conv2d_taps(const pyr_op *op, pyr_shape in, int o)
{
    int area = op->kernel * pyr_op_kernel_w(op), all = op->w_in ? op->w_in : in.c;

    return (const REAL *)op->param[0] + ((size_t)o * all + op->w_first) * area;
}

static REAL conv2d_at(const conv2d_source *source, int n, int y, int x, int i)
{
    int input;
    size_t at = conv2d_place(source, n, y, x, i, &input);

    return ((const REAL *)source->op->x[input].data)[at];
}

static pyr_status conv2d_forward(pyr_kernels *k, pyr_op *op)
{
    conv2d_source source = conv2d_source_of(op);
    pyr_shape in = source.s, out = op->y.s;
    int high = op->kernel, wide = pyr_op_kernel_w(op), area = high * wide, apart = pyr_op_dilation(op);
    const REAL *b = op->param_count[1] ? op->param[1] : NULL;
    const REAL *residual = pyr_op_has(op, PYR_X_RESIDUAL) ? op->x[PYR_X_RESIDUAL].data : NULL;
    const REAL *vector = pyr_op_has(op, PYR_X_VECTOR) ? op->x[PYR_X_VECTOR].data : NULL;
    REAL *y = op->y.data;

    (void)k;
    assert(out.h == (in.h + op->pad_top + op->pad_bottom - apart * (high - 1) - 1) / op->stride + 1);
    assert(out.w == (in.w + op->pad_left + op->pad_right - apart * (wide - 1) - 1) / op->stride + 1);
    assert(op->param_count[0] == (size_t)out.c * (op->w_in ? op->w_in : in.c) * area);
    assert(op->w_first + in.c <= (op->w_in ? op->w_in : in.c));
    for (int n = 0; n < out.n; n++)
        for (int oy = 0; oy < out.h; oy++)
            for (int ox = 0; ox < out.w; ox++)
                for (int o = 0; o < out.c; o++) {
                    size_t at = pixel(out, n, oy, ox) + o;
                    REAL sum = b ? b[o] : 0;

                    if (vector)
                        sum += vector[(size_t)n * out.c + o];
                    if (residual)
                        sum += residual[at];
                    for (int ky = 0; ky < high; ky++)
                        for (int kx = 0; kx < wide; kx++) {
                            int iy = oy * op->stride + apart * ky - op->pad_top;
                            int ix = ox * op->stride + apart * kx - op->pad_left;
                            const REAL *tap = conv2d_taps(op, in, o) + ky * wide + kx;

                            if (iy < 0 || iy >= in.h || ix < 0 || ix >= in.w)
                                continue;
                            for (int i = 0; i < in.c; i++)
                                sum += conv2d_at(&source, n, iy, ix, i) * tap[(size_t)i * area];
                        }
                    y[at] = sum * op->scale;
                }
    return PYR_OK;
}

/* dL/dx of channel i at iy, ix: the sum over the (oy,ky), (ox,kx) that met it, and over o, of
 * scale dy[n,oy,ox,o] W[o,i,ky,kx] */
static REAL conv2d_dx_at(const pyr_op *op, pyr_shape in, int n, int iy, int ix, int i)
{
    pyr_shape out = op->y.s;
    int high = op->kernel, wide = pyr_op_kernel_w(op), area = high * wide, stride = op->stride;
    int apart = pyr_op_dilation(op);
    const REAL *dy = op->dy;
    REAL sum = 0;

    for (int ky = 0; ky < high; ky++)
        for (int kx = 0; kx < wide; kx++) {
            int sy = iy + op->pad_top - apart * ky, sx = ix + op->pad_left - apart * kx;

            if (sy < 0 || sy % stride || sy / stride >= out.h)
                continue;
            if (sx < 0 || sx % stride || sx / stride >= out.w)
                continue;
            const REAL *g = dy + pixel(out, n, sy / stride, sx / stride);
            for (int o = 0; o < out.c; o++)
                sum += g[o] * conv2d_taps(op, in, o)[(size_t)i * area + ky * wide + kx];
        }
    return sum * op->scale;
}

static void conv2d_dx(const pyr_op *op)
{
    conv2d_source source = conv2d_source_of(op);
    pyr_shape in = source.s;

    for (int j = 0; j < PYR_OP_INPUTS; j += PYR_X_MORE) /* an enlarged pixel gathers from several */
        if (op->dx[j] && !op->dx_add[j])
            memset(op->dx[j], 0, pyr_count(op->x[j].s) * sizeof(REAL));
    for (int n = 0; n < in.n; n++)
        for (int iy = 0; iy < in.h; iy++)
            for (int ix = 0; ix < in.w; ix++)
                for (int i = 0; i < in.c; i++) {
                    int input;
                    size_t at = conv2d_place(&source, n, iy, ix, i, &input);

                    if (op->dx[input])
                        ((REAL *)op->dx[input])[at] += conv2d_dx_at(op, in, n, iy, ix, i);
                }
}

/* Of the residual and of the vector. */
static void conv2d_dx_added(const pyr_op *op)
{
    pyr_shape out = op->y.s;
    size_t each = per_image(out);
    const REAL *dy = op->dy;
    REAL *residual = op->dx[PYR_X_RESIDUAL], *vector = op->dx[PYR_X_VECTOR];

    for (size_t i = 0; residual && i < pyr_count(out); i++)
        put(&residual[i], op->dx_add[PYR_X_RESIDUAL], dy[i] * op->scale);
    for (int n = 0; vector && n < out.n; n++)
        for (int o = 0; o < out.c; o++) {
            REAL sum = 0;

            for (size_t i = n * each + o; i < (n + 1) * each; i += out.c)
                sum += dy[i] * op->scale;
            put(&vector[(size_t)n * out.c + o], op->dx_add[PYR_X_VECTOR], sum);
        }
}

static void conv2d_dparam(const pyr_op *op)
{
    conv2d_source source = conv2d_source_of(op);
    pyr_shape in = source.s, out = op->y.s;
    int high = op->kernel, wide = pyr_op_kernel_w(op), area = high * wide, apart = pyr_op_dilation(op);
    const REAL *dy = op->dy;
    REAL *dw = op->grad, *db = op->param_count[1] ? dw + op->param_count[0] : NULL;

    for (int n = 0; n < out.n; n++)
        for (int oy = 0; oy < out.h; oy++)
            for (int ox = 0; ox < out.w; ox++)
                for (int o = 0; o < out.c; o++) {
                    REAL g = dy[pixel(out, n, oy, ox) + o] * op->scale;

                    if (db)
                        db[o] += g;
                    for (int ky = 0; ky < high; ky++)
                        for (int kx = 0; kx < wide; kx++) {
                            int iy = oy * op->stride + apart * ky - op->pad_top;
                            int ix = ox * op->stride + apart * kx - op->pad_left;
                            REAL *tap = dw + (size_t)o * in.c * area + ky * wide + kx;

                            if (iy < 0 || iy >= in.h || ix < 0 || ix >= in.w)
                                continue;
                            for (int i = 0; i < in.c; i++)
                                tap[(size_t)i * area] += g * conv2d_at(&source, n, iy, ix, i);
                        }
                }
}

static pyr_status conv2d_backward(pyr_kernels *k, pyr_op *op)
{
    (void)k;
    assert(!op->want_grad || !op->w_in);
    if (op->dx[0] || op->dx[PYR_X_MORE])
        conv2d_dx(op);
    if (op->want_grad)
        conv2d_dparam(op);
    conv2d_dx_added(op);
    return PYR_OK;
}
