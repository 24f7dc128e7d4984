/* replay_main.c - a main for the fuzz targets, with any compiler.
 *
 *     cc … tests/fuzz/fuzz_X.c tests/fuzz/replay_main.c … -fsanitize=address,undefined -o replay
 *     ./replay FILE|FOLDER...                      run each file once, in order of names
 *     ./replay --mutate N --seed S FILE|FOLDER...  run N mutations of them
 *     ./replay --mutate 1 --seed S --from I FILE|FOLDER... --keep OUT
 *                                                  run mutation I again and write it to OUT
 *
 * The target's own good inputs (fuzz_seed) come before the files. Mutation I depends on S, I and these
 * inputs alone. When a run ends in a signal, or takes too long, the number of its mutation is printed. */
#include "tests/fuzz/input.h"
#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/time.h>

#pragma weak fuzz_seed

/* The sanitizers end in a signal, so that the handler below is heard; a small input that takes gigabytes is a
 * failure. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "abort_on_error=1:hard_rss_limit_mb=2048";
}
const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
    return "abort_on_error=1:halt_on_error=1:print_stacktrace=1";
}

typedef struct input {
    char *name;
    uint8_t *bytes;
    size_t n;
} input;

static input *inputs;
static size_t n_inputs;

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(2);
}

static void *need(void *block)
{
    if (!block)
        die("memory");
    return block;
}

/* ---- the files ---- */

static void add_bytes(const char *name, const uint8_t *bytes, size_t n)
{
    input in = {.name = need(strdup(name)), .bytes = need(malloc(n + 1)), .n = n};

    memcpy(in.bytes, bytes, n);
    inputs = need(realloc(inputs, (n_inputs + 1) * sizeof *inputs));
    inputs[n_inputs++] = in;
}

static void add_own(void)
{
    const uint8_t *bytes;
    size_t n;

    for (size_t i = 0; fuzz_seed && (bytes = fuzz_seed(i, &n)); i++)
        add_bytes("its own", bytes, n);
}

static void add_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    long size = 0;
    uint8_t *bytes;

    if (!f || fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0 || fseek(f, 0, SEEK_SET) != 0)
        die(path);
    bytes = need(malloc((size_t)size + 1));
    if (fread(bytes, 1, (size_t)size, f) != (size_t)size)
        die(path);
    fclose(f);
    add_bytes(path, bytes, (size_t)size);
    free(bytes);
}

static void add(const char *path)
{
    struct stat info;
    struct dirent **names;
    int n;

    if (stat(path, &info) != 0)
        die(path);
    if (!S_ISDIR(info.st_mode)) {
        add_file(path);
        return;
    }
    n = scandir(path, &names, NULL, alphasort);
    if (n < 0)
        die(path);
    for (int i = 0; i < n; i++) {
        if (names[i]->d_name[0] != '.') {
            size_t room = strlen(path) + strlen(names[i]->d_name) + 2;
            char *inside = need(malloc(room));

            snprintf(inside, room, "%s/%s", path, names[i]->d_name);
            add(inside);
            free(inside);
        }
        free(names[i]);
    }
    free(names);
}

/* ---- mutations ---- */

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t state;

static uint64_t draw(void)
{
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static size_t below(size_t n)
{
    return n ? (size_t)(draw() % n) : 0;
}

/* A place, half of the time in the first 512 bytes, where a header is. */
static size_t place(size_t n)
{
    return below(n > 512 && draw() % 2 ? 512 : n);
}

/* Put `m` bytes in the place of [at, at + cut). */
static void splice(input *in, size_t at, size_t cut, const void *bytes, size_t m)
{
    uint8_t *grown = need(malloc(in->n - cut + m + 1));

    memcpy(grown, in->bytes, at);
    if (m)
        memcpy(grown + at, bytes, m);
    memcpy(grown + at + m, in->bytes + at + cut, in->n - at - cut);
    free(in->bytes);
    in->bytes = grown;
    in->n = in->n - cut + m;
}

/* Another number in the place of a decimal one. */
static void change_number(input *in)
{
    static const char *const odd[] = {"0",
                                      "1",
                                      "-1",
                                      "7",
                                      "8",
                                      "255",
                                      "256",
                                      "2147483648",
                                      "4294967296",
                                      "1e",
                                      "1e99",
                                      "-0",
                                      "0.5",
                                      "00",
                                      "4611686018427387904",
                                      "9007199254740993",
                                      "18446744073709551615",
                                      "null",
                                      "\"1\"",
                                      "[]",
                                      "true"};
    size_t start = place(in->n), length = 0;
    char near[32];
    const char *with = odd[below(sizeof odd / sizeof *odd)];

    while (start < in->n && (in->bytes[start] < '0' || in->bytes[start] > '9'))
        start++;
    while (start + length < in->n && length < 18 && in->bytes[start + length] >= '0' &&
           in->bytes[start + length] <= '9')
        length++;
    if (!length)
        return;
    if (draw() % 2) { /* a neighbour */
        uint64_t value = 0;

        for (size_t i = 0; i < length; i++)
            value = value * 10 + (in->bytes[start + i] - '0');
        snprintf(near, sizeof near, "%" PRIu64, value + below(17) - 8);
        with = near;
    }
    splice(in, start, length, with, strlen(with));
}

static void mutate(input *in)
{
    static const char *const pieces[] = {"{",
                                         "}",
                                         "[",
                                         "]",
                                         ",",
                                         ":",
                                         "\"",
                                         "\\u0000",
                                         "\\ud800",
                                         "\\",
                                         "{}",
                                         "\"a\":{},",
                                         "\"__metadata__\":{\"a\":\"b\"},",
                                         "\xff",
                                         "\xef\xbb\xbf",
                                         "[[[[[[[[[[[[[[[[",
                                         " "};
    uint8_t block[64];
    size_t at = place(in->n), n = in->n, length;

    switch (draw() % 9) {
    case 0: /* flip a bit */
        if (n)
            in->bytes[at] ^= (uint8_t)(1 << below(8));
        break;
    case 1: /* another byte */
        if (n)
            in->bytes[at] = (uint8_t)draw();
        break;
    case 2: /* cut off behind */
        in->n = below(n + 1);
        break;
    case 3: /* cut out */
        splice(in, at, below((n - at < 32 ? n - at : 32) + 1), NULL, 0);
        break;
    case 4: /* insert noise */
        length = below(sizeof block);
        for (size_t i = 0; i < length; i++)
            block[i] = (uint8_t)draw();
        splice(in, at, 0, block, length);
        break;
    case 5: { /* insert a piece of JSON */
        const char *piece = pieces[below(sizeof pieces / sizeof *pieces)];

        splice(in, at, 0, piece, strlen(piece));
        break;
    }
    case 6: /* repeat a part elsewhere */
        length = below((n - at < sizeof block ? n - at : sizeof block) + 1);
        memcpy(block, in->bytes + at, length);
        splice(in, place(n), 0, block, length);
        break;
    case 7: /* the length in front: a neighbour, or one byte of it */
        if (n >= 8) {
            uint64_t header = 0;

            for (int i = 0; i < 8; i++)
                header |= (uint64_t)in->bytes[i] << 8 * i;
            header = draw() % 2 ? header + below(33) - 16 : header ^ draw() % 256 << 8 * below(8);
            for (int i = 0; i < 8; i++)
                in->bytes[i] = (uint8_t)(header >> 8 * i);
        }
        break;
    default:
        change_number(in);
    }
}

/* Give the header's length what was put into it, so that deeper checks are reached. */
static void mend_length(input *in, size_t grown, size_t before)
{
    uint64_t header = 0;

    if (in->n < 8 || grown == before)
        return;
    for (int i = 0; i < 8; i++)
        header |= (uint64_t)in->bytes[i] << 8 * i;
    header += grown - before;
    for (int i = 0; i < 8; i++)
        in->bytes[i] = (uint8_t)(header >> 8 * i);
}

/* ---- running ---- */

static volatile uint64_t running;
static uint64_t seed;

static void on_signal(int number)
{
    char text[160];
    int n = snprintf(text, sizeof text, "signal %d in mutation %" PRIu64 " of seed %" PRIu64 "\n", number,
                     running, seed);

    if (n > 0 && write(2, text, (size_t)n) < 0)
        _exit(3);
    _exit(3);
}

/* Twice within one input: it takes longer than LONGEST. */
static void on_time(int number)
{
    static uint64_t last = UINT64_MAX;

    (void)number;
    if (last == running)
        abort();
    last = running;
}

static void watch(void)
{
    enum { LONGEST = 20 }; /* seconds */
    const struct itimerval every = {{LONGEST, 0}, {LONGEST, 0}};

    signal(SIGABRT, on_signal);
    signal(SIGALRM, on_time);
    if (setitimer(ITIMER_REAL, &every, NULL) != 0)
        die("timer");
}

/* The bytes in a block of exactly their size: a sanitizer sees the next one. */
static void run(const uint8_t *bytes, size_t n)
{
    uint8_t *exact = need(malloc(n ? n : 1));

    memcpy(exact, bytes, n);
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
}

int main(int argc, char **argv)
{
    uint64_t mutations = 0, from = 0;
    const char *keep = NULL;

    add_own();
    for (int i = 1; i < argc; i++) {
        bool value = i + 1 < argc;

        if (value && strcmp(argv[i], "--mutate") == 0)
            mutations = strtoull(argv[++i], NULL, 10);
        else if (value && strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[++i], NULL, 10);
        else if (value && strcmp(argv[i], "--from") == 0)
            from = strtoull(argv[++i], NULL, 10);
        else if (value && strcmp(argv[i], "--keep") == 0)
            keep = argv[++i];
        else if (argv[i][0] == '-') {
            fprintf(stderr, "%s: unknown option; see the top of replay_main.c\n", argv[i]);
            return 2;
        } else
            add(argv[i]);
    }
    if (!n_inputs) {
        fprintf(stderr, "usage: %s [--mutate N --seed S] FILE|FOLDER...\n", argv[0]);
        return 2;
    }
    watch();
    for (size_t i = 0; i < n_inputs && !from; i++)
        run(inputs[i].bytes, inputs[i].n);
    for (running = from; running < from + mutations; running++) {
        input in;
        const input *origin;
        size_t before;

        state = seed * UINT64_C(0xd1342543de82ef95) + running;
        draw();
        origin = &inputs[below(n_inputs)];
        in = (input){.n = origin->n, .bytes = need(malloc(origin->n + 1))};
        memcpy(in.bytes, origin->bytes, in.n);
        for (size_t left = 1 + below(4); left; left--) {
            before = in.n;
            mutate(&in);
            if (draw() % 2)
                mend_length(&in, in.n, before);
        }
        if (keep) {
            FILE *f = fopen(keep, "wb");

            if (!f || fwrite(in.bytes, 1, in.n, f) != in.n || fclose(f) != 0)
                die(keep);
        }
        run(in.bytes, in.n);
        free(in.bytes);
    }
    printf("%s: %zu files, %" PRIu64 " mutations of seed %" PRIu64 "\n", argv[0], n_inputs, mutations, seed);
    for (size_t i = 0; i < n_inputs; i++) {
        free(inputs[i].bytes);
        free(inputs[i].name);
    }
    free(inputs);
    return 0;
}
