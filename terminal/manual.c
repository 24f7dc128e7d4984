/* manual.c - man pages of the commands, in mdoc (mdoc(7)). */
#include "terminal/manual.h"

#include "base/mem.h"
#include "base/version.h"
#include <ctype.h>
#include <string.h>

/* A hyphen that is typed, such as of an option, and not one within a word: they look different in a page. */
static bool is_minus(const char *text, const char *at)
{
    return at == text || !isalpha((unsigned char)at[-1]) || !isalpha((unsigned char)at[1]);
}

/* What roff would take for a request or an escape is none. `text` begins a line if `begins`. */
static void add_bytes(const char *text, size_t n, bool begins, pyr_text *out)
{
    if (begins && n && (text[0] == '.' || text[0] == '\''))
        pyr_text_add(out, "\\&");
    for (const char *at = text; at < text + n; at++)
        if (*at == '\\')
            pyr_text_add(out, "\\e");
        else if (*at == '-' && is_minus(text, at))
            pyr_text_add(out, "\\-");
        else
            pyr_text_add_bytes(out, at, 1);
}

/* Does a sentence end with this word? */
static bool ends_sentence(const char *word, size_t n, const char *next)
{
    return n > 0 && strchr(".?!", word[n - 1]) && isupper((unsigned char)*next);
}

/* Running text: lines of at most 78 bytes, each sentence on a line of its own. */
static void add_text(const char *text, pyr_text *out)
{
    enum { WIDTH = 78 };
    size_t column = 0;

    while (*text) {
        size_t n = strcspn(text, " "), before = out->length;
        const char *next = text + n + strspn(text + n, " ");

        if (column && column + 1 + n > WIDTH) {
            pyr_text_add(out, "\n");
            column = 0;
        }
        if (column)
            pyr_text_add(out, " ");
        add_bytes(text, n, column == 0, out);
        column += out->length - before;
        if (ends_sentence(text, n, next)) {
            pyr_text_add(out, "\n");
            column = 0;
        }
        text = next;
    }
    pyr_text_add(out, column ? "\n" : "");
}

/* Lines as they are. */
static void add_lines(const char *lines, pyr_text *out)
{
    pyr_text_add(out, ".Bd -literal\n");
    while (*lines) {
        size_t n = strcspn(lines, "\n");

        add_bytes(lines, n, true, out);
        pyr_text_add(out, "\n");
        lines += n + (lines[n] == '\n');
    }
    pyr_text_add(out, ".Ed\n");
}

static void add_head(const char *name, const char *title, pyr_text *out)
{
    pyr_text_add(out, ".\\\" Made by pyrdiff --man.\n.Dd %s\n.Dt ", pyr_version_date());
    for (const char *at = name; *at; at++)
        pyr_text_add(out, "%c", toupper((unsigned char)*at));
    pyr_text_add(out, " 1\n.Os\n.Sh NAME\n.Nm %s\n.Nd ", name);
    add_bytes(title, strlen(title), false, out);
    pyr_text_add(out, "\n");
}

static void add_item(const char *name, const char *argument, const char *no, pyr_text *out)
{
    pyr_text_add(out, ".It Fl \\-%s", name);
    if (argument)
        pyr_text_add(out, " Ar %s", argument);
    if (no)
        pyr_text_add(out, " , Fl \\-no\\-%s", no);
    pyr_text_add(out, "\n");
}

static void add_options(const pyr_command *command, pyr_text *out)
{
    const pyr_option *option;

    pyr_text_add(out, ".Pp\nThe options are:\n.Bl -tag -width Ds\n");
    for (size_t i = 0; (option = pyr_option_at(command, i)); i++) {
        pyr_text text = {0};

        add_item(option->name, option->argument, pyr_option_switches(option) ? option->name : NULL, out);
        pyr_option_text(command, option, &text);
        add_text(text.at ? text.at : "", out);
        out->failed = out->failed || text.failed;
        pyr_text_free(&text);
    }
    if (command->sections) {
        add_item("set", "KEY=VALUE", NULL, out);
        add_text("set any setting; may be given several times. The settings, with defaults and bounds, are "
                 "listed by pyrdiff info --settings.",
                 out);
    }
    add_item("help", NULL, NULL, out);
    pyr_text_add(out, "print the options and exit\n.El\n");
}

static void add_exit_status(pyr_text *out)
{
    pyr_text_add(out, ".Sh EXIT STATUS\n.Bl -tag -width Ds\n.It 0\nSuccess.\n.It 1\nFailure; standard error "
                      "has a sentence that says why.\n.It 2\nThe command line is not understood.\n.El\n");
}

void pyr_manual_command(const pyr_command *command, pyr_text *out)
{
    const char *arguments = command->arguments ? command->arguments : "";
    size_t length = strlen(arguments);
    char *name = pyr_strfmt("pyrdiff-%s", command->name);

    if (!name) {
        out->failed = true;
        return;
    }
    add_head(name, command->title, out);
    pyr_free(name);
    pyr_text_add(out, ".Sh SYNOPSIS\n.Nm pyrdiff %s\n.Op Ar options\n", command->name);
    if (*arguments == '[')
        pyr_text_add(out, ".Op Ar %.*s\n", (int)length - 2, arguments + 1);
    else if (length)
        pyr_text_add(out, ".Ar %s\n", arguments);
    pyr_text_add(out, ".Sh DESCRIPTION\n");
    add_text(command->summary, out);
    add_options(command, out);
    add_exit_status(out);
    if (command->examples) {
        pyr_text_add(out, ".Sh EXAMPLES\n");
        add_lines(command->examples, out);
    }
    pyr_text_add(out, ".Sh SEE ALSO\n.Xr pyrdiff 1\n");
}

void pyr_manual_program(const pyr_command *const *commands, pyr_text *out)
{
    add_head("pyrdiff", "multi-resolution Laplacian-pyramid diffusion models", out);
    pyr_text_add(out,
                 ".Sh SYNOPSIS\n.Nm\n.Ar command\n.Op Ar options\n.Op Ar arguments\n.Nm\n"
                 ".Fl \\-man\n.Op Ar command\n.Nm\n.Fl \\-completions\n.Cm bash | zsh\n.Sh DESCRIPTION\n");
    add_text(
        "An image is split into a Laplacian pyramid; each level has a diffusion model of its own, which is "
        "given the coarser image; images are drawn from coarse to fine.",
        out);
    pyr_text_add(out, ".Pp\nThe commands, each with a page of its own:\n.Bl -tag -width Ds\n");
    for (; *commands; commands++) {
        pyr_text_add(out, ".It Xr pyrdiff-%s 1\n", (*commands)->name);
        add_text((*commands)->title, out);
    }
    pyr_text_add(out,
                 ".El\n.Pp\n.Fl \\-man\nprints a manual page,\n.Fl \\-completions\n"
                 "what completes the command line in a shell.\n.Sh ENVIRONMENT\n.Bl -tag -width Ds\n"
                 ".It Ev XDG_CACHE_HOME\nwhere measured choices of algorithms and features of evaluation "
                 "are kept, in\n.Pa pyrdiff\n(default:\n.Pa ~/.cache )\n.El\n");
    add_exit_status(out);
    pyr_text_add(out, ".Sh EXAMPLES\n");
    add_lines("pyrdiff train\npyrdiff sample --network runs/fashion-mnist --outdir out\n", out);
}
