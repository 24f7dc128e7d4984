/* test_sum_tree.c - the order of sums over a batch: against orders written by hand, and a plain sum in double. */
#include "graph/lane_share.h"
#include "graph/sum_tree.h"

#include "base/mem.h"
#include "base/threads.h"
#include "tests/check.h"
#include "training/micro_batch.h"
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PIECES = 70, MOST_BUFFERS = MOST_PIECES, ROOM = 1024 };

/* What stands in each buffer: the sum as a text, and as a number. */
typedef struct sums {
    pyr_sum_tree *tree;
    int buffers;
    char text[MOST_BUFFERS][ROOM];
    float value[MOST_BUFFERS];
} sums;

static void put_piece(sums *s, int buffer, int piece)
{
    snprintf(s->text[buffer], ROOM, "%d", piece);
    s->value[buffer] = (float)sin(1.0 + piece) * (piece % 3 ? 1e3F : 1.0F);
}

static void add(sums *s, int to, int from)
{
    char joined[ROOM];

    CHECK(snprintf(joined, sizeof joined, "(%.480s+%.480s)", s->text[to], s->text[from]) < ROOM);
    strcpy(s->text[to], joined);
    strcpy(s->text[from], "gone");
    s->value[to] += s->value[from];
}

static void open_sums(sums *s, int pieces, int buffers)
{
    *s = (sums){.buffers = buffers};
    CHECK_OK(pyr_sum_tree_new(&s->tree, pieces, buffers));
}

/* What is left, by one thread. */
static const char *finish(sums *s, float *value)
{
    pyr_sum_pair pairs[MOST_BUFFERS];
    int root, n = pyr_sum_tree_rest(s->tree, pairs, &root);

    CHECK(n < s->buffers);
    for (int i = 0; i < n; i++)
        add(s, pairs[i].to, pairs[i].from);
    *value = s->value[root];
    return s->text[root];
}

/* `lanes` pieces are in work at a time and end in an order that `seed` decides; where that is more than one, there is a
 * buffer for each piece, as nobody else would end one. Returns whether buffers ran short. */
static bool run_in_turns(sums *s, int lanes, unsigned seed)
{
    pyr_sum_job job, working[16];
    int n = 0;
    bool added = false;

    pyr_sum_tree_begin(s->tree);
    for (;;) {
        while (n < lanes && pyr_sum_tree_take(s->tree, n, &job)) {
            if (job.piece < 0) {
                add(s, job.to, job.from);
                pyr_sum_tree_done(s->tree, &job);
                added = true;
            } else {
                put_piece(s, job.to, job.piece);
                working[n++] = job;
            }
        }
        if (n == 0)
            return added;
        seed = seed * 1103515245U + 12345U;
        int i = (int)(seed >> 16) % n;
        pyr_sum_tree_done(s->tree, &working[i]);
        working[i] = working[--n];
    }
}

/* The tree as it is meant, by recursion over halves: the left one has a power of two. */
static float by_hand(int first, int n, char *text)
{
    char left[ROOM], right[ROOM];
    sums leaf;
    int half = 1;
    float a, b;

    if (n == 1) {
        put_piece(&leaf, 0, first);
        strcpy(text, leaf.text[0]);
        return leaf.value[0];
    }
    while (2 * half < n)
        half *= 2;
    a = by_hand(first, half, left);
    b = by_hand(first + half, n - half, right);
    snprintf(text, ROOM, "(%.480s+%.480s)", left, right);
    return a + b;
}

static void the_order_is_the_one_written_by_hand(void)
{
    static const struct {
        int pieces;
        const char *text;
    } rows[] = {{1, "0"},
                {2, "(0+1)"},
                {3, "((0+1)+2)"},
                {4, "((0+1)+(2+3))"},
                {5, "(((0+1)+(2+3))+4)"},
                {6, "(((0+1)+(2+3))+(4+5))"},
                {7, "(((0+1)+(2+3))+((4+5)+6))"},
                {8, "(((0+1)+(2+3))+((4+5)+(6+7)))"}};

    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        for (int lanes = 1; lanes <= 3; lanes++)
            for (unsigned seed = 0; seed < 50; seed++) {
                sums s;
                float value;

                open_sums(&s, rows[r].pieces,
                          lanes == 1 ? pyr_sum_tree_buffers(rows[r].pieces, 1) : rows[r].pieces);
                run_in_turns(&s, lanes, seed);
                CHECK(strcmp(finish(&s, &value), rows[r].text) == 0);
                pyr_sum_tree_free(s.tree);
            }
}

/* Any number of pieces, of buffers, of pieces at a time: one text, one number. */
static void buffers_and_lanes_do_not_matter(void)
{
    int short_of_buffers = 0;

    for (int pieces = 1; pieces <= MOST_PIECES; pieces++) {
        char wanted[ROOM];
        float sum = by_hand(0, pieces, wanted);
        double plain = 0, size = 0;

        for (int i = 0; i < pieces; i++) {
            sums leaf;

            put_piece(&leaf, 0, i);
            plain += (double)leaf.value[0];
            size += fabs((double)leaf.value[0]);
        }
        CHECK_CLOSE((double)sum, plain,
                    8 * size * 0x1p-24); /* a float's rounding for each of at most 7 levels */
        for (int lanes = 1; lanes <= 16; lanes *= 2)
            for (int more = 0; more < 2; more++)
                for (unsigned seed = 1; seed < 12; seed++) {
                    sums s;
                    float value = 0;
                    open_sums(&s, pieces, more ? pieces : pyr_sum_tree_buffers(pieces, 1));
                    short_of_buffers += run_in_turns(&s, more ? lanes : 1, seed);
                    CHECK(strcmp(finish(&s, &value), wanted) == 0 && memcmp(&value, &sum, sizeof sum) == 0);
                    pyr_sum_tree_free(s.tree);
                }
    }
    CHECK(short_of_buffers > 100); /* or it was not tested */
}

/* ---- by threads --------------------------------------------------------------------------------- */

typedef struct threads {
    sums s;
    int fail_at; /* piece; -1: none */
    int done;
    pthread_mutex_t lock;
} threads;

static void wait_some(unsigned seed)
{
    volatile unsigned x = seed;

    for (unsigned i = 0; i < (seed * 2654435761U >> 18); i++)
        x += i;
    (void)x; /* clang: it is used */
}

static pyr_status piece_task(void *arg, int task, int lane)
{
    threads *t = arg;
    pyr_sum_job job;

    while (pyr_sum_tree_take(t->s.tree, lane, &job)) {
        wait_some((unsigned)(task * 31 + lane));
        if (job.piece < 0) {
            add(&t->s, job.to, job.from);
            pyr_sum_tree_done(t->s.tree, &job);
            continue;
        }
        if (job.piece == t->fail_at) {
            pyr_sum_tree_fail(t->s.tree);
            return pyr_fail(PYR_E_NUMERIC, "piece %d", job.piece);
        }
        put_piece(&t->s, job.to, job.piece);
        pyr_sum_tree_done(t->s.tree, &job);
        return PYR_OK;
    }
    return PYR_OK;
}

/* The fewest buffers, so that lanes wait for each other; nobody waits for ever, after a failure neither. */
static void threads_wait_for_buffers(void)
{
    static const int lanes[] = {1, 2, 3, 8, 16};

    for (int l = 0; l < 5; l++)
        for (int pieces = 5; pieces <= 64; pieces += 11) {
            pyr_pool *pool = NULL;
            char wanted[ROOM];
            float sum = by_hand(0, pieces, wanted);

            CHECK_OK(pyr_pool_new(&pool, lanes[l], NULL));
            for (int round = 0; round < 20 && pool; round++) {
                threads t = {.fail_at = round % 5 == 4 ? pieces / 2 : -1};
                float value;

                open_sums(&t.s, pieces, pyr_sum_tree_buffers(pieces, 1));
                pyr_sum_tree_begin(t.s.tree);
                if (t.fail_at < 0) {
                    CHECK_OK(pyr_pool_run(pool, pieces, piece_task, &t));
                    CHECK(strcmp(finish(&t.s, &value), wanted) == 0 && value == sum);
                } else {
                    CHECK_FAILS(pyr_pool_run(pool, pieces, piece_task, &t), PYR_E_NUMERIC, "piece");
                }
                pyr_sum_tree_free(t.s.tree);
            }
            pyr_pool_free(pool);
        }
}

/* A lane's buffer is the one that it had before, while that is free. */
static void buffers_have_a_home(void)
{
    pyr_sum_tree *t = NULL;
    int home[4];

    CHECK_OK(pyr_sum_tree_new(&t, 4, 4));
    for (int round = 0; round < 3; round++) {
        pyr_sum_job job[4];

        pyr_sum_tree_begin(t);
        for (int i = 0; i < 4; i++) {
            int lane = (i + round) % 4; /* in another order each time */

            CHECK(pyr_sum_tree_take(t, lane, &job[i]) && job[i].piece == i);
            if (round == 0)
                home[lane] = job[i].to;
            CHECK(job[i].to == home[lane]);
        }
        for (int i = 0; i < 4; i++)
            pyr_sum_tree_done(t, &job[i]);
    }
    pyr_sum_tree_free(t);
    pyr_sum_tree_free(NULL);
}

/* Buffers follow lanes, not pieces. */
static void buffers_are_few(void)
{
    CHECK(pyr_sum_tree_buffers(1, 1) == 1 && pyr_sum_tree_buffers(4, 2) == 4);
    CHECK(pyr_sum_tree_buffers(16, 2) == 6 && pyr_sum_tree_buffers(16, 16) == 16);
    CHECK(pyr_sum_tree_buffers(64, 2) == 8 && pyr_sum_tree_buffers(64, 16) == 22);
    CHECK(pyr_sum_tree_buffers(1000, 16) == 26 && pyr_sum_tree_buffers(1000, 64) == 74);
}

/* ---- parts of a batch ---------------------------------------------------------------------------- */

/* Operations and parameters of the networks in bench/networks, and of ones of 10M and 36M parameters. */
static void parts_are_enough_for_the_lanes(void)
{
    static const struct {
        const char *name;
        int batch, most; /* images of a part */
        double flop, parameters;
    } rows[] = {{"patch7", 128, 8, 48e6, 0.61e6}, {"grey14", 128, 8, 282e6, 0.9e6},
                {"grey28", 64, 4, 543e6, 0.9e6},  {"rgb32", 32, 2, 2837e6, 3.6e6},
                {"10M", 128, 8, 4e9, 10e6},       {"36M", 128, 8, 12e9, 36e6}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int part = pyr_part_images(rows[i].batch, rows[i].flop, rows[i].parameters);

        if (part > rows[i].most || rows[i].batch / part < 16)
            CHECK_REPORT("%s: parts of %d images", rows[i].name, part);
        CHECK(40 * rows[i].parameters < 0.1 * part * 3 * rows[i].flop);
    }
    CHECK(pyr_part_images(4096, 1e12, 1) == 32); /* no more than 128 */
    CHECK(pyr_part_images(16, 1e6, 1e6) == 16);  /* an image is nothing beside the sum of a gradient */
    CHECK(pyr_part_images(1, 1, 1e9) == 1 && pyr_part_images(100, 1e12, 1) == 1);
}

/* Lanes that take the next piece when they are done with one, all of one length: when the last is done. */
static int last_is_done(int parts, int together, int lanes)
{
    int at[64] = {0}, last = 0;

    for (int left = parts; left > 0; left -= together) {
        int first = 0;

        for (int i = 1; i < lanes; i++)
            first = at[i] < at[first] ? i : first;
        at[first] += left < together ? left : together;
        last = at[first] > last ? at[first] : last;
    }
    return last;
}

static void pieces_leave_no_lane_idle(void)
{
    for (int parts = 1; parts <= 130; parts++)
        for (int lanes = 1; lanes <= 64; lanes++)
            for (int most = 1; most <= 16; most *= 2) {
                int together = pyr_parts_together(parts, most, lanes);

                CHECK(together >= 1 && together <= most && (together & (together - 1)) == 0);
                CHECK(last_is_done(parts, together, lanes) <= last_is_done(parts, 1, lanes));
            }
    CHECK(pyr_parts_together(16, 4, 2) == 4 && pyr_parts_together(16, 16, 2) == 8);
    CHECK(pyr_parts_together(16, 4, 16) == 1 && pyr_parts_together(64, 4, 16) == 4);
}

/* ---- images that are only computed forward ------------------------------------------------------- */

static void images_are_shared_by_the_lanes(void)
{
    pyr_kernels *k = NULL;
    int own;

    CHECK_OK(pyr_kernels_open(&k, "cpu", 1));
    own = k->lanes;
    for (int most = 1; most <= 16; most *= 2)
        for (k->lanes = 2; k->lanes <= 64; k->lanes++)
            for (int n = 1; n <= 300; n++) {
                int share = pyr_lane_share(k, n, most),
                    rounds = (n + k->lanes * most - 1) / (k->lanes * most);

                CHECK(share >= 1 && share <= most);
                /* done less than an image a round after what is possible at all */
                CHECK(last_is_done(n, share, k->lanes) < (n + k->lanes - 1) / k->lanes + rounds);
            }
    k->lanes = own;
    CHECK(pyr_lane_share(k, 5, 16) == 16 && pyr_lane_share(k, 0, 16) == 16); /* one lane has no choice */
    CHECK(pyr_share_part(k, 16, (pyr_shape){1, 7, 7, 3}) == 4);
    CHECK(pyr_share_part(k, 16, (pyr_shape){1, 1, 1, 1}) == 16);
    CHECK(pyr_share_part(k, 16, (pyr_shape){1, 14, 14, 3}) == 1);
    CHECK(pyr_share_part(k, 6, (pyr_shape){1, 7, 7, 3}) == 6); /* 4 does not divide it */
    pyr_kernels_free(k);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    RUN(the_order_is_the_one_written_by_hand);
    RUN(buffers_and_lanes_do_not_matter);
    RUN(threads_wait_for_buffers);
    RUN(buffers_have_a_home);
    RUN(buffers_are_few);
    RUN(parts_are_enough_for_the_lanes);
    RUN(pieces_leave_no_lane_idle);
    RUN(images_are_shared_by_the_lanes);
    return CHECK_DONE();
}
