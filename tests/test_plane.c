/* test_plane.c - pictures of the plane: places by hand, contours of functions whose lines are known. */
#include "tests/check.h"

#include "plots/plane.h"
#include <stdlib.h>

/* Window [-2, 2] x [-1, 3] on 100 units. */
static pyr_plane window(pyr_text *out)
{
    return (pyr_plane){.out = out, .left = 30, .top = 40, .size = 100, .x = -2, .y = -1, .side = 4};
}

#define CHECK_HAS(text, part)                                                                                \
    do {                                                                                                     \
        if (!(text).at || !strstr((text).at, part))                                                          \
            CHECK_REPORT("\"%s\" is not in: %.200s", part, (text).at ? (text).at : "(nothing)");             \
    } while (0)

static void places(void)
{
    pyr_text out = {0};
    pyr_plane p = window(&out);
    const double x[] = {-2, -1, 2, 3, 0, 0, NAN, 0, 0, INFINITY, 1e9, 0};

    pyr_plane_points(&p, x, 6, 0, 1.5);
    CHECK_HAS(out, "stroke-width=\"3\"");
    CHECK_HAS(out, "M0.0 100.0h0M100.0 0.0h0M50.0 75.0h0\"");
    CHECK(!out.failed);
    pyr_text_free(&out);
}

static void missing_points_break_paths(void)
{
    pyr_text out = {0};
    pyr_plane p = window(&out);
    const double x[] = {-2, 3, 0, 3, NAN, NAN, 2, 3, 2, -1};

    pyr_plane_path(&p, x, 5, 1, 1);
    CHECK_HAS(out, "M0.0 0.0L50.0 0.0M100.0 0.0L100.0 100.0\"");
    pyr_text_free(&out);
}

static void arrows_end_at_their_tips(void)
{
    pyr_text out = {0};
    pyr_plane p = window(&out);
    const double from[] = {0, 1, 0, 1, NAN, 0}, vector[] = {2, 0, 0, 0, 1, 1};

    pyr_plane_arrows(&p, from, vector, 3, 2);
    /* to the right: the head's ends lie 3.2 units behind the tip, one below and one above */
    CHECK_HAS(out, "M50.0 50.0L100.0 50.0M96.8 51.9L100.0 50.0L96.8 48.1");
    CHECK_HAS(out, "M50.0 50.0L50.0 50.0"); /* without length or direction */
    CHECK(!strstr(out.at, "nan"));
    pyr_text_free(&out);
}

/* The points of all segments, and how many they are; at[n][2] in the plane. */
static int contour_points(const pyr_plane *p, const char *text, double (*at)[2], int most)
{
    const char *d = strstr(text, "d=\"M0 0");
    int n = 0;

    for (d = d ? d + 7 : ""; n < most && (*d == 'M' || *d == 'L'); n++) {
        char *end;
        double px = strtod(d + 1, &end), py = strtod(end, &end);

        at[n][0] = p->x + px / p->size * p->side;
        at[n][1] = p->y + (p->size - py) / p->size * p->side;
        d = end;
    }
    return n;
}

enum { N = 41, MOST = 4000 };

static void contours_lie_on_their_lines(void)
{
    static double value[N * N], at[MOST][2];
    const double level = 1;

    for (int which = 0; which < 2; which++) { /* a circle around (0, 1); a straight line */
        pyr_text out = {0};
        pyr_plane p = window(&out);
        double around = 0;
        int n;

        for (int i = 0; i < N * N; i++) {
            double x = p.x + p.side * (i % N) / (N - 1), y = p.y + p.side * (i / N) / (N - 1);

            value[i] = which == 0 ? x * x + (y - 1) * (y - 1) : 0.3 * x + 0.7 * y;
        }
        pyr_plane_contours(&p, value, N, &level, 1);
        n = contour_points(&p, out.at, at, MOST);
        CHECK(n > 60 && n < MOST && n % 2 == 0);
        for (int i = 0; i < n; i++) {
            double x = at[i][0], y = at[i][1];

            /* digits are cut at 0.1 of 100 units; a parabola between grid points is off by h^2/4 at most */
            CHECK_CLOSE(which == 0 ? hypot(x, y - 1) : 0.3 * x + 0.7 * y, 1, which == 0 ? 0.005 : 0.003);
            if (i % 2)
                around += hypot(x - at[i - 1][0], y - at[i - 1][1]);
        }
        /* the whole circle, and the line from side to side */
        CHECK_CLOSE(around, which == 0 ? 4 * acos(0) : 4 * hypot(1, 3.0 / 7), 0.05);
        pyr_text_free(&out);
    }
}

static void contours_of_other_levels(void)
{
    pyr_text out = {0};
    pyr_plane p = window(&out);
    const double value[] = {0, 1, 2, 3}, levels[] = {-1, 4};
    double at[4][2];

    pyr_plane_contours(&p, value, 2, levels, 2);
    CHECK(contour_points(&p, out.at, at, 4) == 0);
    pyr_text_free(&out);
}

static void sheets(void)
{
    pyr_text drawn = {0}, alone = {0}, inlined = {0};
    pyr_plane p = window(&drawn);

    pyr_plane_begin(&p, "a < b", "below");
    pyr_plane_end(&p);
    pyr_plane_words(&drawn, 5, 90, 3, "x & y");
    CHECK_HAS(drawn, "a &lt; b");
    CHECK_HAS(drawn, "x &amp; y");
    CHECK_HAS(drawn, "viewBox=\"0 0 100.0 100.0\""); /* what is outside is cut off */
    pyr_sheet(&alone, drawn.at, 200, 100, "\"it\"", true);
    pyr_sheet(&inlined, drawn.at, 200, 100, "it", false);
    CHECK_HAS(alone, "width=\"200\" height=\"100\"");
    CHECK_HAS(alone, "<title>&quot;it&quot;</title>");
    CHECK_HAS(inlined, "class=\"pyr-plot\" role=\"img\" viewBox=\"0 0 200 100\"");
    CHECK(!strstr(inlined.at, "background"));
    pyr_text_free(&drawn);
    pyr_text_free(&alone);
    pyr_text_free(&inlined);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    RUN(places);
    RUN(missing_points_break_paths);
    RUN(arrows_end_at_their_tips);
    RUN(contours_lie_on_their_lines);
    RUN(contours_of_other_levels);
    RUN(sheets);
    return CHECK_DONE();
}
