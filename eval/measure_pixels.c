/* measure_pixels.c - the metrics of pixels: sliced Wasserstein distance, spectrum, colour, consistency. */
#include "eval/measure.h"

#include <math.h>
#include <stdio.h>

static pyr_status swd(pyr_measuring *m)
{
    pyr_pixels_set a = pyr_image_set_pixels(m->job->samples), b = pyr_image_set_pixels(&m->reference);
    double value[PYR_SWD_LEVELS];
    int levels;

    PYR_TRY(pyr_sliced_wasserstein(value, &levels, &b, &a, PYR_METRIC_SEED, m->job->k->pool));
    m->about.n = m->about.n_reference = pyr_swd_images(&a, &b);
    for (int i = 0; i < levels; i++)
        pyr_measured(m, &pyr_metric_swd, i, value[i], (double)NAN);
    return PYR_OK;
}

const pyr_metric pyr_metric_swd = {
    .figure = {"swd", "sliced Wasserstein", "Sliced Wasserstein distance by level", "%.3g", 1, -1, true,
               false},
    .label = "sliced Wasserstein",
    .of = PYR_OF_PIXELS,
    .reference = true,
    .measure = swd,
    .definition = "mean absolute difference of the sorted projections of 7×7 patches, 128 an image, "
                  "normalised per channel, on 512 directions, times 1000. Its levels are those of a "
                  "Burt-Adelson pyramid of the finished images, whatever the model's pyramid is: 0 the "
                  "finest, the last one the low-pass image. Of as many images of each set as the "
                  "smaller has, at most 16384",
    .source = "Karras et al. 2018, section 5",
};

static bool no_frequencies(char *reason, size_t room, const pyr_evaluate_job *job, const pyr_image_set *drawn)
{
    pyr_dataset_shape s = pyr_dataset_shape_of(job->data);

    (void)drawn;
    if (s.h >= 2 && s.w >= 2)
        return false;
    snprintf(reason, room, "images of %dx%d have no frequencies", s.h, s.w);
    return true;
}

static pyr_status spectrum(pyr_measuring *m)
{
    pyr_pixels_set a = pyr_image_set_pixels(m->job->samples), b = pyr_image_set_pixels(&m->reference);
    double value;

    PYR_TRY(pyr_spectrum_distance(&value, &a, &b));
    pyr_measured(m, &pyr_metric_spectrum, -1, value, (double)NAN);
    return PYR_OK;
}

const pyr_metric pyr_metric_spectrum = {
    .figure = {"spectrum", "spectrum distance", "Spectrum distance", "%.4f", 1, -1, false, false},
    .label = "spectrum distance",
    .of = PYR_OF_PIXELS,
    .reference = true,
    .lacks = no_frequencies,
    .measure = spectrum,
    .definition = "root mean square, over the frequencies above 0, of the difference of log₁₀ of the "
                  "sets' mean radial power spectra: 0.3 is a factor of 2",
    .source = "",
};

static pyr_status colour(pyr_measuring *m)
{
    pyr_pixels_set a = pyr_image_set_pixels(m->job->samples), b = pyr_image_set_pixels(&m->reference);
    double value;

    PYR_TRY(pyr_colour_drift(&value, &a, &b));
    pyr_measured(m, &pyr_metric_colour, -1, value, (double)NAN);
    return PYR_OK;
}

const pyr_metric pyr_metric_colour = {
    .figure = {"colour", "mean-colour drift", "Mean-colour drift", "%.4f", 1, -1, false, false},
    .label = "mean-colour drift",
    .of = PYR_OF_PIXELS,
    .reference = true,
    .measure = colour,
    .definition = "length of the difference of the mean colours, where values span 2",
    .source = "",
};

static bool no_coarser_level(char *reason, size_t room, const pyr_evaluate_job *job,
                             const pyr_image_set *drawn)
{
    if (drawn ? pyr_image_set_checked(drawn) > drawn->finest : !job->planned_coarsest)
        return false;
    snprintf(reason, room, "it is of levels that a run draws to a coarser one");
    return true;
}

static pyr_status consistency(pyr_measuring *m)
{
    const pyr_image_set *set = m->job->samples;

    m->about = (pyr_measurement){.n = set->n};
    for (int i = set->finest; i < pyr_image_set_checked(set); i++)
        pyr_measured(m, &pyr_metric_consistency, i, set->consistency[i], (double)NAN);
    return PYR_OK;
}

const pyr_metric pyr_metric_consistency = {
    .figure = {"consistency", "consistency error", "Consistency error by level", "%.2g", 1, -1, true, false},
    .label = "consistency error",
    .of = PYR_OF_PIXELS,
    .not_missed = true,
    .lacks = no_coarser_level,
    .measure = consistency,
    .definition = "root mean square of d(I_i) − I_{i+1} as the run drew them, before they are clamped "
                  "to [−1, 1] and rounded: how far a level has changed what the coarser one had drawn. "
                  "Only of runs with a pyramid; 0 up to rounding with `pyramid.project`",
    .source = "",
};
