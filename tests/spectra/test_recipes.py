"""Recipes: checked as they are written, with the line of what is wrong; run, saved and left out as they say."""

import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spectra
from spectra.dataset import failed
from spectra.errors import InvalidInput, ReadError, RecipeError, SpectraError, WriteError
from spectra.pipeline.describe import describe_options, first_sentence, parameter_texts, toml_value
from spectra.pipeline.locate import line_of, statements
from spectra.pipeline.progress import Progress
from spectra.pipeline.recipe import load_recipe, parse_recipe
from spectra.pipeline.series import files_left_out
from spectra.pipeline.shipped import find_recipe, list_recipes
from spectra.pipeline.template import annotated_recipe, fresh_recipe
from spectra.verbs import history, list_verbs


class TestLines:
    def test_every_key_is_found_where_it_stands(self, recipe_text):
        lines = recipe_text.split("\n")
        assert lines[line_of(recipe_text, ("title",)) - 1].startswith("title")
        assert lines[line_of(recipe_text, ("read", "verb")) - 1] == 'verb = "kitchen.read_series"'
        assert lines[line_of(recipe_text, ("step", 0, "window")) - 1] == "window = ["
        assert lines[line_of(recipe_text, ("step", 1, "limit")) - 1] == "limit = 800"

    def test_a_missing_key_is_found_at_its_table(self, recipe_text):
        line = line_of(recipe_text, ("step", 1, "absent"))
        assert recipe_text.split("\n")[line - 1 : line + 1] == ["[[step]]", 'verb = "kitchen.taste"']
        assert line_of(recipe_text, ("absent",)) is None

    @given(st.lists(st.sampled_from(["", "# [[step]]", "   "]), max_size=3), st.integers(0, 6))
    def test_lines_agree_with_counting(self, filler, steps):
        """Any number of comments and blank lines between tables: the n-th verb is the n-th line with 'verb'."""
        blocks = [["[read]", 'verb = "a.read"'], *([["[[step]]", f'verb = "a.s{i}"'] for i in range(steps)])]
        lines = [line for block in blocks for line in (*filler, *block)]
        text = "\n".join(lines)
        where = [n for n, line in enumerate(lines, 1) if line.startswith("verb")]
        assert [
            line_of(text, ("read", "verb")),
            *(line_of(text, ("step", i, "verb")) for i in range(steps)),
        ] == where

    @pytest.mark.parametrize(
        "value", ['"""\na = 1\n[x]\n"""', "[1, # ]\n2,\n]", "{ a = 1, b = [2] }", "'''\n\n'''"]
    )
    def test_values_of_any_shape_are_one_statement(self, value):
        text = f"first = {value}\nlast = 2\n"
        assert tomllib.loads(text)["last"] == 2
        assert [s.path[0] for s in statements(text)] == ["first", "last"]

    def test_windows_line_ends_count_the_same(self, recipe_text):
        crlf = recipe_text.replace("\n", "\r\n")
        assert line_of(crlf, ("step", 1, "limit")) == line_of(recipe_text, ("step", 1, "limit"))

    def test_inline_and_sub_tables(self):
        text = (
            "[read]\nverb = 'a.read'\ncolumns = { mu = 2 }\n[[step]]\nverb = 'a.b'\n[step.options]\nx = 1\n"
        )
        assert line_of(text, ("read", "columns", "mu")) == 3
        assert line_of(text, ("step", 0, "options", "x")) == 7


@pytest.mark.usefixtures("kitchen")
class TestCheck:
    def test_a_good_recipe(self, recipe_text):
        recipe = parse_recipe(recipe_text, name="pots.toml")
        assert (recipe.name, recipe.title) == ("pots", "Pots")
        assert [step.verb for step in recipe.steps] == ["kitchen.brew", "kitchen.taste"]
        assert recipe.steps[0].options == {"factor": 3, "window": (110, 190)}

    def test_resolved_has_every_option(self, recipe_text):
        resolved = parse_recipe(recipe_text).resolved()
        assert resolved["read"] == {"verb": "kitchen.read_series", "dim": "pot"}
        assert resolved["step"][0]["method"] == "boil"
        json.dumps(resolved)

    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            (
                "factor = 3 ",
                "factr = 3 ",
                "pots.toml, line 13: kitchen.brew has no option 'factr'; did you mean 'factor'?",
            ),
            (
                "factor = 3 ",
                'factor = "3"',
                "pots.toml, line 13: kitchen.brew: factor must be a valid number, got '3'.",
            ),
            (
                "factor = 3 ",
                'method = "boyl" ',
                "line 13: kitchen.brew: method must be 'boil' or 'steam', got 'boyl'; did you mean 'boil'?",
            ),
            (
                '"kitchen.brew"',
                '"kitchen.brw"',
                "line 12: no verb 'kitchen.brw'; did you mean 'kitchen.brew'?",
            ),
            ('"kitchen.brew"', "7", 'line 12: [[step]] number 1 needs verb = "package.verb"'),
            (
                '"kitchen.taste"',
                '"kitchen.read"',
                "line 20: kitchen.read reads files and belongs into [read]",
            ),
            ('"kitchen.read_series"', '"kitchen.brew"', "line 9: kitchen.brew does not read files"),
            (
                "limit = 800",
                "",
                "line 19: kitchen.taste needs 'limit', which was not given: Highest strength that is fine.",
            ),
            ('title = "Pots"', 'titel = "Pots"', "line 2: a recipe has no 'titel'; did you mean 'title'?"),
            ('title = "Pots"', "title = 3", "line 2: title must be text, got 3."),
            ("[read]", "[reed]", "line 8: a recipe has no 'reed'; did you mean 'read'?"),
            ('[[step]]\nverb = "kitchen.brew"', '[step]\nverb = "kitchen.brew"', "this is not TOML"),
            ("limit = 800", "limit = ", "pots.toml, line 21: this is not TOML (Invalid value)"),
        ],
    )
    def test_what_is_wrong_is_named_with_its_line(self, recipe_text, old, new, says):
        assert old in recipe_text
        with pytest.raises(RecipeError) as caught:
            parse_recipe(recipe_text.replace(old, new, 1), name="pots.toml")
        assert says in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_single_brackets_are_explained(self):
        with pytest.raises(RecipeError, match=r"line 3: steps are written as \[\[step\]\]"):
            parse_recipe('[read]\nverb = "kitchen.read"\n[step]\nverb = "kitchen.brew"\n')

    def test_no_read(self):
        with pytest.raises(RecipeError, match=r"pots: a recipe needs a table \[read\]"):
            parse_recipe("", name="pots")

    def test_an_unfinished_text_says_where_it_ends(self):
        with pytest.raises(RecipeError, match="at its end: this is not TOML"):
            parse_recipe('title = "x')

    def test_the_same_from_python_says_which_step(self):
        with pytest.raises(RecipeError, match="recipe: step 1, kitchen.brew has no option 'facto'"):
            load_recipe({"read": {"verb": "kitchen.read"}, "step": [{"verb": "kitchen.brew", "facto": 1}]})

    def test_code_in_a_recipe_is_only_text(self, recipe_text):
        evil = recipe_text.replace('"kitchen.taste"', "\"__import__('os').system\"")
        with pytest.raises(RecipeError, match="no verb"):
            parse_recipe(evil)
        with pytest.raises(RecipeError, match="no verb"):
            parse_recipe(recipe_text.replace("kitchen.taste", "os.system"))

    def test_files_that_are_no_recipe(self, tmp_path):
        binary = tmp_path / "binary.toml"
        binary.write_bytes(b"\xff\xfe\x00")
        with pytest.raises(RecipeError, match=r"binary.toml is not UTF-8 text"):
            load_recipe(binary)
        with pytest.raises(RecipeError, match="there is no recipe file"):
            load_recipe(tmp_path / "absent.toml")
        with pytest.raises(RecipeError, match="no recipe 'absent' ships"):
            load_recipe("absent")


class TestShipped:
    def test_recipes_in_the_documentation_can_be_run_as_written(self):
        page = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
        blocks = [block for block in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if "[read]" in block]
        assert blocks
        for block in blocks:
            assert parse_recipe(block).steps

    def test_every_shipped_recipe_can_be_run_as_written(self):
        recipes = list_recipes()
        assert recipes
        for shipped in recipes:
            recipe = parse_recipe(shipped.text, name=shipped.name)
            assert recipe.title
            assert recipe.description
            assert recipe.steps

    def test_a_misspelt_name(self):
        name = list_recipes()[0].name
        with pytest.raises(RecipeError, match=f"did you mean '{name}'"):
            find_recipe(f"{name}x")


@pytest.mark.usefixtures("kitchen")
class TestTemplates:
    def test_an_annotated_recipe_is_the_same_recipe(self, recipe_text):
        text = annotated_recipe(recipe_text)
        assert parse_recipe(text) == parse_recipe(recipe_text)
        assert "# our best recipe" in text
        for expected in ('# method = "boil"', "# strict = false", '# dim = "pot"', '#   | "steam". How.'):
            assert expected.replace("#   | ", "") in text

    def test_uncommented_defaults_change_nothing(self, recipe_text):
        """Each commented default, put into force, is the default."""
        lines = annotated_recipe(recipe_text).split("\n")
        with_default = [
            line[2:] if line.startswith("# ") and " = " in line and "<" not in line else line
            for line in lines
        ]
        assert parse_recipe("\n".join(with_default)).resolved() == parse_recipe(recipe_text).resolved()

    def test_a_fresh_recipe(self):
        text = fresh_recipe(["kitchen.read", "kitchen.brew"], name="mine")
        recipe = parse_recipe(text)
        assert (recipe.read.verb, recipe.steps[0].verb) == ("kitchen.read", "kitchen.brew")
        assert "# window = <[number, number]>" in text
        assert "#   default" not in text

    def test_a_needed_option_is_asked_for(self):
        with pytest.raises(RecipeError, match="needs 'limit'"):
            parse_recipe(fresh_recipe(["kitchen.taste"]))
        assert "# needed; number. Highest strength that is fine." in fresh_recipe(["kitchen.taste"])

    def test_without_verbs_every_step_is_there(self):
        text = fresh_recipe()
        recipe = parse_recipe(text)
        assert recipe.read.verb == "spectra.read"
        assert recipe.steps == ()
        for verb in list_verbs():
            assert verb.reads_files or f'#verb = "{verb.name}"' in text

    def test_reading_twice_is_refused(self):
        with pytest.raises(
            RecipeError, match="a recipe reads once, got kitchen.read and kitchen.read_series"
        ):
            fresh_recipe(["kitchen.read", "kitchen.read_series"])


class TestDescriptions:
    def test_options_come_from_signature_and_docstring(self, kitchen):
        factor, window, method, strict = describe_options(kitchen.brew)
        assert (factor.name, factor.type, factor.default) == ("factor", "number", 2.0)
        assert factor.text == "What each value is multiplied with. Larger numbers make it stronger."
        assert window.type == "[number, number]"
        assert method.type == '"boil" | "steam"'
        assert strict.text == "Refuse steam."
        assert describe_options(kitchen.taste)[0].required

    def test_every_option_of_every_verb_is_described(self):
        missing = [
            f"{verb.name}: {option.name}"
            for verb in list_verbs()
            for option in describe_options(verb.function)
            if not option.text
        ]
        assert not missing

    def test_first_sentences(self):
        assert first_sentence("Width, e.g. 0.5 eV. More is smoother.") == "Width, e.g. 0.5 eV."
        assert first_sentence("No stop") == "No stop"

    def test_shared_lines_and_other_sections(self):
        texts = parameter_texts(
            "Do.\n\nParameters\n----------\nlow, high : float\n    Ends.\n\nReturns\n-------\nx\n"
        )
        assert texts == {"low": "Ends.", "high": "Ends."}
        assert parameter_texts("Nothing.") == {}
        long = 'Parameters\n----------\nkind : {"a", \\\n        "b"}, optional\n    Which of them.\n'
        assert parameter_texts(long) == {"kind": "Which of them."}

    values = st.recursive(
        st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    )

    @given(values)
    def test_values_survive_toml(self, value):
        assert tomllib.loads(f"x = {toml_value(value)}")["x"] == value


class Watch(Progress):
    """Writes down what it is told."""

    def __init__(self):
        self.told = []

    def reading(self, files):
        self.told.append(f"reading {files}")

    def left_out(self, path, reason):
        self.told.append(f"left out {path.name}")

    def running(self, verb, number, of):
        self.told.append(f"{verb} {number}/{of}")

    def done(self, verb, dataset):
        self.told.append(f"done {verb}")

    def saving(self, path):
        self.told.append(f"saving {path.name}")


class TestRun:
    def test_the_same_as_calling_the_verbs(self, kitchen, pots, recipe_text):
        by_recipe = spectra.run(parse_recipe(recipe_text), pots)
        by_hand = kitchen.taste(
            kitchen.brew(kitchen.read_series(pots), factor=3, window=(110, 190)), limit=800
        )
        np.testing.assert_array_equal(by_recipe.brewed, by_hand.brewed)
        assert [e["verb"] for e in history(by_recipe)] == [e["verb"] for e in history(by_hand)]
        assert failed(by_recipe).values.tolist() == [False, True, False]

    def test_saved_with_recipe_and_command(self, kitchen, pots, recipe_text, tmp_path):
        out = tmp_path / "out.nxs"
        dataset = spectra.run(parse_recipe(recipe_text), pots, out=out, attrs={"sample": "tea"})
        loaded = spectra.load(out)
        np.testing.assert_array_equal(loaded.brewed, dataset.brewed)
        assert loaded.attrs["sample"] == "tea"

    def test_a_file_that_cannot_be_read_is_left_out_and_named(self, kitchen, pots, recipe_text, tmp_path):
        bad = tmp_path / "burnt.txt"
        bad.write_text("no numbers here")
        watch = Watch()
        dataset = spectra.run(parse_recipe(recipe_text), [pots[0], bad, pots[2]], progress=watch)
        assert dataset.sizes["pot"] == 2
        assert files_left_out(dataset) == {str(bad): "burnt.txt holds no two columns of numbers."}
        assert watch.told == [
            "reading 3",
            "left out burnt.txt",
            "done kitchen.read_series",
            "kitchen.brew 1/2",
            "done kitchen.brew",
            "kitchen.taste 2/2",
            "done kitchen.taste",
        ]

    def test_no_file_readable_is_an_error(self, kitchen, recipe_text, tmp_path):
        bad = tmp_path / "burnt.txt"
        bad.write_text("no")
        with pytest.raises(ReadError, match="holds no two columns"):
            spectra.run(parse_recipe(recipe_text), [bad, bad])
        with pytest.raises((SpectraError, OSError), match="absent"):
            spectra.run(parse_recipe(recipe_text), tmp_path / "absent.txt")

    def test_files_that_do_not_fit_together_stop_the_run(self, kitchen, pots, recipe_text):
        np.savetxt(pots[1], np.ones((5, 2)).cumsum(axis=0))
        with pytest.raises(InvalidInput, match="not of one size"):
            spectra.run(parse_recipe(recipe_text), pots)

    def test_one_file_verbs_take_one_file(self, kitchen, pots):
        recipe = {"read": {"verb": "kitchen.read"}}
        assert spectra.run(recipe, pots[0]).sizes["raman_shift"] == 21
        with pytest.raises(
            InvalidInput, match=r'reads one file and 3 were given; .* verb = "kitchen.read_series"'
        ):
            spectra.run(recipe, pots)

    def test_the_output_is_checked_before_anything_is_read(self, kitchen, pots, recipe_text, tmp_path):
        plan = parse_recipe(recipe_text)
        with pytest.raises(InvalidInput, match="no files were given"):
            spectra.run(plan, [])
        with pytest.raises(InvalidInput, match="is one of the files to read"):
            spectra.run(plan, pots, out=pots[1])
        with pytest.raises(WriteError, match="there is no folder"):
            spectra.run(plan, pots, out=tmp_path / "absent" / "out.nxs")
        with pytest.raises(WriteError, match="is a folder"):
            spectra.run(plan, pots, out=tmp_path)

    def test_an_error_in_a_verb_leaves_the_old_file(self, kitchen, pots, recipe_text, tmp_path):
        out = tmp_path / "out.nxs"
        out.write_text("precious")
        recipe = {"read": {"verb": "kitchen.read_series"}, "step": [{"verb": "kitchen.taste", "limit": 1.0}]}
        with pytest.raises(
            InvalidInput, match="kitchen.taste needs the variable 'brewed', which kitchen.brew adds"
        ):
            spectra.run(recipe, pots, out=out)
        assert out.read_text() == "precious"
        assert sorted(p.name for p in tmp_path.iterdir()) == [
            "out.nxs",
            "pot_0.txt",
            "pot_1.txt",
            "pot_2.txt",
        ]

    def test_wrong_technique_for_a_verb(self, kitchen, pots):
        recipe = {"read": {"verb": "kitchen.read"}, "step": [{"verb": "xas.normalize"}]}
        with pytest.raises(
            InvalidInput, match="xas.normalize works along energy, and this dataset has raman_shift"
        ):
            spectra.run(recipe, pots[0])
