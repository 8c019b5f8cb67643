"""Says where a PowerShell script is not one, by the grammar of tree-sitter: powershell.py SCRIPT..."""

import sys
from pathlib import Path

import tree_sitter
import tree_sitter_powershell

parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))


def faults(node):
    if node.is_error or node.is_missing:
        yield node
    else:
        for child in node.children:
            yield from faults(child)


found = False
for script in sys.argv[1:]:
    for node in faults(parser.parse(Path(script).read_bytes()).root_node):
        found = True
        line = node.text.decode().split("\n")[0]
        print(f"{script}:{node.start_point.row + 1}: invalid PowerShell: {line or 'missing ' + node.type}")
sys.exit(found or not sys.argv[1:])
