/* level_file.c - the files of a level: weights with facts, the state of its training. */
#include "levels/level_file.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "network/unet_file.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char state_name[] = "state.safetensors", next_name[] = "state-next.safetensors",
                  choices_key[] = "pyrdiff_choices", checkpoint_key[] = "pyrdiff_checkpoint",
                  lengths_key[] = "pyrdiff_ema_lengths";

static pyr_status without_state(pyr_status why, const char *folder);
static pyr_status without_weights(pyr_status why, const char *folder);

enum { COUNTERS = 14, FIRST_COUNTERS = 8 /* of states that older programs wrote */ };

/* The counters of a run as one I64 tensor; seconds in milliseconds. */
static void pack_counters(int64_t c[COUNTERS], const pyr_progress *p)
{
    c[0] = p->train.step;
    c[1] = p->train.skipped;
    c[2] = llround(p->train.seconds * 1000);
    c[3] = p->steps;
    memcpy(&c[4], &p->seed, sizeof c[4]);
    c[5] = p->last.step;
    c[6] = p->last.applied;
    c[7] = p->bf16;
    c[8] = p->planned;
    c[9] = p->bend.step;
    memcpy(&c[10], &p->bend.done, sizeof c[10]);
    c[11] = p->frozen;
    memcpy(&c[12], p->flat, sizeof p->flat);
}

static void unpack_counters(pyr_progress *p, const int64_t c[COUNTERS])
{
    *p = (pyr_progress){.train = {.step = c[0], .skipped = c[1], .seconds = (double)c[2] / 1000},
                        .steps = c[3],
                        .planned = c[8] ? c[8] : c[3],
                        .bend = {.step = c[9]},
                        .frozen = c[11] == 1,
                        .last = {.step = (uint32_t)c[5], .applied = (uint32_t)c[6]},
                        .bf16 = c[7] == 1};
    memcpy(&p->seed, &c[4], sizeof p->seed);
    memcpy(&p->bend.done, &c[10], sizeof c[10]);
    memcpy(p->flat, &c[12], sizeof p->flat);
}

pyr_precision pyr_precision_to_resume(const pyr_kernels *k, const pyr_progress *progress)
{
    if (progress->bf16 == (k->precision == PYR_PRECISION_BF16) || !k->auto_precision ||
        (progress->bf16 && !k->has_bf16))
        return k->precision;
    return progress->bf16 ? PYR_PRECISION_BF16 : PYR_PRECISION_FULL;
}

/* A name for the layout of the blocks, so that a state is never read into another network. */
static uint64_t layout_of(const pyr_params *params)
{
    uint64_t hash = PYR_HASH_START;

    for (int i = 0; i < params->n; i++) {
        const pyr_param *p = &params->at[i];

        hash = pyr_hash(hash, p->name, strlen(p->name));
        hash = pyr_hash(hash, p->dims, sizeof p->dims[0] * (size_t)p->rank);
        hash = pyr_hash(hash, &p->offset, sizeof p->offset);
    }
    return hash;
}

/* The averages come behind the others, as many as the optimizer has. */
static const char *const block_names[] = {"value",     "adam_m",    "adam_v",    "ema",
                                          "average_0", "average_1", "average_2", "average_3"};
enum { FIRST_AVERAGE = 4, BLOCKS = FIRST_AVERAGE + PYR_MOST_POWERS };
_Static_assert(sizeof block_names / sizeof *block_names == BLOCKS, "each block has a name");

static int blocks_of(const pyr_optimizer *o)
{
    return FIRST_AVERAGE + o->powers;
}

static void *block_of(const pyr_optimizer *o, int i)
{
    void *blocks[FIRST_AVERAGE] = {o->value, o->m, o->v, o->ema};

    return i < FIRST_AVERAGE ? blocks[i] : o->average[i - FIRST_AVERAGE];
}

enum { LENGTHS_ROOM = PYR_MOST_POWERS * 32 };

/* "0.05 0.1": lengths of the averages in their order, told apart to the last bit. */
static void write_lengths(char out[LENGTHS_ROOM], const pyr_optimizer *o)
{
    size_t n = 0;

    *out = 0;
    for (int i = 0; i < o->powers; i++) {
        char number[32];

        snprintf(number, sizeof number, "%.15g", o->length[i]);
        if (strtod(number, NULL) != o->length[i])
            snprintf(number, sizeof number, "%.17g", o->length[i]);
        n += (size_t)snprintf(out + n, LENGTHS_ROOM - n, "%s%s", i ? " " : "", number);
    }
}

/* The blocks as they will stand in the file: where they lie, or copies in `owned`, which the caller frees. */
static pyr_status download_blocks(const void *host[BLOCKS], void *owned[BLOCKS], const pyr_optimizer *o)
{
    pyr_kernels *k = o->k;
    size_t bytes = o->count * pyr_type_size(k->real);

    for (int i = 0; i < blocks_of(o); i++) {
        host[i] = block_of(o, i);
        if (k->backend->host_memory)
            continue;
        PYR_TRY(pyr_new(&owned[i], bytes, 1, "state to save"));
        pyr_download(k, owned[i], block_of(o, i), bytes);
        host[i] = owned[i];
    }
    return pyr_sync(k);
}

pyr_status pyr_level_check_finite(const pyr_optimizer *o, int level)
{
    const void *host[BLOCKS] = {NULL};
    void *owned[BLOCKS] = {NULL};
    pyr_status status = download_blocks(host, owned, o);

    for (int i = 0; i < blocks_of(o) && status == PYR_OK; i++)
        for (size_t j = 0; j < o->count && status == PYR_OK; j++)
            if (!isfinite(pyr_element(o->k->real, host[i], j)))
                status = pyr_fail(
                    PYR_E_NUMERIC,
                    "level %d: %s is not finite any more, so no checkpoint is written and the last one "
                    "stays good. A lower --lr or --clip 1 usually helps",
                    level, block_names[i]);
    for (int i = 0; i < BLOCKS; i++)
        pyr_free(owned[i]);
    return status;
}

static pyr_status save_state(const char *path, const pyr_level *level, const pyr_params *params,
                             const pyr_optimizer *o, const pyr_progress *progress, const void *const *host)
{
    pyr_status status = PYR_OK;
    size_t n_pairs;
    char layout[32], checkpoint[32], lengths[LENGTHS_ROOM];
    int64_t counters[COUNTERS];
    pyr_st_entry entries[BLOCKS + 1];
    pyr_st_pair pairs[PYR_FACT_PAIRS + 4];
    pyr_text text = {0}, choices = {0};
    size_t blocks = (size_t)blocks_of(o);

    for (size_t i = 0; i < blocks; i++)
        entries[i] = (pyr_st_entry){.name = block_names[i],
                                    .dtype = o->k->real == PYR_F64 ? PYR_ST_F64 : PYR_ST_F32,
                                    .rank = 1,
                                    .dims = {(int64_t)o->count},
                                    .data = host[i]};
    pack_counters(counters, progress);
    entries[blocks] = (pyr_st_entry){
        .name = "counters", .dtype = PYR_ST_I64, .rank = 1, .dims = {COUNTERS}, .data = counters};
    PYR_TRY_OUT(pyr_facts_write(&level->facts, pairs, &n_pairs, &text));
    snprintf(layout, sizeof layout, "%016llx", (unsigned long long)layout_of(params));
    pairs[n_pairs++] = (pyr_st_pair){"pyrdiff_layout", layout};
    PYR_TRY_OUT(pyr_tuning_write(o->k->tuning, &choices));
    pairs[n_pairs++] = (pyr_st_pair){choices_key, choices.at};
    snprintf(checkpoint, sizeof checkpoint, "%lld", (long long)progress->checkpoint);
    if (progress->checkpoint > 0)
        pairs[n_pairs++] = (pyr_st_pair){checkpoint_key, checkpoint};
    write_lengths(lengths, o);
    if (o->powers)
        pairs[n_pairs++] = (pyr_st_pair){lengths_key, lengths};
    PYR_TRY_OUT(pyr_safetensors_write(path, entries, blocks + 1, pairs, n_pairs));
out:
    pyr_text_free(&text);
    pyr_text_free(&choices);
    return status;
}

pyr_status pyr_level_save_unet(const char *folder, const pyr_level *level, const pyr_params *params,
                               pyr_kernels *k, const void *ema)
{
    pyr_status status;
    char *unet;
    pyr_st_pair pairs[PYR_FACT_PAIRS + PYR_CLASS_PAIRS];
    size_t n_pairs, more = 0;
    pyr_text text = {0}, counts = {0}, names = {0};

    PYR_TRY(pyr_path_new(&unet, folder, "unet"));
    PYR_TRY_OUT(pyr_facts_write(&level->facts, pairs, &n_pairs, &text));
    if (level->classes && level->facts.classes)
        PYR_TRY_OUT(pyr_class_list_write(level->classes, pairs + n_pairs, &more, &counts, &names));
    n_pairs += more;
    PYR_TRY_OUT(pyr_unet_save(unet, &level->unet, params, k, ema, pairs, n_pairs));
out:
    pyr_free(unet);
    pyr_text_free(&text);
    pyr_text_free(&counts);
    pyr_text_free(&names);
    return status;
}

pyr_status pyr_level_save_state(const char *folder, bool next, const pyr_level *level,
                                const pyr_params *params, const pyr_optimizer *optimizer,
                                const pyr_progress *progress)
{
    pyr_status status;
    char *state;
    const void *host[BLOCKS] = {NULL};
    void *owned[BLOCKS] = {NULL};

    PYR_TRY(pyr_path_new(&state, folder, next ? next_name : state_name));
    PYR_TRY_OUT(download_blocks(host, owned, optimizer));
    PYR_TRY_OUT(save_state(state, level, params, optimizer, progress, host));
out:
    for (int i = 0; i < BLOCKS; i++)
        pyr_free(owned[i]);
    pyr_free(state);
    return status;
}

pyr_status pyr_level_take_next(const char *folder)
{
    char *next = NULL, *state = NULL;
    pyr_status status;
    bool there;

    PYR_TRY_OUT(pyr_path_new(&next, folder, next_name));
    PYR_TRY_OUT(pyr_path_new(&state, folder, state_name));
    PYR_TRY_OUT(pyr_file_exists(&there, next));
    if (there)
        status = pyr_file_rename(state, next);
out:
    pyr_free(next);
    pyr_free(state);
    return status;
}

pyr_status pyr_level_drop_next(const char *folder)
{
    char *next;
    pyr_status status;

    PYR_TRY(pyr_path_new(&next, folder, next_name));
    status = pyr_file_remove(next);
    pyr_free(next);
    return status;
}

pyr_status pyr_level_has_state(bool *there, const char *folder)
{
    return pyr_file_exists_in(there, folder, state_name);
}

pyr_status pyr_level_has_next(bool *there, const char *folder)
{
    return pyr_file_exists_in(there, folder, next_name);
}

/* ---- reading a state: its head ----------------------------------------------------------------- */

/* Whether counters of 64 bits are such as a training leaves, one against the other. A checksum shows that too,
 * but files of older programs have none. */
static bool counters_fit(const int64_t c[COUNTERS])
{
    const int64_t most = UINT32_MAX, /* steps are counted in 32 bits (pyr_steps_of_images) */
        step = c[0], skipped = c[1], steps = c[3], planned = c[8] ? c[8] : steps, bend = c[9];
    const int64_t most_milliseconds = INT64_C(10000000000000); /* 300 years */
    double done, flat[2];

    memcpy(&done, &c[10], sizeof done);
    memcpy(flat, &c[12], sizeof flat);
    return steps >= 1 && steps <= most && step >= 0 && step <= steps && skipped >= 0 && skipped <= step &&
           c[2] >= 0 && c[2] <= most_milliseconds && planned >= 1 && planned <= steps &&
           /* the optimizer took each step, and applied those that were not skipped */
           c[5] == step && c[6] == step - skipped && (c[7] == 0 || c[7] == 1) && (c[11] == 0 || c[11] == 1) &&
           /* only levels that were frozen change the number of steps, and they bend the course */
           bend >= 0 && bend <= step && done >= 0 && done < 1 &&
           (bend > 0 || (done == 0 && steps == planned)) && !(flat[0] < 0) &&
           !(flat[1] < 0); /* losses; a loss that was no number is none */
}

/* "12" */
static int64_t read_checkpoint(const pyr_safetensors *file)
{
    const char *text = pyr_safetensors_metadata(file, checkpoint_key);
    int64_t step;

    return text && pyr_parse_count(text, &step) && step > 0 ? step : 0;
}

static pyr_status read_head(const pyr_safetensors *file, const char *path, pyr_level_facts *facts,
                            pyr_progress *progress)
{
    const pyr_st_tensor *t = pyr_safetensors_find(file, "counters");
    int64_t counters[COUNTERS] = {0};
    pyr_level_facts unused;

    if (!t)
        return pyr_fail(PYR_E_FORMAT, "%s: not a training state (no counters)", path);
    PYR_TRY(
        pyr_safetensors_read_i64(file, t, counters, t->count == FIRST_COUNTERS ? FIRST_COUNTERS : COUNTERS));
    if (!counters_fit(counters))
        return pyr_fail(PYR_E_FORMAT, "%s: the counters are damaged", path);
    if (progress) {
        unpack_counters(progress, counters);
        progress->checkpoint = read_checkpoint(file);
    }
    return pyr_facts_read(facts ? facts : &unused, file, path);
}

pyr_status pyr_level_choices(const char *folder, pyr_tuning *tuning)
{
    bool there;

    PYR_TRY(pyr_level_has_state(&there, folder));
    return there ? pyr_level_peek(folder, NULL, NULL, tuning) : PYR_OK;
}

static pyr_status peek(const char *folder, const char *name, bool whole, pyr_level_facts *facts,
                       pyr_progress *progress, pyr_tuning *tuning)
{
    pyr_status status;
    pyr_safetensors *file = NULL;
    const char *choices;
    char *path;

    PYR_TRY(pyr_path_new(&path, folder, name));
    PYR_TRY_OUT(whole ? pyr_safetensors_open(&file, path) : pyr_safetensors_open_head(&file, path));
    PYR_TRY_OUT(read_head(file, path, facts, progress));
    choices = pyr_safetensors_metadata(file, choices_key);
    if (choices && tuning)
        status = pyr_tuning_read(tuning, choices, strlen(choices));
out:
    pyr_safetensors_free(file);
    pyr_free(path);
    return status;
}

pyr_status pyr_level_peek(const char *folder, pyr_level_facts *facts, pyr_progress *progress,
                          pyr_tuning *tuning)
{
    return without_state(peek(folder, state_name, false, facts, progress, tuning), folder);
}

pyr_status pyr_level_peek_next(const char *folder, pyr_progress *progress)
{
    return peek(folder, next_name, true, NULL, progress, NULL);
}

pyr_status pyr_level_state_is_whole(bool *whole, const char *folder)
{
    pyr_status status;

    PYR_TRY(pyr_level_has_state(whole, folder));
    if (!*whole) {
        pyr_fail(PYR_E_IO, "%s/%s is missing", folder, state_name);
        return PYR_OK;
    }
    status = peek(folder, state_name, true, NULL, NULL, NULL);
    *whole = status == PYR_OK;
    return status == PYR_E_IO || status == PYR_E_NOMEM ? status : PYR_OK;
}

/* ---- what is left when one of the two is damaged ------------------------------------------------ */

/* The run that holds the level's folder; a new block, NULL when it is none or without memory. */
static char *run_of(const char *folder)
{
    const char *slash = strrchr(folder, '/');

    if (!slash || slash == folder || strncmp(slash + 1, "level-", 6) != 0)
        return NULL;
    return pyr_strfmt("%.*s", (int)(slash - folder), folder);
}

/* After the state could not be read: its sentence, and what to do when the weights are whole. */
static pyr_status without_state(pyr_status why, const char *folder)
{
    char *sentence, *run;
    bool whole = false;

    if (why != PYR_E_FORMAT)
        return why;
    sentence = pyr_strdup(pyr_error());
    run = run_of(folder);
    if (sentence && run && pyr_level_unet_is_whole(&whole, folder) == PYR_OK && whole)
        pyr_fail(why,
                 "%s; the weights in %s/unet are whole: they can be drawn from as before, and pyrdiff train "
                 "--outdir OTHER --transfer %s goes on from them",
                 sentence, folder, run);
    else if (sentence)
        pyr_error_set(sentence);
    pyr_free(sentence);
    pyr_free(run);
    return why;
}

/* The same after the weights could not be read. */
static pyr_status without_weights(pyr_status why, const char *folder)
{
    char *sentence, *run, *shared;
    bool whole = false;

    if (why != PYR_E_FORMAT)
        return why;
    sentence = pyr_strdup(pyr_error());
    run = run_of(folder);
    shared = run ? pyr_path_join(run, "shared") : NULL; /* of a cascade with one trunk */
    if (shared && (pyr_level_state_is_whole(&whole, folder) != PYR_OK || !whole) &&
        pyr_level_state_is_whole(&whole, shared) != PYR_OK)
        whole = false;
    if (sentence && run && whole)
        pyr_fail(
            why,
            "%s; the training state is whole: pyrdiff train --outdir %s writes the weights again from it",
            sentence, PYR_SHELL(run));
    else if (sentence)
        pyr_error_set(sentence);
    pyr_free(sentence);
    pyr_free(run);
    pyr_free(shared);
    return why;
}

/* ---- reading a state: all of it ---------------------------------------------------------------- */

static pyr_status read_block(const pyr_safetensors *file, const char *path, const char *name,
                             pyr_optimizer *o, void *block)
{
    const pyr_st_tensor *t = pyr_safetensors_find(file, name);
    double *host;
    pyr_status status;

    if (!t || t->rank != 1 || t->count != o->count)
        return pyr_fail(PYR_E_FORMAT, "%s: tensor %s should have %zu numbers", path, name, o->count);
    PYR_TRY(pyr_new(&host, o->count, sizeof *host, "state to restore"));
    status = pyr_safetensors_read_f64(file, t, host, o->count);
    for (size_t i = 0; i < o->count && status == PYR_OK; i++)
        if (!isfinite(host[i]))
            status = pyr_fail(PYR_E_FORMAT, "%s: %s[%zu] is not a finite number", path, name, i);
    if (status == PYR_OK)
        status = pyr_upload_reals(o->k, block, host, o->count);
    pyr_free(host);
    return status;
}

/* Whether the averages of the state are those of the optimizer. States that do not say their lengths have them. */
static pyr_status same_lengths(const pyr_safetensors *file, const char *path, const pyr_optimizer *o)
{
    const char *kept = pyr_safetensors_metadata(file, lengths_key);
    char now[LENGTHS_ROOM];

    write_lengths(now, o);
    if (!kept && pyr_safetensors_find(file, block_names[FIRST_AVERAGE]))
        return PYR_OK;
    kept = kept ? kept : "";
    if (strcmp(kept, now) == 0)
        return PYR_OK;
    return pyr_fail(PYR_E_CONFIG,
                    "%s: training was begun with level.ema_lengths = [%s], now it is [%s]; go on with the "
                    "lengths of before, or use another --outdir (--transfer takes the weights along)",
                    path, kept, now);
}

pyr_status pyr_level_restore(const char *folder, pyr_level_facts *facts, const pyr_params *params,
                             pyr_optimizer *o, pyr_progress *progress)
{
    pyr_status status;
    pyr_safetensors *file = NULL;
    char *path, layout[32];
    const char *stored;

    PYR_TRY(pyr_path_new(&path, folder, state_name));
    PYR_TRY_OUT(without_state(pyr_safetensors_open(&file, path), folder));
    PYR_TRY_OUT(without_state(read_head(file, path, facts, progress), folder));
    stored = pyr_safetensors_metadata(file, "pyrdiff_layout");
    snprintf(layout, sizeof layout, "%016llx", (unsigned long long)layout_of(params));
    if (!stored || strcmp(stored, layout) != 0)
        PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT, "%s: the state of another network than the one configured", path));
    PYR_TRY_OUT(same_lengths(file, path, o));
    for (int i = 0; i < blocks_of(o); i++)
        PYR_TRY_OUT(read_block(file, path, block_names[i], o, block_of(o, i)));
    pyr_upload(o->k, o->state, &progress->last, sizeof progress->last);
    PYR_TRY_OUT(pyr_sync(o->k));
out:
    pyr_safetensors_free(file);
    pyr_free(path);
    return status;
}

/* ---- the weights ------------------------------------------------------------------------------- */

/* config NULL: the facts alone, and of checksums only that of the head. */
static pyr_status open_unet(const char *folder, pyr_unet_files *files, pyr_unet_config *config,
                            pyr_level_facts *facts)
{
    pyr_status status;
    pyr_safetensors *file = NULL;
    char *unet;

    *files = (pyr_unet_files){0};
    PYR_TRY(pyr_path_new(&unet, folder, "unet"));
    PYR_TRY_OUT(pyr_unet_find(files, unet));
    if (config) {
        PYR_TRY_OUT(pyr_unet_verify(files));
        PYR_TRY_OUT(pyr_unet_config_read(config, files->config, NULL));
    }
    PYR_TRY_OUT(pyr_safetensors_open_head(&file, files->weights.at[0]));
    PYR_TRY_OUT(pyr_facts_read(facts, file, files->weights.at[0]));
out:
    pyr_safetensors_free(file);
    pyr_free(unet);
    if (status != PYR_OK)
        pyr_unet_files_free(files);
    return status;
}

pyr_status pyr_level_open_unet(const char *folder, pyr_unet_files *files, pyr_unet_config *config,
                               pyr_level_facts *facts)
{
    return without_weights(open_unet(folder, files, config, facts), folder);
}

pyr_status pyr_level_unet_facts(const char *folder, pyr_level_facts *facts)
{
    pyr_unet_files files;
    pyr_status status = without_weights(open_unet(folder, &files, NULL, facts), folder);

    pyr_unet_files_free(&files);
    return status;
}

pyr_status pyr_level_unet_is_whole(bool *whole, const char *folder)
{
    static const char *const names[] = {"unet/config.json", "unet/diffusion_pytorch_model.safetensors"};
    pyr_unet_files files;
    pyr_unet_config config;
    pyr_level_facts facts;
    pyr_status status;

    for (int i = 0; i < 2; i++) {
        PYR_TRY(pyr_file_exists_in(whole, folder, names[i]));
        if (!*whole) {
            pyr_fail(PYR_E_IO, "%s/%s is missing", folder, names[i]);
            return PYR_OK;
        }
    }
    status = open_unet(folder, &files, &config, &facts);
    pyr_unet_files_free(&files);
    *whole = status == PYR_OK;
    return status == PYR_E_IO || status == PYR_E_NOMEM ? status : PYR_OK;
}
