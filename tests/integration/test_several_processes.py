"""The commands of the guide for several GPUs, as far as a machine without one can follow them."""

import re
import shlex
from pathlib import Path

import pytest
import typer
from accelerate.commands.launch import launch_command_parser
from torch.distributed.run import get_args_parser

from wav2vec2_conformer.cli.main import app
from wav2vec2_conformer.cli.training_log import print_result
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.training.arguments import build_arguments
from wav2vec2_conformer.training.settings import FinetuneSettings

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "several-gpus.md"


def commands(program="torchrun"):
    """Return the guide's commands that start processes with a program."""
    blocks = re.findall(r"```bash\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    joined = [block.replace("\\\n", " ").strip() for block in blocks]
    return [command for command in joined if program in command]


def test_commands_of_the_guide_can_be_read_by_torchrun_and_by_ours():
    seen = commands()
    assert len(seen) == 4
    assert any("--nnodes 2" in command for command in seen)
    for command in seen:
        plain = command.replace("$(which wav2vec2-conformer)", "wav2vec2-conformer")
        plain = plain.replace("$NODE_RANK", "1").replace("$FIRST_MACHINE", "first")
        words = shlex.split(plain)
        words = words[words.index("torchrun") + 1 :]
        launcher = get_args_parser().parse_args(words)
        assert launcher.training_script == "wav2vec2-conformer"
        name, *arguments = launcher.training_script_args
        context = typer.main.get_command(app).commands[name].make_context(name, arguments)
        assert context.params["train"]
        assert context.params["max_steps"] > 0


def test_command_of_the_guide_can_be_read_by_accelerate_and_by_ours():
    (command,) = commands("accelerate")
    words = shlex.split(command.replace("$(which wav2vec2-conformer)", "wav2vec2-conformer"))
    assert words[:2] == ["accelerate", "launch"]
    launcher = launch_command_parser().parse_args(words[2:])
    assert launcher.multi_gpu
    assert launcher.training_script == "wav2vec2-conformer"
    name, *arguments = launcher.training_script_args
    context = typer.main.get_command(app).commands[name].make_context(name, arguments)
    assert context.params["max_steps"] > 0


@pytest.mark.parametrize("value", [True, "full_shard"])
def test_sharding_without_gpus_is_refused(tmp_path, value):
    settings = FinetuneSettings(
        output_dir=tmp_path, use_cpu=True, report_to="none", trainer_arguments={"fsdp": value}
    )
    with pytest.raises(InputError, match=r"fsdp shards a model over the GPUs .* got 1 on cpu"):
        build_arguments(settings)


def test_sharding_by_accelerate_launch_is_refused_as_it_is_a_setting(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    settings = FinetuneSettings(output_dir=tmp_path, use_cpu=True, report_to="none")
    with pytest.raises(InputError, match=r"add trainer_arguments\.fsdp=true to"):
        build_arguments(settings)


def test_checkpointing_that_moves_statistics_twice_is_refused(tmp_path):
    more = {"fsdp": True, "fsdp_config": {"activation_checkpointing": True}}
    settings = FinetuneSettings(
        output_dir=tmp_path, use_cpu=True, report_to="none", trainer_arguments=more
    )
    with pytest.raises(InputError, match=r"use trainer_arguments\.activation_checkpointing=true"):
        build_arguments(settings)


def test_one_of_several_processes_prints_the_result(monkeypatch, capsys):
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        print_result("run/final")
    assert capsys.readouterr().out == "run/final\n"
