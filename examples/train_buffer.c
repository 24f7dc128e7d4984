/* train_buffer.c - train a small pyramid on images in memory: grey squares on black, at random places.
 *
 *     cc train_buffer.c $(pkg-config --cflags --libs pyrdiff) -o train_buffer
 *     ./train_buffer runs/squares
 * The same command again goes on where it was stopped (Ctrl-C), or says that the run is finished. */
#include <pyrdiff.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES = 256, SIDE = 16, SQUARE = 5, SETTINGS = 4 };

static const char *const set[SETTINGS][2] = {{"pyramid.levels", "2"},
                                             {"train.duration", "4ki"},
                                             {"level.batch", "32"},
                                             {"level.network.block_out_channels", "16"}};
static unsigned char pixels[IMAGES][SIDE][SIDE];
static volatile sig_atomic_t stop;

static void on_interrupt(int number)
{
    stop = number;
}

static int show(void *ctx, const pyrdiff_event *event)
{
    (void)ctx;
    if (event->kind == PYRDIFF_EVENT_NOTE)
        printf("%s\n", event->text);
    else if (event->kind == PYRDIFF_EVENT_STEP && !event->brief)
        printf("level %d: step %ld of %ld, loss %.4f\n", event->level, (long)event->done, (long)event->total,
               event->loss);
    return stop;
}

int main(int argc, char **argv)
{
    const pyrdiff_images images = {pixels, PYRDIFF_U8, IMAGES, SIDE, SIDE, 1, 0, 0, 0, 0};
    pyrdiff_settings *settings = NULL;
    pyrdiff_data *data = NULL;
    int status = argc == 2 ? pyrdiff_settings_open(&settings, "") : PYRDIFF_E_ARG;

    signal(SIGINT, on_interrupt);
    for (int i = 0; i < IMAGES; i++)
        for (int y = rand() % (SIDE - SQUARE), x = rand() % (SIDE - SQUARE), dy = 0; dy < SQUARE; dy++)
            memset(&pixels[i][y + dy][x], 200, SQUARE);
    for (int i = 0; i < SETTINGS && status == PYRDIFF_OK; i++)
        status = pyrdiff_settings_set(settings, set[i][0], set[i][1], NULL);
    if (status == PYRDIFF_OK)
        status = pyrdiff_data_new(&data, settings, &images, NULL);
    if (status == PYRDIFF_OK)
        status = pyrdiff_train(argv[1], settings, data, NULL, show, NULL);
    if (status != PYRDIFF_OK)
        fprintf(stderr, "%s\n", argc == 2 ? pyrdiff_error() : "usage: train_buffer RUN");
    pyrdiff_data_free(data);
    pyrdiff_settings_free(settings);
    return status != PYRDIFF_OK && status != PYRDIFF_E_STOPPED;
}
