"""Golden fixtures for src/engine, made by PyTorch transformers and peft.

    python scripts/golden.py [output folder, default src/engine/fixtures]

The output is committed, so neither the tests nor continuous integration need Python. Everything is seeded, runs on one
CPU thread with eager attention, and comes out byte for byte the same with the versions named in `versions.json`
(pip install torch transformers peft).

Definitions, which src/engine/golden.test.ts and golden-peft.test.ts rely on:

- A sequence has token ids `ids[0..n)` and weights `weights[0..n)`. `weights[t]` weighs the prediction of `ids[t]` from
  `ids[0..t)`; `weights[0]` is 0, because nothing predicts the first token.
- loss(sequence) = sum over t of weights[t] * -ln p(ids[t] | ids[0..t)). A sum, not a mean over tokens.
- objective = mean of loss over the batch's sequences. Each sequence runs alone, so no padding is involved.
- Tensors keep PyTorch's orientation: a linear layer is [out, in], `lora_A` [r, in], `lora_B` [out, r].
- Gradients are with respect to peft's parameters: the adapter's scale alpha/r (or alpha/sqrt(r)) is inside the model.
- Tensor names in `expected-*.safetensors` are those of the checkpoint (`model.layers.0...`) or of peft's
  `adapter_model.safetensors` (`base_model.model.model.layers.0...lora_A.weight`).
"""

import hashlib
import json
import math
import os
import random
import shutil
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy
import peft
import safetensors
import tokenizers
import torch
import transformers
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import LoraLayer
from peft.tuners.tuners_utils import check_target_module_exists
from peft.utils import get_peft_model_state_dict
from peft.utils.other import get_pattern_key
from safetensors.torch import load_file, save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    MistralConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

OUT = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent / "src/engine/fixtures")
LIMIT_BYTES = 1_000_000
ALL_SEVEN = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

transformers.utils.logging.disable_progress_bar()
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)


# ---- models -----------------------------------------------------------------------------------------------------------


def randomize(model, seed):
    """Weights that make a tiny model decisive: unit-size activations, logits with a standard deviation of about 2."""
    generator = torch.Generator().manual_seed(seed)
    tied = model.config.tie_word_embeddings
    for name, parameter in sorted(model.named_parameters()):
        noise = torch.randn(parameter.shape, generator=generator)
        if name.endswith("norm.weight"):
            value = 1 + 0.2 * noise
        elif name.endswith("bias"):
            value = 0.3 * noise
        elif "embed_tokens" in name and not tied:
            value = noise
        elif "embed_tokens" in name or "lm_head" in name:
            value = 2 * noise / math.sqrt(parameter.shape[1])
        elif "o_proj" in name or "down_proj" in name:
            # Tied embeddings are large and would drown the layers in the residual stream: greedy would only echo.
            value = (4 if tied else 1) * noise / math.sqrt(parameter.shape[1])
        else:
            value = noise / math.sqrt(parameter.shape[1])
        parameter.data.copy_(value)


def save_checkpoint(name, config, seed, dtype=torch.float32, max_shard_size="50GB", old_rope=False):
    """Writes OUT/name as a Hugging Face folder. `old_rope` writes config.json as transformers 4 did (most of the hub)."""
    folder = OUT / name
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32).eval()
    randomize(model, seed)
    model.to(dtype).save_pretrained(folder, max_shard_size=max_shard_size)
    (folder / "generation_config.json").unlink(missing_ok=True)
    path = folder / "config.json"
    written = json.loads(path.read_text())
    if old_rope:
        rope = written.pop("rope_parameters")
        written["rope_theta"] = rope.pop("rope_theta")
        written["rope_scaling"] = None if rope["rope_type"] == "default" else rope
        written["torch_dtype"] = written.pop("dtype")
    path.write_text(json.dumps(written, indent=2, sort_keys=True) + "\n")
    write_character_tokenizer(folder, config.vocab_size)
    return load(name)


def write_character_tokenizer(folder, vocab_size):
    """One token a character, so that even a vocabulary of 64 makes a whole model folder that reads and writes text."""
    specials = ["<unk>", "<s>", "</s>"]
    characters = "\n etaoinshrdlucmfwypvbgkjqxz0123456789.,:;!?'-()\"ABCDEFGHIJKLMNOPQRSTUVWXYZ/+*=<>[]{}@#$%&^_|~`"
    vocabulary = {token: i for i, token in enumerate([*specials, *characters][:vocab_size])}
    assert len(vocabulary) == vocab_size
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.add_special_tokens(specials)
    tokenizer.decoder = decoders.Fuse()
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False,
        "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "add_bos_token": False,
        "chat_template": "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def load(name):
    """Reads the checkpoint back and computes in float32, as the engine does, whatever type it is stored in."""
    model = AutoModelForCausalLM.from_pretrained(OUT / name, attn_implementation="eager", dtype=torch.float32)
    return model.eval()


# ---- what is computed -------------------------------------------------------------------------------------------------


def make_batch(vocab, seed, lengths=(5, 9, 12)):
    generator = torch.Generator().manual_seed(seed)
    batch = []
    for length in lengths:
        ids = torch.randint(0, vocab, (length,), generator=generator).tolist()
        prompt = length // 3 + 1
        batch.append({"ids": ids, "weights": [0] * prompt + [1] * (length - prompt)})
    # A hole in the mask: a chat with two answers trains on both and on nothing between them.
    batch[-1]["weights"][7] = 0
    return batch


def logits_of(model, ids):
    return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]


def loss_of(model, sequence):
    ids, weights = torch.tensor(sequence["ids"]), torch.tensor(sequence["weights"], dtype=torch.float32)
    nll = -torch.log_softmax(logits_of(model, sequence["ids"])[:-1], -1).gather(1, ids[1:, None])[:, 0]
    return (weights[1:] * nll).sum()


def objective_of(model, batch):
    return sum(loss_of(model, sequence) for sequence in batch) / len(batch)


@torch.no_grad()
def greedy(model, ids, count=8):
    """The greedy continuation, refusing a near tie that rounding could turn elsewhere."""
    ids = list(ids)
    for _ in range(count):
        best = logits_of(model, ids)[-1].topk(2)
        margin = (best.values[0] - best.values[1]).item()
        assert margin > 2e-3, f"greedy margin {margin}: choose another seed"
        assert best.indices[0] != model.config.eos_token_id, "greedy meets the end token: choose another seed"
        ids.append(best.indices[0].item())
    return ids[-count:]


def forward_facts(model, batch, tensors, prefix):
    """Logits of every position into `tensors`, losses and greedy continuations returned."""
    with torch.no_grad():
        for i, sequence in enumerate(batch):
            logits = logits_of(model, sequence["ids"])
            assert logits.std() > 1, f"logits too flat: {logits.std()}"
            tensors[f"{prefix}logits.{i}"] = logits
        losses = [loss_of(model, sequence).item() for sequence in batch]
    return {"losses": losses, "greedy": [greedy(model, sequence["ids"]) for sequence in batch]}


def gradients_of(loss, named):
    named = dict(named)
    grads = torch.autograd.grad(loss, list(named.values()))
    return dict(zip(named, grads))


# ---- adapters ---------------------------------------------------------------------------------------------------------


def adapter_names(model):
    """peft's parameters, trainable, under the names `adapter_model.safetensors` gives them."""
    return {
        name.replace(".default.", "."): parameter
        for name, parameter in sorted(model.named_parameters())
        if "lora_" in name
    }


def save_adapter(name, adapter, seed, dtype=torch.float32, **options):
    config = LoraConfig(task_type="CAUSAL_LM", lora_dropout=0.0, bias="none", **options)
    model = get_peft_model(load(name), config).eval()
    generator = torch.Generator().manual_seed(seed)
    for key, parameter in adapter_names(model).items():
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data.copy_(noise / math.sqrt(parameter.shape[1]) * (1 if "lora_A" in key else 0.5))
    model.peft_config["default"].base_model_name_or_path = name
    model.save_pretrained(OUT / name / adapter, save_embedding_layers=False)
    (OUT / name / adapter / "README.md").unlink(missing_ok=True)
    path = OUT / name / adapter / "adapter_config.json"
    written = json.loads(path.read_text())
    for option in ("target_modules", "exclude_modules"):
        if isinstance(written[option], list):
            written[option] = sorted(written[option])  # a set: peft writes it in any order
    path.write_text(json.dumps(written, indent=2, sort_keys=True) + "\n")
    if dtype != torch.float32:
        weights = OUT / name / adapter / "adapter_model.safetensors"
        tensors = {key: value.to(dtype) for key, value in load_file(weights).items()}
        save_file(tensors, weights, metadata={"format": "pt"})
    return load_adapter(name, adapter)


def load_adapter(name, adapter):
    model = peft.PeftModel.from_pretrained(load(name), OUT / name / adapter, is_trainable=True).eval()
    assert set(adapter_names(model)) == set(get_peft_model_state_dict(model, save_embedding_layers=False))
    return model


def adamw(name, adapter, batch, tensors, label, record, weight_decay=0.0, clip=None):
    """AdamW on the objective; the adapter's parameters after each step in `record`, the gradient norms of all steps."""
    model = load_adapter(name, adapter)
    named = adapter_names(model)
    optimizer = torch.optim.AdamW(
        named.values(), lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=weight_decay, foreach=False
    )
    steps = []
    for step in range(1, max(record) + 1):
        optimizer.zero_grad()
        objective = objective_of(model, batch)
        objective.backward()
        norm = torch.nn.utils.clip_grad_norm_(list(named.values()), math.inf if clip is None else clip)
        optimizer.step()
        steps.append({"objective": objective.item(), "gradientNorm": norm.item()})
        if step in record:
            for key, parameter in named.items():
                tensors[f"{label}.step{step}.{key}"] = parameter.detach().clone()
    return {
        "lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weightDecay": weight_decay, "clipNorm": clip,
        "recordedSteps": record, "steps": steps,
    }


# ---- fixtures ---------------------------------------------------------------------------------------------------------


def write_expected(name, facts, tensors):
    """expected.json holds ids, losses and text; expected.safetensors the arrays, named as the index says."""
    folder = OUT / name
    tensors = {key: value.detach().float().contiguous() for key, value in sorted(tensors.items())}
    for key, value in tensors.items():
        assert torch.isfinite(value).all(), key
    save_file(tensors, folder / "expected.safetensors")
    (folder / "expected.json").write_text(compact_json(facts) + "\n")


def compact_json(value, indent=""):
    """JSON with one line per scalar or list of scalars, so that a diff of a fixture can be read."""
    inner = indent + "  "
    nested = isinstance(value, (dict, list)) and len(value) > 0
    if not nested or isinstance(value, list) and not any(isinstance(item, (dict, list)) for item in value):
        return json.dumps(value)
    if isinstance(value, list):
        lines = [f"{inner}{compact_json(item, inner)}" for item in value]
    else:
        lines = [f"{inner}{json.dumps(key)}: {compact_json(item, inner)}" for key, item in value.items()]
    opening, closing = "[]" if isinstance(value, list) else "{}"
    return f"{opening}\n" + ",\n".join(lines) + f"\n{indent}{closing}"


def llama_untied():
    name = "llama-untied"
    config = LlamaConfig(
        vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, max_position_embeddings=128, rms_norm_eps=1e-5,
        tie_word_embeddings=False, bos_token_id=1, eos_token_id=2,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    )
    base = save_checkpoint(name, config, seed=1, old_rope=True)
    batch, tensors = make_batch(96, seed=2), {}
    facts = {"batch": batch, "base": forward_facts(base, batch, tensors, "base.")}
    facts["base"]["objective"] = objective_of(base, batch).item()
    for key, value in gradients_of(objective_of(base, batch), base.named_parameters()).items():
        tensors[f"base.gradient.{key}"] = value

    adapters = {
        "adapter-a": dict(r=4, lora_alpha=8, target_modules=ALL_SEVEN),
        "adapter-b": dict(r=2, lora_alpha=8, use_rslora=True, target_modules=["q_proj", "v_proj"]),
        "adapter-c": dict(
            r=2, lora_alpha=4, target_modules=["k_proj", "o_proj", "down_proj"],
            rank_pattern={"o_proj": 3}, alpha_pattern={"layers.1.mlp.down_proj": 10}, layers_to_transform=[1],
            layers_pattern="layers",
        ),
    }
    for i, (adapter, options) in enumerate(adapters.items()):
        model = save_adapter(name, adapter, seed=10 + i, **options)
        if adapter == "adapter-c":
            layers = {key: module for key, module in model.named_modules() if isinstance(module, LoraLayer)}
            scales = {key: module.scaling["default"] for key, module in layers.items()}
            assert scales == {
                "base_model.model.model.layers.1.self_attn.k_proj": 4 / 2,
                "base_model.model.model.layers.1.self_attn.o_proj": 4 / 3,
                "base_model.model.model.layers.1.mlp.down_proj": 10 / 2,
            }, scales
        facts[adapter] = forward_facts(model, batch, tensors, f"{adapter}.")
        if adapter == "adapter-a":
            for j, sequence in enumerate(batch):
                for key, value in gradients_of(loss_of(model, sequence), adapter_names(model)).items():
                    tensors[f"{adapter}.gradient.{j}.{key}"] = value

    facts["adamw"] = adamw(name, "adapter-a", batch, tensors, "adamw", [1, 3])
    facts["adamwClipped"] = adamw(
        name, "adapter-a", batch, tensors, "adamwClipped", [3], weight_decay=0.1, clip=0.5
    )
    write_expected(name, facts, tensors)


def llama_tied():
    name = "llama-tied"
    config = LlamaConfig(
        vocab_size=96, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3,
        num_key_value_heads=1, head_dim=8, max_position_embeddings=128, rms_norm_eps=1e-5,
        tie_word_embeddings=True, bos_token_id=1, eos_token_id=2,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    )
    base = save_checkpoint(name, config, seed=3, dtype=torch.bfloat16, max_shard_size="16KB", old_rope=True)
    index = json.loads((OUT / name / "model.safetensors.index.json").read_text())
    assert len(set(index["weight_map"].values())) == 2, index
    batch, tensors = make_batch(96, seed=4), {}
    facts = {"batch": batch, "base": forward_facts(base, batch, tensors, "base.")}
    facts["base"]["objective"] = objective_of(base, batch).item()
    for key, value in gradients_of(objective_of(base, batch), base.named_parameters()).items():
        tensors[f"base.gradient.{key}"] = value
    write_expected(name, facts, tensors)


def families():
    """One small checkpoint for every other architecture and stored type the engine reads."""
    common = dict(
        vocab_size=64, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=128, bos_token_id=1, eos_token_id=2,
    )
    llama3 = {
        "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 16,
    }
    linear = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}

    def rope(theta):
        return {"rope_type": "default", "rope_theta": theta}

    llama = LlamaConfig(**common, head_dim=16, rms_norm_eps=1e-5, rope_parameters=llama3)
    biased = LlamaConfig(
        **common, rms_norm_eps=1e-5, attention_bias=True, mlp_bias=True, rope_parameters=linear
    )
    qwen2 = Qwen2Config(**common, rms_norm_eps=1e-6, tie_word_embeddings=True, rope_parameters=rope(1e6))
    qwen3 = Qwen3Config(
        **common, head_dim=16, rms_norm_eps=1e-6, tie_word_embeddings=True, rope_parameters=rope(1e6)
    )
    mistral = MistralConfig(**common, rms_norm_eps=1e-5, sliding_window=None, rope_parameters=rope(1e4))
    for name, config, seed, dtype, old_rope in [
        ("llama3-rope", llama, 40, torch.float32, True),
        ("llama-bias", biased, 43, torch.bfloat16, True),
        ("qwen2", qwen2, 96, torch.bfloat16, True),
        ("qwen3", qwen3, 54, torch.float32, False),
        ("mistral", mistral, 40, torch.float16, False),
    ]:
        base = save_checkpoint(name, config, seed, dtype=dtype, old_rope=old_rope)
        batch, tensors = make_batch(64, seed + 10, lengths=(6, 8, 40)), {}
        write_expected(name, {"batch": batch, "base": forward_facts(base, batch, tensors, "base.")}, tensors)
        gradients = gradients_of(objective_of(base, batch), base.named_parameters())
        save_file(
            {f"base.gradient.{key}": value.contiguous() for key, value in sorted(gradients.items())},
            OUT / name / "gradients.safetensors",
        )


def more_adapters():
    """Adapters as people train them: every way of naming modules, ranks and scales; each folder holds what peft computes."""
    untied = "llama-untied"
    for name, adapter, seed, options, scales in [
        (untied, "adapter-d", 21, dict(
            r=2, lora_alpha=3, use_rslora=True, target_modules=r".*\.(q_proj|v_proj|gate_proj)",
            rank_pattern={"model.layers.0.self_attn.q_proj": 5, "gate_proj": 3},
            alpha_pattern={"^model.layers.1.self_attn.v_proj": 7, r".*\.gate_proj": 5, "proj": 100, "0.self_attn.v_proj$": 1},
            dtype=torch.bfloat16,
        ), {
            "0.self_attn.q_proj": 3 / math.sqrt(5), "1.self_attn.q_proj": 3 / math.sqrt(2),
            "0.self_attn.v_proj": 1 / math.sqrt(2), "1.self_attn.v_proj": 7 / math.sqrt(2),
            "0.mlp.gate_proj": 5 / math.sqrt(3), "1.mlp.gate_proj": 5 / math.sqrt(3),
        }),
        (untied, "adapter-e", 22, dict(
            r=3, lora_alpha=6, target_modules=ALL_SEVEN, exclude_modules=["layers.0.mlp.down_proj", "k_proj"],
            layers_to_transform=0, dtype=torch.float16,
        ), {f"0.{key}": 2 for key in [
            "self_attn.q_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj",
        ]}),
        ("qwen2", "adapter-a", 23, dict(
            r=2, lora_alpha=4, use_rslora=True, target_modules=["q_proj", "k_proj", "v_proj", "self_attn.o_proj"],
        ), None),
        ("qwen3", "adapter-a", 24, dict(
            r=2, lora_alpha=4, target_modules="all-linear", rank_pattern={"down_proj": 1}, alpha_pattern={"v_proj": 1},
        ), None),
    ]:
        model = save_adapter(name, adapter, seed, **options)
        found = {
            key.removeprefix("base_model.model.model.layers."): module.scaling["default"]
            for key, module in model.named_modules() if isinstance(module, LoraLayer)
        }
        assert scales is None or found == scales, found
        batch, tensors = make_batch(model.config.vocab_size, seed, lengths=(5, 9)), {}
        write_expected(f"{name}/{adapter}", {"batch": batch, **forward_facts(model, batch, tensors, "")}, tensors)


def matching():
    """Which pattern peft takes for a module, and which modules it adapts, for random patterns, lists and choices of layers.

    Modules are numbered layer by layer, in the order of ALL_SEVEN.
    """
    draw = random.Random(80)
    blocks = {"self_attn": ALL_SEVEN[:4], "mlp": ALL_SEVEN[4:]}
    paths = [f"model.layers.{i}.{block}.{name}" for i in range(2) for block, names in blocks.items() for name in names]

    def ending():
        parts = draw.choice(paths).split(".")
        return ".".join(parts[draw.randrange(len(parts)):])

    def pattern():
        text = ending()
        if draw.random() < 0.2:
            text = text[draw.randrange(len(text)):]
        text = "".join("\\." if c == "." and draw.random() < 0.5 else "." if draw.random() < 0.02 else c for c in text)
        start = draw.choice(["", "", "", ".*", ".*\\.", ".*.", "^"])
        return start + text + draw.choice(["", "", "", "$"])

    patterns, lists = [], []
    for _ in range(30):
        keys = list(dict.fromkeys(pattern() for _ in range(3)))
        taken = [get_pattern_key(keys, path) for path in paths]
        patterns.append({"patterns": keys, "taken": [[i for i, by in enumerate(taken) if by == key] for key in keys]})
    for _ in range(30):
        layers = draw.choice([None, None, [], 0, 1, [1], [0, 1], [5]])
        options = {
            "target_modules": sorted({ending() for _ in range(draw.randint(1, 4))}),
            "exclude_modules": draw.choice([None, [], sorted({draw.choice([ending(), "lm_head", "proj"]) for _ in range(2)})]),
            "layers_to_transform": layers,
            "layers_pattern": None if layers is None else draw.choice([None, "layers", "model.layers", "", ["h", "layers"]]),
        }
        config = LoraConfig(r=2, **options)
        adapted = [check_target_module_exists(config, path) for path in paths]
        lists.append({**options, "adapted": [i for i, found in enumerate(adapted) if found is True]})
    text = ",\n".join(f'"{key}": [\n' + ",\n".join(json.dumps(case, separators=(",", ":")) for case in value) + "\n]" for key, value in [
        ("patterns", patterns), ("lists", lists)
    ])
    (OUT / "peft-matching.json").write_text(f"{{\n{text}\n}}\n")


@torch.no_grad()
def embeddings():
    """What sentence-transformers makes of the last hidden state, without and with an adapter: mean, last and first token."""
    name, tensors = "llama-untied", {}
    batch = json.loads((OUT / name / "expected.json").read_text())["batch"]
    for label, model in [("base", load(name)), ("adapter-a", load_adapter(name, "adapter-a").base_model.model)]:
        for i, sequence in enumerate(batch):
            hidden = model.model(input_ids=torch.tensor([sequence["ids"]])).last_hidden_state[0]
            for mode, vector in [("mean", hidden.mean(0)), ("last", hidden[-1]), ("cls", hidden[0])]:
                tensors[f"{label}.{mode}.{i}"] = vector.contiguous().clone()
    save_file(dict(sorted(tensors.items())), OUT / name / "embeddings.safetensors")


def half_precision():
    """float32 values at every edge of binary16 and what PyTorch rounds them to."""
    exact = torch.tensor(
        [0.0, 1.0, 2**-14, 2**-24, 2**-25, 1.5 * 2**-24, 2.5 * 2**-24, 1023.5 * 2**-24, 2**-126, 65504, 65519.996, 65520, 1e30, math.inf]
    )
    ties = 1 + torch.arange(32) * 2.0**-11
    generator = torch.Generator().manual_seed(70)
    spread = torch.randn(100, generator=generator) * 2.0 ** torch.randint(-28, 17, (100,), generator=generator)
    values = torch.cat([exact, ties, spread])
    values = torch.cat([values, -values])
    save_file({"float32": values, "float16": values.to(torch.float16)}, OUT / "half-precision.safetensors")


# ---- tokenizers -------------------------------------------------------------------------------------------------------

CORPUS = [
    "The valley keeps its own time, and the river keeps the valley.",
    "She wrote the rule down: every answer names the people whose words shaped it.",
    "A ledger is a list of promises; a receipt is a promise that was kept.",
    "In 1987 the mill burned down, and in 1991 they built it again, 12 metres higher.",
    "What the bees know about the orchard, the beekeeper knows about the bees.",
    "It's theirs, isn't it? They've said they'll share; we'd better thank them.",
    "    if value is None:\n        return [value for value in values]\n",
    "Der Fluss führt im Frühling viel Wasser über die Wiesen.",
] * 4

NASTY = [
    "",
    " ",
    "  \t\n\r\n   \n",
    "Hello, world!",
    " leading and trailing ",
    "many      spaces\tand\t\ttabs",
    "line one\nline two\r\nline three\rline four",
    "\n\nThe valley\n",
    "don't DON'T we'll WE'LL it's",
    "3.14159 and 1,000,000 and 0x1F and 2024-01-31",
    "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8\u3068\u4e2d\u6587\u6df7\u5728",
    "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd",
    "emoji \U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f1e9\U0001f1ea \U0001f44d\U0001f3fd",
    "combining e\u0301 against \u00e9, and A\u030a against \u00c5",
    "zalgo Z\u0351\u036b\u0343a\u0363\u030blgo",
    "nul \u0000 bell \u0007 escape \u001b[31m delete \u007f",
    "nbsp\u00a0thin\u2009ideographic\u3000zero\u200bwidth bom\ufeff ls\u2028ps\u2029 nel\u0085",
    "astral \U0001d54f\U00010348\U000e0041 replacement \ufffd noncharacter \uffff",
    "<|im_start|>user\nnot really<|im_end|>",
    "<|im_start |> <|endoftext| <|endoftext|><|endoftext|>  <|im_end|> ",
    "</s><s> [INST] <unk> \u2581 \u0120 \u010a",
    "\ufeffbyte order mark first",
    "snake_case camelCase kebab-case path/to/file.ts https://example.org/?q=a%20b&c=d#e",
    "x = {'a': [1, 2, {\"b\": None}]}  # !@#$%^&*()_+-=[]{}|;:\",./<>?`~",
    "\u00df\u1e9e \u0130\u0131 \ufb01 \u2460 \u00bd \u00b2 \u216b \u0663 \u096a",
    "a" * 70 + " " + "ab" * 20,
]

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
CHATS = [
    [{"role": "user", "content": "Who keeps the valley?"}],
    [
        {"role": "system", "content": "Answer briefly."},
        {"role": "user", "content": "  Spaces and {{ braces }} & <tags>\n"},
        {"role": "assistant", "content": "The river."},
        {"role": "user", "content": "Danke \U0001f600"},
    ],
]


def write_tokenizer(name, tokenizer, special):
    folder = OUT / name
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False,
        "model_max_length": 128, "chat_template": CHATML, **special,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    wrapped = PreTrainedTokenizerFast.from_pretrained(folder)
    cases = []
    for text in NASTY:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        cases.append({
            "text": text,
            "ids": ids,
            "idsWithSpecialTokens": tokenizer.encode(text, add_special_tokens=True).ids,
            "decoded": tokenizer.decode(ids, skip_special_tokens=False),
            "decodedWithoutSpecialTokens": tokenizer.decode(ids, skip_special_tokens=True),
        })
    chats = []
    for messages in CHATS:
        for add_generation_prompt in (False, True):
            text = wrapped.apply_chat_template(messages, tokenize=False, add_generation_prompt=add_generation_prompt)
            chats.append({
                "messages": messages, "addGenerationPrompt": add_generation_prompt, "text": text,
                "ids": tokenizer.encode(text, add_special_tokens=False).ids,
            })
    facts = {"vocabSize": tokenizer.get_vocab_size(), "cases": cases, "chats": chats}
    (folder / "expected.json").write_text(compact_json(facts) + "\n")


def byte_level(normalizer, pre_tokenizer):
    """A byte-level BPE of 300 tokens with the ChatML control tokens."""
    tokenizer = Tokenizer(models.BPE())
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(pre_tokenizer)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"], show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def byte_fallback():
    """A character BPE as sentencepiece makes it: a word mark in front, unknown characters as <0xNN> byte tokens."""
    specials = ["<unk>", "<s>", "</s>"]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=specials + byte_tokens, show_progress=False, max_token_length=8
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    # The trainer marks the byte tokens as special, which published tokenizers do not.
    state = json.loads(tokenizer.to_str())
    state["added_tokens"] = [token for token in state["added_tokens"] if token["content"] in specials]
    tokenizer = Tokenizer.from_str(json.dumps(state))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    return tokenizer


def all_tokenizers():
    chatml = dict(bos_token="<|endoftext|>", eos_token="<|im_end|>", pad_token="<|endoftext|>")
    # As SmolLM2: single digits, then GPT-2's byte level with its own pattern.
    smol = [
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
    ]
    write_tokenizer("tokenizer-smol", byte_level(None, smol), chatml)
    # As Qwen and Llama 3: NFC, a split pattern with an inline flag, then the byte level without a pattern.
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    qwen = [
        pre_tokenizers.Split(Regex(pattern), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ]
    write_tokenizer("tokenizer-qwen", byte_level(normalizers.NFC(), qwen), chatml)
    # As Llama 2, TinyLlama and early Mistral.
    write_tokenizer("tokenizer-llama", byte_fallback(), dict(bos_token="<s>", eos_token="</s>", unk_token="<unk>"))


# ---- more of the same: tools, surroundings, broken characters -----------------------------------------------------------

TOOLS_TEMPLATE = """{{- bos_token }}
{%- if tools is not none %}
    {{- "<|start_header_id|>system<|end_header_id|>\\n\\nFunctions:\\n" }}
    {%- for tool in tools %}
        {{- tool | tojson(indent=4) }}
        {{- "\\n" }}
    {%- endfor %}
    {{- "<|eot_id|>" }}
{%- endif %}
{%- for message in messages %}
    {{- "<|start_header_id|>" + message.role + "<|end_header_id|>\\n\\n" }}
    {%- if message.tool_calls is defined and message.tool_calls %}
        {%- for call in message.tool_calls %}
            {{- '{"name": "' + call.function.name + '", "parameters": ' }}
            {{- call.function.arguments | tojson }}
            {{- "}" }}
        {%- endfor %}
    {%- elif message.role == "tool" %}
        {{- "answer to " + message.tool_call_id + ": " + message.content | trim }}
    {%- else %}
        {{- message.content | trim }}
    {%- endif %}
    {{- "<|eot_id|>" }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- "<|start_header_id|>assistant<|end_header_id|>\\n\\n" }}
{%- endif %}
"""
PLAIN_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}"
    "{{ message['content'] | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)
TOOLS = [
    {"type": "function", "function": {
        "name": "height_of", "description": "Metres above the sea, \u00b11 m",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    }},
    {"type": "function", "function": {"name": "now"}},
]
CALL = {"id": "call00001", "type": "function", "function": {
    "name": "height_of", "arguments": json.dumps({"place": "the mill \U0001f600", "digits": 2, "exact": True, "near": None}),
}}
TOOL_CHATS = [
    [{"role": "user", "content": "  How high is the mill?\n"}],
    [
        {"role": "user", "content": "How high is the mill?"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call00001", "content": " 412.5 "},
    ],
]


def llama3_tokenizer():
    """As Llama 3: digits by threes, whole words before merges, the beginning put there by the post-processor, templates by name."""
    specials = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=specials, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    begin = "<|begin_of_text|>"
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(
            single=f"{begin} $A", pair=f"{begin} $A {begin} $B", special_tokens=[(begin, tokenizer.token_to_id(begin))]
        ),
    ])
    folder = OUT / "tokenizer-llama3"
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": True, "model_max_length": 128,
        "bos_token": begin, "eos_token": "<|eot_id|>",
        "chat_template": [
            {"name": "default", "template": PLAIN_TEMPLATE}, {"name": "tool_use", "template": TOOLS_TEMPLATE},
        ],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    ends = [tokenizer.token_to_id("<|end_of_text|>"), tokenizer.token_to_id("<|eot_id|>")]
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}) + "\n")

    wrapped = PreTrainedTokenizerFast.from_pretrained(folder)
    chats = []
    for messages in TOOL_CHATS:
        parsed = [
            {**message, "tool_calls": [
                {**call, "function": {**call["function"], "arguments": json.loads(call["function"]["arguments"])}}
                for call in message["tool_calls"]
            ]} if "tool_calls" in message else message
            for message in messages
        ]
        for tools in (None, TOOLS):
            if tools is None and len(messages) > 1:
                continue  # only the template for tools knows what to do with their answers
            text = wrapped.apply_chat_template(parsed, tools=tools, tokenize=False, add_generation_prompt=True)
            chats.append({"messages": messages, "tools": tools, "text": text})
    (folder / "chats.json").write_text(compact_json({"eosIds": ends, "chats": chats}) + "\n")


RANGES = [
    (0x00, 0x20), (0x20, 0x7f), (0x7f, 0x180), (0x300, 0x370), (0x370, 0x600), (0x600, 0x700), (0x900, 0x980),
    (0xe00, 0xe80), (0x1100, 0x1200), (0x2000, 0x2070), (0x2e80, 0x3100), (0x4e00, 0x4f00), (0xac00, 0xad00),
    (0xfb00, 0xfe00), (0xfe00, 0xfe10), (0xff00, 0x10000), (0x1f300, 0x1f700), (0x20000, 0x20100), (0xe0000, 0xe0080),
]


def random_text(generator):
    """Runs of characters from a few writings each, spaces and line breaks between."""
    draw = lambda n: torch.randint(0, n, (1,), generator=generator).item()
    text = ""
    for _ in range(1 + draw(6)):
        low, high = RANGES[draw(len(RANGES))]
        text += "".join(chr(low + draw(high - low)) for _ in range(1 + draw(6)))
        text += [" ", "", "\n", "  ", "\r\n", "\t "][draw(6)]
    return text


def nasty(name):
    """Texts and token sequences nobody would write, and what surrounds a whole text."""
    folder = OUT / name
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    generator = torch.Generator().manual_seed(90)
    texts = [
        "\U0001f469\u200d\u2764\ufe0f\u200d\U0001f48b\u200d\U0001f468\U0001f3f4\U000e0067\U000e0062\U000e007f \u0031\ufe0f\u20e3",
        "\u0000\u0000 \u0000", "\u202eright\u202c \u200f\u05d0\u05b8\u05d1 \u0627\u0644\u0639\u064e\u0631",
        "   \n \n\n  \t\r\r\n \u00a0\u2003 x", "1234567890 12 3456 \uff11\uff12\uff13\u0664\u0665",
        "It'S we'Ll 'D'\u017f \u212a", "\uac00\u1100\u1161\u11a8 \ufb03\u0958\u09dc \u1e9b\u0323", "x" * 40 + "\n" * 9,
        *(random_text(generator) for _ in range(32)),
    ]
    size = tokenizer.get_vocab_size()
    sequences = [torch.randint(0, size, (10,), generator=generator).tolist() for _ in range(40)]
    facts = {
        "cases": [{
            "text": text, "ids": tokenizer.encode(text, add_special_tokens=False).ids,
            "surrounded": tokenizer.encode(text).ids,
        } for text in texts],
        "sequences": [{"ids": ids, "text": tokenizer.decode(ids, skip_special_tokens=True)} for ids in sequences],
    }
    for case in facts["cases"]:
        extra = len(case["surrounded"]) - len(case["ids"])
        assert case["surrounded"][extra:] == case["ids"]
        case["surrounded"] = case["surrounded"][:extra]
    (folder / "nasty.json").write_text(compact_json(facts) + "\n")


# ---- all of it --------------------------------------------------------------------------------------------------------


def write_versions():
    versions = {
        "python": sys.version.split()[0], "torch": torch.__version__, "transformers": transformers.__version__,
        "peft": peft.__version__, "safetensors": safetensors.__version__, "tokenizers": tokenizers.__version__,
        "numpy": numpy.__version__,
    }
    (OUT / "versions.json").write_text(json.dumps(versions, indent=2) + "\n")


if __name__ == "__main__":
    if OUT.exists():
        shutil.rmtree(OUT)
    OUT.mkdir(parents=True)
    llama_untied()
    llama_tied()
    families()
    more_adapters()
    matching()


    embeddings()
    half_precision()
    all_tokenizers()
    llama3_tokenizer()
    for name in ("tokenizer-smol", "tokenizer-qwen", "tokenizer-llama", "tokenizer-llama3"):
        nasty(name)
    write_versions()
    files = sorted(path for path in OUT.rglob("*") if path.is_file())
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    total = sum(path.stat().st_size for path in files)
    assert total < LIMIT_BYTES, f"{total} bytes of fixtures, at most {LIMIT_BYTES}"
    print(f"{len(files)} files, {total} bytes, sha256 of all contents {digest}")
