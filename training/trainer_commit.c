/* trainer_commit.c - the states of a cascade's levels change all at once, whenever the process or the power
 * ends.
 *
 * A checkpoint of step N writes the state of each level beside the old one (state-next.safetensors), then the
 * commit file, which says N; then each next state takes the place of the old one, and at last the commit file
 * goes. Each of these outlasts a power cut before the next one begins. A state carries the N of its
 * checkpoint. So a process finds one of these:
 *
 *     no commit file                  the states are of one checkpoint; next ones are of one that was not
 *                                     completed, and are dropped
 *     N, and each level has a state   the next ones of N are taken
 *     or a next one of N
 *     N, some have none of N, but     the commit file is of another checkpoint than the next ones
 *     all states are of one           (a disk lost its removal), or a next one is damaged: both are
 *                                     dropped
 *
 * Programs before this one wrote an empty commit file: then N is that of the newest next state. */
#include "base/atomic_file.h"
#include "base/file.h"
#include "base/mem.h"
#include "training/trainer_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

pyr_status pyr_trainer_commit(pyr_trainer *t, int64_t step)
{
    char text[32];

    for (int i = 0; i < t->n; i++) {
        pyr_train_level *l = &t->level[i];

        l->progress.checkpoint = step;
        PYR_TRY(pyr_sync(t->k));
        PYR_TRY(pyr_level_save_state(l->own->folder, true, &l->level, &l->block->params, &l->block->optimizer,
                                     &l->progress));
    }
    snprintf(text, sizeof text, "%lld\n", (long long)step);
    PYR_TRY(pyr_file_replace(t->job.commit, text, strlen(text)));
    for (int i = t->n - 1; i >= 0; i--)
        PYR_TRY(pyr_level_take_next(t->job.level[i].folder));
    return pyr_file_remove(t->job.commit);
}

/* ---- after a process or the power ended --------------------------------------------------------- */

enum { ANY = -1 }; /* a state of before, of a frozen level: it may be of any checkpoint after its last step */

/* The two states of a level: of which checkpoints; 0: there is none that could be taken. */
typedef struct found {
    int64_t state, next;
} found;

static int64_t checkpoint_of(const pyr_progress *p)
{
    return p->checkpoint ? p->checkpoint : p->frozen ? ANY : p->train.step;
}

static bool is_of(int64_t checkpoint, int64_t step)
{
    return checkpoint == step || checkpoint == ANY;
}

/* The checkpoint of a state that reading it gave `status`. A damaged one counts as none (0); its sentence is
 * kept in `why`. */
static pyr_status found_one(int64_t *checkpoint, pyr_status status, const pyr_progress *progress,
                            pyr_text *why)
{
    *checkpoint = status == PYR_OK ? checkpoint_of(progress) : 0;
    if (status != PYR_E_FORMAT)
        return status;
    pyr_text_add(why, "%s%s", why->length ? "; " : "", pyr_error());
    return PYR_OK;
}

static pyr_status look_at(found *f, const char *folder, pyr_text *why)
{
    pyr_progress progress;
    bool there;

    *f = (found){0};
    PYR_TRY(pyr_level_has_state(&there, folder));
    if (there)
        PYR_TRY(found_one(&f->state, pyr_level_peek(folder, NULL, &progress, NULL), &progress, why));
    PYR_TRY(pyr_level_has_next(&there, folder));
    if (there)
        PYR_TRY(found_one(&f->next, pyr_level_peek_next(folder, &progress), &progress, why));
    return PYR_OK;
}

/* The step in the commit file; 0: it has none. */
static pyr_status read_commit(int64_t *step, const char *path)
{
    char *text, *end;
    size_t size;

    PYR_TRY(pyr_file_read(&text, &size, path, 1 << 10));
    *step = strtoll(text, &end, 10);
    if (end == text || *end != '\n' || *step < 1)
        *step = 0;
    pyr_free(text);
    return PYR_OK;
}

static int64_t newest_next(const found *f, int levels)
{
    int64_t newest = 0;

    for (int i = 0; i < levels; i++)
        newest = f[i].next > newest ? f[i].next : newest;
    return newest;
}

/* Whether each level has a state or a next one of checkpoint `step`. */
static bool is_complete(const found *f, int levels, int64_t step)
{
    bool complete = step > 0;

    for (int i = 0; i < levels; i++)
        complete = complete && (is_of(f[i].next, step) || is_of(f[i].state, step));
    return complete;
}

/* Whether the states as they are go together: they are of one checkpoint (*step; 0: all are of frozen
 * levels). */
static bool go_together(const found *f, int levels, int64_t *step)
{
    bool same = true;

    *step = 0;
    for (int i = 0; i < levels; i++) {
        if (f[i].state > 0 && *step == 0)
            *step = f[i].state;
        same = same && f[i].state != 0 && (*step == 0 || is_of(f[i].state, *step));
    }
    return same;
}

static pyr_status drop_all(const pyr_trainer_job *job)
{
    for (int i = 0; i < job->levels; i++)
        PYR_TRY(pyr_level_drop_next(job->level[i].folder));
    return PYR_OK;
}

static pyr_status take_all(const pyr_trainer_job *job, const found *f, int64_t step)
{
    for (int i = job->levels - 1; i >= 0; i--)
        PYR_TRY(is_of(f[i].next, step) ? pyr_level_take_next(job->level[i].folder)
                                       : pyr_level_drop_next(job->level[i].folder));
    return pyr_file_remove(job->commit);
}

/* `any`: there are next states. */
static pyr_status drop_commit(const pyr_trainer_job *job, int64_t step, bool any, const char *why)
{
    PYR_TRY(pyr_file_remove(job->commit)); /* first: next states without it are dropped by anyone */
    PYR_TRY(drop_all(job));
    if (any)
        pyr_train_note(
            job,
            "the states beside those of step %lld are no whole checkpoint: they are dropped, and the cascade "
            "goes on from that step%s%.700s",
            (long long)step, *why ? ": " : "", why);
    return PYR_OK;
}

static pyr_status fail_apart(const pyr_trainer_job *job, const found *f, const char *why)
{
    pyr_text text = {0};
    pyr_status status;

    for (int i = job->levels - 1; i >= 0; i--)
        pyr_text_add(&text, "%slevel %d: %lld and %lld", text.length ? ", " : "", i,
                     (long long)(f[i].state > 0 ? f[i].state : 0),
                     (long long)(f[i].next > 0 ? f[i].next : 0));
    status = pyr_fail(PYR_E_FORMAT,
                      "the states of the levels are of no common checkpoint (steps of state.safetensors and "
                      "state-next.safetensors, 0 for none or a damaged one: %s); what the weights in unet/ "
                      "hold can be drawn from as before, and goes on in another --outdir with --transfer%s%s",
                      text.at ? text.at : "", *why ? ": " : "", why);
    pyr_text_free(&text);
    return status;
}

static pyr_status settle(const pyr_trainer_job *job, const found *f, int64_t step, const char *why)
{
    int levels = job->levels;
    int64_t newest = newest_next(f, levels), now;

    if (is_complete(f, levels, step))
        return take_all(job, f, step);
    if (step == 0 && is_complete(f, levels, newest))
        return take_all(job, f, newest);
    if (go_together(f, levels, &now))
        return drop_commit(job, now, newest != 0 || *why, why);
    if (is_complete(f, levels, newest)) /* the commit file itself is damaged */
        return take_all(job, f, newest);
    return fail_apart(job, f, why);
}

pyr_status pyr_trainer_recover(const pyr_trainer_job *job)
{
    found f[PYR_MAX_LEVELS];
    pyr_text why = {0};
    int64_t step;
    bool commit;
    pyr_status status;

    if (!job->cascade)
        return PYR_OK;
    PYR_TRY(pyr_file_exists(&commit, job->commit));
    if (!commit)
        return drop_all(job);
    PYR_TRY(read_commit(&step, job->commit));
    for (int i = 0; i < job->levels; i++)
        PYR_TRY_OUT(look_at(&f[i], job->level[i].folder, &why));
    status = settle(job, f, step, why.at ? why.at : "");
out:
    pyr_text_free(&why);
    return status;
}
