"""A table as people have it: separators, quotes, encodings, kinds of columns, gaps; and what the training rows fix."""

import json
import math
from collections import Counter
from datetime import date
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tunekit.configuration import DataSpec
from tunekit.training.memory import pack, unpack
from tunekit.training.sources import read_splits
from tunekit.training.sources.cells import Form, read_as, read_column
from tunekit.training.sources.columns import MOST_CATEGORIES, Columns
from tunekit.training.sources.reading import read_frame
from tunekit.vocabulary import UserError

THIS_YEAR = date.today().year


def splits(folder, text, name="t.csv", spec=None, **args):
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    data = DataSpec(target="table", args={"path": name, "target": "y", **args}, **(spec or {}))
    return read_splits(data, folder)


def whole(parts):
    """All rows of training and validation, in the order of the file."""
    order = [int(name.split()[1]) for name in [*parts.files["train"], *parts.files["val"]]]
    inputs = torch.cat([parts.train.stored.args[0], parts.val.stored.args[0]])
    return inputs[torch.tensor(order).argsort()]


def named(parts, name):
    return whole(parts)[:, parts.columns.names.index(name)].tolist()


def column(*cells, comma=False, **options):
    return read_column(pd.Series(list(cells), dtype=object), comma, **options)


class TestFiles:
    @pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
    def test_the_separator_is_found(self, tmp_path, separator):
        text = "a,b,y\n" + "".join(f"{i},{i % 3},{i % 2}\n" for i in range(20))
        parts = splits(tmp_path, text.replace(",", separator), standardize=False)
        assert parts.columns.names == ("a", "b")
        assert named(parts, "a") == list(range(20))
        assert any("separated by" in note for note in parts.notes) is (separator != ",")

    def test_cells_with_commas_quotes_and_line_breaks_stand_in_quotes(self, tmp_path):
        text = 'a,"what, who",y\n' + "".join(f'{i}, "x, ""{i % 3}""\nand", {i % 2}\n' for i in range(12))
        parts = splits(tmp_path, text)
        assert parts.columns.encodings[1].categories == tuple(f'x, "{i}"\nand' for i in range(3))

    @pytest.mark.parametrize(
        ("encoding", "told"), [("utf-8", False), ("utf-8-sig", False), ("utf-16", False), ("latin-1", True)]
    )
    def test_encodings(self, tmp_path, encoding, told):
        text = "größe,y\n" + "".join(f"{'äö'[i % 2]},{i % 2}\n" for i in range(10))
        parts = splits(tmp_path, text.encode(encoding))
        assert parts.columns.names == ("größe = ä", "größe = ö")
        assert any("is not UTF-8 (line 1): read as Latin-1" in note for note in parts.notes) is told

    def test_what_spreadsheets_leave(self, tmp_path):
        parts = splits(tmp_path, "sep=;\r\na;y\r\n" + "".join(f"{i};{i % 2};\r\n" for i in range(10)) + ";\r\n\r\n")
        assert len(parts.train) + len(parts.val) == 10

    def test_lines_may_end_as_on_an_old_mac_and_cells_be_long(self, tmp_path):
        parts = splits(
            tmp_path, "a,b,y\r" + "".join(f"{'x' * 200_000 if i % 2 else 'y'},{i},{i % 2}\r" for i in range(8))
        )
        assert len(parts.columns.encodings[0].categories) == 2

    def test_a_header_of_numbers_has_names_too(self, tmp_path):
        parts = splits(tmp_path, "0,1,2\n" + "".join(f"{i},{-i},{i % 2}\n" for i in range(8)), target=2, features=1)
        assert parts.columns.names == ("1",)

    def test_a_file_may_be_packed(self, tmp_path):
        import gzip

        text = gzip.compress(b"a,y\n" + b"".join(b"%d,%d\n" % (i, i % 2) for i in range(10)))
        assert len(splits(tmp_path, text, "t.csv.gz").val) == 2

    def test_a_name_that_comes_twice(self, tmp_path):
        parts = splits(tmp_path, "a,a,,y\n" + "".join(f"{i},{-i},{i * i},{i % 2}\n" for i in range(10)))
        assert parts.columns.names == ("a", "a.2", "column 3")
        assert any("has 'a' more than once" in note for note in parts.notes)
        with pytest.raises(UserError, match=r"several columns 'a'"):
            splits(tmp_path, "a,a,y\n1,2,3\n4,5,6\n", features=["a"])

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("a,y\n1,2\n1,2,3\n", "line 3 has 3 cells and the header 2; a cell with commas in it stands in quotes"),
            ("a,y\n1,0\n\n1\n", "line 4 has 1 cell and the header 2"),
            ("a,y\n" + '1,"x\n' + "2,3\n" * 9, "a quote opens in line 2 and never closes"),
            ("a,y\n", "is empty"),
            ("", "is empty"),
            (b"\0\1\2", "it is no text"),
            (b"PK\3\4", "it is a spreadsheet or an archive; save its sheet as .csv"),
            (b"\x1f\x8bno", "cannot be read as a table"),
            (b"PAR1 is none", "cannot be read as a table|needs pyarrow"),
        ],
    )
    def test_a_bad_file_has_one_line(self, tmp_path, text, told):
        with pytest.raises(UserError, match=told) as caught:
            splits(tmp_path, text)
        assert "\n" not in str(caught.value)
        assert str(caught.value).startswith(f"data.args.path: {tmp_path / 't.csv'}")
        assert len(str(caught.value)) < 300

    def test_a_parquet_has_types(self, tmp_path):
        pytest.importorskip("pyarrow")
        frame = pd.DataFrame(
            {
                "n": pd.array([1, None, *range(10)], dtype="Int64"),
                "when": pd.date_range("2024-01-01", periods=12),
                "who": ["a", None, *"bb" * 5],
                "ok": [True, False] * 6,
                "y": ["u", "v"] * 6,
            }
        )
        frame.to_parquet(tmp_path / "t.parquet")
        args = {"path": "t.parquet", "target": "y", "standardize": False}
        parts = read_splits(DataSpec(target="table", args=args, split="random"), tmp_path)
        assert parts.classes == ("u", "v")
        assert named(parts, "ok") == [1, 0] * 6
        assert named(parts, "when")[0] == (pd.Timestamp("2024-01-01") - pd.Timestamp("1970-01-01")).days
        assert named(parts, "n missing") == [0, 1, *[0] * 10]


class TestCells:
    @pytest.mark.parametrize(
        ("cells", "comma", "expected"),
        [
            (["1", "2.5", "-3e2", " 4 "], False, [1, 2.5, -300, 4]),
            (["1,234.5", "12", "1,000,000"], False, [1234.5, 12, 1e6]),
            (["1,5", "2,25"], False, [1.5, 2.25]),
            (["1.234,5", "7"], False, [1234.5, 7]),
            (["1,234", "2,345"], False, [1234, 2345]),
            (["1,234", "2,345"], True, [1.234, 2.345]),
            (["0,125", "2,345"], False, [0.125, 2.345]),
            (["1'234.5", "1 234", "5"], False, [1234.5, 1234, 5]),
            (["$1,200", "$5.50"], False, [1200, 5.5]),
            (["12 %", "3.5%"], False, [12, 3.5]),
            (["-$1,200.50", "$-3", "($45)", "7"], False, [-1200.5, -3, -45, 7]),
            (["USD 1,200", "35 USD"], False, [1200, 35]),
            (["1.200,50 €", "€ 3"], False, [1200.5, 3]),
            (["\u22125", "0.5", "05.50", "0", "00"], False, [-5, 0.5, 5.5, 0, 0]),
            (["1.234", "2.5"], True, [1.234, 2.5]),
        ],
    )
    def test_numbers_as_people_write_them(self, cells, comma, expected):
        read = column(*cells, comma=comma)
        assert read.form.kind == "number"
        assert read.values.tolist() == pytest.approx(expected)

    @pytest.mark.parametrize("cells", [["01234", "90210"], ["1-2", "3-4"], ["1.2.3"], ["$5", "€6"], ["12a"], ["1/2"]])
    def test_codes_are_no_numbers(self, cells):
        read = column(*cells)
        assert read.form.kind == "text"
        assert read.values.tolist() == cells

    @pytest.mark.parametrize(
        ("cells", "hours"),
        [
            (["13:45", "00:00", "24:00"], [13.75, 0, 24]),
            (["1:45 PM", "12:30 am", "12:00 p.m.", "7AM"], [13.75, 0.5, 12, 7]),
            (["13:45:36", "6:30"], [13.76, 6.5]),
            (["9h15", "18 Uhr", "18:30 Uhr"], [9.25, 18, 18.5]),
        ],
    )
    def test_times_of_day(self, cells, hours):
        read = column(*cells)
        assert read.form.kind == "time"
        assert (24 * read.values).tolist() == pytest.approx(hours)

    @pytest.mark.parametrize("cells", [["1:2"], ["25:17", "25:19", "21:25"], ["90:00", "120:30"], ["12"], ["13:75"]])
    def test_scores_and_lengths_are_no_times(self, cells):
        assert column(*cells).form.kind != "time"

    @given(st.lists(st.times(), min_size=1))
    def test_what_python_writes_as_a_time_is_read_back(self, times):
        read = column(*(time.isoformat() for time in times))
        seconds = [3600 * t.hour + 60 * t.minute + t.second + t.microsecond / 1e6 for t in times]
        assert (86_400 * read.values).tolist() == pytest.approx(seconds)

    def test_what_was_read_as_what_is_told_in_a_line(self, tmp_path):
        rows = [f'{i % 24:02d}:30,"${1000 + i:,}",{i % 7:05d},{"£$"[i % 3 > 0]}{i % 4},{i},{i % 2}' for i in range(48)]
        parts = splits(tmp_path, "at,price,zip,mixed,n,y\n" + "\n".join(rows), standardize=False)
        assert (
            "read 'at' as times of day, 'price' as numbers ('$1,000' as 1000), 'zip' as names, for its numbers begin "
            "with zeros as codes do, 'mixed' as texts, for its amounts are in $, £"
        ) in parts.notes
        assert named(parts, "price") == [1000 + i for i in range(48)]
        assert named(parts, "zip = 00003")[:4] == [0, 0, 0, 1]
        assert named(parts, "at sine of day")[5] == pytest.approx(math.sin(2 * math.pi * 5.5 / 24), abs=1e-6)

    @given(st.lists(st.floats(-1e9, 1e9), min_size=1), st.booleans())
    def test_what_python_writes_is_read_back(self, numbers, comma):
        assert column(*map(repr, numbers), comma=comma).values.tolist() == numbers

    @given(st.lists(st.integers(1, 10**9), min_size=1))
    def test_marks_between_thousands_are_read_over(self, numbers):
        assert column(*(f"{n:,}.5" for n in numbers)).values.tolist() == [n + 0.5 for n in numbers]
        german = [f"{n:,}".replace(",", ".") + ",5" for n in numbers]
        assert column(*german).values.tolist() == [n + 0.5 for n in numbers]

    @pytest.mark.parametrize("word", ["", "NA", "n/a", "NaN", "null", "None", "?", "-", "."])
    def test_words_that_say_nothing(self, word):
        read = column("1", word, "3")
        assert math.isnan(read.values[1])
        assert not len(read.strays)

    @pytest.mark.parametrize("pair", [("No", "YES"), ("false", "True"), ("n", "y"), ("F", "T"), ("off", "on")])
    def test_yes_and_no(self, pair):
        assert column(*pair).values.tolist() == [0, 1]
        assert column(*pair, "maybe").form.kind == "text"

    @pytest.mark.parametrize(
        "written",
        ["2024-02-03", "2024-02-03T00:00:00Z", "2024/02/03", "02/03/2024", "3.2.2024", "3 Feb 2024", "Feb 3, 2024"],
    )
    def test_dates(self, written):
        read = column(written, "")
        assert read.form.kind == "date"
        assert read.values[0] == (pd.Timestamp("2024-02-03") - pd.Timestamp("1970-01-01")).days

    def test_the_order_of_day_and_month_is_the_one_that_fits_every_cell(self):
        days = column("02/03/2024", "25/03/2024").values
        assert days[1] - days[0] == 23
        assert column("02/03/2024", "02/04/2024 ").values.tolist()[1] - column("02/03/2024").values[0] == 1

    def test_a_time_of_day_is_a_share_of_it(self):
        assert column("2024-02-03 06:00").values[0] % 1 == 0.25

    def test_slips_among_many_numbers_are_missing_and_told(self, tmp_path):
        cells = [*map(str, range(50)), "12a"]
        assert column(*cells).strays.tolist() == [50]
        parts = splits(tmp_path, "a,y\n" + "".join(f"{cell},{i % 2}\n" for i, cell in enumerate(cells)))
        assert any("'a' has 1 cell that is no number, first '12a' in row 51" in note for note in parts.notes)

    @pytest.mark.parametrize("cell", ["inf", "-inf", "Infinity", "1e999"])
    def test_an_infinity_is_missing_and_told(self, tmp_path, cell):
        read = column("1", cell, "3")
        assert read.strays.tolist() == [1]
        assert math.isnan(read.values[1])
        parts = splits(tmp_path, "a,y\n" + "".join(f"{cell if i == 3 else i},{i % 2}\n" for i in range(20)))
        assert any(f"'a' has 1 cell that is no number, first {cell!r} in row 4" in note for note in parts.notes)
        assert bool(parts.train.stored.args[0].isfinite().all())
        with pytest.raises(UserError, match="holds no number in 1 row, first in row 4"):
            splits(tmp_path, "y,a\n" + "".join(f"{cell if i == 3 else i},{i % 2}\n" for i in range(20)))

    @given(
        st.lists(st.sampled_from(["yes", "No", "TRUE", "false", "1", "0", "1.0", "Y", "n", "off", "on"]), min_size=2)
    )
    def test_yes_and_no_in_mixed_words_are_two_values(self, cells):
        read = column("yes", "false", *cells)
        right = {"yes", "true", "1", "1.0", "y", "on"}
        assert read.form.kind == "truth"
        assert read.values[2:].tolist() == [float(cell.lower() in right) for cell in cells]

    def test_letters_and_numbers_alone_are_no_mixed_words(self):
        assert column("f", "y", "n").form.kind == "text"
        assert column("1", "y").form.kind == "text"
        assert column("0", "1").form.kind == "number"

    @given(
        st.lists(st.dates(pd.Timestamp("1970-01-01").date(), pd.Timestamp("2060-01-01").date()), min_size=3),
        st.sampled_from(["%d.%m.%Y", "%m/%d/%Y"]).flatmap(
            lambda form: st.permutations(["%Y-%m-%d", "%d %b %Y", "%B %d, %Y", form])
        ),
    )
    def test_dates_in_several_forms_are_read_by_each(self, dates, forms):
        cells = [date.strftime(forms[i % 3]) for i, date in enumerate(dates)]
        cells += [pd.Timestamp("2021-12-31").strftime(form) for form in forms[:3]]
        read = column(*cells)
        wanted = [(pd.Timestamp(date) - pd.Timestamp("1970-01-01")).days for date in dates]
        assert read.form.kind == "date"
        assert read.values[: len(dates)].tolist() == wanted
        assert read.how == "dates in 3 forms"

    @pytest.mark.parametrize("others", ["%d.%m.%Y", "%d-%m-%Y", "%d.%m.%y", "%d.%m.%Y %H:%M"])
    def test_marks_that_fit_both_orders_follow_those_that_fit_one(self, others):
        days = pd.date_range("2023-01-01", periods=12)  # with slashes they all may be months
        cells = [day.strftime("%d/%m/%Y") for day in days]
        read = column(*cells, pd.Timestamp("2021-12-31").strftime(others))
        assert read.form.style.partition("@")[0].split("|") == ["%d/%m/%Y", others]
        assert read.values[1] - read.values[0] == 1
        assert read.values[-1] == (pd.Timestamp("2021-12-31") - pd.Timestamp("1970-01-01")).days

    @pytest.mark.parametrize("form", ["%d.%m.%y", "%m/%d/%y", "%d-%b-%y", "%d/%m/%y %H:%M"])
    @pytest.mark.parametrize(
        ("first", "last"),
        [
            ("1955-03-01", "1989-12-30"),  # born
            (f"{THIS_YEAR - 95}-03-01", f"{THIS_YEAR - 7}-06-30"),
            ("2001-01-01", "2024-05-31"),
            (f"{THIS_YEAR - 3}-02-01", f"{THIS_YEAR + 4}-02-01"),  # contracts that end
        ],
    )
    def test_years_of_two_digits_are_of_one_century_that_is_told_and_stays(self, form, first, last):
        days = pd.date_range(first, last, periods=60).floor("min")
        read = column(*(day.strftime(form) for day in days))
        exact = days if "%H" in form else days.floor("D")
        wanted = (exact - pd.Timestamp("1970-01-01")) / pd.Timedelta(days=1)
        assert read.values == pytest.approx(wanted.to_numpy())
        assert read.how == f"dates, years of two digits as {first[:4]} to {last[:4]}"
        earlier = days[0] - pd.Timedelta(days=500)
        again = read_as(pd.Series([earlier.strftime(form)], dtype=object), read.form)
        assert read.values[0] - again.values[0] == 500

    def test_slashes_with_the_month_first_beside_points_with_the_day_first_are_texts(self):
        read = column("01/02/2024", "12/31/2023", "10.12.2023")
        assert read.form.kind == "text"
        assert "in both orders" in read.how
        assert column("01/02/2024", "05/06/2023", "10.12.2023").form.style == "%d/%m/%Y|%d.%m.%Y"

    def test_dates_in_both_orders_of_day_and_month_are_texts_and_told(self):
        both = column("25/12/2020", "12/24/2020", "03/04/2020")
        assert both.form.kind == "text"
        assert "in both orders" in both.how
        assert column("25/12/2020 10:00", "03/04/2020", "2020-01-05").form.kind == "date"
        assert column("123-45-6789", "987-65-4321").how == ""

    @pytest.mark.parametrize("mark", [".", ","])
    def test_a_per_cent_sign_in_some_cells_alone_is_told(self, mark):
        cells = ["0", "5 %", f"7{mark}5%", "n/a"]
        read = column(*cells, f"0{mark}10")
        assert read.values.tolist() == pytest.approx([0, 5, 7.5, np.nan, 0.1], nan_ok=True)
        assert read.how == (
            f"numbers, some with a per cent sign and some without ('5 %' as 5, '0{mark}10' as 0.1): write them alike"
        )
        assert "some without" not in column(*cells).how
        assert not column("1", "2.5").how

    def test_a_slip_among_dates_is_missing(self):
        days = [f"2024-01-{day:02d}" for day in range(1, 29)]
        assert column(*days, "2024-02-31").strays.tolist() == [28]
        assert "'2024-02-31' is no date as others are" in column(*days[:9], "2024-02-31").how

    def test_words_that_may_be_one_are_told(self, tmp_path):
        text = "a,y\n" + "".join(
            f"{['New York', 'new-york', 'Rome', 'x'][i % 4]},{['cat', 'Cat', 'dog'][i % 3]}\n" for i in range(40)
        )
        notes = splits(tmp_path, text).notes
        assert "'a' has 'New York' and 'new-york': write them alike if they are one" in notes
        assert "'y' has 'Cat' and 'cat': write them alike if they are one" in notes
        apart = "a,y\n" + "".join(f"{['1-2', '12', 'C++', 'C'][i % 4]},{'uv'[i % 2]}\n" for i in range(40))
        assert not any("alike" in note for note in splits(tmp_path, apart).notes)

    @pytest.mark.parametrize(
        "words",
        [
            [f"{10**20 + n}" for n in range(20)],  # one float64, and names of their own
            ["1e5", "10E4", "100000"],  # a code may have an E
            [f"{'Aa'[n % 2]}nna {n // 2}" for n in range(60)],  # a column that is left out
        ],
    )
    def test_words_that_are_not_one_are_not_told(self, tmp_path, words):
        text = "a,b,y\n" + "".join(f"{words[i % len(words)]},{i % 3},{i % 2}\n" for i in range(60))
        assert not any("alike" in note for note in splits(tmp_path, text, categories=["a"]).notes)

    def test_of_words_that_may_be_one_a_few_are_listed(self, tmp_path):
        words = ["1", "1.0", *("".join(case) for case in product("aA", "bB", "cC", "dD", "eE"))]
        text = "a,y\n" + "".join(f"{words[i % len(words)]},{i % 2}\n" for i in range(200))
        (note,) = (one for one in splits(tmp_path, text).notes if "alike" in one)
        assert note == "'a' has '1' and '1.0' (and 1 more such group): write them alike if they are one"
        text = "a,y\n" + "".join(f"{words[2 + i % 32]},{i % 2}\n" for i in range(200))
        (note,) = (one for one in splits(tmp_path, text).notes if "alike" in one)
        assert note.count("'") == 2 * (1 + 20)
        assert note.endswith(" and 12 more: write them alike if they are one")

    def test_few_numbers_among_words_are_words(self):
        assert column("1", "2", "A").form.kind == "text"
        assert column(*["1", "2"] * 50, "A").form.kind == "text"


class TestInputs:
    def test_numbers_and_gaps_by_the_training_rows(self, tmp_path):
        """The last fifth is validation: its 1000s are in no median, mean or deviation."""
        cells = ["1", "", "3", "5", "", "9", "4", "2", "1000", "1000"]
        text = "t,a,y\n" + "".join(f"{i},{cell},{i % 2}\n" for i, cell in enumerate(cells))
        parts = splits(tmp_path, text, groups="t", spec={"split": "time"})
        filled = np.array([1, 3.5, 3, 5, 3.5, 9, 4, 2])  # the median of 1 2 3 4 5 9
        expected = (filled - filled.mean()) / filled.std()
        assert parts.train.stored.args[0][:, 0].tolist() == pytest.approx(expected.tolist(), abs=1e-6)
        assert parts.val.stored.args[0][0, 0].item() == pytest.approx((1000 - filled.mean()) / filled.std(), rel=1e-6)
        assert parts.columns.names == ("a", "a missing")
        assert parts.train.stored.args[0][:, 1].tolist() == [0, 1, 0, 0, 1, 0, 0, 0]
        assert any("missing cells are filled in, and an input says where: 'a'" in note for note in parts.notes)

    @given(st.lists(st.sampled_from(["", "7", "-2.5", "1e6"]), min_size=2, max_size=2))
    def test_what_validation_holds_changes_no_training_row(self, tmp_path_factory, last):
        folder = tmp_path_factory.mktemp("t")

        def train(cells):
            rows = [*map(str, range(8)), *cells]
            text = "t,a,y\n" + "".join(f"{i},{cell},{i % 2}\n" for i, cell in enumerate(rows))
            return splits(folder, text, groups="t", spec={"split": "time"}).train.stored.args[0]

        assert torch.equal(train(last), train(["8", "9"]))

    def test_texts_are_categories_of_the_training_rows(self, tmp_path):
        cities = ["Bern", "Ulm", "", "Ulm", "Bern", "Ulm", "Bern", "Bern", "Rom", "Ulm"]
        text = "t,city,y\n" + "".join(f"{i},{city},{i % 2}\n" for i, city in enumerate(cities))
        parts = splits(tmp_path, text, groups="t", spec={"split": "time"})
        assert parts.columns.names == ("city = Bern", "city = Ulm", "city missing")
        assert parts.train.stored.args[0][:4].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 0]]
        assert parts.val.stored.args[0].tolist() == [[0, 0, 0], [0, 1, 0]]
        assert any("'city' has texts in 1 row of validation that training has not, as 'Rom'" in n for n in parts.notes)

    def test_rare_categories_share_an_input(self, tmp_path):
        words = [f"w{i % 60:02d}" for i in range(600)]
        parts = splits(tmp_path, "a,y\n" + "".join(f"{word},{i % 2}\n" for i, word in enumerate(words)))
        assert len(parts.columns.names) == MOST_CATEGORIES + 1
        assert parts.columns.names[-1] == "a = other"
        assert set(whole(parts).sum(1).tolist()) == {1.0}

    def test_numbers_may_be_names(self, tmp_path):
        text = "zip,y\n" + "".join(f"{[8000, 3000][i % 2]},{i % 2}\n" for i in range(10))
        assert splits(tmp_path, text, categories=["zip"]).columns.names == ("zip = 3000", "zip = 8000")

    def test_a_date_is_its_day_and_where_in_year_and_week_it_lies(self, tmp_path):
        text = "d,y\n" + "".join(f"2024-01-{i + 1:02d},{i % 2}\n" for i in range(14))
        parts = splits(tmp_path, text, standardize=False)
        assert parts.columns.names == (
            "d",
            "d sine of year",
            "d cosine of year",
            "d sine of week",
            "d cosine of week",
        )
        # The first of January 2024 was a Monday.
        assert named(parts, "d sine of week")[:2] == pytest.approx([0, math.sin(2 * math.pi / 7)], abs=1e-5)
        assert named(parts, "d cosine of week")[7] == pytest.approx(1, abs=1e-5)
        assert named(parts, "d cosine of year")[0] == pytest.approx(1, abs=1e-3)

    def test_columns_that_say_nothing_are_left_out_and_told(self, tmp_path):
        text = "id,name,same,empty,a,y\n" + "".join(f"{i},person {i},k,,{i % 7},{i % 2}\n" for i in range(60))
        parts = splits(tmp_path, text)
        assert parts.columns.names == ("a",)
        notes = " | ".join(parts.notes)
        assert "left out: 'id', which numbers the rows" in notes
        assert "left out: 'name', which holds texts of which most differ" in notes
        assert "left out: 'same', which is the same in every training row" in notes
        assert "left out: 'empty', which holds no number" in notes
        with pytest.raises(UserError, match=r"data\.args\.features: column 'name' holds texts of which most differ"):
            splits(tmp_path, text, features=["name"])

    @pytest.mark.parametrize("others", [range(6), range(20, 26), [23, 21, 25, 20, 24, 22]])
    def test_a_column_that_numbers_the_rows_is_no_input_with_files_for_each_split_either(self, tmp_path, others):
        def text(numbers):
            return "id,a,y\n" + "".join(f"{i},{i % 7},{i % 2}\n" for i in numbers)

        (tmp_path / "test.csv").write_text(text(others))
        parts = splits(tmp_path, text(range(20)), test_path="test.csv")
        assert parts.columns.names == ("a",)
        assert "left out: 'id', which numbers the rows" in parts.notes

    @pytest.mark.parametrize("numbers", [[1, 2, 2, 4, 5, 6], [1.5, 2.5, 3.5, 4.5, 5.5, 6.5], [1, 900, 20, 7, 66, 5]])
    def test_other_numbers_of_that_name_are_inputs(self, tmp_path, numbers):
        text = "id,y\n" + "".join(f"{number},{i % 2}\n" for i, number in enumerate(numbers))
        assert splits(tmp_path, text).columns.names == ("id",)

    @pytest.mark.parametrize("numbers", [range(100, 180), range(80), np.random.default_rng(0).permutation(80) + 7])
    def test_what_numbers_the_rows_is_no_input_under_whatever_name(self, tmp_path, numbers):
        text = "parcel,b,y\n" + "".join(f"{number},{i % 3},{i % 2}\n" for i, number in enumerate(numbers))
        parts = splits(tmp_path, text)
        assert parts.columns.names == ("b",)
        assert "left out: 'parcel', which numbers the rows; data.args.features keeps what it names" in parts.notes
        assert splits(tmp_path, text, features=["parcel", "b"]).columns.names == ("parcel", "b")

    @pytest.mark.parametrize(
        "numbers",
        [
            range(1950, 2030),  # years
            [2 * i + i // 7 for i in range(80)],  # sorted, with gaps
            [i // 2 for i in range(80)],
            [f"${1000 + i:,}" for i in range(80)],
            [i / 4 for i in range(80)],
            range(1, 32),  # days of a month
        ],
    )
    def test_a_quantity_that_is_sorted_in_the_file_stays_an_input(self, tmp_path, numbers):
        text = "a,b,y\n" + "".join(f'"{number}",{i % 3},{i % 2}\n' for i, number in enumerate(numbers))
        assert splits(tmp_path, text).columns.names == ("a", "b")

    @pytest.mark.parametrize("name", ["month_index", "day of record", "T", "time"])
    def test_what_is_called_like_a_time_stays_an_input(self, tmp_path, name):
        text = f"{name},b,y\n" + "".join(f"{i},{i % 3},{i % 2}\n" for i in range(80))
        assert splits(tmp_path, text).columns.names == (name, "b")

    def test_what_alone_there_is_to_learn_from_stays_an_input(self, tmp_path):
        text = "x,y\n" + "".join(f"{i},{i * i}\n" for i in range(80))
        assert splits(tmp_path, text).columns.names == ("x",)

    def test_numbers_too_long_for_a_float_are_not_called_the_same(self, tmp_path):
        text = "a,b,y\n" + "".join(f"{9007199254740993000 + i % 5},{i},{i % 2}\n" for i in range(40))
        assert any(
            "'a', which differs, if at all, beyond a number's 16 digits" in n for n in splits(tmp_path, text).notes
        )
        assert len(splits(tmp_path, text, categories=["a"]).columns.encodings[0].categories) == 5

    def test_what_training_had_not_is_told_of_another_file_column_by_column(self, tmp_path):
        rows = [f"{i + 0.25},{['Bern', 'Ulm'][i % 2]},{['no', 'yes'][i % 2]},{2 * i}.5" for i in range(40)]
        parts = splits(
            tmp_path, "a,b,c,d,y\n" + "".join(f"{row},{i % 2}\n" for i, row in enumerate(rows)), standardize=False
        )

        def applied(text):
            (tmp_path / "new.csv").write_text(text)
            inputs, told = parts.columns.apply(read_frame(tmp_path / "new.csv"))
            return inputs.tolist(), list(told)

        inputs, told = applied("a,b,c,d\n1.5,Ulm,True,\nmuch,Rom,maybe,1\ninf,Rom,0,2\n")
        a, _, c, d = (one.fill for one in parts.columns.encodings)
        assert inputs == [[1.5, 0, 1, 1, d], [a, 0, 0, c, 1], [a, 0, 0, 0, 2]]
        assert told == [
            "'a' has 2 cells that are no number, first 'much' in row 2 below the header: taken as missing",
            "'b' has texts in 2 rows that training has not, as 'Rom'",
            "'c' has 1 cell that is neither yes nor no, first 'maybe' in row 2 below the header: taken as missing",
            "'d' is empty in 1 row, first in row 1 below the header, and in no training row: taken as training's "
            "median",
        ]

    def test_another_decimal_sign_than_training_is_read_and_told(self, tmp_path):
        def applied(trained, new):
            text = "a;b;y\n" + "".join(f"{trained(i)};{trained(3 * i)};{i % 2}\n" for i in range(20))
            (tmp_path / "new.csv").write_text("a;b\n" + "".join(f"{one}\n" for one in new))
            parts = splits(tmp_path, text, standardize=False)
            inputs, told = parts.columns.apply(read_frame(tmp_path / "new.csv"))
            return inputs.tolist(), list(told)

        point, comma = (lambda i: f"{i}.25"), (lambda i: f"{i},25")
        inputs, told = applied(point, ["3,5;1.234", "4,5;2.500"])
        assert inputs == [[3.5, 1234], [4.5, 2500]]
        assert told == [
            "'a' has a decimal comma, and training had a point: '3,5' is read as 3.5",
            "'b' has a decimal comma, and training had a point: '1.234' is read as 1234",
        ]
        assert applied(comma, ["3.5;1.234"])[0] == [[3.5, pytest.approx(1.234)]]
        assert applied(comma, ["3,5;1.234"]) == ([[3.5, 1234]], [])
        assert applied(point, ["3.5;1,234"]) == ([[3.5, 1234]], [])

    def test_a_type_is_read_as_training_wrote_it(self):
        typed = {
            "a": pd.Series([1, 0, 7]),
            "b": pd.Series(pd.to_datetime(["2024-01-02"] * 3)),
            "c": pd.Series([2.5] * 3),
        }
        assert read_as(typed["a"], Form("truth", "yes")).strays.tolist() == [2]
        assert read_as(typed["b"], Form("number", "point")).strays.tolist() == [0, 1, 2]
        assert read_as(typed["c"], Form("date", "ISO8601")).strays.tolist() == [0, 1, 2]
        assert read_as(pd.Series([2**60, 2**60 + 1]), Form("text")).values.tolist() == [str(2**60), str(2**60 + 1)]

    def test_the_same_columns_make_the_inputs_of_another_file(self, tmp_path):
        rows = [
            f'{i},"{["Bern", "Ulm"][i % 2]}",2024-01-{1 + i % 28:02d},{["no", "yes", ""][i % 3]}' for i in range(40)
        ]
        text = "a,b,c,d,y\n" + "".join(f"{row},{i % 2}\n" for i, row in enumerate(rows))
        parts = splits(tmp_path, text)
        again = Columns.from_json(json.loads(json.dumps(parts.columns.to_json())))
        assert again == parts.columns
        (tmp_path / "new.csv").write_text("d;c;b;a\n" + "".join(";".join(row.split(",")[::-1]) + "\n" for row in rows))
        inputs, told = again.apply(read_frame(tmp_path / "new.csv"))
        assert torch.equal(inputs, whole(parts))
        assert told == ()
        (tmp_path / "new.csv").write_text("a,bb,c,d\n1,2,3,4\n")
        with pytest.raises(UserError, match=r"no column 'b', which the model was trained on \(did you mean 'bb'\?\)"):
            again.apply(read_frame(tmp_path / "new.csv"))

    def test_processes_share_all_of_it(self, tmp_path):
        parts = splits(tmp_path, "a,b,y\n" + "".join(f"{i},{'uv'[i % 2]},{['no', 'yes'][i % 2]}\n" for i in range(20)))
        shared = unpack(pack(parts))
        assert (shared.columns, shared.classes, shared.files) == (parts.columns, ("no", "yes"), parts.files)

    def test_splits_in_files_of_their_own(self, tmp_path):
        (tmp_path / "val.csv").write_text("b,a,y\nv,100,1\nw,200,0\n")
        text = "a,b,y\n" + "".join(f"{i},{'uv'[i % 2]},{i % 2}\n" for i in range(10))
        parts = splits(tmp_path, text, val_path="val.csv", test_path="val.csv", standardize=False)
        assert len(parts.train) == 10
        assert parts.val.stored.args[0].tolist() == parts.test.stored.args[0].tolist() == [[100, 0, 1], [200, 0, 0]]
        (tmp_path / "val.csv").write_text("a,y\n1,0\n")
        with pytest.raises(UserError, match=r"val\.csv has no column 'b'"):
            splits(tmp_path, text, val_path="val.csv")

    def test_texts_are_groups(self, tmp_path):
        text = "who,a,y\n" + "".join(f"p{i // 3},{i},{i % 2}\n" for i in range(30))
        parts = splits(tmp_path, text, groups="who", spec={"split": "group"})
        assert parts.groups.shared == 0
        assert parts.columns.names == ("a",)


class TestTargets:
    def test_features_and_target_by_name(self, tmp_path):
        parts = splits(tmp_path, "a,y,b\n" + "".join(f"{i},{i % 2},{-i}\n" for i in range(10)), standardize=False)
        assert whole(parts).tolist() == [[float(i), float(-i)] for i in range(10)]
        assert Counter(parts.val.targets().tolist()) == {0: 1, 1: 1}

    @pytest.mark.parametrize(
        ("words", "classes"),
        [
            (["No", "Yes"], ("No", "Yes")),
            (["TRUE", "FALSE"], ("FALSE", "TRUE")),
            (["setosa", "virginica"], ("setosa", "virginica")),
            (["None", "Mild"], ("Mild", "None")),
            (["+", "-"], ("+", "-")),
        ],
    )
    def test_classes_have_names(self, tmp_path, words, classes):
        parts = splits(tmp_path, "a,y\n" + "".join(f"{i},{words[i % 2]}\n" for i in range(20)))
        assert parts.classes == classes
        assert parts.train.targets().dtype == torch.long
        row = int(parts.files["val"][0].split()[1]) - 1
        assert parts.val.targets()[0].item() == classes.index(words[row % 2])

    def test_numbers_may_be_names_of_classes(self, tmp_path):
        text = "a,y\n" + "".join(f"{i},{[7, 10, 3][i % 3]}\n" for i in range(30))
        parts = splits(tmp_path, text, classes=True)
        assert parts.classes == ("3", "7", "10")
        assert splits(tmp_path, text).classes is None

    def test_several_targets_are_columns(self, tmp_path):
        parts = splits(tmp_path, "a,y,z\n" + "".join(f"{i},{i}.5,{-i}.5\n" for i in range(10)), target=["y", "z"])
        assert parts.train.targets().shape == (8, 2)
        assert parts.classes is None
        text = "a,y,z\n" + "".join(f"{i},{['no', 'yes'][i % 2]},{i % 2}\n" for i in range(10))
        assert splits(tmp_path, text, target=["y", "z"]).classes == ("y", "z")

    def test_rows_without_a_target_are_told_or_left_out(self, tmp_path):
        text = "a,y\n" + "".join(f"{i},{'' if i % 5 == 1 else i % 2}\n" for i in range(20))
        with pytest.raises(UserError) as caught:
            splits(tmp_path, text)
        assert str(caught.value) == (
            f"data.args.target: column 'y' of {tmp_path / 't.csv'} holds no number in 4 rows, first in row 2 below the "
            "header; fill them in, or leave them out with data.args.missing_target: drop"
        )
        parts = splits(tmp_path, text, missing_target="drop", standardize=False)
        assert sorted(torch.cat([parts.train.stored.args[0], parts.val.stored.args[0]])[:, 0].tolist()) == [
            i for i in range(20) if i % 5 != 1
        ]
        assert "left out: 4 rows without a target" in parts.notes

    @pytest.mark.parametrize(
        ("args", "message"),
        [
            ({"path": 5}, r"data\.args\.path: must be a path, not 5"),
            ({"path": None}, r"data\.args\.path: must be a path, not nothing"),
            ({"path": "t\0.csv"}, r"data\.args\.path: must be a path"),
            ({"target": []}, r"data\.args\.target: names no column"),
            ({"target": "yy"}, r"has no column 'yy'; it has x, y, z, d \(did you mean 'y'\?\)"),
            ({"target": "d"}, r"'d' of .* holds dates; a target is a number or a class"),
            ({"target": "z"}, r"column 'z' of .*t\.csv holds no number in 1 row, first in row 2 below"),
            ({"features": ["y"]}, r"data\.args\.features: 'y' is the target"),
            ({"features": ["q"]}, r"data\.args\.features: .* has no column 'q'"),
            ({"features": True}, r"data\.args\.features: the name of a column, or a list of such, not true"),
            ({"target": [["y"]]}, r"data\.args\.target: the name of a column"),
            ({"groups": "z"}, r"data\.args\.groups: column 'z' of .* is empty in 1 row, first in row 2"),
            ({"missing_target": "no"}, r"data\.args\.missing_target: error or drop, not 'no'"),
            ({"decimal": ";"}, r"data\.args\.decimal: '\.' or ','"),
            ({"separator": ", "}, r"data\.args\.separator: one letter"),
            ({"standardize_target": True, "target": "c"}, r"data\.args: .* has no column 'c'|no column"),
        ],
    )
    def test_arguments_that_mean_nothing_are_told(self, tmp_path, args, message):
        rows = "x,y,z,d\n1,0,1,2024-01-01\n2,1,nan,2024-01-02\n3,0,0,2024-01-03\n"
        with pytest.raises(UserError, match=message) as caught:
            splits(tmp_path, rows, **args)
        assert "\n" not in str(caught.value)

    def test_a_file_without_a_header_is_told(self, tmp_path):
        with pytest.raises(UserError, match="its first line looks like no header"):
            splits(tmp_path, "5.1,3.5,0\n4.9,3.0,1\n")

    def test_texts_that_are_no_classes_are_told(self, tmp_path):
        text = "a,y\n" + "".join(f"{i},text {i}\n" for i in range(40))
        with pytest.raises(UserError, match="holds 40 different texts in 40 rows: they are no classes"):
            splits(tmp_path, text)


def test_real_tables_of_scikit_learn_are_read_whole(tmp_path):
    from importlib.util import find_spec

    folder = Path(find_spec("sklearn").submodule_search_locations[0]) / "datasets" / "data"
    lines = (folder / "iris.csv").read_text().splitlines()
    text = "\n".join(["a,b,c,d,y", *lines[1:]])
    parts = splits(tmp_path, text, standardize=False)
    assert whole(parts).mean(0).tolist() == pytest.approx([5.843, 3.057, 3.758, 1.199], abs=1e-3)  # as UCI has them


def test_sentences_are_called_so_and_names_are_names(tmp_path):
    rows = "\n".join(f'"Doe, Mr. John {i}",it came late and broke {i} times,{i % 5},{i % 2}' for i in range(60))
    (tmp_path / "t.csv").write_text(f"who,review,a,y\n{rows}\n")
    notes = read_splits(DataSpec(target="table", args={"path": "t.csv", "target": "y"}), tmp_path).notes
    assert sum("'who', which holds texts of which most differ, as names" in note for note in notes) == 1
    assert sum("'review', which holds sentences (48 different in 48)" in note for note in notes) == 1
