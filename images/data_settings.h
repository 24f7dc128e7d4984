/* data_settings.h - the section `data` of the settings. */
#ifndef PYR_IMAGES_DATA_SETTINGS_H
#define PYR_IMAGES_DATA_SETTINGS_H

#include "images/dataset.h"
#include "settings/settings.h"

typedef struct pyr_data_config {
    pyr_data_settings set;
    int channels;    /* index: auto, 1, 3, 4 */
    pyr_ints size;   /* [h, w], [side], or nothing */
    pyr_reals range; /* [black, white], or nothing */
    int split;       /* index: auto, train, all, test, val */
    int classes;     /* index: auto, none, folders */
    bool xflip;      /* mirror images at random in training */
    double augment;  /* probability of each geometric transformation in training (transform.h); 0: none */
    bool dequantise; /* add uniform noise of one sample's width in training */
} pyr_data_config;

extern const pyr_section pyr_data_section; /* "data" */

/* Put channels, size and split into `set`. PYR_E_CONFIG. */
pyr_status pyr_data_config_finish(pyr_data_config *config);

#endif
