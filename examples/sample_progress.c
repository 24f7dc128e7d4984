/* sample_progress.c - draw images from a trained run, with progress, into a PNG.
 *
 *     cc sample_progress.c $(pkg-config --cflags --libs pyrdiff) -o sample_progress
 *     ./sample_progress runs/squares samples.png */
#include <pyrdiff.h>
#include <stdio.h>
#include <stdlib.h>

enum { IMAGES = 64 };

static int show(void *ctx, const pyrdiff_event *event)
{
    (void)ctx;
    if (event->kind == PYRDIFF_EVENT_NOTE)
        fprintf(stderr, "%s\n", event->text);
    else if (event->kind == PYRDIFF_EVENT_IMAGES)
        fprintf(stderr, "\r%ld of %ld images, %.1f a second ", (long)event->done, (long)event->total,
                event->images_per_s);
    return 0; /* anything else stops */
}

int main(int argc, char **argv)
{
    const char *const zoom[] = {"zoom", "2", NULL};
    pyrdiff_model_facts facts = {.size = sizeof facts};
    pyrdiff_model *model = NULL;
    float *memory = NULL;
    int status = argc == 3 ? PYRDIFF_OK : PYRDIFF_E_ARG;

    if (status == PYRDIFF_OK)
        status = pyrdiff_model_open(&model, argv[1], NULL, NULL, show, NULL);
    if (status == PYRDIFF_OK)
        status = pyrdiff_model_facts_of(model, -1, &facts);
    if (status == PYRDIFF_OK &&
        !(memory = calloc((size_t)IMAGES * facts.h * facts.w * facts.c, sizeof *memory)))
        status = PYRDIFF_E_NOMEM;
    if (status == PYRDIFF_OK) {
        pyrdiff_images images = {
            .data = memory, .type = PYRDIFF_F32, .n = IMAGES, .h = facts.h, .w = facts.w, .c = facts.c};
        pyrdiff_output output = {PYRDIFF_IMAGE, 0, images};
        pyrdiff_draw draw = {.size = sizeof draw, .n = IMAGES, .outputs = &output, .n_outputs = 1};

        status = pyrdiff_sample(model, &draw, show, NULL); /* seeds 0, 1, ... */
        if (status == PYRDIFF_OK)
            status = pyrdiff_png_write(argv[2], &images, 1, zoom, NULL);
    }
    if (status == PYRDIFF_OK)
        fprintf(stderr, "\n%s\n", argv[2]);
    else
        fprintf(stderr, "\n%s\n", argc == 3 ? pyrdiff_error() : "usage: sample_progress RUN FILE.png");
    pyrdiff_model_free(model);
    free(memory);
    return status != PYRDIFF_OK;
}
