/* main.c - the program: a table of commands. */
#include "cli/cli.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "terminal/output.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

static const struct {
    const char *name;
    pyr_status (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"analyze", pyr_command_analyze,
     "measure the levels of a data set: spectra, distances, the noise they want"},
    {"train", pyr_command_train,
     "train the levels of a pyramid: one after the other, one by itself, or together"},
    {"sample", pyr_command_sample, "draw images from a trained run, coarse to fine"},
    {"inpaint", pyr_command_inpaint, "draw a part of a picture anew"},
    {"colorize", pyr_command_colorize, "give colours to a picture, its grey kept"},
    {"upscale", pyr_command_upscale, "enlarge a small picture by drawing the finer levels"},
    {"vary", pyr_command_vary, "draw variations of a picture"},
    {"interpolate", pyr_command_interpolate, "draw the images between two, from the noise between theirs"},
    {"encode", pyr_command_encode, "make noise of pictures by the ODE, and pictures of it again"},
    {"invert", pyr_command_invert, "restore a picture that was blurred, made small, or has holes"},
    {"decompose", pyr_command_decompose, "split a picture into the levels of a pyramid"},
    {"reconstruct", pyr_command_reconstruct, "put the picture together again, bit for bit"},
    {"info", pyr_command_info, "describe a run, a model, a data set; check a model against a stored answer"},
    {"export", pyr_command_export, "write the levels of a run for other programs (diffusers)"},
    {"eval", pyr_command_eval, "judge a run, a folder of images or an NPZ against a data set"},
    {"likelihood", pyr_command_likelihood, "bits/dim of images under a trained run, per level and in total"},
    {"compare", pyr_command_compare, "train several kinds of model at one cost and judge them"},
    {"report", pyr_command_report, "write a page on runs and comparisons: losses, samples, spectra, tables"},
    {"bench", pyr_command_bench, "measure training and sampling speed of each level"},
    {"toy", pyr_command_toy, "look at objectives and samplers in the plane, on mixtures of known score"},
    {"classifier", pyr_command_classifier, "train a small classifier of the data's labels, for evaluation"},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

/* Stopped by a signal these have lost nothing: the same command goes on. Of others there is a part, or
 * nothing. */
static bool goes_on(const char *name)
{
    return strcmp(name, "train") == 0 || strcmp(name, "compare") == 0;
}

static void usage(void (*say)(const char *fmt, ...))
{
    say("pyrdiff - multi-resolution Laplacian-pyramid diffusion models\n\n"
        "usage: pyrdiff COMMAND [OPTION ...]\n\n");
    for (int i = 0; i < COMMANDS; i++)
        say("  %-13s%s\n", commands[i].name, commands[i].help);
    say("\n`pyrdiff COMMAND --help` tells the options of a command.\n"
        "To begin: pyrdiff train, then pyrdiff sample --network runs/fashion-mnist\n");
}

static int unknown(const char *word)
{
    const char *names[COMMANDS], *nearest;

    for (int i = 0; i < COMMANDS; i++)
        names[i] = commands[i].name;
    nearest = pyr_nearest(word, names, COMMANDS);
    pyr_tell("pyrdiff: there is no command %s", word);
    if (nearest)
        pyr_tell("; did you mean %s?", nearest);
    pyr_tell("\nhint: pyrdiff --help lists the commands\n");
    return 2;
}

/* A file that is opened while standard input, output or error is closed would take its number, and get what
 * is printed. false: there is no /dev/null either. */
static bool fill_standard_descriptors(void)
{
    for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
        if (fcntl(i, F_GETFD) < 0 && open("/dev/null", O_RDWR) != i)
            return false;
    return true;
}

/* Products of oneDNN and frames of ours take up to 70 KB, without a question: beyond the stack is a
 * segmentation fault. A limit that may be raised is; false: it may not. */
static bool stack_has_room(void)
{
    enum { LEAST_KIB = 256, ENOUGH_KIB = 1024 };
    struct rlimit limit;
    rlim_t enough = (rlim_t)ENOUGH_KIB << 10;

    if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= enough)
        return true;
    limit.rlim_cur = limit.rlim_max == RLIM_INFINITY || limit.rlim_max > enough ? enough : limit.rlim_max;
    (void)setrlimit(RLIMIT_STACK, &limit);
    if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur >= (rlim_t)LEAST_KIB << 10)
        return true;
    pyr_tell("pyrdiff: the limit of the stack (ulimit -s) is %llu KiB, at least %d are needed: raise it\n",
             (unsigned long long)(limit.rlim_cur >> 10), LEAST_KIB);
    return false;
}

/* The exit status of the command line. */
static int run_command(int argc, char **argv)
{
    if (argc < 2) {
        usage(pyr_tell);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        usage(pyr_print);
        return 0;
    }
    for (int i = 0; i < COMMANDS; i++) {
        pyr_status status;

        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        if (goes_on(commands[i].name))
            signal(SIGPIPE, SIG_IGN); /* a training outlives who reads its lines */
        status = commands[i].run(argc - 1, argv + 1);
        if (status == PYR_OK || (status == PYR_E_STOPPED && goes_on(commands[i].name)))
            return 0;
        pyr_tell("pyrdiff %s: %s\n", commands[i].name, pyr_error());
        return status == PYR_E_ARG ? 2 : 1;
    }
    return unknown(argv[1]);
}

int main(int argc, char **argv)
{
    int status;

    /* Blocks of 1 MiB and more go back to the system when they are freed, so that what is printed as memory
     * is what is used: left alone, malloc raises that bound with each such block and keeps what is freed
     * (three levels one after the other: 73 MiB instead of 49). The end of the heap is given back from 8 MiB
     * on: by the default of 128 KiB, which fixing the first bound would fix too, every larger product of
     * oneDNN moved it (28000 calls of brk in 8 steps with their held-out losses, 36 now). */
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    mallopt(M_TRIM_THRESHOLD, 8 << 20);
#endif
#ifdef SIGXFSZ
    signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is an error of that write, with a sentence */
#endif
    if (!fill_standard_descriptors() || !stack_has_room())
        return 1;
    status = run_command(argc, argv);
    if (pyr_output_finish() != PYR_OK) {
        pyr_tell("pyrdiff: %s\n", pyr_error());
        return status ? status : 1;
    }
    return status;
}

/* " WORD", as a shell takes it. */
static void quote(pyr_text *out, const char *word)
{
    if (*word &&
        !word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./=,:+-@%")]) {
        pyr_text_add(out, " %s", word);
        return;
    }
    pyr_text_add(out, " '");
    for (; *word; word++)
        if (*word == '\'')
            pyr_text_add(out, "'\\''");
        else
            pyr_text_add_bytes(out, word, 1);
    pyr_text_add(out, "'");
}

void pyr_command_text(pyr_text *out, int argc, char **argv)
{
    pyr_text_add(out, "pyrdiff");
    for (int i = 0; i < argc; i++)
        quote(out, argv[i]);
}

pyr_status pyr_run_command(const pyr_options *options, int argc, char **argv,
                           pyr_status (*run)(void *typed, pyr_parsed *parsed), void *typed)
{
    pyr_parsed parsed = {0};
    pyr_status status = pyr_options_parse(&parsed, options, argc, argv);

    if (status == PYR_OK && parsed.help)
        status = pyr_print_help(options);
    else if (status == PYR_OK)
        status = run(typed, &parsed);
    pyr_parsed_free(&parsed);
    return status;
}

pyr_status pyr_print_help(const pyr_options *options)
{
    pyr_text text = {0};
    pyr_status status = PYR_OK;

    pyr_options_help(options, &text);
    if (text.failed)
        status = pyr_fail(PYR_E_NOMEM, "out of memory: the options of pyrdiff %s", options->command);
    else
        pyr_print_lines(text.at);
    pyr_text_free(&text);
    return status;
}

pyr_status pyr_open_machine_quietly(pyr_kernels **out, const pyr_machine *machine, bool measure)
{
    pyr_kernels *k;

    PYR_TRY(pyr_kernels_open(out, machine->backend, machine->threads));
    k = *out;
    PYR_TRY(pyr_kernels_precision(k, machine->precision));
    if (measure && k->measurable) {
        char *path = pyr_cache_path(k->device ? "tuning-gpu.json" : "tuning.json");

        pyr_tuning_let_measure(k->tuning, true);
        if (path)
            pyr_tuning_use_cache(k->tuning, path, k->measurable);
        pyr_free(path);
    }
    return PYR_OK;
}

pyr_status pyr_open_machine(pyr_kernels **out, const pyr_machine *machine, bool measure)
{
    const pyr_kernels *k;
    const char *type;

    PYR_TRY(pyr_open_machine_quietly(out, machine, measure));
    k = *out;
    type = k->activation == PYR_BF16 ? "bf16" : k->real == PYR_F64 ? "double" : k->tf32 ? "tf32" : "f32";
    if (k->device)
        pyr_tell("backend: %s on %s, %s\n", k->name, k->device, type);
    else if (strcmp(machine->backend, "auto") == 0 || k->activation != k->real)
        pyr_tell("backend: %s, %d thread%s, %s%s%s%s\n", k->name, k->lanes, k->lanes == 1 ? "" : "s", type,
                 *k->passed_over ? " (no CUDA: " : "", k->passed_over, *k->passed_over ? ")" : "");
    return PYR_OK;
}
