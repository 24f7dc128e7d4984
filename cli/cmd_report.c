/* cmd_report.c - pyrdiff report: one page on runs and comparisons. */
#include "report/report.h"

#include "base/file.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "terminal/output.h"
#include <stdio.h>

pyr_status pyr_command_report(int argc, char **argv)
{
    const char *out;
    char *path = NULL;
    pyr_text command = {0};
    pyr_parsed parsed;
    pyr_status status;
    const pyr_option table[] = {
        {.name = "out",
         .argument = "FILE",
         .type = PYR_SETTING_TEXT,
         .target = &out,
         .standard = "",
         .help = "where the page is written (default: report.html in the first RUN)"},
    };
    const pyr_options options = {
        .command = "report",
        .arguments = "RUN ...",
        .least = 1,
        .most = 1000,
        .summary =
            "Write one self-contained page of HTML on runs and comparisons: losses by level and noise "
            "level, samples, spectra of the data beside the noise, tables and curves of pyrdiff compare, "
            "configurations. RUN is a run, the folder of a comparison, or a folder of such folders; several "
            "stand side by side in the same plots.",
        .examples = "  pyrdiff report runs/fashion-mnist\n"
                    "  pyrdiff report runs/a runs/b --out both.html\n",
        .table = table,
        .n = sizeof table / sizeof *table,
    };

    PYR_TRY_OUT(pyr_options_parse(&parsed, &options, argc, argv));
    if (parsed.help) {
        status = pyr_print_help(&options);
        goto out;
    }
    path = *out ? pyr_strdup(out) : pyr_path_join(parsed.arguments[0], "report.html");
    pyr_command_text(&command, argc, argv);
    if (!path || command.failed) {
        status = pyr_fail(PYR_E_NOMEM, "out of memory for the name of a report");
        goto out;
    }
    PYR_TRY_OUT(pyr_report_write(
        path,
        &(pyr_report_job){.folders = parsed.arguments, .n = parsed.n_arguments, .command = command.at}));
    pyr_print("%s\n", path);
out:
    pyr_free(path);
    pyr_text_free(&command);
    pyr_parsed_free(&parsed);
    return status;
}
