#!/bin/sh
# The table of docs/data.md: each data set in the layout that is downloaded, with a handful of tiny images
# (tests/make-datasets.py, tests/cli/convert-samples.py), read with the line that the table says. The first line of
# `info` is compared whole.
. tests/cli/lib.sh
find_python numpy PIL

root=$PWD
sets=$tmp/sets
case $program in
/*) ;;
*) program=$root/$program ;;
esac
: >"$tmp/names"
path='' missing=''
if [ "$python" = none ]; then
    missing="no Python with numpy and PIL"
elif ! "$python" tests/make-datasets.py "$sets" >"$tmp/without" 2>"$tmp/stderr"; then
    cat "$tmp/stderr"
    echo "datasets: the data sets were not made"
    exit 1
fi

# The row of NAME in the table says what is typed.
documented() { # NAME TYPED
    begin "$1"
    echo "$1" >>"$tmp/names"
    wanted || return 0
    last_command="grep '$1' docs/data.md"
    grep -F "| $1 |" docs/data.md | grep -q -F "| \`$2\` |" || bad "docs/data.md has no row with $2"
    [ -z "$missing" ] || skip "$missing"
}

# A data set of tests/make-datasets.py, in the folder KEY.
row() { # NAME KEY TYPED
    documented "$1" "--data $3"
    without=$(sed -n "s/^$2: //p" "$tmp/without")
    [ -z "$without" ] || skip "$without"
    wanted || return 0
    path=${3%% *}
    cd "$sets/$2" || exit 1
    eval "pyr info --data $3"
    cd "$root" || exit 1
}

# One that is converted: KIND of tests/cli/convert-samples.py, as the folder WHERE (empty: its files are typed); or -, of
# tests/make-datasets.py in the folder WHERE.
converted() { # NAME KIND WHERE "SOURCE OUT"
    documented "$1" "scripts/convert-dataset $4"
    wanted || return 0
    path=${4##* }
    if [ "$2" = - ]; then
        without=$(sed -n "s/^$3: //p" "$tmp/without")
        [ -z "$without" ] || skip "$without"
        folder=$sets/$3
    else
        folder=$tmp/$2${3:+-made}
        [ -z "$3" ] || mkdir "$folder"
        "$python" tests/cli/convert-samples.py make "$2" "$folder${3:+/$3}" >"$tmp/stdout" 2>"$tmp/stderr"
        case $? in
        0) ;;
        3) skip "$(cat "$tmp/stdout")" ;;
        *) bad "the sample was not made" ;;
        esac
    fi
    wanted || return 0
    cd "$folder" || exit 1
    last_command="scripts/convert-dataset $4"
    # shellcheck disable=SC2086
    "$python" "$root/scripts/convert-dataset" $4 >"$tmp/stdout" 2>"$tmp/stderr"
    status=$?
    cd "$root" || exit 1
    gives 0
}

# The first line of info is "PATH $1", where PATH is as typed; of what was converted, it is asked for now.
reads() {
    wanted || return 0
    if [ "${last_command#scripts}" != "$last_command" ]; then
        cd "$folder" || exit 1
        pyr info --data "$path"
        cd "$root" || exit 1
    fi
    gives 0
    first=$(sed -n 1p "$tmp/stdout")
    [ "$first" = "$path $1" ] || bad "info says: $first"
}

# ---- packed files ----

row "MNIST, Fashion-MNIST" mnist "mnist"
reads "(IDX): 20 images to train on, 10 held out (its test set), 28x28 grey, 8 bits, 10 classes"

row "MNIST of torchvision" mnist-torchvision "data/MNIST/raw"
reads "(IDX): 20 images to train on, 10 held out (its test set), 28x28 grey, 8 bits, 10 classes"

row "MNIST of Kaggle" mnist-kaggle "archive"
reads "(IDX): 20 images to train on, 10 held out (its test set), 28x28 grey, 8 bits, 10 classes"

row "EMNIST letters" emnist "gzip/emnist-letters-train-images-idx3-ubyte.gz"
reads "(IDX): 52 images to train on, 26 held out (its test set), 28x28 grey, 8 bits, 26 classes (A, B, C, \
D, E, F, G, H, I, J, ...)"
complains "warning: the labels of EMNIST's letters begin at 1: label 1 is class 0 (A), label 26 is class \
25 (Z)"

row "EMNIST balanced, byclass, ..." emnist "gzip/emnist-balanced-train-images-idx3-ubyte.gz"
reads "(IDX): 94 images to train on, 47 held out (its test set), 28x28 grey, 8 bits, 47 classes (0, 1, 2, \
3, 4, 5, 6, 7, 8, 9, ...)"

row "QMNIST" qmnist "QMNIST/raw"
reads "(IDX): 20 images to train on, 30 held out (its test set), 28x28 grey, 8 bits, 10 classes"

row "KMNIST" kmnist "kmnist"
reads "(arrays): 20 images to train on, 10 held out (its test set), 28x28 grey, 8 bits, 10 classes"

row "Kuzushiji-49" kmnist "k49"
reads "(arrays): 98 images to train on, 49 held out (its test set), 28x28 grey, 8 bits, 49 classes"

row "Keras' mnist.npz" keras "mnist.npz"
reads "(NPZ): 20 images to train on, 10 held out (its test set), 28x28 grey, 8 bits, 10 classes"

row "MedMNIST" medmnist "pathmnist.npz"
reads "(NPZ): 18 images to train on, 9 held out (its test set), 28x28 RGB, 8 bits, 9 classes"

row "MedMNIST with several labels" medmnist "chestmnist.npz"
reads "(NPZ): 18 images to train on, 9 held out (its test set), 28x28 grey, 8 bits; test_labels has 14 \
numbers for each image and no single class: not used; train_labels has 14 numbers for each image and no \
single class: not used"

row "ImageNet-32, ImageNet-64" imagenet32 "Imagenet32_npz"
reads "(arrays): 100 images to train on, 10 held out (its test set), 32x32 RGB, 8 bits, 11 classes; rows \
of 3072 are colour images of 32x32; left unread: train_data_batch_1.npz: mean, train_data_batch_10.npz: \
mean, train_data_batch_2.npz: mean and 8 more"
complains "warning: labels begin at 1: class 0 of 0..10 has no images to train on and cannot be drawn"

row "ADM's reference batches" adm "VIRTUAL_imagenet64_labeled.npz"
reads "(NPZ): 11 images to train on, 1 held out, 64x64 RGB, 8 bits; left unread: mu, mu_s, sigma and 1 more"

row "dSprites" dsprites "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz --set 'data.range=[0,1]'"
reads "(NPZ): 11 images to train on, 1 held out, 64x64 grey, 8 bits; latents_classes has 6 numbers for \
each image and no single class: not used; left unread: latents_values, metadata"

row "scikit-learn's digits" digits "digits.npz --set 'data.range=[0,16]'"
reads "(NPZ): 18 images to train on, 2 held out, 8x8 grey, 16 bits, 10 classes; float64 values 0 to 16, \
[0, 16] of them kept as 16 bits; left unread: data"

row "Quick, Draw!" quickdraw "numpy_bitmap"
reads "(arrays): 17 images to train on, 1 held out, 28x28 grey, 8 bits, 3 classes (airplane, cat, \
ice-cream); rows of 784 are grey images of 28x28; each file is a class (--set data.classes=none: they are not)"

row "CIFAR as rows" arrays "rows"
reads "(arrays): 20 images to train on, 10 held out (its test set), 32x32 RGB, 8 bits, 10 classes; rows of \
3072 are colour images of 32x32"

row "Your own arrays" arrays "mine"
reads "(arrays): 18 images to train on, 2 held out, 6x5 RGB, 8 bits, 4 classes"

row "CIFAR-10.1" arrays "cifar10.1"
reads "(arrays): 18 images to train on, 2 held out, 32x32 RGB, 8 bits, 10 classes"

row "CIFAR-10-C" arrays "CIFAR-10-C/fog.npy"
reads "(NPY): 18 images to train on, 2 held out, 32x32 RGB, 8 bits, 10 classes"

row "STL-10" stl10 "stl10_binary"
reads "(STL-10): 10 images to train on, 10 held out (its test set), 96x96 RGB, 8 bits, 10 classes \
(airplane, bird, car, cat, deer, dog, horse, monkey, ship, truck)"

row "STL-10, unlabeled" stl10 "stl10_binary/unlabeled_X.bin"
reads "(STL-10): 5 images to train on, 0 held out, 96x96 RGB, 8 bits"

row "NORB, small" small-norb "norb"
reads "(NORB): 20 images to train on, 10 held out (its test set), 96x96 grey, 8 bits, 5 classes \
(animal, human, airplane, truck, car)"

row "CIFAR-10, binary" cifar-binary "cifar-10-batches-bin"
reads "(CIFAR-10): 50 images to train on, 10 held out (its test set), 32x32 RGB, 8 bits, 10 classes \
(airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck)"

row "CIFAR-100, binary" cifar-binary "cifar-100-binary"
reads "(CIFAR-100): 100 images to train on, 100 held out (its test set), 32x32 RGB, 8 bits, 100 classes \
(name0, name1, name2, name3, name4, name5, name6, name7, name8, name9, ...)"

# ---- folders and archives of pictures ----

row "FFHQ" ffhq "thumbnails128x128"
reads "(image files): 9 images to train on, 1 held out, 8x8 RGB, 8 bits; 1 file of other kinds left aside \
(such as LICENSE.txt)"

row "Zip of EDM or StyleGAN, with labels" edm "cifar10-32x32.zip"
reads "(zip of image files): 8 images to train on, 0 held out, 8x8 RGB, 8 bits, 3 classes"

row "Zip of EDM or StyleGAN, without labels" edm "ffhq-64x64.zip"
reads "(zip of image files): 8 images to train on, 0 held out, 8x8 RGB, 8 bits"

row "CelebA" celeba "img_align_celeba.zip"
reads "(zip of image files): 9 images to train on, 1 held out, 16x12 RGB, 8 bits"

row "CelebA of Kaggle" celeba "archive"
reads "(image files): 9 images to train on, 1 held out, 16x12 RGB, 8 bits; 2 files of other kinds left \
aside (such as list_attr_celeba.csv); list_attr_celeba.csv may hold labels: it is not read, only folders \
of classes and dataset.json are"

row "CelebAMask-HQ" celeba-mask-hq "CelebAMask-HQ"
reads "(image files): 4 images to train on, 0 held out, 8x8 RGB, 8 bits; 3 files of other kinds left aside \
(such as CelebA-HQ-to-CelebA-mapping.txt); 8 masks or labels of images in CelebAMask-HQ-mask-anno/ left \
aside; CelebAMask-HQ-attribute-anno.txt may hold labels: it is not read, only folders of classes and \
dataset.json are"

row "AFHQ" afhq "afhq"
reads "(image files): 9 images to train on, 3 held out (its test set), 8x8 RGB, 8 bits, 3 classes (cat, \
dog, wild)"

row "ImageNet" imagenet "ILSVRC2012"
reads "(image files): 8 images to train on, 4 held out (its test set), 8x8 RGB, 8 bits, 2 classes \
(n01440764, n01443537)"

row "ImageNet of Kaggle" imagenet "imagenet-object-localization-challenge"
reads "(image files): 8 images to train on, 4 held out (its test set), 8x8 RGB, 8 bits, 2 classes \
(n01440764, n01443537); 5 files of other kinds left aside (such as ILSVRC2012_val_00000001.xml)"

row "ImageNette" imagenette "imagenette2-160"
reads "(image files): 8 images to train on, 4 held out (its test set), 8x8 RGB, 8 bits, 2 classes \
(n01440764, n02102040); 1 file of other kinds left aside (such as noisy_imagenette.csv)"

row "Tiny-ImageNet" tiny-imagenet "tiny-imagenet-200.zip"
reads "(zip of image files): 8 images to train on, 4 held out (its test set), 8x8 RGB, 8 bits, 2 classes \
(n01443537, n01629819); 4 files of other kinds left aside (such as n01443537_boxes.txt)"

row "Places365, easy format" places "places365_standard"
reads "(image files): 8 images to train on, 4 held out (its test set), 8x8 RGB, 8 bits, 2 classes \
(airfield, alley); 2 files of other kinds left aside (such as train.txt)"

row "Places365, train_256" places "data_256"
reads "(image files): 8 images to train on, 0 held out, 8x8 RGB, 8 bits, 4 classes (airfield, alley, barn, \
bow_window/indoor)"

row "LSUN of Kaggle" lsun-kaggle "archive"
reads "(image files): 15 images to train on, 1 held out, 8x8 RGB, 8 bits"

row "LFW" characters "lfw"
reads "(image files): 6 images to train on, 0 held out, 8x8 RGB, 8 bits, 2 classes (Aaron_Eckhart, Zico)"

row "ORL faces" characters "att_faces"
reads "(image files): 11 images to train on, 1 held out, 8x8 grey, 8 bits, 3 classes (s1, s2, s3)"

row "Brain Tumor MRI" brain "archive"
reads "(image files): 16 images to train on, 8 held out (its test set), 8x8 grey, 8 bits, 4 classes \
(glioma, meningioma, notumor, pituitary)"

row "Intel Image Classification" intel "archive"
reads "(image files): 12 images to train on, 6 held out (its test set), 8x8 RGB, 8 bits, 3 classes \
(buildings, forest, sea)"

row "Food-101" food "food-101"
reads "(image files): 11 images to train on, 1 held out, 8x8 RGB, 8 bits, 3 classes (apple_pie, \
baby_back_ribs, baklava); 7 files of other kinds left aside (such as README.txt)"

row "Caltech-101" caltech "101_ObjectCategories"
reads "(image files): 11 images to train on, 1 held out, 8x8 RGB, 8 bits, 3 classes (BACKGROUND_Google, \
Faces, accordion)"

row "Caltech-256" caltech "256_ObjectCategories"
reads "(image files): 11 images to train on, 1 held out, 8x8 RGB, 8 bits, 3 classes (001.ak47, \
002.american-flag, 257.clutter)"

row "CUB-200-2011" caltech "CUB_200_2011"
reads "(image files): 8 images to train on, 0 held out, 8x8 RGB, 8 bits, 2 classes \
(001.Black_footed_Albatross, 002.Laysan_Albatross); 7 files of other kinds left aside (such as \
class_attribute_labels_continuous.txt)"

row "Describable Textures" textures "dtd"
reads "(image files): 8 images to train on, 0 held out, 8x8 RGB, 8 bits, 2 classes (banded, blotchy); 3 \
files of other kinds left aside (such as imdb.mat)"

row "TensorFlow's flower photos" textures "flower_photos"
reads "(image files): 11 images to train on, 1 held out, 8x8 RGB, 8 bits, 3 classes (daisy, roses, \
tulips); 1 file of other kinds left aside (such as LICENSE.txt)"

row "Oxford-IIIT Pet" pets "oxford-iiit-pet --resize 64 --crop"
reads "(image files): 4 images to train on, 0 held out, 64x64 RGB, 8 bits; 8 files of other kinds left \
aside (such as list.txt); 4 masks or labels of images in annotations/ left aside; trainval.txt may hold \
labels: it is not read, only folders of classes and dataset.json are; 4 cropped and resized to 64x64"

row "EuroSAT" eurosat "EuroSAT.zip"
reads "(zip of image files): 11 images to train on, 1 held out, 8x8 RGB, 8 bits, 3 classes (AnnualCrop, \
Forest, SeaLake)"

row "UC Merced Land Use" eurosat "UCMerced_LandUse"
reads "(image files): 11 images to train on, 1 held out, 8x8 RGB, 8 bits, 3 classes (agricultural, \
airplane, beach); 1 file of other kinds left aside (such as readme.txt)"

row "NWPU-RESISC45" eurosat "NWPU-RESISC45"
reads "(image files): 8 images to train on, 0 held out, 8x8 RGB, 8 bits, 2 classes (airplane, airport)"

row "Chest X-ray, pneumonia" xray "archive"
reads "(image files): 8 images to train on, 4 held out (its test set), 8x8 grey, 8 bits, 2 classes \
(NORMAL, PNEUMONIA); chest_xray/ holds all that is beside it once more: left aside"

row "NIH ChestX-ray14" xray "NIH"
reads "(image files): 11 images to train on, 1 held out, 8x8 grey, 8 bits; 5 files of other kinds left \
aside (such as BBox_List_2017.csv); train_val_list.txt may hold labels: it is not read, only folders of \
classes and dataset.json are"

row "HAM10000" xray "HAM10000"
reads "(image files): 8 images to train on, 0 held out, 8x8 RGB, 8 bits; 3 files of other kinds left aside \
(such as HAM10000_metadata.csv)"

row "Malaria cell images" copies "cell_images"
reads "(image files): 8 images to train on, 0 held out, 8x8 RGB, 8 bits, 2 classes (Parasitized, \
Uninfected); cell_images/ holds all that is beside it once more: left aside"

row "Rock, paper, scissors of Kaggle" copies "rockpaperscissors"
reads "(image files): 6 images to train on, 0 held out, 8x8 RGB, 8 bits, 3 classes (paper, rock, \
scissors); 1 file of other kinds left aside (such as README_rpc-cv-images.txt); rps-cv-images/ holds all \
that is beside it once more: left aside"

row "Kvasir-SEG" masks "Kvasir-SEG"
reads "(image files): 4 images to train on, 0 held out, 8x8 RGB, 8 bits; 1 file of other kinds left aside \
(such as kavsir_bboxes.json); 4 masks or labels of images in masks/ left aside"

row "Pascal VOC" masks "VOCdevkit"
reads "(image files): 6 images to train on, 0 held out, 8x8 RGB, 8 bits; 2 files of other kinds left aside \
(such as 2007_000027.xml); 6 masks or labels of images in SegmentationClass/ and such folders left aside; \
train.txt may hold labels: it is not read, only folders of classes and dataset.json are"

row "COCO" masks "coco"
reads "(image files): 4 images to train on, 4 held out (its test set), 8x8 RGB, 8 bits; 1 file of other \
kinds left aside (such as instances_train2017.json)"

row "Cityscapes" masks "cityscapes"
reads "(image files): 8 images to train on, 4 held out (its test set), 8x8 RGB, 8 bits, 2 classes (aachen, \
ulm); 48 masks or labels of images in gtFine/ left aside"

row "CIFAR-10 of Kaggle" cifar-kaggle "cifar-10"
reads "(image files): 10 images to train on, 10 held out (its test set), 8x8 RGB, 8 bits; 2 files of other \
kinds left aside (such as sampleSubmission.csv); trainLabels.csv may hold labels: it is not read, only \
folders of classes and dataset.json are"

row "CINIC-10" cinic "CINIC-10"
reads "(image files): 8 images to train on, 8 held out (its test set), 8x8 RGB, 8 bits, 2 classes \
(airplane, automobile); 3 files of other kinds left aside (such as README.md)"

row "MNIST as PNG" mnist-png "mnist_png.tar.gz"
reads "(tar of image files): 30 images to train on, 20 held out (its test set), 28x28 grey, 8 bits, 10 \
classes (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)"

row "notMNIST" mnist-png "notMNIST_small --skip-bad"
reads "(image files): 6 images to train on, 0 held out, 28x28 grey, 8 bits, 3 classes (A, B, C); 1 file \
left out (notMNIST_small/A/RGVtb2NyYXRpY2FCb2xkT2xkc3R5bGUgQm9sZC50dGY=.png: the file is empty (zero \
bytes))"
complains "left out: notMNIST_small/A/RGVtb2NyYXRpY2FCb2xkT2xkc3R5bGUgQm9sZC50dGY=.png: the file is empty \
(zero"

row "GTSRB of Kaggle" gtsrb "archive --resize 32"
reads "(image files): 12 images to train on, 4 held out (its test set), 32x32 RGB, 8 bits, 3 classes (0, \
1, 2); 3 files of other kinds left aside (such as Meta.csv); Meta/ is left aside; 16 resized to 32x32"

row "Chars74K" characters "English"
reads "(image files): 9 images to train on, 0 held out, 8x8 grey, 8 bits, 3 classes (Sample001, Sample002, \
Sample003)"

row "Dogs vs. Cats of Kaggle" dogs "dogs-vs-cats"
reads "(image files): 8 images to train on, 4 held out (its test set), 8x8 RGB, 8 bits; 1 file of other \
kinds left aside (such as sampleSubmission.csv)"

row "Cats and dogs of Microsoft" dogs "PetImages --resize 64 --crop --skip-bad"
reads "(image files): 13 images to train on, 1 held out, 64x64 RGB, 8 bits, 2 classes (Cat, Dog); 14 \
cropped and resized to 64x64; 1 file left out (PetImages/Cat/666.jpg: the file is empty (zero bytes))"
complains "left out: PetImages/Cat/666.jpg: the file is empty (zero bytes)"

row "cats_and_dogs_filtered" dogs "cats_and_dogs_filtered"
reads "(image files): 8 images to train on, 4 held out (its test set), 8x8 RGB, 8 bits, 2 classes (cats, \
dogs); 1 file of other kinds left aside (such as vectorize.py)"

row "Fruits-360" fruits "archive"
reads "(image files): 12 images to train on, 12 held out (its test set), 8x8 RGB, 8 bits, 3 classes (Apple \
Braeburn, Banana 1, Banana 3); 2 files of other kinds left aside (such as LICENSE); papers/, \
test-multiple_fruits/ are left aside"

row "horse2zebra and its like" pairs "horse2zebra"
reads "(image files): 8 images to train on, 4 held out (its test set), 8x8 RGB, 8 bits, 2 classes (A, B)"

row "DIV2K" pairs "DIV2K"
reads "(image files): 4 images to train on, 2 held out (its test set), 16x12 RGB, 8 bits"

row "WebDataset shards" webdataset "shards"
reads "(tar archives of image files): 11 images to train on, 1 held out, 8x8 RGB, 8 bits, 3 classes"

row "Shards of img2dataset" webdataset "cc3m"
reads "(tar archives of image files): 11 images to train on, 1 held out, 8x8 RGB, 8 bits; 24 files of \
other kinds left aside (such as 000000000.json)"

row "Photographs of a phone" photographs "DCIM"
reads "(image files): 9 images to train on, 1 held out, 16x12 RGB, 8 bits; 4 turned as the orientation in \
their files says"

row "CT slices, 12 bits in PNG" tomographs "ct-png --set 'data.range=[0,4095]'"
reads "(image files): 9 images to train on, 1 held out, 8x8 grey, 16 bits"

row "CT slices, 12 bits in TIFF" tomographs "ct-tif --set 'data.range=[0,4095]'"
reads "(image files): 9 images to train on, 1 held out, 8x8 grey, 16 bits"

# ---- refused, with what to do ----

row "SVHN saved as it lies in memory" arrays "svhn.npy"
refuses 1 "svhn.npy: array svhn has shape (32, 32, 3, 20), images should be (n, h, w, c): \
numpy.transpose(x, (3, 0, 1, 2)) makes it so"

row "GTSRB" gtsrb "GTSRB/Final_Training/Images"
refuses 1 "GTSRB/Final_Training/Images/00000: no file in it is of a format that is read here (there is \
00000_00000.ppm); convert them to PNG, such as with mogrify -format png (films: ffmpeg; archives: unpack \
them)"

# ---- converted first ----

converted "CIFAR-10, Python" cifar10 "" "cifar-10-python.tar.gz cifar10.zip"
says "cifar10.zip: 6 train, 2 test images of 8x8x3 from CIFAR's pickles, 3 classes (air, bus, cat)"
reads "(zip of image files): 6 images to train on, 2 held out (its test set), 8x8 RGB, 8 bits, 3 classes \
(0-air, 1-bus, 2-cat)"

converted "CIFAR-100, Python" cifar100 "cifar-100-python" "cifar-100-python cifar100.zip"
says "cifar100.zip: 3 train, 2 test images of 8x8x3 from CIFAR's pickles, 3 classes (apple, bee, cup)"
reads "(zip of image files): 3 images to train on, 2 held out (its test set), 8x8 RGB, 8 bits, 3 classes \
(0-apple, 1-bee, 2-cup)"

converted "mnist.pkl.gz" mnist "" "mnist.pkl.gz mnist.zip"
says "mnist.zip: 4 train, 2 val, 3 test images of 4x4x1 from a pickle, 2 classes"
complains "brought to 0..255"
reads "(zip of image files): 4 images to train on, 3 held out (its test set), 4x4 grey, 8 bits, 2 classes \
(class-00000, class-00001)"

converted "SVHN" svhn "SVHN" "SVHN svhn.zip"
says "svhn.zip: 11 train, 10 test images of 4x4x3 from MATLAB, 10 classes (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)"
reads "(zip of image files): 11 images to train on, 10 held out (its test set), 4x4 RGB, 8 bits, 10 \
classes (0-0, 1-1, 2-2, 3-3, 4-4, 5-5, 6-6, 7-7, 8-8, 9-9)"

converted "Flowers-102" flowers "flowers-102" "flowers-102 flowers.zip"
says "flowers.zip: 2 train, 1 val, 5 test images as they are stored from Flowers-102, 3 classes"
reads "(zip of image files): 2 images to train on, 3 held out (its test set), 16x16 RGB, 8 bits, 2 classes \
(class-00000, class-00002)"
complains "warning: 2 of 5 images in test/ are of no class that is trained: class-00001; they have no \
label: add images of such classes to those that are trained, or remove them"
complains "2 of 5 images of the test set have no label of a training class and are left aside (--set data.classes=\
none uses them without labels)"

converted "LSUN" lsun "lsun" "lsun lsun.zip"
says "lsun.zip: 5 train, 2 val images as they are stored from LMDB, 2 classes (bedroom, bridge)"
reads "(zip of image files): 5 images to train on, 2 held out (its test set), 6x5 RGB, 8 bits, 2 classes \
(0-bedroom, 1-bridge)"

converted "TFRecords of StyleGAN" stylegan "datasets" "datasets stylegan.zip"
says "stylegan.zip: 5 train images of 8x8x3 from TFRecords, 3 classes"
reads "(zip of image files): 5 images to train on, 0 held out, 8x8 RGB, 8 bits, 3 classes"

converted "TFRecords of pictures" tfrecord "records" "records records.zip"
says "records.zip: 3 train, 1 val images as they are stored from TFRecords, 3 classes"
reads "(zip of image files): 3 images to train on, 1 held out (its test set), 6x5 RGB, 8 bits, 3 classes \
(class-00001, class-00002, class-00003)"

converted "Parquet of Hugging Face" parquet "" "data pictures.zip"
says "pictures.zip: 4 train, 2 test images as they are stored from Parquet, 2 classes (cat, dog)"
reads "(zip of image files): 4 images to train on, 2 held out (its test set), 6x5 RGB, 8 bits, 2 classes \
(0-cat, 1-dog)"

converted "save_to_disk of Hugging Face" saved "" "saved pictures.zip"
says "pictures.zip: 4 train, 2 test images as they are stored from Arrow, 2 classes (cat, dog)"
reads "(zip of image files): 4 images to train on, 2 held out (its test set), 6x5 RGB, 8 bits, 2 classes \
(0-cat, 1-dog)"

converted "PatchCamelyon" pcam "pcam" "pcam pcam.zip"
says "pcam.zip: 2 train, 2 val, 1 test images of 6x5x3 from HDF5, 2 classes"
reads "(zip of image files): 2 images to train on, 1 held out (its test set), 6x5 RGB, 8 bits, 2 classes \
(class-00000, class-00001)"

converted "3D Shapes" - "hdf5" "3dshapes.h5 3dshapes.zip"
says "3dshapes.zip: 6 train images of 64x64x3 from HDF5, no labels"
complains "3dshapes.h5: 36 labels for 6 images: left out"
reads "(zip of image files): 6 images to train on, 0 held out, 64x64 RGB, 8 bits"

converted "Galaxy10 DECaLS" - "hdf5" "Galaxy10_DECals.h5 galaxy10.zip"
says "galaxy10.zip: 6 train images of 16x16x3 from HDF5, 3 classes"
reads "(zip of image files): 6 images to train on, 0 held out, 16x16 RGB, 8 bits, 3 classes"

converted "Fashion-MNIST of Kaggle, CSV" - "tables" "archive.zip fashion.zip"
says "fashion.zip: 10 train, 5 test images of 28x28x1 from CSV, 5 classes"
reads "(zip of image files): 10 images to train on, 5 held out (its test set), 28x28 grey, 8 bits, 5 \
classes (class-00000, class-00001, class-00002, class-00003, class-00004)"

converted "MNIST as CSV" - "tables" "mnist_csv mnist.zip"
says "mnist.zip: 10 train, 5 test images of 28x28x1 from CSV, 5 classes"
reads "(zip of image files): 10 images to train on, 5 held out (its test set), 28x28 grey, 8 bits, 5 \
classes (class-00000, class-00001, class-00002, class-00003, class-00004)"

converted "FER2013" - "tables" "fer2013.csv fer.zip"
says "fer.zip: 14 train, 7 val, 7 test images of 48x48x1 from CSV, 7 classes (angry, disgust, fear, happy, \
sad, surprise, neutral)"
reads "(zip of image files): 14 images to train on, 7 held out (its test set), 48x48 grey, 8 bits, 7 \
classes (0-angry, 1-disgust, 2-fear, 3-happy, 4-sad, 5-surprise, 6-neutral)"

begin "what has to be converted first is told so"
[ -z "$missing" ] || skip "$missing"
pyr info --data "$sets/tables/archive.zip"
refuses 1 "tables of text, which is not read here; convert it: scripts/convert-dataset $sets/tables/archive.zip \
archive-images.zip"

begin "every row of the table is tried, once"
awk -F ' *[|] *' '/^[|] data set [|]/ { table = 1; next }
    !/^[|]/ { table = 0 }
    table && $2 !~ /^-/ { print $2 }' docs/data.md | sort >"$tmp/rows"
sort "$tmp/names" | diff "$tmp/rows" - >"$tmp/stderr"
last_command="the rows of docs/data.md (<) against those of this test (>)"
holds test ! -s "$tmp/stderr"
holds test "$(wc -l <"$tmp/rows")" -ge 60

finish
