#!/bin/sh
# The readers of untrusted files on damaged copies of good ones: $FUZZ holds the programs, $MUTATIONS says how many.
# A crash or a sanitizer's report fails.
passed=0 failed=0
replay() {
    target=$1
    shift
    if "$FUZZ/$target" --mutate "${MUTATIONS:-3000}" --seed 1 "$@" >/dev/null; then
        passed=$((passed + 1))
    else
        echo "FAILED fuzzing $target: again with: $FUZZ/$target --mutate ${MUTATIONS:-3000} --seed 1 $*"
        failed=$((failed + 1))
    fi
}
replay safetensors tests/golden/unet2d/ddpm_like/io.safetensors tests/golden/unet2d/scale_shift_classes/io.safetensors
replay settings configs/*.cfg tests/tiny.cfg
replay images tests/golden/images/*.png tests/golden/images/*.jpg tests/golden/shapes/*.gz
replay webp tests/golden/pictures/*.webp
replay tiff tests/golden/pictures/*.tif
replay exif tests/golden/pictures/turned_*.tif tests/golden/pictures/unturned_*.png
replay scheduler tests/golden/unet2d/pipeline/scheduler/scheduler_config.json
replay npz tests/golden/archives/*.npz tests/golden/archives/*.zip tests/golden/archives/dataset.json \
    tests/golden/arrays/*.npy tests/golden/arrays/*.npz
replay packed tests/golden/arrays/*.npy tests/golden/arrays/*.npz tests/golden/arrays/emnist/*.gz \
    tests/golden/arrays/torch/FashionMNIST/raw/*-ubyte tests/golden/arrays/floats-images-idx3-float
replay tar tests/golden/tars/*.tar tests/golden/tars/*.tar.*
echo "fuzz: $passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
