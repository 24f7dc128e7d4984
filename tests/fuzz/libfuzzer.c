/* libfuzzer.c - what a target has beside it when libFuzzer is its main: `TARGET --seeds FOLDER` writes the
 * target's own good inputs there and ends. */
#include "tests/fuzz/input.h"

#pragma weak fuzz_seed

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const uint8_t *bytes;
    size_t n;

    if (*argc != 3 || strcmp((*argv)[1], "--seeds") != 0)
        return 0;
    for (size_t i = 0; fuzz_seed && (bytes = fuzz_seed(i, &n)); i++) {
        char path[400];
        FILE *f;

        snprintf(path, sizeof path, "%s/seed-%zu", (*argv)[2], i);
        f = fopen(path, "wb");
        if (!f || fwrite(bytes, 1, n, f) != n || fclose(f) != 0) {
            perror(path);
            exit(2);
        }
    }
    exit(0);
}
