/* check.h - what a test needs: counted checks, a verdict in the exit status.
 *
 *     static void adds(void) { CHECK(1 + 1 == 2); }
 *     int main(int argc, char **argv)
 *     {
 *         CHECK_INIT(argc, argv);       // an argument keeps the cases whose name contains it
 *         RUN(adds);
 *         return CHECK_DONE();          // prints "test_x: 12 passed, 0 failed, 1 skipped"
 *     }
 *
 * A case counts once: passed when all of its checks held. SKIP("why") inside a
 * case ends it and counts it as skipped. */
#ifndef PYR_TESTS_CHECK_H
#define PYR_TESTS_CHECK_H

#include "base/status.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* a program that only borrows a test's table uses few of them */
#define CHECK_UNUSED __attribute__((unused))
static int check_failures CHECK_UNUSED, check_passed CHECK_UNUSED, check_failed CHECK_UNUSED;
static int check_skipped CHECK_UNUSED, check_skip_now CHECK_UNUSED;
static const char *check_filter CHECK_UNUSED = "", *check_program CHECK_UNUSED = "";

#define CHECK_INIT(argc, argv)                                                                               \
    do {                                                                                                     \
        check_program = strrchr((argv)[0], '/') ? strrchr((argv)[0], '/') + 1 : (argv)[0];                   \
        check_filter = (argc) > 1 ? (argv)[1] : "";                                                          \
    } while (0)

#define RUN_NAMED(name, call)                                                                                \
    do {                                                                                                     \
        if (!strstr(name, check_filter))                                                                     \
            break;                                                                                           \
        check_failures = check_skip_now = 0;                                                                 \
        call;                                                                                                \
        if (check_failures) {                                                                                \
            check_failed++;                                                                                  \
            printf("FAILED %s: again with: %s %s\n", name, check_program, name);                             \
        } else if (check_skip_now)                                                                           \
            check_skipped++;                                                                                 \
        else                                                                                                 \
            check_passed++;                                                                                  \
    } while (0)
#define RUN(function) RUN_NAMED(#function, function())

#define SKIP(why)                                                                                            \
    do {                                                                                                     \
        printf("skipped %s: %s\n", __func__, why);                                                           \
        check_skip_now = 1;                                                                                  \
        return;                                                                                              \
    } while (0)

static inline int check_done(void)
{
    printf("%s: %d passed, %d failed, %d skipped\n", check_program, check_passed, check_failed,
           check_skipped);
    return check_failed || check_passed + check_skipped == 0;
}
#define CHECK_DONE() check_done()

/* Print and count a failure; at most 10 lines a case. */
#define CHECK_REPORT(...)                                                                                    \
    do {                                                                                                     \
        if (check_failures++ < 10) {                                                                         \
            printf("%s:%d: ", __FILE__, __LINE__);                                                           \
            printf(__VA_ARGS__);                                                                             \
            printf("\n");                                                                                    \
        }                                                                                                    \
    } while (0)

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            CHECK_REPORT("not so: %s", #condition);                                                          \
    } while (0)

/* The call gives this status; on a surprise the sentence is printed. */
#define CHECK_STATUS(call, wanted)                                                                           \
    do {                                                                                                     \
        pyr_status check_status = (call);                                                                    \
        if (check_status != (wanted))                                                                        \
            CHECK_REPORT("%s gave %d, wanted %d: %s", #call, check_status, (int)(wanted), pyr_error());      \
    } while (0)
#define CHECK_OK(call) CHECK_STATUS(call, PYR_OK)

/* The call fails with `wanted` and its sentence contains `part`. */
#define CHECK_FAILS(call, wanted, part)                                                                      \
    do {                                                                                                     \
        CHECK_STATUS(call, wanted);                                                                          \
        if (!strstr(pyr_error(), part))                                                                      \
            CHECK_REPORT("the sentence lacks \"%s\": %s", part, pyr_error());                                \
    } while (0)

#define CHECK_CLOSE(got, wanted, tolerance)                                                                  \
    do {                                                                                                     \
        double check_got = (double)(got), check_wanted = (double)(wanted);                                   \
        if (!(fabs(check_got - check_wanted) <= (tolerance)))                                                \
            CHECK_REPORT("%s = %.9g, wanted %.9g +- %.3g", #got, check_got, check_wanted,                    \
                         (double)(tolerance));                                                               \
    } while (0)

#define CHECK_STRING(got, wanted)                                                                            \
    do {                                                                                                     \
        const char *check_got = (got), *check_wanted = (wanted);                                             \
        if (!check_got || strcmp(check_got, check_wanted) != 0)                                              \
            CHECK_REPORT("%s = \"%s\", wanted \"%s\"", #got, check_got ? check_got : "(null)",               \
                         check_wanted);                                                                      \
    } while (0)

#endif
