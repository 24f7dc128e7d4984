# seeds.sh - for scripts: the targets, and the good files that a target's inputs are made from (beside those
# that it makes itself) with what was found once, which is kept in tests/fuzz/found.
targets_of() { ls tests/fuzz/fuzz_*.c | sed 's,.*/fuzz_\(.*\)\.c,\1,'; }

seeds_of() {
    golden=tests/golden
    case $1 in
    safetensors) ls $golden/unet2d/ddpm_like/io.safetensors $golden/unet2d/scale_shift_classes/io.safetensors ;;
    settings) ls configs/*.cfg tests/tiny.cfg ;;
    images) ls $golden/images/*.png $golden/images/*.jpg $golden/shapes/*.gz ;;
    webp) ls $golden/pictures/*.webp ;;
    tiff) ls $golden/pictures/*.tif ;;
    exif) ls $golden/pictures/turned_*.tif $golden/pictures/unturned_*.png ;;
    scheduler) ls $golden/unet2d/pipeline/scheduler/scheduler_config.json ;;
    npz) ls $golden/archives/*.npz $golden/archives/*.zip $golden/archives/dataset.json $golden/arrays/*.npy $golden/arrays/*.npz ;;
    packed) ls $golden/arrays/*.npy $golden/arrays/*.npz $golden/arrays/emnist/*.gz \
        $golden/arrays/torch/FashionMNIST/raw/*-ubyte $golden/arrays/floats-images-idx3-float $golden/arrays/norb/* ;;
    tar) ls $golden/tars/*.tar $golden/tars/*.tar.* ;;
    unet_config) ls $golden/unet2d/*/config.json $golden/unet2d/*/unet/config.json $golden/export/run/*/unet/config.json ;;
    pipeline) ls $golden/unet2d/pipeline/model_index.json ;;
    heads) ls $golden/images/*.png $golden/pictures/unturned_*.png ;;
    esac
    [ ! -d tests/fuzz/found/"$1" ] || ls tests/fuzz/found/"$1"/*
}
