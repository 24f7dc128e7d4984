/* ref_f32.c - the reference functions in float. */
#include "kernels/ref/ref_shared.h"

#define REAL float
#define MATH(function) function##f /* the C library's function for REAL */
#define REF_BACKEND pyr_ref_f32
#define REF_NAME "ref"
#define REF_TYPE PYR_F32
#define SHARED /* visible: the CPU backend uses these, too */
#include "kernels/ref/ref_tmpl.h"
