/* cmd_info.c - pyrdiff info: describe a run, a model, codes, a data set, the settings, or the program; check a
 * model. Here: the options, and all but runs (info_run.c), models (info_model.c), pipelines (info_pipeline.c)
 * and data (info_data.c). */
#include "cli/info/info.h"

#include "base/text.h"
#include "base/version.h"
#include "cascade/run.h"
#include "cli/open_data.h"
#include "diffusers/pipeline.h"
#include "kernels/kernels.h"
#include "kernels/processor.h"
#include "pyramid/codes_file.h"
#include "terminal/output.h"
#include <string.h>

bool pyr_info_holds(const char *folder, const char *name)
{
    char *path = pyr_path_join(folder, name);
    bool there = path && pyr_is_file(path);

    pyr_free(path);
    return there;
}

int pyr_info_halved(int side, int level)
{
    while (level-- > 0)
        side = (side + 1) / 2;
    return side;
}

/* ---- the program ------------------------------------------------------------------------------ */

static pyr_status info_program(void)
{
#define WORD_AND_HELP(word, open, help) {word, help},
    static const struct {
        const char *word, *help;
    } backends[] = {PYR_BACKENDS(WORD_AND_HELP)};

    pyr_print("pyrdiff     %s (sources %s)\n", pyr_version(), pyr_version_sources());
    pyr_print("compiler    %s\n", pyr_compiler());
    pyr_print("libraries   %s\n", pyr_cpu_library());
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++) {
        const char *label = i ? "" : "backends";
        pyr_kernels *k;

        if (pyr_kernels_open(&k, backends[i].word, 1) != PYR_OK)
            pyr_print("%-12s%s\n", label, pyr_error());
        else if (strcmp(k->backend->name, backends[i].word) == 0)
            pyr_print("%-12s%s (%s)%s%s\n", label, backends[i].word, backends[i].help, k->device ? ": " : "",
                      k->device ? k->device : "");
        else
            pyr_print("%-12s%s (%s): %s\n", label, backends[i].word, backends[i].help, k->backend->name);
        pyr_kernels_free(k);
    }
    pyr_print("processors  %d, with %s\n", pyr_processors(), pyr_set_names[pyr_set_here()]);
    return PYR_OK;
}

/* ---- the settings ----------------------------------------------------------------------------- */

static pyr_status info_settings(bool markdown)
{
    pyr_text text = {0};

    pyr_settings_document(pyr_all_sections, markdown, &text);
    return pyr_print_text(&text, "the list of settings");
}

/* ---- which of them ---------------------------------------------------------------------------- */

static pyr_status info_codes(const char *path)
{
    pyr_codes codes;
    pyr_text text = {0};
    pyr_status status = pyr_codes_read(&codes, path);

    if (status == PYR_OK) {
        pyr_codes_describe(&codes, &text);
        pyr_print("%s: the codes of a picture, %s\n", path, text.at ? text.at : "");
    }
    pyr_text_free(&text);
    pyr_codes_free(&codes);
    return status;
}

static pyr_status info_path(const char *path)
{
    const char *name = pyr_base_name(path);
    bool folder = pyr_is_folder(path), run;

    PYR_TRY(pyr_run_exists(&run, path));
    if (run)
        return pyr_info_run(path);
    if (pyr_pipeline_exists(path))
        return pyr_info_pipeline(path);
    if (strcmp(name, PYR_CODES_NAME) == 0 || (folder && pyr_info_holds(path, PYR_CODES_NAME)))
        return info_codes(path);
    if (folder && !pyr_info_holds(path, "config.json") && !pyr_info_holds(path, "unet/config.json"))
        return pyr_fail(PYR_E_IO,
                        "%s is neither a run (with pyrdiff.cfg), a model (with config.json) nor codes of a "
                        "picture; if it holds images: pyrdiff info --data %s",
                        path, PYR_SHELL(path));
    return pyr_info_model(path);
}

typedef struct typed {
    const char *check, *list;
    bool settings, markdown;
    pyr_machine machine;
} typed;

static pyr_status run(void *at, pyr_parsed *parsed)
{
    const typed *t = at;
    bool data = pyr_option_given(parsed, "data"), checks = pyr_option_given(parsed, "check");

    for (size_t i = 0; i < parsed->n_typed && !data; i++) {
        const pyr_option *option = parsed->typed[i].option;

        if (!option || option->setting)
            return pyr_fail(PYR_E_ARG, "--%s is for --data, which is not given",
                            option ? option->name : "set");
    }
    if ((parsed->n_arguments > 0) + checks + data + t->settings + (*t->list != 0) > 1)
        return pyr_fail(
            PYR_E_ARG,
            "one of PATH, --check, --data, --settings and --list at a time (see pyrdiff info --help)");
    if (t->markdown && !t->settings && !*t->list)
        return pyr_fail(PYR_E_ARG, "--markdown is for --settings and --list, which are not given");
    if (*t->list)
        return pyr_info_list(t->list, t->markdown);
    if (t->settings)
        return info_settings(t->markdown);
    if (checks)
        return pyr_info_check(t->check, &t->machine);
    if (data)
        return pyr_info_data(parsed);
    return parsed->n_arguments ? info_path(parsed->arguments[0]) : info_program();
}

static const pyr_option options[] = {
    OPT_TEXT(typed, check, "check", "UNET_DIR", "",
             "run a UNet2DModel, and compare the result with the one in its io.safetensors if there is one"),
    OPT_FLAG(typed, settings, "settings",
             "list every setting of configurations and --set, with its default and bounds"),
    OPT_TEXT(
        typed, list, "list", "NAME", "",
        "list what there is to choose from: samplers, noise (families, schedules, weights, ...), formats "
        "of data, pictures, filters, metrics"),
    OPT_FLAG(typed, markdown, "markdown", "with --settings and --list: print Markdown tables"),
    OPT_SETTING("data", "PATH", "data.path", "describe a data set"),
    {.group = pyr_data_options},
    OPT_GROUP(typed, machine, pyr_machine_options),
    {0},
};

const pyr_command pyr_command_info = {
    .name = "info",
    .title = "describe a run, a model or a data set; check a model against a stored answer",
    .arguments = "[PATH]",
    .most = 1,
    .summary =
        "Describe what is at PATH: a run, a model (the folder of a UNet2DModel or of a pipeline, or its "
        ".safetensors), or the codes of a picture. Without PATH, describe this program. With --check the "
        "exit status is 1 if the model's result differs from the stored one.",
    .examples = "  pyrdiff info runs/fashion-mnist\n"
                "  pyrdiff info runs/fashion-mnist/level-0\n"
                "  pyrdiff info --check tests/golden/unet2d/ddpm_like --backend ref\n"
                "  pyrdiff info --data photos --skip-bad\n"
                "  pyrdiff info --data cifar10-32x32.zip\n"
                "  pyrdiff info --settings\n"
                "  pyrdiff info --list formats\n",
    .sections = PYR_SECTIONS(&pyr_data_section),
    .options = options,
    .size = sizeof(typed),
    .run = run,
};
