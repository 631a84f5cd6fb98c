import re
import sys

import pytest

from tunekit.recipe import call, local_modules, resolve
from tunekit.vocabulary import UserError


@pytest.fixture(autouse=True)
def own_imports():
    path, known = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - known:
        del sys.modules[name]


def fault(target, folder, key="model.target"):
    with pytest.raises(UserError) as caught:
        resolve(target, folder, key)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{key}: {target}: ")
    return message.removeprefix(f"{key}: {target}: ")


def test_a_callable_is_found_beside_the_recipe_also_in_packages_and_classes(tmp_path):
    (tmp_path / "nets_a.py").write_text(
        "def small(): return 3\nclass Net:\n    @staticmethod\n    def make(): return 4\n"
    )
    (tmp_path / "pack_a").mkdir()
    (tmp_path / "pack_a" / "__init__.py").write_text("")
    (tmp_path / "pack_a" / "inner.py").write_text("def f(): return 5\n")
    assert resolve("nets_a:small", tmp_path, "k")() == 3
    assert resolve("nets_a:Net.make", tmp_path, "k")() == 4
    assert resolve("pack_a.inner:f", tmp_path, "k")() == 5


def test_the_folder_of_the_recipe_comes_before_installed_packages(tmp_path):
    (tmp_path / "colorsys.py").write_text("def mine(): return 'mine'\n")
    sys.modules.pop("colorsys", None)
    assert resolve("colorsys:mine", tmp_path, "k")() == "mine"


def test_modules_of_the_same_name_in_two_folders_are_not_mixed_up(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "layers_s.py").write_text(f"def f(): return '{name}'\n")
        (tmp_path / name / "model_s.py").write_text("from layers_s import f\n")
    for name in ("one", "two", "one"):
        assert resolve("model_s:f", tmp_path / name, "k")() == name


def test_a_module_of_one_folder_is_no_source_of_a_recipe_in_the_folder_around_it(tmp_path):
    (tmp_path / "inner").mkdir()
    for place in (tmp_path, tmp_path / "inner"):
        (place / f"net_{place.name.replace('-', '_')}.py").write_text("def f(): pass\n")
    outer = f"net_{tmp_path.name.replace('-', '_')}"
    resolve("net_inner:f", tmp_path / "inner", "k")
    resolve(f"{outer}:f", tmp_path, "k")
    assert local_modules(tmp_path) == [tmp_path / f"{outer}.py"]


def test_a_module_of_one_folder_is_loaded_once(tmp_path):
    (tmp_path / "once_m.py").write_text("class A: pass\n")
    assert resolve("once_m:A", tmp_path, "k") is resolve("once_m:A", tmp_path, "k")


def test_a_module_that_does_not_exist_is_told_with_the_folder(tmp_path):
    assert fault("nowhere_x:f", tmp_path) == f"no module 'nowhere_x' in {tmp_path} nor among installed packages"
    assert "no module 'nowhere_x'" in fault("nowhere_x.inner:f", tmp_path)


def test_a_module_that_needs_another_is_told_so(tmp_path):
    (tmp_path / "needs_x.py").write_text("import not_installed_x\n")
    assert fault("needs_x:f", tmp_path) == "importing needs_x needs 'not_installed_x', which is not installed"


@pytest.mark.parametrize(
    ("name", "source", "told"),
    [
        ("bad_syntax", "x = 1\ndef f(:\n", "raised SyntaxError: "),
        ("bad_indent", "def f():\nreturn 1\n", "raised IndentationError: "),
        ("bad_value", "\n\nraise ValueError('first\\nsecond')\n", "raised ValueError: first (bad_value.py, line 3)"),
        ("bad_empty", "raise RuntimeError\n", "raised RuntimeError (bad_empty.py, line 1)"),
        ("bad_exit", "import sys\nsys.exit(2)\n", "raised SystemExit: 2 (bad_exit.py, line 2)"),
        ("bad_from", "from math import no_such_name\n", "raised ImportError: "),
    ],
)
def test_what_an_import_raises_is_told_in_one_line(tmp_path, name, source, told):
    (tmp_path / f"{name}.py").write_text(source)
    message = fault(f"{name}:f", tmp_path)
    assert message.startswith(f"importing {name} {told}")
    assert f"({name}.py, line " in message


def test_a_module_that_failed_to_import_is_tried_again(tmp_path):
    (tmp_path / "mended.py").write_text("1 / 0\n")
    assert "ZeroDivisionError" in fault("mended:f", tmp_path)
    (tmp_path / "mended.py").write_text("def f(): return 'now'\n")
    assert resolve("mended:f", tmp_path, "k")() == "now"


def test_a_name_that_is_missing_or_no_callable_is_told_with_the_nearest(tmp_path):
    (tmp_path / "some_n.py").write_text("def build_net(): pass\nsize = 3\n")
    assert fault("some_n:build_nett", tmp_path) == ("some_n has no callable 'build_nett' (did you mean 'build_net'?)")
    assert fault("some_n:size", tmp_path) == "some_n has no callable 'size'"
    assert fault("some_n:build_net.inner", tmp_path).startswith("some_n has no callable 'build_net.inner'")


@pytest.mark.parametrize(
    "target", ["../secret:f", "a/b:f", ":f", "m:", "m:a b", ".m:f", "m..n:f", "model.py:f", "m:f()", "a:b:c", ":"]
)
def test_a_target_that_is_no_dotted_name_is_refused_before_any_import(tmp_path, target):
    assert fault(target, tmp_path).startswith("expected module:callable")


def test_what_a_call_raises_is_told_with_the_line_of_the_persons_code(tmp_path):
    (tmp_path / "raises_c.py").write_text("import json\n\ndef f(x):\n    return json.loads(x)\n")
    function = resolve("raises_c:f", tmp_path, "k")
    assert call(function, "k", "raises_c:f", "[1]") == [1]
    with pytest.raises(UserError) as caught:
        call(function, "data.target", "raises_c:f", "{")
    assert str(caught.value).startswith("data.target: raises_c:f raised JSONDecodeError: ")
    assert str(caught.value).endswith("(raises_c.py, line 4)")


def test_wrong_arguments_of_a_call_are_told():
    with pytest.raises(UserError, match=r"k: m:f raised TypeError: .*unexpected keyword argument 'depht'"):
        call(lambda depth: depth, "k", "m:f", depht=3)


class Net:
    def __init__(self, width=3, *, classes=2): ...


@pytest.mark.parametrize(
    ("function", "args", "told"),
    [
        (Net, {"widht": 3}, "argument 'widht' (did you mean 'width'?)"),
        (Net, {"width": 3, "zz": 1}, "argument 'zz' (it takes width, classes)"),
        (lambda: None, {"zz": 1}, "argument 'zz' (it takes none)"),
        (lambda **more: len(1), {"widht": 3}, "has no len()"),
        (lambda width: len(width), {"width": 3}, "has no len()"),
        (lambda width: 0, {}, "positional argument: 'width'"),
    ],
)
def test_the_argument_that_was_meant_is_named(function, args, told):
    with pytest.raises(UserError) as error:
        call(function, "model.target", "m:f", **args)
    assert re.sub(r" \(test_recipe_code.py, line \d+\)", "", str(error.value)).endswith(told)


def test_a_user_error_of_the_persons_code_stays_as_it_is():
    def f():
        raise UserError("mine")

    with pytest.raises(UserError, match=r"^mine$"):
        call(f, "k", "m:f")


def test_local_modules_are_those_below_the_folder_without_installed_ones(tmp_path):
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / "lib_l.py").write_text("")
    (tmp_path / "part_l.py").write_text("")
    (tmp_path / "main_l.py").write_text("import part_l, lib_l\ndef f(): pass\n")
    sys.path.insert(0, str(tmp_path / "site-packages"))
    resolve("main_l:f", tmp_path, "k")
    assert local_modules(tmp_path) == [tmp_path / "main_l.py", tmp_path / "part_l.py"]
