/* info_lists.c - pyrdiff info --list: the tables of the program's rows, for people and for the pages of docs/. */
#include "cli/info/info.h"

#include "diffusion/prediction.h"
#include "eval/metric_rows.h"
#include "images/data_format.h"
#include "pictures/image_file.h"
#include "pyramid/filters.h"
#include "terminal/output.h"
#include <stdio.h>
#include <string.h>

enum { COLUMNS = 5, CELL = 512 };

typedef struct list {
    const char *name, *heads[COLUMNS + 1]; /* ends with NULL */
    void (*put_rows)(pyr_text *out, bool markdown, const struct list *list);
} list;

static void put_plain(pyr_text *out, const char *cell)
{
    for (; *cell; cell++)
        if (*cell != '`' && *cell != '\\') /* Markdown's */
            pyr_text_add_bytes(out, cell, 1);
}

/* A row of a table; for people: the first cell, and the others in lines below it. */
static void put_row(pyr_text *out, bool markdown, const list *l, const char *const *cells)
{
    for (int i = 0; l->heads[i]; i++)
        if (markdown)
            pyr_text_add(out, *cells[i] ? "| %s " : "|%s ", cells[i]);
        else if (*cells[i]) {
            pyr_text_add(out, i ? "    %-10s" : "%s", i ? l->heads[i] : "");
            put_plain(out, cells[i]);
            pyr_text_add(out, "\n");
        }
    if (markdown)
        pyr_text_add(out, "|\n");
}

static void put_samplers(pyr_text *out, bool markdown, const list *l)
{
    for (int kind = 0; kind < PYR_SAMPLER_KINDS; kind++) {
        const pyr_sampler_row *row = pyr_sampler_row_of(kind);
        char word[CELL], settings[CELL];

        snprintf(word, sizeof word, "`%s`", pyr_sampler_names[kind]);
        pyr_sampler_settings(settings, sizeof settings, kind);
        put_row(out, markdown, l, (const char *const[]){word, settings, row->cost, row->help, row->source});
    }
}

static void put_noise(pyr_text *out, bool markdown, const list *l)
{
    static const struct {
        const char *setting, *const *words, *const *help;
    } lists[] = {
        {"noise.family", pyr_family_names, pyr_family_help},
        {"noise.schedule", pyr_curve_names, pyr_curve_help},
        {"noise.density", pyr_density_names, pyr_density_help},
        {"noise.weight", pyr_weight_names, pyr_weight_help},
        {"noise.prediction", pyr_prediction_names, pyr_prediction_help},
        {"objective", pyr_objective_names, pyr_objective_help},
        {"sampler.start", pyr_start_names, pyr_start_help},
        {"sampler.variance", pyr_variance_names, pyr_variance_help},
    };

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (int word = 0; lists[i].words[word]; word++) {
            char key[CELL];

            snprintf(key, sizeof key, "`%s = \"%s\"`", lists[i].setting, lists[i].words[word]);
            put_row(out, markdown, l, (const char *const[]){key, lists[i].help[word]});
        }
}

static void put_filters(pyr_text *out, bool markdown, const list *l)
{
    for (int i = 0; i < PYR_FILTERS; i++) {
        const pyr_filter *filter = pyr_filter_of(i);
        char word[CELL];

        snprintf(word, sizeof word, "`%s`", pyr_filter_names[i]);
        put_row(out, markdown, l,
                (const char *const[]){word, filter->bands ? "bands" : "residual",
                                      filter->bands ? "of images" : "of codes", filter->help});
    }
}

static void put_metrics(pyr_text *out, bool markdown, const list *l)
{
    for (int i = 0; i < PYR_METRICS; i++) {
        const pyr_metric *metric = pyr_metric_at(i);
        char label[CELL], word[CELL];

        snprintf(label, sizeof label, "%s%s", metric->label, metric->figure.per_level ? ", per level" : "");
        snprintf(word, sizeof word, "`%s`", metric->figure.key);
        put_row(out, markdown, l,
                (const char *const[]){label, word,
                                      metric->figure.better > 0   ? "↑"
                                      : metric->figure.better < 0 ? "↓"
                                                                  : "",
                                      metric->definition, metric->source});
    }
}

static void put_formats(pyr_text *out, bool markdown, const list *l)
{
    for (const pyr_data_format *const *row = pyr_data_formats; *row; row++)
        put_row(out, markdown, l, (const char *const[]){(*row)->name, (*row)->files, (*row)->help});
}

static void put_pictures(pyr_text *out, bool markdown, const list *l)
{
    for (const pyr_picture_row *row = pyr_picture_rows; row->name; row++)
        put_row(out, markdown, l, (const char *const[]){row->name, row->format->endings, row->format->help});
}

static const list lists[] = {
    {"samplers", {"word", "settings", "NFE", "a step", "source"}, put_samplers},
    {"noise", {"setting", "meaning"}, put_noise},
    {"filters", {"filter", "details", "likelihood", "meaning"}, put_filters},
    {"metrics", {"figure", "word", "", "definition", "source"}, put_metrics},
    {"formats", {"format", "files", "reading"}, put_formats},
    {"pictures", {"format", "endings", "read are"}, put_pictures},
};
enum { LISTS = sizeof lists / sizeof *lists };

pyr_status pyr_info_list(const char *name, bool markdown)
{
    const char *names[LISTS], *ruler[COLUMNS] = {"---", "---", "---", "---", "---"};
    pyr_text text = {0};
    int which;

    for (int i = 0; i < LISTS; i++)
        names[i] = lists[i].name;
    if (pyr_find_word(&which, "list", name, strlen(name), names, LISTS) != PYR_OK)
        return pyr_fail_prefix(PYR_E_ARG, "--list");
    if (markdown) {
        put_row(&text, true, &lists[which], lists[which].heads);
        put_row(&text, true, &lists[which], ruler);
    }
    lists[which].put_rows(&text, markdown, &lists[which]);
    return pyr_print_text(&text, "a list");
}
