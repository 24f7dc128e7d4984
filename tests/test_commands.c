/* test_commands.c - the tables of all commands: what help, manual pages and completions need is there. */
#include "base/mem.h"
#include "cli/cli.h"
#include "terminal/manual.h"
#include "tests/check.h"
#include <stdlib.h>

static void a_command_is_described(void)
{
    for (size_t i = 0; pyr_commands[i]; i++) {
        const pyr_command *c = pyr_commands[i];
        size_t title = c->title ? strlen(c->title) : 0;

        if (!c->run || !c->summary || !title || title > 80 || c->title[title - 1] == '.')
            CHECK_REPORT("%s: run, summary, or half a line as title is missing", c->name);
        if (!c->examples || strncmp(c->examples, "  pyrdiff ", 10) != 0 ||
            c->examples[strlen(c->examples) - 1] != '\n')
            CHECK_REPORT("%s: no examples, as they are typed", c->name);
        if ((c->most > 0) != (c->arguments != NULL) || c->least > c->most)
            CHECK_REPORT("%s: arguments, least and most do not agree", c->name);
        CHECK(pyr_find_command(c->name) == c);
    }
    CHECK(!pyr_find_command("nothing"));
}

static void check_option(const pyr_command *c, size_t i)
{
    const pyr_option *option = pyr_option_at(c, i);
    pyr_setting row = pyr_option_row(c, option);
    pyr_text text = {0};

    for (size_t j = 0; j < i; j++)
        if (strcmp(pyr_option_at(c, j)->name, option->name) == 0)
            CHECK_REPORT("%s: two options --%s", c->name, option->name);
    if (strncmp(option->name, "no-", 3) == 0 || strcmp(option->name, "set") == 0 ||
        strcmp(option->name, "help") == 0)
        CHECK_REPORT("%s: --%s means something else already", c->name, option->name);
    if ((row.type == PYR_SETTING_BOOL) != (option->argument == NULL))
        CHECK_REPORT("%s: --%s is a flag, or it has a value", c->name, option->name);
    if (option->missing && (option->setting || row.type != PYR_SETTING_TEXT))
        CHECK_REPORT("%s: --%s is not a text, so it cannot be missing", c->name, option->name);
    pyr_option_text(c, option, &text);
    if (!text.length || text.at[0] == '(')
        CHECK_REPORT("%s: --%s has no help", c->name, option->name);
    pyr_text_free(&text);
}

/* Parsing puts all standards in place, which must fit their rows, before it misses arguments. */
static void options_are_whole(void)
{
    for (size_t i = 0; pyr_commands[i]; i++) {
        const pyr_command *c = pyr_commands[i];
        void *typed = calloc(1, c->size + 1);
        char name[] = "x", help[] = "--help", *argv[] = {name, help};
        pyr_parsed parsed;

        CHECK_OK(pyr_options_parse(&parsed, c, typed, 2, argv));
        pyr_parsed_free(&parsed);
        free(typed);
        for (size_t j = 0; pyr_option_at(c, j); j++)
            check_option(c, j);
    }
}

static void print_manual(pyr_text *out)
{
    pyr_manual_command(pyr_commands[0], out);
}

static void print_program(pyr_text *out)
{
    pyr_manual_program(pyr_commands, out);
}

static void print_bash(pyr_text *out)
{
    pyr_completions_bash(pyr_commands, out);
}

static void print_zsh(pyr_text *out)
{
    pyr_completions_zsh(pyr_commands, out);
}

/* A text that is not whole is never taken for one. */
static void out_of_memory_is_noticed(void)
{
    void (*const print[])(pyr_text *) = {print_manual, print_program, print_bash, print_zsh};

    for (int i = 0; i < 4; i++) {
        pyr_text whole = {0};
        bool failed = true;

        print[i](&whole);
        CHECK(whole.length > 1000 && !whole.failed);
        for (long n = 0; failed && n < 1000; n++) {
            pyr_text text = {0};

            pyr_mem_fail_after(n);
            print[i](&text);
            pyr_mem_fail_after(-1);
            failed = text.failed;
            CHECK(failed || text.length == whole.length);
            pyr_text_free(&text);
        }
        CHECK(!failed);
        pyr_text_free(&whole);
    }
    CHECK(pyr_mem().live_blocks == 0);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    RUN(a_command_is_described);
    RUN(options_are_whole);
    RUN(out_of_memory_is_noticed);
    return CHECK_DONE();
}
