"""Logs whose words are another language's are read as English ones are, where the words are sure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tunekit.logs import read
from tunekit.logs.foreign import english, is_foreign
from tunekit.logs.log import floats
from tunekit.logs.textline import parse

TRAIN = [2.31, 1.62, 1.17, 0.91, 0.74, 0.63]
VAL = [2.42, 1.81, 1.42, 1.21, 1.14, 1.09]

LINES = {
    "Chinese": "第 {k} 轮 | 训练损失：{x} | 验证损失：{y}",
    "Chinese with Epoch": "Epoch {k} 完成 | 训练损失: {x} | 验证损失: {y} | 时间: 61.2s",
    "Japanese": "エポック {k}: 訓練損失 {x}, 検証損失 {y}",
    "Korean": "에폭 {k}, 훈련 손실: {x}, 검증 손실: {y}",
    "Spanish": "Época {k}/6 - pérdida: {x} - pérdida de validación: {y}",
    "Portuguese": "Época {k}: perda de treino {x}, perda de validação {y}",
    "French": "Époque {k} : perte d'entraînement = {x}, perte de validation = {y}",
    "German": "Epoche {k}/6 - Verlust: {x} - Validierungsverlust: {y}",
    "Russian": "Эпоха {k}: потери на обучении {x}, потери на валидации {y}",
}


@pytest.mark.parametrize("language", LINES)
def test_both_losses_are_read(language: str, tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    rows = zip(TRAIN, VAL, strict=True)
    lines = [LINES[language].format(k=k, x=x, y=y) for k, (x, y) in enumerate(rows, 1)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    (log,) = read(path)
    assert log.train is not None
    assert log.val is not None
    np.testing.assert_allclose(floats(log.train.y), TRAIN)
    np.testing.assert_allclose(floats(log.val.y), VAL)
    assert list(log.train.x) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    "text",
    ["epoch 3 loss 0.31", "apertement 3", "expertes: 12", "inverlust 0.2", "Modell gespeichert: 0.3", "已保存 0.31"],
)
def test_other_words_stay_as_they_are(text: str) -> None:
    assert not is_foreign(text)


def test_a_best_so_far_is_no_evaluation() -> None:
    line = parse(english("保存最佳模型 (验证损失: 1.0900)"))
    assert line is None or not line.values


def test_the_rate_of_learning_is_no_training() -> None:
    line = parse(english("学习率: 0.001"))
    assert line is not None
    assert line.values == {"lr": 0.001}
