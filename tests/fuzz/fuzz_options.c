/* fuzz_options.c - command lines that are hostile: one argument a line, the first one is the command. The table
 * of each command's options parses them, and the settings among them are applied; the command does not run. */
#include "cli/cli.h"
#include "tests/fuzz/input.h"

enum { MOST = 40 };

/* What is typed behind each command, one a line. */
static const char *const seeds[][2] = {
    {"analyze", "--data\nd\n--levels\n3\n--json\na.json"},
    {"train", "--config\na.cfg\n--duration\n10m\n--level=1\n--no-xflip\n--set\nlevel.lr=1e-3"},
    {"sample", "--network\nr\n--seeds\n0-7,9\n--steps\n18,12,8\n--set\nlevel.sampler.eta=0.5"},
    {"inpaint", "a.png\n--mask\nm.png\n--network\nr\n--repeats=3"},
    {"colorize", "a.png\n--network\nr\n--seeds\n0-3"},
    {"upscale", "a.png\n--network\nr\n--outdir\no"},
    {"vary", "a.png\n--network\nr\n--strength\n0.5"},
    {"interpolate", "a.png\nb.png\n--network\nr\n--frames\n8"},
    {"encode", "a.png\n--network\nr\n--backend\nref"},
    {"invert", "a.png\n--network\nr\n--operator\nblur\n--size\n2.5"},
    {"denoise", "a.png\n--network\nr\n--noise\n0.3\n--clean"},
    {"decompose", "a.png\n--levels\n3\n--filter\nhaar"},
    {"reconstruct", "codes\na.png"},
    {"info", "--data\nd\n--resize\n32x32"},
    {"ema", "--network\nr\n--outdir\no\n--length\n0.07"},
    {"export", "--network\nr\n--outdir\no\n--timesteps\n40"},
    {"report", "r\nq\n--out\na.html"},
    {"eval", "--network\nr\n--data\nd\n--metrics\nfrechet,kid\n--count\n1k"},
    {"likelihood", "--network\nr\n--data\nd"},
    {"compare", "--config\na.cfg\n--budget\n10m\n--seeds-train\n0-2"},
    {"bench", "--config\na.cfg\n--backend\nref"},
    {"toy", "langevin\n--outdir\no\n--seed\n3"},
    {"classifier", "--data\nd\n--out\nc.safetensors\n--lr\n1e-2"},
};

const uint8_t *fuzz_seed(size_t i, size_t *n)
{
    static char line[400];

    if (i >= sizeof seeds / sizeof *seeds)
        return NULL;
    *n = (size_t)snprintf(line, sizeof line, "%s\n%s", seeds[i][0], seeds[i][1]);
    must(*n < sizeof line);
    return (const uint8_t *)line;
}

static void parse(const pyr_command *command, int argc, char **argv)
{
    void *typed = calloc(1, command->size + 1);
    pyr_parsed parsed;
    pyr_status status = pyr_options_parse(&parsed, command, typed, argc, argv);
    pyr_settings *settings = NULL;
    pyr_text text = {0};

    must(status == PYR_OK || (status == PYR_E_ARG && *pyr_error()));
    if (status == PYR_OK && parsed.help) {
        pyr_options_help(command, &text);
        must(text.length > 0 && !text.failed);
        pyr_text_free(&text);
    } else if (status == PYR_OK && parsed.n_typed && command->sections) {
        must(pyr_settings_new(&settings, command->sections) == PYR_OK);
        status = pyr_options_apply(&parsed, settings);
        must(status == PYR_OK || (status == PYR_E_ARG && *pyr_error()) || status == PYR_E_CONFIG);
        pyr_settings_free(settings);
    }
    pyr_parsed_free(&parsed);
    free(typed);
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
    if (pyr_find_command(argv[0]))
        parse(pyr_find_command(argv[0]), argc, argv);
    check_text(argc, argv);
    free(lines);
    must(pyr_mem().live_blocks == 0);
    return 0;
}
