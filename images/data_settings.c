/* data_settings.c - the rows of the section `data`. */
#include "images/data_settings.h"

static const char *const channel_words[] = {"auto", "1", "3", "4", NULL};
static const int channel_counts[] = {0, 1, 3, 4};
static const char *const range_words[] = {"auto", NULL};

#define AT(member) offsetof(pyr_data_config, member)

static const char *const size_words[] = {"HxW", NULL};

static const pyr_setting rows[] = {
    {"path", PYR_SETTING_TEXT, AT(set.path), 0, 0, "", NULL,
     "file, folder or archive of images (pyrdiff info --list formats: what is read)"},
    {"channels", PYR_SETTING_CHOICE, AT(channels), 0, 0, "auto", channel_words,
     "1 grey, 3 RGB, 4 RGBA, auto: the most that an image needs"},
    {"resize", PYR_SETTING_INTS, AT(size), 1, 65536, "[]", size_words,
     "[height, width], or [side]: bring images to it"},
    {"crop", PYR_SETTING_BOOL, AT(set.crop), 0, 0, "false", NULL,
     "cut the centre: to the aspect of resize, or to the smallest image"},
    {"skip_bad", PYR_SETTING_BOOL, AT(set.skip_bad), 0, 0, "false", NULL,
     "leave out files that cannot be used instead of stopping"},
    {"held_out", PYR_SETTING_COUNT, AT(set.held_out), -1, 1e9, "-1", NULL,
     "images held out when there is no test set; -1: a tenth, at most 2000"},
    {"split", PYR_SETTING_CHOICE, AT(split), 0, 0, "auto", pyr_split_words,
     "auto: a test set is held out; train: it is left alone; all: train on everything; test, val: that part "
     "is held out"},
    {"classes", PYR_SETTING_CHOICE, AT(classes), 0, 0, "auto", pyr_class_words,
     "auto: folders that seem to be classes, or labels that come along; none: no labels; folders: the last "
     "folder on the way to each image, whatever it is called"},
    {"xflip", PYR_SETTING_BOOL, AT(xflip), 0, 0, "false", NULL, "mirror images at random in training"},
    {"range", PYR_SETTING_REALS, AT(range), -1e30, 1e30, "auto", range_words,
     "[black, white]: the values, as the files have them, that become -1 and 1; auto: those of their type"},
    {"memory", PYR_SETTING_COUNT, AT(set.memory), 0, 1e15, "0", NULL,
     "bytes of images kept in memory, more are read from a file in the cache; 0: a third of what is free"},
    {"decode_limit", PYR_SETTING_COUNT, AT(set.decode_limit), 0, 1e18, "0", NULL,
     "bytes that all pictures may take when they are decoded; 0: 2 GiB, or 256 times their files if that is "
     "more"},
    {"augment", PYR_SETTING_REAL, AT(augment), 0, 1, "0", NULL,
     "EDM's augmentation in training: mirrored, and with this probability each (EDM: 0.12) scaled, rotated, stretched, moved; "
     "networks are told, and draw images without; 0: none"},
    {"dequantise", PYR_SETTING_BOOL, AT(dequantise), 0, 0, "false", NULL,
     "add noise U(-2^-b, 2^-b) to images of b bits in training, new each time: for models whose likelihood "
     "is wanted"},
};

const pyr_section pyr_data_section = {"data", rows, sizeof rows / sizeof *rows, false, "the images"};

pyr_status pyr_data_config_finish(pyr_data_config *config)
{
    if (config->size.n > 2)
        return pyr_fail(PYR_E_CONFIG, "data.resize has %d numbers, should be [height, width] or [side]",
                        config->size.n);
    if (config->range.n != 0 && (config->range.n != 2 || !(config->range.at[0] < config->range.at[1])))
        return pyr_fail(
            PYR_E_CONFIG,
            "data.range should be [black, white], two numbers of which the second is larger, or auto");
    config->set.channels = channel_counts[config->channels];
    config->set.resize_h = config->size.n > 0 ? config->size.at[0] : 0;
    config->set.resize_w = config->size.n > 1 ? config->size.at[1] : config->set.resize_h;
    config->set.reading = (pyr_reading){0};
    config->set.split = pyr_split_words[config->split];
    config->set.classes = pyr_class_words[config->classes];
    config->set.range[0] = config->set.range[1] = 0;
    for (int i = 0; i < config->range.n; i++)
        config->set.range[i] = config->range.at[i];
    return PYR_OK;
}
