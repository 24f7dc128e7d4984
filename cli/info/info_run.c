/* info_run.c - a run in words: its levels, which are missing, damaged or do not fit together. */
#include "cli/info/info.h"

#include "base/json.h"
#include "base/text.h"
#include "cascade/run.h"
#include "terminal/output.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* What is known of a level of a run. */
typedef struct level_info {
    bool state, unet; /* which files there are */
    pyr_progress progress;
    pyr_info_contents weights; /* of unet */
    bool known;                /* facts */
    pyr_level_facts facts;
    double held_out; /* NaN: never measured */
    double mfu;      /* share of the machine's peak, as last logged; NaN: it was not known */
    char *damage;    /* the sentence of what could not be read; owned */
    bool refused;    /* it is the system that did not let it be read */
} level_info;

/* What of a level's figures is not known yet from a line of a log that has it; a line that is none has nothing.
 * PYR_E_NOMEM. */
static pyr_status read_line(level_info *l, const char *line, size_t n, const char *path)
{
    pyr_json_value *json;
    pyr_status status = pyr_json_parse(&json, line, n, path);

    if (status != PYR_OK)
        return status == PYR_E_NOMEM ? status : PYR_OK;
    if (isnan(l->held_out))
        l->held_out = pyr_json_number(pyr_json_member(json, "held_out"), (double)NAN);
    if (isnan(l->mfu))
        l->mfu = pyr_json_number(pyr_json_member(json, "mfu"), (double)NAN);
    pyr_json_free(json);
    return PYR_OK;
}

/* Each figure from the last line that has it; a line that was cut off by a crash is passed over. */
static pyr_status read_log(level_info *l, const char *folder)
{
    char *path, *text = NULL;
    size_t size;
    bool there;
    pyr_status status;

    l->held_out = l->mfu = NAN;
    PYR_TRY(pyr_path_new(&path, folder, "log.jsonl"));
    PYR_TRY_OUT(pyr_file_exists(&there, path));
    if (there)
        PYR_TRY_OUT(pyr_file_read(&text, &size, path, UINT64_C(1) << 30));
    for (char *end = there ? text + size : text; end > text && (isnan(l->held_out) || isnan(l->mfu));) {
        char *line = end;

        while (line > text && line[-1] != '\n')
            line--;
        PYR_TRY_OUT(read_line(l, line, (size_t)(end - line), path));
        end = line > text ? line - 1 : text;
    }
out:
    pyr_free(text);
    pyr_free(path);
    return status;
}

static pyr_status read_level_files(level_info *l, const char *folder)
{
    pyr_unet_files files = {0};
    pyr_unet_config config;
    pyr_level_facts facts;
    pyr_status status = PYR_OK;
    bool whole;

    if (l->state) {
        PYR_TRY_OUT(pyr_level_peek(folder, &l->facts, &l->progress, NULL));
        l->known = true;
        PYR_TRY_OUT(pyr_level_state_is_whole(&whole, folder));
        if (!whole)
            PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT, "%s", pyr_error()));
    }
    PYR_TRY_OUT(pyr_level_open_unet(folder, &files, &config, &facts));
    PYR_TRY_OUT(pyr_info_contents_read(&l->weights, &files));
    if (!l->known)
        l->facts = facts;
    l->known = true;
out:
    pyr_unet_files_free(&files);
    return status;
}

static pyr_status read_level(level_info *l, const char *run, int level)
{
    char *folder;
    pyr_status status;

    PYR_TRY(pyr_run_level(&folder, run, level));
    PYR_TRY_OUT(read_log(l, folder));
    PYR_TRY_OUT(pyr_level_has_state(&l->state, folder));
    PYR_TRY_OUT(pyr_run_has_level(&l->unet, run, level));
    if (l->state || l->unet)
        status = read_level_files(l, folder);
out:
    pyr_free(folder);
    if (status == PYR_OK || status == PYR_E_NOMEM)
        return status;
    l->refused = status == PYR_E_IO;
    return pyr_format(&l->damage, "%s", pyr_error());
}

static void print_level(const level_info *l, const char *run, int level)
{
    const pyr_train_state *train = &l->progress.train;

    pyr_print("level %-2d ", level);
    if (l->known)
        pyr_print("%dx%dx%d, ", pyr_info_halved(l->facts.h, level), pyr_info_halved(l->facts.w, level),
                  l->facts.c);
    if (l->damage)
        pyr_print("%s: %s\n", l->refused ? "cannot be read" : "damaged", l->damage);
    else if (!l->unet)
        pyr_print("missing: not trained yet (pyrdiff train --outdir %s --level %d)\n", PYR_SHELL(run), level);
    else {
        if (!l->state)
            pyr_print("trained elsewhere (no state to go on from)");
        else
            pyr_print("%s: %lld of %lld steps in %.0f s",
                      train->step == l->progress.steps ? "trained" : "begun", (long long)train->step,
                      (long long)l->progress.steps, train->seconds);
        if (train->skipped)
            pyr_print(" (%lld skipped)", (long long)train->skipped);
        pyr_print(", %zu parameters", l->weights.numbers);
        if (l->known && l->facts.objective != PYR_DENOISING_SCORE_MATCHING)
            pyr_print(", by %s score matching", pyr_objective_names[l->facts.objective]);
        if (!isnan(l->held_out))
            pyr_print(", held-out loss %.5g", l->held_out);
        if (!isnan(l->mfu))
            pyr_print(", %.0f%% of the machine's peak", 100 * l->mfu);
        pyr_print("\n");
    }
}

/* Do all levels belong to the pyramid of the manifest, and to one another? */
static pyr_status match_levels(const level_info *levels, const pyr_pyramid_settings *p, const char *run)
{
    int first = -1;

    for (int i = p->levels - 1; i >= 0; i--) {
        const pyr_level_facts *f = &levels[i].facts;
        double sigma = pyr_pyramid_sigma(p);
        char a[32], b[32];

        if (!levels[i].known)
            continue;
        if (f->index != i || f->levels != p->levels)
            return pyr_fail(PYR_E_CONFIG, "%s/level-%d holds level %d of %d, should be level %d of %d", run,
                            i, f->index, f->levels, i, p->levels);
        if (f->filter != p->filter || f->filter_sigma != sigma)
            return pyr_fail(
                PYR_E_CONFIG,
                "%s/level-%d was trained with the filter %s (sigma %g), pyrdiff.cfg says %s (sigma %g): "
                "they cannot be mixed; train it again",
                run, i, pyr_filter_names[f->filter], f->filter_sigma, pyr_filter_names[p->filter], sigma);
        if (first < 0)
            first = i;
        snprintf(a, sizeof a, "level %d", first);
        snprintf(b, sizeof b, "level %d", i);
        PYR_TRY(pyr_facts_match(&levels[first].facts, a, f, b));
    }
    return PYR_OK;
}

static void print_run(const char *run, const pyr_config *config, const level_info *levels)
{
    const pyr_level_facts *facts = NULL;
    int n = config->pyramid.levels;

    for (int i = 0; i < n && !facts; i++)
        facts = levels[i].known ? &levels[i].facts : NULL;
    pyr_print("%s: a run of %d level%s, filter %s", run, n, n == 1 ? "" : "s",
              pyr_filter_names[config->pyramid.filter]);
    if (facts)
        pyr_print(", images of %dx%d with %d channel%s", facts->h, facts->w, facts->c,
                  facts->c == 1 ? "" : "s");
    pyr_print("\ndata     %s", *config->data.set.path ? config->data.set.path : "(not named)");
    if (facts)
        pyr_print(", fingerprint %016" PRIx64, facts->data);
    pyr_print("\n");
    for (int i = n - 1; i >= 0; i--)
        print_level(&levels[i], run, i);
}

/* Missing levels are a fact, damaged and mixed ones a failure. */
static pyr_status judge_run(const char *run, const pyr_pyramid_settings *p, const level_info *levels)
{
    int missing = 0, damaged = 0, refused = 0;

    for (int i = 0; i < p->levels; i++) {
        missing += !levels[i].unet && !levels[i].state;
        damaged += levels[i].damage && !levels[i].refused;
        refused += levels[i].refused;
    }
    if (missing)
        pyr_print("%d of %d levels missing\n", missing, p->levels);
    if (match_levels(levels, p, run) != PYR_OK)
        return pyr_fail_prefix(PYR_E_CONFIG, "incompatible");
    if (refused && !damaged)
        return pyr_fail(PYR_E_IO, "%d of %d levels of %s cannot be read (see above)", refused, p->levels,
                        run);
    return damaged ? pyr_fail(PYR_E_FORMAT,
                              "%d of %d levels of %s damaged (see above); train again, or copy anew", damaged,
                              p->levels, run)
                   : PYR_OK;
}

pyr_status pyr_info_run(const char *run)
{
    pyr_settings *settings = NULL;
    pyr_config config;
    level_info levels[PYR_MAX_LEVELS] = {0};
    pyr_status status;

    PYR_TRY_OUT(pyr_run_settings(&settings, run));
    PYR_TRY_OUT(pyr_config_get(&config, settings));
    for (int i = 0; i < config.pyramid.levels; i++)
        PYR_TRY_OUT(read_level(&levels[i], run, i));
    print_run(run, &config, levels);
    PYR_TRY_OUT(judge_run(run, &config.pyramid, levels));
out:
    for (int i = 0; i < PYR_MAX_LEVELS; i++)
        pyr_free(levels[i].damage);
    pyr_settings_free(settings);
    return status;
}
