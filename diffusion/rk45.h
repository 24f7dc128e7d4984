/* rk45.h - an ordinary differential equation, solved to a tolerance: the explicit Runge-Kutta pair 5(4) of
 * Dormand & Prince (1980), with steps of each vector's own.
 *
 *     dx/dt = f(x, t),   dq/dt = g(x, t),   n vectors x of `size` numbers, each with its own t, step and q
 *
 * f and g are evaluated for all vectors at once, each at its own time. A vector that has arrived stays where
 * it is while the others go on, so its result does not depend on which others are solved with it. q is a
 * number per vector that f does not depend on (the log-density along the path, a length, ...).
 *
 * A step is accepted when both errors are at most 1 (norms are root mean squares over the vector):
 *     |error of x| / (atol + rtol max(|x|, |x new|)),   |error of q / unit| / (atol + rtol max(|q|, |q new|)
 * / unit) and the next step follows from that by the PI rule of Hairer, Norsett & Wanner, "Solving ordinary
 * differential equations I", II.4 and the program DOPRI5 (beta 0.04, factors 0.2 to 10); the first step
 * by their algorithm in II.4, unless it is given. The fifth-order result is kept (local extrapolation). */
#ifndef PYR_DIFFUSION_RK45_H
#define PYR_DIFFUSION_RK45_H

#include "kernels/kernels.h"

/* dx = f(x, t) (n x size of the backend's real, dx is not x) and, unless dq is NULL, dq[n] = g(x, t).
 * t[n] and dq[n] are host memory. */
typedef pyr_status (*pyr_derivative)(void *ctx, const void *x, const double *t, void *dx, double *dq);

typedef struct pyr_rk45 {
    pyr_kernels *k;
    int n;
    size_t size;
    pyr_derivative f;
    void *ctx;
    double rtol, atol; /* >= 0, not both 0 */
    double unit;       /* of q in its error: the count of numbers that it is a sum over; 0: 1 */
    double first_step; /* its length; 0: chosen, for one evaluation more */
    int max_steps;     /* of each vector, rejected ones included; 0: PYR_RK45_STEPS */
    void *work;        /* pyr_rk45_work bytes of backend memory */
    int *evaluations;  /* n: of f for each vector, on return, after a failure too; or NULL */
} pyr_rk45;

enum { PYR_RK45_STEPS = 10000 };

size_t pyr_rk45_work(const pyr_kernels *k, int n, size_t size);

/* From time `from` to time `to`, in either direction: x (n x size) and q[n] (host; NULL: there is none; q
 * goes on from what it holds) are moved. PYR_E_NUMERIC when f is not finite at the start, when a step has
 * become so small that time stands still, or after max_steps; failures of f come through. What x and q hold
 * after a failure is undefined. Allocates a little host memory while it runs (PYR_E_NOMEM). */
pyr_status pyr_rk45_solve(const pyr_rk45 *solver, double from, double to, void *x, double *q);

#endif
