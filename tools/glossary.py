"""Short, grounded explanations of the terms a newcomer meets, for the guide, the agent and `tailor` alike."""

import difflib
import re

_TERMS: dict[str, tuple[tuple[str, ...], str]] = {
    "LoRA": (
        ("lora", "adapter", "low-rank adaptation", "rank"),
        "LoRA freezes the base model and trains two small matrices beside each large one; their product is added to "
        "the frozen weights. It needs a fraction of the memory, the adapter is a few megabytes, and several adapters "
        "can be served beside one base. On models of a billion parameters and more it usually matches full tuning; on "
        "Seedling, which has little to adapt, full tuning measured 8 points better.",
    ),
    "QLoRA": (
        ("qlora", "4-bit", "quantized"),
        "QLoRA is LoRA on a base model held in 4 bits. It lets a larger model fit on one GPU at the price of some "
        "speed. It needs an NVIDIA GPU.",
    ),
    "full tuning": (
        ("full", "full fine-tuning"),
        "Full tuning changes every weight. It needs memory for the weights, their gradients and two optimizer "
        "states: about 16 bytes a parameter.",
    ),
    "SFT": (
        ("sft", "supervised fine-tuning", "fine-tuning", "finetuning"),
        "Supervised fine-tuning shows the model prompts with the one answer wanted and raises the likelihood of that "
        "answer. It is the right method when you have labelled pairs and one right output for each.",
    ),
    "epochs": (
        ("epoch",),
        "One epoch is one pass over all training rows. Too few and the model has not learnt the task; too many and it "
        "learns the rows by heart. The loss on the validation rows shows which: when it rises while the training loss "
        "falls, there were too many.",
    ),
    "learning rate": (
        ("lr", "learning-rate"),
        "The size of each step of training. Too high and the loss jumps or becomes NaN, too low and little is learnt "
        "in the time. Small models take large rates (0.003 for Seedling), large models small ones (0.0001 with LoRA).",
    ),
    "batch size": (
        ("batch",),
        "Examples averaged for one optimizer step. Larger is smoother and faster per row, smaller gives more steps "
        "from the same rows, which helps when there are few.",
    ),
    "baseline": (
        ("base score", "base model score"),
        "The base model's score on your test rows, measured before any training. Without it nobody can tell whether "
        "training helped, or whether it was needed at all.",
    ),
    "test rows": (
        ("test set", "held-out", "holdout", "held out"),
        "Rows that are never trained on. Both models answer them, and only these answers count. Rows whose prompt also "
        "stands in the training data are removed from training, so that learning by heart cannot pass for skill.",
    ),
    "validation rows": (
        ("validation", "validation loss"),
        "A few training rows set aside to watch the loss while training. They tell when a model starts to learn by "
        "heart; they are not the test.",
    ),
    "accuracy": (
        ("exact match", "exact_match"),
        "The share of test rows whose answer equals the wanted answer exactly, white space at the ends aside.",
    ),
    "macro-F1": (
        ("macro f1", "macro_f1", "f1"),
        "F1 is the balance of precision and recall for one label; macro-F1 is its plain mean over all labels, so a "
        "rare label counts as much as a common one. Use it when labels are unbalanced.",
    ),
    "interval": (
        ("95 %", "confidence interval", "confidence"),
        "The range in which the true value lies in 95 of 100 such measurements. Fewer test rows give a wider range. "
        "Two models differ for sure only when the interval of their difference does not hold zero.",
    ),
    "McNemar test": (
        ("mcnemar", "p", "p value", "significance"),
        "It looks only at the rows on which the two models differ: if the change were luck, wins and losses would be "
        "equally likely. The p value is the chance of a split at least this uneven by luck alone.",
    ),
    "Seedling": (
        ("seedling", "embedded model"),
        "The small model that ships with Tailor, under one and a half million parameters. It is for trying the whole "
        "road and for tests: it can learn a narrow task such as labelling messages in a minute on a laptop, and it "
        "knows nothing else. For real work choose a real base model.",
    ),
    "checkpoint": (
        ("checkpoints", "resume"),
        "A copy of weights, optimizer and random state while training runs. A run that was stopped or killed goes on "
        "from the last complete one and ends with the same weights as if nothing had happened.",
    ),
    "grant": (
        ("approval", "approve"),
        "Your approval of one step. It is bound to the exact arguments and inputs of that step, has a cap and an end, "
        "and works once. The agent cannot make one.",
    ),
    "plan": (
        (),
        "The spec with every value filled in: ordered steps, each value with its reason, and what each step will take. "
        "It never changes; when the spec or a data file changes, a new plan is made.",
    ),
    "budget": (
        ("cap", "cost"),
        "Hard limits over the whole plan, in hours and dollars. A job that reaches one saves its work and stops.",
    ),
    "DPO": (
        ("dpo", "preference"),
        "Direct preference optimization learns from pairs of a better and a worse answer to the same prompt. It is for "
        "tasks with several valid answers of which some are preferred.",
    ),
    "GRPO": (
        ("grpo", "rlvr", "reinforcement learning", "rl"),
        "Reinforcement learning samples several answers to each prompt and strengthens those that a reward program "
        "scores higher. It needs a base model that already succeeds sometimes.",
    ),
    "overfitting": (
        ("overfit", "learning by heart"),
        "The model repeats training rows instead of learning the task: training loss falls, validation loss rises. "
        "Fewer epochs or more varied rows help.",
    ),
}


def explain(topic: str) -> str:
    """Return a few sentences about `topic`, or which terms can be explained when it is not known."""
    term = find_term(topic)
    if term is None:
        return f"I have no explanation of that. I can explain: {', '.join(sorted(_TERMS, key=str.lower))}."
    return f"{term}: {_TERMS[term][1]}"


def find_term(topic: str) -> str | None:
    """Return the term meant by `topic`, allowing for spelling and surrounding words; None when there is none."""
    wanted = topic.strip().lower().rstrip("?.! ")
    names = {name: term for term, (others, _) in _TERMS.items() for name in (term.lower(), *others)}
    if wanted in names:
        return names[wanted]
    inside = [name for name in names if len(name) > 1 and re.search(rf"\b{re.escape(name)}\b", wanted)]
    if inside:
        return names[max(inside, key=len)]
    close = difflib.get_close_matches(wanted, names, n=1, cutoff=0.8)
    return names[close[0]] if close else None
