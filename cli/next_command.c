/* next_command.c - what can be typed when a training is done. */
#include "cli/next_command.h"

#include "base/mem.h"
#include "base/text.h"
#include "cascade/run.h"
#include "cli/cli.h"
#include "levels/level_file.h"
#include "terminal/output.h"
#include <stdio.h>

/* How many classes the level was trained with. */
static pyr_status classes_of(int *classes, const char *run, int level)
{
    pyr_level_facts facts = {0};
    char *folder = pyr_run_level(run, level);
    pyr_status status = folder ? pyr_level_unet_facts(folder, &facts)
                               : pyr_fail(PYR_E_NOMEM, "out of memory for a name in %s", run);

    *classes = facts.classes;
    pyr_free(folder);
    return status;
}

/* What sampling needs beside the run: a class where the levels know some and were not trained without,
 * or are guided towards one; no guidance where they know none. */
static pyr_status needs(const pyr_config *config, const char *run, int level, bool *a_class,
                        bool *no_guidance)
{
    bool guided = false, classes = false, untold = true;

    for (int i = 0; i < config->pyramid.levels; i++) {
        int n;

        if (level >= 0 && i != level)
            continue;
        PYR_TRY(classes_of(&n, run, i));
        classes = classes || n > 0;
        untold = untold && (n == 0 || config->level[i].class_dropout > 0);
        guided = guided || config->level[i].sampler_guidance != 1;
    }
    *a_class = classes && (guided || !untold);
    *no_guidance = guided && !classes;
    return PYR_OK;
}

static pyr_status say(const pyr_config *config, const char *run, int level)
{
    bool a_class, no_guidance;
    char number[16], words[][12] = {"sample", "--network", "--level", "--class", "--guidance", "all", "1"};
    char *word[8] = {words[0], words[1], (char *)(uintptr_t)run};
    int n = 3;
    pyr_text text = {0};
    pyr_status status = PYR_OK;

    PYR_TRY(needs(config, run, level, &a_class, &no_guidance));
    snprintf(number, sizeof number, "%d", level);
    if (level >= 0) {
        word[n++] = words[2];
        word[n++] = number;
    }
    if (a_class || no_guidance) {
        word[n++] = a_class ? words[3] : words[4];
        word[n++] = a_class ? words[5] : words[6];
    }
    pyr_command_text(&text, n, word);
    if (text.failed)
        status = pyr_fail(PYR_E_NOMEM, "out of memory for a command");
    else
        pyr_tell("pictures: %s\n", text.at);
    pyr_text_free(&text);
    return status;
}

pyr_status pyr_say_next(const char *run, int level)
{
    pyr_settings *settings = NULL;
    pyr_config config;
    pyr_text missing = {0};
    int n = 0;
    pyr_status status;

    PYR_TRY_OUT(pyr_run_settings(&settings, run));
    PYR_TRY_OUT(pyr_config_get(&config, settings));
    for (int i = config.pyramid.levels - 1; i >= 0; i--) {
        bool there;

        PYR_TRY_OUT(pyr_run_has_level(&there, run, i));
        if (!there)
            pyr_text_add(&missing, "%s%d", n++ ? ", " : "", i);
    }
    if (n)
        pyr_tell("of this run level%s %s ha%s no weights yet; level %d by itself:\n", n > 1 ? "s" : "",
                 missing.at ? missing.at : "", n > 1 ? "ve" : "s", level);
    status = say(&config, run, n ? level : -1);
out:
    pyr_text_free(&missing);
    pyr_settings_free(settings);
    return status;
}
