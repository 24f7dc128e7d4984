#include "diffusion/prediction.h"

#include <math.h>
#include <stddef.h>

const char *const pyr_prediction_names[] = {"f", "x0", "epsilon", "v", "score", NULL};

pyr_conversion pyr_prediction_at(pyr_prediction prediction, double s)
{
    double root = sqrt(1 + s * s);

    switch (prediction) {
    case PYR_PREDICT_F:
        return (pyr_conversion){1 / (root * root), s / root, s / root, -1 / root};
    case PYR_PREDICT_X0:
        return (pyr_conversion){0, 1, 1, 0};
    case PYR_PREDICT_EPSILON:
        return (pyr_conversion){1, -s, 0, 1};
    case PYR_PREDICT_V:
        return (pyr_conversion){1 / (root * root), -s / root, -s / root, 1 / root};
    case PYR_PREDICT_SCORE:
        return (pyr_conversion){1, s * s, 0, -1 / s};
    }
    return (pyr_conversion){0};
}
