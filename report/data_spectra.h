/* data_spectra.h - what the levels of a run learn from, by frequency, beside the noise they learn with. */
#ifndef PYR_REPORT_DATA_SPECTRA_H
#define PYR_REPORT_DATA_SPECTRA_H

#include "cascade/run.h"

enum { PYR_SPECTRA_SIGMAS = 5 };

typedef struct pyr_level_spectrum {
    int h, w, c; /* of the level's variable */
    int bins;    /* power[b] is at b cycles along the shorter side (spectrum.h) */
    double *power;
    /* Noise levels of training: the schedule's smallest, the quartiles of the training density, the
     * schedule's largest. White noise of sigma has power sigma^2 at every frequency. */
    double sigma[PYR_SPECTRA_SIGMAS];
} pyr_level_spectrum;

typedef struct pyr_data_spectra {
    int levels;
    int64_t images; /* that were measured */
    pyr_level_spectrum level[PYR_MAX_LEVELS];
} pyr_data_spectra;

/* Open the data set of a configuration and measure the radial power spectrum of each level's standardised
 * variable (zero mean and unit variance over the images measured, each band of details on its own, as training
 * does), over at most 2048 training images, evenly spaced, fewer when they are large. Fails as
 * pyr_dataset_open and pyr_pyramid_new do. */
pyr_status pyr_data_spectra_measure(pyr_data_spectra *out, const pyr_config *config);
void pyr_data_spectra_free(pyr_data_spectra *s); /* back to {0}; {0} is a no-op */

#endif
