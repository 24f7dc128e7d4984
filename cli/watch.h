/* watch.h - what commands show of a call of the library, and their way to stop it: signals. */
#ifndef PYR_CLI_WATCH_H
#define PYR_CLI_WATCH_H

#include "cli/reading_bar.h"
#include "include/pyrdiff.h"
#include "terminal/options.h"

typedef struct pyr_watch {
    pyr_bar bar;
    pyr_reading_bar reading;
} pyr_watch;

/* It must not move afterwards. */
void pyr_watch_begin(pyr_watch *watch);

/* A pyrdiff_callback, `watch` its context: notes as lines, bars of reading and drawing. */
int pyr_watch_event(void *watch, const pyrdiff_event *event);

/* The same without the bar of drawing, of callers that draw in parts and show the whole. */
int pyr_watch_stop(void *watch, const pyrdiff_event *event);

/* A pyr_settings_visit: into a pyrdiff_settings. */
pyr_status pyr_set_public(void *settings, const char *key, const char *value, const char *origin);

/* What was typed of the options `names` (ended by NULL), and of --backend, --precision and --threads, as options
 * of the library, which have the same names and defaults: pairs ended by NULL. "" is passed over. The members of
 * these options in the command's struct are there for the check when they are parsed. */
enum { PYR_PASSED = 24 };
typedef struct pyr_passed {
    const char *at[2 * PYR_PASSED + 1];
    int n;
} pyr_passed;
pyr_passed pyr_pass_options(const pyr_parsed *parsed, const char *const *names);

/* The setting as a whole number; one that has one. */
int pyr_number_of(const pyrdiff_settings *settings, const char *key);

#endif
