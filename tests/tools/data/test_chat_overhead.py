import json

import pytest

from tools.data.chat_overhead import Overhead, measure_overhead
from tools.data.tokens import token_counter

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% generation %}{{ message['content'] }}"
    "{% endgeneration %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def test_overhead_is_measured_on_the_template_when_it_can_be_rendered(model_dir):
    (model_dir / "chat_template.jinja").write_text(CHATML)
    counter = token_counter(model_dir)
    assert counter.overhead == Overhead(per_message=5, fixed=0)
    assert counter.basis == "the model's tokenizer and chat template"


def test_overhead_has_a_fixed_part_when_the_template_adds_text_once(model_dir):
    config = {"chat_template": "{{ bos_token }}a b\n" + CHATML, "bos_token": {"content": "<|im_start|>"}}
    (model_dir / "tokenizer_config.json").write_text(json.dumps(config))
    assert token_counter(model_dir).overhead == Overhead(per_message=5, fixed=4)


@pytest.mark.parametrize(
    "template",
    [
        "{% for %}",
        "{{ raise_exception('no') }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
        "{{ 1 / 0 }}",
    ],
)
def test_overhead_is_unknown_when_the_template_is_broken_or_hostile(model_dir, template):
    (model_dir / "chat_template.jinja").write_text(template)
    assert measure_overhead(model_dir, len) is None
