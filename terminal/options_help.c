/* options_help.c - the text of --help. */
#include "terminal/options.h"

#include "base/text.h"
#include <string.h>

enum { WIDTH = 96, COLUMN_MAX = 30 };

bool pyr_option_switches(const pyr_option *option)
{
    return !option->argument &&
           (option->setting || (option->standard && strcmp(option->standard, "true") == 0));
}

/* "  --outdir DIR", "  --[no-]xflip", "  --dry-run" (which nobody needs to turn off) */
static void option_head(const pyr_option *option, pyr_text *out)
{
    pyr_text_add(out, "  --%s%s", pyr_option_switches(option) ? "[no-]" : "", option->name);
    if (option->argument)
        pyr_text_add(out, " %s", option->argument);
}

void pyr_option_text(const pyr_command *command, const pyr_option *option, pyr_text *out)
{
    pyr_setting row = pyr_option_row(command, option);
    bool words = row.choices && (row.type == PYR_SETTING_CHOICE || row.type == PYR_SETTING_TEXT ||
                                 row.type == PYR_SETTING_TEXTS);
    bool standard = row.standard && *row.standard && strcmp(row.standard, "[]") != 0 &&
                    (option->argument || pyr_option_switches(option));

    pyr_text_add(out, "%s", option->help ? option->help : row.help ? row.help : "");
    if (words || standard)
        pyr_text_add(out, " (");
    if (words)
        pyr_setting_describe(&row, out);
    if (standard)
        pyr_text_add(out, "%sdefault: %s", words ? "; " : "",
                     option->untyped ? option->untyped : row.standard);
    if (words || standard)
        pyr_text_add(out, ")");
}

static void add_row(const char *head, const char *text, int column, pyr_text *out)
{
    pyr_text_add(out, "%s", head);
    pyr_text_add_wrapped(out, text, (int)strlen(head), column, WIDTH);
}

static void add_option(const pyr_command *command, const pyr_option *option, int column, pyr_text *out)
{
    pyr_text head = {0}, text = {0};

    option_head(option, &head);
    pyr_option_text(command, option, &text);
    if (head.failed || text.failed || !text.at)
        out->failed = true;
    else
        add_row(head.at, text.at, column, out);
    pyr_text_free(&head);
    pyr_text_free(&text);
}

/* Where the texts begin: behind the widest head that is not too wide. */
static int help_column(const pyr_command *command)
{
    int column = (int)strlen("  --set KEY=VALUE  ");
    const pyr_option *option;

    for (size_t i = 0; (option = pyr_option_at(command, i)); i++) {
        size_t head = strlen(option->name) + (option->argument ? 5 + strlen(option->argument) : 9);

        if (head + 2 <= COLUMN_MAX && (int)head + 2 > column)
            column = (int)head + 2;
    }
    return column;
}

void pyr_options_help(const pyr_command *command, pyr_text *out)
{
    int column = help_column(command);
    const pyr_option *option;

    pyr_text_add(out, "usage: pyrdiff %s [options]%s%s\n\n", command->name, command->arguments ? " " : "",
                 command->arguments ? command->arguments : "");
    if (command->summary) {
        pyr_text_add_wrapped(out, command->summary, 0, 0, WIDTH);
        pyr_text_add(out, "\n");
    }
    pyr_text_add(out, "options:\n");
    for (size_t i = 0; (option = pyr_option_at(command, i)); i++)
        add_option(command, option, column, out);
    if (command->sections)
        add_row("  --set KEY=VALUE", "set any setting; may be given several times", column, out);
    add_row("  -h, --help", "print this and exit", column, out);
    if (command->examples)
        pyr_text_add(out, "\nexamples:\n%s", command->examples);
}
