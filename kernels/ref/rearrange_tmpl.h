/* rearrange_tmpl.h - operations that move pixels and channels: concat, nearest upsampling, 2x2 means,
 * space to depth and back. Every backward gathers: one place of dx at a time. */

static pyr_status concat_forward(pyr_kernels *k, pyr_op *op)
{
    int c0 = op->x[0].s.c, c = op->y.s.c;
    size_t pixels = pyr_count(op->y.s) / c;
    const REAL *x0 = op->x[0].data, *x1 = op->x[1].data;
    REAL *y = op->y.data;

    (void)k;
    assert(c == c0 + op->x[1].s.c);
    for (size_t p = 0; p < pixels; p++)
        for (int i = 0; i < c; i++)
            y[p * c + i] = i < c0 ? x0[p * c0 + i] : x1[p * (c - c0) + i - c0];
    return PYR_OK;
}

static pyr_status concat_backward(pyr_kernels *k, pyr_op *op)
{
    size_t pixels = pyr_count(op->y.s) / op->y.s.c;
    const REAL *dy = op->dy;

    (void)k;
    for (int input = 0; input < 2; input++) {
        int first = input ? op->x[0].s.c : 0, width = op->x[input].s.c;
        REAL *dx = op->dx[input];

        for (size_t p = 0; dx && p < pixels; p++)
            for (int i = 0; i < width; i++)
                put(&dx[p * width + i], op->dx_add[input], dy[p * op->y.s.c + first + i]);
    }
    return PYR_OK;
}

static pyr_status upsample_forward(pyr_kernels *k, pyr_op *op)
{
    pyr_shape in = op->x[0].s, out = op->y.s;
    const REAL *x = op->x[0].data;
    REAL *y = op->y.data;

    (void)k;
    for (int n = 0; n < out.n; n++)
        for (int oy = 0; oy < out.h; oy++)
            for (int ox = 0; ox < out.w; ox++)
                for (int c = 0; c < out.c; c++)
                    y[pixel(out, n, oy, ox) + c] =
                        x[pixel(in, n, upsample_source(oy, in.h, out.h), upsample_source(ox, in.w, out.w)) +
                          c];
    return PYR_OK;
}

static pyr_status upsample_backward(pyr_kernels *k, pyr_op *op)
{
    pyr_shape in = op->x[0].s, out = op->y.s;
    const REAL *dy = op->dy;
    REAL *dx = op->dx[0];

    (void)k;
    for (int n = 0; dx && n < in.n; n++)
        for (int iy = 0; iy < in.h; iy++)
            for (int ix = 0; ix < in.w; ix++)
                for (int c = 0; c < in.c; c++) {
                    REAL sum = 0;

                    for (int oy = upsample_first(iy, in.h, out.h); oy < upsample_first(iy + 1, in.h, out.h);
                         oy++)
                        for (int ox = upsample_first(ix, in.w, out.w);
                             ox < upsample_first(ix + 1, in.w, out.w); ox++)
                            sum += dy[pixel(out, n, oy, ox) + c];
                    put(&dx[pixel(in, n, iy, ix) + c], op->dx_add[0], sum);
                }
    return PYR_OK;
}

static pyr_status mean2_forward(pyr_kernels *k, pyr_op *op)
{
    pyr_shape in = op->x[0].s, out = op->y.s;
    const REAL *x = op->x[0].data;
    REAL *y = op->y.data;

    (void)k;
    assert(out.h == in.h / 2 && out.w == in.w / 2);
    for (int n = 0; n < out.n; n++)
        for (int oy = 0; oy < out.h; oy++)
            for (int ox = 0; ox < out.w; ox++)
                for (int c = 0; c < out.c; c++) {
                    const REAL *top = x + pixel(in, n, 2 * oy, 2 * ox) + c;
                    const REAL *bottom = x + pixel(in, n, 2 * oy + 1, 2 * ox) + c;

                    y[pixel(out, n, oy, ox) + c] = (top[0] + top[in.c] + bottom[0] + bottom[in.c]) / 4;
                }
    return PYR_OK;
}

static pyr_status mean2_backward(pyr_kernels *k, pyr_op *op)
{
    pyr_shape in = op->x[0].s, out = op->y.s;
    const REAL *dy = op->dy;
    REAL *dx = op->dx[0];

    (void)k;
    for (int n = 0; dx && n < in.n; n++)
        for (int iy = 0; iy < in.h; iy++)
            for (int ix = 0; ix < in.w; ix++)
                for (int c = 0; c < in.c; c++) {
                    bool used = iy / 2 < out.h && ix / 2 < out.w;

                    put(&dx[pixel(in, n, iy, ix) + c], op->dx_add[0],
                        used ? dy[pixel(out, n, iy / 2, ix / 2) + c] / 4 : 0);
                }
    return PYR_OK;
}

static pyr_status unshuffle_forward(pyr_kernels *k, pyr_op *op)
{
    pyr_shape in = op->x[0].s, out = op->y.s;
    int p = op->patch;
    const REAL *x = op->x[0].data;
    REAL *y = op->y.data;

    (void)k;
    assert(out.h == (in.h + p - 1) / p && out.w == (in.w + p - 1) / p && out.c == in.c * p * p);
    for (int n = 0; n < out.n; n++)
        for (int oy = 0; oy < out.h; oy++)
            for (int ox = 0; ox < out.w; ox++)
                for (int c = 0; c < out.c; c++) {
                    patch_place from = patch_place_of(oy, ox, c, p);

                    from.y = from.y < in.h ? from.y : in.h - 1;
                    from.x = from.x < in.w ? from.x : in.w - 1;
                    y[pixel(out, n, oy, ox) + c] = x[pixel(in, n, from.y, from.x) + from.c];
                }
    return PYR_OK;
}

static pyr_status unshuffle_backward(pyr_kernels *k, pyr_op *op)
{
    pyr_shape in = op->x[0].s, out = op->y.s;
    int p = op->patch;
    const REAL *dy = op->dy;
    REAL *dx = op->dx[0];

    (void)k;
    for (int n = 0; dx && n < in.n; n++)
        for (int iy = 0; iy < in.h; iy++)
            for (int ix = 0; ix < in.w; ix++)
                for (int c = 0; c < in.c; c++) {
                    /* pixels of the edge also stand in the padding */
                    int end_y = iy == in.h - 1 ? out.h * p : iy + 1,
                        end_x = ix == in.w - 1 ? out.w * p : ix + 1;
                    REAL sum = 0;

                    for (int py = iy; py < end_y; py++)
                        for (int px = ix; px < end_x; px++)
                            sum += dy[pixel(out, n, py / p, px / p) + patch_channel(py, px, c, p)];
                    put(&dx[pixel(in, n, iy, ix) + c], op->dx_add[0], sum);
                }
    return PYR_OK;
}

static pyr_status shuffle_forward(pyr_kernels *k, pyr_op *op)
{
    pyr_shape in = op->x[0].s, out = op->y.s;
    int p = op->patch;
    const REAL *x = op->x[0].data;
    REAL *y = op->y.data;

    (void)k;
    assert(in.h == (out.h + p - 1) / p && in.w == (out.w + p - 1) / p && in.c == out.c * p * p);
    for (int n = 0; n < out.n; n++)
        for (int oy = 0; oy < out.h; oy++)
            for (int ox = 0; ox < out.w; ox++)
                for (int c = 0; c < out.c; c++)
                    y[pixel(out, n, oy, ox) + c] =
                        x[pixel(in, n, oy / p, ox / p) + patch_channel(oy, ox, c, p)];
    return PYR_OK;
}

static pyr_status shuffle_backward(pyr_kernels *k, pyr_op *op)
{
    pyr_shape in = op->x[0].s, out = op->y.s;
    int p = op->patch;
    const REAL *dy = op->dy;
    REAL *dx = op->dx[0];

    (void)k;
    for (int n = 0; dx && n < in.n; n++)
        for (int iy = 0; iy < in.h; iy++)
            for (int ix = 0; ix < in.w; ix++)
                for (int c = 0; c < in.c; c++) {
                    patch_place to = patch_place_of(iy, ix, c, p);
                    bool kept = to.y < out.h && to.x < out.w;

                    put(&dx[pixel(in, n, iy, ix) + c], op->dx_add[0],
                        kept ? dy[pixel(out, n, to.y, to.x) + to.c] : 0);
                }
    return PYR_OK;
}
