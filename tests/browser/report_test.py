"""The HTML report in a real browser: python3 tests/browser/report_test.py BIN [CLASS.test …], BIN having aitune in it."""

import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

from devtools import Browser

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.argv.pop(1)).resolve() if len(sys.argv) > 1 else ROOT / "build/release/bin"
HOSTILE = "</script><script>window.taken=alert(1)</script><img src=x onerror=window.taken=2>"


def aitune(*words: object) -> None:
    subprocess.run([BIN / "aitune", *map(str, words)], check=True)


def write_images(file: Path) -> None:
    """Four images of 8 x 8 as a .npy file."""
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 1, 8, 8), }".ljust(117) + "\n"
    pixels = [i % 17 / 16 for i in range(256)]
    file.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + struct.pack("<256f", *pixels))


def hostile_model(source: Path, target: Path) -> None:
    """The model with scripts in the place of its modules and source lines."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.infolist():
            data = old.read(entry)
            if entry.filename.endswith("models/model.json"):
                program = json.loads(data)
                for node in program["graph_module"]["graph"]["nodes"]:
                    node["metadata"]["stack_trace"] = f'  File "{HOSTILE}.py", line 1, in {HOSTILE}\n    {HOSTILE}'
                    node["metadata"]["nn_module_stack"] = f"a,{HOSTILE},torch.nn.Linear"
                data = json.dumps(program).encode()
            new.writestr(entry.filename, data)


class Reports(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        os.environ["AITUNE_CACHE_DIR"] = str(cls.folder / "cache")
        digits = ROOT / "examples/quickstart/digits.pt2"
        write_images(cls.folder / "image.npy")
        hostile_model(digits, cls.folder / "hostile.pt2")
        for name, model in (("digits", digits), ("hostile", cls.folder / "hostile.pt2")):
            aitune("tune", model, "-q", "-i", cls.folder / "image.npy", "-o", cls.folder / f"{name}.ait",
                   "--set", "optimization_level=0", "--set", "max_special_plans=0", "--report", cls.folder / f"{name}.html")

    def open(self, name: str, **options: object) -> Browser:
        browser = Browser(**options)
        self.addCleanup(browser.close)
        browser.open(self.folder / f"{name}.html")
        self.assertEqual(browser.js("document.documentElement.dataset.ready"), "true", browser.problems)
        return browser

    def test_loads_without_an_error_and_without_a_request(self) -> None:
        page = self.open("digits")
        self.assertEqual(page.problems, [])
        for section in ("summary", "latency", "time", "fusion", "memory", "precision", "fallbacks", "graph", "setup"):
            self.assertGreater(page.js(f"document.getElementById('{section}').innerText.length"), 30, section)
        self.assertGreater(page.js("document.querySelectorAll('#world .gnode').length"), 3)
        self.assertIn(".py", page.js("document.getElementById('time').innerText"))
        self.assertFalse(page.js("document.documentElement.scrollWidth > innerWidth"), "the page is wider than the window")

    def test_verdicts_are_not_broken_into_letters(self) -> None:
        page = self.open("digits")
        wraps = page.js("[...document.querySelectorAll('#precision td')].filter(cell => cell.textContent === 'stays')"
                        ".map(cell => getComputedStyle(cell).whiteSpace)")
        self.assertEqual(wraps, ["nowrap"])

    def test_search_finds_and_shows(self) -> None:
        page = self.open("digits")
        page.js("document.getElementById('graph').scrollIntoView(); document.getElementById('search').focus()")
        page.type("relu")
        hits = page.js("document.querySelectorAll('#world .gnode.hit').length")
        self.assertGreater(hits, 0)
        self.assertLess(hits, page.js("document.querySelectorAll('#world .gnode').length"))
        self.assertEqual(page.js("document.getElementById('found').textContent"), f"{hits} found")
        before = page.js("document.getElementById('world').getAttribute('transform')")
        page.key("Enter")
        self.assertEqual(page.js("document.getElementById('found').textContent"), f"1 of {hits}")
        self.assertNotEqual(page.js("document.getElementById('world').getAttribute('transform')"), before)
        self.assertIn("relu", page.js("document.querySelector('.side').innerText"))
        box = page.js("(() => { const b = document.querySelector('.gnode.chosen').getBoundingClientRect(), c = "
                      "document.getElementById('canvas').getBoundingClientRect();"
                      "return b.left > c.left && b.right < c.right && b.top > c.top && b.bottom < c.bottom; })()")
        self.assertTrue(box, "what was found is in sight")
        self.assertEqual(page.problems, [])

    def test_pan_and_zoom_by_mouse_and_keys(self) -> None:
        page = self.open("digits")
        page.js("document.documentElement.style.scrollBehavior = 'auto'; document.getElementById('graph').scrollIntoView()")
        transform = "document.getElementById('world').getAttribute('transform')"
        where = page.js("(() => { const r = document.getElementById('canvas').getBoundingClientRect(); return [r.left + 20, r.top + 60]; })()")

        def numbers() -> list[float]:
            text = page.js(transform).replace("translate(", "").replace(") scale(", " ").replace(")", "")
            return [float(n) for n in text.split()]

        x, y, k = numbers()
        page.drag(*where, 80, 40)
        self.assertEqual([round(a - b) for a, b in zip(numbers(), (x, y, k))], [80, 40, 0])
        page.wheel(*where, -200, modifiers=2)
        self.assertGreater(numbers()[2], k)
        page.js("document.getElementById('canvas').focus()")
        x, y, k = numbers()
        page.key("ArrowLeft")
        self.assertAlmostEqual(numbers()[0], x + 60, places=1)
        page.key("-")
        self.assertLess(numbers()[2], k)
        self.assertEqual(page.problems, [])

    def test_a_step_of_a_table_is_shown_in_the_graph(self) -> None:
        page = self.open("digits")
        page.js("document.querySelector('#time tbody button.link').click()")
        self.assertIn("Step", page.js("document.querySelector('.side h3').textContent"))
        self.assertEqual(page.js("document.querySelectorAll('.gnode.chosen').length"), 1)

    def test_keyboard_reaches_everything(self) -> None:
        page = self.open("digits")
        reached: set[str] = set()
        for _ in range(400):
            page.key("Tab")
            reached.add(page.js("document.activeElement.id || document.activeElement.getAttribute('role') || document.activeElement.type || document.activeElement.tagName"))
        for want in ("theme", "search", "canvas", "tab", "button", "region"):
            self.assertIn(want, reached)

    def test_light_and_dark(self) -> None:
        colour = "getComputedStyle(document.body).backgroundColor"
        light, dark = self.open("digits"), self.open("digits", dark=True)
        self.assertNotEqual(light.js(colour), dark.js(colour))
        dark.js("document.getElementById('theme').click()")
        self.assertEqual(light.js(colour), dark.js(colour))

    def test_scripts_in_names_do_not_run(self) -> None:
        page = self.open("hostile")
        page.js("document.querySelectorAll('#time [role=tab]').forEach(tab => tab.click());"
                "document.querySelectorAll('button.chip').forEach(chip => chip.click())")
        self.assertIn("</script><script>", page.js("document.getElementById('fusion').innerText"), "names are shown as they are")
        self.assertEqual(page.js("typeof window.taken"), "undefined")
        self.assertEqual(page.js("document.scripts.length"), 2)
        self.assertEqual(page.js("document.images.length"), 0)
        self.assertEqual(page.problems, [])


if __name__ == "__main__":
    unittest.main()
