/* test_layout.c - what the names of files in data sets mean: the layouts that people download, as lists of
 * names with what they should be read as. */
#include "tests/check.h"

#include "archives/folder_names.h"
#include "base/mem.h"
#include "layouts/collection.h"
#include "layouts/layout.h"
#include "pictures/image_file.h"
#include <stdlib.h>

/* ---- lists of names ---- */

static int by_walk(const void *a, const void *b)
{
    return pyr_walk_order(*(char *const *)a, *(char *const *)b);
}

/* A pattern's names: "{cat,dog}/{00-03}.png" is eight. Numbers are as wide as the first. */
static void expand(pyr_names *names, const char *pattern)
{
    const char *open = strchr(pattern, '{'), *close = open ? strchr(open, '}') : NULL;
    const char *dash = close ? memchr(open, '-', (size_t)(close - open)) : NULL;
    char next[512];

    if (!close) {
        CHECK_OK(pyr_names_add(names, pattern));
        return;
    }
    if (dash && open[1] >= '0' && open[1] <= '9') {
        int width = (int)(dash - open) - 1;

        for (long i = atol(open + 1); i <= atol(dash + 1); i++) {
            snprintf(next, sizeof next, "%.*s%0*ld%s", (int)(open - pattern), pattern, width, i, close + 1);
            expand(names, next);
        }
        return;
    }
    for (const char *at = open + 1; at < close;) {
        size_t n = strcspn(at, ",}");

        snprintf(next, sizeof next, "%.*s%.*s%s", (int)(open - pattern), pattern, (int)n, at, close + 1);
        expand(names, next);
        at += n + 1;
    }
}

enum { PATTERNS = 8 };

static void list(pyr_names *names, const char *const *patterns)
{
    *names = (pyr_names){0};
    for (int i = 0; i < PATTERNS && patterns[i]; i++)
        expand(names, patterns[i]);
    qsort(names->at, names->n, sizeof *names->at, by_walk);
}

/* "8+4: cat 4+2, dog 4+2": images for training and held out, in all and by class; "-": of no class; "left
 * 3". */
static void summary(char out[512], const pyr_layout *layout, const pyr_names *names)
{
    int count[102][2] = {{0}}, left = 0, all[2] = {0}, at;

    for (size_t i = 0; i < names->n; i++) {
        int held = layout->place[i] == PYR_PLACE_HELD_OUT;

        left += layout->place[i] == PYR_PLACE_LEFT;
        if (!held && layout->place[i] != PYR_PLACE_TRAIN)
            continue;
        CHECK(layout->label[i] >= -1 && layout->label[i] < 101 && layout->label[i] < (int)layout->classes.n);
        count[layout->label[i] + 1][held]++;
        all[held]++;
    }
    at = snprintf(out, 512, "%d+%d", all[0], all[1]);
    for (size_t i = 0; i < layout->classes.n && at < 400; i++)
        at += snprintf(out + at, 512 - (size_t)at, "%s %.40s %d+%d", i ? "," : ":", layout->classes.at[i],
                       count[i + 1][0], count[i + 1][1]);
    if (layout->classes.n && (count[0][0] || count[0][1]))
        at += snprintf(out + at, 512 - (size_t)at, ", - %d+%d", count[0][0], count[0][1]);
    if (left)
        snprintf(out + at, 512 - (size_t)at, "; left %d", left);
}

typedef struct layout_case {
    const char *what, *split, *classes; /* the wish; NULL: auto */
    const char *patterns[PATTERNS];
    const char *wanted;
    const char *how; /* a part of the sentence, the notes or the warnings; NULL: no warning, that is all */
} layout_case;

static bool said(const pyr_layout *layout, const char *part)
{
    for (size_t i = 0; i < layout->warnings.n; i++)
        if (strstr(layout->warnings.at[i], part))
            return true;
    return (layout->how.at && strstr(layout->how.at, part)) ||
           (layout->notes.at && strstr(layout->notes.at, part));
}

static void check_layout(const layout_case *c)
{
    pyr_layout_wish wish = {.split = c->split, .classes = c->classes};
    pyr_layout layout;
    pyr_names names;
    char got[512];

    list(&names, c->patterns);
    CHECK_OK(pyr_layout_read(&layout, &names, &wish));
    summary(got, &layout, &names);
    if (strcmp(got, c->wanted) != 0)
        printf("%s:\n  got    %s\n  wanted %s\n  %s\n", c->what, got, c->wanted,
               layout.how.at ? layout.how.at : "");
    CHECK_STRING(got, c->wanted);
    if (c->how && !said(&layout, c->how))
        printf("%s: %s%s | %s\n", c->what, layout.how.at ? layout.how.at : "",
               layout.notes.at ? layout.notes.at : "", layout.warnings.n ? layout.warnings.at[0] : "");
    CHECK(!c->how || said(&layout, c->how));
    if (!c->how && layout.warnings.n)
        printf("%s: %s\n", c->what, layout.warnings.at[0]);
    CHECK(c->how || !layout.warnings.n);
    pyr_layout_free(&layout);
    pyr_names_free(&names);
}

static const layout_case cases[] = {
    /* ---- splits by name ---- */
    {"Brain Tumor MRI (Kaggle)",
     NULL,
     NULL,
     {"Training/{glioma,notumor}/{0-3}.jpg", "Testing/{glioma,notumor}/{0-1}.jpg"},
     "8+4: glioma 4+2, notumor 4+2",
     "Training/ is trained on, Testing/ is held out, the 2 folders in Training/ are the classes"},
    {"upper case", NULL, NULL, {"TRAIN/{a,b}/{0-3}.png", "TEST/{a,b}/{0-1}.png"}, "8+4: a 4+2, b 4+2", NULL},
    {"Intel image classification",
     NULL,
     NULL,
     {"seg_train/seg_train/{forest,sea}/{0-2}.jpg", "seg_test/seg_test/{forest,sea}/{0-1}.jpg",
      "seg_pred/seg_pred/{0-4}.jpg"},
     "6+4: forest 3+2, sea 3+2; left 5",
     "seg_train/ is trained on, seg_test/ is held out"},
    {"ImageNet at Kaggle",
     NULL,
     NULL,
     {"ILSVRC/Data/CLS-LOC/train/{n01,n02}/n_{0-2}.JPEG", "ILSVRC/Data/CLS-LOC/val/v_{0-3}.JPEG",
      "ILSVRC/Data/CLS-LOC/test/t_{0-1}.JPEG", "ILSVRC/Annotations/CLS-LOC/val/v_{0-3}.xml"},
     "6+2: n01 3+0, n02 3+0, - 0+2; left 4",
     "val/ has no labels: left aside"},
    {"ImageNet, torchvision's folders",
     NULL,
     NULL,
     {"train/{n01,n02}/n_{0-2}.JPEG", "val/{n01,n02}/v_{0-1}.JPEG"},
     "6+4: n01 3+2, n02 3+2",
     NULL},
    {"labelled val/ and unlabelled test/",
     NULL,
     NULL,
     {"train/{n01,n02}/n_{0-2}.JPEG", "val/{n01,n02}/v_{0-1}.JPEG", "test/t_{0-4}.JPEG"},
     "6+4: n01 3+2, n02 3+2; left 5",
     "val/ is held out (test/ has no labels: left aside)"},
    {"Imagenette",
     NULL,
     NULL,
     {"imagenette2-160/train/{n01440764,n02102040}/x_{0-2}.JPEG",
      "imagenette2-160/val/{n01440764,n02102040}/x_{3-4}.JPEG", "imagenette2-160/noisy_imagenette.csv"},
     "6+4: n01440764 3+2, n02102040 3+2",
     NULL},
    {"Tiny-ImageNet",
     NULL,
     NULL,
     {"tiny-imagenet-200/train/{n01443537,n01629819}/images/x_{0-2}.JPEG",
      "tiny-imagenet-200/train/{n01443537,n01629819}/boxes.txt",
      "tiny-imagenet-200/val/images/val_{0-3}.JPEG", "tiny-imagenet-200/test/images/test_{0-1}.JPEG",
      "tiny-imagenet-200/{wnids,words}.txt"},
     "6+2: n01443537 3+0, n01629819 3+0, - 0+2; left 4",
     NULL},
    {"Tiny-ImageNet, --split val",
     "val",
     NULL,
     {"train/{n01443537,n01629819}/images/x_{0-2}.JPEG", "val/images/val_{0-3}.JPEG",
      "test/images/test_{0-1}.JPEG"},
     "6+4: n01443537 3+0, n01629819 3+0, - 0+4; left 2",
     NULL},
    {"Tiny-ImageNet, --split train",
     "train",
     NULL,
     {"train/{n01443537,n01629819}/images/x_{0-2}.JPEG", "val/images/val_{0-3}.JPEG",
      "test/images/test_{0-1}.JPEG"},
     "6+0: n01443537 3+0, n01629819 3+0; left 6",
     NULL},
    {"Tiny-ImageNet, --split all",
     "all",
     NULL,
     {"train/{n01443537,n01629819}/images/x_{0-2}.JPEG", "val/images/val_{0-3}.JPEG"},
     "6+0: n01443537 3+0, n01629819 3+0; left 4",
     "val/ has no labels: left aside"},
    {"--split all takes every part",
     "all",
     NULL,
     {"train/{a,b}/{0-2}.png", "{val,test}/{a,c}/{0-1}.png"},
     "14+0: a 7+0, b 3+0, c 4+0",
     NULL},
    {"--split all --classes none", "all", "none", {"train/{a,b}/{0-2}.png", "val/{0-3}.png"}, "10+0", NULL},
    {"a class that test/ alone has",
     NULL,
     NULL,
     {"train/{ant,bee}/{0-2}.png", "test/{ant,bee,cow}/{0-1}.png"},
     "6+6: ant 3+2, bee 3+2, - 0+2",
     "2 of 6 images in test/ are of no class that is trained: cow;"},
    {"classes that test/ alone has, and no other",
     NULL,
     NULL,
     {"train/{ant,bee}/{0-2}.png", "test/{cow,dog}/{0-1}.png"},
     "6+4: ant 3+0, bee 3+0, - 0+4",
     "4 of 4 images in test/ are of no class that is trained: cow, dog;"},
    {"a class called test in a lone train/",
     NULL,
     NULL,
     {"train/{good,test}/{0-2}.png"},
     "6+0: good 3+0, test 3+0",
     NULL},
    {"test/ beside classes, --split all --classes folders",
     "all",
     "folders",
     {"{cat,dog,test}/{0-2}.png"},
     "9+0: cat 3+0, dog 3+0, test 3+0",
     NULL},
    {"a flat val/, --split all --classes folders",
     "all",
     "folders",
     {"train/{cat,dog}/{0-2}.png", "val/{0-1}.png"},
     "6+0: cat 3+0, dog 3+0; left 2",
     NULL},
    {"Chest X-ray (Kaggle), with its copy",
     NULL,
     NULL,
     {"chest_xray/{train,test,val}/{NORMAL,PNEUMONIA}/{0-1}.jpeg",
      "chest_xray/chest_xray/{train,test,val}/{NORMAL,PNEUMONIA}/{0-1}.jpeg"},
     "4+4: NORMAL 2+2, PNEUMONIA 2+2; left 16",
     "chest_xray/ holds all that is beside it once more: left aside"},
    {"cell images (Kaggle), with their copy",
     NULL,
     NULL,
     {"cell_images/{Parasitized,Uninfected}/{0-2}.png",
      "cell_images/cell_images/{Parasitized,Uninfected}/{0-2}.png"},
     "6+0: Parasitized 3+0, Uninfected 3+0; left 6",
     "cell_images/ holds all that is beside it once more: left aside"},
    {"a class that has the folders of others is no copy",
     NULL,
     NULL,
     {"{paper,rock}/{0-2}.png", "other/{paper,rock}/{3-5}.png"},
     "12+0: other 6+0, paper 3+0, rock 3+0",
     NULL},
    {"AFHQ",
     NULL,
     NULL,
     {"afhq/{train,val}/{cat,dog,wild}/f_{0-1}.png"},
     "6+6: cat 2+2, dog 2+2, wild 2+2",
     NULL},
    {"CIFAR-10 at Kaggle",
     NULL,
     NULL,
     {"train/{1-6}.png", "test/{1-4}.png", "trainLabels.csv", "sampleSubmission.csv"},
     "6+4",
     "trainLabels.csv may hold labels"},
    {"dogs and cats (Kaggle)", NULL, NULL, {"train/{cat,dog}.{0-3}.jpg", "test1/{1-5}.jpg"}, "8+5", NULL},
    {"Oxford-IIIT pets",
     NULL,
     NULL,
     {"images/{Abyssinian,beagle}_{1-4}.jpg", "annotations/trimaps/{Abyssinian,beagle}_{1-4}.png",
      "annotations/{list,trainval,test}.txt"},
     "8+0; left 8",
     "8 masks or labels of images in annotations/ left aside"},
    {"CelebA (Kaggle)",
     NULL,
     NULL,
     {"img_align_celeba/img_align_celeba/{000001-000009}.jpg", "list_attr_celeba.csv"},
     "9+0",
     "list_attr_celeba.csv may hold labels"},
    {"Food-101",
     NULL,
     NULL,
     {"food-101/images/{apple_pie,waffles}/{1005649-1005651}.jpg", "food-101/meta/{train,test}.json"},
     "6+0: apple_pie 3+0, waffles 3+0",
     NULL},
    {"Caltech-101",
     NULL,
     NULL,
     {"caltech-101/101_ObjectCategories/{BACKGROUND_Google,Faces,accordion}/image_{0001-0003}.jpg",
      "caltech-101/Annotations/{Faces_2,accordion}/annotation_{0001-0003}.mat"},
     "9+0: BACKGROUND_Google 3+0, Faces 3+0, accordion 3+0",
     NULL},
    {"EuroSAT",
     NULL,
     NULL,
     {"EuroSAT/2750/{Forest,River}/{Forest,River}_{1-3}.jpg"},
     "12+0: Forest 6+0, River 6+0",
     NULL},
    {"Stanford Dogs",
     NULL,
     NULL,
     {"images/Images/{n02085620-Chihuahua,n02085782-Japanese_spaniel}/x_{10-12}.jpg"},
     "6+0: n02085620-Chihuahua 3+0, n02085782-Japanese_spaniel 3+0",
     NULL},
    {"COCO",
     NULL,
     NULL,
     {"train2017/{000001-000006}.jpg", "val2017/{000007-000009}.jpg", "annotations/instances.json"},
     "6+3",
     "train2017/ is trained on, val2017/ is held out"},
    {"YOLO", NULL, NULL, {"images/{train,val}/{0-3}.jpg", "labels/{train,val}/{0-3}.txt"}, "4+4", NULL},
    {"ADE20K", NULL, NULL, {"{images,annotations}/{training,validation}/A_{0-3}.png"}, "4+4; left 8", NULL},
    {"Cityscapes",
     NULL,
     NULL,
     {"leftImg8bit/train/aachen/aachen_{0001-0003}_leftImg8bit.png",
      "leftImg8bit/train/ulm/ulm_{0001-0003}_leftImg8bit.png",
      "leftImg8bit/val/bonn/bonn_{0001-0003}_leftImg8bit.png",
      "gtFine/train/aachen/aachen_{0001-0003}_gtFine_{color,labelIds}.png",
      "gtFine/val/bonn/bonn_{0001-0003}_gtFine_color.png"},
     "6+3: aachen 3+0, ulm 3+0, - 0+3; left 9",
     "in gtFine/ left aside"},
    {"CamVid",
     NULL,
     NULL,
     {"{train,val}/{0001-0004}.png", "{train,val}_labels/{0001-0004}_L.png"},
     "4+4; left 8",
     NULL},
    {"Carvana",
     NULL,
     NULL,
     {"train/{a,b}_{01-04}.jpg", "train_masks/{a,b}_{01-04}_mask.png", "test/{c,d}_{01-04}.jpg"},
     "8+8; left 8",
     NULL},
    {"CelebAMask-HQ",
     NULL,
     NULL,
     {"CelebA-HQ-img/{0-3}.jpg", "CelebAMask-HQ-mask-anno/{0-1}/{00000-00003}_{skin,hair}.png"},
     "4+0; left 16",
     "16 masks or labels of images in CelebAMask-HQ-mask-anno/ left aside"},
    {"face masks and face shields are classes",
     NULL,
     NULL,
     {"{face_mask,face_shield}/{0-3}.png"},
     "8+0: face_mask 4+0, face_shield 4+0",
     NULL},
    {"masks that are not named as their images",
     NULL,
     NULL,
     {"images/a{0-3}.png", "masks/b{0-3}.png"},
     "8+0: images 4+0, masks 4+0",
     "masks/ beside images/ looks like masks"},
    {"COVID-19 radiography",
     NULL,
     NULL,
     {"{COVID,Normal}/{images,masks}/{COVID,Normal}-{1-3}.png"},
     "12+0: COVID 6+0, Normal 6+0; left 12",
     NULL},
    {"BUSI: masks beside their images",
     NULL,
     NULL,
     {"{benign,normal}/x ({1-3}).png", "{benign,normal}/x ({1-3})_mask.png", "benign/x (1)_mask_1.png"},
     "6+0: benign 3+0, normal 3+0; left 7",
     NULL},
    {"face masks are classes",
     NULL,
     NULL,
     {"{with_mask,without_mask}/{0-3}.png"},
     "8+0: with_mask 4+0, without_mask 4+0",
     NULL},
    {"and these", NULL, NULL, {"{mask,no_mask}/{0-3}.png"}, "8+0: mask 4+0, no_mask 4+0", NULL},
    {"MVTec, one object",
     NULL,
     NULL,
     {"bottle/train/good/{000-003}.png", "bottle/test/{good,broken_large}/{000-001}.png",
      "bottle/ground_truth/broken_large/{000-001}_mask.png"},
     "4+4; left 2",
     NULL},
    {"MVTec: splits below the classes",
     NULL,
     NULL,
     {"{bottle,cable}/train/good/{000-003}.png", "{bottle,cable}/test/{good,cut}/{000-001}.png",
      "{bottle,cable}/ground_truth/cut/{000-001}_mask.png"},
     "8+8: bottle 4+4, cable 4+4; left 4",
     "train/ is trained on, test/ is held out"},
    {"horse2zebra", NULL, NULL, {"horse2zebra/{train,test}{A,B}/n_{0-2}.jpg"}, "6+6: A 3+3, B 3+3", NULL},
    {"DIV2K", NULL, NULL, {"DIV2K_train_HR/{0001-0004}.png", "DIV2K_valid_HR/{0801-0802}.png"}, "4+2", NULL},
    {"held-out",
     NULL,
     NULL,
     {"training_set/{a,b}/{0-2}.png", "held-out set/{a,b}/{0-1}.png"},
     "6+4: a 3+2, b 3+2",
     NULL},
    {"hold_out",
     NULL,
     NULL,
     {"training_set/{a,b}/{0-2}.png", "hold_out/{a,b}/{0-1}.png"},
     "6+4: a 3+2, b 3+2",
     NULL},
    {"a lone train/", NULL, NULL, {"train/{a,b}/{0-2}.png"}, "6+0: a 3+0, b 3+0", NULL},
    {"a lone test/ around all", NULL, NULL, {"x/test/{a,b}/{0-2}.png"}, "6+0: a 3+0, b 3+0", NULL},
    {"test/ beside the classes",
     NULL,
     NULL,
     {"{cat,dog}/{0-2}.png", "test/{cat,dog}/{0-1}.png"},
     "6+4: cat 3+2, dog 3+2",
     "what is not in test/ is trained on"},
    {"a train is a vehicle",
     NULL,
     NULL,
     {"{bus,car,train,truck}/{0-2}.png"},
     "12+0: bus 3+0, car 3+0, train 3+0, truck 3+0",
     NULL},
    {"train/ and what is unlabelled",
     NULL,
     NULL,
     {"train/{0-5}.png", "unlabeled/{0-9}.png"},
     "6+0; left 10",
     NULL},
    {"train/ with classes beside others",
     NULL,
     NULL,
     {"train/{a,b}/{0-2}.png", "figures/{0-1}.png"},
     "6+0: a 3+0, b 3+0; left 2",
     NULL},
    {"other case in test/",
     NULL,
     NULL,
     {"train/{Cat,Dog}/{0-2}.png", "test/{cat,dog}/{0-1}.png"},
     "6+4: Cat 3+2, Dog 3+2",
     NULL},
    {"one class in val/",
     NULL,
     NULL,
     {"train/{cat,dog}/{0-2}.png", "val/dog/{0-1}.png"},
     "6+2: cat 3+0, dog 3+2",
     NULL},
    /* ---- classes and numbered folders ---- */
    {"MNIST as PNG",
     NULL,
     NULL,
     {"mnist_png/training/0/{1,21,34}.png", "mnist_png/training/1/{3,6,8}.png",
      "mnist_png/testing/{0,1}/{2-4}.png"},
     "6+6: 0 3+3, 1 3+3",
     NULL},
    {"MNIST, counted in each class",
     NULL,
     NULL,
     {"{0-9}/{0-4}.png"},
     "50+0: 0 5+0, 1 5+0, 2 5+0, 3 5+0, 4 5+0, 5 5+0, 6 5+0, 7 5+0, 8 5+0, 9 5+0",
     NULL},
    {"digits counted through",
     NULL,
     NULL,
     {"0/{00000-00006}.png", "1/{00007-00009}.png", "2/{00010-00015}.png"},
     "16+0: 0 7+0, 1 3+0, 2 6+0",
     NULL},
    {"GTSRB",
     NULL,
     NULL,
     {"00000/00000_{00000-00002}.png", "00001/{00000-00001}_{00000-00002}.png"},
     "9+0: 00000 3+0, 00001 6+0",
     NULL},
    {"FFHQ thumbnails",
     NULL,
     NULL,
     {"thumbnails128x128/00000/{00000-00004}.png", "thumbnails128x128/01000/{01000-01004}.png",
      "thumbnails128x128/02000/{02000-02004}.png", "thumbnails128x128/LICENSE.txt"},
     "15+0",
     "the 3 numbered folders (00000 ... 02000) are parts of one set"},
    {"FFHQ, only a few of each",
     NULL,
     NULL,
     {"00000/00007.png", "01000/01003.png"},
     "2+0",
     "numbered folders"},
    {"EDM without dataset.json",
     NULL,
     NULL,
     {"00000/img{00000000-00000004}.png", "00001/img{00000005-00000007}.png"},
     "8+0",
     "parts of one set"},
    {"EDM, one folder", NULL, NULL, {"00000/img{00000000-00000004}.png"}, "5+0", NULL},
    {"Danbooru",
     NULL,
     NULL,
     {"0000/{1000,3000}.jpg", "0001/{2001,3001}.jpg", "0999/{2999,7999}.jpg"},
     "6+0",
     "parts of one set"},
    {"by the hash",
     NULL,
     NULL,
     {"0a/0a{10-12}ff.jpg", "7f/7f{10-12}0e.jpg", "ff/ff{10-12}aa.jpg"},
     "9+0",
     "parts of one set"},
    {"LSUN (Kaggle): a folder for each digit of the hash",
     NULL,
     NULL,
     {"data0/lsun/bedroom/0/3/7/037{10-11}e3.jpg", "data0/lsun/bedroom/0/c/7/0c7{10-11}e3.jpg",
      "data0/lsun/bedroom/f/3/7/f37{10-11}e3.jpg", "data0/lsun/bedroom/f/c/1/fc1{10-11}e3.jpg"},
     "8+0",
     "parts of one set"},
    {"HAM10000",
     NULL,
     NULL,
     {"HAM10000_images_part_1/ISIC_{0024306-0024309}.jpg",
      "HAM10000_images_part_2/ISIC_{0029306-0029309}.jpg"},
     "8+0",
     "the 2 numbered folders (HAM10000_images_part_1 ... HAM10000_images_part_2) are parts of one set"},
    {"NIH chest X-ray",
     NULL,
     NULL,
     {"images_{001-012}/images/{00-01}.png", "Data_Entry_2017.csv"},
     "24+0",
     "the 12 numbered folders (images_001 ... images_012) are parts of one set"},
    {"shards with classes inside",
     NULL,
     NULL,
     {"shard_{0000-0002}/{cat,dog}/{0-1}.jpg"},
     "12+0: cat 6+0, dog 6+0",
     NULL},
    {"part-00", NULL, NULL, {"part-{00-03}/{0-2}.jpg"}, "12+0", "parts of one set"},
    {"ranges",
     NULL,
     NULL,
     {"00000-00999/{00007-00009}.png", "01000-01999/{01500-01502}.png"},
     "6+0",
     "parts of one set"},
    {"ages are no ranges of files",
     NULL,
     NULL,
     {"20-29/{0-2}.png", "30-39/{0-2}.png"},
     "6+0: 20-29 3+0, 30-39 3+0",
     NULL},
    {"PlantVillage",
     NULL,
     NULL,
     {"plantvillage dataset/{color,grayscale}/{Apple,Corn}/{0-1}.jpg"},
     "8+0: color 4+0, grayscale 4+0",
     "hold the same folders each"},
    {"CUB-200",
     NULL,
     NULL,
     {"CUB/images/{001.Albatross,002.Auk}/A_{1-2}.jpg",
      "CUB/segmentations/{001.Albatross,002.Auk}/A_{1-2}.png"},
     "4+0: 001.Albatross 2+0, 002.Auk 2+0; left 4",
     NULL},
    {"fruits-360",
     NULL,
     NULL,
     {"f/{Training,Test}/{Apple,Kiwi}/{0-1}.jpg", "f/test-multiple_images/{0-2}.jpg", "f/sample.jpg"},
     "4+4: Apple 2+2, Kiwi 2+2; left 4",
     "1 image beside these folders left aside; test-multiple_images/ is left aside"},
    {"cats and dogs, nested twice",
     NULL,
     NULL,
     {"training_set/training_set/{cats,dogs}/{0-1}.jpg", "test_set/test_set/{cats,dogs}/{0-1}.jpg"},
     "4+4: cats 2+2, dogs 2+2",
     NULL},
    {"AT&T faces", NULL, NULL, {"s{1-3}/{1-4}.png"}, "12+0: s1 4+0, s2 4+0, s3 4+0", NULL},
    {"State Farm's drivers",
     NULL,
     NULL,
     {"imgs/train/c{0-1}/img_{1-3}.jpg", "imgs/test/img_{4-6}.jpg", "driver_imgs_list.csv"},
     "6+3: c0 3+0, c1 3+0, - 0+3",
     "test/ has no labels"},
    {"numbered, alike in size, counted anew",
     NULL,
     NULL,
     {"{00-02}/{0-3}.png"},
     "12+0: 00 4+0, 01 4+0, 02 4+0",
     "may be parts (shards) of one set"},
    {"Places365",
     NULL,
     NULL,
     {"data_256/a/{abbey,airport_terminal}/{1-2}.jpg", "data_256/b/bar/{1-2}.jpg"},
     "6+0: abbey 2+0, airport_terminal 2+0, bar 2+0",
     NULL},
    {"SUN397",
     NULL,
     NULL,
     {"a/apartment_building/outdoor/s{1-2}.jpg", "a/abbey/s{1-2}.jpg", "b/bar/s{1-2}.jpg"},
     "6+0: abbey 2+0, apartment_building/outdoor 2+0, bar 2+0",
     NULL},
    {"a lone folder", NULL, NULL, {"photos/{0-3}.png"}, "4+0", NULL},
    {"a lone folder, --classes folders", NULL, "folders", {"photos/{0-3}.png"}, "4+0: photos 4+0", NULL},
    {"several around all", NULL, NULL, {"a/b/c/{cat,dog}/{0-1}.png"}, "4+0: cat 2+0, dog 2+0", NULL},
    {"shards, --classes folders",
     NULL,
     "folders",
     {"{00000-00001}/img{0-3}.png"},
     "8+0: 00000 4+0, 00001 4+0",
     NULL},
    {"--classes folders: the last",
     NULL,
     "folders",
     {"{pets,wild}/{cat,dog}/{0-1}.png"},
     "8+0: cat 4+0, dog 4+0",
     NULL},
    {"the first otherwise",
     NULL,
     NULL,
     {"{pets,wild}/{cat,dog}/{0-1}.png"},
     "8+0: pets 4+0, wild 4+0",
     "hold the same folders each"},
    {"--classes none",
     NULL,
     "none",
     {"train/{cat,dog}/{0-1}.png", "test/{cat,dog}/1.png"},
     "4+2",
     "labels are left aside"},
    {"an image in no folder",
     NULL,
     NULL,
     {"{cat,dog}/{0-1}.png", "loose.png"},
     "5+0",
     "classes are not used: 1 of 5 images are in no subfolder"},
    {"flat", NULL, NULL, {"{0-4}.png"}, "5+0", NULL},
    /* ---- WebDataset ---- */
    {"several images of one key",
     NULL,
     NULL,
     {"{000-003}.{jpg,seg.png,cls}"},
     "4+0; left 4",
     "of several images of one key jpg is taken"},
    {"input and target",
     NULL,
     NULL,
     {"{000-003}.{input.png,target.png}"},
     "4+0; left 4",
     "input.png is taken"},
};

static void layouts(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_layout(&cases[i]);
}

/* ---- lists of labels that come along ---- */

typedef struct given {
    const pyr_names *names;
    const char *text;
} given;

static pyr_status read_given(void *arg, char **bytes, size_t *n, size_t i)
{
    const given *g = arg;

    CHECK(strstr(g->names->at[i], "val_annotations.txt") || strstr(g->names->at[i], "LOC_val_solution.csv"));
    *bytes = pyr_strdup(g->text);
    *n = strlen(g->text);
    return *bytes ? PYR_OK : PYR_E_NOMEM;
}

static void check_list(const char *const *patterns, const char *text, const char *wanted, const char *how)
{
    pyr_names names;
    given g = {&names, text};
    pyr_layout_wish wish = {.read = read_given, .arg = &g};
    pyr_layout layout;
    char got[512];

    list(&names, patterns);
    CHECK_OK(pyr_layout_read(&layout, &names, &wish));
    summary(got, &layout, &names);
    CHECK_STRING(got, wanted);
    CHECK(said(&layout, how));
    pyr_layout_free(&layout);
    pyr_names_free(&names);
}

static void lists_of_labels(void)
{
    static const char *const tiny[PATTERNS] = {
        "tiny/train/{n01,n02}/images/x_{0-2}.JPEG", "tiny/val/images/val_{0-3}.JPEG",
        "tiny/val/val_annotations.txt", "tiny/test/images/test_{0-1}.JPEG"};
    static const char *const kaggle[PATTERNS] = {"Data/train/{n01,n02}/x_{0-2}.JPEG", "Data/val/v_{1-2}.JPEG",
                                                 "Data/test/t_{0-1}.JPEG", "LOC_val_solution.csv"};

    check_list(
        tiny,
        "val_0.JPEG\tn02\t0\t32\t44\t62\nval_1.JPEG\tn01\t52\t55\t57\t59\r\nval_2.JPEG\tn02\t4\t0\t60\t55\n"
        "val_3.JPEG\tn02\t3\t3\t63\t63\n",
        "6+4: n01 3+1, n02 3+3; left 2", "val_annotations.txt has the labels of val/");
    check_list(kaggle,
               "ImageId,PredictionString\nv_2,n01 85 131 499 254 \nv_1,n02 131 0 499 254 n02 1 2 3 4\n",
               "6+2: n01 3+1, n02 3+1; left 2", "test/ has no labels: left aside");
    /* a list that names other images is of no use, and does no harm */
    check_list(tiny, "x\ty\n\n\t\n", "6+2: n01 3+0, n02 3+0, - 0+2; left 4", "test/ is held out");
}

static void wishes_refused(void)
{
    static const char *const patterns[PATTERNS] = {"train/{a,b}/{0-2}.png", "test/{a,b}/{0-2}.png"};
    pyr_layout_wish wish = {.split = "val"};
    pyr_layout layout;
    pyr_names names;

    list(&names, patterns);
    CHECK_FAILS(pyr_layout_read(&layout, &names, &wish), PYR_E_CONFIG,
                "data.split is \"val\", but no folder is named so: there are train/, test/");
    pyr_layout_free(&layout);
    pyr_names_free(&names);
}

/* Running out of memory anywhere is a failure, not a crash or a leak. */
static void without_memory(void)
{
    static const int chosen[] = {0, 2, 19, 35, 36};
    size_t blocks = pyr_mem().live_blocks;

    for (size_t k = 0; k < sizeof chosen / sizeof *chosen; k++)
        for (long after = 0;; after++) {
            pyr_layout_wish wish = {0};
            pyr_layout layout;
            pyr_names names;
            pyr_status status;

            list(&names, cases[chosen[k]].patterns);
            pyr_mem_fail_after(after);
            status = pyr_layout_read(&layout, &names, &wish);
            pyr_mem_fail_after(-1);
            pyr_layout_free(&layout);
            pyr_names_free(&names);
            CHECK(pyr_mem().live_blocks == blocks);
            CHECK(status == PYR_OK || status == PYR_E_NOMEM);
            if (status == PYR_OK || after > 5000)
                break;
        }
}

/* ---- names ---- */

static void left_aside(void)
{
    static const char *const left[] = {"._x.png",          "a/._x.png",    ".ipynb_checkpoints/x.png",
                                       "__MACOSX/a/x.png", "a/Thumbs.db",  "Desktop.ini",
                                       ".DS_Store",        "@eaDir/x.png", "a/.git/x",
                                       "../x.png"};
    static const char *const kept[] = {"x.png", "./x.png", "a.b/x.png", "MACOSX/x.png", "thumbs/x.png"};

    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        CHECK(pyr_left_aside(left[i]));
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        CHECK(!pyr_left_aside(kept[i]));
}

static void entry_names(void)
{
    static const char *const pairs[][2] = {{"photos\\cat\\0.png", "photos/cat/0.png"},
                                           {"./a/b.png", "a/b.png"},
                                           {"/a//b.png", "a/b.png"},
                                           {"a/./b", "a/b"},
                                           {"./", ""},
                                           {"", ""},
                                           {".\\x", "x"},
                                           {"..a/b", "..a/b"}};
    char name[64];

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        snprintf(name, sizeof name, "%s", pairs[i][0]);
        pyr_entry_tidy(name);
        CHECK_STRING(name, pairs[i][1]);
    }
}

static void split_names(void)
{
    static const struct {
        const char *name;
        pyr_part part;
        bool sure;
    } rows[] = {{"train", PYR_PART_TRAIN, true},
                {"Training", PYR_PART_TRAIN, true},
                {"TRN", PYR_PART_TRAIN, true},
                {"train_set", PYR_PART_TRAIN, true},
                {"trainset", PYR_PART_TRAIN, true},
                {"TrainImages", PYR_PART_TRAIN, true},
                {"train2017", PYR_PART_TRAIN, true},
                {"training-images", PYR_PART_TRAIN, true},
                {"trainval", PYR_PART_TRAIN, true},
                {"01_train", PYR_PART_TRAIN, true},
                {"test-images", PYR_PART_TEST, true},
                {"TESTING", PYR_PART_TEST, true},
                {"test1", PYR_PART_TEST, true},
                {"Final_Test", PYR_PART_TEST, true},
                {"valid", PYR_PART_VAL, true},
                {"Validation", PYR_PART_VAL, true},
                {"dev", PYR_PART_VAL, true},
                {"eval", PYR_PART_VAL, true},
                {"held-out", PYR_PART_VAL, true},
                {"imagenet_train", PYR_PART_TRAIN, false},
                {"steam_train", PYR_PART_TRAIN, false},
                {"train_station", PYR_PART_TRAIN, false},
                {"strain", PYR_PART_NONE, false},
                {"contest", PYR_PART_NONE, false},
                {"trainer", PYR_PART_NONE, false},
                {"testimony", PYR_PART_NONE, false},
                {"valley", PYR_PART_NONE, false},
                {"devil", PYR_PART_NONE, false},
                {"cat", PYR_PART_NONE, false},
                {"", PYR_PART_NONE, false}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        pyr_part_name got = pyr_part_of((pyr_word){rows[i].name, strlen(rows[i].name)});

        if (got.part != rows[i].part || got.sure != rows[i].sure)
            printf("%s: %d %d\n", rows[i].name, (int)got.part, got.sure);
        CHECK(got.part == rows[i].part && got.sure == rows[i].sure);
    }
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    RUN(layouts);
    RUN(lists_of_labels);
    RUN(wishes_refused);
    RUN(without_memory);
    RUN(left_aside);
    RUN(entry_names);
    RUN(split_names);
    return CHECK_DONE();
}
