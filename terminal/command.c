/* command.c - run a command, print its help, write down how it was typed. */
#include "terminal/command.h"

#include "base/mem.h"
#include "terminal/output.h"

pyr_status pyr_command_text(pyr_text *out, int argc, char **argv)
{
    pyr_text_add(out, "pyrdiff");
    for (int i = 0; i < argc; i++) {
        pyr_text_add(out, " ");
        pyr_text_add_shell(out, argv[i]);
    }
    return out->failed ? pyr_fail(PYR_E_NOMEM, "out of memory for the command as it was typed") : PYR_OK;
}

static pyr_status print_help(const pyr_command *command)
{
    pyr_text text = {0};

    pyr_options_help(command, &text);
    return pyr_print_text(&text, "the help of a command");
}

pyr_status pyr_command_run(const pyr_command *command, int argc, char **argv)
{
    const pyr_command *variant = command->variant ? command->variant(argc, argv) : NULL;
    pyr_parsed parsed = {0};
    void *typed = NULL;
    pyr_status status;

    if (variant)
        command = variant;
    PYR_TRY(pyr_new(&typed, 1, command->size + 1, "the command line"));
    PYR_TRY_OUT(pyr_options_parse(&parsed, command, typed, argc, argv));
    status = parsed.help ? print_help(command) : command->run(typed, &parsed);
out:
    pyr_parsed_free(&parsed);
    pyr_free(typed);
    return status;
}
