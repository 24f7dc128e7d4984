/* choices.h - the options of a public call: pairs of texts, read by a table as those of the settings. */
#ifndef PYR_API_CHOICES_H
#define PYR_API_CHOICES_H

#include "api/call.h"
#include "kernels/backend.h"
#include "settings/settings.h"

/* --backend, --precision, --threads: the first member of the structure of a call that computes, and its
 * rows. */
typedef struct pyr_machine_choice {
    const char *backend, *precision;
    int threads;
} pyr_machine_choice;
#define PYR_MACHINE_ROWS                                                                                     \
    {"backend", PYR_SETTING_TEXT, offsetof(pyr_machine_choice, backend), 0, 0, "auto", NULL, NULL},          \
        {"precision", PYR_SETTING_TEXT, offsetof(pyr_machine_choice, precision), 0, 0, "auto", NULL, NULL},  \
    {                                                                                                        \
        "threads", PYR_SETTING_INT, offsetof(pyr_machine_choice, threads), 0, 1024, "0", NULL, NULL          \
    }

/* Put the rows' defaults, and then what `options` say (NULL: nothing), into the structure `out` at the rows'
 * offsets. A text stays that of the options. PYR_E_ARG: there is no such option, or its value does not fit. */
pyr_status pyr_choices_read(void *out, const pyr_setting *rows, size_t n, const char *const *options);
/* The value of an option as it was given; NULL: it was not. */
const char *pyr_choice_given(const char *const *options, const char *name);

/* Open the backend, with a note where the choice is not plain; `measure`: what is fastest may be measured. */
pyr_status pyr_choices_open(pyr_kernels **out, pyr_call *call, const pyr_machine_choice *machine,
                            bool measure);

#endif
