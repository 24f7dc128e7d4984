#!/bin/sh
# bench: the networks that are compared, others, what is refused; no figure of time is looked at.
. tests/cli/lib.sh

quick="--seconds 0.01 --threads 2 --set level.batch_gpu=4"

begin "the networks of the comparison are what they are said to be"
# By bench/torch_peer.py, with the products of attention: 4 * positions^2 * channels each.
for network in "grey28 543.3" "grey14 282.6" "rgb32 2839.3" "patch7 48.2" "rgb32-10m 5651.0"; do
    pyr bench --network "bench/networks/${network% *}" --batch 4 $quick --threads 1
    gives 0
    says " ${network#* } "
    says "first step after"
done

begin "the batch beside the network, and a typed one"
holds mkdir -p "$tmp/small"
holds cp tests/golden/unet2d/scale_shift_classes/config.json "$tmp/small/"
holds sh -c "echo 6 >'$tmp/small/batch'"
pyr bench --network "$tmp/small" --json $quick
gives 0
says '"batch": 6, '
pyr bench --network "$tmp/small" --json --batch 5 $quick
gives 0
says '"batch": 5, '

begin "floor and profile"
pyr bench --network "$tmp/small" --floor --profile $quick
gives 0
says "training: "
says "of the floor of"
says "conv2d 3x3 8x8x8 -> 8x8x8"
says "outside the network"
pyr bench --network "$tmp/small" --floor --json --backend ref $quick
gives 0
says '"train_floor": '
says '"train_onednn_floor": null'

begin "another size"
pyr bench --network "$tmp/small" --size 12x8 $quick
gives 0
says "12x8   x3"

# Whoever measures it, the table has the figures of each, and their ratios: PyTorch's are made up here.
cat >"$tmp/python" <<'P'
#!/bin/sh
case "$*" in
-c*sample_size*) echo 8 8 1 ;;
-c*version*) echo "peer        PyTorch 0, diffusers 0, Python 0" ;;
*torch_peer*)
    echo '{"mode": "x", "work": "train", "best_s": 2.0, "peak_rss_mib": 1000, "first_step_s": 50.5}'
    echo '{"mode": "x", "work": "sample", "best_s": 0.5, "peak_rss_mib": 1000}'
    ;;
esac
P
cat >"$tmp/earlier.txt" <<'T'
other: 1.0 MFLOP an image, training batch 6
                     training, images/s  GFLOP/s        forward, images/s  GFLOP/s  peak MiB    start-up s
pyrdiff bf16                 7 (7-7)      1.0                   7 (7-7)      1.0         7    7.00, 7.00

small: 1.0 MFLOP an image, training batch 6
                     training, images/s  GFLOP/s        forward, images/s  GFLOP/s  peak MiB    start-up s
pyrdiff bf16              1 (1-2)        1.0                   2 (1-3)        1.0      4000    9.00, 8.00
pytorch-f32               9 (9-9)        9.0                   9 (9-9)        9.0         9    9.00, 9.00
T
chmod +x "$tmp/python"
mkdir -p "$tmp/net/small"
cp tests/golden/unet2d/scale_shift_classes/config.json "$tmp/net/small/"
echo 6 >"$tmp/net/small/batch"
versus() { # OPTION ... of compare.sh
    wanted || return 0
    last_command="bench/compare.sh $*"
    bench/compare.sh --program "$program" --networks "$tmp/net/small" --rounds 1 --seconds 0.01 --threads 2 "$@" \
        -- --set level.batch_gpu=4 >"$tmp/stdout" 2>"$tmp/stderr"
    status=$?
}
# The numbers of the line that begins with $1, without those in parentheses.
row() { sed -n "s/^$1 *//p" "$tmp/stdout" | sed 's/([^)]*)//g'; }
near() { holds awk "BEGIN { exit !($1 > 0.97 * $2 && $1 < 1.03 * $2) }"; } # figures are rounded
# $1 is about $2 / $3, a time that is printed in hundredths of a second.
near_time() { holds awk "BEGIN { exit !($1 > 0.97 * $2 / ($3 + 0.005) && $1 < 1.03 * $2 / ($3 - 0.005)) }"; }

begin "bench/compare.sh: PyTorch, compiled in f32, and the tables of an earlier build"
versus --python "$tmp/python" --modes f32,f32c --against "$tmp/earlier.txt" --out "$tmp/out.txt"
gives 0
complains "f32c is compiled before it is measured: in the first round minutes"
says "pytorch-f32 "
says "earlier bf16"
if wanted; then
    row "pyrdiff [a-z0-9]*" >"$tmp/row"
    read -r train _ forward _ memory start <"$tmp/row"
    row "pytorch-f32c" >"$tmp/row"
    read -r compiled _ compiled_forward _ <"$tmp/row"
    holds test "$compiled $compiled_forward" = "3 12" # 6 images in 2 s, in 0.5 s
    row "to the best" >"$tmp/row"
    read -r a b c d <"$tmp/row"
    near "$a" "$train / 3"
    near "$b" "$forward / 12"
    near "$c" "1000 / $memory"
    near_time "$d" 50.5 "$start"
    row "to the earlier" >"$tmp/row"
    read -r a b c d <"$tmp/row"
    near "$a" "$train / 1"
    near "$b" "$forward / 2"
    near "$c" "4000 / $memory"
    near_time "$d" 9 "$start"
    holds grep -q "^earlier  *$tmp/earlier.txt" "$tmp/out.txt"
fi

begin "bench/compare.sh: an earlier program, measured in turns"
versus --python none --against "$program"
gives 0
says "earlier "
says "to the earlier"
versus --python none --against "$tmp/nothing"
gives 1
complains "--against $tmp/nothing is not there"

begin "what is refused"
pyr bench --network "$tmp/nothing"
refuses 1 "config.json"
pyr bench --network "$tmp/small" --size 8x
refuses 2 "--size is 8x, should be HxW"
pyr bench --network "$tmp/small" --config configs/cifar10.cfg
refuses 2 "leave --config and --data out"
pyr bench --network "$tmp/small" --level 1
refuses 2 "level is 1, should be 0..0"
pyr bench --network "$tmp/small" --json --profile
refuses 2 "leave --json out"
holds sh -c "echo none >'$tmp/small/batch'"
pyr bench --network "$tmp/small"
refuses 1 "should hold the images of a training step"

begin "the tasks of training steps, and how many lanes they would keep busy"
if wanted; then
    pyr bench --network bench/networks/patch7 --batch 16 --threads 2 --seconds 0.01 --record "$tmp/tasks.json"
    gives 0
    holds grep -q '"lanes": *2,.*"batch": *16,.*"steps": *5,' "$tmp/tasks.json"
    holds grep -q '"tasks": *\[\[0, *-1, *[0-9]' "$tmp/tasks.json"
fi

finish
