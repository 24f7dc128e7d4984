/* test_options.c - options of commands, and the lists of numbers that people type. */
#include "base/mem.h"
#include "settings/parse.h"
#include "terminal/options.h"
#include "tests/check.h"

typedef struct train_settings {
    int64_t seed;
    bool xflip;
} train_settings;

typedef struct level_settings {
    double rate;
    int batch, filter;
} level_settings;

static const char *const filters[] = {"box", "haar", NULL};
static const pyr_setting train_rows[] = {
    {"seed", PYR_SETTING_COUNT, offsetof(train_settings, seed), 0, 0, "0", NULL, "seed of the run"},
    {"xflip", PYR_SETTING_BOOL, offsetof(train_settings, xflip), 0, 0, "true", NULL,
     "mirror half of the images"},
};
static const pyr_setting level_rows[] = {
    {"optim.rate", PYR_SETTING_REAL, offsetof(level_settings, rate), 0, 1, "1e-3", NULL, "learning rate"},
    {"batch", PYR_SETTING_INT, offsetof(level_settings, batch), 1, 65536, "64", NULL, "images per step"},
    {"filter", PYR_SETTING_CHOICE, offsetof(level_settings, filter), 0, 0, "box", filters, "blur"},
};
static const pyr_section train_section = {"train", train_rows, 2, false, NULL};
static const pyr_section level_section = {"level", level_rows, 3, true, NULL};
static const pyr_section *const sections[] = {&train_section, &level_section, NULL};

/* What a command keeps for itself, a part of it in a group that several commands have. */
typedef struct limits {
    int64_t budget;
    double guidance;
} limits;

typedef struct targets {
    const char *outdir, *network, *sampler;
    int images;
    limits limits;
    bool dry_run, grid;
    pyr_ints steps;
} targets;

static const char *const samplers[] = {"heun", "euler", NULL};
static const pyr_option limit_options[] = {
    OPT_COUNT(limits, budget, "budget", "N", "3k", 0, 0, "in images"),
    OPT_REAL(limits, guidance, "guidance", "G", "1", 0, 0, "strength"),
    {0},
};
static const pyr_option table[] = {
    OPT_TEXT(targets, outdir, "outdir", "DIR", "runs", "where runs are written"),
    OPT_TEXT(targets, network, "network", "RUN", NULL, "what is sampled"),
    OPT_INT(targets, images, "images", "N", "64", 1, 1000, "how many"),
    OPT_GROUP(targets, limits, limit_options),
    OPT_FLAG(targets, dry_run, "dry-run", "only say what would be done"),
    OPT_ROW(targets, steps, pyr_ints, "steps", "N,N", PYR_SETTING_INTS, .standard = "18,12,8", .min = 1,
            .max = 1000,
            .help =
                "steps of each level, coarsest first, in a help text that is so long that it does not fit "
                "on one line of a terminal and has to be wrapped"),
    OPT_SETTING("seed", "N", "train.seed", NULL),
    OPT_SETTING("xflip", NULL, "train.xflip", NULL),
    OPT_SETTING("lr", "RATE", "level.optim.rate", "learning rate of every level"),
    OPT_SETTING("filter", "NAME", "level.filter", NULL),
    OPT_WORD(targets, sampler, "sampler", "NAME", "", samplers, "without it the run's"),
    OPT_SWITCH(targets, grid, "grid", "write a grid"),
    {0},
};
static const pyr_command command = {
    .name = "train",
    .arguments = "[IMAGE ...]",
    .most = 2,
    .summary = "Train one level of a pyramid, or all of them together with summed losses; a run that exists "
               "goes on where it ended.",
    .examples = "  pyrdiff train --level 2\n",
    .options = table,
    .size = sizeof(targets),
    .sections = sections,
};

/* A command line is a string, cut at blanks; `made` holds everything of one parse. */
typedef struct made {
    targets is;
    pyr_parsed parsed;
    char line[400], *argv[40];
    int argc;
} made;

static void cut_line(made *m, const char *line)
{
    snprintf(m->line, sizeof m->line, "%s", line);
    for (char *word = strtok(m->line, " "); word && m->argc < 40; word = strtok(NULL, " "))
        m->argv[m->argc++] = word;
}

static pyr_status parse(made *m, const char *line)
{
    memset(m, 0, sizeof *m);
    cut_line(m, line);
    return pyr_options_parse(&m->parsed, &command, &m->is, m->argc, m->argv);
}

/* Parse and set `settings`, which the caller frees. */
static pyr_status parse_and_apply(const char *line, const char *file, pyr_settings **settings)
{
    made m = {0};
    pyr_status status;

    PYR_TRY(pyr_settings_new(settings, sections));
    PYR_TRY_OUT(parse(&m, line));
    PYR_TRY_OUT(pyr_settings_read_text(*settings, file, "a.cfg"));
    PYR_TRY_OUT(pyr_options_apply(&m.parsed, *settings));
out:
    pyr_parsed_free(&m.parsed);
    return status;
}

#define REFUSED(line, sentence)                                                                              \
    do {                                                                                                     \
        made refused;                                                                                        \
        CHECK_FAILS(parse(&refused, line), PYR_E_ARG, sentence);                                             \
        if (!strstr(pyr_error(), "(see pyrdiff train --help)"))                                              \
            CHECK_REPORT("where to look is missing: %s", pyr_error());                                       \
        pyr_parsed_free(&refused.parsed);                                                                    \
    } while (0)

/* ---- parsing -------------------------------------------------------------------------------- */

static void standards(void)
{
    made m;

    CHECK_OK(parse(&m, "train"));
    CHECK_STRING(m.is.outdir, "runs");
    CHECK(m.is.network == NULL && m.is.images == 64 && m.is.limits.budget == 3000 &&
          m.is.limits.guidance == 1 && !m.is.dry_run && m.is.grid && !*m.is.sampler);
    CHECK(m.is.steps.n == 3 && m.is.steps.at[2] == 8);
    CHECK(m.parsed.n_arguments == 0 && !m.parsed.help && !pyr_option_given(&m.parsed, "outdir"));
    pyr_parsed_free(&m.parsed);
}

static void every_kind(void)
{
    made m;

    CHECK_OK(parse(&m,
                   "train --outdir a=b --network=x --images 7 in.png --budget=2ki --guidance -1.5 --dry-run "
                   "--steps 4,2 -- --not-an-option"));
    CHECK_STRING(m.is.outdir, "a=b");
    CHECK_STRING(m.is.network, "x");
    CHECK(m.is.images == 7 && m.is.limits.budget == 2048 && m.is.limits.guidance == -1.5 && m.is.dry_run);
    CHECK(m.is.steps.n == 2 && m.is.steps.at[0] == 4);
    CHECK(m.parsed.n_arguments == 2);
    CHECK_STRING(m.parsed.arguments[0], "in.png");
    CHECK_STRING(m.parsed.arguments[1], "--not-an-option");
    CHECK(pyr_option_given(&m.parsed, "dry-run") && !pyr_option_given(&m.parsed, "seed"));
    pyr_parsed_free(&m.parsed);
    CHECK_OK(parse(&m, "train --images 3 --images=4 --dry-run --no-dry-run - --outdir="));
    CHECK(m.is.images == 4 && !m.is.dry_run);
    CHECK_STRING(m.parsed.arguments[0], "-");
    CHECK_STRING(m.is.outdir, "");
    pyr_parsed_free(&m.parsed);
}

static void help_wins(void)
{
    made m;

    CHECK_OK(parse(&m, "train --images 3 -h --unknown"));
    CHECK(m.parsed.help);
    pyr_parsed_free(&m.parsed);
    CHECK_OK(parse(&m, "train a b c d --help"));
    CHECK(m.parsed.help);
    pyr_parsed_free(&m.parsed);
    CHECK_OK(parse(&m, "train -- -h"));
    CHECK(!m.parsed.help && m.parsed.n_arguments == 1);
    pyr_parsed_free(&m.parsed);
}

static void what_is_refused(void)
{
    REFUSED("train --outdr x", "unknown option --outdr; did you mean --outdir?");
    REFUSED("train --outdr=x", "did you mean --outdir?");
    REFUSED("train -outdir x", "unknown option -outdir; did you mean --outdir?");
    REFUSED("train --hepl", "did you mean --help?");
    REFUSED("train --no-xflp", "unknown option --no-xflp; did you mean --no-xflip?");
    REFUSED("train --no-images", "unknown option --no-images");
    REFUSED("train --zzzzzz", "unknown option --zzzzzz (see");
    REFUSED("train -3", "unknown option -3");
    REFUSED("train --images", "--images needs a value: --images N");
    REFUSED("train --images --dry-run", "--images needs a value N, \"--dry-run\" looks like an option");
    REFUSED("train --images many", "--images is \"many\", should be a whole number 1..1000");
    REFUSED("train --images 0", "--images is 0, should be a whole number 1..1000");
    REFUSED("train --images=", "--images is \"\"");
    REFUSED("train --images 3x", "--images is \"3x\"");
    REFUSED("train --guidance 1,5", "--guidance is \"1,5\", should be a number");
    REFUSED("train --steps 18,0", "--steps is 0, should be a list of whole numbers 1..1000");
    REFUSED("train --dry-run=yes", "--dry-run takes no value (\"yes\"), write --dry-run or --no-dry-run");
    REFUSED("train --xflip=1", "--xflip takes no value");
    REFUSED("train --no-xflip=1", "--xflip takes no value");
    REFUSED("train --set", "--set needs a value: --set KEY=VALUE");
    REFUSED("train --set batch", "--set batch: should be KEY=VALUE, as in --set train.seed=0");
    REFUSED("train --set =3", "should be KEY=VALUE");
    REFUSED("train a b c", "takes at most 2 arguments ([IMAGE ...]), \"c\" is one more");
}

static void counts_of_arguments(void)
{
    char name[] = "info", a[] = "a", b[] = "b", *argv[] = {name, a, b};
    pyr_command one = {.name = "info", .arguments = "RUN", .least = 1, .most = 1}, none = {.name = "info"};
    pyr_parsed parsed;

    CHECK_OK(pyr_options_parse(&parsed, &one, NULL, 2, argv));
    pyr_parsed_free(&parsed);
    CHECK_FAILS(pyr_options_parse(&parsed, &one, NULL, 1, argv), PYR_E_ARG, "pyrdiff info needs RUN");
    pyr_parsed_free(&parsed);
    CHECK_FAILS(pyr_options_parse(&parsed, &one, NULL, 3, argv), PYR_E_ARG,
                "takes at most 1 argument (RUN), \"b\" is");
    pyr_parsed_free(&parsed);
    CHECK_FAILS(pyr_options_parse(&parsed, &none, NULL, 2, argv), PYR_E_ARG,
                "takes no arguments, \"a\" is one");
    pyr_parsed_free(&parsed);
    CHECK_OK(pyr_options_parse(&parsed, &none, NULL, 1, argv));
    pyr_parsed_free(&parsed);
}

/* What a command cannot do without is asked for, but not by --help. */
static void what_is_missing(void)
{
    static const pyr_option needed[] = {
        OPT_TEXT(targets, network, "network", "RUN", "", "what is sampled", .missing = "which run?"),
        {0},
    };
    static const pyr_command needing = {.name = "sample", .options = needed, .size = sizeof(targets)};
    char name[] = "sample", option[] = "--network", run[] = "x", help[] = "-h";
    pyr_parsed parsed;
    targets is;

    CHECK_FAILS(pyr_options_parse(&parsed, &needing, &is, 1, (char *[]){name}), PYR_E_ARG, "which run?");
    pyr_parsed_free(&parsed);
    CHECK_OK(pyr_options_parse(&parsed, &needing, &is, 3, (char *[]){name, option, run}));
    CHECK_STRING(is.network, "x");
    pyr_parsed_free(&parsed);
    CHECK_OK(pyr_options_parse(&parsed, &needing, &is, 2, (char *[]){name, help}));
    CHECK(parsed.help);
    pyr_parsed_free(&parsed);
}

/* ---- settings ------------------------------------------------------------------------------- */

static const char file[] = "levels = ({ optim = { rate = 0.5; }; batch = 3; }, { batch = 4; });\n"
                           "train = { xflip = true; seed = 5; };";

static void options_override_the_file(void)
{
    pyr_settings *s;
    level_settings level;
    train_settings train;

    CHECK_OK(parse_and_apply(
        "train --no-xflip --lr 2e-4 --set levels[1].batch=9 --set level.batch=8 --seed 7", file, &s));
    pyr_settings_fill(s, "train", -1, &train);
    CHECK(!train.xflip && train.seed == 7);
    pyr_settings_fill(s, "level", 0, &level);
    CHECK(level.rate == 2e-4 && level.batch == 3);
    pyr_settings_fill(s, "level", 1, &level);
    CHECK(level.rate == 2e-4 && level.batch == 9);
    pyr_settings_fill(s, "level", 2, &level);
    CHECK(level.batch == 8);
    CHECK_STRING(pyr_settings_origin(s, "levels[0].optim.rate"), "--lr");
    CHECK_STRING(pyr_settings_origin(s, "level.batch"), "--set");
    pyr_settings_free(s);
}

/* A value that is taken does not reach the settings. */
static void taken(void)
{
    pyr_settings *s;
    train_settings train;
    int64_t seed = 3;
    bool typed = true;
    made m;

    CHECK_OK(pyr_settings_new(&s, sections));
    CHECK_OK(parse(&m, "train --seed 7 --no-xflip --seed 2k --set level.batch=1"));
    CHECK_OK(pyr_option_take(&m.parsed, "lr", &seed, &typed));
    CHECK(!typed && seed == 3 && m.parsed.n_typed == 4);
    CHECK_OK(pyr_option_take(&m.parsed, "seed", &seed, &typed));
    CHECK(typed && seed == 2000 && m.parsed.n_typed == 2 && !pyr_option_given(&m.parsed, "seed"));
    CHECK_OK(pyr_options_apply(&m.parsed, s));
    pyr_settings_fill(s, "train", -1, &train);
    CHECK(!train.xflip && train.seed == 0);
    CHECK_STRING(pyr_settings_origin(s, "level.batch"), "--set");
    pyr_parsed_free(&m.parsed);
    CHECK_OK(parse(&m, "train --seed many"));
    CHECK_FAILS(pyr_option_take(&m.parsed, "seed", &seed, &typed), PYR_E_ARG, "--seed is ");
    CHECK_FAILS(PYR_E_ARG, PYR_E_ARG, "pyrdiff train --help");
    pyr_parsed_free(&m.parsed);
    pyr_settings_free(s);
}

static void the_later_counts(void)
{
    pyr_settings *s;
    level_settings level;

    CHECK_OK(parse_and_apply("train --lr 1 --lr 0.25 --set level.batch=1 --set=level.batch=2", file, &s));
    pyr_settings_fill(s, "level", 5, &level);
    CHECK(level.rate == 0.25 && level.batch == 2);
    pyr_settings_free(s);
    CHECK_OK(parse_and_apply("train --lr 1 --set level.optim.rate=0.5", file, &s));
    pyr_settings_fill(s, "level", 0, &level);
    CHECK(level.rate == 0.5);
    pyr_settings_free(s);
}

#define NOT_APPLIED(line, code, sentence)                                                                    \
    do {                                                                                                     \
        pyr_settings *refused;                                                                               \
        CHECK_FAILS(parse_and_apply(line, file, &refused), code, sentence);                                  \
        pyr_settings_free(refused);                                                                          \
    } while (0)

static void settings_that_are_refused(void)
{
    NOT_APPLIED("train --lr fast", PYR_E_ARG,
                "level.optim.rate is \"fast\" (--lr), should be a number 0..1 (see pyrdiff train --help)");
    NOT_APPLIED("train --filter haa", PYR_E_ARG, "should be one of: box, haar; did you mean haar?");
    NOT_APPLIED("train --set level.bacth=3", PYR_E_ARG,
                "unknown setting level.bacth (--set); did you mean level.batch? (see pyrdiff train --help)");
    NOT_APPLIED("train --seed 1.5", PYR_E_ARG, "train.seed is 1.5 (--seed)");
}

/* ---- help ----------------------------------------------------------------------------------- */

static void help_text(void)
{
    made m;
    pyr_text text = {0};

    CHECK_OK(parse(&m, "train"));
    pyr_options_help(&command, &text);
    CHECK_STRING(
        text.at,
        "usage: pyrdiff train [options] [IMAGE ...]\n"
        "\n"
        "Train one level of a pyramid, or all of them together with summed losses; a run that exists goes\n"
        "on where it ended.\n"
        "\n"
        "options:\n"
        "  --outdir DIR     where runs are written (default: runs)\n"
        "  --network RUN    what is sampled\n"
        "  --images N       how many (default: 64)\n"
        "  --budget N       in images (default: 3k)\n"
        "  --guidance G     strength (default: 1)\n"
        "  --dry-run        only say what would be done\n"
        "  --steps N,N      steps of each level, coarsest first, in a help text that is so long that it\n"
        "                   does not fit on one line of a terminal and has to be wrapped (default:\n"
        "                   18,12,8)\n"
        "  --seed N         seed of the run (default: 0)\n"
        "  --[no-]xflip     mirror half of the images (default: true)\n"
        "  --lr RATE        learning rate of every level (default: 1e-3)\n"
        "  --filter NAME    blur (one of: box, haar; default: box)\n"
        "  --sampler NAME   without it the run's (one of: heun, euler)\n"
        "  --[no-]grid      write a grid (default: true)\n"
        "  --set KEY=VALUE  set any setting; may be given several times\n"
        "  -h, --help       print this and exit\n"
        "\n"
        "examples:\n"
        "  pyrdiff train --level 2\n");
    pyr_text_free(&text);
    pyr_parsed_free(&m.parsed);
}

/* ---- lists of numbers ----------------------------------------------------------------------- */

static void seeds(void)
{
    uint64_t *at;
    size_t n;

    CHECK_OK(pyr_parse_seeds("0-3,100,7-7", &at, &n));
    CHECK(n == 6 && at[0] == 0 && at[3] == 3 && at[4] == 100 && at[5] == 7);
    pyr_free(at);
    CHECK_OK(pyr_parse_seeds("18446744073709551614-18446744073709551615", &at, &n));
    CHECK(n == 2 && at[1] == UINT64_MAX);
    pyr_free(at);
    CHECK_OK(pyr_parse_seeds("1-10000000", &at, &n));
    CHECK(n == PYR_SEEDS_MAX && at[n - 1] == PYR_SEEDS_MAX);
    pyr_free(at);
}

static void seeds_that_are_refused(void)
{
    static const char *const bad[] = {"",   ",",     "1,",  ",1", "1,,2", "a",   "1-",
                                      "-1", "1-2-3", "1 2", " 1", "1.5",  "0x1", "18446744073709551616",
                                      "+1", "1-a",   "5;6"};
    uint64_t *at;
    size_t n;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_FAILS(pyr_parse_seeds(bad[i], &at, &n), PYR_E_ARG, "is not a seed");
    CHECK_FAILS(pyr_parse_seeds("1,9-3", &at, &n), PYR_E_ARG, "the range 9-3 runs backwards, should be 3-9");
    CHECK_FAILS(pyr_parse_seeds("0-10000000", &at, &n), PYR_E_ARG, "names more than 10000000 seeds");
    CHECK_FAILS(pyr_parse_seeds("0-9999999,5", &at, &n), PYR_E_ARG, "names more than 10000000 seeds");
    CHECK_FAILS(pyr_parse_seeds("0-18446744073709551615", &at, &n), PYR_E_ARG, "names more than");
    CHECK(at == NULL);
}

static void numbers_and_intervals(void)
{
    double at[3], lo, hi;
    int n;

    CHECK_OK(pyr_parse_reals("2,1.5,-1e-1", at, 3, &n));
    CHECK(n == 3 && at[0] == 2 && at[1] == 1.5 && at[2] == -0.1);
    CHECK_FAILS(pyr_parse_reals("2,,1", at, 3, &n), PYR_E_ARG, "\"\" is not a number");
    CHECK_FAILS(pyr_parse_reals("2,x", at, 3, &n), PYR_E_ARG, "\"x\" is not a number");
    CHECK_FAILS(pyr_parse_reals("inf", at, 3, &n), PYR_E_ARG, "\"inf\" is not a number");
    CHECK_FAILS(pyr_parse_reals("1,2,3,4", at, 3, &n), PYR_E_ARG, "more than 3 numbers");
    CHECK_OK(pyr_parse_interval("0.3-5", &lo, &hi));
    CHECK(lo == 0.3 && hi == 5);
    CHECK_OK(pyr_parse_interval("1e-1-2e1", &lo, &hi));
    CHECK(lo == 0.1 && hi == 20);
    CHECK_FAILS(pyr_parse_interval("5", &lo, &hi), PYR_E_ARG, "\"5\" is not an interval");
    CHECK_FAILS(pyr_parse_interval("5-5", &lo, &hi), PYR_E_ARG, "not an interval");
    CHECK_FAILS(pyr_parse_interval("-1-5", &lo, &hi), PYR_E_ARG, "not an interval");
    CHECK_FAILS(pyr_parse_interval("1-nan", &lo, &hi), PYR_E_ARG, "not an interval");
}

static void ints(void)
{
    int at[3], n;

    CHECK_OK(pyr_parse_ints("18,-12,8", at, 3, &n));
    CHECK(n == 3 && at[0] == 18 && at[1] == -12 && at[2] == 8);
    CHECK_OK(pyr_parse_ints("5", at, 3, &n));
    CHECK(n == 1 && at[0] == 5);
    CHECK_FAILS(pyr_parse_ints("1,2,3,4", at, 3, &n), PYR_E_ARG, "more than 3 numbers");
    CHECK_FAILS(pyr_parse_ints("", at, 3, &n), PYR_E_ARG, "\"\" is not a whole number");
    CHECK_FAILS(pyr_parse_ints("1,", at, 3, &n), PYR_E_ARG, "\"\" is not a whole number");
    CHECK_FAILS(pyr_parse_ints("1,x,3", at, 3, &n), PYR_E_ARG, "\"x\" is not a whole number");
    CHECK_FAILS(pyr_parse_ints("1, 2", at, 3, &n), PYR_E_ARG, "\" 2\" is not a whole number");
    CHECK_FAILS(pyr_parse_ints("2147483648", at, 3, &n), PYR_E_ARG, "is not a whole number");
}

/* ---- memory --------------------------------------------------------------------------------- */

static pyr_status everything(void)
{
    made m;
    pyr_settings *s = NULL;
    pyr_text text = {0};
    uint64_t *at = NULL;
    size_t n;
    pyr_status status;

    PYR_TRY_OUT(parse(&m, "train --images 3 --lr 0.1 --set level.batch=3 x"));
    PYR_TRY_OUT(pyr_settings_new(&s, sections));
    PYR_TRY_OUT(pyr_options_apply(&m.parsed, s));
    PYR_TRY_OUT(pyr_parse_seeds("0-9", &at, &n));
    pyr_options_help(&command, &text);
    status = text.failed ? PYR_E_NOMEM : PYR_OK;
out:
    pyr_free(at);
    pyr_text_free(&text);
    pyr_settings_free(s);
    pyr_parsed_free(&m.parsed);
    return status;
}

static void every_allocation_may_fail(void)
{
    pyr_status status = PYR_E_NOMEM;
    long n = 0;

    for (; n < 10000 && status != PYR_OK; n++) {
        pyr_mem_fail_after(n);
        status = everything();
        pyr_mem_fail_after(-1);
        if (status != PYR_OK && status != PYR_E_NOMEM)
            CHECK_REPORT("allocation %ld: status %d: %s", n, status, pyr_error());
        CHECK(pyr_mem().live_blocks == 0);
    }
    CHECK(status == PYR_OK);
    CHECK(n > 50);
}

static void failing_while_failing(void)
{
    for (long n = 2; n < 12; n++) {
        made m;

        pyr_mem_fail_after(n);
        CHECK(parse(&m, "train --outdr x") != PYR_OK);
        pyr_mem_fail_after(-1);
        pyr_parsed_free(&m.parsed);
        CHECK(pyr_mem().live_blocks == 0);
    }
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    RUN(standards);
    RUN(every_kind);
    RUN(help_wins);
    RUN(what_is_refused);
    RUN(counts_of_arguments);
    RUN(what_is_missing);
    RUN(options_override_the_file);
    RUN(taken);
    RUN(the_later_counts);
    RUN(settings_that_are_refused);
    RUN(help_text);
    RUN(seeds);
    RUN(seeds_that_are_refused);
    RUN(ints);
    RUN(every_allocation_may_fail);
    RUN(failing_while_failing);
    RUN(numbers_and_intervals);
    return CHECK_DONE();
}
