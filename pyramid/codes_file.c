/* codes_file.c - reading and writing the exact codes of a picture. */
#include "pyramid/codes_file.h"

#include "base/file.h"
#include "base/mem.h"
#include "pictures/image.h"
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const char version_key[] = "pyrdiff_codes", version[] = "1";

const char *pyr_codes_kind(const pyr_codes *codes, int level)
{
    return level == codes->settings.levels - 1            ? "image"
           : pyr_filter_of(codes->settings.filter)->bands ? "details"
                                                          : "residual";
}

void pyr_codes_describe(const pyr_codes *codes, pyr_text *text)
{
    pyr_text_add(text, "%dx%d %s, %d bits; %d level%s, filter %s", codes->h, codes->w,
                 pyr_channels_name(codes->c), codes->bits, codes->settings.levels,
                 codes->settings.levels == 1 ? "" : "s", pyr_filter_names[codes->settings.filter]);
    if (pyr_filter_of(codes->settings.filter)->has_sigma)
        pyr_text_add(text, " of sigma %g", codes->settings.sigma);
}

static pyr_st_dtype dtype_of(const pyr_codes *codes)
{
    return codes->type == PYR_F64 ? PYR_ST_F64 : PYR_ST_F32;
}

/* ---- the metadata: one table to write and to read by ------------------------------------------- */

#define AT(member) offsetof(pyr_codes, member)

static const pyr_setting rows[] = {
    {"filter", PYR_SETTING_CHOICE, AT(settings.filter), 0, 0, NULL, pyr_filter_names, NULL},
    {"sigma", PYR_SETTING_REAL, AT(settings.sigma), 0, PYR_SIGMA_MAX, NULL, NULL, NULL},
    {"levels", PYR_SETTING_INT, AT(settings.levels), 1, PYR_MAX_LEVELS, NULL, NULL, NULL},
    {"h", PYR_SETTING_INT, AT(h), 1, PYR_IMAGE_SIDE, NULL, NULL, NULL},
    {"w", PYR_SETTING_INT, AT(w), 1, PYR_IMAGE_SIDE, NULL, NULL, NULL},
    {"c", PYR_SETTING_INT, AT(c), 1, 4, NULL, NULL, NULL},
    {"bits", PYR_SETTING_INT, AT(bits), 8, 16, NULL, NULL, NULL},
};
enum { ROWS = sizeof rows / sizeof *rows, VALUE_ROOM = 40 };

static void print_value(char out[VALUE_ROOM], const pyr_setting *row, const pyr_codes *codes)
{
    const void *at = (const char *)codes + row->offset;

    if (row->type == PYR_SETTING_REAL)
        snprintf(out, VALUE_ROOM, "%.17g", *(const double *)at);
    else if (row->type == PYR_SETTING_CHOICE)
        snprintf(out, VALUE_ROOM, "%s", row->choices[*(const int *)at]);
    else
        snprintf(out, VALUE_ROOM, "%d", *(const int *)at);
}

static pyr_status read_metadata(pyr_codes *out, const pyr_safetensors *file)
{
    const char *found = pyr_safetensors_metadata(file, version_key);

    if (!found)
        return pyr_fail(PYR_E_FORMAT, "not the codes of a picture (its metadata lack %s)", version_key);
    if (strcmp(found, version) != 0)
        return pyr_fail(PYR_E_UNSUPPORTED, "%s is \"%.40s\", this program reads %s", version_key, found,
                        version);
    for (int i = 0; i < ROWS; i++) {
        const char *text = pyr_safetensors_metadata(file, rows[i].key);

        if (!text)
            return pyr_fail(PYR_E_FORMAT, "its metadata lack %s", rows[i].key);
        if (pyr_setting_parse(&rows[i], rows[i].key, text, "", (char *)out + rows[i].offset) != PYR_OK)
            return pyr_fail_prefix(PYR_E_FORMAT, "its metadata");
    }
    return PYR_OK;
}

/* ---- writing ----------------------------------------------------------------------------------- */

enum { NAME_ROOM = 24 };

pyr_status pyr_codes_write(const char *path, const pyr_codes *codes)
{
    pyr_st_entry entries[PYR_MAX_LEVELS];
    pyr_st_pair pairs[ROWS + 1] = {{version_key, version}};
    char names[PYR_MAX_LEVELS][NAME_ROOM], values[ROWS][VALUE_ROOM];

    for (int i = 0; i < ROWS; i++) {
        print_value(values[i], &rows[i], codes);
        pairs[i + 1] = (pyr_st_pair){rows[i].key, values[i]};
    }
    for (int i = 0; i < codes->settings.levels; i++) {
        pyr_shape s = codes->shape[i];

        snprintf(names[i], NAME_ROOM, "level-%d", i);
        entries[i] = (pyr_st_entry){.name = names[i],
                                    .dtype = dtype_of(codes),
                                    .rank = 3,
                                    .dims = {s.h, s.w, s.c},
                                    .data = codes->value[i]};
    }
    return pyr_safetensors_write(path, entries, (size_t)codes->settings.levels, pairs, ROWS + 1);
}

/* ---- reading ----------------------------------------------------------------------------------- */

/* Before memory is taken: a picture never has more numbers than its codes. */
static pyr_status check_size(const pyr_codes *said, const pyr_safetensors *file)
{
    size_t wanted = (size_t)said->h * (size_t)said->w * (size_t)said->c, count = 0;

    for (size_t i = 0; i < pyr_safetensors_count(file); i++)
        count += pyr_safetensors_at(file, i)->count;
    if (count < wanted)
        return pyr_fail(PYR_E_FORMAT,
                        "holds %zu numbers, too few for the picture of %dx%d with %d channels that its "
                        "metadata describe",
                        count, said->h, said->w, said->c);
    if (pyr_safetensors_count(file) != (size_t)said->settings.levels)
        return pyr_fail(PYR_E_FORMAT, "holds %zu tensors, should hold %d: level-0 to level-%d",
                        pyr_safetensors_count(file), said->settings.levels, said->settings.levels - 1);
    return PYR_OK;
}

static pyr_status check_finite(const pyr_codes *codes, int level)
{
    for (size_t i = 0; i < pyr_count(codes->shape[level]); i++)
        if (!isfinite(pyr_element(codes->type, codes->value[level], i)))
            return pyr_fail(PYR_E_FORMAT, "number %zu of level-%d is not finite: the codes are damaged", i,
                            level);
    return PYR_OK;
}

static pyr_status read_level(pyr_codes *codes, const pyr_safetensors *file, int level)
{
    pyr_shape s = codes->shape[level];
    char name[NAME_ROOM];
    const pyr_st_tensor *t;

    snprintf(name, sizeof name, "level-%d", level);
    t = pyr_safetensors_find(file, name);
    if (!t)
        return pyr_fail(PYR_E_FORMAT, "the tensor %s is missing", name);
    if (t->dtype != dtype_of(codes))
        return pyr_fail(PYR_E_FORMAT, "the tensor %s is of type %s, should be %s", name,
                        pyr_st_dtype_word(t->dtype), pyr_st_dtype_word(dtype_of(codes)));
    if (t->rank != 3 || t->dims[0] != s.h || t->dims[1] != s.w || t->dims[2] != s.c)
        return pyr_fail(PYR_E_FORMAT, "the tensor %s does not have the shape [%d,%d,%d]", name, s.h, s.w,
                        s.c);
    PYR_TRY(pyr_safetensors_read_bytes(file, t, codes->value[level], (size_t)(t->end - t->begin)));
    return check_finite(codes, level);
}

static pyr_status read_codes(pyr_codes *out, const pyr_safetensors *file)
{
    pyr_codes said = {0};

    PYR_TRY(read_metadata(&said, file));
    PYR_TRY(check_size(&said, file));
    PYR_TRY(pyr_codes_new(out, &said.settings, said.h, said.w, said.c, said.bits));
    for (int i = 0; i < out->settings.levels; i++)
        PYR_TRY(read_level(out, file, i));
    return PYR_OK;
}

pyr_status pyr_codes_read(pyr_codes *out, const char *path)
{
    bool folder = pyr_is_folder(path);
    char *joined;
    pyr_safetensors *file = NULL;
    pyr_status status;

    *out = (pyr_codes){0};
    PYR_TRY(pyr_path_new(&joined, folder ? path : "", folder ? PYR_CODES_NAME : path));
    PYR_TRY_OUT(pyr_safetensors_open(&file, joined));
    status = read_codes(out, file);
    if (status != PYR_OK) {
        bool named = strncmp(pyr_error(), joined, strlen(joined)) == 0;

        pyr_codes_free(out);
        if (status == PYR_E_ARG || status == PYR_E_CONFIG)
            status = PYR_E_FORMAT;
        if (!named)
            pyr_fail_prefix(status, "%s", joined);
    }
out:
    pyr_safetensors_free(file);
    pyr_free(joined);
    return status;
}
