/* info_pipeline.c - a diffusers pipeline in words: its network, and its scheduler. */
#include "cli/info/info.h"

#include "diffusers/pipeline.h"
#include "terminal/output.h"
#include <math.h>

static double noise_ratio(double abar)
{
    return sqrt((1 - abar) / abar);
}

static pyr_status print_flow(const pyr_pipeline_files *files, const pyr_pipeline_sampler *usual)
{
    const pyr_flow_config *c = &files->scheduler.flow;

    pyr_print("  scheduler      %s, %d timesteps\n", files->scheduler.class_name, c->num_train_timesteps);
    pyr_print("  noise          x = (1 - sigma) x_0 + sigma noise, shift %g", c->shift);
    if (c->shift_terminal > 0)
        pyr_print(", the last sigma %g", c->shift_terminal);
    pyr_print("\n  predicts       the velocity, noise - x_0\n");
    pyr_print("  sampled        by %s steps of Euler, %d, unless set otherwise\n",
              c->stochastic_sampling ? "stochastic" : "plain", usual->steps);
    return PYR_OK;
}

static pyr_status print_scheduler(const pyr_pipeline_files *files)
{
    const pyr_scheduler_config *s = &files->scheduler;
    const pyr_ddpm_config *c = &s->ddpm;
    pyr_pipeline_sampler usual;
    pyr_status status = pyr_pipeline_usual(&usual, files);
    pyr_ddpm d;

    if (s->kind == PYR_SCHEDULER_FLOW && status == PYR_OK)
        return print_flow(files, &usual);
    if (s->kind == PYR_SCHEDULER_FLOW) {
        pyr_print("  not sampled    %s\n", pyr_error());
        return PYR_OK;
    }
    PYR_TRY(pyr_ddpm_new(&d, c));
    pyr_print("  scheduler      %s, %d timesteps, ", s->class_name, c->num_train_timesteps);
    if (c->beta_schedule == PYR_BETAS_TRAINED)
        pyr_print("betas given one by one");
    else if (c->beta_schedule == PYR_BETAS_SQUARED_COSINE)
        pyr_print("betas %s", pyr_betas_words[c->beta_schedule]);
    else
        pyr_print("betas %s from %g to %g", pyr_betas_words[c->beta_schedule], c->beta_start, c->beta_end);
    pyr_print("%s\n", c->rescale_betas_zero_snr ? ", rescaled to no signal at the end" : "");
    pyr_print("  noise          sigma/alpha from %.4g to %.4g\n", noise_ratio(d.abar[0]),
              noise_ratio(d.abar[c->num_train_timesteps - 1]));
    pyr_print("  predicts       %s", pyr_predicts_words[c->prediction_type]);
    if (c->clip_sample)
        pyr_print("; samples are clipped to +-%g in each step\n", c->clip_sample_range);
    else
        pyr_print("; samples are not clipped\n");
    pyr_print("  steps          %s", pyr_spacing_words[c->timestep_spacing]);
    if (c->steps_offset)
        pyr_print(" + %d", c->steps_offset);
    if (usual.ddim)
        pyr_print("; the last goes to %s\n", c->set_alpha_to_one ? "no noise" : "the noise of timestep 0");
    else
        pyr_print("; variance %s\n", pyr_step_variance_words[c->variance_type]);
    pyr_ddpm_free(&d);
    if (status == PYR_OK)
        pyr_print("  sampled        by %s in %d steps%s%s, unless set otherwise\n",
                  usual.ddim ? "DDIM" : "DDPM", usual.steps, *files->class_name ? ", as a " : "",
                  files->class_name);
    else
        pyr_print("  not sampled    %s\n", pyr_error());
    return PYR_OK;
}

pyr_status pyr_info_pipeline(const char *path)
{
    pyr_pipeline_files files = {0};
    pyr_text warning = {0};
    pyr_status status;

    PYR_TRY_OUT(pyr_info_model(path));
    status = pyr_pipeline_read(&files, path, NULL); /* what it warns of in the network is said already */
    if (status == PYR_OK) {
        pyr_scheduler_config_free(&files.scheduler);
        status = pyr_scheduler_config_read(&files.scheduler, files.scheduler_path,
                                           *files.scheduler_name ? files.scheduler_name : NULL, &warning);
    }
    if (status == PYR_E_UNSUPPORTED) { /* the network can be described all the same */
        pyr_print("  not sampled    %s\n", pyr_error());
        status = PYR_OK;
    } else if (status == PYR_OK)
        status = print_scheduler(&files);
    if (warning.length)
        pyr_tell("warning: %s\n", warning.at);
out:
    pyr_pipeline_files_free(&files);
    pyr_text_free(&warning);
    return status;
}
