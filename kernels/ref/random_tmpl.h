/* random_tmpl.h - noise, dither and dropout from counter-based streams.
 *
 * Element e of an image is word e % 4 of block e / 4 of the image's stream (base/philox.h). */

static inline uint64_t stream_key(const uint32_t *stream)
{
    return (uint64_t)stream[1] << 32 | stream[0];
}

/* The same float normals in every table; double only widens them. */
static void vector_normals(pyr_kernels *k, void *dst, int images, size_t each, const uint32_t *stream,
                           uint32_t purpose, uint32_t index, uint32_t step)
{
    (void)k;
    for (int n = 0; n < images; n++, stream += PYR_STREAM_WORDS)
        for (size_t e = 0; e < each; e += 4) {
            float four[4];

            pyr_normal4(stream_key(stream), (uint32_t)(e / 4), stream[2] + index, stream[3] + step, purpose,
                        four);
            for (size_t i = e; i < each && i < e + 4; i++)
                ((REAL *)dst)[n * each + i] = (REAL)four[i - e];
        }
}

static void image_dither(pyr_kernels *k, void *dst, int images, size_t each, double half,
                         const uint32_t *stream, uint32_t purpose)
{
    (void)k;
    for (int n = 0; n < images; n++, stream += PYR_STREAM_WORDS)
        for (size_t e = 0; e < each; e += 4) {
            pyr_rng4 r = pyr_philox(stream_key(stream), (uint32_t)(e / 4), stream[2], stream[3], purpose);

            for (size_t i = e; i < each && i < e + 4; i++)
                ((REAL *)dst)[n * each + i] += (REAL)(half * (2 * (double)pyr_uniform(r.v[i - e]) - 1));
        }
}

static pyr_status noise_forward(pyr_kernels *k, pyr_op *op)
{
    vector_normals(k, op->y.data, op->y.s.n, per_image(op->y.s), op->x[0].data, op->purpose, 0, 0);
    return PYR_OK;
}

/* dst = (add ? dst : 0) + src mask / (1 - rate) (Srivastava et al. 2014, scaled in training); the mask is
 * drawn again in backward instead of being kept. */
static void dropout_apply(const pyr_op *op, REAL *dst, const REAL *src, bool add)
{
    size_t each = per_image(op->y.s);
    const uint32_t *stream = op->x[1].data;
    REAL factor = 1 / (1 - (REAL)op->rate);

    for (int n = 0; n < op->y.s.n; n++, stream += PYR_STREAM_WORDS)
        for (size_t e = 0; e < each; e += 4) {
            pyr_rng4 r = pyr_philox(stream_key(stream), (uint32_t)(e / 4), stream[2], stream[3], op->purpose);

            for (size_t i = e; i < each && i < e + 4; i++) {
                bool keep = pyr_uniform(r.v[i - e]) >= op->rate;

                put(&dst[n * each + i], add, keep ? src[n * each + i] * factor : 0);
            }
        }
}

static pyr_status dropout_forward(pyr_kernels *k, pyr_op *op)
{
    (void)k;
    dropout_apply(op, op->y.data, op->x[0].data, false);
    return PYR_OK;
}

static pyr_status dropout_backward(pyr_kernels *k, pyr_op *op)
{
    (void)k;
    if (op->dx[0])
        dropout_apply(op, op->dx[0], op->dy, op->dx_add[0]);
    return PYR_OK;
}
