/* completion.c - scripts with which bash and zsh complete a command line of pyrdiff. */
#include "terminal/manual.h"

#include <string.h>

/* What a value is, as far as a shell can know. */
typedef enum value_kind { NOTHING, WORDS, FILES, FOLDERS } value_kind;

static value_kind kind_of(const pyr_command *command, const pyr_option *option)
{
    size_t n = strlen(option->argument);

    if (pyr_option_row(command, option).choices)
        return WORDS;
    if (strcmp(option->argument, "FILE") == 0 || strcmp(option->argument, "PATH") == 0)
        return FILES;
    if (n >= 3 && (strcmp(option->argument + n - 3, "DIR") == 0 || strcmp(option->argument, "RUN") == 0))
        return FOLDERS;
    return NOTHING;
}

static void add_words(const char *const *words, pyr_text *out)
{
    for (size_t i = 0; words[i]; i++)
        pyr_text_add(out, "%s%s", i ? " " : "", words[i]);
}

/* The keys of a section, as --set takes them. */
static void add_keys(const pyr_section *section, pyr_text *out)
{
    for (size_t i = 0; i < section->n; i++)
        pyr_text_add(out, "%s%s.%s=", i ? " " : "", section->name, section->rows[i].key);
}

/* Every section of the commands is declared once, as keys_NAME. */
static void add_all_keys(const pyr_command *const *commands, const char *before, pyr_text *out)
{
    const pyr_section *seen[16];
    size_t n = 0;

    for (; *commands; commands++)
        for (size_t i = 0; (*commands)->sections && (*commands)->sections[i]; i++) {
            const pyr_section *section = (*commands)->sections[i];
            size_t at = 0;

            while (at < n && seen[at] != section)
                at++;
            if (at < n || n == sizeof seen / sizeof *seen)
                continue;
            seen[n++] = section;
            pyr_text_add(out, "%skeys_%s='", before, section->name);
            add_keys(section, out);
            pyr_text_add(out, "'\n");
        }
}

static void add_keys_of(const pyr_command *command, pyr_text *out)
{
    for (size_t i = 0; command->sections[i]; i++)
        pyr_text_add(out, "%s$keys_%s", i ? " " : "", command->sections[i]->name);
}

/* ---- bash -------------------------------------------------------------------------------------- */

static void bash_options(const pyr_command *command, pyr_text *out)
{
    const pyr_option *option;

    pyr_text_add(out, "        options='");
    for (size_t i = 0; (option = pyr_option_at(command, i)); i++)
        pyr_text_add(out, "--%s %s%s%s", option->name, pyr_option_switches(option) ? "--no-" : "",
                     pyr_option_switches(option) ? option->name : "", pyr_option_switches(option) ? " " : "");
    pyr_text_add(out, "%s--help'\n", command->sections ? "--set " : "");
}

/* The case of an option that takes a value: what is offered for it. */
static void bash_value(const pyr_command *command, const pyr_option *option, pyr_text *out)
{
    static const char *const offered[] = {[NOTHING] = "nothing", [FILES] = "files", [FOLDERS] = "folders"};
    value_kind kind = kind_of(command, option);

    pyr_text_add(out, "        --%s) ", option->name);
    if (kind == WORDS) {
        pyr_text_add(out, "words='");
        add_words(pyr_option_row(command, option).choices, out);
        pyr_text_add(out, "' kind=words ;;\n");
    } else
        pyr_text_add(out, "kind=%s ;;\n", offered[kind]);
}

static void bash_command(const pyr_command *command, pyr_text *out)
{
    const pyr_option *option;

    pyr_text_add(out, "    %s)\n", command->name);
    bash_options(command, out);
    pyr_text_add(out, "        %s\n        case $option in\n", command->most ? "kind=files" : "kind=nothing");
    for (size_t i = 0; (option = pyr_option_at(command, i)); i++)
        if (option->argument)
            bash_value(command, option, out);
    if (command->sections) {
        pyr_text_add(out, "        --set) words=\"");
        add_keys_of(command, out);
        pyr_text_add(out, "\" kind=keys ;;\n");
    }
    pyr_text_add(out, "        esac\n        ;;\n");
}

void pyr_completions_bash(const pyr_command *const *commands, pyr_text *out)
{
    pyr_text_add(out,
                 "# Completion of pyrdiff for bash; made by pyrdiff --completions bash.\n\n_pyrdiff()\n{\n"
                 "    local word=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD - 1]}\n"
                 "    local command=${COMP_WORDS[1]} options= words= kind=nothing\n");
    add_all_keys(commands, "    local ", out);
    pyr_text_add(out,
                 "\n    COMPREPLY=()\n"
                 "    # --name=value comes as three words\n"
                 "    if [[ $word == = ]]; then\n        word=\n"
                 "    elif [[ $option == = ]]; then\n        option=${COMP_WORDS[COMP_CWORD - 2]}\n    fi\n"
                 "    if ((COMP_CWORD == 1)); then\n        COMPREPLY=($(compgen -W '");
    for (size_t i = 0; commands[i]; i++)
        pyr_text_add(out, "%s ", commands[i]->name);
    pyr_text_add(out, "--help --man --completions' -- \"$word\"))\n        return\n    fi\n"
                      "    case $command in\n");
    for (size_t i = 0; commands[i]; i++)
        bash_command(commands[i], out);
    pyr_text_add(out, "    --completions) words='bash zsh' kind=words ;;\n    --man) words='");
    for (size_t i = 0; commands[i]; i++)
        pyr_text_add(out, "%s%s", i ? " " : "", commands[i]->name);
    pyr_text_add(
        out, "' kind=words ;;\n    esac\n"
             "    if [[ $word == -* && $kind != keys ]]; then\n        words=$options kind=words\n    fi\n"
             "    case $kind in\n"
             "    files) compopt -o default ;;\n"
             "    folders) compopt -o dirnames ;;\n"
             "    keys) compopt -o nospace ;&\n"
             "    words) COMPREPLY=($(compgen -W \"$words\" -- \"$word\")) ;;\n"
             "    esac\n}\n\ncomplete -F _pyrdiff pyrdiff\n");
}

/* ---- zsh --------------------------------------------------------------------------------------- */

/* A description in single quotes and brackets: up to the first pause, with what is special escaped. */
static void zsh_text(const char *text, pyr_text *out)
{
    size_t n = strcspn(text, ";(");

    while (n && text[n - 1] == ' ')
        n--;
    for (const char *at = text; at < text + n; at++)
        if (*at == '\'')
            pyr_text_add(out, "'\\''");
        else
            pyr_text_add(out, "%s%c", strchr("[]:\\", *at) ? "\\" : "", *at);
}

static void zsh_option(const pyr_command *command, const pyr_option *option, pyr_text *out)
{
    pyr_setting row = pyr_option_row(command, option);

    pyr_text_add(out, "            '--%s%s[", option->name, option->argument ? "=" : "");
    zsh_text(option->help ? option->help : row.help ? row.help : "", out);
    pyr_text_add(out, "]");
    if (option->argument) {
        value_kind kind = kind_of(command, option);

        pyr_text_add(out, ":%s:%s", option->argument,
                     kind == FILES     ? "_files"
                     : kind == FOLDERS ? "_files -/"
                     : kind == WORDS   ? "("
                                       : "");
        if (kind == WORDS)
            add_words(row.choices, out);
        pyr_text_add(out, "%s", kind == WORDS ? ")" : "");
    }
    pyr_text_add(out, "' \\\n");
    if (pyr_option_switches(option))
        pyr_text_add(out, "            '--no-%s' \\\n", option->name);
}

static void zsh_command(const pyr_command *command, pyr_text *out)
{
    const pyr_option *option;

    pyr_text_add(out, "    %s)\n", command->name);
    if (command->sections) {
        pyr_text_add(out, "        keys=(");
        add_keys_of(command, out);
        pyr_text_add(out, ")\n");
    }
    pyr_text_add(out, "        _arguments -S \\\n");
    for (size_t i = 0; (option = pyr_option_at(command, i)); i++)
        zsh_option(command, option, out);
    if (command->sections)
        pyr_text_add(out, "            '*--set=[set any setting]:KEY=VALUE:_pyrdiff_key' \\\n");
    pyr_text_add(out, "            '(-h --help)'{-h,--help}'[print the options and exit]'%s\n        ;;\n",
                 command->most ? " \\\n            '*:file:_files'" : "");
}

void pyr_completions_zsh(const pyr_command *const *commands, pyr_text *out)
{
    pyr_text_add(out,
                 "#compdef pyrdiff\n# Completion of pyrdiff for zsh; made by pyrdiff --completions zsh.\n\n"
                 "_pyrdiff_key()\n{\n    compadd -S '' -- ${=keys}\n}\n\n"
                 "_pyrdiff()\n{\n    local -a commands keys\n");
    add_all_keys(commands, "    local ", out);
    pyr_text_add(out, "    commands=(\n");
    for (size_t i = 0; commands[i]; i++) {
        pyr_text_add(out, "        '%s:", commands[i]->name);
        zsh_text(commands[i]->title, out);
        pyr_text_add(out, "'\n");
    }
    pyr_text_add(out, "    )\n    if ((CURRENT == 2)); then\n        _describe command commands\n"
                      "        compadd -- --help --man --completions\n        return\n    fi\n"
                      "    shift words\n    ((CURRENT--))\n    case $words[1] in\n");
    for (size_t i = 0; commands[i]; i++)
        zsh_command(commands[i], out);
    pyr_text_add(out, "    --completions) compadd -- bash zsh ;;\n"
                      "    --man) _describe command commands ;;\n    esac\n}\n\n_pyrdiff \"$@\"\n");
}
