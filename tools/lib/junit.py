# SPDX-License-Identifier: GPL-2.0
"""JUnit XML from a list of cases."""

import dataclasses
import re
import xml.etree.ElementTree as ET


@dataclasses.dataclass
class Case:
    """One test: "suite/.../name", pass, fail or skip, and why."""

    name: str
    outcome: str
    seconds: float
    text: str = ""


def clean(text):
    """Without the characters that XML 1.0 cannot hold."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)


def write(path, cases):
    suites = {}
    for case in cases:
        suites.setdefault(case.name.rpartition("/")[0] or "movgem", []).append(case)
    top = ET.Element("testsuites")
    for name, members in suites.items():
        suite = ET.SubElement(
            top, "testsuite", name=name, tests=str(len(members)),
            failures=str(sum(case.outcome == "fail" for case in members)), errors="0",
            skipped=str(sum(case.outcome == "skip" for case in members)),
            time=f"{sum(case.seconds for case in members):.3f}")
        for case in members:
            element = ET.SubElement(suite, "testcase", classname=name.replace("/", "."),
                                    name=case.name.rpartition("/")[2], time=f"{case.seconds:.3f}")
            text = clean(case.text)
            first = text.strip().split("\n", 1)[0]
            if case.outcome == "fail":
                ET.SubElement(element, "failure", message=first).text = text
            elif case.outcome == "skip":
                ET.SubElement(element, "skipped", message=first)
            elif text:
                ET.SubElement(element, "system-out").text = text
    ET.indent(top)
    ET.ElementTree(top).write(path, encoding="utf-8", xml_declaration=True)
