/* report.c - the page on runs and comparisons: what it is of, and its parts in order. */
#include "report/report.h"

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/version.h"
#include "kernels/kernels.h"
#include "levels/level_file.h"
#include "plots/svg.h"
#include "report/page.h"
#include "report/report_internal.h"
#include <string.h>
#include <time.h>

/* ---- gathering --------------------------------------------------------------------------------- */

/* The last part of a path; the whole when that says nothing. */
static pyr_status name_run(pyr_report_run *run)
{
    size_t n = strlen(run->folder), start;

    while (n > 1 && run->folder[n - 1] == '/')
        n--;
    for (start = n; start > 0 && run->folder[start - 1] != '/';)
        start--;
    start = start < n ? start : 0;
    return pyr_format(&run->name, "%.*s", (int)(n - start), run->folder + start);
}

/* The size of images, from a level that is trained. */
static void read_size(pyr_report_run *run, const char *folder, int level)
{
    pyr_level_facts facts;
    bool there;
    pyr_status status = pyr_run_has_level(&there, run->folder, level);

    if (status == PYR_OK && there)
        status = pyr_level_unet_facts(folder, &facts);
    if (status != PYR_OK)
        pyr_text_add(&run->unread, "%s\n", pyr_error());
    else if (there) {
        run->h = facts.h;
        run->w = facts.w;
    }
}

static pyr_status read_levels(pyr_report_run *run)
{
    for (int i = 0; i < run->config.pyramid.levels; i++) {
        char *folder, *path = NULL;
        bool there = false;
        pyr_status status;

        PYR_TRY(pyr_run_level(&folder, run->folder, i));
        status = pyr_path_new(&path, folder, "log.jsonl");
        if (status == PYR_OK)
            status = pyr_file_exists(&there, path);
        if (status == PYR_OK && there)
            status = pyr_train_log_read(&run->log[i], path);
        if (status == PYR_OK && !run->h)
            read_size(run, folder, i);
        pyr_free(path);
        pyr_free(folder);
        PYR_TRY(status);
    }
    return PYR_OK;
}

static pyr_status add_run(pyr_report *report, const char *folder, bool of_comparison)
{
    pyr_report_run *run;
    bool there;

    PYR_TRY(pyr_grow(&report->runs, &report->room_runs, report->n_runs, sizeof *run, "a run"));
    run = &report->runs[report->n_runs++];
    *run = (pyr_report_run){.of_comparison = of_comparison};
    PYR_TRY(pyr_format(&run->folder, "%s", folder));
    PYR_TRY(name_run(run));
    PYR_TRY(pyr_run_exists(&there, folder));
    if (of_comparison && !there)
        return PYR_OK;
    PYR_TRY(pyr_run_settings(&run->settings, folder));
    PYR_TRY(pyr_config_get(&run->config, run->settings));
    return read_levels(run);
}

/* The first run of each variant, when its folder is there. */
static pyr_status add_variants(pyr_report *report, const struct pyr_report_compare *compare)
{
    const pyr_compare *c = &compare->figures;

    for (size_t i = 0; i < c->n; i++) {
        bool first = true, there;
        char *folder;
        pyr_status status;

        for (size_t j = 0; j < i; j++)
            first = first && strcmp(c->rows[j].name, c->rows[i].name) != 0;
        if (!first)
            continue;
        PYR_TRY(pyr_format(&folder, "%s/%s-%lld", compare->folder, c->rows[i].name, c->rows[i].seed));
        status = pyr_folder_exists(&there, folder);
        if (status == PYR_OK && there)
            status = add_run(report, folder, true);
        pyr_free(folder);
        PYR_TRY(status);
    }
    return PYR_OK;
}

static pyr_status add_compare(pyr_report *report, const char *folder)
{
    struct pyr_report_compare *compare;
    char *path;
    pyr_status status;

    PYR_TRY(pyr_grow(&report->compares, &report->room_compares, report->n_compares, sizeof *compare,
                     "a comparison"));
    compare = &report->compares[report->n_compares++];
    *compare = (struct pyr_report_compare){0};
    PYR_TRY(pyr_format(&compare->folder, "%s", folder));
    PYR_TRY(pyr_path_new(&path, folder, "compare.json"));
    status = pyr_compare_read(&compare->figures, path);
    pyr_free(path);
    PYR_TRY(status);
    return add_variants(report, compare);
}

static pyr_status add_folder(pyr_report *report, const char *folder, bool *found)
{
    bool run, compare;

    PYR_TRY(pyr_run_exists(&run, folder));
    PYR_TRY(pyr_file_exists_in(&compare, folder, "compare.json"));
    *found = run || compare;
    if (run)
        PYR_TRY(add_run(report, folder, false));
    return compare ? add_compare(report, folder) : PYR_OK;
}

static pyr_status add_argument(pyr_report *report, const char *folder)
{
    pyr_names names = {0};
    bool found, any = false;
    pyr_status status = PYR_OK;

    PYR_TRY(add_folder(report, folder, &found));
    if (found)
        return PYR_OK;
    if (!pyr_is_folder(folder))
        return pyr_fail(PYR_E_ARG,
                        "%s is not a folder; a run is one with pyrdiff.cfg, as pyrdiff train makes it",
                        folder);
    PYR_TRY(pyr_folder_names(&names, folder));
    for (size_t i = 0; i < names.n; i++) {
        char *inside;

        PYR_TRY_OUT(pyr_path_new(&inside, folder, names.at[i]));
        status = add_folder(report, inside, &found);
        pyr_free(inside);
        PYR_TRY_OUT(status);
        any = any || found;
    }
    if (!any)
        status = pyr_fail(
            PYR_E_ARG,
            "%s is neither a run (with pyrdiff.cfg) nor a comparison (with compare.json), and holds none",
            folder);
out:
    pyr_names_free(&names);
    return status;
}

/* Runs of the same name are told apart by their paths. */
static pyr_status tell_apart(pyr_report *report)
{
    for (size_t i = 0; i < report->n_runs; i++) {
        bool twice = false;

        for (size_t j = 0; j < report->n_runs; j++)
            twice = twice || (j != i && strcmp(report->runs[j].name, report->runs[i].name) == 0);
        if (!twice)
            continue;
        for (size_t j = report->n_runs; j-- > i;) {
            if (j != i && strcmp(report->runs[j].name, report->runs[i].name) != 0)
                continue;
            pyr_free(report->runs[j].name);
            PYR_TRY(pyr_format(&report->runs[j].name, "%s", report->runs[j].folder));
        }
    }
    return PYR_OK;
}

static void free_report(pyr_report *report)
{
    for (size_t i = 0; i < report->n_runs; i++) {
        pyr_report_run *run = &report->runs[i];

        for (int j = 0; j < PYR_MAX_LEVELS; j++)
            pyr_train_log_free(&run->log[j]);
        pyr_settings_free(run->settings);
        pyr_text_free(&run->unread);
        pyr_free(run->folder);
        pyr_free(run->name);
    }
    for (size_t i = 0; i < report->n_compares; i++) {
        pyr_compare_free(&report->compares[i].figures);
        pyr_free(report->compares[i].folder);
    }
    pyr_free(report->runs);
    pyr_free(report->compares);
    *report = (pyr_report){0};
}

/* ---- the page ---------------------------------------------------------------------------------- */

static void add_fact(pyr_text *out, const char *name, const char *value)
{
    pyr_text_add(out, "<tr><th>%s</th><td class=\"wrap\">", name);
    pyr_escape(out, value);
    pyr_text_add(out, "</td></tr>\n");
}

static void add_provenance(pyr_text *out, const pyr_report_job *job)
{
    char date[64] = "unknown", program[128];
    time_t now = time(NULL);
    struct tm tm;

    if (gmtime_r(&now, &tm))
        strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", &tm);
    snprintf(program, sizeof program, "%s, sources %s", pyr_version(), pyr_version_sources());
    pyr_text_add(out, "<h2>Made by</h2>\n<div class=\"box\"><table>\n");
    if (job->command)
        add_fact(out, "Command", job->command);
    add_fact(out, "Date", date);
    add_fact(out, "pyrdiff", program);
    add_fact(out, "Compiler", pyr_compiler());
    add_fact(out, "Library", pyr_cpu_library());
    pyr_text_add(out, "</table></div>\n");
}

static void add_title(pyr_text *title, const pyr_report *report)
{
    for (size_t i = 0; i < report->n_compares; i++)
        pyr_text_add(title, "%s%s", title->length ? ", " : "", report->compares[i].folder);
    for (size_t i = 0; i < report->n_runs; i++)
        if (!report->runs[i].of_comparison)
            pyr_text_add(title, "%s%s", title->length ? ", " : "", report->runs[i].name);
}

/* What is missing from the page for another reason than that it is not there. */
static void add_unread(pyr_text *out, const pyr_report *report)
{
    for (size_t i = 0; i < report->n_runs; i++) {
        const pyr_text *unread = &report->runs[i].unread;

        out->failed = out->failed || unread->failed;
        for (const char *line = unread->at, *end; line && (end = strchr(line, '\n')); line = end + 1)
            pyr_page_element(out, "p", "Left out: %.*s", (int)(end - line), line);
    }
}

static pyr_status compose(pyr_text *page, const pyr_report *report, const pyr_report_job *job)
{
    pyr_text title = {0};

    add_title(&title, report);
    pyr_page_begin(page, title.at ? title.at : "pyrdiff");
    pyr_page_element(page, "h1", "%s", title.at ? title.at : "pyrdiff");
    page->failed = page->failed || title.failed;
    pyr_text_free(&title);
    add_unread(page, report);
    PYR_TRY(pyr_report_comparisons(page, report));
    pyr_report_losses(page, report);
    pyr_report_samples(page, report);
    pyr_report_spectra(page, report);
    pyr_report_configurations(page, report);
    add_provenance(page, job);
    pyr_page_end(page);
    return page->failed ? pyr_fail(PYR_E_NOMEM, "out of memory for a report") : PYR_OK;
}

pyr_status pyr_report_write(const char *path, const pyr_report_job *job)
{
    pyr_report report = {0};
    pyr_text page = {0};
    pyr_status status = PYR_OK;

    for (size_t i = 0; i < job->n; i++)
        PYR_TRY_OUT(add_argument(&report, job->folders[i]));
    PYR_TRY_OUT(tell_apart(&report));
    PYR_TRY_OUT(compose(&page, &report, job));
    PYR_TRY_OUT(pyr_file_replace(path, page.at, page.length));
out:
    pyr_text_free(&page);
    free_report(&report);
    return status;
}
