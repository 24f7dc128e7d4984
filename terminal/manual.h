/* manual.h - man pages and shell completions, made of the commands' tables. These add to `out`; out->failed:
 * memory ran out. */
#ifndef PYR_TERMINAL_MANUAL_H
#define PYR_TERMINAL_MANUAL_H

#include "terminal/options.h"

/* pyrdiff-NAME.1 of a command, in mdoc. */
void pyr_manual_command(const pyr_command *command, pyr_text *out);
/* pyrdiff.1, which lists them; `commands` ends with NULL. */
void pyr_manual_program(const pyr_command *const *commands, pyr_text *out);

/* A script that bash reads: share/bash-completion/completions/pyrdiff, or `. FILE`. It needs nothing beside
 * bash 4. */
void pyr_completions_bash(const pyr_command *const *commands, pyr_text *out);
/* A function that zsh finds in its fpath as _pyrdiff. */
void pyr_completions_zsh(const pyr_command *const *commands, pyr_text *out);

#endif
