/* common_tmpl.h - small help for the templates. */

/* Offset in elements of pixel (n, y, x), whose channels follow one another. */
static inline size_t pixel(pyr_shape s, int n, int y, int x)
{
    return (((size_t)n * s.h + y) * s.w + x) * s.c;
}

static inline size_t per_image(pyr_shape s)
{
    return (size_t)s.h * s.w * s.c;
}

/* One element of an input's gradient. Inputs are finished in order, so that one
 * buffer may serve two inputs when the later one adds. */
static inline void put(REAL *dst, bool add, REAL value)
{
    *dst = add ? *dst + value : value;
}
