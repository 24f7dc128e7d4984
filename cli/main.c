/* main.c - the program: a table of commands. */
#include "cli/cli.h"

#include "base/text.h"
#include "terminal/manual.h"
#include "terminal/output.h"
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

static void usage(void (*say)(const char *fmt, ...))
{
    say("pyrdiff - multi-resolution Laplacian-pyramid diffusion models\n\n"
        "usage: pyrdiff COMMAND [OPTION ...]\n\n");
    for (int i = 0; pyr_commands[i]; i++)
        say("  %-13s%s\n", pyr_commands[i]->name, pyr_commands[i]->title);
    say("\npyrdiff COMMAND --help lists the options of a command; pyrdiff --man [COMMAND] prints a manual page,\n"
        "pyrdiff --completions bash|zsh what completes command lines in a shell.\n"
        "To begin: pyrdiff train, then pyrdiff sample --network runs/fashion-mnist\n");
}

static int unknown(const char *word)
{
    const char *names[64], *nearest;
    size_t n = 0;

    for (; pyr_commands[n] && n < sizeof names / sizeof *names; n++)
        names[n] = pyr_commands[n]->name;
    nearest = pyr_nearest(word, names, n);
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

/* --man [COMMAND], --completions SHELL: texts that are made of the commands' tables. */
static int print_made(int argc, char **argv)
{
    const pyr_command *command = NULL;
    const char *word = argc > 2 ? argv[2] : "";
    pyr_text text = {0};

    if (strcmp(argv[1], "--completions") == 0) {
        if (strcmp(word, "bash") != 0 && strcmp(word, "zsh") != 0) {
            pyr_tell("pyrdiff: --completions is for bash or zsh: pyrdiff --completions bash\n");
            return 2;
        }
        (*word == 'b' ? pyr_completions_bash : pyr_completions_zsh)(pyr_commands, &text);
    } else if (*word) {
        command = pyr_find_command(word);
        if (!command)
            return unknown(word);
        pyr_manual_command(command, &text);
    } else
        pyr_manual_program(pyr_commands, &text);
    if (pyr_print_text(&text, "a text") == PYR_OK)
        return 0;
    pyr_tell("pyrdiff: %s\n", pyr_error());
    return 1;
}

/* The exit status of the command line. */
static int run_command(int argc, char **argv)
{
    const pyr_command *command;
    pyr_status status;

    if (argc < 2) {
        usage(pyr_tell);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        usage(pyr_print);
        return 0;
    }
    if (strcmp(argv[1], "--man") == 0 || strcmp(argv[1], "--completions") == 0)
        return print_made(argc, argv);
    command = pyr_find_command(argv[1]);
    if (!command)
        return unknown(argv[1]);
    if (command->resumes)
        signal(SIGPIPE, SIG_IGN); /* a training outlives who reads its lines */
    status = pyr_command_run(command, argc - 1, argv + 1);
    if (status == PYR_OK || (status == PYR_E_STOPPED && command->resumes))
        return 0;
    pyr_tell("pyrdiff %s: %s\n", command->name, pyr_error());
    return status == PYR_E_ARG ? 2 : 1;
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
