/* settings_write.c - settings as text: the resolved file, what differs, the documentation. */
#include "settings/settings.h"

#include "base/mem.h"
#include "base/shown.h"
#include "settings/settings_internal.h"
#include <stdio.h>
#include <string.h>

/* ---- the resolved file ---------------------------------------------------------------------- */

/* What is written of one group: the rows of `section` at `level`, all of them
 * or only those that differ from what `level` says for all. */
typedef struct writer {
    const pyr_settings *settings;
    const pyr_section *section;
    int level;
    bool differing;
    pyr_text *out;
} writer;

static bool differs(const pyr_slot *slot, int level)
{
    return !pyr_value_equal(slot->row, pyr_slot_value(slot, level), pyr_slot_value(slot, -1));
}

static bool wanted(const writer *w, const pyr_slot *slot)
{
    return slot->section == w->section && (!w->differing || differs(slot, w->level));
}

/* What follows the group's prefix ("", "network.") in the key of a row that is wanted; else NULL. */
static const char *within_group(const writer *w, const pyr_slot *slot, const char *prefix)
{
    size_t n = strlen(prefix);

    return wanted(w, slot) && strncmp(slot->row->key, prefix, n) == 0 ? slot->row->key + n : NULL;
}

/* Has an earlier row opened the subgroup that begins the key of row i? */
static bool opened_before(const writer *w, size_t i, const char *prefix, size_t subgroup)
{
    const pyr_slot *slots = w->settings->slots;

    for (size_t j = 0; j < i; j++)
        if (within_group(w, &slots[j], prefix) &&
            strncmp(slots[j].row->key, slots[i].row->key, subgroup) == 0)
            return true;
    return false;
}

static void indent(pyr_text *out, int depth)
{
    pyr_text_add(out, "%*s", 4 * depth, "");
}

/* The rows behind `prefix`, subgroups in braces, at the place of their first row. */
static void write_group(const writer *w, const char *prefix, int depth)
{
    for (size_t i = 0; i < w->settings->n_slots; i++) {
        const pyr_slot *slot = &w->settings->slots[i];
        const char *key = within_group(w, slot, prefix), *dot = key ? strchr(key, '.') : NULL;
        char subgroup[200];

        if (key && !dot) {
            indent(w->out, depth);
            pyr_text_add(w->out, "%s = ", key);
            pyr_value_print(slot->row, pyr_slot_value(slot, w->level), w->out);
            pyr_text_add(w->out, ";\n");
        }
        if (!dot || opened_before(w, i, prefix, (size_t)(dot + 1 - slot->row->key)))
            continue;
        indent(w->out, depth);
        pyr_text_add(w->out, "%.*s = {\n", (int)(dot - key), key);
        snprintf(subgroup, sizeof subgroup, "%.*s", (int)(dot + 1 - slot->row->key), slot->row->key);
        write_group(w, subgroup, depth + 1);
        indent(w->out, depth);
        pyr_text_add(w->out, "};\n");
    }
}

static bool level_differs(const pyr_settings *s, int level)
{
    for (size_t i = 0; i < s->n_slots; i++)
        if (s->slots[i].section->per_level && differs(&s->slots[i], level))
            return true;
    return false;
}

/* levels = (...) up to the last level that has something of its own. */
static void write_levels(const pyr_settings *s, const pyr_section *section, int n_levels, pyr_text *out)
{
    while (n_levels > 0 && !level_differs(s, n_levels - 1))
        n_levels--;
    if (n_levels == 0)
        return;
    pyr_text_add(out, "\n# Where a level differs from that; level 0, the finest, first.\n%ss = (\n",
                 section->name);
    for (int level = 0; level < n_levels; level++) {
        writer w = {s, section, level, true, out};

        pyr_text_add(out, "    { # level %d\n", level);
        write_group(&w, "", 2);
        pyr_text_add(out, "    }%s\n", level + 1 < n_levels ? "," : "");
    }
    pyr_text_add(out, ");\n");
}

void pyr_settings_write(const pyr_settings *s, int n_levels, pyr_text *out)
{
    for (size_t i = 0; s->sections[i]; i++) {
        const pyr_section *section = s->sections[i];
        writer w = {s, section, -1, false, out};

        if (i > 0)
            pyr_text_add(out, "\n");
        if (section->help)
            pyr_text_add(out, "# %s\n", section->help);
        pyr_text_add(out, "%s = {\n", section->name);
        write_group(&w, "", 1);
        pyr_text_add(out, "};\n");
        if (section->per_level)
            write_levels(s, section, n_levels, out);
    }
}

/* ---- what differs --------------------------------------------------------------------------- */

static bool same_value(const pyr_slot *a, const pyr_slot *b, int level)
{
    return pyr_value_equal(a->row, pyr_slot_value(a, level), pyr_slot_value(b, level));
}

/* Do all levels have the value that `level` says? */
static bool uniform(const pyr_slot *slot, int n_levels)
{
    for (int level = 0; level < n_levels; level++)
        if (differs(slot, level))
            return false;
    return true;
}

static void report(const pyr_slot *a, const pyr_slot *b, int level, pyr_text *out)
{
    const pyr_assigned *now = level >= 0 && b->at[1 + level] ? b->at[1 + level] : b->at[0];

    pyr_text_add(out, "  ");
    pyr_slot_key(a, level, out);
    pyr_text_add(out, ": ");
    pyr_value_print(a->row, pyr_slot_value(a, level), out);
    pyr_text_add(out, " -> ");
    pyr_value_print(b->row, pyr_slot_value(b, level), out);
    pyr_shown_add(out, " (%s)\n", now ? now->origin : "default");
}

/* Of level `only`; -1: one line where the key has one value for all levels in both, else one per level. */
static size_t compare_slot(const pyr_slot *a, const pyr_slot *b, int only, int n_levels, pyr_text *out)
{
    bool single = !a->section->per_level || (uniform(a, n_levels) && uniform(b, n_levels));
    int first = only >= 0 || single ? only : 0, last = only >= 0 || single ? only : n_levels - 1;
    size_t n = 0;

    for (int level = first; level <= last; level++)
        if (!same_value(a, b, level)) {
            report(a, b, level, out);
            n++;
        }
    return n;
}

static size_t compare(const pyr_settings *a, const pyr_settings *b, int only, int n_levels,
                      pyr_settings_filter matters, void *arg, pyr_text *out)
{
    size_t n = 0;

    for (size_t i = 0; i < a->n_slots && i < b->n_slots; i++) {
        const pyr_slot *slot = &a->slots[i];

        if ((only < 0 || slot->section->per_level) && (!matters || matters(arg, slot->section, slot->row)))
            n += compare_slot(slot, &b->slots[i], only, n_levels, out);
    }
    return n;
}

size_t pyr_settings_compare(const pyr_settings *a, const pyr_settings *b, int n_levels,
                            pyr_settings_filter matters, void *arg, pyr_text *out)
{
    return compare(a, b, -1, n_levels, matters, arg, out);
}

size_t pyr_settings_compare_level(const pyr_settings *a, const pyr_settings *b, int level,
                                  pyr_settings_filter matters, void *arg, pyr_text *out)
{
    return compare(a, b, level, 0, matters, arg, out);
}

pyr_status pyr_settings_copy_level(pyr_settings *to, const pyr_settings *from, int level)
{
    for (const pyr_slot *slot = from->slots; slot < from->slots + from->n_slots; slot++)
        if (slot->section->per_level)
            PYR_TRY(pyr_slot_visit(slot, level, "another configuration", pyr_settings_put, to));
    return PYR_OK;
}

/* ---- documentation -------------------------------------------------------------------------- */

/* Wrapped; nothing of no text. */
static void add_wrapped(const char *text, pyr_text *out)
{
    if (*text)
        pyr_text_add_wrapped(out, text, 0, 6, 100);
}

static void document_plain(const pyr_section *section, const pyr_setting *row, const char *range,
                           pyr_text *out)
{
    pyr_text_add(out, "  %s.%s = %s\n", section->name, row->key, *row->standard ? row->standard : "\"\"");
    add_wrapped(row->help ? row->help : "", out);
    add_wrapped(range, out);
}

/* In a cell of a table a bar would end the cell. */
static void add_cell(const char *text, pyr_text *out)
{
    for (; *text; text++)
        pyr_text_add(out, *text == '|' ? "\\|" : "%c", *text);
}

static void document_markdown(const pyr_setting *row, const char *range, pyr_text *out)
{
    pyr_text_add(out, "| `%s` | ", row->key);
    add_cell(range, out);
    pyr_text_add(out, " | `");
    add_cell(*row->standard ? row->standard : "\"\"", out);
    pyr_text_add(out, "` | ");
    add_cell(row->help ? row->help : "", out);
    pyr_text_add(out, " |\n");
}

static void section_heading(const pyr_section *section, bool markdown, pyr_text *out)
{
    const char *colon = section->help ? ": " : "", *help = section->help ? section->help : "";

    if (!markdown) {
        pyr_text_add(out, "%s%s%s\n", section->name, colon, help);
        return;
    }
    pyr_text_add(out, "## `%s`%s%s\n\n", section->name, colon, help);
    pyr_text_add(out, "| key | value | default | meaning |\n| --- | --- | --- | --- |\n");
}

void pyr_settings_document(const pyr_section *const *sections, bool markdown, pyr_text *out)
{
    for (size_t i = 0; sections[i]; i++) {
        const pyr_section *section = sections[i];

        if (i > 0)
            pyr_text_add(out, "\n");
        section_heading(section, markdown, out);
        for (size_t j = 0; j < section->n; j++) {
            pyr_text range = {0};

            pyr_setting_describe(&section->rows[j], &range);
            if (markdown)
                document_markdown(&section->rows[j], range.at ? range.at : "", out);
            else
                document_plain(section, &section->rows[j], range.at ? range.at : "", out);
            out->failed |= range.failed;
            pyr_text_free(&range);
        }
    }
}
