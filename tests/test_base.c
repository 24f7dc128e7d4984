/* test_base.c - status, memory, threads, text, files, JSON. */
#include "base/atomic_file.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/stop.h"
#include "base/text.h"
#include "base/threads.h"
#include "tests/check.h"
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- status ---- */

static void sentences(void)
{
    char longer[6000];

    CHECK(pyr_fail(PYR_E_ARG, "levels is %d", 9) == PYR_E_ARG);
    CHECK_STRING(pyr_error(), "levels is 9");
    CHECK(pyr_fail(PYR_E_IO, "again: %s", pyr_error()) == PYR_E_IO); /* may point into the sentence */
    CHECK_STRING(pyr_error(), "again: levels is 9");
    CHECK(pyr_fail_prefix(PYR_E_IO, "%s:%d", "a.cfg", 3) == PYR_E_IO);
    CHECK_STRING(pyr_error(), "a.cfg:3: again: levels is 9");
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    pyr_fail(PYR_E_ARG, "%s", longer);
    CHECK(strlen(pyr_error()) == 4095);
    pyr_fail_prefix(PYR_E_ARG, "p");
    CHECK(strlen(pyr_error()) == 4095 && strncmp(pyr_error(), "p: xxx", 6) == 0);
    pyr_fail(PYR_E_ARG, "two\nlines, %s", "\033[31m\a\x7f caf\xc3\xa9");
    CHECK_STRING(pyr_error(), "two\nlines, \\x1b[31m\\x07\\x7f caf\xc3\xa9");
    pyr_error_set("set");
    CHECK_STRING(pyr_error(), "set");
}

static void *other_thread(void *arg)
{
    (void)arg;
    CHECK_STRING(pyr_error(), "");
    pyr_fail(PYR_E_ARG, "theirs");
    return NULL;
}

static void sentences_are_the_threads(void)
{
    pthread_t thread;

    pyr_fail(PYR_E_ARG, "mine");
    CHECK(pthread_create(&thread, NULL, other_thread, NULL) == 0);
    pthread_join(thread, NULL);
    CHECK_STRING(pyr_error(), "mine");
}

/* ---- memory ---- */

static bool all_zero(const void *block, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((const char *)block)[i])
            return false;
    return true;
}

static void memory_counts(void)
{
    pyr_mem_stats start = pyr_mem(), now;
    char *a, *b, *c;

    pyr_mem_reset_peak();
    a = pyr_calloc(1000, 3);
    b = pyr_calloc(0, 8);
    CHECK(a && b && (uintptr_t)a % PYR_ALIGN == 0 && (uintptr_t)b % PYR_ALIGN == 0);
    CHECK(all_zero(a, 3000));
    now = pyr_mem();
    CHECK(now.live_blocks == start.live_blocks + 2 && now.live_bytes == start.live_bytes + 3000);
    CHECK(now.allocated == start.allocated + 2);
    memset(a, 7, 3000);
    a = pyr_realloc(a, 5000, 1);
    CHECK(a && a[0] == 7 && a[2999] == 7 && all_zero(a + 3000, 2000));
    a = pyr_realloc(a, 10, 1);
    CHECK(a && a[9] == 7);
    CHECK(pyr_mem().live_bytes == start.live_bytes + 10);
    CHECK(pyr_mem().peak_bytes >= start.live_bytes + 5000);
    pyr_mem_reset_peak();
    CHECK(pyr_mem().peak_bytes == pyr_mem().live_bytes);
    c = pyr_realloc(NULL, 4, 1);
    CHECK(c && all_zero(c, 4));
    pyr_free(a);
    pyr_free(b);
    pyr_free(c);
    pyr_free(NULL);
    CHECK(pyr_mem().live_blocks == start.live_blocks && pyr_mem().live_bytes == start.live_bytes);
}

static void memory_fails(void)
{
    char *a = pyr_calloc(8, 1), *b;
    void *out = a;

    CHECK(pyr_calloc(SIZE_MAX / 2, 3) == NULL);
    CHECK(pyr_calloc(SIZE_MAX - 10, 1) == NULL);
    pyr_mem_fail_after(1);
    b = pyr_calloc(1, 1);
    CHECK(b && pyr_calloc(1, 1) == NULL); /* the second fails, the third is well */
    pyr_free(b);
    b = pyr_calloc(1, 1);
    CHECK(b);
    pyr_free(b);
    a[0] = 5;
    pyr_mem_fail_after(0);
    CHECK(pyr_realloc(a, 100, 1) == NULL && a[0] == 5);
    pyr_mem_fail_after(0);
    CHECK_FAILS(pyr_new(&out, 1 << 20, 3, "the arena"), PYR_E_NOMEM, "the arena needs 3.0 MiB");
    CHECK(out == NULL);
    pyr_mem_fail_after(0);
    CHECK(pyr_strfmt("%d", 1) == NULL);
    pyr_mem_fail_after(0);
    CHECK(pyr_strdup("y") == NULL);
    b = pyr_strfmt("%s-%d", "y", 7);
    CHECK_STRING(b, "y-7");
    pyr_free(b);
    pyr_free(a);
}

/* ---- threads ---- */

enum { TASKS = 100 };

typedef struct work {
    atomic_int runs[TASKS], lanes_seen;
    int lanes, fail_from, fail_step; /* tasks fail_from, fail_from + fail_step, … fail */
} work;

static pyr_status task(void *arg, int number, int lane)
{
    work *w = arg;

    if (lane < 0 || lane >= w->lanes)
        return pyr_fail(PYR_E_ARG, "lane %d", lane);
    atomic_fetch_or(&w->lanes_seen, 1 << lane);
    atomic_fetch_add(&w->runs[number], 1);
    if (w->fail_step && number >= w->fail_from && (number - w->fail_from) % w->fail_step == 0) {
        if (number == w->fail_from) /* the others fail first */
            for (int i = 0; i < 20; i++)
                sched_yield();
        return pyr_fail(PYR_E_NUMERIC, "task %d", number);
    }
    return PYR_OK;
}

static void pool_runs_each_task_once(void)
{
    for (int lanes = 1; lanes <= 5; lanes++) {
        work w = {.lanes = lanes};
        pyr_pool *pool;

        CHECK_OK(pyr_pool_new(&pool, lanes, NULL));
        CHECK(pyr_pool_lanes(pool) == lanes);
        for (int round = 1; round <= 500; round++) {
            int tasks = round % (TASKS + 1);

            CHECK_OK(pyr_pool_run(pool, tasks, task, &w));
        }
        for (int i = 0; i < TASKS; i++) {
            int expected = 0;

            for (int round = 1; round <= 500; round++)
                expected += i < round % (TASKS + 1);
            CHECK(w.runs[i] == expected);
        }
        pyr_pool_free(pool);
    }
    pyr_pool_free(NULL);
    CHECK(pyr_processors() >= 1);
}

static void pool_gives_the_lowest_failure(void)
{
    pyr_pool *pool;

    CHECK_OK(pyr_pool_new(&pool, 4, NULL));
    for (int round = 0; round < 200; round++) {
        work w = {.lanes = 4, .fail_from = round % 50, .fail_step = 1 + round % 3};
        char sentence[32];

        snprintf(sentence, sizeof sentence, "task %d", w.fail_from);
        CHECK_STATUS(pyr_pool_run(pool, TASKS, task, &w), PYR_E_NUMERIC);
        CHECK_STRING(pyr_error(), sentence);
        w.fail_step = 0;
        CHECK_OK(pyr_pool_run(pool, TASKS, task, &w)); /* and is well again */
    }
    pyr_pool_free(pool);
}

static atomic_int starts;
static _Thread_local int my_starts;

static void on_start(void)
{
    my_starts++;
    atomic_fetch_add(&starts, 1);
}

static pyr_status has_started(void *arg, int number, int lane)
{
    int wanted = lane == 0 ? *(const int *)arg : 1;

    return my_starts == wanted
               ? PYR_OK
               : pyr_fail(PYR_E_ARG, "task %d on lane %d: %d starts", number, lane, my_starts);
}

static void pool_starts_each_thread(void)
{
    pyr_pool *pool;

    my_starts = 0;
    starts = 0;
    CHECK_OK(pyr_pool_new(&pool, 3, on_start));
    for (int round = 1; round <= 20; round++)
        CHECK_OK(pyr_pool_run(pool, TASKS, has_started, &round));
    CHECK(starts == 2 + 20); /* lane 0 is another thread's, perhaps, in each round */
    pyr_pool_free(pool);
}

/* A lane asks the hook of the thread that runs the round. */
static bool asked_by(void *ctx)
{
    atomic_fetch_add((atomic_int *)ctx, 1);
    return true;
}

static pyr_status stops(void *arg, int number, int lane)
{
    (void)number;
    (void)lane;
    return pyr_stop_requested() == *(const bool *)arg ? PYR_OK : pyr_fail(PYR_E_ARG, "another hook");
}

static void pool_passes_the_stop_on(void)
{
    atomic_int asked = 0;
    bool yes = true, no = false;
    pyr_pool *pool;

    CHECK_OK(pyr_pool_new(&pool, 3, NULL));
    CHECK_OK(pyr_pool_run(pool, TASKS, stops, &no));
    pyr_stop_hook((pyr_stop){.asked = asked_by, .ctx = &asked});
    CHECK_OK(pyr_pool_run(pool, TASKS, stops, &yes));
    CHECK(asked == TASKS);
    CHECK(pyr_stop_hook((pyr_stop){0}).ctx == &asked);
    CHECK_OK(pyr_pool_run(pool, TASKS, stops, &no));
    pyr_pool_free(pool);
}

static void pool_without_memory(void)
{
    pyr_mem_stats before = pyr_mem();
    pyr_status status = PYR_E_NOMEM;
    pyr_pool *pool;
    long n;

    for (n = 0; status != PYR_OK; n++) {
        pyr_mem_fail_after(n);
        status = pyr_pool_new(&pool, 4, NULL);
        pyr_mem_fail_after(-1);
        CHECK(status == PYR_OK || (status == PYR_E_NOMEM && !pool));
    }
    CHECK(n > 4);
    pyr_pool_free(pool);
    CHECK(pyr_mem().live_blocks == before.live_blocks);
}

/* ---- text ---- */

static void texts_grow(void)
{
    pyr_text text = {0};

    for (int i = 0; i < 300; i++)
        pyr_text_add(&text, "%d,", i % 10);
    pyr_text_add_bytes(&text, "a\0b", 3);
    CHECK(text.length == 603 && text.at[603] == 0 && text.at[600] == 'a' && text.at[601] == 0);
    CHECK(strncmp(text.at + 590, "5,6,7,8,9,a", 11) == 0);
    CHECK(!text.failed);
    pyr_text_free(&text);
    CHECK(text.at == NULL && text.length == 0);

    pyr_text_add(&text, "kept");
    pyr_mem_fail_after(0);
    pyr_text_add(&text, "%500s", "");
    pyr_mem_fail_after(-1);
    pyr_text_add(&text, "more");
    CHECK(text.failed);
    CHECK_STRING(text.at, "kept");
    pyr_text_free(&text);
}

static void words_for_a_shell(void)
{
    char room[PYR_SHELL_ROOM], wide[2 * PYR_SHELL_ROOM];

    CHECK_STRING(pyr_shell_word(room, "runs/a-b_1.0@x"), "runs/a-b_1.0@x");
    CHECK_STRING(pyr_shell_word(room, ""), "''");
    CHECK_STRING(pyr_shell_word(room, "my runs/$HOME"), "'my runs/$HOME'");
    CHECK_STRING(PYR_SHELL("it's"), "'it'\\''s'");
    memset(wide, ' ', sizeof wide - 1);
    wide[sizeof wide - 1] = '\0';
    CHECK(pyr_shell_word(room, wide) == wide);
}

static void nearest_words(void)
{
    static const char *const words[] = {"learning_rate", "batch", "levels", "level", "seed"};

#define NEAREST(word) pyr_nearest(word, words, 5)
    CHECK_STRING(NEAREST("learning-rate"), "learning_rate");
    CHECK_STRING(NEAREST("LEARNING_RATE"), "learning_rate");
    CHECK_STRING(NEAREST("bacth"), "batch");
    CHECK_STRING(NEAREST("lvels"), "levels");
    CHECK_STRING(NEAREST("level"), "level");
    CHECK_STRING(NEAREST("sed"), "seed");
    CHECK(NEAREST("momentum") == NULL);
    CHECK(NEAREST("zzzz") == NULL);
    CHECK(pyr_nearest("a", words, 0) == NULL);
    CHECK(NEAREST("a word that is very much longer than any of the candidates and than what is compared") ==
          NULL);
#undef NEAREST
}

static void counts_and_reals(void)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"7", 7},           {"-3", -3},          {"200ki", 204800},
                {"3k", 3000},       {"1.5Mi", 1572864},  {"0.3K", 300},
                {"2G", 2000000000}, {"1gi", 1073741824}, {"1e3", 1000},
                {"0", 0},           {"2.5m", 2500000},   {"9007199254740993", 9007199254740992}};
    static const char *const bad[] = {"",    "k",   "ki",    "1.5",  "7x",      "7 k",      "7kk",
                                      "inf", "nan", "1e300", "7ki7", "0.0001k", "1000000.5"};
    int64_t value;
    double real;

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        value = -1;
        if (!pyr_parse_count(good[i].text, &value) || value != good[i].value)
            CHECK_REPORT("%s gave %lld", good[i].text, (long long)value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (pyr_parse_count(bad[i], &value))
            CHECK_REPORT("\"%s\" gave %lld", bad[i], (long long)value);
    CHECK(pyr_parse_real("2.5e-3", &real) && real == 2.5e-3);
    CHECK(!pyr_parse_real("2.5e-3x", &real) && !pyr_parse_real("", &real) && !pyr_parse_real("inf", &real));
    CHECK(!pyr_parse_real("nan", &real) && !pyr_parse_real("1e999", &real));
}

/* ---- files ---- */

static char folder[256];

static char *in_folder(const char *name)
{
    static char path[16][512];
    static int next;
    char *at = path[next++ % 16];

    snprintf(at, sizeof path[0], "%s/%s", folder, name);
    return at;
}

static size_t files_in_folder(void)
{
    pyr_names names;
    size_t n;

    CHECK_OK(pyr_folder_names(&names, folder));
    n = names.n;
    pyr_names_free(&names);
    return n;
}

static void check_content(const char *path, const char *wanted)
{
    char *bytes;
    size_t n;

    CHECK_OK(pyr_file_read(&bytes, &n, path, 1000));
    CHECK(n == strlen(wanted));
    CHECK_STRING(bytes, wanted);
    pyr_free(bytes);
}

static void files_are_replaced_whole(void)
{
    pyr_atomic_file file;
    char *path = in_folder("state");

    CHECK_OK(pyr_file_replace(path, "one", 3));
    check_content(path, "one");
    CHECK_OK(pyr_atomic_open(&file, path));
    CHECK_OK(pyr_atomic_write(&file, "tw", 2));
    CHECK_OK(pyr_atomic_write(&file, "", 0));
    CHECK_OK(pyr_atomic_write(&file, "o!", 2));
    check_content(path, "one"); /* until commit */
    CHECK_OK(pyr_atomic_commit(&file));
    check_content(path, "two!");
    pyr_atomic_abandon(&file); /* nothing left to do */

    CHECK_OK(pyr_atomic_open(&file, path));
    CHECK_OK(pyr_atomic_write(&file, "three", 5));
    pyr_atomic_abandon(&file);
    check_content(path, "two!");
    CHECK(files_in_folder() == 1); /* no temporary stays */

    CHECK_OK(pyr_file_replace(path, "", 0));
    check_content(path, "");
    CHECK(unlink(path) == 0);
}

static void files_that_cannot_be_written(void)
{
    pyr_atomic_file file;

    CHECK_FAILS(pyr_file_replace(in_folder("no/where"), "x", 1), PYR_E_IO, "no/where cannot be written");
    CHECK(mkdir(in_folder("taken"), 0777) == 0);
    CHECK_FAILS(pyr_atomic_open(&file, in_folder("taken")), PYR_E_IO,
                "taken cannot be written: Is a directory");
    CHECK(file.stream == NULL && file.path == NULL);
    CHECK(files_in_folder() == 1);
    /* one that comes to stand at the name meanwhile is found out at the rename */
    CHECK_OK(pyr_atomic_open(&file, in_folder("taken/x")));
    CHECK(mkdir(in_folder("taken/x"), 0777) == 0);
    CHECK_OK(pyr_atomic_write(&file, "x", 1));
    CHECK_FAILS(pyr_atomic_commit(&file), PYR_E_IO, "taken/x");
    CHECK(file.stream == NULL && file.path == NULL);
    CHECK(rmdir(in_folder("taken/x")) == 0);
    CHECK(rmdir(in_folder("taken")) == 0);
    CHECK_FAILS(pyr_file_replace("/dev/full", "x", 1), PYR_E_IO,
                "/dev/full cannot be written: No space left");
}

/* A link stays, and the file behind it is replaced; one that leads nowhere yet makes its file. */
static void links_are_followed(void)
{
    char *file = in_folder("behind"), *link = in_folder("link"), *other = in_folder("other-link");
    struct stat info;

    CHECK(symlink("behind", link) == 0 && symlink(link, other) == 0);
    CHECK_OK(pyr_file_replace(other, "one", 3));
    check_content(file, "one");
    CHECK(chmod(file, 0600) == 0);
    CHECK_OK(pyr_file_replace(link, "two", 3));
    check_content(file, "two");
    CHECK(lstat(link, &info) == 0 && S_ISLNK(info.st_mode));
    CHECK(stat(file, &info) == 0 && (info.st_mode & 0777) == 0600);
    CHECK(unlink(file) == 0 && unlink(link) == 0 && symlink("link", link) == 0);
    CHECK_FAILS(pyr_file_replace(link, "x", 1), PYR_E_IO, "symbolic links");
    CHECK(unlink(link) == 0 && unlink(other) == 0);
    CHECK(files_in_folder() == 0);
}

static void *read_pipe(void *arg)
{
    char bytes[8];
    FILE *f = fopen(arg, "rb");

    CHECK(f && fread(bytes, 1, sizeof bytes, f) == 5 && memcmp(bytes, "bytes", 5) == 0);
    if (f)
        fclose(f);
    return NULL;
}

/* Pipes, devices and this process's own open files are written into. */
static void what_is_no_file_is_written_into(void)
{
    char *pipe_path = in_folder("pipe"), *path = in_folder("open"), link[64];
    struct stat before, after;
    pthread_t reader;
    int file;

    CHECK(mkfifo(pipe_path, 0600) == 0);
    CHECK(pthread_create(&reader, NULL, read_pipe, pipe_path) == 0);
    CHECK_OK(pyr_file_replace(pipe_path, "bytes", 5));
    pthread_join(reader, NULL);
    CHECK(stat(pipe_path, &after) == 0 && S_ISFIFO(after.st_mode));
    CHECK_OK(pyr_file_replace("/dev/null", "bytes", 5));
    CHECK(stat("/dev/null", &after) == 0 && S_ISCHR(after.st_mode));

    file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK(file >= 0 && fstat(file, &before) == 0);
    snprintf(link, sizeof link, "/dev/fd/%d", file);
    CHECK_OK(pyr_file_replace(link, "bytes", 5));
    check_content(path, "bytes");
    CHECK(stat(path, &after) == 0 && after.st_ino == before.st_ino);
    close(file);
    CHECK(unlink(path) == 0 && unlink(pipe_path) == 0);
    CHECK(files_in_folder() == 0);
}

/* Standard output that is a file goes on where it stands, whatever name it has. */
static void standard_output_goes_on(void)
{
    char *path = in_folder("stdout");
    pid_t child = fork();
    int state;

    if (child == 0) {
        if (!freopen(path, "w", stdout))
            _exit(1);
        printf("before\n");
        if (pyr_file_replace("/dev/stdout", "bytes\n", 6) != PYR_OK ||
            pyr_file_replace(path, "more\n", 5) != PYR_OK)
            _exit(2);
        printf("after\n");
        _exit(fflush(stdout) == 0 ? 0 : 3);
    }
    CHECK(waitpid(child, &state, 0) == child && WIFEXITED(state) && WEXITSTATUS(state) == 0);
    check_content(path, "before\nbytes\nmore\nafter\n");
    CHECK(unlink(path) == 0);
}

/* What a killed writer left is taken by the next one; a living one's is not touched. */
static void temporaries_of_the_dead(void)
{
    pyr_atomic_file first, second;
    char *path = in_folder("state");

    CHECK_OK(pyr_file_replace(in_folder("state.tmp-0"), "left behind by a killed one", 27));
    CHECK_OK(pyr_file_replace(in_folder("state.tmp-1"), "as this", 7));
    CHECK_OK(pyr_file_replace(in_folder("grid.png.tmp-4711"), "and this", 8));
    CHECK_OK(pyr_atomic_open(&first, path));
    CHECK_STRING(first.temporary + strlen(path), ".tmp-0");
    CHECK(!pyr_is_file(in_folder("state.tmp-1")));
    CHECK_OK(pyr_atomic_open(&second, path));
    CHECK_STRING(second.temporary + strlen(path), ".tmp-1");
    CHECK_OK(pyr_atomic_write(&first, "one", 3));
    CHECK_OK(pyr_atomic_write(&second, "two", 3));
    pyr_remove_temporaries(folder);
    CHECK(!pyr_is_file(in_folder("grid.png.tmp-4711")));
    CHECK_OK(pyr_atomic_commit(&first));
    check_content(path, "one");
    CHECK_OK(pyr_atomic_commit(&second));
    check_content(path, "two");
    CHECK_OK(pyr_file_replace(in_folder("mine.png.tmp-x"), "", 0)); /* none of ours */
    CHECK_OK(pyr_file_replace(in_folder("mine.png.tmp-"), "", 0));
    CHECK_OK(pyr_file_replace(in_folder("mine.doc.tmp-3"), "", 0));
    CHECK_OK(pyr_open_output_folder(folder));
    CHECK(files_in_folder() == 4);
    CHECK(unlink(in_folder("mine.png.tmp-x")) == 0 && unlink(in_folder("mine.png.tmp-")) == 0 &&
          unlink(in_folder("mine.doc.tmp-3")) == 0);
    CHECK(unlink(path) == 0);
}

/* What another user left under the first name is passed over. Root may open anything: there the writer
 * becomes somebody else. */
static void temporaries_of_others(void)
{
    char *path = in_folder("shared.cfg"), *theirs = in_folder("shared.cfg.tmp-0");
    int state;
    pid_t child;

    CHECK_OK(pyr_file_replace(theirs, "theirs", 6));
    CHECK(chmod(theirs, 0) == 0 && chmod(folder, 0777) == 0);
    child = fork();
    if (child == 0) {
        pyr_atomic_file file;
        bool good = (geteuid() != 0 || seteuid(65534) == 0) && pyr_atomic_open(&file, path) == PYR_OK &&
                    strcmp(file.temporary + strlen(path), ".tmp-1") == 0 &&
                    pyr_atomic_commit(&file) == PYR_OK;

        _exit(good ? 0 : 1);
    }
    CHECK(waitpid(child, &state, 0) == child && WIFEXITED(state) && WEXITSTATUS(state) == 0);
    CHECK(unlink(theirs) == 0 && unlink(path) == 0);
}

/* An error is not an absence. */
static void only_what_is_absent_is_absent(void)
{
    char longer[5000];
    bool there = true;

    CHECK_OK(pyr_file_exists(&there, in_folder("none")));
    CHECK(!there);
    CHECK_OK(pyr_file_exists(&there, in_folder("none/below")));
    CHECK(!there);
    CHECK_OK(pyr_folder_exists(&there, folder));
    CHECK(there);
    CHECK_OK(pyr_file_exists(&there, folder));
    CHECK(!there);
    CHECK_OK(pyr_file_replace(in_folder("some"), "", 0));
    CHECK_OK(pyr_file_exists(&there, in_folder("some")));
    CHECK(there);
    CHECK_OK(pyr_file_exists(&there, in_folder("some/below"))); /* ENOTDIR */
    CHECK(!there);
    CHECK(symlink("loop", in_folder("loop")) == 0);
    CHECK_FAILS(pyr_file_exists(&there, in_folder("loop")), PYR_E_IO, "loop");
    CHECK(!there);
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    CHECK_FAILS(pyr_folder_exists(&there, longer), PYR_E_IO, "whether xxx");
    CHECK(unlink(in_folder("loop")) == 0);
    CHECK_OK(pyr_file_remove(in_folder("some")));
    CHECK(!pyr_is_file(in_folder("some")));
    CHECK_OK(pyr_file_remove(in_folder("some")));
    CHECK_FAILS(pyr_file_remove(folder), PYR_E_IO, "cannot be removed");
}

static void files_are_read_with_a_limit(void)
{
    char *bytes;
    size_t n;

    CHECK_OK(pyr_file_replace(in_folder("ten"), "0123456789", 10));
    CHECK_OK(pyr_file_read(&bytes, &n, in_folder("ten"), 10));
    CHECK(n == 10);
    pyr_free(bytes);
    CHECK_FAILS(pyr_file_read(&bytes, &n, in_folder("ten"), 9), PYR_E_FORMAT, "10 bytes, at most 9");
    CHECK(bytes == NULL);
    CHECK(unlink(in_folder("ten")) == 0);
    CHECK_FAILS(pyr_file_read(&bytes, &n, in_folder("ten"), 9), PYR_E_IO, "ten");
    CHECK_FAILS(pyr_file_read(&bytes, &n, folder, 9), PYR_E_IO, "not a regular file");
}

static void folders_and_names(void)
{
    pyr_names names;
    char *joined;

    CHECK_OK(pyr_make_folders(in_folder("a/b/c")));
    CHECK_OK(pyr_make_folders(in_folder("a/b/c")));
    CHECK(pyr_is_folder(in_folder("a/b/c")) && !pyr_is_file(in_folder("a/b/c")));
    CHECK_OK(pyr_file_replace(in_folder("a/z"), "", 0));
    CHECK_OK(pyr_file_replace(in_folder("a/B"), "", 0));
    CHECK_OK(pyr_file_replace(in_folder("a/10"), "", 0));
    CHECK(pyr_is_file(in_folder("a/z")) && !pyr_is_folder(in_folder("a/z")));
    CHECK(!pyr_is_file(in_folder("a/y")));
    CHECK_OK(pyr_folder_names(&names, in_folder("a")));
    CHECK(names.n == 4);
    if (names.n == 4) {
        CHECK_STRING(names.at[0], "10");
        CHECK_STRING(names.at[1], "B");
        CHECK_STRING(names.at[2], "b");
        CHECK_STRING(names.at[3], "z");
    }
    pyr_names_free(&names);
    CHECK_FAILS(pyr_make_folders(in_folder("a/z/d")), PYR_E_IO, "a/z");
    CHECK_FAILS(pyr_folder_names(&names, in_folder("a/none")), PYR_E_IO, "a/none");
    joined = pyr_path_join("x", "y");
    CHECK_STRING(joined, "x/y");
    pyr_free(joined);
    joined = pyr_path_join("x/", "y");
    CHECK_STRING(joined, "x/y");
    pyr_free(joined);
    joined = pyr_path_join("", "y");
    CHECK_STRING(joined, "y");
    pyr_free(joined);
    unlink(in_folder("a/z"));
    unlink(in_folder("a/B"));
    unlink(in_folder("a/10"));
    rmdir(in_folder("a/b/c"));
    rmdir(in_folder("a/b"));
    CHECK(rmdir(in_folder("a")) == 0);
}

/* In a child process: 0 when the lock was had, 1 when it was refused with our pid in the sentence. */
static int lock_in_child(const char *path)
{
    pid_t parent = getpid(), child = fork();
    int status = -1;

    if (child == 0) {
        char holder[32];
        int lock;
        pyr_status got = pyr_lock(&lock, path);

        snprintf(holder, sizeof holder, "pid %ld", (long)parent);
        if (got == PYR_OK)
            _exit(lock >= 0 ? 0 : 2); /* the end of the process frees it */
        _exit(got == PYR_E_BUSY && lock == -1 && strstr(pyr_error(), holder) ? 1 : 3);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool always(void *unused)
{
    (void)unused;
    return true;
}

/* Asked to stop, in a child process: what pyr_lock_wait returns. A wait without end ends by SIGALRM: -1. */
static int wait_in_stopped_child(const char *path)
{
    pid_t child = fork();
    int status = -1;

    if (child == 0) {
        int lock;
        pyr_status got;

        alarm(5);
        pyr_stop_hook((pyr_stop){.asked = always});
        got = pyr_lock_wait(&lock, path);
        if (got == PYR_OK)
            _exit(lock >= 0 ? 0 : 2);
        _exit(got == PYR_E_STOPPED && lock == -1 && strstr(pyr_error(), path) ? 1 : 3);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void locks_hold_against_processes(void)
{
    char *path = in_folder("lock");
    int lock;

    CHECK_OK(pyr_lock(&lock, path));
    CHECK(lock_in_child(path) == 1);
    CHECK(wait_in_stopped_child(path) == 1);
    pyr_unlock(lock);
    CHECK(lock_in_child(path) == 0);
    CHECK(wait_in_stopped_child(path) == 0); /* it is free: nothing to wait for */
    CHECK_OK(pyr_lock(&lock, path));         /* the child ended without unlocking */
    pyr_unlock(lock);
    pyr_unlock(-1);
    CHECK_FAILS(pyr_lock(&lock, in_folder("no/lock")), PYR_E_IO, "no/lock");
    unlink(path);
}

static void hashes(void)
{
    /* FNV-1a, 64 bits: Fowler, Noll, Vo; the test vectors of their page */
    CHECK(pyr_hash(PYR_HASH_START, "", 0) == UINT64_C(0xcbf29ce484222325));
    CHECK(pyr_hash(PYR_HASH_START, "a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
    CHECK(pyr_hash(PYR_HASH_START, "foobar", 6) == UINT64_C(0x85944171f73967e8));
    CHECK(pyr_hash(pyr_hash(PYR_HASH_START, "foo", 3), "bar", 3) == UINT64_C(0x85944171f73967e8));
}

/* ---- JSON ---- */

static void json_round_trip(void)
{
    for (int indent = 0; indent <= 2; indent += 2) {
        pyr_json json = {.indent = indent};
        const pyr_json_value *list;
        pyr_json_value *tree;

        pyr_json_open(&json, NULL, '{');
        pyr_json_string(&json, "name \"x\"", "tab\t quote\" back\\ bell\a \xc3\xa9");
        pyr_json_string(&json, "none", NULL);
        pyr_json_real(&json, "loss", 0.123456789);
        pyr_json_real(&json, "nan", NAN);
        pyr_json_real(&json, "inf", -INFINITY);
        pyr_json_int(&json, "big", INT64_C(-9007199254740991));
        pyr_json_bool(&json, "yes", true);
        pyr_json_open(&json, "list", '[');
        pyr_json_int(&json, NULL, 1);
        pyr_json_open(&json, NULL, '{');
        pyr_json_close(&json, '}');
        pyr_json_open(&json, NULL, '[');
        pyr_json_close(&json, ']');
        pyr_json_bool(&json, NULL, false);
        pyr_json_close(&json, ']');
        pyr_json_int(&json, "last", 3);
        pyr_json_close(&json, '}');
        CHECK(!json.text.failed);
        CHECK((strchr(json.text.at, '\n') != NULL) == (indent > 0)); /* 0: one line, for logs */
        CHECK_OK(pyr_json_parse(&tree, json.text.at, json.text.length, "x.json"));
        if (tree) {
            list = pyr_json_member(tree, "list");
            CHECK_STRING(pyr_json_text(pyr_json_member(tree, "name \"x\"")),
                         "tab\t quote\" back\\ bell\a \xc3\xa9");
            CHECK(pyr_json_is(pyr_json_member(tree, "none"), PYR_JSON_NULL));
            CHECK_CLOSE(pyr_json_number(pyr_json_member(tree, "loss"), 0), 0.123456789, 1e-15);
            CHECK(pyr_json_is(pyr_json_member(tree, "nan"), PYR_JSON_NULL));
            CHECK(pyr_json_is(pyr_json_member(tree, "inf"), PYR_JSON_NULL));
            CHECK_CLOSE(pyr_json_number(pyr_json_member(tree, "big"), 0), -9007199254740991.0, 0);
            CHECK(pyr_json_is(pyr_json_member(tree, "yes"), PYR_JSON_TRUE));
            CHECK(pyr_json_count(list) == 4 && pyr_json_is(pyr_json_item(list, 3), PYR_JSON_BOOL) &&
                  !pyr_json_is(pyr_json_item(list, 3), PYR_JSON_TRUE));
            CHECK_CLOSE(pyr_json_number(pyr_json_member(tree, "last"), 0), 3, 0);
        }
        pyr_json_free(tree);
        pyr_text_free(&json.text);
    }
}

static pyr_status parse(const char *text)
{
    pyr_json_value *tree;
    pyr_status status = pyr_json_parse(&tree, text, strlen(text), "x.json");

    CHECK((tree != NULL) == (status == PYR_OK));
    pyr_json_free(tree);
    return status;
}

static void json_refuses(void)
{
    pyr_json_value *tree;

    CHECK_OK(parse(" {\"a\": 1, \"A\": [ {\"a\": 2} ] } \n\t "));
    CHECK_FAILS(parse("{\"a\": 1, \"b\": 2, \"a\": 3}"), PYR_E_FORMAT, "x.json: the name \"a\" stands twice");
    CHECK_FAILS(parse("{\"o\": [1, {\"k\": {\"x\": 1, \"x\": 1}}]}"), PYR_E_FORMAT, "\"x\" stands twice");
    CHECK_FAILS(parse("{} x"), PYR_E_FORMAT, "text after the JSON value at byte 3");
    CHECK_FAILS(parse("{}{}"), PYR_E_FORMAT, "at byte 2");
    CHECK_FAILS(parse("{\"a\": }"), PYR_E_FORMAT, "not valid JSON");
    CHECK_FAILS(parse("[1, 2"), PYR_E_FORMAT, "not valid JSON");
    CHECK_FAILS(parse(""), PYR_E_FORMAT, "not valid JSON");
    CHECK_FAILS(pyr_json_parse(&tree, "[1]\0", 4, "x.json"), PYR_E_FORMAT, "at byte 3");
    CHECK(tree == NULL);
    CHECK_FAILS(pyr_json_read(&tree, in_folder("none.json")), PYR_E_IO, "none.json");
    CHECK_OK(pyr_file_replace(in_folder("a.json"), "[1, 2]", 6));
    CHECK_OK(pyr_json_read(&tree, in_folder("a.json")));
    CHECK(pyr_json_count(tree) == 2);
    pyr_json_free(tree);
    unlink(in_folder("a.json"));
}

/* Any bit of a sealed file: it is refused, or what it says is the same. */
static void seals_tell_of_rot(int indent)
{
    const char *path = in_folder("sealed.json");
    pyr_json json = {.indent = indent};
    pyr_json_value *tree;
    int refused = 0, same = 0, n;

    pyr_json_open(&json, NULL, '{');
    pyr_json_string(&json, "name", "a, b");
    pyr_json_open(&json, "list", '[');
    pyr_json_int(&json, NULL, 17);
    pyr_json_real(&json, NULL, 0.25);
    pyr_json_close(&json, ']');
    pyr_json_seal(&json);
    pyr_json_close(&json, '}');
    pyr_text_add(&json.text, indent ? "\n" : "");
    n = (int)json.text.length;
    CHECK_OK(pyr_file_replace(path, json.text.at, json.text.length));
    CHECK_OK(pyr_json_read(&tree, path));
    pyr_json_free(tree);
    for (int bit = 0; bit < 8 * n; bit++) {
        json.text.at[bit / 8] ^= (char)(1 << bit % 8);
        CHECK_OK(pyr_file_replace(path, json.text.at, json.text.length));
        json.text.at[bit / 8] ^= (char)(1 << bit % 8);
        if (pyr_json_read(&tree, path) == PYR_OK) {
            const pyr_json_value *list = pyr_json_member(tree, "list");

            CHECK(strcmp(pyr_json_text(pyr_json_member(tree, "name")), "a, b") == 0 &&
                  pyr_json_number(pyr_json_first(list), 0) == 17 &&
                  pyr_json_number(pyr_json_next(pyr_json_first(list)), 0) == 0.25);
            pyr_json_free(tree);
            same++;
        } else {
            CHECK(strstr(pyr_error(), path));
            refused++;
        }
    }
    CHECK(same < 8 * 12 && refused + same == 8 * n); /* only in the seal's own name and the space around it */
    pyr_text_free(&json.text);
    unlink(path);
}

static void sealed_json(void)
{
    seals_tell_of_rot(0);
    seals_tell_of_rot(2);
}

/* malloc for cJSON that fails when it is to, as one without memory does. */
static void *limited_malloc(size_t n)
{
    if (pyr_mem_lets())
        return malloc(n);
    errno = ENOMEM;
    return NULL;
}

/* Memory that ran out is no fault of the text. */
static void json_without_memory(void)
{
    pyr_status status = PYR_E_NOMEM;
    pyr_json_value *tree;
    long k;

    cJSON_InitHooks(&(cJSON_Hooks){limited_malloc, free});
    for (k = 0; status != PYR_OK; k++) {
        pyr_mem_fail_after(k);
        status = pyr_json_parse(&tree, "{\"a\": [1, \"b\"]}", 15, "x.json");
        pyr_mem_fail_after(-1);
        if (status == PYR_OK)
            break;
        CHECK(status == PYR_E_NOMEM && !tree && strstr(pyr_error(), "out of memory"));
    }
    CHECK(k >= 6); /* nodes, a key, a text */
    pyr_json_free(tree);
    cJSON_InitHooks(NULL);
    CHECK_FAILS(parse("{\"a\": }"), PYR_E_FORMAT, "not valid JSON");
}

int main(int argc, char **argv)
{
    const char *root = getenv("TMPDIR");

    CHECK_INIT(argc, argv);
    snprintf(folder, sizeof folder, "%s/pyrdiff-base-XXXXXX", root && *root ? root : "/tmp");
    if (!mkdtemp(folder)) {
        fprintf(stderr, "%s: %s\n", folder, strerror(errno));
        return 1;
    }
    RUN(sentences);
    RUN(sentences_are_the_threads);
    RUN(memory_counts);
    RUN(memory_fails);
    RUN(pool_runs_each_task_once);
    RUN(pool_gives_the_lowest_failure);
    RUN(pool_starts_each_thread);
    RUN(pool_passes_the_stop_on);
    RUN(pool_without_memory);
    RUN(texts_grow);
    RUN(words_for_a_shell);
    RUN(nearest_words);
    RUN(counts_and_reals);
    RUN(files_are_replaced_whole);
    RUN(files_that_cannot_be_written);
    RUN(links_are_followed);
    RUN(what_is_no_file_is_written_into);
    RUN(standard_output_goes_on);
    RUN(temporaries_of_the_dead);
    RUN(temporaries_of_others);
    RUN(only_what_is_absent_is_absent);
    RUN(files_are_read_with_a_limit);
    RUN(folders_and_names);
    RUN(locks_hold_against_processes);
    RUN(hashes);
    RUN(json_round_trip);
    RUN(json_refuses);
    RUN(sealed_json);
    RUN(json_without_memory);
    rmdir(folder);
    return CHECK_DONE();
}
