/* test_metrics.c - distances between sets of images.
 *
 * Witnesses: NumPy and SciPy (tests/golden/metrics/make_metrics.py), closed forms, and what holds for every
 * set: distance 0 to itself, the same bits for every number of threads. */
#include "archives/zip_file.h"
#include "arrays/npz_file.h"
#include "base/mem.h"
#include "base/philox.h"
#include "cascade/roc.h"
#include "eval/image_metrics.h"
#include "eval/metrics.h"
#include "eval/pairs.h"
#include "pyramid/spectrum.h"
#include "tests/check.h"
#include "tests/write_npz.h"
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define FOLDER "tests/golden/metrics/"
enum { SEED = 20240607 }; /* as in make_metrics.py */

/* ---- the file: "name rows columns", then the numbers, row by row ---------------------------------- */

typedef struct golden {
    char name[64];
    int rows, cols;
    double *at;
} golden;

static golden blocks[64];
static int n_blocks;

static void *memory(size_t count, size_t size)
{
    void *block = calloc(count, size);

    if (!block)
        exit(1);
    return block;
}

static void read_golden(void)
{
    FILE *f = fopen(FOLDER "metrics.txt", "r");
    golden g;

    if (!f) {
        fprintf(stderr, FOLDER "metrics.txt cannot be read; run from the root of the project\n");
        exit(1);
    }
    while (n_blocks < 64 && fscanf(f, "%63s %d %d", g.name, &g.rows, &g.cols) == 3) {
        g.at = memory((size_t)g.rows * (size_t)g.cols, sizeof *g.at);
        for (int i = 0; i < g.rows * g.cols; i++)
            if (fscanf(f, "%lf", &g.at[i]) != 1)
                exit(1);
        blocks[n_blocks++] = g;
    }
    fclose(f);
}

static const golden *find(const char *set, const char *part)
{
    char name[80];

    snprintf(name, sizeof name, "%s%s", set, part);
    for (int i = 0; i < n_blocks; i++)
        if (strcmp(blocks[i].name, name) == 0)
            return &blocks[i];
    fprintf(stderr, FOLDER "metrics.txt has no %s\n", name);
    exit(1);
}

typedef struct vectors {
    int n, d;
    float *at;
} vectors;

static vectors floats(const char *set, const char *part)
{
    const golden *g = find(set, part);
    vectors v = {g->rows, g->cols, memory((size_t)g->rows * (size_t)g->cols, sizeof(float))};

    for (int i = 0; i < v.n * v.d; i++)
        v.at[i] = (float)g->at[i];
    return v;
}

static pyr_pixels_set pixels(const char *set, const char *part, int h, int w, int c)
{
    const golden *g = find(set, part);
    uint8_t *at = memory((size_t)g->rows * (size_t)g->cols, 1);

    CHECK(g->cols == h * w * c);
    for (int i = 0; i < g->rows * g->cols; i++)
        at[i] = (uint8_t)g->at[i];
    return (pyr_pixels_set){g->rows, h, w, c, at, NULL};
}

static void pixels_free(const pyr_pixels_set *s)
{
    free((void *)s->pixels);
}

/* n normal vectors of d features, each feature times `scale` plus `shift`. */
static float *normal_vectors(int n, int d, double scale, double shift, uint32_t stream)
{
    float *at = memory((size_t)n * (size_t)d + 3, sizeof *at);

    for (int i = 0; i < n * d; i += 4)
        pyr_normal4(SEED, (uint32_t)i / 4, stream, 0, 0, at + i);
    for (int i = 0; i < n * d; i++)
        at[i] = (float)(scale * at[i] + shift);
    return at;
}

static pyr_pixels_set noise_pixels(int n, int h, int w, int c, uint32_t stream)
{
    uint8_t *at = memory((size_t)(n * h * w * c), 1);

    for (int i = 0; i < n * h * w * c; i++)
        at[i] = (uint8_t)pyr_philox(SEED, (uint32_t)i, stream, 1, 0).v[0];
    return (pyr_pixels_set){n, h, w, c, at, NULL};
}

static const char *const feature_sets[] = {"narrow", "wide"};

/* ---- moments and the Frechet distance ------------------------------------------------------------- */

static void moments_golden(void)
{
    vectors a = floats("narrow", "/a");
    const golden *mean = find("narrow", "/mean"), *cov = find("narrow", "/cov");
    pyr_moments m;

    CHECK_OK(pyr_moments_new(&m, a.n, a.d, a.at));
    CHECK(m.n == a.n && m.d == a.d);
    for (int i = 0; i < a.d; i++)
        CHECK_CLOSE(m.mean[i], mean->at[i], 1e-14);
    for (int i = 0; i < a.d * a.d; i++)
        CHECK_CLOSE(m.cov[i], cov->at[i], 1e-14);
    pyr_moments_free(&m);
    CHECK(!m.mean && !m.cov && m.d == 0);
    CHECK_FAILS(pyr_moments_new(&m, 1, a.d, a.at), PYR_E_ARG, "2 vectors");
    a.at[9] = NAN;
    CHECK_FAILS(pyr_moments_new(&m, a.n, a.d, a.at), PYR_E_NUMERIC, "feature 3");
    free(a.at);
}

/* The set "wide" has 18 and 21 vectors of 131 features: covariances of rank 17 and 20. */
static void frechet_golden(void)
{
    for (int i = 0; i < 2; i++) {
        vectors a = floats(feature_sets[i], "/a"), b = floats(feature_sets[i], "/b");
        double want = find(feature_sets[i], "/frechet")->at[0], got;
        pyr_moments m, q;

        CHECK_OK(pyr_moments_new(&m, a.n, a.d, a.at));
        CHECK_OK(pyr_moments_new(&q, b.n, b.d, b.at));
        /* a root of rounding's 1e-16 is 1e-8, for each direction without variance */
        CHECK_OK(pyr_frechet(&got, &m, &q));
        CHECK_CLOSE(got, want, i == 0 ? 1e-12 : 1e-5);
        CHECK_OK(pyr_frechet(&got, &q, &m));
        CHECK_CLOSE(got, want, i == 0 ? 1e-12 : 1e-5);
        CHECK_OK(pyr_frechet(&got, &m, &m));
        CHECK_CLOSE(got, 0, i == 0 ? 1e-12 : 1e-5);
        pyr_moments_free(&m);
        pyr_moments_free(&q);
        free(a.at);
        free(b.at);
    }
}

/* Covariances that commute: sum of (sqrt l1 - sqrt l2)^2. R turns the first two axes, in both. */
static void frechet_closed_form(void)
{
    double l1[3] = {4, 9, 0.25}, l2[3] = {1, 16, 0}, c = cos(0.7), s = sin(0.7), got;
    double mean1[3] = {1, 2, 3}, mean2[3] = {1.5, 2, 2}, cov1[9] = {0}, cov2[9] = {0};
    double r[3][3] = {{c, -s, 0}, {s, c, 0}, {0, 0, 1}};
    pyr_moments a = {.d = 3, .mean = mean1, .cov = cov1}, b = {.d = 3, .mean = mean2, .cov = cov2};

    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            for (int k = 0; k < 3; k++) {
                cov1[i * 3 + j] += r[i][k] * l1[k] * r[j][k];
                cov2[i * 3 + j] += r[i][k] * l2[k] * r[j][k];
            }
    CHECK_OK(pyr_frechet(&got, &a, &b));
    CHECK_CLOSE(got, 0.25 + 1 + 1 + 1 + 0.25, 1e-7);
    /* not commuting, 2 x 2: tr (C1 C2)^(1/2) = sqrt(tr C1 C2 + 2 sqrt(det C1 C2)) */
    {
        double p[4] = {2, 0.5, 0.5, 1}, q[4] = {1, -0.3, -0.3, 3}, zero[2] = {0};
        double det = (2 - 0.25) * (3 - 0.09), trace = 2 - 0.15 - 0.15 + 3;
        pyr_moments m = {.d = 2, .mean = zero, .cov = p}, n = {.d = 2, .mean = zero, .cov = q};

        CHECK_OK(pyr_frechet(&got, &m, &n));
        CHECK_CLOSE(got, 3 + 4 - 2 * sqrt(trace + 2 * sqrt(det)), 1e-13);
        CHECK_FAILS(pyr_frechet(&got, &m, &a), PYR_E_SHAPE, "2 and 3 features");
        p[1] = p[2] = NAN;
        CHECK_STATUS(pyr_frechet(&got, &m, &n), PYR_E_NUMERIC);
    }
}

static void check_moments(const pyr_moments *m, double tolerance)
{
    const golden *mean = find("narrow", "/mean"), *cov = find("narrow", "/cov");

    CHECK(m->d == 6 && m->n == 0);
    for (int i = 0; m->mean && i < 6; i++)
        CHECK_CLOSE(m->mean[i], mean->at[i], tolerance);
    for (int i = 0; m->cov && i < 36; i++)
        CHECK_CLOSE(m->cov[i], cov->at[i], tolerance);
}

/* NumPy's files, and back. */
static void moments_files(void)
{
    char path[] = "/tmp/test_metrics_XXXXXX";
    double cov[4] = {1, 0.5, 0.5, 1}, mean[2] = {0, 1};
    pyr_moments m, again, own = {.d = 2, .mean = mean, .cov = cov};
    int file = mkstemp(path);

    CHECK_OK(pyr_moments_read(&m, FOLDER "moments_f4.npz"));
    check_moments(&m, 1e-6);
    pyr_moments_free(&m);
    CHECK_OK(pyr_moments_read(&m, FOLDER "moments_f8.npz"));
    check_moments(&m, 0);
    CHECK_OK(pyr_moments_write(&m, path));
    CHECK_OK(pyr_moments_read(&again, path));
    check_moments(&again, 0);
    pyr_moments_free(&again);
    pyr_moments_free(&m);
    cov[1] = 0.4;
    CHECK_OK(pyr_moments_write(&own, path));
    CHECK_FAILS(pyr_moments_read(&again, path), PYR_E_FORMAT, "not a covariance");
    cov[1] = 0.5;
    mean[1] = INFINITY;
    CHECK_OK(pyr_moments_write(&own, path));
    CHECK_FAILS(pyr_moments_read(&again, path), PYR_E_FORMAT, "mu[1]");
    CHECK(!again.mean && !again.cov);
    CHECK_STATUS(pyr_moments_read(&again, "tests/golden/metrics/none.npz"), PYR_E_IO);
    mean[1] = 1;
    snprintf(own.resize, sizeof own.resize, "tf1");
    CHECK_OK(pyr_moments_write(&own, path));
    CHECK_OK(pyr_moments_read(&again, path));
    CHECK_STRING(again.resize, "tf1");
    pyr_moments_free(&again);
    close(file);
    unlink(path);
}

/* Write a d x d covariance and read it. */
static pyr_status read_covariance(const char *path, int d, double *cov)
{
    double mean[8] = {0};
    pyr_moments m, own = {.d = d, .mean = mean, .cov = cov};
    pyr_status status;

    CHECK_OK(pyr_moments_write(&own, path));
    status = pyr_moments_read(&m, path);
    if (status == PYR_OK)
        pyr_moments_free(&m);
    return status;
}

/* Matrices that are no covariances are refused; what rounding to float does to one is not. */
static void no_covariances(void)
{
    char path[] = "/tmp/test_metrics_XXXXXX";
    double zero[4] = {0}, off[4] = {0, 1, 1, 0}, negative[4] = {1, 0, 0, -1e-3}, over[4] = {1, 1.5, 1.5, 1};
    /* correlations of -0.6 between each two of three: the eigenvalues are 1.6, 1.6 and -0.2 */
    double three[9] = {1, -0.6, -0.6, -0.6, 1, -0.6, -0.6, -0.6, 1};
    double rounded[64], floats[64];
    int file = mkstemp(path);

    CHECK_OK(read_covariance(path, 2, zero));
    CHECK_FAILS(read_covariance(path, 2, off), PYR_E_FORMAT, "allow: not a covariance");
    CHECK_FAILS(read_covariance(path, 2, negative), PYR_E_FORMAT,
                "sigma[1, 1] is -0.001: a variance is not negative");
    CHECK_FAILS(read_covariance(path, 2, over), PYR_E_FORMAT, "more than the variances 1 and 1 allow");
    CHECK_FAILS(read_covariance(path, 3, three), PYR_E_FORMAT, "sigma has the eigenvalue -0.2,");
    for (int i = 0; i < 9; i++)
        three[i] = i % 4 == 0 ? 1 : -0.5; /* of rank 2 */
    CHECK_OK(read_covariance(path, 3, three));
    /* rank 1, of very different sizes, rounded to float: some eigenvalues fall under 0 */
    for (int i = 0; i < 64; i++) {
        rounded[i] = pow(7, i / 8) / 3 * pow(7, i % 8) / 3;
        floats[i] = (double)(float)rounded[i];
    }
    CHECK(memcmp(rounded, floats, sizeof floats) != 0);
    CHECK_OK(read_covariance(path, 8, floats));
    close(file);
    unlink(path);
}

static void write_bytes(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");

    CHECK(f && fwrite(bytes, 1, n, f) == n);
    if (f)
        fclose(f);
}

/* Files of other kinds are named for what they are. */
static void no_statistics(void)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *says;
    } kinds[] = {{"\x93NUMPY\x01\x00\x76\x00{", 11,
                  "is an .npy file, a single array; reference statistics are an NPZ"},
                 {"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}", 12, "is a pickle of Python's"},
                 {"\x80\x02\x8a\x0al\xfc\x9c", 7, "is a file of PyTorch's"},
                 {"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR", 16, "is a PNG image"},
                 {"\xff\xd8\xff\xe0\x00\x10JFIF", 10, "is a JPEG image"},
                 {"RIFF\x10\x00\x00\x00WEBPVP8 ", 16, "is a WebP image"},
                 {"\x89HDF\r\n\x1a\n", 8, "is an HDF5 file"},
                 {"mu,sigma\n0.5,1\n", 15, "is a text"},
                 {"\x1f\x8b\x08\x00", 4, "is a gzip file"},
                 {"", 0, "is empty"},
                 {"\x01\x02\x03\x04", 4, "is a file of an unknown kind"}};
    char path[] = "/tmp/test_metrics_XXXXXX";
    uint8_t image[12] = {0};
    int file = mkstemp(path);
    pyr_zip_part torch[] = {{"archive/data.pkl", "x", 1}, {"archive/version", "3", 1}},
                 other[] = {{"a.png", "x", 1}};
    pyr_moments m;

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        write_bytes(path, kinds[i].bytes, kinds[i].n);
        CHECK_FAILS(pyr_moments_read(&m, path), PYR_E_FORMAT, kinds[i].says);
    }
    CHECK_OK(pyr_zip_write(path, torch, 2));
    CHECK_FAILS(pyr_moments_read(&m, path), PYR_E_FORMAT, "torch.load('");
    CHECK_OK(pyr_zip_write(path, other, 1));
    CHECK_FAILS(pyr_moments_read(&m, path), PYR_E_FORMAT, "is a zip archive without arrays");
    CHECK_OK(write_npz(path, image, 1, 2, 2, 3, NULL));
    CHECK_FAILS(pyr_moments_read(&m, path), PYR_E_FORMAT, "images, it seems, not their statistics");
    CHECK_FAILS(pyr_moments_read(&m, "tests/golden/metrics"), PYR_E_FORMAT, "is a folder");
    close(file);
    unlink(path);
}

/* ---- all pairs ------------------------------------------------------------------------------------ */

typedef struct grid {
    int n_b;
    float *at;
    int *visits;
} grid;

static void keep(void *arg, const pyr_pair_tile *t)
{
    grid *g = arg;

    for (int r = 0; r < t->rows; r++)
        for (int c = 0; c < t->columns; c++) {
            int64_t i = (t->row + r) * g->n_b + t->column + c;

            g->at[i] = t->at[r][c];
            g->visits[i]++;
        }
}

/* Sizes with all tails: rows of a task, of a strip, columns of a tile, terms of a chunk. */
static void pairs(void)
{
    static const int sizes[][3] = {{1, 1, 1}, {7, 17, 3}, {193, 33, 129}, {385, 5, 260}};

    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int kind = PYR_PAIR_DOT; kind <= PYR_PAIR_DISTANCE2; kind++) {
            int n = sizes[s][0], m = sizes[s][1], d = sizes[s][2];
            float *a = normal_vectors(n, d, 1, 0, 1), *b = normal_vectors(m, d, 1, 0, 2);
            grid g = {m, memory((size_t)(n * m), sizeof(float)), memory((size_t)(n * m), sizeof(int))};

            CHECK_OK(pyr_pairs(kind, n, a, m, b, d, NULL, keep, &g));
            for (int i = 0; i < n * m; i++) {
                double want = 0, size = 0;

                for (int j = 0; j < d; j++) {
                    double x = a[i / m * d + j], y = b[i % m * d + j];
                    double term = kind == PYR_PAIR_DOT ? x * y : (x - y) * (x - y);

                    want += term;
                    size += fabs(term);
                }
                CHECK(g.visits[i] == 1);
                CHECK_CLOSE(g.at[i], want, 1e-6 * size);
            }
            free(g.at);
            free(g.visits);
            free(a);
            free(b);
        }
}

/* ---- KID ------------------------------------------------------------------------------------------ */

static void kid_golden(void)
{
    for (int i = 0; i < 2; i++) {
        vectors a = floats(feature_sets[i], "/a"), b = floats(feature_sets[i], "/b");
        const golden *all = find(feature_sets[i], "/kid-all"), *some = find(feature_sets[i], "/kid");
        double mean, std;

        /* as many vectors in both: any order of all of them */
        CHECK_OK(pyr_kid(&mean, &std, b.n, a.at, b.n, b.at, a.d, 1, 1000, SEED, NULL));
        CHECK_CLOSE(mean, all->at[0], 1e-6);
        CHECK(std == 0);
        CHECK_OK(pyr_kid(&mean, &std, a.n, a.at, b.n, b.at, a.d, 5, 11, SEED, NULL));
        CHECK_CLOSE(mean, some->at[0], 1e-6);
        CHECK_CLOSE(std, some->at[1], 1e-6);
        CHECK_FAILS(pyr_kid(&mean, &std, 1, a.at, b.n, b.at, a.d, 5, 11, SEED, NULL), PYR_E_ARG,
                    "2 vectors or more");
        CHECK_STATUS(pyr_kid(&mean, &std, a.n, a.at, b.n, b.at, a.d, 0, 11, SEED, NULL), PYR_E_ARG);
        a.at[0] = NAN;
        CHECK_STATUS(pyr_kid(&mean, &std, b.n, a.at, b.n, b.at, a.d, 1, 1000, SEED, NULL), PYR_E_NUMERIC);
        free(a.at);
        free(b.at);
    }
}

/* Unbiased: over many subsets of two sets of one distribution it is 0 within its error. */
static void kid_of_one_distribution(void)
{
    float *a = normal_vectors(600, 4, 1, 0, 1), *b = normal_vectors(600, 4, 1, 0, 2);
    double mean, std;

    CHECK_OK(pyr_kid(&mean, &std, 600, a, 600, b, 4, 50, 100, SEED, NULL));
    CHECK(fabs(mean) < 0.1 && std > 0 && std < 0.5);
    free(a);
    free(b);
}

/* ---- neighbours ----------------------------------------------------------------------------------- */

static void precision_recall_golden(void)
{
    static const int k[3] = {1, 3, 5};

    for (int i = 0; i < 2; i++) {
        vectors a = floats(feature_sets[i], "/a"), b = floats(feature_sets[i], "/b");
        const golden *want = find(feature_sets[i], "/precision-recall");
        double precision, recall;

        for (int j = 0; j < 3; j++) {
            CHECK_OK(pyr_precision_recall(&precision, &recall, a.n, a.at, b.n, b.at, a.d, k[j], NULL));
            CHECK_CLOSE(precision, want->at[2 * j], 1e-12);
            CHECK_CLOSE(recall, want->at[2 * j + 1], 1e-12);
        }
        CHECK_OK(pyr_precision_recall(&precision, &recall, a.n, a.at, a.n, a.at, a.d, 1, NULL));
        CHECK(precision == 1 && recall == 1);
        CHECK_FAILS(pyr_precision_recall(&precision, &recall, a.n, a.at, 3, b.at, a.d, 3, NULL), PYR_E_ARG,
                    "k = 3");
        CHECK_STATUS(pyr_precision_recall(&precision, &recall, 3, a.at, b.n, b.at, a.d, 3, NULL), PYR_E_ARG);
        CHECK_STATUS(pyr_precision_recall(&precision, &recall, a.n, a.at, b.n, b.at, a.d, 0, NULL),
                     PYR_E_ARG);
        free(a.at);
        free(b.at);
    }
}

/* Far apart: neither; half of the samples far away, the rest copies: precision 1/2, recall 1. */
static void precision_recall_extremes(void)
{
    float *real = normal_vectors(40, 3, 1, 0, 1), *far = normal_vectors(40, 3, 1, 100, 2);
    float *mixed = memory(80 * 3, sizeof *mixed);
    double precision, recall;

    CHECK_OK(pyr_precision_recall(&precision, &recall, 40, real, 40, far, 3, 3, NULL));
    CHECK(precision == 0 && recall == 0);
    memcpy(mixed, real, 40 * 3 * sizeof *mixed);
    memcpy(mixed + 40 * 3, far, 40 * 3 * sizeof *mixed);
    CHECK_OK(pyr_precision_recall(&precision, &recall, 40, real, 80, mixed, 3, 3, NULL));
    CHECK(precision == 0.5 && recall == 1);
    real[5] = INFINITY;
    CHECK_STATUS(pyr_precision_recall(&precision, &recall, 40, real, 40, far, 3, 3, NULL), PYR_E_NUMERIC);
    free(real);
    free(far);
    free(mixed);
}

static void nearest_golden(void)
{
    for (int i = 0; i < 2; i++) {
        vectors a = floats(feature_sets[i], "/a"), b = floats(feature_sets[i], "/b");
        const golden *want = find(feature_sets[i], "/nearest");
        int64_t index[64];
        float nearest[64], second[64];
        pyr_neighbours found = {index, nearest, second};

        CHECK_OK(pyr_nearest_vectors(&found, b.n, b.at, a.n, a.at, a.d, NULL));
        for (int j = 0; j < b.n; j++) {
            CHECK(index[j] == (int64_t)want->at[3 * j]);
            CHECK_CLOSE(nearest[j], want->at[3 * j + 1], 3e-7 * want->at[3 * j + 1]);
            CHECK_CLOSE(second[j], want->at[3 * j + 2], 3e-7 * want->at[3 * j + 2]);
        }
        CHECK_FAILS(pyr_nearest_vectors(&found, b.n, b.at, 1, a.at, a.d, NULL), PYR_E_ARG, "it needs 2");
        a.at[0] = NAN; /* one vector fewer */
        CHECK_OK(pyr_nearest_vectors(&found, b.n, b.at, a.n, a.at, a.d, NULL));
        b.at[0] = NAN;
        CHECK_FAILS(pyr_nearest_vectors(&found, b.n, b.at, a.n, a.at, a.d, NULL), PYR_E_NUMERIC, "sample 0");
        free(a.at);
        free(b.at);
    }
}

/* Copies are at distance 0, of two alike the first counts; the ratio's edge does not. */
static void memorised(void)
{
    float *train = normal_vectors(50, 7, 1, 1000, 1), nearest[3], second[3];
    float by_hand[4] = {1, 1, 0, 2}, twice[4] = {3.5f, 3, 0, 2};
    int64_t index[3];
    pyr_neighbours found = {index, nearest, second};

    memcpy(train + 30 * 7, train + 10 * 7, 7 * sizeof *train);
    CHECK_OK(pyr_nearest_vectors(&found, 3, train + 9 * 7, 50, train, 7, NULL));
    CHECK(index[0] == 9 && index[1] == 10 && index[2] == 11);
    CHECK(nearest[0] == 0 && nearest[1] == 0 && second[0] > 0 && second[1] == 0);
    CHECK_CLOSE(pyr_memorised(3, nearest, second, 1.0 / 3), 1, 0);
    CHECK_CLOSE(pyr_memorised(4, by_hand, twice, 1.0 / 3), 0.5, 0);
    CHECK(pyr_memorised(0, by_hand, twice, 1.0 / 3) == 0);
    free(train);
}

/* ---- Inception Score ------------------------------------------------------------------------------ */

static void inception_score(void)
{
    vectors z = floats("", "logits");
    const golden *want = find("", "inception-score");
    float one_each[5 * 5] = {0}, equal[5 * 5] = {0};
    double mean, std;

    for (int i = 0; i < 2; i++) {
        CHECK_OK(pyr_inception_score(&mean, &std, z.n, z.at, z.d, i == 0 ? 1 : 4, NULL));
        CHECK_CLOSE(mean, want->at[2 * i], 1e-12);
        CHECK_CLOSE(std, want->at[2 * i + 1], 1e-12);
    }
    /* certain, every class once: as many as classes (also where other probabilities are 0); uncertain: 1 */
    for (int i = 0; i < 5; i++)
        one_each[6 * i] = 2000;
    CHECK_OK(pyr_inception_score(&mean, &std, 5, one_each, 5, 1, NULL));
    CHECK_CLOSE(mean, 5, 1e-12);
    CHECK_OK(pyr_inception_score(&mean, &std, 5, equal, 5, 1, NULL));
    CHECK_CLOSE(mean, 1, 1e-12);
    CHECK_FAILS(pyr_inception_score(&mean, &std, 5, equal, 5, 6, NULL), PYR_E_ARG, "6 parts");
    CHECK_STATUS(pyr_inception_score(&mean, &std, 5, equal, 5, 0, NULL), PYR_E_ARG);
    equal[7] = NAN;
    CHECK_STATUS(pyr_inception_score(&mean, &std, 5, equal, 5, 1, NULL), PYR_E_NUMERIC);
    free(z.at);
}

/* Of 1500 images the score in 10 parts is the same in whatever order they come; sorted by class and left so,
 * each part is of one class. */
static void score_of_a_shuffle(void)
{
    enum { N = 1500, CLASSES = 5, BYTES = 12 };
    uint8_t images[2][N * BYTES];
    float logits[2][N * CLASSES];
    int64_t order[2][N];
    bool met[N] = {false};
    double mean[2], std[2], sorted, sorted_std;

    for (int i = 0; i < N; i++) {
        int at = (int)((int64_t)i * 7 % N), label = i / (N / CLASSES); /* 7 and 1500 have no common factor */

        for (int j = 0; j < BYTES; j++)
            images[0][i * BYTES + j] = (uint8_t)(i * 31 + j * (i % 97));
        for (int c = 0; c < CLASSES; c++)
            logits[0][i * CLASSES + c] = (c == label ? 6 : 0) + (float)(i % 13) / 13 * (float)c;
        memcpy(&images[1][at * BYTES], &images[0][i * BYTES], BYTES);
        memcpy(&logits[1][at * CLASSES], &logits[0][i * CLASSES], CLASSES * sizeof(float));
    }
    for (int i = 0; i < 2; i++) {
        CHECK_OK(pyr_shuffle_by_content(order[i], N, images[i], BYTES, 1));
        CHECK_OK(pyr_inception_score(&mean[i], &std[i], N, logits[i], CLASSES, 10, order[i]));
    }
    for (int i = 0; i < N; i++)
        met[order[0][i]] = true;
    for (int i = 0; i < N; i++)
        CHECK(met[i]);
    CHECK(mean[0] == mean[1] && std[0] == std[1]);
    CHECK_OK(pyr_inception_score(&sorted, &sorted_std, N, logits[0], CLASSES, 10, NULL));
    CHECK(sorted < 1.5 && mean[0] > 3.5);
    CHECK_OK(pyr_shuffle_by_content(order[1], N, images[0], BYTES, 2)); /* another seed, another order */
    CHECK(memcmp(order[0], order[1], sizeof order[0]) != 0);
}

/* ---- images --------------------------------------------------------------------------------------- */

typedef struct image_row {
    const char *name;
    int h, w, c;
} image_row;
static const image_row image_sets[] = {{"colour", 15, 14, 3}, {"grey", 5, 16, 1}};

static void spectrum_golden(void)
{
    for (int i = 0; i < 2; i++) {
        image_row r = image_sets[i];
        pyr_pixels_set a = pixels(r.name, "/a", r.h, r.w, r.c), b = pixels(r.name, "/b", r.h, r.w, r.c);
        const golden *want = find(r.name, "/spectrum");
        size_t n = (size_t)a.n * (size_t)(a.h * a.w * a.c);
        float *values = memory(n, sizeof *values);
        double power[16], got;
        pyr_spectrum *s;

        for (size_t j = 0; j < n; j++)
            values[j] = (float)(2 * a.pixels[j] - 255) / 256;
        CHECK(pyr_spectrum_bins(r.h, r.w) == want->cols);
        CHECK_OK(pyr_spectrum_new(&s, r.h, r.w, r.c));
        pyr_spectrum_add(s, 1, values); /* in two portions */
        pyr_spectrum_add(s, a.n - 1, values + r.h * r.w * r.c);
        pyr_spectrum_mean(s, power);
        for (int j = 0; j < want->cols; j++)
            CHECK_CLOSE(power[j], want->at[j], 1e-12);
        pyr_spectrum_free(s);
        CHECK_OK(pyr_spectrum_distance(&got, &a, &b));
        CHECK_CLOSE(got, find(r.name, "/spectrum-distance")->at[0], 1e-12);
        CHECK_OK(pyr_spectrum_distance(&got, &a, &a));
        CHECK(got == 0);
        CHECK_OK(pyr_colour_drift(&got, &a, &b));
        CHECK_CLOSE(got, find(r.name, "/drift")->at[0], 1e-14);
        CHECK_OK(pyr_colour_drift(&got, &a, &a));
        CHECK(got == 0);
        free(values);
        pixels_free(&a);
        pixels_free(&b);
    }
}

/* A wave along one axis has all its power (h w / 4 at each of two frequencies) in its own bin. */
static void spectrum_of_a_wave(void)
{
    enum { H = 16, W = 24 };
    float image[H * W];
    double power[H / 2 + 1], sum = 0;
    pyr_spectrum *s;

    for (int i = 0; i < H * W; i++)
        image[i] = (float)cos(2 * 3.14159265358979323846 * 3 * (i / W) / H);
    CHECK_OK(pyr_spectrum_new(&s, H, W, 1));
    pyr_spectrum_mean(s, power);
    CHECK(power[0] == 0 && power[3] == 0);
    pyr_spectrum_add(s, 1, image);
    pyr_spectrum_mean(s, power);
    /* of bin 3's frequencies: ky^2 + (2/3 kx)^2 from 2.5^2 to 3.5^2 */
    for (int ky = -7; ky <= 8; ky++)
        for (int kx = -11; kx <= 12; kx++) {
            double radius = sqrt(ky * ky + kx * kx * 4.0 / 9);

            sum += radius >= 2.5 && radius < 3.5;
        }
    CHECK_CLOSE(power[3], 2 * (H * W / 4.0) / sum, 1e-5);
    for (int b = 0; b <= H / 2; b++)
        CHECK(b == 3 || power[b] < 1e-9);
    pyr_spectrum_free(s);
    CHECK_STATUS(pyr_spectrum_new(&s, 0, 4, 1), PYR_E_SHAPE);
    CHECK(!s);
    pyr_spectrum_free(NULL);
}

static void sliced_wasserstein_golden(void)
{
    for (int i = 0; i < 2; i++) {
        image_row r = image_sets[i];
        pyr_pixels_set a = pixels(r.name, "/a", r.h, r.w, r.c), b = pixels(r.name, "/b", r.h, r.w, r.c);
        const golden *want = find(r.name, "/swd");
        double got[PYR_SWD_LEVELS];
        int levels = 0;

        CHECK_OK(pyr_sliced_wasserstein(got, &levels, &a, &b, SEED, NULL));
        CHECK(levels == want->cols);
        for (int l = 0; l < levels && l < want->cols; l++)
            CHECK_CLOSE(got[l], want->at[l], 1e-5 * want->at[l]);
        CHECK_OK(pyr_sliced_wasserstein(got, &levels, &a, &a, SEED, NULL));
        for (int l = 0; l < levels; l++)
            CHECK(got[l] == 0);
        pixels_free(&a);
        pixels_free(&b);
    }
}

/* Brightness and contrast are taken out; pictures without any give 0, not NaN. */
static void sliced_wasserstein_normalises(void)
{
    pyr_pixels_set a = noise_pixels(6, 14, 13, 2, 1), b = a, flat = a;
    size_t n = 6 * 14 * 13 * 2;
    uint8_t *dark = memory(n, 1), *grey = memory(n, 1);
    double got[PYR_SWD_LEVELS];
    int levels;

    for (size_t i = 0; i < n; i++) {
        ((uint8_t *)a.pixels)[i] &= 0xFE;
        dark[i] = a.pixels[i] / 2;
        grey[i] = 77;
    }
    b.pixels = dark;
    flat.pixels = grey;
    CHECK_OK(pyr_sliced_wasserstein(got, &levels, &a, &b, SEED, NULL));
    CHECK(levels == 2);
    CHECK_CLOSE(got[0], 0, 1e-3);
    CHECK_CLOSE(got[1], 0, 1e-3);
    CHECK_OK(pyr_sliced_wasserstein(got, &levels, &flat, &flat, SEED, NULL));
    CHECK(got[0] == 0 && got[1] == 0);
    free(dark);
    free(grey);
    pixels_free(&a);
}

static void images_that_do_not_fit(void)
{
    pyr_pixels_set a = noise_pixels(2, 4, 6, 1, 1), b = a, none = a, thin = a;
    double got[PYR_SWD_LEVELS];
    int levels;

    b.h = 6;
    b.w = 4;
    none.n = 0;
    thin.h = 1;
    CHECK_FAILS(pyr_sliced_wasserstein(got, &levels, &a, &b, SEED, NULL), PYR_E_SHAPE, "6x4x1 and of 4x6x1");
    CHECK_FAILS(pyr_spectrum_distance(got, &a, &b), PYR_E_SHAPE, "6x4x1 and of 4x6x1");
    CHECK_FAILS(pyr_colour_drift(got, &a, &b), PYR_E_SHAPE, "6x4x1 and of 4x6x1");
    CHECK_STATUS(pyr_sliced_wasserstein(got, &levels, &a, &none, SEED, NULL), PYR_E_ARG);
    CHECK_STATUS(pyr_spectrum_distance(got, &none, &a), PYR_E_ARG);
    CHECK_STATUS(pyr_colour_drift(got, &a, &none), PYR_E_ARG);
    CHECK_FAILS(pyr_spectrum_distance(got, &thin, &thin), PYR_E_SHAPE, "no frequencies");
    CHECK_OK(pyr_sliced_wasserstein(got, &levels, &thin, &thin, SEED, NULL)); /* patches of 1x6 */
    pixels_free(&a);
}

/* ---- threads and memory --------------------------------------------------------------------------- */

typedef struct figures {
    double kid, kid_std, precision, recall, swd[PYR_SWD_LEVELS];
    int levels;
    int64_t index[500];
    float nearest[500], second[500];
} figures;

/* Everything that a pool works on; 500 rows are three tasks. */
static pyr_status compute(figures *f, const float *a, const float *b, const pyr_pixels_set *p,
                          const pyr_pixels_set *q, pyr_pool *pool)
{
    memset(f, 0, sizeof *f);
    PYR_TRY(pyr_kid(&f->kid, &f->kid_std, 500, a, 450, b, 5, 7, 60, 3, pool));
    PYR_TRY(pyr_precision_recall(&f->precision, &f->recall, 450, b, 500, a, 5, 3, pool));
    PYR_TRY(pyr_nearest_vectors(&(pyr_neighbours){f->index, f->nearest, f->second}, 500, a, 450, b, 5, pool));
    return pyr_sliced_wasserstein(f->swd, &f->levels, p, q, 3, pool);
}

/* ---- two sets told apart -------------------------------------------------------------------------- */

/* Normal scores: area Phi(d / sqrt 2); against all pairs, ties counting half; the curve rises from (0, 0) to (1, 1). */
static void receiver_operating_characteristic(void)
{
    enum { IN = 700, OUT = 500 };
    static double in[IN], out[OUT];
    static pyr_roc_point points[IN + OUT + 1];
    size_t n;
    double area, pairs_won = 0;

    for (int i = 0; i < IN + OUT; i++) {
        float four[4];

        pyr_normal4(SEED, 0, (uint32_t)i, 0, 1, four);
        if (i < IN)
            in[i] = (double)four[0] + 1;
        else
            out[i - IN] = (double)four[0];
    }
    CHECK_OK(pyr_roc(points, &n, &area, in, IN, out, OUT));
    CHECK(n == IN + OUT + 1);
    CHECK_CLOSE(area, erfc(-0.5) / 2, 0.04);
    for (int i = 0; i < IN; i++)
        in[i] = round(4 * in[i]) / 4; /* ties */
    for (int j = 0; j < OUT; j++)
        out[j] = round(4 * out[j]) / 4;
    for (int i = 0; i < IN; i++)
        for (int j = 0; j < OUT; j++)
            pairs_won += in[i] > out[j] ? 1 : in[i] == out[j] ? 0.5 : 0;
    CHECK_OK(pyr_roc(points, &n, &area, in, IN, out, OUT));
    CHECK_CLOSE(area, pairs_won / ((double)IN * OUT), 1e-12);
    CHECK(n < 100 && points[0].outliers == 0 && points[0].inliers == 0 && points[n - 1].outliers == 1 &&
          points[n - 1].inliers == 1);
    for (size_t i = 1; i < n; i++)
        CHECK(points[i].outliers >= points[i - 1].outliers && points[i].inliers >= points[i - 1].inliers);
    CHECK_OK(pyr_roc(points, &n, &area, (double[]){3, INFINITY}, 2, (double[]){1, -INFINITY}, 2));
    CHECK(area == 1);
    CHECK_FAILS(pyr_roc(points, &n, &area, (double[]){NAN}, 1, (double[]){1}, 1), PYR_E_NUMERIC,
                "not a number");
}

static void same_for_all_threads(void)
{
    float *a = normal_vectors(500, 5, 1, 0, 1), *b = normal_vectors(450, 5, 1.2, 0.1, 2);
    pyr_pixels_set p = noise_pixels(5, 14, 13, 1, 1), q = noise_pixels(7, 14, 13, 1, 2);
    figures one, many;

    CHECK_OK(compute(&one, a, b, &p, &q, NULL));
    CHECK(one.levels == 2 && one.precision > 0.5 && one.kid_std > 0 && one.swd[1] > 0);
    for (int lanes = 1; lanes <= 3; lanes++) {
        pyr_pool *pool;

        CHECK_OK(pyr_pool_new(&pool, lanes, NULL));
        CHECK_OK(compute(&many, a, b, &p, &q, pool));
        CHECK(memcmp(&one, &many, sizeof one) == 0);
        pyr_pool_free(pool);
    }
    free(a);
    free(b);
    pixels_free(&p);
    pixels_free(&q);
}

/* Every allocation fails once: a status, and nothing left behind. */
static void memory_runs_out(void)
{
    float *a = normal_vectors(500, 5, 1, 0, 1), *b = normal_vectors(450, 5, 1.2, 0.1, 2);
    pyr_pixels_set p = noise_pixels(1, 14, 13, 1, 1), q = noise_pixels(1, 14, 13, 1, 2);
    size_t before = pyr_mem().live_blocks;
    pyr_status status = PYR_E_NOMEM;
    figures f;

    for (long n = 0; status == PYR_E_NOMEM && n < 200; n++) {
        pyr_moments m = {0};
        double distance;

        pyr_mem_fail_after(n);
        status = pyr_moments_new(&m, 450, 5, b);
        if (status == PYR_OK)
            status = pyr_frechet(&distance, &m, &m);
        pyr_moments_free(&m);
        if (status == PYR_OK)
            status = pyr_spectrum_distance(&distance, &p, &q);
        if (status == PYR_OK)
            status = pyr_inception_score(&distance, &distance, 500, a, 5, 2, NULL);
        if (status == PYR_OK)
            status = compute(&f, a, b, &p, &q, NULL);
        pyr_mem_fail_after(-1);
        CHECK(status == PYR_OK || (status == PYR_E_NOMEM && n < 199));
        CHECK(pyr_mem().live_blocks == before);
    }
    CHECK(status == PYR_OK);
    free(a);
    free(b);
    pixels_free(&p);
    pixels_free(&q);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    read_golden();
    RUN(moments_golden);
    RUN(frechet_golden);
    RUN(frechet_closed_form);
    RUN(moments_files);
    RUN(no_covariances);
    RUN(no_statistics);
    RUN(pairs);
    RUN(kid_golden);
    RUN(kid_of_one_distribution);
    RUN(precision_recall_golden);
    RUN(precision_recall_extremes);
    RUN(nearest_golden);
    RUN(memorised);
    RUN(inception_score);
    RUN(score_of_a_shuffle);
    RUN(spectrum_golden);
    RUN(spectrum_of_a_wave);
    RUN(sliced_wasserstein_golden);
    RUN(sliced_wasserstein_normalises);
    RUN(images_that_do_not_fit);
    RUN(receiver_operating_characteristic);
    RUN(same_for_all_threads);
    RUN(memory_runs_out);
    for (int i = 0; i < n_blocks; i++)
        free(blocks[i].at);
    return CHECK_DONE();
}
