/* tasking.h - what the commands of tasks (inpaint, colorize, upscale, ...) share: their options, the run they
 * open, pictures that they read, the images that they draw, and what they write: DIR/000012.png for each seed
 * and one sheet, DIR/NAME.png, with what was given beside what was drawn. */
#ifndef PYR_CLI_TASKS_TASKING_H
#define PYR_CLI_TASKS_TASKING_H

#include "cascade/model.h"
#include "cli/cli.h"
#include "cli/machine.h"
#include "cli/sampling.h"
#include "pictures/image.h"
#include "tasks/latent.h"
#include "terminal/progress.h"

/* What is typed; `seeds` by the commands' own OPT_SEEDS, the rest by their common options. */
typedef struct pyr_task_typed {
    const char *network, *outdir, *seeds;
    pyr_typed_sampling sampling;
    int zoom;
    bool resize;
    pyr_machine machine;
} pyr_task_typed;
extern const pyr_option pyr_task_options[];

/* --repeats of tasks that keep a part of the picture. */
#define OPT_REPEATS(owner, member, standard)                                                                 \
    OPT_INT(owner, member, "repeats", "N", standard, 1, 100,                                                 \
            "times that each step is repeated, with noise added in between (RePaint); more give parts that " \
            "fit better")

typedef struct pyr_tasking {
    const char *command;
    const pyr_task_typed *typed;
    const pyr_parsed *parsed;
    const char *const *arguments;
    int n_arguments;
    pyr_settings *settings;
    pyr_config config;
    pyr_kernels *k;
    pyr_model *model;
    pyr_class_choice choice; /* of the images' classes */
    char *outdir;
    uint64_t *seeds; /* n */
    size_t n;
    float *picture;        /* of pyr_task_picture, for the command that has one; NULL: none yet */
    float *drawn;          /* n x I_0, by pyr_tasking_draw */
    float *sheet;          /* images of I_0's size, one after the other */
    int in_sheet, columns; /* 0: up to PYR_SHEET_COLUMNS */
    pyr_bar bar;
    char sampler[256], weights[32];
} pyr_tasking;

enum { PYR_TASK_IMAGES = 4096 /* images that are kept in memory */, PYR_SHEET_COLUMNS = 10 };

/* `own` of a command whose struct begins with a pyr_task_typed: what it does with an open run and model, listed
 * seeds and a made folder. `prepare` (NULL: none) is called before the model is opened, and may change
 * t->config. */
typedef struct pyr_task_steps {
    pyr_status (*body)(pyr_tasking *t, const void *typed);
    pyr_status (*prepare)(pyr_tasking *t, const void *typed);
} pyr_task_steps;
pyr_status pyr_task_run(void *typed, pyr_parsed *parsed); /* of these commands */

/* n images with no seed of their own, instead of those of --seeds. */
pyr_status pyr_tasking_unseeded(pyr_tasking *t, int n);
/* While preparing, for latents: the sampler must solve the probability-flow ODE, and the condition
 * gets no noise. Unless --sampler was typed: RK45 to `tolerance` with `solver`, else the run's own,
 * or Heun where that adds noise. PYR_E_ARG. */
pyr_status pyr_tasking_ode(pyr_tasking *t, bool solver, double tolerance);

/* For commands whose images have no seed of their own: the class of all of them, -1 for none. PYR_E_ARG for
 * all and random. */
pyr_status pyr_tasking_one_class(const pyr_tasking *t, int *label);

/* A picture file as it is. Of a run with data.range, a picture whose values the data may have is brought to
 * the full range of its bits, which samples have; either is said. The caller ends *out with
 * pyr_image_free. */
pyr_status pyr_task_read(pyr_image *out, pyr_tasking *t, const char *path);

/* A picture file as I_level of the model (s.h s.w s.c numbers in [-1, 1], the caller frees them). Another
 * size is PYR_E_SHAPE unless --resize was typed; other channels are converted, with a line that says so. */
pyr_status pyr_task_picture(float **out, pyr_tasking *t, const char *path, int level);
/* A mask of the size of I_0 (tasks/mask.h says what is understood): 1 where it is drawn anew, others 0. A
 * line says how it was read where that is not plain, and when nothing is to be drawn. */
pyr_status pyr_task_mask(uint8_t **out, pyr_tasking *t, const char *path);

/* A picture file with transparency, of the size of I_0, painted over `picture` (I_0, in [-1, 1]), in place.
 * PYR_E_FORMAT when nothing of it is transparent. */
pyr_status pyr_task_strokes(float *picture, pyr_tasking *t, const char *path);

/* Draw all seeds into t->drawn, each of the class that --class gives it, with these: coarse (one image, used
 * for all), given, hooks, mismatch (n numbers a level). */
typedef struct pyr_task_draw {
    const float *coarse;
    int given;
    const pyr_model_hooks *hooks;
    double *mismatch[PYR_MAX_LEVELS];
    /* Set to the number of images drawn so far before each call of pyr_model_sample; NULL: not wanted. */
    int *first;
} pyr_task_draw;
pyr_status pyr_tasking_draw(pyr_tasking *t, const pyr_task_draw *draw);

/* Draw the images of latents: DIR/NAME-000.png and so on, which also stand in the sheet. */
pyr_status pyr_tasking_decode(pyr_tasking *t, const pyr_latent *latent, const char *name);

/* n images (in [-1, 1]) into the sheet, brought to its size by repeating pixels. s.c is 1 or that of the
 * model. */
pyr_status pyr_tasking_show(pyr_tasking *t, const float *images, int n, pyr_shape s);
/* DIR/NAME.png of a picture that was not drawn. */
pyr_status pyr_tasking_write(const pyr_tasking *t, const char *name, const float *image, pyr_shape s);
/* A PNG for each seed, and the sheet with the drawn images behind what it shows already. */
pyr_status pyr_tasking_finish(pyr_tasking *t);
/* The sheet alone. */
pyr_status pyr_tasking_write_sheet(const pyr_tasking *t);

#endif
