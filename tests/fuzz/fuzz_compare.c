/* fuzz_compare.c - a comparison's compare.json that is hostile: read, and put into a report; no text of it
 * gets into the page as a tag. */
#include "report/report_internal.h"
#include "tests/fuzz/input.h"

static const fuzz_literal good[] = {
    FUZZ_TEXT(
        "{\"data\":\"d\",\"budget\":\"10m\",\"config\":\"c\",\"command\":\"pyrdiff "
        "compare\",\"judged\":100,\"variants\":[{\"name\":\"separate\",\"seed\":0,\"fraction\":1,\"train_s\":600,\"train_flop\":1e12,\"held_out\":[0.5,0.25],\"metrics\":{\"frechet\":1.5,\"swd\":[1,2],\"kid\":1e-3}},{\"name\":\"separate\",\"seed\":1,\"train_s\":610,\"metrics\":{\"frechet\":1.75}},{\"name\":\"single\",\"seed\":0,\"train_s\":590,\"nfe\":36,\"metrics\":{\"frechet\":2}}],\"curve\":[{\"name\":\"separate\",\"fraction\":0.25,\"train_s\":150,\"metrics\":{\"frechet\":3}}]}"),
    FUZZ_TEXT("{\"variants\":[{\"name\":\"<b>&\\\"\",\"steps\":[1,2,3]}],\"curve\":{}}")};
FUZZ_SEEDS(good)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static char folder[] = "out";
    struct pyr_report_compare one = {.folder = folder};
    const pyr_report report = {.n_compares = 1, .compares = &one};
    const char *path = fuzz_file("compare.json", bytes, n);
    pyr_status status = pyr_compare_read(&one.figures, path);
    pyr_text page = {0};

    must(status == PYR_OK || strncmp(pyr_error(), path, strlen(path)) == 0);
    if (status == PYR_OK) {
        must(pyr_report_comparisons(&page, &report) == PYR_OK && !page.failed);
        must(!strstr(page.at, "<b>") && !strstr(page.at, "<script") && !strstr(page.at, "nan\""));
    }
    pyr_text_free(&page);
    pyr_compare_free(&one.figures);
    must(pyr_mem().live_blocks == 0);
    return 0;
}
