/* choices.c - the options of public calls, and the backend that they choose. */
#include "api/choices.h"

#include "base/mem.h"
#include "base/text.h"
#include <string.h>

static const pyr_setting *row_named(const pyr_setting *rows, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].key, name) == 0)
            return &rows[i];
    return NULL;
}

static pyr_status fail_unknown(const pyr_setting *rows, size_t n, const char *name)
{
    const char **names = pyr_calloc(n + 1, sizeof *names), *nearest = NULL;

    for (size_t i = 0; names && i < n; i++)
        names[i] = rows[i].key;
    if (names)
        nearest = pyr_nearest(name, names, n);
    if (nearest)
        pyr_fail(PYR_E_ARG, "unknown option %s; did you mean %s?", name, nearest);
    else
        pyr_fail(PYR_E_ARG, "unknown option %s", name);
    pyr_free(names);
    return PYR_E_ARG;
}

static pyr_status parse(void *out, const pyr_setting *row, const char *value)
{
    char *name = pyr_strfmt("--%s", row->key);
    pyr_status status = name ? pyr_setting_parse(row, name, value, "", (char *)out + row->offset)
                             : pyr_fail(PYR_E_NOMEM, "out of memory for the name of an option");

    pyr_free(name);
    return status == PYR_E_CONFIG ? PYR_E_ARG : status;
}

pyr_status pyr_choices_read(void *out, const pyr_setting *rows, size_t n, const char *const *options)
{
    for (size_t i = 0; i < n; i++)
        PYR_TRY(parse(out, &rows[i], rows[i].standard));
    for (; options && *options; options += 2) {
        const pyr_setting *row = row_named(rows, n, options[0]);

        if (!row)
            return fail_unknown(rows, n, options[0]);
        if (!options[1])
            return pyr_fail(PYR_E_ARG, "option %s has no value: options are pairs, ended by NULL", row->key);
        PYR_TRY(parse(out, row, options[1]));
    }
    return PYR_OK;
}

const char *pyr_choice_given(const char *const *options, const char *name)
{
    const char *value = NULL;

    for (; options && *options; options += 2)
        if (strcmp(options[0], name) == 0)
            value = options[1];
    return value;
}

pyr_status pyr_choices_open(pyr_kernels **out, pyr_call *call, const pyr_machine_choice *machine,
                            bool measure)
{
    pyr_text text = {0};

    PYR_TRY(pyr_backend_open(out, machine->backend, machine->precision, machine->threads, measure));
    pyr_backend_describe(&text, *out, machine->backend);
    if (text.at)
        pyr_call_note(call, text.at);
    pyr_text_free(&text);
    return PYR_OK;
}
