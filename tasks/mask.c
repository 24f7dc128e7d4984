/* mask.c - which rule a picture is a mask by: grey, colours or transparency; and the mask that it gives. */
#include "tasks/mask.h"

#include "base/mem.h"
#include <math.h>

/* In parts of the largest sample. "Near": what JPEG does to flat areas; a rim of soft edges lies between. */
static const double near = 0.1;
enum { COLOUR_OFF = 12 /* of 255: what JPEG does to a colour */, GREY_OFF = 8, PHOTO_COLOURS = 9 };

/* A picture and what the rules look at. */
typedef struct mask {
    const char *name;
    pyr_image grey; /* luma, at the depth of the file */
    double top;     /* its largest sample */
    size_t n;
    pyr_text *note;
} mask;

static double at(const pyr_image *image, size_t i)
{
    return image->bits == 8 ? ((const uint8_t *)image->at)[i] : ((const uint16_t *)image->at)[i];
}

static void put(pyr_image *image, size_t i, double share)
{
    if (image->bits == 8)
        ((uint8_t *)image->at)[i] = (uint8_t)lround(255 * share);
    else
        ((uint16_t *)image->at)[i] = (uint16_t)lround(65535 * share);
}

/* ---- grey ------------------------------------------------------------------------------------------ */

typedef struct tally {
    size_t *of; /* [value]: pixels */
    int values, smallest, largest;
    size_t dark, middle; /* over 0 and near black; neither near black nor near white */
    size_t near_white;
} tally;

static pyr_status count(tally *out, const mask *m)
{
    *out = (tally){0};
    PYR_TRY(pyr_new(&out->of, (size_t)m->top + 1, sizeof *out->of, "a mask"));
    for (size_t i = 0; i < m->n; i++) {
        double v = at(&m->grey, i);

        out->of[(size_t)v]++;
        out->dark += v > 0 && v <= near * m->top;
        out->middle += v > near * m->top && v < (1 - near) * m->top;
        out->near_white += v >= (1 - near) * m->top;
    }
    for (int v = (int)m->top; v >= 0; v--)
        if (out->of[v]) {
            out->values++;
            out->smallest = v;
            out->largest = v > out->largest ? v : out->largest;
        }
    return PYR_OK;
}

/* Black, white, and flat dark greys with nothing in between: numbers of classes, with 255 around them.
 * (JPEG's ringing makes near-whites, too.) */
static bool is_label_map(const tally *t, const mask *m)
{
    return t->values >= 3 && t->values <= 64 && t->middle == 0 && t->near_white == t->of[(int)m->top] &&
           t->near_white > 0 && (double)t->dark >= 0.01 * (double)m->n;
}

/* grey = 0 below the threshold, white from there on */
static void split(mask *m, double threshold)
{
    for (size_t i = 0; i < m->n; i++)
        put(&m->grey, i, at(&m->grey, i) >= threshold);
}

/* No white: an overlay of one lesser brightness, or nothing that is certain. */
static pyr_status read_dim(mask *m, const tally *t)
{
    size_t ends = 0;

    if (t->smallest == 0 && t->values == 2) {
        split(m, t->largest);
        pyr_text_add(m->note,
                     "%s has no white, but two values, 0 and %d of %.0f: where it is %d is drawn anew",
                     m->name, t->largest, m->top, t->largest);
        return PYR_OK;
    }
    if (m->grey.bits == 16 && t->largest <= 255 && t->largest >= 230 && t->smallest <= 25) {
        split(m, 128);
        pyr_text_add(m->note, "%s has values up to %d in 16 bits: read as 8 bits, 128 and over is drawn anew",
                     m->name, t->largest);
        return PYR_OK;
    }
    for (int v = 0; v <= t->largest; v++)
        if (v <= 2 * near * t->largest || v >= (1 - 2 * near) * t->largest)
            ends += t->of[v];
    if (t->smallest <= near * t->largest && 2 * t->largest >= m->top && (double)ends >= 0.8 * (double)m->n) {
        split(m, 0.5 * t->largest);
        pyr_text_add(m->note,
                     "%s has no white, its largest value is %d of %.0f: half of that and over is drawn anew",
                     m->name, t->largest, m->top);
        return PYR_OK;
    }
    return pyr_fail(
        PYR_E_FORMAT,
        "%s: no white in the mask, %d values from %d to %d of %.0f: which of them are to be drawn anew? Make it white (%.0f) there and black (0) elsewhere",
        m->name, t->values, t->smallest, t->largest, m->top, m->top);
}

static pyr_status read_grey(mask *m)
{
    tally t;
    pyr_status status;

    PYR_TRY_OUT(count(&t, m));
    if (t.largest == 0 || t.smallest >= (1 - near) * m->top) /* black, or white: all of it */
        status = PYR_OK;
    else if (t.values == 1 || t.smallest > 0.25 * m->top)
        status = pyr_fail(
            PYR_E_FORMAT,
            "%s: no black in the mask, its values are %d to %d of %.0f: make it white (%.0f) where it is to be drawn anew and black (0) elsewhere",
            m->name, t.smallest, t.largest, m->top, m->top);
    else if (t.largest < (1 - near) * m->top)
        status = read_dim(m, &t);
    else if (is_label_map(&t, m))
        status = pyr_fail(
            PYR_E_FORMAT,
            "%s: the mask has %d flat values, most of them dark, as a map of labels has: which label is to be drawn anew? Make it white (%.0f) there and black (0) elsewhere",
            m->name, t.values, m->top);
    else if ((double)t.middle > 0.5 * (double)m->n)
        pyr_text_add(m->note, "%s is grey for the most part: half of white and over is drawn anew", m->name);
out:
    pyr_free(t.of);
    return status;
}

/* ---- colours --------------------------------------------------------------------------------------- */

static bool is_grey(const mask *m, const pyr_image *rgba, size_t i)
{
    double r = at(rgba, 4 * i), g = at(rgba, 4 * i + 1), b = at(rgba, 4 * i + 2);
    double most = fmax(r, fmax(g, b)), least = fmin(r, fmin(g, b));

    return most - least <= GREY_OFF * m->top / 255;
}

static bool is_opaque(const pyr_image *rgba, size_t i)
{
    return at(rgba, 4 * i + 3) >= (rgba->bits == 8 ? 128 : 32768);
}

/* How many different colours there are of opaque pixels, up to PHOTO_COLOURS; one differs by more than
 * COLOUR_OFF. */
static int colours_of(const mask *m, const pyr_image *rgb)
{
    double seen[PHOTO_COLOURS][3];
    int n = 0;

    for (size_t i = 0; i < m->n && n < PHOTO_COLOURS; i++) {
        bool old = !is_opaque(rgb, i);

        for (int j = 0; j < n && !old; j++) {
            old = true;
            for (size_t c = 0; c < 3; c++)
                old = old && fabs(at(rgb, 4 * i + c) - seen[j][c]) <= COLOUR_OFF * m->top / 255;
        }
        for (size_t c = 0; c < 3 && !old; c++)
            seen[n][c] = at(rgb, 4 * i + c);
        n += !old;
    }
    return n;
}

/* Shades of one colour between it and black: grey becomes white where it is the colour. */
static pyr_status read_colour(mask *m, const pyr_image *rgba)
{
    double brightest[3] = {0}, most = 0, square = 0;
    size_t black = 0, full = 0;
    int others = 0;

    for (size_t i = 0; i < m->n; i++)
        for (size_t c = 0; c < 3; c++)
            if (at(rgba, 4 * i + c) > most) {
                most = at(rgba, 4 * i + c);
                for (size_t j = 0; j < 3; j++)
                    brightest[j] = at(rgba, 4 * i + j);
            }
    for (size_t c = 0; c < 3; c++)
        square += brightest[c] * brightest[c];
    for (size_t i = 0; i < m->n; i++) {
        double share = 0;

        for (size_t c = 0; c < 3; c++)
            share += at(rgba, 4 * i + c) * brightest[c] / square;
        for (size_t c = 0; c < 3; c++)
            others += fabs(at(rgba, 4 * i + c) - share * brightest[c]) > COLOUR_OFF * m->top / 255;
        black += share <= near;
        full += share >= 1 - near;
        put(&m->grey, i, fmin(fmax(share, 0), 1));
    }
    if (others || !black || (double)(black + full) < 0.8 * (double)m->n) {
        int n = colours_of(m, rgba);

        return pyr_fail(
            PYR_E_FORMAT,
            "%s: the mask has %s%d colour%s: what is to be drawn anew? Make it white there and black elsewhere (of colours only one on black is understood)",
            m->name, n == PHOTO_COLOURS ? "at least " : "", n, n == 1 ? "" : "s");
    }
    pyr_text_add(m->note,
                 "%s is black and one colour, RGB %.0f %.0f %.0f: where it is that colour is drawn anew",
                 m->name, brightest[0], brightest[1], brightest[2]);
    return PYR_OK;
}

/* ---- transparency ---------------------------------------------------------------------------------- */

/* Holes in a picture, or in black. White or one colour on a transparent layer would be paint as likely as a
 * sheet with holes in it. */
static pyr_status read_holes(mask *m, const pyr_image *rgba, size_t holes)
{
    int colours = colours_of(m, rgba);
    size_t dark = 0, white = 0, opaque = m->n - holes;

    if (!opaque)
        return pyr_fail(
            PYR_E_FORMAT,
            "%s: every pixel of the mask is transparent: make it white where it is to be drawn anew and black elsewhere",
            m->name);
    for (size_t i = 0; i < m->n; i++) {
        if (!is_opaque(rgba, i) || !is_grey(m, rgba, i))
            continue;
        dark += at(rgba, 4 * i) <= near * m->top;
        white += at(rgba, 4 * i) >= (1 - near) * m->top;
    }
    if (dark < opaque &&
        (colours < PHOTO_COLOURS || (white > 0 && (double)(dark + white) >= 0.95 * (double)opaque)))
        return pyr_fail(
            PYR_E_FORMAT,
            "%s: the mask is transparent in part and painted in the rest: is the paint to be drawn anew, or the hole? Save it without transparency, white where it is to be drawn anew and black elsewhere",
            m->name);
    for (size_t i = 0; i < m->n; i++)
        put(&m->grey, i, is_opaque(rgba, i) ? 0 : 1);
    pyr_text_add(m->note, "%s has transparent pixels: they are drawn anew", m->name);
    return PYR_OK;
}

/* ---- which rule ------------------------------------------------------------------------------------ */

static pyr_status read_rgba(mask *m, const pyr_image *rgba)
{
    size_t holes = 0;

    for (size_t i = 0; i < m->n; i++)
        holes += !is_opaque(rgba, i);
    if (holes)
        return read_holes(m, rgba, holes);
    for (size_t i = 0; i < m->n; i++)
        if (!is_grey(m, rgba, i))
            return read_colour(m, rgba);
    return read_grey(m);
}

pyr_status pyr_mask_understand(pyr_image *out, const pyr_image *image, const char *name, pyr_text *note)
{
    mask m = {.name = name,
              .top = image->bits == 8 ? 255 : 65535,
              .n = (size_t)image->h * (size_t)image->w,
              .note = note};
    pyr_image rgba = {0};
    pyr_status status;

    *out = (pyr_image){0};
    PYR_TRY_OUT(pyr_image_new(&rgba, image->h, image->w, 4, image->bits, name));
    PYR_TRY_OUT(pyr_image_new(&m.grey, image->h, image->w, 1, image->bits, name));
    pyr_image_convert(rgba.at, image, 4, image->bits);
    pyr_image_convert(m.grey.at, image, 1, image->bits);
    PYR_TRY_OUT(read_rgba(&m, &rgba));
    if (note->failed)
        status = pyr_fail(PYR_E_NOMEM, "out of memory: a word on %s", name);
    *out = m.grey;
    m.grey = (pyr_image){0};
out:
    pyr_image_free(&m.grey);
    pyr_image_free(&rgba);
    return status;
}
