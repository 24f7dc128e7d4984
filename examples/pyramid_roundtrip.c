/* pyramid_roundtrip.c - take a picture apart into the levels of a pyramid, and put it together again.
 *
 *     cc pyramid_roundtrip.c $(pkg-config --cflags --libs pyrdiff) -o pyramid_roundtrip
 *     ./pyramid_roundtrip photo.png */
#include <pyrdiff.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    const char *const options[] = {"filter", "burt-adelson", NULL};
    pyrdiff_data_facts picture = {.size = sizeof picture};
    pyrdiff_codes_facts level = {.size = sizeof level};
    pyrdiff_images image = {.type = PYRDIFF_U8, .n = 1}, again;
    pyrdiff_data *data = NULL;
    pyrdiff_codes *codes = NULL;
    size_t bytes = 0;
    int same = 0, status = argc == 2 ? PYRDIFF_OK : PYRDIFF_E_ARG;

    if (status == PYRDIFF_OK)
        status = pyrdiff_data_pictures(&data, argv[1], -1, NULL, NULL);
    if (status == PYRDIFF_OK)
        status = pyrdiff_data_facts_of(data, 0, &picture);
    image.h = picture.h;
    image.w = picture.w;
    image.c = picture.c;
    bytes = (size_t)picture.h * picture.w * picture.c;
    image.data = malloc(bytes);
    again = image;
    again.data = malloc(bytes);
    if (status == PYRDIFF_OK)
        status = pyrdiff_data_read(data, 0, &image);
    if (status == PYRDIFF_OK)
        status = pyrdiff_decompose(&codes, &image, options);
    for (int i = 0; status == PYRDIFF_OK && (i == 0 || i < level.levels); i++) {
        status = pyrdiff_codes_facts_of(codes, i, &level);
        if (status == PYRDIFF_OK)
            printf("level %d: %s %dx%dx%d, standard deviation %.4f\n", i, level.kind, level.values.h,
                   level.values.w, level.values.c, level.deviation);
    }
    if (status == PYRDIFF_OK)
        status = pyrdiff_reconstruct(codes, &again);
    if (status == PYRDIFF_OK) {
        same = memcmp(image.data, again.data, bytes) == 0;
        printf("%zu bytes: %s\n", bytes, same ? "the same" : "others");
    } else
        fprintf(stderr, "%s\n", argc == 2 ? pyrdiff_error() : "usage: pyramid_roundtrip PICTURE");
    pyrdiff_codes_free(codes);
    pyrdiff_data_free(data);
    free(image.data);
    free(again.data);
    return status != PYRDIFF_OK || !same;
}
