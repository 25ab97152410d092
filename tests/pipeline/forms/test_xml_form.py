"""XML answers: taken as they are, repaired and marked, or refused; whatever comes out is well-formed."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.pipeline.forms.xml_form import UnformedXml, read_xml


def test_a_well_formed_document_is_unchanged() -> None:
    """What is well-formed passes as it is and is not marked."""
    formed = read_xml("  <answer><a b='1'>x &amp; y</a></answer>\n")
    assert formed.text == "<answer><a b='1'>x &amp; y</a></answer>"
    assert not formed.repaired


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<a><b>x</a>", "<a><b>x</b></a>"),
        ("<a>x", "<a>x</a>"),
        ("<a>Tom & Jerry < Spike</a>", "<a>Tom &amp; Jerry &lt; Spike</a>"),
        ("Here you are:\n```xml\n<a>1</a>\n```\nBye", "<a>1</a>"),
        ("Sure! <a>1</a> Hope it helps.", "<a>1</a>"),
        ("<a>1</a><b>2</b>", "<answer><a>1</a><b>2</b></answer>"),
        ("<a></b>1</a>", "<a>1</a>"),
        ('<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "<a>&amp;x;</a>"),
        ("<a>bell\x07</a>", "<a>bell</a>"),
        ("<a>&#0;&#x41;&#xD800;</a>", "<a>&#x41;</a>"),
        ('<a k="1" k="2"/>', '<a k="1"/>'),
        ("<a><![CDATA[<raw>]]></a", "<a><![CDATA[<raw>]]></a>"),
    ],
)
def test_broken_xml_is_repaired_and_marked(text: str, expected: str) -> None:
    """What can be repaired says the same, well-formed, and is marked."""
    formed = read_xml(text)
    assert formed.repaired
    assert ET.tostring(ET.fromstring(formed.text)) == ET.tostring(ET.fromstring(expected))


def test_the_root_asked_for_is_given() -> None:
    """An answer under another root is put under the one that was asked for."""
    formed = read_xml("<item>1</item>", root="list")
    assert formed.text == "<list><item>1</item></list>"
    assert formed.repaired


@pytest.mark.parametrize("text", ["", "no markup at all", "1 < 2 and 3 > 2", "<>", "<!-- only a comment -->"])
def test_text_without_elements_is_refused(text: str) -> None:
    """Where there is no element nothing is made up."""
    with pytest.raises(UnformedXml):
        read_xml(text)


_PIECES = st.sampled_from(
    ["<a>", "</a>", "<b x='1'>", "</b>", "<c/>", "&", "&amp;", "<", ">", "]]>", "<!--", "-->", "<![CDATA[", "text", '"',
     "<?pi?>", "<!DOCTYPE a>", "\x00", "é", "&#x0;", "&#65;", "<a b=>", "```", " ", "<a:b>", "--"]
)  # fmt: skip


@given(st.one_of(st.lists(_PIECES, max_size=25).map("".join), st.text(max_size=80)), st.sampled_from([None, "root"]))
def test_whatever_comes_out_is_well_formed(text: str, root: str | None) -> None:
    """For any text: a well-formed document under the root asked for, or a refusal."""
    try:
        formed = read_xml(text, root=root)
    except UnformedXml:
        return
    element = ET.fromstring(formed.text)
    assert root in {None, element.tag}
    assert read_xml(formed.text, root=root).text == formed.text
