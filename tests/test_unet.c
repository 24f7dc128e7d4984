/* test_unet.c - the network against the answers of diffusers, and its gradients against finite differences. */
#include "tests/graph_run.h"

#include "base/file.h"
#include "network/unet.h"
#include "network/unet_file.h"
#include <unistd.h>

#define GOLDEN "tests/golden/unet2d/"
#define MORE "tests/golden/unet2d-more/"
#define NCSN "tests/golden/unet2d-ncsn/"

/* ---- diffusers --------------------------------------------------------------------------------- */

static void golden(const char *path, const char *backend, double tolerance)
{
    pyr_kernels *k = NULL;
    pyr_unet_files files = {0};
    pyr_unet_check check = {0};

    CHECK_OK(open_backend(&k, backend, 1));
    CHECK_OK(pyr_unet_find(&files, path));
    if (k && files.config) {
        CHECK_OK(pyr_unet_check_io(&check, path, &files, k));
        CHECK(check.found && check.scale > 0.1);
        if (!(check.error <= tolerance * fmax(1, check.scale)))
            CHECK_REPORT("%s on %s: off by %.3g of %.3g", path, backend, check.error, check.scale);
    }
    pyr_unet_files_free(&files);
    pyr_kernels_free(k);
}

static void golden_three(const char *folder)
{
    golden(folder, "ref", 2e-5);
    golden(folder, "ref-double", 2e-6); /* the stored answers are float */
    golden(folder, "cpu", 2e-5);
    golden(folder, "cpu-bf16", 0.025); /* measured: 0.018 */
    golden(folder, "cuda", 2e-5);
    golden(folder, "cuda-bf16", 0.025);
}

static void golden_all(void)
{
    golden_three(GOLDEN "ddpm_like");
    golden_three(GOLDEN "ddpm_like_legacy_names");
    golden_three(GOLDEN "defaults_hd8");
    golden_three(GOLDEN "scale_shift_classes");
}

/* Made by scripts/make-unet-golden.py. */
static void golden_more(void)
{
    golden_three(MORE "fourier_resnet_resampling");
    golden_three(MORE "learned_time_mish");
    golden_three(MORE "class_timestep_gelu");
    golden_three(MORE "class_identity_relu");
    golden_three(MORE "three_resolutions");
    golden_three(MORE "scale_shift_mid_norm");
    golden_three(MORE "odd_channels_centred");
    golden_three(MORE "no_mid_block");
}

/* Made by scripts/make-ncsn-golden.py, which has no diffusers in it. */
static void golden_ncsn(void)
{
    static const char *const names[] = {"instance_plus", "dilated_elu", "all_three"};

    for (int i = 0; i < 3; i++) {
        char path[64];

        snprintf(path, sizeof path, NCSN "%s", names[i]);
        golden(path, "ref", 5e-5);
        golden(path, "ref-double", 1e-5);
        golden(path, "cpu", 5e-5);
        golden(path, "cpu-bf16", 0.05);
    }
}

/* ---- networks of our own ----------------------------------------------------------------------- */

typedef struct network {
    int h, w, c; /* of the sample */
    pyr_unet_config config;
    pyr_unet_options options;
} network;

static void build_unet(run_net *net, const void *arg)
{
    const network *n = arg;
    const pyr_unet_config *c = &n->config;
    pyr_unet_inputs in = {.label = -1, .stream = -1};
    run_fill time = c->time_embedding_type == PYR_UNET_FOURIER   ? RUN_POSITIVE
                    : c->time_embedding_type == PYR_UNET_LEARNED ? RUN_ROWS
                                                                 : RUN_TIME;

    CHECK_OK(pyr_unet_config_check(c));
    in.sample = run_input_add(net, n->h, n->w, n->c, RUN_NORMAL, 0);
    in.time = run_input_add(net, 1, 1, 1, time, c->num_train_timesteps);
    if (c->class_embed_type == PYR_UNET_CLASS_TABLE)
        in.label = run_input_add(net, 1, 1, 1, RUN_ROWS, c->num_class_embeds);
    if (c->class_embed_type == PYR_UNET_CLASS_TIMESTEP)
        in.label = run_input_add(net, 1, 1, 1, time, c->num_train_timesteps);
    if (c->class_embed_type == PYR_UNET_CLASS_IDENTITY)
        in.label = run_input_add(net, 1, 1, pyr_unet_embedding(c), RUN_NORMAL, 0);
    if (c->dropout > 0)
        in.stream = run_input_add(net, 1, 1, 4, RUN_STREAM, 0);
    net->y = pyr_unet_build(net->g, c, &n->options, &in);
}

/* Two resolutions of plain blocks, without attention, on 3 channels. */
static network network_of(int h, int w)
{
    network n = {.h = h, .w = w, .c = 3};
    pyr_unet_config *c = &n.config;

    pyr_unet_config_default(c);
    c->resolutions = 2;
    memset(c->block_out_channels, 0, sizeof c->block_out_channels);
    memset(c->down_block_types, 0, sizeof c->down_block_types);
    memset(c->up_block_types, 0, sizeof c->up_block_types);
    c->block_out_channels[0] = 4;
    c->block_out_channels[1] = 8;
    for (int i = 0; i < 3; i++) {
        c->down_block_types[i] = i < 2 ? PYR_UNET_DOWN : (pyr_unet_block)0;
        c->up_block_types[i] = i < 2 ? PYR_UNET_UP : (pyr_unet_block)0;
    }
    c->layers_per_block = 1;
    c->norm_num_groups = 2;
    c->add_attention = false;
    return n;
}

static void three_resolutions(network *n)
{
    n->config.resolutions = 3;
    n->config.block_out_channels[2] = 6;
    n->config.down_block_types[2] = PYR_UNET_DOWN;
    n->config.up_block_types[2] = PYR_UNET_UP;
}

static void attend(network *n, int at, int head_dim)
{
    n->config.down_block_types[at] = PYR_UNET_ATTN_DOWN;
    n->config.up_block_types[n->config.resolutions - 1 - at] = PYR_UNET_ATTN_UP;
    n->config.attention_head_dim = head_dim;
}

static const double tolerance = 1e-4;

static void gradients_ncsn(void)
{
    network n = network_of(8, 12);

    n.config.act_fn = PYR_ACT_ELU;
    run_gradients("ELU", build_unet, &n, 2, tolerance);
    n.config.norm = PYR_UNET_NORM_INSTANCE_PLUS;
    run_gradients("instance norm++", build_unet, &n, 2, tolerance);
    three_resolutions(&n);
    n.config.dilated = true;
    run_gradients("dilated", build_unet, &n, 2, tolerance);
}

static void gradients_plain(void)
{
    network n = network_of(8, 8);

    run_gradients("plain", build_unet, &n, 2, tolerance);
    n.config.add_attention = true;
    n.config.attention_head_dim = 0; /* one head */
    n.config.act_fn = PYR_ACT_GELU;
    n.config.freq_shift = 1;
    n.config.flip_sin_to_cos = false;
    run_gradients("attention in the middle, gelu", build_unet, &n, 2, tolerance);
}

static void gradients_attention(void)
{
    network n = network_of(6, 4);

    attend(&n, 1, 4);
    n.config.add_attention = true;
    n.config.layers_per_block = 2;
    run_gradients("attention", build_unet, &n, 2, tolerance);
    attend(&n, 0, 3); /* 4 and 8 channels: 1 and 2 heads of 3, fewer features than channels */
    n.config.layers_per_block = 1;
    n.config.downsample_type = n.config.upsample_type = PYR_UNET_RESAMPLE_RESNET;
    n.config.center_input_sample = true;
    run_gradients("resampling by residual blocks", build_unet, &n, 2, tolerance);
}

/* Odd sizes at every resolution: an upsampling goes to the size of its skip. */
static void gradients_odd_sizes(void)
{
    network n = network_of(7, 5);

    three_resolutions(&n);
    run_gradients("7x5, padding 1", build_unet, &n, 2, tolerance);
    n.config.downsample_padding = 0;
    run_gradients("7x5, padding 0", build_unet, &n, 2, tolerance);
    n.h = 9;
    n.w = 11;
    attend(&n, 1, 0);
    attend(&n, 0, 2);
    n.config.downsample_type = n.config.upsample_type = PYR_UNET_RESAMPLE_RESNET;
    run_gradients("9x11, residual resampling", build_unet, &n, 1, tolerance);
}

static void gradients_patch(void)
{
    network n = network_of(7, 5);

    n.config.patch = 2;
    n.config.in_channels = 12;
    n.config.out_channels = 8;
    n.config.resnet_time_scale_shift = PYR_UNET_SCALE_SHIFT;
    n.config.class_embed_type = PYR_UNET_CLASS_TABLE;
    n.config.num_class_embeds = 4;
    n.config.dropout = 0.25;
    run_gradients("patch 2, scale-shift, classes, dropout", build_unet, &n, 3, tolerance);
    n.config.add_attention = true; /* scale-shift: without a norm in front */
    n.config.attention_head_dim = 8;
    n.config.class_embed_type = PYR_UNET_CLASS_NONE;
    n.config.num_class_embeds = 0;
    run_gradients("patch 2, attention without norm", build_unet, &n, 2, tolerance);
    n.config.attn_norm_num_groups = 4;
    n.config.mid_block_scale_factor = 1.5;
    run_gradients("patch 2, attention with a norm of its own", build_unet, &n, 2, tolerance);
}

static void gradients_times(void)
{
    network n = network_of(4, 6);

    n.config.time_embedding_type = PYR_UNET_FOURIER;
    n.config.class_embed_type = PYR_UNET_CLASS_TIMESTEP;
    n.config.act_fn = PYR_ACT_MISH;
    run_gradients("fourier, class as a time, mish", build_unet, &n, 2, tolerance);
    n.options.undivided = true;
    n.config.class_embed_type = PYR_UNET_CLASS_NONE;
    run_gradients("fourier, undivided", build_unet, &n, 2, tolerance);
    n = network_of(4, 6);
    n.config.time_embedding_type = PYR_UNET_LEARNED;
    n.config.num_train_timesteps = 6;
    n.config.class_embed_type = PYR_UNET_CLASS_IDENTITY;
    n.config.time_embedding_dim = 10;
    n.config.act_fn = PYR_ACT_RELU;
    run_gradients("learned, class vector, relu", build_unet, &n, 3, tolerance);
    n.config.mid_block = false;
    n.config.class_embed_type = PYR_UNET_CLASS_TIMESTEP;
    run_gradients("learned, no mid block", build_unet, &n, 2, tolerance);
}

/* ---- properties -------------------------------------------------------------------------------- */

/* With zero_last the network starts at zero, and only its last layers have a gradient at first. */
static void starts_at_zero(void)
{
    network n = network_of(8, 8);
    run_net net;
    run_result r;

    n.options.zero_last = true;
    CHECK(run_open(&net, "cpu", build_unet, &n, (run_options){0}));
    CHECK_OK(pyr_params_init(&net.params, net.k, net.block, 1, 0));
    CHECK_OK(pyr_graph_pack(net.g, net.block));
    run_once(&net, 1, &r);
    CHECK(run_largest(r.y, r.n_y) == 0);
    for (int p = 0; p < net.params.n; p++) {
        const pyr_param *param = &net.params.at[p];
        bool last = strncmp(param->name, "conv_out.", 9) == 0;

        CHECK((run_largest(r.grad + param->offset, param->count) > 0) == last);
    }
    run_result_free(&r);
    run_close(&net);
}

/* Images of a batch do not see each other, and dropout of an image is its own stream's. */
static void images_do_not_see_each_other(void)
{
    static const char *const backends[] = {"ref-double", "ref", "cpu", "cpu-bf16", "cuda", "cuda-bf16"};

    for (int b = 0; b < 6; b++) {
        network n = network_of(7, 5);
        run_net one, three;
        double *values;
        size_t each = 7 * 5 * 3;

        n.config.dropout = 0.5;
        attend(&n, 1, 4);
        if (!run_open(&one, backends[b], build_unet, &n, (run_options){.batch = 1})) {
            CHECK(b >= 3);
            continue;
        }
        CHECK(run_open(&three, backends[b], build_unet, &n, (run_options){.batch = 3}));
        values = run_param_values(&one);
        run_pack(&one, values);
        run_pack(&three, values);
        for (int i = 0; i < 3; i++) {
            double got[2][7 * 5 * 3];

            run_put_all(&three, 0, 4);
            for (int j = 0; j < one.n_inputs; j++) {
                double *in = run_input_values(&three, j, 4);
                size_t size = pyr_count(pyr_graph_shape(one.g, one.in[j].v));

                run_put(&one, 0, j, in + (size_t)i * size);
                pyr_free(in);
            }
            CHECK_OK(pyr_graph_forward(one.g, 0));
            CHECK_OK(pyr_graph_forward(three.g, 0));
            CHECK_OK(pyr_download_reals(one.k, got[0], pyr_graph_data(one.g, 0, one.y), each));
            CHECK_OK(pyr_download_reals(three.k, got[1],
                                        (char *)pyr_graph_data(three.g, 0, three.y) +
                                            (size_t)i * each * pyr_type_size(three.k->real),
                                        each));
            run_near(backends[b], "an image alone", got[0], got[1], each, b == 0 ? 1e-12 : 1e-5,
                     run_largest(got[1], each));
        }
        pyr_free(values);
        run_close(&one);
        run_close(&three);
    }
}

/* ---- files ------------------------------------------------------------------------------------- */

static void remove_model(const char *folder)
{
    static const char *const names[] = {"config.json", "diffusion_pytorch_model.safetensors"};

    for (int i = 0; i < 2; i++) {
        char *path = pyr_path_join(folder, names[i]);

        unlink(path);
        pyr_free(path);
    }
    rmdir(folder);
}

/* The files of network `n` into others: refused with what does not fit, or with a warning. */
static void loaded_into_others(network n, const pyr_unet_files *files)
{
    run_net net;
    pyr_text warning = {0};

    n.config.block_out_channels[1] = 10;
    CHECK(run_open(&net, "cpu", build_unet, &n, (run_options){0}));
    CHECK_FAILS(pyr_unet_load(files, &net.params, net.k, net.block, NULL), PYR_E_FORMAT,
                "expected [10,4,3,3], found [8,4,3,3]");
    run_close(&net);
    n.config.block_out_channels[1] = 8;
    n.config.layers_per_block = 2;
    CHECK(run_open(&net, "cpu", build_unet, &n, (run_options){0}));
    CHECK_FAILS(pyr_unet_load(files, &net.params, net.k, net.block, NULL), PYR_E_FORMAT, "missing");
    run_close(&net);
    /* a smaller one: the rest is named */
    n.config.layers_per_block = 1;
    n.config.class_embed_type = PYR_UNET_CLASS_NONE;
    n.config.num_class_embeds = 0;
    CHECK(run_open(&net, "cpu", build_unet, &n, (run_options){0}));
    CHECK_OK(pyr_unet_load(files, &net.params, net.k, net.block, &warning));
    CHECK(warning.at && strstr(warning.at, "class_embedding.weight"));
    pyr_text_free(&warning);
    run_close(&net);
}

/* Save on one backend, load on others: the same weights and the same answers. */
static void saved_and_loaded(void)
{
    char folder[] = "/tmp/pyrdiff-unet-XXXXXX";
    static const char *const backends[] = {"cpu", "ref", "ref-double"};
    network n = network_of(7, 5);
    run_net net;
    run_result wanted = {0};
    double *values = NULL;
    pyr_unet_files files = {0};
    pyr_unet_config config;
    pyr_safetensors *file = NULL;
    pyr_st_pair pair = {"pyrdiff_level", "3"};

    n.config.patch = 2;
    n.config.in_channels = 12;
    n.config.out_channels = 12;
    n.config.time_embedding_type = PYR_UNET_FOURIER;
    n.config.class_embed_type = PYR_UNET_CLASS_TABLE;
    n.config.num_class_embeds = 4;
    n.config.attention_head_dim = 0;
    n.config.add_attention = true;
    n.config.norm_eps = 3e-6;
    attend(&n, 1, 0);
    CHECK(mkdtemp(folder));
    CHECK(run_open(&net, "cpu", build_unet, &n, (run_options){0}));
    values = run_param_values(&net);
    run_pack(&net, values);
    run_once(&net, 2, &wanted);
    CHECK_OK(pyr_unet_save(folder, &n.config, &net.params, net.k, net.block, &pair, 1));
    CHECK_OK(pyr_unet_find(&files, folder));
    CHECK_OK(pyr_unet_config_read(&config, files.config, NULL));
    CHECK(config.patch == 2 && config.in_channels == 12 && config.norm_eps == 3e-6 &&
          config.attention_head_dim == 0 && config.time_embedding_type == PYR_UNET_FOURIER &&
          config.num_class_embeds == 4);
    CHECK_OK(pyr_safetensors_open(&file, files.weights.at[0]));
    CHECK_STRING(pyr_safetensors_metadata(file, "pyrdiff_level"), "3");
    CHECK_STRING(pyr_safetensors_metadata(file, "format"), "pt");
    CHECK(pyr_safetensors_count(file) == (size_t)net.params.n);
    pyr_safetensors_free(file);
    run_close(&net);
    n.config = config;
    for (int b = 0; b < 3; b++) {
        run_result r = {0};
        double *loaded;
        pyr_text warning = {0};

        CHECK(run_open(&net, backends[b], build_unet, &n, (run_options){0}));
        CHECK_OK(pyr_unet_load(&files, &net.params, net.k, net.block, &warning));
        CHECK(warning.length == 0);
        loaded = run_numbers(net.params.count);
        CHECK_OK(pyr_download_reals(net.k, loaded, net.block, net.params.count));
        CHECK(memcmp(loaded, values, net.params.count * sizeof(double)) == 0);
        CHECK_OK(pyr_graph_pack(net.g, net.block));
        run_once(&net, 2, &r);
        if (b == 0)
            CHECK(run_same(&r, &wanted));
        run_agree(backends[b], &net, &r, &wanted, 2 * tolerance);
        pyr_free(loaded);
        pyr_text_free(&warning);
        run_result_free(&r);
        run_close(&net);
    }
    loaded_into_others(n, &files);
    remove_model(folder);
    pyr_unet_files_free(&files);
    run_result_free(&wanted);
    pyr_free(values);
}

/* As many skip connections as a config.json may ask for. */
static void most_layers(void)
{
    network n = network_of(8, 8);
    run_net net;
    pyr_shape y;

    three_resolutions(&n);
    n.config.layers_per_block = PYR_UNET_MAX_LAYERS;
    CHECK(run_open(&net, "cpu", build_unet, &n, (run_options){0}));
    y = pyr_graph_shape(net.g, net.y);
    CHECK(y.h == 8 && y.w == 8 && y.c == 3);
    run_close(&net);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    RUN(golden_all);
    RUN(golden_more);
    RUN(golden_ncsn);
    RUN(gradients_ncsn);
    RUN(gradients_plain);
    RUN(gradients_attention);
    RUN(gradients_odd_sizes);
    RUN(gradients_patch);
    RUN(gradients_times);
    RUN(starts_at_zero);
    RUN(images_do_not_see_each_other);
    RUN(saved_and_loaded);
    RUN(most_layers);
    return CHECK_DONE();
}
