#!/usr/bin/env bash
# Runs what tests/bundle has packed, stage by stage; a stage that fails does not stop the next. Arguments name stages; none: all.
#   ./run.sh [info] [wrappers] [device] [operators] [networks] [pictures] [start] [bench] [products] [table] [torch]
# wrappers: every function of kernels/lib alone; device: memory, queues, graphs, steps; start: from the command to the first step with a file of
# Stable Diffusion 1.4's size, three times; bench: kernels, a step and a request of that size for sets of 1, 2 and 4 images; products: those that
# go to cuBLASLt, by own kernels; table: each of them by the own kernel and by every algorithm of cuBLASLt, and the step by the fastest (JEDI_TABLE: other options of that); torch: the same operations by PyTorch, where
# python3 has it. JEDI_STAGE_SECONDS is the most that a stage may take, JEDI_SECONDS that all may take together, JEDI_DEVICE another
# device (sim, with JEDI_TARGET=sim), JEDI_BENCH other options of jedi-native bench. Writes result.json and result.md beside it.
cd "$(dirname "$0")" || exit 1
here=$PWD
seconds=${JEDI_STAGE_SECONDS:-240} all=${JEDI_SECONDS:-530}
stages=${*:-info wrappers device operators networks pictures start bench products table torch}
export DOTNET_ROOT=$here/dotnet DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 JEDI_TARGET=${JEDI_TARGET:-cuda}
export JEDI_KERNELS=$here/kernels JEDI_KERNEL_CACHE=${JEDI_KERNEL_CACHE:-$here/compiled} JEDI_WEIGHTS=$here/weights
dotnet=$here/dotnet/dotnet
device=${JEDI_DEVICE:-cuda}
bench=${JEDI_BENCH:---recipe sd14 --seconds 0.5 --steps 20}
table=${JEDI_TABLE:---recipe sd14 --seconds 0.01}
rm -f result.json result.md torch.json products.json table.json by-table.json bench-*.json
rows=() failures=0

# Runs a command under a name; its output goes to NAME.log, failures and the last lines to the screen.
stage() {
    local name=$1 start end code spent most=$((all - SECONDS < seconds ? all - SECONDS : seconds))
    shift
    [[ " $stages " == *" ${name%%-*} "* ]] || return 0
    [ "$most" -gt 0 ] || most=1 # 0 is no limit
    echo "== $name"
    start=$(date +%s.%N)
    timeout --signal=INT --kill-after=10 "$most" "$@" > "$name.log" 2>&1
    code=$?
    end=$(date +%s.%N)
    spent=$(awk "BEGIN { printf \"%.1f\", $end - $start }")
    # Failures in short: every failed test with the first line that says why, then the summary.
    if [ "$code" -ne 0 ]; then
        failures=$((failures + 1))
        grep -A1 -E '^failed ' "$name.log" | grep -v '^--' | cut -c1-260 | head -n "${JEDI_FAILURES:-160}"
    fi
    grep -E '^Test run summary|^  (total|failed|succeeded|skipped|duration):' "$name.log" || tail -n 25 "$name.log" | cut -c1-300
    echo "== $name: exit $code in $spent s"
    rows+=("{\"stage\": \"$name\", \"exit\": $code, \"seconds\": $spent}")
}

tests() {
    stage "$1" "$dotnet" exec bin/JeDi.Tests.dll --no-ansi --progress off --show-stdout failed --results-directory "$here/results" \
        --filter "$2"
}

# One figure of a report of jedi-native bench.
figure() { sed -nE "s/^ *\"$2\": ?\"?([^\",]*)\"?,?\$/\1/p" "$1" | head -n 1; }

stage info bash -c "nvidia-smi -L; nvidia-smi --query-gpu=driver_version,memory.total,clocks.max.sm --format=csv,noheader; \
    '$dotnet' exec bin/jedi-native.dll info"
tests wrappers "FullyQualifiedName~WrapperTests"
tests device "TestCategory=Target&FullyQualifiedName~Tests.Cuda&FullyQualifiedName!~WrapperTests"
tests operators "TestCategory=Target&FullyQualifiedName~Operations"
tests networks "TestCategory=Target&TestCategory=Golden"
stage pictures bash -c "for type in f16 bf16 f32; do '$dotnet' exec bin/jedi-native.dll sample 'a red apple' --model tests/trial/tiny-jedi --device $device --dtype \$type \
    --steps ${JEDI_PICTURE_STEPS:-10} --seed 7 --output pictures-\$type || exit 1; done"
stage start bash -c "'$dotnet' exec bin/jedi-native.dll convert --recipe sd14 --dtype f16 --to full.safetensors --force --quiet || exit 1
    for run in 1 2 3; do '$dotnet' exec bin/jedi-native.dll sample 'a red cup' --model full.safetensors --device $device --seed 1 --steps 2 \
        --verbose --output started || exit 1; done; rm full.safetensors"
for references in ${JEDI_BENCH_REFERENCES:-0 1 3}; do
    stage "bench-$((references + 1))" bash -c "'$dotnet' exec bin/jedi-native.dll bench --device $device $bench --references $references --json \
        > bench-$((references + 1)).json"
done
stage products bash -c "JEDI_PRODUCTS=own '$dotnet' exec bin/jedi-native.dll bench --device $device $bench --references 1 --json > products.json"
stage table bash -c "'$dotnet' exec bin/jedi-native.dll bench --device $device $table --references 1 --products table.json &&
    JEDI_PRODUCTS=table.json '$dotnet' exec bin/jedi-native.dll bench --device $device $bench --references 1 --json > by-table.json"
if [[ " $stages " == *" torch "* ]]; then
    if python3 -c 'import torch, sys; sys.exit(0 if torch.cuda.is_available() else 1)' 2> /dev/null; then
        stage torch python3 torch-bench.py bench-*.json
    else
        echo "== torch: python3 has no PyTorch with a GPU here"
        rows+=("{\"stage\": \"torch\", \"exit\": null, \"seconds\": 0}")
    fi
fi

reports=()
for file in bench-*.json; do
    [ -s "$file" ] && reports+=("$(cat "$file")")
done
{
    printf '{"stages": [%s],\n' "$(IFS=,; echo "${rows[*]}")"
    printf '"bench": [%s],\n' "$(IFS=,; echo "${reports[*]}")"
    printf '"products": %s,\n' "$([ -s products.json ] && cat products.json || echo null)"
    printf '"table": %s,\n' "$([ -s table.json ] && cat table.json || echo null)"
    printf '"by_table": %s,\n' "$([ -s by-table.json ] && cat by-table.json || echo null)"
    printf '"torch": %s}\n' "$([ -s torch.json ] && cat torch.json || echo null)"
} > result.json
{
    echo "| stage | exit | seconds |"
    echo "|---|---|---|"
    printf '%s\n' "${rows[@]}" | sed -E 's/[{}"]//g; s/stage: //; s/, exit: / | /; s/, seconds: / | /; s/^/| /; s/$/ |/'
    if [ -s by-table.json ] && [ -s bench-2.json ]; then
        echo
        echo "A step of 2 images: $(figure bench-2.json step_seconds) s by the rule, $(figure by-table.json step_seconds) s by the table of products"
    fi
    for file in bench-*.json; do
        [ -s "$file" ] || continue
        echo
        echo "$(figure "$file" model) on $(figure "$file" device), $(figure "$file" size), $(figure "$file" references) references: a step" \
            "$(figure "$file" step_seconds) s ($(figure "$file" step_over_kernels) of its kernels), text $(figure "$file" text_seconds) s," \
            "encode $(figure "$file" encode_seconds) s, decode $(figure "$file" decode_seconds) s," \
            "a request of $(figure "$file" request_evaluations) evaluations $(figure "$file" request_seconds) s"
        echo
        echo "| operation | input | weight | detail | calls | launches | ms | own kernels, ms | PyTorch, ms | PyTorch / ours |"
        echo "|---|---|---|---|---|---|---|---|---|---|"
        # First the file of own products, then the one to print.
        awk -v last="$file" '
            function value(line) { sub(/^[^:]*: ?/, "", line); sub(/,? *$/, "", line); gsub(/"/, "", line); return line }
            /"kernels": *\[/ { on = 1; next }
            on && /"op":/ { op = value($0); input = weight = detail = calls = launches = ms = torch = "" }
            on && /"input":/ { input = value($0) }
            on && /"weight":/ { weight = value($0) }
            on && /"detail":/ { detail = value($0) }
            on && /"calls":/ { calls = value($0) }
            on && /"launches":/ { launches = value($0) }
            on && /"ms":/ { ms = value($0) }
            on && /"torch_ms":/ { torch = value($0) }
            on && /^ *\}/ {
                kind = op "|" input "|" weight "|" detail
                ratio = torch != "" && ms > 0 ? sprintf("%.2f", torch / ms) : ""
                if (op == "Gemm" && FILENAME != last) own[kind] = ms
                if (op != "" && FILENAME == last)
                    print "| " op " | " input " | " weight " | " detail " | " calls " | " launches " | " ms " | " own[kind] " | " torch \
                        " | " ratio " |"
                op = ""
            }' $([ -s products.json ] && echo products.json) "$file"
    done
} > result.md
head -n $((${#rows[@]} + 2)) result.md
[ "$failures" -eq 0 ]
