/* Command lines that mean harm: one argument a line, the first one is the command. The table of each
 * command's options parses them, and the settings among them are applied; the command itself does not run:
 * the linker puts __wrap_pyr_options_parse before it (Makefile). */
#include "cli/cli.h"
#include "tests/fuzz/input.h"

enum { MOST = 40 };

static const struct {
    const char *name;
    pyr_status (*run)(int argc, char **argv);
    const char *seed; /* what is typed behind it, one a line */
} commands[] = {
    {"analyze", pyr_command_analyze, "--data\nd\n--levels\n3\n--json\na.json"},
    {"train", pyr_command_train,
     "--config\na.cfg\n--duration\n10m\n--level=1\n--no-xflip\n--set\nlevel.lr=1e-3"},
    {"sample", pyr_command_sample,
     "--network\nr\n--seeds\n0-7,9\n--steps\n18,12,8\n--set\nlevel.sampler.eta=0.5"},
    {"inpaint", pyr_command_inpaint, "a.png\n--mask\nm.png\n--network\nr\n--repeats=3"},
    {"colorize", pyr_command_colorize, "a.png\n--network\nr\n--seeds\n0-3"},
    {"upscale", pyr_command_upscale, "a.png\n--network\nr\n--outdir\no"},
    {"vary", pyr_command_vary, "a.png\n--network\nr\n--strength\n0.5"},
    {"interpolate", pyr_command_interpolate, "a.png\nb.png\n--network\nr\n--frames\n8"},
    {"encode", pyr_command_encode, "a.png\n--network\nr\n--backend\nref"},
    {"invert", pyr_command_invert, "a.png\n--network\nr\n--operator\nblur\n--size\n2.5"},
    {"decompose", pyr_command_decompose, "a.png\n--levels\n3\n--filter\nhaar"},
    {"reconstruct", pyr_command_reconstruct, "codes\na.png"},
    {"info", pyr_command_info, "--data\nd\n--resize\n32x32"},
    {"export", pyr_command_export, "--network\nr\n--outdir\no\n--timesteps\n40"},
    {"report", pyr_command_report, "r\nq\n--out\na.html"},
    {"eval", pyr_command_eval, "--network\nr\n--data\nd\n--metrics\nfrechet,kid\n--count\n1k"},
    {"likelihood", pyr_command_likelihood, "--network\nr\n--data\nd"},
    {"compare", pyr_command_compare, "--config\na.cfg\n--budget\n10m\n--seeds-train\n0-2"},
    {"bench", pyr_command_bench, "--config\na.cfg\n--backend\nref"},
    {"toy", pyr_command_toy, "langevin\n--outdir\no\n--seed\n3"},
    {"classifier", pyr_command_classifier, "--data\nd\n--out\nc.safetensors\n--lr\n1e-2"},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

const uint8_t *fuzz_seed(size_t i, size_t *n)
{
    static char line[400];

    if (i >= COMMANDS)
        return NULL;
    *n = (size_t)snprintf(line, sizeof line, "%s\n%s", commands[i].name, commands[i].seed);
    must(*n < sizeof line);
    return (const uint8_t *)line;
}

pyr_status __real_pyr_options_parse(pyr_parsed *out, const pyr_options *options, int argc, char **argv);
pyr_status __wrap_pyr_options_parse(pyr_parsed *out, const pyr_options *options, int argc, char **argv);

/* Never PYR_OK: then the command would run. */
pyr_status __wrap_pyr_options_parse(pyr_parsed *out, const pyr_options *options, int argc, char **argv)
{
    pyr_status status = __real_pyr_options_parse(out, options, argc, argv);
    pyr_settings *settings = NULL;
    pyr_text text = {0};

    must(status == PYR_OK || (status == PYR_E_ARG && *pyr_error()));
    if (status != PYR_OK)
        return status;
    if (out->help) {
        pyr_options_help(options, &text);
        must(text.length > 0 && !text.failed);
        pyr_text_free(&text);
    } else if (out->n_typed && options->n_sections) {
        must(pyr_settings_new(&settings, options->sections, options->n_sections) == PYR_OK);
        status = pyr_options_apply(out, settings);
        must(status == PYR_OK || (status == PYR_E_ARG && *pyr_error()) || status == PYR_E_CONFIG);
        pyr_settings_free(settings);
    }
    return PYR_E_STOPPED;
}

/* As a shell takes it again: a word, or several of them, without a control character outside of quotes. */
static void check_text(int argc, char **argv)
{
    pyr_text text = {0};

    pyr_command_text(&text, argc, argv);
    must(!text.failed && strncmp(text.at, "pyrdiff", 7) == 0);
    pyr_text_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    char *lines = fuzz_text((fuzz_rest){bytes, n}), *argv[MOST + 1] = {NULL}, *rest = lines;
    int argc = 0;

    while (rest && argc < MOST) {
        argv[argc++] = rest;
        rest = strchr(rest, '\n');
        if (rest)
            *rest++ = '\0';
    }
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(argv[0], commands[i].name) == 0)
            must(commands[i].run(argc, argv) != PYR_OK);
    check_text(argc, argv);
    free(lines);
    must(pyr_mem().live_blocks == 0);
    return 0;
}
