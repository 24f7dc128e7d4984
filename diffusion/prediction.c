/* prediction.c - what a network can predict: a row each. */
#include "diffusion/prediction.h"

#include <math.h>
#include <stddef.h>

static pyr_conversion f(double s)
{
    double root = sqrt(1 + s * s);

    return (pyr_conversion){1 / (root * root), s / root, s / root, -1 / root};
}

static pyr_conversion x0(double s)
{
    (void)s;
    return (pyr_conversion){0, 1, 1, 0};
}

static pyr_conversion epsilon(double s)
{
    return (pyr_conversion){1, -s, 0, 1};
}

static pyr_conversion v(double s)
{
    double root = sqrt(1 + s * s);

    return (pyr_conversion){1 / (root * root), -s / root, -s / root, 1 / root};
}

static pyr_conversion score(double s)
{
    return (pyr_conversion){1, s * s, 0, -1 / s};
}

static pyr_conversion velocity(double s)
{
    return (pyr_conversion){1 / (1 + s), -s / (1 + s), -1, 1};
}

#define PREDICTIONS(ROW)                                                                                     \
    ROW(PYR_PREDICT_F, "f", f,                                                                               \
        "`(s z - eps)/sqrt(1 + s^2)`: EDM's preconditioned output (Karras et al. 2022)")                     \
    ROW(PYR_PREDICT_X0, "x0", x0, "z")                                                                       \
    ROW(PYR_PREDICT_EPSILON, "epsilon", epsilon, "eps (Ho et al. 2020)")                                     \
    ROW(PYR_PREDICT_V, "v", v,                                                                               \
        "`(eps - s z)/sqrt(1 + s^2)`: `alpha eps - sigma z` of VP (Salimans & Ho 2022)")                     \
    ROW(PYR_PREDICT_SCORE, "score", score, "`-eps/s` (Song & Ermon 2019)")                                   \
    ROW(PYR_PREDICT_VELOCITY, "velocity", velocity, "`eps - z`: `dz_t/dt` of family flow (Liu et al. 2023)")
#define WORD(constant, word, function, help) [constant] = word,
#define HELP(constant, word, function, help) [constant] = help,
#define FUNCTION(constant, word, function, help) [constant] = function,

const char *const pyr_prediction_names[] = {PREDICTIONS(WORD) NULL};
const char *const pyr_prediction_help[] = {PREDICTIONS(HELP) NULL};

pyr_conversion pyr_prediction_at(pyr_prediction prediction, double s)
{
    static pyr_conversion (*const at[])(double s) = {PREDICTIONS(FUNCTION)};

    return at[prediction](s);
}
