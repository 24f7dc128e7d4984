# pyrdiff: multi-resolution Laplacian-pyramid diffusion models in C.

# ---- settings: override on the command line, e.g. make CC=clang SAN=address,undefined check
ifeq ($(origin CC),default)
CC      := gcc
endif
# Of x86-64, processors since 2009; what is worth more instructions is compiled for each set of them (SETS below).
X86     := $(findstring x86_64,$(shell $(CC) -dumpmachine))
OPT     ?= -O3 $(if $(X86),-march=x86-64-v2)
OBJCOPY ?= objcopy
SAN     ?=
WERROR  ?= $(if $(CI),1,)
# The CUDA backend: built where nvcc is, unless CUDA=0. CUDA_ARCH: compute capabilities, e.g. "86 90", or all (75 to 120);
# without it those of the GPUs that are there, else 90. The PTX of the lowest one is put beside, for every later GPU.
NVCC    ?= $(or $(shell command -v nvcc 2>/dev/null),$(wildcard /usr/local/cuda/bin/nvcc))
CUDA    ?= $(if $(NVCC),1,0)
# Warnings, one line each; left out: -Wfloat-equal (exact comparisons are meant, e.g. with 0).
WARN    := -Wall -Wextra
WARN    += -Wshadow
WARN    += -Wconversion -Wno-sign-conversion
WARN    += -Wstrict-prototypes -Wmissing-prototypes
WARN    += -Wpointer-arith -Wvla -Wwrite-strings
WARN    += $(if $(WERROR),-Werror)

# ---- nothing below needs editing to add a source or a test -----------------------------------
# The library's rooms, each using only those before it; then those of the command line.
ROOMS   := include base settings kernels kernels/ref kernels/onednn kernels/simd kernels/tiles kernels/cpu graph network diffusion pictures archives arrays layouts images pyramid \
           levels diffusers cascade training tasks features eval comparison plots report toys api
CLI     := terminal cli cli/bench cli/info cli/likelihood cli/sample cli/tasks cli/toy
# AMX where the compiler has it: gcc 11, clang 12.
AMX     := $(if $(X86),$(shell $(CC) -mamx-tile -mamx-bf16 -E -x c /dev/null >/dev/null 2>&1 && echo 1))
DEFS    := -I. -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE $(if $(AMX),-DPYR_AMX)
# Position-independent code for all, so that the shared library is made of the same objects: the vector loops of kernels/cpu are the
# same instructions either way. Of the library's names only those of include/pyrdiff.h are seen from outside.
PIC     := -fPIC -fvisibility=hidden
CFLAGS_ALL = -std=c11 $(DEFS) $(OPT) $(PIC) -g $(WARN) $(SAN:%=-fsanitize=% -fno-omit-frame-pointer) -pthread -MMD -MP $(CFLAGS)
LDFLAGS_ALL = $(SAN:%=-fsanitize=%) -pthread $(LDFLAGS)
# -lgomp: oneDNN runs on it, and a lane sets it to one thread (kernels/onednn/onednn.c).
LDLIBS  += -ldnnl -lgomp -lfftw3 -llapacke -llapack -lblas -lconfig -lcjson -lxxhash -lpng -ljpeg -lwebp -ltiff -llbfgs -lzip -larchive -lz -lm
# ---- CUDA
ifeq ($(CUDA),1)
CUDA_ALL  := 75 80 86 87 88 89 90 100 103 110 120
CUDA_ARCH ?= $(or $(shell nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | tr -d . | sort -un),90)
CUDA_FOR  := $(if $(filter all,$(CUDA_ARCH)),$(CUDA_ALL),$(CUDA_ARCH))
NVCCFLAGS := -std=c++20 -O3 -I. $(foreach a,$(CUDA_FOR),-gencode arch=compute_$a,code=sm_$a) \
             -gencode arch=compute_$(firstword $(CUDA_FOR)),code=compute_$(firstword $(CUDA_FOR)) --threads 0 \
             -Xcompiler -fPIC,-fvisibility=hidden,-Wall,-Wextra,-Wno-unused-function,-Wno-missing-field-initializers,-pthread $(if $(WERROR),-Werror all-warnings)
CUDA_HOME := $(patsubst %/bin/,%,$(dir $(realpath $(NVCC))))
CUDA_SRC  := $(wildcard kernels/cuda/*.cu)
CUDA_B    := build/cuda-$(shell echo '$(NVCC) $(NVCCFLAGS)' | cksum | cut -d' ' -f1)
LDLIBS    += -L$(CUDA_HOME)/lib64 -lcudart_static -lrt -ldl -lstdc++
CUDA_WORD := nvcc found ($(NVCC)), for compute capability $(CUDA_FOR); CUDA=0 leaves it out
else
CUDA_WORD := $(if $(NVCC),left out,nvcc not found: CPU only)
endif

B       := build/$(shell echo '$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) $(LDLIBS)' | cksum | cut -d' ' -f1)

LIB_SRC := $(foreach room,$(ROOMS),$(wildcard $(room)/*.c))
LIB_SRC := $(filter-out $(if $(CUDA_SRC),kernels/cuda_absent.c),$(LIB_SRC))
# Rooms that are compiled for each instruction set, of which the program chooses when it runs (kernels/processor.h).
SET_SRC := $(filter kernels/simd/% kernels/tiles/% kernels/cpu/%,$(LIB_SRC))
LIB_SRC := $(filter-out $(SET_SRC),$(LIB_SRC))
SETS    := base $(if $(X86),avx2 avx512 avx512_bf16 $(if $(AMX),avx512_amx))
SET_OBJ := $(foreach set,$(SETS),$(SET_SRC:%.c=$(B)/%.$(set).o))
CLI_SRC := $(foreach room,$(CLI),$(wildcard $(room)/*.c))
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o) $(SETS:%=$(B)/kernels/kernels.%.o) $(CUDA_SRC:%.cu=$(CUDA_B)/%.o)
CLI_OBJ := $(CLI_SRC:%.c=$(B)/%.o)
TEST_SRC := $(wildcard tests/test_*.c)
TESTS   := $(TEST_SRC:tests/%.c=$(B)/tests/%)

ifeq ($(filter help clean format list-rooms,$(MAKECMDGOALS)),)
ifeq ($(MAKELEVEL),0)
$(info compiler: $(CC), $(OPT)$(if $(SAN), with -fsanitize=$(SAN)))
$(info CUDA: $(CUDA_WORD))
$(info build folder: $(B))
endif
endif

## make             build ./pyrdiff
all: pyrdiff
# The link always points to what these settings build.
pyrdiff: $(B)/pyrdiff FORCE
	@ln -sf $< $@
FORCE:

$(B)/pyrdiff: $(CLI_OBJ) $(B)/libpyrdiff.a
	$(CC) $(LDFLAGS_ALL) $^ $(LDLIBS) -o $@

$(B)/libpyrdiff.a: $(LIB_OBJ)
	@rm -f $@
	ar crs $@ $^

# The reference kernels are the specification: plain rounding, no contraction.
$(B)/kernels/ref/%.o: OPT := -O2 -ffp-contract=off

# The sanitizers ask the fuzz targets for their options by name (__asan_default_options).
$(B)/tests/fuzz/%.o: PIC := -fPIC

# Vector loops: `omp simd` may reorder sums; no errno or traps from mathematics. In kernels/simd a product and a sum become one
# instruction, which ISO C mode would not do.
$(SET_OBJ): override CFLAGS += -fno-math-errno -fno-trapping-math
$(filter $(B)/kernels/cpu/%,$(SET_OBJ)): override CFLAGS += -fopenmp-simd
$(filter $(B)/kernels/simd/%,$(SET_OBJ)): override CFLAGS += -ffp-contract=fast
# gcc 12 reads vectors of 64 bytes as if aligned where it moves variables off the stack to watch for uses after
# return, and there they may not be.
$(SET_OBJ): override CFLAGS += $(if $(SAN),$(if $(findstring gcc,$(CC)),--param asan-use-after-return=0))
# clang does not vectorise some of these loops when each is watched.
$(SET_OBJ): override CFLAGS += $(if $(SAN),$(if $(findstring clang,$(CC)),-Wno-pass-failed))
# Rules for each instruction set; all its objects are made one, whose names are its own but those that end in the set's:
# machine code, also where the rest is optimised when it is linked (-flto).
MARCH_base        := $(if $(X86),-march=x86-64-v2)
MARCH_avx2        := -march=x86-64-v3
MARCH_avx512      := -march=x86-64-v4
MARCH_avx512_bf16 := $(MARCH_avx512) -mavx512bf16
MARCH_avx512_amx  := $(MARCH_avx512_bf16) -mamx-tile -mamx-bf16
define set_rule
$(B)/%.$(1).o: %.c
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS_ALL) $(if $(findstring -flto,$(CFLAGS_ALL)),-fno-lto) $(MARCH_$(1)) -DPYR_SET=$(1) -c $$< -o $$@
$(B)/kernels/kernels.$(1).o: $(SET_SRC:%.c=$(B)/%.$(1).o)
	$$(LD) -r $$^ -o $$@
	$$(OBJCOPY) --wildcard --keep-global-symbol='*_$(1)' $$@
endef
$(foreach set,$(SETS),$(eval $(call set_rule,$(set))))

# Reports say which sources the program is built from; only that object is made again when they change.
SOURCES_ARE := $(or $(shell git describe --always --dirty --tags 2>/dev/null),unknown)
$(B)/sources-are: FORCE
	@mkdir -p $(@D)
	@echo '$(SOURCES_ARE)' | cmp -s - $@ || echo '$(SOURCES_ARE)' >$@
$(B)/base/version.o: $(B)/sources-are
$(B)/base/version.o: override CFLAGS += -DPYR_SOURCES='"$(SOURCES_ARE)"'

# The default configuration, as the text of a C string.
$(B)/default-config.inc: configs/fashion-mnist.cfg
	@mkdir -p $(@D)
	sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $< >$@
$(B)/cascade/default_config.o: $(B)/default-config.inc
$(B)/cascade/default_config.o: override CFLAGS += -I$(B)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -c $< -o $@

$(CUDA_B)/%.o: %.cu
	@mkdir -p $(@D)
	$(NVCC) $(NVCCFLAGS) -MMD -MP -c $< -o $@

# The CUDA backend on a device that is none (tests/cuda): the same sources as C++, in front of the library.
CXX       ?= g++
EMULATED  := $(patsubst %,$(B)/emulated/%.o,$(wildcard kernels/cuda/*.cu tests/cuda/*.cc))
CXXFLAGS_ALL = -std=c++20 -I. -Itests/cuda -O2 -g -Wall -Wextra -Wno-missing-field-initializers -Wno-unused-function $(if $(WERROR),-Werror) $(SAN:%=-fsanitize=%) -pthread -MMD -MP
$(B)/emulated/%.o: %
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS_ALL) -x c++ -c $< -o $@
LINK_EMULATED = $(CXX) $(LDFLAGS_ALL) -rdynamic $^ $(LDLIBS) -o $@
$(B)/emulated/test_emulated: $(B)/tests/cuda/test_emulated.o $(EMULATED) $(B)/libpyrdiff.a
	$(LINK_EMULATED)
$(B)/emulated/%: $(B)/tests/%.o $(EMULATED) $(B)/libpyrdiff.a
	$(LINK_EMULATED)
$(B)/emulated/pyrdiff: $(CLI_OBJ) $(EMULATED) $(B)/libpyrdiff.a
	$(LINK_EMULATED)

$(B)/tests/%: $(B)/tests/%.o $(B)/libpyrdiff.a
	$(CC) $(LDFLAGS_ALL) $(filter %.o,$^) $(filter %.a,$^) $(LDLIBS) -o $@

# ---- the library for other programs
VERSION  := $(shell sed -n 's/^#define PYRDIFF_VERSION "\(.*\)"/\1/p' include/pyrdiff.h)
SONAME   := libpyrdiff.so.$(firstword $(subst ., ,$(VERSION)))
PREFIX   ?= /usr/local
BINDIR   ?= $(PREFIX)/bin
LIBDIR   ?= $(PREFIX)/lib
INCDIR   ?= $(PREFIX)/include
MANDIR   ?= $(PREFIX)/share/man/man1
BASHDIR  ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR   ?= $(PREFIX)/share/zsh/site-functions

## make lib         build the library for other programs: shared, static, pyrdiff.pc (docs/library.md)
lib: $(B)/lib/libpyrdiff.so $(B)/lib/libpyrdiff.a $(B)/lib/pyrdiff.pc
	@echo "$(B)/lib: $(SONAME), libpyrdiff.a"

$(B)/lib/libpyrdiff.so: $(LIB_OBJ)
	@mkdir -p $(@D)
	@echo 'PYRDIFF_$(SONAME:libpyrdiff.so.%=%) { global: pyrdiff_*; local: *; };' >$(@D)/exports
	$(CC) -shared $(LDFLAGS_ALL) -Wl,-soname,$(SONAME) -Wl,--version-script=$(@D)/exports $(if $(SAN),,-Wl,-z,defs) $^ $(LDLIBS) -o $@.$(VERSION)
	@ln -sf $(@F).$(VERSION) $(@D)/$(SONAME)
	@ln -sf $(SONAME) $@

# One object, whose other names are its own.
$(B)/lib/libpyrdiff.a: $(LIB_OBJ)
	@mkdir -p $(@D)
	$(LD) -r $^ -o $(@D)/pyrdiff.o
	$(OBJCOPY) --localize-hidden $(@D)/pyrdiff.o
	@rm -f $@
	ar crs $@ $(@D)/pyrdiff.o
	@rm -f $(@D)/pyrdiff.o

$(B)/lib/pyrdiff.pc: include/pyrdiff.h FORCE
	@mkdir -p $(@D)
	@printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$(LIBDIR)' 'includedir=$(INCDIR)' '' 'Name: pyrdiff' \
	    'Description: multi-resolution Laplacian-pyramid diffusion models' 'Version: $(VERSION)' \
	    'Cflags: -I$${includedir}' 'Libs: -L$${libdir} -lpyrdiff' 'Libs.private: $(LDLIBS) -pthread' >$@

## make install     into PREFIX=/usr/local, with DESTDIR= in front: program, library, header, man pages, completions of bash and zsh
install: $(B)/pyrdiff lib
	install -d $(addprefix $(DESTDIR),$(BINDIR) $(LIBDIR)/pkgconfig $(INCDIR) $(MANDIR) $(BASHDIR) $(ZSHDIR))
	install -m 755 $(B)/pyrdiff $(DESTDIR)$(BINDIR)/pyrdiff
	install -m 644 include/pyrdiff.h $(DESTDIR)$(INCDIR)/pyrdiff.h
	install -m 755 $(B)/lib/libpyrdiff.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libpyrdiff.so.$(VERSION)
	ln -sf libpyrdiff.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libpyrdiff.so
	install -m 644 $(B)/lib/libpyrdiff.a $(DESTDIR)$(LIBDIR)/libpyrdiff.a
	install -m 644 $(B)/lib/pyrdiff.pc $(DESTDIR)$(LIBDIR)/pkgconfig/pyrdiff.pc
	$(B)/pyrdiff --man >$(DESTDIR)$(MANDIR)/pyrdiff.1
	for command in $(COMMANDS); do $(B)/pyrdiff --man $$command >$(DESTDIR)$(MANDIR)/pyrdiff-$$command.1 || exit 1; done
	$(B)/pyrdiff --completions bash >$(DESTDIR)$(BASHDIR)/pyrdiff
	$(B)/pyrdiff --completions zsh >$(DESTDIR)$(ZSHDIR)/_pyrdiff

## make uninstall   remove what install put there, and the folders that are empty then
COMMANDS = $(patsubst cmd_%.c,%,$(notdir $(wildcard cli/cmd_*.c cli/*/cmd_*.c)))
uninstall:
	rm -f $(addprefix $(DESTDIR),$(BINDIR)/pyrdiff $(INCDIR)/pyrdiff.h $(LIBDIR)/libpyrdiff.so.$(VERSION) $(LIBDIR)/$(SONAME) \
	    $(LIBDIR)/libpyrdiff.so $(LIBDIR)/libpyrdiff.a $(LIBDIR)/pkgconfig/pyrdiff.pc $(MANDIR)/pyrdiff.1 \
	    $(COMMANDS:%=$(MANDIR)/pyrdiff-%.1) $(BASHDIR)/pyrdiff $(ZSHDIR)/_pyrdiff)
	-rmdir -p --ignore-fail-on-non-empty $(addprefix $(DESTDIR),$(BINDIR) $(LIBDIR)/pkgconfig $(INCDIR) $(MANDIR) $(BASHDIR) $(ZSHDIR)) \
	    2>/dev/null || true

# This test sees of the library what other programs do.
$(B)/tests/test_library: $(B)/tests/test_library.o $(B)/lib/libpyrdiff.so
	$(CC) $(LDFLAGS_ALL) $< -L$(B)/lib -lpyrdiff -lm -Wl,-rpath,'$$ORIGIN/../lib' -o $@

# A test of the command line's parts links their objects, too.
$(B)/tests/test_options: $(B)/terminal/options.o $(B)/terminal/options_help.o
$(B)/tests/test_evaluate: $(B)/terminal/signals.o
$(B)/tests/test_commands: $(filter-out %/main.o,$(CLI_OBJ))

## make bench       build the benchmarks of the kernels (usage: in each, bench/time_*.c)
BENCHES := $(patsubst %,$(B)/bench/%,time_kernels time_convs time_inception)
bench: $(BENCHES)
	@for i in $(BENCHES); do ln -sf ../$$i bench/; done
$(B)/bench/%: $(B)/bench/%.o $(B)/libpyrdiff.a
	$(CC) $(LDFLAGS_ALL) $^ $(LDLIBS) -o $@

## make tests       build the test programs
tests: $(TESTS)

# All objects and programs, without touching the link ./pyrdiff.
build-only: $(B)/pyrdiff $(TESTS) $(BENCHES)
vector-loops: $(SET_OBJ)

# The kernels, and tests of those that need no library, for a processor whose libraries are not here (tests/aarch64.sh): what
# is not used is left out of a program, with all that it needs.
BARE     := test_conv_f32 test_vector_loops
BARE_OBJ := $(patsubst %.c,$(B)/%.o,$(filter-out base/checksum.c base/json.c kernels/eigen.c kernels/onednn/%,$(filter base/% kernels/%,$(LIB_SRC))))
BARE_OBJ += $(filter %.$(firstword $(SETS)).o,$(SET_OBJ))
bare: override PIC := -fno-pie -ffunction-sections -fdata-sections
bare: $(SET_OBJ) $(BARE:%=$(B)/bare/%)
$(B)/bare/test_conv_f32: $(B)/tests/test_conv_f32.o
$(B)/bare/test_vector_loops: $(B)/tests/aarch64/test_vector_loops.o
$(B)/bare/%: $(BARE_OBJ)
	@mkdir -p $(@D)
	$(CC) -static -Wl,--gc-sections $(LDFLAGS_ALL) $^ -lm -o $@

# The tests once more, with the address and undefined-behaviour sanitizers.
SANITIZED := $(MAKE) --no-print-directory SAN=address,undefined CUDA=0 OPT=-O1
COUNTS    := build/counts
CLI_TESTS := $(filter-out tests/cli/lib.sh,$(wildcard tests/cli/*.sh))
# Tests of what is compiled for each instruction set.
SET_TESTS := test_kernels test_kernels_golden test_vectors test_graph test_unet test_metrics
LONG_TESTS := $(wildcard tests/long/*.sh)
FUZZ      := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

# What is tested of CUDA without a GPU.
EMULATED_TESTS := $(if $(shell command -v $(CXX)),$(addprefix $(B)/emulated/,test_emulated test_cuda test_cuda_libraries test_graph test_unet))

## make quick       the units without sanitizers (less than a minute after the build)
quick: pyrdiff $(TESTS)
	@rm -f $(COUNTS) && touch $(COUNTS)
	@tests/run.sh $(COUNTS) units $(TESTS)
	@tests/run.sh $(COUNTS) --sum

## make check       the tests: units, commands, headers, rooms, format (ten minutes on 2 cores)
check: pyrdiff $(TESTS)
	@rm -f $(COUNTS) && touch $(COUNTS)
	@tests/run.sh $(COUNTS) headers tests/headers.sh
	@tests/run.sh $(COUNTS) rooms tests/rooms.sh
	@tests/run.sh $(COUNTS) format tests/format.sh
	@tests/run.sh $(COUNTS) units $(TESTS)
	@SET_TESTS="$(SET_TESTS:%=$(B)/tests/%)" tests/run.sh $(COUNTS) units tests/sets.sh
	@tests/run.sh $(COUNTS) commands $(CLI_TESTS)
	@tests/run.sh $(COUNTS) --sum

## make morecheck   the rest: CUDA on an emulated device, sanitizers, fuzz targets, aarch64, clang, power cuts (half an hour)
morecheck: pyrdiff
	@rm -f $(COUNTS) && touch $(COUNTS)
	+@$(MAKE) --no-print-directory check-emulated
	+@$(SANITIZED) FEW=1 check-sanitized
	@tests/run.sh $(COUNTS) aarch64 tests/aarch64.sh
	@tests/run.sh $(COUNTS) clang tests/clang.sh
	@tests/run.sh $(COUNTS) disk tests/disk/quick.sh
	@tests/run.sh $(COUNTS) --sum

export ASAN_OPTIONS ?= detect_stack_use_after_return=1:allocator_may_return_null=1
export LSAN_OPTIONS ?= suppressions=tests/leaks.supp:print_suppressions=0
export UBSAN_OPTIONS ?= halt_on_error=1:print_stacktrace=1

check-emulated: $(EMULATED_TESTS) $(if $(EMULATED_TESTS),$(B)/emulated/test_kernels $(B)/emulated/pyrdiff)
ifneq ($(EMULATED_TESTS),)
	@tests/run.sh $(COUNTS) emulated $(EMULATED_TESTS)
	@EMULATED=$(B)/emulated PYRDIFF=$(B)/emulated/pyrdiff tests/run.sh $(COUNTS) emulated tests/cuda/filtered.sh tests/cli/cuda.sh
else
	@echo "skipped CUDA without a GPU: $(CXX) is not installed" && echo "0 0 1" >>$(COUNTS)
endif

# The binary under sanitizers is passed by its path: the link ./pyrdiff stays the fast one.
check-sanitized: $(TESTS) $(B)/pyrdiff $(FUZZ:%=$(B)/fuzz/%)
	@tests/run.sh $(COUNTS) sanitized $(TESTS)
	@FEW=$(FEW) PYRDIFF=$(B)/pyrdiff tests/run.sh $(COUNTS) sanitized-commands tests/cli/codes.sh tests/cli/info.sh tests/cli/data.sh tests/cli/errors.sh
	@FUZZ=$(B)/fuzz MUTATIONS=$(MUTATIONS) tests/run.sh $(COUNTS) sanitized-fuzz tests/fuzz.sh

# FEW=1: some combinations that take long are left to the tests without sanitizers. MUTATIONS: inputs of each fuzz target.
FEW       ?=
MUTATIONS ?= 3000
LIBFUZZER := $(findstring fuzzer-no-link,$(SAN))
$(B)/fuzz/%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/$(if $(LIBFUZZER),libfuzzer,replay_main).o $(B)/libpyrdiff.a
	@mkdir -p $(@D)
	$(CC) $(if $(LIBFUZZER),-fsanitize=fuzzer) $(LDFLAGS_ALL) $(filter %.o,$^) $(filter %.a,$^) $(LDLIBS) -o $@
# All of the command line but main.
$(B)/fuzz/options: $(filter-out %/main.o,$(CLI_OBJ))

## make fuzz        random inputs to all readers of files and texts, guided by coverage where clang has libFuzzer: MINUTES=1 a
##                  target (or RUNS= inputs where that is less), TARGETS="tar tiff" (all), JOBS=2 at a time; exit 1 when one fails
MINUTES ?= 1
TARGETS ?= $(FUZZ)
HAS_LIBFUZZER := $(if $(filter fuzz,$(MAKECMDGOALS)),$(wildcard $(shell clang -print-file-name=libclang_rt.fuzzer-x86_64.a 2>/dev/null)) $(wildcard $(shell clang -print-file-name=libclang_rt.fuzzer.a 2>/dev/null)))
fuzz:
ifneq ($(strip $(HAS_LIBFUZZER)),)
	+@$(MAKE) --no-print-directory CC=clang SAN=fuzzer-no-link,address,undefined,float-cast-overflow CUDA=0 OPT=-O1 WERROR= ENGINE=libfuzzer fuzz-run
else
	@echo "libFuzzer is not here (Debian: clang, libclang-rt-14-dev): mutations without a look at coverage"
	+@$(SANITIZED) ENGINE=mutations fuzz-run
endif
fuzz-run: $(TARGETS:%=$(B)/fuzz/%)
	@FUZZ=$(B)/fuzz ENGINE=$(ENGINE) MINUTES=$(MINUTES) RUNS=$(RUNS) JOBS=$(JOBS) tests/fuzz/run.sh $(TARGETS)

## make longcheck   check and morecheck, then trainings and the sanitizers with a hundred times the fuzzing (about an hour)
longcheck: check
	+@$(MAKE) --no-print-directory morecheck
	@rm -f $(COUNTS) && touch $(COUNTS)
	+@$(if $(filter 1,$(CUDA)),$(MAKE) --no-print-directory CUDA_ARCH=all WERROR=1 all)
	@tests/run.sh $(COUNTS) long $(LONG_TESTS)
	+@$(SANITIZED) MUTATIONS=300000 check-sanitized
	@tests/run.sh $(COUNTS) --sum

## make gpucheck    on a machine with a GPU: the tests of the CUDA backend, then compute-sanitizer over its kernels
GPU_TESTS := test_cuda test_kernels test_graph test_unet test_levels test_cascade
gpucheck: pyrdiff $(GPU_TESTS:%=$(B)/tests/%)
	@./pyrdiff info | grep 'cuda (' || { echo "gpucheck: no GPU here, or a program without CUDA (./pyrdiff info)"; exit 1; }
	@rm -f $(COUNTS) && touch $(COUNTS)
	@tests/run.sh $(COUNTS) gpu $(GPU_TESTS:%=$(B)/tests/%)
	@tests/run.sh $(COUNTS) gpu-commands tests/cli/cuda.sh
	@for tool in memcheck racecheck initcheck; do \
	    for test in "test_cuda" "test_kernels cuda"; do \
	        echo "compute-sanitizer --tool $$tool $$test" && \
	        compute-sanitizer --tool $$tool --error-exitcode 9 $(B)/tests/$$test >build/sanitizer.txt 2>&1 || \
	            { tail -n 40 build/sanitizer.txt; exit 1; }; \
	    done; done
	@tests/run.sh $(COUNTS) --sum

## make gpubench    on a machine with a GPU: pyrdiff and PyTorch (PYTHON=V/bin/python; none: pyrdiff alone) on the same networks
PYTHON ?= none
GPU_NETWORKS := $(wildcard bench/networks-gpu/*/config.json)
empty :=
space := $(empty) $(empty)
comma := ,
gpubench: pyrdiff
	bench/compare.sh --device cuda --python $(PYTHON) --networks $(subst $(space),$(comma),$(GPU_NETWORKS:%/config.json=%)) --out results/bench/gpu.txt
	@for network in $(GPU_NETWORKS:%/config.json=%); do ./pyrdiff bench --backend cuda --network $$network --profile; done | \
	    tee results/bench/gpu-profile.txt

## make demo        install what is missing, build, train Fashion-MNIST, sample, print where the pictures are
demo:
	@scripts/install-deps
	+@$(MAKE) --no-print-directory -j$$(getconf _NPROCESSORS_ONLN) $(if $(shell nvidia-smi -L 2>/dev/null),,CUDA=0) pyrdiff
	@scripts/demo

## make format      format all sources with clang-format
SOURCES := $(foreach room,$(ROOMS) $(CLI) kernels/cuda bench examples tests tests/aarch64 tests/cuda tests/fuzz,$(wildcard $(room)/*.[ch] $(room)/*.cu $(room)/*.cc))
format:
	clang-format -i $(SOURCES)

# For tests/rooms.sh.
list-rooms:
	@echo $(ROOMS) $(CLI)

## make clean       remove the build (runs and pictures stay)
clean:
	rm -rf build pyrdiff

## make help        this list
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

-include $(LIB_OBJ:.o=.d) $(SET_OBJ:.o=.d) $(EMULATED:.o=.d) $(CLI_OBJ:.o=.d) $(TESTS:%=%.d) $(BENCHES:%=%.d) $(wildcard $(B)/tests/cuda/*.d $(B)/tests/fuzz/*.d $(B)/fuzz/*.d)
# What a failed command has begun is no target: the next run makes it again.
.DELETE_ON_ERROR:
.PHONY: bare all lib install uninstall bench help quick fuzz fuzz-run check morecheck check-sanitized check-emulated gpucheck gpubench build-only vector-loops longcheck tests clean format demo list-rooms
.SECONDARY: $(TESTS:%=%.o) $(BENCHES:%=%.o) $(FUZZ:%=$(B)/tests/fuzz/fuzz_%.o)
