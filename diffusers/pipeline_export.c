/* pipeline_export.c - a level as a pipeline that diffusers loads. */
#include "diffusers/pipeline_export.h"

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "levels/level_file.h"
#include "network/unet.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- the noise --------------------------------------------------------------------------------- */

static const int predicts[] = {[PYR_PREDICT_F] = PYR_PREDICTS_V,
                               [PYR_PREDICT_V] = PYR_PREDICTS_V,
                               [PYR_PREDICT_X0] = PYR_PREDICTS_SAMPLE,
                               [PYR_PREDICT_EPSILON] = PYR_PREDICTS_EPSILON};

static pyr_status check(const pyr_level *level, int timesteps)
{
    const char *why = NULL;

    if (timesteps < 2 || timesteps > PYR_MAX_TIMESTEPS)
        return pyr_fail(PYR_E_ARG, "%d timesteps, should be 2..%d", timesteps, PYR_MAX_TIMESTEPS);
    if (level->unet.time_embedding_type != PYR_UNET_POSITIONAL)
        why = "reads its noise level through Fourier features, which the schedulers of the library do not "
              "feed (network.time_embedding_type = positional can be exported)";
    else if (level->facts.blind)
        why =
            "does not read its noise level and reads unscaled images, which no scheduler of the library gives";
    else if (level->facts.prediction == PYR_PREDICT_SCORE)
        why = "predicts a score, which the schedulers of the library do not know";
    else if (level->facts.prediction == PYR_PREDICT_VELOCITY)
        why = "predicts the velocity of flow matching, which schedulers of betas do not know";
    else if (level->unet.norm != PYR_UNET_NORM_GROUP || level->unet.dilated ||
             level->unet.act_fn == PYR_ACT_ELU)
        why = "has layers of NCSN (network.norm, network.dilated, act_fn elu), which diffusers has not";
    return why ? pyr_fail(PYR_E_UNSUPPORTED, "level %d %s", level->facts.index, why) : PYR_OK;
}

/* T noise levels, evenly spaced on the curve of sampling, so that the library's few steps (trailing) are what
 * they are here. beta_t = 1 - abar_t / abar_{t-1} keeps its digits when written with s. */
static pyr_status noise_levels(double *s, double *betas, const pyr_level *level, int timesteps)
{
    pyr_schedule schedule;
    double lo, hi, before = 0;

    PYR_TRY(pyr_level_sampling_schedule(&schedule, &level->settings, pyr_level_side(level)));
    lo = pyr_schedule_t_min(&schedule);
    hi = pyr_schedule_t_max(&schedule);
    for (int t = 0; t < timesteps; t++) {
        s[t] = pyr_schedule_s(&schedule, lo + (hi - lo) * t / (timesteps - 1));
        betas[t] = (s[t] * s[t] - before * before) / (1 + s[t] * s[t]);
        before = s[t];
    }
    return PYR_OK;
}

/* ---- the network ------------------------------------------------------------------------------- */

/* The parameters of a network, without room for images. */
static pyr_status list_params(pyr_params *params, const pyr_unet_config *u, pyr_kernels *k)
{
    pyr_shape image = {1, 4 * u->patch, 4 * u->patch, u->in_channels / (u->patch * u->patch)};
    pyr_unet_inputs in;
    pyr_graph *g;
    pyr_status status;

    PYR_TRY(pyr_graph_new(&g, k, k->precision, params));
    in = pyr_unet_add_inputs(g, u, image, k->real);
    pyr_graph_keep(g, pyr_unet_build(g, u, &(pyr_unet_options){0}, &in));
    status = pyr_graph_plan(g, &(pyr_plan){.batch = 1, .lanes = 1}); /* says what failed */
    pyr_graph_free(g);
    return status;
}

/* Row of the sinusoids of `time` (unet.h; diffusers, get_timestep_embedding). */
static void sinusoids(float *row, const pyr_unet_config *u, double time)
{
    int width = u->block_out_channels[0], half = width / 2;
    int sine = u->flip_sin_to_cos ? half : 0, cosine = u->flip_sin_to_cos ? 0 : half;

    row[width - 1] = 0; /* of an odd width */
    for (int i = 0; i < half; i++) {
        double angle = time * exp(-log(10000.0) * i / (half - u->freq_shift));

        row[sine + i] = (float)sin(angle);
        row[cosine + i] = (float)cos(angle);
    }
}

/* One parameter of the exported network: of the table of times, or the level's own, with conv_out turned
 * round when that gives v. */
static pyr_status convert(const pyr_param *to, float *host, const pyr_level *level, const double *s,
                          const pyr_params *own, const void *block, pyr_kernels *k)
{
    const pyr_unet_config *u = &level->unet;
    const pyr_param *from = pyr_params_find(own, to->name);

    if (!from) {
        for (int t = 0; t < to->dims[0]; t++)
            sinusoids(host + (size_t)t * (size_t)to->dims[1], u, pyr_level_coefs_at(level, s[t]).time);
        return PYR_OK;
    }
    PYR_TRY(pyr_param_download(from, k, block, host));
    if (level->facts.prediction == PYR_PREDICT_F && strncmp(to->name, "conv_out.", 9) == 0)
        for (size_t i = 0; i < to->count; i++)
            host[i] = -host[i];
    return PYR_OK;
}

static pyr_status write_network(const char *folder, const pyr_level *level, const pyr_unet_files *files,
                                pyr_kernels *k, const double *s, int timesteps)
{
    pyr_unet_config config = level->unet;
    pyr_level exported = *level;
    pyr_params own = {0}, params = {0};
    void *from = NULL, *to = NULL;
    float *host = NULL;
    pyr_status status;

    config.time_embedding_type = PYR_UNET_LEARNED;
    config.num_train_timesteps = timesteps;
    PYR_TRY_OUT(list_params(&own, &level->unet, k));
    PYR_TRY_OUT(list_params(&params, &config, k));
    PYR_TRY_OUT(pyr_alloc(k, &from, own.count * pyr_type_size(k->real), "weights"));
    PYR_TRY_OUT(pyr_alloc(k, &to, params.count * pyr_type_size(k->real), "weights"));
    PYR_TRY_OUT(pyr_unet_load(files, &own, k, from, NULL));
    PYR_TRY_OUT(pyr_new(&host, pyr_params_largest(&params), sizeof *host, "weights of a level"));
    for (int i = 0; i < params.n; i++) {
        PYR_TRY_OUT(convert(&params.at[i], host, level, s, &own, from, k));
        PYR_TRY_OUT(pyr_param_upload(&params.at[i], k, to, host));
    }
    exported.unet = config;
    exported.facts.prediction =
        level->facts.prediction == PYR_PREDICT_F ? PYR_PREDICT_V : level->facts.prediction;
    PYR_TRY_OUT(pyr_level_save_unet(folder, &exported, &params, k, to));
out:
    pyr_release(k, from);
    pyr_release(k, to);
    pyr_params_free(&own);
    pyr_params_free(&params);
    pyr_free(host);
    return status;
}

/* ---- the small files --------------------------------------------------------------------------- */

/* The text is freed. */
static pyr_status save(const char *folder, const char *name, pyr_text *text)
{
    char *path;
    pyr_status status;

    PYR_TRY(pyr_path_new(&path, folder, name));
    status = pyr_text_save(text, path);
    pyr_free(path);
    return status;
}

static void index_entry(pyr_json *json, const char *key, const char *class_name)
{
    pyr_json_open(json, key, '[');
    pyr_json_string(json, NULL, "diffusers");
    pyr_json_string(json, NULL, class_name);
    pyr_json_close(json, ']');
}

static pyr_status write_index(const char *folder)
{
    pyr_json json = {.indent = 2};

    pyr_json_open(&json, NULL, '{');
    pyr_json_string(&json, "_class_name", "DDIMPipeline");
    pyr_json_string(&json, "_diffusers_version", "0.31.0");
    index_entry(&json, "scheduler", "DDIMScheduler");
    index_entry(&json, "unet", "UNet2DModel");
    pyr_json_close(&json, '}');
    pyr_text_add(&json.text, "\n");
    return save(folder, "model_index.json", &json.text);
}

static pyr_status write_scheduler(const char *folder, const pyr_level *level, double *betas, int timesteps)
{
    pyr_scheduler_config config = {.kind = PYR_SCHEDULER_DDIM};
    pyr_text text = {0};
    char *path;
    pyr_status status;

    PYR_TRY(pyr_path_new(&path, folder, "scheduler"));
    pyr_ddpm_config_default(&config.ddpm);
    config.ddpm.num_train_timesteps = timesteps;
    config.ddpm.beta_schedule = PYR_BETAS_TRAINED;
    config.ddpm.trained_betas = betas;
    config.ddpm.prediction_type = predicts[level->facts.prediction];
    config.ddpm.clip_sample = false; /* standardised residuals have no bounds */
    config.ddpm.timestep_spacing = PYR_TRAILING;
    PYR_TRY_OUT(pyr_open_output_folder(path));
    PYR_TRY_OUT(pyr_scheduler_config_write(&text, &config));
    PYR_TRY_OUT(save(path, "scheduler_config.json", &text));
out:
    pyr_text_free(&text);
    pyr_free(path);
    return status;
}

pyr_status pyr_pipeline_export(const char *folder, const pyr_level *level, const pyr_unet_files *files,
                               pyr_kernels *k, int timesteps)
{
    double *s = NULL, *betas;
    pyr_status status;

    PYR_TRY(check(level, timesteps));
    PYR_TRY(pyr_new(&s, 2 * (size_t)timesteps, sizeof *s, "noise levels"));
    betas = s + timesteps;
    PYR_TRY_OUT(noise_levels(s, betas, level, timesteps));
    PYR_TRY_OUT(pyr_open_output_folder(folder));
    PYR_TRY_OUT(write_network(folder, level, files, k, s, timesteps));
    PYR_TRY_OUT(write_scheduler(folder, level, betas, timesteps));
    PYR_TRY_OUT(write_index(folder));
out:
    pyr_free(s);
    return status;
}
