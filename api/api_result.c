/* api_result.c - figures as a caller reads them. */
#include "api/results.h"

#include "base/mem.h"
#include <string.h>

pyr_status pyr_result_new(pyrdiff_result **out)
{
    return pyr_new(out, 1, sizeof **out, "figures");
}

void pyrdiff_result_free(pyrdiff_result *r)
{
    if (!r)
        return;
    pyr_evaluation_free(&r->evaluation);
    pyr_text_free(&r->set);
    pyr_text_free(&r->warnings);
    pyr_text_free(&r->json);
    pyr_free(r->figure);
    pyr_free(r);
}

pyr_status pyr_result_add(pyrdiff_result *r, const pyrdiff_figure *figure)
{
    PYR_TRY(pyr_grow(&r->figure, &r->room, (size_t)r->n, sizeof *r->figure, "figures"));
    r->figure[r->n++] = *figure;
    return PYR_OK;
}

pyr_status pyr_result_json(pyrdiff_result *r, pyr_json *json)
{
    pyr_json_close(json, '}');
    pyr_text_add(&json->text, "\n");
    r->json = json->text;
    json->text = (pyr_text){0};
    return r->json.failed ? pyr_fail(PYR_E_NOMEM, "out of memory for figures") : PYR_OK;
}

int pyrdiff_result_figure(const pyrdiff_result *r, int i, pyrdiff_figure *figure)
{
    if (i < 0 || i >= r->n)
        return pyr_fail(PYR_E_ARG, "there is no figure %d: there are %d", i, r->n);
    pyr_give(figure, &r->figure[i], sizeof r->figure[i]);
    return PYRDIFF_OK;
}

const char *pyrdiff_result_text(const pyrdiff_result *r, const char *which)
{
    const pyr_text *text = strcmp(which, "set") == 0        ? &r->set
                           : strcmp(which, "warnings") == 0 ? &r->warnings
                           : strcmp(which, "json") == 0     ? &r->json
                                                            : NULL;

    return text && text->at ? text->at : "";
}
