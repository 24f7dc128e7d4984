/* timed_op.h - one operation on every lane, with buffers of its own, to be timed.
 *
 *     pyr_timed_op_new(&b, k, &op, k->lanes);             // kind, attributes, shapes, types, and what is wanted
 *     pyr_timed_op_run(b, PYR_PASS_FORWARD, 0.05, &s);   // seconds of a call while all lanes make calls
 *
 * Inputs, parameters and dy hold random numbers in (-1, 1), or (0, 1) where the operation divides by them or
 * takes their logarithm. Nothing is checked: that is what the tests are for. */
#ifndef PYR_KERNELS_TIMED_OP_H
#define PYR_KERNELS_TIMED_OP_H

#include "kernels/kernels.h"

typedef struct pyr_timed_op pyr_timed_op;
typedef enum pyr_pass { PYR_PASS_FORWARD, PYR_PASS_BACKWARD } pyr_pass;

/* `op`: as before its plan, pointers and byte counts are not looked at; copied. `k` is borrowed. */
pyr_status pyr_timed_op_new(pyr_timed_op **out, pyr_kernels *k, const pyr_op *op, int lanes);
void pyr_timed_op_free(pyr_timed_op *timed); /* NULL is a no-op */

/* The shortest of repeated measurements that last `seconds` together, and at least three; each has as many
 * calls as take about a millisecond. Backward: of an operation that wants it. Whole machine. */
pyr_status pyr_timed_op_run(pyr_timed_op *timed, pyr_pass pass, double seconds, double *per_call);

/* The bytes that a call of a planned operation cannot do without: inputs and parameters read, results
 * written, each once. */
double pyr_op_bytes(const pyr_kernels *k, const pyr_op *op, pyr_pass pass);
/* Its multiply-adds times two; a backward pass counts once for dx and once for the parameters (attention:
 * twice). */
double pyr_op_work(const pyr_op *op, pyr_pass pass);
/* Operation of lane 0, planned. Borrowed. */
const pyr_op *pyr_timed_op_planned(const pyr_timed_op *timed);

/* The same clock for anything: `call` on lanes 0 .. lanes - 1 at the same time. */
typedef pyr_status (*pyr_timed_call)(void *arg, int lane);
pyr_status pyr_time_calls(pyr_kernels *k, int lanes, pyr_timed_call call, void *arg, double seconds,
                          double *per_call);

/* `count` numbers of `type` into backend memory: random in (low, high); U32: zeros. */
pyr_status pyr_fill_random(pyr_kernels *k, void *dst, pyr_type type, size_t count, float low, float high);

/* *seconds: oneDNN's primitives for the passes of a CONV2D, on lanes 0 .. lanes - 1 at the same time; seconds a
 * call, the passes added. Each pass is measured for about `measure` seconds. `k`: of the backend cpu. */
pyr_status pyr_time_onednn(double *seconds, pyr_kernels *k, const pyr_op *op, int lanes, double measure);

#endif
