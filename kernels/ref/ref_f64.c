/* ref_f64.c - the reference functions in double. */
#define REAL double
#define MATH(function) function /* the C library's function for REAL */
#define REF_BACKEND pyr_ref_f64
#define REF_NAME "ref-double"
#define REF_TYPE PYR_F64
#define SHARED static
#include "kernels/ref/ref_tmpl.h"
