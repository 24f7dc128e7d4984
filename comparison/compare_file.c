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

pyr_figure pyr_figure_at(int figure)
{
    const pyr_metric *metric = pyr_metric_at(figure);

    if (!metric)
        return own[figure - PYR_METRICS];
    return (pyr_figure){metric->word, metric->column, metric->heading,   metric->format,
                        metric->unit, metric->better, metric->per_level, false};
}

const cJSON *pyr_figure_find(const cJSON *training, int figure)
{
    const cJSON *in = figure < PYR_METRICS ? cJSON_GetObjectItemCaseSensitive(training, "metrics") : training;

    return in ? cJSON_GetObjectItemCaseSensitive(in, pyr_figure_at(figure).key) : NULL;
}

static void read_figure(pyr_figure_list *list, const cJSON *value)
{
    const cJSON *item;

    if (cJSON_IsNumber(value))
        list->at[list->n++] = value->valuedouble;
    if (!cJSON_IsArray(value))
        return;
    cJSON_ArrayForEach(item, value)
    {
        if (list->n < PYR_MAX_LEVELS)
            list->at[list->n++] = cJSON_IsNumber(item) ? item->valuedouble : NAN;
    }
}

/* A text, or a number as text, into a new block; NULL: neither. */
static pyr_status read_text(char **out, const cJSON *object, const char *key)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);

    if (!cJSON_IsString(value) && !cJSON_IsNumber(value))
        return PYR_OK;
    *out = cJSON_IsString(value) ? pyr_strdup(value->valuestring) : pyr_strfmt("%.6g", value->valuedouble);
    return *out ? PYR_OK : pyr_fail(PYR_E_NOMEM, "out of memory for a comparison");
}

static double number(const cJSON *object, const char *key, double otherwise)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);

    return cJSON_IsNumber(value) ? value->valuedouble : otherwise;
}

static pyr_status read_rows(pyr_compare *c, const cJSON *array, bool curve)
{
    const cJSON *object;

    cJSON_ArrayForEach(object, array)
    {
        pyr_compare_row *row = &c->rows[c->n];
        double seed = number(object, "seed", 0), fraction = number(object, "fraction", 1);

        if (!cJSON_IsObject(object) || (curve && !(fraction < 1)))
            continue;
        PYR_TRY(read_text(&row->name, object, "name"));
        if (!row->name)
            row->name = pyr_strdup("(no name)");
        if (!row->name)
            return pyr_fail(PYR_E_NOMEM, "out of memory for a comparison");
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
    cJSON *json = NULL;
    const cJSON *variants, *curve;
    pyr_status status;

    *out = (pyr_compare){0};
    status = pyr_json_read(&json, path);
    if (status == PYR_E_FORMAT)
        return pyr_fail(status, "%s; the same pyrdiff compare writes it again", pyr_error());
    PYR_TRY(status);
    if (!cJSON_IsObject(json)) {
        status = pyr_fail(PYR_E_FORMAT, "%s should be a JSON object", path);
        goto out;
    }
    PYR_TRY_OUT(read_text(&out->data, json, "data"));
    PYR_TRY_OUT(read_text(&out->budget, json, "budget"));
    PYR_TRY_OUT(read_text(&out->config, json, "config"));
    PYR_TRY_OUT(read_text(&out->command, json, "command"));
    PYR_TRY_OUT(read_text(&out->judged, json, "judged"));
    variants = cJSON_GetObjectItemCaseSensitive(json, "variants");
    curve = cJSON_GetObjectItemCaseSensitive(json, "curve");
    PYR_TRY_OUT(pyr_new(&out->rows, (size_t)cJSON_GetArraySize(variants) + (size_t)cJSON_GetArraySize(curve),
                        sizeof *out->rows, "a comparison"));
    PYR_TRY_OUT(read_rows(out, variants, false));
    PYR_TRY_OUT(read_rows(out, curve, true));
out:
    if (status != PYR_OK)
        pyr_compare_free(out);
    cJSON_Delete(json);
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
