/* one_level.c - checks of --level I and of the data given to a level. */
#include "cascade/one_level.h"

pyr_status pyr_check_level(const pyr_config *config, int level)
{
    int coarsest = config->pyramid.levels - 1;

    if (level <= coarsest)
        return PYR_OK;
    if (coarsest == 0)
        return pyr_fail(PYR_E_ARG, "--level is %d, but there is a single resolution: level 0", level);
    return pyr_fail(PYR_E_ARG, "--level is %d, should be 0..%d (0 is the finest, %d the coarsest)", level,
                    coarsest, coarsest);
}

pyr_status pyr_check_data_shape(const pyr_dataset *data, const char *path, pyr_shape image)
{
    pyr_dataset_shape s = pyr_dataset_shape_of(data);

    if (s.h != image.h || s.w != image.w || s.c != image.c)
        return pyr_fail(PYR_E_SHAPE, "%s has images of %dx%dx%d, the run's are %dx%dx%d", path, s.h, s.w, s.c,
                        image.h, image.w, image.c);
    return PYR_OK;
}

pyr_status pyr_check_coarser_level(int *level, int levels)
{
    int coarsest = levels - 1;

    if (coarsest == 0)
        return pyr_fail(PYR_E_UNSUPPORTED, "upscale needs a pyramid, this run has a single resolution");
    if (*level < 0)
        *level = coarsest;
    if (*level < 1 || *level > coarsest)
        return pyr_fail(PYR_E_ARG, "--level is %d, should be 1..%d (0 is the finest, which is drawn)", *level,
                        coarsest);
    return PYR_OK;
}
