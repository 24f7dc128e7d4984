/* coarse_images.c - the images that sampling starts from. */
#include "cli/sample/coarse_images.h"

#include "cli/cli.h"
#include <stdio.h>

pyr_status pyr_coarse_images_room(pyrdiff_images *out, const pyr_coarse_images *c, int n)
{
    size_t size = (size_t)c->h * (size_t)c->w * (size_t)c->c * (size_t)(c->bits / 8);

    *out = (pyrdiff_images){.type = c->bits == 16 ? PYRDIFF_U16 : PYRDIFF_U8,
                            .n = n,
                            .h = c->h,
                            .w = c->w,
                            .c = c->c,
                            .stride_n = (ptrdiff_t)size};
    return pyr_new(&out->data, (size_t)n, size, "coarser images");
}

/* Image i as image j of the room. */
static pyr_status read_one(pyr_coarse_images *c, int64_t i, const pyrdiff_images *to, int j)
{
    pyrdiff_data_facts f = {.size = sizeof f};
    pyrdiff_images one = *to;

    PYR_TRY(pyrdiff_data_facts_of(c->files, i, &f));
    if (f.h != c->h || f.w != c->w)
        return pyr_fail(PYR_E_SHAPE, "%s is %dx%d, %s of this run is %dx%d", f.text, f.h, f.w, c->level, c->h,
                        c->w);
    if (f.c != c->c || f.bits != c->bits) {
        c->other_c = f.c;
        c->other_bits = f.bits;
    }
    one.data = (char *)to->data + j * to->stride_n;
    one.n = 1;
    return pyrdiff_data_read(c->files, i, &one);
}

const char *pyr_coarse_images_name(pyr_coarse_images *c, size_t i)
{
    pyrdiff_data_facts f = {.size = sizeof f};

    if (pyrdiff_data_facts_of(c->files, (int64_t)i % c->n, &f) == PYRDIFF_OK)
        snprintf(c->name, sizeof c->name, "%s", f.text);
    return c->name;
}

static void say_converted(const pyr_coarse_images *c, pyr_bar *bar)
{
    if (c->other_c && c->other_c != c->c)
        pyr_bar_line(bar, "note: %s has pictures of %d channel%s, the run's have %d: converted", c->path,
                     c->other_c, c->other_c == 1 ? "" : "s", c->c);
    if (c->other_c && c->other_bits != c->bits)
        pyr_bar_line(bar, "note: %s has pictures of %d bits, the run's have %d: converted", c->path,
                     c->other_bits, c->bits);
}

pyr_status pyr_coarse_images_open(pyr_coarse_images *out, const char *path, size_t most, pyr_watch *watch)
{
    pyrdiff_found found = {.size = sizeof found};
    pyrdiff_data_facts facts = {.size = sizeof facts};
    pyrdiff_images room;
    pyr_status status = PYR_OK;

    out->path = path;
    PYR_TRY(pyrdiff_look(path, -1, &found));
    if (found.kind == PYRDIFF_NOTHING)
        return pyr_fail(
            PYR_E_IO, "%s: no such file or folder (--coarse: a folder or zip of pictures, or an NPZ)", path);
    PYR_TRY(pyrdiff_data_pictures(&out->files, path, (int64_t)most, pyr_watch_event, watch));
    PYR_TRY(pyrdiff_data_facts_of(out->files, -1, &facts));
    out->n = facts.images;
    PYR_TRY(pyr_coarse_images_room(&room, out, 1));
    for (int64_t i = 0; i < out->n && status == PYR_OK; i++)
        status = read_one(out, i, &room, 0);
    pyr_free(room.data);
    if (status == PYR_OK)
        say_converted(out, &watch->bar);
    return status;
}

void pyr_coarse_images_free(pyr_coarse_images *c)
{
    pyrdiff_data_free(c->files);
    *c = (pyr_coarse_images){0};
}

pyr_status pyr_coarse_images_read(pyr_coarse_images *c, size_t first, int n, const pyrdiff_images *to)
{
    for (int j = 0; j < n; j++)
        PYR_TRY(read_one(c, (int64_t)(first + (size_t)j) % c->n, to, j));
    return PYR_OK;
}
