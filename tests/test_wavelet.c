/* test_wavelet.c - the cdf53 filter: its codes against OpenJPEG, its bands against PyWavelets, its determinant.
 *
 * Witness: tests/golden/wavelet/make_wavelet.py. That it can be undone, its gradients, batches and lanes:
 * test_pyramid.c, which tests every filter. */
#include "pyramid/codes.h"
#include "pyramid/pyramid.h"
#include "tests/check.h"
#include <stdlib.h>

#define GOLDEN "tests/golden/wavelet/wavelet.txt"

enum { MOST = 16 * 33, CASES = 5 };

typedef struct block {
    int rows, cols;
    double at[MOST];
} block;

/* false: there is none of this name. */
static bool find(block *b, const char *kind, int i, int level)
{
    char name[64], wanted[64];
    FILE *f = fopen(GOLDEN, "r");
    bool found = false;

    snprintf(wanted, sizeof wanted, level ? "%s/%d/%d" : "%s/%d", kind, i, level);
    if (!f) {
        fprintf(stderr, "%s cannot be read; run from the root of the project\n", GOLDEN);
        exit(1);
    }
    while (!found && fscanf(f, "%63s %d %d", name, &b->rows, &b->cols) == 3) {
        CHECK(b->rows * b->cols <= MOST);
        for (int j = 0; j < b->rows * b->cols && j < MOST; j++)
            CHECK(fscanf(f, "%lf", &b->at[j]) == 1);
        found = strcmp(name, wanted) == 0;
    }
    fclose(f);
    return found;
}

static const struct {
    int channels, bits;
} cases[CASES] = {{1, 8}, {3, 8}, {1, 16}, {1, 8}, {1, 16}};

static double image_value(double sample, int bits)
{
    return (2 * sample + 1 - ldexp(1, bits)) / ldexp(1, bits);
}

/* The coarsest image of codes, as samples, is the picture that OpenJPEG reads at that resolution. */
static void codes_are_jpeg_2000(void)
{
    block picture, wanted;

    for (int i = 0; i < CASES; i++)
        for (int level = 1; find(&wanted, "openjpeg", i, level); level++) {
            int c = cases[i].channels, bits = cases[i].bits;
            float image[MOST], back[MOST];
            pyr_codes codes;

            CHECK(find(&picture, "picture", i, 0));
            for (int j = 0; j < picture.rows * picture.cols; j++)
                image[j] = (float)image_value(picture.at[j], bits);
            CHECK_OK(pyr_codes_new(&codes, &(pyr_pyramid_settings){level + 1, PYR_FILTER_CDF53, 0, true},
                                   picture.rows, picture.cols / c, c, bits));
            CHECK_OK(pyr_decompose(&codes, image));
            CHECK(codes.shape[level].h == wanted.rows && codes.shape[level].w * c == wanted.cols);
            for (int j = 0; j < wanted.rows * wanted.cols; j++)
                CHECK_CLOSE(((const float *)codes.value[level])[j], image_value(wanted.at[j], bits), 0);
            CHECK_OK(pyr_reconstruct(back, &codes));
            CHECK(memcmp(back, image, (size_t)(picture.rows * picture.cols) * sizeof *image) == 0);
            pyr_codes_free(&codes);
        }
}

/* One level of a picture by hand (15444-1, equations F-9 and F-11): 1 2 4 9 7 has d = 0, 4 and s = 1, 5, 9. */
static void a_line(void)
{
    static const double line[5] = {1, 2, 4, 9, 7}, low[3] = {1, 5, 9}, high[2] = {0, 4};
    float image[5];
    pyr_codes codes;

    for (int i = 0; i < 5; i++)
        image[i] = (float)image_value(line[i], 8);
    CHECK_OK(pyr_codes_new(&codes, &(pyr_pyramid_settings){2, PYR_FILTER_CDF53, 0, true}, 1, 5, 1, 8));
    CHECK_OK(pyr_decompose(&codes, image));
    for (int i = 0; i < 3; i++)
        CHECK_CLOSE(((const float *)codes.value[1])[i], image_value(low[i], 8), 0);
    for (int i = 0; i < 2; i++) /* [LH | HL | HH] */
        CHECK_CLOSE(((const float *)codes.value[0])[3 * i + 1], high[i] / 128, 0);
    pyr_codes_free(&codes);
}

/* One more level of a pyramid in double: image (in, out: its coarse image) and its bands. */
static void analyse_once(pyr_kernels *k, double *image, double *bands, int h, int w, int c)
{
    pyr_pyramid *p;
    double coarse[MOST];
    void *scratch;

    CHECK_OK(pyr_pyramid_new(&p, k, &(pyr_pyramid_settings){2, PYR_FILTER_CDF53, 0, true}, h, w, c));
    scratch = malloc(pyr_pyramid_scratch(p, 1));
    pyr_pyramid_analyze(p, 1, image, 0, bands, coarse, scratch);
    memcpy(image, coarse, pyr_count(pyr_pyramid_image_shape(p, 1)) * sizeof *coarse);
    free(scratch);
    pyr_pyramid_free(p);
}

/* Models' variables: LH, HL and half of HH, zeros behind an odd side. */
static void bands_are_bior22(void)
{
    static const char *const names[4] = {"LH", "HL", "HH", "LL"};
    pyr_kernels *k;

    CHECK_OK(pyr_kernels_open(&k, "ref-double", 1));
    for (int i = 0; i < CASES; i++) {
        block picture, wanted;
        double bands[3 * MOST];
        int c = cases[i].channels, h, w;

        CHECK(find(&picture, "picture", i, 0));
        h = picture.rows;
        w = picture.cols / c;
        for (int j = 0; j < h * w * c; j++)
            picture.at[j] = image_value(picture.at[j], cases[i].bits);
        for (int level = 1; find(&wanted, "LL", i, level); level++, h = (h + 1) / 2, w = (w + 1) / 2) {
            int half = (w + 1) / 2;

            analyse_once(k, picture.at, bands, h, w, c);
            for (int b = 0; b < 4; b++) {
                CHECK(find(&wanted, names[b], i, level));
                for (int y = 0; y < (h + 1) / 2; y++)
                    for (int x = 0; x < half * c; x++) {
                        double want = y < wanted.rows && x < wanted.cols ? wanted.at[y * wanted.cols + x] : 0;
                        double got = b < 3 ? bands[(y * half + x / c) * 3 * c + b * c + x % c]
                                           : picture.at[y * half * c + x];

                        CHECK_CLOSE(got, b == 2 ? want / 2 : want, 1e-14);
                    }
            }
        }
    }
    pyr_kernels_free(k);
}

/* |det| of pixels -> (coarse image, bands) is 2^-(pixels of the coarse image), as the likelihood has it. */
static void determinant(void)
{
    enum { H = 4, W = 6, N = H * W };
    double a[N][N], det = 1;
    pyr_kernels *k;

    CHECK_OK(pyr_kernels_open(&k, "ref-double", 1));
    for (int j = 0; j < N; j++) {
        double image[MOST] = {0}, bands[3 * MOST];

        image[j] = 1;
        analyse_once(k, image, bands, H, W, 1);
        for (int i = 0; i < N; i++)
            a[i][j] = i < N / 4 ? image[i] : bands[i - N / 4];
    }
    for (int j = 0; j < N; j++) { /* Gaussian elimination with pivots */
        int top = j;

        for (int i = j; i < N; i++)
            top = fabs(a[i][j]) > fabs(a[top][j]) ? i : top;
        for (int l = 0; l < N; l++) {
            double held = a[j][l];

            a[j][l] = a[top][l];
            a[top][l] = held;
        }
        det *= a[j][j];
        for (int i = j + 1; i < N; i++) {
            double factor = a[i][j] / a[j][j];

            for (int l = j; l < N; l++)
                a[i][l] -= factor * a[j][l];
        }
    }
    CHECK_CLOSE(fabs(det) * ldexp(1, N / 4), 1, 1e-12);
    pyr_kernels_free(k);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    RUN(codes_are_jpeg_2000);
    RUN(a_line);
    RUN(bands_are_bior22);
    RUN(determinant);
    return CHECK_DONE();
}
