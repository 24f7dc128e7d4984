/* test_safetensors.c - tensors in files: read, written, refused when damaged. The witnesses: files that the
 * format's own library wrote (tests/golden/unet2d, made by diffusers 0.31.0), the IEEE formula of a half by
 * ldexp, the closed form of a noise schedule. */
#include "graph/safetensors.h"

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "tests/check.h"
#include <cjson/cJSON.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define GOLDEN "tests/golden/unet2d/"
#define ARRAY(a) (sizeof(a) / sizeof *(a))

/* ---- helpers ---- */

static char folder[256]; /* of this run */

static const char *at(const char *name)
{
    static char path[2][512];
    static int turn;

    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

/* A file in memory: length, header, `n` bytes of data that count up. */
static char *build(size_t *size, const char *header, size_t n)
{
    size_t length = strlen(header);
    char *bytes = pyr_calloc(8 + length + n, 1);

    *size = 8 + length + n;
    for (int i = 0; i < 8; i++)
        bytes[i] = (char)(length >> 8 * i);
    memcpy(bytes + 8, header, length);
    for (size_t i = 0; i < n; i++)
        bytes[8 + length + i] = (char)i;
    return bytes;
}

static pyr_status parse(const char *header, size_t n)
{
    pyr_safetensors *file;
    size_t size;
    char *bytes = build(&size, header, n);
    pyr_status status = pyr_safetensors_parse(&file, bytes, size, "x.safetensors");

    if ((status == PYR_OK) != (file != NULL))
        CHECK_REPORT("status %d, but the file is %s", status, file ? "given" : "NULL");
    pyr_safetensors_free(file);
    pyr_free(bytes);
    return status;
}

static char *read_golden(size_t *size, const char *path)
{
    char *bytes;

    CHECK_OK(pyr_file_read(&bytes, size, path, 1 << 20));
    return bytes;
}

static size_t data_start(const char *bytes)
{
    size_t length = 0;

    for (int i = 0; i < 8; i++)
        length |= (size_t)(unsigned char)bytes[i] << 8 * i;
    return 8 + length;
}

/* ---- golden files ---- */

static void golden_model(void)
{
    pyr_safetensors *file;
    const pyr_st_tensor *tensor;
    float weights[216];
    double wide[216];
    unsigned char raw[864];

    CHECK_OK(pyr_safetensors_open(&file, GOLDEN "ddpm_like/diffusion_pytorch_model.safetensors"));
    if (!file)
        return;
    CHECK_STRING(pyr_safetensors_metadata(file, "format"), "pt");
    CHECK(!pyr_safetensors_metadata(file, "Format") && !pyr_safetensors_find(file, "__metadata__"));
    tensor = pyr_safetensors_find(file, "conv_in.weight");
    CHECK(tensor && tensor->dtype == PYR_ST_F32 && tensor->rank == 4 && tensor->count == 216);
    CHECK(tensor && tensor->dims[0] == 8 && tensor->dims[1] == 3 && tensor->dims[2] == 3 &&
          tensor->dims[3] == 3);
    CHECK(tensor && tensor->dims[4] == 1 && tensor->begin == 32 && tensor->end == 896);
    CHECK(!pyr_safetensors_find(file, "conv_in") && !pyr_safetensors_find(file, ""));
    for (size_t i = 1; i < pyr_safetensors_count(file); i++)
        CHECK(strcmp(pyr_safetensors_at(file, i - 1)->name, pyr_safetensors_at(file, i)->name) < 0);
    for (size_t i = 0; i < pyr_safetensors_count(file); i++)
        CHECK(pyr_safetensors_find(file, pyr_safetensors_at(file, i)->name) == pyr_safetensors_at(file, i));
    if (tensor) {
        double most = 0;

        CHECK_OK(pyr_safetensors_read_f32(file, tensor, weights, 216));
        CHECK_OK(pyr_safetensors_read_f64(file, tensor, wide, 216));
        CHECK_OK(pyr_safetensors_read_bytes(file, tensor, raw, sizeof raw));
        CHECK(memcmp(raw, weights, sizeof raw) == 0);
        for (int i = 0; i < 216; i++) {
            CHECK((float)wide[i] == weights[i]);
            most = fmax(most, fabs(wide[i]));
        }
        /* torch draws from U(-1/sqrt(27), 1/sqrt(27)) */
        CHECK(most <= 1 / sqrt(27) && most > 0.9 / sqrt(27));
        CHECK_FAILS(pyr_safetensors_read_f32(file, tensor, weights, 215), PYR_E_SHAPE,
                    "\"conv_in.weight\": has 216 elements, should have 215");
        CHECK_FAILS(pyr_safetensors_read_bytes(file, tensor, raw, 863), PYR_E_SHAPE,
                    "864 bytes, should have 863");
        CHECK_FAILS(pyr_safetensors_read_i64(file, tensor, (int64_t *)(void *)wide, 216), PYR_E_FORMAT,
                    "dtype is F32, should be I64");
    }
    pyr_safetensors_free(file);
}

static void golden_schedulers(void)
{
    static const char *const name = GOLDEN "schedulers.safetensors";
    pyr_safetensors *file;
    const pyr_st_tensor *tensor;
    int64_t steps[10];
    float alphas[1000];
    double product = 1;

    CHECK_OK(pyr_safetensors_open(&file, name));
    if (!file)
        return;
    tensor = pyr_safetensors_find(file, "timesteps.leading.10");
    CHECK(tensor && tensor->dtype == PYR_ST_I64 && tensor->rank == 1);
    if (tensor) {
        CHECK_OK(pyr_safetensors_read_i64(file, tensor, steps, 10));
        for (int i = 0; i < 10; i++)
            CHECK(steps[i] == 900 - 100 * i);
        CHECK_FAILS(pyr_safetensors_read_f32(file, tensor, alphas, 10), PYR_E_FORMAT,
                    "dtype is I64, should be F32");
    }
    tensor = pyr_safetensors_find(file, "alphas_cumprod.linear");
    CHECK(tensor && tensor->count == 1000);
    if (tensor) {
        CHECK_OK(pyr_safetensors_read_f32(file, tensor, alphas, 1000));
        for (int i = 0; i < 1000; i++) {
            product *= 1 - (1e-4 + (0.02 - 1e-4) * i / 999);
            CHECK_CLOSE(alphas[i], product, 2e-6);
        }
    }
    CHECK(!pyr_safetensors_metadata(file, "format"));
    pyr_safetensors_free(file);
}

/* Write what was read: the same data section, and the same header as JSON. */
static void rewrite(const char *path)
{
    pyr_safetensors *file;
    pyr_st_entry *entries;
    char *before, *after, *data;
    size_t n, m, start_n, start_m;
    pyr_json_value *one = NULL, *two = NULL;

    before = read_golden(&n, path);
    if (!before)
        return;
    start_n = data_start(before);
    CHECK_OK(pyr_safetensors_open(&file, path));
    size_t count = pyr_safetensors_count(file);
    CHECK_OK(pyr_new(&entries, count, sizeof *entries, "entries"));
    CHECK_OK(pyr_new(&data, n, 1, "data"));
    for (size_t i = 0; i < count; i++) {
        /* backwards: the writer sorts */
        const pyr_st_tensor *tensor = pyr_safetensors_at(file, count - 1 - i);

        CHECK_OK(pyr_safetensors_read_bytes(file, tensor, data + tensor->begin, tensor->end - tensor->begin));
        entries[i] = (pyr_st_entry){
            .name = tensor->name, .dtype = tensor->dtype, .rank = tensor->rank, .data = data + tensor->begin};
        memcpy(entries[i].dims, tensor->dims, sizeof tensor->dims);
    }
    CHECK_OK(pyr_safetensors_write(at("again.safetensors"), entries, count, NULL, 0));
    after = read_golden(&m, at("again.safetensors"));
    if (after) {
        start_m = data_start(after);
        CHECK(start_m % 8 == 0);
        CHECK(n - start_n == m - start_m && memcmp(before + start_n, after + start_m, n - start_n) == 0);
        CHECK_OK(pyr_json_parse(&one, before + 8, start_n - 8, path));
        CHECK_OK(pyr_json_parse(&two, after + 8, start_m - 8, "again"));
        cJSON_DeleteItemFromObject(cJSON_GetObjectItem(two, "__metadata__"), "pyrdiff_xxh3");
        if (!cJSON_GetObjectItem(one, "__metadata__"))
            cJSON_DeleteItemFromObject(two, "__metadata__");
        CHECK(cJSON_Compare(one, two, 1));
    }
    pyr_json_free(one);
    pyr_json_free(two);
    pyr_safetensors_free(file);
    pyr_free(entries);
    pyr_free(data);
    pyr_free(before);
    pyr_free(after);
}

static void rewrite_golden(void)
{
    rewrite(GOLDEN "ddpm_like/diffusion_pytorch_model.safetensors");
    rewrite(GOLDEN "ddpm_like_legacy_names/diffusion_pytorch_model.safetensors");
    rewrite(GOLDEN "scale_shift_classes/diffusion_pytorch_model.safetensors");
    rewrite(GOLDEN "scale_shift_classes/io.safetensors");
    rewrite(GOLDEN "schedulers.safetensors"); /* I64 and F32 mixed */
}

/* ---- round trip ---- */

static void round_trip(void)
{
    static const uint8_t u8[3] = {0, 128, 255};
    static const int32_t i32[2] = {INT32_MIN, INT32_MAX};
    static const uint32_t u32[2] = {0, UINT32_MAX};
    static const int64_t i64[2] = {INT64_MIN, INT64_MAX};
    static const float f32[6] = {-0.0f, 1e-45f, 3.4028235e38f, INFINITY, -INFINITY, NAN};
    static const double f64 = 0.1;
    static const uint16_t f16[2] = {0x3c00, 0xc000}, bf16[2] = {0x3f80, 0xc000};
    const pyr_st_entry entries[] = {
        {"u8", PYR_ST_U8, 1, {3}, u8},
        {"i32", PYR_ST_I32, 1, {2}, i32},
        {"u32", PYR_ST_U32, 2, {2, 1}, u32},
        {"i64", PYR_ST_I64, 1, {2}, i64},
        {"f32", PYR_ST_F32, 8, {1, 1, 1, 3, 1, 1, 2, 1}, f32},
        {"a scalar", PYR_ST_F64, 0, {0}, &f64},
        {"f16", PYR_ST_F16, 1, {2}, f16},
        {"bf16", PYR_ST_BF16, 1, {2}, bf16},
        {"empty", PYR_ST_F32, 3, {2, 0, 5}, NULL},
        {"\"quoted\" \\ \n \xc3\xa9", PYR_ST_U8, 1, {1}, u8 + 1},
    };
    const pyr_st_pair pairs[] = {{"step", "12"}, {"note", "a \"b\"\t\xc3\xa9"}};
    pyr_safetensors *file;
    int64_t whole[3];
    float real[6];
    double wide[6];

    CHECK_OK(pyr_safetensors_write(at("all.safetensors"), entries, ARRAY(entries), pairs, ARRAY(pairs)));
    CHECK_OK(pyr_safetensors_open(&file, at("all.safetensors")));
    if (!file)
        return;
    CHECK(pyr_safetensors_count(file) == ARRAY(entries));
    CHECK_STRING(pyr_safetensors_metadata(file, "format"), "pt");
    CHECK_STRING(pyr_safetensors_metadata(file, "step"), "12");
    CHECK_STRING(pyr_safetensors_metadata(file, "note"), pairs[1].value);
    for (size_t i = 0; i < ARRAY(entries); i++) {
        const pyr_st_tensor *tensor = pyr_safetensors_find(file, entries[i].name);
        char bytes[64];

        CHECK(tensor && tensor->dtype == entries[i].dtype && tensor->rank == entries[i].rank);
        if (!tensor)
            continue;
        for (int d = 0; d < tensor->rank; d++)
            CHECK(tensor->dims[d] == entries[i].dims[d]);
        CHECK(tensor->begin % pyr_st_dtype_size(tensor->dtype) == 0);
        CHECK_OK(pyr_safetensors_read_bytes(file, tensor, bytes,
                                            tensor->count * pyr_st_dtype_size(tensor->dtype)));
        CHECK(!entries[i].data || memcmp(bytes, entries[i].data, tensor->end - tensor->begin) == 0);
    }
    CHECK_OK(pyr_safetensors_read_i64(file, pyr_safetensors_find(file, "u8"), whole, 3));
    CHECK(whole[0] == 0 && whole[1] == 128 && whole[2] == 255);
    CHECK_OK(pyr_safetensors_read_i64(file, pyr_safetensors_find(file, "i32"), whole, 2));
    CHECK(whole[0] == INT32_MIN && whole[1] == INT32_MAX);
    CHECK_OK(pyr_safetensors_read_i64(file, pyr_safetensors_find(file, "u32"), whole, 2));
    CHECK(whole[0] == 0 && whole[1] == UINT32_MAX);
    CHECK_OK(pyr_safetensors_read_i64(file, pyr_safetensors_find(file, "i64"), whole, 2));
    CHECK(whole[0] == INT64_MIN && whole[1] == INT64_MAX);
    CHECK_OK(pyr_safetensors_read_f32(file, pyr_safetensors_find(file, "f32"), real, 6));
    CHECK(memcmp(real, f32, sizeof f32) == 0);
    CHECK_OK(pyr_safetensors_read_f64(file, pyr_safetensors_find(file, "f32"), wide, 6));
    CHECK(signbit(wide[0]) && wide[1] == 0x1p-149 && isinf(wide[3]) && wide[4] < 0 && isnan(wide[5]));
    CHECK_OK(pyr_safetensors_read_f64(file, pyr_safetensors_find(file, "a scalar"), wide, 1));
    CHECK(wide[0] == 0.1);
    CHECK_OK(pyr_safetensors_read_f32(file, pyr_safetensors_find(file, "a scalar"), real, 1));
    CHECK(real[0] == 0.1f);
    CHECK_OK(pyr_safetensors_read_f32(file, pyr_safetensors_find(file, "empty"), real, 0));
    CHECK_FAILS(pyr_safetensors_read_f32(file, pyr_safetensors_find(file, "a scalar"), real, 0), PYR_E_SHAPE,
                "has 1 elements, should have 0");
    pyr_safetensors_free(file);

    /* Nothing at all is a valid file too. */
    CHECK_OK(pyr_safetensors_write(at("none.safetensors"), NULL, 0, NULL, 0));
    CHECK_OK(pyr_safetensors_open(&file, at("none.safetensors")));
    CHECK(file && pyr_safetensors_count(file) == 0 && !pyr_safetensors_find(file, "a"));
    pyr_safetensors_free(file);
}

/* Every 16-bit pattern, against the formulas of the formats. */
static void every_half(void)
{
    enum { N = 65536 };
    static float got[N];
    static double wide[N];
    static uint16_t bits[N];
    pyr_safetensors *file;

    for (int i = 0; i < N; i++)
        bits[i] = (uint16_t)i;
    const pyr_st_entry entries[] = {{"f16", PYR_ST_F16, 1, {N}, bits},
                                    {"bf16", PYR_ST_BF16, 2, {N / 2, 2}, bits}};
    CHECK_OK(pyr_safetensors_write(at("half.safetensors"), entries, 2, NULL, 0));
    CHECK_OK(pyr_safetensors_open(&file, at("half.safetensors")));
    if (!file)
        return;
    for (int type = 0; type < 2; type++) {
        int exponent_bits = type ? 8 : 5, fraction_bits = 15 - exponent_bits;
        int bias = (1 << (exponent_bits - 1)) - 1, all = (1 << exponent_bits) - 1;
        const pyr_st_tensor *tensor = pyr_safetensors_find(file, entries[type].name);

        CHECK_OK(pyr_safetensors_read_f32(file, tensor, got, N));
        CHECK_OK(pyr_safetensors_read_f64(file, tensor, wide, N));
        for (int i = 0; i < N; i++) {
            int exponent = i >> fraction_bits & all, fraction = i & ((1 << fraction_bits) - 1);
            double wanted = exponent ? ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits)
                                     : ldexp(fraction, 1 - bias - fraction_bits);

            if (exponent == all)
                wanted = fraction ? NAN : INFINITY;
            if (i >> 15)
                wanted = -wanted;
            if (isnan(wanted)
                    ? !isnan(got[i]) || !isnan(wide[i])
                    : (double)got[i] != wanted || wide[i] != wanted || !signbit(got[i]) != !(i >> 15))
                CHECK_REPORT("%s 0x%04x gave %.9g, %.9g, wanted %.9g", entries[type].name, (unsigned)i,
                             got[i], wide[i], wanted);
        }
    }
    pyr_safetensors_free(file);
}

/* ---- corruption ---- */

#define T "\"dtype\":\"F32\",\"shape\":[2]"

static void bad_headers(void)
{
    static const struct {
        const char *header;
        size_t data;
        pyr_status status;
        const char *part;
    } bad[] = {
        {"{}", 1, PYR_E_FORMAT, "end at byte 0 of the data, 1 bytes follow"},
        {"[]", 0, PYR_E_FORMAT, "does not begin with {"},
        {" {}", 0, PYR_E_FORMAT, "does not begin with {"},
        {"{\"a\":", 0, PYR_E_FORMAT, "not valid JSON"},
        {"{} x", 0, PYR_E_FORMAT, "text after the JSON"},
        {"{\"a\":1}", 0, PYR_E_FORMAT, "tensor \"a\": is not an object"},
        {"{\"a\":{}}", 0, PYR_E_FORMAT, "dtype is missing"},
        {"{\"a\":{\"dtype\":5}}", 0, PYR_E_FORMAT, "dtype is missing or not a string"},
        {"{\"a\":{\"DTYPE\":\"F32\"}}", 0, PYR_E_FORMAT, "dtype is missing"},
        {"{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2, PYR_E_UNSUPPORTED,
         "x.safetensors: tensor \"a\": dtype is \"F8_E4M3\", offered are F32"},
        {"{\"a\":{\"dtype\":\"f32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, PYR_E_UNSUPPORTED, "\"f32\""},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, PYR_E_FORMAT, "shape is missing"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}}", 8, PYR_E_FORMAT, "not a list"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2,-1],\"data_offsets\":[0,8]}}", 8, PYR_E_FORMAT, "shape[1]"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,8]}}", 8, PYR_E_FORMAT, "shape[0]"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[\"2\"],\"data_offsets\":[0,8]}}", 8, PYR_E_FORMAT, "shape[0]"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1e400],\"data_offsets\":[0,8]}}", 8, PYR_E_FORMAT, "shape[0]"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[18446744073709551618],\"data_offsets\":[0,8]}}", 8,
         PYR_E_FORMAT, "shape[0] is not a whole number"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,2],\"data_offsets\":[0,0]}}", 0,
         PYR_E_FORMAT, "overflows"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,1073741824],\"data_offsets\":[0,0]}}", 0,
         PYR_E_FORMAT, "has 0 bytes"}, /* 2^62 * 4 overflows to 0 */
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,2],\"data_offsets\":[0,8]}}", 8,
         PYR_E_UNSUPPORTED, "more than 8 dimensions"},
        {"{\"a\":{" T "}}", 8, PYR_E_FORMAT, "data_offsets are not two"},
        {"{\"a\":{" T ",\"data_offsets\":[0]}}", 8, PYR_E_FORMAT, "data_offsets are not two"},
        {"{\"a\":{" T ",\"data_offsets\":[0,8,8]}}", 8, PYR_E_FORMAT, "data_offsets are not two"},
        {"{\"a\":{" T ",\"data_offsets\":[0,\"8\"]}}", 8, PYR_E_FORMAT, "data_offsets are not two"},
        {"{\"a\":{" T ",\"data_offsets\":[-8,0]}}", 8, PYR_E_FORMAT, "data_offsets are not two"},
        {"{\"a\":{" T ",\"data_offsets\":{\"a\":0,\"b\":8}}}", 8, PYR_E_FORMAT, "data_offsets are not two"},
        {"{\"a\":{" T ",\"data_offsets\":[8,0]}}", 8, PYR_E_FORMAT, "[8, 0]"},
        {"{\"a\":{" T ",\"data_offsets\":[0,8]}}", 7, PYR_E_FORMAT, "7 bytes of data; is it cut off"},
        {"{\"a\":{" T ",\"data_offsets\":[9007199254740984,9007199254740992]}}", 8, PYR_E_FORMAT,
         "8 bytes of data"},
        {"{\"a\":{" T ",\"data_offsets\":[0,4]}}", 4, PYR_E_FORMAT, "has 4 bytes"},
        {"{\"a\":{" T ",\"data_offsets\":[0,8]}}", 9, PYR_E_FORMAT, "1 bytes follow"},
        {"{\"a\":{" T ",\"data_offsets\":[4,12]}}", 12, PYR_E_FORMAT,
         "begins at byte 4 of the data, after a hole at 0"},
        {"{\"a\":{" T ",\"data_offsets\":[0,8]},\"b\":{" T ",\"data_offsets\":[4,12]}}", 12, PYR_E_FORMAT,
         "tensor \"b\": overlaps tensor \"a\""},
        {"{\"a\":{" T ",\"data_offsets\":[0,8]},\"b\":{" T ",\"data_offsets\":[0,8]}}", 8, PYR_E_FORMAT,
         "overlaps"},
        {"{\"b\":{" T ",\"data_offsets\":[16,24]},\"a\":{" T ",\"data_offsets\":[0,8]}}", 24, PYR_E_FORMAT,
         "tensor \"b\": begins at byte 16"},
        {"{\"a\":{" T ",\"data_offsets\":[0,8]},\"a\":{" T ",\"data_offsets\":[8,16]}}", 16, PYR_E_FORMAT,
         "\"a\" stands twice"},
        {"{\"a\":{" T "," T ",\"data_offsets\":[0,8]}}", 8, PYR_E_FORMAT, "stands twice"},
        {"{\"__metadata__\":[]}", 0, PYR_E_FORMAT, "__metadata__ is not an object"},
        {"{\"__metadata__\":{\"a\":1}}", 0, PYR_E_FORMAT, "__metadata__ \"a\" is not a string"},
        {"{\"__metadata__\":{\"a\":\"b\",\"a\":\"c\"}}", 0, PYR_E_FORMAT, "stands twice"},
        {"{\"a\\u0000b\":{" T ",\"data_offsets\":[0,8]}}", 8, PYR_E_FORMAT, "a zero character"},
    };

    for (size_t i = 0; i < ARRAY(bad); i++) {
        pyr_error_set("");
        if (parse(bad[i].header, bad[i].data) != bad[i].status || !strstr(pyr_error(), bad[i].part) ||
            !strstr(pyr_error(), "x.safetensors: "))
            CHECK_REPORT("%s: \"%s\", wanted \"%s\"", bad[i].header, pyr_error(), bad[i].part);
    }
    /* Neighbours of the above that are right. */
    CHECK_OK(parse("{}", 0));
    CHECK_OK(parse("{}   \n", 0));
    CHECK_OK(parse("{\"__metadata__\":{}}", 0));
    CHECK_OK(parse("{\"a\":{" T ",\"data_offsets\":[0,8],\"extra\":1}}", 8));
    CHECK_OK(parse("{\"b\":{" T ",\"data_offsets\":[8,16]},\"a\":{" T ",\"data_offsets\":[0,8]}}", 16));
    CHECK_OK(parse(
        "{\"b\":{" T
        ",\"data_offsets\":[0,8]},\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[8,8]},\"c\":{\"dtype\":\"U8\",\"shape\":[0,7],\"data_offsets\":[0,0]}}",
        8));
}

static void bad_lengths(void)
{
    static const struct {
        uint64_t length;
        const char *part;
    } bad[] = {
        {0, "2 to 100000000 can be"},
        {1, "2 to 100000000 can be"},
        {3, "its header has 3 bytes, only 2 follow"},
        {100000000, "only 2 follow"},
        {100000001, "2 to 100000000 can be"},
        {UINT64_MAX, "2 to 100000000 can be"},
        {UINT64_MAX - 7, "2 to 100000000 can be"},
    };
    pyr_safetensors *file;
    size_t size;
    char *bytes = build(&size, "{}", 0);

    for (size_t i = 0; i < ARRAY(bad); i++) {
        for (int b = 0; b < 8; b++)
            bytes[b] = (char)(bad[i].length >> 8 * b);
        CHECK_FAILS(pyr_safetensors_parse(&file, bytes, size, "x"), PYR_E_FORMAT, bad[i].part);
    }
    memcpy(bytes, "\2\0\0\0\0\0\0\0\0{", 10); /* a raw zero inside */
    CHECK_FAILS(pyr_safetensors_parse(&file, bytes, size, "x"), PYR_E_FORMAT, "does not begin");
    for (size_t n = 0; n < 8; n++)
        CHECK_FAILS(pyr_safetensors_parse(&file, bytes, n, "x"), PYR_E_FORMAT, "too few");
    CHECK_FAILS(pyr_safetensors_parse(&file, NULL, 0, "x"), PYR_E_FORMAT, "too few");
    CHECK_FAILS(pyr_safetensors_parse(&file, "PK\3\4\0\0\0\0\0\0\0", 11, "x"), PYR_E_FORMAT, "pickle");
    CHECK_FAILS(pyr_safetensors_parse(&file, "version https://git-lfs.", 24, "x"), PYR_E_FORMAT,
                "git lfs pull");
    CHECK_FAILS(pyr_safetensors_parse(&file, "<!DOCTYPE html>", 15, "x"), PYR_E_FORMAT, "web page");
    pyr_free(bytes);
}

/* No prefix of a file is a file, nor is one with a byte more. */
static void every_prefix(void)
{
    size_t size;
    char *bytes = read_golden(&size, GOLDEN "ddpm_like/io.safetensors");
    pyr_safetensors *file;
    pyr_status status;

    if (!bytes)
        return;
    for (size_t n = 0; n < size; n++) {
        char *part = malloc(n ? n : 1); /* exact, so that a sanitizer sees a byte too far */

        memcpy(part, bytes, n);
        status = pyr_safetensors_parse(&file, part, n, "x");
        if (status != PYR_E_FORMAT || file)
            CHECK_REPORT("%zu of %zu bytes gave %d", n, size, status);
        free(part);
    }
    CHECK_FAILS(pyr_safetensors_parse(&file, bytes, size + 1, "x"), PYR_E_FORMAT, "1 bytes follow");
    CHECK_OK(pyr_safetensors_parse(&file, bytes, size, "x"));
    pyr_safetensors_free(file);
    pyr_free(bytes);
}

static void bad_files(void)
{
    pyr_safetensors *file;
    const float ones[4] = {1, 1, 1, 1};
    const pyr_st_entry entry = {"a", PYR_ST_F32, 1, {4}, ones};
    float got[4];

    CHECK_FAILS(pyr_safetensors_open(&file, at("absent.safetensors")), PYR_E_IO,
                "absent.safetensors: No such file");
    CHECK_FAILS(pyr_safetensors_open(&file, folder), PYR_E_IO, "not a regular file");
    CHECK(mkfifo(at("pipe"), 0600) == 0);
    CHECK_FAILS(pyr_safetensors_open(&file, at("pipe")), PYR_E_IO, "not a regular file");
    CHECK_OK(pyr_file_replace(at("short"), "abc", 3));
    CHECK_FAILS(pyr_safetensors_open(&file, at("short")), PYR_E_FORMAT, "3 bytes are too few");

    CHECK_OK(pyr_safetensors_write(at("shrinks"), &entry, 1, NULL, 0));
    CHECK_OK(pyr_safetensors_open(&file, at("shrinks")));
    if (file) {
        const pyr_st_tensor *tensor = pyr_safetensors_find(file, "a");

        CHECK_OK(pyr_safetensors_read_f32(file, tensor, got, 4));
        CHECK(truncate(at("shrinks"), 80) == 0);
        CHECK_FAILS(pyr_safetensors_read_f32(file, tensor, got, 4), PYR_E_IO, "ended early");
    }
    pyr_safetensors_free(file);
}

/* ---- the checksum ---- */

enum { LARGE = PYR_ST_SMALL / 4 + 1 };

/* A file with a small tensor and one that only BODY covers. */
static const char *write_checked(void)
{
    static float large[LARGE];
    static const int64_t counters[3] = {7, 8, 9};
    const pyr_st_entry entries[] = {{"large", PYR_ST_F32, 1, {LARGE}, large},
                                    {"counters", PYR_ST_I64, 1, {3}, counters}};
    const pyr_st_pair pairs[] = {{"zebra", "last"}, {"apple", "first"}};

    for (int i = 0; i < LARGE; i++)
        large[i] = (float)i;
    CHECK_OK(pyr_safetensors_write(at("checked.safetensors"), entries, 2, pairs, 2));
    return at("checked.safetensors");
}

/* Whether two files say the same; the checksum itself aside. */
static bool same_content(const pyr_safetensors *a, const pyr_safetensors *b)
{
    const char *const keys[] = {"zebra", "apple", "format"};
    bool same = pyr_safetensors_count(a) == pyr_safetensors_count(b);

    for (size_t i = 0; i < ARRAY(keys) && same; i++) {
        const char *x = pyr_safetensors_metadata(a, keys[i]), *y = pyr_safetensors_metadata(b, keys[i]);

        same = x && y && strcmp(x, y) == 0;
    }
    for (size_t i = 0; i < pyr_safetensors_count(a) && same; i++) {
        static char of_a[4 * LARGE], of_b[4 * LARGE];
        const pyr_st_tensor *x = pyr_safetensors_at(a, i), *y = pyr_safetensors_at(b, i);
        size_t bytes = (size_t)(x->end - x->begin);

        same = strcmp(x->name, y->name) == 0 && x->dtype == y->dtype && x->rank == y->rank &&
               memcmp(x->dims, y->dims, sizeof x->dims) == 0 &&
               pyr_safetensors_read_bytes(a, x, of_a, bytes) == PYR_OK &&
               pyr_safetensors_read_bytes(b, y, of_b, bytes) == PYR_OK && memcmp(of_a, of_b, bytes) == 0;
    }
    return same;
}

/* Each single bit of a file: another value is an error, or says the same as before. */
static void every_bit(void)
{
    pyr_safetensors *whole, *file;
    size_t size, refused = 0;
    char *bytes, *good;

    CHECK_OK(pyr_file_read(&bytes, &size, write_checked(), 1 << 20));
    CHECK_OK(pyr_file_read(&good, &size, at("checked.safetensors"), 1 << 20));
    CHECK_OK(pyr_safetensors_parse(&whole, good, size, "good"));
    for (size_t bit = 0; bit < 8 * size && whole; bit++) {
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        if (pyr_safetensors_parse(&file, bytes, size, "flipped") != PYR_OK)
            refused++;
        else if (!same_content(whole, file))
            CHECK_REPORT("bit %zu of byte %zu is another: not found", bit % 8, bit / 8);
        pyr_safetensors_free(file);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
    }
    CHECK(refused >= 8 * (4 * LARGE + 24)); /* at least those of the data */
    pyr_safetensors_free(whole);
    pyr_free(bytes);
    pyr_free(good);
}

/* The sentence, and what the head alone covers. */
static void damage_is_named(void)
{
    pyr_safetensors *file;
    size_t size, start;
    char *bytes;

    CHECK_OK(pyr_file_read(&bytes, &size, write_checked(), 1 << 20));
    start = data_start(bytes);
    bytes[start] ^= 1; /* of counters, which stand before the F32 */
    CHECK_OK(pyr_file_replace(at("flipped"), bytes, size));
    CHECK_FAILS(pyr_safetensors_open(&file, at("flipped")), PYR_E_FORMAT, "flipped is damaged");
    CHECK_FAILS(pyr_safetensors_open_head(&file, at("flipped")), PYR_E_FORMAT, "pyrdiff_xxh3");
    bytes[start] ^= 1;
    bytes[size - 1] ^= 64;
    CHECK_OK(pyr_file_replace(at("flipped"), bytes, size));
    CHECK_FAILS(pyr_safetensors_open(&file, at("flipped")), PYR_E_FORMAT, "remove that key");
    CHECK_OK(pyr_safetensors_open_head(&file, at("flipped")));
    pyr_safetensors_free(file);
    pyr_free(bytes);
}

/* A file of this header and these data. */
static pyr_status parse_parts(const char *header, const void *data, size_t n)
{
    pyr_safetensors *file;
    pyr_text text = {0};
    uint64_t length = strlen(header);
    pyr_status status;

    pyr_text_add_bytes(&text, &length, 8);
    pyr_text_add_bytes(&text, header, (size_t)length);
    pyr_text_add_bytes(&text, data, n);
    status = pyr_safetensors_parse(&file, text.at, text.length, "again");
    pyr_safetensors_free(file);
    pyr_text_free(&text);
    return status;
}

/* Another program may save the same content in another order, with other spaces; without the key anything
 * goes. */
static void saved_again(void)
{
    static const char form[] = "{\"b\": {\"shape\": [1], \"dtype\": \"U8\", \"data_offsets\": [0, 1]},   "
                               "\"a\": {\"dtype\": \"U8\", \"shape\": [2], \"data_offsets\": [1, 3]}, "
                               "\"__metadata__\": {%s%s%s\"y\": \"2\", \"format\": \"pt\", \"x\": \"1\"}}";
    const pyr_st_entry entries[] = {{"a", PYR_ST_U8, 1, {2}, "pq"}, {"b", PYR_ST_U8, 1, {1}, "r"}};
    const pyr_st_pair pairs[] = {{"x", "1"}, {"y", "2"}};
    pyr_safetensors *file;
    char header[512], sum[64] = "";

    CHECK_OK(pyr_safetensors_write(at("first"), entries, 2, pairs, 2));
    CHECK_OK(pyr_safetensors_open(&file, at("first")));
    if (file)
        snprintf(sum, sizeof sum, "%s", pyr_safetensors_metadata(file, "pyrdiff_xxh3"));
    pyr_safetensors_free(file);
    CHECK(strlen(sum) == 33);
    snprintf(header, sizeof header, form, "\"pyrdiff_xxh3\": \"", sum, "\", ");
    CHECK_OK(parse_parts(header, "rpq", 3));
    CHECK_FAILS(parse_parts(header, "rpx", 3), PYR_E_FORMAT, "again is damaged");
    snprintf(header, sizeof header, form, "", "", "");
    CHECK_OK(parse_parts(header, "rpx", 3));
    snprintf(header, sizeof header, form, "\"pyrdiff_xxh3\": \"", "", "\", ");
    CHECK_FAILS(parse_parts(header, "rpq", 3), PYR_E_FORMAT, "again is damaged");
}

/* ---- writing ---- */

static void writer_refuses(void)
{
    const float x[2] = {0};
    const pyr_st_entry twice[] = {
        {"a", PYR_ST_F32, 1, {2}, x}, {"b", PYR_ST_F32, 1, {2}, x}, {"a", PYR_ST_U8, 0, {0}, x}};
    const pyr_st_entry reserved = {"__metadata__", PYR_ST_F32, 1, {2}, x},
                       unnamed = {"", PYR_ST_F32, 1, {2}, x};
    const pyr_st_entry negative = {"a", PYR_ST_F32, 2, {2, -1}, x}, deep = {"a", PYR_ST_F32, 9, {2}, x};
    const pyr_st_entry huge = {"a", PYR_ST_F32, 2, {INT64_MAX, 8}, x};
    const pyr_st_pair format = {"format", "np"}, pairs[] = {{"a", "1"}, {"a", "2"}};
    const pyr_st_pair checksum = {"pyrdiff_xxh3", "0"};
    const char *path = at("refused.safetensors");

    CHECK_FAILS(pyr_safetensors_write(path, twice, 3, NULL, 0), PYR_E_ARG, "\"a\" is given twice");
    CHECK_FAILS(pyr_safetensors_write(path, &reserved, 1, NULL, 0), PYR_E_ARG,
                "\"__metadata__\" is reserved");
    CHECK_FAILS(pyr_safetensors_write(path, &unnamed, 1, NULL, 0), PYR_E_ARG, "a name is empty");
    CHECK_FAILS(pyr_safetensors_write(path, &negative, 1, NULL, 0), PYR_E_ARG, "dimension 1 is -1");
    CHECK_FAILS(pyr_safetensors_write(path, &deep, 1, NULL, 0), PYR_E_ARG, "rank is 9");
    CHECK_FAILS(pyr_safetensors_write(path, &huge, 1, NULL, 0), PYR_E_ARG, "too large");
    CHECK_FAILS(pyr_safetensors_write(path, twice, 1, &format, 1), PYR_E_ARG, "\"format\" is reserved");
    CHECK_FAILS(pyr_safetensors_write(path, twice, 1, pairs, 2), PYR_E_ARG, "\"a\" is given twice");
    CHECK_FAILS(pyr_safetensors_write(path, twice, 1, &checksum, 1), PYR_E_ARG, "is given twice");
    CHECK(!pyr_is_file(path));
    CHECK_FAILS(pyr_safetensors_write(at("no/such/folder"), twice, 1, NULL, 0), PYR_E_IO, "No such file");
}

/* A file that cannot grow, as on a full disk: the old one stays, nothing is left behind. */
static void full_disk(void)
{
    static float big[65536], got[65536];
    const pyr_st_entry entry = {"a", PYR_ST_F32, 1, {65536}, big};
    struct rlimit before, small;
    pyr_names names;
    pyr_safetensors *file;
    char path[512];

    snprintf(path, sizeof path, "%s/full", folder);
    CHECK_OK(pyr_make_folders(path));
    snprintf(path, sizeof path, "%s/full/a.safetensors", folder);
    big[7] = 1;
    CHECK_OK(pyr_safetensors_write(path, &entry, 1, NULL, 0));
    big[7] = 2;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    for (rlim_t limit = 0; limit < sizeof big; limit += 100000) {
        small = before;
        small.rlim_cur = limit;
        setrlimit(RLIMIT_FSIZE, &small);
        pyr_status status = pyr_safetensors_write(path, &entry, 1, NULL, 0);
        setrlimit(RLIMIT_FSIZE, &before);
        if (status != PYR_E_IO || !strstr(pyr_error(), "unchanged"))
            CHECK_REPORT("limit %lu gave %d: %s", (unsigned long)limit, status, pyr_error());
    }
    CHECK_OK(pyr_safetensors_open(&file, path));
    if (file)
        CHECK_OK(pyr_safetensors_read_f32(file, pyr_safetensors_find(file, "a"), got, 65536));
    CHECK(got[7] == 1);
    pyr_safetensors_free(file);
    path[strlen(path) - strlen("/a.safetensors")] = 0;
    CHECK_OK(pyr_folder_names(&names, path));
    CHECK(names.n == 1);
    pyr_names_free(&names);
}

/* ---- memory ---- */

static pyr_status write_some(void)
{
    const float x[2] = {0};
    const pyr_st_entry entries[] = {{"b", PYR_ST_F32, 1, {2}, x}, {"a", PYR_ST_F32, 1, {2}, x}};
    const pyr_st_pair pair = {"key", "value"};

    return pyr_safetensors_write(at("faults.safetensors"), entries, 2, &pair, 1);
}

static pyr_status open_some(void)
{
    pyr_safetensors *file;
    pyr_status status = pyr_safetensors_open(&file, GOLDEN "ddpm_like/io.safetensors");

    pyr_safetensors_free(file);
    return status;
}

static pyr_status parse_some(void)
{
    static const char header[] =
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"__metadata__\":{}}";
    char bytes[8 + sizeof header] = {sizeof header - 1}; /* the NUL is the data */
    pyr_safetensors *file;
    pyr_status status;

    memcpy(bytes + 8, header, sizeof header);
    status = pyr_safetensors_parse(&file, bytes, sizeof bytes, "x");
    pyr_safetensors_free(file);
    return status;
}

static void every_fault(void)
{
    pyr_status (*const calls[])(void) = {write_some, open_some, parse_some};

    for (size_t i = 0; i < ARRAY(calls); i++) {
        size_t live = pyr_mem().live_blocks;
        pyr_status status;
        long n = 0;

        do {
            pyr_mem_fail_after(n++);
            status = calls[i]();
            pyr_mem_fail_after(-1);
            if ((status != PYR_OK && status != PYR_E_NOMEM) || pyr_mem().live_blocks != live)
                CHECK_REPORT("call %zu, allocation %ld: %d, %zu blocks left: %s", i, n, status,
                             pyr_mem().live_blocks - live, pyr_error());
        } while (status != PYR_OK && n < 1000);
        CHECK(status == PYR_OK && n > 3);
    }
}

static void remove_folder(const char *path)
{
    pyr_names names;

    if (pyr_folder_names(&names, path) != PYR_OK)
        return;
    for (size_t i = 0; i < names.n; i++) {
        char *inside = pyr_path_join(path, names.at[i]);

        if (pyr_is_folder(inside))
            remove_folder(inside);
        else
            unlink(inside);
        pyr_free(inside);
    }
    pyr_names_free(&names);
    rmdir(path);
}

int main(int argc, char **argv)
{
    const char *place = getenv("TMPDIR");

    CHECK_INIT(argc, argv);
    snprintf(folder, sizeof folder, "%s/pyr-safetensors-XXXXXX", place && *place ? place : "/tmp");
    if (!mkdtemp(folder)) {
        printf("%s: %s\n", folder, strerror(errno));
        return 1;
    }
    RUN(golden_model);
    RUN(golden_schedulers);
    RUN(rewrite_golden);
    RUN(round_trip);
    RUN(every_half);
    RUN(bad_headers);
    RUN(bad_lengths);
    RUN(every_prefix);
    RUN(bad_files);
    RUN(every_bit);
    RUN(damage_is_named);
    RUN(saved_again);
    RUN(writer_refuses);
    RUN(full_disk);
    RUN(every_fault);
    remove_folder(folder);
    if (pyr_mem().live_blocks) {
        printf("%zu blocks of memory are left\n", pyr_mem().live_blocks);
        return 1;
    }
    return CHECK_DONE();
}
