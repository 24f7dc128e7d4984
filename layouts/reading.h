/* reading.h - how a data set is to be read: its path and the reader's settings. */
#ifndef PYR_LAYOUTS_READING_H
#define PYR_LAYOUTS_READING_H

#include <stdbool.h>
#include <stdint.h>

/* Progress, reported by the thread that opens: `done` of `all` images. Each image counts twice, when it is
 * measured and when it is copied to its place. */
typedef struct pyr_reading {
    void (*on_images)(void *ctx, int64_t done, int64_t all); /* may be NULL */
    void *ctx;
} pyr_reading;

typedef struct pyr_data_settings {
    /* File, folder or archive. */
    const char *path;
    /* 1, 3, 4, or 0 (default): the most that an image needs. */
    int channels;
    /* Size to bring every image to; both 0 (default): none; one of them 0: a square. */
    int resize_h, resize_w;
    /* With a size: first cut the centre to its aspect; without: cut all images to the smallest height and
     * width (default false). */
    bool crop;
    /* Leave out files that cannot be used instead of failing (default false). */
    bool skip_bad;
    /* Images held out when there is no test set; -1 (default): a tenth, at most 2000. */
    int64_t held_out;
    /* One of pyr_split_words. "auto" (default, also NULL): a test set that comes along is held out; "train":
     * it is left alone, and `held_out` images of the rest are held out; "all": everything is for training;
     * "test", "val": that part is held out when there are both. */
    const char *split;
    /* One of pyr_class_words. "auto" (default, also NULL): what seems to be meant; "none": no labels;
     * "folders": each folder of images is a class, whatever its name. */
    const char *classes;
    /* The values that become -1 and 1, as the files have them; both 0 (default): those of the type, 0..255
     * and 0..65535 (floats: packed_parts.h). */
    double range[2];
    /* Bytes of samples that are kept in memory; a larger set is read from a file of the cache. 0 (default): a
     * third of what this process may still take. */
    int64_t memory;
    /* Bytes that all images together may take as decoded, before they are resized; more are refused. 0
     * (default): PYR_DECODE_LEAST, or PYR_DECODE_RATIO times the bytes of their files if that is more;
     * photographs stay far below. */
    int64_t decode_limit;
    pyr_reading reading; /* default: not reported */
} pyr_data_settings;

#define PYR_DATA_SETTINGS_DEFAULT                                                                            \
    {                                                                                                        \
        .held_out = -1, .split = "auto"                                                                      \
    }

#define PYR_DECODE_LEAST (UINT64_C(2) << 30)
enum { PYR_DECODE_RATIO = 256 };

/* NULL behind the last. */
extern const char *const pyr_split_words[], *const pyr_class_words[];

/* Whether a setting of these words, of which NULL is the default, is this one. */
bool pyr_wishes(const char *setting, const char *word);

/* Bytes of all images as they were decoded, and how many were allowed; 0: taken from the cache. */
typedef struct pyr_data_decoded {
    uint64_t bytes, limit;
} pyr_data_decoded;

#endif
