#!/bin/sh
# What folders and archives of images are read as: splits, classes, numbered parts, and how to overrule it. The
# layouts themselves are in tests/test_layout.c; here they come from the disk.
. tests/cli/lib.sh

image=tests/golden/images/rgb_8.png
tars=tests/golden/tars

# put NAME...: that image under these names
put() {
    for name; do
        mkdir -p "$tmp/$(dirname "$name")"
        cp "$image" "$tmp/$name"
    done
}

begin "training and testing are the split, not classes"
put brain/Training/glioma/0.png brain/Training/glioma/1.png brain/Training/notumor/0.png
put brain/Testing/glioma/0.png brain/Testing/notumor/0.png
pyr info --data "$tmp/brain"
gives 0
says "3 images to train on, 2 held out (its test set)"
says "2 classes (glioma, notumor)"
says "class 0     glioma: 2 for training, 1 held out"

begin "one folder around all, a lone train/"
put wrapped/photos/cat/0.png wrapped/photos/cat/1.png wrapped/photos/dog/0.png
pyr info --data "$tmp/wrapped" --split all
says "2 classes (cat, dog)"
put lone/train/cat/0.png lone/train/cat/1.png lone/train/dog/0.png
pyr info --data "$tmp/lone" --split all
says "2 classes (cat, dog)"

begin "Tiny-ImageNet: images/ is no class, val_annotations.txt has the labels"
put tiny/train/n01/images/a.png tiny/train/n01/images/b.png tiny/train/n02/images/c.png
put tiny/val/images/val_0.png tiny/val/images/val_1.png tiny/test/images/test_0.png
printf 'val_0.png\tn02\t0\t0\t9\t9\nval_1.png\tn01\t0\t0\t9\t9\n' >"$tmp/tiny/val/val_annotations.txt"
pyr info --data "$tmp/tiny"
gives 0
says "3 images to train on, 2 held out"
says "2 classes (n01, n02)"
says "class 1     n02: 1 for training, 1 held out"

begin "a flat val/ costs the training labels nothing"
put flat/train/n01/a.png flat/train/n01/b.png flat/train/n02/c.png flat/val/0.png flat/val/1.png
pyr info --data "$tmp/flat"
gives 0
says "2 classes (n01, n02)"
pyr info --data "$tmp/flat" --split val
says "2 classes (n01, n02)"
pyr info --data "$tmp/flat" --split test
gives 1
complains "data.split is \"test\", but no folder is named so: there are train/, val/"

begin "numbered parts are no classes, unless told"
put ffhq/00000/00000.png ffhq/00000/00001.png ffhq/01000/01000.png ffhq/01000/01001.png
pyr info --data "$tmp/ffhq" --split all
gives 0
says "4 images to train on"
says "classes     none"
pyr info --data "$tmp/ffhq" --split all --classes folders
says "2 classes (00000, 01000)"

begin "--classes none, and words that are none"
pyr info --data "$tmp/brain" --classes none
gives 0
says "3 images to train on, 2 held out"
says "classes     none"
pyr info --data "$tmp/brain" --classes some
gives 2
complains "none, folders"

begin "what other programs leave is left aside"
put mac/cat/0.png mac/cat/1.png mac/dog/0.png mac/cat/.ipynb_checkpoints/0-checkpoint.png
put mac/__MACOSX/cat/._0.png mac/@eaDir/cat/0.png
pyr info --data "$tmp/mac" --split all
says "3 images to train on"
says "2 classes (cat, dog)"

begin "tar archives: folders, shards"
pyr info --data "$tars/folders.tar" --split all
gives 0
says "folders.tar (tar of image files): 10 images to train on, 0 held out, 8x6 RGB, 8 bits, 3 classes (ant, bee, cat)"
pyr info --data "$tars/folders.tar.gz" --split all
says "3 classes (ant, bee, cat)"
mkdir "$tmp/shards"
cp "$tars/cls-000000.tar" "$tmp/shards/train-000000.tar"
cp "$tars/cls-000001.tar" "$tmp/shards/train-000001.tar"
pyr info --data "$tmp/shards" --split all
says "shards (tar archives of image files): 10 images to train on, 0 held out, 8x6 RGB, 8 bits, 3 classes"
says "class 1     3 for training"
pyr info --data "$tars/no_images.tar.gz"
gives 1
complains "CIFAR's Python version, a folder of pickles"

finish
