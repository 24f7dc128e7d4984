/* export.c - writes each level of a run as a diffusers pipeline. */
#include "cascade/export.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "diffusers/pipeline_export.h"
#include "levels/level_file.h"

/* As a run's files have it; the shape of what is modelled gives the side that noise is adjusted to. */
static pyr_status read_level(pyr_level *level, pyr_unet_files *files, const pyr_export_plan *plan,
                             pyr_kernels *k, const pyr_config *config)
{
    int index = level->facts.index;
    char *folder;
    pyr_pyramid *pyramid = NULL;
    pyr_status status;

    PYR_TRY(pyr_run_level(&folder, plan->run, index));
    if (!pyr_is_folder(folder))
        PYR_TRY_OUT(pyr_fail(PYR_E_IO,
                             "level %d of %s has not been trained yet: pyrdiff train --outdir %s --level %d",
                             index, plan->run, PYR_SHELL(plan->run), index));
    PYR_TRY_OUT(pyr_level_open_unet(folder, files, &level->unet, &level->facts));
    if (level->facts.index != index || level->facts.levels != config->pyramid.levels)
        PYR_TRY_OUT(pyr_fail(PYR_E_CONFIG, "%s holds level %d of a pyramid of %d levels, the run has %d",
                             folder, level->facts.index, level->facts.levels, config->pyramid.levels));
    PYR_TRY_OUT(
        pyr_pyramid_new(&pyramid, k, &config->pyramid, level->facts.h, level->facts.w, level->facts.c));
    level->variable = pyr_pyramid_variable_shape(pyramid, index);
    if (level->facts.class_dropout < 0)
        level->facts.class_dropout = level->settings.class_dropout;
out:
    pyr_pyramid_free(pyramid);
    pyr_free(folder);
    return status;
}

static pyr_status export_level(const pyr_export_plan *plan, pyr_kernels *k, const pyr_config *config,
                               int index)
{
    pyr_level level = {.settings = config->level[index], .facts.index = index};
    pyr_unet_files files = {0};
    pyr_class_list classes = {0};
    char *folder;
    pyr_status status;

    PYR_TRY(pyr_run_level(&folder, plan->outdir, index));
    PYR_TRY_OUT(read_level(&level, &files, plan, k, config));
    PYR_TRY_OUT(
        pyr_class_list_read(&classes, files.weights.at[0], level.facts.classes, level.facts.class_dropout));
    level.classes = &classes;
    PYR_TRY_OUT(pyr_pipeline_export(folder, &level, &files, k, plan->timesteps));
    if (plan->wrote)
        plan->wrote(plan->ctx, index, folder);
out:
    pyr_class_list_free(&classes);
    pyr_unet_files_free(&files);
    pyr_free(folder);
    return status;
}

pyr_status pyr_export_diffusers(const pyr_export_plan *plan, pyr_kernels *k, const pyr_config *config)
{
    int levels = config->pyramid.levels;

    if (plan->level >= levels)
        return pyr_fail(PYR_E_ARG, "level %d: the run has levels 0..%d", plan->level, levels - 1);
    for (int i = levels - 1; i >= 0; i--)
        if (plan->level < 0 || plan->level == i)
            PYR_TRY(export_level(plan, k, config, i));
    return PYR_OK;
}
