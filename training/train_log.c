/* train_log.c - the columns of a log.jsonl. */
#include "training/train_log.h"

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include <math.h>
#include <string.h>

static double number(const pyr_json_value *object, const char *key)
{
    const pyr_json_value *value = pyr_json_member(object, key);

    return pyr_json_number(value, NAN);
}

static void read_bins(pyr_loss_bins *bins, const pyr_json_value *line)
{
    const pyr_json_value *loss = pyr_json_member(line, "held_out_bins"), *item;
    const pyr_json_value *sigma = pyr_json_member(line, "bin_sigma");

    sigma = pyr_json_first(sigma);
    PYR_JSON_EACH(item, loss)
    {
        if (!sigma || bins->n == PYR_NOISE_BINS)
            break;
        bins->loss[bins->n] = pyr_json_number(item, NAN);
        bins->sigma[bins->n++] = pyr_json_number(sigma, NAN);
        sigma = pyr_json_next(sigma);
    }
}

/* false: not a line of a log. */
static bool read_line(pyr_train_log *log, const pyr_json_value *line)
{
    double images = number(line, "images"), epochs = number(line, "epochs"),
           seconds = number(line, "seconds"), ema = number(line, "held_out"), mfu = number(line, "mfu");

    if (isnan(images) || !pyr_json_member(line, "loss"))
        return false;
    log->images[log->n] = images;
    log->epochs[log->n] = epochs;
    log->seconds[log->n] = seconds;
    if (!isnan(mfu))
        log->mfu = mfu;
    log->loss[log->n++] = number(line, "loss");
    if (isnan(ema))
        return true;
    log->held_out_images[log->n_held_out] = images;
    log->held_out_epochs[log->n_held_out] = epochs;
    log->held_out_seconds[log->n_held_out] = seconds;
    log->ema[log->n_held_out] = ema;
    log->raw[log->n_held_out] = number(line, "held_out_raw");
    read_bins(&log->bins[log->n_held_out++], line);
    return true;
}

static pyr_status make_room(pyr_train_log *log, size_t lines)
{
    double **const column[] = {
        &log->images,          &log->epochs,           &log->seconds, &log->loss, &log->held_out_images,
        &log->held_out_epochs, &log->held_out_seconds, &log->ema,     &log->raw};

    for (size_t i = 0; i < sizeof column / sizeof *column; i++)
        PYR_TRY(pyr_new(column[i], lines, sizeof **column[i], "a log"));
    return pyr_new(&log->bins, lines, sizeof *log->bins, "a log");
}

pyr_status pyr_train_log_read(pyr_train_log *out, const char *path)
{
    char *text = NULL, *end;
    size_t size, lines = 1;
    pyr_status status;

    *out = (pyr_train_log){.mfu = NAN};
    PYR_TRY(pyr_file_read(&text, &size, path, UINT64_C(1) << 32));
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    PYR_TRY_OUT(make_room(out, lines));
    for (char *line = text; (end = memchr(line, '\n', (size_t)(text + size - line))); line = end + 1) {
        pyr_json_value *json = NULL;

        status = pyr_json_parse(&json, line, (size_t)(end - line), path);
        if (status == PYR_E_NOMEM)
            goto out;
        if (status != PYR_OK || !pyr_json_is(json, PYR_JSON_OBJECT) || !read_line(out, json))
            out->damaged++;
        pyr_json_free(json);
    }
    status = PYR_OK;
out:
    if (status != PYR_OK)
        pyr_train_log_free(out);
    pyr_free(text);
    return status;
}

void pyr_train_log_free(pyr_train_log *log)
{
    pyr_free(log->images);
    pyr_free(log->epochs);
    pyr_free(log->seconds);
    pyr_free(log->loss);
    pyr_free(log->held_out_images);
    pyr_free(log->held_out_epochs);
    pyr_free(log->held_out_seconds);
    pyr_free(log->ema);
    pyr_free(log->raw);
    pyr_free(log->bins);
    *log = (pyr_train_log){0};
}
