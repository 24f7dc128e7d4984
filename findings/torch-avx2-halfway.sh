#!/bin/sh
# ATEN_CPU_CAPABILITY=avx2 does not show how PyTorch trains on a processor with AVX2: convolutions go on in AVX-512.
#
# torch 2.15.0. The variable (documented for such comparisons; ATen's dispatch reads it) limits PyTorch's own kernels, and
# torch.backends.cpu.get_cpu_capability() then says AVX2. Convolutions are oneDNN's, which comes along inside of torch, asks the
# processor itself, and has a variable of its own. Seen with ONEDNN_VERBOSE=1, a 3x3 convolution of channels-last floats, by forward
# and backward pass, on a processor with AVX-512 (Zen 4):
#
#     environment                                          ATen     forward                     backward by weights
#     -                                                    AVX512   brg_conv_fwd:avx512_core    jit:avx512_core
#     ATEN_CPU_CAPABILITY=avx2                             AVX2     brg_conv_fwd:avx512_core    jit:avx512_core
#     ONEDNN_MAX_CPU_ISA=AVX2                              AVX512   brg_conv_fwd:avx2           jit:avx2
#     both                                                 AVX2     brg_conv_fwd:avx2           jit:avx2
#
# So a benchmark "limited to AVX2" by the first alone, or one on a large server that stands for a laptop, has the elementwise kernels of
# the one and the convolutions of the other. Both variables are needed, set before torch is imported (bench/compare.sh is run with both;
# results/bench/f32-avx2.txt). Matrix products of Linear layers go to a third library, MKL, which is not looked at here.
# Where the processor has no AVX-512 there is nothing to see, and the script says so. The download is 4 GB.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q torch==2.15.0
cat >"$work/convolution.py" <<'PY'
import torch

print("aten", torch.backends.cpu.get_cpu_capability())
conv = torch.nn.Conv2d(64, 64, 3, padding=1).to(memory_format=torch.channels_last)
x = torch.randn(8, 64, 28, 28).to(memory_format=torch.channels_last).requires_grad_()
conv(x).sum().backward()
PY
cat >"$work/look.py" <<'PY'
import os, subprocess, sys

SWITCHES = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}


def look(*names):
    """What ATen says of itself, and the implementation of each pass of the convolution by oneDNN's own report."""
    given = {name: SWITCHES[name] for name in names}
    clean = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    done = subprocess.run([sys.executable, sys.argv[1]], env={**clean, "ONEDNN_VERBOSE": "1", **given}, check=True,
                          capture_output=True, text=True)
    aten, by = "", {}
    for line in done.stdout.splitlines():
        fields = line.split(",")
        if line.startswith("aten "):
            aten = line.split()[1]
        if "exec" in fields and "convolution" in fields:
            at = fields.index("convolution")
            by[fields[at + 2]] = fields[at + 1]
    print(f"{' '.join(f'{n}={v}' for n, v in given.items()) or '-':52} {aten:8} {by['forward_training']:27} {by['backward_weights']}")
    return aten, set(by.values())


if "avx512f" not in open("/proc/cpuinfo").read():
    print("skipped: this processor has no AVX-512, all of PyTorch is limited as it is")
    sys.exit(0)
print(f"{'environment':52} {'ATen':8} {'forward':27} backward by weights")
wide, one, other, both = look(), look("ATEN_CPU_CAPABILITY"), look("ONEDNN_MAX_CPU_ISA"), look(*SWITCHES)
is_wide = lambda passes: all("avx512" in name for name in passes)
assert wide[0] == "AVX512" and is_wide(wide[1]), wide
assert one[0] == "AVX2" and is_wide(one[1]), one
assert other[0] == "AVX512" and not any("avx512" in name for name in other[1]), other
assert both[0] == "AVX2" and both[1] == other[1], both
print("as described")
PY
"$work/venv/bin/python" "$work/look.py" "$work/convolution.py"
