/* compare_file.c - the figures of compare.json, and their rows. */
#include "comparison/compare_file.h"

#include "base/json.h"
#include "base/mem.h"
#include <math.h>

/* Those that are no metric's. */
static const pyr_figure own[PYR_FIGURES - PYR_METRICS] = {
    {"held_out", "held-out loss", "Held-out loss, coarsest first", "%.4f", 1, 0, true, false},
    {"train_flop", "training TFLOP", "Training FLOP", "%.4g", 1e12, 0, false, true},
    {"train_s", "training s", "Training seconds", "%.1f", 1, 0, false, false},
    {"train_images_per_s", "training images/s", "Training images/s", "%.0f", 1, 1, false, true},
    {"sample_flop", "sampling MFLOP/image", "Sampling FLOP an image", "%.4g", 1e6, 0, false, true},
    {"sample_images_per_s", "sampling images/s", "Sampling images/s", "%.1f", 1, 1, false, true},
    {"steps", NULL, "Sampling steps, coarsest first", NULL, 1, 0, true, false},
    {"nfe", "evaluations", "Evaluations of networks an image", "%.0f", 1, 0, false, false},
    {"nfe_by_flop", "evaluations by FLOP", "Evaluations by FLOP: as many of the finest network cost the same",
     "%.2f", 1, 0, false, false},
    {"peak_mib", "peak memory MiB", "Peak memory, MiB", "%.0f", 1, -1, false, false},
    {"parameters", "parameters M", "Parameters", "%.3f", 1e6, 0, false, true},
};

const pyr_figure *pyr_figure_at(int figure)
{
    return figure < PYR_METRICS ? &pyr_metric_at(figure)->figure : &own[figure - PYR_METRICS];
}

const pyr_json_value *pyr_figure_find(const pyr_json_value *training, int figure)
{
    const pyr_json_value *in = figure < PYR_METRICS ? pyr_json_member(training, "metrics") : training;

    return in ? pyr_json_member(in, pyr_figure_at(figure)->key) : NULL;
}

static void read_figure(pyr_figure_list *list, const pyr_json_value *value)
{
    const pyr_json_value *item;

    if (pyr_json_is(value, PYR_JSON_NUMBER))
        list->at[list->n++] = pyr_json_number(value, 0);
    if (!pyr_json_is(value, PYR_JSON_ARRAY))
        return;
    PYR_JSON_EACH(item, value)
    {
        if (list->n < PYR_MAX_LEVELS)
            list->at[list->n++] = pyr_json_number(item, NAN);
    }
}

/* A text, or a number as text, into a new block; NULL: neither. */
static pyr_status read_text(char **out, const pyr_json_value *object, const char *key)
{
    const pyr_json_value *value = pyr_json_member(object, key);

    if (pyr_json_is(value, PYR_JSON_NUMBER))
        return pyr_format(out, "%.6g", pyr_json_number(value, 0));
    return pyr_json_text(value) ? pyr_format(out, "%s", pyr_json_text(value)) : PYR_OK;
}

static double number(const pyr_json_value *object, const char *key, double otherwise)
{
    return pyr_json_number(pyr_json_member(object, key), otherwise);
}

static pyr_status read_rows(pyr_compare *c, const pyr_json_value *array, bool curve)
{
    const pyr_json_value *object;

    PYR_JSON_EACH(object, array)
    {
        pyr_compare_row *row = &c->rows[c->n];
        double seed = number(object, "seed", 0), fraction = number(object, "fraction", 1);

        if (!pyr_json_is(object, PYR_JSON_OBJECT) || (curve && !(fraction < 1)))
            continue;
        PYR_TRY(read_text(&row->name, object, "name"));
        if (!row->name)
            PYR_TRY(pyr_format(&row->name, "(no name)"));
        c->n++;
        row->seed = fabs(seed) < 9e15 ? (long long)seed : 0;
        row->fraction = fraction;
        for (int i = 0; i < PYR_FIGURES; i++)
            read_figure(&row->figure[i], pyr_figure_find(object, i));
    }
    return PYR_OK;
}

pyr_status pyr_compare_read(pyr_compare *out, const char *path)
{
    pyr_json_value *json = NULL;
    const pyr_json_value *variants, *curve;
    pyr_status status;

    *out = (pyr_compare){0};
    status = pyr_json_read(&json, path);
    if (status == PYR_E_FORMAT)
        return pyr_fail(status, "%s; the same pyrdiff compare writes it again", pyr_error());
    PYR_TRY(status);
    if (!pyr_json_is(json, PYR_JSON_OBJECT))
        PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT, "%s should be a JSON object", path));
    PYR_TRY_OUT(read_text(&out->data, json, "data"));
    PYR_TRY_OUT(read_text(&out->budget, json, "budget"));
    PYR_TRY_OUT(read_text(&out->config, json, "config"));
    PYR_TRY_OUT(read_text(&out->command, json, "command"));
    PYR_TRY_OUT(read_text(&out->judged, json, "judged"));
    variants = pyr_json_member(json, "variants");
    curve = pyr_json_member(json, "curve");
    PYR_TRY_OUT(pyr_new(&out->rows, (size_t)pyr_json_count(variants) + (size_t)pyr_json_count(curve),
                        sizeof *out->rows, "a comparison"));
    PYR_TRY_OUT(read_rows(out, variants, false));
    PYR_TRY_OUT(read_rows(out, curve, true));
out:
    if (status != PYR_OK)
        pyr_compare_free(out);
    pyr_json_free(json);
    return status;
}

void pyr_compare_free(pyr_compare *c)
{
    for (size_t i = 0; i < c->n; i++)
        pyr_free(c->rows[i].name);
    pyr_free(c->rows);
    pyr_free(c->data);
    pyr_free(c->budget);
    pyr_free(c->config);
    pyr_free(c->command);
    pyr_free(c->judged);
    *c = (pyr_compare){0};
}
