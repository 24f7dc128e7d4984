#!/bin/sh
# Data sets of arrays and of packed files: described, and refused with a sentence that says what to do.
. tests/cli/lib.sh

arrays=tests/golden/arrays

begin "Keras' MNIST"
pyr info --data $arrays/mnist.npz
gives 0
says "mnist.npz (NPZ): 12 images to train on, 7 held out (its test set), 6x5 grey, 8 bits, 4 classes"

begin "MedMNIST"
pyr info --data $arrays/pathmnist.npz
gives 0
says "pathmnist.npz (NPZ): 12 images to train on, 7 held out (its test set), 8x8 RGB, 8 bits, 4 classes"
holds test "$(grep -c 'left unread' "$tmp/stdout")" = 0

begin "KMNIST's files, together and one by itself"
pyr info --data $arrays/kmnist
gives 0
says "kmnist (arrays): 12 images to train on, 7 held out (its test set), 6x5 grey, 8 bits, 4 classes"
pyr info --data $arrays/kmnist/kmnist-train-imgs.npz
gives 0
says "11 images to train on, 1 held out, 6x5 grey, 8 bits, 4 classes"

begin "ImageNet-32's batches"
pyr info --data $arrays/imagenet
gives 0
says "imagenet (arrays): 12 images to train on, 5 held out (its test set), 8x8 RGB, 8 bits, 5 classes"

begin "EMNIST's letters"
pyr info --data $arrays/emnist
gives 0
says "26 classes (A, B, C, D, E, F, G, H, I, J, ...)"

begin "STL-10's binary files"
pyr info --data $arrays/stl10_binary
gives 0
says "stl10_binary (STL-10): 2 images to train on, 2 held out (its test set), 96x96 RGB, 8 bits, 10 classes (airplane"
pyr info --data $arrays/stl10_binary/unlabeled_X.bin
gives 0
says "unlabeled_X.bin (STL-10): 1 image to train on, 0 held out, 96x96 RGB, 8 bits"

begin "folders around a data set"
pyr info --data $arrays/torch
gives 0
says "torch (IDX): 12 images to train on, 7 held out (its test set)"
pyr info --data $arrays/cifar
gives 0
says "cifar (CIFAR-10): 2 images to train on, 2 held out (its test set), 32x32 RGB"

begin "two data sets in one folder"
holds mkdir -p "$tmp/two"
holds cp -r $arrays/torch/FashionMNIST "$tmp/two/FashionMNIST"
holds cp -r $arrays/torch/FashionMNIST "$tmp/two/MNIST"
pyr info --data "$tmp/two"
refuses 1 "$tmp/two: several data sets: $tmp/two/FashionMNIST/raw and $tmp/two/MNIST/raw; give the path of one"

begin "arrays in a folder and below it"
holds mkdir -p "$tmp/mixed/inner"
holds cp $arrays/rows.npy "$tmp/mixed/inner"
pyr info --data "$tmp/mixed"
gives 0
holds cp $arrays/mnist.npz "$tmp/mixed"
pyr info --data "$tmp/mixed"
refuses 1 "$tmp/mixed: arrays in it (mnist.npz) and in $tmp/mixed/inner; give the path of one"

begin "labels that are none"
holds cp $arrays/pair/images.npy "$tmp/images.npy"
holds cp $arrays/rows.npy "$tmp/labels.npy"
pyr info --data "$tmp/images.npy"
gives 0
says "labels.npy has 64 numbers for each image and no single class: not used"

begin "values that say nothing of black and white"
pyr info --data $arrays/f8_wide.npy
refuses 1 "float64 values from -98.3121848 to 198.558951, of which nothing says what is black and what is white"
complains "--set 'data.range=[-98.3121848, 198.558951]'"
pyr info --data $arrays/nan.npy
refuses 1 "element 101 is not a number"

begin "no images"
pyr info --data $arrays/objects.npz
refuses 1 "array images is of type object: Python's own objects, pickled"
pyr info --data $arrays/features.npy
refuses 1 "array features has shape (40, 5), images should be (n, h, w, c)"

finish
