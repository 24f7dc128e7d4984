/* test_tuning.c - the list of measured choices: in memory, as a line of JSON, in a machine's cache. */
#include "kernels/tuning.h"

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/mem.h"
#include "tests/check.h"
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char folder[64];

static pyr_tuning *fresh(void)
{
    pyr_tuning *t = NULL;

    CHECK_OK(pyr_tuning_new(&t));
    if (!t)
        abort();
    return t;
}

static void is_choice(pyr_tuning *t, const char *name, int wanted)
{
    int choice = -1;

    if (!pyr_tuning_get(t, name, &choice) || choice != wanted)
        CHECK_REPORT("%s is %d, wanted %d", name, choice, wanted);
}

/* The list as a line; the caller frees. */
static pyr_text line(const pyr_tuning *t)
{
    pyr_text json = {0};

    CHECK_OK(pyr_tuning_write(t, &json));
    return json;
}

static void is_line(const pyr_tuning *t, const char *wanted)
{
    pyr_text json = line(t);

    CHECK_STRING(json.at, wanted);
    pyr_text_free(&json);
}

static void get_put_replace(void)
{
    pyr_tuning *t = fresh();
    int choice = 77;

    CHECK(!pyr_tuning_measures(t)); /* not before somebody allows it */
    pyr_tuning_let_measure(t, true);
    CHECK(pyr_tuning_measures(t));
    pyr_tuning_let_measure(t, false);
    CHECK(!pyr_tuning_measures(t));

    CHECK(!pyr_tuning_get(t, "b", &choice) && choice == 77 && pyr_tuning_count(t) == 0);
    CHECK_OK(pyr_tuning_put(t, "b", 2));
    CHECK_OK(pyr_tuning_put(t, "c", 3));
    CHECK_OK(pyr_tuning_put(t, "a", 0));
    CHECK_OK(pyr_tuning_put(t, "ab", 12));
    CHECK(pyr_tuning_count(t) == 4);
    is_choice(t, "a", 0);
    is_choice(t, "ab", 12);
    is_choice(t, "b", 2);
    is_choice(t, "c", 3);
    CHECK(!pyr_tuning_get(t, "", &choice) && !pyr_tuning_get(t, "aa", &choice) &&
          !pyr_tuning_get(t, "d", &choice));
    CHECK_OK(pyr_tuning_put(t, "b", 20));
    CHECK(pyr_tuning_count(t) == 4);
    is_choice(t, "b", 20);
    is_line(t, "{\"a\": 0, \"ab\": 12, \"b\": 20, \"c\": 3}");
    pyr_tuning_free(t);
    pyr_tuning_free(NULL);
}

/* In whatever order they come, they stand in alphabetical order: the text of a run does not depend on it. */
static void order_does_not_matter(void)
{
    enum { N = 211 };
    pyr_tuning *forth = fresh(), *mixed = fresh();
    pyr_text a, b;
    char name[32];

    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "choice %03d", i);
        CHECK_OK(pyr_tuning_put(forth, name, i));
        snprintf(name, sizeof name, "choice %03d", i * 57 % N); /* each once: N is a prime */
        CHECK_OK(pyr_tuning_put(mixed, name, i * 57 % N));
    }
    CHECK(pyr_tuning_count(forth) == N && pyr_tuning_count(mixed) == N);
    a = line(forth);
    b = line(mixed);
    CHECK_STRING(a.at, b.at);
    CHECK(a.at && strncmp(a.at, "{\"choice 000\": 0, \"choice 001\": 1, ", 35) == 0);
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "choice %03d", i);
        is_choice(mixed, name, i);
    }
    pyr_text_free(&a);
    pyr_text_free(&b);
    pyr_tuning_free(forth);
    pyr_tuning_free(mixed);
}

static void there_and_back(void)
{
    static const char *const names[] = {"conv2d forward bf16 14x14x64->64 k3", "a \"quoted\" \\ name",
                                        "\xc3\xa9t\xc3\xa9", "tab\tand\nline", ""};
    pyr_tuning *t = fresh(), *back = fresh();
    pyr_text json, again;

    is_line(t, "{}");
    for (int i = 0; i < 5; i++)
        CHECK_OK(pyr_tuning_put(t, names[i], i * 1000));
    CHECK_OK(pyr_tuning_put(t, "largest", 1 << 20));
    json = line(t);
    CHECK(json.at && !strchr(json.at, '\n'));
    CHECK_OK(pyr_tuning_put(back, "stays", 5));
    CHECK_OK(pyr_tuning_put(back, "largest", 6));
    CHECK_OK(pyr_tuning_read(back, json.at, json.length));
    CHECK(pyr_tuning_count(back) == 7);
    is_choice(back, "stays", 5);
    is_choice(back, "largest", 1 << 20); /* an equal name is replaced */
    for (int i = 0; i < 5; i++)
        is_choice(back, names[i], i * 1000);
    pyr_tuning_free(back);
    back = fresh();
    CHECK_OK(pyr_tuning_read(back, json.at, json.length));
    again = line(back);
    CHECK_STRING(again.at, json.at);
    pyr_text_free(&again);
    pyr_text_free(&json);
    pyr_tuning_free(t);
    pyr_tuning_free(back);
}

static void what_is_no_list_is_refused(void)
{
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "7",
        "null",
        "{\"a\": 1",
        "{\"a\": 1} x",
        "{\"a\" 1}",
        "{'a': 1}",
        "{\"a\": \"1\"}",
        "{\"a\": null}",
        "{\"a\": true}",
        "{\"a\": [1]}",
        "{\"a\": {}}",
        "{\"a\": -1}",
        "{\"a\": 1.5}",
        "{\"a\": 1048577}",
        "{\"a\": 1e300}",
        "{\"a\": nan}",
        "\xff\xfe",
    };
    char name[256], json[320];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        pyr_tuning *t = fresh();

        CHECK_OK(pyr_tuning_put(t, "before", 9));
        pyr_error_set("");
        if (pyr_tuning_read(t, bad[i], strlen(bad[i])) != PYR_E_FORMAT)
            CHECK_REPORT("taken: %s", bad[i]);
        if (!strstr(pyr_error(), "the list of measured choices"))
            CHECK_REPORT("the sentence about %s is: %s", bad[i], pyr_error());
        is_choice(t, "before", 9);
        pyr_tuning_free(t);
    }
    /* the sentence names the entry */
    {
        pyr_tuning *t = fresh();

        CHECK_FAILS(pyr_tuning_read(t, "{\"fine\": 1, \"wrong\": -3}", 24), PYR_E_FORMAT, "wrong");
        /* two names that would be written as one */
        CHECK_FAILS(pyr_tuning_read(t, "{\"a\xff\": 1, \"a\xfe\": 3}", 18), PYR_E_FORMAT, "bad entry");
        pyr_tuning_free(t);
    }
    /* the longest name is 159 bytes */
    for (int length = 158; length <= 200; length += length < 161 ? 1 : 39) {
        pyr_tuning *t = fresh();
        bool fits = length < 160;

        memset(name, 'n', sizeof name);
        name[length] = '\0';
        snprintf(json, sizeof json, "{\"%s\": 4}", name);
        CHECK_STATUS(pyr_tuning_put(t, name, 3), fits ? PYR_OK : PYR_E_ARG);
        CHECK(fits || strstr(pyr_error(), "too long"));
        CHECK_STATUS(pyr_tuning_read(t, json, strlen(json)), fits ? PYR_OK : PYR_E_FORMAT);
        CHECK(pyr_tuning_count(t) == fits);
        if (fits)
            is_choice(t, name, 4);
        pyr_tuning_free(t);
    }
}

static void without_memory(void)
{
    size_t before = pyr_mem().live_blocks;
    bool done = false;
    long n = 0;

    for (; !done && n < 200; n++) {
        pyr_tuning *t = NULL;
        pyr_text json = {0};
        pyr_status status;
        char name[16];

        pyr_mem_fail_after(n);
        status = pyr_tuning_new(&t);
        for (int i = 0; status == PYR_OK && i < 40; i++) {
            snprintf(name, sizeof name, "%d", i);
            status = pyr_tuning_put(t, name, i);
        }
        if (status == PYR_OK)
            status = pyr_tuning_write(t, &json);
        pyr_mem_fail_after(-1);
        done = status == PYR_OK;
        if (!done)
            CHECK_STATUS(status, PYR_E_NOMEM);
        pyr_text_free(&json);
        pyr_tuning_free(t);
        CHECK(pyr_mem().live_blocks == before);
    }
    CHECK(done && n > 4);
}

/* ---- the cache --------------------------------------------------------------------------------- */

static const char *below(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int count_in(const char *path, const char *machine)
{
    pyr_tuning *t = fresh();
    int n;

    pyr_tuning_use_cache(t, path, machine);
    n = pyr_tuning_count(t);
    pyr_tuning_keep(t); /* nothing new: the file stays as it is */
    pyr_tuning_free(t);
    return n;
}

static void cache_is_kept(void)
{
    char path[128];
    pyr_tuning *t = fresh();
    struct stat then, now;

    snprintf(path, sizeof path, "%s", below("new/folders/tuning.json"));
    pyr_tuning_use_cache(t, path, "machine A"); /* missing: no failure */
    CHECK(pyr_tuning_count(t) == 0);
    pyr_tuning_keep(t);
    CHECK(!pyr_is_file(path)); /* nothing is new */
    CHECK_OK(pyr_tuning_put(t, "x", 4));
    CHECK_OK(pyr_tuning_put(t, "y", 5));
    pyr_tuning_keep(t);
    CHECK(pyr_is_file(path));
    pyr_tuning_free(t);

    CHECK(stat(path, &then) == 0);
    CHECK(count_in(path, "machine A") == 2);
    CHECK(count_in(path, "machine B") == 0); /* another machine's are of no use */
    CHECK(stat(path, &now) == 0 && now.st_ino == then.st_ino);

    t = fresh();
    pyr_tuning_use_cache(t, path, "machine A");
    is_choice(t, "x", 4);
    is_choice(t, "y", 5);
    CHECK_OK(pyr_tuning_put(t, "y", 5)); /* as it was */
    pyr_tuning_keep(t);
    CHECK(stat(path, &now) == 0 && now.st_ino == then.st_ino);
    CHECK_OK(pyr_tuning_put(t, "y", 6));
    pyr_tuning_keep(t);
    pyr_tuning_free(t);
    t = fresh();
    pyr_tuning_use_cache(t, path, "machine A");
    is_choice(t, "x", 4);
    is_choice(t, "y", 6);
    pyr_tuning_free(t);

    /* several machines share a home */
    t = fresh();
    pyr_tuning_use_cache(t, path, "machine B");
    CHECK_OK(pyr_tuning_put(t, "z", 1));
    pyr_tuning_keep(t);
    pyr_tuning_free(t);
    CHECK(count_in(path, "machine B") == 1 && count_in(path, "machine A") == 2);
}

typedef struct second {
    const char *path;
    bool known;
    int choice;
} second;

static void *comes_second(void *ctx)
{
    second *s = ctx;
    pyr_tuning *t = fresh();

    pyr_tuning_let_measure(t, true);
    pyr_tuning_use_cache(t, s->path, "machine A");
    s->known = pyr_tuning_get(t, "slow", &s->choice);
    pyr_tuning_free(t);
    return NULL;
}

/* Two begin at once with an empty cache: the second waits for what the first one measures. */
static void one_measures_at_a_time(void)
{
    char path[128];
    pyr_tuning *first = fresh();
    second s = {.path = path};
    pthread_t thread;
    int choice;

    snprintf(path, sizeof path, "%s", below("alone.json"));
    pyr_tuning_let_measure(first, true);
    pyr_tuning_use_cache(first, path, "machine A");
    CHECK(!pyr_tuning_get(first, "slow", &choice));
    CHECK(pthread_create(&thread, NULL, comes_second, &s) == 0);
    nanosleep(&(struct timespec){0, 100000000}, NULL); /* measuring */
    CHECK_OK(pyr_tuning_put(first, "slow", 3));
    pyr_tuning_keep(first);
    pthread_join(thread, NULL);
    CHECK(s.known && s.choice == 3);
    pyr_tuning_free(first);
}

/* Not more than it takes: the latest ones. */
static void machines_are_limited(void)
{
    char path[128], name[64];

    snprintf(path, sizeof path, "%s", below("many.json"));
    for (int i = 0; i < 40; i++) {
        pyr_tuning *t = fresh();

        snprintf(name, sizeof name, "machine %d", i);
        pyr_tuning_use_cache(t, path, name);
        CHECK_OK(pyr_tuning_put(t, "x", i));
        pyr_tuning_keep(t);
        pyr_tuning_free(t);
    }
    CHECK(count_in(path, "machine 0") == 0 && count_in(path, "machine 7") == 0);
    CHECK(count_in(path, "machine 8") == 1 && count_in(path, "machine 39") == 1);
}

/* Trainings that begin together: none takes back what another one has measured. */
static void caches_are_merged(void)
{
    enum { PROCESSES = 12, ROUNDS = 8 };
    pid_t child[PROCESSES];
    char path[128], name[64];

    snprintf(path, sizeof path, "%s", below("together/tuning.json"));
    for (int p = 0; p < PROCESSES; p++) {
        child[p] = fork();
        if (child[p] == 0) {
            pyr_tuning *t = fresh();

            pyr_tuning_use_cache(t, path, "A");
            for (int i = 0; i < ROUNDS; i++) {
                snprintf(name, sizeof name, "choice %d of %d", i, p);
                CHECK_OK(pyr_tuning_put(t, name, p));
                pyr_tuning_keep(t);
            }
            _exit(0);
        }
    }
    for (int p = 0; p < PROCESSES; p++) {
        int state;

        CHECK(waitpid(child[p], &state, 0) == child[p] && WIFEXITED(state) && WEXITSTATUS(state) == 0);
    }
    CHECK(count_in(path, "A") == PROCESSES * ROUNDS);
}

static void damaged_cache_is_no_failure(void)
{
    static const char *const texts[] = {
        "",
        "{",
        "[1, 2]",
        "{\"machine\": \"A\", \"choices\": {\"x\": 1}}", /* of older programs */
        "{\"machines\": {}}",
        "{\"machines\": [{\"x\": 1}]}",
        "{\"machines\": {\"A\": [1]}}",
        "{\"machines\": {\"A\": {\"x\": -1}}}",
        "{\"machines\": {\"B\": 7, \"A\": {\"x\": \"1\"}}}",
    };
    char path[128];

    snprintf(path, sizeof path, "%s", below("damaged.json"));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        pyr_tuning *t = fresh();

        CHECK_OK(pyr_file_replace(path, texts[i], strlen(texts[i])));
        pyr_tuning_use_cache(t, path, "A");
        if (pyr_tuning_count(t) != 0)
            CHECK_REPORT("taken from: %s", texts[i]);
        CHECK_OK(pyr_tuning_put(t, "x", 2)); /* measured again, and written over */
        pyr_tuning_keep(t);
        pyr_tuning_free(t);
        CHECK(count_in(path, "A") == 1);
    }
}

/* A place where nothing can be written is no failure either. */
static void cache_that_cannot_be_written(void)
{
    char path[160];
    pyr_tuning *t = fresh();

    CHECK_OK(pyr_file_replace(below("file"), "x", 1));
    snprintf(path, sizeof path, "%s/tuning.json", below("file"));
    pyr_tuning_use_cache(t, path, "A");
    CHECK_OK(pyr_tuning_put(t, "x", 2));
    pyr_tuning_keep(t);
    pyr_tuning_keep(t);
    is_choice(t, "x", 2);
    pyr_tuning_free(t);
    t = fresh(); /* without a cache */
    CHECK_OK(pyr_tuning_put(t, "x", 2));
    pyr_tuning_keep(t);
    pyr_tuning_free(t);
}

static void remove_folder(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0)
        printf("%s stays\n", folder);
}

int main(int argc, char **argv)
{
    const char *root = getenv("TMPDIR");

    CHECK_INIT(argc, argv);
    snprintf(folder, sizeof folder, "%.40s/pyr-tuning-XXXXXX", root && *root ? root : "/tmp");
    if (!mkdtemp(folder)) {
        perror(folder);
        return 1;
    }
    RUN(get_put_replace);
    RUN(order_does_not_matter);
    RUN(there_and_back);
    RUN(what_is_no_list_is_refused);
    RUN(without_memory);
    RUN(cache_is_kept);
    RUN(one_measures_at_a_time);
    RUN(machines_are_limited);
    RUN(caches_are_merged);
    RUN(damaged_cache_is_no_failure);
    RUN(cache_that_cannot_be_written);
    remove_folder();
    return CHECK_DONE();
}
