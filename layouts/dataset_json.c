/* dataset_json.c - parses dataset.json into labels by the names of files. */
#include "layouts/dataset_json.h"

#include "archives/folder_names.h"
#include "base/json.h"
#include "base/mem.h"
#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b)
{
    return strcmp(((const pyr_file_label *)a)->name, ((const pyr_file_label *)b)->name);
}

uint64_t pyr_file_labels_limit(size_t files)
{
    const uint64_t most = UINT64_C(100) << 20;

    return files < most >> 10 ? 1024 * (uint64_t)files + 1024 : most;
}

static pyr_status read_label(pyr_file_label *out, const pyr_json_value *pair, size_t i, const char *file)
{
    const pyr_json_value *name = pyr_json_first(pair), *label = name ? pyr_json_next(name) : NULL;

    if (!pyr_json_is(pair, PYR_JSON_ARRAY) || !pyr_json_text(name) || !label || pyr_json_next(label))
        return pyr_fail(PYR_E_FORMAT,
                        "%s: labels[%zu] should be a pair such as [\"00000/img00000000.png\", 3]", file, i);
    if (!pyr_json_is(label, PYR_JSON_NUMBER))
        return pyr_fail(PYR_E_FORMAT,
                        "%s: the label of %.500s should be a whole number (vectors are not read as classes)",
                        file, pyr_json_text(name));
    if (!(pyr_json_number(label, 0) >= 0 && pyr_json_number(label, 0) < PYR_LABEL_MOST) ||
        pyr_json_number(label, 0) != (double)(int32_t)pyr_json_number(label, 0))
        return pyr_fail(PYR_E_FORMAT, "%s: the label of %.500s is %g, should be a whole number from 0 to %d",
                        file, pyr_json_text(name), pyr_json_number(label, 0), PYR_LABEL_MOST - 1);
    out->label = (int32_t)pyr_json_number(label, 0);
    PYR_TRY(pyr_format(&out->name, "%s", pyr_json_text(name)));
    pyr_entry_tidy(out->name); /* "./0.png", and "cat\\0.png" of Windows */
    return PYR_OK;
}

pyr_status pyr_file_labels_parse(pyr_file_labels *out, const char *bytes, size_t n, const char *name)
{
    pyr_json_value *json;
    const pyr_json_value *labels, *pair;
    size_t room;
    pyr_status status = PYR_OK;

    *out = (pyr_file_labels){0};
    PYR_TRY(pyr_json_parse(&json, bytes, n, name));
    labels = pyr_json_member(json, "labels");
    if (!labels)
        goto out;
    out->edm = true;
    if (pyr_json_is(labels, PYR_JSON_NULL))
        goto out;
    if (!pyr_json_is(labels, PYR_JSON_ARRAY))
        PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT, "%s: labels should be a list of pairs, or null", name));
    room = 0;
    PYR_JSON_EACH(pair, labels) room++;
    PYR_TRY_OUT(pyr_new(&out->at, room, sizeof *out->at, name));
    PYR_JSON_EACH(pair, labels)
    {
        PYR_TRY_OUT(read_label(&out->at[out->n], pair, out->n, name));
        out->n++;
    }
    pyr_sort(out->at, out->n, sizeof *out->at, by_name);
    for (size_t i = 1; i < out->n; i++)
        if (by_name(&out->at[i - 1], &out->at[i]) == 0)
            PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT, "%s: %.500s has two labels, %d and %d", name, out->at[i].name,
                                 out->at[i - 1].label, out->at[i].label));
out:
    pyr_json_free(json);
    return status;
}

void pyr_file_labels_free(pyr_file_labels *labels)
{
    for (size_t i = 0; i < labels->n; i++)
        pyr_free(labels->at[i].name);
    pyr_free(labels->at);
    *labels = (pyr_file_labels){0};
}

int64_t pyr_file_labels_find(const pyr_file_labels *labels, const char *name)
{
    pyr_file_label wanted = {.name = (char *)name}; /* not written to */
    const pyr_file_label *found =
        labels->n ? bsearch(&wanted, labels->at, labels->n, sizeof wanted, by_name) : NULL;

    return found ? found - labels->at : -1;
}
