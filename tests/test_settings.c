/* test_settings.c - the table of settings. The witness for the written file is libconfig itself, which
 * reads it back; for numbers it is their bits. */
#include "base/atomic_file.h"
#include "base/file.h"
#include "base/mem.h"
#include "settings/settings.h"
#include "tests/check.h"
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- a program with three sections ---------------------------------------------------------- */

typedef struct data_settings {
    const char *path;
    bool flip;
    pyr_texts classes, words;
} data_settings;

typedef struct train_settings {
    int64_t images;
    pyr_duration duration;
    double budget, third;
    int64_t seed;
} train_settings;

typedef struct level_settings {
    int batch, patch, filter;
    double rate, sigma_max;
    pyr_ints channels;
    pyr_reals weights;
} level_settings;

static const char *const filters[] = {"box", "haar", "gaussian", NULL};
static const char *const metrics[] = {"frechet", "kid", "recall", NULL};

static const pyr_setting data_rows[] = {
    {"path", PYR_SETTING_TEXT, offsetof(data_settings, path), 0, 0, "", NULL, "where the images are"},
    {"flip", PYR_SETTING_BOOL, offsetof(data_settings, flip), 0, 0, "true", NULL, "mirror images"},
    {"classes", PYR_SETTING_TEXTS, offsetof(data_settings, classes), 0, 0, "[]", NULL, "names | of classes"},
    {"eval.metrics", PYR_SETTING_TEXTS, offsetof(data_settings, words), 0, 0, "frechet, kid", metrics,
     "what"},
};

static const pyr_setting train_rows[] = {
    {"images", PYR_SETTING_COUNT, offsetof(train_settings, images), 1, 1e15, "200ki", NULL, "how many"},
    {"duration", PYR_SETTING_DURATION, offsetof(train_settings, duration), 0, 1e12, "10m", NULL, "how long"},
    {"budget", PYR_SETTING_REAL, offsetof(train_settings, budget), 0, 1e30, "2e14", NULL, "FLOP"},
    {"third", PYR_SETTING_REAL, offsetof(train_settings, third), 0, 0, "0.1", NULL, "any number"},
    {"seed", PYR_SETTING_COUNT, offsetof(train_settings, seed), 0, 0, "0", NULL, "any integer"},
};

static const pyr_setting level_rows[] = {
    {"batch", PYR_SETTING_INT, offsetof(level_settings, batch), 1, 65536, "64", NULL, "images per step"},
    {"network.patch", PYR_SETTING_INT, offsetof(level_settings, patch), 1, 8, "1", NULL, "side of a patch"},
    {"network.channels", PYR_SETTING_INTS, offsetof(level_settings, channels), 1, 4096, "[64, 128]", NULL,
     "widths"},
    {"optim.rate", PYR_SETTING_REAL, offsetof(level_settings, rate), 0, 1, "1e-3", NULL, "step size"},
    {"noise.sigma_max", PYR_SETTING_REAL, offsetof(level_settings, sigma_max), 0, INFINITY, "80", NULL,
     "largest"},
    {"network.filter", PYR_SETTING_CHOICE, offsetof(level_settings, filter), 0, 0, "box", filters, "blur"},
    {"weights", PYR_SETTING_REALS, offsetof(level_settings, weights), 0, 10, "(1, 0.5)", NULL, "of losses"},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))
static const pyr_section all_sections[] = {
    {"data", data_rows, COUNT(data_rows), false, "What is learned from."},
    {"train", train_rows, COUNT(train_rows), false, NULL},
    {"level", level_rows, COUNT(level_rows), true, "What every level shares."},
};
static const pyr_section *const sections[] = {&all_sections[0], &all_sections[1], &all_sections[2], NULL};

static pyr_settings *made(void)
{
    pyr_settings *s;

    CHECK_OK(pyr_settings_new(&s, sections));
    return s;
}

/* Settings from the text of a file called a.cfg. */
static pyr_settings *from(const char *text)
{
    pyr_settings *s = made();

    CHECK_OK(pyr_settings_read_text(s, text, "a.cfg"));
    return s;
}

static data_settings data_of(const pyr_settings *s)
{
    data_settings out;

    pyr_settings_fill(s, "data", -1, &out);
    return out;
}

static train_settings train_of(const pyr_settings *s)
{
    train_settings out;

    pyr_settings_fill(s, "train", -1, &out);
    return out;
}

static level_settings level_of(const pyr_settings *s, int level)
{
    level_settings out;

    pyr_settings_fill(s, "level", level, &out);
    return out;
}

/* A file's text is refused with a sentence that has both parts. */
#define REFUSED(text, part, other)                                                                           \
    do {                                                                                                     \
        pyr_settings *refused = made();                                                                      \
        CHECK_FAILS(pyr_settings_read_text(refused, text, "a.cfg"), PYR_E_CONFIG, part);                     \
        if (!strstr(pyr_error(), other))                                                                     \
            CHECK_REPORT("the sentence lacks \"%s\": %s", other, pyr_error());                               \
        pyr_settings_free(refused);                                                                          \
    } while (0)

/* So is a value of the command line. */
#define NOT_SET(key, value, part)                                                                            \
    do {                                                                                                     \
        pyr_settings *refused = made();                                                                      \
        CHECK_FAILS(pyr_settings_set(refused, key, value, "--set"), PYR_E_CONFIG, part);                     \
        pyr_settings_free(refused);                                                                          \
    } while (0)

/* ---- values --------------------------------------------------------------------------------- */

static void defaults(void)
{
    pyr_settings *s = made();
    data_settings data = data_of(s);
    train_settings train = train_of(s);
    level_settings level = level_of(s, 3);

    CHECK_STRING(data.path, "");
    CHECK(data.flip);
    CHECK(data.classes.n == 0 && data.words.n == 2);
    CHECK_STRING(data.words.at[1], "kid");
    CHECK(train.images == 204800 && train.budget == 2e14 && train.third == 0.1 && train.seed == 0);
    CHECK(train.duration.unit == PYR_DURATION_SECONDS && train.duration.value == 600);
    CHECK(level.batch == 64 && level.patch == 1 && level.filter == 0);
    CHECK(level.rate == 1e-3 && level.sigma_max == 80);
    CHECK(level.channels.n == 2 && level.channels.at[0] == 64 && level.channels.at[1] == 128);
    CHECK(level.weights.n == 2 && level.weights.at[1] == 0.5);
    CHECK_STRING(pyr_settings_origin(s, "level.batch"), "default");
    CHECK(pyr_settings_origin(s, "level.bach") == NULL);
    CHECK(pyr_settings_highest_level(s, NULL) == -1);
    pyr_settings_free(s);
}

static void a_bad_default_is_named(void)
{
    static const pyr_setting rows[] = {{"n", PYR_SETTING_INT, 0, 1, 8, "9", NULL, ""}};
    const pyr_section section = {"x", rows, 1, false, NULL};
    pyr_settings *s;

    CHECK_FAILS(pyr_settings_new(&s, PYR_SECTIONS(&section)), PYR_E_CONFIG,
                "n is 9 (default), should be a whole number 1..8");
    CHECK(s == NULL);
}

static void every_type_from_a_file(void)
{
    pyr_settings *s =
        from("data = { path = \"a \\\"b\\\"\\x41\"; flip = FALSE; classes = [\"x\", \"y, z\"];\n"
             "  eval = { metrics = (\"recall\"); }; };\n"
             "train: { images = 3000000000L, duration = \"3ep\", budget = 5, third = -.5,\n"
             "  seed = -9223372036854775808L }\n"
             "level = { batch = 32.0; noise = { sigma_max = 7000000000L; };\n"
             "  network = { channels = (32, 64.0, 96L); filter = \"haar\"; }; weights = []; };\n");
    data_settings data = data_of(s);
    train_settings train = train_of(s);
    level_settings level = level_of(s, 0);

    CHECK_STRING(data.path, "a \"b\"A");
    CHECK(!data.flip && data.classes.n == 2 && data.words.n == 1);
    CHECK_STRING(data.classes.at[1], "y, z");
    CHECK_STRING(data.words.at[0], "recall");
    CHECK(train.images == 3000000000 && train.budget == 5 && train.third == -0.5 && train.seed == INT64_MIN);
    CHECK(train.duration.unit == PYR_DURATION_EPOCHS && train.duration.value == 3);
    CHECK(level.batch == 32 && level.sigma_max == 7e9 && level.filter == 1);
    CHECK(level.channels.n == 3 && level.channels.at[2] == 96 && level.weights.n == 0);
    CHECK_STRING(pyr_settings_origin(s, "train.images"), "a.cfg:3");
    CHECK_STRING(pyr_settings_origin(s, "level.network.filter"), "a.cfg:6");
    pyr_settings_free(s);
}

/* Set `key` to `value`; the settings stay for the caller to look at. */
static pyr_settings *with(const char *key, const char *value)
{
    pyr_settings *s = made();

    CHECK_OK(pyr_settings_set(s, key, value, "--set"));
    return s;
}

#define CHECK_WITH(key, value, of, condition)                                                                \
    do {                                                                                                     \
        pyr_settings *s = with(key, value);                                                                  \
        CHECK(of(s).condition);                                                                              \
        pyr_settings_free(s);                                                                                \
    } while (0)
#define first_of(s) level_of(s, 0)

static void every_type_from_the_command_line(void)
{
    CHECK_WITH("level.batch", "0x10", first_of, batch == 16);
    CHECK_WITH("level.batch", " 12L ", first_of, batch == 12);
    CHECK_WITH("level.batch", "1e3", first_of, batch == 1000);
    CHECK_WITH("level.optim.rate", "1", first_of, rate == 1);
    CHECK_WITH("level.optim.rate", ".25", first_of, rate == 0.25);
    CHECK_WITH("level.network.filter", "gaussian", first_of, filter == 2);
    CHECK_WITH("level.network.filter", "\"haar\"", first_of, filter == 1);
    CHECK_WITH("level.network.channels", "[1, 2,3]", first_of, channels.n == 3);
    CHECK_WITH("level.network.channels", "(1,2)", first_of, channels.at[1] == 2);
    CHECK_WITH("level.network.channels", "7", first_of, channels.n == 1);
    CHECK_WITH("level.network.channels", "64,128,256", first_of, channels.at[2] == 256);
    CHECK_WITH("level.weights", "", first_of, weights.n == 0);
    CHECK_WITH("level.weights", "[1, 0.5, 1e-1]", first_of, weights.at[2] == 0.1);
    CHECK_WITH("data.flip", "false", data_of, flip == false);
    CHECK_WITH("data.eval.metrics", "[kid]", data_of, words.n == 1);
    CHECK_WITH("data.classes", "\"a, \\\"b\", c ", data_of, classes.n == 2);
    CHECK_WITH("data.path", "12", data_of, path[1] == '2');
    CHECK_WITH("data.path", "\"x\\ty\"", data_of, path[1] == '\t');
    CHECK_WITH("train.images", "1.5Mi", train_of, images == 1572864);
    CHECK_WITH("train.seed", "9007199254740993", train_of, seed == 9007199254740993);
    CHECK_WITH("train.seed", "\"9007199254740993\"", train_of, seed == 9007199254740993);
}

static void check_duration(const char *text, double value, int unit)
{
    pyr_settings *s = with("train.duration", text);
    pyr_duration duration = train_of(s).duration;

    if (duration.value != value || (int)duration.unit != unit)
        CHECK_REPORT("%s gave %g of unit %d", text, duration.value, (int)duration.unit);
    pyr_settings_free(s);
}

static void durations(void)
{
    check_duration("200ki", 204800, PYR_DURATION_IMAGES);
    check_duration("5000", 5000, PYR_DURATION_IMAGES);
    check_duration("1e6", 1e6, PYR_DURATION_IMAGES);
    check_duration("2Mi", 2097152, PYR_DURATION_IMAGES);
    check_duration("10M", 1e7, PYR_DURATION_IMAGES);
    check_duration("3ep", 3, PYR_DURATION_EPOCHS);
    check_duration("0.5ep", 0.5, PYR_DURATION_EPOCHS);
    check_duration("90s", 90, PYR_DURATION_SECONDS);
    check_duration("10m", 600, PYR_DURATION_SECONDS);
    check_duration("1.5h", 5400, PYR_DURATION_SECONDS);
    NOT_SET("train.duration", "ep", "should be a duration");
    NOT_SET("train.duration", "nans", "should be a duration");
    NOT_SET("train.duration", "3 weeks", "should be a duration");
    NOT_SET("train.duration", "-3ep", "0..1e+12");
    NOT_SET("train.duration", "2.5", "should be a duration");
}

/* ---- what is refused ------------------------------------------------------------------------ */

static void wrong_values(void)
{
    REFUSED("\nlevel = {\n batch = 0;\n};", "level.batch is 0 (a.cfg:3)",
            "should be a whole number 1..65536");
    REFUSED("level = { batch = \"many\"; };", "level.batch is \"many\" (a.cfg:1)", "a whole number 1..65536");
    REFUSED("level = { batch = 1.5; };", "level.batch is 1.5", "whole number");
    REFUSED("level = { batch = true; };", "level.batch is true", "whole number");
    REFUSED("level = { batch = [1]; };", "level.batch is a list", "whole number");
    REFUSED("level = { batch = {}; };", "level.batch is a group", "whole number");
    REFUSED("level = { batch = 4294967297L; };", "level.batch is 4294967297", "1..65536");
    REFUSED("level = { optim = { rate = 2; }; };", "level.optim.rate is 2", "a number 0..1");
    REFUSED("level = { optim = { rate = 1e400; }; };", "level.optim.rate is inf", "a number 0..1");
    REFUSED("level = { noise = { sigma_max = -1.0; }; };", "level.noise.sigma_max is -1",
            "a number, 0 or more");
    REFUSED("level = { network = { filter = \"boks\"; }; };", "one of: box, haar, gaussian",
            "did you mean box?");
    REFUSED("level = { network = { filter = 1; }; };", "filter is 1", "one of: box");
    REFUSED("level = { network = { channels = [1, 0]; }; };", "channels is 0",
            "a list of whole numbers 1..4096");
    REFUSED("level = { network = { channels = ([1], 2); }; };", "channels[0] is a group or a list",
            "a.cfg:1");
    REFUSED("level = { weights = [1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8]; };", "17 elements (a.cfg:1)",
            "at most 16");
    REFUSED("data = { path = 3; };", "data.path is 3 (a.cfg:1)", "should be a text");
    REFUSED("data = { flip = 1; };", "data.flip is 1", "true or false");
    REFUSED("data = { eval = { metrics = [\"kidd\"]; }; };", "a list of: frechet, kid, recall",
            "did you mean kid?");
    REFUSED("train = { images = 0; };", "train.images is 0", "1..1e+15");
    REFUSED("train = { images = \"3x\"; };", "train.images is \"3x\"", "a count (3000, 3k, 200ki)");
    NOT_SET("level.batch", "0", "level.batch is 0 (--set), should be a whole number 1..65536");
    NOT_SET("level.batch", "", "level.batch is \"\"");
    NOT_SET("level.batch", "[1]", "level.batch is \"[1]\"");
    NOT_SET("level.batch", "99999999999999999999", "level.batch is");
    NOT_SET("level.optim.rate", "nan", "level.optim.rate is \"nan\"");
    NOT_SET("levels[2].batch", "-1", "levels[2].batch is -1 (--set)");
    NOT_SET("level.network.channels", "1,,2", "channels is \"\"");
    NOT_SET("level.network.channels", "\"1", "a quote has no end");
    NOT_SET("data.path", "\"x", "a quote has no end");
    NOT_SET("data.path", "\"x\" y", "a quote has no end");
}

static void unknown_keys(void)
{
    REFUSED("level = {\n\n bacth = 3; };", "unknown setting level.bacth (a.cfg:3)",
            "did you mean level.batch?");
    REFUSED("level = { patch = 3; };", "unknown setting level.patch", "did you mean level.network.patch?");
    REFUSED("level = { ptch = 3; };", "unknown setting level.ptch", "did you mean level.network.patch?");
    REFUSED("levl = { batch = 3; };", "unknown setting levl.batch", "did you mean level.batch?");
    REFUSED("batch = 3;", "unknown setting batch (a.cfg:1)", "did you mean level.batch?");
    REFUSED("levels = ({}, { bacth = 1; });", "unknown setting levels[1].bacth",
            "did you mean levels[1].batch?");
    REFUSED("levels = ({ imags = 1; });", "unknown setting levels[0].imags", "did you mean train.images?");
    REFUSED("zzzzzz = 1;", "unknown setting zzzzzz (a.cfg:1)", "the sections are data, train, level");
    REFUSED("zzzzzz = {};", "unknown setting zzzzzz (a.cfg:1)", "the sections are");
    REFUSED("level = { nothing = {}; };", "unknown setting level.nothing", "a.cfg:1");
    REFUSED("level = 3;", "level is a value (a.cfg:1)", "should be a group: level = {...}");
    REFUSED("level = { network = 3; };", "level.network is a value (a.cfg:1)", "level.network = {...}");
    REFUSED("levels = { batch = 3; };", "levels is no list (a.cfg:1)", "levels = ({...}, {...})");
    REFUSED("levels = (3);", "levels[0] (a.cfg:1)", "a group in braces");
    REFUSED("levels = ({},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{});", "more than 16 levels",
            "a.cfg:1");
    NOT_SET("level.bacth", "3", "unknown setting level.bacth (--set); did you mean level.batch?");
    NOT_SET("levels[0].patch", "3", "did you mean levels[0].network.patch?");
    NOT_SET("levels[16].batch", "3", "the highest level is 15");
    NOT_SET("levels[99999999999999999999].batch", "3", "the highest level is 15");
    NOT_SET("levels[-1].batch", "3", "unknown setting levels[-1].batch");
    NOT_SET("levels[1.batch", "3", "unknown setting");
    NOT_SET("levels[1]batch", "3", "unknown setting");
    NOT_SET("levels.batch", "3", "unknown setting");
    NOT_SET("levels", "3", "unknown setting");
    NOT_SET("trains[0].images", "3", "unknown setting");
    NOT_SET("", "3", "unknown setting");
}

static void what_libconfig_refuses(void)
{
    REFUSED("level = {\n  batch = = 3;\n};", "a.cfg:2: syntax error", "batch = = 3;");
    REFUSED("level = { batch = 3", "a.cfg:1: syntax error", "level");
    REFUSED("data = {};\ndata = {};", "a.cfg:2: duplicate setting name", "");
    REFUSED("level = { weights = [1, 0.5]; };", "a.cfg:1: mismatched element type",
            "in ( ) they may be mixed");
    REFUSED("data = {\n path = \"x; };\n\n", "a.cfg:2: a quote has no end", "");
    REFUSED("@include \"b.cfg\"\n", "a.cfg:1: @include is for files only", "");
    REFUSED("train = { seed =\n 3000000000; };", "a.cfg:2: 3000000000 is beyond 32 bits", "L behind it");
    REFUSED("train = { seed = -2147483649; };", "-2147483649 is beyond 32 bits", "");
    REFUSED("train = { seed = 0xFFFFFFFF; };", "0xFFFFFFFF is beyond 32 bits", "");
    REFUSED("train = { seed = 9223372036854775808L; };", "9223372036854775808 is beyond 64 bits", "");
}

/* Comments and strings may hold what the text may not. */
static void quiet_places(void)
{
    pyr_settings *s =
        from("\xEF\xBB\xBF# 3000000000\n// 3000000000\n/* 3000000000 \n @include \"x\" */\n"
             "data = { path = \"3000000000 \\\" 3000000000\"; };\n"
             "train = { seed = 2147483647; third = 3000000000.5; budget = 30000000000e-1; };\n");

    CHECK_STRING(data_of(s).path, "3000000000 \" 3000000000");
    CHECK(train_of(s).seed == INT_MAX && train_of(s).third == 3000000000.5 && train_of(s).budget == 3e9);
    pyr_settings_free(s);
}

/* ---- which source counts -------------------------------------------------------------------- */

static void later_sources_override(void)
{
    pyr_settings *s = from("level = { batch = 1; optim = { rate = 0.5; }; };");

    CHECK_OK(pyr_settings_read_text(s, "\nlevel = { batch = 2; };", "b.cfg"));
    CHECK(level_of(s, 0).batch == 2 && level_of(s, 0).rate == 0.5);
    CHECK_STRING(pyr_settings_origin(s, "level.batch"), "b.cfg:2");
    CHECK_STRING(pyr_settings_origin(s, "level.optim.rate"), "a.cfg:1");
    CHECK_OK(pyr_settings_set(s, "level.batch", "3", "--set"));
    CHECK(level_of(s, 5).batch == 3);
    CHECK_STRING(pyr_settings_origin(s, "levels[5].batch"), "--set");
    CHECK_FAILS(pyr_settings_set(s, "level.batch", "x", "--set"), PYR_E_CONFIG, "level.batch");
    CHECK(level_of(s, 5).batch == 3);
    pyr_settings_free(s);
}

static void levels_override_level(void)
{
    pyr_settings *s = from("levels = ({ batch = 10; },\n {},\n { batch = 12; network = { patch = 4; }; });\n"
                           "level = { batch = 5; };");
    const char *where;

    CHECK(level_of(s, 0).batch == 10 && level_of(s, 1).batch == 5 && level_of(s, 2).batch == 12);
    CHECK(level_of(s, -1).batch == 5 && level_of(s, 7).batch == 5);
    CHECK(level_of(s, 2).patch == 4 && level_of(s, 0).patch == 1);
    CHECK(pyr_settings_highest_level(s, &where) == 2);
    CHECK_STRING(where, "a.cfg:3");
    CHECK_OK(pyr_settings_set(s, "levels.0.batch", "20", "--set"));
    CHECK(level_of(s, 0).batch == 20);
    CHECK_OK(pyr_settings_set(s, "levels[0].batch", "21", "--set"));
    CHECK(level_of(s, 0).batch == 21);
    CHECK_OK(pyr_settings_set(s, "level.batch", "6", "--set")); /* what all share: overrides stay */
    CHECK(level_of(s, 0).batch == 21 && level_of(s, 1).batch == 6);
    CHECK_STRING(pyr_settings_origin(s, "levels.2.batch"), "a.cfg:3");
    CHECK_OK(pyr_settings_set(s, "levels[6].batch", "1", "--set"));
    CHECK(pyr_settings_highest_level(s, &where) == 6);
    CHECK_STRING(where, "--set");
    pyr_settings_free(s);
}

static void all_levels_at_once(void)
{
    pyr_settings *s = from("levels = ({ batch = 10; optim = { rate = 0.5; }; }, { batch = 11; });");

    CHECK_OK(pyr_settings_set(s, "levels[*].batch", "7", "--batch"));
    CHECK(level_of(s, 0).batch == 7 && level_of(s, 1).batch == 7 && level_of(s, 0).rate == 0.5);
    CHECK_STRING(pyr_settings_origin(s, "levels[0].batch"), "--batch");
    CHECK_FAILS(pyr_settings_set(s, "levels[*].batch", "-7", "--batch"), PYR_E_CONFIG,
                "level.batch is -7 (--batch)");
    CHECK_FAILS(pyr_settings_set(s, "levels[*].bath", "7", "--bath"), PYR_E_CONFIG,
                "did you mean level.batch?");
    pyr_settings_free(s);
}

static pyr_status note(void *arg, const char *key, const char *value, const char *origin)
{
    pyr_text_add(arg, "%s=%s@%s ", key, value, origin);
    return PYR_OK;
}

static void what_was_set(void)
{
    pyr_settings *s = from("levels = ({ batch = 10; });\ntrain = { images = 2048; };");
    pyr_text text = {0};

    CHECK_OK(pyr_settings_set(s, "data.path", "x", "--data"));
    CHECK_OK(pyr_settings_each(s, note, &text));
    CHECK_STRING(text.at, "data.path=\"x\"@--data train.images=\"2ki\"@a.cfg:2 levels[0].batch=10@a.cfg:1 ");
    pyr_text_free(&text);
    pyr_settings_free(s);
}

/* ---- files ---------------------------------------------------------------------------------- */

/* Write folder/name.cfg: `count` times @include "next.cfg", then `text`. */
static void write_includes(const char *folder, const char *name, const char *next, int count,
                           const char *text)
{
    char *path = pyr_strfmt("%s/%s.cfg", folder, name);
    pyr_text all = {0};

    for (int i = 0; i < count; i++)
        pyr_text_add(&all, "@include \"%s.cfg\"\n", next);
    pyr_text_add(&all, "%s", text);
    CHECK_OK(pyr_file_replace(path, all.at, all.length));
    pyr_free(path);
    pyr_text_free(&all);
}

/* Seven files of which each includes the next ten times stand for ten million. */
static void includes_that_multiply(void)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g"};
    char folder[] = "/tmp/test_settings_XXXXXX", *first;
    pyr_settings *s = made();

    CHECK(mkdtemp(folder) != NULL);
    first = pyr_path_join(folder, "a.cfg");
    for (int i = 0; i < 6; i++)
        write_includes(folder, names[i], names[i + 1], 10, "");
    write_includes(folder, "g", "", 0, "# nothing\n");
    CHECK_FAILS(pyr_settings_read(s, first), PYR_E_CONFIG, "more than 100 files are included in all");
    write_includes(folder, "a", "g", 101, "");
    CHECK_FAILS(pyr_settings_read(s, first), PYR_E_CONFIG, "a.cfg:101: more than 100 files");
    write_includes(folder, "a", "g", 100, "level = { batch = 3; };\n");
    CHECK_OK(pyr_settings_read(s, first));
    CHECK(level_of(s, 0).batch == 3);
    for (int i = 0; i < 7; i++) {
        char *path = pyr_strfmt("%s/%s.cfg", folder, names[i]);

        CHECK(unlink(path) == 0);
        pyr_free(path);
    }
    CHECK(rmdir(folder) == 0);
    pyr_free(first);
    pyr_settings_free(s);
}

static void files_and_includes(void)
{
    char folder[] = "/tmp/test_settings_XXXXXX", *a = NULL, *b = NULL, wanted[200];
    pyr_settings *s = made();

    CHECK(mkdtemp(folder) != NULL);
    a = pyr_path_join(folder, "a.cfg");
    b = pyr_path_join(folder, "b.cfg");
    CHECK_OK(pyr_file_replace(b, "\nlevel = { batch = 3; };\n", 24));
    CHECK_OK(pyr_file_replace(a, "@include \"b.cfg\"\ndata = { path = \"x\"; };\n", 41));
    CHECK_OK(pyr_settings_read(s, a));
    CHECK(level_of(s, 0).batch == 3);
    CHECK_STRING(data_of(s).path, "x");
    snprintf(wanted, sizeof wanted, "%s:2", b);
    CHECK_STRING(pyr_settings_origin(s, "level.batch"), wanted);
    snprintf(wanted, sizeof wanted, "%s:2", a);
    CHECK_STRING(pyr_settings_origin(s, "data.path"), wanted);

    CHECK_OK(pyr_file_replace(b, "\ntrain = { seed = 3000000000; };\n", 32));
    snprintf(wanted, sizeof wanted, "%s:2: 3000000000 is beyond 32 bits", b);
    CHECK_FAILS(pyr_settings_read(s, a), PYR_E_CONFIG, wanted);
    CHECK_OK(pyr_file_replace(b, "\ntrain = { seed = ; };\n", 22));
    snprintf(wanted, sizeof wanted, "%s:2: syntax error", b);
    CHECK_FAILS(pyr_settings_read(s, a), PYR_E_CONFIG, wanted);
    CHECK_OK(pyr_file_replace(b, "@include \"a.cfg\"\n", 17));
    CHECK_FAILS(pyr_settings_read(s, a), PYR_E_CONFIG, "does the file include itself?");
    CHECK(unlink(b) == 0);
    snprintf(wanted, sizeof wanted, "%s:1: ", a);
    CHECK_FAILS(pyr_settings_read(s, a), PYR_E_IO, wanted);
    CHECK_OK(pyr_file_replace(a, "data\0 = {};", 11));
    CHECK_FAILS(pyr_settings_read(s, a), PYR_E_CONFIG, "not a text file");
    CHECK(unlink(a) == 0);
    CHECK_FAILS(pyr_settings_read(s, a), PYR_E_IO, a);
    CHECK(rmdir(folder) == 0);
    pyr_free(a);
    pyr_free(b);
    pyr_settings_free(s);
}

/* ---- written and read back ------------------------------------------------------------------ */

/* Write, read back: no key of n_levels levels differs. */
static void check_round_trip(const pyr_settings *s, int n_levels)
{
    pyr_settings *back = made();
    pyr_text text = {0}, differences = {0};

    pyr_settings_write(s, n_levels, &text);
    CHECK_OK(pyr_settings_read_text(back, text.at, "written"));
    if (pyr_settings_compare(s, back, n_levels, NULL, NULL, &differences) != 0)
        CHECK_REPORT("differs after reading back:\n%s%s", differences.at, text.at);
    pyr_text_free(&text);
    pyr_text_free(&differences);
    pyr_settings_free(back);
}

static void reals_read_back_bit_equal(void)
{
    static const double values[] = {1e-3,
                                    1.0 / 3,
                                    0.1,
                                    80,
                                    2e14,
                                    -0.0,
                                    0,
                                    5e-324,
                                    1e308,
                                    1e22,
                                    1e15,
                                    12345678,
                                    1e7,
                                    9999999,
                                    3000000000.,
                                    1e-5,
                                    123456.75,
                                    -2147483648.,
                                    0x1.fffffffffffffp-1,
                                    0x1p-1074,
                                    100,
                                    1e5,
                                    4.35,
                                    2147483648.};
    char text[64];

    for (size_t i = 0; i < COUNT(values); i++) {
        pyr_settings *s = made();

        snprintf(text, sizeof text, "%.17e", values[i]);
        CHECK_OK(pyr_settings_set(s, "train.third", text, "--set"));
        CHECK(train_of(s).third == values[i]);
        check_round_trip(s, 1);
        pyr_settings_free(s);
    }
}

static void random_reals_read_back(void)
{
    uint64_t bits = 88172645463325252u;
    char text[64];

    for (int i = 0; i < 300; i++) {
        pyr_settings *s = made();
        double value;

        bits ^= bits << 13; /* xorshift64 */
        bits ^= bits >> 7;
        bits ^= bits << 17;
        memcpy(&value, &bits, sizeof value);
        snprintf(text, sizeof text, "[%.17g, 0.5]", i % 2 ? (double)i / 37 : 10.0 / (i + 1));
        CHECK_OK(pyr_settings_set(s, "level.weights", text, "--set"));
        snprintf(text, sizeof text, "%.17g", isfinite(value) ? value : 1.0);
        CHECK_OK(pyr_settings_set(s, "train.third", text, "--set"));
        check_round_trip(s, 1);
        pyr_settings_free(s);
    }
}

static void counts_and_durations_read_back(void)
{
    static const char *const counts[] = {"0",
                                         "1",
                                         "1000",
                                         "1024",
                                         "-3k",
                                         "3000000000",
                                         "200ki",
                                         "9007199254740993",
                                         "1000000007",
                                         "9223372036854775807",
                                         "-9223372036854775807",
                                         "-2147483649"};
    static const char *const durations_[] = {"200ki", "7",  "3ep",   "0.3ep", "90s",    "0.1s",
                                             "10m",   "2h", "1.25h", "1e11s", "100.5m", "999999999999",
                                             "1e-30s"};

    for (size_t i = 0; i < COUNT(counts); i++) {
        pyr_settings *s = with("train.seed", counts[i]);

        check_round_trip(s, 1);
        pyr_settings_free(s);
    }
    for (size_t i = 0; i < COUNT(durations_); i++) {
        pyr_settings *s = with("train.duration", durations_[i]);

        check_round_trip(s, 1);
        pyr_settings_free(s);
    }
}

static void texts_read_back(void)
{
    pyr_settings *s = with("data.path", "a\"b\\c\nd\te\x01\x7f\xc3\xa4 {};#");

    CHECK_OK(pyr_settings_set(s, "data.classes", "\"x, \\\"y\", \"\", [z", "--set"));
    CHECK(data_of(s).classes.n == 3);
    check_round_trip(s, 1);
    pyr_settings_free(s);
}

static void the_written_file(void)
{
    pyr_settings *s =
        from("levels = ({ batch = 10; }, { batch = 64; }, { network = { patch = 4; }; }, { batch = 3; });");
    pyr_text text = {0};

    CHECK_OK(pyr_settings_set(s, "train.images", "3000", "--set"));
    pyr_settings_write(s, 3, &text);
    CHECK_STRING(text.at, "# What is learned from.\n"
                          "data = {\n"
                          "    path = \"\";\n"
                          "    flip = true;\n"
                          "    classes = [];\n"
                          "    eval = {\n"
                          "        metrics = [\"frechet\", \"kid\"];\n"
                          "    };\n"
                          "};\n"
                          "\n"
                          "train = {\n"
                          "    images = \"3k\";\n"
                          "    duration = \"10m\";\n"
                          "    budget = 2e+14;\n"
                          "    third = 0.1;\n"
                          "    seed = 0;\n"
                          "};\n"
                          "\n"
                          "# What every level shares.\n"
                          "level = {\n"
                          "    batch = 64;\n"
                          "    network = {\n"
                          "        patch = 1;\n"
                          "        channels = [64, 128];\n"
                          "        filter = \"box\";\n"
                          "    };\n"
                          "    optim = {\n"
                          "        rate = 0.001;\n"
                          "    };\n"
                          "    noise = {\n"
                          "        sigma_max = 80.0;\n"
                          "    };\n"
                          "    weights = [1.0, 0.5];\n"
                          "};\n"
                          "\n"
                          "# Where a level differs from that; level 0, the finest, first.\n"
                          "levels = (\n"
                          "    { # level 0\n"
                          "        batch = 10;\n"
                          "    },\n"
                          "    { # level 1\n"
                          "    },\n"
                          "    { # level 2\n"
                          "        network = {\n"
                          "            patch = 4;\n"
                          "        };\n"
                          "    }\n"
                          ");\n");
    check_round_trip(s, 3);
    check_round_trip(s, PYR_SETTINGS_LEVELS);
    pyr_text_free(&text);
    pyr_settings_free(s);
}

/* ---- comparing, documenting, single rows ---------------------------------------------------- */

static bool only_train(void *arg, const pyr_section *section, const pyr_setting *row)
{
    (void)row;
    return strcmp(section->name, arg) == 0;
}

static void comparing(void)
{
    pyr_settings *a = from("levels = ({}, { batch = 5; });"), *b = from("\n\nlevel = { batch = 32; };");
    pyr_text text = {0};
    char train[] = "train";

    CHECK(pyr_settings_compare(a, a, 3, NULL, NULL, &text) == 0);
    CHECK(text.length == 0);
    CHECK_OK(pyr_settings_set(b, "train.images", "7", "--images"));
    CHECK(pyr_settings_compare(a, b, 2, NULL, NULL, &text) == 3);
    CHECK_STRING(text.at, "  train.images: \"200ki\" -> 7 (--images)\n"
                          "  levels[0].batch: 64 -> 32 (a.cfg:3)\n"
                          "  levels[1].batch: 5 -> 32 (a.cfg:3)\n");
    pyr_text_free(&text);
    CHECK(pyr_settings_compare(b, a, 1, NULL, NULL, &text) == 2);
    CHECK_STRING(text.at, "  train.images: 7 -> \"200ki\" (default)\n  level.batch: 32 -> 64 (default)\n");
    pyr_text_free(&text);
    CHECK(pyr_settings_compare(a, b, 2, only_train, train, &text) == 1);
    pyr_text_free(&text);
    pyr_settings_free(a);
    pyr_settings_free(b);
}

static void documentation(void)
{
    pyr_text plain = {0}, table = {0};

    pyr_settings_document(sections, false, &plain);
    CHECK(strstr(plain.at, "data: What is learned from.\n") != NULL);
    CHECK(strstr(plain.at, "  level.batch = 64\n      images per step\n      a whole number 1..65536\n") !=
          NULL);
    CHECK(strstr(plain.at, "      one of: box, haar, gaussian\n") != NULL);
    pyr_settings_document(sections, true, &table);
    CHECK(strstr(table.at, "## `level`: What every level shares.\n\n| key | value | default | meaning |\n") !=
          NULL);
    CHECK(strstr(table.at, "| `batch` | a whole number 1..65536 | `64` | images per step |\n") != NULL);
    CHECK(strstr(table.at, "names \\| of classes |\n") != NULL);
    pyr_text_free(&plain);
    pyr_text_free(&table);
}

static void single_rows(void)
{
    const pyr_section *section;
    const pyr_setting *row = pyr_settings_row(sections, "level.network.filter", &section);
    int choice;
    int64_t images;

    CHECK(row == &level_rows[5] && section == sections[2]);
    CHECK(pyr_settings_row(sections, "levels[1].batch", &section) == &level_rows[0]);
    CHECK(pyr_settings_row(sections, "level.nothing", &section) == NULL && !section);
    CHECK_OK(pyr_setting_parse(row, "--filter", "haar", "", &choice));
    CHECK(choice == 1);
    CHECK_FAILS(pyr_setting_parse(row, "--filter", "haa", "", &choice), PYR_E_CONFIG,
                "--filter is \"haa\", should be one of: box, haar, gaussian; did you mean haar?");
    CHECK(choice == 1);
    CHECK_OK(pyr_setting_parse(&train_rows[0], "--images", "3k", "", &images));
    CHECK(images == 3000);
}

/* ---- memory --------------------------------------------------------------------------------- */

/* Everything once; what does not report its own failure is checked through out->failed. */
static pyr_status everything(void)
{
    pyr_settings *s = NULL, *b = NULL;
    pyr_text text = {0};
    pyr_status status;

    PYR_TRY_OUT(pyr_settings_new(&s, sections));
    PYR_TRY_OUT(pyr_settings_new(&b, sections));
    PYR_TRY_OUT(pyr_settings_read_text(s,
                                       "data = { path = \"x\"; classes = [\"a\", \"b\"]; };\n"
                                       "levels = ({ batch = 3; }, { network = { patch = 2; }; });",
                                       "a.cfg"));
    PYR_TRY_OUT(pyr_settings_set(s, "level.network.channels", "[1, 2]", "--set"));
    PYR_TRY_OUT(pyr_settings_set(s, "levels[*].batch", "5", "--batch"));
    PYR_TRY_OUT(pyr_settings_each(s, note, &text));
    pyr_settings_write(s, 2, &text);
    pyr_settings_compare(s, b, 2, NULL, NULL, &text);
    pyr_settings_document(sections, true, &text);
    pyr_settings_document(sections, false, &text);
    status = text.failed ? PYR_E_NOMEM : PYR_OK;
out:
    pyr_text_free(&text);
    pyr_settings_free(s);
    pyr_settings_free(b);
    return status;
}

static void every_allocation_may_fail(void)
{
    size_t before = pyr_mem().live_blocks;
    pyr_status status = PYR_E_NOMEM;
    long n = 0;

    for (; n < 100000 && status != PYR_OK; n++) {
        pyr_mem_fail_after(n);
        status = everything();
        pyr_mem_fail_after(-1);
        if (status != PYR_OK && status != PYR_E_NOMEM)
            CHECK_REPORT("allocation %ld: status %d: %s", n, status, pyr_error());
        if (pyr_mem().live_blocks != before) {
            CHECK_REPORT("allocation %ld left blocks", n);
            break;
        }
    }
    CHECK(status == PYR_OK);
    CHECK(n > 100);
}

/* A failed sentence is still a failure of the configuration. */
static void failing_while_failing(void)
{
    for (long n = 0; n < 30; n++) {
        pyr_settings *s = made();
        size_t before = pyr_mem().live_blocks;

        pyr_mem_fail_after(n);
        CHECK(pyr_settings_read_text(s, "level = { bacth = 3; };", "a.cfg") == PYR_E_CONFIG);
        CHECK(pyr_settings_read_text(s, "level = { batch = 0; };", "a.cfg") == PYR_E_CONFIG);
        CHECK(pyr_settings_read_text(s, "level = 3;", "a.cfg") == PYR_E_CONFIG);
        pyr_mem_fail_after(-1);
        CHECK(pyr_mem().live_blocks == before);
        pyr_settings_free(s);
    }
}

static void nothing_is_left(void)
{
    CHECK(pyr_mem().live_blocks == 0);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    RUN(defaults);
    RUN(a_bad_default_is_named);
    RUN(every_type_from_a_file);
    RUN(every_type_from_the_command_line);
    RUN(durations);
    RUN(wrong_values);
    RUN(unknown_keys);
    RUN(what_libconfig_refuses);
    RUN(quiet_places);
    RUN(later_sources_override);
    RUN(levels_override_level);
    RUN(all_levels_at_once);
    RUN(what_was_set);
    RUN(files_and_includes);
    RUN(includes_that_multiply);
    RUN(reals_read_back_bit_equal);
    RUN(random_reals_read_back);
    RUN(counts_and_durations_read_back);
    RUN(texts_read_back);
    RUN(the_written_file);
    RUN(comparing);
    RUN(documentation);
    RUN(single_rows);
    RUN(every_allocation_may_fail);
    RUN(failing_while_failing);
    RUN(nothing_is_left);
    return CHECK_DONE();
}
