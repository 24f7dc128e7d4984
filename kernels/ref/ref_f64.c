/* ref_f64.c - the reference functions in double. */
#define REAL double
#define MATH(function) function /* the C library's function for REAL */
#define REF_FILL pyr_ref_fill_f64
#include "kernels/ref/ref_tmpl.h"
