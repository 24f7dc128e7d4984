#include "comparison/compare_file.h"

#include "base/json.h"
#include "base/mem.h"
#include <math.h>

/* Where a figure stands: in the row itself, or in its "metrics". */
static const struct {
    const char *key;
    bool metric;
} places[PYR_FIGURES] = {
    [PYR_FIGURE_FRECHET] = {"frechet", true},
    [PYR_FIGURE_KID] = {"kid", true},
    [PYR_FIGURE_PRECISION] = {"precision", true},
    [PYR_FIGURE_RECALL] = {"recall", true},
    [PYR_FIGURE_SCORE] = {"score", true},
    [PYR_FIGURE_SWD] = {"swd", true},
    [PYR_FIGURE_SPECTRUM] = {"spectrum", true},
    [PYR_FIGURE_COLOUR] = {"colour", true},
    [PYR_FIGURE_CONSISTENCY] = {"consistency", true},
    [PYR_FIGURE_MEMORISED] = {"memorised", true},
    [PYR_FIGURE_HELD_OUT] = {"held_out", false},
    [PYR_FIGURE_TRAIN_FLOP] = {"train_flop", false},
    [PYR_FIGURE_TRAIN_S] = {"train_s", false},
    [PYR_FIGURE_TRAIN_SPEED] = {"train_images_per_s", false},
    [PYR_FIGURE_SAMPLE_FLOP] = {"sample_flop", false},
    [PYR_FIGURE_SAMPLE_SPEED] = {"sample_images_per_s", false},
    [PYR_FIGURE_STEPS] = {"steps", false},
    [PYR_FIGURE_NFE] = {"nfe", false},
    [PYR_FIGURE_NFE_BY_FLOP] = {"nfe_by_flop", false},
    [PYR_FIGURE_PEAK_MIB] = {"peak_mib", false},
    [PYR_FIGURE_PARAMETERS] = {"parameters", false},
};

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
        const cJSON *metrics = cJSON_GetObjectItemCaseSensitive(object, "metrics");
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
            read_figure(&row->figure[i],
                        cJSON_GetObjectItemCaseSensitive(places[i].metric ? metrics : object, places[i].key));
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
