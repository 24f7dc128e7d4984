/* evaluation_json.c - the figures of an evaluation as JSON. */
#include "eval/evaluate.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void put_hash(pyr_json *json, const char *key, uint64_t hash)
{
    char text[32];

    snprintf(text, sizeof text, "%016" PRIx64, hash);
    pyr_json_string(json, key, text);
}

/* Of pixels, or of the first network of which there are figures. */
static bool of_first(const pyr_evaluation *e, const pyr_measurement *figure)
{
    for (int i = 0; i < e->figures && figure->features; i++)
        if (e->figure[i].features)
            return e->figure[i].features == figure->features;
    return true;
}

static void put_metrics(const pyr_evaluation *e, pyr_json *json)
{
    pyr_json_open(json, "metrics", '{');
    for (int i = 0; i < e->figures; i++) {
        const pyr_measurement *f = &e->figure[i];
        int last = i;
        char key[64];

        if (!of_first(e, f))
            continue;
        if (f->level < 0) {
            pyr_json_real(json, f->metric, f->value);
            if (isfinite(f->deviation)) {
                snprintf(key, sizeof key, "%s_deviation", f->metric);
                pyr_json_real(json, key, f->deviation);
            }
            continue;
        }
        while (last + 1 < e->figures && strcmp(e->figure[last + 1].metric, f->metric) == 0)
            last++;
        pyr_json_open(json, f->metric, '[');
        for (int j = last; j >= i; j--) /* coarsest first */
            pyr_json_real(json, NULL, e->figure[j].value);
        pyr_json_close(json, ']');
        i = last;
    }
    for (int i = 0; i < e->left_outs; i++)
        if (isnan(pyr_evaluation_value(e, e->left_out[i].metric, -1)))
            pyr_json_real(json, e->left_out[i].metric, (double)NAN);
    pyr_json_close(json, '}');
}

static void put_left_out(const pyr_evaluation *e, pyr_json *json)
{
    pyr_json_open(json, "left_out", '[');
    for (int i = 0; i < e->left_outs; i++) {
        pyr_json_open(json, NULL, '{');
        pyr_json_string(json, "metric", e->left_out[i].metric);
        pyr_json_string(json, "reason", e->left_out[i].reason);
        pyr_json_close(json, '}');
    }
    pyr_json_close(json, ']');
}

static void put_figure(const pyr_measurement *f, pyr_json *json)
{
    pyr_json_open(json, NULL, '{');
    pyr_json_string(json, "metric", f->metric);
    if (f->level >= 0)
        pyr_json_int(json, "level", f->level);
    pyr_json_real(json, "value", f->value);
    if (isfinite(f->deviation))
        pyr_json_real(json, "deviation", f->deviation);
    pyr_json_int(json, "images", f->n);
    if (f->reference) {
        pyr_json_string(json, "reference", f->reference);
        pyr_json_int(json, "reference_images", f->n_reference);
        put_hash(json, "reference_hash", f->reference_hash);
    }
    if (f->features) {
        pyr_json_string(json, "features", f->features);
        put_hash(json, "features_hash", f->features_hash);
    }
    pyr_json_close(json, '}');
}

static void put_set(const pyr_image_set *set, pyr_json *json)
{
    double flop = 0;
    int nfe = 0;

    pyr_json_string(json, "input", set->name);
    put_hash(json, "input_hash", set->hash);
    pyr_json_int(json, "images", set->n);
    pyr_json_int(json, "bits", set->words ? 16 : 8);
    if (set->levels == 0)
        return;
    if (set->of_class && *set->of_class)
        pyr_json_string(json, "class", set->of_class);
    if (set->alone)
        pyr_json_int(json, "level", set->finest);
    pyr_json_open(json, "sampler", '[');
    for (int i = set->drawn - 1; i >= set->finest; i--) {
        pyr_json_string(json, NULL, set->sampler[i]);
        flop += set->flop[i];
        nfe += set->nfe[i];
    }
    pyr_json_close(json, ']');
    pyr_json_open(json, "steps", '[');
    for (int i = set->drawn - 1; i >= set->finest; i--)
        pyr_json_int(json, NULL, set->steps[i]);
    pyr_json_close(json, ']');
    if (set->drawn < set->levels)
        pyr_json_int(json, "given", set->drawn);
    pyr_json_int(json, "nfe", nfe);
    pyr_json_real(json, "sample_flop", flop);
    pyr_json_real(json, "sample_s", set->seconds);
}

void pyr_evaluation_json(const pyr_evaluation *e, const pyr_image_set *samples, pyr_json *json)
{
    put_set(samples, json);
    put_metrics(e, json);
    pyr_json_open(json, "figures", '[');
    for (int i = 0; i < e->figures; i++)
        put_figure(&e->figure[i], json);
    pyr_json_close(json, ']');
    put_left_out(e, json);
    pyr_json_open(json, "warnings", '[');
    for (size_t i = 0; i < e->warnings.n; i++)
        pyr_json_string(json, NULL, e->warnings.at[i]);
    pyr_json_close(json, ']');
}
