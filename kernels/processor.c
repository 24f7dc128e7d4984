/* processor.c - the best instruction set that the processor has, or a lesser one by PYRDIFF_CPU. */
#include "kernels/processor.h"

#include "base/text.h"
#include <stdlib.h>
#include <string.h>
#ifdef PYR_AMX
#include <cpuid.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#ifdef __x86_64__
const char *const pyr_set_names[] = {"x86-64",     "avx2", "avx512", "avx512-bf16",
#ifdef PYR_AMX
                                     "avx512-amx",
#endif
                                     NULL};

#ifdef PYR_AMX
/* Tiles are 8 KiB more that the kernel keeps of a thread: it does where the process asks for it, for all of its threads
 * (Linux 5.16, Documentation/arch/x86/xstate.rst). It refuses where a thread's stack for signals has no room for them. */
static bool grants_tiles(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, TILE_DATA = 18 };

    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0;
}

/* Asked once: later threads have what the process has. */
static bool has_amx(void)
{
    enum { UNKNOWN, NO, YES, FEATURES = 7, BF16 = 1 << 22, TILE = 1 << 24 };
    static _Atomic int known = UNKNOWN;
    unsigned a, b, c, d;
    int here = atomic_load(&known);

    if (here == UNKNOWN) {
        bool has =
            __get_cpuid_count(FEATURES, 0, &a, &b, &c, &d) && (d & BF16) && (d & TILE) && grants_tiles();

        here = has ? YES : NO;
        atomic_store(&known, here);
    }
    return here == YES;
}
#endif

/* What the compiler may use for x86-64-v3 and v4, as far as both compilers can ask for it: virtual machines hide some. The
 * kernel is asked for AMX's tiles only where `most`, a pyr_set, may be it: what it grants is the process's until it ends. */
static pyr_set best(int most)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi") ||
        !__builtin_cpu_supports("bmi2"))
        return PYR_SET_BASE;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512cd") || !__builtin_cpu_supports("avx512dq") ||
        !__builtin_cpu_supports("avx512vl"))
        return PYR_SET_AVX2;
    if (!__builtin_cpu_supports("avx512bf16"))
        return PYR_SET_AVX512;
#ifdef PYR_AMX
    if (most >= PYR_SET_AVX512_AMX && has_amx())
        return PYR_SET_AVX512_AMX;
#endif
    (void)most;
    return PYR_SET_AVX512_BF16;
}
#else
const char *const pyr_set_names[] = {"base", NULL};

static pyr_set best(int most)
{
    (void)most;
    return PYR_SET_BASE;
}
#endif

/* The set that PYRDIFF_CPU names: PYR_SETS when it is none; -1: it is not given. */
static int named(const char **word)
{
    int set = 0;

    *word = getenv("PYRDIFF_CPU");
    if (!*word || !**word)
        return -1;
    while (pyr_set_names[set] && strcmp(pyr_set_names[set], *word) != 0)
        set++;
    return pyr_set_names[set] ? set : PYR_SETS;
}

pyr_status pyr_set_check(void)
{
    const char *word;
    int set = named(&word);

    if (set == PYR_SETS) {
        pyr_text names = {0};

        for (set = 0; pyr_set_names[set]; set++)
            pyr_text_add(&names, "%s%s", set ? ", " : "", pyr_set_names[set]);
        pyr_fail(PYR_E_ARG, "the environment's PYRDIFF_CPU=%s is none of %s", word, names.at ? names.at : "");
        pyr_text_free(&names);
        return PYR_E_ARG;
    }
    if (set > (int)best(set))
        return pyr_fail(PYR_E_UNSUPPORTED, "the environment's PYRDIFF_CPU=%s: this processor has %s at most",
                        word, pyr_set_names[best(set)]);
    return PYR_OK;
}

pyr_set pyr_set_here(void)
{
    const char *word;
    int set = named(&word), most = (int)best(set >= 0 ? set : PYR_SETS);

    return (pyr_set)(set >= 0 && set < most ? set : most);
}

bool pyr_bf16_is_fast(void)
{
    pyr_set set = pyr_set_here();

#ifdef __x86_64__
    /* VDPBF16PS makes twice the products of a fused multiply-add, and AMD's starts as often as that: 520 and 250 GFLOP/s a
     * core (Zen 4). Intel's starts at most half as often: 180 and 242 (Granite Rapids), where training in f32 is 1.2 to
     * 1.5 times as fast (results/bench/amx.txt). */
    if (set == PYR_SET_AVX512_BF16) {
        __builtin_cpu_init();
        return __builtin_cpu_is("amd");
    }
    return set > PYR_SET_AVX512_BF16;
#else
    (void)set;
    return false;
#endif
}
