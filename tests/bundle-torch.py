"""The operations of a step that jedi-native bench has timed (bench-N.json), by PyTorch on the same GPU: same shapes, calls and type, channels
last, in a CUDA graph, CUDA events, least of five. Writes torch_ms into the rows, and torch.json. Arguments: files of jedi-native bench."""
import json
import sys

import torch
import torch.nn.functional as F

LEAST_LAUNCHES, RUNS, COPIES = 24, 5, 8
TYPES = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32}


def random(shape, dtype):
    return torch.randn(shape, device="cuda", dtype=dtype)


def gemm(row, dtype):
    x, (n, k) = random(json.loads(row["input"]), dtype), json.loads(row["weight"])
    bias, detail = random(n, dtype), row["detail"]
    residual = random(json.loads(row["result"]), dtype) if "residual" in detail else None

    def run(w):
        y = F.linear(x, w, bias)
        if "Geglu" in detail:
            h, gate = y.chunk(2, -1)
            y = h * F.gelu(gate)
        elif "QuickGelu" in detail:
            y = y * torch.sigmoid(1.702 * y)
        elif "Silu" in detail:
            y = F.silu(y)
        return y if residual is None else y + residual

    return run, [random((n, k), dtype) for _ in range(COPIES)]


def conv2d(row, dtype):
    b, h, w, c = json.loads(row["input"])
    o, kh, kw, i = json.loads(row["weight"])
    x = random((b, c, h, w), dtype).to(memory_format=torch.channels_last)
    bias, detail = random(o, dtype), row["detail"]
    rb, rh, rw, rc = json.loads(row["result"])
    residual = random((rb, rc, rh, rw), dtype).to(memory_format=torch.channels_last) if "residual" in detail else None

    def run(f):
        a = F.interpolate(x, scale_factor=2, mode="nearest") if "x2" in detail else x
        y = F.conv2d(a, f, bias, stride=2 if "/2" in detail else 1, padding=kh // 2)
        return y if residual is None else y + residual

    return run, [random((o, i, kh, kw), dtype).to(memory_format=torch.channels_last) for _ in range(COPIES)]


def attention(row, dtype):
    b, tokens, c = json.loads(row["input"])
    heads, keys = (int(word.split()[0]) for word in row["detail"].split(","))
    sets = max(1, row["key_rows"] // keys)
    q = random((sets, heads, b * tokens // sets, c // heads), dtype)
    k, v = (random((sets, heads, keys, c // heads), dtype) for _ in range(2))
    return lambda _: F.scaled_dot_product_attention(q, k, v), [None]


def group_norm(row, dtype):
    b, *pixels, c = json.loads(row["input"])
    count = 1
    for size in pixels:
        count *= size
    x = random((b, c, count, 1), dtype).to(memory_format=torch.channels_last)
    scale, shift = random(c, dtype), random(c, dtype)
    groups = int(row["detail"].split()[0])
    silu = "Silu" in row["detail"]

    def run(_):
        y = F.group_norm(x, groups, scale, shift)
        return F.silu(y) if silu else y

    return run, [None]


def layer_norm(row, dtype):
    x = random(json.loads(row["input"]), dtype)
    scale, shift = random(x.shape[-1], dtype), random(x.shape[-1], dtype)
    return lambda _: F.layer_norm(x, (x.shape[-1],), scale, shift), [None]


OPS = {"Gemm": gemm, "Conv2d": conv2d, "Attention": attention, "GroupNorm": group_norm, "LayerNorm": layer_norm}


def milliseconds(run, weights, calls):
    repeats = max(calls, LEAST_LAUNCHES)
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            run(weights[0])
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for i in range(repeats):
            run(weights[i % len(weights)])
    least = float("inf")
    for _ in range(RUNS + 1):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        graph.replay()
        end.record()
        end.synchronize()
        least = min(least, start.elapsed_time(end))
    return least * calls / repeats


def main(files):
    torch.backends.cudnn.benchmark = True
    result = {"torch": torch.__version__, "device": torch.cuda.get_device_name(), "totals": {}}
    with torch.inference_mode():
        for name in files:
            with open(name) as file:
                report = json.load(file)
            ours = theirs = 0.0
            for row in report["kernels"]:
                if row["op"] not in OPS or row.get("type") not in TYPES:
                    continue
                try:
                    run, weights = OPS[row["op"]](row, TYPES[row["type"]])
                    row["torch_ms"] = round(milliseconds(run, weights, row["calls"]), 5)
                    ours, theirs = ours + row["ms"], theirs + row["torch_ms"]
                except Exception as error:  # one shape that PyTorch refuses does not stop the others
                    print(f"{row['op']} {row['input']} {row['detail']}: {str(error).splitlines()[0]}")
                torch.cuda.empty_cache()
            result["totals"][name] = {"ours_ms": round(ours, 4), "torch_ms": round(theirs, 4)}
            print(f"{name}: the same operations take {ours:.2f} ms here and {theirs:.2f} ms in PyTorch")
            with open(name, "w") as file:
                json.dump(report, file, indent=1)
    with open("torch.json", "w") as file:
        json.dump(result, file, indent=1)


if __name__ == "__main__":
    main(sys.argv[1:])
