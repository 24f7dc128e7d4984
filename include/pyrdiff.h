/* pyrdiff.h - multi-resolution Laplacian-pyramid diffusion models: train, sample, evaluate, decompose.
 *
 * The C interface of libpyrdiff; docs/library.md is its guide, and the program `pyrdiff` is written on it.
 *
 *     pyrdiff_settings *settings;
 *     pyrdiff_data *data;
 *
 *     if (pyrdiff_settings_open(&settings, NULL) == PYRDIFF_OK &&
 *         pyrdiff_settings_set(settings, "data.path", "photos", NULL) == PYRDIFF_OK &&
 *         pyrdiff_data_open(&data, settings, NULL, NULL) == PYRDIFF_OK &&
 *         pyrdiff_train("runs/photos", settings, data, NULL, NULL, NULL) == PYRDIFF_OK)
 *         puts("trained");
 *     else
 *         puts(pyrdiff_error());
 *
 * Results. A function that can fail returns an int: PYRDIFF_OK (0), or one of the negative codes below.
 * pyrdiff_error() then gives a sentence with file, place, value and remedy. Sentences name options as the
 * program's command line does: --metrics is the option "metrics" here, --lr the setting "level.lr". A NULL
 * where no NULL is offered is an error of the program that calls, and is not looked for.
 *
 * Ownership. What a function puts into *out (always its first parameter) is yours to end with the _free
 * function of its type; on failure *out is NULL. Every _free takes NULL. Nothing that you pass in is kept
 * after the call unless a comment says so. A `const char *` or buffer that comes back is borrowed, and the
 * comment says until when.
 *
 * Threads. Different handles may be used by different threads at the same time: two threads may train two
 * runs, or one may train while others sample, and each gets the bits that it would get alone. Settings, a
 * model and an npz take one call at a time; data, codes and results, once made, any number. The sentence of
 * pyrdiff_error() is the calling thread's. A call uses threads of its own ("threads"), which end with the call
 * or, of a model, with pyrdiff_model_free(). Callbacks run on the thread that made the call, and on no other.
 *
 * The process. The library prints nothing, ends no process, and handles no signal. What it keeps for the whole
 * process: counters of memory (atomic); a lock around the planner of FFTW, which serves one thread at a time
 * (while pyrdiff plans, nobody else may); and, where the address space is limited, that oneDNN's code was
 * generated once. For a thread it keeps the sentence of the last failure. While a call runs, its thread has the
 * "C" locale and one OpenMP thread; both are put back. oneDNN keeps a cache of generated code, FFTW its wisdom, a
 * CUDA device its context. Measured choices and large data sets are kept in $XDG_CACHE_HOME/pyrdiff
 * (~/.cache/pyrdiff). 1 MiB of stack is enough for any call.
 *
 * Options. Calls with many choices take them as text: `options` is NULL, or pairs of a name and a value, ended
 * by NULL: {"count", "1000", "class", "all", NULL}. Each function lists its names. An unknown name or a bad
 * value is PYRDIFF_E_ARG. Every function that computes takes these:
 *     backend    auto (a GPU where there is one), cpu, cuda, cuda:N, ref (plain loops), ref-double; auto
 *     precision  of images inside the networks: auto, f32, tf32, bf16; auto
 *     threads    0: one per processor; 0
 * Defaults stand after the last semicolon.
 *
 * Growth. Structures that begin with `size` may get more members behind the last one in a later version: set
 * `size` to sizeof the structure before you pass it, and a later library still reads or fills it rightly. */
#ifndef PYRDIFF_H
#define PYRDIFF_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define PYRDIFF_API __attribute__((visibility("default")))
#else
#define PYRDIFF_API
#endif

/* ---- versions and errors ----------------------------------------------------------------------- */

#define PYRDIFF_VERSION "0.1.0"
#define PYRDIFF_VERSION_NUMBER 100 /* 10000 major + 100 minor + patch */

/* Of the library that is linked: PYRDIFF_VERSION_NUMBER. Its soname has the major version. */
PYRDIFF_API int pyrdiff_version(void);
/* "0.1.0 (sources v0.1-3-gabc), gcc 12.2.0"; static. */
PYRDIFF_API const char *pyrdiff_build(void);

enum {
    PYRDIFF_OK = 0,
    PYRDIFF_E_NOMEM = -1,       /* memory could not be had */
    PYRDIFF_E_ARG = -2,         /* an argument or option is out of its range */
    PYRDIFF_E_SHAPE = -3,       /* sizes do not fit together */
    PYRDIFF_E_IO = -4,          /* the operating system refused: a missing file, a full disk */
    PYRDIFF_E_FORMAT = -5,      /* a file's content is not what it should be */
    PYRDIFF_E_CONFIG = -6,      /* a setting is unknown, malformed or contradicts another */
    PYRDIFF_E_UNSUPPORTED = -7, /* valid, but not offered here */
    PYRDIFF_E_DEVICE = -8,      /* oneDNN, CUDA or cuDNN reported an error */
    PYRDIFF_E_NUMERIC = -9,     /* loss or gradient not finite, several times in a row */
    PYRDIFF_E_BUSY = -10,       /* another process works on it */
    PYRDIFF_E_STOPPED = -11     /* a callback asked for the end */
};

/* The last failure of this thread, one sentence or a few lines; "" when there was none. Valid until this
 * thread's next call. */
PYRDIFF_API const char *pyrdiff_error(void);

/* ---- what long calls report -------------------------------------------------------------------- */

typedef enum pyrdiff_event_kind {
    PYRDIFF_EVENT_POLL,    /* nothing happened: between two steps, so that the work can be stopped */
    PYRDIFF_EVENT_NOTE,    /* `text`: a sentence for a person */
    PYRDIFF_EVENT_DATA,    /* `text`: the data set of a training, in a line */
    PYRDIFF_EVENT_READING, /* `done` of `total`: images of a data set; each is met twice */
    PYRDIFF_EVENT_LEVEL,   /* `plan`: a level that will be trained now */
    PYRDIFF_EVENT_STEP,    /* of training: `level`, `done` of `total` steps, and the numbers below */
    PYRDIFF_EVENT_IMAGES   /* `done` of `total` images drawn or measured, `images_per_s` */
} pyrdiff_event_kind;

/* A level before its training. */
typedef struct pyrdiff_plan {
    int level, h, w, c; /* 0 is the finest; the numbers that are drawn for an image are h x w x c */
    int conditioned;    /* whether the network is given the coarser image */
    int resumed;        /* whether training goes on from a checkpoint */
    int batch, groups;  /* images of a step; in how many parts its gradient is summed */
    int micro_batch;    /* images that a thread takes at a time */
    int threads;
    int64_t parameters;
    double flop;        /* of one forward pass of one image */
    size_t bytes;       /* of memory, at most, without the data set; of these: */
    size_t block_bytes; /* parameters, gradient, moments, averages */
    size_t activation_bytes, accumulator_bytes, feed_bytes, held_out_bytes, library_bytes;
} pyrdiff_plan;

/* What is not said of a kind is 0, NULL or NaN. Everything in it is valid during the callback alone. */
typedef struct pyrdiff_event {
    size_t size;
    pyrdiff_event_kind kind;
    int level; /* -1: of all levels together */
    const char *text;
    int64_t done, total;
    double seconds; /* of training, over all sessions */
    double images_per_s;
    /* of a step */
    double loss;                       /* the mean since the last report */
    double held_out, held_out_weights; /* on images held out: of the averaged weights, and of the weights
                                          themselves; NaN: not measured now */
    int64_t skipped;                   /* steps that were not finite and changed nothing */
    int brief;                         /* only to move a progress bar: no line of the log */
    int part;                          /* of levels that train together: a report on all of them follows */
    const pyrdiff_plan *plan;
    double
        mfu; /* of a step: FLOP of the networks' plain convolutions and products, three forward passes an image, by
                   what the threads reach at most, which is measured; NaN: not known. Above 1 where Winograd's products
                   save more than the rest costs */
} pyrdiff_event;

/* Return 0 to go on. Anything else asks for a stop: the call ends in good order after the step at hand, with
 * PYRDIFF_E_STOPPED (training saves a checkpoint first). May be NULL where it is taken. It must not call
 * functions on the handles of the call, and must not leave by longjmp or an exception. */
typedef int (*pyrdiff_callback)(void *ctx, const pyrdiff_event *event);

/* ---- images ------------------------------------------------------------------------------------ */

typedef enum pyrdiff_type {
    PYRDIFF_U8,  /* bytes: 0 is -1, 255 is 1 */
    PYRDIFF_U16, /* the same of 16 bits: 0 to 65535 */
    PYRDIFF_F32, /* floats, of images from -1 to 1 */
    PYRDIFF_F64
} pyrdiff_type;

/* A batch of images in memory of yours: sample (i, y, x, j) lies at data + i stride_n + y stride_h +
 * x stride_w + j stride_c, in bytes; a stride may be negative. A stride of 0 stands for that of samples
 * without gaps: channels beside each other, then pixels, rows, images. Channels are 1 grey, 3 RGB, 4 RGBA.
 *
 * A byte p is the number (2p - 255)/256, a sample of 16 bits (2p - 65535)/65536; on the way back numbers are
 * rounded to the nearest sample, and a number that is none becomes 0. Where images come in, any type is taken;
 * floats of data sets and pictures become samples of 16 bits, or bytes where all of them are those of bytes
 * exactly. Other sizes or channels than wanted are PYRDIFF_E_SHAPE. */
typedef struct pyrdiff_images {
    void *data;
    pyrdiff_type type;
    int64_t n;
    int h, w, c;
    ptrdiff_t stride_n, stride_h, stride_w, stride_c;
} pyrdiff_images;

/* ---- settings ---------------------------------------------------------------------------------- */

/* All settings of a run, by key as text: docs/settings.md lists them. */
typedef struct pyrdiff_settings pyrdiff_settings;

/* `from` is a configuration file, the folder of a run (its settings), "" (every setting at its default), or
 * NULL: the configuration that is built in, whose levels are fitted to the size of the images as soon as data
 * are opened or made with these settings, and its pyramid.levels with them unless it is set. */
PYRDIFF_API int pyrdiff_settings_open(pyrdiff_settings **out, const char *from);
PYRDIFF_API void pyrdiff_settings_free(pyrdiff_settings *settings);

/* Set "train.seed", "level.lr" (of all levels that have none of their own), "levels[2].lr" (of level 2) or
 * "levels[*].lr" (of every level). Values are texts as in a configuration: "64", "0.1", "box", "64,128",
 * "200ki". `origin` stands for the place in sentences ("--lr"); NULL: the key. PYRDIFF_E_CONFIG. */
PYRDIFF_API int pyrdiff_settings_set(pyrdiff_settings *settings, const char *key, const char *value,
                                     const char *origin);
/* The value as text, cut to `size` bytes with its end. PYRDIFF_E_CONFIG: there is no such key. */
PYRDIFF_API int pyrdiff_settings_get(const pyrdiff_settings *settings, const char *key, char *value,
                                     size_t size);

/* What is at a path. */
typedef enum pyrdiff_kind {
    PYRDIFF_NOTHING,
    PYRDIFF_FILE,
    PYRDIFF_FOLDER,
    PYRDIFF_RUN,     /* of pyrdiff_train() */
    PYRDIFF_PIPELINE /* a diffusers pipeline: UNet2DModel with DDPMScheduler or DDIMScheduler */
} pyrdiff_kind;
typedef struct pyrdiff_found {
    size_t size;
    pyrdiff_kind kind;
    int trained; /* of a run: whether level `level` has weights to draw from */
    int classes; /* that they know */
} pyrdiff_found;
/* `level` -1: of no level. PYRDIFF_E_IO when it cannot be told. */
PYRDIFF_API int pyrdiff_look(const char *path, int level, pyrdiff_found *found);

/* ---- images to learn from, and to look at ------------------------------------------------------ */

/* A data set, or pictures of a folder. */
typedef struct pyrdiff_data pyrdiff_data;

/* The data set that the settings "data.*" name, as docs/data.md says: read whole, checked, and split. Reports
 * READING and NOTE. PYRDIFF_E_IO, PYRDIFF_E_FORMAT, PYRDIFF_E_CONFIG. */
PYRDIFF_API int pyrdiff_data_open(pyrdiff_data **out, pyrdiff_settings *settings, pyrdiff_callback callback,
                                  void *ctx);
/* A data set of images in memory, which are copied. `labels`: the class of each, 0 and up; NULL: none. The
 * last ones are held out: as many as "data.held_out" says. */
PYRDIFF_API int pyrdiff_data_new(pyrdiff_data **out, pyrdiff_settings *settings, const pyrdiff_images *images,
                                 const int32_t *labels);
/* A picture file, the pictures in a folder or zip and its subfolders by name (what pyrdiff writes beside
 * samples is left aside), or the images of another file that pyrdiff_data_open() reads; at most `most` (0: all;
 * -1: it is one picture file, whatever it is called). They stay in their files until they are read, and may
 * differ in size. Reports NOTE. */
PYRDIFF_API int pyrdiff_data_pictures(pyrdiff_data **out, const char *path, int64_t most,
                                      pyrdiff_callback callback, void *ctx);
PYRDIFF_API void pyrdiff_data_free(pyrdiff_data *data);

typedef struct pyrdiff_data_facts {
    size_t size;
    int64_t images, held_out; /* to train on; held out. Pictures: how many, 0 */
    int h, w, c, bits;        /* of an image; bits 8 or 16 */
    int classes;              /* 0: no labels */
    int label;                /* of that image; -1: none */
    int turned;               /* of a picture: as the orientation in its file says */
    uint64_t fingerprint;     /* hash over all samples, labels and the split; 0: of pictures */
    const char *text;         /* a line for a person; of one picture its name; until the next call with this
                                 handle */
} pyrdiff_data_facts;
/* Of the whole (index -1: of pictures without a size), or of one image: number `index` of those to train on,
 * behind them those held out. A picture is decoded for it: not at the same time as another call on it. */
PYRDIFF_API int pyrdiff_data_facts_of(pyrdiff_data *data, int64_t index, pyrdiff_data_facts *facts);
/* That image into `to` (n 1, of its size; other channels and types than its own are converted). */
PYRDIFF_API int pyrdiff_data_read(pyrdiff_data *data, int64_t index, const pyrdiff_images *to);

/* ---- training ---------------------------------------------------------------------------------- */

/* Train the levels of the run in the folder `run` (made where it is not there), one after the other from the
 * coarsest on, or together ("cascade.joint"). A run that was begun goes on from its last checkpoint, bit for
 * bit as if it had never stopped; one that is finished stays as it is. `data`: NULL opens what the settings
 * name. Options:
 *     level      this one alone; all
 *     duration   of that level: "200ki" images, "3ep" epochs, "90s"; its share of "train.duration"
 *     transfer   another run whose weights to begin with; none
 *     dry-run    true: only report LEVEL, what it would take; `run` may be NULL; false
 *     backend, precision, threads
 * Reports NOTE, DATA, LEVEL, STEP, POLL. PYRDIFF_E_CONFIG: the run was begun with other settings or data;
 * PYRDIFF_E_BUSY; PYRDIFF_E_NUMERIC; PYRDIFF_E_IO. */
PYRDIFF_API int pyrdiff_train(const char *run, pyrdiff_settings *settings, pyrdiff_data *data,
                              const char *const *options, pyrdiff_callback callback, void *ctx);

/* ---- sampling ---------------------------------------------------------------------------------- */

typedef struct pyrdiff_model pyrdiff_model;

/* A trained run, or the folder of a diffusers pipeline, ready to draw from. `settings`: of sampling
 * ("level.sampler.*"); NULL: the run's own. Options:
 *     level      open this one alone, whatever the others are; all
 *     gnet       a weaker run to be guided away from (autoguidance); none
 *     sampler    of a pipeline: ddpm or ddim; the pipeline's
 *     steps      of a pipeline; the pipeline's
 *     eta        of ddim; 0
 *     backend, precision, threads
 * Reports NOTE. PYRDIFF_E_IO: a level is not trained; PYRDIFF_E_CONFIG: levels do not fit together. */
PYRDIFF_API int pyrdiff_model_open(pyrdiff_model **out, const char *path, const pyrdiff_settings *settings,
                                   const char *const *options, pyrdiff_callback callback, void *ctx);
PYRDIFF_API void pyrdiff_model_free(pyrdiff_model *model);

typedef struct pyrdiff_model_facts {
    size_t size;
    int levels, level; /* of the pyramid; the one that was opened alone, or -1 */
    int bits;          /* of the samples that it was trained on, 8 or 16 */
    int classes;       /* 0: none */
    int batch;         /* as many images at a time keep all threads busy */
    uint64_t hash;     /* of all weights */
    size_t bytes;      /* of memory */
    /* of the level that was asked for, or of level 0 */
    int h, w, c;                            /* of its images */
    int residual_h, residual_w, residual_c; /* of what is drawn for one */
    int view_h, view_w;                     /* of PYRDIFF_VIEW */
    double gain;                            /* of PYRDIFF_VIEW */
    int conditioned;                        /* whether it is given the coarser image */
    const char *sampler;                    /* "heun 18"; borrowed from the model */
    int evaluations;                        /* of the network for an image; 0: known afterwards */
    double flop;   /* for an image; of a sampler that chooses its steps the mean so far */
    uint64_t data; /* fingerprint of the images that it was trained on */
} pyrdiff_model_facts;
/* `level` -1: evaluations and flop of all levels together. PYRDIFF_E_ARG: there is no such level. */
PYRDIFF_API int pyrdiff_model_facts_of(const pyrdiff_model *model, int level, pyrdiff_model_facts *facts);

/* The class of the image of each seed, -1 for none, as `which` says: a class's number or name, "all" (each
 * seed the next one), "random" (drawn from the seed), "" (no class in particular); and `which` in words, cut
 * to `size` bytes ("" for no class; words NULL: not wanted). PYRDIFF_E_ARG: a class that was not trained, or
 * that guidance needs. */
PYRDIFF_API int pyrdiff_model_labels(const pyrdiff_model *model, const char *which, const uint64_t *seeds,
                                     int64_t n, int32_t *labels, char *words, size_t size);

/* What can be had of a drawing, for each of its n images. */
typedef enum pyrdiff_what {
    PYRDIFF_IMAGE,    /* the image at that level */
    PYRDIFF_RESIDUAL, /* what the level drew: floats of the residual's size, in the units of images */
    PYRDIFF_VIEW,     /* that as a picture to look at (view_h x view_w x 3): mid-grey plus gain x residual */
    PYRDIFF_ENLARGED, /* the coarser image, enlarged: what the level's residual is added to */
    PYRDIFF_TRAJECTORY, /* n x 20 images of the level: at ten moments from noise to image what the present x
                           stands for, then the denoised estimate at each of them */
    PYRDIFF_MISMATCH,   /* one double an image (1x1x1): the mean square of the image, halved, less the coarser
                           one, before values are clamped */
    PYRDIFF_LATENT      /* of the task encode: doubles of the residual's size */
} pyrdiff_what;
typedef struct pyrdiff_output {
    pyrdiff_what what;
    int level;
    pyrdiff_images to;
} pyrdiff_output;
enum { PYRDIFF_MAX_LEVELS = 12, PYRDIFF_MOMENTS = 10, PYRDIFF_FRAMES = 20 /* of a trajectory */ };

typedef struct pyrdiff_draw {
    size_t size;
    int n;                 /* images */
    const uint64_t *seeds; /* n; NULL: 0, 1, ... */
    const int32_t *labels; /* n, of pyrdiff_model_labels; NULL: of no class in particular */
    const char *task;      /* NULL: draw images */
    const pyrdiff_images *inputs;
    int n_inputs;
    const char *const *options;    /* of the task */
    const pyrdiff_data *data;      /* of a level alone: its coarser images are those of the training images of
                                      this set that the seeds choose; NULL: inputs[0] */
    int64_t *chosen;               /* n: their numbers are put here; NULL: not wanted */
    const pyrdiff_output *outputs; /* what is wanted */
    int n_outputs;
} pyrdiff_draw;

/* Draw n images. That of a seed is the same bytes whatever else is drawn, on any number of threads. Tasks,
 * their inputs (images of level 0, one or n of them) and options:
 *     (NULL)       of a model of one level that is given the coarser image: n of these, unless there are data
 *     inpaint      image, mask (1 channel, as bytes 128 and over: drawn anew; the rest stays, bit for bit);
 *                  repeats (of each step, RePaint; 4)
 *     colorize     image, of which the grey stays; repeats (2)
 *     upscale      one image for all, or n: of the level `level` (the coarsest), to which finer ones are drawn
 *     vary         image; from (the noise that each level starts from, coarsest first, or one number; 0 keeps
 *                  a level; freely), keep-levels-above (I: coarser ones than I stay; none)
 *     invert       y = A image + noise, mask of the pixels (of missing) or frequencies (of fourier, zero first) that
 *                  are not seen; operator (blur, box, missing, bicubic, motion, fourier, identity; blur), size (of
 *                  blur in pixels, of a block, of bicubic's reduction, of motion's line; 2), noise (its standard
 *                  deviation; 0.02), strength (of guidance; 1). y's size is that of the image, of box and bicubic
 *                  ceil(h / size) x ceil(w / size); of fourier it is Re - Im of the unitary DFT
 *     encode       n images -> PYRDIFF_LATENT at each level; tolerance (of the solver; 1e-4). labels must all be
 *                  the same
 *     decode       the latents of each level, level 0 first (n, floats or doubles) -> images
 *     interpolate  two images, or none for those of seeds[0] and seeds[1] -> n images from the one to the
 *                  other, by a great circle between their latents; tolerance (1e-4)
 * The last three need a sampler that solves the probability-flow ODE, without churn or eta, at every level:
 * PYRDIFF_E_ARG names them. Of a pipeline images alone are drawn.
 * Reports IMAGES, NOTE, POLL. */
PYRDIFF_API int pyrdiff_sample(pyrdiff_model *model, const pyrdiff_draw *draw, pyrdiff_callback callback,
                               void *ctx);

/* ---- figures ----------------------------------------------------------------------------------- */

/* What pyrdiff_evaluate() or pyrdiff_likelihood() found. */
typedef struct pyrdiff_result pyrdiff_result;
PYRDIFF_API void pyrdiff_result_free(pyrdiff_result *result);

/* Texts are borrowed from the result. */
typedef struct pyrdiff_figure {
    size_t size;
    const char *metric; /* "frechet", "kid", "swd", ...; "log_p", "bits_per_dim", ... */
    const char *title;  /* "Frechet distance" */
    int level;          /* -1: of no level */
    double value, deviation;
    int64_t images;        /* that it is of */
    const char *reference; /* what they were compared with; NULL: nothing */
    int64_t reference_images;
    uint64_t reference_hash;
    const char *features; /* name of the network in whose features; NULL: of pixels */
    uint64_t features_hash;
    const char *left_out; /* why there is no value; NULL: there is one */
} pyrdiff_figure;
/* Figure `i` from 0 on; PYRDIFF_E_ARG beyond the last. */
PYRDIFF_API int pyrdiff_result_figure(const pyrdiff_result *result, int i, pyrdiff_figure *figure);
/* "set": what was judged, in lines for a person; "json": all of it; "warnings": sentences, one a line. ""
 * where there is nothing; borrowed from the result. */
PYRDIFF_API const char *pyrdiff_result_text(const pyrdiff_result *result, const char *which);

/* Judge images against a data set: those of `input` (a run, which is sampled with `settings`; a folder or zip
 * of pictures; an NPZ or another file of images), or `images` in memory. `data` is the data set; NULL opens
 * what the settings name. out NULL: only check the options, data is not looked at. Options:
 *     metrics       frechet,kid,precision,recall,score,swd,spectrum,colour,consistency,nearest, or all; all
 *     reference     test (held-out images) or train; test
 *     classifier, inception   files of feature networks; a classifier that is trained on the labels and kept
 *     fid-resize    tf1 or pytorch, how images come to Inception; tf1
 *     ref-stats     NPZ with mu and sigma instead of the reference's own; none
 *     write-stats, sheet   files to write: statistics, a PNG of samples beside their nearest neighbours; none
 *     count         images to draw, or to read at most; 10000 of a run, all that are there
 *     seeds         "0-4999,7000" to draw instead; 0 and up
 *     given         take that level of training images, draw the finer ones; 0: draw all
 *     level         draw this level alone, and compare with that level of the data; all
 *     class, gnet, batch, backend, precision, threads
 * Reports NOTE, IMAGES, READING, POLL. */
PYRDIFF_API int pyrdiff_evaluate(pyrdiff_result **out, const char *input, const pyrdiff_images *images,
                                 pyrdiff_settings *settings, pyrdiff_data *data, const char *const *options,
                                 pyrdiff_callback callback, void *ctx);

/* log p of images of a data set under a model, level by level, by the probability-flow ODE: of a model that was
 * opened without guidance and noise on the condition, in precision f32 best. Figures of each level (log_p,
 * nats an image; bits_per_number; log_p_bound; nfe) and of all (log_p, log_p_bound, and where docs/likelihood.md
 * has them bits_per_dim and bits_per_dim_bound), with standard errors as deviations. Options:
 *     split       held-out or train; held-out
 *     count       images, evenly spaced; 256
 *     seed        of dequantisation and probes; 0
 *     dequantise  true or false; true
 *     classes     true: each image with its class; false
 *     solver      rk45 or heun; rk45
 *     rtol, atol  of rk45; 1e-3
 *     steps       of heun; 100
 *     probe       rademacher or gaussian; rademacher
 *     probes      of Hutchinson's estimator; 1
 *     bound-steps, bound-terms   of the variational bound: T, and how many of its terms are evaluated
 *                 (0: no bound); 1000, 50
 * Reports IMAGES, POLL. */
PYRDIFF_API int pyrdiff_likelihood(pyrdiff_result **out, pyrdiff_model *model, const pyrdiff_data *data,
                                   const char *const *options, pyrdiff_callback callback, void *ctx);

/* ---- the pyramid of one picture ---------------------------------------------------------------- */

/* Its exact codes: residuals from fine to coarse, and the coarsest image. */
typedef struct pyrdiff_codes pyrdiff_codes;

/* Of one picture (n 1). Options:
 *     levels  images of the pyramid, the picture being one; 4, or fewer where it is small
 *     filter  box, burt-adelson, gaussian, ideal, haar, cdf53 (docs/settings.md); box
 *     sigma   of gaussian, in pixels; 1
 * PYRDIFF_E_FORMAT: floats that are no samples of 16 bits, of which the codes would not be exact. */
PYRDIFF_API int pyrdiff_decompose(pyrdiff_codes **out, const pyrdiff_images *picture,
                                  const char *const *options);
/* The picture again, bit for bit. */
PYRDIFF_API int pyrdiff_reconstruct(const pyrdiff_codes *codes, const pyrdiff_images *picture);
PYRDIFF_API void pyrdiff_codes_free(pyrdiff_codes *codes);

/* The file codes.safetensors, written and read; reading takes its folder, too. */
PYRDIFF_API int pyrdiff_codes_write(const pyrdiff_codes *codes, const char *path);
PYRDIFF_API int pyrdiff_codes_read(pyrdiff_codes **out, const char *path);

typedef struct pyrdiff_codes_facts {
    size_t size;
    int levels, h, w, c, bits; /* of the picture */
    const char *filter;        /* static */
    double sigma;              /* of gaussian; else 0 */
    const char *kind;          /* of the level: "residual", "details" (of haar), "image"; static */
    pyrdiff_images values;     /* of the level, floats or doubles; borrowed from the codes */
    double mean, deviation;    /* of these */
    double gain;               /* that makes them visible */
    int view_h, view_w;
} pyrdiff_codes_facts;
PYRDIFF_API int pyrdiff_codes_facts_of(const pyrdiff_codes *codes, int level, pyrdiff_codes_facts *facts);
/* A level to look at: bytes, view_h x view_w x 3. */
PYRDIFF_API int pyrdiff_codes_view(const pyrdiff_codes *codes, int level, double gain,
                                   const pyrdiff_images *to);

/* ---- files of images --------------------------------------------------------------------------- */

/* A PNG: of one image in its own size and depth (floats: 16 bits); or, of more images or with one of the last
 * three options, of tables of images side by side, one for each of `tables`, enlarged to one size, in 8 bits.
 * `texts`: pairs of a keyword and a text that the file will hold, as options are. Options:
 *     bits     8 or 16, of one image; its own
 *     zoom     shown pixels for a pixel of the largest images; 1
 *     columns  of each table; nearly square
 *     rows     likewise
 * Files appear whole or not at all. */
PYRDIFF_API int pyrdiff_png_write(const char *path, const pyrdiff_images *tables, int n_tables,
                                  const char *const *options, const char *const *texts);

/* An NPZ of n images h x w x c in the array arr_0, of 8 or 16 bits, added batch by batch; close writes what
 * was added as the file, with labels (n) in arr_1 unless they are NULL, and abandons it when `keep` is 0 or it
 * is not full. */
typedef struct pyrdiff_npz pyrdiff_npz;
PYRDIFF_API int pyrdiff_npz_open(pyrdiff_npz **out, const char *path, int64_t n, int h, int w, int c,
                                 int bits);
PYRDIFF_API int pyrdiff_npz_add(pyrdiff_npz *npz, const pyrdiff_images *images);
PYRDIFF_API int pyrdiff_npz_close(pyrdiff_npz *npz, const int32_t *labels, int keep);

#ifdef __cplusplus
}
#endif

#endif
