/* test_report.c - plots, pages, and what a report reads.
 *
 * Witnesses: published vectors (RFC 4648), closed forms, and a checker of well-formed XML below; the page as
 * a whole is opened in a browser by tests/cli/report.sh. */
#include "base/atomic_file.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/philox.h"
#include "comparison/compare_file.h"
#include "plots/svg.h"
#include "report/data_spectra.h"
#include "report/page.h"
#include "report/report.h"
#include "tests/check.h"
#include "training/train_log.h"
#include <ctype.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[256];

/* ---- help -------------------------------------------------------------------------------------- */

static const char *in_folder(const char *name)
{
    static char path[512];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *text)
{
    CHECK_OK(pyr_file_replace(in_folder(name), text, strlen(text)));
}

static int count_of(const char *text, const char *part)
{
    int n = 0;

    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        n++;
    return n;
}

/* Elements nest and end, attributes are quoted, & begins an entity: where that ends; NULL: all is well. */
static const char *ill_formed(const char *at)
{
    char open[32][32];
    int depth = 0;

    while (*at) {
        const char *start = at;
        size_t n;

        if (*at == '&') {
            n = strspn(at + 1, "#abcdefghijklmnopqrstuvwxyz0123456789");
            if (!n || at[1 + n] != ';')
                return start;
        }
        if (*at == '>')
            return start;
        if (*at++ != '<')
            continue;
        if (*at == '/') {
            n = strcspn(++at, ">");
            if (!depth || strlen(open[--depth]) != n || strncmp(open[depth], at, n) != 0)
                return start;
            at += n + 1;
            continue;
        }
        n = strcspn(at, " />\n");
        if (!n || n > 31 || depth == 32)
            return start;
        memcpy(open[depth], at, n);
        open[depth++][n] = '\0';
        for (at += n; *at == ' ';) {
            at += 1 + strcspn(at + 1, "=<>\" ");
            if (at[0] != '=' || at[1] != '"')
                return start;
            at += 2;
            at += strcspn(at, "\"<");
            if (*at++ != '"')
                return start;
        }
        if (*at == '/') {
            depth--;
            at++;
        }
        if (*at++ != '>')
            return start;
    }
    return depth ? at : NULL;
}

static void check_well_formed(const char *text)
{
    const char *bad = ill_formed(text);

    if (bad)
        CHECK_REPORT("not well-formed at: %.60s", bad);
}

static void knows_ill_formed_text(void)
{
    CHECK(!ill_formed("<a b=\"c &lt; d\"><e/>x</a>"));
    CHECK(ill_formed("<a><b></a></b>"));
    CHECK(ill_formed("<a>"));
    CHECK(ill_formed("<a b=c></a>"));
    CHECK(ill_formed("<a>&</a>"));
    CHECK(ill_formed("<a b=\"<\"></a>"));
}

/* The points of the first path of colour k in the picture; how many, and in how many pieces. */
static int points_of(const char *svg, int k, int *pieces, double (*points)[2], int most)
{
    char begins[32];
    const char *at;
    int n = 0;

    *pieces = 0;
    snprintf(begins, sizeof begins, "class=\"k%d\"", k);
    at = strstr(svg, begins);
    at = at ? strstr(at, " d=\"") : NULL;
    if (!at)
        return 0;
    for (at += 4; *at == 'M' || *at == 'L'; n++) {
        char *end;

        *pieces += *at == 'M';
        if (n == most)
            return n;
        points[n][0] = strtod(at + 1, &end);
        points[n][1] = strtod(end, &end);
        at = end;
    }
    return n;
}

static pyr_text plot_of(const pyr_series *series, size_t n, pyr_scale x, pyr_scale y)
{
    pyr_text out = {0};

    pyr_svg_plot(&out,
                 &(pyr_plot){.title = "t", .x = {"x", x}, .y = {"y", y}, .series = series, .n_series = n});
    CHECK(!out.failed);
    check_well_formed(out.at);
    for (const char *word = out.at; *word; word++)
        if ((strncmp(word, "nan", 3) == 0 || strncmp(word, "inf", 3) == 0) && word > out.at &&
            !isalpha((unsigned char)word[-1]))
            CHECK_REPORT("not a number: %.40s", word - 10);
    return out;
}

/* ---- text -------------------------------------------------------------------------------------- */

static void check_escape(const char *text, const char *wanted)
{
    pyr_text out = {0};

    pyr_escape(&out, text);
    CHECK_STRING(out.at, wanted);
    pyr_text_free(&out);
}

static void escapes(void)
{
    check_escape("a <b> & \"c\" 'd'", "a &lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
    check_escape("Fr\xc3\xa9"
                 "chet \xf0\x9f\x98\x80",
                 "Fr\xc3\xa9"
                 "chet \xf0\x9f\x98\x80");
    check_escape("a\x01"
                 "b\nc\td",
                 "a\\x01b\nc\td");
    /* no UTF-8: a byte alone, cut short, too long a form, a surrogate, beyond Unicode */
    check_escape("\xff!", "\\xff!");
    check_escape("x\xc3", "x\\xc3");
    check_escape("\xc0\xaf", "\\xc0\\xaf");
    check_escape("\xed\xa0\x80", "\\xed\\xa0\\x80");
    check_escape("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
}

/* RFC 4648, section 10, and a text over the writer's block. */
static void base64(void)
{
    static const char *const vectors[][2] = {{"f", "Zg=="},         {"fo", "Zm8="},
                                             {"foo", "Zm9v"},       {"foob", "Zm9vYg=="},
                                             {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
    pyr_text out = {0};
    char zeros[3000] = {0};

    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        pyr_base64(&out, vectors[i][0], strlen(vectors[i][0]));
        CHECK_STRING(out.at, vectors[i][1]);
        pyr_text_free(&out);
    }
    pyr_base64(&out, zeros, sizeof zeros);
    CHECK(out.length == 4000 && strspn(out.at, "A") == 4000);
    pyr_text_free(&out);
    pyr_base64(&out, "\xff\xef\xfe", 3);
    CHECK_STRING(out.at, "/+/+");
    pyr_text_free(&out);
}

static void check_tick_text(double value, const char *wanted)
{
    char text[32];

    pyr_tick_text(text, sizeof text, value);
    CHECK_STRING(text, wanted);
}

static void tick_texts(void)
{
    check_tick_text(0, "0");
    check_tick_text(0.05, "0.05");
    check_tick_text(-250, "-250");
    check_tick_text(1000, "1k");
    check_tick_text(20000, "20k");
    check_tick_text(1.5e6, "1.5M");
    check_tick_text(2e14, "200T");
    check_tick_text(1e-6, "1e-06");
    check_tick_text(1e18, "1e+18");
}

/* ---- axes -------------------------------------------------------------------------------------- */

static void check_ticks(double low, double high, bool log, size_t n, const double *wanted)
{
    double ticks[8];
    size_t got = pyr_ticks(ticks, 7, low, high, log);

    CHECK(got == n);
    for (size_t i = 0; i < got && i < n; i++)
        CHECK_CLOSE(ticks[i], wanted[i], 1e-12 * fabs(wanted[i]));
}

static void known_ticks(void)
{
    check_ticks(0, 1, false, 6, (const double[]){0, 0.2, 0.4, 0.6, 0.8, 1});
    check_ticks(-3.5, 12, false, 3, (const double[]){0, 5, 10});
    check_ticks(0.3, 70, true, 7, (const double[]){0.5, 1, 2, 5, 10, 20, 50});
    check_ticks(1e-6, 1e4, true, 6, (const double[]){1e-6, 1e-4, 1e-2, 1, 100, 1e4});
    check_ticks(2.1, 4.4, true, 4, (const double[]){2.5, 3, 3.5, 4});
}

/* Of random axes: within, rising, not too many, two at least. */
static void any_ticks(void)
{
    for (uint32_t i = 0; i < 4000; i++) {
        pyr_rng4 r = pyr_philox(7, i, 0, 0, 0);
        bool log = r.v[0] & 1;
        double low = pow(10, (double)(r.v[1] % 600) / 20 - 15), ticks[16];
        double high = low * (1 + pow(10, (double)(r.v[2] % 200) / 20 - 2));
        size_t most = 5 + r.v[3] % 8, n;

        if (!log && r.v[0] & 2)
            low = -low;
        n = pyr_ticks(ticks, most, low, high, log);
        CHECK(n >= 2 && n <= most);
        for (size_t j = 0; j < n; j++) {
            double slack = 1e-6 * (high - low);

            CHECK(ticks[j] >= low - slack && ticks[j] <= high + slack);
            CHECK(j == 0 || ticks[j] > ticks[j - 1]);
        }
    }
}

/* ---- plots ------------------------------------------------------------------------------------- */

/* Equal steps on a linear axis, equal ratios on a logarithmic one, are equal distances. */
static void distances(void)
{
    const double x[] = {0, 1, 2, 3}, y[] = {1, 10, 100, 1000};
    const pyr_series series = {.name = "s", .n = 4, .x = x, .y = y, .colour = 2, .marker = -1};
    pyr_text out = plot_of(&series, 1, PYR_SCALE_AUTO, PYR_SCALE_AUTO); /* y becomes logarithmic */
    double p[4][2] = {{0}};
    int pieces;

    CHECK(points_of(out.at, 2, &pieces, p, 4) == 4 && pieces == 1);
    for (int i = 1; i < 4; i++) {
        CHECK_CLOSE(p[i][0] - p[i - 1][0], p[1][0] - p[0][0], 0.11);
        CHECK_CLOSE(p[i][1] - p[i - 1][1], p[1][1] - p[0][1], 0.11);
        CHECK(p[i][0] > p[i - 1][0] && p[i][1] < p[i - 1][1]);
    }
    CHECK(p[0][0] > 0 && p[3][0] < PYR_PLOT_WIDTH && p[3][1] > 0);
    pyr_text_free(&out);
}

static void missing_points_break_the_line(void)
{
    const double x[] = {0, 1, 2, 3, 4, 5, 6, 7}, y[] = {1, 2, NAN, 3, INFINITY, 2, -1e305, 1};
    const double z[] = {1, 2, 0, 3, -4, 2, 1, 100};
    pyr_series series = {.name = "s", .n = 8, .x = x, .y = y, .colour = 3, .spread = y};
    double p[8][2];
    int pieces;
    pyr_text out = plot_of(&series, 1, PYR_SCALE_LINEAR, PYR_SCALE_LINEAR);

    CHECK(points_of(out.at, 3, &pieces, p, 8) == 5 && pieces == 4);
    pyr_text_free(&out);
    series.y = z;
    out = plot_of(&series, 1, PYR_SCALE_LINEAR, PYR_SCALE_LOG);
    CHECK(points_of(out.at, 3, &pieces, p, 8) == 6 && pieces == 3);
    pyr_text_free(&out);
}

static void nothing_to_draw(void)
{
    const double nan[] = {NAN, INFINITY}, same[] = {5, 5}, zero[] = {0, 0}, tiny[] = {5e-324, 1e-310};
    const double *const values[] = {nan, same, zero, tiny};

    for (size_t i = 0; i < 4; i++)
        for (int x = PYR_SCALE_AUTO; x <= PYR_SCALE_LOG; x++)
            for (int y = PYR_SCALE_AUTO; y <= PYR_SCALE_LOG; y++)
                for (size_t n = 0; n <= 2; n++) {
                    const pyr_series series = {
                        .name = "s", .n = n, .x = values[i], .y = values[i], .marker = 2};
                    pyr_text out = plot_of(&series, 1, (pyr_scale)x, (pyr_scale)y);

                    if (n == 0 || i == 0)
                        CHECK(strstr(out.at, "no data"));
                    pyr_text_free(&out);
                }
}

/* A long series keeps its extremes, and the file stays small. */
static void long_series(void)
{
    enum { N = 100000, PEAK = 54321 };
    static double x[N], y[N], p[2000][2];
    const pyr_series series = {.name = "s", .n = N, .x = x, .y = y, .colour = 1, .marker = 0};
    double highest = 1e9, base = 0;
    int pieces, n;
    pyr_text out;

    for (int i = 0; i < N; i++) {
        x[i] = i;
        y[i] = 1 + 0.1 * sin(i);
    }
    y[PEAK] = 10;
    out = plot_of(&series, 1, PYR_SCALE_LINEAR, PYR_SCALE_LINEAR);
    CHECK(out.length < 40000);
    n = points_of(out.at, 1, &pieces, p, 2000);
    CHECK(n > 100 && n <= 900 && pieces == 1);
    for (int i = 0; i < n; i++) {
        highest = fmin(highest, p[i][1]);
        base = fmax(base, p[i][1]);
    }
    CHECK(highest < base / 4);
    pyr_text_free(&out);
}

static void words_are_escaped(void)
{
    const double x[] = {1, 2};
    const pyr_series series[2] = {
        {.name = "<b>&\"one\"", .n = 2, .x = x, .y = x, .spread = x, .marker = 4},
        {.name = "two", .n = 2, .x = x, .y = x, .colour = 9, .dash = 8, .marker = 8}};
    const pyr_rule rule = {1.5, "<rule>"};
    pyr_text out = {0};

    pyr_svg_plot(&out, &(pyr_plot){.title = "<title>",
                                   .x = {"x < y", PYR_SCALE_LINEAR},
                                   .y = {"a & b", PYR_SCALE_LINEAR},
                                   .series = series,
                                   .n_series = 2,
                                   .rules = &rule,
                                   .n_rules = 1});
    check_well_formed(out.at);
    CHECK(strstr(out.at, "&lt;b&gt;&amp;&quot;one&quot;") && strstr(out.at, "&lt;rule&gt;"));
    CHECK(!strstr(out.at, "<b>"));
    pyr_text_free(&out);
}

/* ---- what is read ------------------------------------------------------------------------------ */

static void reads_logs(void)
{
    pyr_train_log log;

    put("log.jsonl",
        "{\"step\": 20, \"images\": 320, \"loss\": 0.9, \"seconds\": 1.5}\n"
        "not JSON\n"
        "[1, 2]\n"
        "{\"images\": 640, \"loss\": null, \"seconds\": 3, \"mfu\": 0.62, \"held_out\": 0.5, \"held_out_raw\": 0.6, "
        "\"held_out_bins\": [0.1, null, 0.3], \"bin_sigma\": [1, 2]}\n"
        "{\"images\": 960, \"loss\": 0.7, \"secon");
    CHECK_OK(pyr_train_log_read(&log, in_folder("log.jsonl")));
    CHECK(log.n == 2 && log.n_held_out == 1);
    CHECK(log.damaged == 2); /* the half line at the end is none of a damaged file */
    CHECK(log.images[0] == 320 && log.loss[0] == 0.9 && log.seconds[0] == 1.5);
    CHECK(log.images[1] == 640 && isnan(log.loss[1]));
    CHECK(log.held_out_images[0] == 640 && log.held_out_seconds[0] == 3);
    CHECK(log.ema[0] == 0.5 && log.raw[0] == 0.6);
    CHECK(log.bins[0].n == 2 && log.bins[0].loss[0] == 0.1 && isnan(log.bins[0].loss[1]));
    CHECK(log.bins[0].sigma[1] == 2);
    CHECK(log.mfu == 0.62);
    pyr_train_log_free(&log);
    put("log.jsonl", "");
    CHECK_OK(pyr_train_log_read(&log, in_folder("log.jsonl")));
    CHECK(log.n == 0 && isnan(log.mfu));
    pyr_train_log_free(&log);
    CHECK_STATUS(pyr_train_log_read(&log, in_folder("none")), PYR_E_IO);
}

static const char comparison[] =
    "{\"data\": \"<i>data</i>\", \"budget\": 600, \"more\": {},\n"
    " \"variants\": [\n"
    "  {\"name\": \"separate\", \"seed\": 0, \"fraction\": 1, \"train_s\": 10, \"train_flop\": 2e12,\n"
    "   \"held_out\": [0.1, 0.2], \"metrics\": {\"frechet\": 5, \"swd\": [1, null]}},\n"
    "  {\"name\": \"separate\", \"seed\": 1, \"train_s\": 12, \"metrics\": {\"frechet\": 7}},\n"
    "  {\"name\": \"single\", \"seed\": 4, \"train_s\": 11, \"metrics\": {\"frechet\": 8.25, \"kid\": "
    "null}},\n"
    "  {\"name\": \"broken\", \"metrics\": 7}, 3],\n"
    " \"curve\": [{\"name\": \"separate\", \"metrics\": {\"frechet\": 1}}, {\"name\": \"separate\", "
    "\"fraction\": 0.5, \"train_s\": 5, \"metrics\": {\"frechet\": 9}}]}\n";

static void reads_comparisons(void)
{
    pyr_compare c;

    put("compare.json", comparison);
    CHECK_OK(pyr_compare_read(&c, in_folder("compare.json")));
    CHECK_STRING(c.data, "<i>data</i>");
    CHECK_STRING(c.budget, "600");
    CHECK(!c.config && !c.command && c.n == 5);
    CHECK_STRING(c.rows[1].name, "separate");
    CHECK(c.rows[1].seed == 1 && c.rows[1].fraction == 1);
    CHECK(c.rows[0].figure[PYR_FIGURE_HELD_OUT].n == 2 && c.rows[0].figure[PYR_FIGURE_HELD_OUT].at[1] == 0.2);
    CHECK(c.rows[0].figure[PYR_FIGURE_SWD].n == 2 && isnan(c.rows[0].figure[PYR_FIGURE_SWD].at[1]));
    CHECK(c.rows[2].figure[PYR_FIGURE_KID].n == 0 && c.rows[2].figure[PYR_FIGURE_FRECHET].at[0] == 8.25);
    CHECK(c.rows[3].figure[PYR_FIGURE_FRECHET].n == 0);
    CHECK(c.rows[4].fraction == 0.5);
    pyr_compare_free(&c);
    put("compare.json", "[]");
    CHECK_FAILS(pyr_compare_read(&c, in_folder("compare.json")), PYR_E_FORMAT, "should be a JSON object");
}

/* ---- spectra ----------------------------------------------------------------------------------- */

/* The settings of tests/tiny.cfg. */
static pyr_status tiny(pyr_settings **settings, pyr_config *config, const char *key, const char *value)
{
    PYR_TRY(pyr_settings_new(settings, pyr_all_sections));
    PYR_TRY(pyr_settings_read(*settings, "tests/tiny.cfg"));
    PYR_TRY(pyr_settings_set(*settings, key, value, "a test"));
    return pyr_config_get(config, *settings);
}

/* 3x3: bin 0 is one frequency, bin 1 the eight others, and the mean square of what is standardised is 1, so
 * that (Parseval) P0 + 8 P1 = 9. Noise levels: exp(mean + z std) with the normal's quartiles z =
 * +-0.6744898. */
static void spectra(void)
{
    pyr_settings *settings = NULL;
    pyr_config config;
    pyr_data_spectra s = {0};

    CHECK_OK(tiny(&settings, &config, "level.noise.mean", "-0.5"));
    CHECK_OK(pyr_data_spectra_measure(&s, &config));
    CHECK(s.levels == 3 && s.images == 512);
    if (s.levels == 3) {
        const pyr_level_spectrum *l = &s.level[2];

        CHECK(l->h == 3 && l->w == 3 && l->c == 1 && l->bins == 2);
        CHECK_CLOSE(l->power[0] + 8 * l->power[1], 9, 1e-4);
        CHECK_CLOSE(l->sigma[0], config.level[2].sigma_min, 1e-9);
        CHECK_CLOSE(l->sigma[1], exp(-0.5 - 0.67448975 * config.level[2].std), 1e-6);
        CHECK_CLOSE(l->sigma[2], exp(-0.5), 1e-9);
        CHECK_CLOSE(l->sigma[3], exp(-0.5 + 0.67448975 * config.level[2].std), 1e-6);
        CHECK_CLOSE(l->sigma[4], config.level[2].sigma_max, 1e-6);
        /* the box filter keeps means: a residual has none */
        CHECK(s.level[0].h == 12 && s.level[0].w == 10 && s.level[0].bins == 6);
        CHECK_CLOSE(s.level[0].power[0], 0, 1e-9);
        CHECK(s.level[0].power[1] > 0.01);
    }
    pyr_data_spectra_free(&s);
    pyr_settings_free(settings);
    settings = NULL;
    CHECK_OK(tiny(&settings, &config, "pyramid.filter", "haar"));
    CHECK_OK(pyr_data_spectra_measure(&s, &config));
    CHECK(s.level[0].c == 3 && s.level[0].h == 6 && s.level[2].c == 1);
    pyr_data_spectra_free(&s);
    pyr_settings_free(settings);
    settings = NULL;
    CHECK_OK(tiny(&settings, &config, "data.path", "not/there"));
    CHECK_STATUS(pyr_data_spectra_measure(&s, &config), PYR_E_IO);
    pyr_settings_free(settings);
}

/* ---- the page ---------------------------------------------------------------------------------- */

static char *read_page(const char *name)
{
    char *bytes = NULL;
    size_t size;

    CHECK_OK(pyr_file_read(&bytes, &size, in_folder(name), 1 << 24));
    return bytes;
}

static void comparisons_become_tables(void)
{
    const char *folders[] = {folder};
    char path[512], *page;

    put("compare.json", comparison);
    snprintf(path, sizeof path, "%s/page.html", folder);
    CHECK_OK(pyr_report_write(path, &(pyr_report_job){folders, 1, "pyrdiff report '<x>'"}));
    page = read_page("page.html");
    if (!page)
        return;
    CHECK(strstr(page, "&lt;i&gt;data&lt;/i&gt;") && !strstr(page, "<i>"));
    CHECK(strstr(page, "&#39;&lt;x&gt;&#39;") && !strstr(page, "<x>"));
    CHECK(strstr(page, "separate (2 runs)") && strstr(page, "single (1 run)"));
    CHECK(strstr(page, "<strong>6.0 ± 1.4</strong>")); /* of 5 and 7: 6, sqrt(2) */
    CHECK(strstr(page, "<td>8.25</td>"));
    CHECK(count_of(page, "<svg") == 2 && count_of(page, "</svg>") == 2);
    CHECK(count_of(page, "<table>") == count_of(page, "</table>"));
    CHECK(!strstr(page, "<script") && !strstr(page, "nan<"));
    pyr_free(page);
}

/* Any allocation fails: that is said, nothing is written, nothing kept. */
static void survives_without_memory(void)
{
    const char *folders[] = {folder};
    const pyr_report_job job = {folders, 1, "pyrdiff report x"};
    char path[512];
    uint64_t before = pyr_mem().allocated;
    long needed, went_on = 0;

    put("compare.json", comparison);
    snprintf(path, sizeof path, "%s/nomem.html", folder);
    CHECK_OK(pyr_report_write(path, &job));
    needed = (long)(pyr_mem().allocated - before);
    CHECK(needed > 30);
    for (long k = 0; k < needed; k++) {
        size_t live = pyr_mem().live_blocks;
        pyr_status status;

        unlink(path);
        pyr_mem_fail_after(k);
        status = pyr_report_write(path, &job);
        pyr_mem_fail_after(-1);
        CHECK(pyr_mem().live_blocks == live);
        CHECK(pyr_is_file(path) == (status == PYR_OK));
        if (status != PYR_E_NOMEM && status != PYR_OK)
            CHECK_REPORT("allocation %ld: status %d, %s", k, status, pyr_error());
        went_on += status == PYR_OK;
    }
    CHECK(went_on <= 6);
}

static void refuses_what_is_neither(void)
{
    const char *none[] = {"tests/golden/shapes"}, *missing[] = {"not/there"};

    CHECK_FAILS(pyr_report_write(in_folder("no.html"), &(pyr_report_job){none, 1, NULL}), PYR_E_ARG,
                "is neither a run");
    CHECK_FAILS(pyr_report_write(in_folder("no.html"), &(pyr_report_job){missing, 1, NULL}), PYR_E_ARG,
                "not/there is not a folder");
    CHECK(!pyr_is_file(in_folder("no.html")));
}

int main(int argc, char **argv)
{
    const char *root = getenv("TMPDIR");
    pyr_names names = {0};

    CHECK_INIT(argc, argv);
    snprintf(folder, sizeof folder, "%.200s/pyrdiff-report-XXXXXX", root && *root ? root : "/tmp");
    if (!mkdtemp(folder)) {
        printf("cannot make a folder: %s\n", folder);
        return 1;
    }
    RUN(knows_ill_formed_text);
    RUN(escapes);
    RUN(base64);
    RUN(tick_texts);
    RUN(known_ticks);
    RUN(any_ticks);
    RUN(distances);
    RUN(missing_points_break_the_line);
    RUN(nothing_to_draw);
    RUN(long_series);
    RUN(words_are_escaped);
    RUN(reads_logs);
    RUN(reads_comparisons);
    RUN(spectra);
    RUN(comparisons_become_tables);
    RUN(survives_without_memory);
    RUN(refuses_what_is_neither);
    if (pyr_folder_names(&names, folder) == PYR_OK)
        for (size_t i = 0; i < names.n; i++)
            unlink(in_folder(names.at[i]));
    pyr_names_free(&names);
    rmdir(folder);
    return CHECK_DONE();
}
