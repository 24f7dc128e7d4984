/* images_tmpl.h - from stored samples to numbers, the pyramid's resampling and the Haar bands. */

static void image_pixels(pyr_kernels *k, void *dst, const void *samples, int n, pyr_shape s, int bits,
                         const uint32_t *flip)
{
    const uint8_t *bytes = samples;
    const uint16_t *words = samples;
    double span = ldexp(1, bits);
    REAL *x = dst;

    (void)k;
    for (int i = 0; i < n; i++)
        for (int py = 0; py < s.h; py++)
            for (int px = 0; px < s.w; px++)
                for (int ch = 0; ch < s.c; ch++) {
                    size_t from = pixel(s, i, py, flip && flip[i] ? s.w - 1 - px : px) + ch;
                    double p = bits <= 8 ? bytes[from] : words[from];

                    x[pixel(s, i, py, px) + ch] = (REAL)((2 * p - (span - 1)) / span);
                }
}

/* Rows first, into `scratch` in double, then columns; taps are added in the order of j. */
static void image_resample(pyr_kernels *k, void *dst, const void *src, int n, int c, const pyr_axis *rows,
                           const pyr_axis *cols, double grid, void *scratch)
{
    const REAL *x = src, *row_tap = rows->tap, *col_tap = cols->tap;
    REAL *y = dst;
    double *mid = scratch;
    size_t line = (size_t)cols->n_in * c, lines = (size_t)n * rows->n_out;

    (void)k;
    for (size_t l = 0; l < lines; l++) {
        size_t image = l / rows->n_out, o = l % rows->n_out;
        const REAL *first = x + (image * rows->n_in + rows->start[o]) * line;

        for (size_t i = 0; i < line; i++) {
            double sum = 0;

            for (int j = 0; j < rows->width; j++)
                sum += (double)row_tap[o * rows->width + j] * (double)first[j * line + i];
            mid[l * line + i] = sum;
        }
    }
    for (size_t l = 0; l < lines; l++)
        for (int o = 0; o < cols->n_out; o++)
            for (int ch = 0; ch < c; ch++) {
                const double *first = mid + l * line + (size_t)cols->start[o] * c + ch;
                double sum = 0;

                for (int j = 0; j < cols->width; j++)
                    sum += (double)col_tap[(size_t)o * cols->width + j] * first[(size_t)j * c];
                if (grid > 0)
                    sum = nearbyint(sum / grid) * grid;
                y[(l * cols->n_out + o) * c + ch] = (REAL)sum;
            }
}

SHARED void pyr_ref_haar_split(pyr_kernels *k, void *dst, const void *src, pyr_shape s)
{
    pyr_shape half = {s.n, (s.h + 1) / 2, (s.w + 1) / 2, 3 * s.c};
    const REAL *x = src;
    REAL *y = dst;

    (void)k;
    for (int n = 0; n < half.n; n++)
        for (int oy = 0; oy < half.h; oy++)
            for (int ox = 0; ox < half.w; ox++)
                for (int ch = 0; ch < s.c; ch++) {
                    int y1 = 2 * oy + 1 < s.h ? 2 * oy + 1 : s.h - 1,
                        x1 = 2 * ox + 1 < s.w ? 2 * ox + 1 : s.w - 1;
                    REAL a = x[pixel(s, n, 2 * oy, 2 * ox) + ch], b = x[pixel(s, n, 2 * oy, x1) + ch];
                    REAL c = x[pixel(s, n, y1, 2 * ox) + ch], d = x[pixel(s, n, y1, x1) + ch];
                    REAL *band = y + pixel(half, n, oy, ox) + ch;

                    band[0] = (a + b - c - d) / 2;
                    band[s.c] = (a - b + c - d) / 2;
                    band[2 * s.c] = (a - b - c + d) / 2;
                }
}

/* a = mean + (LH + HL + HH) / 2, and the other three with the signs of their place. */
SHARED void pyr_ref_haar_merge(pyr_kernels *k, void *dst, pyr_shape s, const void *coarse,
                               const void *details)
{
    pyr_shape half = {s.n, (s.h + 1) / 2, (s.w + 1) / 2, s.c}, bands = half;
    const REAL *mean = coarse, *detail = details;
    REAL *x = dst;

    (void)k;
    bands.c = 3 * s.c;
    for (int n = 0; n < s.n; n++)
        for (int py = 0; py < s.h; py++)
            for (int px = 0; px < s.w; px++)
                for (int ch = 0; ch < s.c; ch++) {
                    const REAL *band = detail + pixel(bands, n, py / 2, px / 2) + ch;
                    REAL lh = py % 2 ? -band[0] : band[0], hl = px % 2 ? -band[s.c] : band[s.c];
                    REAL hh = (py + px) % 2 ? -band[2 * s.c] : band[2 * s.c];

                    x[pixel(s, n, py, px) + ch] =
                        mean[pixel(half, n, py / 2, px / 2) + ch] + (lh + hl + hh) / 2;
                }
}
