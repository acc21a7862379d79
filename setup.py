"""What setup.cfg cannot say: notes of derivations/ go along, and links into the repository do not.

Nothing is known of an address where the repository could be read. So the description that a
package carries says in words what README.md links to.
"""

import re
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent


class WithNotes(build_py):
    """Copy the notes to balinp/derivations, where an installed package looks for them."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:  # there the package finds them beside itself
            return
        target = Path(self.build_lib, "balinp", "derivations")
        target.mkdir(parents=True, exist_ok=True)
        for note in sorted(ROOT.glob("derivations/*.md")):
            shutil.copy(note, target)


def described(text: str) -> str:
    """README without pictures of the repository, and with links into it as plain words."""
    text = re.sub(r"!\[[^\]]*\]\((?!https:)[^)]*\)\n*", "", text)
    return re.sub(r"\[([^\]]+)\]\((?!https:)[^)]*\)", r"\1", text)


if __name__ == "__main__":
    setup(
        cmdclass={"build_py": WithNotes},
        long_description=described((ROOT / "README.md").read_text(encoding="utf-8")),
    )
