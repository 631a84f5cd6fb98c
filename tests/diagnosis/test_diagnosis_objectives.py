"""Trainings whose loss is no measure of progress, in their tools' columns; and those that only look so."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from tunekit.diagnosis import Diagnosis, judge
from tunekit.logs import Log, read
from tunekit.logs.log import Array, curve
from tunekit.logs.objectives import objective_of

Columns = Mapping[str, Array]
N = 120
DONE = np.linspace(0.0, 1.0, N)
WAVE = np.sin(np.arange(N) * 2.4)


def table(tmp_path: Path, columns: Columns, name: str = "progress.csv") -> Log:
    """The columns as a CSV file, read."""
    path = tmp_path / name
    rows = [",".join(f"{value:.8g}" for value in row) for row in zip(*columns.values(), strict=True)]
    path.write_text("\n".join([",".join(columns), *rows]) + "\n")
    return read(path)[0]


def trainer(tmp_path: Path, columns: Columns) -> Log:
    """The columns as a Trainer's state, read."""
    rows = [dict(zip(columns, map(float, row), strict=True)) for row in zip(*columns.values(), strict=True)]
    history = [{"step": 10 * (k + 1), "epoch": (k + 1) / N, **row} for k, row in enumerate(rows)]
    path = tmp_path / "trainer_state.json"
    path.write_text(json.dumps({"global_step": 10 * N, "log_history": history}))
    return read(path)[0]


def said(diagnosis: Diagnosis) -> set[str]:
    return {diagnosis.code, *(note.code for note in diagnosis.notes)}


def stable_baselines(reward: Array) -> Columns:
    return {
        "time/total_timesteps": 2048.0 * np.arange(1, N + 1),
        "rollout/ep_rew_mean": reward,
        "rollout/ep_len_mean": reward,
        "train/loss": 5 + 400 * DONE + 20 * WAVE,
        "train/value_loss": 10 + 900 * DONE,
        "train/approx_kl": 0.01 + 0.002 * WAVE,
        "train/explained_variance": 0.8 * DONE,
    }


def grpo(reward: Array, length: Array, kl: Array) -> Columns:
    return {
        "loss": 1e-4 + 1e-3 * DONE + 2e-5 * WAVE,
        "grad_norm": 0.3 + 0.1 * WAVE,
        "reward": reward,
        "reward_std": np.full(N, 0.2),
        "completions/mean_length": length,
        "kl": kl,
    }


def dpo(val: Array) -> Columns:
    return {
        "loss": 0.693 * np.exp(-1.2 * DONE),
        "eval_loss": val,
        "rewards/chosen": -2 * DONE,
        "rewards/rejected": -5 * DONE,
        "rewards/margins": 3 * DONE,
        "rewards/accuracies": 0.5 + 0.4 * DONE,
    }


RISES = 20 + 180 * (1 - np.exp(-4 * DONE)) + 3 * WAVE
COLLAPSES = np.where(DONE < 0.6, 20 + 280 * DONE, 15.0) + 3 * WAVE


class TestReinforcement:
    def test_a_critic_loss_that_grows_is_no_divergence(self, tmp_path: Path) -> None:
        diagnosis = judge(table(tmp_path, stable_baselines(RISES)))
        assert said(diagnosis) == {"other_objective"}
        assert diagnosis.verdict == "pass"
        assert "rollout/ep_rew_mean from" in diagnosis.summary

    def test_the_numbers_are_medians_of_the_first_and_the_last_tenth(self, tmp_path: Path) -> None:
        evidence = judge(table(tmp_path, stable_baselines(RISES))).evidence
        assert evidence["reward_start"] == pytest.approx(np.median(RISES[:12]), rel=1e-6)
        assert evidence["reward_end"] == pytest.approx(np.median(RISES[-12:]), rel=1e-6)

    def test_a_return_that_falls_and_stays_there_is_a_collapse(self, tmp_path: Path) -> None:
        diagnosis = judge(table(tmp_path, stable_baselines(COLLAPSES)))
        assert diagnosis.code == "reward_collapse"
        assert diagnosis.verdict == "fail"
        assert diagnosis.evidence["reward_last_tenth"] == pytest.approx(np.mean(COLLAPSES[-12:]), rel=1e-6)

    @pytest.mark.parametrize(
        "reward",
        [
            np.where(np.abs(DONE - 0.5) < 0.1, 30.0, 20 + 180 * DONE) + 3 * WAVE,
            20 + 180 * DONE + 25 * WAVE,
            np.where(DONE < 0.9, 20 + 180 * DONE, 170.0) + 3 * WAVE,
            -1500 + 1300 * DONE + 30 * WAVE,
        ],
        ids=["a dip", "noise", "a small fall at the end", "returns below zero"],
    )
    def test_what_is_none(self, tmp_path: Path, reward: Array) -> None:
        assert judge(table(tmp_path, stable_baselines(reward))).code == "other_objective"

    def test_returns_below_zero_collapse_too(self, tmp_path: Path) -> None:
        reward = np.where(DONE < 0.6, -1500 + 2000 * DONE, -1600.0) + 10 * WAVE
        assert judge(table(tmp_path, stable_baselines(reward))).code == "reward_collapse"

    def test_a_log_of_returns_without_a_loss_is_judged(self, tmp_path: Path) -> None:
        log = table(tmp_path, {"episode": np.arange(1.0, N + 1), "reward": RISES, "epsilon": 1 - DONE})
        assert said(judge(log)) == {"other_objective"}

    def test_a_table_of_returns_is_found_in_its_folder(self, tmp_path: Path) -> None:
        """Spinning Up's progress.txt: tabs, and no column that is called a loss."""
        rows = [f"{k}\t{reward:.4f}\t{3.1 + k}\t{200}" for k, reward in enumerate(RISES)]
        (tmp_path / "progress.txt").write_text("\n".join(["Epoch\tAverageEpRet\tStdEpRet\tEpLen", *rows]) + "\n")
        diagnosis = judge(read(tmp_path)[0])
        assert said(diagnosis) == {"other_objective"}
        assert "AverageEpRet from" in diagnosis.summary

    def test_answers_that_shrink_go_with_it(self, tmp_path: Path) -> None:
        fallen = DONE > 0.6
        reward = np.where(fallen, 0.05, 0.2 + 0.8 * DONE)
        diagnosis = judge(trainer(tmp_path, grpo(reward, np.where(fallen, 3.0, 210.0), np.where(fallen, 6.0, 0.04))))
        assert diagnosis.code == "reward_collapse"
        assert "completions/mean_length shrinks from 210 over its first tenth to 3 over its last" in diagnosis.summary
        assert "kl grows from 0.04 over its first tenth to 6 over its last" in diagnosis.summary

    def test_a_loss_of_zero_is_how_its_updates_begin(self, tmp_path: Path) -> None:
        columns = {**grpo(0.2 + 0.6 * DONE, np.full(N, 200.0), 0.08 * DONE), "loss": np.zeros(N)}
        assert judge(trainer(tmp_path, columns)).code == "other_objective"

    def test_values_of_states_are_no_validation(self, tmp_path: Path) -> None:
        columns = {**stable_baselines(RISES), "val/ratio": 1 + 0.01 * WAVE, "val_loss": 3 + 50 * DONE}
        assert judge(table(tmp_path, columns)).code == "other_objective"

    def test_losses_that_are_not_finite_are_worse(self, tmp_path: Path) -> None:
        columns = {**stable_baselines(RISES), "train/loss": np.where(DONE > 0.8, np.nan, 5.0)}
        assert judge(table(tmp_path, columns)).code == "diverged"


class TestPreferences:
    def test_margins_are_told(self, tmp_path: Path) -> None:
        diagnosis = judge(trainer(tmp_path, dpo(0.693 * np.exp(-0.8 * DONE))))
        assert diagnosis.code == "other_objective"
        assert "rewards/margins from" in diagnosis.summary

    def test_a_validation_loss_that_turned_is_overfitting_all_the_same(self, tmp_path: Path) -> None:
        diagnosis = judge(trainer(tmp_path, dpo(0.6 - 0.2 * np.exp(-((DONE - 0.3) ** 2) / 0.02) + 0.1 * DONE)))
        assert diagnosis.code == "overfit"
        assert "other_objective" in said(diagnosis)


def test_the_losses_of_a_generator_and_a_discriminator(tmp_path: Path) -> None:
    columns = {"epoch": np.arange(1.0, N + 1), "g_loss": 0.7 + 4 * DONE + 0.3 * WAVE, "d_loss": 1.4 * np.exp(-5 * DONE)}
    assert said(judge(table(tmp_path, columns))) == {"other_objective"}


@pytest.mark.parametrize("names", ["D_A G_A cycle_A idt_A D_B G_B cycle_B idt_B", "G_GAN G_L1 D_real D_fake"])
def test_what_cyclegan_and_pix2pix_write(tmp_path: Path, names: str) -> None:
    lines = ["================ Training Loss (Tue Mar  5 10:11:12 2024) ================"]
    for k in range(60):
        losses = " ".join(f"{name}: {0.4 + 0.05 * math.sin(k + place):.3f}" for place, name in enumerate(names.split()))
        lines.append(f"(epoch: {1 + k // 6}, iters: {100 + 100 * (k % 6)}, time: 0.412, data: 0.003) {losses} ")
    (tmp_path / "loss_log.txt").write_text("\n".join(lines) + "\n")
    for path in (tmp_path, tmp_path / "loss_log.txt"):
        assert said(judge(read(path)[0])) == {"other_objective"}


def test_a_weight_that_changes_is_annealing_and_one_that_stays_is_not(tmp_path: Path) -> None:
    parts = {
        "epoch": np.arange(1.0, N + 1),
        "loss": 100 - 40 * (1 - np.exp(-9 * DONE)) + 60 * DONE,
        "recon_loss": 60 + 40 * np.exp(-9 * DONE),
        "kl_loss": 20 - 5 * DONE,
    }
    assert judge(table(tmp_path, {**parts, "beta": DONE})).code == "other_objective"
    settled = {**parts, "loss": 60 + 40 * np.exp(-9 * DONE), "beta": np.full(N, 1.0)}
    assert judge(table(tmp_path, settled)).code == "no_validation"


def test_a_flat_loss_of_a_diffusion_model_is_no_fault(tmp_path: Path) -> None:
    columns = {"step": np.arange(1.0, N + 1), "loss/average": 0.12 + 0.004 * WAVE, "lr/unet": np.full(N, 1e-4)}
    diagnosis = judge(table(tmp_path, columns))
    assert said(diagnosis) == {"no_validation", "other_objective"}


class TestNothingToLearn:
    def test_a_loss_of_zero_from_the_start(self, tmp_path: Path) -> None:
        norms = np.where(np.arange(N) < 3, 0.0, np.nan)
        columns = {"loss": np.zeros(N), "grad_norm": norms, "learning_rate": np.full(N, 1e-4)}
        diagnosis = judge(trainer(tmp_path, columns))
        assert diagnosis.code == "nothing_to_learn"
        assert diagnosis.evidence["zero_losses"] == 3

    def test_a_gradient_says_that_the_loss_was_rounded(self, tmp_path: Path) -> None:
        assert judge(trainer(tmp_path, {"loss": np.zeros(N), "grad_norm": np.full(N, 0.2)})).code != "nothing_to_learn"

    def test_a_nan_from_the_first_step_on_is_a_divergence(self, tmp_path: Path) -> None:
        assert judge(trainer(tmp_path, {"loss": np.zeros(N), "grad_norm": np.full(N, np.nan)})).code == "diverged"


def named(names: str) -> Callable[[], str | None]:
    curves = {name: curve(name, np.arange(50), np.linspace(1, 2, 50), "iteration") for name in names.split(", ")}
    objective = objective_of(curves)
    return lambda: None if objective is None else objective.kind


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        ("EpRewMean, EpLenMean, entropy, meankl", "reinforcement"),
        ("AverageEpRet, StdEpRet, EpLen, LossPi, LossV, KL", "reinforcement"),
        ("charts/episodic_return, charts/episodic_length, losses/value_loss, losses/approx_kl", "reinforcement"),
        ("env_runners/episode_return_mean, env_runners/episode_len_mean", "reinforcement"),
        ("objective/kl, objective/rlhf_reward, objective/scores, loss/policy_avg", "reinforcement"),
        ("critic/rewards/mean, actor/pg_loss, actor/entropy, response_length/mean", "reinforcement"),
        ("Environment/Cumulative Reward, Losses/Policy Loss, Losses/Value Loss", "reinforcement"),
        ("rewards/chosen, rewards/rejected, rewards/margins, loss", "preference"),
        ("Loss_D, Loss_G", "adversarial"),
        ("G_GAN, G_L1, D_real, D_fake", "adversarial"),
        ("D_A, G_A, cycle_A, idt_A, D_B, G_B, cycle_B, idt_B", "adversarial"),
        ("loss, loss_q0, loss_q3, vb", "diffusion"),
        ("train_loss, val_loss, returns", None),
        ("epoch, train_loss, val_loss, sharpe, return", None),
        ("train_loss, eval_loss, eval_score", None),
        ("loss, val_loss, precision, recall", None),
        ("train/box_loss, train/cls_loss, train/dfl_loss", None),
        ("loss, recon_loss, kl_loss, val_loss", None),
        ("unet_loss, val_unet_loss", None),
    ],
)
def test_what_the_columns_of_tools_name(names: str, kind: str | None) -> None:
    assert named(names)() == kind
