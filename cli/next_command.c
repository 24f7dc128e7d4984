/* next_command.c - what can be typed when a training is done. */
#include "cli/next_command.h"

#include "cli/cli.h"
#include "cli/watch.h"
#include "terminal/output.h"
#include <stdio.h>
#include <stdlib.h>

/* A setting of a level as a number. */
static double of_level(const pyrdiff_settings *settings, int level, const char *key)
{
    char full[96], text[64];

    snprintf(full, sizeof full, "levels[%d].%s", level, key);
    return pyrdiff_settings_get(settings, full, text, sizeof text) == PYRDIFF_OK ? atof(text) : 0;
}

/* What sampling needs beside the run: a class where the levels know some and were not trained without, or are
 * guided towards one; no guidance where they know none. */
static pyr_status needs(const pyrdiff_settings *settings, const char *run, int level, bool *a_class,
                        bool *no_guidance)
{
    bool guided = false, classes = false, without = true;

    for (int i = 0; i < pyr_number_of(settings, "pyramid.levels"); i++) {
        pyrdiff_found found = {.size = sizeof found};

        if (level >= 0 && i != level)
            continue;
        PYR_TRY(pyrdiff_look(run, i, &found));
        classes = classes || found.classes > 0;
        without = without && (found.classes == 0 || of_level(settings, i, "class_dropout") > 0);
        guided = guided || of_level(settings, i, "sampler.guidance") != 1;
    }
    *a_class = classes && (guided || !without);
    *no_guidance = guided && !classes;
    return PYR_OK;
}

static pyr_status say(const pyrdiff_settings *settings, const char *run, int level)
{
    bool a_class, no_guidance;
    char of_level[32] = "";

    PYR_TRY(needs(settings, run, level, &a_class, &no_guidance));
    if (level >= 0)
        snprintf(of_level, sizeof of_level, " --level %d", level);
    pyr_tell("pictures: pyrdiff sample --network %s%s%s\n", PYR_SHELL(run), of_level,
             a_class       ? " --class all"
             : no_guidance ? " --guidance 1"
                           : "");
    return PYR_OK;
}

pyr_status pyr_say_next(const char *run, int level)
{
    pyrdiff_settings *settings = NULL;
    pyr_text missing = {0};
    int n = 0;
    pyr_status status;

    PYR_TRY_OUT(pyrdiff_settings_open(&settings, run));
    for (int i = pyr_number_of(settings, "pyramid.levels") - 1; i >= 0; i--) {
        pyrdiff_found found = {.size = sizeof found};

        PYR_TRY_OUT(pyrdiff_look(run, i, &found));
        if (!found.trained)
            pyr_text_add(&missing, "%s%d", n++ ? ", " : "", i);
    }
    if (n)
        pyr_tell("of this run level%s %s ha%s no weights yet; level %d by itself:\n", n > 1 ? "s" : "",
                 missing.at ? missing.at : "", n > 1 ? "ve" : "s", level);
    status = say(settings, run, n ? level : -1);
out:
    pyr_text_free(&missing);
    pyrdiff_settings_free(settings);
    return status;
}
