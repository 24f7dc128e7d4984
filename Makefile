# pyrdiff: multi-resolution Laplacian-pyramid diffusion models in C.

# ---- settings: override on the command line, e.g. make CC=clang SAN=address,undefined check
ifeq ($(origin CC),default)
CC      := gcc
endif
OPT     ?= -O3 -march=native
SAN     ?=
WERROR  ?= $(if $(CI),1,)
NVCC    ?= $(shell command -v nvcc 2>/dev/null)
# Warnings, one line each; left out: -Wfloat-equal (exact comparisons are meant, e.g. with 0).
WARN    := -Wall -Wextra
WARN    += -Wshadow
WARN    += -Wconversion -Wno-sign-conversion
WARN    += -Wstrict-prototypes -Wmissing-prototypes
WARN    += -Wpointer-arith -Wvla -Wwrite-strings
WARN    += $(if $(WERROR),-Werror)

# ---- nothing below needs editing to add a source or a test -----------------------------------
ROOMS   := base kernels kernels/ref kernels/cpu graph diffusion images pyramid levels cascade
DEFS    := -I. -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE
CFLAGS_ALL = -std=c11 $(DEFS) $(OPT) -g $(WARN) $(SAN:%=-fsanitize=% -fno-omit-frame-pointer) -pthread -MMD -MP $(CFLAGS)
LDFLAGS_ALL = $(SAN:%=-fsanitize=%) -pthread $(LDFLAGS)
# -lgomp: oneDNN runs on it, and a lane tells it to use one thread (kernels/cpu/onednn.c).
LDLIBS  += -ldnnl -lgomp -lfftw3 -lconfig -lcjson -lpng -ljpeg -lz -lm
B       := build/$(shell echo '$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) $(LDLIBS)' | cksum | cut -d' ' -f1)

LIB_SRC := $(foreach room,$(ROOMS),$(wildcard $(room)/*.c))
CLI_SRC := $(wildcard cli/*.c)
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o)
CLI_OBJ := $(CLI_SRC:%.c=$(B)/%.o)
TEST_SRC := $(wildcard tests/test_*.c)
TESTS   := $(TEST_SRC:tests/%.c=$(B)/tests/%)

ifeq ($(filter help clean format format-check,$(MAKECMDGOALS)),)
ifeq ($(MAKELEVEL),0)
$(info compiler: $(CC), $(OPT)$(if $(SAN), with -fsanitize=$(SAN)))
$(info CUDA: $(if $(NVCC),nvcc found ($(NVCC)); the CUDA backend is not written yet,nvcc not found: CPU only))
$(info build folder: $(B))
endif
endif

## make             build ./pyrdiff
all: pyrdiff
pyrdiff: $(B)/pyrdiff
	@ln -sf $< $@

$(B)/pyrdiff: $(CLI_OBJ) $(B)/libpyrdiff.a
	$(CC) $(LDFLAGS_ALL) $^ $(LDLIBS) -o $@

$(B)/libpyrdiff.a: $(LIB_OBJ)
	@rm -f $@
	ar crs $@ $^

# The reference kernels are the specification: plain rounding, no contraction.
$(B)/kernels/ref/%.o: OPT := -O2 -ffp-contract=off

# Vector loops: `omp simd` may reorder sums; no errno or traps from mathematics.
$(B)/kernels/cpu/%.o: CFLAGS += -fopenmp-simd -fno-math-errno -fno-trapping-math

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -c $< -o $@

$(B)/tests/%: $(B)/tests/%.o $(B)/libpyrdiff.a
	$(CC) $(LDFLAGS_ALL) $^ $(LDLIBS) -o $@

## make tests       build the test programs
tests: $(TESTS)

-include $(LIB_OBJ:.o=.d) $(CLI_OBJ:.o=.d) $(TESTS:%=%.d)
.PHONY: all help check tests clean format format-check demo
.SECONDARY:
