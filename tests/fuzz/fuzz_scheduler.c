/* fuzz_scheduler.c - scheduler_config.json, and the noise levels and timesteps that it makes. */
#include "diffusers/scheduler_config.h"
#include "tests/fuzz/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pyr_scheduler_config config;
    pyr_text warning = {0};
    pyr_ddpm ddpm = {0};
    int t[10];

    if (pyr_scheduler_config_parse(&config, (const char *)data, size, "fuzz", NULL, &warning) == PYR_OK &&
        pyr_ddpm_new(&ddpm, &config.ddpm) == PYR_OK && pyr_ddpm_timesteps(&ddpm, 10, t) == PYR_OK)
        for (int i = 0; i < 10; i++) {
            (void)pyr_ddpm_step_to(&ddpm, t[i], i < 9 ? t[i + 1] : -1);
            (void)pyr_ddim_step_to(&ddpm, t[i], i < 9 ? t[i + 1] : -1, 0.5);
        }
    pyr_ddpm_free(&ddpm);
    pyr_scheduler_config_free(&config);
    pyr_text_free(&warning);
    return 0;
}
