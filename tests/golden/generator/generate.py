"""Run on a machine with PyPI (transformers 4: version 5 renames the parameters, the published checkpoints have the old names):
    pip install torch==2.13.0 diffusers==0.35.2 transformers==4.57.1 "huggingface-hub<1" safetensors tokenizers numpy pillow regex
    SCRIPT=<diffusers>/scripts/convert_diffusers_to_original_stable_diffusion.py python generate.py ..      (in tests/golden/generator; then tokens.py)
"""
import json
import os
import sys
import logging
import torch

logging.disable(logging.WARNING)
torch.set_num_threads(int(os.environ.get("THREADS", "2")))
folder, variant = sys.argv[1], "public"
os.makedirs(folder, exist_ok=True)
import common
import ops, models, schedulers, jedi, pipeline, images, misc
which = sys.argv[2:] or ["ops", "schedulers", "rng", "images", "jedi", "pipeline", "models", "keymap"]
if "ops" in which: ops.main(folder, variant)
if "schedulers" in which: schedulers.main(folder, variant)
if "rng" in which: misc.rng(folder, variant)
if "jedi" in which: jedi.main(folder, variant)
if "pipeline" in which: pipeline.main(folder, variant)
if "images" in which: images.main(folder, variant)
if "models" in which: models.main(folder, variant)
if "keymap" in which: misc.keymap(folder)
