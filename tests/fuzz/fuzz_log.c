/* fuzz_log.c - a level's log.jsonl that is hostile: read, and drawn in a report; behind an 'O' opened for
 * more lines, as training does when it goes on. */
#include "base/file.h"
#include "report/report_internal.h"
#include "tests/fuzz/input.h"
#include "training/level_log.h"

static const fuzz_literal good[] = {
    FUZZ_TEXT(
        "{\"step\": 1, \"images\": 64, \"epochs\": 0.5, \"loss\": 1.5, \"grad_norm\": 2, \"seconds\": 1.25, "
        "\"held_out\": 1.25, \"held_out_raw\": 1.5, \"held_out_images\": 100, \"held_out_bins\": [1, null, "
        "3], \"bin_sigma\": [0.1, 1, 10]}\n{\"step\": 2, \"images\": 128, \"epochs\": 1, \"loss\": 1.25, "
        "\"seconds\": 2.5}\n"
        "{\"step\": 3, \"images\": 192, \"epochs\": 1.5, \"loss\": 1, \"seconds\": 3, \"held_out\": 1, "
        "\"held_out_bins\":"),
    FUZZ_TEXT("O{\"step\": 1, \"loss\": 1}\n{\"step\": 7, \"loss\": 1}\n{\"step\": 9")};
FUZZ_SEEDS(good)

static void go_on(const uint8_t *bytes, size_t n)
{
    FILE *log;
    char *text;
    size_t size, lines = 0;

    fuzz_file("log.jsonl", bytes, n);
    const char *path = fuzz_path("log.jsonl"); /* which is replaced */
    must(pyr_level_log_open(&log, fuzz_folder(), 5) == PYR_OK);
    fclose(log);
    must(pyr_file_read(&text, &size, path, n) == PYR_OK);
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    must(size == 0 || (lines && text[size - 1] == '\n')); /* whole lines */
    pyr_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static char name[] = "run";
    pyr_report_run run = {.folder = name, .name = name, .config.pyramid.levels = 1};
    const pyr_report report = {.n_runs = 1, .runs = &run};
    pyr_text page = {0};
    const char *path;

    if (n && *bytes == 'O') {
        go_on(bytes + 1, n - 1);
        must(pyr_mem().live_blocks == 0);
        return 0;
    }
    path = fuzz_file("in.jsonl", bytes, n);
    run.settings = (pyr_settings *)name; /* only whether there are any is looked at */
    must(pyr_train_log_read(&run.log[0], path) == PYR_OK);
    must(run.log[0].n_held_out <= run.log[0].n);
    pyr_report_losses(&page, &report);
    must(!page.failed && !strstr(page.at, "nan\""));
    pyr_text_free(&page);
    pyr_train_log_free(&run.log[0]);
    must(pyr_mem().live_blocks == 0);
    return 0;
}
