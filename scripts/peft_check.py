"""Checks an adapter exported by the engine in real transformers + peft: same logits, same greedy answer.

    python scripts/peft_check.py MODEL_FOLDER ADAPTER_FOLDER [--text "..."]...      (pip install torch transformers peft)

Not part of the tests, which need no Python. Node 24 must be on the path: `scripts/peft_check.ts` computes the engine's side.
Exit status 0: both agree within 1e-4 of the largest logit on every position of every text. 1: they do not.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

TOLERANCE = 1e-4
TEXTS = [
    "Who keeps the valley?",
    "A receipt is a promise that was kept, and a ledger is a list of promises.",
    "In 1987 the mill burned down; in 1991 they built it again.\n\nWhy?",
    "\u00dcber die Wiesen \u2014 \u65e5\u672c\u8a9e, \U0001f600",
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("adapter", type=Path)
    parser.add_argument("--text", action="append", help="a text to compare on, may be repeated; default: four built in")
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}")

    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(arguments.model)
    base = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32, attn_implementation="eager")
    model = peft.PeftModel.from_pretrained(base, arguments.adapter).eval()

    texts = arguments.text or TEXTS
    batch = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
    theirs = engine_logits(arguments.model, arguments.adapter, texts)
    failed = False
    for i, (text, ids) in enumerate(zip(texts, batch)):
        if theirs["ids"][i] != ids:
            print(f"FAIL {text!r}: tokens {theirs['ids'][i]} in the engine, {ids} in transformers")
            failed = True
            continue
        with torch.no_grad():
            adapted = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
            with model.disable_adapter():
                without = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
        largest = adapted.abs().max().item()
        error = (theirs["logits"][f"logits.{i}"] - adapted).abs().max().item() / largest
        effect = (without - adapted).abs().max().item() / largest
        agrees = error <= TOLERANCE and effect > 10 * error
        failed |= not agrees
        print(f"{'ok  ' if agrees else 'FAIL'} {len(ids)} tokens, error {error:.2e}, effect of the adapter {effect:.2e}: {text!r}")
    sys.exit(1 if failed else 0)


def engine_logits(model, adapter, texts):
    """Token ids and logits of every position as the engine computes them."""
    with tempfile.TemporaryDirectory() as folder:
        request, answer = Path(folder) / "request.json", Path(folder) / "logits.safetensors"
        request.write_text(json.dumps({"texts": texts}))
        script = Path(__file__).with_suffix(".ts")
        done = subprocess.run(
            ["node", str(script), str(model), str(adapter), str(request), str(answer)], capture_output=True, text=True
        )
        if done.returncode != 0:
            sys.exit(f"The engine failed:\n{done.stderr}")
        return {"ids": json.loads(done.stdout), "logits": load_file(answer)}


if __name__ == "__main__":
    main()
