/* common_tmpl.h - small help for the templates. */

/* One element of an input's gradient. Inputs are finished in order, so that one
 * buffer may serve two inputs when the later one adds. */
static inline void put(REAL *dst, bool add, REAL value)
{
    *dst = add ? *dst + value : value;
}
