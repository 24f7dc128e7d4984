/* level_log.c - lines of log.jsonl: opened for more, written, synced. */
#include "training/level_log.h"

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include <errno.h>
#include <math.h>
#include <string.h>

static pyr_status keep_lines(pyr_text *kept, const char *path, int64_t step)
{
    char *old = NULL;
    size_t size;

    PYR_TRY(pyr_file_read(&old, &size, path, UINT64_C(1) << 32));
    for (char *line = old, *end; (end = strchr(line, '\n')); line = end + 1) {
        long long at;

        if (sscanf(line, "{\"step\": %lld", &at) == 1 && at <= step)
            pyr_text_add_bytes(kept, line, (size_t)(end + 1 - line));
    }
    pyr_free(old);
    return kept->failed ? pyr_fail(PYR_E_NOMEM, "out of memory for the log") : PYR_OK;
}

pyr_status pyr_level_log_open(FILE **out, const char *folder, int64_t step)
{
    pyr_status status;
    char *path;
    pyr_text kept = {0};
    bool there;

    *out = NULL;
    PYR_TRY(pyr_path_new(&path, folder, "log.jsonl"));
    PYR_TRY_OUT(pyr_file_exists(&there, path));
    if (step > 0 && there)
        PYR_TRY_OUT(keep_lines(&kept, path, step));
    PYR_TRY_OUT(pyr_file_replace(path, kept.length ? kept.at : "", kept.length));
    *out = fopen(path, "ab");
    if (!*out)
        status = pyr_fail(PYR_E_IO, "%s cannot be opened: %s", path, strerror(errno));
out:
    pyr_free(path);
    pyr_text_free(&kept);
    return status;
}

static void put_held_out(pyr_json *json, const pyr_held_out *held_out)
{
    pyr_json_real(json, "held_out", held_out->ema);
    pyr_json_real(json, "held_out_raw", held_out->raw);
    pyr_json_int(json, "held_out_images", held_out->images);
    pyr_json_open(json, "held_out_bins", '[');
    for (int b = 0; b < PYR_NOISE_BINS; b++)
        pyr_json_real(json, NULL, held_out->bin[b]);
    pyr_json_close(json, ']');
    pyr_json_open(json, "bin_sigma", '[');
    for (int b = 0; b < PYR_NOISE_BINS; b++)
        pyr_json_real(json, NULL, held_out->bin_sigma[b]);
    pyr_json_close(json, ']');
}

pyr_status pyr_level_log_write(FILE *log, const char *folder, const pyr_level_report *report, int batch,
                               int64_t count)
{
    const pyr_train_report *train = &report->train;
    pyr_json json = {0};
    pyr_status status = PYR_OK;

    pyr_json_open(&json, NULL, '{');
    pyr_json_int(&json, "step", train->step);
    pyr_json_int(&json, "images", train->step * batch);
    pyr_json_real(&json, "epochs", (double)(train->step * batch) / (double)count);
    pyr_json_real(&json, "loss", train->loss);
    pyr_json_real(&json, "grad_norm", train->grad_norm);
    pyr_json_real(&json, "lr", train->learning_rate);
    pyr_json_int(&json, "skipped", train->skipped);
    pyr_json_real(&json, "seconds", train->seconds);
    pyr_json_real(&json, "images_per_s", train->images_per_s);
    if (isfinite(report->mfu))
        pyr_json_real(&json, "mfu", report->mfu);
    if (report->held_out.images)
        put_held_out(&json, &report->held_out);
    pyr_json_close(&json, '}');
    if (json.text.failed)
        status = pyr_fail(PYR_E_NOMEM, "out of memory: a line of the log");
    else if (fprintf(log, "%s\n", json.text.at) < 0 || fflush(log) != 0)
        status = pyr_fail(PYR_E_IO, "%s/log.jsonl cannot be written (is the disk full?)", folder);
    pyr_text_free(&json.text);
    return status;
}

pyr_status pyr_level_log_sync(FILE *log, const char *folder)
{
    if (!log || pyr_sync_file(fileno(log)))
        return PYR_OK;
    return pyr_fail(PYR_E_IO, "%s/log.jsonl cannot be written: %s", folder, strerror(errno));
}
