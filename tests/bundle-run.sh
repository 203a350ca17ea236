#!/usr/bin/env bash
# Runs what tests/bundle has packed, stage by stage; a stage that fails does not stop the next. Arguments name stages; none: all.
#   ./run.sh [info] [operators] [golden] [pictures] [bench] [torch]
# JEDI_STAGE_SECONDS is the most that a stage may take. Writes result.json and result.md beside it.
cd "$(dirname "$0")" || exit 1
here=$PWD
seconds=${JEDI_STAGE_SECONDS:-150}
stages=${*:-info operators golden pictures bench torch}
export DOTNET_ROOT=$here/dotnet DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 JEDI_TARGET=${JEDI_TARGET:-cuda}
export JEDI_KERNELS=$here/kernels JEDI_KERNEL_CACHE=${JEDI_KERNEL_CACHE:-$here/compiled} JEDI_WEIGHTS=$here/weights
dotnet=$here/dotnet/dotnet
device=${JEDI_DEVICE:-cuda}
rm -f result.json result.md
rows=()

# Runs a command under a name; its output goes to the screen and to NAME.log.
stage() {
    local name=$1 start end code
    shift
    [[ " $stages " == *" ${name%%-*} "* ]] || return 0
    echo "== $name"
    start=$(date +%s.%N)
    timeout --signal=INT --kill-after=10 "$seconds" "$@" > "$name.log" 2>&1
    code=$?
    end=$(date +%s.%N)
    spent=$(awk "BEGIN { printf \"%.1f\", $end - $start }")
    # Failures in short: every failed test with the first line that says why, then the summary.
    if [ "$code" -ne 0 ]; then
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

stage info bash -c "nvidia-smi -L; nvidia-smi --query-gpu=driver_version,memory.total,clocks.max.sm --format=csv,noheader; \
    '$dotnet' exec bin/jedi-native.dll info"
tests operators "TestCategory=Target&FullyQualifiedName~Operations"
tests golden "TestCategory=Target&TestCategory=Golden"
stage pictures bash -c "for type in f16 bf16 f32; do '$dotnet' exec bin/jedi-native.dll sample 'a red apple' --device $device --dtype \$type \
    --steps 10 --seed 7 --out pictures-\$type; done"
stage bench "$dotnet" exec bin/jedi-native.dll bench --device "$device"
printf '{"stages": [%s]}\n' "$(IFS=,; echo "${rows[*]}")" > result.json
{
    echo "| stage | exit | seconds |"
    echo "|---|---|---|"
    printf '%s\n' "${rows[@]}" | sed -E 's/[{}"]//g; s/stage: //; s/, exit: / | /; s/, seconds: / | /; s/^/| /; s/$/ |/'
} > result.md
cat result.md
