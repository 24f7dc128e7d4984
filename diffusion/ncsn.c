/* ncsn.c - noise levels, step sizes and numbers of steps after NCSNv2's techniques. */
#include "diffusion/ncsn.h"

#include <math.h>

/* The normal distribution, also far out. */
static double phi(double x)
{
    return erfc(-x / sqrt(2)) / 2;
}

double pyr_ncsn_overlap(double dimensions, double gamma)
{
    double middle = sqrt(2 * dimensions) * (gamma - 1);

    /* as the mass above the lower end less that above the upper: no difference of two numbers near 1 */
    return phi(3 * gamma - middle) - phi(-3 * gamma - middle);
}

/* In gamma the overlap rises from 0.997 at 1, if at all, and then falls: its derivative's sign is that of
 * phi'(m + 3 gamma) (sqrt(2D) + 3) - phi'(m - 3 gamma) (sqrt(2D) - 3), whose ratio falls. So one root. */
double pyr_ncsn_gamma(double dimensions)
{
    double low = 1, high = 2;

    if (!(sqrt(2 * dimensions) > 3))
        return 0;
    while (pyr_ncsn_overlap(dimensions, high) > 0.5) {
        if (high > 1e9)
            return 0;
        high *= 2;
    }
    for (int i = 0; i < 200 && low < high; i++) {
        double middle = low + (high - low) / 2;

        if (middle <= low || middle >= high)
            break;
        if (pyr_ncsn_overlap(dimensions, middle) > 0.5)
            low = middle;
        else
            high = middle;
    }
    return low;
}

int pyr_ncsn_levels(double largest, double smallest, double gamma)
{
    /* a whole number of ratios that rounding made larger is still that number */
    double ratios = ceil(log(largest / smallest) / log(gamma) - 1e-9);

    return ratios > 0 ? 1 + (int)fmin(ratios, 1e9) : 1;
}

double pyr_ncsn_variance(double e, int steps, double gamma)
{
    double fixed = 2 / (2 - e);

    return pow(1 - e, 2.0 * steps) * (gamma * gamma - fixed) + fixed;
}

double pyr_ncsn_step(int steps, double gamma)
{
    double excess = gamma * gamma - 1, low = 1 / (gamma * gamma), high = 1;

    for (int i = 0; i < 200; i++) {
        double q = low + (high - low) / 2;
        /* the slope of v_T in q, up to a positive factor */
        double slope = steps * pow(q, 2.0 * steps - 1) * (excess * (1 + q) * (1 + q) - (1 - q * q)) -
                       (1 - pow(q, 2.0 * steps));

        if (q <= low || q >= high)
            break;
        if (slope < 0)
            low = q;
        else
            high = q;
    }
    return 1 - (low + (high - low) / 2);
}

int pyr_ncsn_steps(double gamma, double excess, int most)
{
    int low = 0, high = most + 1; /* low: too few */

    /* more steps always come nearer: e of n steps, taken one time more, still moves v towards its fixed
     * point */
    while (high - low > 1) {
        int steps = low + (high - low) / 2;

        if (pyr_ncsn_variance(pyr_ncsn_step(steps, gamma), steps, gamma) <= 1 + excess)
            high = steps;
        else
            low = steps;
    }
    return high;
}
