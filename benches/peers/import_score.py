"""How well books were read: `import_score.py WORDS.py` with what a reader printed on its input.

Prints JSON: `words`, the F1 of words against another reader's (`tests/books/words.py`), and `chapters`,
the F1 of pieces that begin where `NAME.expected.json` says that a chapter begins; both over all files.
"""

import collections
import json
import pathlib
import re
import subprocess
import sys
import unicodedata

# Before a chapter's first words come its title and its number.
BEFORE = 160


def words(text):
    text = unicodedata.normalize("NFKC", text).lower().replace("\u00ad", "").replace("\u200b", "")
    return re.findall(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+", text)


def f1(right, found, wanted):
    return 2 * right / (found + wanted) if found + wanted else 1.0


def main():
    said = json.load(sys.stdin)["books"]
    sums, starts = [0, 0, 0], [0, 0, 0]
    for path, pieces in said.items():
        other = subprocess.run(
            [sys.executable, sys.argv[1], path], capture_output=True, check=True, text=True
        )
        wanted = collections.Counter(json.loads(other.stdout)["words"])
        found = collections.Counter(word for piece in pieces for word in words(piece))
        for i, value in enumerate(((wanted & found).total(), found.total(), wanted.total())):
            sums[i] += value
        expected = json.loads(pathlib.Path(path).with_suffix(".expected.json").read_text())
        begins = [" ".join(words(it["starts_with"])) for it in expected["chapters"]]
        heads = [" ".join(words(piece[: BEFORE * 3])) for piece in pieces]
        right, left = 0, list(heads)
        for begin in begins:
            match = next((it for it in left if 0 <= it.find(begin) <= BEFORE), None)
            if match is not None:
                left.remove(match)
                right += 1
        for i, value in enumerate((right, len(pieces), len(begins))):
            starts[i] += value
    json.dump({"words": f1(*sums), "chapters": f1(*starts)}, sys.stdout)


main()
