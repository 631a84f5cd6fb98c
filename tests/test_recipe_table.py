"""A table as people have it, with few positives: tuning a network beats logistic regression on the same splits."""

import json

import numpy as np
import pandas as pd
import pytest

HEADER = ["Age, years", "Income ($)", "City", "Signed up", "Visits", "", "Will buy?"]
RECIPE = """
name: shop
task: binary
metric: average_precision
data:
  target: table
  args: {path: train.csv, val_path: val.csv, test_path: test.csv, target: "Will buy?"}
model: {target: mlp, args: {hidden: [64, 64]}}
optimizer: {target: adam, lr: 1e-3}
batch_size: 256
steps:
  coarse-grid: {weight_decays: [1e-4, 1e-2], epochs: 5}
  fine-run: {top: 2, epochs: 20, seeds: 1}
"""


def customers(count: int, seed: int) -> pd.DataFrame:
    """Buyers (some 4 %) are young with a high income or old with a low one, of two cities out of three in spring."""
    draw = np.random.default_rng(seed)
    age, income = draw.integers(18, 80, count), np.exp(draw.normal(10, 0.6, count))
    city = draw.choice(['"Old" Town', "Rome, Italy", "Oslo"], count)
    day = pd.Timestamp("2021-01-01") + pd.to_timedelta(draw.integers(0, 365, count), unit="D")
    turned = ((age - 49) / 18) * ((np.log(income) - 10) / 0.6)
    spring = np.where((city != "Oslo") & (day.month >= 3) & (day.month <= 5), 1.5, 0.0)
    buys = draw.random(count) < 1 / (1 + np.exp(5.5 + 2.5 * turned - spring))
    dollars = [f"${value:,.2f}" for value in income]
    columns = [age.astype(object), dollars, city, day.strftime("%d.%m.%Y"), draw.poisson(5, count).astype(object)]
    table = pd.DataFrame(dict(zip(HEADER, columns, strict=False)))
    for name in ("Age, years", "City", "Visits"):
        table.loc[draw.random(count) < 0.05, name] = draw.choice(["", "n/a"])
    table[""] = ""
    table["Will buy?"] = np.where(buys, "yes", "no")
    return table


def logistic(tables: dict[str, pd.DataFrame]) -> float:
    """Average precision on the test rows of one-hot, imputed and scaled columns, C being the best on validation's."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import average_precision_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    def plain(table: pd.DataFrame) -> pd.DataFrame:
        days = pd.to_datetime(table["Signed up"], format="%d.%m.%Y")
        numbers = {name: pd.to_numeric(table[name], errors="coerce") for name in ("Age, years", "Visits")}
        income = table["Income ($)"].str.replace("[$,]", "", regex=True).astype(float)
        year = 2 * np.pi * days.dt.day_of_year / 365.25
        return pd.DataFrame({**numbers, "income": income, "sine": np.sin(year), "cosine": np.cos(year)}).assign(
            day=days.astype("int64") / 1e15, city=table["City"]
        )

    inputs = {split: plain(table) for split, table in tables.items()}
    wanted = {split: table["Will buy?"] == "yes" for split, table in tables.items()}
    numbers = [name for name in inputs["train"] if name != "city"]
    scores = {}
    for c in (0.01, 0.1, 1.0, 10.0):
        columns = make_column_transformer(
            (make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), numbers),
            (OneHotEncoder(handle_unknown="ignore"), ["city"]),
        )
        model = make_pipeline(columns, LogisticRegression(C=c, max_iter=1000)).fit(inputs["train"], wanted["train"])
        val, test = (
            average_precision_score(wanted[split], model.predict_proba(inputs[split])[:, 1])
            for split in ("val", "test")
        )
        scores[val] = test
    return scores[max(scores)]


@pytest.mark.long
def test_few_positives_of_a_messy_table_are_found_better_than_by_logistic_regression(tunekit, tmp_path):
    tables = {
        name: customers(count, seed)
        for seed, (name, count) in enumerate({"train": 6000, "val": 2000, "test": 4000}.items())
    }
    for name, table in tables.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    (tmp_path / "shop.yaml").write_text(RECIPE)
    assert 0.03 < (tables["train"]["Will buy?"] == "yes").mean() < 0.06
    done = tunekit("run", "shop.yaml", "--name", "shop")
    assert done.code == 0, done.out[-3000:]
    trained = tunekit("train", "runs/shop", "--json")
    assert trained.code == 0, trained.err
    reached = json.loads(trained.out)["test"]["average_precision"]
    line = logistic(tables)
    print(f"average precision on the test rows: {reached:.3f}, logistic regression {line:.3f}")
    assert reached > line + 0.05
