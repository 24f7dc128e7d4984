/* column_sums.cu - sums over rows, for gradients of biases and of vectors per image.
 *
 * Rows are dealt out to parts like cards: part p has rows p, p + parts, ...; so neighbouring threads read
 * neighbouring numbers whatever c is. The parts' sums are rows again, which are summed in the same way until
 * there is one. The order depends on the sizes alone. */
#include "kernels/cuda/cuda.h"

extern "C" {
#include "base/mem.h"
}

/* Threads that are worth starting, rows that are worth a thread, and how many parts a thread sums. */
enum { THREADS = 1 << 17, ROWS_OF_PART = 16, PARTS_OF_THREAD = 32 };

static size_t first_parts(size_t groups, size_t rows, size_t c)
{
    size_t wanted = THREADS / (groups * fours(c));
    size_t most = rows / ROWS_OF_PART;

    return wanted < 1 || most < 1 ? 1 : wanted < most ? wanted : most;
}

/* Sums of that many parts are made into those of so many; 1: the last pass. */
static size_t next_parts(size_t parts)
{
    return parts <= 2 * PARTS_OF_THREAD ? 1 : (parts + PARTS_OF_THREAD - 1) / PARTS_OF_THREAD;
}

/* out (groups x parts x c) of in (groups x rows x c); EACH: columns of a thread, 4 where rows begin at
 * multiples of 4, else 1. */
template <int EACH>
static __global__ void sums_kernel(numbers out, bool add, float scale, numbers in, size_t groups, size_t rows,
                                   size_t parts, size_t c)
{
    size_t across = c / EACH;

    PYR_EACH(t, groups * parts * across)
    {
        size_t column = t % across * EACH, part = t / across % parts, group = t / across / parts;
        float sum[4] = {0, 0, 0, 0};

        for (size_t r = part; r < rows; r += parts) {
            size_t at = (group * rows + r) * c + column;
            float v[4];

            if (EACH == 4)
                get4(in, at, 4, v);
            else
                v[0] = get(in, at);
            for (int j = 0; j < EACH; j++)
                sum[j] += v[j];
        }
        for (int j = 0; j < EACH; j++)
            put_or_add(out, (group * parts + part) * c + column + j, sum[j] * scale, add);
    }
}

size_t pyr_cuda_sums_bytes(size_t groups, size_t rows, size_t c)
{
    size_t bytes = 0;

    for (size_t parts = first_parts(groups, rows, c); parts > 1; parts = next_parts(parts))
        bytes += pyr_aligned(groups * parts * c * sizeof(float));
    return bytes;
}

static pyr_status one_pass(pyr_kernels *k, numbers out, bool add, float scale, numbers in, size_t groups,
                           size_t rows, size_t parts, size_t c)
{
    if (c % 4 == 0)
        return PYR_LAUNCH(k, sums_kernel<4>, groups * parts * (c / 4), out, add, scale, in, groups, rows,
                          parts, c);
    return PYR_LAUNCH(k, sums_kernel<1>, groups * parts * c, out, add, scale, in, groups, rows, parts, c);
}

pyr_status pyr_cuda_sums(pyr_kernels *k, float *out, bool add, float scale, numbers in, size_t groups,
                         size_t rows, size_t c, void *partial)
{
    char *room = (char *)partial;

    for (size_t parts = first_parts(groups, rows, c); parts > 1; parts = next_parts(parts)) {
        PYR_TRY(one_pass(k, floats(room), false, 1, in, groups, rows, parts, c));
        in = floats(room);
        rows = parts;
        room += pyr_aligned(groups * parts * c * sizeof(float));
    }
    return one_pass(k, floats(out), add, scale, in, groups, rows, 1, c);
}

size_t pyr_cuda_column_bytes(size_t rows, int c)
{
    return pyr_cuda_sums_bytes(1, rows, (size_t)c);
}

pyr_status pyr_cuda_column_sums(pyr_kernels *k, float *out, bool add, numbers in, size_t rows, int c,
                                float *partial)
{
    return pyr_cuda_sums(k, out, add, 1, in, 1, rows, (size_t)c, partial);
}
