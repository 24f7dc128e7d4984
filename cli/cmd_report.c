/* cmd_report.c - pyrdiff report: one page on runs and comparisons. */
#include "report/report.h"

#include "cli/cli.h"
#include "terminal/output.h"

typedef struct typed {
    const char *out;
} typed;

static pyr_status run(void *at, pyr_parsed *parsed)
{
    const typed *t = at;
    char *path = NULL;
    pyr_text command = {0};
    pyr_status status;

    PYR_TRY_OUT(*t->out ? pyr_format(&path, "%s", t->out)
                        : pyr_path_new(&path, parsed->arguments[0], "report.html"));
    PYR_TRY_OUT(pyr_command_text(&command, parsed->argc, parsed->argv));
    PYR_TRY_OUT(pyr_report_write(
        path,
        &(pyr_report_job){.folders = parsed->arguments, .n = parsed->n_arguments, .command = command.at}));
    pyr_print("%s\n", path);
out:
    pyr_free(path);
    pyr_text_free(&command);
    return status;
}

static const pyr_option options[] = {
    OPT_TEXT(typed, out, "out", "FILE", "", "file of the page; without it, report.html in the first RUN"),
    {0},
};

const pyr_command pyr_command_report = {
    .name = "report",
    .title = "write a page about runs and comparisons: losses, samples, spectra, tables",
    .arguments = "RUN ...",
    .least = 1,
    .most = 1000,
    .summary =
        "Write one self-contained HTML page about runs and comparisons: losses by level and noise level, "
        "samples, spectra of the data and the noise, tables and curves of pyrdiff compare, configurations. "
        "RUN is a run, the folder of a comparison, or a folder of such folders; several are shown side by "
        "side in the same plots.",
    .examples = "  pyrdiff report runs/fashion-mnist\n"
                "  pyrdiff report runs/a runs/b --out both.html\n",
    .options = options,
    .size = sizeof(typed),
    .run = run,
};
