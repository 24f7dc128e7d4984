/* test_masks.c - pictures as masks: what is drawn anew, what is refused. */
#include "tests/check.h"

#include "base/mem.h"
#include "base/text.h"
#include "tasks/mask.h"
#include <stdbool.h>

enum { SIDE = 8, PIXELS = SIDE * SIDE };

/* A square of 12 pixels in the middle, to be drawn anew. */
static bool inside(int i)
{
    return i / SIDE >= 2 && i / SIDE < 6 && i % SIDE >= 3 && i % SIDE < 6;
}

typedef struct look {
    int c, bits;
    int in[4], out[4]; /* samples inside and outside of the square */
    const char *says;  /* a part of the note, NULL: none; of the sentence when refused */
    bool refused;
} look;

static const look looks[] = {
    {1, 8, {255}, {0}, NULL, false},
    {1, 8, {254}, {3}, NULL, false}, /* JPEG */
    {1, 8, {235}, {16}, NULL, false},
    {1, 16, {65535}, {0}, NULL, false},
    {2, 8, {255, 255}, {0, 255}, NULL, false},
    {3, 8, {255, 255, 255}, {0, 0, 0}, NULL, false},
    {4, 8, {255, 255, 255, 255}, {0, 0, 0, 255}, NULL, false},
    {1, 8, {1}, {0}, "0 and 1 of 255", false},
    {1, 8, {2}, {0}, "0 and 2 of 255", false},
    {1, 8, {128}, {0}, "0 and 128 of 255", false},
    {1, 16, {1}, {0}, "0 and 1 of 65535", false},
    {1, 16, {255}, {0}, "0 and 255 of 65535", false},
    {3, 8, {1, 1, 1}, {0, 0, 0}, "0 and 1 of 255", false},
    {3, 8, {128, 0, 0}, {0, 0, 0}, "RGB 128 0 0", false}, /* VOC's first class */
    {3, 8, {255, 0, 0}, {0, 0, 0}, "RGB 255 0 0", false},
    {4, 8, {0, 0, 255, 255}, {0, 0, 0, 255}, "RGB 0 0 255", false},
    {3, 16, {65535, 0, 65535}, {0, 0, 0}, "RGB 65535 0 65535", false},
    {4, 8, {0, 0, 0, 0}, {0, 0, 0, 255}, "transparent pixels", false},
    {4, 8, {255, 255, 255, 0}, {0, 0, 0, 255}, "transparent pixels", false},
    {2, 16, {0, 0}, {0, 65535}, "transparent pixels", false},
    {1, 8, {1}, {1}, "no black in the mask", true},
    {1, 8, {128}, {128}, "no black in the mask", true},
    {1, 8, {255}, {200}, "no black in the mask", true},
    {1, 8, {2}, {1}, "no white in the mask", true},
    {3, 8, {255, 0, 0}, {255, 255, 255}, "has 2 colours", true},
    {3, 8, {255, 0, 0}, {0, 255, 0}, "has 2 colours", true},
    {3, 8, {255, 0, 0}, {255, 0, 0}, "has 1 colour:", true},
    {4, 8, {255, 255, 255, 255}, {0, 0, 0, 0}, "is the paint to be drawn anew, or the hole?", true},
    {4, 8, {255, 0, 0, 255}, {0, 0, 0, 0}, "is the paint to be drawn anew, or the hole?", true},
    {4, 8, {255, 255, 255, 0}, {255, 255, 255, 255}, "is the paint to be drawn anew, or the hole?", true},
    {4, 8, {0, 0, 0, 0}, {0, 0, 0, 0}, "every pixel of the mask is transparent", true},
};

static void put(pyr_image *image, int i, int c, int value)
{
    if (image->bits == 8)
        ((uint8_t *)image->at)[i * image->c + c] = (uint8_t)value;
    else
        ((uint16_t *)image->at)[i * image->c + c] = (uint16_t)value;
}

static bool is_white(const pyr_image *grey, int i)
{
    return grey->bits == 8 ? ((const uint8_t *)grey->at)[i] >= 128 : ((const uint16_t *)grey->at)[i] >= 32768;
}

static void two_values(void)
{
    for (size_t l = 0; l < sizeof looks / sizeof *looks; l++) {
        const look *k = &looks[l];
        pyr_image image = {0}, grey = {0};
        pyr_text note = {0};

        CHECK_OK(pyr_image_new(&image, SIDE, SIDE, k->c, k->bits, "m"));
        for (int i = 0; i < PIXELS; i++)
            for (int c = 0; c < k->c; c++)
                put(&image, i, c, inside(i) ? k->in[c] : k->out[c]);
        if (k->refused)
            CHECK_FAILS(pyr_mask_understand(&grey, &image, "m.png", &note), PYR_E_FORMAT, k->says);
        else {
            int wrong = 0;

            CHECK_OK(pyr_mask_understand(&grey, &image, "m.png", &note));
            CHECK(grey.c == 1 && grey.h == SIDE && grey.w == SIDE && grey.bits == k->bits);
            for (int i = 0; grey.at && i < PIXELS; i++)
                wrong += is_white(&grey, i) != inside(i);
            if (wrong || (k->says ? !note.length || !strstr(note.at, k->says) : note.length > 0))
                CHECK_REPORT("look %zu: %d pixels wrong, note: %s", l, wrong, note.length ? note.at : "none");
        }
        pyr_text_free(&note);
        pyr_image_free(&grey);
        pyr_image_free(&image);
    }
}

/* Grey of many values, 8 bits, by a rule. */
static pyr_status understand(int (*value)(int), pyr_image *grey, pyr_text *note)
{
    pyr_image image = {0};
    pyr_status status;

    CHECK_OK(pyr_image_new(&image, SIDE, SIDE, 1, 8, "m"));
    for (int i = 0; i < PIXELS; i++)
        put(&image, i, 0, value(i));
    status = pyr_mask_understand(grey, &image, "m.png", note);
    pyr_image_free(&image);
    return status;
}

static int black(int i)
{
    (void)i;
    return 0;
}
static int soft(int i) /* edges of a proper mask */
{
    return inside(i) ? 255 : inside(i - 1) ? 140 : inside(i + 1) ? 90 : 0;
}
static int ringing(int i) /* JPEG: no 255, no 0 */
{
    return inside(i) ? 248 + i % 7 : 1 + i % 6;
}
static int dim(int i)
{
    return inside(i) ? 200 : inside(i - 1) ? 60 : 0;
}
static int labels(int i)
{
    return inside(i) ? 15 : i < 8 ? 1 : 0;
}
static int labels_and_border(int i)
{
    return inside(i) ? 15 : i < 8 ? 255 : 0;
}

static void many_values(void)
{
    pyr_image grey = {0};
    pyr_text note = {0};

    CHECK_OK(understand(black, &grey, &note));
    CHECK(note.length == 0 && !is_white(&grey, 0));
    pyr_image_free(&grey);
    CHECK_OK(understand(soft, &grey, &note)); /* as it is: it may be brought to another size */
    CHECK(note.length == 0);
    for (int i = 0; grey.at && i < PIXELS; i++)
        CHECK(((uint8_t *)grey.at)[i] == soft(i));
    pyr_image_free(&grey);
    CHECK_OK(understand(ringing, &grey, &note));
    CHECK(note.length == 0);
    for (int i = 0; grey.at && i < PIXELS; i++)
        CHECK(is_white(&grey, i) == inside(i));
    pyr_image_free(&grey);
    CHECK_OK(understand(dim, &grey, &note));
    CHECK(note.length && strstr(note.at, "largest value is 200 of 255"));
    for (int i = 0; grey.at && i < PIXELS; i++)
        CHECK(is_white(&grey, i) == inside(i));
    pyr_image_free(&grey);
    CHECK_FAILS(understand(labels, &grey, &note), PYR_E_FORMAT,
                "no white in the mask, 3 values from 0 to 15");
    CHECK_FAILS(understand(labels_and_border, &grey, &note), PYR_E_FORMAT, "as a map of labels has");
    pyr_text_free(&note);
}

/* A hole that was cut into a picture, and a brush on it. */
static void pictures(void)
{
    for (int hole = 0; hole < 2; hole++) {
        pyr_image image = {0}, grey = {0};
        pyr_text note = {0};

        CHECK_OK(pyr_image_new(&image, SIDE, SIDE, 4, 8, "m"));
        for (int i = 0; i < PIXELS; i++)
            for (int c = 0; c < 4; c++)
                put(&image, i, c,
                    c == 3               ? hole && inside(i) ? 0 : 255
                    : !hole && inside(i) ? c ? 0 : 255
                                         : 20 + 25 * (c == 1 ? i % SIDE : i / SIDE) + 10 * c);
        if (hole) {
            CHECK_OK(pyr_mask_understand(&grey, &image, "m.png", &note));
            for (int i = 0; grey.at && i < PIXELS; i++)
                CHECK(is_white(&grey, i) == inside(i));
        } else
            CHECK_FAILS(pyr_mask_understand(&grey, &image, "m.png", &note), PYR_E_FORMAT,
                        "at least 9 colours");
        pyr_text_free(&note);
        pyr_image_free(&grey);
        pyr_image_free(&image);
    }
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    RUN(two_values);
    RUN(many_values);
    RUN(pictures);
    return CHECK_DONE();
}
