"""The same training step in PyTorch and peft: a random model, LoRA, AdamW; one line "seconds" for every line read.

    python peer.py CONFIG_JSON MODULES(comma separated) RANK BATCH POSITIONS THREADS
"""
import json
import sys
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

config_json, modules, rank, batch, positions, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
torch.manual_seed(0)
config = LlamaConfig(**{k: v for k, v in json.loads(config_json).items() if k not in ("architectures", "model_type")})
model = LlamaForCausalLM(config)
model = get_peft_model(
    model,
    LoraConfig(r=int(rank), lora_alpha=2 * int(rank), target_modules=modules.split(","), task_type="CAUSAL_LM"),
)
model.train()
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
ids = torch.randint(1, config.vocab_size, (int(batch), int(positions) + 1))
print(json.dumps({"torch": torch.__version__}), flush=True)
for _ in sys.stdin:
    began = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    model(input_ids=ids, labels=ids).loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    print(time.perf_counter() - began, flush=True)
