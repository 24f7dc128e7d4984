/* results.h - figures, and what they are of, as a handle. */
#ifndef PYR_API_RESULTS_H
#define PYR_API_RESULTS_H

#include "api/handles.h"
#include "base/json.h"
#include "eval/evaluate.h"

struct pyrdiff_result {
    pyrdiff_figure *figure; /* n */
    int n;
    size_t room;
    pyr_evaluation evaluation; /* that the figures' texts belong to; {0}: of none */
    pyr_text set, warnings, json;
};

/* A new one; and one more figure of it, whose texts are static or the evaluation's. PYR_E_NOMEM. */
pyr_status pyr_result_new(pyrdiff_result **out);
pyr_status pyr_result_add(pyrdiff_result *r, const pyrdiff_figure *figure);
/* Close the object and take its text. */
pyr_status pyr_result_json(pyrdiff_result *r, pyr_json *json);

#endif
