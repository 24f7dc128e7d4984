/* run.c - the sections of a configuration, the folder of a run, its manifest and locks. */
#include "cascade/run.h"

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/shown.h"
#include "base/text.h"
#include "diffusers/pipeline.h"
#include "levels/level_file.h"
#include "network/unet_file.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- sections ---------------------------------------------------------------------------------- */

#define AT(member) offsetof(pyr_train_settings, member)

static const pyr_setting rows[] = {
    {"seed", PYR_SETTING_COUNT, AT(seed), 0, 9e15, "0", NULL,
     "of weights, order, noise: the same seed, the same run"},
    {"duration", PYR_SETTING_DURATION, AT(duration), 0, 0, "100ep", NULL,
     "of all levels together, split by level.share: 200ki images, 3ep epochs, 90s seconds"},
    {"checkpoint", PYR_SETTING_COUNT, AT(checkpoint), -1, 9e15, "0", NULL,
     "images between checkpoints; 0: a tenth of the run; -1: only at the end"},
    {"status", PYR_SETTING_COUNT, AT(status), 0, 9e15, "0", NULL,
     "images between lines of the log; 0: a hundredth of the run"},
    {"held_out", PYR_SETTING_COUNT, AT(held_out), -1, 9e15, "0", NULL,
     "images between measurements of the held-out loss; 0: a tenth of the run; -1: never"},
    {"snapshot", PYR_SETTING_COUNT, AT(snapshot), -1, 9e15, "0", NULL,
     "images between grids of samples; 0: only at the end; -1: never"},
};

static const pyr_section train_section = {"train", rows, sizeof rows / sizeof *rows, false, "the run"};

#undef AT
#define AT(member) offsetof(pyr_cascade_settings, member)

static const char *const cascade_conditions[] = {"data", "estimate", NULL};
static const char *const cascade_clips[] = {"level", "all", NULL};

static const pyr_setting cascade_rows[] = {
    {"joint", PYR_SETTING_BOOL, AT(joint), 0, 0, "false", NULL,
     "train all levels together, in every step on one batch's pyramid, with the sum of their losses (train "
     "--cascade)"},
    {"weights", PYR_SETTING_REALS, AT(weights), 0, 1e6, "[]", NULL,
     "of the levels' losses, coarsest first; none: all 1"},
    {"share", PYR_SETTING_BOOL, AT(share), 0, 0, "false", NULL,
     "one network for all levels, with a level embedding; convolutions at its two ends for each level"},
    {"condition", PYR_SETTING_CHOICE, AT(condition), 0, 0, "data", cascade_conditions,
     "what a level is conditioned on in training: the real coarser image, or the coarser level's own denoised "
     "estimate of it"},
    {"estimate_probability", PYR_SETTING_REAL, AT(estimate_probability), 0, 1, "1", NULL,
     "condition estimate: how often; otherwise the real image"},
    {"stop_gradient", PYR_SETTING_BOOL, AT(stop_gradient), 0, 0, "false", NULL,
     "condition estimate: a level's loss does not train the coarser levels"},
    {"clip", PYR_SETTING_CHOICE, AT(clip), 0, 0, "level", cascade_clips,
     "what level.clip bounds: the norm of each level's gradient, or of all together"},
    {"freeze_when_flat", PYR_SETTING_REAL, AT(freeze_when_flat), 0, 1, "0", NULL,
     "train a level no more when its held-out loss fell by less than this part over two measurements, and "
     "give its time to the others; 0: never"},
};

static const pyr_section cascade_section = {
    "cascade", cascade_rows, sizeof cascade_rows / sizeof *cascade_rows, false, "levels trained together"};

const pyr_section *const pyr_all_sections[] = {
    &pyr_data_section, &pyr_pyramid_section, &train_section, &cascade_section, &pyr_level_section, NULL,
};

pyr_status pyr_config_get(pyr_config *out, const pyr_settings *settings)
{
    const char *where;
    int highest = pyr_settings_highest_level(settings, &where);

    pyr_settings_fill(settings, "data", -1, &out->data);
    pyr_settings_fill(settings, "pyramid", -1, &out->pyramid);
    pyr_settings_fill(settings, "train", -1, &out->train);
    pyr_settings_fill(settings, "cascade", -1, &out->cascade);
    if (highest >= out->pyramid.levels)
        return pyr_fail(PYR_E_CONFIG,
                        "levels[%d] is set (%s), but pyramid.levels is %d: the coarsest is levels[%d]",
                        highest, where, out->pyramid.levels, out->pyramid.levels - 1);
    for (int i = 0; i < PYR_MAX_LEVELS; i++) {
        pyr_settings_fill(settings, "level", i, &out->level[i]);
        out->level[i].sampler.undenoised = !out->level[i].sampler_denoise;
        out->level[i].sampler.predictor = pyr_predictor_kinds[out->level[i].sampler_predictor];
    }
    if (!(out->train.duration.value > 0))
        return pyr_fail(PYR_E_CONFIG, "train.duration should be more than nothing");
    return pyr_data_config_finish(&out->data);
}

/* ---- names ------------------------------------------------------------------------------------- */

pyr_status pyr_run_level(char **out, const char *run, int level)
{
    return pyr_format(out, "%s/level-%d", run, level);
}

static const char manifest_name[] = "pyrdiff.cfg";

pyr_status pyr_run_exists(bool *there, const char *run)
{
    return pyr_file_exists_in(there, run, manifest_name);
}

pyr_status pyr_run_has_level(bool *there, const char *run, int level)
{
    char name[64];

    snprintf(name, sizeof name, "level-%d/unet/config.json", level);
    return pyr_file_exists_in(there, run, name);
}

pyr_status pyr_run_check_trained(const char *run, int level)
{
    char *folder;
    bool begun, there;
    int other = 0;
    pyr_status status;

    PYR_TRY(pyr_run_level(&folder, run, level));
    begun = pyr_is_folder(folder);
    pyr_free(folder);
    PYR_TRY(pyr_run_has_level(&there, run, level));
    if (there)
        return PYR_OK;
    while (other < PYR_MAX_LEVELS && (pyr_run_has_level(&there, run, other) != PYR_OK || !there))
        other++;
    status = pyr_fail(PYR_E_IO, "level %d of %s %s: pyrdiff train --outdir %s --level %d", level, run,
                      begun ? "has no weights yet, its training has not come to a checkpoint"
                            : "has not been trained yet",
                      PYR_SHELL(run), level);
    if (other < PYR_MAX_LEVELS)
        status = pyr_fail(status,
                          "%s (level %d is there: pyrdiff sample --network %s --level %d draws it by itself)",
                          pyr_error(), other, PYR_SHELL(run), other);
    return status;
}

pyr_status pyr_run_open_level(const char *run, int level, pyr_unet_files *files, pyr_unet_config *unet,
                              pyr_level_facts *facts)
{
    char *folder;
    pyr_status status;

    *files = (pyr_unet_files){0};
    PYR_TRY(pyr_run_level(&folder, run, level));
    PYR_TRY_OUT(pyr_run_check_trained(run, level));
    status = pyr_level_open_unet(folder, files, unet, facts);
out:
    pyr_free(folder);
    return status;
}

pyr_status pyr_run_settings(pyr_settings **out, const char *run)
{
    pyr_status status;
    char *path;
    bool there;

    *out = NULL;
    PYR_TRY(pyr_path_new(&path, run, manifest_name));
    PYR_TRY_OUT(pyr_file_exists(&there, path));
    if (!there)
        PYR_TRY_OUT(pyr_pipeline_fail_no_run(run));
    PYR_TRY_OUT(pyr_settings_new(out, pyr_all_sections));
    PYR_TRY_OUT(pyr_settings_read(*out, path));
out:
    if (status != PYR_OK) {
        pyr_settings_free(*out);
        *out = NULL;
    }
    pyr_free(path);
    return status;
}

/* ---- the manifest ------------------------------------------------------------------------------ */

static pyr_status write_manifest(const char *run, const pyr_settings *settings, int levels)
{
    pyr_status status;
    char *path;
    pyr_text text = {0};

    PYR_TRY(pyr_path_new(&path, run, manifest_name));
    pyr_text_add(
        &text,
        "# The configuration of this run, complete. `pyrdiff train --config` with this file repeats it.\n\n");
    pyr_settings_write(settings, levels, &text);
    status = pyr_text_save(&text, path);
    pyr_free(path);
    return status;
}

/* What may change at any time, because it changes no weight: cadences of reports, sampling, where the data
 * lie (their fingerprint is compared), and the duration (the number of steps is compared). */
static bool matters(const pyr_section *section, const pyr_setting *row)
{
    static const char *const free_keys[] = {"train.checkpoint", "train.status",   "train.held_out",
                                            "train.snapshot",   "train.duration", "data.path",
                                            "data.decode_limit"};
    char key[128];

    snprintf(key, sizeof key, "%s.%s", section->name, row->key);
    for (size_t i = 0; i < sizeof free_keys / sizeof *free_keys; i++)
        if (strcmp(key, free_keys[i]) == 0)
            return false;
    return strncmp(key, "level.sampler.", 14) != 0 && strcmp(key, "level.share") != 0;
}

static bool matters_to_all(void *arg, const pyr_section *section, const pyr_setting *row)
{
    (void)arg;
    return !section->per_level && matters(section, row);
}

/* A setting whose default has changed since runs were begun, which keep theirs. */
static const char late_default[] = "groups";

static bool is_default(const pyr_settings *settings, int level, const char *name)
{
    char key[64];

    snprintf(key, sizeof key, "levels[%d].%s", level, name);
    return strcmp(pyr_settings_origin(settings, key), "default") == 0;
}

/* A level's settings as they are now. */
typedef struct level_now {
    const pyr_settings *settings;
    int level;
} level_now;

static bool matters_to_level(void *arg, const pyr_section *section, const pyr_setting *row)
{
    const level_now *now = arg;

    return section->per_level && matters(section, row) &&
           !(strcmp(row->key, late_default) == 0 && is_default(now->settings, now->level, row->key));
}

/* A cascade's levels begin together: with their one state, or with states that are about to take their
 * places. */
static pyr_status began_together(bool *all, const char *run)
{
    char *shared_folder;
    pyr_status status;

    PYR_TRY(pyr_path_new(&shared_folder, run, PYR_RUN_SHARED));
    status = pyr_level_has_state(all, shared_folder);
    if (status == PYR_OK && !*all)
        status = pyr_file_exists_in(all, run, PYR_RUN_COMMIT);
    pyr_free(shared_folder);
    return status;
}

enum { NO_LOCKS = -1 };

/* Which levels have begun: those with a state, and those that another process works on, whose first
 * checkpoint is still to come. `own` is the one whose lock this process holds; NO_LOCKS: only states
 * count. */
static pyr_status has_begun_level(bool *begun, const char *run, int level, bool all, int own)
{
    char *folder = NULL, *lock = NULL;
    pyr_status status;

    PYR_TRY_OUT(pyr_run_level(&folder, run, level));
    PYR_TRY_OUT(pyr_path_new(&lock, folder, "lock"));
    PYR_TRY_OUT(pyr_level_has_state(begun, folder));
    if (!*begun && all)
        PYR_TRY_OUT(pyr_folder_exists(begun, folder));
    if (!*begun && own != NO_LOCKS && level != own)
        status = pyr_is_locked(begun, lock);
out:
    pyr_free(lock);
    pyr_free(folder);
    return status;
}

static pyr_status count_begun(const char *run, int own, bool at[PYR_MAX_LEVELS], int *n)
{
    bool all;

    *n = 0;
    PYR_TRY(began_together(&all, run));
    for (int i = 0; i < PYR_MAX_LEVELS; i++) {
        PYR_TRY(has_begun_level(&at[i], run, i, all, own));
        *n += at[i];
    }
    return PYR_OK;
}

static pyr_status differs(const char *run, const pyr_text *text)
{
    pyr_text whole = {0};
    pyr_status status;

    pyr_shown_add(&whole, "the configuration differs from that of %s (%s/pyrdiff.cfg -> now):\n", run, run);
    pyr_text_add(&whole, "%s", text->at ? text->at : "");
    pyr_shown_add(
        &whole,
        "go on with the old values, or begin anew with --outdir OTHER (--transfer %s takes its weights "
        "along)",
        run);
    status = whole.failed
                 ? pyr_fail(PYR_E_NOMEM, "out of memory: what differs from the configuration of %s", run)
                 : pyr_fail_lines(PYR_E_CONFIG, whole.at);
    pyr_text_free(&whole);
    return status;
}

/* What all levels share, and what `level` has if it has begun, is as in the manifest of the run, `old`. */
static pyr_status compare(const char *run, const pyr_settings *old, const pyr_settings *settings, int level,
                          bool begun)
{
    pyr_text text = {0};
    pyr_status status = PYR_OK;

    if (pyr_settings_compare(old, settings, 0, matters_to_all, NULL, &text) ||
        (begun && pyr_settings_compare_level(old, settings, level, matters_to_level,
                                             &(level_now){settings, level}, &text)))
        status = differs(run, &text);
    pyr_text_free(&text);
    return status;
}

/* The manifest of a run of which some levels have begun, for training `level`. */
static pyr_status merge(const char *run, const pyr_settings *settings, int level, const bool *has_begun)
{
    pyr_status status = PYR_OK;
    pyr_settings *old = NULL;
    pyr_pyramid_settings pyramid;

    pyr_settings_fill(settings, "pyramid", -1, &pyramid);
    PYR_TRY(pyr_run_settings(&old, run));
    PYR_TRY_OUT(compare(run, old, settings, level, has_begun[level]));
    if (has_begun[level])
        goto out;
    PYR_TRY_OUT(pyr_settings_copy_level(old, settings, level));
    PYR_TRY_OUT(write_manifest(run, old, pyramid.levels));
out:
    pyr_settings_free(old);
    return status;
}

pyr_status pyr_run_keep_defaults(pyr_config *config, const char *run, const pyr_settings *settings)
{
    bool has_begun[PYR_MAX_LEVELS] = {false}, there;
    pyr_settings *old = NULL;
    pyr_status status;
    int n = 0;

    PYR_TRY(pyr_run_exists(&there, run));
    if (there)
        PYR_TRY(count_begun(run, NO_LOCKS, has_begun, &n));
    if (n == 0)
        return PYR_OK;
    status = pyr_run_settings(&old, run);
    for (int i = 0; i < config->pyramid.levels && status == PYR_OK; i++) {
        pyr_level_settings then;

        if (!has_begun[i] || !is_default(settings, i, late_default))
            continue;
        pyr_settings_fill(old, "level", i, &then);
        config->level[i].groups = then.groups;
    }
    pyr_settings_free(old);
    return status;
}

pyr_status pyr_run_check(const char *run, const pyr_settings *settings, int level)
{
    bool has_begun[PYR_MAX_LEVELS] = {false};
    pyr_pyramid_settings pyramid;
    pyr_settings *old = NULL;
    pyr_status status;
    bool there;
    int n;

    PYR_TRY(pyr_run_exists(&there, run));
    if (!there)
        return PYR_OK;
    PYR_TRY(count_begun(run, NO_LOCKS, has_begun, &n));
    if (n == 0)
        return PYR_OK;
    pyr_settings_fill(settings, "pyramid", -1, &pyramid);
    PYR_TRY(pyr_run_settings(&old, run));
    status = PYR_OK;
    for (int i = pyramid.levels - 1; i >= 0 && status == PYR_OK; i--)
        if (level < 0 || i == level)
            status = compare(run, old, settings, i, has_begun[i]);
    pyr_settings_free(old);
    return status;
}

/* ---- the data ---------------------------------------------------------------------------------- */

/* Facts of a level that is kept: of its state, or of its network, when it has only that: the levels of a
 * cascade, or copied from elsewhere. A level that is to be trained and has no state begins anew, whatever
 * network is there. */
static pyr_status kept_facts(bool *kept, pyr_level_facts *facts, const char *folder, bool to_train)
{
    PYR_TRY(pyr_level_has_state(kept, folder));
    if (*kept)
        return pyr_level_peek(folder, facts, NULL, NULL);
    if (to_train)
        return PYR_OK;
    PYR_TRY(pyr_file_exists_in(kept, folder, "unet/config.json"));
    return *kept ? pyr_level_unet_facts(folder, facts) : PYR_OK;
}

static pyr_status other_data(const char *run, int level, uint64_t then, const char *data, uint64_t now)
{
    pyr_data_config config = {.set.path = ""};
    pyr_settings *old = NULL;
    bool elsewhere, there;
    pyr_status status;

    if (pyr_run_exists(&there, run) == PYR_OK && there && pyr_run_settings(&old, run) == PYR_OK)
        pyr_settings_fill(old, "data", -1, &config);
    elsewhere = *config.set.path && strcmp(config.set.path, data) != 0;
    status = pyr_fail(
        PYR_E_CONFIG,
        "level %d of %s was trained on other data: fingerprint %016" PRIx64 ", that of %s is %016" PRIx64
        " now (images, labels or their split are not the same); train in another --outdir (--transfer %s "
        "takes the weights along), or go on with the data of before%s%s%s",
        level, run, then, data, now, run, elsewhere ? " (--data " : "", elsewhere ? config.set.path : "",
        elsewhere ? ")" : "");
    pyr_settings_free(old);
    return status;
}

pyr_status pyr_run_same_data(const char *run, int levels, int level, const char *data, uint64_t fingerprint,
                             bool kept[PYR_MAX_LEVELS])
{
    bool together;

    PYR_TRY(began_together(&together, run));
    for (int i = 0; i < levels; i++) {
        char *folder;
        pyr_level_facts facts;
        bool trains = (level < 0 || i == level) && !together;
        pyr_status status;

        PYR_TRY(pyr_run_level(&folder, run, i));
        status = kept_facts(&kept[i], &facts, folder, trains);
        pyr_free(folder);
        PYR_TRY(status);
        if (kept[i] && facts.data != fingerprint)
            return other_data(run, i, facts.data, data, fingerprint);
    }
    return PYR_OK;
}

static pyr_status lock_level(int *lock, const char *run, int level)
{
    char *folder = NULL, *path = NULL;
    pyr_status status;

    PYR_TRY_OUT(pyr_run_level(&folder, run, level));
    PYR_TRY_OUT(pyr_path_new(&path, folder, "lock"));
    PYR_TRY_OUT(pyr_open_output_folder(folder));
    status = pyr_lock(lock, path);
    if (status == PYR_E_BUSY)
        pyr_fail_prefix(status, "level %d of %s is being trained already", level, run);
out:
    pyr_free(folder);
    pyr_free(path);
    return status;
}

/* All that concerns locks happens while the run's lock is held, so that asking whether a level is locked
 * does not get in the way of a process that is about to lock it. */
pyr_status pyr_run_begin(int *level_lock, const char *run, const pyr_settings *settings, int level)
{
    pyr_status status;
    char *path;
    bool has_begun[PYR_MAX_LEVELS] = {false};
    pyr_pyramid_settings pyramid;
    int lock = -1, n;
    bool there;

    *level_lock = -1;
    PYR_TRY(pyr_path_new(&path, run, "lock"));
    pyr_settings_fill(settings, "pyramid", -1, &pyramid);
    status = pyr_open_output_folder(run);
    if (status == PYR_E_IO)
        pyr_fail(status, "%s; choose another place with --outdir", pyr_error());
    PYR_TRY_OUT(status);
    PYR_TRY_OUT(pyr_lock_wait(&lock, path));
    PYR_TRY_OUT(lock_level(level_lock, run, level));
    PYR_TRY_OUT(count_begun(run, level, has_begun, &n));
    PYR_TRY_OUT(pyr_run_exists(&there, run));
    if (!there || n == 0)
        PYR_TRY_OUT(write_manifest(run, settings, pyramid.levels));
    else
        PYR_TRY_OUT(merge(run, settings, level, has_begun));
out:
    if (status != PYR_OK) {
        pyr_unlock(*level_lock);
        *level_lock = -1;
    }
    pyr_unlock(lock);
    pyr_free(path);
    return status;
}
