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

static pyr_status read_label(pyr_file_label *out, const cJSON *pair, size_t i, const char *file)
{
    const cJSON *name = pair->child, *label = name ? name->next : NULL;

    if (!cJSON_IsArray(pair) || !cJSON_IsString(name) || !label || label->next)
        return pyr_fail(PYR_E_FORMAT,
                        "%s: labels[%zu] should be a pair such as [\"00000/img00000000.png\", 3]", file, i);
    if (!cJSON_IsNumber(label))
        return pyr_fail(PYR_E_FORMAT,
                        "%s: the label of %.500s should be a whole number (vectors are not read as classes)",
                        file, name->valuestring);
    if (!(label->valuedouble >= 0 && label->valuedouble < PYR_LABEL_MOST) ||
        label->valuedouble != (double)(int32_t)label->valuedouble)
        return pyr_fail(PYR_E_FORMAT, "%s: the label of %.500s is %g, should be a whole number from 0 to %d",
                        file, name->valuestring, label->valuedouble, PYR_LABEL_MOST - 1);
    out->label = (int32_t)label->valuedouble;
    PYR_TRY(pyr_format(&out->name, "%s", name->valuestring));
    pyr_entry_tidy(out->name); /* "./0.png", and "cat\\0.png" of Windows */
    return PYR_OK;
}

pyr_status pyr_file_labels_parse(pyr_file_labels *out, const char *bytes, size_t n, const char *name)
{
    cJSON *json;
    const cJSON *labels, *pair;
    size_t room;
    pyr_status status = PYR_OK;

    *out = (pyr_file_labels){0};
    PYR_TRY(pyr_json_parse(&json, bytes, n, name));
    labels = cJSON_GetObjectItemCaseSensitive(json, "labels");
    if (!labels)
        goto out;
    out->edm = true;
    if (cJSON_IsNull(labels))
        goto out;
    if (!cJSON_IsArray(labels))
        PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT, "%s: labels should be a list of pairs, or null", name));
    room = 0;
    cJSON_ArrayForEach(pair, labels) room++;
    PYR_TRY_OUT(pyr_new(&out->at, room, sizeof *out->at, name));
    cJSON_ArrayForEach(pair, labels)
    {
        PYR_TRY_OUT(read_label(&out->at[out->n], pair, out->n, name));
        out->n++;
    }
    if (out->n > 1)
        qsort(out->at, out->n, sizeof *out->at, by_name);
    for (size_t i = 1; i < out->n; i++)
        if (by_name(&out->at[i - 1], &out->at[i]) == 0)
            PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT, "%s: %.500s has two labels, %d and %d", name, out->at[i].name,
                                 out->at[i - 1].label, out->at[i].label));
out:
    cJSON_Delete(json);
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
