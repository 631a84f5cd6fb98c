"""Words of other languages for what a log says: epoch, loss, accuracy, the splits. Whose numbers: textline.py."""

from __future__ import annotations

import re

_WORDS = {
    "epoch": "轮次 轮数 エポック 에폭 에포크 época epoca époque epoche эпоха эпохи",
    "step": "步数 迭代次数 迭代",
    "lr": "学习率 學習率 学習率 학습률",
    "avg": "平均 평균",
    "train": "训练集 训练 訓練 훈련 학습 entrenamiento entraînement entrainement treino treinamento addestramento "
    "обучение обучения обучении обучающая тренировочная",
    "val": "验证集 验证 驗證 検証 검증 validación validação validierung validierungs validazione "
    "валидация валидации валидационная",
    "test": "测试集 测试 測試 テスト 테스트 тест",
    "loss": "损失值 损失 損失 손실 pérdida perte perda perdita verlust потеря потери лосс",
    "accuracy": "准确率 准确度 正确率 準確率 正解率 精度 정확도 exactitud exactitude genauigkeit acurácia accuratezza "
    "точность",
    "recall": "召回率 再現率",
    "train loss": "trainingsverlust",
    "val loss": "validierungsverlust",
    "train accuracy": "trainingsgenauigkeit",
    "val accuracy": "validierungsgenauigkeit",
    "best": "最佳 最好 最优 最高 ベスト 최고 mejor melhor meilleur meilleure migliore beste bester "
    "лучшая лучший лучшее",
}
_ENGLISH = {word: english for english, words in _WORDS.items() for word in words.split()}
_SPACED = [word for word in _ENGLISH if ord(word[0]) < 0x3000]
_UNSPACED = sorted(set(_ENGLISH) - set(_SPACED), key=len, reverse=True)
_OF = r"(?:\s++(?:(?:de(?: la)?|del|du|da|di|von|на)(?!\w)|d['’]))?+"
_WORD = re.compile(rf"(?:{'|'.join(_UNSPACED)})|(?<!\w)(?:{'|'.join(_SPACED)})(?!\w){_OF}", re.IGNORECASE)
_ORDINAL = re.compile(r"第\s*+(\d++)\s*+[轮輪]")
_WIDE = str.maketrans("：，；（）｜", ":,;()|")
_BLANKS = re.compile(r" {2,}+")


def is_foreign(text: str) -> bool:
    return _WORD.search(text) is not None or _ORDINAL.search(text) is not None


def english(text: str) -> str:
    """The text with the words that a log of numbers needs in English: `pérdida de validación: 0.3`, `loss val: 0.3`."""
    text = _ORDINAL.sub(r" epoch \1 ", text.translate(_WIDE))
    return _BLANKS.sub(" ", _WORD.sub(_translated, text)).strip()


def _translated(match: re.Match[str]) -> str:
    word = match[0].split()[0].lower()  # letters that are others in the other case, such as a long s, are none of these
    return f" {_ENGLISH[word]} " if word in _ENGLISH else match[0]
