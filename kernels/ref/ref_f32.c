/* ref_f32.c - the reference functions in float. */
#define REAL float
#define MATH(function) function##f /* the C library's function for REAL */
#define REF_FILL pyr_ref_fill_f32
#include "kernels/ref/ref_tmpl.h"
